//! Associations that begin from their descriptions.

use super::*;
use crate::chunk;
use crate::chunk::init::Init;
use crate::packet::Packet;

/// What Chromium 156 signals.
const CHROME: [u8; 30] = [
    1, 0, 0, 0x1E, 0x2F, 0xB4, 0xD8, 0x52, 0x00, 0x50, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0x55, 0x64, 0x8E, 0xB7,
    0xC0, 0, 0, 4, 0x80, 0x08, 0, 6, 0x82, 0xC0,
];
const DELAY: Duration = Duration::from_millis(10);

/// Begins `side` from what the other has signalled.
fn start(w: &mut World, side: usize) {
    let signalled = w.ends[1 - side].sctp.local_init();
    w.ends[side].sctp.start_with(w.now, &signalled).unwrap();
}

fn started(link: Link, seed: u64) -> World {
    let mut w = World::new(link, seed);
    start(&mut w, 0);
    start(&mut w, 1);
    w
}

fn kinds(packet: &[u8]) -> Vec<u8> {
    Packet::parse(packet).unwrap().chunks().map(|chunk| chunk.unwrap().kind).collect()
}

fn connected_events(w: &World, side: usize) -> usize {
    w.ends[side].events.iter().filter(|e| **e == Event::Connected).count()
}

/// A message on the channel that `from` opened under this label, and one back.
fn talk(w: &mut World, from: usize, id: ChannelId, label: &str) {
    w.send(from, id, &b"there"[..]);
    w.run_until(MINUTE, |w| {
        w.ends[1 - from].peer_channel(label).is_some_and(|id| !w.ends[1 - from].texts(id).is_empty())
    });
    let theirs = w.ends[1 - from].peer_channel(label).expect("the channel");
    assert_eq!(w.ends[1 - from].texts(theirs), ["there"]);
    w.send(1 - from, theirs, &b"back"[..]);
    w.run_until(MINUTE, |w| !w.ends[from].texts(id).is_empty());
    assert_eq!(w.ends[from].texts(id), ["back"]);
}

#[test]
fn both_ends_are_up_at_once_and_their_first_packets_carry_data() {
    let mut w = World::new(Link { delay: DELAY, ..Link::default() }, 1);
    let ids = [w.open(0, ChannelInit::new("a")), w.open(1, ChannelInit::new("b"))];
    w.send(0, ids[0], &b"first"[..]);
    start(&mut w, 0);
    start(&mut w, 1);
    for (side, id) in ids.into_iter().enumerate() {
        w.ends[side].collect(w.now);
        assert_eq!(w.ends[side].events, [Event::Connected, Event::Open(id)]);
    }
    let arrived = |w: &World| w.ends[1].peer_channel("a").is_some_and(|id| w.ends[1].texts(id) == ["first"]);
    w.run_until(MINUTE, arrived);
    assert!(w.now.since(Instant::ORIGIN) < DELAY + Duration::from_millis(1), "one way and no more: {}", w.now);
    w.settle(MINUTE);
    assert_eq!(kinds(&w.log[0]), [chunk::I_DATA, chunk::I_DATA]);
    let handshake = [chunk::INIT, chunk::INIT_ACK, chunk::COOKIE_ECHO, chunk::COOKIE_ACK];
    assert!(w.log.iter().all(|packet| kinds(packet).iter().all(|kind| !handshake.contains(kind))));
}

#[test]
fn everything_is_as_a_handshake_would_have_agreed_it() {
    let configs = || {
        let b = Config { max_streams: 100, receive_window: 100_000, zero_checksum: false, ..Config::default() };
        [Config::default(), b]
    };
    let mut shaken = World::with(Link::default(), 2, configs());
    shaken.connect();
    let mut w = World::with(Link::default(), 2, configs());
    start(&mut w, 0);
    start(&mut w, 1);
    for side in 0..2 {
        let (ours, theirs) = (&w.ends[side].sctp, &shaken.ends[side].sctp);
        assert_eq!((ours.peer, ours.local_tag, ours.local_tsn), (theirs.peer, theirs.local_tag, theirs.local_tsn));
        assert_eq!(ours.outbound_streams(), theirs.outbound_streams());
        assert_eq!(ours.sender.peer_window, theirs.sender.peer_window);
        assert_eq!(ours.receiver.tracker.cumulative(), theirs.receiver.tracker.cumulative());
        assert_eq!(w.ends[side].sctp.stats().packets_sent, 0);
    }
    assert_eq!(w.ends[0].sctp.outbound_streams(), 100);
    let id = w.open(0, ChannelInit::new("x"));
    talk(&mut w, 0, id, "x");
    assert!(w.log.iter().all(|packet| packet[8..12] != [0; 4]), "one end wants its checksums");
    let mut both = started(Link::default(), 2);
    let id = both.open(0, ChannelInit::new("x"));
    talk(&mut both, 0, id, "x");
    assert!(both.log.iter().all(|packet| packet[8..12] == [0; 4]), "zero from the first packet on");
}

