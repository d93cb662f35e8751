//! HelloRetryRequest, sent and received.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use crate::alert::AlertDescription as Alert;
use crate::config::{Config, Role, Versions};
use crate::extension::key_share::KeyShare;
use crate::extension::list::List;
use crate::extension::server::ServerExtensions;
use crate::handshake::tests::harness::{Pair, edit, edit_client_hello, edit_server_hello};
use crate::message::kind::HandshakeType as Type;
use crate::message::server_hello::{HELLO_RETRY_REQUEST, ServerHello};
use crate::suite::{CipherSuite, Group, Version};

/// The server only takes a group for which the client sends no share at first.
fn wants_group(client: &mut Config, server: &mut Config) {
    client.versions = Versions::Dtls13;
    server.versions = Versions::Dtls13;
    server.groups = vec![Group::SECP384R1];
}

fn wants_cookie(client: &mut Config, server: &mut Config) {
    client.versions = Versions::Dtls13;
    server.versions = Versions::Dtls13;
    server.cookie = true;
}

/// A HelloRetryRequest in the place of a ServerHello.
fn request(group: Option<Group>, cookie: Option<&'static [u8]>) -> Vec<u8> {
    let extensions =
        ServerExtensions { supported_version: Some(0xFEFC), selected_group: group, cookie, ..Default::default() };
    let mut body = Vec::new();
    let (random, cipher_suite) = (HELLO_RETRY_REQUEST, CipherSuite::AES_128_GCM);
    ServerHello { legacy_version: 0xFEFD, random, session_id: &[], cipher_suite, extensions }.write(&mut body);
    body
}

#[test]
fn a_share_of_another_group_is_sent_when_asked_for() {
    for group in Group::ALL {
        for suite in [CipherSuite::AES_128_GCM, CipherSuite::AES_256_GCM, CipherSuite::CHACHA20_POLY1305] {
            let mut pair = Pair::with(|client, server| {
                client.groups.retain(|other| *other != group);
                client.groups.push(group);
                server.groups = vec![group];
                server.cipher_suites = vec![suite];
            })
            .run();
            assert_eq!(pair.agreed(), Version::Dtls13);
            assert_eq!((pair.client.outcome().group, pair.client.outcome().suite), (group, suite));
            assert_eq!(pair.server.seen[..2], [Type::CLIENT_HELLO.0; 2]);
        }
    }
}

#[test]
fn a_cookie_is_returned() {
    let mut pair = Pair::with(wants_cookie).run();
    pair.agreed();
    assert_eq!(pair.server.seen[..3], [Type::CLIENT_HELLO.0, Type::CLIENT_HELLO.0, Type::CERTIFICATE.0]);
    assert_eq!(pair.client.outcome().group, Group::X25519_MLKEM768);
}

#[test]
fn a_cookie_and_a_share_are_asked_for_at_once() {
    let mut pair = Pair::with(|client, server| {
        wants_cookie(client, server);
        wants_group(client, server);
    })
    .run();
    pair.agreed();
    assert_eq!(pair.client.outcome().group, Group::SECP384R1);
    assert_eq!(pair.server.seen[..3], [Type::CLIENT_HELLO.0, Type::CLIENT_HELLO.0, Type::CERTIFICATE.0]);
}

