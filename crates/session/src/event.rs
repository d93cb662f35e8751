//! What a session tells its owner, and what it asks for.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use peerage_base::framing::Framing;
use peerage_base::path::{LocalId, Path};
use peerage_dtls::event::KeyLogLine;
use peerage_ice::candidate::CandidateKind;
use peerage_ice::event::Selected;
use peerage_ice::local::RelayProtocol;
use peerage_jsep::signaling::SignalingState;
use peerage_jsep::transceiver::TransceiverId;
use peerage_sctp::channel::ChannelId;

/// Facts and needs, in the order in which they arose.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Something changed that only an offer and an answer can bring into effect.
    NegotiationNeeded,
    /// The signalling state changed.
    SignalingState(SignalingState),
    /// A local candidate to signal; `None`: there are no more for now.
    IceCandidate(Option<IceCandidate>),
    /// The gathering state changed.
    IceGatheringState(IceGatheringState),
    /// The state of the ICE agent changed.
    IceConnectionState(IceConnectionState),
    /// The state of the whole connection changed.
    ConnectionState(ConnectionState),
    /// The pair that carries packets changed.
    SelectedPair(SelectedPair),
    /// The peer opened a channel.
    Channel(ChannelId),
    /// A channel of ours is open.
    ChannelOpen(ChannelId),
    /// A channel has messages to read, after having had none.
    ChannelReadable(ChannelId),
    /// A channel's buffered amount fell to its threshold.
    ChannelBufferedAmountLow(ChannelId),
    /// There is room in the send buffer again, after a send was refused.
    Writable,
    /// A channel is being closed by the peer.
    ChannelClosing(ChannelId),
    /// A channel held more unread bytes than its share of the receive window, and is closed for it; what it held is gone.
    ChannelShareExceeded(ChannelId),
    /// A channel is closed.
    ChannelClosed(ChannelId),
    /// The peer means to send on a transceiver (W3C `track`), or has put what it sends into other streams.
    Track {
        /// Who receives it.
        transceiver: TransceiverId,
        /// The identifier that the peer gives it.
        track: Option<String>,
        /// The streams that it is in.
        streams: Vec<String>,
    },
    /// The peer sends no longer on a transceiver, and may again: its track is muted.
    TrackMuted(TransceiverId),
    /// The transceiver stopped, or the peer has said goodbye for what it sent: its track has ended.
    TrackEnded(TransceiverId),
    /// There are frames or packets to read of a transceiver, after there were none.
    TrackReadable(TransceiverId),
    /// An encoder is to make a key frame: the peer cannot decode, or frames were dropped.
    KeyFrameRequested {
        /// Who sends.
        transceiver: TransceiverId,
        /// Which of its encodings.
        encoding: usize,
    },
    /// An encoder is to produce at another rate from now on.
    TargetBitrate {
        /// Who sends.
        transceiver: TransceiverId,
        /// Which of its encodings.
        encoding: usize,
        /// In bits per second; nothing if it is not worth being sent.
        bitrate: u64,
    },
    /// The path cannot carry audio and video: none is sent any more, until the path changes (RFC 8083 §4.5).
    MediaCeased,
    /// A path proved that it belongs to this session: packets from it are this session's from now on.
    Claimed(Path),
    /// A path is not this session's any more.
    Released(Path),
    /// The user-name fragments that this session answers to changed.
    LocalUfrags,
    /// The owner is asked for something.
    Need(NeedId, Need),
    /// The owner is asked for a transport of this session's own; `handle_path` tells that it is `Up`, or `Down`.
    Connect(Connect),
    /// A transport that was asked for, or accepted, is not needed any more.
    Disconnect(Path),
    /// A local end is not needed any more: a probe that found nothing.
    ReleaseLocal(LocalId),
    /// What decrypts the connection, for a key log; comes if `Config::key_log` is set.
    KeyLog(KeyLogLine),
    /// The connection ended, and why.
    Closed(CloseReason),
}

/// Names a need until it is supplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NeedId(pub(crate) u64);

/// What only the outside world can give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// Local addresses: answered by `add_local` for each, then `local_addresses_done`.
    LocalAddresses,
    /// The address of a host name, asked of DNS.
    ResolveHost(String),
    /// The address of a `.local` name, asked by multicast DNS.
    ResolveMdns(String),
    /// Fresh UDP sockets on the address of a local end, for probes: answered by `add_probe` for each, then
    /// `probes_done`.
    Probes {
        /// The local end whose address they share.
        base: LocalId,
        /// How many; fewer are better than none.
        count: usize,
    },
}

