//! Source description (RFC 3550 §6.5).
//!
//! ```text
//! | SSRC                       |   per source
//! | type (8) | length (8) text |   items of the source
//! | zeros                      |   at least one, to the next whole word
//! ```

use super::header::{PacketType, Raw};
use super::write::Writer;
use crate::error::ParseError;
use crate::numbers::Ssrc;
use peerage_base::reader::Reader;

/// What an item tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemType(pub u8);

impl ItemType {
    /// Canonical name: the same for all sources of one peer (RFC 7022).
    pub const CNAME: Self = Self(1);
    /// Name of the user.
    pub const NAME: Self = Self(2);
    /// Mail address.
    pub const EMAIL: Self = Self(3);
    /// Telephone number.
    pub const PHONE: Self = Self(4);
    /// Whereabouts.
    pub const LOC: Self = Self(5);
    /// Name of the application.
    pub const TOOL: Self = Self(6);
    /// Passing message.
    pub const NOTE: Self = Self(7);
    /// Private extension: length of a prefix, prefix, value.
    pub const PRIV: Self = Self(8);
    /// Which of a media section's streams it is (RFC 8852).
    pub const RID: Self = Self(12);
    /// Which stream it repairs (RFC 8852).
    pub const REPAIRED_RID: Self = Self(13);
    /// Which media section it belongs to (RFC 9143 §15.1).
    pub const MID: Self = Self(15);
}

/// An item of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item<'a> {
    /// What it tells.
    pub item_type: ItemType,
    /// UTF-8 by definition; not checked.
    pub value: &'a [u8],
}

impl<'a> Item<'a> {
    /// The value as text; `None` if it is none.
    pub fn text(&self) -> Option<&'a str> {
        core::str::from_utf8(self.value).ok()
    }

    /// Prefix and value of a private extension; `None` if it is none, or malformed.
    pub fn private(&self) -> Option<(&'a [u8], &'a [u8])> {
        let (len, rest) = self.value.split_first().filter(|_| self.item_type == ItemType::PRIV)?;
        rest.split_at_checked(usize::from(*len))
    }
}

/// What is told of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// The source.
    pub ssrc: Ssrc,
    items: &'a [u8],
}

impl<'a> Chunk<'a> {
    /// The items in order.
    pub fn items(&self) -> impl Iterator<Item = Item<'a>> + Clone + use<'a> {
        let mut rest = Reader::new(self.items);
        core::iter::from_fn(move || read_item(&mut rest).flatten())
    }

    /// The canonical name.
    pub fn cname(&self) -> Option<&'a [u8]> {
        self.items().find(|item| item.item_type == ItemType::CNAME).map(|item| item.value)
    }
}

/// A received source description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sdes<'a> {
    count: u8,
    body: &'a [u8],
}

impl<'a> Sdes<'a> {
    /// Checks the body: as many sources as announced, each closed.
    pub(super) fn parse(raw: &Raw<'a>) -> Result<Self, ParseError> {
        let mut rest = Reader::new(raw.body);
        for _ in 0..raw.count {
            read_chunk(&mut rest).ok_or(ParseError::Truncated("source description"))?;
        }
        Ok(Self { count: raw.count, body: raw.body })
    }

    /// The sources in order, 31 at most.
    pub fn chunks(&self) -> impl Iterator<Item = Chunk<'a>> + Clone + use<'a> {
        let mut rest = Reader::new(self.body);
        (0..self.count).map_while(move |_| read_chunk(&mut rest))
    }
}

/// Appends what is told of one source; `false`, and nothing changes, if it does not fit or a value has more than 255 bytes.
#[must_use]
pub fn write(writer: &mut Writer<'_, '_>, ssrc: Ssrc, items: &[(ItemType, &[u8])]) -> bool {
    let items_len: usize = items.iter().map(|(_, value)| 2 + value.len()).sum();
    // A zero ends the items, and more of them the chunk.
    let len = (4 + items_len + 1).next_multiple_of(4);
    if items.iter().any(|(_, value)| value.len() > 255) {
        return false;
    }
    let Some(body) = writer.packet(PacketType::SDES, 1, len) else { return false };
    body[..4].copy_from_slice(&ssrc.0.to_be_bytes());
    let mut at = 4;
    for (item_type, value) in items {
        body[at] = item_type.0;
        body[at + 1] = value.len() as u8;
        body[at + 2..at + 2 + value.len()].copy_from_slice(value);
        at += 2 + value.len();
    }
    if items.iter().any(|(item_type, _)| *item_type == ItemType::CNAME) {
        writer.note_cname();
    }
    true
}

