use super::*;
use crate::chunk;
use crate::error::CloseReason;

#[test]
fn both_ends_connecting_at_once_get_one_association() {
    let mut w = World::connected(Link::default(), 1);
    let [a, b] = &w.ends;
    assert_eq!(a.sctp.peer.tag, b.sctp.local_tag);
    assert_eq!(b.sctp.peer.tag, a.sctp.local_tag);
    assert_eq!(a.events.iter().filter(|e| **e == Event::Connected).count(), 1);
    w.settle(MINUTE);
    let quiet = w.now.since(Instant::ORIGIN);
    assert!(quiet < Duration::from_millis(41), "two round trips and then quiet: {quiet:?}");
}

#[test]
fn one_end_may_wait_for_the_other() {
    let mut w = World::new(Link::default(), 2);
    w.ends[0].sctp.connect(w.now);
    w.settle(MINUTE);
    assert!(w.ends.iter().all(|e| e.has(&Event::Connected)));
}

#[test]
fn the_handshake_survives_heavy_loss_whatever_is_lost() {
    for seed in 0..60 {
        let mut w = World::new(Link { loss: 0.4, duplicate: 0.1, jitter: Duration::from_millis(30), ..LOSSY() }, seed);
        let id = w.open(0, ChannelInit::new("early"));
        w.send(0, id, &b"hello"[..]);
        w.connect();
        w.run_until(MINUTE * 3, |w| w.ends[1].peer_channel("early").is_some_and(|id| w.ends[1].texts(id) == ["hello"]));
        let theirs = w.ends[1].peer_channel("early").expect("the channel");
        assert_eq!(w.ends[1].texts(theirs), ["hello"], "seed {seed}");
    }
}

#[test]
fn each_handshake_packet_may_be_lost_once() {
    for lost in 1..=6 {
        let mut w = World::new(Link::default(), 3);
        // The filter has no state of its own: one per packet number.
        w.filter = [
            |n, _, _: &[u8]| n == 1,
            |n, _, _: &[u8]| n == 2,
            |n, _, _: &[u8]| n == 3,
            |n, _, _: &[u8]| n == 4,
            |n, _, _: &[u8]| n == 5,
            |n, _, _: &[u8]| n == 6,
        ][lost - 1];
        w.connect();
    }
}

#[test]
fn a_lost_cookie_is_sent_again_with_the_data_that_rode_on_it() {
    let mut w = World::new(Link::default(), 4);
    w.filter = |n, _, packet| n < 5 && packet[12] == chunk::COOKIE_ECHO;
    let id = w.open(0, ChannelInit::new("x"));
    w.send(0, id, &b"one"[..]);
    w.ends[0].sctp.connect(w.now);
    w.settle(MINUTE);
    let theirs = w.ends[1].peer_channel("x").unwrap();
    assert_eq!(w.ends[1].texts(theirs), ["one"]);
    let echo = w.log.iter().find(|p| p[12] == chunk::COOKIE_ECHO).unwrap();
    assert!(crate::packet::Packet::parse(echo).unwrap().chunks().any(|c| c.unwrap().kind == chunk::I_DATA));
}

#[test]
fn a_cookie_of_another_association_is_refused() {
    let mut w = World::new(Link::default(), 5);
    w.ends[0].sctp.connect(w.now);
    w.run_until(MINUTE, |w| w.log.iter().any(|p| p[12] == chunk::COOKIE_ECHO));
    let echo = w.log.iter().find(|p| p[12] == chunk::COOKIE_ECHO).unwrap().clone();
    let mut other = End::new(Config::default(), 99);
    other.sctp.handle_packet(w.now, Ecn::NotEct, &echo);
    assert_eq!(other.sctp.stats().drops.cookie, 1);
    assert!(matches!(other.sctp.state, State::Idle));
}

#[test]
fn a_stale_cookie_is_reported_and_a_fresh_one_asked_for() {
    let mut w = World::with(Link::default(), 6, [Config::default(), Config::default()]);
    w.ends[1].sctp.config.cookie_lifetime = Duration::from_millis(500);
    // The first two COOKIE ECHOs are lost, the third comes 3 s after the cookie was made.
    w.filter = |n, _, packet| n < 5 && packet[12] == chunk::COOKIE_ECHO;
    w.ends[0].sctp.connect(w.now);
    w.settle(MINUTE);
    assert!(w.log.iter().any(|p| p[12] == chunk::ERROR));
    assert!(w.ends.iter().all(|e| e.has(&Event::Connected)));
}

#[test]
fn a_peer_that_restarts_gets_a_fresh_association_and_old_channels_are_closed() {
    let mut w = World::connected(Link::default(), 7);
    let id = w.open(0, ChannelInit::new("old"));
    w.settle(MINUTE);
    let theirs = w.ends[1].peer_channel("old").unwrap();
    w.ends[0] = End::new(Config::default(), 77);
    w.ends[0].sctp.set_role(Role::Client);
    w.ends[0].sctp.connect(w.now);
    w.settle(MINUTE);
    assert!(w.ends[0].has(&Event::Connected));
    assert!(w.ends[1].has(&Event::Closed(theirs)));
    assert_eq!(w.ends[1].events.iter().filter(|e| **e == Event::Connected).count(), 2);
    let again = w.open(0, ChannelInit::new("new"));
    w.send(0, again, &b"again"[..]);
    w.settle(MINUTE);
    let theirs = w.ends[1].peer_channel("new").unwrap();
    assert_eq!(w.ends[1].texts(theirs), ["again"]);
    let _ = id;
}

