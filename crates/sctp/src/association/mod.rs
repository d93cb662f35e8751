//! The association: a machine that owns the time of one SCTP association and the data channels on it.

mod ack;
#[cfg(any(test, feature = "fuzz"))]
mod audit;
mod channels;
mod connect;
mod data;
mod dcep;
mod ecn;
mod heartbeat;
mod input;
pub mod probe;
mod receiver;
mod replies;
mod reset;
mod secrets;
mod sender;
mod shutdown;
mod snap;
mod timeouts;
mod timer;
mod transmit;

#[cfg(test)]
mod tests;

use crate::budget::Rate;
use crate::channel::{ChannelInit, ChannelState, Role, Table};
use crate::config::Config;
use crate::congestion::Controller;
use crate::cookie::PeerInit;
use crate::event::Event;
use crate::numbers::{Tag, Tsn};
use crate::outgoing::scheduler::Scheduler;
use crate::stats::Stats;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;
use ecn::Marks;
use heartbeat::Heartbeat;
use peerage_base::rng::Rng;
use peerage_base::time::{Duration, Instant};
use probe::Probe;
use receiver::Receiver;
use replies::Replies;
use reset::Resets;
use secrets::Secrets;
use sender::Sender;
use timer::Repeat;

/// One end of an association.
///
/// Either end, or both at once, [`connect`](Self::connect), or both [`start_with`](Self::start_with) what they have
/// signalled; channels may be opened and messages sent before that.
pub struct Association {
    config: Config,
    rng: Secrets,
    state: State,
    local_tag: Tag,
    local_tsn: Tsn,
    /// Tag and TSN that this end began with; a restart of the peer's changes the ones in use.
    first: (Tag, Tsn),
    /// Established by what the descriptions say, and nothing of the peer's has shown yet that it did the same.
    presumed: bool,
    /// What the peer announced; means something from `CookieEchoed` on.
    peer: PeerInit,
    role: Option<Role>,
    channels: Table,
    scheduler: Scheduler,
    sender: Sender,
    receiver: Receiver,
    resets: Resets,
    replies: Replies,
    heartbeat: Option<Box<Heartbeat>>,
    probe: Probe,
    marks: Marks,
    events: VecDeque<Event>,
    stats: Stats,
}

/// RFC 9260 §4, with the timers of each state.
#[derive(Debug)]
enum State {
    /// Nothing was sent; the peer may begin.
    Idle,
    CookieWait(Repeat),
    CookieEchoed {
        cookie: Vec<u8>,
        echo: Repeat,
    },
    Established,
    ShutdownPending,
    ShutdownSent(Repeat),
    ShutdownReceived,
    ShutdownAckSent(Repeat),
    Down,
}

impl State {
    /// Whether user data may leave.
    fn may_send(&self) -> bool {
        matches!(self, Self::Established | Self::ShutdownPending | Self::ShutdownReceived)
    }

    /// Whether both ends know of the association.
    fn is_up(&self) -> bool {
        !matches!(self, Self::Idle | Self::CookieWait(_) | Self::CookieEchoed { .. } | Self::Down)
    }

    /// Whether the owner may still open channels and send.
    fn is_open(&self) -> bool {
        matches!(self, Self::Idle | Self::CookieWait(_) | Self::CookieEchoed { .. } | Self::Established)
    }
}

/// What a channel is, for its owner to look at.
#[derive(Clone, Copy, Debug)]
pub struct ChannelInfo<'a> {
    /// Label, protocol, order and reliability. For a channel that the peer opened, limits above 65535 read 65535.
    pub init: &'a ChannelInit,
    /// Stream id, once known.
    pub stream_id: Option<u16>,
    /// Where it stands.
    pub state: ChannelState,
    /// Opened by the peer.
    pub by_peer: bool,
}

impl Association {
    /// An association that has sent nothing. The same `rng` gives the same packets.
    pub fn new(mut config: Config, mut rng: Rng, now: Instant) -> Self {
        config.max_message_size = config.max_message_size.clamp(1, config.receive_window.max(1));
        let local_tag = draw_tag(rng.u32());
        let local_tsn = Tsn(rng.u32());
        Self {
            state: State::Idle,
            local_tag,
            local_tsn,
            first: (local_tag, local_tsn),
            presumed: false,
            peer: PeerInit::default(),
            role: None,
            channels: Table::default(),
            scheduler: Scheduler::default(),
            sender: Sender::new(&config, local_tsn),
            receiver: Receiver::new(&config, Tsn(0)),
            resets: Resets::new(local_tsn, Tsn(0)),
            replies: Replies::new(config.limits.replies),
            heartbeat: config.heartbeat_interval.map(|interval| Box::new(Heartbeat::new(interval, now))),
            probe: Probe::default(),
            marks: Marks::default(),
            events: VecDeque::new(),
            stats: Stats::default(),
            rng: Secrets::new(&mut rng),
            config,
        }
    }

    /// The next fact for the owner.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The selected path is another one: what was learnt of round trips and congestion is forgotten.
    pub fn path_changed(&mut self, now: Instant) {
        self.sender.path_changed(now);
        self.forget_probe();
    }

    /// How fast packets with user data may leave; `None` before a round trip is known, when the window alone limits them. The
    /// owner of the path paces.
    pub fn pacing_rate(&self) -> Option<Rate> {
        self.sender.congestion.pacing_rate()
    }

    /// Bytes of all packets with user data that were sent: what the owner of the path counts against the rate.
    pub fn paced_bytes(&self) -> u64 {
        self.sender.paced_bytes
    }

    /// Tells the path's round trip as ICE measured it, for as long as none was measured here: the first retransmission
    /// timeout is what one such sample would make it.
    pub fn hint_round_trip(&mut self, rtt: Duration) {
        self.sender.rto.hint(rtt);
    }

    /// Counts, from now on, lost packets whose chunks with user data take more than `bytes`; see
    /// [`large_losses`](Self::large_losses). None are counted before the first call.
    pub fn watch_large(&mut self, bytes: usize) {
        self.sender.flight.watch_large(bytes);
    }

    /// Packets above the size of [`watch_large`](Self::watch_large) that were taken for lost since one of them arrived last.
    pub fn large_losses(&self) -> u32 {
        self.sender.flight.large_losses()
    }

    /// What was done so far.
    pub fn stats(&self) -> Stats {
        Stats {
            congestion_window: self.sender.congestion.window(),
            pacing_rate: self.pacing_rate().map(|rate| rate.0),
            in_flight: self.sender.flight.in_flight(),
            peer_window: self.sender.peer_window,
            round_trip: self.sender.rto.smoothed(),
            interleaving: self.sender.interleaves,
            ..self.stats
        }
    }
}

impl fmt::Debug for Association {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Association").field("state", &self.state).finish_non_exhaustive()
    }
}

/// A verification tag; never zero (RFC 9260 §5.3.1).
fn draw_tag(random: u32) -> Tag {
    Tag(random.max(1))
}
