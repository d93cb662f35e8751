//! What the congestion control makes of long lines: thresholds that hold comfortably, so that a change which breaks them
//! is seen. `cargo xtask bench wan` has the exact figures, on faster lines and for longer.

use peerage_base::time::Duration;
use peerage_lab::wan::flow::Stack;
use peerage_lab::wan::ours::Ours;
use peerage_lab::wan::race::Race;
use peerage_lab::wan::record::Record;
use peerage_lab::wan::scene::{Change, Scene};
use peerage_lab::wan::tcp::Tcp;

const SEC: Duration = Duration::from_secs(1);
const RATE: u64 = 10_000_000;

fn long() -> Scene {
    Scene::new(RATE, SEC / 10)
}

fn race(scene: &Scene, stacks: &[&dyn Stack], seconds: u32) -> Record {
    race_with(7, scene, stacks, seconds)
}

fn race_with(seed: u64, scene: &Scene, stacks: &[&dyn Stack], seconds: u32) -> Record {
    let mut race = Race::new(scene, seed);
    stacks.iter().for_each(|stack| race.add(*stack));
    race.run(SEC * seconds)
}

#[test]
fn the_model_of_tcp_fills_a_clean_line_and_shares_it() {
    let record = race(&long(), &[&Tcp], 20);
    assert!(record.used(2 * SEC) > 0.95, "{}", record.used(2 * SEC));
    assert_eq!(record.timeouts(0), 0);
    let record = race(&long(), &[&Tcp, &Tcp], 40);
    assert!(record.fairness(10 * SEC) > 0.95, "{}", record.fairness(10 * SEC));
    assert!(record.used(2 * SEC) > 0.95);
}

#[test]
fn the_model_of_tcp_loses_most_of_a_line_that_loses_packets() {
    // Reno's formula: 1.2 segments of 1500 bytes / (0.1 s * sqrt(0.01)), by the share of the Reno-friendly region.
    let record = race(&long().with_loss(0.01), &[&Tcp], 40);
    let rate = record.used(5 * SEC) * RATE as f64 / 8.0;
    assert!((100_000.0..300_000.0).contains(&rate), "{rate}");
    assert!((0.008..0.013).contains(&record.repeated(0)), "what is lost is sent again, and nothing else");
}

#[test]
fn a_race_repeats_to_the_byte() {
    let run = || race(&long().with_loss(0.01), &[&Ours::default(), &Tcp], 3).trace();
    assert_eq!(run(), run());
}

/// What is asked of one flow, from the sixth second on.
struct Expect {
    name: &'static str,
    scene: Scene,
    /// Least share of the line that application data takes; headers leave 0.94.
    share: f64,
    /// Most that waits for the line on average, in bandwidth-delay products.
    waiting: f64,
}

#[test]
fn one_flow_uses_a_long_line() {
    let rows = [
        Expect { name: "clean, queue 1", scene: long(), share: 0.88, waiting: 0.3 },
        Expect { name: "clean, queue 4", scene: long().with_queue(4.0), share: 0.88, waiting: 0.3 },
        Expect { name: "0.1 % loss", scene: long().with_loss(0.001), share: 0.88, waiting: 0.3 },
        Expect { name: "1 % loss", scene: long().with_loss(0.01), share: 0.8, waiting: 0.3 },
        Expect { name: "5 % reordered", scene: long().with(|link| link.reorder = 0.05), share: 0.85, waiting: 0.5 },
        Expect { name: "jitter", scene: long().with(|link| link.jitter = SEC * 3 / 100), share: 0.82, waiting: 0.6 },
    ];
    for Expect { name, scene, share, waiting } in rows {
        for seed in [7, 8] {
            let record = race_with(seed, &scene, &[&Ours::default()], 15);
            let (was, queue, again) = (record.share(5 * SEC), record.queue(5 * SEC).mean, record.repeated(0));
            println!("{name}, seed {seed}: {was:.3} of the line, {queue:.2} wait, {again:.4} again");
            assert!(was >= share, "{name}, seed {seed}: {was:.3} of the line, not {share}");
            assert!(queue <= waiting, "{name}, seed {seed}: {queue:.2} products wait, not {waiting}");
            assert_eq!(record.timeouts(0), 0, "{name}, seed {seed}");
            assert!(again < 0.06, "{name}, seed {seed}: {again} of all is repeated");
        }
    }
}

