//! The messages of ICE as bytes (RFC 8445 §7.1, §16).

use core::net::SocketAddr;

use peerage_base::path::Path;
use peerage_stun::attribute::Attribute;
use peerage_stun::attribute::dtls_in_stun::DtlsInStun;
use peerage_stun::attribute::dtls_in_stun_ack::DtlsInStunAck;
use peerage_stun::attribute::error_code::ErrorCode;
use peerage_stun::attribute::kind::AttributeType;
use peerage_stun::attribute::lists::UnknownAttributes;
use peerage_stun::credentials::Key;
use peerage_stun::header::{Class, Method, TransactionId};
use peerage_stun::write::{Misuse, Writer};
use smallvec::SmallVec;

use crate::attachment::{Load, MAX_ACKS, Written};
use crate::config::Role;

/// Unknown attribute types that a response names at most.
pub(crate) const MAX_UNKNOWN: usize = 8;

/// Lengths of MESSAGE-INTEGRITY and FINGERPRINT.
const SEALS: usize = 24 + 8;

/// What a check says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub id: TransactionId,
    pub username: &'a str,
    pub key: &'a Key,
    pub priority: u32,
    pub role: Role,
    pub tie_breaker: u64,
    pub use_candidate: bool,
    /// The value of a nomination that later ones override.
    pub nomination: Option<u32>,
    /// What it carries for the owner.
    pub load: Option<Load<'a>>,
}

/// What a request is answered with.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Success,
    BadRequest,
    RoleConflict,
    UnknownAttributes(SmallVec<[u16; MAX_UNKNOWN]>),
}

/// A response that waits to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub path: Path,
    pub id: TransactionId,
    /// The generation whose password it is authenticated with.
    pub generation: u32,
    pub answer: Answer,
    /// Whether the request carried something for the owner, or could have.
    pub carries: bool,
}

/// Writes a check.
pub(crate) fn write_request(buf: &mut [u8], request: &Request<'_>) -> Result<Written, Misuse> {
    let mut writer = Writer::new(buf, Class::Request, Method::BINDING, request.id);
    writer.attribute(&Attribute::Username(request.username))?;
    writer.attribute(&Attribute::Priority(request.priority))?;
    writer.attribute(&match request.role {
        Role::Controlling => Attribute::IceControlling(request.tie_breaker),
        Role::Controlled => Attribute::IceControlled(request.tie_breaker),
    })?;
    if request.use_candidate {
        writer.attribute(&Attribute::UseCandidate)?;
    }
    if let Some(value) = request.nomination {
        // A peer that knows it follows the latest nomination also to a pair of lower priority; others skip it.
        writer.attribute(&Attribute::Nomination(value))?;
    }
    let carried = write_load(&mut writer, request.load)?;
    writer.integrity(request.key)?.fingerprint()?;
    Ok(Written { len: writer.finish(), carried })
}

/// Writes a query to a STUN server.
pub(crate) fn write_query(buf: &mut [u8], id: TransactionId) -> Result<usize, Misuse> {
    let mut writer = Writer::new(buf, Class::Request, Method::BINDING, id);
    writer.fingerprint()?;
    Ok(writer.finish())
}

/// Writes a response to a request that came from `source`.
pub(crate) fn write_response(
    buf: &mut [u8],
    id: TransactionId,
    answer: &Answer,
    source: SocketAddr,
    key: &Key,
    load: Option<Load<'_>>,
) -> Result<Written, Misuse> {
    let class = if matches!(answer, Answer::Success) { Class::Success } else { Class::Error };
    let mut writer = Writer::new(buf, class, Method::BINDING, id);
    match answer {
        Answer::Success => writer.attribute(&Attribute::XorMappedAddress(source))?,
        Answer::BadRequest => writer.attribute(&Attribute::ErrorCode(ErrorCode::BAD_REQUEST))?,
        Answer::RoleConflict => writer.attribute(&Attribute::ErrorCode(ErrorCode::ROLE_CONFLICT))?,
        Answer::UnknownAttributes(types) => {
            let mut scratch = [0; 2 * MAX_UNKNOWN];
            let list = UnknownAttributes::collect(types.iter().map(|t| AttributeType(*t)), &mut scratch);
            writer.attribute(&Attribute::ErrorCode(ErrorCode::UNKNOWN_ATTRIBUTE))?;
            writer.attribute(&Attribute::UnknownAttributes(list))?
        }
    };
    let carried = write_load(&mut writer, load.filter(|_| class == Class::Success))?;
    writer.integrity(key)?.fingerprint()?;
    Ok(Written { len: writer.finish(), carried })
}

/// Writes what the message carries; a packet that leaves no room for what has to follow is left out.
fn write_load(writer: &mut Writer<'_>, load: Option<Load<'_>>) -> Result<bool, Misuse> {
    let Some(load) = load else { return Ok(false) };
    let mut scratch = [0; 4 * MAX_ACKS];
    let acks = DtlsInStunAck::collect(load.acks.iter().copied(), &mut scratch);
    // In this order, as Chromium does and the draft advises.
    writer.attribute(&Attribute::DtlsInStunAck(acks))?;
    let Some(packet) = load.packet.and_then(DtlsInStun::from_bytes) else { return Ok(false) };
    let fits = 4 + packet.as_bytes().len().next_multiple_of(4) + SEALS <= writer.remaining();
    writer.attribute(&Attribute::DtlsInStun(if fits { packet } else { DtlsInStun::NOTHING }))?;
    Ok(fits && !packet.as_bytes().is_empty())
}
