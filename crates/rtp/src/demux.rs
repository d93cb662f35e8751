//! RTP or RTCP, on the port that they share (RFC 5761 §4).

/// What a packet claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A media packet.
    Rtp,
    /// A control packet, or a compound of them.
    Rtcp,
}

impl Kind {
    /// What `packet` is by its first two bytes, sealed or not; `None` if it is neither.
    pub fn of(packet: &[u8]) -> Option<Self> {
        match packet {
            [0x80..=0xBF, 192..=223, ..] => Some(Self::Rtcp),
            [0x80..=0xBF, _, ..] => Some(Self::Rtp),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_byte_decides() {
        assert_eq!(Kind::of(&[0x80, 200]), Some(Kind::Rtcp));
        assert_eq!(Kind::of(&[0x81, 205]), Some(Kind::Rtcp));
        assert_eq!(Kind::of(&[0xBF, 223]), Some(Kind::Rtcp));
        assert_eq!(Kind::of(&[0x80, 191]), Some(Kind::Rtp));
        assert_eq!(Kind::of(&[0x90, 96]), Some(Kind::Rtp));
        assert_eq!(Kind::of(&[0x80, 0xE0]), Some(Kind::Rtp));
    }

    #[test]
    fn other_versions_and_scraps_are_neither() {
        for packet in [&[][..], &[0x80], &[0x00, 200], &[0x40, 96], &[0xC0, 96]] {
            assert_eq!(Kind::of(packet), None);
        }
    }
}
