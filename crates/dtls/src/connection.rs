//! One DTLS connection: the machine that the rest of the stack drives.

mod handshake;
mod trust;

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::Instant;
use tracing::{debug, trace};

use crate::config::{Config, Role, Versions};
use crate::connection::handshake::Handshake;
use crate::engine::{Engine, Step};
use crate::event::{CloseReason, Event, SealError};
use crate::fingerprint::Fingerprint;
use crate::first_flight::Verdict;
use crate::inbox::Inbox;
use crate::record::{self, Records};
use crate::suite::Version;

/// Longest plaintext of a record, in bytes (RFC 9147 §4).
pub const MAX_PLAINTEXT: usize = 1 << 14;
/// Most handshake datagrams that wait to be sent.
const MAX_OUTBOX: usize = 64;
/// Most bytes taken in before the handshake is complete, so that a peer's certificate has a bound.
const MAX_HANDSHAKE_BYTES: usize = 256 * 1024;

/// A DTLS connection over one ICE transport.
///
/// After each call that takes `now`: read [`poll_event`](Self::poll_event), then [`poll_data`](Self::poll_data), then
/// [`poll_transmit`](Self::poll_transmit) until each is empty, then [`poll_timeout`](Self::poll_timeout).
#[derive(Debug)]
pub struct Dtls {
    role: Role,
    versions: Versions,
    /// `None` once the connection is closed.
    engine: Option<Engine>,
    state: State,
    expected: Vec<Fingerprint>,
    /// The peer's certificate in DER form, whether it was expected or not.
    peer_certificate: Option<Vec<u8>>,
    inbox: Inbox,
    outbox: VecDeque<Vec<u8>>,
    events: VecDeque<Event>,
    /// The last moment heard of.
    now: Instant,
    counters: Counters,
}

/// Room that [`Dtls::seal`] needs around a packet, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overhead {
    /// Before it.
    pub head: usize,
    /// After it.
    pub tail: usize,
}

/// What was counted since the connection was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Datagrams that are no DTLS, do not fit the state of the connection, or are hellos that cannot be answered.
    pub dropped_unexpected: u64,
    /// Datagrams dropped because a bound was reached.
    pub dropped_full: u64,
    /// Records with application data that came before the peer was verified and found no room.
    pub dropped_early_data: u64,
    /// Application data records opened.
    pub opened: u64,
    /// Application data records sealed.
    pub sealed: u64,
    /// Handshake datagrams made that no slot had room for.
    pub dropped_oversize: u64,
}

#[derive(Debug)]
enum State {
    /// A client that has not sent anything: its timers start when the first datagram can leave.
    Idle,
    Handshake(Handshake),
    Connected(Version),
    Closed,
}

impl Dtls {
    /// A connection that has neither sent nor received.
    ///
    /// `rng` feeds hellos and timer jitter; keys and signatures always draw from the operating system.
    pub fn new(config: Config, mut rng: Rng, now: Instant) -> Self {
        let (engine, failure) = match Engine::new(&config, &mut rng, now) {
            Ok(engine) => (Some(engine), None),
            Err(reason) => (None, Some(reason)),
        };
        let state = match config.role {
            Role::Client => State::Idle,
            Role::Server => State::Handshake(Handshake::new(Role::Server)),
        };
        let mut this = Self {
            role: config.role,
            versions: config.versions,
            engine,
            state,
            expected: config.expected,
            peer_certificate: None,
            inbox: Inbox::default(),
            outbox: VecDeque::new(),
            events: VecDeque::new(),
            now,
            counters: Counters::default(),
        };
        if let Some(reason) = failure {
            this.finish(reason);
        }
        this
    }

    /// Takes in one UDP datagram, which may hold several records. Application data is opened in place; read it with
    /// [`poll_data`](Self::poll_data) from the same buffer before the next datagram.
    pub fn handle_datagram(&mut self, now: Instant, payload: &mut [u8]) {
        self.now = self.now.max(now);
        self.inbox.begin();
        if !record::plausible(payload) {
            self.counters.dropped_unexpected += 1;
            return;
        }
        match &mut self.state {
            State::Idle | State::Closed => self.counters.dropped_unexpected += 1,
            State::Connected(_) => self.feed_established(payload),
            State::Handshake(handshake) => {
                handshake.received += payload.len();
                if handshake.received > MAX_HANDSHAKE_BYTES {
                    self.counters.dropped_full += 1;
                    return;
                }
                match &mut handshake.first_flight {
                    Some(first) => {
                        let verdict = first.take(payload);
                        self.handle_first_flight(verdict, payload);
                    }
                    None if handshake.complete => self.feed_established(payload),
                    None => self.feed(None, payload),
                }
            }
        }
    }

