//! Pictures put together of packets: where they begin and end, whatever order packets come in.
//!
//! A picture is all packets of one timestamp, spatial layers together, for that is what decoders take. It begins where the
//! format says so or, where the format does not, behind the end of the one before; it ends with the last frame of the picture
//! or before a packet of another timestamp.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use peerage_base::time::Instant;
use peerage_rtp::error::ParseError;
use peerage_rtp::numbers::Timestamp;
use peerage_rtp::payload::depacketizer::Depacketizer;
use peerage_rtp::payload::info::{Info, Start};

use super::nack::Origin;
use super::packets::{Bounds, Insertion, Packets};
use super::references::Dependency;

/// What is known of a packet.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Its timestamp.
    pub timestamp: Timestamp,
    /// What its payload tells; `None` if it has none: padding, that probes the path.
    pub info: Option<Info>,
    /// What its dependency descriptor says, if it is the first of its frame and has one.
    pub dependency: Option<Dependency>,
    /// When it arrived.
    pub arrived: Instant,
    /// How it came.
    pub origin: Origin,
}

/// A picture of which all packets are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Place of its first packet.
    pub first: u64,
    /// Place of its last packet.
    pub last: u64,
    /// Its timestamp.
    pub timestamp: Timestamp,
    /// Decoding can start with it.
    pub is_key: bool,
    /// What its first packet tells.
    pub info: Info,
    /// Bytes of payload.
    pub bytes: usize,
    /// When the first of its packets came.
    pub first_arrived: Instant,
    /// When the last of its packets came.
    pub complete: Instant,
    /// Packets of it came by repair.
    pub was_repaired: bool,
}

#[derive(Clone, Copy, Debug)]
struct Kept {
    part: Part,
    /// A picture begins with it.
    begins: bool,
    /// All packets of its picture before it are there.
    is_joined: bool,
}

#[derive(Clone, Copy, Debug)]
struct Listed {
    picture: Picture,
    is_told: bool,
}

/// The packets of one stream and the pictures that they make.
#[derive(Clone, Debug)]
pub struct Frames {
    packets: Packets<Kept>,
    /// Complete ones, in order.
    pictures: VecDeque<Listed>,
    /// How many of them were not told yet.
    fresh: usize,
    /// The first packet of all.
    origin: Option<u64>,
}

impl Frames {
    /// Nothing yet.
    pub fn new(bounds: Bounds) -> Self {
        Self { packets: Packets::new(bounds), pictures: VecDeque::new(), fresh: 0, origin: None }
    }

    /// A packet has come.
    pub fn insert(&mut self, index: u64, part: Part, payload: &[u8]) -> Insertion {
        let insertion = self.packets.insert(index, Kept { part, begins: false, is_joined: false }, payload);
        if insertion == Insertion::New {
            self.origin.get_or_insert(index);
            self.close_before(index);
            self.join(index);
            self.pass_padding();
        }
        insertion
    }

    /// A packet will not come: where the format leaves it open whether a key frame begins behind it, it does.
    pub fn give_up(&mut self, index: u64) {
        let Some(kept) = self.packets.meta_mut(index + 1) else { return };
        let may_begin = |info: &Info| info.is_key && info.start == Start::Possible;
        if !kept.is_joined && kept.part.info.as_ref().is_some_and(may_begin) {
            kept.begins = true;
            self.join(index + 1);
        }
    }

    /// Takes the first picture: puts it together at the end of `out`, and drops all packets up to its end.
    ///
    /// # Errors
    /// If there is none, or its payloads do not make a frame; it is dropped then.
    pub fn take(&mut self, depacketizer: &Depacketizer, out: &mut Vec<u8>) -> Result<Picture, ParseError> {
        let picture = self.pictures.front().ok_or(ParseError::Truncated("picture"))?.picture;
        let places = picture.first..=picture.last;
        let payloads = places.filter_map(|index| self.packets.get(index));
        let payloads = payloads.filter(|(kept, _)| kept.part.info.is_some()).map(|(_, payload)| payload);
        // Payloads are hardly shorter than the frame that they make: to grow step by step would copy it several times.
        out.reserve(payloads.clone().map(<[u8]>::len).sum());
        let result = depacketizer.assemble(payloads, out);
        self.drop_before(picture.last + 1);
        result.map(|()| picture)
    }

