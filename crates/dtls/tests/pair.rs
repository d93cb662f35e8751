//! Client and server of this crate against each other, through good and bad networks.

mod common;

use std::sync::Arc;

use common::{Pair, Weather, certificate, config, fingerprint, seal, transmit};
use peerage_base::slot::Slot;
use peerage_base::time::Duration;
use peerage_dtls::certificate::MAX_DER;
use peerage_dtls::config::MIN_MTU;
use peerage_dtls::event::{CloseReason, SealError};
use peerage_dtls::suite::{Group, Version};
use peerage_dtls::{Certificate, Config, Fingerprint, HashAlgorithm, Role, Versions};

const CALM: Weather = Weather { loss: 0.0, duplication: 0.0, jitter: Duration::ZERO };
const EVERY: [[Versions; 2]; 5] = [
    [Versions::Any, Versions::Any],
    [Versions::Dtls12, Versions::Any],
    [Versions::Any, Versions::Dtls12],
    [Versions::Dtls13, Versions::Any],
    [Versions::Any, Versions::Dtls13],
];

fn exchange(pair: &mut Pair, from: usize, plaintext: &[u8]) {
    let record = seal(&mut pair.sides[from].dtls, plaintext).unwrap();
    let now = pair.now;
    pair.sides[1 - from].input(now, &record);
    assert_eq!(pair.sides[1 - from].received.pop().as_deref(), Some(plaintext));
}

#[test]
fn every_mix_of_versions_connects_and_agrees() {
    for versions in EVERY {
        let mut pair = Pair::trusting(versions, CALM, 1);
        pair.connect();
        let [client, server] = pair.sides.each_ref().map(|s| s.info.clone().unwrap());
        let want = if versions.contains(&Versions::Dtls12) { Version::Dtls12 } else { Version::Dtls13 };
        assert_eq!((client.version, server.version), (want, want), "{versions:?}");
        assert_eq!(client.cipher_suite, server.cipher_suite);
        assert_ne!(client.cipher_suite.name(), "unknown");
        assert_eq!(client.group, server.group);
        let group = if want == Version::Dtls13 { Group::X25519_MLKEM768 } else { Group::X25519 };
        assert_eq!(client.group, Some(group));
        assert_eq!(client.srtp, server.srtp, "both sides export the same keys");
        let srtp = client.srtp.unwrap();
        assert!(srtp.material.len() >= 56 && srtp.material.iter().any(|b| *b != 0));
        let shown = |side: usize| {
            let der = pair.sides[side].dtls.peer_certificate().unwrap();
            Fingerprint::of(der, HashAlgorithm::Sha256)
        };
        assert_eq!([client.peer.fingerprint(), server.peer.fingerprint()], [&shown(0), &shown(1)]);
        for size in [1, 100, 1150, 16384] {
            exchange(&mut pair, 0, &vec![7; size]);
            exchange(&mut pair, 1, &vec![9; size]);
        }
    }
}

#[test]
fn no_handshake_datagram_exceeds_the_mtu() {
    for (versions, mtu) in EVERY.into_iter().zip([1200, 600, 512, 512, 900]) {
        let (a, b) = (certificate(1), certificate(2));
        let mut client = Config::new(a.clone(), Role::Client);
        let mut server = Config::new(b.clone(), Role::Server);
        (client.expected, server.expected) = (vec![fingerprint(&b)], vec![fingerprint(&a)]);
        [client.versions, server.versions] = versions;
        (client.mtu, server.mtu) = (mtu, mtu);
        let mut pair = Pair::new(client, server, CALM, 1);
        pair.connect();
        let longest = pair.sent.iter().map(|(_, d)| d.len()).max().unwrap();
        assert!(longest <= mtu, "{longest} bytes for {mtu}, {versions:?}");
    }
}

#[test]
fn a_bad_network_delays_the_handshake_and_no_more() {
    let weather = Weather { loss: 0.25, duplication: 0.2, jitter: Duration::from_millis(80) };
    for seed in 0..40 {
        let versions = EVERY[seed as usize % EVERY.len()];
        println!("seed {seed}, {versions:?}");
        let mut pair = Pair::trusting(versions, weather, seed);
        pair.connect();
        exchange(&mut pair, 0, b"to the server");
        exchange(&mut pair, 1, b"to the client");
        // Retransmissions that are still under way do no harm.
        pair.run_until(Duration::from_secs(20), |_| false);
        assert_eq!([&pair.sides[0].closed, &pair.sides[1].closed], [&None, &None]);
        exchange(&mut pair, 0, b"still there");
    }
}

