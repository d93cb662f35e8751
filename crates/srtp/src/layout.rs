//! Where the parts of RTP and RTCP packets lie.

use peerage_rtp::extension::block;
use peerage_rtp::numbers::{SequenceNumber, Ssrc};
use peerage_rtp::packet::raw;

/// The header of the first RTCP packet, which stays readable: it names the source.
pub(crate) const RTCP_CLEAR: usize = 8;
/// The bit beside the index of an RTCP packet that says that it is encrypted.
pub(crate) const ENCRYPTED: u32 = 1 << 31;

/// Offsets within the packet it was read from, and what protection needs of the fixed header. All of it is sent in the
/// clear, so that the layout of a packet is the same before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub ssrc: Ssrc,
    pub sequence: SequenceNumber,
    /// One past the last CSRC.
    pub csrcs_end: usize,
    /// The `defined by profile` field of the extension, if there is one.
    pub profile: Option<u16>,
    /// One past the last byte of the headers.
    pub header_len: usize,
}

impl Layout {
    /// The layout of `packet`; `None` if its version is not 2 or its headers are longer than it is.
    pub fn of(packet: &[u8]) -> Option<Self> {
        let header_len = raw::header_len(packet)?;
        let extension = raw::extension(packet);
        Some(Self {
            ssrc: raw::ssrc(packet)?,
            sequence: raw::sequence_number(packet)?,
            csrcs_end: extension.map_or(header_len, |(body, _)| body - block::HEADER_LEN),
            profile: extension.map(|(_, profile)| profile),
            header_len,
        })
    }

    /// Whether there are CSRCs.
    pub fn has_csrcs(&self) -> bool {
        self.csrcs_end > peerage_rtp::packet::HEADER_LEN
    }
}

/// The source of a control packet, compound or not; `None` if it is none.
pub(crate) fn rtcp_source(packet: &[u8]) -> Option<Ssrc> {
    let [first, _, _, _, ssrc @ ..] = packet.first_chunk::<RTCP_CLEAR>()?;
    (first >> 6 == 2).then_some(Ssrc(u32::from_be_bytes(*ssrc)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use peerage_testkit::codec::assert_refuses_truncation;

    #[test]
    fn parts_are_found_with_and_without_csrcs_and_extension() {
        let packet = [0x92, 96, 1, 2, 0, 0, 0, 0, 5, 6, 7, 8, 1, 1, 1, 1, 2, 2, 2, 2, 0xBE, 0xDE, 0, 1, 0x10, 7, 0, 0];
        let both = Layout {
            ssrc: Ssrc(0x0506_0708),
            sequence: SequenceNumber(0x0102),
            csrcs_end: 20,
            profile: Some(0xBEDE),
            header_len: 28,
        };
        assert_eq!(Layout::of(&packet), Some(both));
        assert!(both.has_csrcs());
        assert_refuses_truncation(&packet, |packet| Layout::of(packet).is_some());
        let mut plain = packet;
        plain[0] = 0x80;
        let plain = Layout::of(&plain).unwrap();
        assert_eq!((plain.csrcs_end, plain.profile, plain.header_len, plain.has_csrcs()), (12, None, 12, false));
        let mut other = packet;
        other[0] = 0x52;
        assert_eq!(Layout::of(&other), None);
    }

    #[test]
    fn the_source_of_a_control_packet_is_that_of_its_first() {
        let packet = [0x81, 201, 0, 1, 5, 6, 7, 8];
        assert_eq!(rtcp_source(&packet), Some(Ssrc(0x0506_0708)));
        assert_refuses_truncation(&packet, |packet| rtcp_source(packet).is_some());
        assert_eq!(rtcp_source(&[0xC1, 201, 0, 1, 5, 6, 7, 8]), None);
    }
}