    /// Drops all packets before `index`, and the pictures that have any of them.
    pub fn drop_before(&mut self, index: u64) {
        self.packets.forget_before(index);
        while let Some(listed) = self.pictures.front().filter(|listed| listed.picture.first < index) {
            self.fresh -= usize::from(!listed.is_told);
            self.pictures.pop_front();
        }
        self.pass_padding();
        // What follows may be a picture whose beginning could not be told.
        let next = self.packets.first();
        if self.packets.meta(next).is_some_and(|kept| !kept.is_joined) {
            self.join(next);
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.packets.clear();
        self.pictures.clear();
        (self.fresh, self.origin) = (0, None);
    }

    /// A picture that has become complete, each once.
    pub fn next_fresh(&mut self) -> Option<Picture> {
        if self.fresh == 0 {
            return None;
        }
        let listed = self.pictures.iter_mut().find(|listed| !listed.is_told)?;
        listed.is_told = true;
        self.fresh -= 1;
        Some(listed.picture)
    }

    /// The complete pictures, in order.
    pub fn pictures(&self) -> impl Iterator<Item = &Picture> {
        self.pictures.iter().map(|listed| &listed.picture)
    }

    /// What the descriptors of a picture's frames say.
    pub fn dependencies(&self, picture: &Picture) -> impl Iterator<Item = &Dependency> + Clone {
        let places = picture.first..=picture.last;
        places.filter_map(|index| self.packets.meta(index)?.part.dependency.as_ref())
    }

    /// Whether nothing is missing between `picture` and what was taken or dropped last.
    pub fn is_next(&self, picture: &Picture) -> bool {
        picture.first == self.packets.first()
    }

    /// The first place from which packets are taken.
    pub fn first(&self) -> u64 {
        self.packets.first()
    }

    /// One past the last packet.
    pub fn end(&self) -> u64 {
        self.packets.end()
    }

    /// The first packet that is there.
    pub fn lowest(&self) -> Option<u64> {
        self.packets.lowest()
    }

    /// How many packets there are.
    pub fn len(&self) -> usize {
        self.packets.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// A packet, or padding that closes the gap to one, ends the picture before it if its timestamp is another.
    fn close_before(&mut self, index: u64) {
        let is_padding = self.packets.meta(index).is_some_and(|kept| kept.part.info.is_none());
        let next = if is_padding { self.after(index) } else { Some(index) };
        let (Some(before), Some(next)) = (self.before(index), next) else { return };
        if let Some(last) = self.packets.meta(before)
            && last.is_joined
            && !last.part.ends_picture()
            && self.differ(before, next)
        {
            self.complete(before);
        }
    }

    /// Joins the packet to those before it, and those after it to it.
    fn join(&mut self, index: u64) {
        let mut at = index;
        while let Some(kept) = self.packets.meta(at).copied() {
            if kept.is_joined && at != index {
                return;
            }
            let is_padding = kept.part.info.is_none();
            let begins = kept.begins || (!is_padding && self.begins(at, &kept.part));
            if !begins && !is_padding && !self.is_joined_before(at) {
                return;
            }
            if let Some(kept) = self.packets.meta_mut(at)
                && !is_padding
            {
                (kept.begins, kept.is_joined) = (begins, true);
            }
            if !is_padding && self.ends(at, &kept.part) {
                self.complete(at);
            }
            at += 1;
        }
    }

    fn begins(&self, index: u64, part: &Part) -> bool {
        let Some(info) = &part.info else { return false };
        let is_behind_end = || {
            index == self.packets.first()
                || self.before(index).is_some_and(|before| {
                    self.differ(before, index) || self.packets.meta(before).is_some_and(|kept| kept.part.ends_picture())
                })
        };
        let is_lowest = info.layers.spatial.unwrap_or(0) == 0;
        match info.start {
            Start::No => false,
            Start::Yes if is_lowest => self.before(index).is_none_or(|before| {
                // A second frame of the base layer, or one of a picture cut in two by its sender, goes on.
                self.differ(before, index) || self.packets.meta(before).is_some_and(|kept| kept.part.ends_picture())
            }),
            Start::Yes => is_behind_end(),
            Start::Possible => is_behind_end() || (info.is_key && self.origin == Some(index)),
        }
    }

    fn ends(&self, index: u64, part: &Part) -> bool {
        part.ends_picture() || self.after(index).is_some_and(|after| self.differ(index, after))
    }

    fn is_joined_before(&self, index: u64) -> bool {
        let before = self.before(index).and_then(|before| Some((before, self.packets.meta(before)?)));
        before.is_some_and(|(before, kept)| kept.is_joined && !kept.part.ends_picture() && !self.differ(before, index))
    }

    /// The packet before, padding passed over; `None` if it is missing.
    fn before(&self, index: u64) -> Option<u64> {
        let mut at = index;
        loop {
            at = at.checked_sub(1)?;
            if self.packets.meta(at)?.part.info.is_some() {
                return Some(at);
            }
        }
    }

    /// The packet after, padding passed over; `None` if it is missing.
    fn after(&self, index: u64) -> Option<u64> {
        let mut at = index + 1;
        while self.packets.meta(at)?.part.info.is_none() {
            at += 1;
        }
        Some(at)
    }

    fn differ(&self, one: u64, other: u64) -> bool {
        let timestamp = |index| self.packets.meta(index).map(|kept| kept.part.timestamp);
        timestamp(one) != timestamp(other)
    }

    /// Notes the picture that ends with the packet at `last`, all of which is there.
    fn complete(&mut self, last: u64) {
        let Some((kept, payload)) = self.packets.get(last) else { return };
        let mut picture = Picture {
            first: last,
            last,
            timestamp: kept.part.timestamp,
            is_key: false,
            info: Info::default(),
            bytes: payload.len(),
            first_arrived: kept.part.arrived,
            complete: kept.part.arrived,
            was_repaired: false,
        };
        let (mut at, mut is_whole) = (Some(last), false);
        while let Some((kept, payload)) = at.and_then(|at| self.packets.get(at)) {
            let (part, place) = (&kept.part, at.unwrap_or(last));
            picture.first = place;
            picture.bytes += if place == last { 0 } else { payload.len() };
            picture.info = part.info.unwrap_or_default();
            picture.is_key |= picture.info.is_key;
            picture.first_arrived = picture.first_arrived.min(part.arrived);
            picture.complete = picture.complete.max(part.arrived);
            picture.was_repaired |= part.origin != Origin::Sent;
            if kept.begins {
                is_whole = true;
                break;
            }
            at = self.before(place);
        }
        // Not so if its beginning was dropped.
        if is_whole {
            let place = self.pictures.partition_point(|other| other.picture.first < picture.first);
            self.pictures.insert(place, Listed { picture, is_told: false });
            self.fresh += 1;
        }
    }

    /// Padding between pictures is not what a picture is missing.
    fn pass_padding(&mut self) {
        let mut first = self.packets.first();
        while self.packets.meta(first).is_some_and(|kept| kept.part.info.is_none()) {
            first += 1;
        }
        self.packets.forget_before(first);
    }
}

impl Part {
    fn ends_picture(&self) -> bool {
        self.info.is_some_and(|info| info.end_of_picture)
    }
}

#[cfg(test)]
mod tests;
