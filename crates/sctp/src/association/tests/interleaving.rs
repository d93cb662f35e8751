//! Messages of several channels, a fragment at a time (RFC 8260).

use super::*;
use crate::chunk;
use crate::chunk::data::DataHeader;
use crate::chunk::forward_tsn::{PLAIN, Skipped};
use crate::chunk::i_forward_tsn::INTERLEAVED;
use crate::chunk::init::{Extensions, Init};
use crate::chunk::user_data;
use crate::error::CloseReason;
use crate::numbers::{Fsn, Mid, Ppid, StreamId, Tag, Tsn};
use crate::packet::{Packet, PacketWriter};
use peerage_base::serial::Serial;

const OFF: fn() -> Config = || Config { interleaving: false, ..Config::default() };
/// Two channels with messages of this size fill the window for long.
const LARGE: usize = 200_000;

fn kinds(w: &World) -> Vec<u8> {
    w.log.iter().flat_map(|packet| Packet::parse(packet).unwrap().chunks().flatten().map(|c| c.kind)).collect()
}

/// Headers of the user data that end 0 sent since `from`.
fn headers(w: &World, from: usize) -> Vec<DataHeader> {
    let of_end = w.log[from..].iter().map(|p| Packet::parse(p).unwrap());
    let of_end = of_end.filter(|p| p.header.tag == w.ends[1].sctp.local_tag);
    let chunks = of_end.flat_map(|p| p.chunks().flatten().collect::<Vec<_>>());
    chunks
        .filter(|c| matches!(c.kind, chunk::DATA | chunk::I_DATA))
        .map(|c| user_data::parse(c.kind == chunk::I_DATA, c.flags, c.body).unwrap().header)
        .collect()
}

fn payloads(w: &World, label: &str) -> Vec<Bytes> {
    let id = w.ends[1].peer_channel(label).unwrap();
    w.ends[1].inbox.get(&id).into_iter().flatten().map(|m| m.payload.clone()).collect()
}

/// Lets end 1 take chunks in the name of end 0.
fn forge(w: &mut World, write: impl FnOnce(&mut PacketWriter<'_>)) {
    let mut buf = [0; 1400];
    let mut packet = PacketWriter::new(&mut buf, 1400, 5000, 5000, w.ends[1].sctp.local_tag).unwrap();
    write(&mut packet);
    let len = packet.finish(true);
    let now = w.now;
    w.ends[1].sctp.handle_packet(now, Ecn::NotEct, &buf[..len]);
    w.ends[1].collect(now);
}

fn next(w: &World, ahead: u32) -> DataHeader {
    let tsn = w.ends[1].sctp.receiver.tracker.cumulative().plus(1 + ahead);
    DataHeader { tsn, ppid: Ppid::BINARY, interleaved: true, ..DataHeader::default() }
}

fn violation(w: &World) -> Option<&'static str> {
    w.ends[1].events.iter().find_map(|event| match event {
        Event::Down(CloseReason::ProtocolViolation(what)) => Some(*what),
        _ => None,
    })
}

#[test]
fn messages_are_interleaved_if_both_ends_do_so_with_a_handshake_and_without() {
    for (a, b) in [(true, true), (true, false), (false, true), (false, false)] {
        for signalled in [true, false] {
            let configs = [a, b].map(|interleaving| Config { interleaving, ..Config::default() });
            let mut w = World::with(Link::default(), 1, configs);
            if signalled {
                let inits = [0, 1].map(|n| w.ends[n].sctp.local_init());
                (0..2).for_each(|n| w.ends[n].sctp.start_with(w.now, &inits[1 - n]).unwrap());
            } else {
                w.connect();
            }
            let id = w.open(0, ChannelInit::new("x"));
            w.send(0, id, pattern(0, 5000));
            w.settle(MINUTE);
            assert_eq!(payloads(&w, "x"), [pattern(0, 5000)]);
            assert!(w.ends.iter().all(|end| end.sctp.stats().interleaving == (a && b)));
            assert_eq!(kinds(&w).contains(&chunk::I_DATA), a && b);
            assert_eq!(kinds(&w).contains(&chunk::DATA), !(a && b));
        }
    }
}

