//! The packets of a stream, each written into the slot that it leaves in.

use peerage_base::slot::Slot;
use peerage_base::time::Duration;
use peerage_rtp::numbers::{PayloadType, SequenceNumber, Timestamp};
use peerage_rtp::packet::Header;
use peerage_rtp::packet::write::PacketWriter;
use peerage_rtp::payload::budget::{Mark, Piece, Position};
use peerage_rtp::payload::rtx;

use super::config::{Config, Protection, StreamConfig};
use super::extensions::{Departure, Elements};
use super::history::Sent;
use super::line::{Written, behind, media_names, repair_names, wire_type};
use super::stream::Stream;

impl Stream {
    /// Writes the next packet of the frames that wait; `None` if none waits.
    pub(super) fn write_media(&mut self, limits: &Config, at: &Departure, slot: &mut Slot<'_>) -> Option<Written> {
        loop {
            let (frame_number, frame) = self.frames.current()?;
            let Some((mark, position)) = frame.go_on() else {
                self.frames.advance();
                continue;
            };
            let Some((header_len, piece, size)) = self.write_new(position, at, slot) else {
                // The slot is shorter than the packets that were agreed on, which its owner has to know.
                tracing::debug!(source = %self.line.config.ssrc, "a frame does not fit the slot");
                self.frames.advance();
                self.line.statistics.dropped_frames += 1;
                continue;
            };
            let number = self.line.next;
            self.line.next = number.next();
            let (_, frame) = self.frames.current()?;
            frame.leaves(at.now);
            let (remaining, is_key, queued) = (frame.remaining(), frame.elements.is_key, frame.queued);
            let place = Some((frame_number, mark)).filter(|_| frame.elements.payload_type.is_none());
            if remaining == 0 {
                self.frames.advance();
            }
            self.note_sent(number, place, size, (limits, at));
            let payload = size - header_len;
            self.line.count_media(header_len, payload);
            self.line.statistics.send_delay += at.now.since(queued);
            self.line.resends.earn(size, limits);
            if let Some(protector) = &mut self.line.protector {
                protector.absorb(slot, &self.line.config, is_key, remaining);
            }
            let ends_frame = piece.position.is_last();
            return Some(Written { ssrc: self.line.config.ssrc, number, size, original: Some(number), ends_frame });
        }
    }

    /// Writes a repair packet; `None` if none is ready.
    pub(super) fn write_repair(&mut self, limits: &Config, at: &Departure, slot: &mut Slot<'_>) -> Option<Written> {
        let timestamp = self.timestamp(at.now)?;
        let (written, is_media) = self.line.write_repair(timestamp, at, slot)?;
        if is_media {
            self.note_sent(written.number, None, written.size, (limits, at));
        }
        Some(written)
    }

    /// Writes a packet of at most `max` bytes that is there to be counted: a late packet once more if there is one, else
    /// padding alone. `None` if the stream has nothing that it may pad with: no packet has left yet, or a frame is leaving.
    pub(super) fn write_padding(
        &mut self,
        (limits, at): (&Config, &Departure),
        (pause, max): (Duration, usize),
        slot: &mut Slot<'_>,
    ) -> Option<Written> {
        if self.line.config.rtx.is_some()
            && let Some(number) = self.history.worth_repeating(at.now, pause, max.saturating_sub(rtx::HEADER_LEN))
            && let Some(written) = self.write_again(number, at, slot)
        {
            self.line.statistics.padding_bytes += written.size as u64;
            return Some(written);
        }
        let is_beside = self.line.config.rtx.is_some();
        // Padding amid a frame would look like a part of it that is missing.
        if !is_beside && self.frames.current().is_some_and(|(_, frame)| frame.is_begun) {
            return None;
        }
        // Among media a new timestamp would begin a frame.
        let timestamp = if is_beside { self.timestamp(at.now) } else { self.last_timestamp() };
        let timestamp = timestamp.filter(|_| self.line.reported.0 > 0)?;
        let written = self.line.write_padding((timestamp, max), at, slot)?;
        if !is_beside {
            self.note_sent(written.number, None, written.size, (limits, at));
        }
        Some(written)
    }

