//! What encoded frames go through between encoder and network, on either side (W3C encoded transform): encryption from end to end,
//! above all. [`sframe`](crate::sframe) has one.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use peerage_session::face::playback::Decoder;
use peerage_session::face::{Codec, Encoded, Ssrc, Timestamp};

/// Most streams of one receiver whose state is remembered; a peer has no more at a time.
const MAX_STREAMS: usize = 8;

/// A frame on its way: what both sides know of it.
#[derive(Debug)]
#[non_exhaustive]
pub struct TransitFrame<'f> {
    /// Its bytes, to be changed in place; on the other side they come out as they are left here. Formats whose frames are taken apart
    /// on the way (H.264, H.265, AV1) have to keep their form.
    pub payload: &'f mut Vec<u8>,
    /// Its format.
    pub codec: Codec,
    /// Decoding can start here. Of audio it says nothing.
    pub is_key: bool,
    /// The name of its encoding, where several are sent side by side.
    pub rid: Option<&'f str>,
}

/// Changes frames, each once and in their order. Any closure of this form is one.
///
/// A sender's runs where frames are handed over, a receiver's where they are taken; nothing of the connection waits for it.
pub trait FrameTransform: Send {
    /// Changes a frame.
    ///
    /// # Errors
    /// Why the frame goes no further: it is dropped and counted.
    fn transform(&mut self, frame: &mut TransitFrame<'_>) -> Result<(), Rejected>;
}

impl<F: FnMut(&mut TransitFrame<'_>) -> Result<(), Rejected> + Send> FrameTransform for F {
    fn transform(&mut self, frame: &mut TransitFrame<'_>) -> Result<(), Rejected> {
        self(frame)
    }
}

/// Why a frame goes no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected(Cow<'static, str>);

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Rejected {}

impl Rejected {
    /// For a reason that people are told.
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self(reason.into())
    }
}

/// What became of frames in a transform since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransformCounts {
    /// They came out of it.
    pub passed: u64,
    /// It rejected them: of a wrong key, for instance.
    pub rejected: u64,
    /// They would have passed, but depend on rejected ones: dropped until a key frame, which is asked for.
    pub stranded: u64,
}

/// The transform of one direction of a transceiver, if it has one.
#[derive(Default)]
pub(crate) struct Passage(Mutex<Inside>);

#[derive(Default)]
struct Inside {
    transform: Option<Box<dyn FrameTransform>>,
    counts: TransformCounts,
    /// Streams of video of which frames were rejected, and whether a key frame was asked for since.
    broken: Vec<(Ssrc, bool)>,
}

/// What comes of a received frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passed {
    Yes,
    No,
    /// No, and it needs a key frame.
    NeedsKey,
}

impl Passage {
    /// Puts a transform in the place of the one before.
    pub(crate) fn set(&self, transform: Option<Box<dyn FrameTransform>>) {
        self.inside().transform = transform;
    }

    pub(crate) fn counts(&self) -> TransformCounts {
        self.inside().counts
    }

    pub(crate) fn is_set(&self) -> bool {
        self.inside().transform.is_some()
    }

    /// A frame that is sent.
    pub(crate) fn send(&self, payload: &mut Bytes, of: (Codec, bool, Option<&str>)) -> Result<(), Rejected> {
        self.inside().run(payload, of)
    }

