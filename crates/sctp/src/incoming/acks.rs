//! When to say what has arrived (RFC 9260 §6.2), and how often.
//!
//! A batch of packets is answered once it has been handled, so one SACK could tell of all of it. Senders that count SACKs
//! would starve on that: usrsctp and dcSCTP let four packets go per SACK, dcSCTP's window grows by one packet per SACK, and
//! both take a chunk for lost once three SACKs have passed it over. So a batch is answered as if its packets had come one by
//! one, with a SACK for every second of them. Where batches are large a single SACK is tried now and then, and kept to if
//! what follows shows that the sender counts bytes.

use super::tracker::Tracker;
use crate::numbers::Tsn;
use peerage_base::serial::Serial;
use peerage_base::time::{Duration, Instant};

/// SACKs for a batch.
const MOST: u32 = 64;
/// A batch that is large enough for its SACKs to cost something.
const LARGE: u32 = 8;
/// Packets that may follow a single SACK of a sender that counts SACKs: four for that, the others for reasons of its own.
const CLOCKED: u32 = 7;
/// Batches of no more than that in a row which show that the sender is one.
const SHOWN: u8 = 4;
/// Large batches before a single SACK is tried, at first, and at most when it was tried in vain.
const FIRST_TRIAL: u16 = 64;
const LAST_TRIAL: u16 = 16_384;
/// Batches answered with one SACK after which no doubt is left.
const PROVEN: u16 = 1024;
/// After this many SACKs that told of the same gaps, packets beyond them are acknowledged at the pace of others.
const TOLD: u32 = 8;

/// What a SACK tells: what has arrived, up to `highest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) cumulative: Tsn,
    pub(crate) highest: Tsn,
}

/// Whether batches are answered with a single SACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// No; it is tried after this many more large ones.
    Every { until_trial: u16 },
    /// Yes, for this many by now, of which the last few were small.
    Single { batches: u16, small: u8 },
}

#[derive(Debug)]
pub(crate) struct Acks {
    delay: Duration,
    deadline: Option<Instant>,
    immediate: bool,
    /// Packets with data since the last SACK that told everything, and SACKs since then.
    packets: u32,
    answers: u32,
    /// The last TSN that was told of.
    told: Tsn,
    /// Stretches beyond gaps, and how many SACKs told of them.
    gaps: usize,
    told_of_gaps: u32,
    pace: Pace,
    next_trial: u16,
}

impl Acks {
    /// For data that begins after `told`.
    pub(crate) fn new(delay: Duration, told: Tsn) -> Self {
        Self {
            delay,
            deadline: None,
            immediate: false,
            packets: 0,
            answers: 0,
            told,
            gaps: 0,
            told_of_gaps: 0,
            pace: Pace::Every { until_trial: FIRST_TRIAL },
            next_trial: FIRST_TRIAL,
        }
    }

    /// Takes note of a packet that had data, after that has been taken.
    pub(crate) fn packet_had_data(&mut self, now: Instant, tracker: &Tracker) {
        let gaps = tracker.blocks().len();
        let is_news = gaps != self.gaps;
        if is_news {
            (self.gaps, self.told_of_gaps) = (gaps, 0);
        }
        self.packets += 1;
        self.immediate |= is_news || self.is_telling_of_gaps();
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
    pub(crate) fn next_point(&self, tracker: &Tracker) -> Option<Point> {
        let wanted = match self.pace {
            Pace::Single { .. } => 1,
            Pace::Every { .. } if self.is_telling_of_gaps() => self.packets,
            Pace::Every { .. } => self.packets.div_ceil(2),
        };
        let left = wanted.min(MOST).saturating_sub(self.answers);
        let news = u32::try_from(tracker.highest().distance(self.told)).unwrap_or(0);
        if left <= 1 || news <= 1 {
            return None;
        }
        let highest = self.told.plus((news / left).max(1));
        let cumulative = tracker.cumulative();
        Some(Point { cumulative: if highest.before(cumulative) { highest } else { cumulative }, highest })
    }

    /// A SACK has told no more than that.
    pub(crate) fn point_told(&mut self, point: Point) {
        self.told = point.highest;
        self.answers += 1;
        self.told_of_gaps = self.told_of_gaps.saturating_add(1);
    }

    /// A SACK has told everything.
    pub(crate) fn all_told(&mut self, tracker: &Tracker) {
        self.judge();
        self.told = tracker.highest();
        self.told_of_gaps = self.told_of_gaps.saturating_add(1);
        (self.packets, self.answers) = (0, 0);
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

    fn is_telling_of_gaps(&self) -> bool {
        self.gaps > 0 && self.told_of_gaps < TOLD
    }

    /// Decides by the size of a batch how the next one is answered.
    fn judge(&mut self) {
        self.pace = match self.pace {
            Pace::Every { until_trial: 0 } => Pace::Single { batches: 0, small: 0 },
            Pace::Every { until_trial } => Pace::Every { until_trial: until_trial - u16::from(self.packets >= LARGE) },
            Pace::Single { batches, small } if self.packets > CLOCKED || small + 1 < SHOWN => {
                if batches == PROVEN {
                    self.next_trial = FIRST_TRIAL;
                }
                let small = if self.packets > CLOCKED { 0 } else { small + 1 };
                Pace::Single { batches: (batches + 1).min(PROVEN), small }
            }
            Pace::Single { .. } => {
                self.next_trial = (self.next_trial * 4).min(LAST_TRIAL);
                Pace::Every { until_trial: self.next_trial }
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_that_is_filled_is_told_at_once_and_one_that_stays_is_told_at_the_pace_of_others_in_the_end() {
        let mut tracker = Tracker::new(Tsn(1), 10);
        let mut acks = Acks::new(Duration::from_millis(100), Tsn(0));
        let mut take = |tsn| {
            tracker.take(Tsn(tsn));
            acks.packet_had_data(Instant::ORIGIN, &tracker);
            let due = acks.is_due();
            acks.all_told(&tracker);
            due
        };
        assert!(take(2));
        let told = (3..20).filter(|tsn| take(*tsn)).count();
        assert_eq!(told, TOLD as usize - 1);
        assert!(take(1), "what was missing has come");
    }
}
