use super::*;

fn transfer(link: Link, seed: u64, messages: usize, len: usize, limit: Duration) -> World {
    let mut w = World::connected(link, seed);
    let id = w.open(0, ChannelInit::new("bulk"));
    for n in 0..messages {
        w.send(0, id, pattern(n, len));
    }
    w.run_until(limit, |w| {
        let theirs = w.ends[1].peer_channel("bulk");
        theirs.and_then(|id| w.ends[1].inbox.get(&id)).is_some_and(|m| m.len() == messages)
    });
    let theirs = w.ends[1].peer_channel("bulk").expect("the channel");
    let got = &w.ends[1].inbox[&theirs];
    assert_eq!(got.len(), messages);
    for (n, message) in got.iter().enumerate() {
        assert_eq!(message.payload, pattern(n, len), "message {n}");
    }
    w
}

#[test]
fn a_message_arrives_with_its_kind_and_bytes() {
    let mut w = World::connected(Link::default(), 1);
    let id = w.open(0, ChannelInit { protocol: "p".into(), ..ChannelInit::new("chat") });
    let now = w.now;
    let sctp = &mut w.ends[0].sctp;
    for (kind, bytes) in [(Kind::Text, &b"hi"[..]), (Kind::Text, b""), (Kind::Binary, b""), (Kind::Binary, b"\0")] {
        sctp.send(now, id, kind, Bytes::from_static(bytes)).unwrap();
    }
    w.settle(MINUTE);
    let theirs = w.ends[1].peer_channel("chat").unwrap();
    let got: Vec<_> = w.ends[1].inbox[&theirs].iter().map(|m| (m.kind, &m.payload[..])).collect();
    assert_eq!(got, [(Kind::Text, &b"hi"[..]), (Kind::Text, b""), (Kind::Binary, b""), (Kind::Binary, b"\0")]);
    let info = w.ends[1].sctp.channel(theirs).unwrap();
    assert_eq!((info.init.protocol.as_str(), info.stream_id, info.state), ("p", Some(0), ChannelState::Open));
    assert!(w.ends[1].events.windows(2).any(|e| e == [Event::Channel(theirs), Event::Open(theirs)]));
    assert!(w.ends[0].has(&Event::Open(id)));
}

#[test]
fn large_messages_cross_a_clean_link_in_equal_packets() {
    let w = transfer(Link::default(), 2, 8, 262_144, MINUTE);
    let full = w.log.iter().filter(|p| p.len() == 1188).count();
    assert!(full * 100 >= w.log.iter().filter(|p| p.len() > 600).count() * 99);
    assert_eq!(w.ends[0].sctp.stats().retransmissions, 0);
}

#[test]
fn large_messages_cross_a_lossy_reordering_link_whole_and_in_order() {
    for seed in 0..5 {
        let w = transfer(LOSSY(), seed, 10, 100_000, MINUTE * 20);
        assert!(w.ends[0].sctp.stats().retransmissions > 0);
        assert!(w.ends[1].sctp.stats().duplicates_received > 0);
    }
}

#[test]
fn many_small_messages_share_packets() {
    let w = transfer(Link::default(), 3, 3000, 20, MINUTE);
    let stats = w.ends[0].sctp.stats();
    assert!(stats.packets_sent < 3000 / 20, "{}", stats.packets_sent);
}

#[test]
fn a_lone_loss_is_repaired_without_a_timeout() {
    let mut w = World::connected(Link::default(), 4);
    let id = w.open(0, ChannelInit::new("x"));
    w.settle(MINUTE);
    w.filter = |n, to, packet| to == 1 && packet.len() > 1000 && n % 40 == 0;
    for n in 0..20 {
        w.send(0, id, pattern(n, 50_000));
    }
    w.settle(MINUTE);
    let stats = w.ends[0].sctp.stats();
    assert!(stats.retransmissions > 5, "{stats:?}");
    assert_eq!(stats.timeouts, 0, "{stats:?}");
    let theirs = w.ends[1].peer_channel("x").unwrap();
    assert_eq!(w.ends[1].inbox[&theirs].len(), 20);
}

#[test]
fn mere_reordering_within_two_packets_causes_no_retransmission() {
    let link = Link { jitter: PER_PACKET * 2, ..Link::default() };
    let w = transfer(link, 5, 20, 100_000, MINUTE);
    assert_eq!(w.ends[0].sctp.stats().retransmissions, 0);
    let w = transfer(Link { jitter: PER_PACKET * 20, ..Link::default() }, 5, 20, 100_000, MINUTE);
    assert!(w.ends[0].sctp.stats().retransmissions > 0, "reordering as such is seen");
}

#[test]
fn a_full_window_stops_the_sender_and_reading_starts_it_again() {
    let small = Config { receive_window: 100_000, max_message_size: 20_000, ..Config::default() };
    let mut w = World::with(Link::default(), 6, [Config::default(), small]);
    w.connect();
    w.ends[1].reads = false;
    let id = w.open(0, ChannelInit::new("x"));
    for n in 0..40 {
        w.send(0, id, pattern(n, 10_000));
    }
    w.run_until(Duration::from_secs(20), |_| false);
    let held = w.ends[1].sctp.receiver.held();
    assert!((90_000..=115_000).contains(&held), "{held}");
    assert!(w.ends[0].sctp.total_buffered() > 250_000);
    assert!(w.ends[0].sctp.stats().packets_sent < 200, "a closed window is probed, not flooded");
    w.ends[1].reads = true;
    let theirs = w.ends[1].peer_channel("x").unwrap();
    let now = w.now;
    w.ends[1].read(now, theirs);
    w.run_until(Duration::from_secs(5), |w| w.ends[1].inbox[&theirs].len() == 40);
    assert_eq!(w.ends[1].inbox[&theirs].len(), 40, "reopened without waiting for a long timeout");
    assert_eq!(w.ends[1].sctp.receiver.held(), 0);
}

