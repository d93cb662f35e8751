//! What is measured, and what a run of it comes to.

use std::time::Duration;

use bench::figures::Figures;
use bench::scenario::Column;

use crate::clock::Meter;
use crate::load::{Kind, Load};
use crate::peer::{Peer, Role};
use crate::world::{Traffic, World};

/// Virtual time before anything counts.
const WARM_UP: Duration = Duration::from_secs(2);
/// Virtual time after it, in which the last frames arrive.
const REST: Duration = Duration::from_secs(2);
/// The share of frames that may be missing on a line that loses packets.
const MAY_MISS: f64 = 0.005;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The end that sends.
    Send,
    /// The end that receives.
    Receive,
    /// What is between a publisher and its viewers.
    Forward,
}

/// One table.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name behind that of the side.
    pub variant: &'static str,
    /// What is sent.
    pub kind: Kind,
    /// The share of packets that do not arrive.
    pub loss: f64,
    /// Who gets it; none is a call of two.
    pub viewers: usize,
}

/// All there are.
pub const ALL: [Scenario; 5] = [
    Scenario { variant: "video", kind: Kind::Video, loss: 0.0, viewers: 0 },
    Scenario { variant: "audio", kind: Kind::Audio, loss: 0.0, viewers: 0 },
    Scenario { variant: "video-loss", kind: Kind::Video, loss: 0.01, viewers: 0 },
    Scenario { variant: "video-1", kind: Kind::Video, loss: 0.0, viewers: 1 },
    Scenario { variant: "video-20", kind: Kind::Video, loss: 0.0, viewers: 20 },
];

/// What is told.
pub const COLUMNS: [Column; 6] = [
    Column { figure: "cpu_s_per_mpkt", title: "CPU s/Mpkt", digits: 3, compared: true },
    Column { figure: "packets_per_cpu_s", title: "packets/CPU s", digits: 0, compared: false },
    Column { figure: "allocations_per_packet", title: "allocs/packet", digits: 3, compared: false },
    Column { figure: "bytes_per_packet", title: "bytes/packet", digits: 0, compared: false },
    Column { figure: "other_packets_share", title: "other RTP", digits: 4, compared: false },
    Column { figure: "frames_missing", title: "frames missing", digits: 0, compared: false },
];

impl Side {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Receive => "receive",
            Self::Forward => "forward",
        }
    }
}

impl Scenario {
    /// What it measures.
    pub fn sides(&self) -> &'static [Side] {
        if self.viewers > 0 { &[Side::Forward] } else { &[Side::Send, Side::Receive] }
    }

    /// The name of one of its tables.
    pub fn name(&self, side: Side) -> String {
        format!("{}-{}", side.name(), self.variant)
    }

    /// Runs it once on a stack; answers the figures of each of its sides.
    ///
    /// # Errors
    /// The stack refuses something, or what arrived is not what was sent.
    pub fn run<P: Peer>(&self, streams: usize, packets: u64) -> Result<Vec<Figures>, String> {
        let mut world = World::<P>::new(Load::new(self.kind), streams, self.loss);
        let direct = self.viewers == 0;
        world.connect([Role::Sends, if direct { Role::Receives } else { Role::TakesIn }])?;
        for _ in 0..self.viewers {
            world.connect([Role::Forwards, Role::Receives])?;
        }
        world.settle()?;
        world.begin();
        world.run(WARM_UP / 2);
        if !direct {
            world.select();
        }
        world.run(WARM_UP / 2);
        let first = world.reset();
        let leaves = if direct { Role::Sends } else { Role::Forwards };
        while world.sent(leaves).media < packets {
            let before = world.sent(leaves).media;
            world.run(Duration::from_millis(500));
            if world.sent(leaves).media == before {
                return Err("nothing is sent any more".into());
            }
        }
        let (sent, costs) = (world.sent(leaves), self.costs(&world));
        let last = world.reset();
        world.run(REST);
        let (missing, all) = world.missing(first..last)?;
        if missing as f64 > all as f64 * if self.loss > 0.0 { MAY_MISS } else { 0.0 } {
            return Err(format!("{missing} of {all} frames did not arrive"));
        }
        Ok(costs.into_iter().map(|cost| figures(cost, sent, missing)).collect())
    }

    fn costs<P: Peer>(&self, world: &World<P>) -> Vec<Meter> {
        let of = |side: &Side| match side {
            Side::Send => world.cost(Role::Sends),
            Side::Receive => world.cost(Role::Receives),
            Side::Forward => world.cost(Role::TakesIn).with(world.cost(Role::Forwards)),
        };
        self.sides().iter().map(of).collect()
    }
}

fn figures(cost: Meter, sent: Traffic, missing: usize) -> Figures {
    let packets = sent.media as f64;
    Figures::default()
        .with("cpu_s_per_mpkt", cost.seconds() / packets * 1e6)
        .with("packets_per_cpu_s", packets / cost.seconds())
        .with("allocations_per_packet", cost.allocations() / packets)
        .with("bytes_per_packet", sent.bytes as f64 / packets)
        .with("other_packets_share", sent.other as f64 / packets)
        .with("control_packets_share", sent.control as f64 / packets)
        .with("packets", packets)
        .with("frames_missing", missing as f64)
}