    /// Acts on time: retransmits, or gives up. Early and repeated calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = self.now.max(now);
        if matches!(self.state, State::Idle) {
            return;
        }
        let Some(engine) = &mut self.engine else { return };
        match engine.handle_timeout(self.now) {
            Ok(()) => self.drain(&mut []),
            Err(reason) => self.finish(reason),
        }
    }

    /// Says which fingerprints the peer's description gave, once it is known. If the certificate was seen already, this
    /// decides: the connection opens, or closes.
    pub fn set_expected(&mut self, now: Instant, expected: Vec<Fingerprint>) {
        self.now = self.now.max(now);
        self.expected = expected;
        if self.expected.is_empty() {
            return;
        }
        match &self.state {
            State::Handshake(_) | State::Connected(_) if self.peer_certificate.is_some() => {}
            _ => return,
        }
        if self.verify() {
            self.open();
        } else {
            self.refuse();
        }
    }

    /// Wraps the packet in `slot` into one record. The slot needs the room that [`overhead`](Self::overhead) says;
    /// after an error its packet must not be sent.
    pub fn seal(&mut self, slot: &mut Slot<'_>) -> Result<(), SealError> {
        let State::Connected(version) = self.state else { return Err(SealError::NotConnected) };
        let engine = self.engine.as_mut().ok_or(SealError::NotConnected)?;
        match slot.len() {
            0 => return Err(SealError::Empty),
            n if n > MAX_PLAINTEXT => return Err(SealError::TooLarge),
            _ => {}
        }
        if let Err(reason) = engine.seal(slot.packet()) {
            self.finish(reason);
            return Err(SealError::NotConnected);
        }
        let result = take_record(engine, slot, version);
        if result.is_ok() {
            self.counters.sealed += 1;
        }
        // Rekeying may have left a handshake message behind the record.
        self.drain(&mut []);
        result
    }

    /// Ends the connection: an established one by a close_notify, which
    /// [`poll_transmit`](Self::poll_transmit) still hands out.
    pub fn close(&mut self, now: Instant) {
        self.now = self.now.max(now);
        if !matches!(self.state, State::Closed) {
            self.say_goodbye();
            self.finish(CloseReason::Local);
        }
    }

    /// Writes one handshake datagram, acknowledgement or alert into `slot`. `false` if there is none.
    pub fn poll_transmit(&mut self, now: Instant, slot: &mut Slot<'_>) -> bool {
        self.now = self.now.max(now);
        if matches!(self.state, State::Idle) {
            self.start();
        }
        while let Some(datagram) = self.outbox.pop_front() {
            let Some(room) = slot.room().get_mut(..datagram.len()) else {
                self.counters.dropped_oversize += 1;
                continue;
            };
            room.copy_from_slice(&datagram);
            slot.fill(datagram.len());
            return true;
        }
        false
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The next piece of application data: one record. `payload` is the buffer given to the last
    /// [`handle_datagram`](Self::handle_datagram), or an empty one after any other call. Nothing comes out before the
    /// peer is verified.
    pub fn poll_data<'a>(&'a mut self, payload: &'a mut [u8]) -> Option<&'a mut [u8]> {
        match self.state {
            State::Connected(_) | State::Closed => self.inbox.pop(payload),
            State::Idle | State::Handshake(_) => None,
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Idle | State::Closed => None,
            State::Handshake(_) | State::Connected(_) => self.engine.as_ref()?.deadline(self.now),
        }
    }

    /// The room that [`seal`](Self::seal) needs; bounds over all versions and suites until connected.
    pub fn overhead(&self) -> Overhead {
        match self.state {
            // The unified header with a sequence number of two bytes and a length; inner content type and tag.
            State::Connected(Version::Dtls13) => Overhead { head: 5, tail: 17 },
            // Header and explicit nonce; tag.
            State::Connected(Version::Dtls12) => Overhead { head: 21, tail: 16 },
            State::Idle | State::Handshake(_) | State::Closed => Overhead { head: 21, tail: 17 },
        }
    }

    /// Whether the handshake is complete, the peer is verified and the connection has not ended.
    pub fn is_connected(&self) -> bool {
        matches!(self.state, State::Connected(_))
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// The certificate that the peer showed, in DER form, expected or not.
    pub fn peer_certificate(&self) -> Option<&[u8]> {
        self.peer_certificate.as_deref()
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    fn start(&mut self) {
        self.state = State::Handshake(Handshake::new(Role::Client));
        self.handle_timeout(self.now);
    }

    fn handle_first_flight(&mut self, verdict: Verdict, payload: &mut [u8]) {
        match (verdict, self.role) {
            (Verdict::Release(datagrams), Role::Client) => {
                self.first_flight_is_over();
                for datagram in datagrams {
                    self.feed(Some(&datagram), payload);
                }
            }
            (Verdict::Release(datagrams), Role::Server) => {
                for datagram in datagrams {
                    self.answer(&datagram);
                }
            }
            (Verdict::Held, _) => trace!("held until the hello is complete"),
            (Verdict::Dropped, _) => self.counters.dropped_unexpected += 1,
            (Verdict::Alert(description), _) => self.finish(CloseReason::Alert(description)),
        }
    }

    /// Server: tries a complete ClientHello. One that gets no answer leaves no trace, so that a forged one cannot
    /// spoil the real one behind it.
    fn answer(&mut self, hello: &[u8]) {
        let Some(engine) = &mut self.engine else { return };
        match engine.handle_datagram(self.now, hello) {
            Ok(()) => self.drain(&mut []),
            Err(reason) => debug!(%reason, "a ClientHello was refused"),
        }
        if matches!(&self.state, State::Handshake(handshake) if handshake.spoken) {
            return self.first_flight_is_over();
        }
        self.counters.dropped_unexpected += 1;
        if let Some(engine) = &mut self.engine {
            engine.restart(self.now);
        }
    }

    fn first_flight_is_over(&mut self) {
        if let State::Handshake(handshake) = &mut self.state {
            handshake.first_flight = None;
        }
    }

    fn feed_established(&mut self, payload: &mut [u8]) {
        let version = self.engine.as_ref().and_then(Engine::version);
        if version == Some(Version::Dtls13) && begins_new_handshake(payload) {
            self.counters.dropped_unexpected += 1;
        } else {
            self.feed(None, payload);
        }
    }

    /// Gives a datagram to the engine, `payload` itself unless another is given, and handles what comes out.
    fn feed(&mut self, datagram: Option<&[u8]>, payload: &mut [u8]) {
        let (Some(engine), now) = (&mut self.engine, self.now) else { return };
        let datagram = datagram.unwrap_or(payload);
        if let State::Handshake(handshake) = &mut self.state {
            engine.reserve(handshake.received);
            if self.role == Role::Client && !handshake.observe(self.versions, datagram) {
                return self.finish(CloseReason::Handshake("the server was made to choose DTLS 1.2".into()));
            }
        }
        match engine.handle_datagram(now, datagram) {
            Ok(()) => self.drain(payload),
            Err(reason) => self.finish(reason),
        }
    }

    /// Takes everything out of the engine, which ends the connection if one of its queues fills up.
    fn drain(&mut self, payload: &mut [u8]) {
        while let Some(engine) = &mut self.engine {
            // The keys for SRTP come out behind "connected", so the connection opens only at the end or before data.
            let Some(step) = engine.poll() else { return self.open() };
            match step {
                Step::Packet(len) => {
                    let datagram = engine.bytes(len);
                    if let State::Handshake(handshake) = &mut self.state {
                        handshake.spoken = true;
                        if self.role == Role::Server {
                            handshake.observe(self.versions, datagram);
                        }
                    }
                    self.queue(len);
                }
                Step::Data(len) => self.accept(len, payload),
                Step::PeerCertificate(len) => {
                    self.peer_certificate = Some(engine.bytes(len).to_vec());
                    if !self.expected.is_empty() && !self.verify() {
                        self.refuse();
                    }
                }
                Step::Srtp(keys) => {
                    if let State::Handshake(handshake) = &mut self.state {
                        handshake.srtp = Some(keys);
                    }
                }
                Step::Connected => {
                    if let State::Handshake(handshake) = &mut self.state {
                        handshake.complete = true;
                    }
                }
                Step::CloseNotify => {
                    self.open();
                    self.say_goodbye();
                    self.finish(CloseReason::CloseNotify);
                }
            }
        }
    }

    fn queue(&mut self, len: usize) {
        let Some(engine) = &self.engine else { return };
        if self.outbox.len() < MAX_OUTBOX {
            self.outbox.push_back(engine.bytes(len).to_vec());
        } else {
            self.counters.dropped_full += 1;
        }
    }

    fn accept(&mut self, len: usize, payload: &mut [u8]) {
        self.open();
        let Some(engine) = &self.engine else { return };
        if self.inbox.push(engine.bytes(len), payload, matches!(self.state, State::Connected(_))) {
            self.counters.opened += 1;
        } else {
            self.counters.dropped_early_data += 1;
        }
    }
}

/// Moves the record that the engine just made into the slot of its plaintext.
fn take_record(engine: &mut Engine, slot: &mut Slot<'_>, version: Version) -> Result<(), SealError> {
    let plaintext = slot.len();
    let Some(Step::Packet(len)) = engine.poll() else { return Err(SealError::NotConnected) };
    let tail = match version {
        Version::Dtls12 => 16,
        Version::Dtls13 => 17,
    };
    let head = len.checked_sub(plaintext + tail).ok_or(SealError::NotConnected)?;
    slot.prepend(head).ok_or(SealError::NoRoom)?;
    slot.append(tail).ok_or(SealError::NoRoom)?;
    slot.packet_mut().copy_from_slice(engine.bytes(len));
    Ok(())
}

/// Whether a plaintext handshake message is newer than any hello. DTLS 1.3 has none; the engine takes one for an
/// attempt to renegotiate, although anyone can forge it.
fn begins_new_handshake(datagram: &[u8]) -> bool {
    Records::new(datagram).handshake().any(|fragment| fragment.message_seq > 1)
}
