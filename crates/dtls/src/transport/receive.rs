//! What comes in: records by epoch, fragments, alerts, application data (RFC 9147 §4.1, §4.2.1, §5.8.1).

use core::ops::Range;

use peerage_base::time::{Duration, Instant};
use tracing::{debug, trace};

use super::assembly::Taken;
use super::inbox::Inbox;
use super::{Expects, Input, Message, Phase, Transport};
use crate::alert::{Alert, AlertDescription, ParseError};
use crate::config::Role;
use crate::message::handshake_header::{Fragment, Fragments};
use crate::message::kind::HandshakeType;
use crate::protect::opener::{Opened, Refused};
use crate::suite::{Epoch, Version};
use crate::wire::ContentType;
use crate::wire::datagram::{Header, Records};
use crate::wire::number::RecordNumber;
use crate::wire::plaintext::{self, PlaintextHeader};

/// Most alerts, and most other facts, that wait to be read.
const MAX_ALERTS: usize = 4;
const MAX_INPUTS: usize = 8;
/// How long keys that an update replaced still open what was under way (RFC 9147 §4.2.1).
const REORDERING: Duration = Duration::from_secs(5);

impl Transport {
    /// Takes a datagram. Records are opened in place; where application data lies goes to `inbox`.
    pub(crate) fn handle_datagram(&mut self, now: Instant, payload: &mut [u8], inbox: &mut Inbox) {
        inbox.begin();
        self.drop_expired(now);
        let mut records = Records::new(payload);
        for record in records.by_ref() {
            if self.phase == Phase::Stopped {
                return;
            }
            self.handle_record(now, &record.header, record.bytes, Some(record.offset), inbox);
        }
        if !records.rest().is_empty() {
            self.counters.unexpected += 1;
        }
    }

    /// The next thing to know. Opens what came early and can be opened now.
    pub(crate) fn next_input(&mut self, now: Instant, inbox: &mut Inbox) -> Option<Input> {
        if core::mem::take(&mut self.early_is_due) {
            self.open_early(now, inbox);
        }
        if let Some(input) = self.inputs.pop_front() {
            if self.inputs.is_empty() {
                self.inputs.shrink_to_fit();
            }
            return Some(input);
        }
        if let Some(message) = self.assembly.pop() {
            self.delivered(now, &message);
            return Some(Input::Message(message));
        }
        self.alerts.pop_front().map(|(alert, authenticated)| Input::Alert { alert, authenticated })
    }

    fn open_early(&mut self, now: Instant, inbox: &mut Inbox) {
        while let Some((header, mut record)) = self.early.take(|header| self.epochs.opener(header).is_some()) {
            self.handle_record(now, &header, &mut record, None, inbox);
        }
        if self.phase == Phase::Released {
            self.early.clear();
        }
    }

    /// `offset` is where the record lies in the datagram, if it is not one that was held.
    #[inline]
    fn handle_record(
        &mut self,
        now: Instant,
        header: &Header,
        record: &mut [u8],
        offset: Option<usize>,
        inbox: &mut Inbox,
    ) {
        if let Header::Plaintext(header) = header
            && header.number.epoch == Epoch::PLAIN
        {
            return self.handle_plain(now, header, record.get(plaintext::LEN..).unwrap_or_default());
        }
        let Some(opener) = self.epochs.opener(header) else { return self.hold_early(now, header, record) };
        let opened = match opener.open(record) {
            Ok(opened) => opened,
            Err(refused) => {
                let is_spent = opener.is_spent();
                return self.refuse(refused, is_spent);
            }
        };
        let Opened { content_type, number, content } = opened;
        let data = record.get(content.clone()).unwrap_or_default();
        self.took_keys(now, number.epoch);
        if content_type == ContentType::APPLICATION_DATA {
            let range = offset.map(|offset| content.start + offset..content.end + offset);
            self.handle_data(number, data, range, inbox);
        } else {
            self.handle_protected(now, content_type, number, data);
        }
    }

