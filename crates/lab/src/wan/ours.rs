//! Two whole sessions: ICE, DTLS and SCTP as real programs use them, with keys from the seed.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use peerage_base::datagram::{Datagram, Transmit};
use peerage_base::path::{LocalId, Path, PathChange};
use peerage_base::rng::Rng;
use peerage_base::time::{Duration, Instant, earliest};
use peerage_session::config::{Config, LocalAddress};
use peerage_session::event::{ConnectionState, Event, IceCandidate, Need};
use peerage_session::face::{
    Certificate, ChannelId, ChannelInit, CongestionControl, Kind, OfferOptions, SEEDED, SdpType, SendError,
    SessionDescription,
};
use peerage_session::session::Session;
use peerage_sim::bottleneck::{Bottleneck, Side};
use peerage_sim::host::{Host, Node};
use peerage_sim::link::Link;
use peerage_sim::world::World;

use crate::wan::flow::{Bulk, Flow, Sender, Stack};

/// Bytes of each message by default.
const MESSAGE: usize = 16 << 10;
/// Messages of which each differs from all others.
const DIFFERENT: usize = 4093;
/// Headers of IPv4 and UDP.
const HEADERS: usize = 28;

/// Two sessions with one reliable, ordered channel.
#[derive(Clone, Debug)]
pub struct Ours {
    /// What it is called in tables.
    pub name: String,
    /// Settings of both sessions; their keys come from the seed whatever it says.
    pub config: Config,
    /// Bytes of each message. Default: 16 KiB.
    pub message: usize,
    /// A message each so often, for which there may be no room. Default: as many as there is room for.
    pub every: Option<Duration>,
    /// Milliseconds after which a message is given up. Default: never.
    pub life_time: Option<u16>,
}

impl Default for Ours {
    fn default() -> Self {
        Self { name: "peerage".into(), config: Config::default(), message: MESSAGE, every: None, life_time: None }
    }
}

impl Ours {
    /// With CUBIC in place of the default controller.
    pub fn cubic() -> Self {
        let mut ours = Self { name: "peerage-cubic".into(), ..Self::default() };
        ours.config.congestion = CongestionControl::Cubic;
        ours
    }
}

impl Stack for Ours {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn put(&self, world: &mut World, between: &mut Bottleneck, from: Side, seed: u64) -> Flow {
        let to = if from == Side::Left { Side::Right } else { Side::Left };
        let seats = [between.seat(from), between.seat(to)];
        let addresses = seats.map(|seat| SocketAddr::new(seat.address, 50_000));
        let rng = Rng::from_u64(seed);
        let now = world.now();
        let mut peers = [("near", addresses[0]), ("far", addresses[1])]
            .map(|(label, address)| Peer::new(self, address, rng.split(label), now));
        introduce(&mut peers, now);
        let [near, far] = peers;
        let hosts = [(near, 0), (far, 1)].map(|(peer, side)| {
            let host = Host::new(peer).with_socket(LocalId(0), addresses[side]);
            let id = world.add(&format!("{} {side}", self.name), host);
            seats[side].attach(world, id, Link::default(), Link::default());
            id
        });
        Flow::new(self.name.clone(), from, hosts[0], hosts[1])
    }
}

/// Both learn of each other what signalling would bring, at once.
fn introduce([near, far]: &mut [Peer; 2], now: Instant) {
    near.offer(now);
    loop {
        let (there, back) = (std::mem::take(&mut near.outbox), std::mem::take(&mut far.outbox));
        if there.is_empty() && back.is_empty() {
            return;
        }
        there.into_iter().for_each(|signal| far.take(now, signal));
        back.into_iter().for_each(|signal| near.take(now, signal));
    }
}

/// What travels out of band.
#[derive(Debug)]
pub enum Signal {
    /// An offer or an answer.
    Description(SessionDescription),
    /// A candidate.
    Candidate(IceCandidate),
}

