//! ChannelData messages (RFC 8656 §12.4).
//!
//! ```text
//! | channel number (16) | length (16) | data ... |
//! ```
//!
//! On a stream the message is padded to a multiple of 4; the length does not count that.

use core::fmt;
use core::ops::Range;

/// Bytes in front of the data.
pub const HEADER: usize = 4;

/// Stands for one peer on the way between a client and its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelNumber(u16);

impl ChannelNumber {
    /// The lowest.
    pub const FIRST: Self = Self(0x4000);
    /// The highest that a client takes (RFC 8656 §12; what lies above belongs to other protocols, RFC 9443).
    pub const LAST: Self = Self(0x4FFF);
    /// The highest that a client of RFC 5766 §11 takes. The one in Debian's coturn draws from all of them; a server,
    /// whose port carries nothing else, can tell them apart as well.
    pub const LAST_OLD: Self = Self(0x7FFF);

    /// The channel of that number; `None` outside 0x4000 to 0x7FFF.
    pub const fn new(number: u16) -> Option<Self> {
        if number >= Self::FIRST.0 && number <= Self::LAST_OLD.0 { Some(Self(number)) } else { None }
    }

    /// The number on the wire.
    pub const fn to_wire(self) -> u16 {
        self.0
    }

    /// How far it lies behind the first: 0 to 4095, for one of an old client up to 16383.
    pub const fn index(self) -> usize {
        (self.0 - Self::FIRST.0) as usize
    }

    /// The channel that many behind the first, up to the last.
    pub fn at(index: usize) -> Option<Self> {
        let number = u16::try_from(index).ok()?.checked_add(Self::FIRST.0)?;
        Self::new(number).filter(|number| *number <= Self::LAST)
    }
}

impl fmt::Display for ChannelNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#06x}", self.0)
    }
}

/// Whether `packet` is to be taken for ChannelData among everything else that shares a socket (RFC 9443).
pub fn is_channel_data(packet: &[u8]) -> bool {
    packet.len() >= HEADER && packet[0] >> 4 == 4
}

/// The channel of a ChannelData message, and where its data lies.
///
/// `None` for everything else, and where the data is cut short. What follows the data is padding and does not count.
pub fn parse(packet: &[u8]) -> Option<(ChannelNumber, Range<usize>)> {
    let [a, b, c, d, rest @ ..] = packet else { return None };
    let number = ChannelNumber::new(u16::from_be_bytes([*a, *b]))?;
    let len = usize::from(u16::from_be_bytes([*c, *d]));
    (len <= rest.len()).then_some((number, HEADER..HEADER + len))
}

/// The header for `len` bytes of data; `None` if the length field cannot say so.
pub fn header(number: ChannelNumber, len: usize) -> Option<[u8; HEADER]> {
    let [a, b] = number.0.to_be_bytes();
    let [c, d] = u16::try_from(len).ok()?.to_be_bytes();
    Some([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::{ChannelNumber, header, is_channel_data, parse};

    #[test]
    fn only_numbers_of_the_range_are_channels() {
        for (number, valid) in [(0x3FFF, false), (0x4000, true), (0x4FFF, true), (0x7FFF, true), (0x8000, false)] {
            assert_eq!(ChannelNumber::new(number).map(ChannelNumber::to_wire), valid.then_some(number));
        }
        assert_eq!(ChannelNumber::at(0), Some(ChannelNumber::FIRST));
        assert_eq!(ChannelNumber::at(4095), Some(ChannelNumber::LAST));
        assert_eq!(ChannelNumber::at(4096), None);
        assert_eq!(ChannelNumber::at(usize::MAX), None);
        assert_eq!(ChannelNumber::LAST.index(), 4095);
    }

    #[test]
    fn a_header_reads_as_it_was_written() {
        let number = ChannelNumber::new(0x4123).unwrap();
        let mut packet = [0; 10];
        packet[..4].copy_from_slice(&header(number, 3).unwrap());
        assert_eq!(packet[..4], [0x41, 0x23, 0, 3]);
        // Three bytes of data, and what a stream pads them with.
        assert_eq!(parse(&packet[..8]), Some((number, 4..7)));
        assert_eq!(parse(&packet[..7]), Some((number, 4..7)));
        assert_eq!(header(number, 0x1_0000), None);
    }

    #[test]
    fn data_cut_short_is_refused_at_every_length() {
        let packet = [0x40, 0, 0, 2, 1, 2];
        for len in 0..packet.len() {
            assert_eq!(parse(&packet[..len]), None);
        }
        assert!(parse(&packet).is_some());
        assert_eq!(parse(&[0x40, 0, 0, 0]), Some((ChannelNumber::FIRST, 4..4)));
        assert_eq!(parse(&[0x80, 0, 0, 0]), None);
    }

    #[test]
    fn the_first_byte_tells_it_from_other_protocols() {
        for first in 0..=255 {
            assert_eq!(is_channel_data(&[first, 0, 0, 0]), (64..80).contains(&first));
        }
        assert!(!is_channel_data(&[0x40, 0, 0]));
    }
}