    /// A record proved that the peer has the keys of `epoch`.
    #[inline]
    fn took_keys(&mut self, now: Instant, epoch: Epoch) {
        if self.version == Some(Version::Dtls13) {
            self.peer_has_keys = true;
            // The keys before an update go soon after the first record under the new ones (RFC 9147 §8).
            if epoch > Epoch::APPLICATION && self.epochs.has_predecessors(epoch) {
                let until = now + REORDERING;
                self.epochs.retire_openers_below(epoch, until);
                self.drop_at = Some(self.drop_at.map_or(until, |at| at.min(until)));
            }
        }
    }

    #[inline]
    fn handle_data(&mut self, number: RecordNumber, data: &[u8], range: Option<Range<usize>>, inbox: &mut Inbox) {
        if number.epoch == Epoch::HANDSHAKE || self.closed_at.is_some_and(|closed_at| number > closed_at) {
            self.counters.unexpected += 1;
            return;
        }
        let taken = match range {
            Some(range) => inbox.take(data, range),
            None => inbox.hold(data),
        };
        if taken {
            self.counters.opened += 1;
        } else {
            self.counters.data_full += 1;
        }
    }

    fn handle_protected(&mut self, now: Instant, content_type: ContentType, number: RecordNumber, content: &[u8]) {
        match content_type {
            ContentType::HANDSHAKE => self.handle_handshake(now, number, content),
            ContentType::ACK if self.version == Some(Version::Dtls13) => self.handle_ack(now, number.epoch, content),
            ContentType::ALERT => self.handle_alert(number, content),
            // A peer that has the keys knows which types there are (RFC 8446 §5), but none of them is worth an end here.
            _ => self.counters.unexpected += 1,
        }
    }

    fn handle_plain(&mut self, now: Instant, header: &PlaintextHeader, content: &[u8]) {
        match header.content_type {
            ContentType::HANDSHAKE if self.phase != Phase::Released => {
                self.handle_handshake(now, header.number, content);
            }
            // The epoch of a record says all that it could say.
            ContentType::CHANGE_CIPHER_SPEC if self.version != Some(Version::Dtls13) => {}
            _ if self.peer_has_keys || self.phase == Phase::Released => self.counters.plaintext += 1,
            ContentType::ALERT => self.handle_alert(header.number, content),
            ContentType::ACK if self.version != Some(Version::Dtls12) => self.handle_ack(now, Epoch::PLAIN, content),
            _ => self.counters.unexpected += 1,
        }
    }

    fn handle_alert(&mut self, number: RecordNumber, content: &[u8]) {
        let authenticated = number.epoch != Epoch::PLAIN;
        let Ok(alert) = Alert::parse(content) else {
            self.counters.unexpected += 1;
            return;
        };
        if authenticated && alert.description == AlertDescription::CLOSE_NOTIFY {
            self.closed_at = self.closed_at.or(Some(number));
        }
        let entry = (alert, authenticated);
        if self.alerts.contains(&entry) {
            return;
        }
        if self.alerts.len() < MAX_ALERTS {
            self.alerts.push_back(entry);
        } else if let Some(forged) = self.alerts.iter_mut().find(|(_, known)| authenticated && !known) {
            *forged = entry;
        } else {
            self.counters.full += 1;
        }
    }

    fn handle_handshake(&mut self, now: Instant, number: RecordNumber, content: &[u8]) {
        let (mut all, mut held, mut again, mut in_order) = (true, false, None, true);
        for fragment in Fragments::new(content) {
            let fragment = match fragment {
                Ok(fragment) => fragment,
                Err(error) => {
                    all = false;
                    self.blame(number.epoch, error);
                    break;
                }
            };
            match self.take_fragment(number, &fragment) {
                Taken::Held { in_order: next } => {
                    held = true;
                    in_order &= next;
                }
                Taken::Old => again = again.max(Some(u32::from(fragment.message_seq))),
                Taken::Dropped | Taken::Changed => all = false,
            }
        }
        if held {
            self.begin(now);
            self.owe(now, number, all, in_order);
        } else if let Some(seq) = again.filter(|_| all) {
            self.came_again(now, number, seq);
        }
    }

