//! Associations that begin from the INIT chunks in the descriptions, and those that cannot.

mod common;

use common::{A, B, Duo, MS, SEC, Setup, Signal, Tamper, certificate, messages};
use peerage_base::rng::Rng;
use peerage_base::time::{Duration, Instant};
use peerage_sctp::chunk::init::Init;
use peerage_session::config::Config;
use peerage_session::error::SessionError;
use peerage_session::event::{ConnectionState, Event};
use peerage_session::face::{ChannelInit, ChannelState, OfferOptions, SdpType, SessionDescription, SignalingState};
use peerage_session::session::Session;
use peerage_sim::link::{Link, Loss};

/// One way between the two.
const WAY: Duration = Duration::from_millis(50);
const NAME: &str = "a=sctp-init:";

fn setup(snap: [bool; 2]) -> Setup {
    Setup { snap, ..Setup::new(1, Link::with_delay(WAY)) }
}

/// The INIT chunk in a description, in base64.
fn init(sdp: &str) -> Option<&str> {
    sdp.lines().find_map(|line| line.strip_prefix(NAME))
}

fn local_init(duo: &Duo, side: usize) -> Option<String> {
    init(&duo.peer(side).session.local_description()?.sdp).map(str::to_owned)
}

/// Changes the value in the descriptions of one side; `None` takes the line away.
fn rewriting(from: usize, value: Option<&'static str>) -> Tamper {
    Box::new(move |side, signal| match signal {
        Signal::Description(mut description) if side == from => {
            let lines = description.sdp.split_inclusive("\r\n").filter_map(|line| match line.strip_prefix(NAME) {
                Some(_) => value.map(|value| format!("{NAME}{value}\r\n")),
                None => Some(line.into()),
            });
            description.sdp = lines.collect();
            Some(Signal::Description(description))
        }
        signal => Some(signal),
    })
}

/// When an event came first to one side.
fn at(duo: &Duo, side: usize, is: impl Fn(&Event) -> bool) -> Option<Instant> {
    duo.peer(side).log.iter().find(|(_, event)| is(event)).map(|(at, _)| *at)
}

/// When things came about on a channel that one side opened before the exchange and sent a message on.
struct Times {
    /// DTLS is up at the side that opens, and at the other.
    secure: [Instant; 2],
    /// The channel is open at the side that opens.
    open: Instant,
    /// The channel, and the message on it, is at the other side.
    arrived: Instant,
}

fn times(mut duo: Duo, opener: usize) -> Times {
    (duo.signal_delay, duo.candidate_delay) = (Duration::ZERO, Duration::ZERO);
    let id = duo.open(opener, "first");
    duo.send(opener, id, &b"hello"[..]);
    duo.offer(A);
    let is_open = |event: &Event| *event == Event::ChannelOpen(id);
    let done = |duo: &Duo| duo.peer(1 - opener).received() == 5 && at(duo, opener, is_open).is_some();
    assert!(duo.until(20 * SEC, done), "{:?}", duo.errors);
    let connected = |event: &Event| *event == Event::ConnectionState(ConnectionState::Connected);
    let secure = [opener, 1 - opener].map(|side| at(&duo, side, connected).unwrap());
    let open = at(&duo, opener, is_open).unwrap();
    let arrived = at(&duo, 1 - opener, |event| matches!(event, Event::Channel(_))).unwrap();
    Times { secure, open, arrived }
}

/// Whether the association was begun by a handshake: DTLS was up well before the channel.
fn shook_hands(times: &Times) -> bool {
    times.open >= times.secure[0] + 2 * WAY
}

/// A message each way over a new channel of each side.
fn works(duo: &mut Duo) {
    for side in [A, B] {
        let before = duo.peer(1 - side).channels.len();
        let id = duo.open(side, "works");
        assert!(duo.until(20 * SEC, |duo| duo.peer(1 - side).channels.len() > before), "{:?}", duo.errors);
        let other = duo.incoming(1 - side);
        let (there, back) = (messages(30_000, 3000, 1), messages(30_000, 3000, 2));
        there.iter().for_each(|m| duo.send(side, id, m.clone()));
        back.iter().for_each(|m| duo.send(1 - side, other, m.clone()));
        duo.expect(1 - side, other, &there, 20 * SEC);
        duo.expect(side, id, &back, 20 * SEC);
    }
}

