//! Reliable, ordered handshake messages over records (RFC 9147 §4, §5, §7; RFC 6347 §4): epochs, reassembly, flights,
//! acknowledgements and timers. What the messages mean is the handshake's matter.
//!
//! One answer of the handshake: `set_version` once it is known (a HelloRetryRequest tells it too), `begin_flight`,
//! `push` and `install_*` in any order, `flush`. Records are sealed at `flush`, so the keys of each epoch that was pushed
//! have to be there by then. After the last flight, or instead of one `acknowledge`, comes `release`.

mod acks;
mod assembly;
mod coverage;
mod early;
mod epochs;
mod flight;
pub(crate) mod inbox;
mod lifetime;
mod packer;
mod receive;
mod send;
#[cfg(test)]
mod tests;
mod timer;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant, earliest};
use tracing::debug;

use self::acks::Acks;
use self::assembly::Assembly;
use self::coverage::Coverage;
use self::early::Early;
use self::epochs::Epochs;
use self::flight::{Content, Flight, Item};
use self::timer::Timer;
use crate::alert::{Alert, ParseError};
use crate::config::Role;
use crate::message::kind::HandshakeType;
use crate::protect::opener::Opener;
use crate::protect::sealer::{Overhead, SealError, Sealer};
use crate::suite::{Epoch, Version};
use crate::wire::number::RecordNumber;
use crate::wire::{ContentType, MAX_CONTENT};

/// Smallest datagrams there are, in bytes: room for a record of any version and a piece of a message worth sending.
pub(crate) const MIN_MTU: usize = 128;
/// Least content of a record that a peer may ask for: 64 bytes, with the inner content type of DTLS 1.3 (RFC 8449 §4).
const MIN_CONTENT: usize = 63;

/// What bounds a transport.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub role: Role,
    /// Largest datagram, in bytes; never less than [`MIN_MTU`].
    pub mtu: usize,
    /// Round-trip time of the path, where known.
    pub rtt: Option<Duration>,
    /// Time from the first message, sent or received, to [`Transport::release`].
    pub handshake_timeout: Duration,
}

/// A received handshake message: complete, and next in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub kind: HandshakeType,
    pub seq: u16,
    /// What it came under; 0 is in the clear. A Finished never comes under 0. In DTLS 1.2 nothing else of the handshake
    /// comes under 1; in DTLS 1.3 only hellos come under 0, and only what follows the handshake under 3 and later.
    pub epoch: Epoch,
    pub body: Vec<u8>,
}

/// What the handshake or the owner has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Message(Message),
    /// `authenticated` if it came under keys. Anyone can forge the other kind.
    Alert {
        alert: Alert,
        authenticated: bool,
    },
    /// All of the flight has arrived: comes once per flight that was flushed with [`Expects::Ack`].
    Acknowledged,
    /// The peer, known by its keys, broke the protocol below messages.
    Violation(ParseError),
    /// As many records were forged as the keys allow (RFC 9147 §4.5.3): close.
    Spent,
    /// The handshake took too long. Nothing is sent any more.
    TimedOut,
}

/// How the peer shows that a flight arrived, and so what the timer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expects {
    /// By its own next flight.
    Reply,
    /// By an ACK (DTLS 1.3: the client's last flight, and what follows the handshake).
    Ack,
    /// Not at all (DTLS 1.2: the server's last flight, HelloVerifyRequest). Kept to answer a retransmission.
    Nothing,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Datagrams, records and fragments that have no place in the state of the connection, or are malformed.
    pub unexpected: u64,
    /// Records in the clear where keys are in use.
    pub plaintext: u64,
    /// Records that failed to authenticate.
    pub forged: u64,
    /// Records that came again, or too late to know.
    pub replayed: u64,
    /// Records, fragments and alerts for which a bound left no room.
    pub full: u64,
    /// Records of application data that found no room.
    pub data_full: u64,
    /// Packets that no slot had room for.
    pub oversize: u64,
    /// Records of application data opened.
    pub opened: u64,
    /// Records of application data sealed.
    pub sealed: u64,
    /// Flights sent again, whole or in part.
    pub resent: u64,
}

