//! Packets of such a stream, written into the slot that they leave in: headers anew, the payload copied once.

use peerage_base::slot::Slot;
use peerage_base::time::Duration;
use peerage_rtp::extension::kind::Kind;
use peerage_rtp::extension::transmission_offset::TransmissionOffset;
use peerage_rtp::numbers::SequenceNumber;
use peerage_rtp::packet::Header;
use peerage_rtp::packet::write::PacketWriter;
use peerage_rtp::payload::rtx;

use super::held::Held;
use super::stream::PacketStream;
use crate::send::config::{Companion, Config};
use crate::send::extensions::{Departure, Names, head};
use crate::send::line::{Written, media_names, repair_names};

/// How far the end of a picture is looked for among what waits: as many packets as one group of repair may protect.
const MAX_COUNTED: usize = 48;

impl PacketStream {
    /// Writes the next packet that waits; `None` if none does.
    pub(in crate::send) fn write_media(
        &mut self,
        limits: &Config,
        at: &Departure,
        slot: &mut Slot<'_>,
    ) -> Option<Written> {
        while let Some(waiting) = self.take() {
            let held = &waiting.held;
            let Some(number) = self.number(&waiting) else {
                self.line.statistics.dropped_packets += 1;
                continue;
            };
            let config = &self.line.config;
            let payload_type = held.payload_type.unwrap_or(config.payload_type);
            let source = Companion { ssrc: config.ssrc, payload_type };
            let names = media_names(config, self.line.is_known);
            let written = self.write(held, (source, number, None), (names, at), slot);
            let Some((header_len, size)) = written else {
                // The slot is shorter than what the publisher's path carries, which its owner has to know.
                tracing::debug!(source = %self.line.config.ssrc, "a packet does not fit the slot");
                self.line.statistics.dropped_packets += 1;
                continue;
            };
            let ends_frame = held.rewrite.marker;
            self.line.count_media(header_len, size - header_len);
            self.line.statistics.frames += u64::from(ends_frame);
            self.line.statistics.key_frames += u64::from(waiting.begins_key_frame);
            self.line.statistics.send_delay += at.now.since(waiting.queued);
            self.line.resends.earn(size, limits);
            if let Some(protector) = &mut self.line.protector {
                self.is_in_key |= waiting.begins_key_frame;
                let follow = self.waiting.iter().take(MAX_COUNTED).position(|next| next.held.rewrite.marker);
                let remaining = if ends_frame { 0 } else { follow.map_or(1, |n| n + 1) };
                protector.absorb(slot, &self.line.config, self.is_in_key, remaining);
                self.is_in_key &= !ends_frame;
            }
            self.left(at.now, number, (waiting.held, size), limits);
            return Some(Written { ssrc: source.ssrc, number, size, original: Some(number), ends_frame });
        }
        None
    }

    /// Writes a repair packet; `None` if none is ready.
    pub(in crate::send) fn write_repair(&mut self, at: &Departure, slot: &mut Slot<'_>) -> Option<Written> {
        let timestamp = self.timestamp(at.now)?;
        self.line.write_repair(timestamp, at, slot).map(|(written, _)| written)
    }

    /// Writes a packet of at most `max` bytes that is there to be counted: a late packet once more if there is one, else
    /// padding alone. `None` without a stream of retransmissions: numbers of the media are those of others.
    pub(in crate::send) fn write_padding(
        &mut self,
        at: &Departure,
        (pause, max): (Duration, usize),
        slot: &mut Slot<'_>,
    ) -> Option<Written> {
        self.line.config.rtx.filter(|_| self.has_begun())?;
        if let Some(number) = self.history.worth_repeating(at.now, pause, max.saturating_sub(rtx::HEADER_LEN))
            && let Some(written) = self.write_again(number, at, slot)
        {
            self.line.statistics.padding_bytes += written.size as u64;
            return Some(written);
        }
        let timestamp = self.timestamp(at.now)?;
        self.line.write_padding((timestamp, max), at, slot)
    }

    /// Writes a packet that has left as a retransmission; `None` if it cannot be.
    pub(in crate::send) fn write_again(
        &mut self,
        original: SequenceNumber,
        at: &Departure,
        slot: &mut Slot<'_>,
    ) -> Option<Written> {
        let rtx = self.line.config.rtx?;
        let held = self.history.peek(original)?.place.as_ref()?;
        let names = repair_names(&self.line.config, self.line.is_rtx_known);
        let number = self.line.next_rtx;
        let (header_len, size) = self.write(held, (rtx, number, Some(original)), (names, at), slot)?;
        let sent = self.history.get(original)?;
        sent.left = at.now;
        sent.resends = sent.resends.saturating_add(1);
        self.line.next_rtx = number.next();
        self.line.count_again(header_len, size - header_len);
        Some(Written { ssrc: rtx.ssrc, number, size, original: Some(original), ends_frame: true })
    }

    /// Writes a packet from `source`, behind the number `original` if it is a retransmission: lengths of its headers and of all.
    fn write(
        &self,
        held: &Held,
        (source, sequence_number, original): (Companion, SequenceNumber, Option<SequenceNumber>),
        (names, at): (Names<'_>, &Departure),
        slot: &mut Slot<'_>,
    ) -> Option<(usize, usize)> {
        let header = Header {
            marker: held.rewrite.marker,
            payload_type: source.payload_type,
            sequence_number,
            timestamp: held.rewrite.timestamp,
            ssrc: source.ssrc,
        };
        let (csrcs, count) = held.csrcs();
        let mut packet = PacketWriter::new(slot, &header, csrcs.get(..count)?)?;
        let map = &self.line.config.extensions;
        let agreed = |kind| map.id(kind).is_some();
        let clock = agreed(Kind::TransmissionOffset).then(|| self.timestamp(at.now)).flatten();
        let forwarder = self.forwarder.as_ref().filter(|_| agreed(Kind::AbsCaptureTime));
        let ahead = forwarder.and_then(|forwarder| forwarder.clock_ahead(at.now, at.ntp));
        packet.extensions(map.forms(), |block| {
            head(map, names, at, block);
            if let Some(clock) = clock {
                map.write(block, &TransmissionOffset(clock.0.wrapping_sub(header.timestamp.0) as i32));
            }
            held.extend(map, block, ahead);
        });
        let header_len = packet.header_len();
        let before = if original.is_some() { rtx::HEADER_LEN } else { 0 };
        let (digits, room) = packet.room().split_at_mut_checked(before)?;
        if let (Some(original), [high, low]) = (original, digits) {
            [*high, *low] = original.0.to_be_bytes();
        }
        let len = before + held.write(room)?;
        Some((header_len, packet.finish(len, 0)?))
    }
}
