//! A peer that lies in what it acknowledges and answers: this end pays with bounded memory, and is not fooled for long.

use super::*;
use crate::chunk;
use crate::packet::PacketWriter;

/// Hands end 0 a chunk of its peer's.
fn give(w: &mut World, kind: u8, body: &[u8]) {
    let mut buf = [0; 1200];
    let mut packet = PacketWriter::new(&mut buf, 1191, 5000, 5000, w.ends[0].sctp.local_tag).unwrap();
    packet.chunk(kind, 0, body.len()).unwrap().copy_from_slice(body);
    let len = packet.finish(true);
    let now = w.now;
    w.ends[0].sctp.handle_packet(now, Ecn::NotEct, &buf[..len]);
}

/// A SACK of end 1 in offsets from what is acknowledged.
fn sack(w: &mut World, window: u32, gaps: &[(u16, u16)]) {
    let cumulative = w.ends[0].sctp.sender.flight.cumulative();
    let mut body = [cumulative.0.to_be_bytes(), window.to_be_bytes()].concat();
    body.extend([0, gaps.len() as u8, 0, 0]);
    gaps.iter().for_each(|(a, b)| body.extend([a.to_be_bytes(), b.to_be_bytes()].concat()));
    give(w, chunk::SACK, &body);
}

/// Lets end 0 send what it may, and nothing of it arrive.
fn lose(w: &mut World) -> usize {
    let mut buf = [0; 1500];
    let mut packets = 0;
    while w.ends[0].sctp.poll_transmit(w.now, &Budget::unlimited(1191), &mut Slot::new(&mut buf, 0, 0, 1500)).is_some()
    {
        packets += 1;
    }
    packets
}

fn with(config: Config) -> (World, ChannelId) {
    let mut w = World::with(Link::default(), 1, [config, Config::default()]);
    w.connect();
    let id = w.open(0, ChannelInit::new("x"));
    w.settle(MINUTE);
    (w, id)
}

#[test]
fn a_peer_that_never_takes_what_came_first_makes_us_keep_no_more_than_the_buffer() {
    let (mut w, id) = with(Config { send_buffer: 1 << 20, ..Config::default() });
    let mut refused = false;
    for _ in 0..2000 {
        while let Ok(()) = w.ends[0].sctp.send(w.now, id, Kind::Binary, Bytes::from_static(b"x")) {
            if w.ends[0].sctp.sender.queued.messages >= 500 {
                break;
            }
        }
        refused |= !w.ends[0].sctp.can_take(1);
        lose(&mut w);
        w.now += Duration::from_millis(20);
        let (first, next) = (w.ends[0].sctp.sender.flight.cumulative(), w.ends[0].sctp.sender.flight.next_tsn());
        let last = next.steps_from(first).saturating_sub(1).min(65_535) as u16;
        if last > 1 {
            sack(&mut w, u32::MAX, &[(2, last)]);
        }
        let now = w.now;
        w.ends[0].sctp.handle_timeout(now);
        w.ends[0].collect(now);
    }
    let chunks = w.ends[0].sctp.sender.flight.chunks();
    assert!(refused && chunks <= 12_000, "{chunks} chunks");
    w.ends[0].sctp.audit();
}

#[test]
fn a_heartbeat_is_timed_by_when_it_left_whatever_its_answer_says() {
    let (mut w, _) = with(Config { heartbeat_interval: Some(Duration::from_secs(1)), ..Config::default() });
    let before = w.ends[0].sctp.stats().round_trip.unwrap();
    w.now += Duration::from_secs(2);
    let now = w.now;
    w.ends[0].sctp.handle_timeout(now);
    let mut buf = [0; 1500];
    let len =
        w.ends[0].sctp.poll_transmit(now, &Budget::unlimited(1191), &mut Slot::new(&mut buf, 0, 0, 1500)).unwrap();
    let mut body = crate::packet::Packet::parse(&buf[..len]).unwrap().chunks().next().unwrap().unwrap().body.to_vec();
    assert_eq!(buf[12], chunk::HEARTBEAT);
    // As if it had left when the clock began, ages ago.
    body[12..20].fill(0);
    w.now += Duration::from_millis(30);
    give(&mut w, chunk::HEARTBEAT_ACK, &body);
    let after = w.ends[0].sctp.stats().round_trip.unwrap();
    assert!(after != before && after < Duration::from_millis(40), "{before:?}, {after:?}");
}

#[test]
fn windows_that_jump_let_go_no_more_than_they_say_and_one_chunk_where_nothing_is_under_way() {
    let (mut w, id) = with(Config::default());
    w.send(0, id, pattern(1, 60_000));
    for window in [0, 1, 1500, 0, u32::MAX, 3000, 0, 20_000, 1] {
        let before = w.ends[0].sctp.sender.flight.awaited_payload();
        sack(&mut w, window, &[]);
        let packets = lose(&mut w);
        let after = w.ends[0].sctp.sender.flight.awaited_payload();
        assert!(after <= before.max(window as usize).max(1200), "{after} awaited, {before} before, {window}");
        assert!(packets <= 10, "{packets}");
    }
    w.ends[0].sctp.audit();
    // All of it arrives as soon as the truth is told.
    w.run_until(MINUTE, |w| w.ends[0].sctp.sender.is_settled());
    assert_eq!(w.ends[1].inbox.values().flatten().count(), 1);
}

#[test]
fn no_more_marks_are_believed_than_packets_have_left() {
    let (mut w, _) = with(Config::default());
    for n in 1..200u32 {
        let body = [[0; 4], (n * 2).to_be_bytes(), [0; 4]].concat();
        give(&mut w, chunk::ECNE, &body);
    }
    let stats = w.ends[0].sctp.stats();
    let (told, sent) = (stats.congestion_marks_told, stats.packets_sent);
    assert!(told > 0 && told <= sent, "{told} of {sent}");
}

#[test]
fn a_shutdown_that_nobody_answers_is_over_after_five_repetitions() {
    let (mut w, _) = with(Config::default());
    w.link.loss = 1.0;
    let before = w.sent;
    w.ends[0].sctp.shutdown(w.now);
    w.run_until(MINUTE * 5, |w| w.ends[0].is_down());
    assert!(w.ends[0].has(&Event::Down(crate::error::CloseReason::Shutdown)));
    // The first, its repetitions, and the ABORT.
    assert_eq!(w.sent - before, 1 + 5 + 1);
}

#[test]
fn a_closed_window_is_asked_about_by_the_timer_alone_and_says_nothing_of_the_path() {
    let (mut w, id) = with(Config::default());
    sack(&mut w, 0, &[]);
    let before = w.ends[0].sctp.stats();
    w.send(0, id, pattern(1, 1000));
    assert_eq!(lose(&mut w), 1);
    while w.ends[0].sctp.stats().timeouts < before.timeouts + 3 {
        w.now = w.ends[0].sctp.poll_timeout().unwrap();
        let now = w.now;
        w.ends[0].sctp.handle_timeout(now);
        lose(&mut w);
    }
    let after = w.ends[0].sctp.stats();
    assert_eq!((after.congestion_window, after.loss_probes), (before.congestion_window, before.loss_probes));
}