#[test]
fn a_third_lost_reordered_and_doubled_in_small_datagrams_every_handshake_completes() {
    let weather = Weather { loss: 0.3, duplication: 0.2, jitter: Duration::from_millis(120) };
    for versions in EVERY {
        for (seed, cookie) in (0..20).map(|seed| (seed, seed % 4 == 3)) {
            let (a, b) = (certificate(1), certificate(2));
            let mut client = Config::new(a.clone(), Role::Client);
            let mut server = Config::new(b.clone(), Role::Server);
            (client.expected, server.expected) = (vec![fingerprint(&b)], vec![fingerprint(&a)]);
            [client.versions, server.versions] = versions;
            for config in [&mut client, &mut server] {
                (config.mtu, config.cookie, config.rtt) = (600, cookie, Some(Duration::from_millis(40)));
            }
            println!("seed {seed}, {versions:?}, cookie {cookie}");
            let mut pair = Pair::new(client, server, weather, seed);
            pair.connect();
            assert!(pair.sent.iter().all(|(_, datagram)| datagram.len() <= 600));
            exchange(&mut pair, 0, b"to the server");
            exchange(&mut pair, 1, b"to the client");
        }
    }
}

#[test]
fn a_silent_peer_times_out() {
    let mut pair = Pair::trusting(EVERY[0], Weather { loss: 1.0, ..CALM }, 3);
    let start = pair.now;
    assert!(pair.run_until(Duration::from_secs(60), |p| p.sides[0].closed.is_some()));
    assert_eq!(pair.sides[0].closed, Some(CloseReason::Timeout));
    let took = pair.now.since(start);
    assert!(took >= Duration::from_secs(29) && took <= Duration::from_secs(31), "{took:?}");
    assert_eq!(pair.sides[0].dtls.poll_timeout(), None, "nothing is left to wait for");
}

#[test]
fn a_round_trip_hint_makes_the_first_retransmission_early() {
    let peer = certificate(9);
    for (rtt, low, high) in [(Some(40), 60, 100), (Some(1), 37, 63), (None, 300, 500), (Some(9000), 750, 1250)] {
        let mut client = config(1, Role::Client, &peer);
        client.rtt = rtt.map(Duration::from_millis);
        let mut pair = Pair::new(client, config(2, Role::Server, &peer), Weather { loss: 1.0, ..CALM }, 4);
        pair.flush();
        let (start, flight) = (pair.now, pair.sent.len());
        assert!(pair.run_until(Duration::from_secs(5), |p| p.sent.len() > flight));
        let first = pair.now.since(start).as_millis();
        assert!((low..=high).contains(&first), "{first} ms for {rtt:?}");
    }
}

#[test]
fn a_wrong_fingerprint_ends_the_connection_on_either_side() {
    for versions in EVERY {
        for wrong in [0, 1] {
            let (a, b, stranger) = (certificate(1), certificate(2), certificate(3));
            let mut client = Config::new(a.clone(), Role::Client);
            let mut server = Config::new(b.clone(), Role::Server);
            client.expected = vec![fingerprint(if wrong == 0 { &stranger } else { &b })];
            server.expected = vec![fingerprint(if wrong == 1 { &stranger } else { &a })];
            [client.versions, server.versions] = versions;
            let mut pair = Pair::new(client, server, CALM, 5);
            assert!(pair.run_until(Duration::from_secs(10), |p| p.sides[wrong].closed.is_some()), "{versions:?}");
            let expected = vec![fingerprint(&stranger)];
            let presented = fingerprint(if wrong == 0 { &b } else { &a });
            let reason = CloseReason::FingerprintMismatch { presented, expected };
            assert_eq!(pair.sides[wrong].closed, Some(reason));
            assert_eq!(pair.sides[wrong].info, None, "never connected");
            assert_eq!(seal(&mut pair.sides[wrong].dtls, b"secret"), Err(SealError::NotConnected));
            assert!(pair.run_until(Duration::from_secs(2), |p| p.sides[1 - wrong].closed.is_some()));
            assert_eq!(pair.sides[1 - wrong].closed, Some(CloseReason::Alert(42)), "the peer hears of it");
        }
    }
}

