//! What a client may change when it is asked for its hello again.

use alloc::vec::Vec;

use peerage_base::reader::Reader;
use peerage_crypto::hash;

/// Extensions that a second ClientHello may change, add or leave out (RFC 8446 §4.1.2): padding, pre_shared_key,
/// early_data, cookie, key_share.
const CHANGING: [u16; 5] = [21, 41, 42, 44, 51];

/// An extension's number and body.
type Extension<'a> = (u16, &'a [u8]);

/// A digest of what may not change from the first ClientHello to the second, by the bodies of both. The order of
/// extensions does not count.
pub(crate) fn unchanging(hello: &[u8]) -> [u8; hash::SHA256_LEN] {
    let (fixed, mut extensions) = split(hello).unwrap_or((hello, Vec::new()));
    extensions.retain(|(kind, _)| !CHANGING.contains(kind));
    extensions.sort_unstable();
    let mut bytes = fixed.to_vec();
    for (kind, content) in extensions {
        bytes.extend_from_slice(&kind.to_be_bytes());
        // Lengths keep what belongs to one extension from passing for another's.
        bytes.extend_from_slice(&(content.len() as u32).to_be_bytes());
        bytes.extend_from_slice(content);
    }
    hash::sha256(&bytes)
}

/// The fields before the extensions, and the extensions; `None` if this is no ClientHello.
fn split(hello: &[u8]) -> Option<(&[u8], Vec<Extension<'_>>)> {
    let mut reader = Reader::new(hello);
    reader.bytes(2 + 32)?;
    for _ in ["session id", "cookie"] {
        let len = reader.u8()?;
        reader.bytes(usize::from(len))?;
    }
    let suites = reader.u16()?;
    reader.bytes(usize::from(suites))?;
    let compression = reader.u8()?;
    reader.bytes(usize::from(compression))?;
    let fixed = &hello[..hello.len() - reader.len()];
    let mut extensions = Vec::new();
    if !reader.is_empty() {
        let len = reader.u16()?;
        let mut reader = Reader::new(reader.bytes(usize::from(len))?);
        while !reader.is_empty() {
            let (kind, len) = (reader.u16()?, reader.u16()?);
            extensions.push((kind, reader.bytes(usize::from(len))?));
        }
    }
    Some((fixed, extensions))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hello with one suite, null compression and the extensions given.
    fn hello(suite: u8, extensions: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = [&[0xFE, 0xFD][..], &[7; 32], &[0, 0, 0, 2, 0x13, suite, 1, 0]].concat();
        let list: Vec<u8> = extensions
            .iter()
            .flat_map(|(kind, content)| {
                [&kind.to_be_bytes()[..], &(content.len() as u16).to_be_bytes(), content].concat()
            })
            .collect();
        body.extend_from_slice(&(list.len() as u16).to_be_bytes());
        body.extend_from_slice(&list);
        body
    }

    #[test]
    fn shares_cookie_and_padding_may_change() {
        let first = hello(1, &[(43, b"versions"), (51, b"shares")]);
        for second in [
            hello(1, &[(43, b"versions"), (51, b"another")]),
            hello(1, &[(44, b"cookie"), (43, b"versions"), (51, b"shares")]),
            hello(1, &[(43, b"versions"), (21, &[0; 9])]),
        ] {
            assert_eq!(unchanging(&first), unchanging(&second));
        }
    }

    #[test]
    fn the_order_of_extensions_does_not_count() {
        assert_eq!(unchanging(&hello(1, &[(43, b"a"), (10, b"b")])), unchanging(&hello(1, &[(10, b"b"), (43, b"a")])));
    }

    #[test]
    fn anything_else_may_not_change() {
        let first = hello(1, &[(43, b"versions"), (10, b"groups")]);
        let mut other_random = first.clone();
        other_random[5] ^= 1;
        for second in [
            hello(2, &[(43, b"versions"), (10, b"groups")]),
            hello(1, &[(43, b"versions")]),
            hello(1, &[(43, b"versions"), (10, b"group")]),
            hello(1, &[(43, b"versions"), (10, b"groups"), (16, b"")]),
            other_random,
        ] {
            assert_ne!(unchanging(&first), unchanging(&second));
        }
    }

    #[test]
    fn a_hello_cut_anywhere_is_only_another_one() {
        let whole = hello(1, &[(43, b"versions"), (10, b"groups")]);
        for len in 0..whole.len() {
            assert_ne!(unchanging(&whole[..len]), unchanging(&whole));
        }
    }
}
