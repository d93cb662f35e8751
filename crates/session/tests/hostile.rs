//! Whatever comes over the network, from signalling or from the application, in whatever order: no panic, and bounds.

mod common;

use bytes::Bytes;
use common::{A, B, Duo, MS, SEC, Setup, certificate, local};
use peerage_base::datagram::Datagram;
use peerage_base::ecn::Ecn;
use peerage_base::path::{LocalId, Path, PathChange};
use peerage_base::rng::Rng;
use peerage_base::time::{Duration, Instant};
use peerage_session::config::Config;
use peerage_session::event::{Event, IceCandidate, Need, NeedId};
use peerage_session::face::{ChannelId, ChannelInit, Kind, OfferOptions, SdpType, SessionDescription};
use peerage_session::session::Session;
use peerage_sim::link::Link;
use peerage_testkit::fixtures;
use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};

/// One thing that may happen to a pair of sessions; numbers choose among what there is.
#[derive(Clone, Debug)]
enum Op {
    Open(usize, bool, bool),
    Send(usize, usize, usize),
    Shut(usize, usize),
    Offer(usize, bool),
    Answer(usize),
    Local(usize),
    Rollback(usize, bool),
    /// The newest description of the other side, with bytes changed if there are any to change.
    Remote(usize, Vec<(usize, u8)>),
    Candidate(usize, Vec<(usize, u8)>),
    Restart(usize),
    Add(usize, u8, bool),
    Remove(usize, u32),
    Supply(usize, bool),
    Path(usize, u8),
    /// Everything under way is carried, with bytes changed.
    Carry(usize, Vec<(usize, usize, u8)>),
    Garbage(usize, Vec<u8>),
    Wait(u64),
    Close(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let side = || 0..2usize;
    let edits = || prop_oneof![3 => Just(Vec::new()), 1 => vec((0..3000usize, any::<u8>()), 1..4)];
    prop_oneof![
        3 => (side(), any::<bool>(), any::<bool>()).prop_map(|(s, o, r)| Op::Open(s, o, r)),
        4 => (side(), 0..8usize, 0..100_000usize).prop_map(|(s, c, n)| Op::Send(s, c, n)),
        1 => (side(), 0..8usize).prop_map(|(s, c)| Op::Shut(s, c)),
        4 => (side(), any::<bool>()).prop_map(|(s, r)| Op::Offer(s, r)),
        4 => side().prop_map(Op::Answer),
        4 => side().prop_map(Op::Local),
        1 => (side(), any::<bool>()).prop_map(|(s, l)| Op::Rollback(s, l)),
        6 => (side(), edits()).prop_map(|(s, e)| Op::Remote(s, e)),
        4 => (side(), edits()).prop_map(|(s, e)| Op::Candidate(s, e)),
        1 => side().prop_map(Op::Restart),
        3 => (side(), any::<u8>(), any::<bool>()).prop_map(|(s, a, h)| Op::Add(s, a, h)),
        1 => (side(), 0..4u32).prop_map(|(s, n)| Op::Remove(s, n)),
        2 => (side(), any::<bool>()).prop_map(|(s, y)| Op::Supply(s, y)),
        1 => (side(), any::<u8>()).prop_map(|(s, c)| Op::Path(s, c)),
        12 => (side(), prop_oneof![4 => Just(Vec::new()), 1 => vec((0..64usize, 0..1300usize, any::<u8>()), 1..4)])
            .prop_map(|(s, e)| Op::Carry(s, e)),
        2 => (side(), vec(any::<u8>(), 0..200)).prop_map(|(s, b)| Op::Garbage(s, b)),
        6 => (0..2_000_000_000u64).prop_map(Op::Wait),
        1 => side().prop_map(Op::Close),
    ]
}

struct Bench {
    now: Instant,
    ends: [Session; 2],
    channels: [Vec<ChannelId>; 2],
    candidates: [Vec<IceCandidate>; 2],
    needs: [Vec<NeedId>; 2],
    wire: [Vec<Vec<u8>>; 2],
    buf: Vec<u8>,
}

impl Bench {
    fn new() -> Self {
        let now = Instant::from_millis(1);
        let end = |seed| Session::new(Config::default(), certificate(seed), Rng::from_u64(seed), now);
        Self {
            now,
            ends: [end(1), end(2)],
            channels: Default::default(),
            candidates: Default::default(),
            needs: Default::default(),
            wire: Default::default(),
            buf: vec![0; 65_536],
        }
    }

