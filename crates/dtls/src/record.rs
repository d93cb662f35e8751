//! The readable part of a datagram: record framing and plaintext handshake fragments (RFC 6347 §4.1, RFC 9147 §4).
//!
//! ```text
//! plaintext   type(1) version(2) epoch(2) sequence(6) length(2) fragment
//! ciphertext  001CSLEE [connection id] sequence(1 or 2) [length(2)] encrypted record      DTLS 1.3 only
//! handshake   type(1) length(3) message_seq(2) fragment_offset(3) fragment_length(3) body
//! ```

use alloc::vec::Vec;

use peerage_base::reader::Reader;

use crate::suite::{CipherSuite, Group, Version};

/// Content types (RFC 9147 §4).
pub(crate) const ALERT: u8 = 21;
pub(crate) const HANDSHAKE: u8 = 22;

/// Handshake types (RFC 8446 §4, RFC 6347 §4.3.2).
pub(crate) const CLIENT_HELLO: u8 = 1;
pub(crate) const SERVER_HELLO: u8 = 2;
pub(crate) const HELLO_VERIFY_REQUEST: u8 = 3;
const SERVER_KEY_EXCHANGE: u8 = 12;

/// An encrypted record holds at least a content type and a tag of 16 bytes.
const MIN_CIPHERTEXT: usize = 16;

/// A record with a plaintext header. Only those of epoch 0 have a plaintext fragment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub kind: u8,
    pub epoch: u16,
    pub fragment: &'a [u8],
}

/// One piece of a handshake message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fragment<'a> {
    pub kind: u8,
    pub length: usize,
    pub message_seq: u16,
    pub offset: usize,
    pub body: &'a [u8],
}

/// What a ServerHello decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServerHello {
    pub version: Version,
    pub cipher_suite: CipherSuite,
    /// The group of the key share, in DTLS 1.3.
    pub group: Option<Group>,
    /// Whether the server says that it was made to choose a version below its best (RFC 8446 §4.1.3).
    pub downgraded: bool,
}

/// Whether a datagram begins with a record that could belong to a DTLS 1.2 or 1.3 connection without connection ids.
pub(crate) fn plausible(datagram: &[u8]) -> bool {
    match datagram.first() {
        Some(20..=26) => Records::new(datagram).next().is_some(),
        Some(first @ 0x20..=0x3F) => {
            let (cid, long_seq, has_length) = (first & 0x10 != 0, first & 0x08 != 0, first & 0x04 != 0);
            let mut r = Reader::new(datagram);
            let header = r.u8().is_some() && r.bytes(1 + usize::from(long_seq)).is_some();
            let length = if has_length { r.u16().map(usize::from) } else { Some(r.len()) };
            header && !cid && length.is_some_and(|n| n >= MIN_CIPHERTEXT && n <= r.len())
        }
        _ => false,
    }
}

/// The records with plaintext headers that a datagram begins with.
#[derive(Clone, Debug)]
pub(crate) struct Records<'a>(Reader<'a>);

impl<'a> Records<'a> {
    pub(crate) fn new(datagram: &'a [u8]) -> Self {
        Self(Reader::new(datagram))
    }

    /// The plaintext handshake fragments among them.
    pub(crate) fn handshake(self) -> impl Iterator<Item = Fragment<'a>> {
        self.filter(|r| r.kind == HANDSHAKE && r.epoch == 0).flat_map(|r| {
            let mut reader = Reader::new(r.fragment);
            core::iter::from_fn(move || Fragment::read(&mut reader))
        })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let kind = self.0.u8().filter(|kind| (20..=26).contains(kind))?;
        let [major, _minor] = self.0.array()?;
        let epoch = self.0.u16()?;
        self.0.bytes(6)?;
        let length = self.0.u16()?;
        let fragment = self.0.bytes(length.into())?;
        (major == 0xFE).then_some(Record { kind, epoch, fragment })
    }
}

impl<'a> Fragment<'a> {
    fn read(r: &mut Reader<'a>) -> Option<Self> {
        let kind = r.u8()?;
        let length = r.u24()? as usize;
        let message_seq = r.u16()?;
        let offset = r.u24()? as usize;
        let body_len = r.u24()? as usize;
        let body = r.bytes(body_len)?;
        (offset + body_len <= length).then_some(Self { kind, length, message_seq, offset, body })
    }

    /// Whether this is a whole message.
    pub(crate) fn is_whole(&self) -> bool {
        self.offset == 0 && self.body.len() == self.length
    }

    /// A datagram with this message, unfragmented, in a record of epoch 0.
    pub(crate) fn to_datagram(self) -> Vec<u8> {
        let length = u24(self.length);
        let mut out = Vec::with_capacity(25 + self.body.len());
        out.extend_from_slice(&[HANDSHAKE, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 0]);
        out.extend_from_slice(&((12 + self.body.len()) as u16).to_be_bytes());
        out.push(self.kind);
        out.extend_from_slice(&length);
        out.extend_from_slice(&self.message_seq.to_be_bytes());
        out.extend_from_slice(&[0; 3]);
        out.extend_from_slice(&length);
        out.extend_from_slice(self.body);
        out
    }

    /// The group of a DTLS 1.2 ServerKeyExchange (RFC 8422 §5.4).
    pub(crate) fn key_exchange_group(&self) -> Option<Group> {
        const NAMED_CURVE: u8 = 3;
        let mut r = Reader::new(self.body);
        (self.kind == SERVER_KEY_EXCHANGE && self.offset == 0 && r.u8()? == NAMED_CURVE).then_some(())?;
        r.u16().map(Group)
    }
}