/// The next item; `Some(None)` at the zero that ends them.
fn read_item<'a>(r: &mut Reader<'a>) -> Option<Option<Item<'a>>> {
    let item_type = ItemType(r.u8()?);
    if item_type.0 == 0 {
        return Some(None);
    }
    let len = r.u8()?;
    Some(Some(Item { item_type, value: r.bytes(len.into())? }))
}

fn read_chunk<'a>(r: &mut Reader<'a>) -> Option<Chunk<'a>> {
    let ssrc = Ssrc(r.u32()?);
    let start = r.rest();
    while read_item(r)?.is_some() {}
    // Chunks begin at whole words, and so did this one.
    let items = start.get(..start.len() - r.len())?;
    r.bytes(items.len().next_multiple_of(4) - items.len())?;
    Some(Chunk { ssrc, items })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::packet::Packet;
    use crate::rtcp::tests_support::{assert_refuses_shorter, parse, written};
    use std::vec::Vec;

    fn sdes(bytes: &[u8]) -> Sdes<'_> {
        let Packet::Sdes(sdes) = parse(bytes) else { panic!("not a source description") };
        sdes
    }

    #[test]
    fn a_name_is_written_and_read() {
        for (cname, expected) in [
            (&b"me"[..], &b"\x81\xCA\0\x03\0\0\0\x07\x01\x02me\0\0\0\0"[..]),
            (b"a@b", b"\x81\xCA\0\x03\0\0\0\x07\x01\x03a@b\0\0\0"),
            (b"12345", b"\x81\xCA\0\x03\0\0\0\x07\x01\x0512345\0"),
        ] {
            let bytes = written(|writer| assert!(write(writer, Ssrc(7), &[(ItemType::CNAME, cname)])));
            assert_eq!(bytes, expected);
            let chunks: Vec<_> = sdes(&bytes).chunks().collect();
            assert_eq!(chunks.len(), 1);
            assert_eq!((chunks[0].ssrc, chunks[0].cname()), (Ssrc(7), Some(cname)));
            assert_refuses_shorter(&bytes);
        }
    }

    #[test]
    fn every_item_is_found() {
        let items = [
            (ItemType::TOOL, &b"t\xC3\xBC"[..]),
            (ItemType::PRIV, b"\x02abcd"),
            (ItemType::MID, b""),
            (ItemType(200), b"\xFF"),
        ];
        let bytes = written(|writer| assert!(write(writer, Ssrc(7), &items)));
        let read: Vec<_> = sdes(&bytes).chunks().next().unwrap().items().collect();
        assert!(read.iter().map(|item| (item.item_type, item.value)).eq(items));
        assert_eq!((read[0].text(), read[3].text()), (Some("t\u{fc}"), None));
        assert_eq!((read[1].private(), read[0].private()), (Some((&b"ab"[..], &b"cd"[..])), None));
        assert_eq!(sdes(&bytes).chunks().next().unwrap().cname(), None);
    }

    #[test]
    fn several_sources_follow_each_other() {
        let bytes = b"\x82\xCA\0\x06\0\0\0\x01\x01\x01a\0\0\0\0\x02\x01\x02bc\0\0\0\0\0\0\0\0";
        let cnames: Vec<_> = sdes(bytes).chunks().map(|chunk| (chunk.ssrc.0, chunk.cname().unwrap())).collect();
        assert_eq!(cnames, [(1, &b"a"[..]), (2, b"bc")]);
        assert_eq!(sdes(b"\x80\xCA\0\0").chunks().count(), 0);
    }

    #[test]
    fn private_extensions_and_values_that_do_not_fit_are_refused() {
        let item = Item { item_type: ItemType::PRIV, value: &[3, 1, 2] };
        assert_eq!(item.private(), None);
        written(|writer| assert!(!write(writer, Ssrc(7), &[(ItemType::CNAME, &[0; 256])])));
        let mut buf = [0; 15];
        let mut slot = peerage_base::slot::Slot::new(&mut buf, 0, 0, 15);
        assert!(!write(&mut Writer::new(&mut slot), Ssrc(7), &[(ItemType::CNAME, b"ab")]));
    }
}