#[test]
fn a_channel_is_open_when_dtls_is_up_and_at_the_peer_one_way_later() {
    // The answerer is the DTLS client, and done with the handshake one way before the offerer.
    for (opener, saved, sooner) in [(A, 2 * WAY, 2 * WAY), (B, 4 * WAY, 2 * WAY)] {
        let opened = |snap| {
            let mut duo = setup(snap).build();
            if opener == B {
                duo.open(A, "what asks for the exchange");
            }
            times(duo, opener)
        };
        let (with, without) = (opened([true; 2]), opened([false; 2]));
        assert_eq!(with.secure, without.secure);
        assert_eq!(with.open, with.secure[0], "no packet later");
        assert_eq!(with.arrived, with.secure[0] + WAY, "with the first packet");
        assert_eq!(without.open.since(with.open), saved, "{opener} opens");
        assert_eq!(without.arrived.since(with.arrived), sooner, "{opener} opens");
        assert!(!shook_hands(&with) && shook_hands(&without));
    }
}

#[test]
fn a_channel_agreed_outside_carries_its_first_message_in_the_first_packet() {
    for sender in [A, B] {
        let mut duo = setup([true; 2]).build();
        (duo.signal_delay, duo.candidate_delay) = (Duration::ZERO, Duration::ZERO);
        let agreed = || ChannelInit { negotiated: Some(0), ..ChannelInit::new("agreed") };
        let ids = [A, B].map(|side| duo.open_with(side, agreed()));
        duo.send(sender, ids[sender], &b"hello"[..]);
        duo.offer(A);
        assert!(duo.until(20 * SEC, |duo| duo.peer(1 - sender).received() == 5));
        let open = [A, B].map(|side| at(&duo, side, |event| *event == Event::ChannelOpen(ids[side])).unwrap());
        let connected = |event: &Event| *event == Event::ConnectionState(ConnectionState::Connected);
        assert_eq!(open, [A, B].map(|side| at(&duo, side, connected).unwrap()));
        assert_eq!(duo.now(), open[sender] + WAY);
    }
}

#[test]
fn loss_from_the_first_packet_on_loses_nothing() {
    for seed in 0..8 {
        let link = Link { loss: Loss::Random(0.2), ..Link::with_delay(10 * MS) };
        let mut duo = Setup::new(seed, link).build();
        let id = duo.open(A, "first");
        let sent = messages(100_000, 5000, 3);
        sent.iter().for_each(|m| duo.send(A, id, m.clone()));
        duo.offer(A);
        assert!(duo.until(60 * SEC, |duo| duo.peer(B).channels.len() == 1), "seed {seed}");
        let other = duo.incoming(B);
        duo.expect(B, other, &sent, 120 * SEC);
    }
}

#[test]
fn a_side_that_does_not_speak_of_it_has_its_handshake() {
    for (snap, offered, answered) in [([true, false], true, false), ([false, true], false, false)] {
        let mut duo = setup(snap).build();
        duo.open(A, "first");
        duo.offer(A);
        duo.connect();
        assert_eq!([A, B].map(|side| local_init(&duo, side).is_some()), [offered, answered]);
        works(&mut duo);
        assert!(shook_hands(&times(setup(snap).build(), A)));
    }
}

#[test]
fn a_line_that_is_lost_or_spoilt_on_the_way_costs_the_handshake_and_nothing_else() {
    // The answerer then takes it for agreed, and finds out by the other's INIT.
    let cases: [(usize, Option<&str>); 4] = [(A, None), (B, None), (A, Some("AQAA")), (A, Some("!"))];
    for (from, value) in cases {
        for opener in [A, B] {
            let mut duo = setup([true; 2]).build();
            duo.tamper = rewriting(from, value);
            duo.open(A, "what asks for the exchange");
            let id = duo.open(opener, "first");
            duo.send(opener, id, &b"hello"[..]);
            duo.offer(A);
            assert!(duo.until(20 * SEC, |duo| duo.peer(1 - opener).received() == 5), "{from} {value:?} {opener}");
            assert_eq!(duo.errors, []);
            works(&mut duo);
            assert_eq!([A, B].map(|side| duo.peer(side).count(|e| matches!(e, Event::ChannelClosed(_)))), [0, 0]);
        }
    }
}