#[test]
fn the_kind_of_chunk_that_was_not_agreed_on_ends_the_association() {
    for (config, agreed) in [(Config::default(), true), (OFF(), false)] {
        let wrong = [
            |w: &mut World, agreed: bool| {
                let header = DataHeader { begin: true, end: true, interleaved: !agreed, ..next(w, 0) };
                forge(w, |p| assert!(header.write(b"x", p)));
            },
            |w: &mut World, agreed: bool| {
                let (form, tsn) = (if agreed { PLAIN } else { INTERLEAVED }, next(w, 0).tsn);
                forge(w, |p| assert!(form.write(tsn, &[], p)));
            },
        ];
        for forged in wrong {
            let mut w = World::with(Link::default(), 2, [config.clone(), Config::default()]);
            w.connect();
            w.settle(MINUTE);
            forged(&mut w, agreed);
            assert!(violation(&w).is_some());
            w.settle(MINUTE);
            let aborted = |e: &Event| matches!(e, Event::Down(CloseReason::AbortedByPeer { cause: 13, .. }));
            assert!(w.ends[0].events.iter().any(aborted));
        }
    }
}

/// How long a small message takes beside a large one on another channel, on a line of 10 Mbit/s.
fn delay_beside_bulk(interleaving: bool) -> Duration {
    let link = Link { delay: Duration::from_millis(20), ..Link::default() };
    let config = Config { interleaving, max_message_size: 4 << 20, ..Config::default() };
    let mut w = World::with(link, 3, [config.clone(), config]);
    w.rate = Some(1_250_000);
    w.connect();
    let (bulk, small) = (w.open(0, ChannelInit::new("bulk")), w.open(0, ChannelInit::new("small")));
    // What the line carries is known by then, and no queue is left.
    for n in 0..8 {
        w.send(0, bulk, pattern(n, 250_000));
        w.settle(MINUTE);
    }
    w.send(0, bulk, pattern(9, 2_500_000));
    w.run_until(Duration::from_millis(300), |_| false);
    let sent = w.now;
    w.send(0, small, &b"small"[..]);
    let read = |w: &World| w.ends[1].peer_channel("small").is_some_and(|id| w.ends[1].inbox.contains_key(&id));
    w.run_until(MINUTE, read);
    let took = w.now.since(sent);
    w.settle(MINUTE);
    assert_eq!(payloads(&w, "bulk")[8], pattern(9, 2_500_000));
    took
}

#[test]
fn a_bulk_message_does_not_delay_a_small_one_on_another_channel() {
    let (interleaved, whole) = (delay_beside_bulk(true), delay_beside_bulk(false));
    assert!(interleaved < Duration::from_millis(60), "one way takes 20 ms: {interleaved:?}");
    assert!(whole > Duration::from_millis(1000), "the rest of the bulk takes 1.7 s: {whole:?}");
}

