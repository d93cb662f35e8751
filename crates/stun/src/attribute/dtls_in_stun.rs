//! META-DTLS-IN-STUN: a DTLS packet that a check or its answer carries (draft-hancke-webrtc-sped §4.2, number of libwebrtc).
//!
//! ```text
//! | one DTLS packet, or nothing |
//! ```

/// The first bytes of what a DTLS packet can begin with (RFC 9443 §3).
const DTLS: core::ops::RangeInclusive<u8> = 20..=63;

/// One DTLS packet; empty says that none is pending, and that such packets are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DtlsInStun<'a>(&'a [u8]);

impl<'a> DtlsInStun<'a> {
    /// Says that no packet is pending.
    pub const NOTHING: DtlsInStun<'static> = DtlsInStun(&[]);

    /// The packet; `None` if the bytes are neither empty nor begin as DTLS does.
    pub fn from_bytes(value: &'a [u8]) -> Option<Self> {
        value.first().is_none_or(|first| DTLS.contains(first)).then_some(Self(value))
    }

    /// The packet, or nothing.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::DtlsInStun;
    use crate::attribute::Attribute;
    use crate::attribute::kind::AttributeType;
    use crate::header::TransactionId;

    #[test]
    fn a_packet_begins_as_dtls_does_or_is_empty() {
        for first in 0..=255_u8 {
            let bytes = [first, 0xFE, 0xFD];
            assert_eq!(DtlsInStun::from_bytes(&bytes).is_some(), (20..=63).contains(&first), "{first}");
        }
        assert_eq!(DtlsInStun::from_bytes(&[]), Some(DtlsInStun::NOTHING));
    }

    #[test]
    fn anything_else_is_an_unknown_attribute_that_may_be_ignored() {
        let (kind, value) = (AttributeType(0xC070), &[0x80, 0x60, 0][..]);
        let parsed = Attribute::parse(kind, value, &TransactionId([7; 12]));
        assert_eq!(parsed, Some(Attribute::Unknown { kind, value }));
        assert!(!kind.is_required());
    }
}
