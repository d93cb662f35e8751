//! META-DTLS-IN-STUN-ACK: which DTLS packets arrived (draft-hancke-webrtc-sped §4.3, number of libwebrtc).
//!
//! ```text
//! | CRC-32 of a packet (32) | ... at most four
//! ```
//!
//! The plain CRC-32 of the packet, without the mask that FINGERPRINT puts over its own.

/// Most packets that one list names.
pub const MAX_ACKS: usize = 4;

/// The CRC-32s of packets that arrived, in no order; none says that such packets are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DtlsInStunAck<'a>(&'a [u8]);

impl<'a> DtlsInStunAck<'a> {
    /// The list whose wire form is `value`; `None` if that is longer than four, or not a whole number of them.
    pub fn from_bytes(value: &'a [u8]) -> Option<Self> {
        (value.len() <= 4 * MAX_ACKS && value.len().is_multiple_of(4)).then_some(Self(value))
    }

    /// Writes `acks` into `scratch` and lends them as a list; what there is no room for is left out.
    pub fn collect(acks: impl IntoIterator<Item = u32>, scratch: &'a mut [u8; 4 * MAX_ACKS]) -> Self {
        let mut len = 0;
        for (place, ack) in scratch.chunks_exact_mut(4).zip(acks) {
            place.copy_from_slice(&ack.to_be_bytes());
            len += 4;
        }
        Self(&scratch[..len])
    }

    /// The CRC-32s.
    pub fn iter(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.0.as_chunks::<4>().0.iter().map(|bytes| u32::from_be_bytes(*bytes))
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.0.len() / 4
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::DtlsInStunAck;
    use crate::attribute::Attribute;
    use crate::attribute::kind::AttributeType;
    use crate::header::TransactionId;
    use alloc::vec::Vec;

    #[test]
    fn a_list_holds_four_at_most_and_whole_ones_only() {
        for len in 0..=32 {
            let bytes = [0xA1; 32];
            let fits = len <= 16 && len % 4 == 0;
            assert_eq!(DtlsInStunAck::from_bytes(&bytes[..len]).is_some(), fits, "{len}");
            let (kind, value) = (AttributeType(0xC071), &bytes[..len]);
            let unknown =
                matches!(Attribute::parse(kind, value, &TransactionId([7; 12])), Some(Attribute::Unknown { .. }));
            assert_eq!(unknown, !fits);
        }
    }

    #[test]
    fn what_is_collected_comes_back_without_what_is_too_much() {
        let mut scratch = [0; 16];
        let list = DtlsInStunAck::collect([1, 0xDEAD_BEEF, 3, 4, 5], &mut scratch);
        assert_eq!(list.iter().collect::<Vec<_>>(), [1, 0xDEAD_BEEF, 3, 4]);
        assert_eq!((list.len(), list.is_empty()), (4, false));
        let mut scratch = [0; 16];
        let none = DtlsInStunAck::collect([], &mut scratch);
        assert_eq!((none.len(), none.is_empty(), none.iter().count()), (0, true, 0));
    }
}
