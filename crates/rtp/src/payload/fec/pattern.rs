//! Which packets a repair packet protects.

/// Packets by their distance from the first, as bits: the top one is distance 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mask(pub u128);

/// Distances that a short, a middle and a long mask of FlexFEC end at.
const SHORT: u32 = 15;
const MIDDLE: u32 = SHORT + 31;

impl Mask {
    /// Adds a distance; `false` if it is beyond 127 or in already.
    pub fn insert(&mut self, distance: u16) -> bool {
        let bit = 1u128.checked_shl(127u32.wrapping_sub(distance.into())).unwrap_or(0);
        let is_new = bit != 0 && self.0 & bit == 0;
        self.0 |= bit;
        is_new
    }

    /// How many distances a mask must have room for.
    pub const fn span(self) -> u32 {
        128 - self.0.trailing_zeros()
    }

    /// The distances, ascending.
    pub fn distances(self) -> impl Iterator<Item = u16> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            let distance = rest.leading_zeros();
            rest &= !1u128.checked_shl(127u32.wrapping_sub(distance)).unwrap_or(0);
            u16::try_from(distance).ok().filter(|distance| *distance < 128)
        })
    }

    /// Bits `from..from + count`, at the low end.
    const fn field(self, from: u32, count: u32) -> u64 {
        ((self.0 << from) >> (128 - count)) as u64
    }

    const fn put(self, bits: u64, from: u32, count: u32) -> Self {
        Self(self.0 | (((bits as u128) << (128 - count)) >> from))
    }
}

/// Whether the bit before each part of a FlexFEC mask tells that it is the last, and whether the longest part has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flexible {
    /// RFC 8627 §4.2.2.1: set means that another part follows; the last has none.
    Final,
    /// Draft 03: set means that none follows.
    Draft03,
}

impl Flexible {
    /// Most distances.
    pub(crate) const fn capacity(self) -> u32 {
        match self {
            Self::Final => 110,
            Self::Draft03 => 109,
        }
    }

    /// Length of a mask in bytes.
    pub(crate) const fn size(mask: Mask) -> usize {
        let span = mask.span();
        if span <= SHORT {
            2
        } else if span <= MIDDLE {
            6
        } else {
            14
        }
    }

    /// Writes a mask to `out`, which is [`size`](Self::size) bytes long.
    pub(crate) fn write(self, mask: Mask, out: &mut [u8]) {
        let flag = |is_last: bool| u64::from(is_last == (self == Self::Draft03));
        let is_short = out.len() == 2;
        let parts = [
            ((flag(is_short) << 15) | mask.field(0, 15)) << 48,
            ((flag(out.len() == 6) << 31) | mask.field(SHORT, 31)) << 32,
            match self {
                Self::Final => mask.field(MIDDLE, 64),
                Self::Draft03 => (1 << 63) | mask.field(MIDDLE, 63),
            },
        ];
        let bytes = parts.iter().zip([2, 4, 8]).flat_map(|(part, len)| part.to_be_bytes().into_iter().take(len));
        out.iter_mut().zip(bytes).for_each(|(out, byte)| *out = byte);
    }

    /// Reads a mask and answers what follows it.
    pub(crate) fn read(self, bytes: &[u8]) -> Option<(Mask, &[u8])> {
        let is_last = |flag: bool| flag == (self == Self::Draft03);
        let (first, rest) = bytes.split_first_chunk()?;
        let first = u16::from_be_bytes(*first);
        let mask = Mask(0).put(u64::from(first & 0x7FFF), 0, 15);
        if is_last(first & 0x8000 != 0) {
            return Some((mask, rest));
        }
        let (second, rest) = rest.split_first_chunk()?;
        let second = u32::from_be_bytes(*second);
        let mask = mask.put(u64::from(second & 0x7FFF_FFFF), SHORT, 31);
        if is_last(second & 0x8000_0000 != 0) {
            return Some((mask, rest));
        }
        let (third, rest) = rest.split_first_chunk()?;
        let third = u64::from_be_bytes(*third);
        match self {
            Self::Final => Some((mask.put(third, MIDDLE, 64), rest)),
            Self::Draft03 => (third >> 63 == 1).then(|| (mask.put(third & (u64::MAX >> 1), MIDDLE, 63), rest)),
        }
    }
}

/// Which packets of a stream are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// These distances.
    Mask(Mask),
    /// So many, so far apart.
    Every {
        /// Distance between neighbours.
        step: u16,
        /// How many.
        count: u16,
    },
}

impl Pattern {
    /// Distances from the first packet.
    pub fn distances(self) -> impl Iterator<Item = u16> {
        let (mask, step, count) = match self {
            Self::Mask(mask) => (mask, 0, 0),
            Self::Every { step, count } => (Mask(0), step, count),
        };
        mask.distances().chain((0..count).map(move |n| n.wrapping_mul(step)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    fn mask(distances: &[u16]) -> Mask {
        let mut mask = Mask::default();
        assert!(distances.iter().all(|distance| mask.insert(*distance)));
        mask
    }

    #[test]
    fn distances_round_trip_in_both_flexible_forms() {
        for (form, longest) in [(Flexible::Final, 109), (Flexible::Draft03, 108)] {
            assert_eq!(form.capacity(), longest + 1);
            for distances in
                [&[0][..], &[0, 14], &[0, 15], &[0, 1, 45], &[0, 46], &[3, 14, 15, 45, 46, 47, 107, longest as u16]]
            {
                let mask = mask(distances);
                assert!(mask.distances().eq(distances.iter().copied()));
                let mut bytes = vec![0; Flexible::size(mask)];
                form.write(mask, &mut bytes);
                bytes.push(7);
                assert_eq!(form.read(&bytes), Some((mask, &[7][..])), "{distances:?}");
                for len in 0..bytes.len() - 1 {
                    assert_eq!(form.read(&bytes[..len]), None);
                }
            }
        }
    }

    #[test]
    fn the_forms_are_as_drawn() {
        let write = |form: Flexible, mask| {
            let mut bytes = vec![0; Flexible::size(mask)];
            form.write(mask, &mut bytes);
            bytes
        };
        assert_eq!(write(Flexible::Final, mask(&[0, 14])), [0x40, 0x01]);
        assert_eq!(write(Flexible::Draft03, mask(&[0, 14])), [0xC0, 0x01]);
        assert_eq!(write(Flexible::Final, mask(&[0, 15])), [0xC0, 0, 0x40, 0, 0, 0]);
        assert_eq!(write(Flexible::Draft03, mask(&[0, 15])), [0x40, 0, 0xC0, 0, 0, 0]);
        assert_eq!(write(Flexible::Final, mask(&[46])), [0x80, 0, 0x80, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(write(Flexible::Draft03, mask(&[46])), [0, 0, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Flexible::Draft03.read(&[0; 14]), None);
    }

    #[test]
    fn a_distance_is_inserted_once_and_within_bounds() {
        let mut mask = Mask::default();
        assert!(mask.insert(127) && !mask.insert(127) && !mask.insert(128) && !mask.insert(u16::MAX));
        assert_eq!((mask.span(), Mask::default().span()), (128, 0));
        assert!(Pattern::Every { step: 5, count: 3 }.distances().eq([0, 5, 10]));
        assert!(Pattern::Mask(mask).distances().collect::<Vec<_>>() == [127]);
    }
}
