//! Handshakes over bad links.

use peerage_base::time::Instant;

use super::world::{Link, World, millis};
use crate::suite::Version;

const VERSIONS: [Version; 2] = [Version::Dtls13, Version::Dtls12];

fn run(version: Version, mtu: usize, seed: u64, link: Link, prepare: impl Fn(&mut World)) -> World {
    let mut world = World::new(version, mtu, seed);
    world.link = link;
    prepare(&mut world);
    world.start();
    world.run(World::is_complete);
    assert!(world.is_complete(), "{version:?}, {mtu} bytes, seed {seed}: stuck");
    world
}

#[test]
fn a_good_link_carries_each_flight_once_in_as_few_datagrams_as_hold_it() {
    for version in VERSIONS {
        let world = run(version, 1200, 0, Link::GOOD, |_| {});
        // 1.3: 1450 bytes of hello; 1190 of hello and 461 of the rest; 411. An ACK at the end.
        let expected = if version == Version::Dtls13 { [3, 3] } else { [3, 2] };
        assert_eq!(world.left, expected, "{version:?}");
        assert_eq!(world.client.transport.counters().resent + world.server.transport.counters().resent, 0);
    }
}

#[test]
fn a_good_link_takes_one_and_a_half_round_trips() {
    for version in VERSIONS {
        let world = run(version, 1200, 0, Link::GOOD, |_| {});
        assert_eq!(world.now.as_nanos(), 1_100_000_000, "{version:?}: four ways of 25 ms, the last for the answer");
    }
}

#[test]
fn every_version_and_size_gets_through_loss_reordering_and_repetition() {
    let link = Link { loss: 300, repeat: 100, delay: millis(20), jitter: millis(60), ..Link::GOOD };
    for version in VERSIONS {
        for (i, mtu) in [256, 400, 600, 900, 1200, 1400].into_iter().enumerate() {
            for seed in 0..20 {
                run(version, mtu, seed + 100 * i as u64, link, |_| {});
            }
        }
    }
}

#[test]
fn a_second_hello_gets_through_as_well() {
    let link = Link { loss: 300, repeat: 100, delay: millis(20), jitter: millis(60), ..Link::GOOD };
    for version in VERSIONS {
        for seed in 0..30 {
            run(version, 600, seed, link, |world| world.server.asks_again = true);
        }
    }
}

#[test]
fn certificates_of_many_datagrams_get_through() {
    let link = Link { loss: 100, repeat: 50, delay: millis(20), jitter: millis(20), ..Link::GOOD };
    for version in VERSIONS {
        for (seed, mtu) in [(1, 256), (2, 600), (3, 1200)] {
            run(version, mtu, seed, link, |world| {
                world.client.certificate = 16_000;
                world.server.certificate = 16_000;
            });
        }
    }
}

#[test]
fn a_path_that_swallows_large_datagrams_is_crossed_in_small_ones() {
    for version in VERSIONS {
        let link = Link { largest: 600, ..Link::GOOD };
        let world = run(version, 1200, 0, link, |world| world.server.certificate = 2000);
        // 400, 800 and 1600 ms of the client, who knows no round trip; the server measures none, for nothing it sent
        // came back in time.
        assert!(world.now < Instant::from_millis(15_000), "{version:?}: {}", world.now);
    }
}

#[test]
fn thirty_percent_loss_costs_two_timeouts_as_a_rule_and_seconds_at_worst() {
    let link = Link { loss: 300, repeat: 0, delay: millis(50), jitter: millis(10), ..Link::GOOD };
    for version in VERSIONS {
        let mut took: alloc::vec::Vec<u64> = (0..101)
            .map(|seed| {
                let prepare = |world: &mut World| {
                    for end in [&mut world.client, &mut world.server] {
                        end.transport.set_rtt(Some(millis(100)));
                    }
                };
                (run(version, 1200, seed, link, prepare).now.as_nanos() / 1_000_000) - 1000
            })
            .collect();
        took.sort_unstable();
        assert!(took[50] < 700 && took[100] < 9000, "{version:?}: {} {} {}", took[50], took[99], took[100]);
    }
}
