//! Which encodings and layers of a simulcast or scalable sender are sent, and at what rate.

use alloc::vec::Vec;

use peerage_rtp::extension::video_layers_allocation::{Resolution, SpatialLayer, VideoLayersAllocation};

/// Most layers of one encoding.
pub const MAX_LAYERS: usize = 8;
/// What must be there, in percent of its least rate, before a layer that is off is turned on: without it one near the limit would
/// go on and off.
const HYSTERESIS: u64 = 120;

/// Rates of one spatial layer, in bits per second, beside those below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Below it the layer is not worth being sent.
    pub min: u64,
    /// What it has before the one above it gets anything.
    pub target: u64,
    /// What it can make use of if nothing is above it.
    pub max: u64,
}

/// One encoding (`RTCRtpEncodingParameters`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// Whether it may be sent at all.
    pub is_active: bool,
    /// The most that the application lets all its layers have, in bits per second; `None` is no limit.
    pub max: Option<u64>,
    /// Its spatial layers from the lowest on, [`MAX_LAYERS`] at most; one for an encoding without such layers.
    pub layers: Vec<Rates>,
}

/// What an encoding is to send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allocation {
    /// Bits per second of each spatial layer; nothing for those that are not sent.
    pub layers: Vec<u64>,
}

impl Allocation {
    /// Bits per second of all layers; 0 if the encoding is not to be sent.
    pub fn total(&self) -> u64 {
        self.layers.iter().sum()
    }
}

/// Shares a rate among the encodings of one sender, from the smallest to the largest.
#[derive(Clone, Debug)]
pub struct Allocator {
    encodings: Vec<Encoding>,
    shares: Vec<Allocation>,
    /// Encodings that begin, or begin again.
    started: Vec<bool>,
}

impl Allocator {
    /// For encodings from the smallest to the largest. Layers beyond [`MAX_LAYERS`] are dropped.
    pub fn new(mut encodings: Vec<Encoding>) -> Self {
        encodings.iter_mut().for_each(|encoding| encoding.layers.truncate(MAX_LAYERS));
        let share = |encoding: &Encoding| Allocation { layers: alloc::vec![0; encoding.layers.len()] };
        Self { shares: encodings.iter().map(share).collect(), started: alloc::vec![false; encodings.len()], encodings }
    }

    /// Lets an encoding be sent or not, from the next allocation on.
    pub fn set_active(&mut self, encoding: usize, is_active: bool) {
        if let Some(encoding) = self.encodings.get_mut(encoding) {
            encoding.is_active = is_active;
        }
    }

    /// Limits an encoding, from the next allocation on.
    pub fn set_max(&mut self, encoding: usize, max: Option<u64>) {
        if let Some(encoding) = self.encodings.get_mut(encoding) {
            encoding.max = max;
        }
    }

    /// Shares `rate` bits per second. The lowest layer of the smallest active encoding gets what there is even if that is less
    /// than its least rate: something is better than nothing. Every other layer gets its least rate or nothing, and nothing
    /// if the one below it got nothing. What is left goes to the largest ones.
    pub fn allocate(&mut self, rate: u64) -> &[Allocation] {
        let mut left = rate;
        let mut is_lowest = true;
        let mut is_open = true;
        for (n, encoding) in self.encodings.iter().enumerate() {
            let was = core::mem::take(&mut self.shares[n].layers);
            let mut share = was.clone();
            let mut limit = encoding.max.unwrap_or(u64::MAX);
            for (layer, rates) in encoding.layers.iter().enumerate() {
                let was_on = was[layer] > 0;
                let needed = if was_on { rates.min } else { rates.min.saturating_mul(HYSTERESIS) / 100 };
                let is_first = is_lowest && encoding.is_active;
                let fits = is_first || (left >= needed.max(1) && limit >= rates.min);
                is_open &= fits || !encoding.is_active;
                let is_on = encoding.is_active && is_open;
                share[layer] = if is_on { rates.target.min(left).min(limit) } else { 0 };
                left -= share[layer];
                limit -= share[layer];
                is_lowest &= !encoding.is_active;
            }
            self.started[n] |= was.iter().all(|rate| *rate == 0) && share.iter().any(|rate| *rate > 0);
            self.shares[n].layers = share;
        }
        self.spread(left);
        &self.shares
    }

    /// An encoding that was turned on, whose encoder is to begin with a key frame.
    pub fn poll_started(&mut self) -> Option<usize> {
        let encoding = self.started.iter().position(|started| *started)?;
        self.started[encoding] = false;
        Some(encoding)
    }

    /// What was allocated last.
    pub fn allocations(&self) -> &[Allocation] {
        &self.shares
    }

    /// What was allocated last, as it is told to those who pass it on, on the stream of encoding `stream` (0 to 3). `details` are
    /// the number of temporal layers (1 to 4) and the size of a spatial layer of an encoding. More than four encodings, or
    /// layers of one, cannot be told.
    pub fn describe(
        &self,
        stream: u8,
        details: impl Fn(usize, usize) -> (usize, Option<Resolution>),
    ) -> VideoLayersAllocation {
        let mut allocation = VideoLayersAllocation::new(stream);
        for (encoding, share) in self.shares.iter().enumerate().take(4) {
            for (layer, rate) in share.layers.iter().enumerate().filter(|(_, rate)| **rate > 0) {
                let (temporal, size) = details(encoding, layer);
                let percent = temporal_percent(temporal);
                let mut kbps = [0; 4];
                kbps.iter_mut().zip(percent).for_each(|(kbps, percent)| {
                    *kbps = u32::try_from(rate.saturating_mul(u64::from(*percent)) / 100_000).unwrap_or(u32::MAX);
                });
                let kbps = kbps.get(..percent.len()).unwrap_or_default();
                // They come in order: what cannot be told is out of range, and so is all that follows in the encoding.
                let told = SpatialLayer::new(encoding as u8, layer as u8, kbps, size);
                if !told.is_some_and(|told| allocation.push(told)) {
                    break;
                }
            }
        }
        allocation
    }

