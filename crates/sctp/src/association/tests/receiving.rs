//! The receive window: what one channel may take of it, how it grows, and how it is told.

use super::*;
use crate::chunk;
use crate::chunk::data::DataHeader;
use crate::chunk::sack::Sack;
use crate::config::OnShareExceeded;
use crate::numbers::{Mid, Ppid, StreamId};
use crate::packet::{Packet, PacketWriter};
use peerage_base::serial::Serial;

/// Two ends of which the second reads nothing by itself, with channels of the first.
fn unread<const N: usize>(config: Config, seed: u64) -> (World, [ChannelId; N]) {
    let mut w = World::with(Link::default(), seed, [Config::default(), config]);
    w.connect();
    w.ends[1].reads = false;
    let ids = core::array::from_fn(|n| w.open(0, ChannelInit::new(std::format!("c{n}"))));
    w.settle(MINUTE);
    (w, ids)
}

fn theirs(w: &World, n: usize) -> ChannelId {
    w.ends[1].peer_channel(&std::format!("c{n}")).unwrap()
}

fn small(on_share_exceeded: OnShareExceeded) -> Config {
    let (receive_window, max_message_size) = (200_000, 20_000);
    Config { receive_window, max_message_size, channel_share: 25, on_share_exceeded, ..Config::default() }
}

#[test]
fn a_channel_that_is_not_read_stalls_all_when_its_share_is_used_up_and_no_sooner() {
    let (mut w, [a, b]) = unread(small(OnShareExceeded::Stall), 1);
    (0..4).for_each(|n| w.send(0, a, pattern(n, 10_000)));
    w.settle(MINUTE);
    w.send(0, b, pattern(0, 10_000));
    w.settle(MINUTE);
    let (theirs_a, theirs_b) = (theirs(&w, 0), theirs(&w, 1));
    let now = w.now;
    w.ends[1].read(now, theirs_b);
    assert_eq!(w.ends[1].inbox[&theirs_b].len(), 1, "the other one goes on below the share");
    (0..30).for_each(|n| w.send(0, a, pattern(n, 10_000)));
    w.run_until(Duration::from_secs(5), |_| false);
    w.send(0, b, pattern(1, 10_000));
    w.run_until(Duration::from_secs(2), |_| false);
    let held = w.ends[1].sctp.receiver.held();
    assert!((50_000..200_000).contains(&held), "{held}: the share, what was under way, and probes");
    assert_eq!(w.ends[0].sctp.stats().peer_window, 0, "closed for all");
    assert!(w.ends[0].sctp.total_buffered() > 100_000);
    let now = w.now;
    w.ends[1].read(now, theirs_b);
    w.ends[1].reads = true;
    w.ends[1].read(now, theirs_a);
    w.settle(MINUTE);
    assert_eq!((w.ends[1].inbox[&theirs_a].len(), w.ends[1].inbox[&theirs_b].len()), (34, 2), "nothing is lost");
    assert_eq!(w.ends[1].sctp.receiver.held(), 0);
}

#[test]
fn an_offender_is_closed_for_that_reason_and_the_others_go_on() {
    let (mut w, [a, b]) = unread(small(OnShareExceeded::CloseChannel), 2);
    let (theirs_a, theirs_b) = (theirs(&w, 0), theirs(&w, 1));
    (0..30).for_each(|n| w.send(0, a, pattern(n, 10_000)));
    (0..3).for_each(|n| w.send(0, b, pattern(n, 10_000)));
    w.settle(MINUTE);
    let told: Vec<_> = w.ends[1].events.iter().filter(|e| matches!(e, Event::ShareExceeded(_))).collect();
    assert_eq!(told, [&Event::ShareExceeded(theirs_a)]);
    let position = |wanted: &Event| w.ends[1].events.iter().position(|e| e == wanted).unwrap();
    assert!(position(&Event::ShareExceeded(theirs_a)) < position(&Event::Closed(theirs_a)), "the reason comes first");
    assert!(w.ends[0].has(&Event::Closed(a)), "the peer sees it close");
    assert_eq!(w.ends[1].sctp.recv(w.now, theirs_a), None, "what it held is gone");
    let now = w.now;
    w.ends[1].read(now, theirs_b);
    assert_eq!(w.ends[1].inbox[&theirs_b].len(), 3);
    assert_eq!(w.ends[1].sctp.receiver.held(), 0);
}