    /// Whether commands succeed is theirs to say; here they must only not break anything.
    fn apply(&mut self, op: Op) {
        let now = self.now;
        match op {
            Op::Open(s, ordered, reliable) => {
                let max_retransmits = (!reliable).then_some(0);
                let init = ChannelInit { ordered, max_retransmits, ..ChannelInit::new("x") };
                self.channels[s].extend(self.ends[s].create_data_channel(now, init));
            }
            Op::Send(s, c, len) => {
                if let Some(id) = self.channels[s].get(c) {
                    let _ = self.ends[s].send(now, *id, Kind::Binary, Bytes::from(vec![1; len]));
                }
            }
            Op::Shut(s, c) => {
                if let Some(id) = self.channels[s].get(c) {
                    self.ends[s].close_channel(now, *id);
                }
            }
            Op::Offer(s, ice_restart) => drop(self.ends[s].create_offer(now, OfferOptions { ice_restart })),
            Op::Answer(s) => drop(self.ends[s].create_answer(now)),
            Op::Local(s) => drop(self.ends[s].set_local_description(now, None)),
            Op::Rollback(s, is_local) => {
                let rollback = SessionDescription::new(SdpType::Rollback, String::new());
                drop(match is_local {
                    true => self.ends[s].set_local_description(now, Some(rollback)),
                    false => self.ends[s].set_remote_description(now, rollback),
                });
            }
            Op::Remote(s, edits) => {
                let Some(mut description) = self.ends[1 - s].local_description() else { return };
                description.sdp = edited(description.sdp, &edits);
                let _ = self.ends[s].set_remote_description(now, description);
            }
            Op::Candidate(s, edits) => {
                for mut candidate in std::mem::take(&mut self.candidates[1 - s]) {
                    candidate.candidate = edited(candidate.candidate, &edits);
                    let _ = self.ends[s].add_ice_candidate(now, &candidate);
                }
            }
            Op::Restart(s) => self.ends[s].restart_ice(now),
            Op::Add(s, host, hidden) => {
                let mut local = local(fixtures::v4(host, 5000 + s as u16));
                local.mdns_name = hidden.then(|| format!("{host}.local"));
                self.ends[s].add_local(now, local);
                self.ends[s].local_addresses_done(now);
            }
            Op::Remove(s, id) => self.ends[s].remove_local(now, LocalId(id)),
            Op::Supply(s, known) => {
                for need in std::mem::take(&mut self.needs[s]) {
                    self.ends[s].supply(now, need, known.then(|| fixtures::v4(1, 0).ip()));
                }
            }
            Op::Path(s, choice) => {
                let path = Path { local: LocalId(0), remote: fixtures::v4(1, 5000) };
                let changes =
                    [PathChange::Up, PathChange::Down, PathChange::TooBig(choice.into()), PathChange::Writable(1)];
                self.ends[s].handle_path(now, path, changes[usize::from(choice) % 4]);
            }
            Op::Carry(to, edits) => {
                let mut packets = std::mem::take(&mut self.wire[1 - to]);
                for (packet, at, byte) in edits {
                    let count = packets.len().max(1);
                    if let Some(target) = packets.get_mut(packet % count).and_then(|packet| packet.get_mut(at)) {
                        *target = byte;
                    }
                }
                packets.iter_mut().for_each(|packet| self.receive(to, packet));
            }
            Op::Garbage(to, mut bytes) => self.receive(to, &mut bytes),
            Op::Wait(nanos) => {
                self.now += Duration::from_nanos(nanos);
                let now = self.now;
                self.ends.iter_mut().for_each(|end| end.handle_timeout(now));
            }
            Op::Close(s) => self.ends[s].close(now),
        }
    }