/// A transport that the owner is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connect {
    /// What its packets will carry: the local end that stands for it, and where it leads.
    pub path: Path,
    /// What to open.
    pub protocol: Protocol,
    /// How packets lie in its stream: those written are framed already, those that arrive are to be unframed. UDP has
    /// none.
    pub framing: Option<Framing>,
    /// The address of this machine to open it from; `None`: the system's choice.
    pub from: Option<IpAddr>,
}

/// What carries a transport.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// A socket on a port that nothing else uses.
    Udp,
    /// A connection.
    Tcp,
    /// A connection, secured for the host of this name or address.
    Tls {
        /// What the certificate must name.
        name: String,
    },
}

/// A candidate as it is signalled (W3C `RTCIceCandidateInit`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IceCandidate {
    /// The value of the SDP attribute, `candidate:...`; empty: there are no more in this generation.
    pub candidate: String,
    /// The media section it belongs to, by identification tag.
    pub sdp_mid: Option<String>,
    /// The media section it belongs to, by position.
    pub sdp_mline_index: Option<u16>,
    /// The generation it belongs to.
    pub username_fragment: Option<String>,
}

/// W3C `RTCIceGatheringState`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IceGatheringState {
    /// Gathering has not begun.
    #[default]
    New,
    /// Candidates are being gathered.
    Gathering,
    /// All candidates are known.
    Complete,
}

/// W3C `RTCIceConnectionState`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IceConnectionState {
    /// No remote candidates or parameters yet.
    #[default]
    New,
    /// Pairs are being checked.
    Checking,
    /// A pair works.
    Connected,
    /// A pair works and checking is over.
    Completed,
    /// The selected pair has stopped answering; it may recover.
    Disconnected,
    /// No pair works.
    Failed,
    /// The connection was closed here.
    Closed,
}

/// W3C `RTCPeerConnectionState`: ICE and DTLS together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConnectionState {
    /// Nothing has begun.
    #[default]
    New,
    /// ICE or DTLS is at work.
    Connecting,
    /// ICE and DTLS are connected.
    Connected,
    /// The path has stopped answering; it may recover.
    Disconnected,
    /// ICE or DTLS failed. An ICE restart may help against the first.
    Failed,
    /// The connection was closed here.
    Closed,
}

/// The pair of candidates that carries packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelectedPair {
    /// The kind of the local candidate.
    pub local: CandidateKind,
    /// The kind of the remote candidate.
    pub remote: CandidateKind,
    /// The local address.
    pub local_address: SocketAddr,
    /// The remote address.
    pub remote_address: SocketAddr,
    /// What carries the packets from here.
    pub protocol: PairProtocol,
    /// The latest round-trip time, if one was measured.
    pub rtt: Option<Duration>,
    /// Whether the controlling side has settled on it.
    pub nominated: bool,
}

/// What carries packets from here: to the peer, or to the relay where the local candidate is a relayed one (W3C
/// `protocol` and `relayProtocol`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PairProtocol {
    /// UDP.
    Udp,
    /// TCP: one lost packet holds up all that follow.
    Tcp,
    /// TLS over TCP, to a relay.
    Tls,
}

impl SelectedPair {
    /// A pair as ICE tells it; `relay`: what the relay of the local candidate is reached over, if there is one.
    pub(crate) fn new(selected: Selected, relay: Option<RelayProtocol>) -> Self {
        let Selected { local, remote, local_address, remote_address, tcp, rtt, nominated, .. } = selected;
        let protocol = match relay {
            Some(RelayProtocol::Tls) => PairProtocol::Tls,
            Some(RelayProtocol::Tcp) => PairProtocol::Tcp,
            None if tcp => PairProtocol::Tcp,
            Some(RelayProtocol::Udp) | None => PairProtocol::Udp,
        };
        Self { local, remote, local_address, remote_address, protocol, rtt, nominated }
    }
}

impl PairProtocol {
    /// As W3C writes it: `udp`, `tcp` or `tls`.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// `close` was called here.
    #[error("closed here")]
    Local,
    /// The peer closed the connection.
    #[error("the peer closed the connection")]
    Remote,
    /// The peer's certificate is not the one that its description announced: somebody may be in between.
    #[error("the certificate of the other side does not match its description: somebody may be in between")]
    FingerprintMismatch,
    /// The DTLS handshake failed.
    #[error("the secure channel could not be set up: {0}")]
    Dtls(String),
    /// The SCTP association failed.
    #[error("the data association ended: {0}")]
    Sctp(String),
}
