//! Packets that left close together, and how much longer or shorter the next such group was on its way
//! (draft-ietf-rmcat-gcc-02 §5.2).

use super::math::nanos_between;
use peerage_base::time::Instant;

/// Packets that leave within this many nanoseconds are one group.
const SPAN: i64 = 5_000_000;
/// Packets that arrive this close to each other, and sooner than they left, were held back together on the way.
const BURST: i64 = 5_000_000;
/// No burst is longer.
const LONGEST_BURST: i64 = 100_000_000;
/// A clock that runs this much faster than ours has jumped.
const JUMP: i64 = 3_000_000_000;
/// Groups in a row that arrive before the one before them: the clock was set back.
const DISORDERED: u8 = 3;

#[derive(Clone, Copy, Debug)]
struct Group {
    first_sent: Instant,
    last_sent: Instant,
    first_arrival: i64,
    last_arrival: i64,
}

/// A group against the one before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Step {
    /// When its last packet arrived, in milliseconds on the peer's clock.
    pub(super) at: f64,
    /// How much later than the group before it arrived, less how much later it left, in milliseconds.
    pub(super) delay: f64,
    /// How much later it left, in milliseconds.
    pub(super) sent: f64,
}

/// Finds groups.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Groups {
    current: Option<Group>,
    previous: Option<Group>,
    disordered: u8,
    /// Arrivals count from here, so that milliseconds are exact enough.
    origin: i64,
}

/// What a packet was to the groups.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Change {
    /// One of a group.
    None,
    /// The first of the next: the group before it is whole.
    Step(Step),
    /// The clock jumped: what was known of it is void.
    Reset,
}

impl Groups {
    /// A packet that left at `sent` arrived `at` nanoseconds of the peer's clock; in the order of arrival.
    pub(super) fn add(&mut self, sent: Instant, at: i64) -> Change {
        let Some(mut current) = self.current else {
            self.origin = at;
            self.begin(sent, at);
            return Change::None;
        };
        if sent < current.first_sent {
            // Overtaken: its group is over.
            return Change::None;
        }
        if !is_next(&current, sent, at) {
            current.last_sent = current.last_sent.max(sent);
            current.last_arrival = current.last_arrival.max(at);
            self.current = Some(current);
            return Change::None;
        }
        let step = self.step(&current);
        if step == Change::Reset {
            *self = Self::default();
            return Change::Reset;
        }
        self.previous = Some(current);
        self.begin(sent, at);
        step
    }

    fn begin(&mut self, sent: Instant, at: i64) {
        self.current = Some(Group { first_sent: sent, last_sent: sent, first_arrival: at, last_arrival: at });
    }

    /// The whole group against the one before it.
    fn step(&mut self, current: &Group) -> Change {
        let Some(previous) = self.previous else { return Change::None };
        let sent = nanos_between(previous.last_sent, current.last_sent);
        let arrival = current.last_arrival.saturating_sub(previous.last_arrival);
        if arrival.saturating_sub(sent) > JUMP {
            return Change::Reset;
        }
        if arrival < 0 {
            self.disordered += 1;
            return if self.disordered >= DISORDERED { Change::Reset } else { Change::None };
        }
        self.disordered = 0;
        let millis = |nanos: i64| nanos as f64 / 1e6;
        let at = millis(current.last_arrival.saturating_sub(self.origin));
        Change::Step(Step { at, delay: millis(arrival.saturating_sub(sent)), sent: millis(sent) })
    }
}

/// Whether a packet is the first of the next group.
fn is_next(group: &Group, sent: Instant, at: i64) -> bool {
    let arrival = at.saturating_sub(group.last_arrival);
    let was_held = arrival < nanos_between(group.last_sent, sent);
    if was_held && (0..=BURST).contains(&arrival) && at.saturating_sub(group.first_arrival) < LONGEST_BURST {
        return false;
    }
    nanos_between(group.first_sent, sent) > SPAN
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const MILLI: i64 = 1_000_000;

    /// Packets by when they left and arrived, in milliseconds.
    fn steps(packets: &[(u64, i64)]) -> Vec<f64> {
        let mut groups = Groups::default();
        let change = |&(sent, at): &(u64, i64)| groups.add(Instant::from_millis(sent), at * MILLI);
        let steps = packets.iter().map(change).filter_map(|change| match change {
            Change::Step(step) => Some(step.delay),
            _ => None,
        });
        steps.collect()
    }

    #[test]
    fn groups_are_compared_by_their_last_packets() {
        let packets = [(0, 100), (1, 101), (5, 105), (20, 120), (21, 124), (40, 150), (60, 160)];
        // 16 ms apart when they left, 19 when they arrived; 19 and 26.
        assert_eq!(steps(&packets), [3.0, 7.0]);
    }

    #[test]
    fn what_was_held_back_together_is_one_group() {
        let held = [(0, 100), (10, 110), (20, 160), (30, 161), (40, 162), (50, 163), (60, 170), (70, 180)];
        assert_eq!(steps(&held), [0.0, 13.0, -3.0]);
    }

    #[test]
    fn a_packet_that_was_overtaken_changes_nothing() {
        let with = [(0, 100), (10, 110), (20, 120), (11, 121), (30, 130), (40, 140)];
        assert_eq!(steps(&with), [0.0, 0.0, 0.0]);
    }

    #[test]
    fn clocks_that_jump_begin_anew() {
        let mut groups = Groups::default();
        let mut add = |sent, at: i64| groups.add(Instant::from_millis(sent), at);
        add(0, 0);
        add(10, 10 * MILLI);
        let far = 1 << 60;
        assert_eq!(add(20, far), Change::Step(Step { at: 10.0, delay: 0.0, sent: 10.0 }));
        assert_eq!(add(30, far + 10 * MILLI), Change::Reset);
        assert_eq!(add(40, i64::MAX), Change::None);
        for n in 0..5 {
            add(100 + 10 * n, i64::MIN + n as i64);
        }
    }

    #[test]
    fn a_clock_set_back_is_noticed_after_three_groups() {
        let mut groups = Groups::default();
        let changes: Vec<_> =
            (0..9).map(|n| groups.add(Instant::from_millis(10 * n), -20 * n as i64 * MILLI)).collect();
        assert_eq!(changes.iter().position(|change| *change == Change::Reset), Some(4));
    }
}
