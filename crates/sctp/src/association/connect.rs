//! The four-way handshake, its collisions, and restarts (RFC 9260 §5).

use super::ecn::Marks;
use super::reset::Resets;
use super::sender::Sender;
use super::timer::Repeat;
use super::{Association, State, draw_tag};
use crate::channel::{ChannelState, Role};
use crate::chunk::init::{Extensions, Init};
use crate::chunk::{self, cause};
use crate::cookie::{Cookie, PeerInit};
use crate::event::Event;
use crate::numbers::{Tag, Tsn};
use crate::outgoing::scheduler::Scheduler;
use crate::packet::{CHUNK_HEADER_LEN, HEADER_LEN, PacketWriter, padded};
use alloc::vec;
use alloc::vec::Vec;
use peerage_base::time::Instant;
use tracing::debug;

impl Association {
    /// Sends an INIT. Harmless if the peer was faster, or does the same at this moment.
    pub fn connect(&mut self, _now: Instant) {
        if let State::Idle = self.state {
            self.state = State::CookieWait(Repeat::new(self.config.handshake_timeout));
        }
    }

    /// Tells the DTLS role: the client takes even stream ids, the server odd ones. Channels opened before it is known wait.
    pub fn set_role(&mut self, role: Role) {
        self.role = Some(role);
        if matches!(self.state, State::CookieEchoed { .. } | State::Established) {
            self.ready_channels();
        }
    }

    /// Tells what the peer's description says: its SCTP port, and the greatest message it takes in bytes (0 for no limit,
    /// `None` if it does not say, which means 65536).
    pub fn set_remote(&mut self, remote_port: u16, max_message_size: Option<usize>) {
        self.config.remote_port = remote_port;
        self.config.remote_max_message_size = max_message_size.unwrap_or(65_536);
    }

    pub(super) fn on_init(&mut self, now: Instant, body: &[u8]) {
        let Ok(parsed) = Init::parse(body) else {
            self.stats.drops.malformed += 1;
            return;
        };
        let (tag, tsn, ties) = match &mut self.state {
            // A collision, or the peer begins: what the own INIT says or would say (RFC 9260 §5.2.1).
            State::Idle | State::CookieWait(_) => (self.local_tag, self.local_tsn, (Tag(0), Tag(0))),
            State::CookieEchoed { .. } => (self.local_tag, self.local_tsn, (self.local_tag, self.peer.tag)),
            // The peer does not begin from the descriptions: another kind of collision.
            State::Established if self.presumed => (self.local_tag, self.local_tsn, (self.local_tag, self.peer.tag)),
            // A restart, or an old INIT (RFC 9260 §5.2.2): told apart by the cookie that comes back.
            State::Established | State::ShutdownPending | State::ShutdownSent(_) | State::ShutdownReceived => {
                (draw_tag(self.rng.u32()), Tsn(self.rng.u32()), (self.local_tag, self.peer.tag))
            }
            State::ShutdownAckSent(repeat) => {
                repeat.make_due();
                return;
            }
            State::Down => {
                self.stats.drops.state += 1;
                return;
            }
        };
        let peer = remember(&parsed.init);
        let cookie = Cookie { created: now, local_tag: tag, local_tsn: tsn, peer, ties }.seal(&self.rng.cookie_key());
        let init = Init { cookie: Some(&cookie), ..self.own_init(tag, tsn) };
        let mut body = Vec::with_capacity(160);
        init.write(&parsed.unrecognized, &mut body);
        let packet = self.lone_packet(peer.tag, chunk::INIT_ACK, 0, &body);
        self.replies.push_packet(packet);
    }

    pub(super) fn on_init_ack(&mut self, body: &[u8]) {
        let parsed = Init::parse(body);
        let (State::CookieWait(_), Ok(parsed)) = (&self.state, parsed) else {
            self.stats.drops.state += 1;
            return;
        };
        let Some(cookie) = parsed.init.cookie else {
            self.stats.drops.malformed += 1;
            return;
        };
        self.adopt(remember(&parsed.init));
        let echo = Repeat::new(self.config.handshake_timeout);
        self.state = State::CookieEchoed { cookie: cookie.to_vec(), echo };
        if !parsed.unrecognized.is_empty() {
            let error = cause::chunk(chunk::ERROR, 0, cause::UNRECOGNIZED_PARAMETERS, &parsed.unrecognized);
            self.replies.push_chunk(error);
        }
        self.ready_channels();
    }

