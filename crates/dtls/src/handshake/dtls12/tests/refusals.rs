//! What ends a handshake of DTLS 1.2, with which alert.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use peerage_base::rng::Rng;

use super::keys::{Impostor, Powerless};
use super::{GROUPS, pair};
use crate::alert::AlertDescription;
use crate::config::{Config, Role, Versions};
use crate::extension::client::ClientExtensions;
use crate::extension::list::List;
use crate::extension::use_srtp::SelectedSrtp;
use crate::handshake::failure::Failure;
use crate::handshake::peer::Peer;
use crate::handshake::tests::harness::{Pair, Tamper, config};
use crate::message::client_hello::ClientHello;
use crate::message::kind::HandshakeType;
use crate::message::server_hello::ServerHello;
use crate::message::server_key_exchange::ServerKeyExchange;
use crate::suite::{CipherSuite, Group, SignatureScheme, Version};
use crate::transport::Message;

type Alert = AlertDescription;

/// Changes every message of a kind before `victim` sees it.
fn tampered(victim: Role, kind: HandshakeType, mut change: impl FnMut(&mut Vec<u8>) + 'static) -> Pair {
    let mut pair = pair(|_, _| {});
    pair.side(victim).tamper = Some(Box::new(move |message: &mut Message| {
        if message.kind == kind {
            change(&mut message.body);
        }
    }));
    pair
}

