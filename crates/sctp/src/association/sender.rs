//! State of the sending half.

use crate::budget::Budget;
use crate::chunk::sack::Sack;
use crate::chunk::user_data;
use crate::config::Config;
use crate::congestion::{Congestion, Controller, Sent};
use crate::numbers::Tsn;
use crate::outgoing::flight::chunk::MessageId;
use crate::outgoing::flight::{Flight, MAX_SACK_DELAY};
use crate::outgoing::queue::Load;
use crate::packet::HEADER_LEN;
use crate::rto::Rto;
use peerage_base::time::{Duration, Instant};

/// What a queued message costs beside its bytes, so that a flood of tiny ones is bounded, too.
pub(crate) const OVERHEAD: usize = 64;
/// What a chunk on its way costs beside its bytes: a peer that acknowledges what came later and never what came first makes
/// this end keep the place of each.
pub(crate) const CHUNK_OVERHEAD: usize = 96;

/// Messages begun without room for the rest of all take no more than one part of so many of the peer's room. While one
/// leaves, a channel of eight times the priority sends eight times as much.
const ROOM_BESIDE: usize = 9;

/// Least time after which an acknowledgement is overdue: the peer's scheduler may take as long.
const MIN_PROBE_TIMEOUT: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) flight: Flight,
    pub(crate) congestion: Congestion,
    pub(crate) rto: Rto,
    /// Messages leave in I-DATA chunks, those of several channels at a time (RFC 8260).
    pub(crate) interleaves: bool,
    /// Messages may be given up half sent: the peer can be told to go on without them.
    pub(crate) gives_up: bool,
    /// Window that the peer announced last, in bytes.
    pub(crate) peer_window: usize,
    /// How many chunks beyond a gap that SACK told of.
    told: u32,
    /// T3-rtx: runs while something waits for acknowledgement.
    pub(crate) t3: Option<Instant>,
    /// Expiries of T3 in a row.
    pub(crate) timeouts: u32,
    /// When the flight gives its memory back, if it is empty then.
    pub(crate) tidy: Option<Instant>,
    /// One packet may leave regardless of the congestion window: the first retransmission (RFC 9260 §7.2.4 step 3), a probe.
    pub(crate) overdraft: bool,
    /// A FORWARD TSN is owed.
    pub(crate) forward_due: bool,
    pub(crate) forwarded_at: Option<Instant>,
    /// Bytes still to leave of messages that were begun.
    pub(crate) under_way: usize,
    /// Those of them that were begun without room for all.
    beside: usize,
    /// What all queues hold.
    pub(crate) queued: Load,
    /// Size of the greatest message refused since the buffer was last writable.
    pub(crate) refused: Option<usize>,
    next_message: MessageId,
    /// Most bytes of a packet at present, and of one that is sure to pass later.
    packet: usize,
    safe_packet: usize,
    /// Bytes of all packets with user data.
    pub(crate) paced_bytes: u64,
}

impl Sender {
    pub(crate) fn new(config: &Config, initial: Tsn) -> Self {
        Self {
            flight: Flight::new(initial),
            congestion: Congestion::new(config.congestion, config.max_packet, config.initial_window),
            rto: Rto::new(config.rto_initial, config.rto_min, config.rto_max),
            interleaves: false,
            gives_up: false,
            peer_window: 0,
            told: 0,
            t3: None,
            timeouts: 0,
            tidy: None,
            overdraft: false,
            forward_due: false,
            forwarded_at: None,
            under_way: 0,
            beside: 0,
            queued: Load::default(),
            refused: None,
            next_message: 0,
            packet: config.max_packet,
            safe_packet: config.max_packet,
            paced_bytes: 0,
        }
    }

    pub(crate) fn message_id(&mut self) -> MessageId {
        self.next_message = self.next_message.wrapping_add(1);
        self.next_message
    }

