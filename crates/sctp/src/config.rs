//! Settings of an association.

use peerage_base::time::Duration;

/// Settings of an association. The defaults suit WebRTC and are close to what Chrome does.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Own SCTP port; default 5000, the value of `a=sctp-port`.
    pub local_port: u16,
    /// The peer's SCTP port; default 5000, replaced by `set_remote`.
    pub remote_port: u16,
    /// Most bytes of an SCTP packet before the first poll tells what the path takes; default 1191 (1280 minus IPv6, UDP,
    /// ChannelData and DTLS overhead). The initial congestion window counts in it.
    pub max_packet: usize,
    /// Most bytes that are held for the application and for reassembly, what holding them costs included; default 5 MiB.
    /// Bounds memory, and throughput to one window per round trip. Less is granted at first (512 KiB, or twice
    /// `max_message_size`), and twice as much whenever the owner has read half of it within four round trips, so that an
    /// owner who does not read holds little.
    pub receive_window: usize,
    /// Percentage of `receive_window` that one channel may hold unread; default 50, kept within 1 to 100. SCTP has one
    /// window for all channels: this is what keeps one that is not read from taking all of it.
    pub channel_share: u8,
    /// What becomes of a channel that holds more than its share; default [`OnShareExceeded::Stall`].
    pub on_share_exceeded: OnShareExceeded,
    /// Most bytes of one incoming message, announced as `a=max-message-size`; default 262144. A larger one ends the
    /// association. Kept at or below `receive_window`.
    pub max_message_size: usize,
    /// Most bytes of one outgoing message until `set_remote` tells what the peer takes; default 65536, what RFC 8841 §6
    /// means by an absent attribute.
    pub remote_max_message_size: usize,
    /// Bytes that may wait for sending or for acknowledgement, 64 more counted per queued message and 96 per chunk on its
    /// way; default 16 MiB. `send` refuses beyond.
    pub send_buffer: usize,
    /// Streams announced for each direction; default 65535.
    pub max_streams: u16,
    /// Channels that the peer may have open at once; default 4096. Further ones are reset.
    pub max_peer_channels: usize,
    /// Most bytes of the label, and of the protocol, of a channel that the peer opens; default 4096. Longer ones are reset.
    pub max_label: usize,
    /// Retransmission timeout before a round trip was measured; default 500 ms.
    pub rto_initial: Duration,
    /// Least retransmission timeout; default 400 ms. Must exceed the peer's SACK delay, or losses are seen that are none.
    pub rto_min: Duration,
    /// Greatest retransmission timeout; default 10 s. RFC 9260 has 60 s, too long for a path that ICE may have replaced
    /// meanwhile.
    pub rto_max: Duration,
    /// Timeout of the first INIT, COOKIE ECHO and SHUTDOWN, doubled at each repetition up to `rto_max`; default 1 s.
    pub handshake_timeout: Duration,
    /// Longest wait before received data is acknowledged; default 100 ms. RFC 9260 §6.2 allows 200 ms by default.
    pub sack_delay: Duration,
    /// Repetitions of INIT and COOKIE ECHO before the association is given up; default `None`, as ICE consent decides.
    pub max_init_retransmissions: Option<u32>,
    /// Timeouts of data in a row before the association is given up; default `None`, as ICE consent decides.
    pub max_retransmissions: Option<u32>,
    /// Repetitions of SHUTDOWN and SHUTDOWN ACK before the association is taken down without an answer; default 5.
    pub max_shutdown_retransmissions: u32,
    /// Interval of heartbeats while no data is under way; default `None` (none are sent), as ICE consent proves the path.
    pub heartbeat_interval: Option<Duration>,
    /// How long a state cookie is honoured; default 60 s (RFC 9260 §16).
    pub cookie_lifetime: Duration,
    /// Whether a checksum of zero is accepted and, if the peer accepts it too, sent (RFC 9653); default true. DTLS protects
    /// every packet better than a CRC.
    pub zero_checksum: bool,
    /// Whether marks on received packets are told to peers that tell of theirs; default true. Turn it off where the marks of
    /// the IP header are not known.
    pub ecn: bool,
    /// Whether messages of several channels are sent and taken a fragment at a time, if the peer does so too (RFC 8260);
    /// default true. Otherwise a large message delays those of other channels until all of it has left.
    pub interleaving: bool,
    /// How much of what a peer can pile up is kept.
    pub limits: Limits,
    /// What decides how much may be in flight and how fast it leaves; default [`CongestionControl::Bbr`].
    pub congestion: CongestionControl,
    /// Initial congestion window in packets; default 10.
    pub initial_window: usize,
}

