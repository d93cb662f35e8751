//! Beyond plain ICE: prediction of the ports of a NAT that counts, and many probes where its choice is random.
//!
//! Plain ICE finds no direct pair where a NAT gives every destination another port and the other side's filter wants
//! that port to be the one it sent to. Some seconds after the checks began, and while a relay carries the data, a run
//! tries what is left, within bounds of time, sockets and packets:
//!
//! | this side's NAT | the peer's | what is done |
//! |---|---|---|
//! | counts | independent | in rounds: a fresh socket, what a STUN server sees of it, the next ports told as candidates, probes of the peer from that socket |
//! | keeps the port for a first destination | any but random | the same without the server |
//! | counts | counts | the same on both sides, which probe the predictions of each other in strides of one and of two: whatever other ports were given out meanwhile, two probes meet |
//! | random | independent | many sockets that all probe the peer; guessed candidates for a peer that does not know punching |
//! | independent | counts, random | probes of the ports that the peer predicted, or of ports in random order |
//!
//! A probe is an ordinary check, so that the peer needs to know nothing of all this. It lives in a small table, not
//! among the pairs; one that is answered, or a check that arrives at one of the sockets, makes an ordinary pair of
//! peer-reflexive candidates, and ICE goes on from there. Only addresses that the peer signalled are probed.
//!
//! Who does what: `mapping` judges a NAT, `notice` is what two agents tell each other, `plan` and `rounds` decide, `aim` finds out
//! what to aim at, `probes` sends, `answers` receives.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use peerage_base::path::{LocalId, Path};
use peerage_base::time::Instant;
use peerage_stun::header::TransactionId;

use crate::candidate::Candidate;
use crate::config::Role;
use crate::event::NeedId;
use crate::punch::mapping::Mapping;
use crate::punch::notice::{FOUNDATION, Notice};
use crate::punch::walk::Walk;

mod aim;
mod answers;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
pub mod mapping;
pub(crate) mod notice;
mod plan;
mod probes;
mod rounds;
mod walk;

/// Probes that may still be answered; the oldest is forgotten for a new one. At the default pace, that is 5 s.
const MAX_OUTSTANDING: usize = 512;

/// What was tried beyond plain ICE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Whether it goes on.
    pub running: bool,
    /// Runs that began.
    pub runs: u32,
    /// How this side's NAT maps, as last judged.
    pub mapping: Mapping,
    /// How the peer's NAT maps, as it said.
    pub peer: Option<Mapping>,
    /// Sockets that are open for it now.
    pub sockets: usize,
    /// Rounds of prediction that began.
    pub rounds: u32,
    /// Probes sent.
    pub probes: usize,
    /// Guessed candidates told.
    pub guesses: usize,
    /// Probe sockets and probes that found the peer.
    pub hits: u32,
}

/// Whether a candidate of an agent is a guess or tells of a NAT: to be trickled, and of no use in a description, which
/// may be read when it does not hold any more.
pub fn is_passing(candidate: &Candidate) -> bool {
    candidate.foundation.starts_with(FOUNDATION)
}

/// All of it that an agent keeps.
#[derive(Debug, Default)]
pub(crate) struct Punch {
    /// The peer knows punching.
    pub peer_knows: bool,
    /// The peer's last word on its NAT, in this generation.
    pub notice: Option<Box<Notice>>,
    pub run: Option<Box<Run>>,
    /// Nothing more is tried in this generation.
    pub over: bool,
    /// Probe sockets that became ordinary local ends.
    pub winners: Vec<LocalId>,
    pub summary: Summary,
}

/// One attempt.
#[derive(Debug)]
pub(crate) struct Run {
    pub ends_at: Instant,
    /// The ordinary local end that it is about, and what the world sees of it.
    pub local: LocalId,
    pub base: SocketAddr,
    pub seen: SocketAddr,
    pub preference: u16,
    pub mapping: Mapping,
    /// The peer was told of the mapping.
    pub told: bool,
    /// Sockets that the owner was asked for, and how many are still to come.
    pub need: Option<(NeedId, usize)>,
    pub sockets: Vec<Socket>,
    pub task: Task,
    /// The round of prediction on this side, when the next one begins, and how many there were.
    pub round: Option<(u16, Instant)>,
    pub rounds: u32,
    /// The guesses that are still to be told.
    pub guesses: Option<Walk>,
    /// When the next guesses are told.
    pub guess_at: Option<Instant>,
    /// When the next probe may leave.
    pub due: Instant,
    pub outstanding: VecDeque<Outstanding>,
}

/// A socket of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Socket {
    pub id: LocalId,
    pub base: SocketAddr,
}

/// What a run does at the moment.
#[derive(Debug)]
pub(crate) enum Task {
    /// Waits for the peer, or for the owner.
    Idle,
    /// Asks what the NAT gives a fresh socket.
    Measure(Measure),
    /// Knows it, and what is left is to know of the peer.
    Measured,
    /// Probes a list of addresses, several times.
    Volley(Volley),
    /// Probes the ports of an address in random order.
    Sweep { ip: IpAddr, walk: Walk },
    /// Probes one address from all sockets.
    Spread { target: SocketAddr, next: usize, passes: u32 },
}

/// STUN queries, one right behind the other: of two servers from a fresh socket, or of one from two.
#[derive(Debug)]
pub(crate) struct Measure {
    pub queries: Vec<Question>,
    /// When those that are unanswered are sent again.
    pub again: Instant,
    pub sent: u32,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    pub local: LocalId,
    pub server: SocketAddr,
    pub id: TransactionId,
    /// Waits to be sent, for the first time or again.
    pub queued: bool,
    pub seen: Option<SocketAddr>,
}

/// Probes of several addresses in order.
#[derive(Debug)]
pub(crate) struct Volley {
    pub local: LocalId,
    pub targets: Vec<SocketAddr>,
    pub next: usize,
    pub passes: u32,
    /// When the current pass began.
    pub began: Instant,
    /// What it answers: no second one is begun for the same notice.
    pub answers: Option<Notice>,
}

/// A probe that may still be answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outstanding {
    pub id: TransactionId,
    pub path: Path,
    pub role: Role,
    pub sent_at: Instant,
}

impl Punch {
    /// Whether a datagram for the local end is for a run.
    pub fn owns(&self, id: LocalId) -> bool {
        self.run.as_ref().is_some_and(|run| run.sockets.iter().any(|socket| socket.id == id))
    }
}

impl Run {
    pub fn remember(&mut self, probe: Outstanding) {
        if self.outstanding.len() == MAX_OUTSTANDING {
            self.outstanding.pop_front();
        }
        self.outstanding.push_back(probe);
    }
}
