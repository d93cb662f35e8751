//! What must hold of any flight, whatever the peer says.

use super::Flight;
use super::chunk::{Chunk, State};
use peerage_base::serial::Serial;

impl Flight {
    /// Panics if the books are wrong.
    pub(crate) fn audit(&self) {
        let of = |state: State| self.ring.iter().filter(move |c| c.state == state);
        assert_eq!(self.ring.in_flight, of(State::InFlight).map(Chunk::wire_len).sum::<usize>());
        assert_eq!(self.ring.in_flight_payload, of(State::InFlight).map(|c| c.payload.len()).sum::<usize>());
        assert_eq!(self.ring.lost_payload, of(State::Lost).map(|c| c.payload.len()).sum::<usize>());
        assert_eq!(self.ring.held, self.ring.iter().map(|c| c.payload.len()).sum::<usize>());
        assert_eq!(self.ring.acked, of(State::Acked).count());
        assert_eq!(self.ring.has_lost(), of(State::Lost).count() > 0);
        self.ring.audit_lost();
        let mut listed = 0;
        let mut next = self.ring.head();
        let mut latest: Option<u32> = None;
        while let Some(chunk) = next {
            assert_eq!(chunk.state, State::InFlight);
            assert!(latest.is_none_or(|d| !chunk.departure.before(d)), "departures ascend");
            assert!(self.packets.get(chunk.departure).is_some());
            latest = Some(chunk.departure);
            listed += 1;
            next = self.ring.later(chunk.header.tsn).and_then(|tsn| self.ring.get(tsn));
        }
        assert_eq!(listed, of(State::InFlight).count());
        assert!(self.packets.len() <= self.ring.iter().filter(|c| !c.is_settled()).count() + 10_000);
    }

    /// Chunks looked at so far: what work costs.
    pub(crate) fn looks(&self) -> u64 {
        self.ring.looks.get()
    }
}