/// One connection's transport, both directions.
#[derive(Debug)]
pub(crate) struct Transport {
    limits: Limits,
    version: Option<Version>,
    epochs: Epochs,
    counters: Counters,
    /// Largest content of a protected record that the peer takes, in bytes.
    record_limit: usize,
    phase: Phase,

    assembly: Assembly,
    early: Early,
    /// Keys came for which records may wait.
    early_is_due: bool,
    acks: Acks,
    inputs: VecDeque<Input>,
    alerts: VecDeque<(Alert, bool)>,
    /// Whether the peer proved that it has keys: in DTLS 1.3 by any record, in DTLS 1.2 by its Finished.
    peer_has_keys: bool,
    /// What comes behind the peer's close_notify is ignored (RFC 9147 §5.10).
    closed_at: Option<RecordNumber>,
    /// Record number of the last ClientHello.
    hello: Option<u64>,

    flight: Option<Box<Flight>>,
    timer: Timer,
    /// message_seq of the next message.
    next_seq: u16,
    /// message_seq of the first message of the peer's flight that is under way. Those before were answered.
    answered_to: u32,
    changed_cipher_spec: bool,
    /// Flights do not leave, and their timer rests.
    held: bool,
    /// When the rest of a large flight leaves.
    resume_at: Option<Instant>,
    /// Alerts on their way out.
    outbox: VecDeque<Vec<u8>>,
    /// When something that lingers is dropped.
    drop_at: Option<Instant>,
    /// Makes this side one that does not keep to the protocol.
    #[cfg(any(test, feature = "fuzz"))]
    pub(crate) meddler: Option<Box<dyn Meddle>>,
}

/// Decides over what a handshake wants to send.
#[cfg(any(test, feature = "fuzz"))]
pub(crate) trait Meddle: core::fmt::Debug + Send + Sync {
    /// Pushes what it likes, and adds to the transcript what it likes.
    fn send(
        &mut self,
        transport: &mut Transport,
        transcript: &mut crate::schedule::transcript::Transcript,
        epoch: Epoch,
        kind: HandshakeType,
        body: Vec<u8>,
    );
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing was sent or received.
    Idle,
    Handshake {
        deadline: Instant,
    },
    Released,
    /// Nothing comes in any more.
    Stopped,
}

impl Transport {
    pub(crate) fn new(limits: Limits) -> Self {
        let limits = Limits { mtu: limits.mtu.max(MIN_MTU), ..limits };
        Self {
            limits,
            version: None,
            epochs: Epochs::default(),
            counters: Counters::default(),
            record_limit: MAX_CONTENT,
            phase: Phase::Idle,
            assembly: Assembly::default(),
            early: Early::default(),
            early_is_due: false,
            acks: Acks::default(),
            inputs: VecDeque::new(),
            alerts: VecDeque::new(),
            peer_has_keys: false,
            closed_at: None,
            hello: None,
            flight: None,
            timer: Timer::new(limits.rtt),
            next_seq: 0,
            answered_to: 0,
            changed_cipher_spec: false,
            held: false,
            resume_at: None,
            outbox: VecDeque::new(),
            drop_at: None,
            #[cfg(any(test, feature = "fuzz"))]
            meddler: None,
        }
    }

    /// Settles the version: whole flights again in DTLS 1.2, acknowledgements in DTLS 1.3.
    pub(crate) fn set_version(&mut self, version: Version) {
        self.version = Some(version);
        if version == Version::Dtls12 {
            self.acks.clear();
        }
    }

    /// The largest content of a protected record that the peer takes, in bytes (RFC 8449); the inner content type of
    /// DTLS 1.3 not counted.
    pub(crate) fn set_record_limit(&mut self, limit: usize) {
        self.record_limit = limit.clamp(MIN_CONTENT, MAX_CONTENT);
    }

    /// The largest protected record that this side said it takes, in bytes (RFC 8449); in DTLS 1.3 the inner content type
    /// and padding counted. Longer ones are dropped from now on.
    pub(crate) fn set_own_record_limit(&mut self, limit: u16) {
        self.epochs.limit_openers(limit);
    }

    /// Gives keys for sending. Application data, acknowledgements and alerts take those of the highest epoch.
    pub(crate) fn install_sealer(&mut self, epoch: Epoch, sealer: Sealer) {
        debug_assert_eq!(epoch, sealer.epoch());
        self.epochs.install_sealer(sealer);
        self.drop_old_sealers();
    }