    /// Writes a new packet of the current frame, which was gone to: length of its headers, what of the frame is in it, its
    /// length.
    fn write_new(&mut self, position: Position, at: &Departure, slot: &mut Slot<'_>) -> Option<(usize, Piece, usize)> {
        let usual = wire_type(&self.line.config);
        let names = media_names(&self.line.config, self.line.is_known);
        let clock = self.timestamp(at.now);
        let (_, frame) = self.frames.current()?;
        let lead = lead(clock, frame.timestamp);
        if let (true, true, None) =
            (position.is_first(), frame.elements.playout_delay.is_some(), self.announced.delay_sent)
        {
            self.announced.delay_sent = Some(self.line.next);
        }
        let other = frame.elements.payload_type;
        // Bytes that are counted, not copied.
        let payload = self.redundancy.as_ref().filter(|_| other.is_none()).and_then(|_| frame.payload());
        let header = Header {
            marker: false,
            payload_type: other.unwrap_or(usual),
            sequence_number: self.line.next,
            timestamp: frame.timestamp,
            ssrc: self.line.config.ssrc,
        };
        let mut packet = PacketWriter::new(slot, &header, &[])?;
        let frame_elements = Some((&frame.elements, position));
        Elements { names, lead, frame: frame_elements, ..Elements::new(&self.line.config.extensions) }
            .write(&mut packet, at);
        let header_len = packet.header_len();
        let prefix = red_prefix(&self.line.config).filter(|_| other.is_none());
        let mut piece = None;
        let mut write = |room: &mut [u8]| {
            piece = frame.write(room);
            piece.map(|piece| piece.len)
        };
        let len = match (&mut self.redundancy, payload) {
            (Some(encoder), Some(payload)) => {
                let room = packet.room();
                let most = self.line.config.max_packet.saturating_sub(header_len).min(room.len());
                let len =
                    encoder.write(self.line.config.payload_type, header.timestamp, &payload, &mut room[..most])?;
                // The present payload comes last: written over itself, the frame knows that it is done.
                write(&mut room[len - payload.len()..len])?;
                len
            }
            _ => behind(prefix, packet.room(), write)?,
        };
        let piece = piece?;
        packet.set_marker(piece.marker);
        let size = packet.finish(len, 0)?;
        Some((header_len, piece, size))
    }

    /// Writes a packet that has left as a retransmission; `None` if it cannot be.
    pub(super) fn write_again(
        &mut self,
        number: SequenceNumber,
        at: &Departure,
        slot: &mut Slot<'_>,
    ) -> Option<Written> {
        let rtx = self.line.config.rtx?;
        let (frame_number, mark) = self.history.get(number)?.place?;
        let names = repair_names(&self.line.config, self.line.is_rtx_known);
        let clock = self.timestamp(at.now);
        let frame = self.frames.get(frame_number)?;
        let lead = lead(clock, frame.timestamp);
        let position = frame.go_to(mark)?;
        let header = Header {
            marker: false,
            payload_type: rtx.payload_type,
            sequence_number: self.line.next_rtx,
            timestamp: frame.timestamp,
            ssrc: rtx.ssrc,
        };
        let mut packet = PacketWriter::new(slot, &header, &[])?;
        let frame_elements = Some((&frame.elements, position));
        Elements { names, lead, frame: frame_elements, ..Elements::new(&self.line.config.extensions) }
            .write(&mut packet, at);
        let header_len = packet.header_len();
        let (digits, room) = packet.room().split_first_chunk_mut::<{ rtx::HEADER_LEN }>()?;
        *digits = number.0.to_be_bytes();
        let mut marker = false;
        let len = behind(red_prefix(&self.line.config), room, |room| {
            let piece = frame.write(room)?;
            marker = piece.marker;
            Some(piece.len)
        })?;
        packet.set_marker(marker);
        let size = packet.finish(rtx::HEADER_LEN + len, 0)?;
        self.line.next_rtx = self.line.next_rtx.next();
        let sent = self.history.get(number)?;
        sent.left = at.now;
        sent.resends = sent.resends.saturating_add(1);
        self.line.count_again(header_len, size - header_len);
        Some(Written { ssrc: rtx.ssrc, number: header.sequence_number, size, original: Some(number), ends_frame: true })
    }

    fn note_sent(
        &mut self,
        number: SequenceNumber,
        place: Option<(u32, Mark)>,
        size: usize,
        (limits, at): (&Config, &Departure),
    ) {
        let sent = Sent::new(place, at.now, size);
        self.history.push(number, sent, limits.history_packets, limits.history);
    }
}

/// Ticks from a packet's timestamp to its sending (RFC 5450 §2).
fn lead(clock: Option<Timestamp>, timestamp: Timestamp) -> Option<i32> {
    clock.map(|clock| clock.0.wrapping_sub(timestamp.0) as i32)
}

/// The block header of RED that every payload of media has, if any: that of the present payload.
fn red_prefix(config: &StreamConfig) -> Option<PayloadType> {
    let is_red = matches!(config.protection, Some(Protection::Ulp { .. })) || config.redundancy.is_some();
    is_red.then_some(config.payload_type)
}
