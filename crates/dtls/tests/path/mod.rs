//! What somebody on the path sees of a handshake and can change: records in the clear.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::ops::Range;

use peerage_dtls::{Config, Role, Versions};

use crate::common::{Pair, Weather, certificate, fingerprint, transmit};

pub const CLIENT_HELLO: u8 = 1;
pub const SERVER_HELLO: u8 = 2;

/// Types of extensions.
pub const SUPPORTED_GROUPS: u16 = 10;
pub const USE_SRTP: u16 = 14;
pub const SUPPORTED_VERSIONS: u16 = 43;
pub const KEY_SHARE: u16 = 51;

/// Length of the headers of a record in the clear and of a handshake message in it.
const HEADERS: usize = 13 + 12;
/// Where the random of a hello lies in its datagram.
pub const RANDOM: Range<usize> = HEADERS + 2..HEADERS + 34;

/// A pair that trusts each other and puts its hellos into one datagram each.
pub fn pair(versions: [Versions; 2], change: impl FnOnce(&mut Config, &mut Config)) -> Pair {
    let (a, b) = (certificate(1), certificate(2));
    let mut client = Config::new(a.clone(), Role::Client);
    let mut server = Config::new(b.clone(), Role::Server);
    (client.expected, server.expected) = (vec![fingerprint(&b)], vec![fingerprint(&a)]);
    [client.versions, server.versions] = versions;
    (client.mtu, server.mtu) = (1500, 1500);
    change(&mut client, &mut server);
    Pair::new(client, server, Weather::default(), 1)
}

/// The type of the handshake message in the clear that a datagram begins with.
pub fn kind(datagram: &[u8]) -> Option<u8> {
    (datagram.len() > HEADERS && datagram[0] == 22).then(|| datagram[13])
}

/// Where the list of cipher suites of a ClientHello lies, without its length.
pub fn suites(hello: &[u8]) -> Range<usize> {
    let mut at = RANDOM.end;
    at += 1 + usize::from(hello[at]);
    at += 1 + usize::from(hello[at]);
    at + 2..at + 2 + u16_at(hello, at)
}

/// Where an extension of a ClientHello or ServerHello lies, its type and length included. The hello is whole.
pub fn extension(hello: &[u8], wanted: u16) -> Option<Range<usize>> {
    let mut at = if hello[13] == CLIENT_HELLO {
        let suites = suites(hello);
        suites.end + 1 + usize::from(hello[suites.end])
    } else {
        RANDOM.end + 1 + usize::from(hello[RANDOM.end]) + 3
    };
    let end = at + 2 + u16_at(hello, at);
    at += 2;
    while at < end {
        let next = at + 4 + u16_at(hello, at + 2);
        if u16_at(hello, at) == usize::from(wanted) {
            return Some(at..next);
        }
        at = next;
    }
    None
}

/// Where the only share of a ClientHello, or that of a ServerHello, lies.
pub fn share(hello: &[u8]) -> Range<usize> {
    let extension = extension(hello, KEY_SHARE).expect("a hello of DTLS 1.3");
    let head = if hello[13] == CLIENT_HELLO { 4 + 2 + 4 } else { 4 + 4 };
    extension.start + head..extension.end
}

/// The alert in the clear that a datagram is, if it is one.
pub fn alert(datagram: &[u8]) -> Option<[u8; 2]> {
    (datagram.len() == 15 && datagram[0] == 21).then(|| [datagram[13], datagram[14]])
}

/// A record in the clear.
pub fn plain(content_type: u8, sequence: u32, content: &[u8]) -> Vec<u8> {
    let [a, b, c, d] = sequence.to_be_bytes();
    let mut out = vec![content_type, 0xFE, 0xFD, 0, 0, 0, 0, a, b, c, d];
    out.extend_from_slice(&(content.len() as u16).to_be_bytes());
    out.extend_from_slice(content);
    out
}

/// A fragment of a handshake message.
pub fn fragment(kind: u8, message_seq: u16, length: u32, offset: u32, body: &[u8]) -> Vec<u8> {
    let three = |n: u32| n.to_be_bytes()[1..].to_vec();
    let mut out = vec![kind];
    out.extend(three(length));
    out.extend_from_slice(&message_seq.to_be_bytes());
    out.extend(three(offset));
    out.extend(three(body.len() as u32));
    out.extend_from_slice(body);
    out
}

/// First bytes of the records of a datagram.
pub fn records(datagram: &[u8]) -> Vec<u8> {
    let (mut at, mut first) = (0, Vec::new());
    while at < datagram.len() {
        first.push(datagram[at]);
        let head = if datagram[at] & 0xE0 == 0x20 { 5 } else { 13 };
        at += head + u16_at(datagram, at + head - 2);
    }
    assert_eq!(at, datagram.len(), "a record ends behind its datagram");
    first
}

/// Lets a handshake run for `rounds` of one timeout each while `change` meddles with every datagram, by its sender. Hellos
/// are whole in one datagram for the first three.
pub fn run(pair: &mut Pair, rounds: usize, mut change: impl FnMut(usize, &mut Vec<u8>)) {
    for _ in 0..rounds {
        let mut exchanges = 0;
        loop {
            let mut moved = false;
            for from in [0, 1] {
                while let Some(mut datagram) = transmit(&mut pair.sides[from].dtls, pair.now) {
                    moved = true;
                    pair.sent.push((from, datagram.clone()));
                    change(from, &mut datagram);
                    let now = pair.now;
                    pair.sides[1 - from].input(now, &datagram);
                }
            }
            if !moved {
                break;
            }
            exchanges += 1;
            assert!(exchanges < 50, "they never come to rest");
        }
        let next = pair.sides.iter().filter_map(|side| side.dtls.poll_timeout()).min();
        let Some(next) = next else { return };
        pair.now = next;
        for side in &mut pair.sides {
            side.dtls.handle_timeout(next);
            side.read(&mut []);
        }
    }
}

fn u16_at(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]))
}
