use super::*;
use crate::error::{Misuse, SendError};

/// The events of an end that name a channel.
fn closed(end: &End, id: ChannelId) -> bool {
    end.has(&Event::Closed(id))
}

#[test]
fn three_hundred_channels_open_before_the_association_is_up_and_all_carry_messages() {
    let mut w = World::new(Link::default(), 1);
    let ids: Vec<_> = (0..300).map(|n| w.open(n % 2, ChannelInit::new(std::format!("c{n}")))).collect();
    for (n, id) in ids.iter().enumerate() {
        assert_eq!(w.ends[n % 2].sctp.stream_id(*id), None);
        w.send(n % 2, *id, pattern(n, 500));
    }
    w.connect();
    w.settle(MINUTE);
    for (n, id) in ids.iter().enumerate() {
        let stream = w.ends[n % 2].sctp.stream_id(*id).unwrap();
        assert_eq!(usize::from(stream) % 2, n % 2, "client even, server odd");
        let theirs = w.ends[1 - n % 2].peer_channel(&std::format!("c{n}")).unwrap();
        assert_eq!(w.ends[1 - n % 2].inbox[&theirs][0].payload, pattern(n, 500));
    }
}

#[test]
fn a_channel_opened_before_the_role_is_known_waits_for_it() {
    let mut w = World::new(Link::default(), 2);
    w.ends[0].sctp.role = None;
    let id = w.open(0, ChannelInit::new("x"));
    w.send(0, id, &b"queued"[..]);
    w.connect();
    w.settle(MINUTE);
    assert_eq!(w.ends[0].sctp.stream_id(id), None);
    w.ends[0].sctp.set_role(Role::Server);
    w.settle(MINUTE);
    assert_eq!(w.ends[0].sctp.stream_id(id), Some(1));
    let theirs = w.ends[1].peer_channel("x").unwrap();
    assert_eq!(w.ends[1].texts(theirs), ["queued"]);
}

#[test]
fn negotiated_channels_say_nothing_on_the_wire_and_wait_for_the_slower_end() {
    let mut w = World::connected(Link::default(), 3);
    let init = || ChannelInit { negotiated: Some(10), ..ChannelInit::new("agreed") };
    let a = w.open(0, init());
    w.send(0, a, &b"first"[..]);
    w.settle(MINUTE);
    let b = w.open(1, init());
    w.settle(MINUTE);
    assert_eq!(w.ends[1].texts(b), ["first"]);
    w.send(1, b, &b"second"[..]);
    w.settle(MINUTE);
    assert_eq!(w.ends[0].texts(a), ["second"]);
    assert!(!w.ends[1].events.iter().any(|e| matches!(e, Event::Channel(_))));
    let open = |w: &mut World, id| w.ends[0].sctp.open(w.now, ChannelInit { negotiated: Some(id), ..init() });
    assert_eq!(open(&mut w, 10), Err(Misuse::StreamInUse(10)));
    assert_eq!(open(&mut w, 65_535), Err(Misuse::StreamId(65_535)));
}

#[test]
fn contradictory_or_oversized_wishes_are_refused() {
    let mut w = World::new(Link::default(), 4);
    let now = w.now;
    let sctp = &mut w.ends[0].sctp;
    let both = ChannelInit { max_retransmits: Some(1), max_packet_life_time: Some(1), ..ChannelInit::default() };
    assert_eq!(sctp.open(now, both), Err(Misuse::TwoReliabilities));
    let long = ChannelInit::new("x".repeat(65_536));
    assert_eq!(sctp.open(now, long), Err(Misuse::LabelTooLong));
    sctp.shutdown(now);
    assert_eq!(sctp.open(now, ChannelInit::default()), Err(Misuse::Closed));
}

#[test]
fn closing_flushes_then_closes_both_ends_and_frees_the_stream_even_under_loss() {
    for seed in 0..20 {
        let mut w = World::connected(LOSSY(), seed);
        let id = w.open(0, ChannelInit::new("x"));
        for n in 0..10 {
            w.send(0, id, pattern(n, 20_000));
        }
        let now = w.now;
        w.ends[0].sctp.close(now, id);
        assert_eq!(w.ends[0].sctp.send(now, id, Kind::Text, Bytes::new()), Err(SendError::Closing));
        w.settle(MINUTE * 5);
        assert!(closed(&w.ends[0], id), "seed {seed}");
        let theirs = *w.ends[1].inbox.keys().next().unwrap();
        assert_eq!(w.ends[1].inbox[&theirs].len(), 10);
        assert!(w.ends[1].has(&Event::Closing(theirs)) && closed(&w.ends[1], theirs));
        assert_eq!(w.ends[0].sctp.send(now, id, Kind::Text, Bytes::new()), Err(SendError::NotOpen));
        assert!(w.ends[0].sctp.channels.iter().next().is_none(), "nothing of it is kept");
        let again = w.open(0, ChannelInit::new("y"));
        assert_eq!(w.ends[0].sctp.stream_id(again), Some(0));
        w.send(0, again, &b"anew"[..]);
        w.settle(MINUTE * 5);
        let theirs = w.ends[1].peer_channel("y").unwrap();
        assert_eq!(w.ends[1].texts(theirs), ["anew"]);
    }
}

