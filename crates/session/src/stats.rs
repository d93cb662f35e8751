//! Figures of one moment.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use peerage_dtls::event::Info;
use peerage_ice::stats::{Drops as IceDrops, PairStats};
use peerage_sctp::stats::Stats as SctpStats;

use crate::counters::{Drops, Traffic};
use crate::event::SelectedPair;
use crate::session::Session;

/// Everything that a connection can tell of itself.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// Bytes and datagrams in each direction, all protocols together.
    pub traffic: Traffic,
    /// Datagrams that were dropped, by reason.
    pub drops: Drops,
    /// What ICE dropped, by reason.
    pub ice_drops: IceDrops,
    /// Every pair of candidates.
    pub pairs: Vec<PairStats>,
    /// The pair in use.
    pub selected: Option<SelectedPair>,
    /// The latest round-trip time of the pair in use.
    pub rtt: Option<Duration>,
    /// Bytes of UDP payload of the largest datagram that the pair in use is known to carry.
    pub max_datagram: usize,
    /// What DTLS agreed on, once it has.
    pub security: Option<Security>,
    /// The data association, if there is one.
    pub data: Option<SctpStats>,
}

/// What the connection is secured by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Security {
    /// `DTLS 1.3` or `DTLS 1.2`.
    pub version: String,
    /// The cipher suite by its registered name.
    pub cipher_suite: String,
    /// The key-exchange group by its registered name, where the handshake showed it.
    pub group: Option<String>,
}

impl Session {
    /// Figures of this moment.
    pub fn stats(&self) -> Stats {
        let selected = self.selected_pair();
        Stats {
            traffic: self.traffic,
            drops: self.drops,
            ice_drops: self.ice.stats(),
            pairs: self.ice.pairs().collect(),
            rtt: selected.and_then(|pair| pair.rtt),
            selected,
            max_datagram: self.path.max_datagram(),
            security: self.secure.as_ref().map(Security::from),
            data: self.association.as_ref().map(|association| association.stats()),
        }
    }
}

impl From<&Info> for Security {
    fn from(info: &Info) -> Self {
        Self {
            version: alloc::format!("{}", info.version),
            cipher_suite: info.cipher_suite.name().into(),
            group: info.group.map(|group| group.name().into()),
        }
    }
}
