//! The block of header extensions (RFC 8285 §4).
//!
//! ```text
//!  0                   2                   4
//! +-------------------+-------------------+
//! | 0xBEDE or 0x100_  | length in words   |
//! | one byte:  id (4) len - 1 (4)  value  |   ids 1 to 14, values of 1 to 16 bytes; 15 stops
//! | two bytes: id (8) len (8)      value  |   ids 1 to 255, values of 0 to 255 bytes
//! | padding bytes of zero, anywhere between elements and at the end |
//! ```

use super::element::Element;
use core::ops::Range;

/// Length of the block's own header in bytes.
pub const HEADER_LEN: usize = 4;
/// The `defined by profile` field of the one-byte form.
pub const ONE_BYTE: u16 = 0xBEDE;
/// The `defined by profile` field of the two-byte form, its four application bits being zero.
pub const TWO_BYTE: u16 = 0x1000;

/// Most bytes that the elements can take: the length field counts words in 16 bits.
const MAX_BODY: usize = 4 * u16::MAX as usize;

/// How elements are headed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Id and length share a byte.
    OneByte,
    /// Id and length have a byte each.
    TwoByte,
}

impl Form {
    /// The form that the `defined by profile` field tells; `None` if the block holds no elements of RFC 8285.
    pub const fn of(profile: u16) -> Option<Self> {
        match profile {
            ONE_BYTE => Some(Self::OneByte),
            0x1000..=0x100F => Some(Self::TwoByte),
            _ => None,
        }
    }

    /// Whether an element can be headed so.
    pub(crate) const fn takes(self, id: u8, len: usize) -> bool {
        match self {
            Self::OneByte => id >= 1 && id <= 14 && len >= 1 && len <= 16,
            Self::TwoByte => id >= 1 && len <= 255,
        }
    }

    const fn header_len(self) -> usize {
        match self {
            Self::OneByte => 1,
            Self::TwoByte => 2,
        }
    }
}

/// Which forms the peer takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Forms {
    /// The one-byte form only: what does not fit it is refused.
    #[default]
    OneByte,
    /// The two-byte form only, as ids beyond 14 need if mixing was not agreed on.
    TwoByte,
    /// Either, packet by packet (`a=extmap-allow-mixed`): one byte unless an element needs two.
    Mixed,
}

/// A received block. An absent one is an empty one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Block<'a> {
    /// The `defined by profile` field.
    pub profile: u16,
    /// What follows the block's header, padding included.
    pub body: &'a [u8],
}

impl<'a> Block<'a> {
    /// The elements in order, duplicates included. Ends without a word at the first one that is malformed, at id 15 of
    /// the one-byte form, and at once if the block is of another kind: whoever sends such is not helped by a lost packet.
    pub fn elements(&self) -> Elements<'a> {
        Elements { body: self.body, cursor: Cursor::new(self.profile) }
    }

    /// The value of the first element with `id`.
    pub fn get(&self, id: u8) -> Option<&'a [u8]> {
        self.elements().find(|element| element.0 == id).map(|element| element.1)
    }
}

/// Iterates over the elements of a block: id and value.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    body: &'a [u8],
    cursor: Cursor,
}

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let place = self.cursor.next(self.body)?;
        Some((place.id, self.body.get(place.value)?))
    }
}

/// Where an element lies in the body of its block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Local identifier, from 1.
    pub id: u8,
    /// Where the element begins: its id.
    pub start: usize,
    /// Where its value lies.
    pub value: Range<usize>,
}

/// Walks over a body without borrowing it, so that it can be changed on the way: values at will, ids before they are
/// passed, lengths not at all.
#[derive(Clone, Debug)]
pub struct Cursor {
    form: Option<Form>,
    at: usize,
}

impl Cursor {
    /// A cursor at the begin of a body with the `defined by profile` field `profile`.
    pub const fn new(profile: u16) -> Self {
        Self { form: Form::of(profile), at: 0 }
    }

    /// The next element; `None` at the end, and from then on.
    pub fn next(&mut self, body: &[u8]) -> Option<Place> {
        let place = self.form.and_then(|form| self.read(form, body));
        match &place {
            Some(place) => self.at = place.value.end,
            None => self.form = None,
        }
        place
    }

    fn read(&self, form: Form, body: &[u8]) -> Option<Place> {
        let start = self.at + body.get(self.at..)?.iter().position(|byte| *byte != 0)?;
        let (id, len) = match form {
            Form::OneByte => {
                let byte = *body.get(start)?;
                (byte >> 4, usize::from(byte & 0x0F) + 1)
            }
            Form::TwoByte => (*body.get(start)?, usize::from(*body.get(start + 1)?)),
        };
        // An id of 0 with a length is no padding, and nothing says how to go on after it.
        if !form.takes(id, len) {
            return None;
        }
        let from = start + form.header_len();
        let value = from..from + len;
        (value.end <= body.len()).then_some(Place { id, start, value })
    }
}

