//! Floods by a peer that knows every number: what is held and what is answered stays within a stated bound.

use super::*;
use crate::chunk;
use crate::chunk::data::DataHeader;
use crate::chunk::reconfig;
use crate::numbers::{Mid, Ppid, RequestNumber, StreamId, Tsn};
use crate::packet::PacketWriter;
use allocation_counter::measure;
use peerage_base::serial::Serial;

/// What the window may be overdrawn by: its slack, and one packet.
const SLACK: f64 = 1.15;

struct Victim {
    world: World,
    /// The TSN before the first one of the flood.
    base: Tsn,
}

impl Victim {
    fn new(config: Config) -> Self {
        let mut world = World::with(Link::default(), 1, [Config { interleaving: false, ..Config::default() }, config]);
        world.connect();
        world.settle(MINUTE);
        world.ends[1].reads = false;
        let base = world.ends[1].sctp.receiver.tracker.cumulative();
        Self { world, base }
    }

    fn sctp(&self) -> &Association {
        &self.world.ends[1].sctp
    }

    fn give(&mut self, build: impl FnOnce(&mut PacketWriter<'_>)) {
        let mut buf = [0; 1200];
        let mut packet = PacketWriter::new(&mut buf, 1191, 5000, 5000, self.sctp().local_tag).unwrap();
        build(&mut packet);
        let len = packet.finish(true);
        self.world.now += Duration::from_micros(100);
        let now = self.world.now;
        self.world.ends[1].sctp.handle_packet(now, Ecn::NotEct, &buf[..len]);
    }

    /// Fills packets with one chunk each for every number.
    fn give_data(&mut self, count: u32, data: impl Fn(u32) -> (DataHeader, usize)) {
        let mut n = 0;
        while n < count {
            self.give(|packet| {
                while n < count {
                    let (header, len) = data(n);
                    if !header.write(&[9; 1000][..len], packet) {
                        break;
                    }
                    n += 1;
                }
            });
            self.drain();
        }
    }

    /// Packets and bytes that the victim has to say.
    fn drain(&mut self) -> (usize, usize) {
        let (mut packets, mut bytes) = (0, 0);
        let now = self.world.now;
        let mut buf = [0; 1500];
        while let Some(len) =
            self.world.ends[1].sctp.poll_transmit(now, &Budget::unlimited(1191), &mut Slot::new(&mut buf, 0, 0, 1500))
        {
            packets += 1;
            bytes += len;
        }
        self.world.ends[1].collect(now);
        (packets, bytes)
    }

    fn data(&self, ahead: u32) -> DataHeader {
        DataHeader {
            tsn: self.base.plus(ahead),
            stream: StreamId(0),
            ppid: Ppid::BINARY,
            begin: true,
            end: true,
            interleaved: self.sctp().sender.interleaves,
            ..DataHeader::default()
        }
    }
}

/// A victim with a small window; what the heap holds of the flood.
fn heap_of(flood: impl FnOnce(&mut Victim)) -> (Victim, usize) {
    let config = Config { receive_window: 200_000, max_message_size: 50_000, ..Config::default() };
    let mut victim = Victim::new(config);
    let info = measure(|| flood(&mut victim));
    (victim, usize::try_from(info.bytes_current).unwrap_or(0))
}

fn assert_within(victim: &Victim, heap: usize, more: usize) {
    let held = victim.sctp().receiver.held();
    assert!(held as f64 <= 200_000.0 * SLACK, "{held} counted");
    assert!(heap as f64 <= 200_000.0 * SLACK + more as f64, "{heap} bytes of heap, {held} counted");
    assert!(!victim.world.ends[1].is_down());
}

#[test]
fn fragments_of_one_byte_hold_no_more_than_the_window() {
    let (victim, heap) = heap_of(|v| {
        let base = v.data(1);
        v.give_data(45_000, |n| {
            (DataHeader { tsn: base.tsn.plus(n), begin: n == 0, end: false, unordered: true, ..base }, 1)
        });
    });
    assert_within(&victim, heap, 20_000);
}

#[test]
fn fragments_of_one_byte_in_reverse_hold_no_more_than_the_window() {
    let (victim, heap) = heap_of(|v| {
        let base = v.data(1);
        v.give_data(30_000, |n| {
            (DataHeader { tsn: base.tsn.plus(40_000 - n), begin: false, end: false, unordered: true, ..base }, 1)
        });
    });
    assert_within(&victim, heap, 60_000);
}

#[test]
fn a_long_gap_is_filled_though_what_came_beyond_it_fills_the_window() {
    const GAP: u32 = 20;
    const MESSAGE: u32 = 40;
    let mut victim =
        Victim::new(Config { receive_window: 50_000, max_message_size: MESSAGE as usize * 1000, ..Config::default() });
    let base = victim.data(1);
    let chunk = |n: u32| {
        let (begin, end) = (n.is_multiple_of(MESSAGE), n % MESSAGE == MESSAGE - 1);
        (DataHeader { tsn: base.tsn.plus(n), begin, end, unordered: true, ..base }, 1000)
    };
    victim.give_data(100, |n| chunk(GAP + n));
    let refused = victim.sctp().stats.drops.no_room;
    assert!(refused > 0, "the window is full");
    victim.give_data(GAP, chunk);
    assert_eq!(victim.sctp().stats.drops.no_room, refused);
    assert!(base.tsn.plus(MESSAGE).before(victim.sctp().receiver.tracker.cumulative()));
    assert!(!victim.world.ends[1].is_down());
}

#[test]
fn messages_that_never_end_hold_no_more_than_the_window() {
    let (victim, heap) = heap_of(|v| {
        let base = v.data(2);
        v.give_data(30_000, |n| {
            let stream = StreamId((n % 60_000) as u16);
            (DataHeader { tsn: base.tsn.plus(2 * n), stream, begin: true, end: false, ..base }, 1)
        });
    });
    assert_within(&victim, heap, 60_000);
    assert!(victim.sctp().receiver.tracker.blocks().len() <= 2048);
}

#[test]
fn what_is_expected_of_a_stream_is_set_aside_within_the_window_only() {
    let (victim, heap) = heap_of(|v| {
        let base = v.data(1);
        // A large message makes more such expected, on each of many streams; then none comes.
        v.give_data(40, |n| (DataHeader { tsn: base.tsn.plus(n), begin: n == 0, end: n == 39, ..base }, 1000));
        v.give_data(3000, |n| (DataHeader { tsn: base.tsn.plus(40 + 2 * n), unordered: true, end: false, ..base }, 1));
    });
    assert_within(&victim, heap, 60_000);
}

#[test]
fn a_message_on_every_stream_costs_eight_bytes_for_each_beside_the_window() {
    let (victim, heap) = heap_of(|v| {
        let base = v.data(1);
        v.give_data(65_535, |n| (DataHeader { tsn: base.tsn.plus(n), stream: StreamId(n as u16), ..base }, 1));
    });
    assert_within(&victim, heap, 2 * 8 * 65_536);
    assert!(victim.sctp().receiver.is_full_of_early());
    assert!(victim.sctp().stats().drops.no_room > 10_000, "what no channel takes is left to come again");
}

#[test]
fn streams_without_a_channel_leave_room_for_those_that_have_one() {
    let (mut victim, _) = heap_of(|v| {
        let base = v.data(1);
        v.give_data(2000, |n| {
            (DataHeader { tsn: base.tsn.plus(n), stream: StreamId(9), unordered: true, ..base }, 500)
        });
    });
    let held = victim.sctp().receiver.held();
    assert!(held < 130_000, "{held}");
    // The OPEN that was missing comes at last, and all that waited is there.
    let next = DataHeader { tsn: victim.sctp().receiver.tracker.cumulative().next(), ..victim.data(0) };
    let open = crate::dcep::Dcep::Open(crate::dcep::Open {
        ordered: false,
        reliability: crate::dcep::Reliability::Reliable,
        priority: 256,
        label: "late",
        protocol: "",
    });
    let open = DataHeader { stream: StreamId(9), ppid: Ppid::DCEP, ..next }.write_with(&open.to_vec());
    victim.give(|packet| assert!(packet.raw(&open)));
    victim.drain();
    let id = victim.world.ends[1].peer_channel("late").expect("the channel");
    let now = victim.world.now;
    victim.world.ends[1].read(now, id);
    assert!(victim.world.ends[1].inbox[&id].len() > 100);
    assert_eq!(victim.sctp().receiver.held(), 0);
}

#[test]
fn reordering_beyond_reason_is_left_to_come_again() {
    let (victim, heap) = heap_of(|v| {
        let base = v.data(0);
        for ahead in [70_000u32, 1 << 20, 1 << 30, (1 << 31) - 1000] {
            v.give_data(100, |n| (DataHeader { tsn: base.tsn.plus(ahead + n), ..base }, 100));
        }
    });
    assert_eq!((victim.sctp().receiver.held(), victim.sctp().stats().drops.no_room), (0, 400));
    assert!(heap < 4000, "{heap}");
}

#[test]
fn a_packet_full_of_chunks_is_answered_by_less_than_it_was() {
    type Bomb = (&'static str, u8, &'static [u8]);
    let bombs: [Bomb; 6] = [
        ("unknown, to be reported", 0xFE, &[]),
        ("heartbeats", chunk::HEARTBEAT, &[0, 1, 0, 8, 1, 2, 3, 4]),
        ("errors", chunk::ERROR, &[0, 6, 0, 4]),
        ("empty resets", chunk::RE_CONFIG, &[0, 17, 0, 8, 0, 0, 0, 1]),
        ("shutdown acknowledgements", chunk::SHUTDOWN_ACK, &[]),
        ("what does not parse", chunk::FORWARD_TSN, &[0; 6]),
    ];
    for (name, kind, body) in bombs {
        let mut victim = Victim::new(Config::default());
        for _ in 0..50 {
            victim.give(|packet| {
                while let Some(room) = packet.chunk(kind, 0, body.len()) {
                    room.copy_from_slice(body);
                }
            });
        }
        let (packets, bytes) = victim.drain();
        assert!(packets <= 9 && bytes <= 1191, "{name}: {packets} packets of {bytes} bytes after 50 full ones");
        assert_eq!(victim.drain(), (0, 0), "{name}");
        assert!(!victim.world.ends[1].is_down(), "{name}");
    }
}

#[test]
fn many_tiny_messages_in_a_packet_are_answered_by_one_sack() {
    let mut victim = Victim::new(Config::default());
    let base = victim.data(1);
    victim.give(|packet| {
        for n in 0.. {
            if !(DataHeader { tsn: base.tsn.plus(n), unordered: true, immediate: true, ..base }).write(b"x", packet) {
                break;
            }
        }
    });
    let (packets, bytes) = victim.drain();
    assert!(packets == 1 && bytes <= 64, "{packets} packets, {bytes} bytes");
}

#[test]
fn resets_of_everything_over_and_over_leave_nothing_and_one_answer_each() {
    let (mut victim, heap) = heap_of(|v| {
        let number = v.world.ends[0].sctp.local_tsn.0;
        for n in 0..2000u32 {
            let last = v.base;
            let mut body = Vec::new();
            let streams: Vec<StreamId> = (0..if n % 2 == 0 { 500 } else { 0 }).map(StreamId).collect();
            let request = RequestNumber(number.wrapping_add(n));
            reconfig::write_outgoing_reset(request, RequestNumber(0), last, &streams, &mut body);
            v.give(|p| p.chunk(chunk::RE_CONFIG, 0, body.len()).unwrap().copy_from_slice(&body));
            let (packets, bytes) = v.drain();
            assert!(packets <= 1 && bytes <= 64, "{packets} packets, {bytes} bytes");
        }
    });
    assert!(heap < 4000, "{heap}");
    // One that waits for data that never comes gives way to the next.
    let number = victim.world.ends[0].sctp.local_tsn.0.wrapping_add(2000);
    for n in 0..100 {
        let mut body = Vec::new();
        let (request, last) = (RequestNumber(number.wrapping_add(n)), victim.base.plus(1000));
        reconfig::write_outgoing_reset(request, RequestNumber(0), last, &[StreamId(1)], &mut body);
        victim.give(|p| p.chunk(chunk::RE_CONFIG, 0, body.len()).unwrap().copy_from_slice(&body));
        assert!(victim.drain().0 <= 1);
    }
}

#[test]
fn a_channel_opened_and_reset_over_and_over_is_asked_about_once() {
    let (mut victim, heap) = heap_of(|v| {
        let number = v.world.ends[0].sctp.local_tsn.0;
        let base = v.data(1);
        let open = crate::dcep::Dcep::Open(crate::dcep::Open {
            ordered: true,
            reliability: crate::dcep::Reliability::Reliable,
            priority: 256,
            label: "again",
            protocol: "",
        });
        for n in 0..3000 {
            let header = DataHeader { tsn: base.tsn.plus(n), stream: StreamId(1 + 2 * (n % 2) as u16), ..base };
            let open = DataHeader { ppid: Ppid::DCEP, ..header }.write_with(&open.to_vec());
            let mut body = Vec::new();
            let (request, last) = (RequestNumber(number.wrapping_add(n)), header.tsn);
            reconfig::write_outgoing_reset(request, RequestNumber(0), last, &[header.stream], &mut body);
            v.give(|p| {
                assert!(p.raw(&open));
                p.chunk(chunk::RE_CONFIG, 0, body.len()).unwrap().copy_from_slice(&body);
            });
            v.drain();
            v.world.ends[1].events.clear();
        }
    });
    assert!(victim.sctp().resets.waiting() <= 2, "{}", victim.sctp().resets.waiting());
    assert!(heap < 10_000, "{heap}");
    assert_eq!(victim.sctp().channels.iter().count(), 2);
    victim.sctp().audit();
    victim.drain();
}

#[test]
fn requests_that_do_not_wait_for_their_answers_are_left_to_come_again() {
    let mut victim = Victim::new(Config::default());
    let number = victim.world.ends[0].sctp.local_tsn.0;
    let last = victim.base;
    victim.give(|p| {
        for n in 0..20 {
            let mut body = Vec::new();
            let request = RequestNumber(number.wrapping_add(n));
            reconfig::write_outgoing_reset(request, RequestNumber(0), last, &[StreamId(1)], &mut body);
            p.chunk(chunk::RE_CONFIG, 0, body.len()).unwrap().copy_from_slice(&body);
        }
    });
    // As many as one chunk may hold.
    assert_eq!(victim.sctp().expected_request(), number.wrapping_add(2));
    assert_eq!(victim.drain().0, 1);
    let mut body = Vec::new();
    let request = RequestNumber(number.wrapping_add(2));
    reconfig::write_outgoing_reset(request, RequestNumber(0), last, &[StreamId(1)], &mut body);
    victim.give(|p| p.chunk(chunk::RE_CONFIG, 0, body.len()).unwrap().copy_from_slice(&body));
    assert_eq!(victim.sctp().expected_request(), number.wrapping_add(3));
}

#[test]
fn refused_channels_are_reset_up_to_a_limit() {
    let (victim, heap) = heap_of(|v| {
        let base = v.data(1);
        // Nothing that could be an OPEN, on every stream.
        v.give_data(60_000, |n| {
            (DataHeader { tsn: base.tsn.plus(n), stream: StreamId(n as u16), ppid: Ppid::DCEP, ..base }, 3)
        });
    });
    assert_within(&victim, heap, 2 * 8 * 65_536);
    assert!(victim.sctp().stats().drops.malformed >= 60_000);
}

#[test]
fn going_forward_drops_at_once_what_was_held_and_skips_no_further_than_can_be_sent() {
    let (mut victim, _) = heap_of(|v| {
        let base = v.data(2);
        v.give_data(60, |n| (DataHeader { tsn: base.tsn.plus(2 * n), end: false, unordered: true, ..base }, 1000));
        v.give_data(20, |n| (DataHeader { tsn: base.tsn.plus(200 + 2 * n), mid: Mid(10 + n), ..base }, 1000));
    });
    assert!(victim.sctp().receiver.held() > 60_000);
    let to = victim.base.plus(300);
    let mut body = to.0.to_be_bytes().to_vec();
    // The same stream twice, streams in no order, and one that does not exist.
    for (stream, ssn) in [(7u16, 3u16), (0, 40), (0, 2), (65_535, 9)] {
        body.extend_from_slice(&stream.to_be_bytes());
        body.extend_from_slice(&ssn.to_be_bytes());
    }
    victim.give(|p| p.chunk(chunk::FORWARD_TSN, 0, body.len()).unwrap().copy_from_slice(&body));
    let receiver = &victim.sctp().receiver;
    assert_eq!(receiver.tracker.cumulative(), to);
    let early = 20 * (1000 + crate::incoming::inbox::OVERHEAD);
    assert!(receiver.held() <= early, "messages that were whole are delivered, the others gone: {}", receiver.held());
    let far = to.plus((1 << 20) + 1).0.to_be_bytes();
    victim.give(|p| p.chunk(chunk::FORWARD_TSN, 0, 4).unwrap().copy_from_slice(&far));
    assert!(victim.world.ends[1].is_down(), "no honest peer can have sent so much");
}

impl DataHeader {
    /// The chunk, header included.
    fn write_with(&self, payload: &[u8]) -> Vec<u8> {
        let mut buf = [0; 300];
        let mut packet = PacketWriter::new(&mut buf, 300, 0, 0, Tag(0)).unwrap();
        assert!(self.write(payload, &mut packet));
        let len = packet.finish(false);
        buf[crate::packet::HEADER_LEN..len].to_vec()
    }
}
