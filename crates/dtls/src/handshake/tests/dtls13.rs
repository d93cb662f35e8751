//! DTLS 1.3, when all is well but the path.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use peerage_base::rng::Rng;
use peerage_crypto::keys::system::SYSTEM;

use crate::alert::AlertDescription;
use crate::config::{Config, Role, Versions};
use crate::fingerprint::HashAlgorithm;
use crate::handshake::tests::harness::{Pair, config};
use crate::message::kind::HandshakeType;
use crate::suite::{Alpn, CipherSuite, Epoch, Group, SrtpProfile, Version};
use crate::transport::Expects;

const SUITES: [CipherSuite; 3] = [CipherSuite::AES_128_GCM, CipherSuite::AES_256_GCM, CipherSuite::CHACHA20_POLY1305];

/// Defaults with DTLS 1.3 alone.
fn only_13(client: &mut Config, server: &mut Config) {
    client.versions = Versions::Dtls13;
    server.versions = Versions::Dtls13;
}

#[test]
fn every_suite_works_with_every_group() {
    for suite in SUITES {
        for group in Group::ALL {
            let mut pair = Pair::with(|client, server| {
                client.cipher_suites = vec![suite];
                server.groups = vec![group];
                client.groups = vec![group];
            })
            .run();
            assert_eq!(pair.agreed(), Version::Dtls13);
            assert_eq!((pair.client.outcome().suite, pair.client.outcome().group), (suite, group));
        }
    }
}

#[test]
fn the_default_is_post_quantum_in_one_round_trip() {
    let mut pair = Pair::with(|_, _| {}).run();
    assert_eq!(pair.agreed(), Version::Dtls13);
    assert_eq!(pair.client.outcome().group, Group::X25519_MLKEM768);
    assert_eq!(pair.client.outcome().suite, CipherSuite::AES_128_GCM);
    use HandshakeType as Type;
    let wanted = [
        Type::SERVER_HELLO,
        Type::ENCRYPTED_EXTENSIONS,
        Type::CERTIFICATE_REQUEST,
        Type::CERTIFICATE,
        Type::CERTIFICATE_VERIFY,
        Type::FINISHED,
    ];
    assert_eq!(pair.client.seen, wanted.map(|kind| kind.0));
    let wanted = [Type::CLIENT_HELLO, Type::CERTIFICATE, Type::CERTIFICATE_VERIFY, Type::FINISHED];
    assert_eq!(pair.server.seen, wanted.map(|kind| kind.0));
    for (side, other) in [(&pair.client, &pair.server), (&pair.server, &pair.client)] {
        assert_eq!(side.peer.certificate(), Some(other.config.certificate.der()));
        assert!(side.peer.verified().is_some());
    }
}

#[test]
fn keys_of_the_operating_system_work_against_keys_from_a_seed() {
    for group in Group::ALL {
        for system in [Role::Client, Role::Server] {
            let mut pair = Pair::with(|client, server| {
                client.groups = vec![group];
                match system {
                    Role::Client => client.keys = SYSTEM,
                    Role::Server => server.keys = SYSTEM,
                }
            })
            .run();
            pair.agreed();
            assert_eq!(pair.server.outcome().group, group);
        }
    }
}

#[test]
fn the_same_seeds_give_the_same_bytes() {
    let run = || Pair::with(only_13).run().wire;
    assert_eq!(run(), run());
}