#[test]
fn a_flood_of_tiny_messages_nobody_reads_stays_within_the_window() {
    let small = Config { receive_window: 100_000, max_message_size: 20_000, ..Config::default() };
    let mut w = World::with(Link::default(), 7, [Config::default(), small]);
    w.connect();
    w.ends[1].reads = false;
    let id = w.open(0, ChannelInit::new("x"));
    for _ in 0..20_000 {
        w.send(0, id, &b"x"[..]);
    }
    w.run_until(Duration::from_secs(10), |_| false);
    assert!(w.ends[1].sctp.receiver.held() <= 115_000);
    w.ends[1].reads = true;
    let theirs = w.ends[1].peer_channel("x").unwrap();
    let now = w.now;
    w.ends[1].read(now, theirs);
    w.settle(MINUTE * 5);
    assert_eq!(w.ends[1].inbox[&theirs].len(), 20_000);
}

#[test]
fn the_send_buffer_refuses_and_tells_when_it_has_room() {
    let config = Config { send_buffer: 100_000, ..Config::default() };
    let mut w = World::with(Link::default(), 8, [config, Config::default()]);
    w.connect();
    let id = w.open(0, ChannelInit::new("x"));
    for n in 0..10 {
        w.send(0, id, pattern(n, 9_000));
    }
    let now = w.now;
    let refused = w.ends[0].sctp.send(now, id, Kind::Binary, pattern(10, 30_000));
    assert_eq!(refused, Err(crate::error::SendError::BufferFull { held: 90_704, limit: 100_000 }));
    w.run_until(MINUTE, |w| w.ends[0].has(&Event::Writable));
    w.send(0, id, pattern(10, 30_000));
    w.settle(MINUTE);
    assert_eq!(w.ends[0].sctp.sender.held(), 0);
}

#[test]
fn the_buffered_amount_falls_as_bytes_leave_and_the_threshold_is_told_once() {
    let mut w = World::connected(Link { delay: Duration::from_millis(50), ..Link::default() }, 9);
    let id = w.open(0, ChannelInit::new("x"));
    w.settle(MINUTE);
    w.ends[0].sctp.set_buffered_amount_low_threshold(id, 30_000);
    w.send(0, id, pattern(0, 100_000));
    assert_eq!(w.ends[0].sctp.buffered_amount(id), 100_000);
    w.flush();
    let left = w.ends[0].sctp.buffered_amount(id);
    assert!((80_000..100_000).contains(&left), "a window's worth has left: {left}");
    w.settle(MINUTE);
    assert_eq!(w.ends[0].sctp.buffered_amount(id), 0);
    assert_eq!(w.ends[0].events.iter().filter(|e| **e == Event::BufferedAmountLow(id)).count(), 1);
}

#[test]
fn a_message_beyond_what_the_peer_takes_is_refused() {
    let mut w = World::connected(Link::default(), 10);
    w.ends[0].sctp.set_remote(5000, None);
    let id = w.open(0, ChannelInit::new("x"));
    let now = w.now;
    let sctp = &mut w.ends[0].sctp;
    assert_eq!(
        sctp.send(now, id, Kind::Text, pattern(0, 65_537)),
        Err(crate::error::SendError::TooLarge { max: 65_536 })
    );
    assert!(sctp.send(now, id, Kind::Text, pattern(0, 65_536)).is_ok());
}

#[test]
fn a_budget_of_the_path_holds_data_back_but_not_acknowledgements() {
    let mut w = World::connected(Link::default(), 11);
    let id = w.open(0, ChannelInit::new("x"));
    w.settle(MINUTE);
    w.send(0, id, pattern(0, 10_000));
    let mut buf = [0; 1500];
    let tight = Budget { bytes: 1000, max_packet: 1191, safe_packet: 1191 };
    let now = w.now;
    assert_eq!(w.ends[0].sctp.poll_transmit(now, &tight, &mut Slot::new(&mut buf, 0, 0, 1500)), None);
    assert!(w.ends[0].sctp.wants_budget());
    let granted = Budget { bytes: 1191, max_packet: 1000, safe_packet: 1000 };
    let len = w.ends[0].sctp.poll_transmit(now, &granted, &mut Slot::new(&mut buf, 0, 0, 1500));
    assert_eq!(len, Some(1000));
    w.settle(MINUTE);
    assert!(!w.ends[0].sctp.wants_budget());
}

#[test]
fn an_idle_association_has_no_deadline() {
    let mut w = transfer(Link::default(), 12, 3, 1000, MINUTE);
    w.settle(MINUTE);
    assert_eq!(w.ends[0].sctp.poll_timeout(), None);
    assert_eq!(w.ends[1].sctp.poll_timeout(), None);
}

#[test]
fn throughput_over_a_lossless_link_reaches_many_windows_per_second() {
    let link = Link { delay: Duration::from_millis(25), ..Link::default() };
    let w = transfer(link, 13, 100, 100_000, MINUTE);
    let seconds = w.now.since(Instant::ORIGIN).as_secs_f64();
    assert!(seconds < 1.2, "{seconds}");
}

#[test]
fn a_changed_path_starts_with_the_initial_window() {
    let mut w = transfer(Link::default(), 14, 20, 100_000, MINUTE);
    assert!(w.ends[0].sctp.stats().congestion_window > 12_000);
    let now = w.now;
    w.ends[0].sctp.path_changed(now);
    let stats = w.ends[0].sctp.stats();
    assert_eq!((stats.congestion_window, stats.round_trip), (11_910, None));
}
