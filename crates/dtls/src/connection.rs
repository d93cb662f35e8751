//! One DTLS connection: the machine that the rest of the stack drives.

mod input;
#[cfg(test)]
mod tests;
mod trust;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::Instant;

use crate::config::{Config, Role};
use crate::event::{CloseReason, Event, ExportError, MAX_EXPORT, SealError};
use crate::fingerprint::Fingerprint;
use crate::handshake::Handshake;
use crate::handshake::failure::Failure;
use crate::handshake::outcome::Outcome;
use crate::handshake::peer::Peer;
use crate::handshake::post::Post;
use crate::protect::sealer::SealError as RecordError;
use crate::schedule::exporter::Exporter;
use crate::transport::inbox::Inbox;
use crate::transport::{Limits, Transport};

/// Longest plaintext of a record, in bytes (RFC 9147 §4).
pub const MAX_PLAINTEXT: usize = crate::wire::MAX_CONTENT;

/// A DTLS connection over one ICE transport.
///
/// After each call that takes `now`: read [`poll_event`](Self::poll_event), then [`poll_data`](Self::poll_data), then
/// [`poll_transmit`](Self::poll_transmit) until each is empty, then [`poll_timeout`](Self::poll_timeout).
pub struct Dtls {
    role: Role,
    state: State,
    transport: Transport,
    inbox: Inbox,
    peer: Peer,
    events: VecDeque<Event>,
    /// The last moment heard of.
    now: Instant,
    /// Datagrams that the transport was not given.
    dropped: u64,
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
    /// Datagrams, records and fragments that are no DTLS, are malformed, or do not fit the state of the connection.
    pub dropped_unexpected: u64,
    /// Records in the clear where keys are in use.
    pub dropped_plaintext: u64,
    /// Records that failed to authenticate.
    pub dropped_forged: u64,
    /// Records that came again, or too late to know whether they did.
    pub dropped_replayed: u64,
    /// Records and fragments dropped because a bound was reached.
    pub dropped_full: u64,
    /// Records with application data that came before the peer was verified and found no room.
    pub dropped_early_data: u64,
    /// Packets made that no slot had room for.
    pub dropped_oversize: u64,
    /// Application data records opened.
    pub opened: u64,
    /// Application data records sealed.
    pub sealed: u64,
    /// Flights sent again, whole or in part.
    pub resent: u64,
}

enum State {
    /// A client that has not sent anything: its timers start when the first datagram can leave.
    Idle(Box<Setup>),
    Handshake(Box<Setup>, Handshake),
    /// The handshake is complete, and nothing is known yet that the peer's certificate could be compared with.
    Unverified(Box<Outcome>),
    Connected(Exporter, Post),
    /// For the moment between a failed step and its consequences.
    Failed,
    Closed,
}

/// What only the handshake needs.
struct Setup {
    config: Config,
    rng: Rng,
    /// Why the last ClientHello was refused.
    refused: Option<Failure>,
}

impl Dtls {
    /// A connection that has neither sent nor received.
    ///
    /// `rng` feeds hellos and, with [`Config::keys`] that take their randomness from it, everything else.
    pub fn new(mut config: Config, rng: Rng, now: Instant) -> Self {
        let role = config.role;
        let limits = Limits { role, mtu: config.mtu, rtt: config.rtt, handshake_timeout: config.handshake_timeout };
        let peer = Peer::new(core::mem::take(&mut config.expected));
        let setup = Box::new(Setup { config, rng, refused: None });
        let state = match role {
            Role::Client => State::Idle(setup),
            Role::Server => State::Handshake(setup, Handshake::server()),
        };
        Self {
            role,
            state,
            transport: Transport::new(limits),
            inbox: Inbox::default(),
            peer,
            events: VecDeque::new(),
            now,
            dropped: 0,
        }
    }

    /// Takes in one UDP datagram, which may hold several records. Application data is opened in place; read it with
    /// [`poll_data`](Self::poll_data) from the same buffer before the next datagram.
    pub fn handle_datagram(&mut self, now: Instant, payload: &mut [u8]) {
        self.now = self.now.max(now);
        self.inbox.begin();
        if matches!(self.state, State::Idle(_) | State::Closed) {
            self.dropped += 1;
            return;
        }
        self.transport.handle_datagram(self.now, payload, &mut self.inbox);
        self.advance();
    }

