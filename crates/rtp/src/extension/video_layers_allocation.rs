//! Video layers allocation, of libwebrtc: which layers a sender sends, and how much each needs.
//!
//! ```text
//! | stream (2) | streams - 1 (2) | spatial layers (4) |   one bit per layer; zero if streams differ, and then:
//! | layers of stream 0 (4) | of 1 (4) | of 2 (4) | of 3 (4) |   the latter two if there are more than two streams
//! | temporal layers - 1 (2) | ...   per spatial layer of each stream, padded to bytes
//! | kbit/s (LEB128) | ...           per temporal layer of each of those
//! | width - 1 (16) | height - 1 (16) | frames per second (8) | ...   per spatial layer, or not at all
//! ```
//! A single byte of zero: nothing is sent.

use super::element::Element;
use super::kind::Kind;
use peerage_base::reader::Reader;

/// Most streams of a simulcast, and most spatial layers of a stream.
const SIDE: usize = 4;
/// Most spatial layers of all streams.
const MAX_LAYERS: usize = SIDE * SIDE;
/// Most temporal layers of a spatial one.
const MAX_TEMPORAL: usize = 4;
/// Most kbit/s that are believed.
const MAX_KBPS: u64 = 1_000_000;

/// Size and rate of a spatial layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// In pixels, 1 to 65536; anything else is clamped when written.
    pub width: u32,
    /// In pixels, 1 to 65536; anything else is clamped when written.
    pub height: u32,
    /// Most frames per second.
    pub frame_rate: u8,
}

/// A spatial layer that is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpatialLayer {
    stream: u8,
    spatial: u8,
    temporal: u8,
    kbps: [u32; MAX_TEMPORAL],
    /// Size and rate. Told if every layer has them.
    pub resolution: Option<Resolution>,
}

impl SpatialLayer {
    /// Layer `spatial` of stream `stream` (each 0 to 3) with, for each of its 1 to 4 temporal layers, the kbit/s (at most
    /// 1,000,000) that it needs together with those below it; `None` if a number is out of these bounds.
    pub fn new(stream: u8, spatial: u8, kbps: &[u32], resolution: Option<Resolution>) -> Option<Self> {
        let believed = kbps.iter().all(|rate| u64::from(*rate) <= MAX_KBPS);
        if usize::from(stream.max(spatial)) >= SIDE || kbps.is_empty() || !believed {
            return None;
        }
        let mut rates = [0; MAX_TEMPORAL];
        rates.get_mut(..kbps.len())?.copy_from_slice(kbps);
        Some(Self { stream, spatial, temporal: kbps.len() as u8, kbps: rates, resolution })
    }

    /// Which stream it belongs to, from 0.
    pub fn stream(&self) -> u8 {
        self.stream
    }

    /// Which spatial layer it is, from 0.
    pub fn spatial(&self) -> u8 {
        self.spatial
    }

    /// What each temporal layer needs together with those below it, in kbit/s.
    pub fn kbps(&self) -> &[u32] {
        &self.kbps[..usize::from(self.temporal)]
    }
}

/// The layers that a sender sends. None at all: it has paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VideoLayersAllocation {
    stream: u8,
    len: u8,
    layers: [SpatialLayer; MAX_LAYERS],
}

impl VideoLayersAllocation {
    /// No layer yet; told on stream `stream`, 0 to 3.
    pub fn new(stream: u8) -> Self {
        let none = SpatialLayer { stream: 0, spatial: 0, temporal: 1, kbps: [0; MAX_TEMPORAL], resolution: None };
        Self { stream: stream.min(SIDE as u8 - 1), len: 0, layers: [none; MAX_LAYERS] }
    }

    /// Appends a layer; `false`, and nothing changes, unless it comes after the last one in the order of streams, and of
    /// layers within a stream.
    #[must_use]
    pub fn push(&mut self, layer: SpatialLayer) -> bool {
        let place = |layer: &SpatialLayer| (layer.stream, layer.spatial);
        if self.layers().last().is_some_and(|last| place(last) >= place(&layer)) {
            return false;
        }
        // There are as many places as an ordered list can have.
        self.layers[usize::from(self.len)] = layer;
        self.len += 1;
        true
    }

    /// The stream on which it was told, from 0.
    pub fn stream(&self) -> u8 {
        self.stream
    }

    /// The layers in order.
    pub fn layers(&self) -> &[SpatialLayer] {
        &self.layers[..usize::from(self.len)]
    }

    /// The bits of the spatial layers of each stream, and the number of streams.
    fn bits(&self) -> ([u8; SIDE], usize) {
        let mut bits = [0; SIDE];
        for layer in self.layers() {
            bits[usize::from(layer.stream)] |= 1 << layer.spatial;
        }
        // The stream that tells must be one of them.
        let last = self.layers().last().map_or(0, |layer| layer.stream).max(self.stream);
        (bits, usize::from(last) + 1)
    }

    fn has_resolutions(&self) -> bool {
        self.layers().iter().all(|layer| layer.resolution.is_some())
    }
}

