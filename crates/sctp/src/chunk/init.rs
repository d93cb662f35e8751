//! INIT and INIT ACK (RFC 9260 §3.3.2, §3.3.3).
//!
//! ```text
//!  0                   2                   4
//! +---------------------------------------+
//! | initiate tag                          |
//! | advertised receiver window            |
//! | outbound streams  | inbound streams   |
//! | initial TSN                           |
//! | parameters                            |
//! ```

use super::param::{self, Params};
use super::{ECNE, FORWARD_TSN, I_DATA, I_FORWARD_TSN, INIT, RE_CONFIG, Unknown};
use crate::error::ParseError;
use crate::numbers::{Tag, Tsn};
use crate::packet::{CHUNK_HEADER_LEN, padded};
use alloc::vec::Vec;
use peerage_base::reader::Reader;

/// The alternate error detection method "DTLS" (RFC 9653 §7).
const DTLS_ERROR_DETECTION: u32 = 1;
/// Unrecognized parameters are reported back up to this many bytes; more would only serve amplification.
const MAX_REPORTED: usize = 512;
/// Bytes of the body before its parameters.
const FIXED_LEN: usize = 16;
/// A receiver window below this is none (RFC 9260 §3.3.2).
const MIN_WINDOW: u32 = 1500;

/// Most bytes of an INIT chunk in a description. Those of known stacks have 30 to 300.
pub const MAX_SIGNALLED_LEN: usize = 2048;

/// What an end can do beyond RFC 9260.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// Partial reliability (RFC 3758).
    pub forward_tsn: bool,
    /// Stream reconfiguration (RFC 6525).
    pub reconfig: bool,
    /// Accepts packets whose checksum is zero (RFC 9653).
    pub zero_checksum: bool,
    /// Tells of congestion marks (see [`ecne`](super::ecne)).
    pub ecn: bool,
    /// Interleaves messages (RFC 8260).
    pub interleaving: bool,
    /// Partial reliability of interleaved messages (RFC 8260 §2.3.1).
    pub i_forward_tsn: bool,
}

/// The fields of an INIT or INIT ACK chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Init<'a> {
    /// The tag that the receiver puts into its packets; never zero.
    pub tag: Tag,
    /// Advertised receiver window in bytes.
    pub window: u32,
    /// Streams that the sender wants to send on; never zero.
    pub outbound: u16,
    /// Streams that the sender takes; never zero.
    pub inbound: u16,
    /// TSN of the sender's first DATA chunk.
    pub tsn: Tsn,
    /// What the sender can do.
    pub extensions: Extensions,
    /// State cookie; stands in INIT ACK only.
    pub cookie: Option<&'a [u8]>,
}

/// A received INIT or INIT ACK, and the parameters to report as unrecognized (complete records with padding).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed<'a> {
    /// The fields.
    pub init: Init<'a>,
    /// Unrecognized parameters whose type asks for a report.
    pub unrecognized: Vec<u8>,
}