    /// Acts on time: retransmits, or gives up. Early and repeated calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = self.now.max(now);
        if !matches!(self.state, State::Idle(_) | State::Closed) {
            self.transport.handle_timeout(self.now);
            self.advance();
        }
    }

    /// Says which fingerprints the peer's description gave, once it is known. If the certificate was seen already, this
    /// decides: the connection opens, or closes.
    pub fn set_expected(&mut self, now: Instant, expected: Vec<Fingerprint>) {
        self.now = self.now.max(now);
        if matches!(self.state, State::Closed) || expected.is_empty() {
            return;
        }
        match self.peer.set_expected(expected) {
            Ok(()) => self.open(),
            Err(_) => self.refuse(),
        }
    }

    /// Wraps the packet in `slot` into one record. The slot needs the room that [`overhead`](Self::overhead) says;
    /// after an error its packet must not be sent.
    pub fn seal(&mut self, slot: &mut Slot<'_>) -> Result<(), SealError> {
        let State::Connected(_, post) = &mut self.state else { return Err(SealError::NotConnected) };
        if slot.is_empty() {
            return Err(SealError::Empty);
        }
        let result = self.transport.seal(slot);
        if self.transport.is_worn() {
            post.update(self.now, &mut self.transport);
        }
        match result {
            Ok(()) => Ok(()),
            Err(RecordError::TooLong) => Err(SealError::TooLarge),
            Err(RecordError::NoRoom) => Err(SealError::NoRoom),
            Err(RecordError::Exhausted) => {
                self.finish(CloseReason::Exhausted);
                Err(SealError::NotConnected)
            }
        }
    }

    /// Ends the connection: an established one by a close_notify, which
    /// [`poll_transmit`](Self::poll_transmit) still hands out.
    pub fn close(&mut self, now: Instant) {
        self.now = self.now.max(now);
        self.say_goodbye();
        self.finish(CloseReason::Local);
    }

    /// Writes one handshake datagram, acknowledgement or alert into `slot`. `false` if there is none.
    pub fn poll_transmit(&mut self, now: Instant, slot: &mut Slot<'_>) -> bool {
        self.now = self.now.max(now);
        self.start();
        self.transport.poll_transmit(self.now, slot)
    }

    /// The packets of the present flight that the peer is not known to have, in order. Another way may carry them, as
    /// checks of ICE do; their bytes stay the same until the flight changes.
    pub fn flight(&self) -> impl Iterator<Item = &[u8]> {
        self.transport.flight()
    }

    /// Whether something else carries the flights: [`poll_transmit`](Self::poll_transmit) then gives none of them and their
    /// timer and the handshake's deadline rest. A client that is held begins its handshake. Let go, it sends what the peer is not known to have.
    pub fn hold(&mut self, now: Instant, held: bool) {
        self.now = self.now.max(now);
        self.transport.hold(self.now, held);
        if held {
            self.start();
        }
    }

    /// Sets the longest handshake datagram, in bytes, as [`Config::mtu`]. What was sent keeps its size.
    pub fn set_mtu(&mut self, mtu: usize) {
        self.transport.set_mtu(mtu);
    }

    /// Sets the round-trip time of the path, as [`Config::rtt`], for the timers to come.
    pub fn set_rtt(&mut self, rtt: Option<Duration>) {
        self.transport.set_rtt(rtt);
    }

    /// Gives back the room that only busy times need; keys that were not used since the last call are expanded again when
    /// they are. For quiet times, now and then: nothing is forgotten.
    pub fn rest(&mut self, now: Instant) {
        self.now = self.now.max(now);
        self.transport.rest(self.now);
        self.inbox.shrink();
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        if self.events.is_empty() && self.events.capacity() > 0 {
            self.events = VecDeque::new();
        }
        event
    }

    /// The next piece of application data: one record. `payload` is the buffer given to the last
    /// [`handle_datagram`](Self::handle_datagram), or an empty one after any other call. Nothing comes out before the
    /// peer is verified.
    pub fn poll_data<'a>(&'a mut self, payload: &'a mut [u8]) -> Option<&'a mut [u8]> {
        self.inbox.pop(payload)
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Handshake(..) | State::Unverified(_) | State::Connected(..) => self.transport.poll_timeout(),
            State::Idle(_) | State::Failed | State::Closed => None,
        }
    }

    /// The room that [`seal`](Self::seal) needs; bounds over all versions and suites until connected.
    pub fn overhead(&self) -> Overhead {
        match self.state {
            State::Connected(..) => {
                let overhead = self.transport.overhead();
                Overhead { head: overhead.head, tail: overhead.tail }
            }
            // Header and explicit nonce of DTLS 1.2; inner content type and tag of DTLS 1.3.
            _ => Overhead { head: 21, tail: 17 },
        }
    }

    /// Derives further keys from the connection (RFC 5705, RFC 8446 §7.5). Fills `out`, of at most 8,160 bytes.
    pub fn export(&self, label: &str, context: Option<&[u8]>, out: &mut [u8]) -> Result<(), ExportError> {
        let State::Connected(exporter, _) = &self.state else { return Err(ExportError::NotConnected) };
        if out.len() > MAX_EXPORT {
            return Err(ExportError::TooLong);
        }
        exporter.export(label.as_bytes(), context, out);
        Ok(())
    }

    /// Whether the handshake is complete, the peer is verified and the connection has not ended.
    pub fn is_connected(&self) -> bool {
        matches!(self.state, State::Connected(..))
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// The certificate that the peer showed, in DER form, expected or not.
    pub fn peer_certificate(&self) -> Option<&[u8]> {
        self.peer.certificate()
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        let of = self.transport.counters();
        Counters {
            dropped_unexpected: self.dropped + of.unexpected,
            dropped_plaintext: of.plaintext,
            dropped_forged: of.forged,
            dropped_replayed: of.replayed,
            dropped_full: of.full,
            dropped_early_data: of.data_full,
            dropped_oversize: of.oversize,
            opened: of.opened,
            sealed: of.sealed,
            resent: of.resent,
        }
    }
}

#[cfg(any(test, feature = "fuzz"))]
impl Dtls {
    /// Renews the keys that this side sends with, as if they were worn.
    pub(crate) fn update_keys(&mut self) {
        if let State::Connected(_, post) = &mut self.state {
            post.update(self.now, &mut self.transport);
        }
    }
}

impl fmt::Debug for Dtls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Idle(_) => "idle",
            State::Handshake(..) => "handshake",
            State::Unverified(_) => "unverified",
            State::Connected(..) => "connected",
            State::Failed | State::Closed => "closed",
        };
        f.debug_struct("Dtls").field("role", &self.role).field("state", &state).finish_non_exhaustive()
    }
}
