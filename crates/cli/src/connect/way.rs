//! The ways by which two peers signal, behind one face.

use std::time::Duration;

use peerage::configuration::IceTransportPolicy;
use peerage::{Configuration, Endpoint, PeerConnection};
use peerage_signal::client::event::RoomEvent;
use peerage_signal::client::pair::Pair;
use peerage_signal::client::room::{Room, SendError};
use peerage_signal::compact::derive::derive_credentials;
use peerage_signal::id::PeerId;
use peerage_signal::plain::Plain;

use super::visit::Visit;

/// A way that is open.
pub enum Way {
    /// A room on a server, which carries everything at any time.
    Room(Room),
    /// Each side's description, once.
    Pair(Box<ByPair>),
}

/// A room of two without a server.
pub struct ByPair {
    /// The two.
    pub pair: Pair,
    /// What their descriptions are made with.
    pub endpoint: Endpoint,
    /// How long the other side may take to learn of our answer.
    pub wait: Duration,
    /// The servers that name relays, as long as they are needed.
    pub visits: Vec<Visit>,
}

/// What a way can carry, and so what a connection over it must do without.
#[derive(Clone)]
pub enum Carries {
    /// Whatever is to be said, whenever.
    All,
    /// One whole description of each side: what comes later (candidates, restarts, goodbyes) is not heard.
    Once {
        /// What connections are made with.
        endpoint: Endpoint,
        /// How long the other side may take to learn of our answer.
        wait: Duration,
    },
}

impl Way {
    /// What happens next. Nothing is lost if the future is dropped.
    pub async fn next_event(&mut self) -> Option<RoomEvent> {
        match self {
            Self::Room(room) => room.next_event().await,
            Self::Pair(by) => by.pair.next_event().await,
        }
    }

    /// Says something to a peer.
    pub fn send(&mut self, to: PeerId, plain: &Plain) -> Result<(), SendError> {
        match self {
            Self::Room(room) => room.send(to, plain),
            Self::Pair(by) => by.pair.send(to, plain),
        }
    }

    /// What it can carry.
    pub fn carries(&self) -> Carries {
        match self {
            Self::Room(_) => Carries::All,
            Self::Pair(by) => Carries::Once { endpoint: by.endpoint.clone(), wait: by.wait },
        }
    }

    /// Leaves, and gives back what servers lent.
    pub async fn leave(self) {
        match self {
            Self::Room(room) => room.leave().await,
            Self::Pair(by) => {
                for visit in by.visits {
                    visit.end().await;
                }
            }
        }
    }
}

impl Carries {
    /// How connections begin.
    pub fn configuration(&self, relay_only: bool) -> Configuration {
        let mut configuration = Configuration::default();
        if relay_only {
            configuration.ice_transport_policy = IceTransportPolicy::Relay;
        }
        if let Self::Once { wait, .. } = self {
            // What follows from the certificate need not be written.
            configuration.ice_credentials = Some(derive_credentials);
            configuration.patience = Some(*wait);
        }
        configuration
    }

    /// A connection.
    pub fn connection(&self, configuration: Configuration) -> peerage::error::Result<PeerConnection> {
        match self {
            Self::All => PeerConnection::new(configuration),
            Self::Once { endpoint, .. } => endpoint.peer_connection(configuration),
        }
    }

    /// Whether descriptions go once and whole.
    pub fn is_once(&self) -> bool {
        matches!(self, Self::Once { .. })
    }
}
