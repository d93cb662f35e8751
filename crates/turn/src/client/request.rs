//! Requests under way.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use peerage_base::rng::Rng;
use peerage_base::time::{Duration, Instant, earliest};
use peerage_stun::attribute::Attribute;
use peerage_stun::attribute::address::AddressFamily;
use peerage_stun::attribute::kind::AttributeType;
use peerage_stun::header::{Class, Method, TransactionId};
use peerage_stun::message::Message;
use peerage_stun::transaction::{Step, Timing, Transaction};
use peerage_stun::write::{Misuse, Writer};

use crate::channel::ChannelNumber;
use crate::client::auth::Challenge;
use crate::client::config::{Config, Families};

/// The IP protocol number of UDP.
const UDP: u8 = 17;
/// ADDITIONAL-ADDRESS-FAMILY as the drafts of RFC 8656 numbered it, and coturn up to 4.6 with them. Whoever does not
/// know it may ignore it.
const DRAFT_ADDITIONAL_FAMILY: AttributeType = AttributeType(0x8032);
/// Room for a request: the longest texts that the standard allows, and 16 peers.
const MAX_REQUEST: usize = 3072;
/// Most requests for permissions and channels under way: a burst that a home router's queue takes.
const MAX_OPEN: usize = 8;
/// How long an authentic answer may still come after one that is not: enough for the slowest usual path.
const GRACE: Duration = Duration::from_secs(1);

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Allocate,
    Refresh,
    /// A Refresh with lifetime 0.
    Delete,
    Permit(Vec<SocketAddr>),
    Bind {
        number: ChannelNumber,
        peer: SocketAddr,
    },
}

impl Kind {
    fn method(&self) -> Method {
        match self {
            Self::Allocate => Method::ALLOCATE,
            Self::Refresh | Self::Delete => Method::REFRESH,
            Self::Permit(_) => Method::CREATE_PERMISSION,
            Self::Bind { .. } => Method::CHANNEL_BIND,
        }
    }

    /// For logs: the peers stay out of them.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Allocate => "Allocate",
            Self::Refresh | Self::Delete => "Refresh",
            Self::Permit(_) => "CreatePermission",
            Self::Bind { .. } => "ChannelBind",
        }
    }

    /// Whether it is one of those whose number is limited.
    fn is_limited(&self) -> bool {
        matches!(self, Self::Permit(_) | Self::Bind { .. })
    }
}

/// Why a request brought nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// An error response.
    Code(u16, String),
    /// No response.
    Timeout,
    /// Only responses that are not authentic.
    Integrity,
    /// Somebody on the way takes part in the choice of algorithms.
    BidDown,
    /// No common algorithm.
    Algorithms,
}

impl Refusal {
    /// The code and the server's words. Where there are none, 408 says that no acceptable answer came.
    pub(crate) fn code(&self) -> (u16, &str) {
        match self {
            Self::Code(code, reason) => (*code, reason),
            _ => (408, ""),
        }
    }
}

/// A request that waits for its answer.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) kind: Kind,
    transaction: Transaction,
    /// Repetitions are the same bytes, whatever became of the nonce.
    bytes: Vec<u8>,
    /// The nonce it was signed with; `None`: not signed.
    pub(crate) generation: Option<u32>,
    /// How many nonces were called stale on its way.
    pub(crate) stale: u8,
    /// To be sent.
    due: bool,
    /// What it will have come to if nothing better arrives, and when to stop waiting for that; `None`: at the end of the
    /// transaction.
    doubt: Option<(Option<Instant>, Refusal)>,
}

impl Request {
    fn deadline(&self) -> Option<Instant> {
        earliest(self.transaction.poll_timeout(), self.doubt.as_ref().and_then(|(until, _)| *until))
    }

    /// Notes a refusal that nobody vouches for. It counts after a moment in which an authentic answer may come.
    pub(crate) fn doubt_soon(&mut self, now: Instant, refusal: Refusal) {
        if !matches!(self.doubt, Some((Some(_), _))) {
            self.doubt = Some((Some(now + GRACE), refusal));
        }
    }

    /// Notes a refusal that counts only if nothing better ever comes.
    pub(crate) fn doubt_late(&mut self, refusal: Refusal) {
        self.doubt.get_or_insert((None, refusal));
    }
}

/// All requests under way: few, and in the order they were made.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    list: Vec<Request>,
}