#[test]
fn one_message_larger_than_the_share_closes_nothing() {
    let config = Config { channel_share: 1, ..small(OnShareExceeded::CloseChannel) };
    let (mut w, [a]) = unread(config, 3);
    w.send(0, a, pattern(0, 20_000));
    w.settle(MINUTE);
    let (now, theirs) = (w.now, theirs(&w, 0));
    w.ends[1].read(now, theirs);
    assert_eq!(w.ends[1].inbox[&theirs].len(), 1);
}

#[test]
fn what_an_owner_who_never_reads_holds_is_a_fraction_of_the_window() {
    let (mut w, [a]) = unread(Config::default(), 4);
    (0..800).for_each(|n| w.send(0, a, pattern(n, 10_000)));
    w.run_until(Duration::from_secs(5), |_| false);
    let held = w.ends[1].sctp.receiver.held();
    assert!((400_000..=590_000).contains(&held), "{held}");
}

#[test]
fn the_window_of_an_owner_who_reads_grows_to_what_the_settings_allow() {
    let mut w = World::connected(Link { delay: Duration::from_millis(50), ..Link::default() }, 5);
    let a = w.open(0, ChannelInit::new("x"));
    (0..900).for_each(|n| w.send(0, a, pattern(n, 16_000)));
    w.settle(MINUTE);
    assert_eq!(w.ends[1].sctp.receiver.window.size(), Config::default().receive_window);
}

#[test]
fn small_messages_that_stay_unread_do_not_keep_the_blocks_of_those_that_are_read() {
    let config = Config { max_message_size: 20_000, ..Config::default() };
    let (mut w, [a, b]) = unread(config, 6);
    let (theirs_a, theirs_b) = (theirs(&w, 0), theirs(&w, 1));
    for n in 0..400 {
        w.send(0, a, pattern(n, 8));
        (0..20).for_each(|m| w.send(0, b, pattern(m, 1000)));
        if n % 10 == 9 {
            w.run_until(Duration::from_millis(200), |w| w.ends[0].sctp.total_buffered() == 0);
            let now = w.now;
            w.ends[1].read(now, theirs_b);
            let held = w.ends[1].sctp.receiver.held();
            assert!(held < 200_000, "{held} for {n} unread messages of 8 bytes");
        }
    }
    w.settle(MINUTE);
    let now = w.now;
    [theirs_a, theirs_b].iter().for_each(|id| w.ends[1].read(now, *id));
    let unread = &w.ends[1].inbox[&theirs_a];
    assert!(unread.len() == 400 && unread.iter().enumerate().all(|(n, m)| m.payload == pattern(n, 8)));
    assert_eq!(w.ends[1].sctp.receiver.held(), 0);
}

/// What end 1 answers to a batch of packets.
fn answers(w: &mut World, batch: &[Vec<u8>]) -> Vec<(Tsn, Vec<(Tsn, Tsn)>)> {
    for packet in batch {
        w.ends[1].sctp.handle_packet(w.now, Ecn::NotEct, packet);
    }
    let now = w.now;
    w.ends[1].collect(now);
    let mut out = Vec::new();
    let mut buf = [0; 1500];
    while let Some(len) =
        w.ends[1].sctp.poll_transmit(w.now, &Budget::unlimited(1191), &mut Slot::new(&mut buf, 0, 0, 1500))
    {
        for raw in Packet::parse(&buf[..len]).unwrap().chunks().flatten().filter(|raw| raw.kind == chunk::SACK) {
            let sack = Sack::parse(raw.body).unwrap();
            out.push((sack.cumulative, sack.blocks().collect()));
        }
    }
    out
}