    /// Takes a COOKIE ECHO; answers whether to go on with the packet (RFC 9260 §5.1.5, §5.2.4).
    pub(super) fn on_cookie_echo(&mut self, now: Instant, tag: Tag, bytes: &[u8]) -> bool {
        let Some(cookie) = Cookie::open(bytes, &self.rng.cookie_key()).filter(|cookie| cookie.local_tag == tag) else {
            return self.refuse_cookie();
        };
        let (same_local, same_peer) = (cookie.local_tag == self.local_tag, cookie.peer.tag == self.peer.tag);
        // An old cookie of the association that is up only means that the COOKIE ACK was lost.
        let is_repeated = self.state.is_up() && same_local && same_peer;
        if let Some(excess) = cookie.excess_age(now, self.config.cookie_lifetime)
            && !is_repeated
        {
            self.report_stale_cookie(cookie.peer.tag, excess.as_micros());
            return self.refuse_cookie();
        }
        match self.state {
            State::Idle | State::CookieWait(_) => {
                self.adopt(cookie.peer);
                self.establish();
            }
            State::CookieEchoed { .. } if same_local => {
                if !same_peer {
                    self.adopt(cookie.peer);
                }
                self.establish();
            }
            State::CookieEchoed { .. } | State::Down => return self.refuse_cookie(),
            State::Established if self.presumed && same_local && !same_peer => self.adopt(cookie.peer),
            _ if is_repeated => {}
            State::ShutdownAckSent(ref mut repeat) => {
                repeat.make_due();
                let error = cause::chunk(chunk::ERROR, 0, cause::COOKIE_WHILE_SHUTTING_DOWN, &[]);
                self.replies.push_chunk(error);
                return false;
            }
            _ if !same_local && !same_peer && cookie.ties == (self.local_tag, self.peer.tag) => self.restart(&cookie),
            _ => return self.refuse_cookie(),
        }
        self.presumed = false;
        self.replies.cookie_ack = true;
        true
    }

    pub(super) fn on_cookie_ack(&mut self) {
        if let State::CookieEchoed { .. } = self.state {
            self.establish();
        }
    }

    /// The peer found its cookie stale: begin again (RFC 9260 §5.2.6).
    pub(super) fn retry_init(&mut self) {
        if let State::CookieEchoed { echo, .. } = &self.state {
            let mut repeat = *echo;
            repeat.make_due();
            self.state = State::CookieWait(repeat);
        }
    }

    /// Body of an own INIT.
    pub(super) fn init_body(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(40);
        self.own_init(self.local_tag, self.local_tsn).write(&[], &mut body);
        body
    }

    /// A packet with one chunk that may not share it.
    pub(super) fn lone_packet(&self, tag: Tag, kind: u8, flags: u8, body: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; HEADER_LEN + padded(CHUNK_HEADER_LEN + body.len())];
        let (len, source, destination) = (packet.len(), self.config.local_port, self.config.remote_port);
        if let Some(mut writer) = PacketWriter::new(&mut packet, len, source, destination, tag) {
            if let Some(room) = writer.chunk(kind, flags, body.len()) {
                room.copy_from_slice(body);
            }
            writer.finish(true);
        }
        packet
    }

    /// Streams that may be sent on.
    pub(super) fn outbound_streams(&self) -> u16 {
        self.config.max_streams.min(self.peer.inbound)
    }

    pub(super) fn own_init(&self, tag: Tag, tsn: Tsn) -> Init<'static> {
        let extensions = Extensions {
            forward_tsn: true,
            reconfig: true,
            zero_checksum: self.config.zero_checksum,
            ecn: self.config.ecn,
            interleaving: self.config.interleaving,
            i_forward_tsn: self.config.interleaving,
        };
        let streams = self.config.max_streams.max(1);
        let window = u32::try_from(self.config.receive_window).unwrap_or(u32::MAX);
        Init { tag, window, outbound: streams, inbound: streams, tsn, extensions, cookie: None }
    }

    pub(super) fn adopt(&mut self, peer: PeerInit) {
        self.peer = peer;
        self.sender.peer_window = peer.window as usize;
        // RFC 8260 §2.2.1, §2.3.1: both ends have said so.
        let extensions = peer.extensions;
        let interleaves = self.config.interleaving && extensions.interleaving;
        let gives_up = if interleaves { extensions.i_forward_tsn } else { extensions.forward_tsn };
        self.sender.set_extensions(interleaves, gives_up);
        self.receiver.restart(&self.config, peer.tsn);
        self.resets = Resets::new(self.local_tsn, peer.tsn);
    }

    pub(super) fn establish(&mut self) {
        debug!(extensions = ?self.peer.extensions, "established");
        self.state = State::Established;
        self.events.push_back(Event::Connected);
        self.ready_channels();
    }

    /// The peer lost its state and began again (RFC 9260 §5.2.4.1): channels and what they held are gone.
    fn restart(&mut self, cookie: &Cookie) {
        debug!("restarted by the peer");
        for id in self.channels.pick(|c| c.state != ChannelState::Closed) {
            self.finish_channel(id);
        }
        (self.local_tag, self.local_tsn) = (cookie.local_tag, cookie.local_tsn);
        self.sender = Sender::new(&self.config, self.local_tsn);
        self.marks = Marks::default();
        self.scheduler = Scheduler::default();
        self.replies.clear();
        self.adopt(cookie.peer);
        self.establish();
    }

    fn refuse_cookie(&mut self) -> bool {
        self.stats.drops.cookie += 1;
        false
    }

    fn report_stale_cookie(&mut self, peer: Tag, micros: u128) {
        let staleness = u32::try_from(micros).unwrap_or(u32::MAX);
        let error = cause::chunk(chunk::ERROR, 0, cause::STALE_COOKIE, &staleness.to_be_bytes());
        let packet = self.lone_packet(peer, chunk::ERROR, 0, &error[CHUNK_HEADER_LEN..]);
        self.replies.push_packet(packet);
    }
}

pub(super) fn remember(init: &Init<'_>) -> PeerInit {
    let Init { tag, window, outbound, inbound, tsn, extensions, .. } = *init;
    PeerInit { tag, tsn, window, outbound, inbound, extensions }
}