    /// Takes over what both ends do beyond RFC 9260.
    pub(crate) fn set_extensions(&mut self, interleaves: bool, gives_up: bool) {
        self.gives_up = gives_up;
        if self.interleaves != interleaves {
            // What a peer is presumed to do it may turn out not to do, when something has left already.
            self.interleaves = interleaves;
            self.flight.set_interleaved(interleaves);
        }
    }

    /// Takes over what the path carries now.
    pub(crate) fn set_packet(&mut self, budget: &Budget) {
        self.safe_packet = budget.safe_packet;
        if self.packet != budget.max_packet {
            self.packet = budget.max_packet;
            self.congestion.set_packet(budget.max_packet);
        }
    }

    /// Takes the window that a SACK announces. One that tells of less than another before it, at the same cumulative TSN, was
    /// overtaken by that, and what arrived in between takes room: it only counts if it has less.
    pub(crate) fn take_window(&mut self, sack: &Sack<'_>, advanced: bool) {
        let (window, told) = (sack.window as usize, sack.told());
        if advanced || told >= self.told {
            (self.peer_window, self.told) = (window, told);
        } else {
            self.peer_window = self.peer_window.min(window);
        }
    }

    /// Starts T3 unless it runs.
    pub(crate) fn start_t3(&mut self, now: Instant) {
        self.t3.get_or_insert(now + self.rto.current());
    }

    /// A packet with `bytes` of user data, headers counted, left. `rearm` if T3 starts over with it: it is a probe, or has the
    /// earliest chunk that is not acknowledged (RFC 9260 §7.2.4 step 4, RFC 8985 §7.3).
    pub(crate) fn packet_sent(&mut self, now: Instant, bytes: usize, rearm: bool, app_limited: bool) {
        if rearm {
            self.t3 = None;
        }
        self.start_t3(now);
        self.paced_bytes += bytes as u64;
        self.congestion.sent(&Sent { now, bytes, in_flight: self.flight.in_flight(), app_limited });
    }

    /// Plans a probe for the time at which an acknowledgement is overdue, T3's at the latest (RFC 8985 §7.2). A peer whose
    /// window is closed has been asked already, by the data that it had no room for; T3 asks again. Unless it waits for what
    /// was lost to read what it has.
    pub(crate) fn plan_probe(&mut self, now: Instant) {
        if self.peer_window == 0 && !self.flight.has_gaps() {
            self.flight.cancel_probe();
            return;
        }
        let overdue = match self.rto.smoothed() {
            Some(smoothed) => {
                let delay = if self.flight.sack_may_be_delayed() { MAX_SACK_DELAY } else { Duration::ZERO };
                now + (2 * smoothed).max(MIN_PROBE_TIMEOUT) + delay
            }
            None => now + self.rto.current(),
        };
        self.flight.plan_probe(self.t3.map_or(overdue, |t3| overdue.min(t3)));
    }

    /// The path is another one. What is in flight is asked about at once.
    pub(crate) fn path_changed(&mut self, now: Instant) {
        self.congestion.path_changed(now);
        self.flight.path_changed();
        self.overdraft = self.flight.probe_is_due();
        self.rto.reset();
        self.timeouts = 0;
        if self.t3.is_some() {
            self.t3 = Some(now + self.rto.current());
        }
    }

    /// Whether nothing waits for acknowledgement.
    pub(crate) fn is_settled(&self) -> bool {
        self.flight.is_empty()
    }

    /// Bytes that are held, queued or on their way, with what queued messages and chunks cost beside their bytes.
    pub(crate) fn held(&self) -> usize {
        let overhead = self.queued.messages * OVERHEAD + self.flight.chunks() * CHUNK_OVERHEAD;
        self.queued.bytes + overhead + self.flight.held()
    }

    /// A queue that held `before` holds `after`.
    pub(crate) fn requeued(&mut self, before: Load, after: Load) {
        self.queued.bytes = self.queued.bytes + after.bytes - before.bytes;
        self.queued.messages = self.queued.messages + after.messages - before.messages;
    }

