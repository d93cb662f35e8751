//! What the owner of the path is told and tells: probes, packet sizes, marks, the first timeout.

use super::*;
use crate::association::probe::{Fate, MIN_PROBE, ProbeResult};
use crate::chunk::ecne::Echo;
use crate::packet::Packet;
use std::vec;

impl World {
    /// Sends a probe from end 0; `false` if none was written.
    fn probe(&mut self, len: usize, arrives: bool) -> bool {
        let mut buf = [0; 2000];
        let mut slot = Slot::new(&mut buf, 13, 16, 1900);
        let Some(written) = self.ends[0].sctp.write_probe(self.now, len, &mut slot) else { return false };
        assert_eq!((written, slot.len()), (len & !3, len & !3));
        if arrives {
            let packet = slot.packet().to_vec();
            self.post(1, packet);
        }
        true
    }

    /// The packets that end 0 writes now under `budget`, as lengths of their DATA chunks with headers.
    fn packets(&mut self, budget: &Budget) -> Vec<(usize, Vec<usize>)> {
        let mut out = Vec::new();
        let mut buf = [0; 4000];
        loop {
            let mut slot = Slot::new(&mut buf, 0, 0, 4000);
            let Some(len) = self.ends[0].sctp.poll_transmit(self.now, budget, &mut slot) else { return out };
            let chunks = Packet::parse(slot.packet()).unwrap().chunks().map(Result::unwrap).collect::<Vec<_>>();
            out.push((
                len,
                chunks.iter().filter(|c| c.kind == crate::chunk::I_DATA).map(|c| c.body.len() + 4).collect(),
            ));
        }
    }
}

#[test]
fn a_probe_that_arrives_is_answered_and_told_once() {
    let mut w = World::connected(Link::default(), 21);
    assert!(w.probe(1453, true));
    assert_eq!(w.ends[0].sctp.poll_probe(), None);
    w.settle(MINUTE);
    assert_eq!(w.ends[0].sctp.poll_probe(), Some(ProbeResult { len: 1452, fate: Fate::Delivered }));
    assert_eq!(w.ends[0].sctp.poll_probe(), None);
    assert_eq!(w.ends[0].sctp.poll_timeout(), None);
    assert_eq!(w.ends[1].sctp.stats().drops, Default::default(), "padding is no unknown chunk");
}

#[test]
fn a_lost_probe_is_told_as_lost_only_if_the_peer_was_heard_meanwhile() {
    let mut w = World::connected(Link::default(), 22);
    let id = w.open(0, ChannelInit::new("x"));
    w.settle(MINUTE);
    let left = w.now;
    let window = w.ends[0].sctp.stats().congestion_window;
    assert!(w.probe(1452, false));
    assert_eq!(w.ends[0].sctp.poll_timeout(), Some(left + Duration::from_secs(1)));
    w.settle(MINUTE);
    assert_eq!(w.ends[0].sctp.poll_probe().map(|r| r.fate), Some(Fate::Unknown));
    assert!(w.probe(1452, false));
    w.send(0, id, pattern(0, 1000));
    w.settle(MINUTE);
    assert_eq!(w.ends[0].sctp.poll_probe().map(|r| r.fate), Some(Fate::Lost));
    let stats = w.ends[0].sctp.stats();
    assert_eq!((stats.timeouts, stats.retransmissions), (0, 0));
    assert!(stats.congestion_window >= window, "a probe is no sign of congestion");
}

#[test]
fn an_answer_to_an_older_probe_a_short_one_and_one_too_early_count_for_nothing() {
    let mut w = World::new(Link::default(), 23);
    assert!(!w.probe(1452, true), "nobody is connected");
    w.connect();
    assert!(!w.probe(MIN_PROBE - 1, true) && !w.probe(1904, true));
    assert!(w.probe(1400, true));
    assert!(w.probe(1452, false));
    w.settle(MINUTE);
    assert_eq!(w.ends[0].sctp.poll_probe(), Some(ProbeResult { len: 1452, fate: Fate::Lost }));
    assert!(w.probe(1400, true));
    w.ends[0].sctp.path_changed(w.now);
    w.settle(MINUTE);
    assert_eq!(w.ends[0].sctp.poll_probe(), None, "the answer tells of another path");
}

