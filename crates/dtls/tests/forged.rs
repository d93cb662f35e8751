//! What somebody forges who knows where to send it.

mod common;

use common::{Pair, Weather, certificate, fingerprint, seal, transmit};
use peerage_base::rng::Rng;
use peerage_base::time::Duration;
use peerage_dtls::connection::Dtls;
use peerage_dtls::event::SealError;
use peerage_dtls::suite::{Group, Version};
use peerage_dtls::{Config, Role, Versions};

const CALM: Weather = Weather { loss: 0.0, duplication: 0.0, jitter: Duration::ZERO };

/// A pair that trusts each other.
fn pair(weather: Weather, seed: u64, change: impl Fn(&mut Config, &mut Config)) -> Pair {
    let (a, b) = (certificate(1), certificate(2));
    let mut client = Config::new(a.clone(), Role::Client);
    let mut server = Config::new(b.clone(), Role::Server);
    (client.expected, server.expected) = (vec![fingerprint(&b)], vec![fingerprint(&a)]);
    change(&mut client, &mut server);
    Pair::new(client, server, weather, seed)
}

/// The first flight of somebody else.
fn hello(pair: &Pair, versions: Versions, groups: &[Group], seed: u64) -> Vec<Vec<u8>> {
    let mut config = Config::new(certificate(9), Role::Client);
    (config.versions, config.groups) = (versions, groups.to_vec());
    let mut stranger = Dtls::new(config, Rng::from_u64(seed), pair.now);
    std::iter::from_fn(|| transmit(&mut stranger, pair.now)).collect()
}

#[test]
fn with_cookies_forged_hellos_do_not_stand_in_the_way_of_the_real_one() {
    let forgeries: [(Versions, &[Group]); 4] = [
        (Versions::Dtls12, &Group::ALL),
        (Versions::Dtls13, &Group::ALL),
        // A share has to be asked for.
        (Versions::Dtls13, &[Group::SECP384R1, Group::SECP256R1, Group::X25519]),
        (Versions::Any, &[Group::X25519]),
    ];
    for (versions, expected) in
        [(Versions::Dtls13, Version::Dtls13), (Versions::Dtls12, Version::Dtls12), (Versions::Any, Version::Dtls13)]
    {
        for (number, (forged, groups)) in forgeries.into_iter().enumerate() {
            for before in 0..4 {
                let mut pair = pair(CALM, 5, |client, server| {
                    client.versions = versions;
                    server.cookie = true;
                    server.groups = vec![Group::X25519, Group::SECP256R1];
                });
                // Before the real hello, while its cookie is under way, while the second is, and behind it.
                pair.run_until(Duration::from_millis(10 * before), |_| false);
                for seed in 0..3 {
                    let now = pair.now;
                    for datagram in hello(&pair, forged, groups, seed) {
                        pair.sides[1].input(now, &datagram);
                    }
                    // And an alert in the clear, which ends nothing before there is anything to end.
                    if before < 3 {
                        pair.sides[1].input(now, &[21, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40]);
                    }
                    while transmit(&mut pair.sides[1].dtls, now).is_some() {}
                }
                pair.connect();
                let info = pair.sides[1].info.clone().unwrap();
                assert_eq!(info.version, expected, "{versions:?} beside forgery {number} at {before}");
            }
        }
    }
}

#[test]
fn with_cookies_a_bad_network_and_forged_hellos_delay_the_handshake_and_no_more() {
    let weather = Weather { loss: 0.2, duplication: 0.2, jitter: Duration::from_millis(60) };
    for seed in 0..30 {
        let versions = [Versions::Any, Versions::Dtls12, Versions::Dtls13][seed as usize % 3];
        let mut pair = pair(weather, seed, |client, server| {
            (client.versions, server.cookie) = (versions, true);
            (client.mtu, server.mtu) = (600, 600);
        });
        for round in 0..20 {
            for datagram in hello(&pair, Versions::Any, &Group::ALL, 1000 + round) {
                let now = pair.now;
                pair.sides[1].input(now, &datagram);
                // To the real client an answer that is not its own would be a forgery too.
                while transmit(&mut pair.sides[1].dtls, now).is_some() {}
            }
            pair.run_until(Duration::from_millis(35), |_| false);
        }
        pair.connect();
    }
}

/// Lengths of what the records of a datagram protect, the inner content type of DTLS 1.3 counted.
fn plaintexts(datagram: &[u8]) -> Vec<usize> {
    let (mut rest, mut out) = (datagram, Vec::new());
    while let Some(first) = rest.first() {
        let (length_at, is_protected) = if first & 0xE0 == 0x20 { (3, true) } else { (11, rest[4] != 0) };
        let length = usize::from(u16::from_be_bytes([rest[length_at], rest[length_at + 1]]));
        if is_protected {
            // Tag, and in DTLS 1.2 the explicit nonce.
            out.push(length - if length_at == 3 { 16 } else { 24 });
        }
        rest = &rest[length_at + 2 + length..];
    }
    out
}

#[test]
fn the_smallest_limit_is_met_to_the_byte() {
    for (versions, most) in [(Versions::Dtls13, 63), (Versions::Dtls12, 64)] {
        let mut pair = pair(CALM, 3, |client, server| {
            (client.versions, client.record_size_limit) = (versions, 0);
            // Its own number of DTLS 1.3 is one more: a peer that says 64 is made below.
            server.record_size_limit = 1000;
        });
        // 64 in the hello, where this side would say 65.
        let now = pair.now;
        let datagrams: Vec<Vec<u8>> = std::iter::from_fn(|| transmit(&mut pair.sides[0].dtls, now)).collect();
        for mut datagram in datagrams {
            let own: [u8; 6] = [0, 28, 0, 2, 0, if versions == Versions::Dtls13 { 65 } else { 64 }];
            if let Some(at) = datagram.windows(6).position(|bytes| bytes == own) {
                datagram[at + 5] = 64;
            }
            pair.sides[1].input(now, &datagram);
        }
        if versions == Versions::Dtls12 {
            pair.connect();
            let dtls = &mut pair.sides[1].dtls;
            assert!(seal(dtls, &vec![1; most]).is_ok());
            assert_eq!(seal(dtls, &vec![1; most + 1]), Err(SealError::TooLarge));
        }
        // In DTLS 1.3 the transcript broke; what the server sent before it learnt of that counts.
        pair.flush();
        let sent = pair.sent.iter().filter(|(side, _)| *side == 1);
        let lengths: Vec<usize> = sent.flat_map(|(_, datagram)| plaintexts(datagram)).collect();
        assert!(!lengths.is_empty() && lengths.iter().all(|length| *length <= 64), "{lengths:?}");
        if versions == Versions::Dtls13 {
            assert!(lengths.contains(&64), "the limit is used");
        }
    }
}
