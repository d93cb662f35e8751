//! A run: a narrow line, the flows on it as they come, and what the line and they have seen.

use std::net::SocketAddr;

use peerage_base::path::{LocalId, Path};
use peerage_base::rng::Rng;
use peerage_base::time::{Duration, Instant};
use peerage_sim::bottleneck::{Bottleneck, Seat, Side};
use peerage_sim::host::{Host, Node};
use peerage_sim::link::{Link, Loss};
use peerage_sim::world::World;

use crate::host::{Driven, Encoder};
use crate::machine::Machine;
use crate::scenario::{Flow, Scenario};
use crate::tally::Shared;
use crate::tcp::{Sink, Source};

/// How often the queue is looked at.
const TICK: Duration = Duration::from_millis(5);

/// What came of a run.
#[derive(Debug)]
pub struct Record {
    /// Of each flow, in their order.
    pub flows: Vec<Shared>,
    /// The wait in milliseconds that a packet would have found at each look within what counts, sorted.
    pub waits: Vec<f64>,
}

/// Runs a scenario on a stack.
///
/// # Errors
/// The stack refuses a step.
pub fn run<M: Machine>(scenario: &Scenario, seed: u64) -> Result<Record, String> {
    let mut world = World::new(seed);
    let lines = lines(scenario, 0.0);
    let mut between = Bottleneck::new(&mut world, lines[0], lines[1]);
    let tallies: Vec<Shared> = scenario.flows.iter().map(|_| Shared::default()).collect();
    let mut waits = Vec::new();
    let mut waiting: Vec<usize> = (0..scenario.flows.len()).collect();
    let steps = scenario.seconds * 1000 / TICK.as_millis() as u64;
    for step in 0..steps {
        let at = TICK * step as u32;
        let mut due = waiting.iter().copied().filter(|flow| begins(scenario.flows[*flow]) <= at).collect::<Vec<_>>();
        waiting.retain(|flow| !due.contains(flow));
        for flow in due.drain(..) {
            put::<M>(&mut world, &mut between, scenario, flow, &tallies[flow])?;
        }
        if at.subsec_nanos() == 0 {
            let lines = self::lines(scenario, at.as_secs_f64());
            for (side, line) in [Side::Right, Side::Left].into_iter().zip(lines) {
                between.set(&mut world, side, line);
            }
        }
        world.run_until(Instant::ORIGIN + at + TICK, |_| false);
        if (scenario.span.0..scenario.span.1).contains(&at.as_secs()) {
            let sides: &[Side] = if scenario.back.is_some() { &[Side::Right, Side::Left] } else { &[Side::Right] };
            for side in sides {
                let rate = between.link(&world, *side).rate.unwrap_or(u64::MAX) as f64;
                waits.push(between.waiting(&world, *side) as f64 * 8e3 / rate);
            }
        }
    }
    waits.sort_by(f64::total_cmp);
    Ok(Record { flows: tallies, waits })
}

/// When a flow comes.
fn begins(flow: Flow) -> Duration {
    Duration::from_secs(match flow {
        Flow::Media { from, .. } | Flow::Long { from, .. } => from,
        Flow::Files => 0,
    })
}

/// The line in both directions at a moment.
fn lines(scenario: &Scenario, at: f64) -> [Link; 2] {
    [Some(&scenario.there), scenario.back.as_ref()].map(|course| {
        let Some(course) = course else { return Link::default() };
        let rate = Scenario::rate(course, at);
        let loss = if scenario.loss > 0.0 { Loss::Random(scenario.loss) } else { Loss::None };
        let queue = (rate / 8.0 * scenario.queue as f64 / 1e3) as usize;
        Link { rate: Some(rate as u64), queue, loss, ..Link::default() }
    })
}

/// Puts a flow on the line.
fn put<M: Machine>(
    world: &mut World,
    between: &mut Bottleneck,
    scenario: &Scenario,
    number: usize,
    tally: &Shared,
) -> Result<(), String> {
    let flow = scenario.flows[number];
    let (now, seed) = (world.now(), world.seed().wrapping_mul(1000).wrapping_add(number as u64));
    let rng = Rng::from_u64(seed);
    let (backwards, one_way) = match flow {
        Flow::Media { one_way, backwards, .. } => (backwards, one_way),
        _ => (false, crate::scenario::ONE_WAY),
    };
    let sides = if backwards { [Side::Right, Side::Left] } else { [Side::Left, Side::Right] };
    let seats = sides.map(|side| between.seat(side));
    let addresses = seats.map(|seat| SocketAddr::new(seat.address, 5000));
    // Jitter is behind the line in both directions.
    let delay = Duration::from_millis(one_way);
    let jitter = Duration::from_millis(scenario.jitter);
    let links = [
        [Link::with_delay(delay), Link { jitter, ..Link::with_delay(delay) }],
        [Link::default(), Link { jitter, ..Link::default() }],
    ];
    let second = |at: u64| Instant::ORIGIN + Duration::from_secs(at);
    match flow {
        Flow::Media { from, pause, .. } => {
            let encoder = Encoder::new(rng, (second(from), second(1 << 30)), (second(pause.0), second(pause.1)));
            let [near, far] = M::pair(addresses, seed, now)?;
            let near = Driven::new(near, Some(encoder), tally.clone(), now);
            let far = Driven::new(far, None, tally.clone(), now);
            seat(world, (seats[0], addresses[0], links[0]), near);
            seat(world, (seats[1], addresses[1], links[1]), far);
        }
        Flow::Long { .. } | Flow::Files => {
            let paths = [1, 0].map(|other: usize| Path { local: LocalId(0), remote: addresses[other] });
            let source = match flow {
                Flow::Long { from, to } => Source::new(paths[0], (second(from), second(to))),
                _ => Source::files(paths[0], rng, (second(0), second(1 << 30))),
            };
            seat(world, (seats[0], addresses[0], links[0]), source);
            seat(world, (seats[1], addresses[1], links[1]), Sink::new(paths[1], tally.clone()));
        }
    }
    Ok(())
}

/// Gives a host its place, and lines to and from it.
fn seat(world: &mut World, (seat, address, [up, down]): (Seat, SocketAddr, [Link; 2]), node: impl Node) {
    let id = world.add("end", Host::new(node).with_socket(LocalId(0), address));
    seat.attach(world, id, up, down);
}
