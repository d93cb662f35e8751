use super::*;
use crate::chunk::data::DataHeader;
use crate::chunk::i_forward_tsn::INTERLEAVED;
use crate::chunk::reconfig;
use crate::chunk::{self, cause};
use crate::error::CloseReason;
use crate::numbers::{Fsn, Ppid, RequestNumber, StreamId, Tsn};
use crate::packet::{Packet, PacketWriter};

/// Writes a packet in the name of end 0 to end 1.
fn forge(w: &mut World, write: impl FnOnce(&mut PacketWriter<'_>)) {
    let tag = w.ends[1].sctp.local_tag;
    let mut buf = [0; 1400];
    let mut packet = PacketWriter::new(&mut buf, 1400, 5000, 5000, tag).unwrap();
    write(&mut packet);
    let len = packet.finish(true);
    let now = w.now;
    w.ends[1].sctp.handle_packet(now, Ecn::NotEct, &buf[..len]);
    w.ends[1].collect(now);
}

fn next_tsn(w: &World) -> Tsn {
    w.ends[1].sctp.receiver.tracker.cumulative().next()
}

fn header(tsn: Tsn, stream: u16, begin: bool, end: bool) -> DataHeader {
    let (stream, ppid) = (StreamId(stream), Ppid::BINARY);
    DataHeader { tsn, stream, ppid, begin, end, unordered: true, interleaved: true, ..DataHeader::default() }
}

fn chunks_sent(w: &mut World, end: usize) -> Vec<(u8, Vec<u8>)> {
    let from = w.log.len();
    w.link.loss = 1.0;
    w.flush();
    w.link.loss = 0.0;
    let packets = w.log[from..].iter().map(|p| Packet::parse(p).unwrap());
    let of_end = packets.filter(|p| p.header.tag == w.ends[1 - end].sctp.local_tag);
    of_end.flat_map(|p| p.chunks().map(|c| c.map(|c| (c.kind, c.body.to_vec())).unwrap()).collect::<Vec<_>>()).collect()
}

#[test]
fn data_without_bytes_is_a_violation() {
    let mut w = World::connected(Link::default(), 1);
    let tsn = next_tsn(&w);
    forge(&mut w, |p| {
        let body = p.chunk(chunk::I_DATA, 3, 16).unwrap();
        body[..4].copy_from_slice(&tsn.0.to_be_bytes());
    });
    assert!(matches!(w.ends[1].events.last(), Some(Event::Down(CloseReason::ProtocolViolation(_)))));
    w.settle(MINUTE);
    assert!(matches!(w.ends[0].events.last(), Some(Event::Down(CloseReason::AbortedByPeer { cause: 13, .. }))));
}

#[test]
fn a_message_larger_than_announced_ends_the_association_while_it_grows() {
    let config = Config { max_message_size: 3000, ..Config::default() };
    let mut w = World::with(Link::default(), 2, [Config::default(), config]);
    w.connect();
    let first = next_tsn(&w);
    for n in 0..4u32 {
        forge(&mut w, |p| {
            let tsn = Tsn(first.0.wrapping_add(n));
            assert!(DataHeader { fsn: Fsn(n), ..header(tsn, 0, n == 0, false) }.write(&[0; 1000], p));
        });
    }
    assert_eq!(w.ends[1].events.last(), Some(&Event::Down(CloseReason::MessageTooLarge)));
}

#[test]
fn data_on_a_stream_that_does_not_exist_is_acknowledged_and_reported() {
    let config = Config { max_streams: 10, ..Config::default() };
    let mut w = World::with(Link::default(), 3, [Config::default(), config]);
    w.connect();
    w.settle(MINUTE);
    let tsn = next_tsn(&w);
    forge(&mut w, |p| assert!(header(tsn, 10, true, true).write(b"x", p)));
    assert_eq!(w.ends[1].sctp.stats().drops.stream, 1);
    assert_eq!(next_tsn(&w), tsn.next());
    let sent = chunks_sent(&mut w, 1);
    let error = sent.iter().find(|c| c.0 == chunk::ERROR).unwrap();
    assert_eq!(cause::parse(&error.1).next().unwrap().code, cause::INVALID_STREAM);
}

#[test]
fn an_unknown_chunk_is_passed_over_or_not_and_reported_or_not_as_its_type_says() {
    for (kind, skips, reports) in [(0x3F, false, false), (0x7F, false, true), (0xBF, true, false), (0xFE, true, true)] {
        let mut w = World::connected(Link::default(), 4);
        w.settle(MINUTE);
        let tsn = next_tsn(&w);
        forge(&mut w, |p| {
            p.chunk(kind, 0, 5).unwrap().copy_from_slice(b"what?");
            assert!(header(tsn, 0, true, true).write(b"x", p));
        });
        assert_eq!(next_tsn(&w) == tsn.next(), skips, "{kind:x}");
        let sent = chunks_sent(&mut w, 1);
        assert_eq!(sent.iter().any(|c| c.0 == chunk::ERROR), reports, "{kind:x}");
    }
}

#[test]
fn duplicates_and_gaps_are_reported_at_once() {
    let mut w = World::connected(Link::default(), 5);
    w.settle(MINUTE);
    let tsn = next_tsn(&w);
    let beyond = Tsn(tsn.0.wrapping_add(2));
    forge(&mut w, |p| assert!(header(beyond, 0, true, true).write(b"x", p)));
    let sent = chunks_sent(&mut w, 1);
    let body = &sent.iter().find(|c| c.0 == chunk::SACK).expect("a SACK").1;
    assert_eq!(body[8..], [0, 1, 0, 0, 0, 3, 0, 3]);
    forge(&mut w, |p| assert!(header(beyond, 0, true, true).write(b"x", p)));
    let sent = chunks_sent(&mut w, 1);
    let body = &sent.iter().find(|c| c.0 == chunk::SACK).expect("a SACK").1;
    assert_eq!(body[8..12], [0, 1, 0, 1]);
    assert_eq!(body[16..], beyond.0.to_be_bytes());
}

#[test]
fn one_packet_is_acknowledged_late_two_at_once_and_an_impatient_one_at_once() {
    let mut w = World::connected(Link::default(), 6);
    w.settle(MINUTE);
    let mut tsn = next_tsn(&w);
    let mut deliver = |w: &mut World, immediate| {
        forge(w, |p| assert!(DataHeader { immediate, ..header(tsn, 0, true, true) }.write(b"x", p)));
        tsn = tsn.next();
        chunks_sent(w, 1).iter().any(|c| c.0 == chunk::SACK)
    };
    assert!(!deliver(&mut w, false));
    assert!(deliver(&mut w, false));
    assert!(deliver(&mut w, true));
    assert!(!deliver(&mut w, false));
    let deadline = w.ends[1].sctp.poll_timeout().unwrap();
    assert_eq!(deadline.since(w.now), Duration::from_millis(100));
    w.now = deadline;
    w.ends[1].sctp.handle_timeout(deadline);
    assert!(chunks_sent(&mut w, 1).iter().any(|c| c.0 == chunk::SACK));
    assert_eq!(w.ends[1].sctp.poll_timeout(), None);
}

#[test]
fn a_forward_tsn_out_of_reach_is_a_violation_and_an_old_one_is_answered() {
    let mut w = World::connected(Link::default(), 7);
    w.settle(MINUTE);
    let here = w.ends[1].sctp.receiver.tracker.cumulative();
    forge(&mut w, |p| assert!(INTERLEAVED.write(Tsn(here.0.wrapping_sub(3)), &[], p)));
    assert!(chunks_sent(&mut w, 1).iter().any(|c| c.0 == chunk::SACK));
    assert_eq!(w.ends[1].sctp.receiver.tracker.cumulative(), here);
    forge(&mut w, |p| assert!(INTERLEAVED.write(Tsn(here.0.wrapping_add(1 << 30)), &[], p)));
    assert!(w.ends[1].is_down());
}

#[test]
fn reset_requests_are_performed_once_and_answered_as_often_as_asked() {
    let mut w = World::connected(Link::default(), 8);
    let id = w.open(0, ChannelInit::new("x"));
    w.settle(MINUTE);
    let theirs = w.ends[1].peer_channel("x").unwrap();
    let number = w.ends[0].sctp.local_tsn.0;
    let last = w.ends[1].sctp.receiver.tracker.cumulative();
    let ask = |w: &mut World, number: u32| {
        let mut body = Vec::new();
        reconfig::write_outgoing_reset(RequestNumber(number), RequestNumber(0), last, &[StreamId(0)], &mut body);
        forge(w, |p| p.chunk(chunk::RE_CONFIG, 0, body.len()).unwrap().copy_from_slice(&body));
        let sent = chunks_sent(w, 1);
        let bodies = sent.iter().filter(|c| c.0 == chunk::RE_CONFIG && c.1[1] == 16);
        bodies.map(|c| c.1[11]).collect::<Vec<_>>()
    };
    assert_eq!(ask(&mut w, number), [1]);
    assert_eq!(ask(&mut w, number), [1]);
    assert_eq!(ask(&mut w, number.wrapping_add(9)), [5]);
    assert_eq!(w.ends[1].events.iter().filter(|e| **e == Event::Closing(theirs)).count(), 1);
    let _ = id;
}

#[test]
fn a_reset_that_outran_its_data_waits_for_it() {
    let mut w = World::connected(Link::default(), 9);
    w.settle(MINUTE);
    let (tsn, number) = (next_tsn(&w), w.ends[0].sctp.local_tsn.0);
    let mut body = Vec::new();
    reconfig::write_outgoing_reset(RequestNumber(number), RequestNumber(0), tsn, &[StreamId(0)], &mut body);
    forge(&mut w, |p| p.chunk(chunk::RE_CONFIG, 0, body.len()).unwrap().copy_from_slice(&body));
    assert_eq!(chunks_sent(&mut w, 1).iter().find(|c| c.0 == chunk::RE_CONFIG).unwrap().1[11], 6);
    forge(&mut w, |p| assert!(header(tsn, 0, true, true).write(b"x", p)));
    assert_eq!(chunks_sent(&mut w, 1).iter().find(|c| c.0 == chunk::RE_CONFIG).unwrap().1[11], 1);
}

#[test]
fn early_data_is_held_within_the_window_and_let_go_when_its_stream_is_reset() {
    let config = Config { receive_window: 50_000, max_message_size: 10_000, ..Config::default() };
    let mut w = World::with(Link::default(), 10, [Config::default(), config]);
    w.connect();
    w.settle(MINUTE);
    for n in 0..200u16 {
        let tsn = next_tsn(&w);
        forge(&mut w, |p| assert!(header(tsn, n, true, true).write(&[0; 1000], p)));
    }
    let held = w.ends[1].sctp.receiver.held();
    assert!(held <= 50_000 + 50_000 / 8 + 1100, "{held}");
    assert!(w.ends[1].sctp.stats().drops.no_room > 100);
    let (last, number) = (w.ends[1].sctp.receiver.tracker.cumulative(), w.ends[0].sctp.local_tsn.0);
    let mut body = Vec::new();
    reconfig::write_outgoing_reset(RequestNumber(number), RequestNumber(0), last, &[], &mut body);
    forge(&mut w, |p| p.chunk(chunk::RE_CONFIG, 0, body.len()).unwrap().copy_from_slice(&body));
    assert_eq!(w.ends[1].sctp.receiver.held(), 0);
}

#[test]
fn packets_for_others_are_counted_by_what_is_wrong_with_them() {
    let mut w = World::connected(Link::default(), 11);
    w.settle(MINUTE);
    let good = |tag, port| {
        let mut buf = [0; 100];
        let mut p = PacketWriter::new(&mut buf, 100, 5000, port, tag).unwrap();
        p.chunk(chunk::COOKIE_ACK, 0, 0).unwrap();
        let len = p.finish(true);
        buf[..len].to_vec()
    };
    let (tag, now) = (w.ends[1].sctp.local_tag, w.now);
    let sctp = &mut w.ends[1].sctp;
    let mut give = |packet: &[u8]| sctp.handle_packet(now, Ecn::Ce, packet);
    give(&good(tag, 5001));
    give(&good(Tag(tag.0 ^ 1), 5000));
    let mut broken = good(tag, 5000);
    broken[8] ^= 1;
    give(&broken);
    give(&broken[..11]);
    give(&good(tag, 5000));
    let (drops, marks) = (sctp.stats().drops, sctp.stats().congestion_marks);
    assert_eq!((drops.port, drops.tag, drops.checksum, drops.malformed, marks), (1, 1, 1, 1, 1));
}

#[test]
fn an_abort_with_a_wrong_tag_is_not_believed() {
    let mut w = World::connected(Link::default(), 12);
    let now = w.now;
    for (flags, tag) in [(0, w.ends[1].sctp.peer.tag), (1, w.ends[1].sctp.local_tag), (0, Tag(0)), (1, Tag(0))] {
        let mut buf = [0; 100];
        let mut p = PacketWriter::new(&mut buf, 100, 5000, 5000, tag).unwrap();
        p.chunk(chunk::ABORT, flags, 0).unwrap();
        let len = p.finish(true);
        w.ends[1].sctp.handle_packet(now, Ecn::NotEct, &buf[..len]);
    }
    assert!(!w.ends[1].is_down());
    assert_eq!(w.ends[1].sctp.stats().drops.tag, 4);
}

#[test]
fn a_shutdown_complete_that_was_lost_is_given_again() {
    let mut w = World::connected(Link::default(), 13);
    w.filter = |n, _, p| p[12] == chunk::SHUTDOWN_COMPLETE && n < 12;
    w.ends[0].sctp.shutdown(w.now);
    w.settle(MINUTE);
    assert!(w.ends.iter().all(End::is_down));
    assert!(w.log.iter().filter(|p| p[12] == chunk::SHUTDOWN_COMPLETE).count() >= 2);
}