    /// A frame that has come. Where one was rejected, what depends on it cannot be decoded: then a key frame is needed, once frames
    /// pass again and not before, because under a wrong key none would help.
    pub(crate) fn receive(&self, payload: &mut Bytes, ssrc: Ssrc, of: (Codec, bool, Option<&str>)) -> Passed {
        let inside = &mut *self.inside();
        if inside.transform.is_none() {
            return Passed::Yes;
        }
        let (codec, is_key, _) = of;
        let place = inside.broken.iter().position(|(broken, _)| *broken == ssrc);
        if let Err(rejected) = inside.run(payload, of) {
            tracing::debug!(%rejected, %ssrc, "a frame is dropped");
            match place {
                Some(place) => inside.broken[place].1 = false,
                None if codec.is_video() => inside.note_broken(ssrc),
                None => {}
            }
            return Passed::No;
        }
        let Some(place) = place else { return Passed::Yes };
        if is_key {
            inside.broken.remove(place);
            return Passed::Yes;
        }
        inside.counts.passed -= 1;
        inside.counts.stranded += 1;
        let is_asked = std::mem::replace(&mut inside.broken[place].1, true);
        if is_asked { Passed::No } else { Passed::NeedsKey }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        // What an application's transform leaves behind when it panics is its own.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    fn run(&mut self, payload: &mut Bytes, (codec, is_key, rid): (Codec, bool, Option<&str>)) -> Result<(), Rejected> {
        let Some(transform) = &mut self.transform else { return Ok(()) };
        let mut bytes = Vec::from(std::mem::take(payload));
        let result = transform.transform(&mut TransitFrame { payload: &mut bytes, codec, is_key, rid });
        *payload = bytes.into();
        match result {
            Ok(()) => self.counts.passed += 1,
            Err(_) => self.counts.rejected += 1,
        }
        result
    }

    fn note_broken(&mut self, ssrc: Ssrc) {
        if self.broken.len() == MAX_STREAMS {
            self.broken.remove(0);
        }
        self.broken.push((ssrc, false));
    }
}

/// Decodes what comes out of a transform. A packet may be decoded twice, first for the redundancy in it: it goes through once.
pub(crate) struct Through<'a, D> {
    pub(crate) decoder: &'a mut D,
    pub(crate) passage: &'a Passage,
    pub(crate) ssrc: Ssrc,
    pub(crate) last: &'a mut LastPacket,
}

/// The last packet that went through, and what became of it.
#[derive(Debug, Default)]
pub(crate) struct LastPacket(Option<(Timestamp, Bytes, Option<Bytes>)>);

impl<D> Through<'_, D> {
    fn pass(&mut self, encoded: &Encoded<'_>) -> Option<Bytes> {
        let known =
            self.last.0.as_ref().filter(|(at, before, _)| *at == encoded.timestamp && before == encoded.payload);
        if let Some((.., after)) = known {
            return after.clone();
        }
        let before = Bytes::copy_from_slice(encoded.payload);
        let mut payload = before.clone();
        let passed = self.passage.receive(&mut payload, self.ssrc, (encoded.codec, true, None));
        let after = Some(payload).filter(|_| passed == Passed::Yes);
        self.last.0 = Some((encoded.timestamp, before, after.clone()));
        after
    }
}

impl<D: Decoder> Decoder for Through<'_, D> {
    fn decode(&mut self, encoded: &Encoded<'_>, out: &mut Vec<i16>) -> bool {
        if !self.passage.is_set() {
            return self.decoder.decode(encoded, out);
        }
        let payload = self.pass(encoded);
        payload.is_some_and(|payload| self.decoder.decode(&Encoded { payload: &payload, ..*encoded }, out))
    }

    fn decode_redundancy(&mut self, encoded: &Encoded<'_>, out: &mut Vec<i16>) -> bool {
        if !self.passage.is_set() {
            return self.decoder.decode_redundancy(encoded, out);
        }
        let payload = self.pass(encoded);
        payload.is_some_and(|payload| self.decoder.decode_redundancy(&Encoded { payload: &payload, ..*encoded }, out))
    }

    fn conceal(&mut self, frames: usize, out: &mut Vec<i16>) -> bool {
        self.decoder.conceal(frames, out)
    }

    fn comfort_noise(&mut self, frames: usize, out: &mut Vec<i16>) -> bool {
        self.decoder.comfort_noise(frames, out)
    }
}

