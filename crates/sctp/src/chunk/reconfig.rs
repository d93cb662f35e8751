//! RE-CONFIG: stream reset and stream addition (RFC 6525 §3, §4).

use super::param::{self, Params};
use crate::error::ParseError;
use crate::numbers::{RequestNumber, StreamId, Tsn};
use alloc::vec::Vec;
use peerage_base::reader::Reader;

const OUTGOING_RESET: u16 = 13;
const INCOMING_RESET: u16 = 14;
const TSN_RESET: u16 = 15;
const RESPONSE: u16 = 16;
const ADD_OUTGOING: u16 = 17;
const ADD_INCOMING: u16 = 18;

/// Result of a request (RFC 6525 §4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome(pub u32);

impl Outcome {
    /// There was nothing to do.
    pub const NOTHING_TO_DO: Self = Self(0);
    /// Done.
    pub const PERFORMED: Self = Self(1);
    /// The responder does not do this.
    pub const DENIED: Self = Self(2);
    /// The responder has a request of its own under way.
    pub const ALREADY_IN_PROGRESS: Self = Self(4);
    /// The request number is not the expected one.
    pub const BAD_SEQUENCE_NUMBER: Self = Self(5);
    /// Data sent before the request is still missing.
    pub const IN_PROGRESS: Self = Self(6);
}

/// A stream list, possibly empty, which then means all streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamList<'a>(&'a [u8]);

impl<'a> StreamList<'a> {
    /// The streams in order.
    pub fn iter(&self) -> impl Iterator<Item = StreamId> + 'a {
        self.0.chunks_exact(2).map(|s| StreamId(u16::from_be_bytes([s[0], s[1]])))
    }

    /// Whether no stream is named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One parameter of a RE-CONFIG chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reconfig<'a> {
    /// The sender resets streams that it sends on (RFC 6525 §4.1).
    OutgoingReset {
        /// Number of this request.
        request: RequestNumber,
        /// Last TSN that the sender assigned before the reset.
        last_tsn: Tsn,
        /// The streams.
        streams: StreamList<'a>,
    },
    /// The sender asks the receiver to reset streams that the receiver sends on (RFC 6525 §4.2).
    IncomingReset {
        /// Number of this request.
        request: RequestNumber,
        /// The streams.
        streams: StreamList<'a>,
    },
    /// The sender will use more streams (RFC 6525 §4.5).
    AddOutgoing {
        /// Number of this request.
        request: RequestNumber,
        /// How many more.
        streams: u16,
    },
    /// A request that this implementation denies: SSN/TSN reset, and addition of incoming streams (RFC 6525 §4.3, §4.6).
    Other {
        /// Number of this request.
        request: RequestNumber,
    },
    /// The answer to a request (RFC 6525 §4.4).
    Response {
        /// Number of the request answered.
        request: RequestNumber,
        /// What became of it.
        outcome: Outcome,
    },
}

/// Reads the body of a RE-CONFIG chunk, which has one or two parameters; unknown ones are left out.
pub fn parse(body: &[u8]) -> impl Iterator<Item = Result<Reconfig<'_>, ParseError>> {
    Params::new(body).filter_map(|p| p.and_then(|p| read(p.kind, p.value)).transpose())
}

fn read(kind: u16, value: &[u8]) -> Result<Option<Reconfig<'_>>, ParseError> {
    let mut r = Reader::new(value);
    let mut read = || {
        Some(match kind {
            OUTGOING_RESET => {
                let request = RequestNumber(r.u32()?);
                r.u32()?;
                Reconfig::OutgoingReset { request, last_tsn: Tsn(r.u32()?), streams: StreamList(r.rest()) }
            }
            INCOMING_RESET => {
                Reconfig::IncomingReset { request: RequestNumber(r.u32()?), streams: StreamList(r.rest()) }
            }
            ADD_OUTGOING => Reconfig::AddOutgoing { request: RequestNumber(r.u32()?), streams: r.u16()? },
            TSN_RESET | ADD_INCOMING => Reconfig::Other { request: RequestNumber(r.u32()?) },
            _ => Reconfig::Response { request: RequestNumber(r.u32()?), outcome: Outcome(r.u32()?) },
        })
    };
    if !(OUTGOING_RESET..=ADD_INCOMING).contains(&kind) {
        return Ok(None);
    }
    read().map(Some).ok_or(ParseError::Truncated("RE-CONFIG parameter"))
}

/// Appends an outgoing reset request. `answered` is the peer's request that this one answers, or the last one seen.
pub fn write_outgoing_reset(
    request: RequestNumber,
    answered: RequestNumber,
    last_tsn: Tsn,
    streams: &[StreamId],
    out: &mut Vec<u8>,
) {
    let mut value = Vec::with_capacity(12 + 2 * streams.len());
    for field in [request.0, answered.0, last_tsn.0] {
        value.extend_from_slice(&field.to_be_bytes());
    }
    for stream in streams {
        value.extend_from_slice(&stream.0.to_be_bytes());
    }
    param::write(OUTGOING_RESET, &value, out);
}

/// Appends a response.
pub fn write_response(request: RequestNumber, outcome: Outcome, out: &mut Vec<u8>) {
    let mut value = [0; 8];
    value[..4].copy_from_slice(&request.0.to_be_bytes());
    value[4..].copy_from_slice(&outcome.0.to_be_bytes());
    param::write(RESPONSE, &value, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::RE_CONFIG;
    use crate::chunk::tests_support::chunk;

    #[test]
    fn a_captured_reset_request_reads_and_writes_the_same() {
        let (_, body) = chunk("re-config", RE_CONFIG);
        let all: Vec<_> = parse(body).map(Result::unwrap).collect();
        let [Reconfig::OutgoingReset { request, last_tsn, streams }] = all[..] else { panic!("{all:?}") };
        assert_eq!((request.0, last_tsn.0), (0xae8d_8239, 0xae8d_8255));
        let streams: Vec<_> = streams.iter().collect();
        assert_eq!(streams, [StreamId(4)]);
        let mut out = Vec::new();
        write_outgoing_reset(request, RequestNumber(0xbf74_f2a1), last_tsn, &streams, &mut out);
        assert_eq!(out[..body.len()], *body);
    }

    #[test]
    fn every_truncation_of_each_parameter_is_refused() {
        for (kind, least) in [
            (OUTGOING_RESET, 12),
            (INCOMING_RESET, 4),
            (TSN_RESET, 4),
            (RESPONSE, 8),
            (ADD_OUTGOING, 6),
            (ADD_INCOMING, 4),
        ] {
            for len in 0..12 {
                let mut body = Vec::new();
                param::write(kind, &[7; 12][..len], &mut body);
                assert_eq!(parse(&body).next().unwrap().is_ok(), len >= least, "{kind} with {len}");
            }
        }
    }

    #[test]
    fn a_response_round_trips_and_unknown_parameters_are_left_out() {
        let mut body = Vec::new();
        param::write(99, b"?", &mut body);
        write_response(RequestNumber(5), Outcome::IN_PROGRESS, &mut body);
        let all: Vec<_> = parse(&body).map(Result::unwrap).collect();
        assert_eq!(all, [Reconfig::Response { request: RequestNumber(5), outcome: Outcome::IN_PROGRESS }]);
    }
}
