//! Whatever arrives, nothing panics and nothing grows without bound.

use super::*;
use crate::chunk::tests_support::corpus;
use crate::numbers::Tsn;
use crate::packet::PacketWriter;
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, Strategy, any, prop_assert, prop_oneof, proptest};

/// A chunk as an attacker who knows tags and numbers would write it: fields near what the association stands at.
#[derive(Clone, Debug)]
enum Hostile {
    Raw(u8, u8, Vec<u8>),
    Data { flags: u8, ahead: i32, stream: u16, number: u16, last: u32, len: usize },
    Sack { ahead: i32, window: u32, tail: Vec<u8> },
    Forward { ahead: i32, tail: Vec<u8> },
    Reset { request: i32, kind: u16, tail: Vec<u8> },
}

fn hostile() -> impl Strategy<Value = Hostile> {
    let bytes = || vec(any::<u8>(), 0..40);
    let ahead = || prop_oneof![4 => -3..8i32, 1 => -70_000..70_000i32, 1 => any::<i32>()];
    prop_oneof![
        2 => (any::<u8>(), any::<u8>(), bytes()).prop_map(|(k, f, b)| Hostile::Raw(k, f, b)),
        8 => (0..16u8, ahead(), 0..6u16, 0..6u16, prop_oneof![49..59u32, 0..6u32], 0..200usize)
            .prop_map(|(flags, ahead, stream, number, last, len)| {
                Hostile::Data { flags, ahead, stream, number, last, len }
            }),
        3 => (ahead(), any::<u32>(), bytes()).prop_map(|(ahead, window, tail)| Hostile::Sack { ahead, window, tail }),
        2 => (ahead(), bytes()).prop_map(|(ahead, tail)| Hostile::Forward { ahead, tail }),
        2 => (-2..3i32, 13..19u16, bytes()).prop_map(|(request, kind, tail)| Hostile::Reset { request, kind, tail }),
    ]
}

impl Hostile {
    fn write(&self, victim: &Association, packet: &mut PacketWriter<'_>) {
        let mut put = |kind, flags, parts: &[&[u8]]| {
            let body: Vec<u8> = parts.concat();
            if let Some(room) = packet.chunk(kind, flags, body.len()) {
                room.copy_from_slice(&body);
            }
        };
        let near = |tsn: Tsn, ahead: i32| tsn.0.wrapping_add_signed(ahead).to_be_bytes();
        match self {
            Self::Raw(kind, flags, body) => put(*kind, *flags, &[body]),
            Self::Data { flags, ahead, stream, number, last, len } => {
                let tsn = near(victim.receiver.tracker.cumulative(), *ahead);
                let (stream, number, last) = (stream.to_be_bytes(), number.to_be_bytes(), last.to_be_bytes());
                let (kind, wide): (u8, &[u8]) =
                    if victim.sender.interleaves { (chunk::I_DATA, &[0; 4]) } else { (chunk::DATA, &[]) };
                put(kind, *flags, &[&tsn, &stream, wide, &number, &last, &std::vec![3; *len]]);
            }
            Self::Sack { ahead, window, tail } => {
                let tsn = near(victim.sender.flight.cumulative(), *ahead);
                let blocks = (tail.len() / 4) as u16;
                put(chunk::SACK, 0, &[&tsn, &window.to_be_bytes(), &blocks.to_be_bytes(), &[0, 0], tail]);
            }
            Self::Forward { ahead, tail } => {
                let kind = if victim.sender.interleaves { chunk::I_FORWARD_TSN } else { chunk::FORWARD_TSN };
                put(kind, 0, &[&near(victim.receiver.tracker.cumulative(), *ahead), tail]);
            }
            Self::Reset { request, kind, tail } => {
                let number = near(victim.peer.tsn, *request);
                let len = (8 + tail.len()) as u16;
                put(chunk::RE_CONFIG, 0, &[&kind.to_be_bytes(), &len.to_be_bytes(), &number, tail]);
            }
        }
    }
}

use crate::chunk;

fn small() -> Config {
    Config { receive_window: 20_000, max_message_size: 5_000, max_peer_channels: 4, ..Config::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_peer_that_lies_in_every_field_neither_breaks_nor_fattens_us(
        packets in vec(vec(hostile(), 1..6), 1..60),
        seed in 0..1000u64,
        interleaving in any::<bool>(),
    ) {
        let mut w = World::with(Link::default(), seed, [Config { interleaving, ..Config::default() }, small()]);
        w.connect();
        w.ends[1].reads = false;
        let id = w.open(1, ChannelInit { max_retransmits: Some(1), ..ChannelInit::new("x") });
        for n in 0..10 {
            w.send(1, id, pattern(n, 3000));
        }
        for chunks in &packets {
            let victim = &mut w.ends[1].sctp;
            let mut buf = [0; 1500];
            let mut packet = PacketWriter::new(&mut buf, 1500, 5000, 5000, victim.local_tag).unwrap();
            chunks.iter().for_each(|c| c.write(victim, &mut packet));
            let len = packet.finish(true);
            w.now += Duration::from_millis(7);
            victim.handle_packet(w.now, Ecn::NotEct, &buf[..len]);
            victim.handle_timeout(w.now);
            let most = if interleaving { 2 * 20_000 + 5_000 } else { 20_000 + 20_000 / 8 };
            prop_assert!(victim.receiver.held() <= most + 2_000);
            let mut out = [0; 1500];
            let mut polls = 0;
            while victim.poll_transmit(w.now, &Budget::unlimited(1191), &mut Slot::new(&mut out, 0, 0, 1500)).is_some() {
                polls += 1;
                prop_assert!(polls < 200, "sends without end");
            }
            prop_assert!(victim.poll_timeout().is_none_or(|at| at >= w.now));
            while victim.poll_event().is_some() {}
        }
    }

    #[test]
    fn noise_in_any_state_is_dropped(noise in vec(vec(any::<u8>(), 0..120), 1..30), state in 0..3usize) {
        let mut w = World::new(Link::default(), 1);
        if state > 0 {
            w.ends[1].sctp.connect(w.now);
        }
        if state > 1 {
            w.connect();
        }
        for bytes in &noise {
            let now = w.now;
            w.ends[1].sctp.handle_packet(now, Ecn::NotEct, bytes);
        }
        prop_assert!(!w.ends[1].is_down());
    }
}

#[test]
fn packets_of_other_associations_and_every_cut_of_them_do_no_harm() {
    for (_, bytes) in corpus() {
        for connected in [false, true] {
            let mut w = World::new(Link::default(), 2);
            if connected {
                w.connect();
            }
            for len in 0..=bytes.len() {
                let now = w.now;
                w.ends[1].sctp.handle_packet(now, Ecn::NotEct, &bytes[..len]);
            }
            w.settle(MINUTE);
            assert!(!w.ends[1].is_down());
        }
    }
}

#[test]
fn a_flood_of_inits_leaves_nothing_behind() {
    let mut w = World::new(Link::default(), 3);
    w.ends[0].sctp.connect(w.now);
    w.flush();
    let init = w.log[0].clone();
    for _ in 0..10_000 {
        let now = w.now;
        w.ends[1].sctp.handle_packet(now, Ecn::NotEct, &init);
    }
    assert!(matches!(w.ends[1].sctp.state, State::Idle));
    let before = w.sent;
    w.flush();
    assert!(w.sent - before <= 8);
}