    fn receive(&mut self, to: usize, payload: &mut [u8]) {
        // All packets seem to come from one address of the other side.
        let path = Path { local: LocalId(0), remote: fixtures::v4(1, 5000 + 1 - to as u16) };
        let datagram = Datagram { path, ecn: Ecn::NotEct, received_at: self.now, payload };
        self.ends[to].handle_datagram(self.now, datagram);
    }

    fn drain(&mut self) {
        for side in [A, B] {
            for round in 0.. {
                assert!(round < 20_000, "never stops sending");
                let Some(transmit) = self.ends[side].poll_transmit(self.now, &mut self.buf) else { break };
                let segment = transmit.segment.unwrap_or(transmit.len);
                assert!(transmit.len <= self.buf.len() && segment > 0 && segment <= 1500, "{transmit:?}");
                self.wire[side].extend(self.buf[..transmit.len].chunks(segment).map(<[u8]>::to_vec));
                self.wire[side].truncate(10_000);
            }
            for round in 0.. {
                assert!(round < 20_000, "never stops talking");
                match self.ends[side].poll_event() {
                    None => break,
                    Some(Event::IceCandidate(Some(candidate))) => self.candidates[side].push(candidate),
                    Some(Event::Channel(id)) => self.channels[side].push(id),
                    Some(Event::ChannelReadable(id)) => while self.ends[side].recv(self.now, id).is_some() {},
                    Some(Event::Need(id, Need::ResolveMdns(_) | Need::ResolveHost(_))) => self.needs[side].push(id),
                    Some(_) => {}
                }
            }
            let end = &self.ends[side];
            assert!(end.stats().pairs.len() <= 200);
            if end.close_reason().is_some() {
                assert!(end.is_finished() && end.poll_timeout().is_none());
            }
            let _ = format!("{end:?}");
        }
    }
}

fn edited(text: String, edits: &[(usize, u8)]) -> String {
    let mut bytes = text.into_bytes();
    for (at, byte) in edits {
        let len = bytes.len().max(1);
        if let Some(target) = bytes.get_mut(at % len) {
            *target = *byte;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_operations_breaks_a_session(ops in vec(op(), 1..80)) {
        let mut bench = Bench::new();
        // Half of the way is gone already, so that what follows meets a connection.
        for op in [Op::Open(A, true, true), Op::Add(A, 1, false), Op::Add(B, 1, false), Op::Local(A)] {
            bench.apply(op);
        }
        for op in [Op::Remote(B, Vec::new()), Op::Local(B), Op::Remote(A, Vec::new())] {
            bench.apply(op);
            bench.drain();
        }
        for op in [Op::Candidate(A, Vec::new()), Op::Candidate(B, Vec::new())] {
            bench.apply(op);
        }
        for _ in 0..10 {
            for op in [Op::Carry(A, Vec::new()), Op::Carry(B, Vec::new()), Op::Wait(20_000_000)] {
                bench.drain();
                bench.apply(op);
            }
        }
        for op in ops {
            bench.apply(op);
            bench.drain();
        }
    }
}

#[test]
fn the_way_to_a_connection_that_the_sequences_begin_with_leads_there() {
    let mut bench = Bench::new();
    for op in [Op::Open(A, true, true), Op::Add(A, 1, false), Op::Add(B, 1, false), Op::Local(A)] {
        bench.apply(op);
    }
    for op in [Op::Remote(B, Vec::new()), Op::Local(B), Op::Remote(A, Vec::new())] {
        bench.apply(op);
        bench.drain();
    }
    for op in [Op::Candidate(A, Vec::new()), Op::Candidate(B, Vec::new())] {
        bench.apply(op);
    }
    for _ in 0..10 {
        for op in [Op::Carry(A, Vec::new()), Op::Carry(B, Vec::new()), Op::Wait(20_000_000)] {
            bench.drain();
            bench.apply(op);
        }
    }
    assert!(bench.ends.iter().all(|end| end.stats().security.is_some()), "otherwise they test little");
}

#[test]
fn a_flood_of_candidates_is_bounded() {
    let (mut duo, id) = Duo::connected(Setup::new(1, Link::with_delay(10 * MS)));
    let now = duo.now();
    let ufrag = duo.session(B).local_ufrag().to_owned();
    for n in 0..5000u32 {
        let [.., c, d] = n.to_be_bytes();
        let host = if n % 2 == 0 { format!("10.7.{c}.{d}") } else { format!("name-{n}.local") };
        let candidate = IceCandidate {
            candidate: format!("candidate:{n} 1 udp 2130706431 {host} 5000 typ host"),
            sdp_mid: Some("0".into()),
            username_fragment: Some(ufrag.clone()),
            ..IceCandidate::default()
        };
        let _ = duo.session(A).add_ice_candidate(now, &candidate);
    }
    duo.run(MS);
    let peer = duo.peer(A);
    assert!(peer.session.stats().pairs.len() <= 100);
    assert!(peer.count(|e| matches!(e, Event::Need(_, Need::ResolveMdns(_)))) <= 64);
    let len = peer.session.remote_description().unwrap().sdp.len();
    assert!(len < 100_000, "{len} bytes of description");
    duo.send(A, id, &b"still there"[..]);
    assert!(duo.until(SEC, |duo| duo.peer(B).received() == 11));
}

#[test]
fn offers_that_are_never_answered_leave_nothing_behind() {
    let (mut duo, id) = Duo::connected(Setup::new(2, Link::with_delay(10 * MS)));
    let now = duo.now();
    let offer = duo.session(B).create_offer(now, OfferOptions::default()).unwrap().sdp;
    let secrets = |line: &&str| line.starts_with("a=ice-ufrag:") || line.starts_with("a=ice-pwd:");
    let plain: String = offer.split_inclusive("\r\n").filter(|line| !secrets(line)).collect();
    for n in 0..500 {
        // Each begins another generation.
        let sdp = plain.clone() + &format!("a=ice-ufrag:hostile{n}\r\na=ice-pwd:abcdefghijklmnopqrstuvwx{n}\r\n");
        duo.session(A).set_remote_description(now, SessionDescription::new(SdpType::Offer, sdp)).unwrap();
    }
    duo.run(MS);
    let now = duo.now();
    let answer = duo.session(A).create_answer(now).unwrap().sdp;
    assert_eq!(answer.matches("a=candidate:").count(), 0, "none of them was told yet: {answer}");
    duo.session(A).set_local_description(now, None).unwrap();
    duo.run(MS);
    let told = duo.peer(A).count(|e| matches!(e, Event::IceCandidate(Some(c)) if !c.candidate.is_empty()));
    assert_eq!(told, 2, "one for each generation that a description named");
    duo.send(A, id, &b"over the old pair"[..]);
    assert!(duo.until(SEC, |duo| duo.peer(B).received() == 17));
}

#[test]
fn strangers_are_not_heard() {
    let (mut duo, id) = Duo::connected(Setup::new(3, Link::with_delay(10 * MS)));
    let now = duo.now();
    let before = duo.peer(A).session.stats();
    let stranger = Path { local: LocalId(0), remote: fixtures::v4(66, 6666) };
    let known = Path { local: LocalId(0), remote: fixtures::v4(2, 6000) };
    let mut hear = |path: Path, bytes: &[u8]| {
        let mut payload = bytes.to_vec();
        let datagram = Datagram { path, ecn: Ecn::NotEct, received_at: now, payload: &mut payload };
        duo.session(A).handle_datagram(now, datagram);
    };
    hear(stranger, &[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
    hear(known, &[128, 96, 0, 1]);
    hear(known, &[]);
    hear(known, &[255; 64]);
    hear(known, &[21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40]);
    hear(stranger, &[0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let after = duo.peer(A).session.stats();
    assert_eq!(after.drops.unclaimed, before.drops.unclaimed + 1);
    assert_eq!(after.drops.unknown, before.drops.unknown + 3);
    duo.send(A, id, &b"still there"[..]);
    assert!(duo.until(SEC, |duo| duo.peer(B).received() == 11));
}