    fn take_fragment(&mut self, number: RecordNumber, fragment: &Fragment<'_>) -> Taken {
        let epoch = number.epoch;
        if self.asks_for_renegotiation(epoch, fragment) {
            let Fragment { kind, message_seq: seq, body, .. } = *fragment;
            self.report(Input::Message(Message { kind, seq, epoch, body: body.to_vec() }));
            return Taken::Dropped;
        }
        if u32::from(fragment.message_seq) >= self.assembly.first() && !self.may_come(fragment.kind, epoch) {
            if epoch == Epoch::PLAIN && self.peer_has_keys {
                self.counters.plaintext += 1;
            } else {
                self.counters.unexpected += 1;
            }
            return Taken::Dropped;
        }
        let taken = self.assembly.take(epoch, fragment);
        match taken {
            Taken::Held { .. } if fragment.kind == HandshakeType::CLIENT_HELLO => self.hello = Some(number.sequence),
            Taken::Held { .. } | Taken::Old => {}
            Taken::Dropped => self.counters.full += 1,
            Taken::Changed => {
                let reason = "a handshake message was changed when it came again";
                self.blame(epoch, ParseError { alert: AlertDescription::ILLEGAL_PARAMETER, reason });
            }
        }
        taken
    }

    /// In DTLS 1.2 a handshake may begin anew under keys, and its message numbers too (RFC 6347 §4.2.2).
    fn asks_for_renegotiation(&self, epoch: Epoch, fragment: &Fragment<'_>) -> bool {
        self.phase == Phase::Released
            && self.version == Some(Version::Dtls12)
            && epoch == Epoch::FINISHED
            && fragment.offset == 0
            && matches!(fragment.kind, HandshakeType::HELLO_REQUEST | HandshakeType::CLIENT_HELLO)
    }

    /// Whether a new message may come under an epoch.
    fn may_come(&self, kind: HandshakeType, epoch: Epoch) -> bool {
        let is_hello = match self.limits.role {
            Role::Client => kind == HandshakeType::SERVER_HELLO,
            Role::Server => kind == HandshakeType::CLIENT_HELLO,
        };
        let is_server = self.limits.role == Role::Server;
        match (self.version, epoch) {
            (Some(Version::Dtls13), Epoch::PLAIN) => is_hello && self.epochs.receiving() == Epoch::PLAIN,
            (Some(Version::Dtls13), Epoch::HANDSHAKE) => self.phase != Phase::Released && !is_hello,
            (Some(Version::Dtls13), epoch) => epoch >= Epoch::APPLICATION,
            // What follows the hello of DTLS 1.2 comes in the same datagram.
            (None, Epoch::PLAIN) if is_server => is_hello,
            (None, Epoch::PLAIN) => {
                ![HandshakeType::HELLO_REQUEST, HandshakeType::CLIENT_HELLO, HandshakeType::FINISHED].contains(&kind)
            }
            (Some(Version::Dtls12), Epoch::PLAIN) => kind != HandshakeType::FINISHED && !self.peer_has_keys,
            (Some(Version::Dtls12), Epoch::FINISHED) => {
                kind == HandshakeType::FINISHED && self.phase != Phase::Released
            }
            _ => false,
        }
    }

    /// Something new of the peer's flight came, so it may want to know (RFC 9147 §7.1).
    fn owe(&mut self, now: Instant, number: RecordNumber, all: bool, in_order: bool) {
        if self.version == Some(Version::Dtls12) {
            return;
        }
        if number.epoch != Epoch::PLAIN
            && let Some(flight) = self.flight.as_mut().filter(|flight| flight.expects == Expects::Reply)
        {
            // What comes under keys answers the flight, all of it. What comes in the clear may be forged and must not
            // keep it from being sent again.
            flight.answered = true;
        }
        if all {
            self.acks.note(number);
        }
        if number.epoch >= Epoch::APPLICATION {
            self.acks.at_once();
        } else if self.knows_acks() {
            // Out of order means lost more often than overtaken; a quarter of a round trip tells which.
            let part = if in_order { 4 } else { 8 };
            self.acks.by(now + self.timer.part(part));
        }
    }

