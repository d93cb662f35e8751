//! The path that carries packets: its round-trip time, its packet size, and what may be sent on it now.

use core::time::Duration;

use peerage_base::path::Path;

/// Largest number of datagrams in one run: what Linux takes in one segmented send.
const MAX_SEGMENTS: usize = 64;
/// Largest run, in bytes: the length field of UDP covers the whole run before the kernel splits it.
const MAX_RUN: usize = 60_000;
/// Least length of a datagram, in bytes of UDP payload: what every IPv4 host takes (RFC 791 §3.1).
pub(crate) const LEAST_DATAGRAM: usize = 576 - 28;
/// Greatest length of a datagram: a run must have room for one.
pub(crate) const MOST_DATAGRAM: usize = MAX_RUN;

/// What a poll may write at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes in all.
    pub bytes: usize,
    /// Bytes of one datagram.
    pub max_packet: usize,
    /// Datagrams in one run.
    pub max_segments: usize,
}

/// The selected pair, as everything above ICE sees it.
#[derive(Debug)]
pub struct PathState {
    selected: Option<Path>,
    rtt: Option<Duration>,
    /// Set by configuration, lowered by what the path reports.
    max_datagram: usize,
}

impl PathState {
    /// No path yet; datagrams of at most `max_datagram` bytes of UDP payload, within 548 to 60 000.
    pub fn new(max_datagram: usize) -> Self {
        Self { selected: None, rtt: None, max_datagram: max_datagram.clamp(LEAST_DATAGRAM, MOST_DATAGRAM) }
    }

    /// Takes over another pair. Returns whether packets leave by another way than before.
    pub fn select(&mut self, path: Option<Path>, rtt: Option<Duration>) -> bool {
        let changed = self.selected != path;
        self.selected = path;
        self.rtt = rtt.or(if changed { None } else { self.rtt });
        changed
    }

    /// The path carries datagrams of at most `bytes`. Never goes below what IPv6 guarantees.
    pub fn too_big(&mut self, bytes: usize) {
        const LEAST: usize = 1280 - 48;
        self.max_datagram = self.max_datagram.min(bytes.max(LEAST));
    }

    /// The path in use.
    pub fn selected(&self) -> Option<Path> {
        self.selected
    }

    /// The latest round-trip time.
    pub fn rtt(&self) -> Option<Duration> {
        self.rtt
    }

    /// Bytes of UDP payload of the largest datagram.
    pub fn max_datagram(&self) -> usize {
        self.max_datagram
    }

    /// What may be written into a buffer of `room` bytes.
    pub fn budget(&self, room: usize) -> Budget {
        Budget { bytes: room.min(MAX_RUN), max_packet: self.max_datagram, max_segments: MAX_SEGMENTS }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use peerage_base::path::LocalId;

    fn path(port: u16) -> Path {
        Path { local: LocalId(0), remote: ([127, 0, 0, 1], port).into() }
    }

    #[test]
    fn a_new_path_forgets_the_round_trip_time_of_the_old_one() {
        let mut state = PathState::new(1200);
        assert!(state.select(Some(path(1)), Some(Duration::from_millis(5))));
        assert!(!state.select(Some(path(1)), None));
        assert_eq!(state.rtt(), Some(Duration::from_millis(5)));
        assert!(state.select(Some(path(2)), None));
        assert_eq!(state.rtt(), None);
    }

    #[test]
    fn the_packet_size_only_shrinks_and_never_below_the_guarantee() {
        let mut state = PathState::new(1400);
        state.too_big(1300);
        assert_eq!(state.max_datagram(), 1300);
        state.too_big(1350);
        assert_eq!(state.max_datagram(), 1300);
        state.too_big(100);
        assert_eq!(state.max_datagram(), 1232);
    }
}
