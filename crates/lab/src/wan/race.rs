//! Flows on a line.

use peerage_base::time::{Duration, Instant};
use peerage_sim::bottleneck::{Bottleneck, Side};
use peerage_sim::world::World;

use crate::wan::flow::{Flow, Stack};
use crate::wan::record::{Record, Sample, TICK};
use crate::wan::scene::{Change, Scene};

/// Longest time to connect.
const PATIENCE: Duration = Duration::from_secs(60);

/// A world with a line and the flows on it.
#[derive(Debug)]
pub struct Race {
    scene: Scene,
    world: World,
    between: Bottleneck,
    flows: Vec<(Flow, Duration)>,
    told: u64,
}

impl Race {
    /// A line without flows.
    pub fn new(scene: &Scene, seed: u64) -> Self {
        let mut world = World::new(seed);
        let between = Bottleneck::new(&mut world, scene.right, scene.left);
        Self { scene: scene.clone(), world, between, flows: Vec::new(), told: 0 }
    }

    /// Adds a flow from left to right that begins with the race.
    pub fn add(&mut self, stack: &dyn Stack) {
        self.add_from(stack, Side::Left, Duration::ZERO);
    }

    /// Adds a flow that begins `after` the race has.
    pub fn add_from(&mut self, stack: &dyn Stack, from: Side, after: Duration) {
        let seed = self.world.seed().wrapping_mul(1000).wrapping_add(self.flows.len() as u64);
        let flow = stack.put(&mut self.world, &mut self.between, from, seed);
        self.flows.push((flow, after));
    }

    /// Lets all connect and then run for so long.
    ///
    /// # Panics
    /// If one of them does not connect within a minute, or receives what was not sent.
    pub fn run(&mut self, time: Duration) -> Record {
        self.run_with(time, |_, _| {})
    }

    /// As [`run`](Self::run), and tells each sample as it is taken.
    ///
    /// # Panics
    /// As there.
    pub fn run_with(&mut self, time: Duration, mut each: impl FnMut(Duration, &Sample)) -> Record {
        let deadline = self.world.now() + PATIENCE;
        let flows = &self.flows;
        let open = self.world.run_until(deadline, |world| flows.iter().all(|(flow, _)| flow.is_open(world)));
        assert!(open, "not all flows have connected");
        let begun = self.world.now();
        let flows = self.flows.iter().map(|(flow, _)| (flow.name().to_owned(), flow.from()));
        let mut record = Record::new(&self.scene, flows);
        let mut changes = self.scene.changes.clone().into_iter().peekable();
        let mut waiting: Vec<usize> = (0..self.flows.len()).collect();
        let mut at = Duration::ZERO;
        loop {
            waiting.retain(|flow| {
                let (flow, after) = &self.flows[*flow];
                if *after <= at {
                    flow.start(&mut self.world);
                }
                *after > at
            });
            while let Some((_, change)) = changes.next_if(|(when, _)| *when <= at) {
                self.change(change);
            }
            let sample = self.sample();
            each(at, &sample);
            record.push(sample);
            if at >= time {
                record.finish(self.between.counters(&self.world, Side::Right));
                return record;
            }
            at += TICK;
            self.step(begun + at);
        }
    }

    fn step(&mut self, until: Instant) {
        self.world.run_until(until, |_| false);
        for (flow, _) in &self.flows {
            flow.signal(&mut self.world);
        }
        let sides = [Side::Left, Side::Right];
        let told = sides.map(|side| self.between.counters(&self.world, side).too_long).iter().sum();
        if told > self.told
            && let Some(mtu) = self.told_mtu()
        {
            for (flow, _) in &self.flows {
                flow.too_big(&mut self.world, mtu);
            }
        }
        self.told = told;
    }

    /// What senders of long packets are told, if they are told anything.
    fn told_mtu(&self) -> Option<usize> {
        let mtus = self.scene.changes.iter().rev().filter_map(|(_, change)| match change {
            Change::Mtu { bytes, told } => Some(told.then_some(*bytes)),
            _ => None,
        });
        mtus.into_iter().next().flatten()
    }

    fn change(&mut self, change: Change) {
        for (side, before) in [(Side::Right, self.scene.right), (Side::Left, self.scene.left)] {
            let mut link = self.between.link(&self.world, side);
            change.apply(&mut link, &before);
            self.between.set(&mut self.world, side, link);
        }
    }

    fn sample(&self) -> Sample {
        let waiting = self.between.waiting(&self.world, Side::Right);
        let rate = self.between.link(&self.world, Side::Right).rate.unwrap_or(u64::MAX);
        let admitted = self.between.counters(&self.world, Side::Right).bytes;
        let flows = self.flows.iter().map(|(flow, _)| flow.progress(&self.world)).collect();
        Sample { rate, waiting, carried: admitted.saturating_sub(waiting as u64), flows }
    }
}
