//! Whole handshakes of DTLS 1.2.

mod keys;
mod refusals;

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::Cell;

use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::Duration;
use peerage_crypto::keys::system::SYSTEM;

use crate::alert::{Alert, AlertDescription};
use crate::config::{Config, Role, Versions};
use crate::extension::client::ClientExtensions;
use crate::extension::kind::{ExtensionSet, ExtensionType};
use crate::extension::list::List;
use crate::handshake::tests::harness::{Link, Pair};
use crate::message::client_hello::ClientHello;
use crate::message::kind::HandshakeType;
use crate::message::server_hello::ServerHello;
use crate::message::server_key_exchange::ServerKeyExchange;
use crate::protect::sealer::SealError;
use crate::suite::{Alpn, CipherSuite, Epoch, Group, SrtpProfile, Version};
use crate::transport::{Expects, Message};

const SUITES: [CipherSuite; 3] = [
    CipherSuite::ECDHE_ECDSA_AES_128_GCM,
    CipherSuite::ECDHE_ECDSA_AES_256_GCM,
    CipherSuite::ECDHE_ECDSA_CHACHA20_POLY1305,
];
const GROUPS: [Group; 3] = [Group::X25519, Group::SECP256R1, Group::SECP384R1];

/// A pair that ends up with DTLS 1.2, on the fast keys.
fn pair(change: impl FnOnce(&mut Config, &mut Config)) -> Pair {
    Pair::with(|client, server| {
        client.versions = Versions::Dtls12;
        client.keys = SYSTEM;
        server.keys = SYSTEM;
        change(client, server);
    })
}

/// The kinds of messages that a side saw.
fn kinds(seen: &[u8]) -> Vec<HandshakeType> {
    seen.iter().copied().map(HandshakeType).collect()
}

#[test]
fn every_suite_leads_to_keys_in_every_group() {
    for suite in SUITES {
        for group in GROUPS {
            let mut pair = Pair::with(|client, server| {
                client.versions = Versions::Dtls12;
                client.cipher_suites = vec![suite];
                server.groups = vec![group];
            })
            .run();
            assert_eq!(pair.agreed(), Version::Dtls12);
            assert_eq!((pair.server.outcome().suite, pair.server.outcome().group), (suite, group));
        }
    }
}

#[test]
fn either_side_can_be_the_one_that_knows_no_better() {
    for (client, server) in
        [(Versions::Any, Versions::Dtls12), (Versions::Dtls12, Versions::Any), (Versions::Dtls12, Versions::Dtls12)]
    {
        let mut pair = pair(|c, s| (c.versions, s.versions) = (client, server)).run();
        assert_eq!(pair.agreed(), Version::Dtls12, "{client:?} {server:?}");
    }
}

#[test]
fn messages_come_in_the_order_of_the_standard() {
    type Kind = HandshakeType;
    let pair = pair(|_, _| {}).run();
    assert_eq!(
        kinds(&pair.client.seen),
        [
            Kind::SERVER_HELLO,
            Kind::CERTIFICATE,
            Kind::SERVER_KEY_EXCHANGE,
            Kind::CERTIFICATE_REQUEST,
            Kind::SERVER_HELLO_DONE,
            Kind::FINISHED
        ]
    );
    assert_eq!(
        kinds(&pair.server.seen),
        [Kind::CLIENT_HELLO, Kind::CERTIFICATE, Kind::CLIENT_KEY_EXCHANGE, Kind::CERTIFICATE_VERIFY, Kind::FINISHED]
    );
}

#[test]
fn the_server_prefers_its_own_order() {
    let mut pair = pair(|client, server| {
        client.groups = vec![Group::SECP384R1, Group::X25519, Group::SECP256R1];
        server.groups = vec![Group::X25519_MLKEM768, Group::SECP256R1, Group::X25519];
        server.cipher_suites.reverse();
        server.srtp_profiles = vec![SrtpProfile::Aes128CmSha1_80, SrtpProfile::AeadAes128Gcm];
        server.alpn = vec![Alpn::ConfidentialWebRtc, Alpn::WebRtc];
    })
    .run();
    assert_eq!(pair.agreed(), Version::Dtls12);
    let outcome = pair.server.outcome();
    assert_eq!(outcome.suite, CipherSuite::ECDHE_ECDSA_AES_256_GCM);
    assert_eq!(outcome.group, Group::SECP256R1);
    assert_eq!(outcome.agreed.srtp, Some(SrtpProfile::Aes128CmSha1_80));
    assert_eq!(outcome.agreed.alpn, Some(Alpn::ConfidentialWebRtc));
}

#[test]
fn what_is_not_common_or_not_offered_is_left_out() {
    let mut pair = pair(|client, server| {
        client.srtp_profiles = vec![SrtpProfile::Aes128CmSha1_32];
        client.alpn = Vec::new();
        server.record_size_limit = 500;
    })
    .run();
    assert_eq!(pair.agreed(), Version::Dtls12);
    for side in [&pair.client, &pair.server] {
        assert_eq!((side.outcome().agreed.srtp, side.outcome().agreed.alpn), (None, None));
    }
    // Limits are each side's own.
    assert_eq!(pair.client.outcome().agreed.record_limit, Some(500));
    assert_eq!(pair.server.outcome().agreed.record_limit, Some(1 << 14));
}

