use super::*;
use crate::chunk;
use crate::event::Event;

fn numbers(w: &World, label: &str) -> Vec<u32> {
    let theirs = w.ends[1].peer_channel(label).unwrap();
    let messages = w.ends[1].inbox.get(&theirs).into_iter().flatten();
    messages.map(|m| u32::from_be_bytes(m.payload[..4].try_into().unwrap())).collect()
}

fn numbered(n: u32, len: usize) -> Vec<u8> {
    let mut out = n.to_be_bytes().to_vec();
    out.extend_from_slice(&pattern(n as usize, len));
    out
}

#[test]
fn without_retransmissions_some_are_lost_and_the_rest_is_whole_and_in_order() {
    for (seed, ordered) in [(1, true), (2, false), (3, true), (4, false)] {
        let mut w = World::connected(LOSSY(), seed);
        let id = w.open(0, ChannelInit { max_retransmits: Some(0), ordered, ..ChannelInit::new("x") });
        w.run_until(MINUTE, |w| w.ends[1].peer_channel("x").is_some());
        w.run_until(Duration::from_secs(3), |_| false);
        for n in 0..300 {
            w.send(0, id, numbered(n, 3000));
            w.run_until(Duration::from_millis(5), |_| false);
        }
        w.settle(MINUTE * 2);
        let got = numbers(&w, "x");
        assert!((100..300).contains(&got.len()), "{}", got.len());
        assert!(!ordered || got.windows(2).all(|w| w[0] < w[1]));
        let theirs = w.ends[1].peer_channel("x").unwrap();
        for message in &w.ends[1].inbox[&theirs] {
            let n = u32::from_be_bytes(message.payload[..4].try_into().unwrap());
            assert_eq!(message.payload, numbered(n, 3000));
        }
        assert!(w.ends[0].sctp.stats().messages_abandoned > 0);
        assert_eq!(w.ends[0].sctp.sender.held(), 0);
        assert_eq!(w.ends[1].sctp.receiver.held(), 0, "no part of a lost message is kept");
    }
}

#[test]
fn messages_past_their_lifetime_are_not_sent() {
    let mut w = World::connected(Link { delay: Duration::from_millis(50), ..Link::default() }, 5);
    let id = w.open(0, ChannelInit { max_packet_life_time: Some(120), ..ChannelInit::new("x") });
    w.settle(MINUTE);
    for n in 0..100 {
        w.send(0, id, numbered(n, 10_000));
    }
    w.settle(MINUTE);
    let got = numbers(&w, "x");
    assert!(got.len() >= 2 && got.len() < 50, "{got:?}");
    assert_eq!(got, (0..got.len() as u32).collect::<Vec<_>>());
    assert_eq!(w.ends[0].sctp.total_buffered(), 0);
    assert!(w.ends[0].has(&Event::BufferedAmountLow(id)));
    w.send(0, id, numbered(999, 10));
    w.settle(MINUTE);
    assert_eq!(numbers(&w, "x").last(), Some(&999));
    assert_eq!(w.ends[1].sctp.receiver.held(), 0);
}

#[test]
fn a_half_sent_message_past_its_lifetime_blocks_nothing_even_if_all_of_it_that_left_arrived() {
    let mut w = World::connected(Link { delay: Duration::from_millis(50), ..Link::default() }, 6);
    let id = w.open(0, ChannelInit { max_packet_life_time: Some(60), ..ChannelInit::new("x") });
    w.settle(MINUTE);
    w.send(0, id, numbered(0, 1_000_000));
    w.settle(MINUTE);
    assert_eq!(numbers(&w, "x"), []);
    assert_eq!(w.ends[1].sctp.receiver.held(), 0);
    w.send(0, id, numbered(1, 10));
    w.settle(MINUTE);
    assert_eq!(numbers(&w, "x"), [1]);
    assert_eq!(w.ends[0].sctp.stats().messages_abandoned, 1);
}

