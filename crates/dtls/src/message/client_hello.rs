//! ClientHello.

use alloc::vec::Vec;

use peerage_base::reader::Reader;

use crate::alert::ParseError;
use crate::extension::block::Block;
use crate::extension::client::ClientExtensions;
use crate::extension::list::List;
use crate::extension::vector;
use crate::suite::CipherSuite;

/// What a client can do (RFC 9147 §5.3, RFC 6347 §4.2.1).
///
/// ```text
/// legacy_version 16 | random 256 | session_id 8+n | cookie 8+n | cipher_suites 16+n | compression 8+n | extensions 16+n
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientHello<'a> {
    /// 0xFEFD from everybody who speaks DTLS 1.2 or more.
    pub legacy_version: u16,
    pub random: [u8; 32],
    /// At most 32 bytes.
    pub session_id: &'a [u8],
    /// That of a HelloVerifyRequest, given back. Empty in DTLS 1.3.
    pub cookie: &'a [u8],
    /// Not empty.
    pub cipher_suites: List<'a, CipherSuite>,
    /// Has 0, for none; nothing else in DTLS 1.3.
    pub compression: &'a [u8],
    pub extensions: ClientExtensions<'a>,
}

impl<'a> ClientHello<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(body);
        let mut hello = Self::read(&mut r).ok_or(ParseError::decode("the ClientHello is malformed"))?;
        if !hello.compression.contains(&0) {
            return Err(ParseError::illegal("the ClientHello wants compression"));
        }
        // A hello without extensions is one of DTLS 1.2 (RFC 5246 §7.4.1.2).
        if !r.is_empty() {
            hello.extensions = ClientExtensions::parse(Block::last(&mut r)?)?;
        }
        Ok(hello)
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.legacy_version.to_be_bytes());
        out.extend_from_slice(&self.random);
        vector::write8(out, |out| out.extend_from_slice(self.session_id));
        vector::write8(out, |out| out.extend_from_slice(self.cookie));
        self.cipher_suites.write16(out);
        vector::write8(out, |out| out.extend_from_slice(self.compression));
        vector::write16(out, |out| self.extensions.write(out));
    }

    fn read(r: &mut Reader<'a>) -> Option<Self> {
        Some(Self {
            legacy_version: r.u16()?,
            random: r.array()?,
            session_id: vector::read8(r).filter(|id| id.len() <= 32)?,
            cookie: vector::read8(r)?,
            cipher_suites: List::read16(r)?,
            compression: vector::read8(r)?,
            extensions: ClientExtensions::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::AlertDescription;

    fn hello(session_id: &[u8], suites: &[u8], compression: &[u8], tail: &[u8]) -> Vec<u8> {
        let mut out = [&[0xFE, 0xFD][..], &[7; 32]].concat();
        vector::write8(&mut out, |out| out.extend_from_slice(session_id));
        vector::write8(&mut out, |_| {});
        vector::write16(&mut out, |out| out.extend_from_slice(suites));
        vector::write8(&mut out, |out| out.extend_from_slice(compression));
        out.extend_from_slice(tail);
        out
    }

    fn alert(body: &[u8]) -> Option<AlertDescription> {
        ClientHello::parse(body).err().map(|error| error.alert)
    }

    #[test]
    fn a_hello_may_have_no_extensions_at_all() {
        let old = hello(&[], &[0xC0, 0x2B], &[0], &[]);
        assert_eq!(ClientHello::parse(&old).unwrap().extensions, ClientExtensions::default());
        assert_eq!(alert(&hello(&[], &[0xC0, 0x2B], &[0], &[0, 0])), None);
        assert_eq!(alert(&hello(&[], &[0xC0, 0x2B], &[0], &[0])), Some(AlertDescription::DECODE_ERROR));
    }

    #[test]
    fn every_field_has_its_bounds() {
        let suites = &[0xC0, 0x2B][..];
        assert_eq!(alert(&hello(&[1; 32], suites, &[1, 0], &[])), None);
        for bad in [
            hello(&[1; 33], suites, &[0], &[]),
            hello(&[], &[], &[0], &[]),
            hello(&[], &[0xC0], &[0], &[]),
            hello(&[], &alloc::vec![0; 2 * 513], &[0], &[]),
        ] {
            assert_eq!(alert(&bad), Some(AlertDescription::DECODE_ERROR));
        }
        for compressed in [&[][..], &[1], &[64, 1]] {
            assert_eq!(alert(&hello(&[], suites, compressed, &[])), Some(AlertDescription::ILLEGAL_PARAMETER));
        }
    }
}