impl Requests {
    /// Begins a request. Its first transmission is due at once.
    pub(crate) fn begin(
        &mut self,
        now: Instant,
        kind: Kind,
        stale: u8,
        (config, challenge): (&Config, Option<&Challenge>),
        rng: &mut Rng,
    ) -> Result<(), Misuse> {
        let id = TransactionId::random(rng);
        let bytes = encode(&kind, config, challenge, id)?;
        let timing = if kind == Kind::Delete { parting(config) } else { config.request_timing() };
        let transaction = Transaction::new(id, kind.method(), timing, now);
        let generation = challenge.map(Challenge::generation);
        let mut request = Request { kind, transaction, bytes, generation, stale, due: false, doubt: None };
        request.due = request.transaction.handle_timeout(now) == Step::Transmit;
        self.list.push(request);
        Ok(())
    }

    /// The one that `response` answers.
    pub(crate) fn find(&mut self, response: &Message<'_>) -> Option<&mut Request> {
        self.list.iter_mut().find(|request| request.transaction.matches(response))
    }

    /// Takes the one that `response` answers out.
    pub(crate) fn take(&mut self, response: &Message<'_>) -> Option<Request> {
        let at = self.list.iter().position(|request| request.transaction.matches(response))?;
        Some(self.list.remove(at))
    }

    /// Lets time pass; answers one that is over, and what it came to.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Option<(Request, Refusal)> {
        let over = |request: &mut Request| {
            if request.doubt.as_ref().is_some_and(|(until, _)| until.is_some_and(|until| until <= now)) {
                return true;
            }
            match request.transaction.handle_timeout(now) {
                Step::Wait => false,
                Step::Transmit => {
                    request.due = true;
                    false
                }
                Step::TimedOut => true,
            }
        };
        let at = self.list.iter_mut().position(over)?;
        let mut request = self.list.remove(at);
        let refusal = request.doubt.take().map_or(Refusal::Timeout, |(_, refusal)| refusal);
        Some((request, refusal))
    }

    /// The next request to send.
    pub(crate) fn next_due(&mut self) -> Option<&[u8]> {
        let request = self.list.iter_mut().find(|request| request.due)?;
        request.due = false;
        Some(&request.bytes)
    }

    /// Whether another request for permissions or a channel may begin.
    pub(crate) fn has_room(&self) -> bool {
        self.list.iter().filter(|request| request.kind.is_limited()).count() < MAX_OPEN
    }

    /// Whether a request of that kind is under way.
    pub(crate) fn has(&self, kind: &Kind) -> bool {
        self.list.iter().any(|request| request.kind == *kind)
    }

    pub(crate) fn clear(&mut self) {
        self.list.clear();
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.list.iter().map(Request::deadline).fold(None, earliest)
    }
}

/// Nobody waits long for a farewell: the server ends the allocation by itself.
fn parting(config: &Config) -> Timing {
    let mut timing = config.request_timing();
    if config.reliable {
        timing.rto = Duration::from_secs(5);
    } else {
        timing.transmissions = timing.transmissions.min(3);
        timing.last_wait = timing.last_wait.min(4);
    }
    timing
}

fn encode(kind: &Kind, config: &Config, challenge: Option<&Challenge>, id: TransactionId) -> Result<Vec<u8>, Misuse> {
    let mut buf = [0; MAX_REQUEST];
    let mut writer = Writer::new(&mut buf, Class::Request, kind.method(), id);
    let lifetime = u32::try_from(config.lifetime.as_secs()).unwrap_or(u32::MAX).max(1);
    match kind {
        Kind::Allocate => {
            writer.attribute(&Attribute::RequestedTransport(UDP))?.attribute(&Attribute::Lifetime(lifetime))?;
            match config.families {
                Families::V4 => &mut writer,
                Families::V6 => writer.attribute(&Attribute::RequestedAddressFamily(AddressFamily::V6))?,
                Families::Both => writer
                    .attribute(&Attribute::AdditionalAddressFamily(AddressFamily::V6))?
                    .attribute(&Attribute::Unknown { kind: DRAFT_ADDITIONAL_FAMILY, value: &[2, 0, 0, 0] })?,
            };
        }
        Kind::Refresh => drop(writer.attribute(&Attribute::Lifetime(lifetime))?),
        Kind::Delete => drop(writer.attribute(&Attribute::Lifetime(0))?),
        Kind::Permit(peers) => {
            for peer in peers {
                writer.attribute(&Attribute::XorPeerAddress(*peer))?;
            }
        }
        Kind::Bind { number, peer } => {
            writer.attribute(&Attribute::ChannelNumber(number.to_wire()))?;
            writer.attribute(&Attribute::XorPeerAddress(*peer))?;
        }
    }
    if let Some(challenge) = challenge {
        challenge.sign(&config.username, &mut writer)?;
    }
    let len = writer.finish();
    Ok(buf.get(..len).unwrap_or_default().to_vec())
}
