//! Somebody on the path who wants an older version, or weaker choices, than both sides know.

mod common;
mod path;

use common::Pair;
use path::{CLIENT_HELLO, KEY_SHARE, RANDOM, SERVER_HELLO, SUPPORTED_GROUPS, SUPPORTED_VERSIONS, USE_SRTP};
use peerage_dtls::Versions;
use peerage_dtls::event::CloseReason;
use peerage_dtls::suite::Version;

/// The end of a ServerHello's random that tells of a better version (RFC 8446 §4.1.3).
const SENTINEL: [u8; 8] = *b"DOWNGRD\x01";

const BOTH: [Versions; 2] = [Versions::Any, Versions::Any];

/// Makes an extension one that nobody knows.
fn hide(hello: &mut [u8], kind: u16) {
    let at = path::extension(hello, kind).expect("the extension is there").start;
    hello[at] = 0x4A;
}

/// Makes a ClientHello of both versions one of DTLS 1.2.
fn make_older(hello: &mut [u8]) {
    hide(hello, SUPPORTED_VERSIONS);
    hide(hello, KEY_SHARE);
}

fn random_of_answer(pair: &Pair) -> Vec<u8> {
    let hello = pair.sent.iter().find(|(from, datagram)| *from == 1 && path::kind(datagram) == Some(SERVER_HELLO));
    hello.expect("a ServerHello").1[RANDOM].to_vec()
}

#[test]
fn a_server_that_knows_better_marks_its_answer() {
    for (server, is_marked) in [(Versions::Any, true), (Versions::Dtls12, false)] {
        let mut pair = path::pair([Versions::Dtls12, server], |_, _| {});
        path::run(&mut pair, 1, |_, _| {});
        assert_eq!(pair.sides[0].info.as_ref().map(|info| info.version), Some(Version::Dtls12));
        assert_eq!(random_of_answer(&pair).ends_with(&SENTINEL), is_marked, "{server:?}");
    }
    let mut pair = path::pair(BOTH, |_, _| {});
    path::run(&mut pair, 1, |_, _| {});
    assert_eq!(pair.sides[0].info.as_ref().map(|info| info.version), Some(Version::Dtls13));
    assert!(!random_of_answer(&pair).ends_with(&SENTINEL), "nothing was missed");
}

#[test]
fn a_client_that_knows_better_refuses_a_marked_answer() {
    let mut pair = path::pair(BOTH, |_, _| {});
    path::run(&mut pair, 4, |_, datagram| {
        if path::kind(datagram) == Some(CLIENT_HELLO) {
            make_older(datagram);
        }
    });
    assert!(random_of_answer(&pair).ends_with(&SENTINEL));
    let Some(CloseReason::Handshake(reason)) = &pair.sides[0].closed else { panic!("{:?}", pair.sides[0].closed) };
    assert_eq!(reason, "the server was made to choose DTLS 1.2");
    assert!(pair.sent.iter().any(|(from, datagram)| (*from, path::alert(datagram)) == (0, Some([2, 47]))), "told so");
    assert!(pair.sides.iter().all(|side| side.info.is_none()));
}

#[test]
fn a_mark_that_is_washed_off_breaks_the_signature_over_the_randoms() {
    let mut pair = path::pair(BOTH, |_, _| {});
    path::run(&mut pair, 4, |_, datagram| match path::kind(datagram) {
        Some(CLIENT_HELLO) => make_older(datagram),
        Some(SERVER_HELLO) => datagram[RANDOM.end - 1] ^= 0x80,
        _ => {}
    });
    let Some(CloseReason::Handshake(reason)) = &pair.sides[0].closed else { panic!("{:?}", pair.sides[0].closed) };
    assert_eq!(reason, "the peer does not have the key of its certificate");
    assert!(pair.sent.iter().any(|(from, datagram)| (*from, path::alert(datagram)) == (0, Some([2, 51]))), "told so");
    assert!(pair.sides.iter().all(|side| side.info.is_none()));
}

#[test]
fn nobody_connects_over_an_offer_that_was_weakened_on_its_way() {
    type Weaken = fn(&mut Vec<u8>);
    let last_suite: Weaken = |hello| {
        let suites = path::suites(hello);
        let len = suites.len();
        let last = hello[suites.end - 2..suites.end].to_vec();
        hello[suites].copy_from_slice(&last.repeat(len / 2));
    };
    let without_srtp: Weaken = |hello| hide(hello, USE_SRTP);
    // The first group, which has a share in DTLS 1.3, is left out.
    let without_group: Weaken = |hello| {
        let groups = path::extension(hello, SUPPORTED_GROUPS).expect("groups");
        hello[groups.start + 6..groups.start + 8].copy_from_slice(&[0x4A, 0x4A]);
    };
    for versions in [Versions::Dtls13, Versions::Dtls12] {
        for (name, weaken) in [("suites", last_suite), ("SRTP", without_srtp), ("groups", without_group)] {
            let mut pair = path::pair([versions, versions], |_, _| {});
            path::run(&mut pair, 3, |_, datagram| {
                if path::kind(datagram) == Some(CLIENT_HELLO) {
                    weaken(datagram);
                }
            });
            let infos = pair.sides.each_ref().map(|side| side.info.is_some());
            assert_eq!(infos, [false, false], "{versions:?}, {name}");
        }
    }
}

#[test]
fn an_answer_that_was_changed_on_its_way_connects_nobody() {
    for versions in [Versions::Dtls13, Versions::Dtls12] {
        for at in [RANDOM.start, RANDOM.end - 1, RANDOM.end + 2] {
            let mut pair = path::pair([versions, versions], |_, _| {});
            path::run(&mut pair, 3, |_, datagram| {
                if path::kind(datagram) == Some(SERVER_HELLO) {
                    datagram[at] ^= 3;
                }
            });
            assert!(pair.sides.iter().all(|side| side.info.is_none()), "{versions:?}, byte {at}");
        }
    }
}
