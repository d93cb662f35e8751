//! What a client sends, by kind; and the answers to its requests.

use crate::channel;
use crate::server::Server;
use crate::server::access::{Proven, Refusal};
use crate::server::allocation::{Granted, Seal, State};
use crate::server::counters::Drop;
use crate::server::credentials::ROOM;
use crate::server::event::{Event, Forward, Transport};
use crate::server::names::Standing;
use crate::server::policy::canonical;
use core::net::SocketAddr;
use peerage_base::path::Path;
use peerage_base::time::{Duration, Instant};
use peerage_stun::attribute::Attribute;
use peerage_stun::attribute::error_code::ErrorCode;
use peerage_stun::attribute::kind::AttributeType;
use peerage_stun::attribute::lists::{PasswordAlgorithms, UnknownAttributes};
use peerage_stun::header::{Class, Method, TransactionId};
use peerage_stun::message::Message;
use peerage_stun::server::{is_reflector, respond_binding};
use peerage_stun::write::{Misuse, Writer};
use smallvec::SmallVec;
use tracing::debug;

/// Types that a 420 names at most.
const MAX_UNKNOWN: usize = 16;

/// A request whose sender is known.
pub(super) struct Call<'a> {
    pub(super) now: Instant,
    pub(super) path: Path,
    /// The client, in the one form.
    pub(super) client: SocketAddr,
    pub(super) message: Message<'a>,
    pub(super) proven: Proven,
    pub(super) terms: Terms,
}

/// For how long credentials are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    /// Whether for a new allocation.
    pub(super) may_allocate: bool,
    /// No allocation lives longer.
    pub(super) until: Option<Instant>,
}

/// What a request is answered with.
pub(super) enum Reply {
    /// Nothing yet, or nothing more.
    Later,
    /// Success, and nothing to say.
    Done,
    /// What is left of the allocation.
    Lifetime(Duration),
    /// The allocation of that index was made.
    Allocated(u32),
}

pub(super) type Outcome = Result<Reply, ErrorCode<'static>>;

impl Server {
    /// See [`Server::handle_client`].
    pub(super) fn receive(
        &mut self,
        now: Instant,
        transport: Transport,
        path: Path,
        payload: &[u8],
    ) -> Result<Option<Forward>, Drop> {
        if let Some((number, range)) = channel::parse(payload) {
            return self.channel_data(now, path, number, range).map(Some);
        }
        if !transport.is_stream() && is_reflector(path.remote.port()) {
            return Err(Drop::Port);
        }
        let Ok(message) = Message::parse(payload) else {
            self.garbage(transport, path);
            return Err(Drop::Malformed);
        };
        if message.has_fingerprint() && !message.check_fingerprint() {
            return Err(Drop::Fingerprint);
        }
        match (message.class(), message.method()) {
            (Class::Request, Method::BINDING) => self.binding(path, payload).map(|()| None),
            (Class::Request, Method::ALLOCATE | Method::REFRESH | Method::CREATE_PERMISSION | Method::CHANNEL_BIND) => {
                self.request(now, transport, path, message).map(|()| None)
            }
            (Class::Indication, Method::SEND) => self.send(now, path, &message).map(Some),
            // A client keeps its NAT binding by it (RFC 8489 §7.3.1).
            (Class::Indication, Method::BINDING) => Ok(None),
            _ => Err(Drop::Unexpected),
        }
    }

    /// Who cannot frame packets on a stream will not find the next one.
    fn garbage(&mut self, transport: Transport, path: Path) {
        let close = Event::Close(path);
        if transport.is_stream() && self.events.back() != Some(&close) {
            self.events.push_back(close);
        }
    }

    fn binding(&mut self, path: Path, request: &[u8]) -> Result<(), Drop> {
        if self.outbox.is_full() {
            return Err(Drop::Backlog);
        }
        let mut answered = false;
        self.outbox.push(path, |buf| {
            let len = respond_binding(request, path.remote, None, buf);
            answered = len.is_some();
            len
        });
        self.counters.bindings += u64::from(answered);
        answered.then_some(()).ok_or(Drop::Unexpected)
    }

