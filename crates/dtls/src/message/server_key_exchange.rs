//! ServerKeyExchange.

use alloc::vec::Vec;

use peerage_base::reader::Reader;

use crate::alert::ParseError;
use crate::extension::list::Item;
use crate::extension::vector;
use crate::suite::{Group, SignatureScheme};

const NAMED_CURVE: u8 = 3;

/// A server's share of a key exchange in DTLS 1.2, signed (RFC 8422 §5.4).
///
/// ```text
/// params: curve_type 8, 3 | group 16 | share 8+n  || algorithm 16 | signature 16+n
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServerKeyExchange<'a> {
    pub params: EcdhParams<'a>,
    pub scheme: SignatureScheme,
    /// Over both randoms and the params.
    pub signature: &'a [u8],
}

/// What a server signs. There is one way to write it, so that what is written equals what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EcdhParams<'a> {
    pub group: Group,
    /// 1 to 255 bytes.
    pub share: &'a [u8],
}

impl<'a> ServerKeyExchange<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(body);
        if r.u8().is_some_and(|curve_type| curve_type != NAMED_CURVE) {
            return Err(ParseError::illegal("the ServerKeyExchange has no named curve"));
        }
        let message = Self::read(&mut r).filter(|_| r.is_empty());
        message.ok_or(ParseError::decode("the ServerKeyExchange is malformed"))
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        self.params.write(out);
        self.scheme.write(out);
        vector::write16(out, |out| out.extend_from_slice(self.signature));
    }

    fn read(r: &mut Reader<'a>) -> Option<Self> {
        let group = Item::read(r)?;
        let share = vector::read8(r).filter(|share| !share.is_empty())?;
        Some(Self { params: EcdhParams { group, share }, scheme: Item::read(r)?, signature: vector::read16(r)? })
    }
}

impl EcdhParams<'_> {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(NAMED_CURVE);
        self.group.write(out);
        vector::write8(out, |out| out.extend_from_slice(self.share));
    }

    /// What is signed: both randoms, then the params (RFC 8422 §5.4).
    pub(crate) fn signed(&self, client_random: &[u8; 32], server_random: &[u8; 32]) -> Vec<u8> {
        let mut signed = Vec::with_capacity(64 + 4 + self.share.len());
        signed.extend_from_slice(client_random);
        signed.extend_from_slice(server_random);
        self.write(&mut signed);
        signed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::AlertDescription;

    #[test]
    fn a_curve_has_a_name() {
        let alert = |body: &[u8]| ServerKeyExchange::parse(body).err().map(|error| error.alert);
        assert_eq!(alert(&[3, 0, 0x1D, 1, 7, 4, 3, 0, 1, 9]), None);
        for explicit in [1, 2, 0, 255] {
            let body = [explicit, 0, 0x1D, 1, 7, 4, 3, 0, 1, 9];
            assert_eq!(alert(&body), Some(AlertDescription::ILLEGAL_PARAMETER));
        }
        assert_eq!(alert(&[3, 0, 0x1D, 0, 4, 3, 0, 1, 9]), Some(AlertDescription::DECODE_ERROR), "an empty share");
        assert_eq!(alert(&[]), Some(AlertDescription::DECODE_ERROR));
    }
}
