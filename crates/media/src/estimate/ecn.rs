//! Congestion marks: of L4S queues, which mark early and often (RFC 9331), and of classic ones, which mark as they would drop
//! (RFC 3168).

use peerage_base::ecn::Ecn;
use peerage_base::time::{Duration, Instant};

/// Weight of the newest round in the smoothed share of marks.
const WEIGHT: f64 = 1.0 / 16.0;
/// Rounds are no shorter.
const LEAST_ROUND: Duration = Duration::from_millis(25);
/// What remains after a mark of a classic queue.
const CLASSIC: f64 = 0.85;
/// Marks while packets wait longer than this come from a queue that does not mark early: L4S queues mark at about 1 ms.
const SHALLOW: Duration = Duration::from_millis(20);
/// Rounds with marks in a deep queue, less those in a shallow one, that tell it is classic; and the most that count.
const CLASSIC_SCORE: i32 = 3;
const MOST_SCORE: i32 = 6;
/// Packets whose marks were erased on the way, and none kept theirs: marking is of no use there.
const BLEACHED: u32 = 50;

/// What has become of marks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks {
    /// Packets of this round that could have been marked, and that were; some left as ECT(1).
    packets: u32,
    marked: u32,
    is_scalable: bool,
    round_ends: Option<Instant>,
    /// Share of marks; `None` before the first.
    alpha: Option<f64>,
    score: i32,
    bleached: u32,
    kept: bool,
}

impl Marks {
    /// A packet that left with one mark arrived with another. Returns whether that is a congestion mark.
    pub(super) fn add(&mut self, sent: Ecn, arrived: Ecn) -> bool {
        if sent == Ecn::NotEct {
            // Nobody may mark it, whatever the peer says.
            return false;
        }
        if arrived == Ecn::NotEct {
            self.bleached = self.bleached.saturating_add(1);
            return false;
        }
        self.kept = true;
        self.packets += 1;
        self.is_scalable |= sent == Ecn::Ect1;
        let is_marked = arrived == Ecn::Ce;
        self.marked += u32::from(is_marked);
        is_marked
    }

    /// After feedback: what the rate is to be multiplied by, at most once in a round trip.
    pub(super) fn answer(&mut self, now: Instant, round_trip: Duration, wait: Duration) -> Option<f64> {
        if self.packets == 0 || self.round_ends.is_some_and(|ends| now < ends) {
            return None;
        }
        self.round_ends = Some(now + round_trip.max(LEAST_ROUND));
        let (share, is_marked) = (f64::from(self.marked) / f64::from(self.packets), self.marked > 0);
        let is_scalable = core::mem::take(&mut self.is_scalable);
        (self.packets, self.marked) = (0, 0);
        // The first marks count whole: a path that begins to mark is one that was overrun.
        self.alpha = match self.alpha {
            Some(alpha) => Some(alpha + WEIGHT * (share - alpha)),
            None => is_marked.then_some(share),
        };
        if !is_marked {
            return None;
        }
        let step = if wait > SHALLOW { 1 } else { -1 };
        self.score = (self.score + step).clamp(-MOST_SCORE, MOST_SCORE);
        let alpha = self.alpha.unwrap_or(share);
        Some(if is_scalable && self.score < CLASSIC_SCORE { 1.0 - alpha / 2.0 } else { CLASSIC })
    }

    /// Whether marks survive the way: not once many were erased and none was kept.
    pub(super) fn survive(&self) -> bool {
        self.kept || self.bleached < BLEACHED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND: Duration = Duration::from_millis(50);

    /// A round of 100 packets, so many of them marked.
    fn round(marks: &mut Marks, n: u64, sent: Ecn, marked: usize, wait: u64) -> Option<f64> {
        for n in 0..100 {
            marks.add(sent, if n < marked { Ecn::Ce } else { sent });
        }
        marks.answer(Instant::from_millis(100 * n), ROUND, Duration::from_millis(wait))
    }

    #[test]
    fn few_marks_of_a_shallow_queue_take_little() {
        let mut marks = Marks::default();
        assert_eq!(round(&mut marks, 0, Ecn::Ect1, 0, 1), None);
        assert_eq!(round(&mut marks, 1, Ecn::Ect1, 100, 1), Some(0.5));
        let factors = (2..100).map(|n| round(&mut marks, n, Ecn::Ect1, 4, 1).unwrap());
        assert!((factors.last().unwrap() - 0.98).abs() < 0.005);
    }

    #[test]
    fn marks_of_a_deep_queue_are_answered_as_losses_are() {
        let mut marks = Marks::default();
        let factors: std::vec::Vec<_> = (0..6).map(|n| round(&mut marks, n, Ecn::Ect1, 1, 60).unwrap()).collect();
        assert!(factors[0] > 0.99);
        assert_eq!(factors[5], CLASSIC);
        assert_eq!(round(&mut Marks::default(), 0, Ecn::Ect0, 1, 1), Some(CLASSIC));
    }

    #[test]
    fn there_is_one_answer_in_a_round_trip() {
        let mut marks = Marks::default();
        marks.add(Ecn::Ect0, Ecn::Ce);
        assert!(marks.answer(Instant::from_millis(0), ROUND, ROUND).is_some());
        marks.add(Ecn::Ect0, Ecn::Ce);
        assert!(marks.answer(Instant::from_millis(49), ROUND, ROUND).is_none());
        assert!(marks.answer(Instant::from_millis(50), ROUND, ROUND).is_some());
    }

    #[test]
    fn marks_that_nobody_could_have_made_are_ignored_and_erased_ones_noticed() {
        let mut marks = Marks::default();
        assert_eq!(round(&mut marks, 0, Ecn::NotEct, 100, 1), None);
        assert!(marks.survive());
        for _ in 0..BLEACHED {
            marks.add(Ecn::Ect1, Ecn::NotEct);
        }
        assert!(!marks.survive());
        marks.add(Ecn::Ect1, Ecn::Ect1);
        assert!(marks.survive());
    }
}