/// Packets with data, one chunk each, and the TSN before the first.
fn packets(w: &mut World, count: usize) -> (Tsn, Vec<Vec<u8>>) {
    let id = w.open(0, ChannelInit::new("x"));
    w.settle(MINUTE);
    let before = w.ends[1].sctp.receiver.tracker.cumulative();
    let mut out = Vec::new();
    let mut buf = [0; 1500];
    for n in 0..count {
        let stream = StreamId(w.ends[0].sctp.stream_id(id).unwrap());
        let tag = w.ends[0].sctp.peer.tag;
        let mut packet = PacketWriter::new(&mut buf, 1191, 5000, 5000, tag).unwrap();
        let tsn = before.plus(n as u32 + 1);
        let (mid, ppid, interleaved) = (Mid(n as u32 + 1), Ppid::BINARY, true);
        let data = DataHeader {
            tsn,
            stream,
            mid,
            ppid,
            begin: true,
            end: true,
            unordered: true,
            interleaved,
            ..DataHeader::default()
        };
        assert!(data.write(&[7; 100], &mut packet));
        let len = packet.finish(true);
        out.push(buf[..len].to_vec());
    }
    (before, out)
}

#[test]
fn a_batch_is_answered_as_if_its_packets_had_come_one_by_one() {
    let mut w = World::connected(Link::default(), 7);
    let (before, all) = packets(&mut w, 10);
    let told: Vec<u32> = answers(&mut w, &all).iter().map(|(cumulative, _)| cumulative.steps_from(before)).collect();
    assert_eq!(told, [2, 4, 6, 8, 10]);
}

#[test]
fn a_large_batch_takes_sixty_four_sacks_at_most() {
    for count in [20, 64, 200, 1000] {
        let mut w = World::connected(Link::default(), 8);
        let (before, all) = packets(&mut w, count);
        let told: Vec<u32> =
            answers(&mut w, &all).iter().map(|(cumulative, _)| cumulative.steps_from(before)).collect();
        assert_eq!((told.len(), told.last()), ((count / 2).min(64), Some(&(count as u32))), "{told:?}");
        let widest = told.windows(2).map(|t| t[1] - t[0]).max().unwrap_or(0);
        assert!(told.is_sorted() && widest <= (count as u32).div_ceil(64).max(2), "{told:?}");
    }
}

#[test]
fn a_gap_within_a_batch_is_told_often_enough_for_those_who_count() {
    let mut w = World::connected(Link::default(), 9);
    let (before, mut all) = packets(&mut w, 7);
    all.remove(2);
    let told = answers(&mut w, &all);
    let gaps: Vec<u32> = told.iter().filter_map(|(_, blocks)| blocks.first().map(|b| b.1.steps_from(before))).collect();
    assert!(gaps.len() >= 3 && gaps.windows(2).all(|g| g[0] < g[1]), "each tells of more beyond the gap: {gaps:?}");
    assert_eq!(gaps.last(), Some(&7));
    assert!(told.iter().all(|(cumulative, _)| cumulative.steps_from(before) <= 2));
}

#[test]
fn a_peer_that_sends_in_great_bursts_gets_one_sack_for_each() {
    let mut w = World::connected(Link::default(), 10);
    let (_, all) = packets(&mut w, 64 * 100 + 200);
    let (large, small) = all.split_at(64 * 100);
    let mut count = |batch: &[Vec<u8>]| answers(&mut w, batch).len();
    let counts: Vec<usize> = large.chunks(64).map(&mut count).collect();
    assert!(counts[..64].iter().all(|n| *n == 32), "{counts:?}");
    assert!(counts[66..].iter().all(|n| *n == 1), "{counts:?}");
    // Small batches show nothing, or the contrary.
    let counts: Vec<usize> = small.chunks_exact(6).map(&mut count).collect();
    assert!(counts[..4].iter().all(|n| *n == 1) && counts[4..].iter().all(|n| *n == 3), "{counts:?}");
}
