//! Whether datagrams on one pair carry ECT(0): only where marks arrive and are told of (RFC 9000 §13.4.2, §A.4).

use core::time::Duration;

use peerage_base::time::Instant;
use peerage_sctp::chunk::ecne::Echo;

/// Datagrams with ECT(0) that find out whether the path and the peer take part.
const TEST: u32 = 10;
/// Datagrams with ECT(0) of which the peer must tell something.
const UNTOLD: u32 = 512;
/// How long it may take it to do so, at least.
const PATIENCE: Duration = Duration::from_secs(1);
/// Retransmission timeouts in a row that are blamed on the marks.
const TIMEOUTS: u8 = 3;

/// What is known of marks on a pair.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marking {
    state: State,
    /// What the peer had told when this was last looked at.
    heard: Echo,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// So many test packets are left.
    Testing(u32),
    /// All test packets have left, the last at this moment.
    Waiting(Instant),
    /// Marks arrive. Datagrams since the peer last told of some, when the first of them left, and timeouts since.
    Capable { untold: u32, since: Instant, timeouts: u8 },
    /// They do not, or are not told of.
    Failed,
}

impl Marking {
    /// Nothing is known; the peer has told of `heard` so far.
    pub(super) fn new(heard: Echo) -> Self {
        Self { state: State::Testing(TEST), heard }
    }

    /// Whether datagrams with data that leave now carry ECT(0).
    pub(super) fn marks(&self) -> bool {
        matches!(self.state, State::Testing(_) | State::Capable { .. })
    }

    /// So many left with ECT(0).
    pub(super) fn sent(&mut self, now: Instant, count: u32) {
        match &mut self.state {
            State::Testing(left) => {
                *left = left.saturating_sub(count);
                if *left == 0 {
                    self.state = State::Waiting(now);
                }
            }
            State::Capable { untold, since, .. } => {
                if *untold == 0 {
                    *since = now;
                }
                *untold = untold.saturating_add(count);
            }
            State::Waiting(_) | State::Failed => {}
        }
    }

    /// What the peer has told by now; looks at whether it should have told more.
    pub(super) fn told(&mut self, now: Instant, echo: Echo, rtt: Option<Duration>) {
        let before = core::mem::replace(&mut self.heard, echo);
        let (ect, ce) = (echo.ect.wrapping_sub(before.ect), echo.ce.wrapping_sub(before.ce));
        let patience = PATIENCE.max(4 * rtt.unwrap_or_default());
        let late = |since| now.since(since) > patience;
        match self.state {
            // Where every packet comes with congestion, something on the path writes it without looking.
            State::Testing(_) | State::Waiting(_) if ect == 0 && ce >= TEST => self.fail("every packet is marked"),
            State::Testing(_) | State::Waiting(_) if ect > 0 => {
                self.state = State::Capable { untold: 0, since: now, timeouts: 0 };
            }
            State::Waiting(since) if late(since) => self.fail("no mark arrived"),
            State::Capable { .. } if ect > 0 || ce > 0 => {
                self.state = State::Capable { untold: 0, since: now, timeouts: 0 };
            }
            State::Capable { untold, since, .. } if untold > UNTOLD && late(since) => self.fail("marks are lost"),
            State::Testing(_) | State::Waiting(_) | State::Capable { .. } | State::Failed => {}
        }
    }

    /// Nothing that was sent is acknowledged.
    pub(super) fn timed_out(&mut self, now: Instant) {
        match &mut self.state {
            State::Testing(left) if *left < TEST => self.fail("packets with marks are lost"),
            State::Waiting(_) => self.fail("packets with marks are lost"),
            State::Capable { timeouts, .. } if *timeouts + 1 >= TIMEOUTS => self.fail("packets with marks are lost"),
            State::Capable { untold, since, timeouts } => {
                // What did not arrive cannot be told of.
                (*untold, *since, *timeouts) = (0, now, *timeouts + 1);
            }
            State::Testing(_) | State::Failed => {}
        }
    }