#[test]
fn an_answer_that_repeats_our_own_line_does_not_speak_of_it() {
    let mut duo = setup([true, false]).build();
    duo.open(A, "first");
    duo.offer(A);
    let ours = local_init(&duo, A).unwrap();
    duo.tamper = Box::new(move |from, signal| match signal {
        Signal::Description(mut description) if from == B => {
            description.sdp.push_str(&format!("{NAME}{ours}\r\n"));
            Some(Signal::Description(description))
        }
        signal => Some(signal),
    });
    duo.connect();
    assert_eq!(init(&duo.peer(A).session.remote_description().unwrap().sdp), local_init(&duo, A).as_deref());
    works(&mut duo);
}

/// An INIT chunk of Chromium with some bytes replaced.
fn spoilt(at: usize, to: &[u8]) -> String {
    let mut chunk = [
        1, 0, 0, 0x1E, 0x2F, 0xB4, 0xD8, 0x52, 0x00, 0x50, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0x55, 0x64, 0x8E, 0xB7,
        0xC0, 0, 0, 4, 0x80, 0x08, 0, 6, 0x82, 0xC0,
    ];
    assert!(Init::parse_chunk(&chunk).is_ok());
    chunk[at..at + to.len()].copy_from_slice(to);
    base64(&chunk)
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    assert_eq!(bytes.len() % 3, 0);
    let group = |three: &[u8]| {
        let bits = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
        [18, 12, 6, 0].map(|shift| char::from(LETTERS[(bits >> shift & 63) as usize]))
    };
    bytes.chunks(3).flat_map(group).collect()
}

#[test]
fn an_answer_whose_line_is_spoilt_is_refused_and_a_good_one_taken() {
    let bad = [
        "***".to_owned(),
        "AQAA".into(),
        spoilt(0, &[2]),
        spoilt(2, &[0xFF, 0xFF]),
        spoilt(4, &[0; 4]),
        spoilt(8, &1499_u32.to_be_bytes()),
        spoilt(12, &[0, 0]),
        spoilt(14, &[0, 0]),
        spoilt(26, &[0, 3]),
        base64(&[1; 2049]),
    ];
    let mut duo = Duo::new(2);
    duo.open(A, "first");
    let now = duo.now();
    let offer = duo.session(A).create_offer(now, OfferOptions::default()).unwrap();
    duo.session(A).set_local_description(now, Some(offer.clone())).unwrap();
    duo.session(B).set_remote_description(now, offer).unwrap();
    duo.session(B).set_local_description(now, None).unwrap();
    let answer = duo.session(B).local_description().unwrap();
    let good = init(&answer.sdp).unwrap().to_owned();
    for value in bad {
        let sdp = answer.sdp.replace(&good, &value);
        let error = duo.session(A).set_remote_description(now, SessionDescription::new(SdpType::Answer, sdp));
        let reason = match error.unwrap_err() {
            SessionError::Syntax(reason) | SessionError::InvalidAccess(reason) => reason,
            other => panic!("{other:?}"),
        };
        assert!(reason.contains("sctp-init"), "{reason}");
        assert_eq!(duo.session(A).signaling_state(), SignalingState::HaveLocalOffer);
    }
    duo.session(A).set_remote_description(now, answer).unwrap();
    duo.connect();
    works(&mut duo);
}

