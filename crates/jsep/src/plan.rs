//! What an applied description asks of the owner.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use peerage_sdp::attribute::direction::Direction;
use peerage_sdp::attribute::fmtp::Parameters;
use peerage_sdp::attribute::payload_type::PayloadType;
use peerage_sdp::attribute::rid::RidId;
use peerage_sdp::attribute::rtcp_fb::Feedback;

use crate::signaling::SignalingState;
use crate::transceiver::{MediaKind, TransceiverId};

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
    /// Audio and video as an answer settles it: every open section, in order. What is not here any more has ended.
    pub media: Vec<MediaPlan>,
    /// What became of the peer's tracks.
    pub tracks: Vec<TrackEvent>,
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

/// An open audio or video section.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MediaPlan {
    /// Its place, counted from 0.
    pub index: usize,
    /// Its name, which packets carry; absent only outside BUNDLE.
    pub mid: Option<String>,
    /// Audio or video.
    pub kind: MediaKind,
    /// Whose it is.
    pub transceiver: TransceiverId,
    /// Whether and what we send and receive.
    pub direction: Direction,
    /// What both sides have, in the answer's order.
    pub codecs: Vec<Codec>,
    /// Header extensions that both sides have.
    pub extensions: Vec<Extension>,
    /// One- and two-byte header extensions may alternate.
    pub mixed_extensions: bool,
    /// RTCP packets may be shorter than compound ones.
    pub reduced_size: bool,
    /// What is sent: one encoding, or those that the peer takes side by side.
    pub encodings: Vec<SendEncoding>,
    /// Names of the encodings that the peer may send side by side; empty without simulcast.
    pub receive_rids: Vec<RidId>,
    /// The peer's streams, where it tells them.
    pub remote_streams: Vec<RemoteStream>,
    /// The canonical name of what we send.
    pub cname: String,
    /// How much audio the peer wants in a packet, in milliseconds.
    pub ptime: Option<u32>,
    /// How much audio the peer takes in a packet, in milliseconds.
    pub max_ptime: Option<u32>,
    /// How much the peer lets us send, in bits per second.
    pub max_bitrate: Option<u64>,
}

/// A codec that both sides have.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Codec {
    /// The payload type of packets that we send.
    pub send_payload_type: PayloadType,
    /// The payload type of packets that we receive.
    pub receive_payload_type: PayloadType,
    /// Its name, as our description spells it.
    pub name: String,
    /// Ticks per second of the RTP timestamp.
    pub clock_rate: u32,
    /// Audio channels.
    pub channels: u8,
    /// What our receiver asked for.
    pub local_parameters: Parameters,
    /// What the peer's receiver asked for.
    pub remote_parameters: Parameters,
    /// Feedback that both sides give and take.
    pub feedback: Vec<Feedback>,
    /// Its retransmissions.
    pub rtx: Option<Rtx>,
}

/// The retransmission format of a codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rtx {
    /// The payload type of packets that we send.
    pub send_payload_type: PayloadType,
    /// The payload type of packets that we receive.
    pub receive_payload_type: PayloadType,
    /// How long the peer keeps packets, in milliseconds, where it says so.
    pub time: Option<u32>,
}

/// A header extension.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extension {
    /// Its identifier in packets of both directions.
    pub id: u8,
    /// What it is.
    pub uri: String,
    /// Which way it goes.
    pub direction: Direction,
}

/// An encoding that we send.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SendEncoding {
    /// Its name, which packets carry; only under simulcast.
    pub rid: Option<RidId>,
    /// Its stream.
    pub ssrc: u32,
    /// The stream of its retransmissions.
    pub repair_ssrc: u32,
    /// The stream of its repair packets (FlexFEC).
    pub fec_ssrc: u32,
    /// The peer asks that it begin paused.
    pub paused: bool,
}

/// A stream of the peer's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteStream {
    /// Its number.
    pub ssrc: u32,
    /// The stream of its retransmissions.
    pub repair_ssrc: Option<u32>,
    /// The stream of its repair packets (FlexFEC).
    pub fec_ssrc: Option<u32>,
    /// The canonical name of its sender.
    pub cname: Option<String>,
}

/// What became of a track of the peer's (W3C "process remote tracks").
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrackEvent {
    /// The peer means to send (W3C `track` event).
    Added {
        /// Who receives it.
        transceiver: TransceiverId,
        /// The identifier that the peer gives it.
        track: Option<String>,
        /// The streams that it is in.
        streams: Vec<String>,
    },
    /// The track is in other streams now.
    Streams {
        /// Who receives it.
        transceiver: TransceiverId,
        /// All of them.
        streams: Vec<String>,
    },
    /// The peer sends no longer: the track is muted, and in no stream.
    Removed {
        /// Who received it.
        transceiver: TransceiverId,
    },
    /// The transceiver stopped: its tracks have ended.
    Ended {
        /// Which one.
        transceiver: TransceiverId,
    },
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