#[test]
fn chunks_share_by_priority_and_each_channel_has_one_message_under_way() {
    let mut w = World::connected(Link::default(), 4);
    let open = |w: &mut World, priority| w.open(0, ChannelInit { priority, ordered: false, ..ChannelInit::new("x") });
    let ids = [128, 256, 1024].map(|priority| open(&mut w, priority));
    w.settle(MINUTE);
    let from = w.log.len();
    for n in 0..10 {
        ids.iter().for_each(|id| w.send(0, *id, pattern(n, 20_000)));
    }
    w.settle(MINUTE);
    let all = headers(&w, from);
    let streams = ids.map(|id| StreamId(w.ends[0].sctp.stream_id(id).unwrap()));
    let of = |n: usize| all.iter().filter(move |h| h.stream == streams[n]);
    // While all three have something to send, which is as long as the one of the greatest share has.
    let end = of(2).map(|h| h.tsn).next_back().unwrap();
    let share = |n| of(n).filter(|h| !end.before(h.tsn)).count() as f64 / of(2).count() as f64;
    assert!((0.10..0.16).contains(&share(0)) && (0.22..0.29).contains(&share(1)), "{} {}", share(0), share(1));
    for n in 0..3 {
        let mut expected = (Mid(0), Fsn(0));
        for header in of(n) {
            assert_eq!((header.mid, header.fsn, header.begin), (expected.0, expected.1, expected.1 == Fsn(0)));
            expected = if header.end { (header.mid.next(), Fsn(0)) } else { (header.mid, Fsn(header.fsn.0 + 1)) };
        }
        assert_eq!(expected, (Mid(10), Fsn(0)));
    }
}

#[test]
fn ordered_and_unordered_messages_are_numbered_by_themselves_and_anew_after_a_reset() {
    let mut w = World::connected(Link::default(), 5);
    for _ in 0..2 {
        let id = w.open(0, ChannelInit { ordered: false, ..ChannelInit::new("x") });
        w.settle(MINUTE);
        let from = w.log.len();
        for n in 0..3 {
            w.send(0, id, pattern(n, 10));
        }
        w.settle(MINUTE);
        let mids: Vec<_> = headers(&w, from).iter().map(|h| (h.unordered, h.mid.0)).collect();
        assert_eq!(mids, [(true, 0), (true, 1), (true, 2)], "OPEN was number 0 of the ordered ones");
        assert_eq!(w.ends[0].sctp.stream_id(id), Some(0));
        w.ends[0].sctp.close(w.now, id);
        w.settle(MINUTE);
    }
}

#[test]
fn everything_arrives_in_order_over_a_bad_line_on_channels_of_every_kind() {
    for seed in 0..6 {
        let mut w = World::connected(LOSSY(), seed);
        let kinds = [
            ChannelInit::new("0"),
            ChannelInit { ordered: false, priority: 1024, ..ChannelInit::new("1") },
            ChannelInit { max_retransmits: Some(1), ..ChannelInit::new("2") },
            ChannelInit { max_packet_life_time: Some(300), ordered: false, ..ChannelInit::new("3") },
        ];
        let ids = kinds.map(|init| w.open(0, init));
        for n in 0..40 {
            for (kind, id) in ids.iter().enumerate() {
                let len = [30_000, 700, 9000, 9000][kind];
                w.send(0, *id, [&[n as u8][..], &pattern(n, len)].concat());
            }
        }
        w.settle(MINUTE * 5);
        for kind in 0..4 {
            let got = payloads(&w, &std::format!("{kind}"));
            let mut numbers: Vec<u8> = got.iter().map(|m| m[0]).collect();
            assert!(got.iter().all(|m| m[1..] == pattern(m[0].into(), m.len() - 1)[..]));
            assert!(kind % 2 == 1 || numbers.is_sorted(), "{numbers:?}");
            numbers.sort_unstable();
            numbers.dedup();
            assert_eq!(numbers.len(), got.len(), "nothing comes twice");
            assert!(kind > 1 || got.len() == 40, "{kind}: {}", got.len());
        }
        assert!(w.ends[0].sctp.sender.is_settled());
        assert_eq!((w.ends[0].sctp.sender.under_way, w.ends[1].sctp.receiver.held()), (0, 0));
    }
}

