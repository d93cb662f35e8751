//! What leaves: alerts, acknowledgements, flights, and flights again (RFC 9147 §5.8, §7; RFC 6347 §4.2.4).

use alloc::vec::Vec;

use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use tracing::{debug, trace};

use super::acks::may_acknowledge;
use super::packer::{Shape, pack};
use super::{Expects, MIN_MTU, Phase, Transport};
use crate::extension::list::List;
use crate::message::ack::{Ack, AckedRecord};
use crate::suite::{Epoch, Version};
use crate::wire::ContentType;
use crate::wire::number::RecordNumber;

/// Most alerts that wait.
pub(super) const MAX_OUTBOX: usize = 4;
/// Most datagrams that leave at once. RFC 9147 §5.8.3 says so of records; but several in a datagram burden no queue.
const MAX_BURST: usize = 10;
/// Times that a flight is sent again before its timer expires, so that forged provocations are not worth much.
const MAX_REPEATS: u32 = 8;
/// Longest pause before a flight that a peer provokes leaves again; its own flight comes in several datagrams.
const MAX_PAUSE: Duration = Duration::from_millis(50);
/// Times that a flight is sent at full size. If all of them were lost, datagrams of that size may be what is lost (RFC
/// 9147 §4.4), and those that IPv4 has to carry are tried.
const FULL_SIZE_TRIES: u32 = 3;
const SAFE_MTU: usize = 576 - 28;
/// Times that the timer of a flight expires after the handshake. Nobody is there, which is for ICE to find out; should
/// the peer come back, its own flight brings ours.
const MAX_TRIES: u32 = 32;
/// Length of a record number in an ACK, and of the length of their list.
const NUMBER: usize = 16;
const LIST: usize = 2;

impl Transport {
    /// Seals what was pushed and lets it leave; its timer starts.
    pub(crate) fn flush(&mut self, now: Instant, expects: Expects) {
        self.begin(now);
        let shape = self.shape(self.packet_size());
        // The ServerHello of DTLS 1.2 has the record number of the ClientHello it answers, as does a HelloVerifyRequest
        // (RFC 6347 §4.2.1). Far-off numbers are forged.
        if let Some(hello) = self.hello.take().filter(|hello| *hello < 1 << 32 && self.version != Some(Version::Dtls13))
        {
            self.epochs.continue_from(hello);
        }
        let Some(flight) = &mut self.flight else { return };
        let pieces: Vec<_> = flight.unpacked().collect();
        let packets = pack(flight, &pieces, &mut self.epochs, shape);
        trace!(packets = packets.len(), ?expects, "a flight");
        flight.add(packets);
        flight.expects = if flight.flushed { flight.expects } else { expects };
        flight.flushed = true;
        flight.burst = 0;
        if flight.expects != Expects::Nothing && !self.held {
            self.timer.start(now);
        }
    }

    /// Writes one datagram into `slot`. `false` if there is none.
    pub(crate) fn poll_transmit(&mut self, now: Instant, slot: &mut Slot<'_>) -> bool {
        while let Some(alert) = self.outbox.pop_front() {
            if write(&alert, slot) {
                return true;
            }
            self.counters.oversize += 1;
        }
        self.write_ack(slot) || self.write_packet(now, slot)
    }

    /// Cuts the packets that wait to `size`, if one is longer.
    pub(super) fn cut_waiting(&mut self, size: usize) {
        let shape = self.shape(size);
        let Some(flight) = &mut self.flight else { return };
        if flight.packets().any(|packet| packet.waits && packet.bytes.len() > size) {
            let pieces = flight.waiting();
            let packets = pack(flight, &pieces, &mut self.epochs, shape);
            flight.replace_waiting(packets);
        }
    }

    /// The rest of a large flight may leave.
    pub(super) fn resume(&mut self) {
        self.resume_at = None;
        if let Some(flight) = &mut self.flight {
            flight.burst = 0;
        }
    }

    /// The timer expired.
    pub(super) fn expire(&mut self, now: Instant) {
        self.timer.stop();
        if let Some(flight) = &mut self.flight {
            flight.doubt();
        }
        let has_arrived = self.flight.as_ref().is_some_and(|flight| self.has_arrived(flight));
        let Some(flight) = self.flight.as_mut().filter(|flight| flight.is_outstanding()) else { return };
        flight.repeats = 0;
        let waits = flight.has_waiting();
        if self.phase == Phase::Released && self.timer.expiries() == MAX_TRIES {
            return debug!("gave up waiting for an ACK");
        }
        self.timer.back_off(now);
        if has_arrived {
            // The answer is stuck half-way: what the peer must know is what came of it.
            self.acks.at_once();
        } else if !waits {
            debug!(expiries = self.timer.expiries(), "no answer to a flight");
            self.send_again();
        }
    }

    /// The peer sends its flight again, so it may lack the answer.
    pub(super) fn provoke(&mut self, now: Instant) {
        let pause = self.timer.part(4).min(MAX_PAUSE);
        let Some(flight) = &mut self.flight else { return };
        let soon = flight.left_at.is_some_and(|at| now < at + pause);
        if self.held || soon || !flight.flushed || flight.has_waiting() || flight.repeats == MAX_REPEATS {
            return;
        }
        flight.repeats += 1;
        let waits = flight.expects != Expects::Nothing;
        self.send_again();
        if waits {
            self.timer.start(now);
        }
    }