#[test]
fn further_offers_of_either_side_repeat_what_was_said() {
    let (mut duo, id) = Duo::connected(Setup::new(3, Link::with_delay(10 * MS)));
    let said = [A, B].map(|side| local_init(&duo, side).unwrap());
    assert_ne!(said[A], said[B]);
    for round in 0..4 {
        let side = round % 2;
        if round < 2 {
            duo.offer(side);
        } else {
            duo.restart(side);
        }
        duo.run(5 * SEC);
        assert_eq!([A, B].map(|side| local_init(&duo, side).unwrap()), said);
    }
    let now = duo.now();
    let offer = duo.session(A).create_offer(now, OfferOptions::default()).unwrap();
    duo.session(A).set_local_description(now, Some(offer.clone())).unwrap();
    duo.session(A).set_local_description(now, Some(SessionDescription::new(SdpType::Rollback, ""))).unwrap();
    assert_eq!(init(&offer.sdp), Some(said[A].as_str()));
    assert_eq!(duo.errors, []);
    assert_eq!(duo.channel_state(A, id), ChannelState::Open);
    works(&mut duo);
}

/// Another session takes the place of one that is gone without a word.
fn replace(duo: &mut Duo, side: usize, seed: u64) {
    let (now, peer) = (duo.now(), duo.peer_mut(side));
    peer.session = Session::new(Config::default(), certificate(seed), Rng::from_u64(seed), now);
    peer.channels.clear();
    peer.log.clear();
}

#[test]
fn another_association_begins_from_the_descriptions_too() {
    for offerer in [A, B] {
        let (mut duo, id) = Duo::connected(Setup::new(4, Link::with_delay(10 * MS)));
        let said = local_init(&duo, A).unwrap();
        replace(&mut duo, B, 777);
        if offerer == B {
            // The section is the one that was agreed, by place and name.
            duo.open(B, "what asks for the exchange");
            duo.offer(B);
        } else {
            duo.restart(A);
        }
        let fresh = |duo: &Duo| duo.peer(B).is_connected() && duo.peer(A).is_connected();
        assert!(duo.until(20 * SEC, fresh), "{:?}", duo.errors);
        assert_eq!(duo.errors, []);
        assert_eq!(duo.peer(A).count(|e| *e == Event::ChannelClosed(id)), 1);
        // An offer cannot know that the peer will begin anew; an answer does.
        assert_eq!(local_init(&duo, A).unwrap() == said, offerer == A);
        works(&mut duo);
        let now = [A, B].map(|side| local_init(&duo, side));
        duo.offer(A);
        duo.run(SEC);
        assert_eq!([A, B].map(|side| local_init(&duo, side)), now, "and is repeated from then on");
        assert_eq!(duo.errors, []);
    }
}

#[test]
fn a_refused_section_takes_its_line_with_it_and_the_next_one_has_another() {
    let mut duo = Duo::new(5);
    let id = duo.open(A, "first");
    let now = duo.now();
    let offer = duo.session(A).create_offer(now, OfferOptions::default()).unwrap();
    duo.session(A).set_local_description(now, Some(offer.clone())).unwrap();
    let refusal = "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n\
                   c=IN IP4 0.0.0.0\r\na=inactive\r\na=mid:0\r\n";
    duo.session(A).set_remote_description(now, SessionDescription::new(SdpType::Answer, refusal)).unwrap();
    assert_eq!(duo.channel_state(A, id), ChannelState::Closed);
    duo.open(A, "second");
    let again = duo.session(A).create_offer(now, OfferOptions::default()).unwrap();
    assert!(init(&offer.sdp).is_some() && init(&again.sdp).is_some());
    assert_ne!(init(&offer.sdp), init(&again.sdp));
}

#[test]
fn chromium_is_answered_in_kind() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../sdp/corpus/chromium-156-sped-offer.sdp");
    let text = std::fs::read_to_string(path).unwrap();
    let mut duo = setup([true, false]).build();
    for side in [A, B] {
        let now = duo.now();
        let offer = SessionDescription::new(SdpType::Offer, text.clone());
        duo.session(side).set_remote_description(now, offer).unwrap();
        let answer = duo.session(side).create_answer(now).unwrap();
        assert_eq!(init(&answer.sdp).is_some(), side == A, "as the switch says");
    }
}