    fn request(&mut self, now: Instant, transport: Transport, path: Path, message: Message<'_>) -> Result<(), Drop> {
        if self.outbox.is_full() {
            return Err(Drop::Backlog);
        }
        self.expire(now);
        let client = canonical(path.remote);
        let proven = match self.access.check(&message, client, self.clock.unix(now)) {
            Ok(proven) => proven,
            Err(refusal) => {
                return self.challenge(now, (!transport.is_stream()).then_some(client), path, &message, refusal);
            }
        };
        let terms = self.terms(now, &proven);
        let Some(terms) = terms.filter(|terms| terms.may_allocate || message.method() != Method::ALLOCATE) else {
            // The nonce proved the address: nobody else is hit by the answer.
            return self.challenge(now, None, path, &message, Refusal::Unauthenticated);
        };
        let call = Call { now, path, client, message, proven, terms };
        let mut scratch = [0; 2 * MAX_UNKNOWN];
        let unknown = UnknownAttributes::collect(not_understood(&message, self.config.dont_fragment), &mut scratch);
        if unknown.iter().next().is_some() {
            let more = [Attribute::UnknownAttributes(unknown)];
            self.refuse(path, &message, &call.proven.seal, ErrorCode::UNKNOWN_ATTRIBUTE, &more);
            return Ok(());
        }
        let outcome = match message.method() {
            Method::ALLOCATE => self.allocate(&call)?,
            Method::REFRESH => self.refresh(&call),
            Method::CREATE_PERMISSION => self.create_permission(&call),
            _ => self.channel_bind(&call),
        };
        self.conclude(&call, outcome);
        Ok(())
    }

    fn conclude(&mut self, call: &Call<'_>, outcome: Outcome) {
        let Call { path, message, proven, .. } = call;
        let id = message.transaction_id();
        match outcome {
            Ok(Reply::Later) => {}
            Ok(Reply::Done) => self.succeed(*path, message.method(), id, &proven.seal, &[]),
            Ok(Reply::Lifetime(left)) => {
                let left = Attribute::Lifetime(seconds(left));
                self.succeed(*path, message.method(), id, &proven.seal, &[left]);
            }
            Ok(Reply::Allocated(index)) => self.tell_allocated(index),
            Err(error) => self.refuse(*path, message, &proven.seal, error, &[]),
        }
    }

    /// How long the credentials are good: as long as their name is live, else until they expire. Names that are not of
    /// a room, which nobody calls live, may go on with what they have for one longest lifetime more.
    fn terms(&self, now: Instant, proven: &Proven) -> Option<Terms> {
        let expiry = proven.expiry.map(|expiry| self.clock.instant(Duration::from_secs(expiry)));
        match (self.names.standing(now, proven.name()), expiry) {
            (Standing::Revoked, _) => None,
            (Standing::Live(until), _) => Some(Terms { may_allocate: true, until: Some(until) }),
            (Standing::Unknown, None) => Some(Terms { may_allocate: true, until: None }),
            (Standing::Unknown, Some(expiry)) => {
                let room = proven.name().starts_with(ROOM);
                let until = if room { expiry } else { expiry + self.config.max_lifetime };
                (now < until).then_some(Terms { may_allocate: now < expiry, until: Some(until) })
            }
        }
    }

    /// Answers who is not believed: tersely, and to `forgeable` sources never more than they sent, or only so often.
    fn challenge(
        &mut self,
        now: Instant,
        forgeable: Option<SocketAddr>,
        path: Path,
        message: &Message<'_>,
        refusal: Refusal,
    ) -> Result<(), Drop> {
        let code = match refusal {
            Refusal::BadRequest => 400,
            Refusal::Unauthenticated => 401,
            Refusal::StaleNonce => 438,
        };
        let nonce = self.access.nonce(canonical(path.remote), self.clock.unix(now));
        let asks_for_more = [
            Attribute::Realm(self.access.realm()),
            Attribute::Nonce(nonce.as_str()),
            Attribute::PasswordAlgorithms(PasswordAlgorithms::SHA256_MD5),
        ];
        let more = if code == 400 { &[][..] } else { &asks_for_more };
        let error = [Attribute::ErrorCode(ErrorCode { code, reason: "" })];
        let challenges = &mut self.challenges;
        let mut refused = false;
        self.outbox.push(path, |buf| {
            let attributes = error.iter().chain(more);
            let head = Head { class: Class::Error, method: message.method(), id: message.transaction_id() };
            let len = write(buf, head, attributes, None, message.has_fingerprint()).ok()?;
            let larger = len > message.as_bytes().len();
            let fits = forgeable.is_none_or(|source| !larger || challenges.allow(now, source.ip()));
            refused = fits;
            fits.then_some(len)
        });
        if !refused {
            return Err(Drop::Amplification);
        }
        self.counters.refuse(code);
        Ok(())
    }

