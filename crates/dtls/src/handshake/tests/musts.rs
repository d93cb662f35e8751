//! Rules of the standards that other tests do not see broken one at a time.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use peerage_base::rng::Rng;

use crate::alert::AlertDescription as Alert;
use crate::config::{Config, Role, Versions};
use crate::extension::alpn::ProtocolName;
use crate::extension::key_share::KeyShare;
use crate::extension::server::ServerExtensions;
use crate::handshake::failure::Failure;
use crate::handshake::tests::harness::{Pair, Tamper, edit, edit_client_hello, edit_server_hello};
use crate::message::hello_verify_request::HelloVerifyRequest;
use crate::message::kind::HandshakeType as Type;
use crate::message::server_hello::{HELLO_RETRY_REQUEST, ServerHello};
use crate::suite::{CipherSuite, Epoch, Group};
use crate::transport::{Input, Message};

fn newer_hello() -> (Type, Vec<u8>) {
    let extensions = ServerExtensions {
        supported_version: Some(0xFEFC),
        key_share: Some(KeyShare { group: Group::X25519, key_exchange: &[9; 32] }),
        ..Default::default()
    };
    server_hello([5; 32], extensions, CipherSuite::AES_128_GCM)
}

/// How a client ends over answers that no server of ours gives.
fn answered(change: impl FnOnce(&mut Config, &mut Config), answers: Vec<(Type, Vec<u8>)>) -> Failure {
    let mut pair = Pair::with(change);
    let now = pair.now;
    for (seq, (kind, body)) in (0..).zip(answers) {
        assert_eq!(pair.client.failure, None, "before the last answer");
        pair.client.take(now, Input::Message(Message { kind, seq, epoch: Epoch::PLAIN, body }));
    }
    pair.client.failure.take().expect("the handshake ends")
}

fn only(versions: Versions) -> impl FnOnce(&mut Config, &mut Config) {
    move |client, _| client.versions = versions
}

fn verify_request() -> (Type, Vec<u8>) {
    let mut body = Vec::new();
    HelloVerifyRequest { server_version: 0xFEFF, cookie: &[7; 16] }.write(&mut body);
    (Type::HELLO_VERIFY_REQUEST, body)
}

fn server_hello(random: [u8; 32], extensions: ServerExtensions<'_>, cipher_suite: CipherSuite) -> (Type, Vec<u8>) {
    let mut body = Vec::new();
    ServerHello { legacy_version: 0xFEFD, random, session_id: &[], cipher_suite, extensions }.write(&mut body);
    (Type::SERVER_HELLO, body)
}

fn retry_request() -> (Type, Vec<u8>) {
    let extensions = ServerExtensions {
        supported_version: Some(0xFEFC),
        selected_group: Some(Group::SECP384R1),
        ..Default::default()
    };
    server_hello(HELLO_RETRY_REQUEST, extensions, CipherSuite::AES_128_GCM)
}

/// An answer that a client of DTLS 1.2 would take.
fn older_hello() -> (Type, Vec<u8>) {
    let extensions = ServerExtensions { extended_master_secret: true, ..Default::default() };
    server_hello([5; 32], extensions, CipherSuite::ECDHE_ECDSA_AES_128_GCM)
}

#[test]
fn a_second_verify_request_ends_the_handshake() {
    let failure = answered(only(Versions::Dtls12), vec![verify_request(), verify_request()]);
    assert_eq!(failure.alert, Alert::UNEXPECTED_MESSAGE, "{}", failure.reason);
}

#[test]
fn a_verify_request_belongs_to_dtls_1_2() {
    let failure = answered(only(Versions::Dtls13), vec![verify_request()]);
    assert_eq!(failure.alert, Alert::UNEXPECTED_MESSAGE, "{}", failure.reason);
    let failure = answered(only(Versions::Any), vec![retry_request(), verify_request()]);
    assert_eq!(failure.alert, Alert::UNEXPECTED_MESSAGE, "behind a HelloRetryRequest: {}", failure.reason);
    // DTLS 1.3 cannot follow it.
    let failure = answered(only(Versions::Any), vec![verify_request(), newer_hello()]);
    assert_eq!(
        (failure.alert, &*failure.reason),
        (Alert::ILLEGAL_PARAMETER, "a HelloVerifyRequest came before DTLS 1.3")
    );
}

#[test]
fn dtls_1_2_does_not_follow_a_retry_request() {
    let failure = answered(only(Versions::Any), vec![retry_request(), older_hello()]);
    assert_eq!(
        (failure.alert, &*failure.reason),
        (Alert::ILLEGAL_PARAMETER, "the version changed after the HelloRetryRequest")
    );
}

#[test]
fn a_version_before_dtls_1_2_is_none() {
    type Change = fn(&mut Config, &mut Config);
    let cases: [Change; 2] =
        [|client, _| client.versions = Versions::Dtls12, |_, server| server.versions = Versions::Dtls12];
    for change in cases {
        for version in [0xFEFF, 0xFEFC, 0x0303] {
            let tamper = edit(Type::SERVER_HELLO, 0, move |body| body[..2].copy_from_slice(&u16::to_be_bytes(version)));
            let failure = Pair::with(change).fails(Role::Client, tamper);
            assert_eq!(failure.alert, Alert::PROTOCOL_VERSION, "{version:#x}: {}", failure.reason);
        }
    }
}

#[test]
fn a_server_hello_answers_only_what_was_asked() {
    let pair = || {
        Pair::with(|client, _| {
            client.versions = Versions::Dtls12;
            client.alpn.clear();
        })
    };
    let tamper = edit_server_hello(0, |hello| hello.extensions.alpn = Some(ProtocolName(b"webrtc")));
    assert_eq!(pair().fails(Role::Client, tamper).alert, Alert::UNSUPPORTED_EXTENSION);
    // A client of DTLS 1.2 alone did not ask for DTLS 1.3.
    let failure = answered(only(Versions::Dtls12), vec![retry_request()]);
    assert_eq!(failure.alert, Alert::UNSUPPORTED_EXTENSION);
}

