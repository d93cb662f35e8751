//! ServerHello and HelloRetryRequest.

use alloc::vec::Vec;

use peerage_base::reader::Reader;

use crate::alert::ParseError;
use crate::extension::block::Block;
use crate::extension::server::ServerExtensions;
use crate::extension::vector;
use crate::suite::CipherSuite;

/// The random of a HelloRetryRequest: SHA-256 of its name (RFC 8446 §4.1.3).
pub(crate) const HELLO_RETRY_REQUEST: [u8; 32] = [
    0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11, 0xBE, 0x1D, 0x8C, 0x02, 0x1E, 0x65, 0xB8, 0x91, 0xC2, 0xA2, 0x11,
    0x16, 0x7A, 0xBB, 0x8C, 0x5E, 0x07, 0x9E, 0x09, 0xE2, 0xC8, 0xA8, 0x33, 0x9C,
];

/// The end of the random of a server that can do DTLS 1.3 and was asked for 1.2 (RFC 8446 §4.1.3).
pub(crate) const DOWNGRADE_TO_12: [u8; 8] = *b"DOWNGRD\x01";
/// The same of a server that was asked for DTLS 1.0.
const DOWNGRADE_TO_10: [u8; 8] = *b"DOWNGRD\x00";

/// What a server chose (RFC 8446 §4.1.3, RFC 5246 §7.4.1.3); also its wish for another ClientHello (RFC 8446 §4.1.4).
///
/// ```text
/// legacy_version 16 | random 256 | session_id 8+n | cipher_suite 16 | compression 8, 0 | extensions 16+n
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServerHello<'a> {
    pub legacy_version: u16,
    pub random: [u8; 32],
    /// At most 32 bytes. Empty in DTLS 1.3 (RFC 9147 §5.4).
    pub session_id: &'a [u8],
    pub cipher_suite: CipherSuite,
    pub extensions: ServerExtensions<'a>,
}

impl<'a> ServerHello<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(body);
        let read = Self::read(&mut r).ok_or(ParseError::decode("the ServerHello is malformed"))?;
        let (mut hello, compression) = read;
        if compression != 0 {
            return Err(ParseError::illegal("the ServerHello chooses a compression"));
        }
        let retry = hello.is_hello_retry_request();
        // A hello without extensions is one of DTLS 1.2 (RFC 5246 §7.4.1.3).
        let block = if r.is_empty() { Block::new(&[]) } else { Block::last(&mut r)? };
        hello.extensions = ServerExtensions::parse(block, retry)?;
        Ok(hello)
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.legacy_version.to_be_bytes());
        out.extend_from_slice(&self.random);
        vector::write8(out, |out| out.extend_from_slice(self.session_id));
        out.extend_from_slice(&self.cipher_suite.0.to_be_bytes());
        out.push(0);
        vector::write16(out, |out| self.extensions.write(out));
    }

    pub(crate) fn is_hello_retry_request(&self) -> bool {
        self.random == HELLO_RETRY_REQUEST
    }

    /// Whether the server says that it could have done a later version than the one it chose. A client that offered
    /// DTLS 1.3 and got 1.2 must then give up.
    pub(crate) fn is_downgraded(&self) -> bool {
        self.random.ends_with(&DOWNGRADE_TO_12) || self.random.ends_with(&DOWNGRADE_TO_10)
    }

    fn read(r: &mut Reader<'a>) -> Option<(Self, u8)> {
        let hello = Self {
            legacy_version: r.u16()?,
            random: r.array()?,
            session_id: vector::read8(r).filter(|id| id.len() <= 32)?,
            cipher_suite: CipherSuite(r.u16()?),
            extensions: ServerExtensions::default(),
        };
        Some((hello, r.u8()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::AlertDescription;

    fn hello(end_of_random: &[u8; 8]) -> ServerHello<'static> {
        let mut random = [7; 32];
        random[24..].copy_from_slice(end_of_random);
        let extensions = ServerExtensions { extended_master_secret: true, ..ServerExtensions::default() };
        let cipher_suite = CipherSuite::ECDHE_ECDSA_AES_128_GCM;
        ServerHello { legacy_version: 0xFEFD, random, session_id: &[], cipher_suite, extensions }
    }

    #[test]
    fn a_downgrade_shows_at_the_end_of_the_random() {
        assert!(hello(&DOWNGRADE_TO_12).is_downgraded());
        assert!(hello(b"DOWNGRD\x00").is_downgraded());
        assert!(!hello(b"DOWNGRD\x02").is_downgraded());
        assert!(!hello(&[0; 8]).is_downgraded());
    }

    #[test]
    fn the_random_of_a_retry_is_the_hash_of_its_name() {
        assert_eq!(peerage_crypto::hash::sha256(b"HelloRetryRequest"), HELLO_RETRY_REQUEST);
    }

    #[test]
    fn fields_have_their_bounds() {
        let mut body = Vec::new();
        hello(&[0; 8]).write(&mut body);
        let alert = |body: &[u8]| ServerHello::parse(body).err().map(|error| error.alert);
        assert_eq!(alert(&body), None);
        assert_eq!(alert(&body[..38]), None, "without extensions");
        let compression = 2 + 32 + 1 + 2;
        body[compression] = 1;
        assert_eq!(alert(&body), Some(AlertDescription::ILLEGAL_PARAMETER));
        let long_session = [&[0xFE, 0xFD][..], &[7; 32], &[33], &[0; 36]].concat();
        assert_eq!(alert(&long_session), Some(AlertDescription::DECODE_ERROR));
    }
}
