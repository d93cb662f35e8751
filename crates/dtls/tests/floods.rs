//! Floods of first flights, and what they cost: memory within a bound, and no more bytes out than in.

mod common;
mod path;

use allocation_counter::measure;
use common::{Side, certificate, config, transmit};
use path::{CLIENT_HELLO, RANDOM, fragment, plain};
use peerage_base::rng::Rng;
use peerage_base::time::{Duration, Instant};
use peerage_dtls::{Role, Versions};

/// Most bytes that a connection may hold while it is flooded: what waits to be put together or opened, 64 KiB each, and
/// one more copy of the longest message.
const BOUND: u64 = 256 << 10;

fn server(versions: Versions) -> Side {
    let mut config = config(2, Role::Server, &certificate(1));
    config.versions = versions;
    Side::new(config, 1, Instant::ORIGIN)
}

/// A ClientHello of ours in one datagram.
fn hello() -> Vec<u8> {
    let mut pair = path::pair([Versions::Any; 2], |_, _| {});
    let now = pair.now;
    transmit(&mut pair.sides[0].dtls, now).unwrap()
}

/// Feeds a server from what `next` makes, and answers how many bytes came and left, and the most memory in use.
fn flood(side: &mut Side, count: u64, mut next: impl FnMut(u64) -> Vec<u8>) -> (usize, usize, u64) {
    let (mut bytes_in, mut bytes_out) = (0, 0);
    let info = measure(|| {
        for i in 0..count {
            let now = Instant::ORIGIN + Duration::from_millis(i / 50);
            let datagram = next(i);
            bytes_in += datagram.len();
            side.input(now, &datagram);
            while let Some(datagram) = transmit(&mut side.dtls, now) {
                bytes_out += datagram.len();
            }
        }
    });
    (bytes_in, bytes_out, info.bytes_max)
}

#[test]
fn fragments_of_messages_that_never_end_are_bounded() {
    for versions in [Versions::Any, Versions::Dtls12] {
        let mut side = server(versions);
        let mut rng = Rng::from_u64(1);
        let body = vec![7; 1100];
        let (_, bytes_out, memory) = flood(&mut side, 5000, |i| {
            let length = 2000 + rng.below(60_000) as u32;
            let offset = rng.below(u64::from(length) - 1100) as u32;
            plain(22, i as u32, &fragment(CLIENT_HELLO, rng.below(20) as u16, length, offset, &body))
        });
        assert!(memory <= BOUND, "{versions:?}: {memory} bytes");
        assert_eq!(bytes_out, 0, "half a hello has no answer");
        assert!(side.dtls.counters().dropped_full > 1000);
        assert_eq!(side.closed, None);
    }
}

#[test]
fn hellos_of_strangers_cost_one_answer_and_no_more_memory() {
    let hello = hello();
    for versions in [Versions::Any, Versions::Dtls12] {
        let mut side = server(versions);
        let (bytes_in, bytes_out, memory) = flood(&mut side, 3000, |i| {
            let mut hello = hello.clone();
            hello[RANDOM.start..][..8].copy_from_slice(&i.to_be_bytes());
            hello
        });
        assert!(memory <= BOUND, "{versions:?}: {memory} bytes");
        assert!(bytes_out < bytes_in / 50, "{versions:?}: {bytes_out} bytes out, {bytes_in} in");
        assert_eq!(side.closed, None);
    }
}

#[test]
fn hellos_that_cannot_be_answered_cost_an_alert_each() {
    let mut hello = hello();
    // No suite that anybody knows.
    let suites = path::suites(&hello);
    hello[suites].fill(0x4A);
    let mut side = server(Versions::Any);
    let (bytes_in, bytes_out, memory) = flood(&mut side, 3000, |i| {
        let mut hello = hello.clone();
        hello[RANDOM.start..][..8].copy_from_slice(&i.to_be_bytes());
        hello
    });
    assert!(memory <= BOUND, "{memory} bytes");
    assert!(bytes_out <= bytes_in / 50, "{bytes_out} bytes out, {bytes_in} in");
    assert_eq!(side.closed, None);
}

#[test]
fn records_under_keys_that_nobody_has_are_bounded() {
    let hello = hello();
    for begun in [false, true] {
        let mut side = server(Versions::Any);
        if begun {
            side.input(Instant::ORIGIN, &hello);
        }
        let (.., memory) = flood(&mut side, 5000, |i| {
            let mut record = vec![0x2E + (i % 2) as u8, i as u8, (i >> 8) as u8, 4, 0];
            record.resize(5 + 1024, i as u8);
            record
        });
        assert!(memory <= BOUND, "begun {begun}: {memory} bytes");
        assert_eq!(side.closed, None);
    }
}

#[test]
fn a_client_keeps_little_of_forged_answers() {
    let mut side = Side::new(config(1, Role::Client, &certificate(2)), 1, Instant::ORIGIN);
    while transmit(&mut side.dtls, Instant::ORIGIN).is_some() {}
    let mut rng = Rng::from_u64(2);
    let body = vec![9; 1000];
    let (.., memory) = flood(&mut side, 5000, |i| match i % 3 {
        0 => plain(22, i as u32, &fragment(2, rng.below(9) as u16, 30_000, rng.below(20_000) as u32, &body)),
        1 => plain(22, i as u32, &fragment(11, 1 + rng.below(7) as u16, 16_000, 0, &body)),
        _ => [&[0x2E, 1, 2, 3, 0xE8][..], &body].concat(),
    });
    assert!(memory <= BOUND, "{memory} bytes");
    assert_eq!(side.closed, None);
}
