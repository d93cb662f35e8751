//! A run, packet by packet: each with the steps of its translation, numbered as textbooks do.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use peerage_base::time::Duration;
use peerage_sim::nat::table::Rows;
use peerage_sim::step::Step;
use peerage_sim::topology::Router;

use crate::outcome::Outcome;
use crate::place::words;
use crate::record::{End, Journey, Recorder};
use crate::scenario::{Run, Scenario};

/// A run that was followed.
pub struct Trace {
    /// What came of it.
    pub outcome: Outcome,
    /// Every packet that was kept.
    pub journeys: Vec<Journey>,
    /// Packets beyond those.
    pub omitted: u64,
    /// The machines, boxes and servers.
    pub elements: Vec<Member>,
    /// The tables of all boxes at the end, by name.
    pub tables: Vec<(String, Rows)>,
    /// When it ended.
    pub ended: Duration,
}

/// An element of the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// What it does, in words; empty for a machine.
    pub words: String,
    /// Its addresses; of a box those outside.
    pub addresses: Vec<String>,
    /// The name of the box between it and the public network, if there is one.
    pub behind: Option<String>,
}

/// What an element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// One of the two peers.
    Peer,
    /// A NAT or a firewall.
    Box,
    /// A server of the public network.
    Server,
}

/// How a trace is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// All steps of packets too that are like one before.
    pub every: bool,
    /// Most packets printed.
    pub limit: usize,
}

impl Trace {
    /// Runs a scenario and keeps its first `limit` packets.
    pub fn follow(scenario: &Scenario, limit: usize) -> Self {
        let mut run = scenario.build();
        let recorder = Rc::new(RefCell::new(Recorder::new(limit)));
        run.world.observe(recorder.clone());
        run.start();
        run.finish();
        let (elements, tables) = (members(&run), tables(&run));
        let recorder = recorder.borrow();
        Self {
            outcome: run.outcome(),
            journeys: recorder.journeys().to_vec(),
            omitted: recorder.omitted(),
            elements,
            tables,
            ended: run.world.now().since(peerage_base::time::Instant::ORIGIN),
        }
    }

    /// The trace as text.
    pub fn text(&self, style: Style) -> impl fmt::Display {
        Text { trace: self, style }
    }
}

struct Text<'a> {
    trace: &'a Trace,
    style: Style,
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace, style } = self;
        trace.elements.iter().try_for_each(|member| writeln!(f, "{member}"))?;
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for journey in trace.journeys.iter().take(style.limit) {
            writeln!(f)?;
            let first = *seen.entry(journey.likeness()).or_insert(journey.number);
            if first == journey.number || style.every {
                write_steps(f, journey)?;
            } else {
                writeln!(f, "{}", head(journey))?;
                writeln!(f, "      as #{first}: {}", ending(journey))?;
            }
        }
        let printed = trace.journeys.len().min(style.limit);
        let more = trace.journeys.len() - printed;
        if more > 0 || trace.omitted > 0 {
            writeln!(f, "\n... and {} more packets", more as u64 + trace.omitted)?;
        }
        for (name, rows) in &trace.tables {
            writeln!(f, "\nThe table of {name} at the end, {:.3} s:", trace.ended.as_secs_f64())?;
            let text = rows.to_string();
            // Probing fills tables with thousands of rows.
            let lines: Vec<_> = text.lines().take(style.limit.saturating_add(1)).collect();
            lines.iter().try_for_each(|line| writeln!(f, "{line}"))?;
            let hidden = text.lines().count() - lines.len();
            if hidden > 0 {
                writeln!(f, "... and {hidden} more rows")?;
            }
        }
        let Outcome { way, settled_after, connected_after, checks, .. } = &trace.outcome;
        let moment = |at: Option<Duration>| at.map_or("never".into(), |at| format!("{:.3} s", at.as_secs_f64()));
        writeln!(
            f,
            "\nResult: {way}, taken after {}; data from {} on; {checks} checks.",
            moment(*settled_after),
            moment(*connected_after)
        )
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, words, addresses, behind, .. } = self;
        write!(f, "{name:8} {}", if addresses.is_empty() { "no address".into() } else { addresses.join(", ") })?;
        if let Some(behind) = behind {
            write!(f, ", behind {behind}")?;
        }
        if words.is_empty() { Ok(()) } else { write!(f, ": {words}") }
    }
}