#[test]
fn the_server_prefers_by_its_own_order() {
    let pair = Pair::with(|client, server| {
        client.cipher_suites = vec![CipherSuite::AES_128_GCM, CipherSuite::CHACHA20_POLY1305];
        server.cipher_suites = vec![CipherSuite::CHACHA20_POLY1305, CipherSuite::AES_128_GCM];
        client.groups = vec![Group::SECP384R1, Group::X25519];
        server.groups = vec![Group::X25519, Group::SECP384R1];
        client.srtp_profiles = vec![SrtpProfile::AeadAes128Gcm, SrtpProfile::Aes128CmSha1_80];
        server.srtp_profiles = vec![SrtpProfile::Aes128CmSha1_80, SrtpProfile::AeadAes128Gcm];
        client.alpn = vec![Alpn::WebRtc, Alpn::ConfidentialWebRtc];
        server.alpn = vec![Alpn::ConfidentialWebRtc, Alpn::WebRtc];
    })
    .run();
    let outcome = pair.client.outcome();
    assert_eq!((outcome.suite, outcome.group), (CipherSuite::CHACHA20_POLY1305, Group::X25519));
    assert_eq!(outcome.agreed.srtp, Some(SrtpProfile::Aes128CmSha1_80));
    assert_eq!(outcome.agreed.alpn, Some(Alpn::ConfidentialWebRtc));
}

#[test]
fn a_better_group_is_not_worth_a_round_trip() {
    let mut pair =
        Pair::with(|client, _| client.groups = vec![Group::SECP256R1, Group::SECP384R1, Group::X25519]).run();
    pair.agreed();
    assert_eq!(pair.client.outcome().group, Group::SECP256R1);
    assert_eq!(pair.client.seen[..2], [HandshakeType::SERVER_HELLO.0, HandshakeType::ENCRYPTED_EXTENSIONS.0]);
}

#[test]
fn srtp_keys_are_the_same_on_both_sides_for_every_profile() {
    let all = [
        SrtpProfile::AeadAes128Gcm,
        SrtpProfile::AeadAes256Gcm,
        SrtpProfile::Aes128CmSha1_80,
        SrtpProfile::Aes128CmSha1_32,
    ];
    for profile in all {
        let pair = Pair::with(|client, server| {
            client.srtp_profiles = all.to_vec();
            server.srtp_profiles = vec![profile];
        })
        .run();
        let (client, server) = (pair.client.outcome(), pair.server.outcome());
        assert_eq!(client.agreed.srtp, Some(profile));
        assert_eq!(client.exporter.srtp_keys(profile).material, server.exporter.srtp_keys(profile).material);
    }
}

#[test]
fn what_only_one_side_speaks_is_left_out() {
    for silent in [Role::Client, Role::Server] {
        let mut pair = Pair::with(|client, server| {
            let config = if silent == Role::Client { client } else { server };
            config.srtp_profiles.clear();
            config.alpn.clear();
        })
        .run();
        pair.agreed();
        assert_eq!((pair.client.outcome().agreed.srtp, pair.client.outcome().agreed.alpn), (None, None));
    }
}

#[test]
fn record_limits_reach_the_other_side_less_the_content_type() {
    let pair = Pair::with(|client, server| {
        client.record_size_limit = 1000;
        server.record_size_limit = 64;
    })
    .run();
    assert_eq!(pair.client.outcome().agreed.record_limit, Some(64));
    assert_eq!(pair.server.outcome().agreed.record_limit, Some(1000));
}

#[test]
fn key_logs_name_every_secret_once() {
    let pair = Pair::with(only_13).run();
    let labels: Vec<&str> = pair.client.key_log.iter().filter_map(|line| line.0.split(' ').next()).collect();
    let wanted = [
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        "SERVER_HANDSHAKE_TRAFFIC_SECRET",
        "CLIENT_TRAFFIC_SECRET_0",
        "SERVER_TRAFFIC_SECRET_0",
        "EXPORTER_SECRET",
    ];
    assert_eq!(labels, wanted);
    for line in &pair.client.key_log {
        let fields: Vec<&str> = line.0.split(' ').collect();
        assert_eq!((fields.len(), fields[1].len(), fields[2].len()), (3, 64, 64), "{}", line.0);
    }
}

#[test]
fn no_secret_is_logged_unasked() {
    let pair = Pair::with(|client, server| {
        client.key_log = false;
        server.key_log = false;
    })
    .run();
    assert!(pair.client.outcome.is_some() && pair.client.key_log.is_empty() && pair.server.key_log.is_empty());
}