impl Element<'_> for VideoLayersAllocation {
    const KIND: Kind = Kind::VideoLayersAllocation;

    fn parse(value: &[u8]) -> Option<Self> {
        if value == [0] {
            return Some(Self::new(0));
        }
        let mut r = Reader::new(value);
        let head = r.u8()?;
        let mut allocation = Self::new(head >> 6);
        let streams = usize::from(head >> 4 & 3) + 1;
        let bits = read_bits(head & 0x0F, streams, &mut r)?;
        let layers = bits.iter().take(streams).map(|bits| bits.count_ones()).sum::<u32>();
        if layers == 0 || usize::from(allocation.stream) >= streams {
            return None;
        }
        let counts = r.bytes(layers.div_ceil(4) as usize)?;
        let mut rates = r;
        let places = (0..SIDE * SIDE).filter(|at| at / SIDE < streams && bits[at / SIDE] & 1 << (at % SIDE) != 0);
        for (index, at) in places.enumerate() {
            let count = counts.get(index / 4)? >> (6 - 2 * (index % 4)) & 3;
            let mut kbps = [0; MAX_TEMPORAL];
            let kbps = kbps.get_mut(..usize::from(count) + 1)?;
            for rate in &mut *kbps {
                *rate = read_leb128(&mut rates)?;
            }
            let layer = SpatialLayer::new((at / SIDE) as u8, (at % SIDE) as u8, kbps, None)?;
            allocation.push(layer).then_some(())?;
        }
        if !rates.is_empty() {
            for layer in &mut allocation.layers[..layers as usize] {
                let (width, height, frame_rate) = (rates.u16()?, rates.u16()?, rates.u8()?);
                let (width, height) = (u32::from(width) + 1, u32::from(height) + 1);
                layer.resolution = Some(Resolution { width, height, frame_rate });
            }
        }
        rates.is_empty().then_some(allocation)
    }

    fn size(&self) -> usize {
        if self.len == 0 {
            return 1;
        }
        let (bits, streams) = self.bits();
        let rates = self.layers().iter().flat_map(SpatialLayer::kbps).map(|rate| leb128_len(*rate)).sum::<usize>();
        let resolutions = if self.has_resolutions() { 5 * self.layers().len() } else { 0 };
        1 + differing_len(&bits, streams) + self.layers().len().div_ceil(4) + rates + resolutions
    }

    fn write(&self, out: &mut [u8]) {
        out.fill(0);
        if self.len == 0 {
            return;
        }
        let (bits, streams) = self.bits();
        let differing = differing_len(&bits, streams);
        let (head, out) = out.split_at_mut(1 + differing);
        head[0] = self.stream << 6 | ((streams - 1) as u8) << 4 | if differing == 0 { bits[0] } else { 0 };
        for (byte, pair) in head[1..].iter_mut().zip(bits.chunks_exact(2)) {
            *byte = pair[0] << 4 | pair[1];
        }
        let (counts, mut out) = out.split_at_mut(self.layers().len().div_ceil(4));
        for (index, layer) in self.layers().iter().enumerate() {
            counts[index / 4] |= (layer.temporal - 1) << (6 - 2 * (index % 4));
        }
        for rate in self.layers().iter().flat_map(SpatialLayer::kbps) {
            out = write_leb128(*rate, out);
        }
        if self.has_resolutions() {
            let resolutions = self.layers().iter().filter_map(|layer| layer.resolution);
            for (out, resolution) in out.chunks_exact_mut(5).zip(resolutions) {
                out[..2].copy_from_slice(&less_one(resolution.width).to_be_bytes());
                out[2..4].copy_from_slice(&less_one(resolution.height).to_be_bytes());
                out[4] = resolution.frame_rate;
            }
        }
    }
}

/// The bits of each stream's spatial layers: those of the head for all, or one half byte each.
fn read_bits(shared: u8, streams: usize, r: &mut Reader<'_>) -> Option<[u8; SIDE]> {
    if shared != 0 {
        return Some([shared; SIDE]);
    }
    let first = r.u8()?;
    let second = if streams > 2 { r.u8()? } else { 0 };
    Some([first >> 4, first & 0x0F, second >> 4, second & 0x0F])
}

/// How many bytes the bits of layers take beyond the head: none if all streams have the same.
fn differing_len(bits: &[u8; SIDE], streams: usize) -> usize {
    let same = bits.iter().take(streams).all(|other| *other == bits[0]);
    if same { 0 } else { streams.div_ceil(2) }
}

fn less_one(pixels: u32) -> u16 {
    u16::try_from(pixels.saturating_sub(1)).unwrap_or(u16::MAX)
}

/// A number in groups of seven bits, the lowest first; `None` if it is cut short or not believed.
fn read_leb128(r: &mut Reader<'_>) -> Option<u32> {
    let mut value = 0u64;
    for shift in (0..56).step_by(7) {
        let byte = r.u8()?;
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return u32::try_from(value).ok().filter(|rate| u64::from(*rate) <= MAX_KBPS);
        }
    }
    None
}

fn leb128_len(value: u32) -> usize {
    (32 - (value | 1).leading_zeros()).div_ceil(7) as usize
}