/// How much of what a peer can pile up is kept. Messages and parts of them are bounded by
/// [`Config::receive_window`]; this is the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Stretches of data beyond gaps; default 2048. An honest sender has one per lost packet of a window; what comes
    /// beyond is not acknowledged, and so comes again.
    pub gaps: u16,
    /// Incomplete messages, and parts of such; default 2048. As before.
    pub incomplete: u16,
    /// Unsent answers of each kind (to handshakes, heartbeats, resets, unknown chunks); default 8. Further ones are dropped, and
    /// the peer asks again.
    pub replies: u8,
    /// Streams to be reset because a channel on them was refused; default 256. Further ones are left as they are.
    pub refusals: u16,
}

impl Default for Limits {
    fn default() -> Self {
        Self { gaps: 2048, incomplete: 2048, replies: 8, refusals: 256 }
    }
}

/// What becomes of a channel that holds more unread bytes than its share of the receive window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnShareExceeded {
    /// The window closes for all channels, as in browsers, until half of the share has been read. Nothing is lost: what
    /// was under way by then is taken.
    #[default]
    Stall,
    /// The channel is closed, after [`Event::ShareExceeded`](crate::event::Event::ShareExceeded), and what it held is
    /// dropped; the others go on. A reader that lags by its share for a moment only loses its channel, too. The whole
    /// window is granted from the beginning, so that the share is the same at all times.
    CloseChannel,
}

/// What decides how much may be in flight and how fast it leaves.
///
/// Measured on a line of 100 Mbit/s and 100 ms round trip for 60 s, with queues of 1 and of 4 bandwidth-delay products.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CongestionControl {
    /// A model of the path: rate and least round trip (the ideas of BBR version 3, draft-ietf-ccwg-bbr). 99 % of the line
    /// whether none or 1 % of the packets are lost, with a tenth of a product in the queue. Of a line shared with CUBIC or
    /// TCP it gets between 0.35 and 0.55.
    #[default]
    Bbr,
    /// CUBIC with HyStart++ (RFC 9438, RFC 9406), paced: what TCP does. It fills whatever queue there is, and random loss
    /// of 0.1 % leaves it 5 % of the line, of 1 % 1.4 %.
    Cubic,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            local_port: 5000,
            remote_port: 5000,
            max_packet: 1191,
            receive_window: 5 << 20,
            channel_share: 50,
            on_share_exceeded: OnShareExceeded::Stall,
            max_message_size: 262_144,
            remote_max_message_size: 65_536,
            send_buffer: 16 << 20,
            max_streams: 65_535,
            max_peer_channels: 4096,
            max_label: 4096,
            rto_initial: Duration::from_millis(500),
            rto_min: Duration::from_millis(400),
            rto_max: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(1),
            sack_delay: Duration::from_millis(100),
            max_init_retransmissions: None,
            max_retransmissions: None,
            max_shutdown_retransmissions: 5,
            heartbeat_interval: None,
            cookie_lifetime: Duration::from_secs(60),
            zero_checksum: true,
            ecn: true,
            interleaving: true,
            limits: Limits::default(),
            congestion: CongestionControl::default(),
            initial_window: 10,
        }
    }
}
