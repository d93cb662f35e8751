//! Handshake messages behind the handshake: new keys, tickets, attempts to begin anew.

use alloc::boxed::Box;
use alloc::vec::Vec;

use peerage_base::time::Instant;
use tracing::{debug, trace};

use crate::alert::{Alert, AlertDescription};
use crate::config::Role;
use crate::handshake::failure::Failure;
use crate::message::key_update::KeyUpdate;
use crate::message::kind::HandshakeType;
use crate::message::new_session_ticket::NewSessionTicket;
use crate::protect::opener::Opener;
use crate::protect::sealer::Sealer;
use crate::schedule::dtls13::TrafficSecret;
use crate::suite::{CipherSuite, Epoch};
use crate::transport::{Expects, Message, Transport};

/// What deals with handshake messages once the handshake is over.
pub(crate) enum Post {
    /// DTLS 1.2: nothing may follow.
    Dtls12,
    /// DTLS 1.3.
    Dtls13(Box<Rekeying>),
}

/// The secrets that follow each other in DTLS 1.3 (RFC 8446 §4.6.3, RFC 9147 §8).
pub(crate) struct Rekeying {
    role: Role,
    suite: CipherSuite,
    own: Generation,
    peer: Generation,
    awaited: Awaited,
    /// The peer asked for new keys of ours at a time when none could be made.
    owed: bool,
}

/// One direction's keys.
struct Generation {
    epoch: Epoch,
    secret: TrafficSecret,
}

/// Whose acknowledgement is still missing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Awaited {
    Nothing,
    /// A client's last flight of the handshake.
    Finished,
    /// The sender of a KeyUpdate goes on with its old keys until then.
    KeyUpdate,
}

impl Post {
    /// Takes a message of the peer.
    pub(crate) fn handle(&mut self, now: Instant, message: &Message, transport: &mut Transport) -> Result<(), Failure> {
        match self {
            Self::Dtls12 => refuse_renegotiation(message, transport),
            Self::Dtls13(rekeying) => rekeying.handle(now, message, transport),
        }
    }

    /// The peer has everything that was sent.
    pub(crate) fn acknowledged(&mut self, now: Instant, transport: &mut Transport) {
        if let Self::Dtls13(rekeying) = self {
            rekeying.acknowledged(now, transport);
        }
    }

    /// Asks for new keys of ours, because those in use are worn. Repeated calls are harmless. DTLS 1.2 has none.
    pub(crate) fn update(&mut self, now: Instant, transport: &mut Transport) {
        if let Self::Dtls13(rekeying) = self {
            rekeying.update(now, transport);
        }
    }
}

impl Rekeying {
    /// Begins with the first application secrets, whose keys the transport has already.
    pub(crate) fn new(role: Role, suite: CipherSuite, own: TrafficSecret, peer: TrafficSecret) -> Self {
        let awaited = match role {
            Role::Client => Awaited::Finished,
            Role::Server => Awaited::Nothing,
        };
        let first = |secret| Generation { epoch: Epoch::APPLICATION, secret };
        Self { role, suite, own: first(own), peer: first(peer), awaited, owed: false }
    }

    fn handle(&mut self, now: Instant, message: &Message, transport: &mut Transport) -> Result<(), Failure> {
        match (message.kind, self.role) {
            (HandshakeType::KEY_UPDATE, _) => self.peer_updates(now, message, transport),
            // Nothing is resumed here, so the transport's acknowledgement is all that comes of a ticket.
            (HandshakeType::NEW_SESSION_TICKET, Role::Client) => {
                NewSessionTicket::parse(&message.body)?;
                trace!("a ticket, which is not kept");
                Ok(())
            }
            // Authentication after the handshake was not offered (RFC 8446 §4.6.2), nor connection ids (RFC 9147 §9).
            _ => Err(Failure::new(
                AlertDescription::UNEXPECTED_MESSAGE,
                "a handshake message that may not follow the handshake",
            )),
        }
    }

    fn peer_updates(&mut self, now: Instant, message: &Message, transport: &mut Transport) -> Result<(), Failure> {
        let requested = KeyUpdate::parse(&message.body)?.requested;
        if message.epoch != self.peer.epoch {
            // The one before had to be acknowledged first, and what is sent then has the keys that it brought (RFC 9147
            // §8). Otherwise a peer could pile up keys here that it never uses.
            return Err(Failure::new(AlertDescription::UNEXPECTED_MESSAGE, "an update of keys under replaced keys"));
        }
        self.peer.advance()?;
        debug!(epoch = self.peer.epoch.0, requested, "the peer updates its keys");
        transport.install_opener(self.peer.epoch, Opener::new13(self.suite, &self.peer.secret, self.peer.epoch));
        if requested {
            self.owed = true;
            self.pay(now, transport);
        }
        Ok(())
    }

    fn acknowledged(&mut self, now: Instant, transport: &mut Transport) {
        if self.awaited == Awaited::KeyUpdate && self.own.advance().is_ok() {
            debug!(epoch = self.own.epoch.0, "new keys");
            transport.install_sealer(self.own.epoch, Sealer::new13(self.suite, &self.own.secret, self.own.epoch));
        }
        self.awaited = Awaited::Nothing;
        self.pay(now, transport);
    }

    fn update(&mut self, now: Instant, transport: &mut Transport) {
        // New ones are on their way already.
        if self.awaited != Awaited::KeyUpdate {
            self.owed = true;
            self.pay(now, transport);
        }
    }

