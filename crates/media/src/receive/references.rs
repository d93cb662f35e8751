//! Whether a picture can be decoded by what was decoded before it.

use alloc::boxed::Box;

use peerage_rtp::extension::dependency_descriptor::structure::FrameDiffs;
use peerage_rtp::payload::info::{Info, PictureId};

/// Frame numbers that are remembered: no reference goes further back.
const WINDOW: u64 = 4_096;
const WORDS: usize = (WINDOW / 64) as usize;

/// What the dependency descriptor says of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// Number of the frame.
    pub number: u16,
    /// How far back the frames are that it depends on.
    pub diffs: FrameDiffs,
    /// Decoding can go on without it in the base layer: it is of a higher temporal or spatial layer.
    pub is_enhancement: bool,
}

/// How a picture stands to those decoded before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It can be decoded, and nothing before it is missing.
    Ready,
    /// The same, though numbers before it are missing: they were of repair packets or padding among the media.
    Continues,
    /// It can be decoded; what is missing before it would come too late then.
    Skips,
    /// Something it may depend on is missing and may come.
    Waits,
    /// Something it depends on was not decoded, and will not be.
    Never,
}

/// What was decoded.
#[derive(Clone, Debug, Default)]
pub struct References {
    has_key: bool,
    /// Everything from the last key frame on was decoded.
    is_intact: bool,
    picture_id: Option<PictureId>,
    tl0_index: Option<u8>,
    /// Frames told by dependency descriptor: the highest, and which of the [`WINDOW`] up to it were decoded.
    frames: Option<(u64, Box<[u64; WORDS]>)>,
}

impl References {
    /// Nothing was decoded.
    pub fn new() -> Self {
        Self::default()
    }

    /// Judges a picture by its first packet and what the descriptors of its frames say. `is_next` tells that nothing is
    /// missing between it and what was decoded or dropped last.
    pub fn judge<'d>(
        &self,
        is_key: bool,
        is_next: bool,
        info: &Info,
        frames: impl Iterator<Item = &'d Dependency> + Clone,
    ) -> Standing {
        if is_key {
            return if is_next { Standing::Ready } else { Standing::Skips };
        }
        if !self.has_key {
            // What is missing before it may be the key frame.
            return if is_next { Standing::Never } else { Standing::Waits };
        }
        let is_described = self.frames.is_some() && frames.clone().next().is_some();
        if !is_next && !is_described && self.is_intact && self.is_next_picture(info) {
            return Standing::Continues;
        }
        let is_decodable = match &self.frames {
            Some(decoded) if frames.clone().next().is_some() => are_known(decoded, frames),
            _ => (self.is_intact && is_next) || self.follows(info),
        };
        match (is_decodable, is_next) {
            (true, true) => Standing::Ready,
            (true, false) => Standing::Skips,
            (false, true) => Standing::Never,
            (false, false) => Standing::Waits,
        }
    }

    /// A picture goes to the decoder; `is_next` as above, or it continues what was decoded.
    pub fn decoded<'d>(
        &mut self,
        is_key: bool,
        is_next: bool,
        info: &Info,
        frames: impl Iterator<Item = &'d Dependency>,
    ) {
        if is_key {
            self.has_key = true;
            self.is_intact = true;
            self.frames = None;
        } else if !is_next {
            self.is_intact = false;
        }
        self.picture_id = info.picture_id;
        self.tl0_index = info.tl0_index;
        frames.for_each(|frame| self.note(frame.number));
    }

    /// A picture that is complete is dropped.
    pub fn dropped(&mut self, info: &Info) {
        self.is_intact &= info.is_discardable;
    }

    /// Only a key frame helps now.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// By picture numbers and temporal layers (RFC 7741 §4.2, RFC 9628 §4.2): the base layer needs its last picture, what
    /// stands above needs all since then or, where one may switch up, that one only.
    fn follows(&self, info: &Info) -> bool {
        match (self.tl0_index, info.tl0_index) {
            (Some(last), Some(this)) if info.layers.temporal.unwrap_or(0) == 0 => last.wrapping_add(1) == this,
            (Some(last), Some(this)) => last == this && (info.layers.is_switching_point || self.is_next_picture(info)),
            _ => self.is_intact && self.is_next_picture(info),
        }
    }

    fn is_next_picture(&self, info: &Info) -> bool {
        self.picture_id.zip(info.picture_id).is_some_and(|(last, this)| last.next() == this)
    }

    fn note(&mut self, number: u16) {
        let (highest, words) = self.frames.get_or_insert_with(|| (u64::from(number) + (1 << 16), Box::new([0; WORDS])));
        let number = unwrapped(number, *highest);
        if number > *highest {
            for passed in (*highest + 1..=number).take(WINDOW as usize) {
                set(words, passed, false);
            }
            *highest = number;
        }
        if *highest - number < WINDOW {
            set(words, number, true);
        }
    }
}

fn are_known<'d>(decoded: &(u64, Box<[u64; WORDS]>), frames: impl Iterator<Item = &'d Dependency>) -> bool {
    let (highest, words) = decoded;
    let (mut first, mut all) = (None, true);
    for frame in frames {
        let number = unwrapped(frame.number, *highest);
        let first = *first.get_or_insert(number);
        for diff in frame.diffs.as_slice() {
            let target = number.saturating_sub(u64::from(*diff));
            // Those of the same picture come with it.
            let is_known =
                target >= first || (target <= *highest && *highest - target < WINDOW && is_set(words, target));
            all &= is_known;
        }
    }
    all
}

fn unwrapped(number: u16, near: u64) -> u64 {
    peerage_rtp::numbers::SequenceNumber(number).nearest(near)
}

