//! The wrapping of packets: SCTP in DTLS in datagrams, equal-sized datagrams in runs.

use peerage_base::datagram::Transmit;
use peerage_base::ecn::Ecn;
use peerage_base::slot::Slot;
use peerage_base::time::Instant;
use peerage_sctp::budget::Budget as SctpBudget;

use crate::session::Session;

impl Session {
    /// What leaves first: checks, which are small and rare; then the handshake; then data.
    pub(crate) fn write(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let max = self.path.max_datagram();
        if buf.len() < max {
            return None;
        }
        if self.close_reason.is_none()
            && let Some(transmit) = self.ice.poll_transmit(now, &mut Slot::new(buf, 0, 0, max))
        {
            // A check may be one unanswered too many, and another path the better one.
            self.after_ice(now);
            return Some(transmit);
        }
        let path = self.path.selected().filter(|path| self.ice.may_send(*path))?;
        if let Some(len) = self.write_handshake(now, buf) {
            return Some(Transmit::single(path, len));
        }
        let run = self.write_run(now, buf);
        // What has left may have emptied a buffer or completed the closing of a channel.
        self.after_sctp(now);
        let (len, segment) = run?;
        let dont_fragment = segment.is_some() || len <= max;
        Some(Transmit { segment, dont_fragment, ..Transmit::single(path, len) })
    }

    /// Lets the association and DTLS say goodbye; what they say is sent by later polls.
    pub(crate) fn farewell(&mut self, now: Instant) {
        if let Some(association) = &mut self.association {
            association.abort(now, "closed");
        }
        self.tell_closed_channels();
        if let Some(dtls) = &mut self.dtls {
            // The abort must be sealed before the keys go.
            let mut packet = [0; 256];
            let overhead = dtls.overhead();
            let mut slot = Slot::new(&mut packet, overhead.head, overhead.tail, 128);
            if let Some(association) = &mut self.association
                && association.poll_transmit(now, &SctpBudget::unlimited(128), &mut slot).is_some()
                && dtls.seal(&mut slot).is_ok()
            {
                self.last_words = Some(slot.packet().into());
            }
            dtls.close(now);
            while dtls.poll_event().is_some() {}
        }
    }

    fn write_handshake(&mut self, now: Instant, buf: &mut [u8]) -> Option<usize> {
        if let Some(words) = self.last_words.take() {
            let room = buf.get_mut(..words.len())?;
            room.copy_from_slice(&words);
            return Some(words.len());
        }
        let mut slot = Slot::new(buf, 0, 0, self.path.max_datagram());
        let dtls = self.dtls.as_mut()?;
        dtls.poll_transmit(now, &mut slot).then(|| slot.len())
    }

    /// Writes SCTP packets one behind the other, each sealed in place, until one is shorter than the first.
    fn write_run(&mut self, now: Instant, buf: &mut [u8]) -> Option<(usize, Option<usize>)> {
        if self.close_reason.is_some() {
            return None;
        }
        let budget = self.path.budget(buf.len());
        let (dtls, association) = (self.dtls.as_mut()?, self.association.as_mut()?);
        if !dtls.is_connected() {
            return None;
        }
        let overhead = dtls.overhead();
        let wrapping = overhead.head + overhead.tail;
        let mut max_packet = budget.max_packet - wrapping;
        let (mut len, mut segment, mut failed) = (0, None, false);
        for _ in 0..budget.max_segments {
            let room = &mut buf[len..budget.bytes];
            if room.len() < max_packet + wrapping {
                break;
            }
            // Alone, a packet may be larger than the path: a chunk that was sized for another one cannot be cut again.
            let limit = if segment.is_none() { usize::MAX } else { max_packet };
            let mut slot = Slot::new(room, overhead.head, overhead.tail, limit);
            let sctp = SctpBudget { bytes: budget.bytes - len, max_packet };
            if association.poll_transmit(now, &sctp, &mut slot).is_none() {
                break;
            }
            let plain = slot.len();
            if let Err(error) = dtls.seal(&mut slot) {
                tracing::debug!(%error, "a packet was lost before it was sent");
                failed = true;
                break;
            }
            let packet = slot.range();
            if packet.start > 0 {
                // The record's header was shorter than announced; runs have no gaps.
                room.copy_within(packet.clone(), 0);
            }
            len += packet.len();
            match segment {
                // Only full packets begin a run: a later one must not be longer than the first.
                None if plain.abs_diff(max_packet) >= 4 => break,
                None => {
                    segment = Some(packet.len());
                    max_packet = plain;
                }
                Some(size) if packet.len() < size => break,
                Some(_) => {}
            }
        }
        if failed {
            // DTLS may have ended over it, which no later input would tell.
            self.after_dtls(now, Ecn::NotEct, &mut []);
        }
        (len > 0).then(|| (len, segment.filter(|size| *size < len)))
    }
}