    /// The pair carries data again after another one did, on which the peer has told of `heard`.
    pub(super) fn resume(&mut self, now: Instant, heard: Echo) {
        self.heard = heard;
        match &mut self.state {
            State::Capable { untold, since, .. } => (*untold, *since) = (0, now),
            State::Waiting(since) => *since = now,
            State::Testing(_) | State::Failed => {}
        }
    }

    fn fail(&mut self, reason: &'static str) {
        tracing::debug!(reason, "no congestion marks on this path");
        self.state = State::Failed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_millis(10_000);
    const LATER: Instant = Instant::from_millis(11_001);

    fn tested() -> Marking {
        let mut marking = Marking::new(Echo::default());
        assert!(marking.marks());
        marking.sent(NOW, TEST);
        marking
    }

    fn capable() -> Marking {
        let mut marking = tested();
        marking.told(NOW, Echo { ect: 4, ce: 0 }, None);
        assert!(marking.marks());
        marking
    }

    #[test]
    fn a_few_packets_test_the_path_and_the_rest_wait_for_what_the_peer_tells() {
        let mut marking = tested();
        assert!(!marking.marks());
        marking.told(NOW, Echo::default(), None);
        assert!(!marking.marks());
        marking.told(NOW, Echo { ect: 1, ce: 9 }, None);
        assert!(marking.marks());
    }

    #[test]
    fn a_path_that_bleaches_marks_every_packet_or_drops_what_is_marked_carries_none() {
        let mut bleached = tested();
        bleached.told(LATER, Echo::default(), None);
        bleached.told(LATER, Echo { ect: 10, ce: 0 }, None);
        let mut mangled = tested();
        mangled.told(NOW, Echo { ect: 0, ce: 10 }, None);
        let mut dropped = tested();
        dropped.timed_out(NOW);
        assert!([bleached, mangled, dropped].iter().all(|marking| marking.state == State::Failed));
    }

    #[test]
    fn a_long_round_trip_is_waited_for() {
        let mut marking = tested();
        marking.told(LATER, Echo::default(), Some(Duration::from_secs(1)));
        marking.told(LATER, Echo { ect: 10, ce: 0 }, None);
        assert!(marking.marks());
    }

    #[test]
    fn marks_that_cease_to_arrive_are_given_up_and_silence_alone_is_no_sign_of_that() {
        let mut marking = capable();
        marking.told(LATER, Echo { ect: 4, ce: 0 }, None);
        assert!(marking.marks(), "nothing was sent");
        marking.sent(NOW, UNTOLD + 1);
        marking.timed_out(LATER);
        marking.told(LATER, Echo { ect: 4, ce: 0 }, None);
        assert!(marking.marks(), "nothing arrived");
        marking.sent(NOW, UNTOLD + 1);
        marking.told(LATER, Echo { ect: 4, ce: 0 }, None);
        assert!(!marking.marks());
    }

    #[test]
    fn congestion_alone_is_a_sign_of_life_and_three_timeouts_in_a_row_are_the_end() {
        let mut marking = capable();
        marking.sent(NOW, UNTOLD + 1);
        marking.told(LATER, Echo { ect: 4, ce: 1 }, None);
        marking.timed_out(LATER);
        marking.timed_out(LATER);
        assert!(marking.marks());
        marking.timed_out(LATER);
        assert!(!marking.marks());
    }

    #[test]
    fn a_pair_that_is_used_again_goes_on_where_it_was() {
        let mut marking = capable();
        marking.sent(NOW, UNTOLD + 1);
        marking.resume(LATER, Echo { ect: 900, ce: 0 });
        marking.told(LATER, Echo { ect: 900, ce: 0 }, None);
        assert!(marking.marks());
        let mut failed = tested();
        failed.timed_out(NOW);
        failed.resume(LATER, Echo { ect: 900, ce: 0 });
        assert!(!failed.marks());
    }
}