/// Writes a number and answers what follows it.
fn write_leb128(value: u32, out: &mut [u8]) -> &mut [u8] {
    let (own, rest) = out.split_at_mut(leb128_len(value));
    let last = own.len() - 1;
    for (index, byte) in own.iter_mut().enumerate() {
        *byte = (value >> (7 * index)) as u8 & 0x7F | u8::from(index < last) << 7;
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::tests_support::assert_wire;
    use peerage_testkit::codec::assert_refuses_truncation;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    fn allocation(stream: u8, layers: &[SpatialLayer]) -> VideoLayersAllocation {
        let mut allocation = VideoLayersAllocation::new(stream);
        for layer in layers {
            assert!(allocation.push(*layer));
        }
        allocation
    }

    fn layer(stream: u8, spatial: u8, kbps: &[u32]) -> SpatialLayer {
        SpatialLayer::new(stream, spatial, kbps, None).unwrap()
    }

    #[test]
    fn nothing_is_one_zero() {
        assert_wire(&allocation(0, &[]), &[0]);
        assert_eq!(VideoLayersAllocation::parse(&[]), None);
    }

    #[test]
    fn a_seed_of_libwebrtc_reads() {
        let bytes = [0x01, 0x40, 0x19, 0x32, 0x01, 0x3F, 0xFF, 0xFF, 0x08];
        let resolution = Some(Resolution { width: 320, height: 65_536, frame_rate: 8 });
        assert_wire(&allocation(0, &[SpatialLayer { resolution, ..layer(0, 0, &[25, 50]) }]), &bytes);
    }

    #[test]
    fn streams_with_the_same_layers_share_the_bits() {
        let layers = [layer(0, 0, &[100]), layer(1, 0, &[300, 500]), layer(2, 0, &[1000])];
        assert_wire(&allocation(1, &layers), &[0b0110_0001, 0b0001_0000, 100, 0xAC, 2, 0xF4, 3, 0xE8, 7]);
    }

    #[test]
    fn streams_with_other_layers_have_bits_of_their_own() {
        let layers = [layer(0, 0, &[1]), layer(0, 2, &[2]), layer(1, 1, &[3]), layer(1, 3, &[4]), layer(2, 0, &[5, 6])];
        let bytes = [0b0010_0000, 0b0101_1010, 0b0001_0000, 0, 0b0100_0000, 1, 2, 3, 4, 5, 6];
        assert_wire(&allocation(0, &layers), &bytes);
    }

    #[test]
    fn every_shorter_value_is_refused() {
        // Whole without its resolutions, so those are left out here.
        assert_refuses_truncation(&[0b0110_0001, 0b0001_0000, 100, 0xAC, 2, 0xF4, 3, 0xE8, 7], |bytes| {
            VideoLayersAllocation::parse(bytes).is_some()
        });
    }

    #[test]
    fn values_that_make_no_sense_are_refused() {
        for bytes in [
            // Neither stream has a layer.
            &[0x10, 0x00, 0x00][..],
            // Told on a stream that is not one of them.
            &[0b1001_0001, 0, 1, 1],
            // More than is believed.
            &[0x01, 0, 0xC1, 0x84, 0x3D],
            // Endless.
            &[0x01, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80],
            // A resolution with a byte too many.
            &[0x01, 0, 1, 0, 0, 0, 0, 0, 0],
        ] {
            assert_eq!(VideoLayersAllocation::parse(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn layers_are_kept_in_order_and_in_bounds() {
        let mut allocation = allocation(0, &[layer(1, 1, &[1])]);
        assert!(!allocation.push(layer(1, 1, &[1])) && !allocation.push(layer(0, 3, &[1])));
        assert_eq!(SpatialLayer::new(4, 0, &[1], None), None);
        assert_eq!(SpatialLayer::new(0, 4, &[1], None), None);
        assert_eq!(SpatialLayer::new(0, 0, &[], None), None);
        assert_eq!(SpatialLayer::new(0, 0, &[0; 5], None), None);
        assert_eq!(SpatialLayer::new(0, 0, &[1_000_001], None), None);
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            stream in 0u8..4, places: u16, sized: bool,
            kbps in prop::collection::vec(prop::collection::vec(0u32..=1_000_000, 1..=4), 16),
            size in (1u32..=65_536, 1u32..=65_536, any::<u8>()),
        ) {
            let resolution = sized.then_some(Resolution { width: size.0, height: size.1, frame_rate: size.2 });
            let layers: Vec<_> = (0u8..16)
                .filter(|at| places >> at & 1 == 1)
                .map(|at| SpatialLayer { resolution, ..layer(at / 4, at % 4, &kbps[usize::from(at)]) })
                .collect();
            prop_assume!(!layers.is_empty());
            let allocation = allocation(stream, &layers);
            let mut out = vec![0xEE; allocation.size()];
            allocation.write(&mut out);
            prop_assert_eq!(VideoLayersAllocation::parse(&out), Some(allocation));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some(allocation) = VideoLayersAllocation::parse(&bytes) {
                let mut out = vec![0; allocation.size()];
                allocation.write(&mut out);
                prop_assert_eq!(VideoLayersAllocation::parse(&out), Some(allocation));
            }
        }
    }
}
