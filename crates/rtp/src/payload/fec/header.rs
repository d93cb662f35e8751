//! Headers of repair packets.
//!
//! ```text
//! | R | F | P X CC M PT recovery (14) | length recovery (16) | timestamp recovery (32) |   FlexFEC, and
//! | SN base (16) | mask (16, 48 or 112) |   per CSRC of the packet                          RFC 8627 §4.2.2.1
//! | SN base (16) | L (8) | D (8) |          per CSRC of the packet, if F                    RFC 8627 §4.2.2.2
//! | 1 (8) | reserved (24) | SSRC (32) | SN base (16) | mask (16, 48 or 112) |               draft 03
//!
//! | E | L | P X CC M PT recovery (14) | SN base (16) | timestamp recovery (32) |            RFC 5109 §7.3
//! | length recovery (16) | protection length (16) | mask (16, or 48 if L) |
//! ```

use super::pattern::{Flexible, Mask, Pattern};
use crate::error::ParseError;
use crate::numbers::{SequenceNumber, Ssrc};
use peerage_base::reader::Reader;

/// Most streams that one repair packet protects here.
pub const MAX_STREAMS: usize = 4;

/// Which layout repair packets have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// ULPFEC (RFC 5109), of which protection level 0 is used. Chromium and Firefox offer it inside RED.
    Ulp,
    /// FlexFEC by draft-ietf-payload-flexible-fec-scheme-03 (`flexfec-03`), as libwebrtc speaks it; it protects one stream.
    Flex03,
    /// FlexFEC (RFC 8627). The protected sources are the CSRCs of the repair packet.
    Flex,
}

/// Packets of one stream that are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protected {
    /// Their source.
    pub ssrc: Ssrc,
    /// The first of them.
    pub base: SequenceNumber,
    /// Which follow.
    pub pattern: Pattern,
}

/// Parity of the fields that headers have: the first two bytes, length beyond the fixed header, timestamp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields {
    pub(crate) first: u16,
    pub(crate) len: u16,
    pub(crate) timestamp: u32,
}

/// The two bits that stand where packets have their version.
const NOT_VERSION: u16 = 0x3FFF;

impl Scheme {
    /// Most packets between the first and the last that one repair packet protects, both included.
    pub const fn span(self) -> u32 {
        match self {
            Self::Ulp => 48,
            Self::Flex03 => Flexible::Draft03.capacity(),
            Self::Flex => Flexible::Final.capacity(),
        }
    }

    /// Bytes before the parity of what follows the fixed headers.
    pub(crate) const fn header_len(self, mask: Mask) -> usize {
        match self {
            Self::Ulp if mask.span() <= 16 => 14,
            Self::Ulp => 18,
            Self::Flex03 => 18 + Flexible::size(mask),
            Self::Flex => 10 + Flexible::size(mask),
        }
    }

