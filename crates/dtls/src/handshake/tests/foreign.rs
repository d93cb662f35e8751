//! Hellos of other stacks, as recorded.

use alloc::vec::Vec;

use crate::config::Versions;
use crate::handshake::retry::unchanging;
use crate::handshake::tests::harness::Pair;
use crate::message::client_hello::ClientHello;
use crate::message::kind::HandshakeType;
use crate::message::server_hello::ServerHello;
use crate::suite::{CipherSuite, Epoch, Group, Version};
use crate::transport::{Input, Message};

/// Length of the headers of a record and of a handshake message, in bytes.
const HEADERS: usize = 13 + 12;

const CHROME: &[u8] = include_bytes!("../../../tests/fixtures/messages/chrome_156_client_hello.bin");
const CHROME_SPED: &[u8] = include_bytes!("../../../tests/fixtures/messages/chrome_156_sped_client_hello.bin");
const FIREFOX: &[u8] = include_bytes!("../../../tests/fixtures/messages/firefox_153_client_hello.bin");
const OPENSSL: &[u8] = include_bytes!("../../../tests/fixtures/messages/openssl_3_client_hello.bin");

/// What a server with this configuration answers first, without headers.
fn answer(hello: &[u8], change: impl FnOnce(&mut crate::config::Config)) -> (Option<Version>, Vec<u8>) {
    let mut pair = Pair::with(|_, server| {
        server.mtu = 1800;
        change(server);
    });
    let message = Message { kind: HandshakeType::CLIENT_HELLO, seq: 0, epoch: Epoch::PLAIN, body: hello.to_vec() };
    let now = pair.now;
    pair.server.take(now, Input::Message(message));
    assert_eq!(pair.server.refused, None);
    let datagram = pair.server.transmit(now).expect("the hello is answered");
    let [_, _, _, _, _, _, _, _, _, _, _, high, low, ..] = *datagram else { panic!("no record") };
    let end = 13 + usize::from(u16::from_be_bytes([high, low]));
    let message = &datagram[13..end];
    let len = u32::from_be_bytes([0, message[1], message[2], message[3]]) as usize;
    (pair.server.transport.version(), datagram[HEADERS..HEADERS + len].to_vec())
}

#[test]
fn browsers_get_the_hybrid_group_at_once() {
    for hello in [CHROME, CHROME_SPED, FIREFOX] {
        let (version, body) = answer(hello, |_| {});
        let answer = ServerHello::parse(&body).unwrap();
        assert_eq!(version, Some(Version::Dtls13));
        assert!(!answer.is_hello_retry_request());
        assert_eq!(answer.cipher_suite, CipherSuite::AES_128_GCM);
        let share = answer.extensions.key_share.unwrap();
        assert_eq!((share.group, share.key_exchange.len()), (Group::X25519_MLKEM768, 1120));
    }
}

#[test]
fn browsers_can_be_asked_for_another_share() {
    for hello in [CHROME, FIREFOX] {
        let (_, body) = answer(hello, |server| server.groups = [Group::SECP384R1].into());
        let answer = ServerHello::parse(&body).unwrap();
        assert!(answer.is_hello_retry_request());
        assert_eq!(answer.extensions.selected_group, Some(Group::SECP384R1));
    }
}

#[test]
fn those_that_know_no_better_get_dtls_1_2() {
    assert_eq!(answer(OPENSSL, |_| {}).0, Some(Version::Dtls12));
    for hello in [CHROME, FIREFOX] {
        assert_eq!(answer(hello, |server| server.versions = Versions::Dtls12).0, Some(Version::Dtls12));
    }
}

#[test]
fn nothing_of_a_recorded_hello_may_change_but_what_may() {
    for recorded in [CHROME, FIREFOX] {
        let hello = ClientHello::parse(recorded).unwrap();
        let mut changed = recorded.to_vec();
        // The last byte of the random.
        changed[33] ^= 1;
        assert_ne!(unchanging(recorded), unchanging(&changed));
        let share = hello.extensions.key_share.unwrap().first().unwrap().key_exchange;
        let at = recorded.windows(share.len()).position(|window| window == share).unwrap();
        let mut changed = recorded.to_vec();
        changed[at] ^= 1;
        assert_eq!(unchanging(recorded), unchanging(&changed));
    }
}