#[test]
fn limits_mean_nothing_to_a_peer_that_cannot_skip() {
    let mut w = World::connected(LOSSY(), 7);
    w.ends[0].sctp.sender.gives_up = false;
    let id = w.open(0, ChannelInit { max_retransmits: Some(0), ..ChannelInit::new("x") });
    for n in 0..50 {
        w.send(0, id, numbered(n, 3000));
    }
    w.settle(MINUTE * 5);
    assert_eq!(numbers(&w, "x").len(), 50);
}

#[test]
fn a_forward_tsn_that_is_lost_is_sent_again() {
    let mut w = World::connected(Link::default(), 8);
    let id = w.open(0, ChannelInit { max_retransmits: Some(0), ..ChannelInit::new("x") });
    w.settle(MINUTE);
    // Every packet with this message is lost, and so are the next to tell of it.
    w.filter = |n, to, p| to == 1 && (p.len() > 500 || n % 2 == 0);
    w.send(0, id, numbered(0, 600));
    w.run_until(Duration::from_secs(10), |_| false);
    w.filter = |_, _, _| false;
    w.send(0, id, numbered(1, 10));
    w.settle(MINUTE);
    assert_eq!(numbers(&w, "x"), [1]);
    assert!(w.ends[0].sctp.sender.is_settled());
}

#[test]
fn a_poll_that_only_gives_messages_up_tells_of_it_at_once() {
    let mut w = World::connected(Link::default(), 11);
    let id = w.open(0, ChannelInit { max_retransmits: Some(0), ..ChannelInit::new("x") });
    w.settle(MINUTE);
    w.filter = |_, to, _| to == 1;
    w.send(0, id, numbered(0, 10));
    w.flush();
    w.now = w.ends[0].sctp.sender.t3.unwrap();
    let sctp = &mut w.ends[0].sctp;
    sctp.handle_timeout(w.now);
    let mut buf = [0; 1500];
    let len = sctp.poll_transmit(w.now, &Budget::unlimited(1191), &mut Slot::new(&mut buf, 0, 0, 1200)).unwrap();
    assert_eq!(sctp.stats().messages_abandoned, 1);
    assert_eq!((len, buf[12]), (12 + 16, chunk::I_FORWARD_TSN), "an I-FORWARD-TSN with one stream, and no data");
}

#[test]
fn a_dead_path_backs_off_and_recovers_when_it_is_back() {
    let mut w = World::connected(Link::default(), 9);
    let id = w.open(0, ChannelInit::new("x"));
    w.settle(MINUTE);
    w.link.loss = 1.0;
    for n in 0..20 {
        w.send(0, id, numbered(n, 50_000));
    }
    let before = w.sent;
    w.run_until(MINUTE, |_| false);
    assert!(w.sent - before < 40, "{}", w.sent - before);
    w.link.loss = 0.0;
    w.run_until(Duration::from_secs(30), |w| w.ends[0].sctp.sender.is_settled());
    assert_eq!(numbers(&w, "x").len(), 20);
}

#[test]
fn a_peer_that_stays_silent_is_given_up_only_if_so_configured() {
    let config = Config { max_retransmissions: Some(4), ..Config::default() };
    let mut w = World::with(Link::default(), 10, [config, Config::default()]);
    w.connect();
    let id = w.open(0, ChannelInit::new("x"));
    w.send(0, id, &b"x"[..]);
    w.link.loss = 1.0;
    w.run_until(MINUTE * 5, |w| w.ends[0].is_down());
    assert!(w.ends[0].has(&Event::Down(crate::error::CloseReason::TooManyRetransmissions)));
    assert!(w.ends[0].has(&Event::Closed(id)));
}

#[test]
fn heartbeats_measure_and_find_out_that_the_peer_is_gone() {
    let beating = || Config {
        heartbeat_interval: Some(Duration::from_secs(5)),
        max_retransmissions: Some(2),
        ..Config::default()
    };
    let mut w = World::with(Link::default(), 11, [beating(), Config::default()]);
    w.connect();
    w.run_until(MINUTE, |_| false);
    let rtt = w.ends[0].sctp.stats().round_trip.unwrap();
    assert_eq!(rtt, Duration::from_millis(20));
    w.link.loss = 1.0;
    w.run_until(MINUTE, |w| w.ends[0].is_down());
    assert!(w.ends[0].is_down());
}
