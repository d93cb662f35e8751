//! What the path carries: packet sizes that grow and shrink, pairs that change, congestion marks, the first timeout.

mod common;

use std::net::{Ipv6Addr, SocketAddr};

use bytes::Bytes;
use common::{A, B, Duo, MS, SEC, Setup, local, messages};
use peerage_base::path::{LocalId, Path, PathChange};
use peerage_base::time::{Duration, Instant};
use peerage_session::event::Event;
use peerage_session::face::ChannelId;
use peerage_session::stats::Stats;
use peerage_sim::link::{Counters, Link};
use peerage_sim::network::Direction;
use peerage_testkit::fixtures;

const FAMILIES: [bool; 2] = [true, false];

/// 40 Mbit/s, 20 ms, and a queue of 100 ms.
fn line(mtu: usize) -> Link {
    rated(mtu, 40_000_000)
}

fn rated(mtu: usize, rate: u64) -> Link {
    Link { rate: Some(rate), queue: (rate / 80) as usize, mtu: Some(mtu), ..Link::with_delay(10 * MS) }
}

fn setup(seed: u64, v4: bool, link: Link) -> Setup {
    let mut setup = Setup::new(seed, link);
    if !v4 {
        setup.hosts = [vec![local(v6(1, 5000))], vec![local(v6(2, 6000))]];
    }
    setup
}

fn v6(host: u16, port: u16) -> SocketAddr {
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host), port).into()
}

fn stats(duo: &Duo, side: usize) -> Stats {
    duo.peer(side).session.stats()
}

/// The path of A's pair: local ends are numbered as they were given.
fn selected(duo: &Duo) -> Option<Path> {
    let pair = duo.peer(A).session.selected_pair()?;
    let at = duo.peer(A).locals.iter().position(|local| local.address == pair.local_address)?;
    Some(Path { local: LocalId(at as u32), remote: pair.remote_address })
}

fn set_mtu(duo: &mut Duo, mtu: usize) {
    for line_ in duo.lines {
        duo.world.set_link(line_, Direction::Up, line(mtu));
    }
}

fn send(duo: &mut Duo, id: ChannelId, total: usize) -> Vec<Bytes> {
    let sent = messages(total, 16_384, 7);
    sent.iter().for_each(|message| duo.send(A, id, message.clone()));
    sent
}

/// When messages came, the longest pause among them.
fn pause(duo: &Duo, from: Instant) -> Duration {
    let times: Vec<_> = duo.peer(B).log.iter().filter(|(at, _)| *at >= from).collect();
    let readable = times.iter().filter(|(_, event)| matches!(event, Event::ChannelReadable(_))).map(|(at, _)| *at);
    let all: Vec<_> = [from].into_iter().chain(readable).collect();
    all.windows(2).map(|pair| pair[1].since(pair[0])).max().unwrap()
}

fn too_long(duo: &Duo) -> u64 {
    let dropped = |counters: Counters| counters.too_long;
    duo.lines.iter().map(|line| dropped(duo.world.counters(*line, Direction::Up))).sum()
}

#[test]
fn a_busy_connection_uses_what_ethernet_carries_and_an_idle_one_asks_for_nothing() {
    for (v4, most) in FAMILIES.into_iter().zip([1472, 1452]) {
        let (mut duo, id) = Duo::connected(setup(1, v4, Link { rate: None, ..line(1500) }));
        duo.send(A, id, &b"few words"[..]);
        duo.run(20 * SEC);
        assert_eq!(stats(&duo, A).max_datagram, 1200);
        let before = stats(&duo, A).traffic;
        let sent = send(&mut duo, id, 2 << 20);
        let other = duo.incoming(B);
        duo.peer_mut(B).inbox.clear();
        duo.expect(B, other, &sent, 60 * SEC);
        // A timeout may have cast doubt on it, which a probe settles.
        assert!(duo.until(3 * SEC, |duo| stats(duo, A).max_datagram == most));
        assert_eq!(stats(&duo, B).max_datagram, 1200, "it has sent little");
        let after = stats(&duo, A).traffic;
        let mean = (after.bytes_sent - before.bytes_sent) / (after.packets_sent - before.packets_sent);
        assert!(mean > 1350, "{mean} bytes per datagram");
    }
}

#[test]
fn the_size_of_a_narrow_path_is_found_without_losing_data_to_it() {
    for v4 in FAMILIES {
        let (mut duo, id) = Duo::connected(setup(2, v4, rated(1400, 4_000_000)));
        let sent = send(&mut duo, id, 8 << 20);
        let other = duo.incoming(B);
        duo.expect(B, other, &sent, 60 * SEC);
        let overhead = if v4 { 28 } else { 48 };
        let size = stats(&duo, A).max_datagram;
        assert!((1384..=1400).contains(&(size + overhead)), "{size}");
        // Nothing but probes was too long: three of each size that failed.
        assert!(too_long(&duo) <= 12, "{}", too_long(&duo));
    }
}

