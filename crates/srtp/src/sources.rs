//! What is remembered of each source under one key.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;

use peerage_rtp::numbers::Ssrc;

use crate::window::{Seen, Window};

/// Most sources that one master key may ever have, retired ones included: 64 Ki, at about 32 bytes each.
pub(crate) const MAX_EVER: usize = 1 << 16;

/// The sources of one direction and one kind of packet.
#[derive(Debug)]
pub(crate) struct Sources {
    known: BTreeMap<Ssrc, Source>,
    live: usize,
    max_live: usize,
}

/// What is remembered of one source.
#[derive(Debug)]
pub(crate) enum Source {
    Live(Box<Window>),
    /// Its highest index is kept: up to it nothing is accepted a second time, and nothing protected.
    Retired(u64),
}

impl Sources {
    pub fn new(max_live: usize) -> Self {
        Self { known: BTreeMap::new(), live: 0, max_live }
    }

    /// Notes a packet; `false`, and nothing changes, if there is no [room](Self::has_room) for its source.
    #[must_use]
    pub fn record(&mut self, ssrc: Ssrc, index: u64) -> bool {
        if let Some(Source::Live(window)) = self.known.get_mut(&ssrc) {
            window.record(index);
            return true;
        }
        if !self.has_room(ssrc) {
            return false;
        }
        let window = match self.known.get(&ssrc) {
            Some(source) => {
                let mut window = Window::after(source.highest());
                window.record(index);
                window
            }
            None => Window::begin(index),
        };
        self.known.insert(ssrc, Source::Live(Box::new(window)));
        self.live += 1;
        true
    }

    /// Forgets all but the highest index of a source; `false` if there is none.
    pub fn retire(&mut self, ssrc: Ssrc) -> bool {
        let Some(source @ Source::Live(_)) = self.known.get_mut(&ssrc) else { return false };
        *source = Source::Retired(source.highest());
        self.live -= 1;
        true
    }

    /// What is known of a source.
    #[inline]
    pub fn get(&self, ssrc: Ssrc) -> Option<&Source> {
        self.known.get(&ssrc)
    }

    /// Whether a packet of a source may be recorded.
    pub fn has_room(&self, ssrc: Ssrc) -> bool {
        match self.get(ssrc) {
            Some(Source::Live(_)) => true,
            Some(Source::Retired(_)) => self.live < self.max_live,
            None => self.live < self.max_live && self.known.len() < MAX_EVER,
        }
    }

    /// How many sources are live.
    pub fn live(&self) -> usize {
        self.live
    }
}

impl Source {
    /// The highest index recorded.
    pub fn highest(&self) -> u64 {
        match self {
            Self::Live(window) => window.highest(),
            Self::Retired(highest) => *highest,
        }
    }

    /// Whether an index was recorded.
    pub fn seen(&self, index: u64) -> Seen {
        match self {
            Self::Live(window) => window.seen(index),
            Self::Retired(highest) if index <= *highest => Seen::Unknown,
            Self::Retired(_) => Seen::Never,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Ssrc = Ssrc(1);
    const B: Ssrc = Ssrc(2);

    #[test]
    fn a_retired_source_goes_on_behind_what_it_had() {
        let mut sources = Sources::new(1);
        let seen = |sources: &Sources, index| sources.get(A).map(|source| source.seen(index));
        assert!(sources.get(A).is_none());
        assert!(sources.record(A, 7));
        assert!(!sources.has_room(B) && !sources.record(B, 7));
        assert!(sources.retire(A) && !sources.retire(A) && !sources.retire(B));
        assert_eq!((sources.live(), sources.get(A).map(Source::highest)), (0, Some(7)));
        // Index 5 never was recorded, but that is forgotten.
        assert_eq!(seen(&sources, 5), Some(Seen::Unknown));
        assert_eq!(seen(&sources, 8), Some(Seen::Never));
        assert!(sources.has_room(B));
        assert!(sources.record(A, 9));
        let all = [5, 7, 8, 9, 10].map(|index| seen(&sources, index).unwrap());
        assert_eq!(all, [Seen::Before, Seen::Before, Seen::Never, Seen::Before, Seen::Never]);
        assert_eq!(sources.live(), 1);
        assert!(sources.has_room(A) && !sources.has_room(B));
    }

    #[test]
    fn a_key_has_only_so_many_sources_ever() {
        let mut sources = Sources::new(2);
        for ssrc in 0..MAX_EVER as u32 {
            assert!(sources.record(Ssrc(ssrc), 0));
            assert!(sources.retire(Ssrc(ssrc)));
        }
        assert!(!sources.record(Ssrc(MAX_EVER as u32), 0));
        assert!(sources.record(A, 1), "a source that is known may come back");
    }
}
