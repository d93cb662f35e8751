//! What is measured: lines, what happens to them, and who is on them.

use peerage_base::rng::Rng;
use peerage_base::time::Duration;
use peerage_lab::wan::scene::{Change, Scene};
use peerage_sim::bottleneck::Side;

/// Who is on the line.
#[derive(Clone, Debug)]
pub enum Flows {
    /// Each stack by itself, in turn.
    Each,
    /// Each of ours by itself, in turn: with the default controller, and with CUBIC.
    Ours,
    /// These together: their names, the side that sends.
    Together(Vec<(&'static str, Side)>),
}

/// A row of the table.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// What it is, for people.
    pub what: &'static str,
    /// The line.
    pub scene: Scene,
    /// Who is on it.
    pub flows: Flows,
    /// When what is to be recovered from is over.
    pub over: Option<Duration>,
}

/// The rate of all lines but one, in bits per second.
const RATE: u64 = 100_000_000;
const RTT: Duration = Duration::from_millis(100);
const SEC: Duration = Duration::from_secs(1);

impl Row {
    fn new(name: &'static str, what: &'static str, scene: Scene, flows: Flows) -> Self {
        Self { name, what, scene, flows, over: None }
    }

    /// When a flow begins: the first with the race, each further one up to a twelfth of it later, by the seed.
    pub fn begins(&self, flow: usize, seed: u64, time: Duration) -> Duration {
        if flow == 0 || self.over.is_some() {
            return Duration::ZERO;
        }
        time.mul_f64(Rng::from_u64(seed).split("begin").split(&flow.to_string()).unit() / 12.0)
    }
}

/// All rows.
pub fn all() -> Vec<Row> {
    let mut rows = alone();
    rows.extend(together());
    rows.extend(worlds());
    rows
}

fn long(queue: f64) -> Scene {
    Scene::new(RATE, RTT).with_queue(queue)
}

/// One flow.
fn alone() -> Vec<Row> {
    let each = |name, what, scene| Row::new(name, what, scene, Flows::Each);
    vec![
        each("clean-1", "100 Mbit/s, 100 ms, queue 1 BDP", long(1.0)),
        each("clean-4", "100 Mbit/s, 100 ms, queue 4 BDP", long(4.0)),
        each("loss0.1-1", "the same, 0.1 % loss, queue 1 BDP", long(1.0).with_loss(0.001)),
        each("loss0.1-4", "the same, 0.1 % loss, queue 4 BDP", long(4.0).with_loss(0.001)),
        each("loss1-1", "the same, 1 % loss, queue 1 BDP", long(1.0).with_loss(0.01)),
        each("loss1-4", "the same, 1 % loss, queue 4 BDP", long(4.0).with_loss(0.01)),
        each("short-loss1", "100 Mbit/s, 40 ms, 1 % loss, queue 1 BDP", Scene::new(RATE, RTT * 2 / 5).with_loss(0.01)),
    ]
}

/// Two flows.
fn together() -> Vec<Row> {
    let two = |name, what, queue, pair: [&'static str; 2]| {
        Row::new(name, what, long(queue), Flows::Together(pair.map(|stack| (stack, Side::Left)).into()))
    };
    vec![
        two("alike-1", "two of ours, queue 1 BDP", 1.0, ["peerage", "peerage"]),
        two("alike-4", "two of ours, queue 4 BDP", 4.0, ["peerage", "peerage"]),
        two("alike-cubic-1", "two of ours with CUBIC, queue 1 BDP", 1.0, ["peerage-cubic", "peerage-cubic"]),
        two("alike-cubic-4", "two of ours with CUBIC, queue 4 BDP", 4.0, ["peerage-cubic", "peerage-cubic"]),
        two("mixed-1", "default against CUBIC, queue 1 BDP", 1.0, ["peerage", "peerage-cubic"]),
        two("mixed-4", "default against CUBIC, queue 4 BDP", 4.0, ["peerage", "peerage-cubic"]),
        two("tcp-1", "default against TCP, queue 1 BDP", 1.0, ["peerage", "tcp-cubic"]),
        two("tcp-4", "default against TCP, queue 4 BDP", 4.0, ["peerage", "tcp-cubic"]),
        two("cubic-tcp-1", "CUBIC against TCP, queue 1 BDP", 1.0, ["peerage-cubic", "tcp-cubic"]),
        two("cubic-tcp-4", "CUBIC against TCP, queue 4 BDP", 4.0, ["peerage-cubic", "tcp-cubic"]),
        two("tcp-tcp-1", "two model TCPs, queue 1 BDP: what the model does by itself", 1.0, ["tcp-cubic", "tcp-cubic"]),
    ]
}

/// Lines that misbehave.
fn worlds() -> Vec<Row> {
    let over = 20 * SEC;
    let ours = |name, what, scene| Row { over: Some(over), ..Row::new(name, what, scene, Flows::Ours) };
    let changed = |change| long(1.0).at(over, change);
    let mtu = |told| long(1.0).with(|link| link.mtu = Some(1500)).at(over, Change::Mtu { bytes: 1280, told });
    let outage = long(1.0).at(10 * SEC, Change::Cut).at(40 * SEC, Change::Restore);
    let blink = long(1.0).at(20 * SEC, Change::Cut).at(22 * SEC, Change::Restore);
    let mut narrow = Scene::new(256_000, RTT / 2);
    (narrow.right.queue, narrow.left.rate, narrow.left.queue) = (64_000, Some(16_000_000), 256_000);
    let mut near = Scene::new(RATE, RTT / 50);
    (near.right.queue, near.left.queue) = (64 << 10, 64 << 10);
    let both = Flows::Together(vec![("peerage", Side::Left), ("peerage", Side::Right)]);
    let steady = |name, what, scene| Row::new(name, what, scene, Flows::Ours);
    vec![
        ours("quarter", "a quarter of the rate after 20 s", changed(Change::Rate(0.25))),
        ours("fourfold", "25 Mbit/s, four times that after 20 s", {
            Scene::new(RATE / 4, RTT).with_queue(1.0).at(over, Change::Rate(4.0))
        }),
        ours("mtu-silent", "MTU 1500, 1280 after 20 s, and nobody says so", mtu(false)),
        ours("mtu-told", "MTU 1500, 1280 after 20 s, and senders are told", mtu(true)),
        Row { over: Some(22 * SEC), ..ours("blink", "nothing passes for 2 s", blink) },
        Row { over: Some(40 * SEC), ..ours("outage", "nothing passes for 30 s", outage) },
        steady("reorder", "5 % of packets 10 ms late", long(1.0).with(|link| link.reorder = 0.05)),
        steady("jitter", "up to 30 ms of jitter", long(1.0).with(|link| link.jitter = RTT * 3 / 10)),
        steady("near", "100 Mbit/s, 2 ms, queue of 64 KiB", near),
        steady("narrow", "256 kbit/s up with a queue of 64 kB, 50 ms", narrow),
        Row::new("both-ways", "one flow each way", long(1.0), both),
        Row::new("ten", "ten flows", long(1.0), Flows::Together(vec![("peerage", Side::Left); 10])),
    ]
}
