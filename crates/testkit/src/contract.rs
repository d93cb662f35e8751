//! What every machine promises its driver.
//!
//! - Drained means quiet: once `poll_transmit` has answered `None`, it does so until there is new input.
//! - Progress: a deadline that was handled and drained lies ahead.
//! - Patience: `handle_timeout` before the deadline changes nothing.
//! - Bounds: a transmit is no longer than the buffer, and its run has segments of a positive size.
//! - Repetition: the same seed makes the same bytes.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::rc::Rc;

use peerage_base::datagram::{Datagram, Transmit};
use peerage_base::time::Instant;
use peerage_sim::host::Node;
use peerage_sim::observer::Observer;
use peerage_sim::packet::Packet;
use peerage_sim::world::World;

/// A node that panics when the one inside breaks the contract.
#[derive(Debug)]
pub struct Checked<N> {
    /// The node inside.
    pub node: N,
    /// The moment at which `handle_timeout` was called, until other input comes.
    timed: Option<Instant>,
    /// Whether the present quiet was checked.
    quiet: bool,
}

impl<N: Node> Checked<N> {
    /// Watches over `node`.
    pub fn new(node: N) -> Self {
        Self { node, timed: None, quiet: false }
    }

    fn check_quiet(&mut self, now: Instant, buf: &mut [u8]) {
        if std::mem::replace(&mut self.quiet, true) {
            return;
        }
        assert_eq!(self.node.poll_transmit(now, buf), None, "drained means quiet: there was more to send at {now}");
        let deadline = self.node.poll_timeout();
        if self.timed == Some(now) {
            assert!(deadline.is_none_or(|d| d > now), "the deadline {deadline:?} was handled at {now} and stayed");
        }
        if deadline.is_none_or(|d| d > now) {
            self.node.handle_timeout(now);
            assert_eq!(self.node.poll_transmit(now, buf), None, "an early timeout at {now} made a packet");
            assert_eq!(self.node.poll_timeout(), deadline, "an early timeout at {now} moved the deadline");
        }
    }
}

impl<N: Node> Node for Checked<N> {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_>) {
        (self.timed, self.quiet) = (None, false);
        self.node.handle_datagram(now, datagram);
    }

    fn handle_timeout(&mut self, now: Instant) {
        (self.timed, self.quiet) = (Some(now), false);
        self.node.handle_timeout(now);
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let transmit = self.node.poll_transmit(now, buf);
        match &transmit {
            Some(t) => {
                assert!(t.len <= buf.len(), "a transmit of {} bytes in a buffer of {}", t.len, buf.len());
                assert!(t.segment.is_none_or(|s| s > 0 && s < t.len), "a run of {} bytes in {:?}", t.len, t.segment);
                // The owner may have given a command since the last quiet moment.
                self.quiet = false;
            }
            None => self.check_quiet(now, buf),
        }
        transmit
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.node.poll_timeout()
    }
}

/// Everything that was sent in a world: one line for each packet.
#[derive(Debug, Default)]
pub struct Transcript(String);

impl Transcript {
    /// Begins to listen to a world.
    pub fn of(world: &mut World) -> Rc<RefCell<Self>> {
        let transcript = Rc::new(RefCell::new(Self::default()));
        world.observe(transcript.clone());
        transcript
    }

    /// The lines so far.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl Observer for Transcript {
    fn sent(&mut self, now: Instant, packet: &Packet) {
        let Packet { source, destination, ecn, payload, .. } = packet;
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{} {source} > {destination} {ecn:?} ", now.as_nanos());
        for byte in payload {
            let _ = write!(self.0, "{byte:02x}");
        }
        self.0.push('\n');
    }
}

/// Runs a scenario twice and compares every byte and every moment; `run` fills the world and lets time pass.
///
/// # Panics
/// If the runs differ, with the first line that does, or if nothing was sent.
pub fn assert_repeats(seed: u64, run: impl Fn(&mut World)) {
    let transcript = || {
        let mut world = World::new(seed);
        let transcript = Transcript::of(&mut world);
        run(&mut world);
        transcript.take().0
    };
    let (first, second) = (transcript(), transcript());
    assert!(!first.is_empty(), "nothing was sent");
    for (number, (a, b)) in first.lines().zip(second.lines()).enumerate() {
        assert_eq!(a, b, "two runs of seed {seed} differ in packet {number}");
    }
    assert_eq!(first.lines().count(), second.lines().count(), "two runs of seed {seed} differ in length");
}