#[test]
fn what_is_given_up_half_sent_is_skipped_in_both_orders_without_harm_to_the_others() {
    for ordered in [true, false] {
        let mut w = World::connected(Link { delay: Duration::from_millis(50), ..Link::default() }, 6);
        let timed = ChannelInit { max_packet_life_time: Some(100), ordered, ..ChannelInit::new("timed") };
        let (timed, bulk) = (w.open(0, timed), w.open(0, ChannelInit::new("bulk")));
        w.settle(MINUTE);
        w.log.clear();
        w.send(0, bulk, pattern(1, LARGE / 2));
        w.send(0, timed, pattern(2, LARGE / 2));
        w.run_until(Duration::from_millis(300), |_| false);
        w.send(0, timed, pattern(3, 500));
        w.settle(MINUTE);
        assert_eq!(w.ends[0].sctp.stats().messages_abandoned, 1);
        assert_eq!(payloads(&w, "bulk"), [pattern(1, LARGE / 2)]);
        assert_eq!(payloads(&w, "timed"), [pattern(3, 500)]);
        assert_eq!(w.ends[1].sctp.receiver.held(), 0, "what had come of it is dropped");
        let mut all = w.log.iter().flat_map(|p| Packet::parse(p).unwrap().chunks().flatten().collect::<Vec<_>>());
        let told = all.rfind(|c| c.kind == chunk::I_FORWARD_TSN).unwrap();
        let skipped: Vec<_> = INTERLEAVED.parse(told.body).unwrap().skipped().collect();
        let stream = StreamId(w.ends[0].sctp.stream_id(timed).unwrap());
        assert_eq!(skipped, [Skipped { stream, unordered: !ordered, mid: Mid(u32::from(ordered)) }]);
    }
}

#[test]
fn many_large_messages_at_once_never_fill_a_window_that_none_of_them_fits() {
    let config = Config { receive_window: 3 * LARGE, max_message_size: LARGE, ..Config::default() };
    for reads in [true, false] {
        let mut w = World::with(Link::default(), 7, [Config::default(), config.clone()]);
        w.connect();
        let ids: Vec<_> = (0..24).map(|n| w.open(0, ChannelInit::new(std::format!("{n}")))).collect();
        w.settle(MINUTE);
        w.ends[1].reads = reads;
        ids.iter().enumerate().for_each(|(n, id)| w.send(0, *id, pattern(n, LARGE)));
        w.settle(MINUTE);
        if !reads {
            // The first that are whole wait for the application, and the rest for them.
            let held = w.ends[1].sctp.receiver.held();
            assert!(held > LARGE && held < 4 * LARGE, "{held}");
            w.ends[1].reads = true;
            let readable = w.ends[1].sctp.channels.pick(|c| !c.inbox.is_empty());
            assert!(!readable.is_empty());
            let now = w.now;
            readable.into_iter().for_each(|id| w.ends[1].read(now, id));
            w.settle(MINUTE);
        }
        for n in 0..24 {
            assert_eq!(payloads(&w, &std::format!("{n}")), [pattern(n, LARGE)]);
        }
    }
}

#[test]
fn a_peer_that_begins_more_than_it_finishes_is_granted_the_set_window_and_then_refused() {
    let config = Config { receive_window: 1 << 20, ..Config::default() };
    let mut w = World::with(Link::default(), 8, [Config::default(), config]);
    w.connect();
    w.settle(MINUTE);
    let first = next(&w, 0);
    let mut most = 0;
    for n in 0..6000u32 {
        let (stream, fsn) = (StreamId((n % 100) as u16), Fsn(n / 100));
        let header = DataHeader { tsn: first.tsn.plus(n), stream, fsn, begin: fsn == Fsn(0), ..first };
        forge(&mut w, |p| assert!(header.write(&[7; 1200], p)));
        w.flush();
        most = most.max(w.ends[1].sctp.receiver.held());
        if violation(&w).is_some() {
            break;
        }
    }
    assert_eq!(violation(&w), Some("messages begun that there is no room to finish"));
    assert!(most > 1 << 20 && most < (2 << 20) + 32_000, "{most}");
}