#[test]
fn a_path_that_narrows_in_silence_costs_one_timeout_and_no_data() {
    for v4 in FAMILIES {
        let (mut duo, id) = Duo::connected(setup(3, v4, line(1500)));
        let sent = send(&mut duo, id, 4 << 20);
        duo.run(500 * MS);
        assert!(stats(&duo, A).max_datagram > 1400);
        let before = stats(&duo, A).data.unwrap();
        set_mtu(&mut duo, 1280);
        let narrowed = duo.now();
        let other = duo.incoming(B);
        duo.expect(B, other, &sent, 60 * SEC);
        let after = stats(&duo, A).data.unwrap();
        assert!(pause(&duo, narrowed) < 1500 * MS, "{:?}", pause(&duo, narrowed));
        assert!(after.timeouts - before.timeouts <= 1, "{after:?}");
        let size = stats(&duo, A).max_datagram;
        assert!(size + if v4 { 28 } else { 48 } <= 1280, "{size}");
    }
}

#[test]
fn a_path_that_tells_of_its_narrowing_costs_no_timeout() {
    let (mut duo, id) = Duo::connected(setup(4, true, line(1500)));
    let sent = send(&mut duo, id, 4 << 20);
    duo.run(500 * MS);
    let path = selected(&duo).unwrap();
    set_mtu(&mut duo, 1280);
    duo.run(MS);
    let now = duo.now();
    duo.session(A).handle_path(now, path, PathChange::TooBig(1280 - 28));
    let other = duo.incoming(B);
    duo.expect(B, other, &sent, 60 * SEC);
    assert!(pause(&duo, now) < 500 * MS, "{:?}", pause(&duo, now));
    assert!((1200..=1252).contains(&stats(&duo, A).max_datagram));
}

#[test]
fn an_outage_does_not_make_packets_small_for_good() {
    let (mut duo, id) = Duo::connected(setup(5, true, line(1500)));
    let sent = send(&mut duo, id, 4 << 20);
    duo.run(500 * MS);
    assert_eq!(stats(&duo, A).max_datagram, 1472);
    duo.set_loss(peerage_sim::link::Loss::Random(1.0));
    duo.run(4 * SEC);
    assert_eq!(stats(&duo, A).max_datagram, 1200);
    duo.set_loss(peerage_sim::link::Loss::None);
    let other = duo.incoming(B);
    duo.expect(B, other, &sent, 60 * SEC);
    assert!(duo.until(3 * SEC, |duo| stats(duo, A).max_datagram == 1472));
}

#[test]
fn another_pair_begins_small_and_grows_again() {
    let mut setup = setup(6, true, line(1500));
    setup.hosts[A].push(local(fixtures::v4(3, 5001)));
    let (mut duo, id) = Duo::connected(setup);
    let sent = send(&mut duo, id, 4 << 20);
    duo.run(500 * MS);
    assert_eq!(stats(&duo, A).max_datagram, 1472);
    let first = selected(&duo);
    let now = duo.now();
    duo.session(A).remove_local(now, first.unwrap().local);
    assert!(duo.until(30 * SEC, |duo| selected(duo).is_some() && selected(duo) != first));
    assert_eq!(stats(&duo, A).max_datagram, 1200);
    let other = duo.incoming(B);
    duo.expect(B, other, &sent, 60 * SEC);
    assert_eq!(stats(&duo, A).max_datagram, 1472);
}

#[test]
fn marks_of_a_congested_line_reach_the_sender() {
    let link = Link { mark_above: Some(30_000), ..line(1500) };
    let (mut duo, id) = Duo::connected(setup(7, true, link));
    let sent = send(&mut duo, id, 4 << 20);
    let other = duo.incoming(B);
    duo.expect(B, other, &sent, 60 * SEC);
    let (ours, theirs) = (stats(&duo, A).data.unwrap(), stats(&duo, B).data.unwrap());
    assert!(theirs.congestion_marks > 10, "{theirs:?}");
    let told = ours.congestion_marks_told;
    assert!(told > 10 && told <= theirs.congestion_marks, "{told} of {}", theirs.congestion_marks);
}

#[test]
fn a_long_path_is_not_repeated_to_before_an_answer_can_be_here() {
    let (mut duo, id) = Duo::connected(Setup::new(8, Link::with_delay(400 * MS)));
    let other = duo.incoming(B);
    duo.send(A, id, &b"first"[..]);
    duo.expect(B, other, &[Bytes::from_static(b"first")], 10 * SEC);
    duo.run(5 * SEC);
    let data = stats(&duo, A).data.unwrap();
    assert_eq!((data.timeouts, data.retransmissions), (0, 0));
}