impl fmt::Debug for Passage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passage").field("is_set", &self.is_set()).field("counts", &self.counts()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIDEO: Ssrc = Ssrc(7);

    /// Rejects what begins with a zero, and takes the first byte off.
    fn passage() -> Passage {
        let passage = Passage::default();
        passage.set(Some(Box::new(|frame: &mut TransitFrame<'_>| match frame.payload.first() {
            None | Some(0) => Err(Rejected::new("it begins with a zero")),
            Some(_) => {
                frame.payload.remove(0);
                Ok(())
            }
        })));
        passage
    }

    fn comes(passage: &Passage, first: u8, is_key: bool) -> Passed {
        let mut payload = Bytes::from(vec![first, 9]);
        let passed = passage.receive(&mut payload, VIDEO, (Codec::Vp8, is_key, None));
        assert!(passed != Passed::Yes || payload.as_ref() == [9]);
        passed
    }

    #[test]
    fn after_a_rejected_frame_a_key_frame_is_asked_for_once_as_soon_as_it_helps() {
        let passage = passage();
        assert_eq!(comes(&passage, 1, true), Passed::Yes);
        for _ in 0..100 {
            assert_eq!(comes(&passage, 0, false), Passed::No, "under a wrong key nothing helps");
        }
        assert_eq!(comes(&passage, 0, true), Passed::No);
        assert_eq!(comes(&passage, 1, false), Passed::NeedsKey);
        for _ in 0..100 {
            assert_eq!(comes(&passage, 1, false), Passed::No, "it was asked for");
        }
        assert_eq!((comes(&passage, 1, true), comes(&passage, 1, false)), (Passed::Yes, Passed::Yes));
        assert_eq!(passage.counts(), TransformCounts { passed: 3, rejected: 101, stranded: 101 });
    }

    #[test]
    fn without_a_transform_frames_are_as_they_were() {
        let passage = passage();
        passage.set(None);
        let mut payload = Bytes::from_static(&[0, 1]);
        assert_eq!(passage.receive(&mut payload, VIDEO, (Codec::Vp8, false, None)), Passed::Yes);
        assert_eq!(passage.send(&mut payload, (Codec::Vp8, false, None)), Ok(()));
        assert_eq!((payload.as_ref(), passage.counts()), (&[0, 1][..], TransformCounts::default()));
    }

    #[test]
    fn sound_goes_on_after_a_rejected_frame() {
        let passage = passage();
        let comes = |first: u8| passage.receive(&mut vec![first, 9].into(), Ssrc(1), (Codec::Opus, true, None));
        assert_eq!([comes(1), comes(0), comes(1)], [Passed::Yes, Passed::No, Passed::Yes]);
    }

    #[test]
    fn streams_without_end_are_not_remembered() {
        let passage = passage();
        for n in 0..1_000 {
            passage.receive(&mut vec![0].into(), Ssrc(n), (Codec::Vp8, false, None));
        }
        assert_eq!(passage.inside().broken.len(), MAX_STREAMS);
    }

    /// Counts what it is given.
    struct Counting(Vec<u8>);

    impl Decoder for Counting {
        fn decode(&mut self, encoded: &Encoded<'_>, _: &mut Vec<i16>) -> bool {
            self.0.extend_from_slice(encoded.payload);
            true
        }

        fn decode_redundancy(&mut self, encoded: &Encoded<'_>, out: &mut Vec<i16>) -> bool {
            self.decode(encoded, out)
        }
    }

    #[test]
    fn a_packet_that_is_decoded_twice_goes_through_once() {
        let (passage, mut decoder, mut last) = (passage(), Counting(Vec::new()), LastPacket::default());
        let mut through = Through { decoder: &mut decoder, passage: &passage, ssrc: Ssrc(1), last: &mut last };
        let encoded = Encoded {
            codec: Codec::Opus,
            payload_type: peerage_session::face::PayloadType::from_byte(111),
            timestamp: Timestamp(960),
            ticks: 960,
            payload: &[1, 5],
        };
        let mut out = Vec::new();
        assert!(through.decode_redundancy(&encoded, &mut out) && through.decode(&encoded, &mut out));
        let rejected = Encoded { payload: &[0, 5], ..encoded };
        assert!(!through.decode(&rejected, &mut out));
        assert_eq!((passage.counts().passed, passage.counts().rejected, &decoder.0[..]), (1, 1, &[5, 5][..]));
    }
}
