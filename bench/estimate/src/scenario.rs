//! The rows: paths and who shares them. Numbers are those of RFC 8867 where it has them.

/// A flow, times in seconds and ways in milliseconds.
#[derive(Clone, Copy, Debug)]
pub enum Flow {
    /// A stream of video on the stack that is measured; `pause` is when its encoder rests.
    Media { from: u64, one_way: u64, pause: (u64, u64), backwards: bool },
    /// A TCP that always sends.
    Long { from: u64, to: u64 },
    /// A TCP that loads files.
    Files,
}

/// A path and who is on it.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What it is, in a table.
    pub what: &'static str,
    /// Bits per second from a second on: there, and back if that is limited as well.
    pub there: Vec<(u64, f64)>,
    /// See `there`.
    pub back: Option<Vec<(u64, f64)>>,
    /// Milliseconds of queue.
    pub queue: u64,
    /// Up to so many milliseconds of jitter.
    pub jitter: u64,
    /// Share of packets that are lost at random.
    pub loss: f64,
    /// Who is on it.
    pub flows: Vec<Flow>,
    /// How long it runs, and what of it counts, in seconds.
    pub seconds: u64,
    /// See `seconds`.
    pub span: (u64, u64),
    /// From when on the first flow is to reach four fifths of which rate.
    pub goal: Option<(u64, f64)>,
}

const MEGA: f64 = 1e6;
/// Milliseconds from end to end where nothing else is said.
pub const ONE_WAY: u64 = 50;

/// A course of rates, told in Mbit/s.
fn mega(rates: &[(u64, f64)]) -> Vec<(u64, f64)> {
    rates.iter().map(|(at, rate)| (*at, rate * MEGA)).collect()
}

/// A flow from a second on.
const fn from(from: u64) -> Flow {
    Flow::Media { from, one_way: ONE_WAY, pause: (0, 0), backwards: false }
}

/// A path of one rate for a minute, and one flow.
fn alone(name: &'static str, what: &'static str, rate: f64) -> Scenario {
    Scenario {
        name,
        what,
        there: vec![(0, rate * MEGA)],
        back: None,
        queue: 300,
        jitter: 0,
        loss: 0.0,
        flows: vec![from(0)],
        seconds: 60,
        span: (5, 60),
        goal: Some((0, rate * MEGA)),
    }
}

/// All there are.
pub fn all() -> Vec<Scenario> {
    let mut all = vec![
        alone("constant-1", "1 Mbit/s", 1.0),
        alone("constant-5", "5 Mbit/s", 5.0),
        alone("constant-20", "20 Mbit/s", 20.0),
        Scenario {
            there: mega(&[(0, 1.0), (20, 5.0)]),
            span: (20, 60),
            goal: Some((20, 5.0 * MEGA)),
            ..alone("rise", "1, then 5 Mbit/s", 1.0)
        },
        Scenario {
            there: mega(&[(0, 5.0), (30, 1.0)]),
            queue: 1000,
            span: (30, 60),
            ..alone("fall", "5, then 1 Mbit/s, a second of queue", 5.0)
        },
        Scenario { loss: 0.02, ..alone("loss", "3 Mbit/s, 2 % lost at random", 3.0) },
    ];
    all.extend(shared());
    let competing = |name, what, queue| Scenario {
        queue,
        flows: vec![from(0), Flow::Long { from: 20, to: 80 }],
        seconds: 120,
        span: (25, 80),
        goal: Some((80, 2.0 * MEGA)),
        ..alone(name, what, 2.0)
    };
    all.push(competing("tcp-50", "a long TCP, 2 Mbit/s, 50 ms of queue (5.6)", 50));
    all.push(competing("tcp-150", "the same, 150 ms", 150));
    all.push(competing("tcp-300", "the same, 300 ms", 300));
    let mut flows = vec![from(5), from(5)];
    flows.extend([Flow::Files; 10]);
    let what = "two, and ten TCPs that load files, 2 Mbit/s (5.7)";
    all.push(Scenario { flows, seconds: 200, span: (20, 200), goal: None, ..alone("tcp-files", what, 2.0) });
    let paused = Flow::Media { from: 0, one_way: ONE_WAY, pause: (40, 60), backwards: false };
    all.push(Scenario {
        flows: vec![paused, from(0), from(0)],
        seconds: 100,
        span: (20, 100),
        goal: Some((60, 3.5 * MEGA / 3.0)),
        ..alone("pause", "three, one of which pauses, 3.5 Mbit/s (5.8)", 3.5)
    });
    all
}

/// Several flows on a path, or one on a path that varies.
fn shared() -> Vec<Scenario> {
    let ways = [(0, 10), (10, 25), (20, 50), (30, 100), (40, 150)];
    let ways = ways.map(|(from, one_way)| Flow::Media { from, one_way, pause: (0, 0), backwards: false });
    vec![
        Scenario {
            there: mega(&[(0, 1.0), (40, 2.5), (60, 0.6), (80, 1.0)]),
            jitter: 10,
            seconds: 100,
            span: (5, 100),
            ..alone("variable", "1, 2.5, 0.6, 1 Mbit/s (5.1)", 1.0)
        },
        Scenario {
            there: mega(&[(0, 4.0), (25, 2.0), (50, 3.5), (75, 1.0), (100, 2.0)]),
            jitter: 10,
            flows: vec![from(0), from(0)],
            seconds: 125,
            span: (5, 125),
            goal: Some((0, 2.0 * MEGA)),
            ..alone("variable-2", "two, 4, 2, 3.5, 1, 2 Mbit/s (5.2)", 4.0)
        },
        Scenario {
            there: mega(&[(0, 2.0), (20, 1.0), (40, 0.5), (60, 2.0)]),
            back: Some(mega(&[(0, 2.0), (35, 0.8), (70, 2.0)])),
            jitter: 10,
            flows: vec![from(0), Flow::Media { from: 0, one_way: ONE_WAY, pause: (0, 0), backwards: true }],
            seconds: 100,
            span: (5, 100),
            goal: Some((0, 2.0 * MEGA)),
            ..alone("feedback", "one each way, both narrow (5.3)", 2.0)
        },
        Scenario {
            flows: vec![from(0), from(20), from(40)],
            seconds: 120,
            span: (60, 120),
            ..alone("three", "three, one after the other, 3.5 Mbit/s (5.4)", 3.5)
        },
        Scenario {
            flows: ways.to_vec(),
            seconds: 120,
            span: (60, 120),
            ..alone("round-trips", "five of 20 to 300 ms there and back, 4 Mbit/s (5.5)", 4.0)
        },
    ]
}

impl Scenario {
    /// Bits per second of a course at a second.
    pub fn rate(course: &[(u64, f64)], at: f64) -> f64 {
        course.iter().rev().find(|(from, _)| *from as f64 <= at).map_or(1.0, |(_, rate)| *rate)
    }

    /// Bits per second that the path could carry on average within what counts, both ways if both are limited.
    pub fn capacity(&self) -> f64 {
        let (from, to) = self.span;
        let mean = |course: &Vec<(u64, f64)>| {
            (from..to).map(|second| Self::rate(course, second as f64)).sum::<f64>() / (to - from) as f64
        };
        mean(&self.there) + self.back.as_ref().map_or(0.0, mean)
    }
}
