//! Whole calls in simulated worlds: a sender with everything that it has, a path that loses both ways, and a receiver with
//! everything that it has. Frames and packets are of the sizes that real encoders made. Run with `--nocapture` to see the figures.

mod far;
mod link;
mod near;
mod trace;
mod types;

use peerage_base::rng::Rng;
use peerage_base::time::{Duration, Instant};
use peerage_media::receive::stretch::FADED;
use peerage_media::send::repair;

use far::Far;
use link::{Link, Loss};
use near::{Means, Near};
use trace::Video;

/// A picture that stands for longer has stopped.
const STILL: Duration = Duration::from_millis(500);
const SECOND: Duration = Duration::from_secs(1);

/// What is simulated.
#[derive(Clone, Copy)]
struct World {
    name: &'static str,
    seconds: u64,
    seed: u64,
    round_trip: u64,
    loss: Loss,
    /// Of the path, in bits per second.
    rate: f64,
    small: bool,
    layers: u8,
    means: Means,
    /// What the first seconds are like is another question.
    warm: u64,
}

impl World {
    fn new(name: &'static str, round_trip: u64, loss: Loss) -> Self {
        let (rate, small, layers, means) = (3e6, false, 1, Means::All);
        Self { name, seconds: 90, seed: 1, round_trip, loss, rate, small, layers, means, warm: 5 }
    }
}

/// What came of it. Times in milliseconds.
#[derive(Debug)]
struct Figures {
    /// Longest time from one picture to the next, and times above 500 ms.
    gap: u64,
    long: usize,
    freezes: u64,
    frozen: u64,
    shown: f64,
    /// From capture to showing.
    late: [u64; 2],
    keys: u64,
    /// Bytes of repair packets and of retransmissions, in percent of media.
    parity: f64,
    resent: f64,
    recovered: (u64, u64),
    made_up: f64,
    /// Longest stretches made up, and longest after what is made up has faded.
    longest: u64,
    unconcealed: u64,
    over: usize,
    ahead: [u64; 2],
    rate: f64,
    /// Lengths of times full of outages, and for how long the picture stood in each, where that was too long.
    outages: Vec<(u64, Option<u64>)>,
}

fn run(world: World) -> Figures {
    let rng = Rng::from_u64(world.seed);
    let one_way = Duration::from_millis(world.round_trip) / 2;
    let mut links = ["there", "back"].map(|way| Link::new(rng.split(way), world.loss, world.rate, one_way));
    let video = if world.small { Video::small() } else { Video::large() };
    let mut near = Near::new(world.seed, (video, world.layers), world.means, repair::Config::default());
    let mut far = Far::new(world.layers);
    far.set_round_trip(Duration::from_millis(world.round_trip));
    let mut now = Instant::ORIGIN;
    while now < Instant::from_millis(1_000 * world.seconds) {
        let [there, back] = &mut links;
        there.step(now);
        back.step(now);
        near.step(now, (there, back));
        far.step(now, (there, back), &near);
        now += Duration::from_millis(1);
    }
    figures(&world, &near, &far, &links[0])
}

fn figures(world: &World, near: &Near, far: &Far, there: &Link) -> Figures {
    let from = Instant::from_millis(1_000 * world.warm);
    let shown: Vec<_> = far.shown.iter().filter(|shown| shown.at >= from).collect();
    let gaps = || shown.windows(2).map(|two| (two[0].at, two[1].at.since(two[0].at)));
    let longs: Vec<_> = gaps().filter(|(_, gap)| *gap > STILL).collect();
    // What is lost is to be shown later by the delay and no more than a second.
    let stood = |at: Instant| {
        let then = longs.iter().filter(|(from, gap)| *from + *gap > at && at + SECOND > *from);
        then.map(|(_, gap)| gap.as_millis() as u64).max()
    };
    let outages = episodes(&there.outages).into_iter().filter(|(at, _)| *at >= from);
    let late = shown.iter().map(|shown| shown.at.since(near.sent[shown.number as usize]).as_millis() as u64);
    let (video, audio) = (far.video.stats(), far.audio.stats());
    let faded = FADED.as_millis() as u64;
    let media = near.totals[0] + near.totals[2];
    let share = |bytes: usize| 100.0 * bytes as f64 / media as f64;
    let sound: Vec<_> = far.gaps.iter().filter(|(at, _)| *at >= from).map(|(_, gap)| *gap).collect();
    let longest = sound.iter().copied().max().unwrap_or(0);
    Figures {
        gap: gaps().map(|(_, gap)| gap.as_millis() as u64).max().unwrap_or(0),
        long: longs.len(),
        freezes: video.freezes.freezes,
        frozen: video.freezes.frozen.as_millis() as u64,
        shown: 100.0 * far.shown.len() as f64 / near.sent.len() as f64,
        late: quantiles(late.collect()),
        keys: near.keys,
        parity: share(near.totals[3]),
        resent: share(near.totals[1]),
        recovered: far.recovered(),
        made_up: 100.0 * audio.concealed as f64 / audio.played as f64,
        longest,
        unconcealed: longest.saturating_sub(faded),
        over: sound.iter().filter(|gap| **gap > faded + 60).count(),
        ahead: quantiles(far.delays.clone()),
        rate: near.totals[..4].iter().sum::<usize>() as f64 * 8.0 / world.seconds as f64 / 1000.0,
        outages: outages.map(|(at, outage)| (outage.as_millis() as u64, stood(at))).collect(),
    }
}

/// Outages of these lengths that stopped the picture for too long, and for how long.
fn all_of(figures: &Figures, from: u64, to: u64) -> impl Iterator<Item = (u64, u64)> + '_ {
    let those = figures.outages.iter().filter(move |(length, _)| (from..to).contains(length));
    those.filter_map(|(length, stood)| Some((*length, (*stood)?)))
}

