//! Key shares that somebody on the path replaces by ones that lead to a secret he knows, or to none.

mod common;
mod path;

use path::{CLIENT_HELLO, SERVER_HELLO};
use peerage_dtls::Versions;
use peerage_dtls::event::CloseReason;
use peerage_dtls::suite::Group;

/// Replaces a share by one of the same length.
type Spoil = fn(&mut [u8]);

const ZERO: Spoil = |share| share.fill(0);
/// Behind the part of ML-KEM.
const ZERO_END: Spoil = |share| {
    let at = share.len() - 32;
    share[at..].fill(0);
};
const ONE: Spoil = |share| {
    share.fill(0);
    share[0] = 1;
};
/// One less than the prime, which is of order two.
const MINUS_ONE: Spoil = |share| {
    share.fill(0xFF);
    share[0] = 0xEC;
    share[31] = 0x7F;
};
const OFF_CURVE: Spoil = |share| *share.last_mut().unwrap() ^= 1;
const COMPRESSED: Spoil = |share| share[0] = 2;
const INFINITY: Spoil = |share| share[1..].fill(0);
/// Coefficients beyond the modulus of ML-KEM.
const BEYOND: Spoil = |share| share[..1152].fill(0xFF);

#[test]
fn a_client_refuses_a_share_that_is_none_in_every_group() {
    let cases: [(Group, &[Spoil]); 4] = [
        (Group::X25519, &[ZERO, ONE, MINUS_ONE]),
        (Group::X25519_MLKEM768, &[ZERO_END]),
        (Group::SECP256R1, &[ZERO, OFF_CURVE, COMPRESSED, INFINITY]),
        (Group::SECP384R1, &[ZERO, OFF_CURVE, COMPRESSED, INFINITY]),
    ];
    for (group, spoils) in cases {
        for (i, spoil) in spoils.iter().enumerate() {
            let mut pair = path::pair([Versions::Dtls13; 2], |client, _| client.groups = vec![group]);
            path::run(&mut pair, 3, |_, datagram| {
                if path::kind(datagram) == Some(SERVER_HELLO) {
                    let share = path::share(datagram);
                    spoil(&mut datagram[share]);
                }
            });
            let Some(CloseReason::Handshake(reason)) = &pair.sides[0].closed else {
                panic!("{group:?}, {i}: {:?}", pair.sides[0].closed)
            };
            assert_eq!(reason, "the server's share is no share", "{group:?}, {i}");
            let told = pair.sent.iter().any(|(from, datagram)| (*from, path::alert(datagram)) == (0, Some([2, 47])));
            assert!(told && pair.sides.iter().all(|side| side.info.is_none()), "{group:?}, {i}");
        }
    }
}

#[test]
fn a_server_refuses_a_share_that_is_none_in_every_group() {
    let cases: [(Group, &[Spoil]); 4] = [
        (Group::X25519, &[ZERO, ONE, MINUS_ONE]),
        (Group::X25519_MLKEM768, &[ZERO_END, BEYOND]),
        (Group::SECP256R1, &[ZERO, OFF_CURVE, COMPRESSED, INFINITY]),
        (Group::SECP384R1, &[ZERO, OFF_CURVE, COMPRESSED, INFINITY]),
    ];
    for (group, spoils) in cases {
        for (i, spoil) in spoils.iter().enumerate() {
            let mut pair = path::pair([Versions::Dtls13; 2], |client, _| client.groups = vec![group]);
            let mut spoilt = 0;
            path::run(&mut pair, 4, |_, datagram| {
                if path::kind(datagram) == Some(CLIENT_HELLO) && spoilt == 0 {
                    spoilt += 1;
                    let share = path::share(datagram);
                    spoil(&mut datagram[share]);
                }
            });
            let told = pair.sent.iter().find(|(from, datagram)| *from == 1 && path::alert(datagram).is_some());
            assert_eq!(told.and_then(|(_, datagram)| path::alert(datagram)), Some([2, 47]), "{group:?}, {i}");
            // The alert in the clear ended the client, which had no way to know better; the server waits on,
            // and says in the end why it waited in vain.
            assert_eq!(pair.sides[0].closed, Some(CloseReason::Alert(47)), "{group:?}, {i}");
            assert!(pair.sides.iter().all(|side| side.info.is_none()), "{group:?}, {i}");
            let reason = CloseReason::Handshake("the client's share is no share".into());
            assert_eq!(pair.sides[1].closed, Some(reason), "{group:?}, {i}: once its time is over");
        }
    }
}

#[test]
fn a_share_with_a_changed_bit_that_is_still_one_connects_nobody() {
    for group in [Group::X25519, Group::X25519_MLKEM768] {
        for victim in [CLIENT_HELLO, SERVER_HELLO] {
            let mut pair = path::pair([Versions::Dtls13; 2], |client, _| client.groups = vec![group]);
            path::run(&mut pair, 3, |_, datagram| {
                if path::kind(datagram) == Some(victim) {
                    let share = path::share(datagram);
                    datagram[share.start + 3] ^= 1;
                }
            });
            assert!(pair.sides.iter().all(|side| side.info.is_none()), "{group:?}, message {victim}");
        }
    }
}