    pub(super) fn refuse(
        &mut self,
        path: Path,
        message: &Message<'_>,
        seal: &Seal,
        error: ErrorCode<'static>,
        more: &[Attribute<'_>],
    ) {
        self.refuse_id(path, (message.method(), message.transaction_id()), seal, error, more);
    }

    pub(super) fn refuse_id(
        &mut self,
        path: Path,
        (method, id): (Method, TransactionId),
        seal: &Seal,
        error: ErrorCode<'static>,
        more: &[Attribute<'_>],
    ) {
        debug!(code = error.code, reason = error.reason, method = method.0, "refused");
        self.counters.refuse(error.code);
        let error = [Attribute::ErrorCode(error)];
        let head = Head { class: Class::Error, method, id };
        let attributes = error.iter().chain(more);
        self.outbox.push(path, |buf| write(buf, head, attributes, Some(seal), seal.fingerprint).ok());
    }

    fn succeed(&mut self, path: Path, method: Method, id: TransactionId, seal: &Seal, attributes: &[Attribute<'_>]) {
        let head = Head { class: Class::Success, method, id };
        self.outbox.push(path, |buf| write(buf, head, attributes, Some(seal), seal.fingerprint).ok());
    }

    /// The success response of an allocation, the same each time (RFC 8656 §7.2).
    pub(super) fn tell_allocated(&mut self, index: u32) {
        let Some(allocation) = self.allocations.at(index) else { return };
        let State::Live(Granted { lifetime, token, failure }) = allocation.state else { return };
        let mut attributes: SmallVec<[Attribute<'_>; 6]> = SmallVec::new();
        let addresses = allocation.halves.iter().flatten().filter_map(|half| half.address);
        attributes.extend(addresses.map(Attribute::XorRelayedAddress));
        attributes.push(Attribute::Lifetime(seconds(lifetime)));
        attributes.push(Attribute::XorMappedAddress(canonical(allocation.path.remote)));
        attributes.extend(token.map(Attribute::ReservationToken));
        attributes
            .extend(failure.map(|(family, code)| Attribute::AddressErrorCode(family, ErrorCode { code, reason: "" })));
        let head = Head { class: Class::Success, method: Method::ALLOCATE, id: allocation.id };
        let (path, seal) = (allocation.path, &allocation.seal);
        self.outbox.push(path, |buf| write(buf, head, &attributes, Some(seal), seal.fingerprint).ok());
    }
}

fn seconds(lifetime: Duration) -> u32 {
    u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX)
}

/// Required types that are unknown, or mean nothing to a relay (RFC 8489 §6.3.1).
pub(super) fn not_understood(message: &Message<'_>, dont_fragment: bool) -> impl Iterator<Item = AttributeType> {
    message.attributes().filter_map(move |attribute| {
        let understood = match attribute {
            Attribute::DontFragment => dont_fragment,
            Attribute::Username(_)
            | Attribute::Userhash(_)
            | Attribute::Realm(_)
            | Attribute::Nonce(_)
            | Attribute::PasswordAlgorithm(_)
            | Attribute::RequestedTransport(_)
            | Attribute::RequestedAddressFamily(_)
            | Attribute::EvenPort { .. }
            | Attribute::ReservationToken(_)
            | Attribute::Lifetime(_)
            | Attribute::XorPeerAddress(_)
            | Attribute::ChannelNumber(_)
            | Attribute::Data(_) => true,
            _ => !attribute.kind().is_required(),
        };
        (!understood).then(|| attribute.kind())
    })
}

/// What an answer says before its attributes.
#[derive(Clone, Copy)]
struct Head {
    class: Class,
    method: Method,
    id: TransactionId,
}

fn write<'a, 'v: 'a>(
    buf: &mut [u8],
    Head { class, method, id }: Head,
    attributes: impl IntoIterator<Item = &'a Attribute<'v>>,
    seal: Option<&Seal>,
    fingerprint: bool,
) -> Result<usize, Misuse> {
    let mut writer = Writer::new(buf, class, method, id);
    for attribute in attributes {
        writer.attribute(attribute)?;
    }
    match seal {
        Some(Seal { key, sha256: true, .. }) => writer.integrity_sha256(key).map(drop)?,
        Some(Seal { key, .. }) => writer.integrity(key).map(drop)?,
        None => {}
    }
    if fingerprint {
        writer.fingerprint()?;
    }
    Ok(writer.finish())
}