#[test]
fn no_record_is_longer_than_the_peer_takes() {
    // DTLS 1.3 counts the inner content type, so that what is left is the same.
    for versions in [Versions::Dtls12, Versions::Any] {
        let mut pair = pair(|client, server| {
            client.versions = versions;
            server.record_size_limit = 500;
        })
        .run();
        let mut seal = |from, len| {
            let mut buf = [0; 1500];
            let mut slot = Slot::new(&mut buf, 100, 100, 1300);
            slot.fill(len);
            pair.side(from).transport.seal(&mut slot)
        };
        assert_eq!(seal(Role::Client, 500), Ok(()));
        assert_eq!(seal(Role::Client, 501), Err(SealError::TooLong));
        assert_eq!(seal(Role::Server, 1200), Ok(()));
    }
}

#[test]
fn srtp_keys_are_those_of_the_exporter() {
    for profile in [
        SrtpProfile::Aes128CmSha1_80,
        SrtpProfile::Aes128CmSha1_32,
        SrtpProfile::AeadAes128Gcm,
        SrtpProfile::AeadAes256Gcm,
    ] {
        let pair = pair(|_, server| server.srtp_profiles = vec![profile]);
        let client_offers = pair.client.config.srtp_profiles.contains(&profile);
        let pair = pair.run();
        let [client, server] = [&pair.client, &pair.server].map(|side| {
            let outcome = side.outcome();
            outcome.agreed.srtp.map(|profile| outcome.exporter.srtp_keys(profile))
        });
        assert_eq!(client, server);
        assert_eq!(client.is_some(), client_offers);
        if let Some(keys) = client {
            let (key, salt) = profile.key_and_salt();
            assert_eq!((keys.profile, keys.material.len()), (profile, 2 * (key + salt)));
        }
    }
}

#[test]
fn the_key_log_has_the_master_secret_by_the_random_of_the_client() {
    let pair = pair(|_, _| {}).run();
    let [line] = pair.client.key_log.as_slice() else { panic!("one line: {:?}", pair.client.key_log.len()) };
    let fields: Vec<&str> = line.0.split(' ').collect();
    let [label, random, secret] = fields.as_slice() else { panic!("three fields") };
    assert_eq!((*label, random.len(), secret.len()), ("CLIENT_RANDOM", 64, 96));
    // Behind the headers of record and message, and the version.
    let (_, hello) = &pair.wire[0];
    let on_wire: Vec<u8> = hello[13 + 12 + 2..][..32].to_vec();
    let logged: Vec<u8> = (0..64).step_by(2).map(|i| u8::from_str_radix(&random[i..i + 2], 16).unwrap()).collect();
    assert_eq!(on_wire, logged);
    assert_eq!(pair.client.key_log, pair.server.key_log);
}

#[test]
fn the_same_seeds_give_the_same_bytes() {
    let wire = || Pair::with(|client, _| client.versions = Versions::Dtls12).run().wire;
    assert_eq!(wire(), wire());
}

#[test]
fn a_cookie_costs_one_round_trip_and_nothing_else() {
    for versions in [Versions::Dtls12, Versions::Any] {
        let mut pair = pair(|client, server| {
            client.versions = versions;
            server.versions = Versions::Dtls12;
            server.cookie = true;
        })
        .run();
        assert_eq!(pair.agreed(), Version::Dtls12);
        assert_eq!(pair.client.seen[..2], [3, 2], "HelloVerifyRequest, ServerHello");
        assert_eq!(pair.server.seen[..2], [1, 1], "two hellos");
    }
}

#[test]
fn any_single_datagram_may_be_lost() {
    for cookie in [false, true] {
        for (loser, most) in [(Role::Client, 4), (Role::Server, 4)] {
            for lost in 0..most {
                let mut pair = pair(|client, server| {
                    client.mtu = 600;
                    server.mtu = 600;
                    server.cookie = cookie;
                });
                pair.link = Box::new(
                    move |from, index, datagram| {
                        if from == loser && index == lost { Vec::new() } else { vec![datagram] }
                    },
                );
                let mut pair = pair.run();
                assert_eq!(pair.agreed(), Version::Dtls12, "{loser:?} loses {lost}, cookie {cookie}");
            }
        }
    }
}

/// Loses three datagrams in ten, repeats one, and has every fourth overtaken by the next.
fn bad_link(seed: u64) -> Link {
    let mut rng = Rng::from_u64(seed);
    let mut late = [None, None];
    Box::new(move |from, _, datagram| {
        let mut arrivals = Vec::new();
        let late = &mut late[usize::from(from == Role::Server)];
        match rng.below(100) {
            0..30 => {}
            30..40 => arrivals.extend([datagram.clone(), datagram]),
            40..65 if late.is_none() => *late = Some(datagram),
            _ => arrivals.push(datagram),
        }
        if !arrivals.is_empty() {
            arrivals.extend(late.take());
        }
        arrivals
    })
}