    /// Sends a KeyUpdate if one is due and may go. One is never answered by a request for another: each side renews
    /// its keys when they are worn.
    fn pay(&mut self, now: Instant, transport: &mut Transport) {
        if !self.owed || self.awaited != Awaited::Nothing {
            return;
        }
        self.owed = false;
        if self.own.epoch == LAST_EPOCH {
            return;
        }
        let mut body = Vec::new();
        KeyUpdate { requested: false }.write(&mut body);
        transport.begin_flight();
        transport.push(self.own.epoch, HandshakeType::KEY_UPDATE, body);
        transport.flush(now, Expects::Ack);
        self.awaited = Awaited::KeyUpdate;
    }
}

/// The last epoch that [`Epoch`] can count, 65,532 updates away. No traffic wears out so many keys.
const LAST_EPOCH: Epoch = Epoch(u16::MAX);

impl Generation {
    fn advance(&mut self) -> Result<(), Failure> {
        let next = self.epoch.0.checked_add(1).map(Epoch);
        self.epoch = next.ok_or(Failure::new(AlertDescription::UNEXPECTED_MESSAGE, "too many updates of keys"))?;
        self.secret = self.secret.next();
        Ok(())
    }
}

/// DTLS 1.2: neither side begins anew (RFC 8827 §6.5 forbids it); the connection goes on (RFC 5246 §7.2.2).
fn refuse_renegotiation(message: &Message, transport: &mut Transport) -> Result<(), Failure> {
    match message.kind {
        HandshakeType::HELLO_REQUEST | HandshakeType::CLIENT_HELLO if message.epoch == Epoch::FINISHED => {
            debug!("refused to renegotiate");
            let alert = Alert { fatal: false, description: AlertDescription::NO_RENEGOTIATION };
            transport.send_alert(alert);
            Ok(())
        }
        _ => Err(Failure::new(AlertDescription::UNEXPECTED_MESSAGE, "a handshake message behind the handshake")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use peerage_crypto::hash::Hash;
    use peerage_crypto::secret::Secret;

    use crate::schedule::dtls13::HandshakeSecrets;
    use crate::transport::Limits;

    fn at_the_end() -> (Rekeying, Transport) {
        let secrets = HandshakeSecrets::new(Hash::Sha256, &Secret::zero(32), &Hash::Sha256.digest(b"hellos"));
        let mut rekeying =
            Rekeying::new(Role::Server, CipherSuite::AES_128_GCM, secrets.server.next(), secrets.client.next());
        (rekeying.own.epoch, rekeying.peer.epoch) = (LAST_EPOCH, LAST_EPOCH);
        let timeout = core::time::Duration::from_secs(30);
        let limits = Limits { role: Role::Server, mtu: 1200, rtt: None, handshake_timeout: timeout };
        (rekeying, Transport::new(limits))
    }

    fn key_update(epoch: Epoch, requested: bool) -> Message {
        let mut body = Vec::new();
        KeyUpdate { requested }.write(&mut body);
        Message { kind: HandshakeType::KEY_UPDATE, seq: 9, epoch, body }
    }

    #[test]
    fn epochs_do_not_wrap() {
        let (mut rekeying, mut transport) = at_the_end();
        rekeying.update(Instant::ORIGIN, &mut transport);
        assert!(rekeying.awaited == Awaited::Nothing && transport.flight().count() == 0, "no update can follow");
        let failure = rekeying.handle(Instant::ORIGIN, &key_update(LAST_EPOCH, false), &mut transport).unwrap_err();
        assert_eq!(failure.alert, AlertDescription::UNEXPECTED_MESSAGE);
    }

    #[test]
    fn the_last_update_of_the_peer_is_not_answered_by_one_too_many() {
        let (mut rekeying, mut transport) = at_the_end();
        let before = Epoch(LAST_EPOCH.0 - 1);
        rekeying.peer.epoch = before;
        rekeying.handle(Instant::ORIGIN, &key_update(before, true), &mut transport).unwrap();
        assert_eq!(rekeying.peer.epoch, LAST_EPOCH);
        assert_eq!(transport.flight().count(), 0);
    }

    #[test]
    fn one_update_is_under_way_at_a_time_and_none_before_the_handshake_is_acknowledged() {
        let (_, mut transport) = at_the_end();
        let secrets = HandshakeSecrets::new(Hash::Sha256, &Secret::zero(32), &Hash::Sha256.digest(b"hellos"));
        let mut client =
            Rekeying::new(Role::Client, CipherSuite::AES_128_GCM, secrets.client.next(), secrets.server.next());
        transport.set_version(crate::suite::Version::Dtls13);
        transport.install_sealer(Epoch(3), Sealer::new13(CipherSuite::AES_128_GCM, &client.own.secret, Epoch(3)));
        client.update(Instant::ORIGIN, &mut transport);
        assert_eq!(transport.flight().count(), 0, "the server may not know the client's keys yet");
        client.acknowledged(Instant::ORIGIN, &mut transport);
        assert_eq!(transport.flight().count(), 1);
        client.update(Instant::ORIGIN, &mut transport);
        client.handle(Instant::ORIGIN, &key_update(Epoch::APPLICATION, true), &mut transport).unwrap();
        assert_eq!((transport.flight().count(), transport.sending_epoch()), (1, Epoch(3)));
        client.acknowledged(Instant::ORIGIN, &mut transport);
        assert_eq!(transport.sending_epoch(), Epoch(4), "new keys behind the acknowledgement");
    }

    #[test]
    fn a_malformed_ticket_is_refused() {
        let (mut rekeying, mut transport) = at_the_end();
        rekeying.role = Role::Client;
        let ticket =
            Message { kind: HandshakeType::NEW_SESSION_TICKET, body: vec![0; 9], ..key_update(LAST_EPOCH, false) };
        let failure = rekeying.handle(Instant::ORIGIN, &ticket, &mut transport).unwrap_err();
        assert_eq!(failure.alert, AlertDescription::DECODE_ERROR);
    }
}