#[test]
fn both_ends_may_close_at_once() {
    for seed in 0..20 {
        let mut w = World::connected(LOSSY(), seed);
        let id = w.open(0, ChannelInit::new("x"));
        w.settle(MINUTE);
        let theirs = w.ends[1].peer_channel("x").unwrap();
        let now = w.now;
        w.ends[0].sctp.close(now, id);
        w.ends[1].sctp.close(now, theirs);
        w.settle(MINUTE * 5);
        assert!(closed(&w.ends[0], id) && closed(&w.ends[1], theirs), "seed {seed}");
    }
}

#[test]
fn many_channels_close_and_reopen_over_and_over_under_loss() {
    let mut w = World::connected(LOSSY(), 7);
    for round in 0..6 {
        let ids: Vec<_> = (0..40).map(|n| w.open(n % 2, ChannelInit::new(std::format!("{round}/{n}")))).collect();
        for (n, id) in ids.iter().enumerate() {
            w.send(n % 2, *id, pattern(n, 2000));
            let now = w.now;
            w.ends[n % 2].sctp.close(now, *id);
        }
        w.settle(MINUTE * 10);
        for (n, id) in ids.iter().enumerate() {
            assert!(closed(&w.ends[n % 2], *id), "round {round} channel {n}");
        }
    }
    let arrived: usize = w.ends.iter().flat_map(|e| e.inbox.values()).map(Vec::len).sum();
    assert_eq!(arrived, 240);
    assert!(w.ends.iter().all(|e| e.sctp.channels.iter().next().is_none()));
    assert!(w.ends.iter().all(|e| e.sctp.receiver.held() == 0));
}

#[test]
fn what_arrived_can_be_read_after_the_channel_is_closed() {
    let mut w = World::connected(Link::default(), 8);
    w.ends[1].reads = false;
    let id = w.open(0, ChannelInit::new("x"));
    w.send(0, id, &b"late"[..]);
    let now = w.now;
    w.ends[0].sctp.close(now, id);
    w.settle(MINUTE);
    let Some(Event::Channel(theirs)) = w.ends[1].events.iter().find(|e| matches!(e, Event::Channel(_))).cloned() else {
        panic!("no channel");
    };
    assert!(closed(&w.ends[1], theirs));
    assert_eq!(w.ends[1].sctp.channel(theirs).unwrap().state, ChannelState::Closed);
    w.ends[1].read(now, theirs);
    assert_eq!(w.ends[1].texts(theirs), ["late"]);
    assert!(w.ends[1].sctp.channel(theirs).is_none());
    assert_eq!(w.ends[1].sctp.receiver.held(), 0);
}

#[test]
fn closing_discards_what_is_unread_and_what_still_comes() {
    let mut w = World::connected(Link::default(), 9);
    w.ends[1].reads = false;
    let id = w.open(0, ChannelInit::new("x"));
    w.send(0, id, pattern(0, 10_000));
    w.settle(MINUTE);
    let theirs = w.ends[1].peer_channel("x").unwrap();
    for n in 0..100 {
        w.send(0, id, pattern(n, 10_000));
    }
    let now = w.now;
    w.ends[1].sctp.close(now, theirs);
    w.settle(MINUTE);
    assert!(closed(&w.ends[0], id) && closed(&w.ends[1], theirs));
    assert_eq!(w.ends[1].sctp.receiver.held(), 0);
    assert_eq!(w.ends[0].sctp.sender.held(), 0, "what was not begun is dropped, the peer being gone");
}

#[test]
fn closing_before_the_association_is_up_is_a_matter_of_this_end_alone() {
    let mut w = World::new(Link::default(), 10);
    let id = w.open(0, ChannelInit::new("x"));
    w.send(0, id, &b"never"[..]);
    let now = w.now;
    w.ends[0].sctp.close(now, id);
    w.connect();
    w.settle(MINUTE);
    assert!(closed(&w.ends[0], id));
    assert_eq!(w.ends[0].sctp.total_buffered(), 0);
    assert!(w.ends[1].peer_channel("x").is_none());
}

#[test]
fn unordered_messages_overtake_only_once_the_peer_knows_the_channel() {
    let mut w = World::connected(Link::default(), 11);
    let id = w.open(0, ChannelInit { ordered: false, ..ChannelInit::new("x") });
    let flags = |w: &World, from: usize| -> Vec<bool> {
        let packets = w.log[from..].iter().map(|p| crate::packet::Packet::parse(p).unwrap());
        let chunks = packets.flat_map(|p| p.chunks().map(Result::unwrap).collect::<Vec<_>>());
        chunks
            .filter(|c| c.kind == crate::chunk::I_DATA && c.body[12..16] == [0, 0, 0, 53])
            .map(|c| c.flags & 4 != 0)
            .collect()
    };
    w.send(0, id, &b"one"[..]);
    w.flush();
    assert_eq!(flags(&w, 0), [false]);
    w.settle(MINUTE);
    let from = w.log.len();
    w.send(0, id, &b"two"[..]);
    w.settle(MINUTE);
    assert_eq!(flags(&w, from), [true]);
}

