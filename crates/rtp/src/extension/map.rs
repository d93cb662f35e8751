//! Which local identifier stands for which element, as agreed on by `a=extmap` (RFC 8285 §5 to §7).

use super::block::{Block, Forms, Writer};
use super::element::Element;
use super::kind::Kind;
use thiserror::Error;

/// An identifier that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MapError {
    /// 0 stands for padding.
    #[error("id 0 stands for padding")]
    Padding,
    /// The identifier stands for another element already.
    #[error("id {id} stands for {} already", .kind.uri())]
    Taken {
        /// The identifier.
        id: u8,
        /// What it stands for.
        kind: Kind,
    },
}

/// The identifiers of one media section, or of a whole bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Map {
    /// By kind; 0 is none.
    ids: [u8; Kind::ALL.len()],
    allow_mixed: bool,
}

impl Map {
    /// No identifier; blocks of both forms on one stream only if `allow_mixed`.
    pub fn new(allow_mixed: bool) -> Self {
        Self { allow_mixed, ..Self::default() }
    }

    /// Lets `id` stand for `kind`, whatever stood for it before.
    ///
    /// # Errors
    /// If the id is 0 or stands for another kind.
    pub fn insert(&mut self, kind: Kind, id: u8) -> Result<(), MapError> {
        if id == 0 {
            return Err(MapError::Padding);
        }
        if let Some(kind) = self.kind(id).filter(|other| *other != kind) {
            return Err(MapError::Taken { id, kind });
        }
        self.ids[kind as usize] = id;
        Ok(())
    }

    /// Forgets the identifier of `kind`.
    pub fn remove(&mut self, kind: Kind) {
        self.ids[kind as usize] = 0;
    }

    /// Appends an element to a block: `false` if it is not agreed on or does not fit.
    pub fn write<'v, E: Element<'v>>(&self, block: &mut Writer<'_>, element: &E) -> bool {
        self.id(E::KIND).is_some_and(|id| block.element(id, element))
    }

    /// The identifier of `kind`.
    pub fn id(&self, kind: Kind) -> Option<u8> {
        Some(self.ids[kind as usize]).filter(|id| *id != 0)
    }

    /// What `id` stands for.
    pub fn kind(&self, id: u8) -> Option<Kind> {
        let index = self.ids.iter().position(|other| *other == id)?;
        Kind::ALL.get(index).copied().filter(|_| id != 0)
    }

    /// Which forms blocks may have: without mixing, two bytes if an identifier needs them, otherwise one.
    pub fn forms(&self) -> Forms {
        match self.allow_mixed {
            true => Forms::Mixed,
            false if self.ids.iter().any(|id| *id > 14) => Forms::TwoByte,
            false => Forms::OneByte,
        }
    }

    /// The known elements of a block in one pass, unread; of duplicates the first.
    pub fn values<'a>(&self, block: Block<'a>) -> impl Iterator<Item = (Kind, &'a [u8])> {
        let mut seen = 0u32;
        block.elements().filter_map(move |(id, value)| {
            let kind = self.kind(id)?;
            let bit = 1 << kind as u32;
            let first = seen & bit == 0;
            seen |= bit;
            first.then_some((kind, value))
        })
    }

    /// One element of a block; `None` if it is not there, not agreed on, or makes no sense.
    pub fn get<'a, E: Element<'a>>(&self, block: &Block<'a>) -> Option<E> {
        E::parse(block.get(self.id(E::KIND)?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::audio_level::AudioLevel;
    use crate::extension::block::{HEADER_LEN, ONE_BYTE};
    use crate::extension::mid::Mid;
    use std::vec::Vec;

    #[test]
    fn ids_and_kinds_find_each_other() {
        let mut map = Map::new(false);
        map.insert(Kind::Mid, 4).unwrap();
        map.insert(Kind::AudioLevel, 1).unwrap();
        assert_eq!((map.id(Kind::Mid), map.kind(4)), (Some(4), Some(Kind::Mid)));
        assert_eq!((map.id(Kind::Rid), map.kind(2), map.kind(0)), (None, None, None));
        map.insert(Kind::Mid, 9).unwrap();
        assert_eq!((map.kind(4), map.kind(9)), (None, Some(Kind::Mid)));
        map.remove(Kind::Mid);
        assert_eq!(map.kind(9), None);
    }

    #[test]
    fn ids_that_cannot_be_are_refused() {
        let mut map = Map::new(false);
        map.insert(Kind::Mid, 4).unwrap();
        assert_eq!(map.insert(Kind::Rid, 0), Err(MapError::Padding));
        assert_eq!(map.insert(Kind::Rid, 4), Err(MapError::Taken { id: 4, kind: Kind::Mid }));
        assert_eq!(map.insert(Kind::Mid, 4), Ok(()));
    }

    #[test]
    fn the_form_follows_from_the_agreement() {
        let mut map = Map::new(false);
        map.insert(Kind::Mid, 14).unwrap();
        assert_eq!(map.forms(), Forms::OneByte);
        map.insert(Kind::Rid, 15).unwrap();
        assert_eq!(map.forms(), Forms::TwoByte);
        assert_eq!(Map::new(true).forms(), Forms::Mixed);
    }

    #[test]
    fn agreed_elements_are_written_and_read() {
        let mut map = Map::new(false);
        map.insert(Kind::Mid, 4).unwrap();
        let mut room = [0; 32];
        let mut writer = Writer::new(&mut room, map.forms());
        assert!(map.write(&mut writer, &Mid("video")));
        assert!(!map.write(&mut writer, &AudioLevel { level: 1, voice: true }));
        let len = writer.finish();
        let block = Block { profile: ONE_BYTE, body: &room[HEADER_LEN..len] };
        assert_eq!(map.get::<Mid<'_>>(&block), Some(Mid("video")));
        assert_eq!(map.get::<AudioLevel>(&block), None);
    }

    #[test]
    fn one_pass_yields_known_elements_once() {
        let mut map = Map::new(false);
        map.insert(Kind::Mid, 4).unwrap();
        map.insert(Kind::AudioLevel, 1).unwrap();
        let block = Block { profile: ONE_BYTE, body: &[0x10, 5, 0x20, 6, 0x40, b'a', 0x10, 7] };
        let values: Vec<_> = map.values(block).collect();
        assert_eq!(values, [(Kind::AudioLevel, &[5][..]), (Kind::Mid, b"a")]);
    }
}