    /// Gives keys for receiving. Records that came before them are opened by the next
    /// [`next_input`](Self::next_input).
    pub(crate) fn install_opener(&mut self, epoch: Epoch, opener: Opener) {
        debug_assert_eq!(epoch, opener.epoch());
        if self.version == Some(Version::Dtls13) {
            // Whatever else came in the clear was not the peer's: it has keys now.
            self.assembly.forget_below(Epoch::HANDSHAKE);
        }
        self.epochs.install_opener(opener);
        self.early_is_due = true;
    }

    /// Begins a flight. The one before counts as received, unless it waits for an ACK.
    pub(crate) fn begin_flight(&mut self) {
        self.assembly.close();
        self.answered_to = self.assembly.next();
        self.timer.reset();
        self.resume_at = None;
        if self.phase != Phase::Released {
            self.acks.clear();
        }
        if !self.waits_for_ack() {
            self.flight = None;
        }
    }

    /// Server: begins a flight that asks for another ClientHello, and keeps nothing of the one that came. The next may be
    /// its successor or another first one, which this flight's own number answers again, until a flight is begun
    /// otherwise.
    pub(crate) fn begin_request(&mut self) {
        self.begin_flight();
        self.assembly.reopen();
        self.next_seq = 0;
    }

    /// Adds a message to the flight. Answers its message_seq, which the transcript of DTLS 1.2 covers.
    pub(crate) fn push(&mut self, epoch: Epoch, kind: HandshakeType, body: Vec<u8>) -> u16 {
        let seq = self.next_seq;
        // Only updates of keys come without end, and epochs run out before numbers do.
        self.next_seq = seq.wrapping_add(1);
        let content = Content::Message { kind, seq, body, arrived: Coverage::default() };
        self.flight.get_or_insert_default().push(Item { epoch, content });
        seq
    }

    /// Adds a ChangeCipherSpec to the flight (DTLS 1.2).
    pub(crate) fn push_change_cipher_spec(&mut self) {
        self.changed_cipher_spec = true;
        self.flight.get_or_insert_default().push(Item { epoch: Epoch::PLAIN, content: Content::ChangeCipherSpec });
    }

    /// The message delivered last counts as never received: a hello that cannot be answered must not stand in the way of
    /// the real one.
    pub(crate) fn decline(&mut self) {
        self.assembly.decline();
        if let Some(flight) = &mut self.flight {
            flight.answered = false;
        }
    }

    /// Acknowledges the peer's flight, which is complete and gets no other answer: the client's last one. What comes
    /// under epoch 3 and later is acknowledged without this. DTLS 1.2 has no acknowledgements.
    pub(crate) fn acknowledge(&mut self) {
        if self.version == Some(Version::Dtls13) {
            self.acks.at_once();
        }
    }

    /// Queues an alert, under keys if the peer may have them.
    pub(crate) fn send_alert(&mut self, alert: Alert) {
        let changed = self.version != Some(Version::Dtls12) || self.changed_cipher_spec;
        let epoch = if changed { self.epochs.sending() } else { Epoch::PLAIN };
        let mut packet = Vec::new();
        match self.epochs.write(epoch, ContentType::ALERT, &alert.to_bytes(), &mut packet) {
            Ok(_) if self.outbox.len() < send::MAX_OUTBOX => self.outbox.push_back(packet),
            Ok(_) => self.counters.full += 1,
            Err(error) => debug!(%error, "an alert could not be sealed"),
        }
    }

    /// Holds flights back, or lets them go: what may not have arrived then leaves as it is, and its timer starts.
    pub(crate) fn hold(&mut self, now: Instant, held: bool) {
        if self.held == held {
            return;
        }
        self.held = held;
        if let Phase::Handshake { deadline } = &mut self.phase {
            // How long something else took to carry flights is not the peer's fault.
            *deadline = now + self.limits.handshake_timeout;
        }
        let Some(flight) = &mut self.flight else { return };
        flight.doubt();
        if held {
            return;
        }
        flight.send_again();
        if flight.is_outstanding() {
            self.timer.start(now);
        }
    }

    /// The largest datagram, in bytes. Of a flight, packets that are longer and have not left are cut anew.
    pub(crate) fn set_mtu(&mut self, mtu: usize) {
        self.limits.mtu = mtu.max(MIN_MTU);
        self.cut_waiting(self.limits.mtu);
    }