#[test]
fn flows_share_a_line() {
    let (ours, cubic) = (Ours::default(), Ours::cubic());
    for (name, stacks, fair) in [
        ("alike", [&ours as &dyn Stack, &ours], 0.85),
        ("with TCP", [&ours, &Tcp], 0.75),
        ("CUBIC with TCP", [&cubic, &Tcp], 0.85),
    ] {
        let record = race(&long(), &stacks, 20);
        let (fairness, used) = (record.fairness(5 * SEC), record.used(5 * SEC));
        println!("{name}: {fairness:.3}, {used:.3} of the line");
        assert!(fairness >= fair, "{name}: {fairness:.3}");
        assert!(used > 0.85, "{name}: {used:.3} of the line");
    }
}

/// Something happens after five seconds and is over after `over`: how long until data flows, until nine tenths of the line
/// are used, and the longest silence.
fn disturbed(scene: &Scene, over: u32, then: u32) -> (Duration, Option<Duration>, Duration) {
    let record = race(scene, &[&Ours::default()], over + then);
    let over = SEC * over;
    let flows = record.delivers_after(0, over).expect("data flows again");
    (flows - over, record.reaches(0.9, over).map(|at| at - over), record.longest_stall(0, over))
}

#[test]
fn data_flows_soon_after_a_silence() {
    // The second is longer than consent lasts: the application has to restart ICE.
    for (silence, wait) in [(1, 1500), (40, 3000)] {
        let scene = long().at(5 * SEC, Change::Cut).at((5 + silence) * SEC, Change::Restore);
        let (flows, full, _) = disturbed(&scene, 5 + silence, 8);
        assert!(flows < Duration::from_millis(wait), "{silence} s of silence: {flows:?}");
        assert!(full.is_some(), "{silence} s of silence: the line is not used as before");
    }
}

#[test]
fn a_line_may_change_in_mid_transfer() {
    let mtu = |told| long().with(|link| link.mtu = Some(1500)).at(5 * SEC, Change::Mtu { bytes: 1280, told });
    for (name, scene, full_again) in [
        ("a quarter of the rate", long().at(5 * SEC, Change::Rate(0.25)), true),
        ("four times the rate", long().at(5 * SEC, Change::Rate(4.0)), false),
        ("smaller packets, told", mtu(true), true),
        ("smaller packets, not told", mtu(false), true),
    ] {
        let (flows, full, stall) = disturbed(&scene, 5, 6);
        assert!(flows < 2 * SEC && stall < 2 * SEC, "{name}: {flows:?}, {stall:?}");
        assert!(full.is_some() || !full_again, "{name}: the line is not used");
    }
}

#[test]
fn a_near_line_with_a_short_queue_loses_little() {
    let mut scene = Scene::new(10 * RATE, SEC / 500);
    (scene.right.queue, scene.left.queue) = (64 << 10, 64 << 10);
    let record = race(&scene, &[&Ours::default()], 3);
    let (was, again) = (record.share(SEC), record.repeated(0));
    assert!(was > 0.8 && again < 0.01, "{was:.3} of the line, {again:.4} is repeated");
    assert_eq!(record.timeouts(0), 0);
}

#[test]
fn a_narrow_uplink_carries_what_it_can() {
    let mut scene = Scene::new(256_000, SEC / 20);
    (scene.right.queue, scene.left.rate) = (64_000, Some(RATE));
    let record = race(&scene, &[&Ours::default()], 30);
    assert!(record.used(5 * SEC) > 0.9, "{}", record.used(5 * SEC));
}
