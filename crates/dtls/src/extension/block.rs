//! The block of extensions at the end of a message.

use alloc::vec::Vec;

use peerage_base::reader::Reader;

use crate::alert::ParseError;
use crate::extension::kind::ExtensionType;
use crate::extension::vector;

/// Most extensions that are taken in one block. The most talkative of TLS clients send about twenty.
pub(crate) const MAX: usize = 64;

/// Extensions as they come: a type, two bytes of length and a body each (RFC 8446 §4.2). No type may come twice.
#[derive(Debug)]
pub(crate) struct Block<'a> {
    rest: Reader<'a>,
    seen: [ExtensionType; MAX],
    count: usize,
}

impl<'a> Block<'a> {
    /// Reads the block's length; the block must be the end of the message.
    pub(crate) fn last(r: &mut Reader<'a>) -> Result<Self, ParseError> {
        let body = vector::read16(r).filter(|_| r.is_empty());
        Ok(Self::new(body.ok_or(ParseError::decode("the extensions do not end with their message"))?))
    }

    pub(crate) const fn new(body: &'a [u8]) -> Self {
        Self { rest: Reader::new(body), seen: [ExtensionType(0); MAX], count: 0 }
    }

    pub(crate) fn next(&mut self) -> Result<Option<(ExtensionType, &'a [u8])>, ParseError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let kind = self.rest.u16().map(ExtensionType);
        let body = vector::read16(&mut self.rest);
        let (Some(kind), Some(body)) = (kind, body) else {
            return Err(ParseError::decode("an extension is cut off"));
        };
        let Some((free, seen)) = self.seen.get_mut(..=self.count).and_then(|seen| seen.split_last_mut()) else {
            return Err(ParseError::decode("more extensions than anybody sends"));
        };
        if seen.contains(&kind) {
            return Err(ParseError::illegal("an extension comes twice"));
        }
        *free = kind;
        self.count += 1;
        Ok(Some((kind, body)))
    }

    /// Whether the one that came last is the last of all.
    pub(crate) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }
}

/// Appends one extension.
pub(crate) fn write(out: &mut Vec<u8>, kind: ExtensionType, body: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&kind.0.to_be_bytes());
    vector::write16(out, body);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::AlertDescription;

    fn all(body: &[u8]) -> Result<usize, AlertDescription> {
        let mut block = Block::new(body);
        let mut count = 0;
        while block.next().map_err(|error| error.alert)?.is_some() {
            count += 1;
        }
        assert!(block.is_at_end());
        Ok(count)
    }

    fn many(count: u16) -> Vec<u8> {
        let mut out = Vec::new();
        (0..count).for_each(|kind| write(&mut out, ExtensionType(kind), |_| {}));
        out
    }

    #[test]
    fn extensions_come_in_any_order_and_once() {
        assert_eq!(all(&[0, 9, 0, 1, 7, 0, 8, 0, 0]), Ok(2));
        assert_eq!(all(&[]), Ok(0));
        assert_eq!(all(&[0, 9, 0, 0, 0, 8, 0, 0, 0, 9, 0, 0]), Err(AlertDescription::ILLEGAL_PARAMETER));
        // The first free place looks like type 0 that nobody sent.
        assert_eq!(all(&[0, 0, 0, 0]), Ok(1));
        assert_eq!(all(&[0, 0, 0, 0, 0, 0, 0, 0]), Err(AlertDescription::ILLEGAL_PARAMETER));
    }

    #[test]
    fn there_are_not_more_extensions_than_anybody_sends() {
        assert_eq!(all(&many(MAX as u16)), Ok(MAX));
        assert_eq!(all(&many(MAX as u16 + 1)), Err(AlertDescription::DECODE_ERROR));
        assert_eq!(all(&many(10_000)), Err(AlertDescription::DECODE_ERROR));
    }

    #[test]
    fn a_block_ends_with_its_message() {
        assert!(Block::last(&mut Reader::new(&[0, 4, 0, 9, 0, 0])).is_ok());
        for bad in [&[][..], &[0], &[0, 4, 0, 9, 0], &[0, 0, 0]] {
            assert_eq!(Block::last(&mut Reader::new(bad)).unwrap_err().alert, AlertDescription::DECODE_ERROR);
        }
    }
}