#[test]
fn packets_beyond_the_safe_size_carry_equal_chunks_of_which_each_fits_a_safe_one() {
    for max_packet in (1180..4000).step_by(52) {
        let mut w = World::connected(Link::default(), 24);
        let id = w.open(0, ChannelInit::new("x"));
        w.settle(MINUTE);
        w.send(0, id, pattern(0, 30_000));
        let packets = w.packets(&Budget { bytes: usize::MAX, max_packet, safe_packet: 1180 });
        assert!(packets.len() >= 2);
        for (len, chunks) in &packets[..packets.len() - 1] {
            assert_eq!(*len, max_packet, "full");
            assert!(chunks.iter().all(|chunk| *chunk <= 1180 - 12));
            assert!(chunks.iter().max().unwrap() - chunks.iter().min().unwrap() < 24, "{chunks:?}");
            assert_eq!(chunks.len(), (max_packet - 12).div_ceil(1180 - 12));
        }
    }
}

#[test]
fn what_left_in_large_packets_goes_again_in_safe_ones() {
    let mut w = World::connected(Link::default(), 25);
    let id = w.open(0, ChannelInit::new("x"));
    w.settle(MINUTE);
    let message = pattern(0, 9000);
    w.send(0, id, message.clone());
    assert!(w.packets(&Budget { bytes: usize::MAX, max_packet: 1452, safe_packet: 1180 }).len() > 2);
    // All of them are lost; from now on the world's budget is that of a smaller path, which it asserts.
    w.settle(MINUTE);
    let to = w.ends[1].peer_channel("x").unwrap();
    assert!(w.ends[1].inbox[&to].iter().any(|m| m.payload == message));
}

#[test]
fn a_chunk_too_large_for_the_path_leaves_alone_and_takes_no_others_beyond_it() {
    let mut w = World::connected(Link::default(), 26);
    let id = w.open(0, ChannelInit::new("x"));
    w.settle(MINUTE);
    (0..4).for_each(|n| w.send(0, id, pattern(n, 1100)));
    assert_eq!(w.packets(&Budget::unlimited(1191)).len(), 4);
    w.now = w.ends[0].sctp.poll_timeout().unwrap();
    w.ends[0].sctp.handle_timeout(w.now);
    let mut again = Vec::new();
    for _ in 0..10 {
        again.extend(w.packets(&Budget::unlimited(1000)));
        w.now = w.ends[0].sctp.poll_timeout().unwrap();
        w.ends[0].sctp.handle_timeout(w.now);
    }
    assert!(!again.is_empty());
    assert!(again.iter().all(|(len, chunks)| chunks.len() == 1 && *len == 12 + chunks[0]), "{again:?}");
}

#[test]
fn a_round_trip_that_ice_measured_sets_the_first_timeout_and_no_later_one() {
    let first = |rtt: Option<u64>| {
        let mut w = World::connected(Link::default(), 27);
        w.ends[0].sctp.path_changed(w.now);
        if let Some(rtt) = rtt {
            w.ends[0].sctp.hint_round_trip(Duration::from_millis(rtt));
        }
        let id = w.open(0, ChannelInit::new("x"));
        w.send(0, id, pattern(0, 10));
        w.packets(&Budget::unlimited(1191));
        w.ends[0].sctp.poll_timeout().unwrap().since(w.now)
    };
    let ms = Duration::from_millis;
    assert_eq!(
        [first(None), first(Some(1)), first(Some(100)), first(Some(600))],
        [ms(500), ms(400), ms(400), ms(1800)]
    );
    let mut w = World::connected(Link::default(), 28);
    let id = w.open(0, ChannelInit::new("x"));
    w.settle(MINUTE);
    w.ends[0].sctp.hint_round_trip(ms(3000));
    w.send(0, id, pattern(0, 10));
    w.packets(&Budget::unlimited(1191));
    assert!(w.ends[0].sctp.poll_timeout().unwrap().since(w.now) < ms(500));
}