#[test]
fn loss_duplication_and_disorder_only_cost_time() {
    for seed in 0..30 {
        let mut pair = pair(|client, server| {
            client.mtu = 400;
            server.mtu = 300;
            server.cookie = seed % 2 == 0;
            client.handshake_timeout = Duration::from_secs(600);
            server.handshake_timeout = Duration::from_secs(600);
        });
        pair.link = bad_link(seed);
        let mut pair = pair.run();
        assert_eq!(pair.agreed(), Version::Dtls12, "seed {seed}");
    }
}

/// Has `from` send a message under the keys of the connection, and answers what it hears.
fn heard_after(from: Role, kind: HandshakeType) -> Vec<Alert> {
    let mut pair = pair(|_, _| {}).run();
    assert_eq!(pair.agreed(), Version::Dtls12);
    let now = pair.now;
    let transport = &mut pair.side(from).transport;
    transport.begin_flight();
    transport.push(Epoch::FINISHED, kind, vec![0; 4]);
    transport.flush(now, Expects::Nothing);
    pair.drive();
    pair.exchange();
    core::mem::take(&mut pair.side(from).alerts)
}

#[test]
fn nobody_begins_anew() {
    let refusal = Alert { fatal: false, description: AlertDescription::NO_RENEGOTIATION };
    assert_eq!(heard_after(Role::Client, HandshakeType::CLIENT_HELLO), [refusal]);
    assert_eq!(heard_after(Role::Server, HandshakeType::HELLO_REQUEST), [refusal]);
}

/// The extensions of the ServerHello that answers a changed ClientHello.
fn answer_to(change: impl Fn(&mut ClientHello<'_>) + 'static) -> ExtensionSet {
    let mut pair = pair(|_, _| {});
    pair.server.tamper = Some(refusals::client_hello(change));
    let answer = Rc::new(Cell::new(ExtensionSet::default()));
    let seen = Rc::clone(&answer);
    pair.client.tamper = Some(Box::new(move |message: &mut Message| {
        if message.kind == HandshakeType::SERVER_HELLO {
            seen.set(ServerHello::parse(&message.body).unwrap().extensions.present());
        }
    }));
    pair.drive();
    answer.get()
}

#[test]
fn only_what_the_client_named_is_answered() {
    type Type = ExtensionType;
    let whole = answer_to(|_| {});
    for kind in
        [Type::EXTENDED_MASTER_SECRET, Type::USE_SRTP, Type::ALPN, Type::RECORD_SIZE_LIMIT, Type::EC_POINT_FORMATS]
    {
        assert!(whole.contains(kind), "{kind:?}");
    }
    assert!(whole.contains(Type::RENEGOTIATION_INFO));

    let least = answer_to(|hello| {
        let ClientExtensions { supported_groups, signature_algorithms, .. } = hello.extensions;
        hello.extensions = ClientExtensions {
            supported_groups,
            signature_algorithms,
            extended_master_secret: true,
            ..ClientExtensions::default()
        };
    });
    assert_eq!(least, ExtensionSet::default().with(Type::EXTENDED_MASTER_SECRET, true));

    // The suite that stands for the extension (RFC 5746 §3.6).
    let by_suite = answer_to(|hello| {
        hello.extensions.renegotiation_info = false;
        hello.cipher_suites = List::new(&[CipherSuite::ECDHE_ECDSA_AES_128_GCM, CipherSuite(0x00FF)]);
    });
    assert!(by_suite.contains(Type::RENEGOTIATION_INFO));
}

#[test]
fn a_client_that_names_no_groups_gets_p_256() {
    let mut pair = pair(|_, _| {});
    pair.server.tamper = Some(refusals::client_hello(|hello| hello.extensions.supported_groups = None));
    let group = Rc::new(Cell::new(None));
    let seen = Rc::clone(&group);
    pair.client.tamper = Some(Box::new(move |message: &mut Message| {
        if message.kind == HandshakeType::SERVER_KEY_EXCHANGE {
            seen.set(Some(ServerKeyExchange::parse(&message.body).unwrap().params.group));
        }
    }));
    pair.drive();
    assert_eq!(group.get(), Some(Group::SECP256R1));
}

#[test]
fn a_server_without_renegotiation_info_is_taken() {
    let mut pair = pair(|_, _| {});
    pair.client.tamper = Some(Box::new(|message: &mut Message| {
        if message.kind == HandshakeType::SERVER_HELLO {
            let old = message.body.clone();
            let mut hello = ServerHello::parse(&old).unwrap();
            hello.extensions.renegotiation_info = false;
            message.body.clear();
            hello.write(&mut message.body);
        }
    }));
    pair.drive();
    // It went on to the end, where the server sees that somebody changed its hello.
    assert_eq!(pair.client.failure, None);
    assert_eq!(pair.server.failure.unwrap().alert, AlertDescription::DECRYPT_ERROR);
}