#[test]
fn a_late_description_opens_the_connection_and_releases_early_data() {
    for versions in EVERY {
        let (a, b) = (certificate(1), certificate(2));
        let mut client = Config::new(a.clone(), Role::Client);
        let mut server = Config::new(b.clone(), Role::Server);
        client.expected = vec![fingerprint(&b)];
        [client.versions, server.versions] = versions;
        let mut pair = Pair::new(client, server, CALM, 6);
        assert!(pair.run_until(Duration::from_secs(5), |p| p.sides[0].info.is_some()));
        pair.run_until(Duration::from_secs(5), |_| false);
        let early = seal(&mut pair.sides[0].dtls, b"early").unwrap();
        let now = pair.now;
        pair.sides[1].input(now, &early);
        assert_eq!((&pair.sides[1].info, pair.sides[1].received.len()), (&None, 0), "{versions:?}");
        assert_eq!(seal(&mut pair.sides[1].dtls, b"no"), Err(SealError::NotConnected));

        pair.sides[1].dtls.set_expected(now, vec![fingerprint(&a)]);
        pair.sides[1].read(&mut []);
        assert!(pair.sides[1].info.is_some());
        assert_eq!(pair.sides[1].received.pop().as_deref(), Some(&b"early"[..]));
        exchange(&mut pair, 1, b"and back");
    }
}

#[test]
fn a_late_description_of_another_peer_closes_the_connection() {
    for versions in EVERY {
        let (a, b) = (certificate(1), certificate(2));
        let mut client = Config::new(a, Role::Client);
        let mut server = Config::new(b.clone(), Role::Server);
        client.expected = vec![fingerprint(&b)];
        [client.versions, server.versions] = versions;
        let mut pair = Pair::new(client, server, CALM, 6);
        pair.run_until(Duration::from_secs(5), |_| false);
        let early = seal(&mut pair.sides[0].dtls, b"early").unwrap();
        let now = pair.now;
        pair.sides[1].input(now, &early);
        pair.sides[1].dtls.set_expected(now, vec![fingerprint(&certificate(3))]);
        pair.sides[1].read(&mut []);
        assert!(matches!(pair.sides[1].closed, Some(CloseReason::FingerprintMismatch { .. })));
        assert_eq!((&pair.sides[1].info, pair.sides[1].received.len()), (&None, 0));
        assert!(pair.run_until(Duration::from_secs(1), |p| p.sides[0].closed.is_some()));
        assert_eq!(pair.sides[0].closed, Some(CloseReason::Alert(42)));
    }
}

#[test]
fn closing_tells_the_peer() {
    for versions in EVERY {
        for closer in [0, 1] {
            let mut pair = Pair::trusting(versions, CALM, 7);
            pair.connect();
            pair.run_until(Duration::from_secs(5), |_| false);
            let now = pair.now;
            pair.sides[closer].dtls.close(now);
            pair.sides[closer].dtls.close(now);
            assert!(pair.run_until(Duration::from_secs(1), |p| p.sides.iter().all(|s| s.closed.is_some())));
            assert_eq!(pair.sides[closer].closed, Some(CloseReason::Local));
            assert_eq!(pair.sides[1 - closer].closed, Some(CloseReason::CloseNotify));
            assert_eq!(seal(&mut pair.sides[closer].dtls, b"late"), Err(SealError::NotConnected));
        }
    }
}

#[test]
fn closing_a_handshake_is_quiet() {
    let mut pair = Pair::trusting(EVERY[0], CALM, 8);
    let now = pair.now;
    pair.sides[0].dtls.close(now);
    assert_eq!(transmit(&mut pair.sides[0].dtls, now), None);
    pair.sides[0].read(&mut []);
    assert_eq!(pair.sides[0].closed, Some(CloseReason::Local));
}

