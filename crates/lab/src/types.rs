//! The classic types: what each does, and what it lets through.

use std::fmt::{self, Write as _};

use peerage_sim::nat::config::Config;
use peerage_sim::topology::{Behind, Plan, Shape};

use crate::measure::{Measured, measure};
use crate::outcome::Way;
use crate::place::{KINDS, Place, Ports, words};
use crate::table::Options;

/// What the two may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Help {
    /// No server.
    Bare,
    /// STUN servers.
    Stun,
    /// STUN servers and a relay.
    Turn,
}

/// Who is on the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Other {
    /// A machine with a public address.
    Public,
    /// A machine behind a home router: port-restricted.
    Typical,
}

/// One type.
#[derive(Clone, Debug)]
pub struct Type {
    /// Its place.
    pub place: Place,
    /// What it does.
    pub behaviour: &'static str,
    /// The same in the words of RFC 4787.
    pub words: String,
    /// What was found, for each peer and each help.
    pub verdicts: Vec<(Other, Help, Measured)>,
}

/// All helps, from none to most.
pub const HELPS: [Help; 3] = [Help::Bare, Help::Stun, Help::Turn];
/// Both peers.
pub const OTHERS: [Other; 2] = [Other::Public, Other::Typical];

/// Measures the classic types.
pub fn measure_types(options: Options) -> Vec<Type> {
    let places = Place::classic(Ports::Random);
    let cases: Vec<_> = places
        .iter()
        .flat_map(|place| {
            OTHERS.into_iter().flat_map(move |other| HELPS.into_iter().map(move |help| (place, other, help)))
        })
        .collect();
    let scenarios: Vec<_> = cases
        .iter()
        .map(|(place, other, help)| {
            let peer = match other {
                Other::Public => Behind::Nothing,
                Other::Typical => Behind::Nat(Config::port_restricted()),
            };
            let mut scenario = options.scenario(Plan::new(Shape::Apart(place.behind.clone(), peer)));
            scenario.stun = *help != Help::Bare;
            scenario.turn = *help == Help::Turn;
            scenario
        })
        .collect();
    let mut measured = cases.iter().zip(measure(&scenarios, options.runs));
    let types = places.iter().map(|place| Type {
        place: place.clone(),
        behaviour: KINDS.iter().find(|kind| kind.name == place.name).map_or("", |kind| kind.says),
        words: match &place.behind {
            Behind::Nat(config) => words(config),
            _ => String::new(),
        },
        verdicts: measured
            .by_ref()
            .take(OTHERS.len() * HELPS.len())
            .map(|((_, other, help), measured)| (*other, *help, measured))
            .collect(),
    });
    types.collect()
}

impl Type {
    /// What was found against this peer with this help.
    pub fn verdict(&self, other: Other, help: Help) -> Option<&Measured> {
        self.verdicts.iter().find(|(o, h, _)| (*o, *h) == (other, help)).map(|(_, _, measured)| measured)
    }
}

impl fmt::Display for Other {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Public => "a public peer",
            Self::Typical => "a home router",
        })
    }
}

impl fmt::Display for Help {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Bare => "no server",
            Self::Stun => "STUN",
            Self::Turn => "STUN and TURN",
        })
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.place.name, self.behaviour)?;
        writeln!(f, "  RFC 4787: {}", self.words)?;
        for other in OTHERS {
            let mut line = format!("  against {other:15}");
            for help in HELPS {
                let Some(measured) = self.verdict(other, help) else { continue };
                let share = match measured.samples().len() {
                    0 | 1 => String::new(),
                    _ => format!(" {} %", measured.percent(measured.way())),
                };
                let time = measured.settled(measured.way()).filter(|_| measured.way() != Way::None);
                let time = time.map_or_else(String::new, |time| format!(" {:.2} s", time.as_secs_f64()));
                let verdict = format!("{}{share}{time}", measured.way());
                let _ = write!(line, "{help}: {verdict:22}");
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
