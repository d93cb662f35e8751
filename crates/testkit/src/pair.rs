//! Two machines that talk to each other.

use peerage_base::path::{LocalId, Path};
use peerage_base::time::{Duration, Instant};
use peerage_sim::host::Host;
use peerage_sim::link::Link;
use peerage_sim::world::{Id, World};

use crate::contract::Checked;
use crate::driver::{Driver, Leaf};
use crate::fixtures;

const SOCKET: LocalId = LocalId(0);

/// Two machines, each at the end of a line, under the eyes of the contract.
#[derive(Debug)]
pub struct Pair<A: Driver, B: Driver> {
    /// The world they live in, to observe or change.
    pub world: World,
    a: Id<Host<Checked<Leaf<A>>>>,
    b: Id<Host<Checked<Leaf<B>>>>,
}

impl<A: Driver, B: Driver> Pair<A, B> {
    /// Two machines with the same kind of line in both directions: what `a` sends and what `b` sends passes `link` once.
    pub fn new(seed: u64, a: A, b: B, link: Link) -> Self {
        let mut world = World::new(seed);
        let network = world.add_network();
        let (at_a, at_b) = (fixtures::v4(1, 5000), fixtures::v4(2, 5000));
        let leaf_a = Leaf::new(a, Path { local: SOCKET, remote: at_b });
        let leaf_b = Leaf::new(b, Path { local: SOCKET, remote: at_a });
        let lines = [link, Link::default()];
        let a = world.add_host("a", Checked::new(leaf_a), network, &[(SOCKET, at_a)], lines);
        let b = world.add_host("b", Checked::new(leaf_b), network, &[(SOCKET, at_b)], lines);
        Self { world, a, b }
    }

    /// Lets time pass until both are connected.
    ///
    /// # Panics
    /// If they are not within a minute.
    pub fn connect(&mut self) {
        let limit = Duration::from_secs(60);
        let done = self.drive_until(limit, |pair| pair.a().is_connected() && pair.b().is_connected());
        assert!(done, "no connection after {limit:?}: {:?} {:?}", self.events_of_a(), self.events_of_b());
    }

    /// Lets time pass.
    pub fn drive(&mut self, duration: Duration) {
        self.world.run_for(duration);
    }

    /// Lets time pass until `done`, or until `limit` has passed; answers which.
    pub fn drive_until(&mut self, limit: Duration, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let deadline = self.world.now() + limit;
        while !done(self) {
            // One event at a time, so that the test may look at and command both machines in between.
            let mut first = true;
            if !self.world.run_until(deadline, |_| !std::mem::take(&mut first)) {
                return done(self);
            }
        }
        true
    }

    /// The first machine.
    pub fn a(&self) -> &A {
        &self.world.get(self.a).node.node.driver
    }

    /// The second machine.
    pub fn b(&self) -> &B {
        &self.world.get(self.b).node.node.driver
    }

    /// The first machine, for commands.
    pub fn a_mut(&mut self) -> &mut A {
        &mut self.world.get_mut(self.a).node.node.driver
    }

    /// The second machine, for commands.
    pub fn b_mut(&mut self) -> &mut B {
        &mut self.world.get_mut(self.b).node.node.driver
    }

    /// What the first machine has said.
    pub fn events_of_a(&self) -> &[(Instant, A::Event)] {
        &self.world.get(self.a).node.node.events
    }

    /// What the second machine has said.
    pub fn events_of_b(&self) -> &[(Instant, B::Event)] {
        &self.world.get(self.b).node.node.events
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.world.now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says hello each 100 ms until it is answered.
    #[derive(Default)]
    struct Greeter {
        next: Option<Instant>,
        send: Option<u8>,
        greeted: bool,
        told: bool,
    }

    impl Greeter {
        fn eager() -> Self {
            Self { next: Some(Instant::ORIGIN), ..Self::default() }
        }
    }

    impl Driver for Greeter {
        type Event = &'static str;

        fn handle_packet(&mut self, _: Instant, payload: &mut [u8]) {
            if payload == b"?" {
                self.send = Some(b'!');
            } else {
                self.next = None;
            }
            self.greeted = true;
        }

        fn handle_timeout(&mut self, now: Instant) {
            if self.next.is_some_and(|next| next <= now) {
                self.send = Some(b'?');
                self.next = Some(now + Duration::from_millis(100));
            }
        }

        fn poll_packet(&mut self, _: Instant, buf: &mut [u8]) -> Option<usize> {
            buf[0] = self.send.take()?;
            Some(1)
        }

        fn poll_event(&mut self) -> Option<&'static str> {
            (self.greeted && !std::mem::replace(&mut self.told, self.greeted)).then_some("greeted")
        }

        fn poll_timeout(&self) -> Option<Instant> {
            self.next
        }

        fn is_connected(&self) -> bool {
            self.greeted
        }
    }

    #[test]
    fn a_pair_connects_in_one_round_trip() {
        let link = Link::with_delay(Duration::from_millis(30));
        let mut pair = Pair::new(1, Greeter::eager(), Greeter::default(), link);
        pair.connect();
        assert_eq!(pair.now(), Instant::from_millis(60));
        assert_eq!(pair.events_of_b(), [(Instant::from_millis(30), "greeted")]);
        assert_eq!(pair.events_of_a(), [(Instant::from_millis(60), "greeted")]);
    }

    #[test]
    fn a_pair_connects_over_bad_lines() {
        for seed in 0..20 {
            Pair::new(seed, Greeter::eager(), Greeter::default(), fixtures::awful()).connect();
        }
    }

    #[test]
    fn commands_take_effect_between_events() {
        let mut pair = Pair::new(1, Greeter::default(), Greeter::default(), Link::default());
        assert!(!pair.drive_until(Duration::from_secs(1), |pair| pair.b().is_connected()));
        assert_eq!(pair.now(), Instant::from_millis(1000));
        pair.a_mut().next = Some(Instant::ORIGIN);
        assert!(pair.drive_until(Duration::from_secs(1), |pair| pair.a().is_connected()));
        assert_eq!(pair.now(), Instant::from_millis(1000));
    }

    #[test]
    #[should_panic(expected = "no connection after")]
    fn silence_is_no_connection() {
        Pair::new(1, Greeter::default(), Greeter::default(), Link::default()).connect();
    }
}