    /// Gives what is left to the largest layers that are on.
    fn spread(&mut self, mut left: u64) {
        for (encoding, share) in self.encodings.iter().zip(&mut self.shares).rev() {
            let mut limit = encoding.max.unwrap_or(u64::MAX).saturating_sub(share.total());
            for (rates, share) in encoding.layers.iter().zip(&mut share.layers).rev().filter(|(_, share)| **share > 0) {
                let more = rates.max.saturating_sub(*share).min(left).min(limit);
                *share += more;
                left -= more;
                limit -= more;
            }
        }
    }
}

/// The part of a spatial layer's rate up to each of `count` temporal layers (1 to 4), in percent: what libwebrtc gives them.
pub const fn temporal_percent(count: usize) -> &'static [u8] {
    match count {
        0 | 1 => &[100],
        2 => &[60, 100],
        3 => &[40, 60, 100],
        _ => &[25, 40, 60, 100],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use peerage_base::rng::Rng;

    fn rates(min: u64, target: u64, max: u64) -> Rates {
        Rates { min, target, max }
    }

    /// The three encodings that browsers make of 720p.
    fn three() -> Allocator {
        let encoding = |rates| Encoding { is_active: true, max: None, layers: vec![rates] };
        Allocator::new(vec![
            encoding(rates(30, 150, 200)),
            encoding(rates(150, 500, 700)),
            encoding(rates(600, 2500, 2500)),
        ])
    }

    fn totals(allocator: &mut Allocator, rate: u64) -> Vec<u64> {
        allocator.allocate(rate).iter().map(Allocation::total).collect()
    }

    #[test]
    fn encodings_come_on_one_after_the_other_and_begin_with_a_key_frame() {
        let mut allocator = three();
        assert_eq!(totals(&mut allocator, 10), [10, 0, 0], "the smallest gets what there is");
        assert_eq!((allocator.poll_started(), allocator.poll_started()), (Some(0), None));
        assert_eq!(totals(&mut allocator, 300), [200, 0, 0], "not enough for two");
        assert_eq!(totals(&mut allocator, 400), [150, 250, 0]);
        assert_eq!(allocator.poll_started(), Some(1));
        assert_eq!(totals(&mut allocator, 2000), [150, 500, 1350]);
        assert_eq!(allocator.poll_started(), Some(2));
        assert_eq!(totals(&mut allocator, 10_000), [200, 700, 2500], "no more than they can use");
        assert_eq!(allocator.poll_started(), None);
    }

    #[test]
    fn an_encoding_at_its_limit_does_not_go_on_and_off() {
        let mut allocator = three();
        assert_eq!(totals(&mut allocator, 320), [200, 0, 0], "170 are left: not yet a fifth more than it needs");
        assert_eq!(totals(&mut allocator, 330), [150, 180, 0]);
        assert_eq!(totals(&mut allocator, 305), [150, 155, 0], "once on it stays");
        assert_eq!(totals(&mut allocator, 295), [200, 0, 0]);
    }

    #[test]
    fn what_is_not_active_gets_nothing_and_is_passed_over() {
        let mut allocator = three();
        allocator.set_active(0, false);
        allocator.set_max(2, Some(1000));
        assert_eq!(totals(&mut allocator, 100), [0, 100, 0], "the smallest that is active");
        assert_eq!(totals(&mut allocator, 5000), [0, 700, 1000]);
        allocator.set_max(2, Some(100));
        assert_eq!(totals(&mut allocator, 5000), [0, 700, 0], "less than it needs is nothing");
        (0..3).for_each(|n| allocator.set_active(n, false));
        assert_eq!(totals(&mut allocator, 5000), [0, 0, 0]);
    }

    #[test]
    fn layers_of_one_encoding_share_it() {
        let layers = vec![rates(50, 100, 150), rates(200, 300, 400), rates(500, 800, 1000)];
        let mut allocator = Allocator::new(vec![Encoding { is_active: true, max: Some(800), layers }]);
        assert_eq!(allocator.allocate(5000)[0].layers, [150, 400, 0], "the limit leaves too little for the third");
        allocator.set_max(0, None);
        assert_eq!(allocator.allocate(1200)[0].layers, [100, 300, 800]);
        assert_eq!(allocator.allocate(450)[0].layers, [100, 350, 0]);
    }

    #[test]
    fn never_more_is_shared_than_there_is() {
        let mut rng = Rng::from_u64(1);
        let mut allocator = three();
        for _ in 0..2000 {
            let rate = rng.below(6000);
            allocator.set_active(rng.below(4) as usize, rng.below(3) > 0);
            assert!(totals(&mut allocator, rate).iter().sum::<u64>() <= rate);
        }
        assert_eq!(totals(&mut allocator, 0), [0, 0, 0]);
        assert!((0..6).all(|n| temporal_percent(n).last() == Some(&100)));
    }
}