/// Outages so near to each other that what one has lost cannot come again before the next: from the first to the last.
fn episodes(outages: &[(Instant, Duration)]) -> Vec<(Instant, Duration)> {
    let mut episodes: Vec<(Instant, Duration)> = Vec::new();
    for (at, length) in outages {
        match episodes.last_mut().filter(|(from, all)| at.since(*from + *all) < STILL) {
            Some((from, all)) => *all = (*at + *length).since(*from),
            None => episodes.push((*at, *length)),
        }
    }
    episodes
}

fn quantiles(mut values: Vec<u64>) -> [u64; 2] {
    values.sort_unstable();
    [50, 95].map(|part| values.get(values.len() * part / 100).copied().unwrap_or(0))
}

fn show(world: &World, figures: &Figures) {
    let f = figures;
    println!(
        "{:<44} gap {:>5} ms ({:>2} over 500), {:>3} freezes {:>6} ms, shown {:>5.1} %, {:>3}/{:>4} ms late, {:>3} keys, parity {:>4.1} % ({} of {}), resent {:>4.1} %, {:>5.0} kbit/s",
        world.name,
        f.gap,
        f.long,
        f.freezes,
        f.frozen,
        f.shown,
        f.late[0],
        f.late[1],
        f.keys,
        f.parity,
        f.recovered.1,
        f.recovered.0,
        f.resent,
        f.rate,
    );
    println!(
        "{:<44} sound: {:>5.2} % made up, longest {:>4} ms, unconcealed {:>4} ms ({} over 60), ahead {:>3}/{:>4} ms; {} outages, longest {} ms",
        "",
        f.made_up,
        f.longest,
        f.unconcealed,
        f.over,
        f.ahead[0],
        f.ahead[1],
        f.outages.len(),
        f.outages.iter().map(|(length, _)| length).max().unwrap_or(&0),
    );
}

/// Nothing of this is heard or seen: no picture stands for half a second, no sound is missing for 60 ms beyond what is made up.
/// Beyond that stands what takes two round trips: a key frame that is lost in its turn has to be asked for again.
fn assert_smooth(world: &World, figures: &Figures) {
    let longest = 500.max(2 * world.round_trip + 150);
    assert!(figures.gap < longest && figures.over == 0, "{}: {figures:?}", world.name);
}

#[test]
fn losses_by_themselves_are_repaired_unseen_and_unheard() {
    let random = Loss::Random(0.05);
    let worlds = [
        World::new("nothing lost, 50 ms", 50, Loss::Nothing),
        World::new("5 % random, 50 ms", 50, random),
        World::new("5 % random, 150 ms", 150, random),
        World { seed: 2, means: Means::Resending, ..World::new("5 % random, 150 ms, resending alone", 150, random) },
        World { small: true, ..World::new("5 % random, 150 ms, 300 kbit/s", 150, random) },
        World { layers: 2, ..World::new("5 % random, 150 ms, two layers", 150, random) },
        World { rate: 1.3e6, ..World::new("5 % random, 150 ms, 1.3 Mbit/s path", 150, random) },
        World::new("5 % random, 300 ms", 300, random),
    ];
    for world in worlds {
        let figures = run(world);
        show(&world, &figures);
        assert_smooth(&world, &figures);
        assert!(figures.shown > 99.0 && figures.longest <= 100, "{figures:?}");
    }
}

#[test]
fn outages_that_recur_stop_neither_picture_nor_sound_up_to_a_length() {
    for (length, is_smooth) in
        [(100, true), (200, true), (300, true), (400, true), (500, false), (600, false), (800, false)]
    {
        let loss = Loss::Outages(Duration::from_millis(length));
        // Two have been seen by then.
        let world = World { warm: 27, ..World::new("outages", 150, loss) };
        let figures = run(world);
        println!("of {length} ms:");
        show(&world, &figures);
        if is_smooth {
            assert_smooth(&world, &figures);
        }
        assert!(figures.gap < 500.max(length.saturating_sub(150)) && figures.shown > 97.0, "{figures:?}");
    }
}

#[test]
fn bursts_stop_the_picture_seldom_and_never_for_much_longer_than_they_last() {
    for (name, seconds, round_trip, small, means) in [
        ("bursts, 150 ms", 600, 150, false, Means::All),
        ("bursts, 150 ms, 300 kbit/s", 300, 150, true, Means::All),
        ("bursts, 150 ms, resending alone", 300, 150, false, Means::Resending),
        ("bursts, 50 ms", 300, 50, false, Means::All),
    ] {
        let bursts = Loss::Bursts(0.2, 0.05);
        let world = World { seed: 11, seconds, small, means, ..World::new(name, round_trip, bursts) };
        let figures = run(world);
        show(&world, &figures);
        for (from, to) in [(0, 200), (200, 400), (400, 600), (600, 5_000)] {
            let all = figures.outages.iter().filter(|(length, _)| (from..to).contains(length));
            let (count, frozen) =
                all.fold((0, 0), |(count, frozen), outage| (count + 1, frozen + usize::from(outage.1.is_some())));
            println!(
                "    outages of {from} to {to} ms: {count}, of which stopped the picture for over 500 ms: {frozen}"
            );
            let stood: Vec<_> = all_of(&figures, from, to).collect();
            println!("        {stood:?}");
            assert!(from >= 400 || frozen * 30 <= count || means == Means::Resending, "{from} {frozen} {count}");
        }
        assert!(figures.long * 10 <= figures.outages.len() && figures.shown > 98.5, "{figures:?}");
    }
}