    /// The round-trip time of the path, where known.
    pub(crate) fn set_rtt(&mut self, rtt: Option<Duration>) {
        self.timer.set_rtt(rtt);
    }

    /// Wraps the application data in `slot` into a record.
    ///
    /// # Errors
    /// [`SealError`]; without keys it is [`SealError::Exhausted`].
    #[inline]
    pub(crate) fn seal(&mut self, slot: &mut Slot<'_>) -> Result<(), SealError> {
        if slot.len() > self.record_limit {
            return Err(SealError::TooLong);
        }
        let sealer = self.epochs.sealer().ok_or(SealError::Exhausted)?;
        sealer.seal(ContentType::APPLICATION_DATA, slot)?;
        self.counters.sealed += 1;
        Ok(())
    }

    /// Goes on as if the latest keys had sealed, and seen forged, as many records.
    #[cfg(test)]
    pub(crate) fn suppose(&mut self, sealed: u64, forged: u64) {
        self.epochs.suppose(sealed, forged);
    }

    /// Acts on deadlines that passed.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if let Phase::Handshake { deadline } = self.phase
            && !self.held
            && deadline <= now
        {
            self.stop();
            self.inputs.push_back(Input::TimedOut);
        }
        self.acks.handle_timeout(now);
        if self.resume_at.is_some_and(|at| at <= now) {
            self.resume();
        }
        if !self.held && self.timer.deadline().is_some_and(|deadline| deadline <= now) {
            self.expire(now);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let handshake = match self.phase {
            Phase::Handshake { deadline } => Some(deadline).filter(|_| !self.held),
            Phase::Idle | Phase::Released | Phase::Stopped => None,
        };
        let flight = if self.held { None } else { earliest(self.timer.deadline(), self.resume_at) };
        earliest(handshake, earliest(self.acks.deadline(), flight))
    }

    /// The packets of the flight that may not have arrived, the same bytes until the flight is sent again.
    pub(crate) fn flight(&self) -> impl Iterator<Item = &[u8]> {
        let flight = self.flight.iter().filter(|flight| !self.has_arrived(flight));
        flight.flat_map(|flight| flight.packets()).map(|packet| &packet.bytes[..])
    }

    /// Whether a flight was not answered or acknowledged yet. Meanwhile no update of keys may be sent.
    pub(crate) fn is_flight_outstanding(&self) -> bool {
        self.flight.as_ref().is_some_and(|flight| flight.is_outstanding() && !flight.answered)
    }

    pub(crate) fn version(&self) -> Option<Version> {
        self.version
    }

    /// The room that [`seal`](Self::seal) needs; a bound over all versions and suites as long as there are no keys.
    pub(crate) fn overhead(&self) -> Overhead {
        let epoch = self.epochs.sending();
        let known = self.epochs.overhead(epoch).filter(|_| epoch != Epoch::PLAIN);
        known.unwrap_or(Overhead { head: 21, tail: 17 })
    }

    /// Whether the keys for sending are worn: an update is due.
    pub(crate) fn is_worn(&self) -> bool {
        self.epochs.is_worn()
    }

    /// The highest epoch with keys for sending.
    #[cfg(any(test, feature = "fuzz"))]
    pub(crate) fn sending_epoch(&self) -> Epoch {
        self.epochs.sending()
    }

    /// The highest epoch with keys for receiving.
    pub(crate) fn receiving_epoch(&self) -> Epoch {
        self.epochs.receiving()
    }

    /// How many bytes of the peer are held.
    #[cfg(any(test, feature = "fuzz"))]
    pub(crate) fn held(&self) -> usize {
        self.assembly.held() + self.early.held()
    }

    pub(crate) fn counters(&self) -> Counters {
        self.counters
    }

    /// Whether an answer acknowledges all of a flight. In DTLS 1.2 it has to come again until the answer is complete.
    fn has_arrived(&self, flight: &Flight) -> bool {
        flight.answered && self.version == Some(Version::Dtls13)
    }

    fn waits_for_ack(&self) -> bool {
        self.flight.as_ref().is_some_and(|flight| flight.expects == Expects::Ack && flight.is_outstanding())
    }
}