#[test]
fn an_init_that_arrives_late_changes_nothing() {
    let mut w = World::connected(Link::default(), 8);
    let init = w.log.iter().find(|p| p[12] == chunk::INIT).unwrap().clone();
    w.post(1, init);
    w.settle(MINUTE);
    assert_eq!(w.ends[1].events.iter().filter(|e| **e == Event::Connected).count(), 1);
    assert!(matches!(w.ends[0].sctp.state, State::Established));
}

#[test]
fn an_unanswered_init_is_given_up_only_if_so_configured() {
    let limited = Config { max_init_retransmissions: Some(3), ..Config::default() };
    let mut w = World::with(Link { loss: 1.0, ..Link::default() }, 9, [limited, Config::default()]);
    w.ends[0].sctp.connect(w.now);
    w.settle(MINUTE);
    assert!(w.ends[0].has(&Event::Down(CloseReason::TooManyRetransmissions)));
    assert_eq!(w.sent, 4);
    let mut w = World::new(Link { loss: 1.0, ..Link::default() }, 9);
    w.ends[0].sctp.connect(w.now);
    w.settle(MINUTE * 10);
    assert!(matches!(w.ends[0].sctp.state, State::CookieWait(_)));
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let run = |seed| {
        let mut w = World::new(LOSSY(), seed);
        let id = w.open(0, ChannelInit::new("x"));
        w.connect();
        for n in 0..50 {
            w.send(0, id, pattern(n, 3000));
        }
        w.settle(MINUTE);
        w.log
    };
    assert_eq!(run(11), run(11));
    assert_ne!(run(11), run(12));
}

#[test]
fn zero_checksums_are_used_only_between_ends_that_both_take_them() {
    for (config, zero) in [(true, true), (false, false)] {
        let configs = [Config::default(), Config { zero_checksum: config, ..Config::default() }];
        let mut w = World::with(Link::default(), 13, configs);
        w.connect();
        let id = w.open(0, ChannelInit::new("x"));
        w.send(0, id, &b"x"[..]);
        w.settle(MINUTE);
        let of = |p: &Vec<u8>| p[8..12] == [0; 4];
        assert_eq!(of(w.log.last().unwrap()), zero);
        for p in &w.log {
            assert!(!matches!(p[12], chunk::INIT | chunk::INIT_ACK | chunk::COOKIE_ECHO) || !of(p));
        }
    }
}

#[test]
fn shutting_down_delivers_everything_first() {
    for seed in 0..10 {
        let mut w = World::connected(LOSSY(), seed);
        let id = w.open(0, ChannelInit::new("x"));
        for n in 0..30 {
            w.send(0, id, pattern(n, 5000));
        }
        w.ends[0].sctp.shutdown(w.now);
        assert!(w.ends[0].sctp.send(w.now, id, Kind::Text, Bytes::new()).is_err());
        w.settle(MINUTE * 5);
        for end in &w.ends {
            assert!(end.has(&Event::Down(CloseReason::Shutdown)), "seed {seed}: {:?}", end.sctp.state);
        }
        let theirs = w.ends[1].inbox.keys().next().unwrap();
        assert_eq!(w.ends[1].inbox[theirs].len(), 30);
        assert_eq!(w.ends[0].sctp.poll_timeout(), None);
    }
}

#[test]
fn both_ends_may_shut_down_at_once() {
    let mut w = World::connected(Link::default(), 20);
    w.ends[0].sctp.shutdown(w.now);
    w.ends[1].sctp.shutdown(w.now);
    w.settle(MINUTE);
    assert!(w.ends.iter().all(|e| e.has(&Event::Down(CloseReason::Shutdown))));
}

#[test]
fn an_abort_tells_the_peer_why() {
    let mut w = World::connected(Link::default(), 21);
    let id = w.open(1, ChannelInit::new("x"));
    w.settle(MINUTE);
    w.ends[0].sctp.abort(w.now, "had enough");
    w.settle(MINUTE);
    let reason = CloseReason::AbortedByPeer { cause: 12, reason: "had enough".into() };
    assert!(w.ends[1].has(&Event::Down(reason)));
    assert!(w.ends[1].has(&Event::Closed(id)));
    assert!(w.ends[0].has(&Event::Down(CloseReason::Aborted)));
}

#[test]
fn shutting_down_an_association_that_was_never_up_is_quiet() {
    let mut w = World::new(Link::default(), 22);
    w.ends[0].sctp.shutdown(w.now);
    w.ends[1].sctp.connect(w.now);
    w.ends[1].sctp.shutdown(w.now);
    w.settle(MINUTE);
    assert!(w.ends.iter().all(End::is_down));
    assert_eq!(w.sent, 0);
}

#[test]
fn an_abort_that_was_lost_is_said_again_to_a_peer_that_goes_on() {
    let mut w = World::connected(Link::default(), 23);
    let id = w.open(1, ChannelInit::new("x"));
    w.settle(MINUTE);
    w.link.loss = 1.0;
    let now = w.now;
    w.ends[0].sctp.abort(now, "unheard");
    w.flush();
    w.link.loss = 0.0;
    w.send(1, id, &b"hello?"[..]);
    w.settle(MINUTE);
    assert!(w.ends[1].has(&Event::Down(CloseReason::AbortedByPeer { cause: 0, reason: String::new() })));
}
