//! The scenarios: what each measures, and how its figures are told.

pub mod connect;
pub mod data;
pub mod idle;
pub mod pingpong;

/// A column of a scenario's table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The figure's name in JSON.
    pub figure: &'static str,
    /// The heading, with the unit.
    pub title: &'static str,
    /// How many digits follow the point.
    pub digits: usize,
    /// Whether it is told as a ratio to this project as well, and drawn. The first one of a scenario is what counts.
    pub compared: bool,
}

const fn column(figure: &'static str, title: &'static str, digits: usize, compared: bool) -> Column {
    Column { figure, title, digits, compared }
}

/// What there is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// One channel, one way, as fast as it goes.
    Data,
    /// Pairs of connections from nothing to an open channel.
    Connect,
    /// Many connections at rest.
    Idle,
    /// Small messages to and fro.
    Pingpong,
}

impl Scenario {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Data, Self::Connect, Self::Idle, Self::Pingpong];

    /// Its name on command lines and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Connect => "connect",
            Self::Idle => "idle",
            Self::Pingpong => "pingpong",
        }
    }

    /// Its table.
    pub fn columns(self) -> &'static [Column] {
        match self {
            Self::Data => &data::COLUMNS,
            Self::Connect => &connect::COLUMNS,
            Self::Idle => &idle::COLUMNS,
            Self::Pingpong => &pingpong::COLUMNS,
        }
    }

    /// Whether the bare sockets can do it too.
    pub fn has_limit(self) -> bool {
        matches!(self, Self::Data | Self::Pingpong)
    }
}