impl<'a> Init<'a> {
    /// Reads the body of an INIT or INIT ACK chunk.
    pub fn parse(body: &'a [u8]) -> Result<Parsed<'a>, ParseError> {
        let mut r = Reader::new(body);
        let mut fixed = || {
            Some(Self {
                tag: Tag(r.u32()?),
                window: r.u32()?,
                outbound: r.u16()?,
                inbound: r.u16()?,
                tsn: Tsn(r.u32()?),
                extensions: Extensions::default(),
                cookie: None,
            })
        };
        let mut init = fixed().ok_or(ParseError::Truncated("INIT"))?;
        if init.tag == Tag(0) || init.outbound == 0 || init.inbound == 0 {
            return Err(ParseError::Invalid("tag or number of streams in INIT"));
        }
        if init.window < MIN_WINDOW {
            return Err(ParseError::Invalid("receiver window in INIT"));
        }
        let mut unrecognized = Vec::new();
        for param in Params::new(r.rest()) {
            let param = param?;
            if init.take(param.kind, param.value) {
                continue;
            }
            let rule = Unknown::param(param.kind);
            if rule.report && unrecognized.len() + param.value.len() + 8 <= MAX_REPORTED {
                param::write(param.kind, param.value, &mut unrecognized);
            }
            if !rule.skip {
                break;
            }
        }
        Ok(Parsed { init, unrecognized })
    }

    /// Reads a whole INIT chunk with its header, as a description carries it (draft-hancke-tsvwg-snap-00 §3).
    ///
    /// # Errors
    /// Whatever would have such a chunk dropped if it came in a packet, and more than [`MAX_SIGNALLED_LEN`] bytes.
    pub fn parse_chunk(chunk: &'a [u8]) -> Result<Parsed<'a>, ParseError> {
        if chunk.len() > MAX_SIGNALLED_LEN {
            return Err(ParseError::Invalid("length of a signalled INIT"));
        }
        let mut r = Reader::new(chunk);
        let mut header = || Some((r.u8()?, r.u8()?, usize::from(r.u16()?)));
        let (kind, _, len) = header().ok_or(ParseError::Truncated("INIT"))?;
        if kind != INIT {
            return Err(ParseError::Invalid("type of a signalled INIT"));
        }
        let body = chunk.get(CHUNK_HEADER_LEN..len).ok_or(ParseError::Truncated("INIT"))?;
        // Nothing but padding may follow.
        if chunk.len() > padded(len) {
            return Err(ParseError::Invalid("length of a signalled INIT"));
        }
        Self::parse(body)
    }

    /// The whole chunk with its header, for a description.
    pub fn to_chunk(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(48);
        out.extend_from_slice(&[INIT, 0, 0, 0]);
        self.write(&[], &mut out);
        let len = u16::try_from(out.len()).unwrap_or(u16::MAX);
        out[2..CHUNK_HEADER_LEN].copy_from_slice(&len.to_be_bytes());
        out
    }

    /// Appends the body of the chunk. `unrecognized` holds complete parameters of the peer to be reported to it.
    pub fn write(&self, unrecognized: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.tag.0.to_be_bytes());
        out.extend_from_slice(&self.window.to_be_bytes());
        out.extend_from_slice(&self.outbound.to_be_bytes());
        out.extend_from_slice(&self.inbound.to_be_bytes());
        out.extend_from_slice(&self.tsn.0.to_be_bytes());
        if let Some(cookie) = self.cookie {
            param::write(param::STATE_COOKIE, cookie, out);
        }
        let mut chunks = Vec::with_capacity(5);
        if self.extensions.reconfig {
            chunks.push(RE_CONFIG);
        }
        if self.extensions.forward_tsn {
            param::write(param::FORWARD_TSN_SUPPORTED, &[], out);
            chunks.push(FORWARD_TSN);
        }
        if self.extensions.ecn {
            chunks.push(ECNE);
        }
        if self.extensions.interleaving {
            chunks.push(I_DATA);
        }
        if self.extensions.i_forward_tsn {
            chunks.push(I_FORWARD_TSN);
        }
        if !chunks.is_empty() {
            param::write(param::SUPPORTED_EXTENSIONS, &chunks, out);
        }
        if self.extensions.zero_checksum {
            param::write(param::ZERO_CHECKSUM, &DTLS_ERROR_DETECTION.to_be_bytes(), out);
        }
        for param in Params::new(unrecognized).flatten() {
            let mut record = Vec::new();
            param::write(param.kind, param.value, &mut record);
            param::write(param::UNRECOGNIZED, &record, out);
        }
        // The padding of the last parameter is the chunk's and does not count (RFC 9260 §3.2).
        let padding = Params::new(&out[start + FIXED_LEN..]).flatten().last().map_or(0, |last| last.padding());
        out.truncate(out.len() - padding);
    }

    /// Takes a parameter; `false` if its type is unknown.
    fn take(&mut self, kind: u16, value: &'a [u8]) -> bool {
        match kind {
            param::STATE_COOKIE => self.cookie = Some(value),
            param::FORWARD_TSN_SUPPORTED => self.extensions.forward_tsn = true,
            param::SUPPORTED_EXTENSIONS => {
                self.extensions.forward_tsn |= value.contains(&FORWARD_TSN);
                self.extensions.reconfig |= value.contains(&RE_CONFIG);
                self.extensions.ecn |= value.contains(&ECNE);
                self.extensions.interleaving |= value.contains(&I_DATA);
                self.extensions.i_forward_tsn |= value.contains(&I_FORWARD_TSN);
            }
            param::ZERO_CHECKSUM => {
                self.extensions.zero_checksum = value == DTLS_ERROR_DETECTION.to_be_bytes();
            }
            // IPv4 and IPv6 addresses, cookie preservative, host name, address types, and the peer's own reports: known,
            // and of no use over DTLS.
            5 | 6 | 8 | 9 | 11 | 12 => {}
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::INIT_ACK;
    use crate::chunk::tests_support::chunk;
    use alloc::vec;

    #[test]
    fn a_captured_init_of_usrsctp_reads() {
        let parsed = Init::parse(chunk("init", INIT).1).unwrap();
        let init = parsed.init;
        assert_eq!(init.tag, Tag(0xee8b_86d4));
        assert_eq!((init.window, init.outbound, init.inbound), (0x20000, 1000, 1000));
        assert_eq!(init.tsn, Tsn(0x480f_bd83));
        assert_eq!(init.extensions, Extensions { forward_tsn: true, reconfig: true, ..Extensions::default() });
        // RANDOM, CHUNKS, HMAC-ALGO and ECN are of the kind that is skipped without a word.
        assert!(parsed.unrecognized.is_empty());
    }

    #[test]
    fn a_captured_init_ack_carries_its_cookie() {
        let init = Init::parse(chunk("init-ack", INIT_ACK).1).unwrap().init;
        assert!(init.cookie.unwrap().starts_with(b"KAME-BSD 1.1"));
        assert_eq!(init.cookie.unwrap().len(), 256);
    }

    /// The INIT chunk of a=sctp-init as Chromium 156 writes it.
    const CHROME: [u8; 30] = [
        1, 0, 0, 0x1E, 0x2F, 0xB4, 0xD8, 0x52, 0x00, 0x50, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0x55, 0x64, 0x8E, 0xB7,
        0xC0, 0, 0, 4, 0x80, 0x08, 0, 6, 0x82, 0xC0,
    ];

    #[test]
    fn what_chrome_puts_into_its_description_reads_and_is_what_we_would_write() {
        let init = Init::parse_chunk(&CHROME).unwrap().init;
        assert_eq!((init.tag, init.tsn), (Tag(0x2FB4_D852), Tsn(0x5564_8EB7)));
        assert_eq!((init.window, init.outbound, init.inbound), (5 << 20, 65535, 65535));
        assert_eq!(init.extensions, Extensions { forward_tsn: true, reconfig: true, ..Extensions::default() });
        assert_eq!(init.to_chunk(), CHROME);
    }

    #[test]
    fn a_signalled_chunk_may_be_padded_and_is_otherwise_just_one_init() {
        let padded = [&CHROME[..], &[0, 0]].concat();
        assert_eq!(Init::parse_chunk(&padded), Init::parse_chunk(&CHROME));
        let changed = |at: usize, to: &[u8]| {
            let mut bytes = CHROME.to_vec();
            bytes[at..at + to.len()].copy_from_slice(to);
            bytes
        };
        let windows = [(8, 1499), (8, 0)].map(|(at, window): (_, u32)| changed(at, &window.to_be_bytes()));
        let others = [
            Vec::new(),
            changed(0, &[2]),
            changed(2, &[0, 0]),
            changed(2, &[0, 3]),
            changed(2, &[0, 19]),
            changed(2, &[0, 31]),
            changed(2, &[0, 27]),
            changed(4, &[0; 4]),
            changed(12, &[0; 2]),
            changed(14, &[0; 2]),
            changed(22, &[0, 3]),
            changed(22, &[0, 200]),
            [&padded[..], &[0]].concat(),
            [&changed(2, &[0xFF, 0xFC])[..], &[0; 70_000]].concat(),
        ];
        for bytes in windows.iter().chain(&others) {
            assert!(Init::parse_chunk(bytes).is_err(), "{bytes:02x?}");
        }
        assert!(Init::parse_chunk(&changed(8, &1500_u32.to_be_bytes())).is_ok());
        for len in 0..CHROME.len() {
            assert!(Init::parse_chunk(&CHROME[..len]).is_err());
        }
    }

    #[test]
    fn a_signalled_chunk_is_read_up_to_a_length_that_no_stack_needs() {
        let with_filler = |len: usize| {
            let mut bytes = CHROME[..20].to_vec();
            param::write(0x8123, &vec![0; len - 24], &mut bytes);
            let told = u16::try_from(len).unwrap().to_be_bytes();
            bytes[2..4].copy_from_slice(&told);
            bytes
        };
        assert!(Init::parse_chunk(&with_filler(MAX_SIGNALLED_LEN)).is_ok());
        assert!(Init::parse_chunk(&with_filler(MAX_SIGNALLED_LEN + 4)).is_err());
    }

    #[test]
    fn what_is_written_reads_back() {
        let init = Init {
            tag: Tag(1),
            window: 2000,
            outbound: 3,
            inbound: 4,
            tsn: Tsn(5),
            extensions: Extensions {
                forward_tsn: true,
                reconfig: true,
                zero_checksum: true,
                ecn: true,
                interleaving: true,
                i_forward_tsn: true,
            },
            cookie: Some(b"crumbs"),
        };
        let mut out = Vec::new();
        init.write(&[0xC1, 0x23, 0, 5, 9, 0, 0, 0], &mut out);
        let parsed = Init::parse(&out).unwrap();
        assert_eq!(parsed.init, init);
        // The report stands as one Unrecognized Parameter.
        assert!(out.windows(9).any(|w| w == [0, 8, 0, 12, 0xC1, 0x23, 0, 5, 9]));
    }

    #[test]
    fn unknown_parameters_follow_their_high_bits() {
        let mut body = Vec::new();
        let base = Init {
            tag: Tag(1),
            window: 2000,
            outbound: 3,
            inbound: 4,
            tsn: Tsn(5),
            extensions: Extensions::default(),
            cookie: None,
        };
        base.write(&[], &mut body);
        let with = |kinds: &[u16]| {
            let mut bytes = body.clone();
            kinds.iter().for_each(|kind| param::write(*kind, b"v", &mut bytes));
            param::write(param::FORWARD_TSN_SUPPORTED, &[], &mut bytes);
            let parsed = Init::parse(&bytes).unwrap();
            (parsed.init.extensions.forward_tsn, parsed.unrecognized.len())
        };
        assert_eq!(with(&[0x8123]), (true, 0));
        assert_eq!(with(&[0xC123, 0xC124]), (true, 16));
        assert_eq!(with(&[0x3123]), (false, 0));
        assert_eq!(with(&[0x4123]), (false, 8));
        assert!(with(&[0xC123; 200]).1 <= MAX_REPORTED);
    }

    #[test]
    fn zero_tags_and_zero_streams_are_refused_and_so_is_every_truncation() {
        let (_, body) = chunk("init", INIT);
        for zeroed in [0..4, 8..10, 10..12] {
            let mut bytes = body.to_vec();
            bytes[zeroed].fill(0);
            assert!(Init::parse(&bytes).is_err());
        }
        let ends: Vec<usize> = (0..=body.len()).filter(|len| Init::parse(&body[..*len]).is_ok()).collect();
        assert!(ends.iter().all(|len| *len >= 16));
        assert!(ends.contains(&16) && ends.contains(&body.len()));
    }
}