#[test]
fn thousands_of_records_pass_in_any_order_and_none_twice() {
    for versions in [EVERY[0], EVERY[1]] {
        let mut pair = Pair::trusting(versions, CALM, 9);
        pair.connect();
        let now = pair.now;
        for round in 0..150u32 {
            let mut records: Vec<_> =
                (0..20u32).map(|i| seal(&mut pair.sides[0].dtls, &(round * 20 + i).to_be_bytes()).unwrap()).collect();
            let replayed = records[7].clone();
            records.reverse();
            for record in &records {
                pair.sides[1].input(now, record);
            }
            pair.sides[1].input(now, &replayed);
        }
        assert_eq!(pair.sides[1].received.len(), 3000, "{versions:?}");
        assert_eq!(pair.sides[1].dtls.counters().opened, 3000);
        assert_eq!(pair.sides[0].dtls.counters().sealed, 3000);
    }
}

#[test]
fn several_records_in_one_datagram_all_come_out() {
    for versions in [EVERY[0], EVERY[1]] {
        let mut pair = Pair::trusting(versions, CALM, 10);
        pair.connect();
        let mut datagram = Vec::new();
        for text in ["one", "two", "three"] {
            datagram.extend_from_slice(&seal(&mut pair.sides[0].dtls, text.as_bytes()).unwrap());
        }
        let now = pair.now;
        pair.sides[1].input(now, &datagram);
        assert_eq!(pair.sides[1].received, [&b"one"[..], b"two", b"three"]);
    }
}

#[test]
fn a_changed_record_is_dropped_and_the_next_one_opens() {
    for versions in [EVERY[0], EVERY[1]] {
        let mut pair = Pair::trusting(versions, CALM, 11);
        pair.connect();
        let now = pair.now;
        let record = seal(&mut pair.sides[0].dtls, b"payload").unwrap();
        for i in 0..record.len() {
            let mut changed = record.clone();
            changed[i] ^= 0x01;
            pair.sides[1].input(now, &changed);
        }
        assert_eq!(pair.sides[1].received.len(), 0, "{versions:?}");
        assert_eq!(pair.sides[1].closed, None);
        exchange(&mut pair, 0, b"next");
    }
}

#[test]
fn a_slot_without_room_costs_one_packet_only() {
    let mut pair = Pair::trusting(EVERY[0], CALM, 12);
    pair.connect();
    let mut buf = [0; 64];
    let mut slot = Slot::new(&mut buf, 2, 17, 8);
    slot.fill(8);
    assert_eq!(pair.sides[0].dtls.seal(&mut slot), Err(SealError::NoRoom));
    let mut slot = Slot::new(&mut buf, 30, 30, 0);
    assert_eq!(pair.sides[0].dtls.seal(&mut slot), Err(SealError::Empty));
    let mut big = vec![0; 20_000];
    let mut slot = Slot::new(&mut big, 30, 30, 16_385);
    slot.fill(16_385);
    assert_eq!(pair.sides[0].dtls.seal(&mut slot), Err(SealError::TooLarge));
    exchange(&mut pair, 0, b"next");
}

#[test]
fn the_stated_overhead_is_enough_and_the_whole_slot_stays_in_place() {
    for versions in [EVERY[0], EVERY[1]] {
        let mut pair = Pair::trusting(versions, CALM, 13);
        let before = pair.sides[0].dtls.overhead();
        pair.connect();
        let after = pair.sides[0].dtls.overhead();
        assert!(after.head <= before.head && after.tail <= before.tail);
        let record = seal(&mut pair.sides[0].dtls, &[0; 100]).unwrap();
        assert!(record.len() <= 100 + after.head + after.tail);
    }
}

#[test]
fn the_longest_certificate_passes_in_the_smallest_datagrams() {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let mut params = rcgen::CertificateParams::default();
    let filler = vec![7; MAX_DER - 400];
    params.custom_extensions = vec![rcgen::CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 1], filler)];
    let made = params.self_signed(&key).unwrap();
    assert!(made.der().len() > MAX_DER - 200);
    let long = Arc::new(Certificate::from_der(made.der().to_vec(), key.serialize_der()).unwrap());
    for versions in EVERY {
        let mut client = Config::new(long.clone(), Role::Client);
        let mut server = Config::new(long.clone(), Role::Server);
        (client.expected, server.expected) = (vec![fingerprint(&long)], vec![fingerprint(&long)]);
        [client.versions, server.versions] = versions;
        (client.mtu, server.mtu) = (MIN_MTU, MIN_MTU);
        Pair::new(client, server, CALM, 1).connect();
    }
}