/// Rewrites the ServerHello that the client sees.
fn server_hello(change: impl Fn(&mut ServerHello<'_>) + 'static) -> Pair {
    tampered(Role::Client, HandshakeType::SERVER_HELLO, move |body| {
        let old = body.clone();
        let mut hello = ServerHello::parse(&old).unwrap();
        change(&mut hello);
        body.clear();
        hello.write(body);
    })
}

/// Rewrites the ClientHello that the server sees.
pub(super) fn client_hello(change: impl Fn(&mut ClientHello<'_>) + 'static) -> Tamper {
    Box::new(move |message: &mut Message| {
        if message.kind == HandshakeType::CLIENT_HELLO {
            let old = message.body.clone();
            let mut hello = ClientHello::parse(&old).unwrap();
            change(&mut hello);
            message.body.clear();
            hello.write(&mut message.body);
        }
    })
}

/// Runs the pair, and checks that `victim` gives up with this alert, which the other side hears, and that nobody
/// believes in a connection.
fn assert_refused(pair: Pair, victim: Role, alert: Alert) -> Failure {
    let mut pair = pair.run();
    let failure = pair.side(victim).failure.clone().expect("a failure");
    assert_eq!(failure.alert, alert, "{failure:?}");
    assert!(pair.client.outcome.is_none() && pair.server.outcome.is_none(), "{failure:?}");
    let other = if victim == Role::Client { Role::Server } else { Role::Client };
    assert!(pair.side(other).alerts.iter().any(|heard| heard.description == alert), "{failure:?} is not heard");
    failure
}

/// Runs a pair whose server takes no hello, and checks why.
fn assert_no_answer(pair: Pair, alert: Alert) -> Failure {
    let pair = pair.run();
    let refused = pair.server.refused.clone().expect("a refusal");
    assert_eq!(refused.alert, alert, "{refused:?}");
    assert!(pair.client.outcome.is_none() && pair.server.outcome.is_none());
    assert!(pair.client.alerts.iter().any(|heard| heard.description == alert));
    refused
}

/// Changes the last byte of a body.
fn flip(body: &mut [u8]) {
    *body.last_mut().unwrap() ^= 1;
}

#[test]
fn a_server_without_the_extended_master_secret() {
    let pair = server_hello(|hello| hello.extensions.extended_master_secret = false);
    let failure = assert_refused(pair, Role::Client, Alert::HANDSHAKE_FAILURE);
    assert!(failure.reason.contains("extended master secret"));
}

#[test]
fn a_client_without_the_extended_master_secret() {
    let mut pair = pair(|_, _| {});
    pair.server.tamper = Some(client_hello(|hello| hello.extensions.extended_master_secret = false));
    let failure = assert_no_answer(pair, Alert::HANDSHAKE_FAILURE);
    assert!(failure.reason.contains("extended master secret"));
}

#[test]
fn choices_of_a_server_that_were_not_offered() {
    for suite in [CipherSuite::AES_128_GCM, CipherSuite(0xC009), CipherSuite::UNKNOWN] {
        let pair = server_hello(move |hello| hello.cipher_suite = suite);
        assert_refused(pair, Role::Client, Alert::ILLEGAL_PARAMETER);
    }
    let pair = server_hello(|hello| hello.extensions.use_srtp = Some(SelectedSrtp { profile: 2, mki: &[] }));
    assert_refused(pair, Role::Client, Alert::ILLEGAL_PARAMETER);
    let pair = server_hello(|hello| hello.extensions.use_srtp = Some(SelectedSrtp { profile: 7, mki: &[1] }));
    assert_refused(pair, Role::Client, Alert::ILLEGAL_PARAMETER);
}

#[test]
fn a_client_that_has_nothing_in_common() {
    type Change = fn(&mut Config, &mut Config);
    let cases: [(&str, Change); 3] = [
        ("suite", |client, server| {
            client.cipher_suites = vec![CipherSuite::ECDHE_ECDSA_AES_128_GCM];
            server.cipher_suites = vec![CipherSuite::ECDHE_ECDSA_CHACHA20_POLY1305];
        }),
        // A server of ours has no RSA key.
        ("suite", |client, _| client.cipher_suites = vec![CipherSuite::ECDHE_RSA_AES_128_GCM]),
        ("group", |client, server| {
            client.groups = vec![Group::X25519];
            server.groups = vec![Group::X25519_MLKEM768, Group::SECP256R1];
        }),
    ];
    for (what, change) in cases {
        let failure = assert_no_answer(pair(change), Alert::HANDSHAKE_FAILURE);
        assert!(failure.reason.contains(what), "{failure:?}");
    }
}

#[test]
fn a_client_that_takes_no_signature_of_ours() {
    for schemes in [None, Some(List::new(&[SignatureScheme::RSA_PSS_RSAE_SHA256]))] {
        let mut pair = pair(|_, _| {});
        pair.server.tamper = Some(client_hello(move |hello| hello.extensions.signature_algorithms = schemes));
        assert_no_answer(pair, Alert::HANDSHAKE_FAILURE);
    }
}

#[test]
fn a_hello_without_extensions() {
    let mut pair = pair(|_, _| {});
    pair.server.tamper = Some(client_hello(|hello| hello.extensions = ClientExtensions::default()));
    assert_no_answer(pair, Alert::HANDSHAKE_FAILURE);
}

#[test]
fn a_fallback_without_need() {
    let fallback =
        || client_hello(|hello| hello.cipher_suites = List::new(&[CipherSuite(0xC02B), CipherSuite(0x5600)]));
    let mut knows_better = pair(|_, _| {});
    knows_better.server.tamper = Some(fallback());
    assert_no_answer(knows_better, Alert::INAPPROPRIATE_FALLBACK);
    // With need it is none. The client then sees that its hello was tampered with.
    let mut knows_no_better = pair(|_, server| server.versions = Versions::Dtls12);
    knows_no_better.server.tamper = Some(fallback());
    assert_refused(knows_no_better, Role::Server, Alert::DECRYPT_ERROR);
}

#[test]
fn a_refused_hello_does_not_stand_in_the_way_of_the_next() {
    let mut pair = pair(|_, _| {});
    let mut first = true;
    pair.server.tamper = Some(Box::new(move |message: &mut Message| {
        if message.kind == HandshakeType::CLIENT_HELLO && core::mem::take(&mut first) {
            message.body.truncate(40);
        }
    }));
    let mut pair = pair.run();
    assert!(pair.server.refused.is_some());
    assert_eq!(pair.agreed(), Version::Dtls12);
}

#[test]
fn nor_does_what_came_in_place_of_the_hello_with_the_cookie() {
    let mut pair = pair(|_, server| server.cookie = true);
    let mut seen = 0;
    pair.server.tamper = Some(Box::new(move |message: &mut Message| {
        match seen {
            1 => message.kind = HandshakeType::CERTIFICATE,
            2 => message.body.truncate(40),
            _ => {}
        }
        seen += 1;
    }));
    let mut pair = pair.run();
    assert_eq!(pair.server.refused.as_ref().map(|failure| failure.alert), Some(Alert::DECODE_ERROR));
    assert_eq!(pair.agreed(), Version::Dtls12);
}

#[test]
fn a_version_that_somebody_took_out_of_the_hello() {
    let mut pair = pair(|client, _| client.versions = Versions::Any);
    pair.server.tamper = Some(client_hello(|hello| hello.extensions.supported_versions = None));
    let failure = assert_refused(pair, Role::Client, Alert::ILLEGAL_PARAMETER);
    assert!(failure.reason.contains("DTLS 1.2"));
}

#[test]
fn a_cookie_that_was_not_given() {
    let mut pair = pair(|_, server| server.cookie = true);
    let mut hellos = 0;
    let mut change = client_hello(|hello| hello.cookie = &[7; 16]);
    pair.server.tamper = Some(Box::new(move |message: &mut Message| {
        hellos += u32::from(message.kind == HandshakeType::CLIENT_HELLO);
        if hellos > 1 {
            change(message);
        }
    }));
    assert_no_answer(pair, Alert::ILLEGAL_PARAMETER);
}

#[test]
fn a_hello_that_changes_with_the_cookie() {
    let mut pair = pair(|_, server| server.cookie = true);
    let mut hellos = 0;
    let mut change = client_hello(|hello| hello.random = [7; 32]);
    pair.server.tamper = Some(Box::new(move |message: &mut Message| {
        hellos += u32::from(message.kind == HandshakeType::CLIENT_HELLO);
        if hellos > 1 {
            change(message);
        }
    }));
    assert_no_answer(pair, Alert::ILLEGAL_PARAMETER);
}

#[test]
fn a_stranger() {
    for victim in [Role::Client, Role::Server] {
        let mut pair = pair(|_, _| {});
        let expected = config(Role::Client, 77).certificate;
        pair.side(victim).peer = Peer::new(vec![expected.fingerprint(crate::fingerprint::HashAlgorithm::Sha256)]);
        assert_refused(pair, victim, Alert::BAD_CERTIFICATE);
    }
}

#[test]
fn a_peer_without_a_certificate() {
    for victim in [Role::Client, Role::Server] {
        let pair = tampered(victim, HandshakeType::CERTIFICATE, |body| *body = vec![0; 3]);
        assert_refused(pair, victim, Alert::HANDSHAKE_FAILURE);
    }
}

#[test]
fn a_peer_without_the_key_of_its_certificate() {
    let server = pair(|_, server| server.keys = &Impostor);
    assert_refused(server, Role::Client, Alert::DECRYPT_ERROR);
    let client = pair(|client, _| client.keys = &Impostor);
    assert_refused(client, Role::Server, Alert::DECRYPT_ERROR);
}

#[test]
fn a_signature_with_a_changed_byte() {
    let pair = tampered(Role::Client, HandshakeType::SERVER_KEY_EXCHANGE, |body| flip(body));
    assert_refused(pair, Role::Client, Alert::DECRYPT_ERROR);
    let pair = tampered(Role::Server, HandshakeType::CERTIFICATE_VERIFY, |body| flip(body));
    assert_refused(pair, Role::Server, Alert::DECRYPT_ERROR);
}

#[test]
fn a_share_that_was_not_signed() {
    // The first byte of the share: behind curve type, group and length.
    let pair = tampered(Role::Client, HandshakeType::SERVER_KEY_EXCHANGE, |body| body[4] ^= 1);
    assert_refused(pair, Role::Client, Alert::DECRYPT_ERROR);
}

#[test]
fn a_scheme_that_was_not_offered_or_does_not_fit() {
    // ecdsa_sha1; rsa_pkcs1_sha256, which the suite does not say; ed25519, which the key is not.
    for scheme in [0x0203, 0x0401, 0x0807] {
        let pair = tampered(Role::Client, HandshakeType::SERVER_KEY_EXCHANGE, move |body| {
            let old = body.clone();
            let exchange = ServerKeyExchange::parse(&old).unwrap();
            body.clear();
            ServerKeyExchange { scheme: SignatureScheme(scheme), ..exchange }.write(body);
        });
        assert_refused(pair, Role::Client, Alert::ILLEGAL_PARAMETER);
        let pair = tampered(Role::Server, HandshakeType::CERTIFICATE_VERIFY, move |body| {
            body[..2].copy_from_slice(&u16::to_be_bytes(scheme));
        });
        assert_refused(pair, Role::Server, Alert::ILLEGAL_PARAMETER);
    }
}

#[test]
fn a_signature_of_another_kind_than_the_suite_says() {
    let pair = server_hello(|hello| hello.cipher_suite = CipherSuite::ECDHE_RSA_AES_128_GCM);
    let failure = assert_refused(pair, Role::Client, Alert::ILLEGAL_PARAMETER);
    assert!(failure.reason.contains("kind of key"));
}

#[test]
fn a_group_that_was_not_offered() {
    for group in [Group::X25519_MLKEM768, Group(0x0019), Group(0)] {
        let pair = tampered(Role::Client, HandshakeType::SERVER_KEY_EXCHANGE, move |body| {
            body[1..3].copy_from_slice(&group.0.to_be_bytes());
        });
        assert_refused(pair, Role::Client, Alert::ILLEGAL_PARAMETER);
    }
    // Known, but not in the configuration.
    let mut pair = pair(|client, server| {
        client.groups = vec![Group::X25519];
        server.groups = vec![Group::X25519];
    });
    pair.client.tamper = Some(Box::new(|message: &mut Message| {
        if message.kind == HandshakeType::SERVER_KEY_EXCHANGE {
            message.body[1..3].copy_from_slice(&Group::SECP256R1.0.to_be_bytes());
        }
    }));
    assert_refused(pair, Role::Client, Alert::ILLEGAL_PARAMETER);
}

#[test]
fn a_share_that_leads_to_no_secret() {
    for group in GROUPS {
        let server = pair(|_, server| (server.keys, server.groups) = (&Powerless, vec![group]));
        assert_refused(server, Role::Client, Alert::ILLEGAL_PARAMETER);
        let client = pair(|client, server| (client.keys, server.groups) = (&Powerless, vec![group]));
        assert_refused(client, Role::Server, Alert::ILLEGAL_PARAMETER);
    }
}

#[test]
fn a_share_of_the_wrong_length_or_form() {
    // A compressed point of P-256 (RFC 8422 §5.4 has uncompressed ones only), and one byte too few.
    for share in [[&[33, 2][..], &[9; 32]].concat(), [&[64, 4][..], &[9; 63]].concat()] {
        let mut pair = pair(|_, server| server.groups = vec![Group::SECP256R1]);
        pair.server.tamper = Some(Box::new(move |message: &mut Message| {
            if message.kind == HandshakeType::CLIENT_KEY_EXCHANGE {
                message.body.clone_from(&share);
            }
        }));
        assert_refused(pair, Role::Server, Alert::ILLEGAL_PARAMETER);
    }
}

#[test]
fn a_server_that_does_not_ask_for_a_certificate() {
    let mut pair = pair(|_, _| {});
    pair.client.tamper = Some(Box::new(|message: &mut Message| {
        if message.kind == HandshakeType::CERTIFICATE_REQUEST {
            message.kind = HandshakeType::SERVER_HELLO_DONE;
            message.body.clear();
        }
    }));
    let failure = assert_refused(pair, Role::Client, Alert::HANDSHAKE_FAILURE);
    assert!(failure.reason.contains("asks for no certificate"));
}

#[test]
fn a_server_that_takes_no_certificate_like_ours() {
    // Types, then schemes: RSA alone; ECDSA with SHA-384 alone.
    for body in [[1, 1, 0, 2, 4, 3, 0, 0], [1, 64, 0, 2, 5, 3, 0, 0]] {
        let pair = tampered(Role::Client, HandshakeType::CERTIFICATE_REQUEST, move |old| *old = body.to_vec());
        assert_refused(pair, Role::Client, Alert::HANDSHAKE_FAILURE);
    }
}

#[test]
fn a_finished_of_another_handshake() {
    for victim in [Role::Client, Role::Server] {
        let mut pair = tampered(victim, HandshakeType::FINISHED, |body| flip(body));
        pair.drive();
        let failure = pair.side(victim).failure.clone().expect("a failure");
        assert_eq!(failure.alert, Alert::DECRYPT_ERROR);
        assert!(pair.side(victim).outcome.is_none());
        // The client's alert comes under keys, which the server has by then.
        let other = if victim == Role::Client { Role::Server } else { Role::Client };
        assert_eq!(pair.side(other).alerts, [crate::alert::Alert::fatal(Alert::DECRYPT_ERROR)]);
    }
    for len in [11, 13] {
        let pair = tampered(Role::Server, HandshakeType::FINISHED, move |body| body.resize(len, 0));
        assert_refused(pair, Role::Server, Alert::DECODE_ERROR);
    }
}

/// How many messages each side gets in a handshake.
const MESSAGES: [(Role, usize); 2] = [(Role::Client, 6), (Role::Server, 5)];

#[test]
fn a_message_out_of_turn_in_every_state() {
    type Kind = HandshakeType;
    for (victim, count) in MESSAGES {
        // What comes first is the business of hellos.
        for position in 1..count {
            for kind in [
                Kind::CLIENT_HELLO,
                Kind::SERVER_HELLO,
                Kind::CERTIFICATE,
                Kind::SERVER_KEY_EXCHANGE,
                Kind::CERTIFICATE_REQUEST,
                Kind::CLIENT_KEY_EXCHANGE,
                Kind::CERTIFICATE_VERIFY,
                Kind::ENCRYPTED_EXTENSIONS,
                Kind::NEW_SESSION_TICKET,
                Kind::HELLO_VERIFY_REQUEST,
                Kind::FINISHED,
                HandshakeType(99),
            ] {
                let mut pair = pair(|_, _| {});
                let mut seen = 0;
                pair.side(victim).tamper = Some(Box::new(move |message: &mut Message| {
                    if seen == position && message.kind != kind {
                        message.kind = kind;
                    }
                    seen += 1;
                }));
                let mut pair = pair.run();
                match pair.side(victim).failure.clone() {
                    Some(failure) => {
                        assert_eq!(failure.alert, Alert::UNEXPECTED_MESSAGE, "{victim:?} {position} {kind:?}");
                        assert!(pair.client.outcome.is_none() || pair.server.outcome.is_none());
                    }
                    // It was of this kind anyway.
                    None => assert_eq!(pair.agreed(), Version::Dtls12, "{victim:?} {position} {kind:?}"),
                }
            }
        }
    }
}

#[test]
fn a_message_cut_short_in_every_state() {
    for (victim, count) in MESSAGES {
        for position in 1..count {
            for keep in [0, 1, 2, 3, 5, 9, 40] {
                let mut pair = pair(|_, _| {});
                let mut seen = 0;
                pair.side(victim).tamper = Some(Box::new(move |message: &mut Message| {
                    if seen == position {
                        message.body.truncate(keep);
                    }
                    seen += 1;
                }));
                let mut pair = pair.run();
                match pair.side(victim).failure.clone() {
                    Some(_) => assert!(pair.client.outcome.is_none() || pair.server.outcome.is_none()),
                    // It was not longer.
                    None => assert_eq!(pair.agreed(), Version::Dtls12, "{victim:?} {position} {keep}"),
                }
            }
        }
    }
}

#[test]
fn no_changed_byte_goes_unnoticed() {
    let mut rng = Rng::from_u64(5);
    for (victim, count) in MESSAGES {
        for position in 0..count {
            for _ in 0..12 {
                let (place, change) = (rng.u64(), rng.below(255) as u8 + 1);
                let mut pair = pair(|_, _| {});
                let mut seen = 0;
                pair.side(victim).tamper = Some(Box::new(move |message: &mut Message| {
                    // Every hello, because one that was refused comes again.
                    if seen == position || position == 0 && message.kind == HandshakeType::CLIENT_HELLO {
                        let place = place % message.body.len().max(1) as u64;
                        match message.body.get_mut(place as usize) {
                            Some(byte) => *byte ^= change,
                            None => message.body.push(change),
                        }
                    }
                    seen += 1;
                }));
                pair.drive();
                assert!(pair.side(victim).outcome.is_none(), "{victim:?} {position}: byte {place} by {change}");
            }
        }
    }
}

#[test]
fn a_hello_request_in_the_middle_means_nothing() {
    for position in 1..6 {
        let mut pair = pair(|_, _| {});
        let mut seen = 0;
        pair.client.tamper = Some(Box::new(move |message: &mut Message| {
            if seen == position {
                message.kind = HandshakeType::HELLO_REQUEST;
                message.body.clear();
            }
            seen += 1;
        }));
        pair.drive();
        // What it took the place of is still awaited when the next message comes, if one does.
        match pair.client.failure {
            Some(failure) => assert!(!failure.reason.contains("HelloRequest"), "{failure:?}"),
            None => assert!(pair.client.timed_out, "{position}"),
        }
        assert!(pair.client.outcome.is_none());
    }
}
