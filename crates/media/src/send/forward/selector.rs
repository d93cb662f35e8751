//! Which encoding of a publisher, and which of its layers, a viewer gets: by what its path can carry.

use peerage_base::time::{Duration, Instant};
use peerage_rtp::numbers::Ssrc;

use super::meter::LayerRate;
use super::targets::Limit;

/// A choice that has to be taken back sooner than this was wrong.
const PROBATION: Duration = Duration::from_secs(15);

/// Settings of a [`Selector`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Config {
    /// How long there must have been room for more before more is sent; 3 s. Less follows estimates that do not last.
    pub rise_after: Duration,
    /// The most that this grows to: it doubles with every rise that had to be taken back within 15 s; 60 s.
    pub most_rise_after: Duration,
    /// What must be there before more is sent, in percent of what that takes; 115.
    pub rise_percent: u64,
    /// What must be there for things to stay as they are, in percent of what they take; 95. A single large frame then changes
    /// nothing.
    pub stay_percent: u64,
    /// Most pixels of a picture that the viewer can make use of, as its window may be small; no limit.
    pub max_pixels: Option<u64>,
    /// Whether nothing is sent when there is not even room for the least; no: the least is sent then.
    pub may_pause: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            rise_after: Duration::from_secs(3),
            most_rise_after: Duration::from_secs(60),
            rise_percent: 115,
            stay_percent: 95,
            max_pixels: None,
            may_pause: false,
        }
    }
}

/// One encoding of the publisher, as it comes.
#[derive(Clone, Copy, Debug)]
pub struct Encoding<'a> {
    /// Its source.
    pub source: Ssrc,
    /// Pixels of its largest picture; 0 if that is not known. Of spatial layers each is taken to have four times those of the one
    /// below.
    pub pixels: u64,
    /// Its layers, as a [`Meter`](super::meter::Meter) tells them; none if it is not being sent.
    pub layers: &'a [LayerRate],
}

/// What a viewer is to get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The encoding.
    pub source: Ssrc,
    /// The layers of it.
    pub limit: Limit,
    /// What it takes, in bits per second.
    pub rate: u64,
}

/// Chooses for one viewer. Less is chosen at once, more when there has been room for it for a while.
#[derive(Clone, Debug)]
pub struct Selector {
    config: Config,
    current: Option<Choice>,
    /// Since when there has been room for more, and the least room since.
    room: Option<(Instant, u64)>,
    rise_after: Duration,
    rose: Option<Instant>,
    wanted: Option<u64>,
}

impl Selector {
    /// Nothing is chosen yet.
    pub const fn new(config: Config) -> Self {
        let rise_after = config.rise_after;
        Self { config, current: None, room: None, rise_after, rose: None, wanted: None }
    }

    /// Most pixels that the viewer can make use of, from the next choice on.
    pub fn set_max_pixels(&mut self, pixels: Option<u64>) {
        self.config.max_pixels = pixels;
    }