#[test]
fn any_datagram_of_a_retry_may_be_lost_or_come_twice() {
    let change = |client: &mut Config, server: &mut Config| {
        wants_cookie(client, server);
        wants_group(client, server);
    };
    let datagrams = Pair::with(change).run().wire.len();
    for nth in 0..datagrams {
        for copies in [0, 2] {
            let mut pair = Pair::with(change);
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
fn a_request_that_makes_no_sense_ends_the_handshake() {
    for (name, group, cookie) in [
        ("nothing", None, None),
        ("share that was sent", Some(Group::X25519), None),
        ("share that was sent, and cookie", Some(Group::X25519_MLKEM768), Some(&b"cookie"[..])),
        ("group not offered", Some(Group(0x001E)), None),
    ] {
        let tamper = edit(Type::SERVER_HELLO, 0, move |body| *body = request(group, cookie));
        let failure = Pair::with(wants_group).fails(Role::Client, tamper);
        assert_eq!(failure.alert, Alert::ILLEGAL_PARAMETER, "{name}: {}", failure.reason);
    }
}

#[test]
fn a_request_for_another_version_or_suite_ends_the_handshake() {
    type Change = fn(&mut ServerHello<'_>);
    let cases: [Change; 4] = [
        |hello| hello.extensions.supported_version = Some(0xFEFD),
        |hello| hello.cipher_suite = CipherSuite(0x1304),
        |hello| hello.session_id = &[7; 8],
        |hello| hello.legacy_version = 0xFEFF,
    ];
    for change in cases {
        let failure = Pair::with(wants_group).fails(Role::Client, edit_server_hello(0, change));
        assert_eq!(failure.alert, Alert::ILLEGAL_PARAMETER, "{}", failure.reason);
    }
}

#[test]
fn a_second_request_ends_the_handshake() {
    let tamper = edit(Type::SERVER_HELLO, 1, |body| *body = request(Some(Group::SECP256R1), None));
    let failure = Pair::with(wants_group).fails(Role::Client, tamper);
    assert_eq!((failure.alert, &*failure.reason), (Alert::UNEXPECTED_MESSAGE, "a second HelloRetryRequest"));
}

#[test]
fn what_a_request_settled_may_not_change() {
    type Change = fn(&mut ServerHello<'_>);
    let cases: [(&str, Change); 3] = [
        ("suite", |hello| hello.cipher_suite = CipherSuite::CHACHA20_POLY1305),
        ("version", |hello| {
            hello.extensions.supported_version = None;
            hello.extensions.key_share = None;
        }),
        ("group", |hello| {
            hello.extensions.key_share = Some(KeyShare { group: Group::X25519, key_exchange: &[9; 32] });
        }),
    ];
    for (name, change) in cases {
        let pair = Pair::with(|client, server| {
            wants_group(client, server);
            client.versions = Versions::Any;
        });
        let failure = pair.fails(Role::Client, edit_server_hello(1, change));
        assert_eq!(failure.alert, Alert::ILLEGAL_PARAMETER, "{name}: {}", failure.reason);
    }
}

#[test]
fn a_second_hello_that_differs_is_refused_and_leaves_room_for_the_real_one() {
    use crate::message::client_hello::ClientHello;
    type Change = fn(&mut ClientHello<'_>);
    let cases: [(&str, Change); 9] = [
        ("random", |hello| hello.random[0] ^= 1),
        ("session id", |hello| hello.session_id = &[1]),
        ("suites", |hello| hello.cipher_suites = List::new(&[CipherSuite::AES_128_GCM])),
        ("groups", |hello| hello.extensions.supported_groups = Some(List::new(&[Group::SECP384R1]))),
        ("SRTP", |hello| hello.extensions.use_srtp = None),
        ("no cookie", |hello| hello.extensions.cookie = None),
        ("another cookie", |hello| hello.extensions.cookie = Some(&[1; 32])),
        ("no share", |hello| hello.extensions.key_share = Some(List::EMPTY)),
        ("another share", |hello| {
            hello.extensions.key_share =
                Some(List::new(&const { [KeyShare { group: Group::X25519, key_exchange: &[9; 32] }] }));
        }),
    ];
    for (name, change) in cases {
        let pair = Pair::with(|client, server| {
            wants_cookie(client, server);
            wants_group(client, server);
        });
        let refused = pair.refuses(edit_client_hello(1, change));
        assert_eq!(refused.alert, Alert::ILLEGAL_PARAMETER, "{name}: {}", refused.reason);
    }
}

#[test]
fn the_share_that_was_asked_for_comes_alone() {
    let mut pair = Pair::with(wants_group).run();
    pair.agreed();
    let tamper = edit_client_hello(1, |hello| {
        let first = hello.extensions.key_share.and_then(|shares| shares.first()).unwrap();
        // Twice the share under two names: the list has more than the one.
        let shares = [first, KeyShare { group: Group::X25519, key_exchange: &[9; 32] }];
        let shares: &'static [KeyShare<'static>] = Vec::leak(
            shares
                .iter()
                .map(|share| KeyShare { group: share.group, key_exchange: Vec::leak(share.key_exchange.to_vec()) })
                .collect(),
        );
        hello.extensions.key_share = Some(List::new(shares));
    });
    let refused = Pair::with(wants_group).refuses(tamper);
    assert_eq!(refused.alert, Alert::ILLEGAL_PARAMETER, "{}", refused.reason);
}
