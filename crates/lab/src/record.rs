//! The way of every packet of a run, as it was.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use peerage_base::time::{Duration, Instant};
use peerage_sim::observer::Observer;
use peerage_sim::packet::{Packet, PacketId, Protocol};
use peerage_sim::step::{Binding, Step};

use crate::decode::Summary;

/// A step of a packet's way.
#[derive(Clone, Debug)]
pub struct Stage {
    /// When, from the start on.
    pub after: Duration,
    /// At which element.
    pub at: String,
    /// What.
    pub step: Step,
}

/// A packet and its way.
#[derive(Clone, Debug)]
pub struct Journey {
    /// Counts packets from 1 on, in the order in which they left.
    pub number: usize,
    /// When it left, from the start on.
    pub after: Duration,
    /// Sender, as it left.
    pub source: SocketAddr,
    /// Receiver, as it left.
    pub destination: SocketAddr,
    /// Datagram or piece of a stream.
    pub protocol: Protocol,
    /// Bytes on the wire.
    pub len: usize,
    /// What it is.
    pub summary: Summary,
    /// Its way.
    pub stages: Vec<Stage>,
}

/// How a way ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// At the element that it was for.
    Arrived,
    /// Dropped there.
    Dropped,
    /// The record ends before.
    Underway,
}

/// Records the packets of a world.
#[derive(Debug)]
pub struct Recorder {
    limit: usize,
    omitted: u64,
    journeys: Vec<Journey>,
    index: BTreeMap<PacketId, usize>,
}

impl Recorder {
    /// Keeps the first `limit` packets, and counts the others.
    pub fn new(limit: usize) -> Self {
        Self { limit, omitted: 0, journeys: Vec::new(), index: BTreeMap::new() }
    }

    /// The packets, in the order in which they left.
    pub fn journeys(&self) -> &[Journey] {
        &self.journeys
    }

    /// Packets that were not kept.
    pub fn omitted(&self) -> u64 {
        self.omitted
    }
}

impl Observer for Recorder {
    fn sent(&mut self, now: Instant, packet: &Packet) {
        let Some(id) = packet.id.filter(|id| !self.index.contains_key(id)) else { return };
        // A packet that passes a router is sent again, and was counted when it was first.
        if self.journeys.len() >= self.limit {
            self.omitted += u64::from(self.index.insert(id, usize::MAX).is_none());
            return;
        }
        self.index.insert(id, self.journeys.len());
        self.journeys.push(Journey {
            number: self.journeys.len() + 1,
            after: now.since(Instant::ORIGIN),
            source: packet.source,
            destination: packet.destination,
            protocol: packet.protocol,
            len: packet.wire_len(),
            summary: Summary::of(packet),
            stages: Vec::new(),
        });
    }

    fn step(&mut self, now: Instant, at: &str, packet: PacketId, step: &Step) {
        let journey = self.index.get(&packet).and_then(|index| self.journeys.get_mut(*index));
        if let Some(journey) = journey {
            let after = now.since(Instant::ORIGIN);
            journey.stages.push(Stage { after, at: at.to_owned(), step: step.clone() });
        }
    }
}

impl Journey {
    /// The elements that it came by, in order, each named once in a row.
    pub fn hops(&self) -> Vec<&str> {
        let mut hops: Vec<&str> = Vec::new();
        let reached = self.stages.iter().filter(|stage| matches!(stage.step, Step::Sent { .. } | Step::Arrived { .. }));
        for stage in reached {
            if hops.last() != Some(&stage.at.as_str()) {
                hops.push(&stage.at);
            }
        }
        hops
    }

    /// Who sent it.
    pub fn from(&self) -> &str {
        self.stages.first().map_or("", |stage| &stage.at)
    }

    /// How its way ended.
    pub fn end(&self) -> End {
        match self.stages.last().map(|stage| &stage.step) {
            Some(Step::Arrived { .. }) => End::Arrived,
            Some(Step::Refused(_) | Step::Lost(_) | Step::NoRoute) => End::Dropped,
            _ => End::Underway,
        }
    }

    /// Why it was dropped, and where; and when.
    pub fn dropped(&self) -> Option<&Stage> {
        self.stages.last().filter(|_| self.end() == End::Dropped)
    }

    /// When it arrived or was dropped.
    pub fn ended_after(&self) -> Duration {
        self.stages.last().map_or(self.after, |stage| stage.after)
    }

    /// Rows of tables that it made or used: the table's owner, whether the row is new, and the row.
    pub fn rows(&self) -> impl Iterator<Item = (&str, bool, &Binding)> {
        self.stages.iter().filter_map(|stage| match &stage.step {
            Step::RowAdded(row) => Some((stage.at.as_str(), true, row)),
            Step::RowFound(row) => Some((stage.at.as_str(), false, row)),
            _ => None,
        })
    }

    /// What makes two packets alike: the same kind of packet, between the same two, with the same way and end.
    pub fn likeness(&self) -> String {
        let steps = self.stages.iter().map(|stage| {
            let kind = match &stage.step {
                Step::Sent { source, destination, .. } => return format!("{} {source} {destination}", stage.at),
                // The line says no more than the hop does.
                Step::Refused(refusal) => return format!("{} {refusal}", stage.at),
                Step::Lost(reason) => return format!("{} {reason}", stage.at),
                Step::RowAdded(_) => "added",
                Step::Hairpinned => "hairpin",
                Step::NoRoute => "no route",
                _ => "",
            };
            kind.to_owned()
        });
        format!("{}|{}|{}", self.protocol, self.summary, steps.collect::<Vec<_>>().join("|"))
    }
}