#[test]
fn any_datagram_may_be_lost_or_come_twice() {
    let datagrams = Pair::with(only_13).run().wire.len();
    for nth in 0..datagrams {
        for copies in [0, 2] {
            let mut pair = Pair::with(only_13);
            let mut count = 0;
            pair.link = Box::new(move |_, _, datagram| {
                count += 1;
                vec![datagram; if count == nth + 1 { copies } else { 1 }]
            });
            pair.drive();
            assert_eq!(pair.agreed(), Version::Dtls13, "datagram {nth}, {copies} copies");
        }
    }
}

#[test]
fn small_datagrams_with_heavy_loss_still_make_a_connection() {
    for seed in 0..8 {
        let mut pair = Pair::with(|client, server| {
            client.mtu = 300;
            server.mtu = 512;
        });
        let mut rng = Rng::from_u64(seed);
        pair.link = Box::new(move |_, _, datagram| match rng.below(10) {
            0..3 => Vec::new(),
            3 => vec![datagram.clone(), datagram],
            _ => vec![datagram],
        });
        pair.drive();
        pair.link = Box::new(|_, _, datagram| vec![datagram]);
        assert_eq!(pair.agreed(), Version::Dtls13, "seed {seed}");
    }
}

#[test]
fn without_an_expectation_any_certificate_does_for_the_moment() {
    let mut pair = Pair::with(only_13);
    pair.client.peer.set_expected(Vec::new()).unwrap();
    pair.drive();
    pair.agreed();
    assert!(pair.client.peer.verified().is_none());
    let expected = vec![pair.server.config.certificate.fingerprint(HashAlgorithm::Sha256)];
    pair.client.peer.set_expected(expected).unwrap();
    assert!(pair.client.peer.verified().is_some());
    let expected = vec![pair.client.config.certificate.fingerprint(HashAlgorithm::Sha256)];
    assert!(pair.client.peer.set_expected(expected).is_err());
}

#[test]
fn a_certificate_that_is_not_expected_ends_the_handshake() {
    for stranger in [Role::Client, Role::Server] {
        let mut pair = Pair::with(only_13);
        let other = config(stranger, 99).certificate.fingerprint(HashAlgorithm::Sha256);
        let wary = if stranger == Role::Client { Role::Server } else { Role::Client };
        pair.side(wary).peer.set_expected(vec![other]).unwrap();
        pair.drive();
        let failure = pair.side(wary).failure.clone().expect("the handshake ends");
        assert_eq!(failure.alert, AlertDescription::BAD_CERTIFICATE);
        assert!(pair.side(wary).outcome.is_none());
        assert!(pair.side(stranger).alerts.iter().any(|alert| alert.description == AlertDescription::BAD_CERTIFICATE));
    }
}

#[test]
fn each_side_renews_its_keys_without_a_break() {
    for role in [Role::Client, Role::Server] {
        let mut pair = Pair::with(only_13).run();
        for round in 1..=3 {
            let now = pair.now;
            let side = pair.side(role);
            let post = &mut side.outcome.as_mut().unwrap().post;
            post.update(now, &mut side.transport);
            // Asking twice changes nothing.
            post.update(now, &mut side.transport);
            pair.exchange();
            pair.drive();
            pair.exchange();
            assert_eq!(pair.side(role).transport.sending_epoch(), Epoch(3 + round));
        }
    }
}

#[test]
fn a_request_for_new_keys_is_answered_by_new_keys() {
    for role in [Role::Client, Role::Server] {
        let mut pair = Pair::with(only_13).run();
        let now = pair.now;
        let side = pair.side(role);
        side.transport.begin_flight();
        side.transport.push(Epoch::APPLICATION, HandshakeType::KEY_UPDATE, vec![1]);
        side.transport.flush(now, Expects::Ack);
        let other = if role == Role::Client { Role::Server } else { Role::Client };
        pair.drive();
        assert_eq!(pair.side(other).transport.sending_epoch(), Epoch(4));
        assert_eq!(pair.side(other).transport.receiving_epoch(), Epoch(4));
    }
}

