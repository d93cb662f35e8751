//! Certificate of DTLS 1.2.

use alloc::vec::Vec;

use peerage_base::reader::Reader;

use crate::alert::ParseError;
use crate::extension::list::{Item, List};
use crate::extension::vector::{self, exact};

/// Who one is (RFC 5246 §7.4.2, §7.4.6). Empty from a client without a certificate.
///
/// ```text
/// certificates 24+n, each: 24+n
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Certificate12<'a> {
    pub chain: List<'a, ChainItem<'a>>,
}

/// One certificate of a chain, in DER form and not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChainItem<'a>(pub &'a [u8]);

impl<'a> Certificate12<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        exact(body, "the Certificate is malformed", |r| Some(Self { chain: List::parse(vector::read24(r)?)? }))
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        vector::write24(out, |out| self.chain.write(out));
    }

    /// The peer's own certificate; the chain behind it proves nothing here.
    pub(crate) fn leaf(&self) -> Option<&'a [u8]> {
        self.chain.first().map(|item| item.0)
    }
}

impl<'a> Item<'a> for ChainItem<'a> {
    const MAX: usize = 16;

    fn read(r: &mut Reader<'a>) -> Option<Self> {
        vector::read24(r).filter(|der| !der.is_empty()).map(Self)
    }

    fn write(&self, out: &mut Vec<u8>) {
        vector::write24(out, |out| out.extend_from_slice(self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_has_bounds() {
        let parsed = |chain: &[ChainItem<'_>]| {
            let mut out = Vec::new();
            Certificate12 { chain: List::new(chain) }.write(&mut out);
            Certificate12::parse(&out).map(|message| message.chain.iter().count()).ok()
        };
        assert_eq!(parsed(&[]), Some(0));
        assert_eq!(parsed(&[ChainItem(&[1]); 16]), Some(16));
        assert_eq!(parsed(&[ChainItem(&[1]); 17]), None);
        assert_eq!(parsed(&[ChainItem(&[])]), None);
    }
}