/// A session and an application that sends, or checks what it receives.
#[derive(Debug)]
struct Peer {
    session: Session,
    address: SocketAddr,
    outbox: Vec<Signal>,
    channel: Option<ChannelId>,
    is_open: bool,
    sending: bool,
    /// Whether the session takes more.
    writable: bool,
    content: Bytes,
    message: usize,
    every: Option<Duration>,
    life_time: Option<u16>,
    /// When the next message is due, if they come at times.
    due: Option<Instant>,
    /// Messages sent, or received, those counted that were given up.
    count: usize,
    /// Messages for which there was no room.
    refused: u64,
    delivered: u64,
    /// Bytes of each datagram of the last run.
    datagram: usize,
}

impl Peer {
    fn new(stack: &Ours, address: SocketAddr, rng: Rng, now: Instant) -> Self {
        let mut config = stack.config.clone();
        config.keys = SEEDED;
        let certificate = Certificate::generate_with(SEEDED, &mut rng.split("certificate"), 1_800_000_000)
            .expect("a certificate can be made from any randomness");
        let content: Vec<u8> =
            (0..stack.message + DIFFERENT).map(|i| ((i as u32).wrapping_mul(0x9E37_79B1) >> 24) as u8).collect();
        Self {
            session: Session::new(config, Arc::new(certificate), rng, now),
            address,
            outbox: Vec::new(),
            channel: None,
            is_open: false,
            sending: false,
            writable: true,
            content: content.into(),
            message: stack.message,
            every: stack.every,
            life_time: stack.life_time,
            due: None,
            count: 0,
            refused: 0,
            delivered: 0,
            datagram: 0,
        }
    }

    fn offer(&mut self, now: Instant) {
        let init = ChannelInit { max_packet_life_time: self.life_time, ..ChannelInit::new("bulk") };
        let channel = self.session.create_data_channel(now, init);
        self.channel = Some(channel.expect("a new session takes a channel"));
        let offer = self.session.create_offer(now, OfferOptions::default()).expect("a new session offers");
        self.describe(now, offer);
    }

    /// What an application does that wants to go on.
    fn restart(&mut self, now: Instant) {
        self.session.restart_ice(now);
        if let Ok(offer) = self.session.create_offer(now, OfferOptions::default()) {
            self.describe(now, offer);
        }
    }

    fn describe(&mut self, now: Instant, description: SessionDescription) {
        self.session.set_local_description(now, Some(description.clone())).expect("it takes what it has made");
        self.outbox.push(Signal::Description(description));
        self.pump(now);
    }

    fn take(&mut self, now: Instant, signal: Signal) {
        match signal {
            Signal::Candidate(candidate) => {
                // One of a generation that is over is of no use, and no harm.
                let _ = self.session.add_ice_candidate(now, &candidate);
            }
            Signal::Description(description) => {
                let is_offer = description.kind == SdpType::Offer;
                self.session.set_remote_description(now, description).expect("both speak the same");
                if is_offer {
                    let answer = self.session.create_answer(now).expect("there is an offer");
                    self.describe(now, answer);
                }
            }
        }
        self.pump(now);
    }

    /// Serves the session until it has nothing more to say and takes nothing more; answers whether there was anything.
    fn pump(&mut self, now: Instant) -> bool {
        let mut busy = false;
        loop {
            while let Some(event) = self.session.poll_event() {
                self.handle(now, event);
                busy = true;
            }
            if !self.send_next(now) {
                return busy;
            }
            busy = true;
        }
    }

    fn send_next(&mut self, now: Instant) -> bool {
        let Some(channel) = self.channel.filter(|_| self.sending) else { return false };
        match self.due {
            Some(due) if due > now => return false,
            None if !self.writable => return false,
            _ => {}
        }
        match self.session.send(now, channel, Kind::Binary, self.content_of(self.count)) {
            Ok(()) => self.count += 1,
            Err(SendError::BufferFull { .. }) if self.due.is_some() => {
                (self.count, self.refused) = (self.count + 1, self.refused + 1);
            }
            Err(SendError::BufferFull { .. }) => self.writable = false,
            Err(error) => panic!("a message was refused: {error}"),
        }
        if let Some((due, every)) = self.due.as_mut().zip(self.every) {
            *due += every;
        }
        self.due.is_some() || self.writable
    }