#[cfg(test)]
mod tests {
    use super::*;
    use peerage_base::ecn::Ecn;
    use peerage_base::path::{LocalId, Path};
    use peerage_base::rng::Rng;
    use peerage_base::time::Duration;
    use peerage_sim::link::Link;

    const MS: Duration = Duration::from_millis(1);

    /// Sends one packet each 10 ms, or breaks a promise.
    #[derive(Default)]
    struct Ticker {
        next: Instant,
        pending: bool,
        fault: Fault,
        rng: Option<Rng>,
    }

    #[derive(Clone, Copy, Default, PartialEq)]
    enum Fault {
        #[default]
        None,
        Stutters,
        Lingers,
        Hasty,
        Postpones,
        Overlong,
    }

    fn path() -> Path {
        Path { local: LocalId(0), remote: "192.0.2.2:2".parse().unwrap() }
    }

    impl Node for Ticker {
        fn handle_datagram(&mut self, _: Instant, _: Datagram<'_>) {
            self.pending = true;
        }

        fn handle_timeout(&mut self, now: Instant) {
            if now >= self.next || self.fault == Fault::Hasty {
                self.pending = true;
                if self.fault != Fault::Lingers {
                    self.next = now + 10 * MS;
                }
            } else if self.fault == Fault::Postpones {
                self.next += MS;
            }
        }

        fn poll_transmit(&mut self, _: Instant, buf: &mut [u8]) -> Option<Transmit> {
            if !std::mem::take(&mut self.pending) {
                self.pending = self.fault == Fault::Stutters;
                return None;
            }
            buf[0] = self.rng.as_mut().map_or(7, |rng| rng.u32() as u8);
            let len = if self.fault == Fault::Overlong { buf.len() + 1 } else { 1 };
            Some(Transmit::single(path(), len))
        }

        fn poll_timeout(&self) -> Option<Instant> {
            Some(self.next)
        }
    }

    fn run(fault: Fault) {
        let mut node = Checked::new(Ticker { fault, ..Ticker::default() });
        let mut buf = [0; 100];
        let mut payload = [0; 3];
        for i in 0..5 {
            let now = Instant::from_millis(10 * i);
            node.handle_timeout(now);
            while node.poll_transmit(now, &mut buf).is_some() {}
            let now = now + 3 * MS;
            let datagram = Datagram { path: path(), ecn: Ecn::NotEct, received_at: now, payload: &mut payload };
            node.handle_datagram(now, datagram);
            while node.poll_transmit(now, &mut buf).is_some() {}
        }
    }

    #[test]
    fn a_machine_that_keeps_the_contract_passes() {
        run(Fault::None);
    }

    #[test]
    #[should_panic(expected = "there was more to send")]
    fn stuttering_is_found() {
        run(Fault::Stutters);
    }

    #[test]
    #[should_panic(expected = "was handled at")]
    fn a_deadline_that_stays_is_found() {
        run(Fault::Lingers);
    }

    #[test]
    #[should_panic(expected = "made a packet")]
    fn haste_is_found() {
        run(Fault::Hasty);
    }

    #[test]
    #[should_panic(expected = "moved the deadline")]
    fn a_deadline_that_moves_away_is_found() {
        run(Fault::Postpones);
    }

    #[test]
    #[should_panic(expected = "in a buffer of 100")]
    fn an_overlong_transmit_is_found() {
        run(Fault::Overlong);
    }

    fn ticking(world: &mut World, rng: Rng) {
        let internet = world.add_network();
        let sockets = [(LocalId(0), "192.0.2.1:1".parse().unwrap())];
        let ticker = Ticker { rng: Some(rng), ..Ticker::default() };
        world.add_host("ticker", Checked::new(ticker), internet, &sockets, [Link::default(); 2]);
        world.run_for(50 * MS);
    }

    #[test]
    fn a_seeded_run_repeats() {
        assert_repeats(3, |world| ticking(world, world.rng("ticker")));
    }

    #[test]
    #[should_panic(expected = "differ in packet 0")]
    fn randomness_of_its_own_is_found() {
        let runs = std::cell::Cell::new(0);
        assert_repeats(3, |world| {
            runs.set(runs.get() + 1);
            ticking(world, Rng::from_u64(runs.get()));
        });
    }
}