#[test]
fn an_update_under_keys_that_one_has_replaced_ends_the_connection() {
    for role in [Role::Client, Role::Server] {
        let mut pair = Pair::with(only_13).run();
        let now = pair.now;
        let side = pair.side(role);
        side.transport.begin_flight();
        for _ in 0..2 {
            side.transport.push(Epoch::APPLICATION, HandshakeType::KEY_UPDATE, vec![0]);
        }
        side.transport.flush(now, Expects::Ack);
        let other = if role == Role::Client { Role::Server } else { Role::Client };
        pair.drive();
        let failure = pair.side(other).failure.clone().expect("the connection ends");
        assert_eq!(failure.alert, AlertDescription::UNEXPECTED_MESSAGE);
        assert_eq!(pair.side(other).transport.receiving_epoch(), Epoch(4));
    }
}

#[test]
fn new_keys_wait_until_the_last_flight_of_the_handshake_is_acknowledged() {
    let mut pair = Pair::with(only_13);
    pair.drive_until(|pair| pair.server.outcome.is_some());
    let now = pair.now;
    pair.server.transport.begin_flight();
    pair.server.transport.push(Epoch::APPLICATION, HandshakeType::KEY_UPDATE, vec![1]);
    pair.server.transport.flush(now, Expects::Ack);
    // The acknowledgement is lost, the request for new keys behind it is not.
    let mut is_first = true;
    pair.link = Box::new(move |role, _, datagram| {
        let is_lost = role == Role::Server && core::mem::take(&mut is_first);
        if is_lost { Vec::new() } else { vec![datagram] }
    });
    pair.drive_until(|pair| pair.client.seen.last() == Some(&HandshakeType::KEY_UPDATE.0));
    assert!(pair.client.transport.is_flight_outstanding());
    assert_eq!(pair.client.transport.sending_epoch(), Epoch::APPLICATION);
    pair.drive();
    assert_eq!(pair.client.transport.sending_epoch(), Epoch(4));
    pair.exchange();
}

#[test]
fn a_ticket_is_taken_and_forgotten() {
    let mut pair = Pair::with(only_13).run();
    let now = pair.now;
    let ticket = [&[0; 8][..], &[1, 7], &[0, 3, 1, 2, 3], &[0, 0]].concat();
    pair.server.transport.begin_flight();
    pair.server.transport.push(Epoch::APPLICATION, HandshakeType::NEW_SESSION_TICKET, ticket);
    pair.server.transport.flush(now, Expects::Ack);
    pair.drive();
    assert_eq!(pair.client.seen.last(), Some(&HandshakeType::NEW_SESSION_TICKET.0));
    assert_eq!(pair.client.failure, None);
    assert!(!pair.server.transport.is_flight_outstanding(), "it was acknowledged");
    pair.exchange();
}

#[test]
fn other_messages_may_not_follow_the_handshake() {
    for (from, kind) in [
        (Role::Client, HandshakeType::NEW_SESSION_TICKET),
        (Role::Server, HandshakeType::CERTIFICATE_REQUEST),
        (Role::Server, HandshakeType::NEW_CONNECTION_ID),
        (Role::Client, HandshakeType::FINISHED),
    ] {
        let mut pair = Pair::with(only_13).run();
        let now = pair.now;
        let side = pair.side(from);
        side.transport.begin_flight();
        side.transport.push(Epoch::APPLICATION, kind, vec![0; 20]);
        side.transport.flush(now, Expects::Ack);
        let to = if from == Role::Client { Role::Server } else { Role::Client };
        pair.drive();
        let failure = pair.side(to).failure.clone().expect("the connection ends");
        assert_eq!(failure.alert, AlertDescription::UNEXPECTED_MESSAGE, "{kind:?}");
    }
}