    /// Panics if the books are wrong; `queued` is what the queues of all channels hold, and `limit` what they may.
    #[cfg(any(test, feature = "fuzz"))]
    pub(crate) fn audit(&self, queued: Load, limit: usize) {
        self.flight.audit();
        assert_eq!(self.queued, queued);
        assert!(self.congestion.window() >= self.packet.max(1), "{} window", self.congestion.window());
        assert!(self.congestion.pacing_rate().is_none_or(|rate| (1..u64::MAX).contains(&rate.0)));
        // A message that is taken apart counts for more, at most as much more as a byte in a chunk of its own does.
        assert!(self.held() <= limit / 2 * 3, "{} held", self.held());
    }

    /// Whether the congestion window lets another chunk go.
    pub(crate) fn window_is_open(&self) -> bool {
        self.overdraft || self.flight.in_flight() < self.congestion.window()
    }

    /// Bytes of user data in the longest chunk.
    pub(crate) fn full_payload(&self) -> usize {
        (self.packet.min(self.safe_packet) & !3).saturating_sub(HEADER_LEN + self.chunk_header_len())
    }

    /// Whether a message of `len` bytes may be begun beside those under way. The peer cannot read one before it is whole, so
    /// that it has to have room for the rest of all (RFC 8260 §2.2.2: such that it can make progress), or so much more than
    /// the small ones take that these are whole before large ones have filled it.
    pub(crate) fn may_begin(&self, len: usize) -> bool {
        self.has_room_for_all(len) || (self.beside + len) * ROOM_BESIDE <= self.peer_room()
    }

    /// Whether the peer has room for the rest of all messages under way and one of `len` bytes, and as much again, because
    /// buffers that grow take more than is in them.
    pub(crate) fn has_room_for_all(&self, len: usize) -> bool {
        self.under_way == 0 || len <= self.full_payload() || (self.under_way + len) * 2 <= self.peer_room()
    }

    /// A message of `len` bytes was begun; `beside` if there is no room for all.
    pub(crate) fn begun(&mut self, len: usize, beside: bool) {
        self.under_way += len;
        self.beside += if beside { len } else { 0 };
    }

    /// `len` bytes of a message that was begun have left, or never will.
    pub(crate) fn advanced(&mut self, len: usize, beside: bool) {
        self.under_way = self.under_way.saturating_sub(len);
        self.beside = self.beside.saturating_sub(if beside { len } else { 0 });
    }

    /// Bytes of a chunk before its user data.
    pub(crate) fn chunk_header_len(&self) -> usize {
        user_data::header_len(self.interleaves)
    }

    /// Bytes of user data that the peer has room for beyond what is on its way or has to be sent again. RFC 9260 §6.3.3
    /// would fill the room of what was lost with new data, and dcSCTP then takes neither, for ever.
    pub(crate) fn peer_room(&self) -> usize {
        self.peer_window.saturating_sub(self.flight.awaited_payload())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sack_that_another_has_overtaken_does_not_make_the_window_wider() {
        let sack = |window: u32, gap: &[u8]| {
            let blocks = [0, u8::from(!gap.is_empty()), 0, 0];
            [&[0, 0, 0, 9][..], &window.to_be_bytes(), &blocks, gap].concat()
        };
        let mut sender = Sender::new(&Config::default(), Tsn(10));
        let mut take = |body: &[u8], advanced| {
            sender.take_window(&Sack::parse(body).unwrap(), advanced);
            sender.peer_window
        };
        assert_eq!(take(&sack(5000, &[]), true), 5000);
        assert_eq!(take(&sack(2000, &[0, 2, 0, 4]), false), 2000);
        assert_eq!(take(&sack(4000, &[0, 2, 0, 2]), false), 2000, "it came late");
        assert_eq!(take(&sack(1000, &[]), false), 1000, "less room is believed");
        assert_eq!(take(&sack(3000, &[0, 2, 0, 4]), false), 3000, "something was read");
        assert_eq!(take(&sack(6000, &[]), true), 6000, "a new beginning");
    }
}
