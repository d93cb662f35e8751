//! Everything between two restarts: both sides' credentials, the peer's candidates, the pairs.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use core::net::SocketAddr;

use peerage_base::time::Instant;
use peerage_stun::credentials::Key;

use crate::candidate::{Address, Candidate, CandidateKind, Transport};
use crate::checklist::Checklist;
use crate::credentials::Credentials;
use crate::event::NeedId;
use crate::pair::{Pair, PairId};

/// A remote candidate that can be paired, and the number of its foundation.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    pub candidate: Candidate,
    pub address: SocketAddr,
    pub foundation: u32,
}

impl Remote {
    /// Whether it is the candidate of that address: those of UDP and of TCP differ.
    pub fn is(&self, address: SocketAddr, tcp: bool) -> bool {
        self.is_tcp() == tcp && same_endpoint(self.address, address)
    }

    pub fn is_tcp(&self) -> bool {
        self.candidate.transport != Transport::Udp
    }
}

/// The rounds that look for a direct pair.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seeking {
    /// Rounds so far.
    pub rounds: u32,
    /// When the next one begins.
    pub next: Instant,
}

/// The peer's credentials.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub credentials: Credentials,
    /// USERNAME of requests to the peer: its fragment first (RFC 8445 §7.2.2).
    pub username: Box<str>,
}

impl Peer {
    /// What checks of this side and answers of the peer are authenticated with.
    pub fn key(&self) -> Key {
        Key::short_term(&self.credentials.pwd)
    }
}

#[derive(Debug)]
pub(crate) struct Generation {
    pub number: u32,
    pub local: Credentials,
    pub peer: Option<Peer>,
    /// The peer's fragment as an early check told it.
    pub early_ufrag: Option<Box<str>>,
    pub remotes: Vec<Remote>,
    /// Candidates that wait for the address of their name.
    pub names: Vec<(NeedId, Candidate)>,
    /// Active TCP candidates: their addresses show only when they connect.
    pub unpaired: Vec<Candidate>,
    pub end_of_candidates: bool,
    pub checklist: Checklist,
    /// When checks could begin.
    pub started_at: Option<Instant>,
    /// When the last remote candidate came.
    pub last_remote_at: Option<Instant>,
    /// When the first pair became valid.
    pub first_valid_at: Option<Instant>,
    /// When a pair was last nominated, or added after that.
    pub busy_at: Option<Instant>,
    /// The pair whose nomination is on its way, and the value it is sent with.
    pub nominating: Option<(PairId, u32)>,
    pub last_nomination: u32,
    /// Losing pairs were dropped.
    pub concluded: bool,
    /// Pairs made on this side's own account so far.
    pub pairs_made: u32,
    /// Checks on this side's own account so far.
    pub turns: u32,
    /// The search for a direct pair while a relay carries the data.
    pub seeking: Option<Seeking>,
    /// When everything was last tried again.
    pub revived_at: Option<Instant>,
    /// Order of the nominations by the peer.
    pub heard_nominations: u32,
    /// Packets of the owner carried on pairs that had not answered a check.
    pub unproven: u32,
    next_foundation: u32,
}

impl Generation {
    pub fn new(number: u32, local: Credentials) -> Self {
        Self {
            number,
            local,
            peer: None,
            early_ufrag: None,
            remotes: Vec::new(),
            names: Vec::new(),
            unpaired: Vec::new(),
            end_of_candidates: false,
            checklist: Checklist::default(),
            started_at: None,
            last_remote_at: None,
            first_valid_at: None,
            busy_at: None,
            nominating: None,
            last_nomination: 0,
            concluded: false,
            pairs_made: 0,
            turns: 0,
            seeking: None,
            revived_at: None,
            heard_nominations: 0,
            unproven: 0,
            next_foundation: 0,
        }
    }

    pub fn set_peer(&mut self, credentials: Credentials) {
        let username = format!("{}:{}", credentials.ufrag, self.local.ufrag).into_boxed_str();
        self.early_ufrag = None;
        self.peer = Some(Peer { credentials, username });
    }

    /// Whether the peer may be the one that calls itself so; before its credentials are known, the first to come is.
    pub fn accepts_peer(&mut self, ufrag: &str) -> bool {
        match (&self.peer, &self.early_ufrag) {
            (Some(peer), _) => peer.credentials.ufrag == ufrag,
            (None, Some(early)) => **early == *ufrag,
            (None, None) => {
                self.early_ufrag = Some(ufrag.into());
                true
            }
        }
    }

    /// How many candidates the peer signalled.
    pub fn signalled(&self) -> usize {
        self.names.len() + self.unpaired.len() + self.remotes.len() - self.peer_reflexive()
    }

    /// How many candidates were learned from checks.
    pub fn peer_reflexive(&self) -> usize {
        self.remotes.iter().filter(|r| r.candidate.kind == CandidateKind::PeerReflexive).count()
    }

    pub fn remote(&self, address: SocketAddr, tcp: bool) -> Option<&Remote> {
        self.remotes.iter().find(|remote| remote.is(address, tcp))
    }

    /// Adds a candidate, or lets a signalled one take the place of what was learned from checks (RFC 8838 §11.4).
    /// Answers whether pairs are to be made.
    pub fn insert_remote(&mut self, candidate: Candidate, address: SocketAddr) -> bool {
        let foundation = self.foundation(&candidate.foundation);
        let tcp = candidate.transport != Transport::Udp;
        match self.remotes.iter_mut().find(|remote| remote.is(address, tcp)) {
            Some(known) if known.candidate.kind != CandidateKind::PeerReflexive => false,
            Some(known) => {
                known.candidate = candidate;
                known.foundation = foundation;
                true
            }
            None => {
                self.remotes.push(Remote { candidate, address, foundation });
                true
            }
        }
    }

    /// A candidate that was learned from a check (RFC 8445 §7.3.1.3).
    pub fn learn_remote(&mut self, address: SocketAddr, transport: Transport, priority: u32) {
        let candidate = Candidate {
            // Nobody else's, so that its fate is its own.
            foundation: format!("prflx{}", self.next_foundation),
            component: 1,
            transport,
            priority,
            address: Address::Ip(address),
            kind: CandidateKind::PeerReflexive,
            related: None,
            extensions: Vec::new(),
        };
        self.insert_remote(candidate, address);
    }

    /// All pairs that data may be received from.
    /// What this side's answers and checks of the peer are authenticated with.
    pub fn key(&self) -> Key {
        Key::short_term(&self.local.pwd)
    }

    /// Gives back what is not used.
    pub fn shrink(&mut self) {
        self.remotes.shrink_to_fit();
        self.remotes.iter_mut().for_each(|remote| remote.candidate.shrink());
        self.names.shrink_to_fit();
        self.unpaired.shrink_to_fit();
        self.checklist.shrink();
    }

    pub fn valid(&self) -> impl Iterator<Item = &Pair> {
        self.checklist.iter().filter(|pair| pair.valid.is_some())
    }

    fn foundation(&mut self, text: &str) -> u32 {
        if let Some(remote) = self.remotes.iter().find(|remote| remote.candidate.foundation == text) {
            return remote.foundation;
        }
        self.next_foundation = self.next_foundation.wrapping_add(1);
        self.next_foundation
    }
}

/// Equality of transport addresses; a zone says where, not who.
pub(crate) fn same_endpoint(a: SocketAddr, b: SocketAddr) -> bool {
    a.ip() == b.ip() && a.port() == b.port()
}