#[test]
fn channels_share_by_priority() {
    let mut w = World::connected(Link { delay: Duration::from_millis(50), ..Link::default() }, 12);
    let low = w.open(0, ChannelInit { priority: 128, ..ChannelInit::new("low") });
    let high = w.open(0, ChannelInit { priority: 1024, ..ChannelInit::new("high") });
    for n in 0..400 {
        w.send(0, low, pattern(n, 1000));
        w.send(0, high, pattern(n, 1000));
    }
    w.run_until(MINUTE, |w| w.ends[0].sctp.buffered_amount(high) < 300_000);
    let (low, high) = (400_000 - w.ends[0].sctp.buffered_amount(low), 400_000 - w.ends[0].sctp.buffered_amount(high));
    assert!((6..=10).contains(&(high / low)), "{high} / {low}");
}

#[test]
fn more_channels_than_allowed_are_reset() {
    let mut w =
        World::with(Link::default(), 13, [Config::default(), Config { max_peer_channels: 3, ..Config::default() }]);
    w.connect();
    let ids: Vec<_> = (0..5).map(|n| w.open(0, ChannelInit::new(std::format!("{n}")))).collect();
    w.settle(MINUTE);
    assert!(ids[..3].iter().all(|id| !w.ends[0].has(&Event::Closing(*id))));
    assert!(ids[3..].iter().all(|id| closed(&w.ends[0], *id)));
}

#[test]
fn long_labels_are_reset() {
    let mut w = World::with(Link::default(), 14, [Config::default(), Config { max_label: 10, ..Config::default() }]);
    w.connect();
    let long = w.open(0, ChannelInit::new("eleven char"));
    let short = w.open(0, ChannelInit::new("ten chars."));
    w.settle(MINUTE);
    assert!(closed(&w.ends[0], long));
    assert!(w.ends[1].peer_channel("ten chars.").is_some());
    assert_eq!(w.ends[0].sctp.channel(short).unwrap().state, ChannelState::Open);
}

#[test]
fn no_more_channels_open_than_the_peer_has_streams() {
    let mut w = World::with(Link::default(), 15, [Config::default(), Config { max_streams: 4, ..Config::default() }]);
    let ids: Vec<_> = (0..3).map(|n| w.open(0, ChannelInit::new(std::format!("{n}")))).collect();
    w.connect();
    assert!(closed(&w.ends[0], ids[2]));
    let now = w.now;
    assert_eq!(w.ends[0].sctp.open(now, ChannelInit::new("more")), Err(Misuse::NoStreamLeft));
}

#[test]
fn a_peer_without_stream_reset_gets_no_request_and_its_stream_is_not_used_again() {
    let mut w = World::connected(Link::default(), 16);
    w.ends[0].sctp.peer.extensions.reconfig = false;
    let id = w.open(0, ChannelInit::new("x"));
    w.settle(MINUTE);
    let (now, from) = (w.now, w.log.len());
    w.ends[0].sctp.close(now, id);
    w.settle(MINUTE);
    assert!(closed(&w.ends[0], id));
    assert_eq!(w.log.len(), from);
    let next = w.open(0, ChannelInit::new("y"));
    assert_eq!(w.ends[0].sctp.stream_id(next), Some(2));
}

#[test]
fn a_stream_is_used_again_although_the_answer_to_the_peers_reset_was_lost() {
    let mut w = World::connected(Link::default(), 17);
    let id = w.open(0, ChannelInit::new("old"));
    w.settle(MINUTE);
    w.filter = |_, to, p| {
        let packet = crate::packet::Packet::parse(p).unwrap();
        to == 1 && packet.chunks().any(|c| c.is_ok_and(|c| c.kind == crate::chunk::RE_CONFIG && c.body[1] == 16))
    };
    let now = w.now;
    w.ends[0].sctp.close(now, id);
    w.run_until(MINUTE, |w| closed(&w.ends[0], id));
    let again = w.open(0, ChannelInit::new("new"));
    w.send(0, again, &b"anew"[..]);
    w.run_until(MINUTE, |w| w.ends[1].peer_channel("new").is_some());
    let theirs = w.ends[1].peer_channel("new").unwrap();
    w.filter = |_, _, _| false;
    w.settle(MINUTE);
    assert_eq!(w.ends[1].texts(theirs), ["anew"]);
    assert_eq!(w.ends[1].sctp.channel(theirs).unwrap().state, ChannelState::Open, "the late answer is for the old one");
}