/// Writes a block.
#[derive(Debug)]
pub struct Writer<'a> {
    room: &'a mut [u8],
    /// Bytes of elements so far.
    len: usize,
    form: Form,
    may_widen: bool,
}

impl<'a> Writer<'a> {
    /// A block without elements that may take all of `room`, its header included.
    pub fn new(room: &'a mut [u8], forms: Forms) -> Self {
        let form = if forms == Forms::TwoByte { Form::TwoByte } else { Form::OneByte };
        let most = room.len().min(HEADER_LEN + MAX_BODY);
        Self { room: &mut room[..most], len: 0, form, may_widen: forms == Forms::Mixed }
    }

    /// Appends an element; `false`, and nothing changes, if it does not fit the form or the room.
    #[must_use]
    pub fn element<'v>(&mut self, id: u8, element: &impl Element<'v>) -> bool {
        let Some(value) = self.reserve(id, element.size()) else { return false };
        element.write(value);
        true
    }

    /// Appends an element with a value as it is; `false`, and nothing changes, if it does not fit the form or the room.
    #[must_use]
    pub fn value(&mut self, id: u8, value: &[u8]) -> bool {
        let Some(out) = self.reserve(id, value.len()) else { return false };
        out.copy_from_slice(value);
        true
    }

    /// Appends an element of `len` bytes and lends its value, of which no byte is set; `None`, and nothing changes, if it
    /// does not fit the form or the room. That ids are not repeated is the caller's care.
    pub fn reserve(&mut self, id: u8, len: usize) -> Option<&mut [u8]> {
        let form = if self.form.takes(id, len) {
            self.form
        } else if self.may_widen && Form::TwoByte.takes(id, len) {
            Form::TwoByte
        } else {
            return None;
        };
        let growth = if form == self.form { 0 } else { self.elements() };
        let start = self.len + growth;
        let end = start + form.header_len() + len;
        if HEADER_LEN + padded(end) > self.room.len() {
            return None;
        }
        if form != self.form {
            self.widen();
        }
        self.len = end;
        let (head, value) = self.room.get_mut(HEADER_LEN + start..HEADER_LEN + end)?.split_at_mut(form.header_len());
        match head {
            [one] => *one = id << 4 | (len - 1) as u8,
            [first, second] => (*first, *second) = (id, len as u8),
            _ => {}
        }
        Some(value)
    }

    /// Pads and heads the block; its length in bytes, header included, or 0 if it has no elements and none is needed.
    pub fn finish(self) -> usize {
        if self.len == 0 {
            return 0;
        }
        let end = padded(self.len);
        let profile = if self.form == Form::OneByte { ONE_BYTE } else { TWO_BYTE };
        self.room[..2].copy_from_slice(&profile.to_be_bytes());
        self.room[2..4].copy_from_slice(&((end / 4) as u16).to_be_bytes());
        self.room[HEADER_LEN + self.len..HEADER_LEN + end].fill(0);
        HEADER_LEN + end
    }

    /// How many elements there are.
    fn elements(&self) -> usize {
        let mut cursor = Cursor { form: Some(self.form), at: 0 };
        let body = self.room.get(HEADER_LEN..HEADER_LEN + self.len).unwrap_or_default();
        core::iter::from_fn(|| cursor.next(body)).count()
    }

    /// Gives every element a header of two bytes; that there is room for it was checked.
    fn widen(&mut self) {
        let mut at = HEADER_LEN;
        let mut end = HEADER_LEN + self.len;
        while at < end {
            let (id, len) = (self.room[at] >> 4, (self.room[at] & 0x0F) + 1);
            self.room.copy_within(at + 1..end, at + 2);
            (self.room[at], self.room[at + 1]) = (id, len);
            at += 2 + usize::from(len);
            end += 1;
        }
        self.len = end - HEADER_LEN;
        self.form = Form::TwoByte;
    }
}

