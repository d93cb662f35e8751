//! A packet that waits, or may have to leave again.

use bytes::Bytes;
use peerage_rtp::extension::abs_capture_time::AbsCaptureTime;
use peerage_rtp::extension::block::Writer;
use peerage_rtp::extension::element::Element as _;
use peerage_rtp::extension::kind::Kind;
use peerage_rtp::extension::map::Map;
use peerage_rtp::numbers::{PayloadType, Ssrc};
use peerage_rtp::packet::MAX_CSRCS;
use peerage_rtp::payload::codec::Codec;

use crate::send::forward::forwarder::Rewrite;
use crate::send::forward::store::CSRCS;

/// One packet: its bytes are shared with all others who send it.
#[derive(Clone, Debug)]
pub(in crate::send) struct Held {
    /// Elements, each behind its kind and length, then the payload.
    bytes: Bytes,
    elements: u16,
    /// Another format than the stream's.
    pub(super) payload_type: Option<PayloadType>,
    pub(super) rewrite: Rewrite,
    /// The format, if numbers in its payload are to be changed.
    renumbers: Option<Codec>,
}

impl Held {
    /// A packet of a publisher, in this format.
    pub(super) fn forwarded((bytes, elements): (Bytes, u16), codec: Codec, rewrite: Rewrite) -> Self {
        Self { bytes, elements, payload_type: None, rewrite, renumbers: Some(codec) }
    }

    /// A packet of the application.
    pub(super) fn raw((bytes, elements): (Bytes, u16), payload_type: Option<PayloadType>, rewrite: Rewrite) -> Self {
        Self { bytes, elements, payload_type, rewrite, renumbers: None }
    }

    /// Writes the payload to the start of `room`: its length, or `None` if there is no room.
    pub(super) fn write(&self, room: &mut [u8]) -> Option<usize> {
        let payload = self.payload();
        let room = room.get_mut(..payload.len())?;
        room.copy_from_slice(payload);
        if let Some(codec) = self.renumbers {
            self.rewrite.payload(codec, room);
        }
        Some(payload.len())
    }

    /// Bytes that it holds.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    fn payload(&self) -> &[u8] {
        self.bytes.get(usize::from(self.elements)..).unwrap_or_default()
    }

    /// Contributing sources, and how many there are.
    pub(super) fn csrcs(&self) -> ([Ssrc; MAX_CSRCS], usize) {
        let mut csrcs = [Ssrc(0); MAX_CSRCS];
        let value = self.elements().next().filter(|(kind, _)| *kind == CSRCS).map_or(&[][..], |(_, value)| value);
        let words = value.as_chunks().0;
        csrcs.iter_mut().zip(words).for_each(|(csrc, word)| *csrc = Ssrc(u32::from_be_bytes(*word)));
        (csrcs, words.len().min(MAX_CSRCS))
    }

    /// Appends what was agreed on of its elements. `ahead` is how far the clock of who made them is ahead of ours, if that is
    /// known.
    pub(super) fn extend(&self, map: &Map, block: &mut Writer<'_>, ahead: Option<i64>) {
        for (kind, value) in self.elements() {
            let Some(kind) = Kind::ALL.get(usize::from(kind)) else { continue };
            if let (Kind::AbsCaptureTime, Some(ahead), Some(mut told)) = (kind, ahead, AbsCaptureTime::parse(value)) {
                // Our sender reports tell our clock: without this the time would be taken for one of ours.
                told.clock_offset = Some(told.clock_offset.unwrap_or(0).wrapping_add(ahead));
                map.write(block, &told);
                continue;
            }
            let Some(room) = map.id(*kind).and_then(|id| block.reserve(id, value.len())) else { continue };
            room.copy_from_slice(value);
            if let (Kind::DependencyDescriptor, Some(number)) = (kind, self.rewrite.frame_number)
                && let Some(place) = room.get_mut(1..3)
            {
                place.copy_from_slice(&number.to_be_bytes());
            }
        }
    }

    fn elements(&self) -> impl Iterator<Item = (u8, &[u8])> {
        let mut rest = self.bytes.get(..self.elements.into()).unwrap_or_default();
        core::iter::from_fn(move || {
            let ([kind, len], after) = rest.split_first_chunk()?;
            let (value, after) = after.split_at_checked(usize::from(*len))?;
            rest = after;
            Some((*kind, value))
        })
    }
}