    /// A record came of which all messages were delivered before.
    fn came_again(&mut self, now: Instant, number: RecordNumber, seq: u32) {
        trace!(?number, seq, "again");
        let is_answered = seq < self.answered_to;
        if self.version == Some(Version::Dtls13) {
            let waits = self.is_flight_outstanding();
            if number.epoch < Epoch::APPLICATION && is_answered && waits {
                if self.flight.as_ref().is_some_and(|flight| flight.is_untouched()) {
                    self.provoke(now);
                }
                return;
            }
            self.acks.note(number);
            if self.phase == Phase::Released {
                self.acks.at_once();
            } else {
                self.acks.by(now + self.timer.part(8));
            }
        } else if is_answered && (number.epoch != Epoch::PLAIN || self.phase != Phase::Released) {
            self.provoke(now);
        }
    }

    /// A record for which there are no keys.
    fn hold_early(&mut self, now: Instant, header: &Header, record: &[u8]) {
        let is_possible = match header {
            Header::Unified(header) => {
                self.version != Some(Version::Dtls12)
                    && (header.is_of(Epoch::HANDSHAKE) || header.is_of(Epoch::APPLICATION))
            }
            Header::Plaintext(header) => {
                self.version != Some(Version::Dtls13) && header.number.epoch == Epoch::FINISHED
            }
        };
        if !is_possible || matches!(self.phase, Phase::Idle | Phase::Released) {
            self.counters.unexpected += 1;
        } else if !self.early.hold(*header, record) {
            self.counters.full += 1;
        } else if self.knows_acks() {
            // It cannot be acknowledged, but an empty ACK says that something before it is missing (RFC 9147 §7.1).
            self.acks.by(now + self.timer.part(8));
        }
    }

    /// Whether the peer is known to understand ACKs. A client sees it before the ServerHello says so, from the first
    /// record that overtakes it.
    fn knows_acks(&self) -> bool {
        match self.version {
            Some(version) => version == Version::Dtls13,
            None => self.limits.role == Role::Client && self.early.has_unified(),
        }
    }

    fn delivered(&mut self, now: Instant, message: &Message) {
        if self.version == Some(Version::Dtls12) && message.kind == HandshakeType::FINISHED {
            self.peer_has_keys = true;
        }
        let Some(flight) = self.flight.as_mut().filter(|flight| flight.expects == Expects::Reply) else { return };
        if let Some(left_at) = flight.first_left_at.take() {
            self.timer.measure(now.since(left_at));
        }
        flight.answered = true;
    }

    fn refuse(&mut self, refused: Refused, is_spent: bool) {
        trace!(%refused, "dropped a record");
        match refused {
            Refused::Replayed | Refused::TooOld => self.counters.replayed += 1,
            Refused::Forged => self.counters.forged += 1,
            _ => self.counters.unexpected += 1,
        }
        if is_spent {
            self.report(Input::Spent);
        }
        if refused.is_by_peer() {
            let alert = AlertDescription::UNEXPECTED_MESSAGE;
            self.report(Input::Violation(ParseError { alert, reason: "a record without content" }));
        }
    }

    /// Bytes that make no sense. Under keys they are the peer's fault, in the clear anyone's.
    fn blame(&mut self, epoch: Epoch, error: ParseError) {
        debug!(%error, ?epoch, "malformed handshake");
        self.counters.unexpected += 1;
        if epoch != Epoch::PLAIN {
            self.report(Input::Violation(error));
        }
    }

    fn report(&mut self, input: Input) {
        if self.inputs.len() < MAX_INPUTS && !self.inputs.contains(&input) {
            self.inputs.push_back(input);
        }
    }
}