/// `len` rounded up to whole words.
const fn padded(len: usize) -> usize {
    (len + 3) & !3
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    fn read(bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
        let profile = u16::from_be_bytes([bytes[0], bytes[1]]);
        assert_eq!(usize::from(u16::from_be_bytes([bytes[2], bytes[3]])) * 4, bytes.len() - HEADER_LEN);
        Block { profile, body: &bytes[HEADER_LEN..] }.elements().map(|(id, value)| (id, value.to_vec())).collect()
    }

    fn one_byte(body: &[u8]) -> Vec<(u8, &[u8])> {
        Block { profile: ONE_BYTE, body }.elements().collect()
    }

    fn two_byte(body: &[u8]) -> Vec<(u8, &[u8])> {
        Block { profile: TWO_BYTE | 5, body }.elements().collect()
    }

    /// The figure of RFC 8285 §4.2.
    #[test]
    fn one_byte_elements_are_read_over_padding() {
        let body = [0x10, 7, 0x21, 8, 9, 0, 0, 0x33, 1, 2, 3, 4];
        assert_eq!(one_byte(&body), [(1, &[7][..]), (2, &[8, 9]), (3, &[1, 2, 3, 4])]);
    }

    /// The figure of RFC 8285 §4.3.
    #[test]
    fn two_byte_elements_are_read_over_padding_and_may_be_empty() {
        let body = [1, 0, 200, 1, 9, 0, 3, 4, 1, 2, 3, 4];
        assert_eq!(two_byte(&body), [(1, &[][..]), (200, &[9]), (3, &[1, 2, 3, 4])]);
    }

    #[test]
    fn id_15_of_the_one_byte_form_ends_the_block() {
        assert_eq!(one_byte(&[0x10, 7, 0xF0, 1, 0x20, 8]), [(1, &[7][..])]);
        assert_eq!(two_byte(&[15, 1, 7, 0]), [(15, &[7][..])]);
    }

    #[test]
    fn an_element_that_runs_past_the_end_and_a_padding_with_a_length_end_the_block() {
        assert_eq!(one_byte(&[0x10, 7, 0x23, 1, 2, 3]), [(1, &[7][..])]);
        assert_eq!(one_byte(&[0x10, 7, 0x02, 1, 0x20, 3]), [(1, &[7][..])]);
        assert_eq!(two_byte(&[1, 1, 7, 2]), [(1, &[7][..])]);
        assert_eq!(two_byte(&[1, 1, 7, 2, 2, 1]), [(1, &[7][..])]);
    }

    #[test]
    fn a_block_of_another_profile_has_no_elements() {
        assert_eq!(Block { profile: 0xC0DE, body: &[0x10, 7] }.elements().next(), None);
        assert_eq!(Block::default().get(1), None);
    }

    #[test]
    fn of_two_elements_with_one_id_the_first_counts() {
        assert_eq!(Block { profile: ONE_BYTE, body: &[0x10, 7, 0x10, 8] }.get(1), Some(&[7][..]));
    }

    #[test]
    fn a_block_widens_when_an_element_needs_it_and_may() {
        for (id, value) in [(15, vec![1]), (2, vec![]), (2, vec![3; 17])] {
            let mut room = [0xAA; 64];
            let mut refusing = Writer::new(&mut room, Forms::OneByte);
            assert!(refusing.value(1, &[7, 8]) && !refusing.value(id, &value));
            let len = refusing.finish();
            assert_eq!(read(&room[..len]), [(1, vec![7, 8])]);

            let mut mixing = Writer::new(&mut room, Forms::Mixed);
            assert!(mixing.value(1, &[7, 8]) && mixing.value(14, &[9; 16]) && mixing.value(id, &value));
            assert!(mixing.value(3, &[1]));
            let len = mixing.finish();
            assert_eq!(room[..2], [0x10, 0x00]);
            assert_eq!(read(&room[..len]), [(1, vec![7, 8]), (14, vec![9; 16]), (id, value), (3, vec![1])]);
        }
    }

    #[test]
    fn ids_that_no_form_has_are_refused() {
        let mut room = [0; 64];
        let mut writer = Writer::new(&mut room, Forms::Mixed);
        assert!(!writer.value(0, &[1]) && !writer.value(1, &[0; 256]));
        assert_eq!(writer.finish(), 0);
    }

    #[test]
    fn an_element_without_room_changes_nothing() {
        // Widening alone would need one byte more than there is.
        let mut room = [0; 12];
        let mut writer = Writer::new(&mut room, Forms::Mixed);
        assert!(writer.value(1, &[1, 2]) && writer.value(2, &[3, 4, 5]) && !writer.value(3, &[]));
        assert!(!writer.value(3, &[6, 7]));
        let len = writer.finish();
        assert_eq!(read(&room[..len]), [(1, vec![1, 2]), (2, vec![3, 4, 5])]);
        for len in 0..HEADER_LEN + 2 {
            let mut room = vec![0; len];
            assert!(!Writer::new(&mut room, Forms::OneByte).value(1, &[1]));
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            elements in prop::collection::vec((1u8..=255, prop::collection::vec(any::<u8>(), 0..40)), 0..12),
            room in 0usize..400,
            forms in prop::sample::select(vec![Forms::OneByte, Forms::TwoByte, Forms::Mixed]),
        ) {
            let mut room = vec![0xAA; room];
            let mut writer = Writer::new(&mut room, forms);
            let taken: Vec<_> = elements.into_iter().filter(|(id, value)| writer.value(*id, value)).collect();
            let len = writer.finish();
            if taken.is_empty() {
                prop_assert_eq!(len, 0);
            } else {
                prop_assert_eq!(read(&room[..len]), taken);
            }
        }

        #[test]
        fn any_bytes_are_walked_to_an_end(profile in prop::sample::select(vec![ONE_BYTE, TWO_BYTE]), body: Vec<u8>) {
            let block = Block { profile, body: &body };
            prop_assert!(block.elements().map(|(_, value)| value.len() + 1).sum::<usize>() <= body.len());
        }
    }
}
