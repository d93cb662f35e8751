//! When to say what has arrived (RFC 9260 §6.2), and how often.
//!
//! A batch of packets is answered once it has been handled, so one SACK could tell of all of it. Senders that count SACKs
//! would starve on that: usrsctp and dcSCTP let four packets go per SACK, dcSCTP's window grows by one packet per SACK, and
//! both take a chunk for lost once three SACKs have passed it over. So a batch is answered as if its packets had come one by
//! one: a SACK for every second of them, at most [`MOST`] for all, unless the peer sends such bursts that it cannot be one of
//! those.

use super::tracker::Tracker;
use crate::numbers::Tsn;
use peerage_base::time::{Duration, Instant};

/// SACKs for a batch before the one that tells of all of it.
const MOST: usize = 7;
/// Packets that a sender which counts SACKs lets go for each of them, and for other reasons in between.
const PER_SACK: u32 = 4;
const BETWEEN: u32 = 16;
/// Batches beyond that before the sender is taken for one that counts bytes.
const CONVINCED: u8 = 16;
/// After this many SACKs that told of the same gaps, packets beyond them are acknowledged at the pace of others.
const TOLD: u8 = 8;

/// What a SACK tells: nothing that arrived beyond these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) cumulative: Tsn,
    pub(crate) highest: Tsn,
}

#[derive(Debug)]
pub(crate) struct Acks {
    delay: Duration,
    deadline: Option<Instant>,
    immediate: bool,
    /// Packets with data since the last SACK.
    packets: u32,
    /// What to tell before what is the case now.
    points: [Point; MOST],
    waiting: u8,
    stride: u32,
    /// What was the case after the last packet.
    latest: Point,
    /// Stretches beyond gaps, and how many SACKs told of them.
    gaps: usize,
    told: u8,
    /// SACKs that answered the last batch, and this one so far.
    answers: u32,
    telling: u32,
    /// Batches of late that only a sender that counts bytes can have sent.
    bursts: u8,
}

impl Acks {
    pub(crate) fn new(delay: Duration) -> Self {
        Self {
            delay,
            deadline: None,
            immediate: false,
            packets: 0,
            points: [Point::default(); MOST],
            waiting: 0,
            stride: 2,
            latest: Point::default(),
            gaps: 0,
            told: 0,
            answers: 1,
            telling: 0,
            bursts: 0,
        }
    }

    /// Takes note of a packet that had data, after that has been taken.
    pub(crate) fn packet_had_data(&mut self, now: Instant, tracker: &Tracker) {
        let gaps = tracker.blocks().len();
        let is_news = gaps != self.gaps;
        if is_news {
            (self.gaps, self.told) = (gaps, 0);
        }
        let in_gap = gaps > 0 && self.told < TOLD;
        if self.bursts < CONVINCED && self.packets > 0 && (in_gap || self.packets.is_multiple_of(self.stride)) {
            self.mark();
        }
        self.latest = Point { cumulative: tracker.cumulative(), highest: tracker.highest() };
        self.packets += 1;
        self.immediate |= is_news || in_gap;
        if !self.is_due() {
            self.deadline.get_or_insert(now + self.delay);
        }
    }

    /// A SACK shall leave at once.
    pub(crate) fn now(&mut self) {
        self.immediate = true;
    }

    /// Takes note of the time; answers whether a SACK fell due.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        let due = self.deadline.take_if(|deadline| *deadline <= now).is_some();
        self.immediate |= due;
        due
    }

    /// What the next SACK has to tell, if that is less than what is the case.
    pub(crate) fn next_point(&self) -> Option<Point> {
        (self.waiting > 0).then_some(self.points[0])
    }

    /// A SACK has told that.
    pub(crate) fn point_told(&mut self) {
        self.points.rotate_left(1);
        self.waiting = self.waiting.saturating_sub(1);
        self.telling += 1;
        self.told = self.told.saturating_add(1);
    }

    /// A SACK has told everything.
    pub(crate) fn all_told(&mut self) {
        if self.packets > PER_SACK * self.answers + BETWEEN {
            self.bursts = (self.bursts + 1).min(2 * CONVINCED);
        } else if self.packets > 0 {
            self.bursts = self.bursts.saturating_sub(CONVINCED / 4);
        }
        self.told = self.told.saturating_add(1);
        (self.answers, self.telling) = (self.telling + 1, 0);
        (self.packets, self.stride, self.waiting) = (0, 2, 0);
        (self.immediate, self.deadline) = (false, None);
    }

    /// Whether a SACK has to leave.
    pub(crate) fn is_due(&self) -> bool {
        self.immediate || self.packets >= 2
    }

    /// Whether there is something that a SACK would tell.
    pub(crate) fn is_pending(&self) -> bool {
        self.immediate || self.packets > 0
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Remembers what was the case after the last packet. When there is no room, every other point is given up.
    fn mark(&mut self) {
        let mut len = usize::from(self.waiting);
        if len == MOST {
            for at in 0..MOST / 2 {
                self.points[at] = self.points[2 * at + 1];
            }
            len = MOST / 2;
            self.stride *= 2;
        }
        self.points[len] = self.latest;
        self.waiting = (len + 1) as u8;
    }
}