    /// Writes a header to `out`, which is [`header_len`](Self::header_len) bytes long. `len` is that of the parity behind.
    pub(crate) fn write(self, fields: Fields, ssrc: Ssrc, base: SequenceNumber, mask: Mask, len: u16, out: &mut [u8]) {
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            out[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        let first = fields.first & NOT_VERSION;
        if self == Self::Ulp {
            let is_long = self.header_len(mask) == 18;
            put(&(first | (u16::from(is_long) << 14)).to_be_bytes());
            put(&base.0.to_be_bytes());
            put(&fields.timestamp.to_be_bytes());
            put(&fields.len.to_be_bytes());
            put(&len.to_be_bytes());
            return put(&mask.0.to_be_bytes()[..if is_long { 6 } else { 2 }]);
        }
        put(&first.to_be_bytes());
        put(&fields.len.to_be_bytes());
        put(&fields.timestamp.to_be_bytes());
        let form = if self == Self::Flex03 {
            put(&[1, 0, 0, 0]);
            put(&ssrc.0.to_be_bytes());
            Flexible::Draft03
        } else {
            Flexible::Final
        };
        put(&base.0.to_be_bytes());
        form.write(mask, &mut out[at..]);
    }

    /// Reads a header: parity of the fields, what is protected, and the parity of what follows the fixed headers.
    pub(crate) fn read(
        self,
        payload: &[u8],
        sources: impl IntoIterator<Item = Ssrc>,
    ) -> Result<(Fields, Streams, &[u8]), ParseError> {
        let mut r = Reader::new(payload);
        let mut sources = sources.into_iter();
        let read = match self {
            Self::Ulp => sources.next().and_then(|ssrc| read_ulp(&mut r, ssrc)),
            Self::Flex03 => read_flex_03(&mut r),
            Self::Flex => read_flex(&mut r, sources),
        };
        let (fields, streams) = read.ok_or(ParseError::Invalid("FEC header"))?;
        Ok((fields, streams, r.rest()))
    }
}

/// What a repair packet protects, stream by stream.
pub(crate) type Streams = [Option<Protected>; MAX_STREAMS];

fn read_ulp(r: &mut Reader<'_>, ssrc: Ssrc) -> Option<(Fields, Streams)> {
    let (first, base, timestamp, len) = (r.u16()?, r.u16()?, r.u32()?, r.u16()?);
    let protected = usize::from(r.u16()?);
    let digits = r.bytes(if first & 0x4000 != 0 { 6 } else { 2 })?;
    let mask = digits.iter().fold(0, |mask, byte| (mask << 8) | u128::from(*byte)) << (128 - 8 * digits.len());
    // What other levels protect lies behind.
    *r = Reader::new(r.rest().get(..protected)?);
    let fields = Fields { first: first & NOT_VERSION, len, timestamp };
    Some((fields, one(ssrc, SequenceNumber(base), Mask(mask))))
}

fn read_flex_03(r: &mut Reader<'_>) -> Option<(Fields, Streams)> {
    let (flags, fields) = Fields::read(r)?;
    let (streams, ssrc, base) = (r.u32()? >> 24, Ssrc(r.u32()?), SequenceNumber(r.u16()?));
    if flags != 0 || streams != 1 {
        return None;
    }
    Some((fields, one(ssrc, base, read_mask(r, Flexible::Draft03)?)))
}

fn read_flex(r: &mut Reader<'_>, sources: impl Iterator<Item = Ssrc>) -> Option<(Fields, Streams)> {
    let (flags, fields) = Fields::read(r)?;
    let mut streams = Streams::default();
    let mut count = 0;
    for ssrc in sources {
        let base = SequenceNumber(r.u16()?);
        let pattern = match flags {
            0 => Pattern::Mask(read_mask(r, Flexible::Final)?),
            1 => match (u16::from(r.u8()?), u16::from(r.u8()?)) {
                (0, _) => return None,
                (columns, 0 | 1) => Pattern::Every { step: 1, count: columns },
                (columns, rows) => Pattern::Every { step: columns, count: rows },
            },
            // A retransmission in the clothes of a repair packet (RFC 8627 §4.2.2.3): RTX does that.
            _ => return None,
        };
        *streams.get_mut(count)? = Some(Protected { ssrc, base, pattern });
        count += 1;
    }
    (count > 0).then_some((fields, streams))
}

fn read_mask(r: &mut Reader<'_>, form: Flexible) -> Option<Mask> {
    let (mask, rest) = form.read(r.rest())?;
    *r = Reader::new(rest);
    Some(mask)
}

fn one(ssrc: Ssrc, base: SequenceNumber, mask: Mask) -> Streams {
    let mut streams = Streams::default();
    streams[0] = Some(Protected { ssrc, base, pattern: Pattern::Mask(mask) });
    streams
}

impl Fields {
    /// The start of a FlexFEC header: its two flags, and the fields.
    fn read(r: &mut Reader<'_>) -> Option<(u16, Self)> {
        let (first, len, timestamp) = (r.u16()?, r.u16()?, r.u32()?);
        Some((first >> 14, Self { first: first & NOT_VERSION, len, timestamp }))
    }
}