    fn content_of(&self, number: usize) -> Bytes {
        let start = number % DIFFERENT;
        self.content.slice(start..start + self.message)
    }

    fn handle(&mut self, now: Instant, event: Event) {
        match event {
            Event::Need(_, Need::LocalAddresses) => {
                self.session.add_local(now, LocalAddress::udp(self.address, u16::MAX));
                self.session.local_addresses_done(now);
            }
            Event::IceCandidate(Some(candidate)) => self.outbox.push(Signal::Candidate(candidate)),
            Event::Channel(id) => (self.channel, self.is_open) = (Some(id), true),
            Event::ChannelOpen(_) => self.is_open = true,
            Event::ConnectionState(ConnectionState::Failed) if self.session.is_controlling() => self.restart(now),
            Event::Writable => self.writable = true,
            Event::ChannelReadable(id) => self.read(now, id),
            Event::Closed(reason) => panic!("the connection ended: {reason}"),
            _ => {}
        }
    }

    fn read(&mut self, now: Instant, id: ChannelId) {
        while let Some(message) = self.session.recv(now, id) {
            let mut expected = (self.count..).take(if self.life_time.is_some() { DIFFERENT } else { 1 });
            let number = expected.find(|number| message.payload == self.content_of(*number));
            self.count = 1 + number.unwrap_or_else(|| panic!("message {} is not what was sent", self.count));
            self.delivered += message.payload.len() as u64;
        }
    }
}

impl Node for Peer {
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_>) {
        self.session.handle_datagram(now, datagram);
        self.pump(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.session.handle_timeout(now);
        self.pump(now);
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        loop {
            let transmit = self.session.poll_transmit(now, buf);
            if let Some(Transmit { segment: Some(segment), .. }) = transmit {
                self.datagram = segment;
            }
            // What was written makes room, and room is reason to write.
            if !self.pump(now) || transmit.is_some() {
                return transmit;
            }
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        earliest(self.session.poll_timeout(), self.due)
    }
}

impl Bulk for Peer {
    type Signal = Signal;

    fn has_signals(&self) -> bool {
        !self.outbox.is_empty()
    }

    fn take_signals(&mut self) -> Vec<Signal> {
        std::mem::take(&mut self.outbox)
    }

    fn hear(&mut self, now: Instant, signal: Signal) {
        self.take(now, signal);
    }

    fn is_open(&self) -> bool {
        self.is_open
    }

    fn start(&mut self, now: Instant) {
        self.sending = true;
        self.due = self.every.map(|_| now);
        self.pump(now);
    }

    fn delivered(&self) -> u64 {
        self.delivered
    }

    fn next(&self) -> u64 {
        self.count as u64
    }

    fn sender(&self) -> Sender {
        let Some(data) = self.session.stats().data else { return Sender::default() };
        Sender {
            sent: data.packets_sent,
            again: data.retransmissions,
            timeouts: data.timeouts,
            window: data.congestion_window,
            rate: data.pacing_rate,
            in_flight: data.in_flight,
            rtt: data.round_trip,
            datagram: self.datagram,
            queued: self.channel.map_or(0, |channel| self.session.buffered_amount(channel)),
            given_up: self.refused + data.messages_abandoned,
        }
    }

    fn too_big(&mut self, now: Instant, mtu: usize) {
        if let Some(pair) = self.session.selected_pair() {
            let path = Path { local: LocalId(0), remote: pair.remote_address };
            self.session.handle_path(now, path, PathChange::TooBig(mtu.saturating_sub(HEADERS)));
            self.pump(now);
        }
    }
}