#[test]
fn two_fragments_of_one_number_are_refused() {
    for (fsn, begin) in [(Fsn(2), false), (Fsn(3), false), (Fsn(0), true)] {
        let mut w = World::connected(Link::default(), 9);
        let base = next(&w, 0);
        for (n, fsn) in [0u32, 2, 3].into_iter().enumerate() {
            let header = DataHeader { tsn: base.tsn.plus(n as u32), fsn: Fsn(fsn), begin: fsn == 0, ..base };
            forge(&mut w, |p| assert!(header.write(b"abc", p)));
        }
        let other = DataHeader { tsn: base.tsn.plus(3), fsn, begin, unordered: true, ..base };
        forge(&mut w, |p| assert!(other.write(b"abc", p)));
        assert_eq!(violation(&w), None, "an unordered message is another one");
        let again = DataHeader { tsn: base.tsn.plus(4), fsn, begin, ..base };
        forge(&mut w, |p| assert!(again.write(b"abc", p)));
        assert_eq!(violation(&w), Some("two fragments of one number"));
    }
}

#[test]
fn fragments_of_one_byte_and_messages_never_finished_stay_within_bounds() {
    let config = Config { receive_window: 200_000, max_message_size: 50_000, ..Config::default() };
    let mut w = World::with(Link::default(), 10, [Config::default(), config]);
    w.connect();
    w.settle(MINUTE);
    let first = next(&w, 0);
    let info = allocation_counter::measure(|| {
        for n in 0..4000u32 {
            // Ever other messages, and never the beginning.
            let header = DataHeader { tsn: first.tsn.plus(n), mid: Mid(n), fsn: Fsn(u32::MAX - n % 3), ..first };
            forge(&mut w, |p| assert!(header.write(b"x", p)));
        }
    });
    assert!((150_000..460_000).contains(&info.bytes_current), "twice the window: {}", info.bytes_current);
}

#[test]
fn an_open_in_fragments_is_taken_where_streams_without_a_channel_hold_all_they_may() {
    let config = Config { receive_window: 100_000, max_message_size: 50_000, ..Config::default() };
    let mut w = World::with(Link::default(), 11, [Config::default(), config]);
    w.connect();
    w.settle(MINUTE);
    let base = next(&w, 0);
    let stream = StreamId(4);
    // Behind the place of the OPEN, as much as is taken.
    for n in 0..100u32 {
        let header = DataHeader { tsn: base.tsn.plus(3 + n), mid: Mid(n), stream, ..base };
        forge(&mut w, |p| {
            assert!(DataHeader { begin: true, end: true, unordered: true, ..header }.write(&[1; 1000], p));
        });
    }
    assert!(w.ends[1].sctp.receiver.is_full_of_early());
    let label = String::from_utf8(std::vec![b'l'; 2000]).unwrap();
    let open = crate::dcep::Open {
        ordered: true,
        reliability: crate::dcep::Reliability::Reliable,
        priority: 256,
        label: &label,
        protocol: "",
    };
    let bytes = crate::dcep::Dcep::Open(open).to_vec();
    let parts: Vec<&[u8]> = bytes.chunks(1000).collect();
    for (n, part) in parts.iter().enumerate() {
        let (begin, end) = (n == 0, n + 1 == parts.len());
        let (tsn, fsn, ppid) = (base.tsn.plus(n as u32), Fsn(n as u32), if begin { Ppid::DCEP } else { Ppid(0) });
        let header = DataHeader { tsn, stream, fsn, ppid, begin, end, ..base };
        forge(&mut w, |p| assert!(header.write(part, p)));
    }
    assert!(w.ends[1].peer_channel(&label).is_some());
}

#[test]
fn packets_of_a_lone_bulk_message_are_full_and_equal_and_carry_one_chunk_each() {
    let mut w = World::connected(Link::default(), 12);
    let id = w.open(0, ChannelInit::new("x"));
    w.settle(MINUTE);
    let from = w.log.len();
    w.send(0, id, pattern(0, LARGE));
    w.flush();
    let packets: Vec<_> = w.log[from..].iter().filter(|p| p[12] == chunk::I_DATA).collect();
    assert!(packets.len() >= 8);
    for packet in &packets[..packets.len() - 1] {
        assert_eq!(packet.len(), 1191 & !3);
        assert_eq!(Packet::parse(packet).unwrap().chunks().count(), 1);
    }
}

