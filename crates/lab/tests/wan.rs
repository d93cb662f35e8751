//! What the congestion control makes of long lines: thresholds that hold comfortably, so that a change which breaks them
//! is seen. `cargo xtask bench wan` has the exact figures, on faster lines and for longer.

use peerage_base::time::Duration;
use peerage_lab::wan::flow::Stack;
use peerage_lab::wan::ours::Ours;
use peerage_lab::wan::race::Race;
use peerage_lab::wan::record::Record;
use peerage_lab::wan::scene::Scene;
use peerage_lab::wan::tcp::Tcp;

const SEC: Duration = Duration::from_secs(1);
const RATE: u64 = 10_000_000;

fn long() -> Scene {
    Scene::new(RATE, SEC / 10)
}

fn race(scene: &Scene, stacks: &[&dyn Stack], seconds: u32) -> Record {
    let mut race = Race::new(scene, 7);
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
