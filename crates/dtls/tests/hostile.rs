//! What a stranger may send: nothing panics, nothing grows, and an honest handshake still works.

mod common;

use common::{Pair, Side, Weather, certificate, config, seal};
use peerage_base::time::{Duration, Instant};
use peerage_dtls::{Role, Versions};
use proptest::collection::vec;
use proptest::prelude::*;

/// Bytes that get past the first check: a record header around anything.
fn record() -> impl Strategy<Value = Vec<u8>> {
    let header = (20u8..=26, prop_oneof![Just(0u16), 0u16..4], 0u64..1 << 48);
    (header, vec(any::<u8>(), 0..200)).prop_map(|((kind, epoch, seq), body)| {
        let mut out = vec![kind, 0xFE, 0xFD];
        out.extend_from_slice(&epoch.to_be_bytes());
        out.extend_from_slice(&seq.to_be_bytes()[2..]);
        out.extend_from_slice(&(body.len() as u16).to_be_bytes());
        out.extend_from_slice(&body);
        out
    })
}

/// A well-framed handshake message of any type with any body.
fn message() -> impl Strategy<Value = Vec<u8>> {
    (0u8..25, 0u16..4, vec(any::<u8>(), 0..200)).prop_map(|(kind, seq, body)| {
        let length = &(body.len() as u32).to_be_bytes()[1..];
        let fragment = [&[kind][..], length, &seq.to_be_bytes(), &[0; 3], length, &body].concat();
        let mut out = vec![22, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 9];
        out.extend_from_slice(&(fragment.len() as u16).to_be_bytes());
        out.extend_from_slice(&fragment);
        out
    })
}

fn ciphertext() -> impl Strategy<Value = Vec<u8>> {
    (0x20u8..0x40, vec(any::<u8>(), 16..100)).prop_map(|(first, body)| [&[first][..], &body].concat())
}

fn junk() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(any::<u8>(), 0..300), record(), message(), ciphertext()]
}

fn versions() -> impl Strategy<Value = Versions> {
    prop_oneof![Just(Versions::Any), Just(Versions::Dtls12), Just(Versions::Dtls13)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_datagrams_panics(
        client in any::<bool>(),
        versions in versions(),
        junk in vec(junk(), 0..40),
    ) {
        let role = if client { Role::Client } else { Role::Server };
        let mut config = config(1, role, &certificate(2));
        config.versions = versions;
        let mut side = Side::new(config, 1, Instant::ORIGIN);
        let mut now = Instant::ORIGIN;
        common::transmit(&mut side.dtls, now);
        for datagram in junk {
            side.input(now, &datagram);
            while common::transmit(&mut side.dtls, now).is_some() {}
            now += Duration::from_millis(30);
            side.dtls.handle_timeout(now);
            side.read(&mut []);
            prop_assert!(side.dtls.poll_timeout().is_none_or(|d| d > now));
        }
        prop_assert!(side.info.is_none() && side.received.is_empty());
    }

    #[test]
    fn junk_after_the_handshake_does_no_harm(
        dtls12 in any::<bool>(),
        junk in vec((any::<bool>(), junk()), 0..40),
    ) {
        let version = if dtls12 { Versions::Dtls12 } else { Versions::Any };
        let mut pair = Pair::trusting([version, Versions::Any], Weather::default(), 2);
        pair.connect();
        pair.run_until(Duration::from_secs(5), |_| false);
        let now = pair.now;
        for (side, datagram) in junk {
            pair.sides[usize::from(side)].input(now, &datagram);
        }
        pair.run_until(Duration::from_secs(5), |_| false);
        for from in [0, 1] {
            prop_assert_eq!(&pair.sides[from].closed, &None);
            let record = seal(&mut pair.sides[from].dtls, b"payload").unwrap();
            let now = pair.now;
            pair.sides[1 - from].input(now, &record);
            prop_assert_eq!(pair.sides[1 - from].received.pop(), Some(b"payload".to_vec()));
        }
    }

    #[test]
    fn junk_before_the_first_message_does_not_stop_the_handshake(junk in vec(junk(), 0..100)) {
        let mut pair = Pair::trusting([Versions::Any; 2], Weather::default(), 3);
        let now = pair.now;
        for datagram in &junk {
            pair.sides[1].input(now, datagram);
        }
        prop_assert_eq!(&pair.sides[1].closed, &None);
        pair.connect();
    }

    #[test]
    fn changed_flights_never_panic(seed in 0u64..1000, flips in vec((0usize..6, 0usize..1200, 1u8..), 1..6)) {
        let mut pair = Pair::trusting([Versions::Any; 2], Weather::default(), seed);
        let mut sent = 0;
        // Runs the handshake by hand, flipping bytes of the chosen datagrams.
        for _ in 0..12 {
            for from in [0, 1] {
                while let Some(mut datagram) = common::transmit(&mut pair.sides[from].dtls, pair.now) {
                    for (_, at, mask) in flips.iter().filter(|f| f.0 == sent) {
                        let len = datagram.len();
                        datagram[at % len] ^= mask;
                    }
                    sent += 1;
                    let now = pair.now;
                    pair.sides[1 - from].input(now, &datagram);
                }
            }
            pair.now += Duration::from_millis(500);
            let now = pair.now;
            for side in &mut pair.sides {
                side.dtls.handle_timeout(now);
                side.read(&mut []);
            }
        }
        // Whatever happened, a connection on both sides is one and the same.
        if let [Some(a), Some(b)] = pair.sides.each_ref().map(|s| s.info.clone()) {
            prop_assert_eq!(a.srtp, b.srtp);
        }
    }
}
