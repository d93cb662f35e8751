//! Audio levels of the contributing sources, from mixer to client (RFC 6465).

use super::element::Element;
use super::kind::Kind;

/// Most levels: there are no more contributing sources.
const MAX: usize = 15;

/// How loud each contributing source is, in the order of the packet's CSRCs.
#[derive(Clone, Copy, Debug)]
pub struct CsrcAudioLevels<'a>(&'a [u8]);

impl<'a> CsrcAudioLevels<'a> {
    /// Levels in decibels below the loudest possible, 0 to 127; `None` if there are none or more than 15.
    pub fn new(levels: &'a [u8]) -> Option<Self> {
        (1..=MAX).contains(&levels.len()).then_some(Self(levels))
    }

    /// The levels, 0 to 127.
    pub fn levels(&self) -> impl ExactSizeIterator<Item = u8> + use<'a> {
        self.0.iter().map(|byte| byte & 0x7F)
    }
}

impl PartialEq for CsrcAudioLevels<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.levels().eq(other.levels())
    }
}

impl<'a> Element<'a> for CsrcAudioLevels<'a> {
    const KIND: Kind = Kind::CsrcAudioLevels;

    fn parse(value: &'a [u8]) -> Option<Self> {
        Self::new(value)
    }

    fn size(&self) -> usize {
        self.0.len()
    }

    fn write(&self, out: &mut [u8]) {
        for (byte, level) in out.iter_mut().zip(self.levels()) {
            *byte = level;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::tests_support::assert_wire;
    use std::vec::Vec;

    #[test]
    fn there_is_one_for_each_source() {
        assert_wire(&CsrcAudioLevels::new(&[1, 127, 0]).unwrap(), &[1, 127, 0]);
        assert!(CsrcAudioLevels::parse(&[]).is_none());
        assert!(CsrcAudioLevels::parse(&[0; 15]).is_some());
        assert!(CsrcAudioLevels::parse(&[0; 16]).is_none());
    }

    #[test]
    fn the_reserved_bit_is_ignored_and_sent_as_zero() {
        let levels = CsrcAudioLevels::parse(&[0x81]).unwrap();
        assert_eq!(levels.levels().collect::<Vec<_>>(), [1]);
        let mut out = [0xEE];
        levels.write(&mut out);
        assert_eq!(out, [1]);
    }
}
