//! Receiver estimated maximum bit rate (draft-alvestrand-rmcat-remb-03): what browsers without transport feedback speak.
//!
//! ```text
//! | R E M B                                         |
//! | sources (8) | exponent (6) | mantissa (18)      |
//! | SSRC                                            |   per source
//! ```

use super::feedback::{self, Feedback, payload};
use super::header::PacketType;
use super::rate;
use super::write::Writer;
use crate::error::ParseError;
use crate::numbers::Ssrc;
use peerage_base::reader::Reader;

const NAME: [u8; 4] = *b"REMB";
/// Bits of the mantissa.
const MANTISSA_BITS: u32 = 18;
/// Most sources: eight bits count them.
const MAX_SOURCES: usize = 255;

/// A receiver's estimate of the rate that the path bears for some streams together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remb<'a> {
    /// Who estimates.
    pub sender: Ssrc,
    /// Bits per second.
    pub rate: u64,
    sources: &'a [[u8; 4]],
}

impl<'a> Remb<'a> {
    /// Whether an application's feedback is of this kind.
    pub(super) fn is(feedback: &Feedback<'_>) -> bool {
        feedback.fci.starts_with(&NAME)
    }

    /// Reads the control information.
    pub(super) fn parse(feedback: &Feedback<'a>) -> Result<Self, ParseError> {
        let mut r = Reader::new(feedback.fci);
        let mut read = || {
            let (_name, bits) = (r.u32()?, r.u32()?);
            Some((bits, r.bytes(4 * (bits >> 24) as usize)?.as_chunks().0))
        };
        let (bits, sources) = read().ok_or(ParseError::Truncated("REMB"))?;
        let rate = rate::unpack((bits >> 18 & 0x3F) as u8, bits & 0x3_FFFF).ok_or(ParseError::Invalid("REMB"))?;
        Ok(Self { sender: feedback.sender, rate, sources })
    }

    /// The streams.
    pub fn sources(&self) -> impl ExactSizeIterator<Item = Ssrc> + Clone + use<'a> {
        self.sources.iter().map(|word| Ssrc(u32::from_be_bytes(*word)))
    }
}

/// Appends an estimate for `sources`, 255 at most; `false`, and nothing changes, if it does not fit. `rate` is rounded down to
/// 18 bits.
#[must_use]
pub fn write(writer: &mut Writer<'_, '_>, sender: Ssrc, rate: u64, sources: &[Ssrc]) -> bool {
    if sources.len() > MAX_SOURCES {
        return false;
    }
    let (format, len) = (payload::APPLICATION, 8 + 4 * sources.len());
    let Some(fci) = feedback::write(writer, PacketType::PAYLOAD_FEEDBACK, format, (sender, Ssrc(0)), len) else {
        return false;
    };
    let (exponent, mantissa) = rate::pack(rate, MANTISSA_BITS);
    let bits = (sources.len() as u32) << 24 | u32::from(exponent) << 18 | mantissa;
    fci[..4].copy_from_slice(&NAME);
    fci[4..8].copy_from_slice(&bits.to_be_bytes());
    for (out, source) in fci[8..].chunks_exact_mut(4).zip(sources) {
        out.copy_from_slice(&source.0.to_be_bytes());
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::compound::Compound;
    use crate::rtcp::packet::Packet;
    use crate::rtcp::tests_support::{assert_refuses_shorter_than, parse, written};

    #[test]
    fn an_estimate_is_read_as_written() {
        let sources = [Ssrc(2), Ssrc(0x0304_0506)];
        let bytes = written(|writer| assert!(write(writer, Ssrc(1), 0x3_FB93 * 2, &sources)));
        let expected = b"\x8F\xCE\0\x06\0\0\0\x01\0\0\0\0REMB\x02\x07\xFB\x93\0\0\0\x02\x03\x04\x05\x06";
        assert_eq!(bytes[..], expected[..]);
        let Packet::Remb(remb) = parse(&bytes) else { panic!("not a REMB") };
        assert_eq!((remb.sender, remb.rate), (Ssrc(1), 0x3_FB93 * 2));
        assert!(remb.sources().eq(sources));
    }

    #[test]
    fn sources_that_are_missing_and_rates_that_cannot_be_are_refused() {
        let mut bytes = written(|writer| assert!(write(writer, Ssrc(1), 1, &[Ssrc(2)])));
        assert!(matches!(parse(&bytes), Packet::Remb(_)));
        // With fewer words than the name it is another application's.
        bytes[16] = 2;
        assert!(Compound::parse(&bytes).unwrap().packets().next().unwrap().is_err());
        bytes[16] = 1;
        bytes[17..20].fill(0xFF);
        assert!(Compound::parse(&bytes).unwrap().packets().next().unwrap().is_err());
        written(|writer| assert!(!write(writer, Ssrc(1), 1, &[Ssrc(2); 256])));
        let bytes = written(|writer| assert!(write(writer, Ssrc(1), u64::MAX, &[])));
        assert_refuses_shorter_than(&bytes, 12);
    }
}
