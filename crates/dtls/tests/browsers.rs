//! Hellos recorded from Chrome 156 and Firefox 153, both fragmented because of their post-quantum key shares.

mod common;

use common::{Side, certificate, config, transmit};
use peerage_base::reader::Reader;
use peerage_base::time::{Duration, Instant};
use peerage_dtls::event::CloseReason;
use peerage_dtls::suite::Group;
use peerage_dtls::{Role, Versions};

const CHROME: [&[u8]; 2] = [
    include_bytes!("fixtures/chrome_156_client_hello_at_0.bin"),
    include_bytes!("fixtures/chrome_156_client_hello_at_1175.bin"),
];
const FIREFOX: [&[u8]; 2] = [
    include_bytes!("fixtures/firefox_153_client_hello_at_0.bin"),
    include_bytes!("fixtures/firefox_153_client_hello_at_1383.bin"),
];

#[derive(Debug, PartialEq, Eq)]
struct Hello {
    retry: bool,
    version: Option<u16>,
    group: Option<u16>,
    key: usize,
}

/// Reads a ServerHello that stands first in a datagram.
fn server_hello(datagram: &[u8]) -> Option<Hello> {
    let mut r = Reader::new(datagram);
    (r.array::<3>()? == [22, 0xFE, 0xFD]).then_some(())?;
    r.bytes(10)?;
    (r.u8()? == 2).then_some(())?;
    r.bytes(11 + 2)?;
    let retry = r.array::<32>()?.starts_with(&[0xCF, 0x21, 0xAD, 0x74]);
    let session = r.u8()?;
    r.bytes(usize::from(session) + 3)?;
    let len = r.u16()?;
    let mut extensions = Reader::new(r.bytes(len.into())?);
    let mut hello = Hello { retry, version: None, group: None, key: 0 };
    while let Some(kind) = extensions.u16() {
        let len = extensions.u16()?;
        let mut body = Reader::new(extensions.bytes(len.into())?);
        match kind {
            43 => hello.version = body.u16(),
            51 => (hello.group, hello.key) = (body.u16(), usize::from(body.u16().unwrap_or(0))),
            _ => {}
        }
    }
    Some(hello)
}

fn server(versions: Versions) -> Side {
    let mut config = config(1, Role::Server, &certificate(2));
    config.versions = versions;
    Side::new(config, 1, Instant::ORIGIN)
}

fn answers(side: &mut Side, now: Instant) -> Vec<Vec<u8>> {
    core::iter::from_fn(|| transmit(&mut side.dtls, now)).collect()
}

#[test]
fn browsers_are_answered_in_dtls_1_3_whatever_the_order_of_their_fragments() {
    for hello in [CHROME, FIREFOX] {
        for order in [[0, 1], [1, 0]] {
            let (mut side, now) = (server(Versions::Any), Instant::ORIGIN);
            side.input(now, hello[order[0]]);
            assert!(answers(&mut side, now).is_empty(), "half a hello has no answer");
            side.input(now, hello[order[1]]);
            let flight = answers(&mut side, now);
            let want = Hello { retry: false, version: Some(0xFEFC), group: Some(0x11EC), key: 1120 };
            assert_eq!(server_hello(&flight[0]), Some(want));
            assert!(flight.iter().all(|d| d.len() <= 1200));
            assert_eq!(side.closed, None);
        }
    }
}

#[test]
fn repeated_and_interleaved_fragments_make_one_answer() {
    let (mut side, now) = (server(Versions::Any), Instant::ORIGIN);
    for datagram in [CHROME[0], CHROME[0], FIREFOX[1], CHROME[0], &[22, 0xFE, 0xFD], CHROME[1]] {
        side.input(now, datagram);
    }
    assert!(server_hello(&answers(&mut side, now)[0]).is_some());
    assert_eq!(side.closed, None);
}

#[test]
fn a_server_held_to_dtls_1_2_answers_browsers_in_dtls_1_2() {
    for hello in [CHROME, FIREFOX] {
        let (mut side, now) = (server(Versions::Dtls12), Instant::ORIGIN);
        side.input(now, hello[0]);
        side.input(now, hello[1]);
        let flight = answers(&mut side, now);
        let hello = server_hello(&flight[0]).expect("a ServerHello");
        assert_eq!((hello.retry, hello.version), (false, None));
    }
}

#[test]
fn the_flight_is_repeated_until_the_handshake_times_out() {
    let (mut side, mut now) = (server(Versions::Any), Instant::ORIGIN);
    side.input(now, CHROME[0]);
    side.input(now, CHROME[1]);
    let mut flights = 0;
    while side.closed.is_none() {
        flights += usize::from(!answers(&mut side, now).is_empty());
        now = side.dtls.poll_timeout().expect("a deadline while the handshake runs");
        side.dtls.handle_timeout(now);
        side.read(&mut []);
    }
    assert!((5..=9).contains(&flights), "{flights} flights");
    assert!(now.since(Instant::ORIGIN) <= Duration::from_secs(31));
}

#[test]
fn an_answer_to_another_hello_opens_nothing() {
    let answers: [&[u8]; 2] = [
        include_bytes!("fixtures/chrome_156_server_hello_at_0.bin"),
        include_bytes!("fixtures/firefox_153_server_hello_at_0.bin"),
    ];
    for answer in answers {
        assert_eq!(server_hello(answer).and_then(|h| h.group), Some(0x11EC), "the recording holds a hybrid share");
        let mut side = Side::new(config(1, Role::Client, &certificate(2)), 1, Instant::ORIGIN);
        assert!(transmit(&mut side.dtls, Instant::ORIGIN).is_some());
        side.input(Instant::ORIGIN, answer);
        while let Some(deadline) = side.dtls.poll_timeout() {
            side.dtls.handle_timeout(deadline);
            while transmit(&mut side.dtls, deadline).is_some() {}
            side.read(&mut []);
        }
        assert_eq!((side.closed, side.info), (Some(CloseReason::Timeout), None));
    }
}

#[test]
fn a_client_refuses_a_group_that_it_did_not_offer() {
    let mut config = config(1, Role::Client, &certificate(2));
    config.groups = vec![Group::X25519];
    let mut side = Side::new(config, 1, Instant::ORIGIN);
    assert!(transmit(&mut side.dtls, Instant::ORIGIN).is_some());
    side.input(Instant::ORIGIN, include_bytes!("fixtures/chrome_156_server_hello_at_0.bin"));
    assert!(matches!(side.closed, Some(CloseReason::Handshake(_))) && side.info.is_none());
}
