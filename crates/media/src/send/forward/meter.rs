//! How much a source sends, for each of its layers.

use peerage_base::time::{Duration, Instant};

use super::targets::{LIMITS, Limit};

/// Over what rates are taken.
const WINDOW: Duration = Duration::from_secs(1);
/// A source of which nothing came for so long sends nothing.
const SILENCE: Duration = Duration::from_millis(1500);

/// What those get who get a source up to some layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerRate {
    /// Highest layers that they get.
    pub limit: Limit,
    /// Bits of payload and header per second.
    pub rate: u64,
}

/// Counts what comes of one source.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meter {
    /// Bytes since `begun`, for each limit.
    bytes: [u32; LIMITS],
    /// Layers that came since then, and in the window before it, one bit each.
    layers: u32,
    last_layers: u32,
    rates: [u64; LIMITS],
    begun: Option<Instant>,
    last: Option<Instant>,
}

impl Meter {
    /// `bytes` of a frame of these layers have come, which those get whose limits are in `needed`, one bit each.
    pub(super) fn count(&mut self, now: Instant, bytes: u32, layers: Limit, needed: u32) {
        let begun = *self.begun.get_or_insert(now);
        let passed = now.since(begun);
        if passed >= WINDOW {
            let micros = passed.as_micros().max(1);
            for (rate, bytes) in self.rates.iter_mut().zip(&mut self.bytes) {
                let new = (u128::from(core::mem::take(bytes)) * 8_000_000 / micros) as u64;
                // Key frames come now and then: they move the rate, but not by all that they are.
                *rate = if *rate == 0 || new == 0 { new } else { (*rate + new) / 2 };
            }
            self.begun = Some(now);
            self.last_layers = core::mem::take(&mut self.layers);
        }
        for (limit, sum) in self.bytes.iter_mut().enumerate() {
            *sum = sum.saturating_add(if needed & 1 << limit == 0 { 0 } else { bytes });
        }
        self.layers |= 1 << layers.index();
        self.last = Some(now);
    }

    /// The rates of the layers that are being sent, the lowest spatial and temporal ones first; none before the first second, and
    /// none of a source that has gone silent.
    pub fn rates(&self, now: Instant) -> impl Iterator<Item = LayerRate> {
        let is_silent = self.last.is_none_or(|last| now.since(last) > SILENCE);
        let layers = if is_silent { 0 } else { self.last_layers };
        (0..LIMITS).filter(move |limit| layers & 1 << limit != 0).map(|limit| LayerRate {
            limit: Limit::of_index(limit),
            rate: self.rates.get(limit).copied().unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn layers_add_up_and_silence_ends_them() {
        let mut meter = Meter::default();
        let at = |n: u64| Instant::from_millis(10 * n);
        for n in 0..300 {
            let temporal = (n % 2) as u8;
            meter.count(at(n), 125, Limit { spatial: 0, temporal }, Limit::admitting(0, temporal));
        }
        let rates: Vec<_> = meter.rates(at(300)).map(|layer| (layer.limit.temporal, layer.rate)).collect();
        assert_eq!(rates, [(0, 50_000), (1, 100_000)]);
        assert_eq!(meter.rates(at(500)).count(), 0);
    }
}