    /// Takes note of an ACK that came under `epoch`.
    pub(super) fn handle_ack(&mut self, now: Instant, epoch: Epoch, content: &[u8]) {
        let Ok(ack) = Ack::parse(content) else {
            self.counters.unexpected += 1;
            return;
        };
        let Some(flight) = self.flight.as_mut().filter(|flight| flight.is_outstanding()) else { return };
        let is_plain = epoch == Epoch::PLAIN;
        if is_plain && self.held {
            // Nothing would ever make it doubtful again: the timer rests.
            self.counters.plaintext += 1;
            return;
        }
        let mut news = false;
        for AckedRecord { epoch: acked, sequence } in ack.record_numbers.iter() {
            let acked = u16::try_from(acked).ok().map(Epoch).filter(|acked| may_acknowledge(epoch, *acked));
            news |= acked.is_some_and(|epoch| flight.acknowledge(RecordNumber { epoch, sequence }));
        }
        trace!(news, "an ACK");
        flight.hearsay |= is_plain && news;
        if flight.is_acknowledged() {
            // Anyone can forge what is in the clear. Against RFC 9147 §7.2 it does not cancel anything for good: the timer
            // goes on, and sends again what only such an ACK spoke of.
            if !is_plain {
                self.acknowledged(now);
            }
        } else if !self.held && !flight.answered {
            self.send_missing(now, news);
        }
    }

    fn acknowledged(&mut self, now: Instant) {
        self.timer.stop();
        self.resume_at = None;
        if self.flight.as_ref().is_some_and(|flight| flight.expects == Expects::Ack) {
            self.inputs.push_back(super::Input::Acknowledged);
            self.drop_flight(now);
        }
    }

    /// An ACK left some of the flight out. Sends that again, unless it may still be under way; without news only now and
    /// then, because one without any is sent again and again, or by anyone.
    fn send_missing(&mut self, now: Instant, news: bool) {
        let (eighth, half) = (self.timer.part(8), self.timer.part(2));
        let Some(flight) = &mut self.flight else { return };
        match flight.left_at {
            Some(at) if now < at + eighth => self.timer.hasten(at + half),
            _ if !news && flight.repeats == MAX_REPEATS => {}
            _ => {
                flight.repeats += u32::from(!news);
                self.send_again();
                self.timer.start(now);
            }
        }
    }

    /// Seals what may not have arrived anew: records are never sent twice (RFC 9147 §5.8, RFC 6347 §4.2.4).
    fn send_again(&mut self) {
        let shape = self.shape(self.packet_size());
        let Some(flight) = &mut self.flight else { return };
        let pieces: Vec<_> = flight.missing().collect();
        let packets = pack(flight, &pieces, &mut self.epochs, shape);
        flight.replace(packets);
        (flight.burst, flight.first_left_at) = (0, None);
        self.resume_at = None;
        self.counters.resent += 1;
    }

    fn write_packet(&mut self, now: Instant, slot: &mut Slot<'_>) -> bool {
        if self.held || self.flight.as_ref().is_none_or(|flight| self.has_arrived(flight)) {
            return false;
        }
        let room = slot.max();
        if room >= MIN_MTU && room < self.limits.mtu {
            self.cut_waiting(room);
        }
        let pause = self.timer.part(8);
        let Some(flight) = self.flight.as_mut().filter(|flight| flight.flushed) else { return false };
        let is_full = flight.burst == MAX_BURST;
        while let Some(packet) = flight.next_packet() {
            if is_full {
                self.resume_at = self.resume_at.or(Some(now + pause));
                return false;
            }
            packet.waits = false;
            if !write(&packet.bytes, slot) {
                self.counters.oversize += 1;
                continue;
            }
            flight.burst += 1;
            if flight.left_at.is_none() {
                flight.first_left_at = Some(now);
            }
            flight.left_at = Some(now);
            if flight.expects != Expects::Nothing && !flight.answered {
                self.timer.start(now);
            }
            return true;
        }
        false
    }

    fn write_ack(&mut self, slot: &mut Slot<'_>) -> bool {
        if !self.acks.is_wanted() {
            return false;
        }
        let epoch = self.epochs.sending();
        let Some(overhead) = self.epochs.overhead(epoch) else { return false };
        let room = slot.max().min(self.limits.mtu).saturating_sub(overhead.head + overhead.tail);
        let max = room.min(self.record_limit).saturating_sub(LIST) / NUMBER;
        let Some(numbers) = self.acks.take(epoch, max) else { return false };
        let numbers: Vec<_> = numbers
            .iter()
            .map(|number| AckedRecord { epoch: number.epoch.0.into(), sequence: number.sequence })
            .collect();
        let (mut content, mut packet) = (Vec::new(), Vec::new());
        Ack { record_numbers: List::new(&numbers) }.write(&mut content);
        if self.phase == Phase::Released {
            // One that comes again is noted again.
            self.acks.clear();
        }
        let sealed = self.epochs.write(epoch, ContentType::ACK, &content, &mut packet);
        trace!(records = numbers.len(), "acknowledging");
        sealed.is_ok() && write(&packet, slot)
    }

    fn packet_size(&self) -> usize {
        let tried = self.timer.expiries() >= FULL_SIZE_TRIES;
        if tried { self.limits.mtu.min(SAFE_MTU) } else { self.limits.mtu }
    }

    fn shape(&self, datagram: usize) -> Shape {
        let shares_records = self.version == Some(Version::Dtls13);
        Shape { datagram, content: self.record_limit, shares_records }
    }
}

fn write(packet: &[u8], slot: &mut Slot<'_>) -> bool {
    let Some(room) = slot.room().get_mut(..packet.len()) else { return false };
    room.copy_from_slice(packet);
    slot.fill(packet.len());
    true
}
