//! What the procedures keep between two calls, apart from them so that the session can own it.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use peerage_base::path::LocalId;
use peerage_base::time::Instant;
use peerage_ice::event::NeedId as IceNeedId;
use peerage_jsep::local::LocalTransport;
use peerage_jsep::signaling::SignalingState;
use peerage_jsep::transceiver::TransceiverId;

use crate::config::{LocalAddress, Server};
use crate::delivery::Delivery;
use crate::event::{ConnectionState, IceConnectionState, IceGatheringState, NeedId};
use crate::media::limits::{EncodingLimits, MAX_ENCODINGS};

/// What gathering knows.
#[derive(Debug, Default)]
pub(crate) struct Gather {
    pub(crate) locals: Vec<(LocalId, LocalAddress)>,
    /// Addresses at which the world reaches them.
    pub(crate) mapped: Vec<(LocalId, SocketAddr)>,
    pub(crate) next_local: u32,
    /// Whether local addresses were asked for.
    pub(crate) asked: bool,
    /// Addresses of the STUN servers.
    pub(crate) servers: Vec<SocketAddr>,
    /// STUN servers that gave no address, and the code why.
    pub(crate) stun_errors: Vec<(SocketAddr, u16)>,
    /// Names in the peer's candidates that nobody answered to, in this generation.
    pub(crate) names_failed: usize,
    /// Servers whose names have no address.
    pub(crate) unresolved: Vec<Server>,
    /// Needs that were not met yet.
    pub(crate) waiting: Vec<(NeedId, Waiting)>,
    pub(crate) next_need: u64,
    /// Candidates of the present generation, as they were signalled.
    pub(crate) candidates: Vec<String>,
    /// Whether the present generation has no more to come.
    pub(crate) ended: bool,
    /// Candidates of a generation that no applied description names yet, as they will be signalled.
    pub(crate) held: Vec<String>,
    /// Whether some names must be hidden, and with them the related addresses.
    pub(crate) hidden: bool,
}

#[derive(Debug)]
pub(crate) enum Waiting {
    Ice(IceNeedId),
    Server(Server),
    Addresses,
}

impl Gather {
    /// Names a local end.
    pub(crate) fn mint_local(&mut self) -> LocalId {
        let id = LocalId(self.next_local);
        self.next_local += 1;
        id
    }

    /// Gives back what is not used.
    pub(crate) fn shrink(&mut self) {
        self.locals.shrink_to_fit();
        self.mapped.shrink_to_fit();
        self.servers.shrink_to_fit();
        self.stun_errors.shrink_to_fit();
        self.unresolved.shrink_to_fit();
        self.waiting.shrink_to_fit();
        self.candidates.shrink_to_fit();
        self.held.shrink_to_fit();
    }

    /// Notes a need, until it is supplied.
    pub(crate) fn need(&mut self, waiting: Waiting) -> NeedId {
        let id = NeedId(self.next_need);
        self.next_need += 1;
        self.waiting.push((id, waiting));
        id
    }
}

/// What descriptions have asked for and what has been told of it.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// The ICE generation that an applied local description names.
    pub(crate) applied_ufrag: Option<String>,
    /// Our side of the transport as of the last complete exchange, once a restart was begun that may be taken back.
    pub(crate) agreed: Option<Box<LocalTransport>>,
    /// The generation that it belongs to.
    pub(crate) agreed_ufrag: Option<String>,
    /// The peer's generation that ICE was told of last.
    pub(crate) remote_ufrag: Option<String>,
    /// Whether the remote offer begins another ICE generation.
    pub(crate) answer_restarts: bool,
    /// Whether `restart_ice` was called and no applied description names new credentials yet.
    pub(crate) restart: bool,
    /// Whether `NegotiationNeeded` was told and not yet acted on.
    pub(crate) told: bool,
}

impl Pending {
    /// No description names a transport any more.
    pub(crate) fn forget_transport(&mut self) {
        *self = Self { told: self.told, ..Self::default() };
    }
}

/// What the application wants of a transceiver, for when it is agreed on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    pub(crate) transceiver: TransceiverId,
    pub(crate) delivery: Delivery,
    /// In bits per second.
    pub(crate) max_bitrate: Option<u64>,
    /// What is sent comes as packets of other sessions.
    pub(crate) forwards: bool,
    pub(crate) encodings: [EncodingLimits; MAX_ENCODINGS],
}

impl Wish {
    /// Nothing in particular.
    pub(crate) fn new(transceiver: TransceiverId) -> Self {
        Self {
            transceiver,
            delivery: Delivery::default(),
            max_bitrate: None,
            forwards: false,
            encodings: [EncodingLimits::default(); MAX_ENCODINGS],
        }
    }
}

/// The states as the application last heard them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct States {
    pub(crate) ice: IceConnectionState,
    pub(crate) connection: ConnectionState,
    pub(crate) gathering: IceGatheringState,
    pub(crate) signaling: SignalingState,
}

impl Default for States {
    fn default() -> Self {
        Self {
            ice: IceConnectionState::New,
            connection: ConnectionState::New,
            gathering: IceGatheringState::New,
            signaling: SignalingState::Stable,
        }
    }
}

/// When to look for what can be given back.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Look {
    /// Not while connecting.
    #[default]
    Never,
    /// For the first time since it is connected.
    First(Instant),
    /// When something else wakes the session: checks of consent come often enough.
    Later(Instant),
}

impl Look {
    /// When the session has to wake up for it.
    pub(crate) fn deadline(self) -> Option<Instant> {
        match self {
            Self::First(at) => Some(at),
            Self::Never | Self::Later(_) => None,
        }
    }
}