fn is_set(words: &[u64; WORDS], number: u64) -> bool {
    let bit = number % WINDOW;
    words[(bit / 64) as usize] >> (bit % 64) & 1 == 1
}

fn set(words: &mut [u64; WORDS], number: u64, value: bool) {
    let bit = number % WINDOW;
    let word = &mut words[(bit / 64) as usize];
    *word = *word & !(1 << (bit % 64)) | u64::from(value) << (bit % 64);
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::iter::empty;
    use peerage_rtp::payload::info::Layers;
    use proptest::prelude::*;

    fn info(picture_id: u16, tl0_index: u8, temporal: u8, is_switching_point: bool) -> Info {
        Info {
            picture_id: Some(PictureId::wide(picture_id)),
            tl0_index: Some(tl0_index),
            layers: Layers { temporal: Some(temporal), spatial: None, is_switching_point },
            ..Info::default()
        }
    }

    fn frame(number: u16, diffs: &[u16]) -> Dependency {
        Dependency { number, diffs: FrameDiffs::new(diffs).unwrap(), is_enhancement: false }
    }

    #[test]
    fn without_numbers_only_an_unbroken_stream_is_decodable() {
        let (mut references, plain) = (References::new(), Info::default());
        assert_eq!(references.judge(false, true, &plain, empty()), Standing::Never);
        assert_eq!(references.judge(true, false, &plain, empty()), Standing::Skips);
        references.decoded(true, false, &plain, empty());
        assert_eq!(references.judge(false, true, &plain, empty()), Standing::Ready);
        assert_eq!(references.judge(false, false, &plain, empty()), Standing::Waits);
        references.dropped(&Info { is_discardable: true, ..plain });
        assert_eq!(references.judge(false, true, &plain, empty()), Standing::Ready);
        references.dropped(&plain);
        assert_eq!(references.judge(false, true, &plain, empty()), Standing::Never);
        references.decoded(true, true, &plain, empty());
        assert_eq!(references.judge(false, true, &plain, empty()), Standing::Ready);
    }

    #[test]
    fn the_base_layer_goes_on_where_upper_layers_are_missing() {
        let mut references = References::new();
        references.decoded(true, true, &info(0x7FFE, 255, 0, false), empty());
        let judge = |references: &References, info: Info| references.judge(false, false, &info, empty());
        assert_eq!(judge(&references, info(0, 0, 0, false)), Standing::Skips);
        assert_eq!(judge(&references, info(0, 255, 1, true)), Standing::Skips);
        assert_eq!(judge(&references, info(0, 255, 1, false)), Standing::Waits);
        assert_eq!(judge(&references, info(0x7FFF, 255, 1, false)), Standing::Continues);
        assert_eq!(judge(&references, info(4, 1, 0, false)), Standing::Waits);
        references.decoded(false, false, &info(0, 0, 0, false), empty());
        assert_eq!(references.judge(false, true, &info(2, 0, 1, false), empty()), Standing::Never);
        assert_eq!(references.judge(false, true, &info(4, 1, 0, false), empty()), Standing::Ready);
    }

    #[test]
    fn by_their_numbers_pictures_go_on_over_what_was_no_picture() {
        let mut references = References::new();
        let plain = |picture_id| Info { picture_id: Some(PictureId::wide(picture_id)), ..Info::default() };
        references.decoded(true, true, &plain(7), empty());
        assert_eq!(references.judge(false, false, &plain(8), empty()), Standing::Continues);
        assert_eq!(references.judge(false, true, &plain(8), empty()), Standing::Ready);
        assert_eq!(references.judge(false, false, &plain(9), empty()), Standing::Waits);
        references.decoded(false, true, &plain(8), empty());
        assert_eq!(references.judge(false, false, &plain(9), empty()), Standing::Continues);
        // Once one is missing, numbers prove nothing any more.
        references.decoded(false, false, &plain(10), empty());
        assert_eq!(references.judge(false, false, &plain(11), empty()), Standing::Waits);
    }

    #[test]
    fn descriptors_name_what_a_frame_needs() {
        let (mut references, plain) = (References::new(), Info::default());
        let key = [frame(65_534, &[]), frame(65_535, &[1])];
        references.decoded(true, true, &plain, key.iter());
        let judge =
            |references: &References, frames: &[Dependency]| references.judge(false, false, &plain, frames.iter());
        assert_eq!(judge(&references, &[frame(0, &[2]), frame(1, &[1, 2])]), Standing::Skips);
        assert_eq!(judge(&references, &[frame(4, &[4])]), Standing::Waits);
        references.decoded(false, false, &plain, [frame(2, &[4])].iter());
        assert_eq!(judge(&references, &[frame(4, &[2])]), Standing::Skips);
        assert_eq!(judge(&references, &[frame(4, &[3])]), Standing::Waits);
        assert_eq!(references.judge(false, true, &plain, [frame(4, &[3])].iter()), Standing::Never);
    }

    proptest! {
        #[test]
        fn only_what_was_decoded_is_known(numbers in prop::collection::vec(1u16..3_000, 1..60), diff in 1u16..=4_096) {
            let mut references = References::new();
            let mut all = std::vec::Vec::new();
            let mut at = 100_000u64;
            references.decoded(true, true, &Info::default(), [frame(at as u16, &[])].iter());
            all.push(at);
            for step in numbers {
                at += u64::from(step);
                references.decoded(false, true, &Info::default(), [frame(at as u16, &[])].iter());
                all.push(at);
            }
            let standing = references.judge(false, false, &Info::default(), [frame((at + 1) as u16, &[diff])].iter());
            let is_known = diff <= 4_096 && all.contains(&(at + 1 - u64::from(diff)));
            prop_assert_eq!(standing == Standing::Skips, is_known);
        }
    }
}