/// The line that names a packet.
pub fn head(journey: &Journey) -> String {
    let Journey { number, source, destination, protocol, len, summary, .. } = journey;
    let time = journey.after.as_secs_f64();
    let hops = journey.hops().join(" > ");
    let details = if summary.details.is_empty() { String::new() } else { format!(" ({})", summary.details) };
    format!(
        "#{number:<4} {time:.3} s  {hops}\n      {summary}{details}\n      {protocol} {source} -> {destination}, {len} bytes"
    )
}

/// How it ended, in a few words.
pub fn ending(journey: &Journey) -> String {
    let at = journey.hops().last().copied().unwrap_or_default();
    let took = journey.ended_after().saturating_sub(journey.after).as_secs_f64() * 1000.0;
    match (journey.end(), journey.dropped()) {
        (End::Arrived, _) => format!("reaches {at} after {took:.0} ms"),
        (_, Some(stage)) => format!("at {}, {}", stage.at, stage.step),
        _ => "still under way when the run ended".into(),
    }
}

/// The steps that are told: what the line between two boxes says is in the packet's head already.
pub fn told(journey: &Journey) -> impl Iterator<Item = (&str, Duration, String)> {
    let last = journey.stages.len().saturating_sub(1);
    journey.stages.iter().enumerate().filter_map(move |(index, stage)| {
        let text = match &stage.step {
            Step::Sent { .. } => return None,
            // At a box, what it does with the packet says that it arrived.
            Step::Arrived { .. } if index != last => return None,
            Step::Arrived { source, .. } => format!("arrived, from {source}"),
            step => step.to_string(),
        };
        Some((stage.at.as_str(), stage.after, text))
    })
}

fn write_steps(f: &mut fmt::Formatter<'_>, journey: &Journey) -> fmt::Result {
    writeln!(f, "{}", head(journey))?;
    for (number, (at, after, text)) in (1..).zip(told(journey)) {
        let later = after.saturating_sub(journey.after).as_secs_f64() * 1000.0;
        writeln!(f, "      {number:>2}. {at:7} +{later:>3.0} ms  {text}")?;
    }
    Ok(())
}

/// All boxes, each once: the one next to a host before the carrier's.
fn routers(run: &Run) -> Vec<Router> {
    let mut routers: Vec<Router> = Vec::new();
    for side in [0, 1] {
        for router in run.pair.routers(side) {
            if routers.iter().all(|known| known.outer != router.outer) {
                routers.push(*router);
            }
        }
    }
    routers
}

fn members(run: &Run) -> Vec<Member> {
    let world = &run.world;
    let name_of = |router: &Router| world.name(router.nat).to_owned();
    let text = |addresses: &[std::net::IpAddr]| addresses.iter().map(ToString::to_string).collect();
    let mut members = Vec::new();
    for (side, id) in run.peers.into_iter().enumerate() {
        members.push(Member {
            name: world.name(id).into(),
            role: Role::Peer,
            words: String::new(),
            addresses: text(&run.pair.seats[side].addresses),
            behind: run.pair.routers(side).first().map(name_of),
        });
    }
    for router in routers(run) {
        let sides = [0, 1].map(|side| run.pair.routers(side));
        let next = sides.iter().find_map(|chain| {
            let at = chain.iter().position(|other| other.outer == router.outer)?;
            chain.get(at + 1).map(name_of)
        });
        let nat = world.get(router.nat);
        members.push(Member {
            name: name_of(&router),
            role: Role::Box,
            words: words(nat.config()),
            addresses: text(nat.external()),
            behind: next,
        });
    }
    for (id, says) in [(run.relay, "STUN and TURN server"), (run.second, "STUN server")] {
        if let Some(id) = id {
            members.push(Member {
                name: world.name(id).into(),
                role: Role::Server,
                words: says.into(),
                addresses: text(world.get(id).ips()),
                behind: None,
            });
        }
    }
    members
}

fn tables(run: &Run) -> Vec<(String, Rows)> {
    let read =
        |router: Router| (run.world.name(router.nat).to_owned(), run.world.get(router.nat).rows(run.world.now()));
    routers(run).into_iter().map(read).collect()
}
