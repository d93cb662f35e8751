//! What an applied description asks of the owner.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::signaling::SignalingState;

/// The consequences of one applied description.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Plan {
    /// The state now.
    pub signaling_state: SignalingState,
    /// A pending offer was taken back, by `rollback` or because the peer's offer won (perfect negotiation): drop what its
    /// generation gathered, unless it is still named by `local_ufrag`.
    pub rolled_back: bool,
    /// The ICE generation that the local description in force names: gather and answer checks under it. `None` while no
    /// local description has a transport.
    pub local_ufrag: Option<String>,
    /// `local_ufrag` replaces another generation, which stays in use until pairs of the new one are selected.
    pub local_ice_restart: bool,
    /// The peer's credentials replace others: an answer must come with fresh local credentials too.
    pub remote_ice_restart: bool,
    /// The peer's side of the transport. Present with every remote offer and answer that has a usable data section, and
    /// with our own answers; act on it (checks, DTLS) once `dtls` is known.
    pub transport: Option<TransportPlan>,
    /// The data section, once an answer accepts it.
    pub data: Option<DataPlan>,
    /// A data section that was offered or open is refused: every channel closes.
    pub data_rejected: bool,
    /// No section uses the transport any more: close it.
    pub transport_closed: bool,
    /// Every section of the description, in order.
    pub sections: Vec<SectionSummary>,
}

/// The peer's side of the one transport.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransportPlan {
    /// The peer's ICE user name fragment.
    pub remote_ufrag: String,
    /// The peer's ICE password.
    pub remote_pwd: String,
    /// The peer sends no checks of its own.
    pub remote_lite: bool,
    /// More candidates may follow the description (RFC 8840 §4.1.3).
    pub remote_trickle: bool,
    /// All ICE options of the peer (RFC 8839 §5.6).
    pub remote_ice_options: Vec<String>,
    /// Certificates that the peer may show, as `<algorithm> <AB:CD:...>`; any one of them will do (RFC 8122 §5).
    pub fingerprints: Vec<String>,
    /// How to run DTLS; `None` until an answer settles it.
    pub dtls: Option<DtlsPlan>,
    /// Candidates that stood in the description, each as `candidate:...`.
    pub candidates: Vec<String>,
    /// No candidate will follow them.
    pub end_of_candidates: bool,
    /// Our ICE role: whether we nominate (RFC 8445 §6.1.1). Constant over restarts.
    pub controlling: bool,
}

/// How to run DTLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DtlsPlan {
    /// Our side.
    pub role: DtlsRole,
    /// A handshake is due: the first one, or one that replaces the association because a fingerprint or a `tls-id` changed
    /// (RFC 8842 §3.1). `false` keeps what runs, and its role.
    pub new_association: bool,
}

/// Who sends the ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DtlsRole {
    /// We do.
    Client,
    /// The peer does.
    Server,
}

/// The peer's side of the SCTP association.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DataPlan {
    /// Our SCTP port.
    pub local_port: u16,
    /// The peer's SCTP port.
    pub remote_port: u16,
    /// The largest message that the peer accepts, in bytes; `None` is any size.
    pub max_message_size: Option<u64>,
    /// The SCTP INIT chunk in our description, if it has one: what the peer begins the association with.
    pub local_init: Option<Vec<u8>>,
    /// The SCTP INIT chunk in the peer's description, if both descriptions have one: the association begins from these two
    /// without a handshake once DTLS is connected (draft-hancke-tsvwg-snap-00 §5).
    pub remote_init: Option<Vec<u8>>,
    /// An SCTP association is due: the first one, or one that replaces it because DTLS begins again or the data section is
    /// another. `false` keeps what runs.
    pub new_association: bool,
}

/// One media section.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SectionSummary {
    /// Its name, if it has one.
    pub mid: Option<String>,
    /// `audio`, `video`, `application` ...
    pub media: String,
    /// Its port is 0.
    pub rejected: bool,
    /// It is the data section.
    pub data: bool,
}

impl fmt::Debug for TransportPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransportPlan")
            .field("remote_lite", &self.remote_lite)
            .field("dtls", &self.dtls)
            .field("candidates", &self.candidates.len())
            .field("end_of_candidates", &self.end_of_candidates)
            .field("controlling", &self.controlling)
            .finish_non_exhaustive()
    }
}
