//! Packet chunks: statuses of packets next to each other, in 16 bits.
//!
//! ```text
//! | 0 | symbol (2) | length (13) |   as many packets of one status
//! | 1 0 | symbol (1), 14 times   |   each lost, or with a small delta
//! | 1 1 | symbol (2), 7 times    |
//! ```

/// Packets that a chunk of one-bit symbols tells of.
pub(super) const ONE_BIT: u16 = 14;
/// Packets that a chunk of two-bit symbols tells of.
pub(super) const TWO_BIT: u16 = 7;
/// Most packets that a run tells of.
pub(super) const MAX_RUN: u16 = 0x1FFF;

/// The status of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Symbol {
    /// Has not arrived.
    Lost,
    /// Has, with a delta of one byte.
    Small,
    /// Has, with a delta of two bytes.
    Large,
    /// Means nothing.
    Reserved,
}

impl Symbol {
    const fn of(bits: u16) -> Self {
        match bits & 3 {
            0 => Self::Lost,
            1 => Self::Small,
            2 => Self::Large,
            _ => Self::Reserved,
        }
    }
}

/// A chunk, whose top bits say how to read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk(u16);

impl Chunk {
    /// A run of no packets.
    pub(super) const EMPTY: Self = Self(0);

    pub(super) const fn parse(bytes: &[u8; 2]) -> Self {
        Self(u16::from_be_bytes(*bytes))
    }

    /// `len` packets of one status, [`MAX_RUN`] at most.
    pub(super) const fn run(symbol: Symbol, len: u16) -> Self {
        Self((symbol as u16) << 13 | len & MAX_RUN)
    }

    /// Up to 14 packets, none of them with a large delta.
    pub(super) fn one_bit(symbols: &[Symbol]) -> Self {
        let bits = |bits, (n, symbol): (usize, &Symbol)| bits | (*symbol as u16 & 1) << (13 - n);
        Self(symbols.iter().take(ONE_BIT.into()).enumerate().fold(0x8000, bits))
    }

    /// Up to seven packets.
    pub(super) fn two_bit(symbols: &[Symbol]) -> Self {
        let bits = |bits, (n, symbol): (usize, &Symbol)| bits | (*symbol as u16) << (12 - 2 * n);
        Self(symbols.iter().take(TWO_BIT.into()).enumerate().fold(0xC000, bits))
    }

    pub(super) const fn to_bytes(self) -> [u8; 2] {
        self.0.to_be_bytes()
    }

    /// Of how many packets it tells.
    pub(super) const fn len(self) -> u16 {
        match self.0 >> 14 {
            0 | 1 => self.0 & MAX_RUN,
            2 => ONE_BIT,
            _ => TWO_BIT,
        }
    }

    /// The status of packet `at`, counted from 0 and less than [`len`](Self::len).
    pub(super) const fn symbol(self, at: u16) -> Symbol {
        match self.0 >> 14 {
            0 | 1 => Symbol::of(self.0 >> 13),
            2 => Symbol::of((self.0 << 2).wrapping_shl(at as u32) >> 15),
            _ => Symbol::of((self.0 << 2).wrapping_shl(2 * at as u32) >> 14),
        }
    }

    /// How many packets from `at` on have arrived, or have not, as the first of them.
    pub(super) fn alike_from(self, at: u16) -> u16 {
        let is_lost = |at| self.symbol(at) == Symbol::Lost;
        match self.0 >> 14 {
            0 | 1 => self.len() - at,
            _ => (at..self.len()).take_while(|next| is_lost(*next) == is_lost(at)).count() as u16,
        }
    }

    /// How many bytes of deltas the first `len` packets have; `None` if one has a status that means nothing.
    pub(super) fn deltas_len(self, len: u16) -> Option<usize> {
        let bytes = |symbol| match symbol {
            Symbol::Reserved => None,
            symbol => Some(symbol as usize),
        };
        if self.0 & 0x8000 == 0 {
            return Some(bytes(self.symbol(0))? * usize::from(len));
        }
        (0..len).try_fold(0, |sum, at| Some(sum + bytes(self.symbol(at))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn symbols(chunk: Chunk) -> Vec<Symbol> {
        (0..chunk.len()).map(|at| chunk.symbol(at)).collect()
    }

    /// The figures of draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1.3 and §3.1.4.
    #[test]
    fn the_examples_of_the_draft_read() {
        let run = Chunk::parse(&[0x00, 0xDD]);
        assert_eq!((run.len(), run.symbol(0), run.alike_from(0)), (221, Symbol::Lost, 221));
        let run = Chunk::parse(&[0x60, 0x18]);
        assert_eq!((run.len(), run.symbol(23)), (24, Symbol::Reserved));
        let one_bit = Chunk::parse(&[0b1001_1111, 0b0001_1100]);
        let told: Vec<_> = symbols(one_bit).iter().map(|symbol| *symbol as u8).collect();
        assert_eq!(told, [0, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0]);
        let two_bit = Chunk::parse(&[0b1100_1101, 0b0101_0000]);
        let told: Vec<_> = symbols(two_bit).iter().map(|symbol| *symbol as u8).collect();
        assert_eq!(told, [0, 3, 1, 1, 1, 0, 0]);
    }

    #[test]
    fn chunks_are_read_as_made() {
        use Symbol::{Large, Lost, Small};
        let run = Chunk::run(Large, 8191);
        assert_eq!((run.len(), run.symbol(8190)), (8191, Large));
        let mixed = [Small, Lost, Lost, Small, Small, Lost, Small, Small, Small, Lost, Lost, Lost, Lost, Small];
        assert_eq!(symbols(Chunk::one_bit(&mixed)), mixed);
        let mixed = [Large, Lost, Small, Small, Large, Lost, Large];
        assert_eq!(symbols(Chunk::two_bit(&mixed)), mixed);
        assert_eq!(symbols(Chunk::two_bit(&mixed[..2])), [Large, Lost, Lost, Lost, Lost, Lost, Lost]);
    }

    #[test]
    fn stretches_without_packets_are_counted() {
        assert_eq!(Chunk::parse(&[0b1000_0100, 0b0000_0001]).alike_from(0), 3);
        assert_eq!(Chunk::parse(&[0b1000_0100, 0b0000_0001]).alike_from(4), 9);
        assert_eq!(Chunk::parse(&[0b1000_0000, 0]).alike_from(2), 12);
        assert_eq!(Chunk::run(Symbol::Lost, 100).alike_from(30), 70);
    }

    #[test]
    fn bytes_of_deltas_are_counted_as_far_as_told() {
        use Symbol::{Large, Lost, Small};
        assert_eq!(Chunk::two_bit(&[Large, Lost, Small, Large]).deltas_len(3), Some(3));
        assert_eq!(Chunk::two_bit(&[Large, Lost, Small, Large]).deltas_len(7), Some(5));
        assert_eq!(Chunk::run(Large, 8191).deltas_len(8191), Some(16_382));
        assert_eq!(Chunk::parse(&[0x60, 0x18]).deltas_len(1), None);
        assert_eq!(Chunk::parse(&[0xC0, 0x03]).deltas_len(7), None);
        assert_eq!(Chunk::parse(&[0xC0, 0x03]).deltas_len(6), Some(0));
    }
}