impl ServerHello {
    /// Reads a ServerHello, not a HelloRetryRequest, from its first fragment. `None` for all else, and for a fragment
    /// that ends before the extensions do.
    pub(crate) fn read(fragment: &Fragment<'_>) -> Option<Self> {
        /// The random value that makes a ServerHello a HelloRetryRequest begins so (RFC 8446 §4.1.3).
        const RETRY: [u8; 8] = [0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11];
        const SUPPORTED_VERSIONS: u16 = 43;
        const KEY_SHARE: u16 = 51;
        const DTLS13: u16 = 0xFEFC;

        if fragment.kind != SERVER_HELLO || fragment.offset != 0 {
            return None;
        }
        let mut r = Reader::new(fragment.body);
        let _legacy_version = r.u16()?;
        let random = r.array::<32>()?;
        if random.starts_with(&RETRY) {
            return None;
        }
        let session_id = r.u8()?;
        r.bytes(session_id.into())?;
        let cipher_suite = CipherSuite(r.u16()?);
        let _compression = r.u8()?;
        let mut hello = Self { version: Version::Dtls12, cipher_suite, group: None, downgraded: false };
        if !r.is_empty() {
            let length = r.u16()?;
            let mut extensions = Reader::new(r.bytes(length.into())?);
            while !extensions.is_empty() {
                let kind = extensions.u16()?;
                let length = extensions.u16()?;
                let mut body = Reader::new(extensions.bytes(length.into())?);
                match kind {
                    SUPPORTED_VERSIONS if body.u16()? == DTLS13 => hello.version = Version::Dtls13,
                    KEY_SHARE => hello.group = Some(Group(body.u16()?)),
                    _ => {}
                }
            }
        }
        hello.downgraded = hello.version == Version::Dtls12 && random.ends_with(b"DOWNGRD\x01");
        Some(hello)
    }
}

fn u24(n: usize) -> [u8; 3] {
    let [_, a, b, c] = (n as u32).to_be_bytes();
    [a, b, c]
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn hello_body(random: [u8; 32], extensions: &[u8]) -> Vec<u8> {
        let mut body = vec![0xFE, 0xFD];
        body.extend_from_slice(&random);
        body.extend_from_slice(&[0, 0x13, 0x01, 0]);
        body.extend_from_slice(&(extensions.len() as u16).to_be_bytes());
        body.extend_from_slice(extensions);
        body
    }

    fn whole(kind: u8, body: &[u8]) -> Fragment<'_> {
        Fragment { kind, length: body.len(), message_seq: 0, offset: 0, body }
    }

    const EXTENSIONS_13: &[u8] = &[0, 43, 0, 2, 0xFE, 0xFC, 0, 51, 0, 4, 0, 0x1D, 0, 0];

    #[test]
    fn a_message_survives_a_datagram() {
        let body = hello_body([7; 32], EXTENSIONS_13);
        let datagram = whole(SERVER_HELLO, &body).to_datagram();
        assert!(plausible(&datagram));
        let fragment = Records::new(&datagram).handshake().next().unwrap();
        assert!(fragment.is_whole());
        let hello = ServerHello::read(&fragment).unwrap();
        assert_eq!((hello.version, hello.group), (Version::Dtls13, Some(Group(0x1D))));
    }

    #[test]
    fn a_truncated_datagram_yields_nothing() {
        let body = hello_body([7; 32], EXTENSIONS_13);
        let datagram = whole(SERVER_HELLO, &body).to_datagram();
        for len in 0..datagram.len() {
            assert!(!plausible(&datagram[..len]));
            assert_eq!(Records::new(&datagram[..len]).handshake().count(), 0);
        }
    }

    #[test]
    fn a_truncated_hello_never_reads_as_dtls_1_2() {
        let body = hello_body([7; 32], EXTENSIONS_13);
        for len in 39..body.len() {
            let fragment = Fragment { length: body.len(), ..whole(SERVER_HELLO, &body[..len]) };
            assert_eq!(ServerHello::read(&fragment), None);
        }
    }

    #[test]
    fn the_downgrade_sentinel_shows() {
        let mut random = [7; 32];
        random[24..].copy_from_slice(b"DOWNGRD\x01");
        let body = hello_body(random, &[]);
        assert!(ServerHello::read(&whole(SERVER_HELLO, &body)).unwrap().downgraded);
        let body = hello_body(random, EXTENSIONS_13);
        assert!(!ServerHello::read(&whole(SERVER_HELLO, &body)).unwrap().downgraded);
    }

    #[test]
    fn only_dtls_is_plausible() {
        assert!(!plausible(&[]));
        assert!(!plausible(&[0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42]), "STUN");
        assert!(!plausible(&[0x80; 40]), "RTP");
        assert!(plausible(&[&[0x2F, 0, 1, 0, 20][..], &[0; 20]].concat()));
        assert!(!plausible(&[&[0x2F, 0, 1, 0, 21][..], &[0; 20]].concat()), "longer than the datagram");
        assert!(!plausible(&[&[0x3F, 0, 1, 0, 20][..], &[0; 20]].concat()), "connection id");
        assert!(!plausible(&[&[0x2F, 0, 1, 0, 15][..], &[0; 15]].concat()), "shorter than a tag");
    }
}