#[test]
fn extensions_that_the_peer_did_not_signal_are_not_used() {
    let mut w = World::new(Link::default(), 3);
    let bare = Init { extensions: Default::default(), ..w.ends[1].sctp.own_init(Tag(7), Tsn(9)) }.to_chunk();
    w.ends[0].sctp.start_with(w.now, &bare).unwrap();
    let id = w.open(0, ChannelInit { max_retransmits: Some(0), ..ChannelInit::new("x") });
    w.send(0, id, &b"x"[..]);
    w.ends[0].sctp.close(w.now, id);
    w.settle(MINUTE);
    let unwanted = [chunk::FORWARD_TSN, chunk::I_FORWARD_TSN, chunk::I_DATA, chunk::RE_CONFIG];
    assert!(!w.log.is_empty() && w.log.iter().all(|p| p[8..12] != [0; 4]));
    assert!(w.log.iter().all(|packet| kinds(packet).iter().all(|kind| !unwanted.contains(kind))));
}

#[test]
fn the_first_packet_of_either_side_or_of_both_may_be_lost() {
    for lost in [|n, _, _: &[u8]| n == 1, |n, _, _: &[u8]| n == 2, |n, _, _: &[u8]| n <= 2]
        as [fn(u64, usize, &[u8]) -> bool; 3]
    {
        let mut w = World::new(Link::default(), 4);
        w.filter = lost;
        let ids = [w.open(0, ChannelInit::new("a")), w.open(1, ChannelInit::new("b"))];
        start(&mut w, 0);
        start(&mut w, 1);
        talk(&mut w, 0, ids[0], "a");
        talk(&mut w, 1, ids[1], "b");
        assert!(w.now.since(Instant::ORIGIN) < Duration::from_millis(700), "one timeout: {}", w.now);
    }
}

#[test]
fn bulk_crosses_after_heavy_loss_from_the_first_packet_on() {
    for seed in 0..20 {
        let mut w = started(Link { loss: 0.3, duplicate: 0.1, jitter: Duration::from_millis(30), ..LOSSY() }, seed);
        let id = w.open(0, ChannelInit::new("x"));
        for n in 0..20 {
            w.send(0, id, pattern(n, 3000));
        }
        w.run_until(MINUTE * 5, |w| w.ends[1].inbox.values().any(|m| m.len() == 20));
        let theirs = w.ends[1].peer_channel("x").expect("the channel");
        assert!(w.ends[1].inbox[&theirs].iter().enumerate().all(|(n, m)| m.payload == pattern(n, 3000)), "seed {seed}");
    }
}

#[test]
fn a_peer_that_shakes_hands_nonetheless_is_answered_and_nothing_is_lost() {
    for seed in 0..40 {
        let link = if seed == 0 { Link::default() } else { Link { loss: 0.2, ..LOSSY() } };
        let mut w = World::new(link, seed);
        let ids = [w.open(0, ChannelInit::new("a")), w.open(1, ChannelInit::new("b"))];
        w.send(0, ids[0], &b"early"[..]);
        start(&mut w, 0);
        w.ends[1].sctp.connect(w.now);
        let has = |w: &World, side: usize, label, texts: &[&str]| {
            w.ends[side].peer_channel(label).is_some_and(|id| w.ends[side].texts(id) == texts)
        };
        w.run_until(MINUTE * 3, |w| has(w, 1, "a", &["early"]));
        assert!(has(&w, 1, "a", &["early"]), "seed {seed}");
        talk(&mut w, 1, ids[1], "b");
        assert_eq!([connected_events(&w, 0), connected_events(&w, 1)], [1, 1], "no restart");
        assert!(!w.ends[0].events.iter().any(|e| matches!(e, Event::Closed(_))));
        let [a, b] = &w.ends;
        assert_eq!((a.sctp.peer.tag, b.sctp.peer.tag), (b.sctp.local_tag, a.sctp.local_tag));
    }
}

#[test]
fn a_peer_that_shakes_hands_under_another_tag_than_it_signalled_is_answered_too() {
    let mut w = World::new(Link::default(), 6);
    let id = w.open(0, ChannelInit::new("a"));
    w.send(0, id, &b"early"[..]);
    start(&mut w, 0);
    let told = w.ends[0].sctp.local_init();
    w.ends[1] = End::new(Config::default(), 66);
    w.ends[1].sctp.set_role(Role::Server);
    w.ends[1].sctp.connect(w.now);
    w.settle(MINUTE);
    let theirs = w.ends[1].peer_channel("a").expect("the channel");
    assert_eq!(w.ends[1].texts(theirs), ["early"]);
    assert_eq!((connected_events(&w, 0), w.ends[0].sctp.local_init()), (1, told));
    assert!(!w.ends[0].has(&Event::Closed(id)));
}