/// Sends `count` packets with data from end 0 to end 1, all with `mark`, and lets the answers arrive.
fn marked(w: &mut World, id: ChannelId, count: usize, mark: Ecn) {
    for n in 0..count {
        w.send(0, id, pattern(n, 1000));
        let mut buf = [0; 1500];
        let mut slot = Slot::new(&mut buf, 0, 0, 1500);
        assert!(w.ends[0].sctp.poll_transmit(w.now, &Budget::unlimited(1191), &mut slot).is_some());
        w.ends[1].sctp.handle_packet(w.now, mark, slot.packet());
        w.settle(MINUTE);
    }
}

#[test]
fn marks_on_data_are_told_with_the_acknowledgement() {
    let mut w = World::connected(Link::default(), 29);
    let id = w.open(0, ChannelInit::new("x"));
    w.settle(MINUTE);
    assert!(w.ends[0].sctp.peer_tells_marks());
    assert_eq!(w.ends[0].sctp.marks_heard(), None);
    marked(&mut w, id, 3, Ecn::Ect0);
    assert_eq!(w.ends[0].sctp.marks_heard(), Some(Echo { ce: 0, ect: 3 }));
    marked(&mut w, id, 2, Ecn::Ce);
    assert_eq!(w.ends[0].sctp.marks_heard(), Some(Echo { ce: 2, ect: 3 }));
    assert_eq!(w.ends[0].sctp.stats().congestion_marks_told, 2);
    // Later on, marks that mean nothing new are told rarely.
    marked(&mut w, id, 200, Ecn::Ect0);
    let echoes = w.log.iter().filter(|packet| Packet::parse(packet).unwrap().chunks().any(|c| c.unwrap().kind == 12));
    assert!(echoes.count() < 40);
    assert!(w.ends[0].sctp.marks_heard().unwrap().ect > 130);
}

#[test]
fn without_agreement_nobody_tells_of_marks_and_nobody_listens() {
    let configs = [Config::default(), Config { ecn: false, ..Config::default() }];
    let mut w = World::with(Link::default(), 30, configs);
    w.connect();
    let id = w.open(0, ChannelInit::new("x"));
    w.settle(MINUTE);
    marked(&mut w, id, 3, Ecn::Ce);
    assert_eq!((w.ends[0].sctp.peer_tells_marks(), w.ends[0].sctp.marks_heard()), (false, None));
    let tag = w.ends[0].sctp.local_tag;
    let echo = w.ends[1].sctp.lone_packet(tag, 12, 0, &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1]);
    w.ends[0].sctp.handle_packet(w.now, Ecn::NotEct, &echo);
    assert_eq!((w.ends[0].sctp.marks_heard(), w.ends[0].sctp.stats().drops.state), (None, 1));
}

#[test]
fn echoes_that_go_back_or_tell_of_more_than_was_sent_are_not_believed() {
    let mut w = World::connected(Link::default(), 31);
    let id = w.open(0, ChannelInit::new("x"));
    w.settle(MINUTE);
    marked(&mut w, id, 3, Ecn::Ce);
    let before = w.ends[0].sctp.marks_heard();
    let tag = w.ends[0].sctp.local_tag;
    let body = |ce: u32, ect: u32| [[0; 4], ce.to_be_bytes(), ect.to_be_bytes()].concat();
    for lie in [body(2, 0), body(1000, 0), body(3, 1000), body(u32::MAX, u32::MAX), vec![0; 11]] {
        let packet = w.ends[1].sctp.lone_packet(tag, 12, 0, &lie);
        w.ends[0].sctp.handle_packet(w.now, Ecn::NotEct, &packet);
        assert_eq!(w.ends[0].sctp.marks_heard(), before, "{lie:?}");
    }
    assert_eq!(w.ends[0].sctp.stats().congestion_marks_told, 3);
}