#[test]
fn a_run_of_whole_messages_counts_the_longer_header() {
    for (config, header) in [(Config::default(), 20), (OFF(), 16)] {
        let mut w = World::with(Link::default(), 13, [config, Config::default()]);
        w.connect();
        let id = w.open(0, ChannelInit::new("x"));
        w.settle(MINUTE);
        w.send(0, id, pattern(0, 900));
        let sctp = &mut w.ends[0].sctp;
        assert!(sctp.next_fits(12 + header + 900));
        assert!(!sctp.next_fits(12 + header + 899));
    }
}

#[test]
fn what_left_for_a_peer_presumed_to_interleave_goes_again_as_the_peer_takes_it() {
    for (told, does) in [(true, false), (false, true)] {
        let mut w = World::with(LOSSY(), 14, [Config::default(), Config { interleaving: does, ..Config::default() }]);
        let like = w.ends[1].sctp.own_init(Tag(7), Tsn(9));
        let extensions = Extensions { interleaving: told, i_forward_tsn: told, ..like.extensions };
        w.ends[0].sctp.start_with(w.now, &Init { extensions, ..like }.to_chunk()).unwrap();
        let ids = ["a", "b"].map(|label| w.open(0, ChannelInit::new(label)));
        // Full chunks of DATA would make packets four bytes longer as I-DATA, and leave regardless.
        let len = if told { 50_000 } else { 1000 };
        ids.iter().for_each(|id| w.send(0, *id, pattern(1, len)));
        w.flush();
        assert_eq!(kinds(&w).contains(&chunk::I_DATA), told);
        w.ends[1].sctp.connect(w.now);
        w.settle(MINUTE * 5);
        assert!(["a", "b"].iter().all(|label| payloads(&w, label) == [pattern(1, len)]));
        assert_eq!(w.ends[0].sctp.stats().interleaving, does);
        assert_eq!((w.ends[0].sctp.stats().in_flight, w.ends[0].sctp.sender.under_way), (0, 0));
    }
}

#[test]
fn a_message_of_some_chunks_passes_one_that_takes_all_the_window() {
    let config = Config { receive_window: 1 << 20, max_message_size: 1 << 20, ..Config::default() };
    let link = Link { delay: Duration::from_millis(20), ..Link::default() };
    let mut w = World::with(link, 15, [config.clone(), config]);
    w.rate = Some(1_250_000);
    w.connect();
    let (bulk, other) = (w.open(0, ChannelInit::new("bulk")), w.open(0, ChannelInit::new("other")));
    w.settle(MINUTE);
    w.send(0, bulk, pattern(1, 1_000_000));
    w.run_until(Duration::from_millis(200), |_| false);
    assert!(w.ends[0].sctp.sender.under_way > w.ends[0].sctp.sender.peer_room() / 2);
    for n in 0..4 {
        w.send(0, other, pattern(n, 30_000));
        w.send(0, other, pattern(n, 300_000));
    }
    let read = |w: &World| w.ends[1].peer_channel("other").is_some_and(|id| w.ends[1].inbox.contains_key(&id));
    w.run_until(MINUTE, read);
    assert!(!w.ends[1].inbox.contains_key(&w.ends[1].peer_channel("bulk").unwrap()), "the bulk is under way");
    w.settle(MINUTE);
    assert_eq!(payloads(&w, "bulk"), [pattern(1, 1_000_000)]);
    assert_eq!(payloads(&w, "other").len(), 8);
    assert_eq!(w.ends[0].sctp.sender.under_way, 0);
}