#[test]
fn the_end_of_a_server_s_flight_is_empty() {
    let pair = Pair::with(|client, _| client.versions = Versions::Dtls12);
    let failure = pair.fails(Role::Client, edit(Type::SERVER_HELLO_DONE, 0, |body| body.push(0)));
    assert_eq!(failure.alert, Alert::DECODE_ERROR);
}

#[test]
fn dtls_1_3_has_neither_change_cipher_spec_nor_an_echo_of_the_session_id() {
    let pair = Pair::with(|_, server| server.cookie = true).run();
    assert!(pair.client.outcome.is_some() && pair.server.outcome.is_some());
    for (from, datagram) in &pair.wire {
        let mut datagram = datagram.clone();
        for record in crate::wire::datagram::Records::new(&mut datagram) {
            assert!(matches!(record.bytes[0], 22 | 0x20..=0x3F), "{from:?}: {}", record.bytes[0]);
        }
    }
    // With a session id of the client's, the HelloRetryRequest and the ServerHello still have none.
    let mut pair = Pair::with(|_, server| server.cookie = true);
    pair.server.tamper = Some(Box::new(|message: &mut Message| {
        if message.kind == Type::CLIENT_HELLO {
            message.body.splice(34..35, [32].into_iter().chain([9; 32]));
        }
    }));
    pair.drive();
    let hellos: Vec<_> = pair
        .wire
        .iter()
        .filter(|(from, datagram)| *from == Role::Server && datagram[0] == 22 && datagram[13] == Type::SERVER_HELLO.0)
        .filter(|(_, datagram)| datagram[19..22] == [0; 3])
        .map(|(_, datagram)| datagram[13 + 12 + 34])
        .collect();
    assert!(hellos.len() >= 2 && hellos.iter().all(|len| *len == 0), "{hellos:?}");
}

#[test]
fn a_hello_of_no_version_that_is_known_gets_no_answer() {
    for version in [0xFEFF, 0xFEFE, 0x0303, 0xFDFF] {
        let mut pair = Pair::with(only(Versions::Dtls12));
        pair.server.tamper =
            edit(Type::CLIENT_HELLO, 0, move |body| body[..2].copy_from_slice(&u16::to_be_bytes(version)));
        pair.drive_until(|pair| pair.server.refused.is_some());
        let refused = pair.server.refused.take().expect("a refusal");
        assert_eq!(refused.alert, Alert::PROTOCOL_VERSION, "{version:#x}: {}", refused.reason);
    }
    // A newer version than any without the extension that names it means DTLS 1.2 (RFC 8446 §4.2.1).
    let tamper = edit_client_hello(0, |hello| {
        hello.extensions.supported_versions = None;
        hello.legacy_version = 0xFEFC;
    });
    let mut pair = Pair::with(only(Versions::Any));
    pair.server.tamper = tamper;
    pair.drive();
    assert!(pair.server.refused.is_none() && pair.server.outcome.is_none());
    let failure = pair.client.failure.take().expect("the client sees what happened");
    assert_eq!(&*failure.reason, "the server was made to choose DTLS 1.2");
}

#[test]
fn a_server_begins_with_a_client_hello_alone() {
    let mut pair = Pair::with(only(Versions::Any));
    let now = pair.now;
    let message = |kind| Message { kind, seq: 0, epoch: Epoch::PLAIN, body: vec![0; 40] };
    for kind in [Type::SERVER_HELLO, Type::CERTIFICATE, Type::KEY_UPDATE] {
        pair.server.take(now, Input::Message(message(kind)));
        assert_eq!(pair.server.refused.take().map(|failure| failure.alert), Some(Alert::UNEXPECTED_MESSAGE));
    }
    pair.drive();
    pair.agreed();
}

#[test]
fn a_finished_in_the_clear_is_none() {
    for role in [Role::Client, Role::Server] {
        let tamper: Tamper = Box::new(|message: &mut Message| {
            if message.kind == Type::FINISHED {
                message.epoch = Epoch::PLAIN;
            }
        });
        let failure = Pair::with(only(Versions::Dtls12)).fails(role, Some(tamper));
        assert_eq!((failure.alert, &*failure.reason), (Alert::UNEXPECTED_MESSAGE, "a Finished in the clear"));
    }
}

#[test]
fn what_follows_a_request_for_another_hello_is_a_hello() {
    let mut count = 0;
    let tamper: Tamper = Box::new(move |message: &mut Message| {
        count += 1;
        if count == 2 {
            message.kind = Type::CERTIFICATE;
        }
    });
    let pair = Pair::with(|_, server| server.cookie = true);
    assert_eq!(pair.refuses(Some(tamper)).alert, Alert::UNEXPECTED_MESSAGE);
}

#[test]
fn no_two_cookies_are_alike() {
    for versions in [Versions::Dtls13, Versions::Dtls12] {
        let first_answer = |seed| {
            let mut pair = Pair::with(|client, server| (client.versions, server.cookie) = (versions, true));
            pair.server.rng = Rng::from_u64(seed);
            pair.drive();
            pair.agreed();
            let (_, answer) = pair.wire.into_iter().find(|(from, _)| *from == Role::Server).unwrap();
            // The cookie stands last in either.
            answer[answer.len() - 16..].to_vec()
        };
        assert_eq!(first_answer(1), first_answer(1));
        assert_ne!(first_answer(1), first_answer(2), "{versions:?}");
    }
}