    /// Chooses anew, with `available` bits per second for the picture; to be called every 100 ms or so, and when that falls.
    /// `encodings` come from the smallest to the largest. `None` if nothing is being sent, or there is no room for the least and
    /// [`may_pause`](Config::may_pause) holds.
    pub fn choose(&mut self, now: Instant, available: u64, encodings: &[Encoding<'_>]) -> Option<Choice> {
        let max_pixels = self.config.max_pixels;
        let options = || options(encodings, max_pixels);
        let current = self.current.and_then(|now| options().enumerate().find(|(_, option)| is_same(option, &now)));
        let fitting = |room: u64, most: usize, percent: u64| {
            options().enumerate().take(most).filter(|(_, o)| fits(o.rate, percent, room)).last()
        };
        let (rise_percent, may_pause) = (self.config.rise_percent, self.config.may_pause);
        let mut is_rise = false;
        let chosen = match current {
            Some((at, option)) if fits(option.rate, self.config.stay_percent, available) => {
                let room = self.room(now, available, options().skip(at + 1).map(|option| option.rate));
                let more = room.and_then(|room| fitting(room, usize::MAX, rise_percent));
                let more = more.filter(|(higher, _)| *higher > at);
                is_rise = more.is_some();
                more.or(current)
            }
            // The one that was chosen takes too much, or is gone, or nothing was chosen yet.
            _ => {
                self.fell(now);
                let most = current.map_or(usize::MAX, |(at, _)| at);
                fitting(available, most, 100).or_else(|| options().enumerate().next().filter(|_| !may_pause))
            }
        };
        if is_rise {
            (self.rose, self.room) = (Some(now), None);
        }
        self.forgive(now);
        let higher = options().nth(chosen.map_or(0, |(at, _)| at + 1));
        self.wanted = higher.map(|higher| self.needed(higher.rate));
        self.current = chosen.map(|(_, option)| option);
        self.current
    }

    /// What is chosen now.
    pub fn current(&self) -> Option<Choice> {
        self.current
    }

    /// Bits per second at which more would be chosen, if there is more: worth probing for, or padding up to, as what is chosen
    /// now does not show whether the path can carry it.
    pub fn wanted(&self) -> Option<u64> {
        self.wanted
    }

    /// The least room there has been for as long as it takes; `None` if it has not been that long.
    fn room(&mut self, now: Instant, available: u64, mut higher: impl Iterator<Item = u64>) -> Option<u64> {
        let is_room = higher.any(|rate| fits(rate, self.config.rise_percent, available));
        if !is_room {
            self.room = None;
            return None;
        }
        let (since, least) = self.room.map_or((now, available), |(since, least)| (since, least.min(available)));
        self.room = Some((since, least));
        (now.since(since) >= self.rise_after).then_some(least)
    }

    /// A choice was taken back.
    fn fell(&mut self, now: Instant) {
        self.room = None;
        if self.rose.take().is_some_and(|rose| now.since(rose) < PROBATION) {
            self.rise_after = (self.rise_after * 2).min(self.config.most_rise_after);
        }
    }

    /// A rise that lasts shows that the path has changed.
    fn forgive(&mut self, now: Instant) {
        if self.rose.is_some_and(|rose| now.since(rose) >= 2 * PROBATION) {
            (self.rose, self.rise_after) = (None, self.config.rise_after);
        }
    }

    fn needed(&self, rate: u64) -> u64 {
        (rate.saturating_mul(self.config.rise_percent)).div_ceil(100)
    }
}

/// What may be chosen, from the least to the most. Every size comes with all its temporal layers, or all but the highest: with
/// fewer, a smaller picture that moves is better. Only the smallest goes down to the lowest.
fn options<'a>(encodings: &'a [Encoding<'a>], max_pixels: Option<u64>) -> impl Iterator<Item = Choice> + Clone + 'a {
    let all = encodings.iter().filter(|encoding| !encoding.layers.is_empty()).flat_map(|encoding| {
        let top = encoding.layers.iter().map(|layer| layer.limit.spatial).max().unwrap_or(0);
        encoding.layers.iter().map(move |layer| {
            let pixels = encoding.pixels >> (2 * u32::from(top - layer.limit.spatial)).min(63);
            (encoding, layer, pixels)
        })
    });
    let smallest = all.clone().next().map(|(encoding, layer, _)| (encoding.source, layer.limit.spatial));
    all.filter(move |(encoding, layer, pixels)| {
        let Limit { spatial, temporal } = layer.limit;
        let same = encoding.layers.iter().filter(|other| other.limit.spatial == spatial);
        let highest = same.map(|other| other.limit.temporal).max().unwrap_or(0);
        let is_smallest = smallest == Some((encoding.source, spatial));
        is_smallest || temporal + 1 >= highest && max_pixels.is_none_or(|most| *pixels <= most)
    })
    .map(|(encoding, layer, _)| Choice { source: encoding.source, limit: layer.limit, rate: layer.rate })
}

fn is_same(a: &Choice, b: &Choice) -> bool {
    (a.source, a.limit) == (b.source, b.limit)
}

fn fits(rate: u64, percent: u64, room: u64) -> bool {
    u128::from(rate) * u128::from(percent) <= u128::from(room) * 100
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use peerage_base::rng::Rng;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn layer(spatial: u8, temporal: u8, rate: u64) -> LayerRate {
        LayerRate { limit: Limit { spatial, temporal }, rate }
    }

    /// Three encodings of three temporal layers, in kbit/s.
    fn three() -> [[LayerRate; 3]; 3] {
        [[60, 90, 150], [200, 300, 500], [1000, 1500, 2500]].map(|rates| {
            let layers: Vec<_> = (0..3).map(|t| layer(0, t, rates[usize::from(t)])).collect();
            layers.try_into().unwrap()
        })
    }

    fn encodings(layers: &[[LayerRate; 3]; 3]) -> Vec<Encoding<'_>> {
        let encoding = |n: usize| Encoding { source: Ssrc(n as u32), pixels: 57_600 << (2 * n), layers: &layers[n] };
        (0..3).map(encoding).collect()
    }

    fn run(selector: &mut Selector, from: u64, to: u64, available: u64) -> Vec<(u64, u32, u8)> {
        let layers = three();
        let mut changes = Vec::new();
        for now in (from..to).step_by(100) {
            let before = selector.current();
            let choice = selector.choose(at(now), available, &encodings(&layers));
            if let Some(choice) = choice.filter(|choice| before != Some(*choice)) {
                changes.push((now - from, choice.source.0, choice.limit.temporal));
            }
        }
        changes
    }

    #[test]
    fn the_first_choice_is_what_fits_and_the_least_if_nothing_does() {
        for (available, source, temporal) in
            [(0, 0, 0), (100, 0, 1), (180, 0, 2), (320, 1, 1), (600, 1, 2), (1200, 1, 2), (1600, 2, 1), (9999, 2, 2)]
        {
            let mut selector = Selector::new(Config::default());
            let choice = selector.choose(at(0), available, &encodings(&three())).unwrap();
            assert_eq!((choice.source.0, choice.limit.temporal), (source, temporal), "{available}");
        }
        let mut selector = Selector::new(Config { may_pause: true, ..Config::default() });
        assert_eq!(selector.choose(at(0), 50, &encodings(&three())), None);
        assert_eq!(selector.wanted(), Some(69), "what the least needs");
        assert_eq!(selector.choose(at(0), 50, &[]), None);
    }

    #[test]
    fn less_is_chosen_at_once_and_more_when_there_was_room_for_seconds() {
        let mut selector = Selector::new(Config::default());
        assert_eq!(run(&mut selector, 0, 1000, 600), [(0, 1, 2)]);
        assert_eq!(selector.wanted(), Some(1725), "for the next one, and something");
        assert_eq!(run(&mut selector, 1000, 3900, 2000), [], "not yet");
        assert_eq!(run(&mut selector, 4000, 9000, 2000), [(0, 2, 1)]);
        assert_eq!(run(&mut selector, 9000, 9200, 320), [(0, 1, 1)]);
        assert_eq!(selector.choose(at(9200), 285, &encodings(&three())).map(|c| c.rate), Some(300), "nearly enough is");
    }

    #[test]
    fn room_that_comes_and_goes_is_not_used_and_a_wrong_choice_is_not_made_often() {
        let mut selector = Selector::new(Config::default());
        run(&mut selector, 0, 100, 600);
        let changes: Vec<_> = (0..20)
            .flat_map(|n| run(&mut selector, 100 + 2500 * n, 2600 + 2500 * n, if n % 2 == 0 { 2000 } else { 600 }))
            .collect();
        assert_eq!(changes, []);
        // The path seems to have room, until it is used.
        let mut rises = Vec::new();
        for now in (60_000..360_000).step_by(100) {
            let is_up = selector.current().is_some_and(|choice| choice.source == Ssrc(2));
            let layers = three();
            let choice = selector.choose(at(now), if is_up { 600 } else { 2000 }, &encodings(&layers)).unwrap();
            if choice.source == Ssrc(2) {
                rises.push(now);
            }
        }
        assert!((5..=12).contains(&rises.len()), "{rises:?}");
        let last = rises.len() - 1;
        assert!(rises[last] - rises[last - 1] >= 48_000, "{rises:?}");
    }

    #[test]
    fn an_encoding_that_ends_is_left_and_one_too_large_not_chosen() {
        let mut selector = Selector::new(Config::default());
        let layers = three();
        let mut all = encodings(&layers);
        assert_eq!(selector.choose(at(0), 9999, &all).unwrap().source, Ssrc(2));
        all[2].layers = &[];
        assert_eq!(selector.choose(at(1), 9999, &all).unwrap().source, Ssrc(1));
        selector.set_max_pixels(Some(100_000));
        assert_eq!(selector.choose(at(2), 9999, &all).unwrap().source, Ssrc(0));
        assert_eq!(selector.wanted(), None, "more would be of no use");
    }

    #[test]
    fn spatial_layers_are_sizes_of_one_source() {
        let layers = [
            layer(0, 0, 100),
            layer(0, 1, 150),
            layer(1, 0, 400),
            layer(1, 1, 500),
            layer(2, 0, 1500),
            layer(2, 1, 2000),
        ];
        let one = [Encoding { source: Ssrc(7), pixels: 921_600, layers: &layers }];
        for (available, limit) in [(120, (0, 0)), (450, (1, 0)), (1999, (2, 0)), (2500, (2, 1))] {
            let choice = Selector::new(Config::default()).choose(at(0), available, &one).unwrap();
            assert_eq!((choice.limit.spatial, choice.limit.temporal), limit);
        }
        let mut small = Selector::new(Config { max_pixels: Some(230_400), ..Config::default() });
        assert_eq!(small.choose(at(0), 9999, &one).unwrap().limit, Limit { spatial: 1, temporal: 1 });
    }

    #[test]
    fn whatever_comes_what_is_chosen_is_being_sent() {
        let mut rng = Rng::from_u64(1);
        let mut selector = Selector::new(Config::default());
        for n in 0..3000 {
            let mut layers = three();
            layers.iter_mut().flatten().for_each(|layer| layer.rate = rng.below(4000));
            let mut all = encodings(&layers);
            all.iter_mut().for_each(|encoding| {
                if rng.below(4) == 0 {
                    encoding.layers = &[];
                }
            });
            let choice = selector.choose(at(100 * n), rng.below(5000), &all);
            let is_sent = all.iter().any(|encoding| !encoding.layers.is_empty());
            assert_eq!(choice.is_some(), is_sent);
            let has = |choice: Choice| {
                all.iter().any(|encoding| encoding.source == choice.source && !encoding.layers.is_empty())
            };
            assert!(choice.is_none_or(has));
        }
    }
}