#[test]
fn both_may_shake_hands_after_all() {
    let mut w = World::new(Link::default(), 7);
    let _ = [w.ends[0].sctp.local_init(), w.ends[1].sctp.local_init()];
    w.connect();
    // Too late to begin from anything else.
    start(&mut w, 0);
    assert!(!w.ends[0].sctp.presumed);
    let id = w.open(0, ChannelInit::new("x"));
    talk(&mut w, 0, id, "x");
}

#[test]
fn handshake_chunks_that_come_when_data_has_come_change_nothing() {
    let mut shaken = World::connected(Link::default(), 8);
    shaken.settle(MINUTE);
    let mut w = started(Link::default(), 8);
    let id = w.open(0, ChannelInit::new("x"));
    talk(&mut w, 0, id, "x");
    w.settle(MINUTE);
    // The same seeds give the same tags, so every packet of the handshake passes for one of this association.
    for (n, packet) in shaken.log.iter().enumerate() {
        w.post(n % 2, packet.clone());
        w.post(1 - n % 2, packet.clone());
        w.settle(MINUTE);
    }
    assert_eq!([connected_events(&w, 0), connected_events(&w, 1)], [1, 1]);
    assert!(w.ends.iter().all(|e| matches!(e.sctp.state, State::Established)));
    w.send(0, id, &b"again"[..]);
    w.settle(MINUTE);
    let theirs = w.ends[1].peer_channel("x").unwrap();
    assert_eq!(w.ends[1].texts(theirs), ["there", "again"]);
}

#[test]
fn a_peer_that_has_spoken_and_begins_again_restarts_the_association() {
    let mut w = started(Link::default(), 9);
    let id = w.open(0, ChannelInit::new("old"));
    talk(&mut w, 0, id, "old");
    let told = w.ends[0].sctp.local_init();
    w.ends[1] = End::new(Config::default(), 99);
    w.ends[1].sctp.set_role(Role::Server);
    w.ends[1].sctp.connect(w.now);
    w.settle(MINUTE);
    assert!(w.ends[0].has(&Event::Closed(id)) && connected_events(&w, 0) == 2);
    assert_eq!(w.ends[0].sctp.local_init(), told, "what was signalled stays what it was");
    let id = w.open(0, ChannelInit::new("new"));
    talk(&mut w, 0, id, "new");
}

#[test]
fn what_is_signalled_is_the_init_that_would_be_sent() {
    for zero_checksum in [true, false] {
        let mut w = World::with(Link::default(), 10, [0, 1].map(|_| Config { zero_checksum, ..Config::default() }));
        let told = w.ends[0].sctp.local_init();
        w.ends[0].sctp.connect(w.now);
        w.settle(MINUTE);
        let sent = Packet::parse(&w.log[0]).unwrap();
        assert_eq!(sent.chunks().next().unwrap().unwrap().body, &told[4..]);
        assert_eq!(usize::from(told[2]) << 8 | usize::from(told[3]), told.len());
        assert_eq!(told.len(), if zero_checksum { 44 } else { 33 });
        assert_eq!(w.ends[0].sctp.local_init(), told);
    }
}

#[test]
fn an_init_that_cannot_be_used_leaves_the_association_as_it_was() {
    let mut bad = CHROME;
    bad[4..8].fill(0);
    let mut w = World::new(Link::default(), 11);
    for chunk in [&bad[..], &[], &CHROME[..29]] {
        assert!(w.ends[0].sctp.start_with(w.now, chunk).is_err());
        assert!(matches!(w.ends[0].sctp.state, State::Idle));
    }
    let id = w.open(0, ChannelInit::new("x"));
    w.connect();
    talk(&mut w, 0, id, "x");
}

#[test]
fn what_chrome_signals_is_begun_from() {
    let mut w = World::new(Link::default(), 12);
    let id = w.open(0, ChannelInit::new("x"));
    w.ends[0].sctp.start_with(w.now, &CHROME).unwrap();
    w.flush();
    assert!(w.ends[0].has(&Event::Open(id)));
    let packet = Packet::parse(&w.log[0]).unwrap();
    assert_eq!(packet.header.tag, Tag(0x2FB4_D852));
    assert_ne!(packet.header.checksum, 0, "Chromium does not take a checksum of zero");
    assert_eq!(w.ends[0].sctp.stats().peer_window, 5 << 20);
}
