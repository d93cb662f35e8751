//! The association against dcSCTP, the stack of Chromium, on a simulated link.

use bytes::Bytes;
use dcsctp::api::handover::{
    HandoverCapabilities, HandoverReceive, HandoverSocketState, HandoverTransmission, SocketHandoverState,
};
use dcsctp::api::{
    DcSctpSocket, Message as TheirMessage, Options, PpId, SendOptions, Socket, SocketEvent, SocketState, SocketTime,
    StreamId, ZERO_CHECKSUM_ALTERNATE_ERROR_DETECTION_METHOD_LOWER_LAYER_DTLS as DTLS,
};
use peerage_base::ecn::Ecn;
use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_sctp::association::Association;
use peerage_sctp::association::probe::{Fate, ProbeResult};
use peerage_sctp::budget::Budget;
use peerage_sctp::channel::{ChannelId, ChannelInit, ChannelState, Role};
use peerage_sctp::chunk::init::{Extensions, Init};
use peerage_sctp::config::Config;
use peerage_sctp::dcep::{Dcep, Open, Reliability};
use peerage_sctp::error::CloseReason;
use peerage_sctp::event::Event;
use peerage_sctp::message::Kind;
use peerage_sctp::numbers::{Tag, Tsn};
use std::collections::BTreeMap;

const DCEP: u32 = 50;
const TEXT: u32 = 51;
const BINARY: u32 = 53;
const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, PartialEq, Eq)]
enum To {
    Us,
    Them,
}

/// Loss and extra delay of a link.
#[derive(Clone, Copy)]
struct Link {
    loss: f64,
    /// Packets in a row that each loss takes.
    burst: u32,
    jitter: Duration,
}

const CLEAN: Link = Link { loss: 0.0, burst: 1, jitter: Duration::ZERO };
const LOSSY: Link = Link { loss: 0.05, burst: 1, jitter: Duration::from_millis(8) };

struct World {
    now: Instant,
    us: Association,
    them: Socket,
    link: Link,
    rng: Rng,
    wire: BTreeMap<(Instant, u64), (To, Vec<u8>)>,
    sent: u64,
    /// Packets that the loss under way still takes.
    burst: u32,
    /// Whether the applications read what arrives: ours, theirs.
    reads: [bool; 2],
    events: Vec<Event>,
    ours: BTreeMap<ChannelId, Vec<(Kind, Bytes)>>,
    their_events: Vec<SocketEvent>,
    theirs: Vec<TheirMessage>,
}

impl World {
    /// Messages are interleaved where the seed is even.
    fn new(link: Link, seed: u64) -> Self {
        Self::with(link, seed, Options { enable_message_interleaving: seed.is_multiple_of(2), ..Options::default() })
    }

    fn with(link: Link, seed: u64, options: Options) -> Self {
        Self::configured(link, seed, options, Config::default())
    }

    fn configured(link: Link, seed: u64, mut options: Options, config: Config) -> Self {
        options.max_retransmissions = None;
        options.max_init_retransmits = None;
        let mut us = Association::new(config, Rng::from_u64(seed), Instant::ORIGIN);
        us.set_role(Role::Client);
        us.set_remote(5000, Some(options.max_message_size));
        Self {
            now: Instant::ORIGIN,
            us,
            them: Socket::new("them", &options),
            link,
            rng: Rng::from_u64(seed).split("link"),
            wire: BTreeMap::new(),
            sent: 0,
            burst: 0,
            reads: [true; 2],
            events: Vec::new(),
            ours: BTreeMap::new(),
            their_events: Vec::new(),
            theirs: Vec::new(),
        }
    }

    fn connected(link: Link, seed: u64) -> Self {
        Self::new(link, seed).connect()
    }

    fn connect(mut self) -> Self {
        self.us.connect(self.now);
        self.them.connect();
        self.until("connected", Self::is_connected);
        self
    }

    /// Both begin from signalled INIT chunks: theirs by a state such as the two chunks make, which is how Chromium does it.
    fn begun(link: Link, seed: u64) -> Self {
        let mut w = Self::new(link, seed);
        let signalled = w.us.local_init();
        let ours = Init::parse_chunk(&signalled).unwrap().init;
        let interleaving = seed.is_multiple_of(2);
        let extensions = Extensions {
            forward_tsn: true,
            reconfig: true,
            interleaving,
            i_forward_tsn: interleaving,
            ..Extensions::default()
        };
        let (outbound, inbound, tag, tsn) = (65_535, 65_535, Tag(0x2FB4_D852), Tsn(0x5564_8EB7));
        let theirs = Init { tag, window: 5 << 20, outbound, inbound, tsn, extensions, cookie: None };
        w.us.start_with(w.now, &theirs.to_chunk()).unwrap();
        let state = SocketHandoverState {
            socket_state: HandoverSocketState::Connected,
            my_verification_tag: tag.0,
            my_initial_tsn: tsn.0,
            peer_verification_tag: ours.tag.0,
            peer_initial_tsn: ours.tsn.0,
            tie_tag: 1,
            capabilities: HandoverCapabilities {
                partial_reliability: ours.extensions.forward_tsn,
                reconfig: ours.extensions.reconfig,
                message_interleaving: interleaving,
                negotiated_maximum_incoming_streams: ours.outbound,
                negotiated_maximum_outgoing_streams: ours.inbound,
                ..HandoverCapabilities::default()
            },
            tx: HandoverTransmission {
                next_tsn: tsn.0,
                next_reset_req_sn: tsn.0,
                cwnd: 11_910,
                rwnd: ours.window,
                ssthresh: ours.window,
                ..HandoverTransmission::default()
            },
            rx: HandoverReceive {
                last_cumulative_acked_tsn: ours.tsn.0.wrapping_sub(1),
                last_completed_reset_req_sn: ours.tsn.0.wrapping_sub(1),
                ..HandoverReceive::default()
            },
        };
        w.them.restore_from_state(&state).unwrap();
        w
    }

    fn is_connected(&self) -> bool {
        self.events.contains(&Event::Connected) && self.them.state() == SocketState::Connected
    }

    fn flush(&mut self) {
        let mut buf = [0; 1600];
        loop {
            let mut slot = Slot::new(&mut buf, 13, 16, 1500);
            if self.us.poll_transmit(self.now, &Budget::unlimited(1191), &mut slot).is_none() {
                break;
            }
            let packet = slot.packet().to_vec();
            self.post(To::Them, packet);
        }
        while let Some(event) = self.us.poll_event() {
            if let Event::Readable(id) = event
                && self.reads[0]
            {
                self.read(id);
            }
            self.events.push(event);
        }
        while let Some(event) = self.them.poll_event() {
            match event {
                SocketEvent::SendPacket(packet) => self.post(To::Us, packet),
                event => self.their_events.push(event),
            }
        }
        while self.reads[1]
            && let Some(message) = self.them.get_next_message()
        {
            self.theirs.push(message);
        }
    }

    fn read(&mut self, id: ChannelId) {
        while let Some(message) = self.us.recv(self.now, id) {
            self.ours.entry(id).or_default().push((message.kind, message.payload));
        }
    }

    fn post(&mut self, to: To, packet: Vec<u8>) {
        self.sent += 1;
        if self.burst == 0 && self.rng.unit() < self.link.loss {
            self.burst = self.link.burst;
        }
        let lost = self.burst > 0;
        self.burst = self.burst.saturating_sub(1);
        if !lost {
            let jitter = self.rng.below(self.link.jitter.as_nanos() as u64 + 1);
            let at = self.now + Duration::from_millis(15) + Duration::from_nanos(jitter);
            self.wire.insert((at, self.sent), (to, packet));
        }
    }

    fn step(&mut self) -> bool {
        self.flush();
        let arrival = self.wire.keys().next().map(|(at, _)| *at);
        let their_deadline = self.them.poll_timeout();
        let theirs = (their_deadline != SocketTime::infinite_future())
            .then(|| Instant::ORIGIN + (their_deadline - SocketTime::zero()));
        let Some(next) = [arrival, self.us.poll_timeout(), theirs].into_iter().flatten().min() else { return false };
        self.now = self.now.max(next);
        self.them.advance_time(SocketTime::zero() + self.now.since(Instant::ORIGIN));
        while let Some(entry) = self.wire.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            match entry.remove() {
                (To::Us, packet) => self.us.handle_packet(self.now, Ecn::NotEct, &packet),
                (To::Them, packet) => self.them.handle_input(&packet),
            }
        }
        self.us.handle_timeout(self.now);
        self.flush();
        true
    }

    #[track_caller]
    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let end = self.now + 300 * SECOND;
        while !done(self) {
            assert!(self.now < end && self.step(), "never came: {what} at {} {:?}", self.now, self.us.stats());
        }
    }

    fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end && self.step() {}
    }

    fn their_send(&mut self, stream: u16, ppid: u32, payload: Vec<u8>, options: &SendOptions) {
        self.them.send(TheirMessage::new(StreamId(stream), PpId(ppid), payload), options).unwrap();
    }

    /// They open a channel; answers our handle of it.
    fn their_open(&mut self, stream: u16, open: Open<'_>) -> ChannelId {
        let before = self.events.len();
        self.their_send(stream, DCEP, Dcep::Open(open).to_vec(), &SendOptions::default());
        self.until("the channel", |w| w.events[before..].iter().any(|e| matches!(e, Event::Channel(_))));
        let found = self.events[before..].iter().find_map(|e| match e {
            Event::Channel(id) => Some(*id),
            _ => None,
        });
        found.unwrap()
    }

    fn their_messages(&self, stream: u16) -> Vec<&TheirMessage> {
        self.theirs.iter().filter(|m| m.stream_id == StreamId(stream) && m.ppid != PpId(DCEP)).collect()
    }
}

fn pattern(n: usize, len: usize) -> Vec<u8> {
    (0..len).map(|i| (i.wrapping_mul(31) ^ n.wrapping_mul(7)) as u8).collect()
}

const PLAIN: Open<'static> =
    Open { ordered: true, reliability: Reliability::Reliable, priority: 256, label: "plain", protocol: "" };

#[test]
fn they_connect_to_us_we_to_them_and_both_at_once() {
    for (we, they) in [(true, false), (false, true), (true, true)] {
        for seed in 0..10 {
            let mut w = World::new(LOSSY, seed);
            if we {
                w.us.connect(w.now);
            }
            if they {
                w.them.connect();
            }
            w.until("connected", World::is_connected);
            let id = w.us.open(w.now, ChannelInit::new("x")).unwrap();
            w.us.send(w.now, id, Kind::Text, Bytes::from_static(b"hi")).unwrap();
            w.until("a message", |w| !w.their_messages(0).is_empty());
        }
    }
}

#[test]
fn an_open_of_ours_reads_as_rfc_8832_says_and_theirs_opens_a_channel_here() {
    let mut w = World::connected(CLEAN, 1);
    let init = ChannelInit {
        protocol: "proto".into(),
        ordered: false,
        max_retransmits: Some(3),
        priority: 512,
        ..ChannelInit::new("label")
    };
    let id = w.us.open(w.now, init).unwrap();
    w.until("an OPEN", |w| !w.theirs.is_empty());
    assert_eq!((w.theirs[0].stream_id, w.theirs[0].ppid), (StreamId(0), PpId(DCEP)));
    assert_eq!(w.theirs[0].payload, b"\x03\x81\x02\x00\x00\x00\x00\x03\x00\x05\x00\x05labelproto");
    assert_eq!(w.us.stream_id(id), Some(0));

    let theirs = w.their_open(7, Open { label: "yours", reliability: Reliability::Lifetime(250), ..PLAIN });
    let info = w.us.channel(theirs).unwrap();
    assert_eq!((info.init.label.as_str(), info.stream_id, info.by_peer), ("yours", Some(7), true));
    assert_eq!(info.init.max_packet_life_time, Some(250));
    w.until("an ACK", |w| w.theirs.iter().any(|m| m.stream_id == StreamId(7) && m.payload == [2]));
}

#[test]
fn bulk_crosses_both_ways_at_once_under_loss_and_reordering() {
    let one_in_a_hundred = Link { loss: 0.01, ..LOSSY };
    let bursts = Link { burst: 6, loss: 0.01, ..LOSSY };
    for (seed, link) in [LOSSY, LOSSY, one_in_a_hundred, one_in_a_hundred, bursts, bursts].into_iter().enumerate() {
        let mut w = World::connected(link, seed as u64);
        let id = w.us.open(w.now, ChannelInit::new("ours")).unwrap();
        let theirs = w.their_open(1, PLAIN);
        for n in 0..12 {
            w.us.send(w.now, id, Kind::Binary, pattern(n, 60_000).into()).unwrap();
            w.their_send(1, BINARY, pattern(n, 60_000), &SendOptions::default());
        }
        w.until("all of it", |w| w.their_messages(0).len() == 12 && w.ours.get(&theirs).is_some_and(|m| m.len() == 12));
        for n in 0..12 {
            assert_eq!(w.their_messages(0)[n].payload, pattern(n, 60_000));
            assert_eq!(w.ours[&theirs][n], (Kind::Binary, pattern(n, 60_000).into()));
        }
        assert!(w.us.stats().retransmissions > 0);
    }
}

#[test]
fn many_small_messages_keep_their_order_and_kind_under_loss() {
    let mut w = World::connected(LOSSY, 5);
    let id = w.us.open(w.now, ChannelInit::new("ours")).unwrap();
    let theirs = w.their_open(1, PLAIN);
    for n in 0..1000 {
        w.us.send(w.now, id, Kind::Text, format!("message {n}").into()).unwrap();
        w.their_send(1, TEXT, format!("message {n}").into(), &SendOptions::default());
    }
    w.until("all of it", |w| w.their_messages(0).len() == 1000 && w.ours.get(&theirs).is_some_and(|m| m.len() == 1000));
    for n in 0..1000 {
        assert_eq!(w.their_messages(0)[n].payload, format!("message {n}").into_bytes());
        assert_eq!(w.ours[&theirs][n], (Kind::Text, format!("message {n}").into()));
    }
}

#[test]
fn empty_messages_cross_as_their_own_kinds() {
    let mut w = World::connected(CLEAN, 6);
    let id = w.us.open(w.now, ChannelInit::new("ours")).unwrap();
    let theirs = w.their_open(1, PLAIN);
    w.us.send(w.now, id, Kind::Text, Bytes::new()).unwrap();
    w.us.send(w.now, id, Kind::Binary, Bytes::new()).unwrap();
    w.their_send(1, 56, vec![0], &SendOptions::default());
    w.their_send(1, 57, vec![0], &SendOptions::default());
    w.until("all", |w| w.their_messages(0).len() == 2 && w.ours.get(&theirs).is_some_and(|m| m.len() == 2));
    let kinds: Vec<_> = w.their_messages(0).iter().map(|m| (m.ppid, m.payload.len())).collect();
    assert_eq!(kinds, [(PpId(56), 1), (PpId(57), 1)]);
    assert_eq!(w.ours[&theirs], [(Kind::Text, Bytes::new()), (Kind::Binary, Bytes::new())]);
}

#[test]
fn limited_retransmissions_skip_messages_both_ways_and_keep_the_order_of_the_rest() {
    for seed in 0..6 {
        let heavy = Link { loss: 0.2, ..LOSSY };
        let mut w = World::connected(LOSSY, seed);
        let init = ChannelInit { max_retransmits: Some(0), ..ChannelInit::new("ours") };
        let id = w.us.open(w.now, init).unwrap();
        let theirs = w.their_open(1, Open { reliability: Reliability::Retransmissions(0), ..PLAIN });
        w.run_for(5 * SECOND);
        w.link = heavy;
        let options = SendOptions { max_retransmissions: Some(0), ..SendOptions::default() };
        for n in 0..200usize {
            let body = pattern(n, 3000);
            let numbered = [&(n as u32).to_be_bytes()[..], &body].concat();
            w.us.send(w.now, id, Kind::Binary, numbered.clone().into()).unwrap();
            w.their_send(1, BINARY, numbered, &options);
            w.run_for(Duration::from_millis(10));
        }
        w.link = CLEAN;
        // A last message each shows that neither direction is stuck.
        w.us.send(w.now, id, Kind::Text, Bytes::from_static(b"last")).unwrap();
        w.their_send(1, TEXT, b"last".to_vec(), &SendOptions::default());
        w.until("the last ones", |w| {
            w.their_messages(0).last().is_some_and(|m| m.payload == b"last")
                && w.ours.get(&theirs).and_then(|m| m.last()).is_some_and(|m| m.1[..] == *b"last")
        });
        let check = |payloads: Vec<&[u8]>| {
            assert!((20..200).contains(&payloads.len()), "some are lost, some arrive: {}", payloads.len());
            let numbers: Vec<u32> = payloads.iter().map(|p| u32::from_be_bytes(p[..4].try_into().unwrap())).collect();
            assert!(numbers.windows(2).all(|w| w[0] < w[1]), "{numbers:?}");
            for (payload, n) in payloads.iter().zip(numbers) {
                assert_eq!(payload[4..], pattern(n as usize, 3000));
            }
        };
        let arrived = w.their_messages(0);
        check(arrived[..arrived.len() - 1].iter().map(|m| &m.payload[..]).collect());
        let arrived = &w.ours[&theirs];
        check(arrived[..arrived.len() - 1].iter().map(|m| &m.1[..]).collect());
        assert!(w.us.stats().messages_abandoned > 0);
    }
}

#[test]
fn messages_whose_lifetime_ends_half_sent_leave_no_trace() {
    for seed in 0..4 {
        let mut w = World::connected(LOSSY, seed);
        let init = ChannelInit { max_packet_life_time: Some(30), ordered: seed % 2 == 0, ..ChannelInit::new("ours") };
        let id = w.us.open(w.now, init).unwrap();
        w.run_for(5 * SECOND);
        for n in 0..30 {
            // Larger than the initial window: what is left of it after 30 ms is given up.
            w.us.send(w.now, id, Kind::Binary, pattern(n, 100_000).into()).unwrap();
            w.run_for(Duration::from_millis(40));
        }
        w.us.close(w.now, id);
        let after = w.us.open(w.now, ChannelInit::new("after")).unwrap();
        w.us.send(w.now, after, Kind::Text, Bytes::from_static(b"still here")).unwrap();
        let stream = w.us.stream_id(after).unwrap();
        w.until("what follows", |w| !w.their_messages(stream).is_empty());
        assert!(w.us.stats().messages_abandoned > 0);
        let whole = |m: &&TheirMessage| (0..30).any(|n| m.payload == pattern(n, 100_000));
        assert!(w.their_messages(0).iter().all(whole));
    }
}

#[test]
fn closing_here_resets_the_stream_there_after_everything_was_delivered() {
    for seed in 0..6 {
        let mut w = World::connected(LOSSY, seed);
        let id = w.us.open(w.now, ChannelInit::new("ours")).unwrap();
        for n in 0..5 {
            w.us.send(w.now, id, Kind::Binary, pattern(n, 30_000).into()).unwrap();
        }
        w.us.close(w.now, id);
        let reset = |w: &World| {
            w.their_events
                .iter()
                .any(|e| matches!(e, SocketEvent::OnIncomingStreamReset(s) if s.contains(&StreamId(0))))
        };
        w.until("their notice", reset);
        assert_eq!(w.their_messages(0).len(), 5);
        assert!(!w.events.contains(&Event::Closed(id)), "open until they reset, too");
        w.them.reset_streams(&[StreamId(0)]).unwrap();
        w.until("closed", |w| w.events.contains(&Event::Closed(id)));
        // The id is free again, and its sequence numbers start over.
        let again = w.us.open(w.now, ChannelInit::new("again")).unwrap();
        assert_eq!(w.us.stream_id(again), Some(0));
        w.us.send(w.now, again, Kind::Text, Bytes::from_static(b"anew")).unwrap();
        w.until("a message on the new one", |w| w.their_messages(0).len() == 6);
    }
}

#[test]
fn closing_there_closes_here_and_what_came_before_can_be_read() {
    for seed in 0..6 {
        let mut w = World::connected(LOSSY, seed);
        let theirs = w.their_open(1, PLAIN);
        for n in 0..5 {
            w.their_send(1, BINARY, pattern(n, 30_000), &SendOptions::default());
        }
        // They drop what is still queued when a stream is reset; what is on its way counts.
        w.until("everything on its way", |w| w.them.buffered_amount(StreamId(1)) == 0);
        w.them.reset_streams(&[StreamId(1)]).unwrap();
        w.until("closed", |w| w.events.contains(&Event::Closed(theirs)));
        assert_eq!(w.ours[&theirs].len(), 5);
        assert!(w.events.contains(&Event::Closing(theirs)));
        let performed = |w: &World| {
            w.their_events
                .iter()
                .any(|e| matches!(e, SocketEvent::OnStreamsResetPerformed(s) if s.contains(&StreamId(1))))
        };
        w.until("their answer", performed);
        let again = w.their_open(1, Open { label: "again", ..PLAIN });
        w.their_send(1, TEXT, b"anew".to_vec(), &SendOptions::default());
        w.until("a message on the new one", |w| w.ours.contains_key(&again));
        assert_eq!(w.us.channel(again).unwrap().state, ChannelState::Open);
    }
}

#[test]
fn shutting_down_here_and_there_ends_both_after_all_data() {
    for we in [true, false] {
        for seed in 0..5 {
            let mut w = World::connected(LOSSY, seed);
            let id = w.us.open(w.now, ChannelInit::new("ours")).unwrap();
            let theirs = w.their_open(1, PLAIN);
            for n in 0..5 {
                w.us.send(w.now, id, Kind::Binary, pattern(n, 30_000).into()).unwrap();
                w.their_send(1, BINARY, pattern(n, 30_000), &SendOptions::default());
            }
            if we {
                w.us.shutdown(w.now);
            } else {
                w.them.shutdown();
            }
            w.until("down", |w| w.events.contains(&Event::Down(CloseReason::Shutdown)));
            w.until("closed there", |w| w.them.state() == SocketState::Closed);
            // The end that asked for it had everything it sent delivered; the other may have been cut short by it. Except that
            // dcSCTP sends its SHUTDOWN while a chunk is only planned to be sent again, and ends without it.
            match we {
                true => assert_eq!(w.their_messages(0).len(), 5),
                false => assert!(w.ours[&theirs].len() >= 4),
            }
        }
    }
}

#[test]
fn aborts_are_told_with_their_reason() {
    let mut w = World::connected(CLEAN, 8);
    w.us.abort(w.now, "enough");
    w.until("their notice", |w| {
        w.their_events.iter().any(|e| matches!(e, SocketEvent::OnAborted(_, why) if why.contains("enough")))
    });
    let mut w = World::connected(CLEAN, 9);
    w.them.close();
    w.until("down", |w| {
        w.events.iter().any(|e| matches!(e, Event::Down(CloseReason::AbortedByPeer { cause: 12, .. })))
    });
}

#[test]
fn bulk_crosses_both_ways_with_checksums_of_zero_if_both_agree_and_without_if_either_does_not() {
    for (seed, (we, they)) in [(true, true), (true, false), (false, true), (false, false)].into_iter().enumerate() {
        let mut options = Options::default();
        if they {
            options.zero_checksum_alternate_error_detection_method = DTLS;
        }
        let mut config = Config::default();
        config.zero_checksum = we;
        let mut w = World::configured(LOSSY, seed as u64, options, config).connect();
        let id = w.us.open(w.now, ChannelInit::new("ours")).unwrap();
        let theirs = w.their_open(1, PLAIN);
        // What the handshake had to carry is over.
        w.run_for(SECOND);
        for n in 0..6 {
            w.us.send(w.now, id, Kind::Binary, pattern(n, 50_000).into()).unwrap();
            w.their_send(1, BINARY, pattern(n, 50_000), &SendOptions::default());
        }
        let mut with_zero = [0; 2];
        let mut others = [0; 2];
        while !(w.their_messages(0).len() == 6 && w.ours.get(&theirs).is_some_and(|m| m.len() == 6)) {
            assert!(w.now < Instant::ORIGIN + 300 * SECOND && w.step(), "{:?}", w.us.stats());
            for (to, packet) in w.wire.values() {
                let count = if packet[8..12] == [0; 4] { &mut with_zero } else { &mut others };
                count[usize::from(*to == To::Us)] += 1;
            }
        }
        let (zero, other) = if we && they { (with_zero, others) } else { (others, with_zero) };
        assert!(zero.iter().all(|n| *n > 50) && other == [0; 2], "{we} {they}: {with_zero:?} with zero, {others:?}");
        for n in 0..6 {
            assert_eq!(w.their_messages(0)[n].payload, pattern(n, 50_000));
            assert_eq!(w.ours[&theirs][n], (Kind::Binary, pattern(n, 50_000).into()));
        }
        assert_eq!(w.us.stats().drops.checksum, 0);
    }
}

#[test]
fn two_that_begin_from_signalled_chunks_carry_data_in_their_first_packets() {
    let mut w = World::begun(CLEAN, 11);
    let id = w.us.open(w.now, ChannelInit::new("x")).unwrap();
    w.us.send(w.now, id, Kind::Text, Bytes::from_static(b"hi")).unwrap();
    w.their_send(1, DCEP, Dcep::Open(PLAIN).to_vec(), &SendOptions::default());
    w.their_send(1, TEXT, b"hello".to_vec(), &SendOptions::default());
    assert!(w.is_connected() || w.step(), "nothing is waited for");
    w.run_for(Duration::from_millis(16));
    assert_eq!(w.their_messages(0)[0].payload, b"hi");
    let theirs = *w.ours.keys().next().expect("a message after one way");
    assert_eq!(w.ours[&theirs], [(Kind::Text, Bytes::from_static(b"hello"))]);
}

#[test]
fn bulk_crosses_both_ways_between_two_that_begin_from_signalled_chunks() {
    for seed in 0..6 {
        let mut w = World::begun(Link { loss: 0.1, ..LOSSY }, seed);
        let id = w.us.open(w.now, ChannelInit::new("ours")).unwrap();
        let theirs = w.their_open(1, PLAIN);
        for n in 0..6 {
            w.us.send(w.now, id, Kind::Binary, pattern(n, 40_000).into()).unwrap();
            w.their_send(1, BINARY, pattern(n, 40_000), &SendOptions::default());
        }
        w.until("all of it", |w| w.their_messages(0).len() == 6 && w.ours.get(&theirs).is_some_and(|m| m.len() == 6));
        for n in 0..6 {
            assert_eq!(w.their_messages(0)[n].payload, pattern(n, 40_000));
            assert_eq!(w.ours[&theirs][n], (Kind::Binary, pattern(n, 40_000).into()));
        }
        // Resets begin to count where the INIT chunks say.
        w.us.close(w.now, id);
        let reset = |w: &World| {
            let is = |e: &SocketEvent| matches!(e, SocketEvent::OnIncomingStreamReset(s) if s.contains(&StreamId(0)));
            w.their_events.iter().any(is)
        };
        w.until("their notice", reset);
        w.them.reset_streams(&[StreamId(0), StreamId(1)]).unwrap();
        w.until("closed", |w| w.events.contains(&Event::Closed(id)) && w.events.contains(&Event::Closed(theirs)));
    }
}

#[test]
fn one_that_shakes_hands_with_us_although_we_have_begun_is_answered() {
    for seed in 0..10 {
        let mut w = World::new(LOSSY, seed);
        // What they had signalled is not what they come with.
        let ours = w.us.local_init();
        let like_ours = Init::parse_chunk(&ours).unwrap().init;
        let signalled = Init { tag: Tag(like_ours.tag.0 ^ 1), ..like_ours }.to_chunk();
        w.us.start_with(w.now, &signalled).unwrap();
        let id = w.us.open(w.now, ChannelInit::new("x")).unwrap();
        w.us.send(w.now, id, Kind::Text, Bytes::from_static(b"hi")).unwrap();
        w.them.connect();
        w.until("a message", |w| !w.their_messages(0).is_empty());
        let theirs = w.their_open(1, PLAIN);
        w.their_send(1, TEXT, b"hello".to_vec(), &SendOptions::default());
        w.until("theirs", |w| w.ours.contains_key(&theirs));
        assert_eq!(w.events.iter().filter(|e| **e == Event::Connected).count(), 1, "no restart");
        assert!(!w.events.contains(&Event::Closed(id)));
    }
}

#[test]
fn they_send_as_fast_as_they_can_to_one_who_takes_packets_in_batches() {
    const SIZE: usize = 16_000;
    const COUNT: usize = 1200;
    let (max_send_buffer_size, per_stream_send_queue_limit) = (40 << 20, 40 << 20);
    let options = Options { max_send_buffer_size, per_stream_send_queue_limit, ..Options::default() };
    let mut w = World::with(CLEAN, 1, options);
    w.us.connect(w.now);
    w.until("connected", World::is_connected);
    let id = w.their_open(1, PLAIN);
    let begin = w.now;
    for n in 0..COUNT {
        w.their_send(1, BINARY, pattern(n, SIZE), &SendOptions::default());
    }
    w.until("all messages", |w| w.ours.get(&id).is_some_and(|m| m.len() == COUNT));
    // All packets of a moment make one batch on this link. One SACK for each batch makes it two minutes, eight make it 25 s.
    let took = w.now.since(begin);
    assert!(took < 3 * SECOND, "{took:?} for 19 MB at a round trip of 30 ms");
}

#[test]
fn probes_of_the_packet_size_are_answered_and_the_padding_is_passed_over() {
    let mut w = World::connected(CLEAN, 61);
    let mut buf = [0; 1600];
    let mut slot = Slot::new(&mut buf, 0, 0, 1500);
    assert_eq!(w.us.write_probe(w.now, 1452, &mut slot), Some(1452));
    let packet = slot.packet().to_vec();
    w.post(To::Them, packet);
    w.run_for(SECOND / 2);
    assert_eq!(w.us.poll_probe(), Some(ProbeResult { len: 1452, fate: Fate::Delivered }));
    assert!(!w.us.peer_tells_marks() && w.is_connected());
}

#[test]
fn messages_of_four_mebibytes_cross_both_ways_under_loss_and_reordering() {
    const SIZE: usize = 4 << 20;
    let one_in_a_hundred = Link { loss: 0.01, ..LOSSY };
    let options = Options {
        max_message_size: SIZE,
        max_receiver_window_buffer_size: 2 * SIZE,
        per_stream_send_queue_limit: 2 * SIZE,
        max_send_buffer_size: 2 * SIZE,
        ..Options::default()
    };
    let mut config = Config::default();
    (config.max_message_size, config.receive_window) = (SIZE, 4 * SIZE);
    let mut w = World::configured(one_in_a_hundred, 71, options, config).connect();
    let id = w.us.open(w.now, ChannelInit::new("ours")).unwrap();
    let theirs = w.their_open(1, PLAIN);
    w.us.send(w.now, id, Kind::Binary, pattern(1, SIZE).into()).unwrap();
    w.their_send(1, BINARY, pattern(2, SIZE), &SendOptions::default());
    w.until("both", |w| w.their_messages(0).len() == 1 && w.ours.contains_key(&theirs));
    assert_eq!(w.their_messages(0)[0].payload, pattern(1, SIZE));
    assert_eq!(w.ours[&theirs], [(Kind::Binary, pattern(2, SIZE).into())]);
}

#[test]
fn small_windows_are_kept_on_both_sides_under_loss_and_reordering() {
    const WINDOW: usize = 64 << 10;
    for seed in 0..6 {
        let options = Options { max_receiver_window_buffer_size: WINDOW, ..Options::default() };
        let mut config = Config::default();
        // The window is never below the largest message.
        (config.receive_window, config.max_message_size) = (WINDOW, 16 << 10);
        let mut w = World::configured(LOSSY, seed, options, config).connect();
        let id = w.us.open(w.now, ChannelInit::new("ours")).unwrap();
        let theirs = w.their_open(1, PLAIN);
        for n in 0..60 {
            w.us.send(w.now, id, Kind::Binary, pattern(n, 16_000).into()).unwrap();
            w.their_send(1, BINARY, pattern(n, 16_000), &SendOptions::default());
        }
        let (mut most, mut least) = (0, usize::MAX);
        while !(w.their_messages(0).len() == 60 && w.ours.get(&theirs).is_some_and(|m| m.len() == 60)) {
            assert!(w.now < Instant::ORIGIN + 300 * SECOND && w.step(), "{:?}", w.us.stats());
            most = most.max(w.us.stats().in_flight);
            least = least.min(w.them.get_metrics().unwrap().peer_rwnd_bytes as usize);
        }
        assert!((WINDOW / 4..=WINDOW).contains(&most), "{most} bytes in flight to one with room for {WINDOW}");
        assert!(least < WINDOW / 2, "their view of our window: at least {least}");
        for n in 0..60 {
            assert_eq!(w.their_messages(0)[n].payload, pattern(n, 16_000));
            assert_eq!(w.ours[&theirs][n], (Kind::Binary, pattern(n, 16_000).into()));
        }
    }
}

#[test]
fn those_who_do_not_read_stop_the_other_side_until_they_do() {
    const COUNT: usize = 40;
    let window = 256 << 10;
    for seed in 0..4 {
        let options = Options { max_receiver_window_buffer_size: window, ..Options::default() };
        let mut config = Config::default();
        (config.receive_window, config.max_message_size) = (window, 32 << 10);
        let mut w = World::configured(LOSSY, seed, options, config).connect();
        let id = w.us.open(w.now, ChannelInit::new("ours")).unwrap();
        let theirs = w.their_open(1, PLAIN);
        w.until("their notice", |w| w.theirs.iter().any(|m| m.ppid == PpId(DCEP)));
        w.reads = [false; 2];
        for n in 0..COUNT {
            w.us.send(w.now, id, Kind::Binary, pattern(n, 30_000).into()).unwrap();
            w.their_send(1, BINARY, pattern(n, 30_000), &SendOptions::default());
        }
        w.run_for(60 * SECOND);
        let (ours, theirs_left) = (w.us.stats().bytes_sent, w.them.buffered_amount(StreamId(1)));
        w.run_for(60 * SECOND);
        let later = w.us.stats().bytes_sent - ours;
        // Probes of a closed window are all that still leaves.
        assert!(later < 100_000 && ours < 2 * window as u64, "{ours} bytes sent, {later} of them in the second minute");
        let left = w.them.buffered_amount(StreamId(1));
        assert!(
            left == theirs_left && left > COUNT * 30_000 - 2 * window,
            "{theirs_left}, then {left} bytes with them"
        );
        // Their next probe of what was a closed window comes up to two minutes later by now; if it were lost, in four.
        w.link.loss = 0.0;
        w.reads = [true; 2];
        w.read(theirs);
        w.until("all", |w| w.their_messages(0).len() == COUNT && w.ours.get(&theirs).is_some_and(|m| m.len() == COUNT));
        for n in 0..COUNT {
            assert_eq!(w.their_messages(0)[n].payload, pattern(n, 30_000));
            assert_eq!(w.ours[&theirs][n], (Kind::Binary, pattern(n, 30_000).into()));
        }
    }
}

fn interleaved(link: Link, seed: u64) -> World {
    World::with(link, seed, Options { enable_message_interleaving: true, ..Options::default() }).connect()
}

#[test]
fn messages_are_interleaved_where_both_do_so() {
    const DATA: u8 = 0;
    const I_DATA: u8 = 64;
    for (we, they) in [(true, true), (true, false), (false, true), (false, false)] {
        for seed in 0..4 {
            let options = Options { enable_message_interleaving: they, ..Options::default() };
            let mut config = Config::default();
            config.interleaving = we;
            let mut w = World::configured(LOSSY, seed, options, config);
            if seed % 2 == 0 {
                w.us.connect(w.now)
            } else {
                w.them.connect()
            }
            w.until("connected", World::is_connected);
            let id = w.us.open(w.now, ChannelInit::new("ours")).unwrap();
            let theirs = w.their_open(1, PLAIN);
            w.us.send(w.now, id, Kind::Binary, pattern(1, 30_000).into()).unwrap();
            w.their_send(1, BINARY, pattern(2, 30_000), &SendOptions::default());
            w.flush();
            let kinds: Vec<u8> = w.wire.values().map(|(_, packet)| packet[12]).collect();
            assert_eq!((kinds.contains(&I_DATA), kinds.contains(&DATA)), (we && they, !(we && they)), "{kinds:?}");
            w.until("both", |w| w.their_messages(0).len() == 1 && w.ours.contains_key(&theirs));
            assert_eq!(w.their_messages(0)[0].payload, pattern(1, 30_000));
            assert_eq!(w.ours[&theirs], [(Kind::Binary, pattern(2, 30_000).into())]);
            assert_eq!(w.us.stats().interleaving, we && they);
        }
    }
}

#[test]
fn large_messages_on_many_channels_and_small_ones_between_them_cross_both_ways() {
    for seed in 0..4 {
        let mut w = interleaved(LOSSY, seed);
        let open = |w: &mut World, n: u16| {
            let init =
                ChannelInit { ordered: n.is_multiple_of(2), priority: 128 << (n % 4), ..ChannelInit::new("ours") };
            w.us.open(w.now, init).unwrap()
        };
        let ours: Vec<_> = (0..6).map(|n| open(&mut w, n)).collect();
        let theirs: Vec<_> = (0..6).map(|n| w.their_open(2 * n + 1, Open { ordered: n % 2 == 0, ..PLAIN })).collect();
        for n in 0..8 {
            for (channel, id) in ours.iter().enumerate() {
                let (body, unordered) = (pattern(n, if channel < 4 { 50_000 } else { 40 }), channel % 2 == 1);
                w.us.send(w.now, *id, Kind::Binary, body.clone().into()).unwrap();
                let options = SendOptions { unordered, ..SendOptions::default() };
                w.their_send(2 * channel as u16 + 1, BINARY, body, &options);
            }
        }
        w.until("all of it", |w| {
            let there = (0..6).all(|n| w.their_messages(2 * n).len() == 8);
            there && theirs.iter().all(|id| w.ours.get(id).is_some_and(|m| m.len() == 8))
        });
        for channel in 0..6 {
            let len = if channel < 4 { 50_000 } else { 40 };
            let mut expected: Vec<_> = (0..8).map(|n| pattern(n, len)).collect();
            let there = w.their_messages(2 * channel).into_iter().map(|m| m.payload.clone()).collect();
            let here = w.ours[&theirs[usize::from(channel)]].iter().map(|(_, payload)| payload.to_vec()).collect();
            let mut got: [Vec<Vec<u8>>; 2] = [there, here];
            if channel % 2 == 1 {
                got.iter_mut().for_each(|messages| messages.sort_unstable());
                expected.sort_unstable();
            }
            assert!(got.iter().all(|messages| *messages == expected), "channel {channel}");
        }
    }
}

#[test]
fn a_small_message_overtakes_a_large_one_on_another_channel_both_ways() {
    let mut w = interleaved(CLEAN, 1);
    let [large, small] = ["large", "small"].map(|label| w.us.open(w.now, ChannelInit::new(label)).unwrap());
    let theirs = [1, 3].map(|stream| w.their_open(stream, PLAIN));
    w.us.send(w.now, large, Kind::Binary, pattern(1, 250_000).into()).unwrap();
    w.us.send(w.now, small, Kind::Text, Bytes::from_static(b"small")).unwrap();
    w.their_send(1, BINARY, pattern(1, 250_000), &SendOptions::default());
    w.their_send(3, TEXT, b"small".to_vec(), &SendOptions::default());
    w.until("the small ones", |w| !w.their_messages(2).is_empty() && w.ours.contains_key(&theirs[1]));
    assert!(w.their_messages(0).is_empty() && !w.ours.contains_key(&theirs[0]), "the large ones are under way");
    w.until("the large ones", |w| !w.their_messages(0).is_empty() && w.ours.contains_key(&theirs[0]));
    assert_eq!(w.their_messages(0)[0].payload, pattern(1, 250_000));
    assert_eq!(w.ours[&theirs[0]][0].1, pattern(1, 250_000));
}

#[test]
fn interleaved_messages_are_given_up_both_ways_and_their_streams_begin_anew_after_a_reset() {
    for seed in 0..6 {
        let mut w = interleaved(LOSSY, seed);
        let ordered = seed % 2 == 0;
        let init = |label| ChannelInit { max_retransmits: Some(0), ordered, ..ChannelInit::new(label) };
        let ours = ["a", "b"].map(|label| w.us.open(w.now, init(label)).unwrap());
        let open = Open { reliability: Reliability::Retransmissions(0), ordered, ..PLAIN };
        let theirs = [1, 3].map(|stream| w.their_open(stream, open));
        w.run_for(3 * SECOND);
        w.link = Link { loss: 0.2, ..LOSSY };
        let options = SendOptions { max_retransmissions: Some(0), unordered: !ordered, ..SendOptions::default() };
        for n in 0..60 {
            for (channel, id) in ours.iter().enumerate() {
                let body = pattern(n, 6000 + n);
                w.us.send(w.now, *id, Kind::Binary, body.clone().into()).unwrap();
                w.their_send(2 * channel as u16 + 1, BINARY, body, &options);
            }
            w.run_for(Duration::from_millis(15));
        }
        w.link = CLEAN;
        ours.iter().for_each(|id| w.us.send(w.now, *id, Kind::Binary, pattern(0, 9).into()).unwrap());
        [1, 3].iter().for_each(|stream| w.their_send(*stream, BINARY, pattern(0, 9), &SendOptions::default()));
        w.until("the last ones", |w| {
            let there = [0, 2].iter().all(|s| w.their_messages(*s).iter().any(|m| m.payload.len() == 9));
            there && theirs.iter().all(|id| w.ours.get(id).is_some_and(|all| all.iter().any(|m| m.1.len() == 9)))
        });
        let there = [0, 2].map(|s| w.their_messages(s).iter().map(|m| m.payload.clone()).collect::<Vec<_>>());
        let here = theirs.map(|id| w.ours[&id].iter().map(|m| m.1.to_vec()).collect::<Vec<_>>());
        for got in there.iter().chain(&here) {
            assert!((5..61).contains(&got.len()), "some are lost, some arrive: {}", got.len());
            assert!(got.iter().all(|m| *m == pattern(m.len().saturating_sub(6000), m.len())), "whole and unmixed");
            assert!(!ordered || got[..got.len() - 1].is_sorted_by_key(Vec::len));
        }
        assert!(w.us.stats().messages_abandoned > 0);

        ours.iter().for_each(|id| w.us.close(w.now, *id));
        w.run_for(2 * SECOND);
        w.them.reset_streams(&[StreamId(0), StreamId(1), StreamId(2), StreamId(3)]).unwrap();
        w.until("closed", |w| ours.iter().chain(&theirs).all(|id| w.events.contains(&Event::Closed(*id))));
        let (again, before) = (w.us.open(w.now, ChannelInit::new("again")).unwrap(), w.their_messages(0).len());
        assert_eq!(w.us.stream_id(again), Some(0));
        w.us.send(w.now, again, Kind::Binary, pattern(1, 20_000).into()).unwrap();
        let anew = w.their_open(1, PLAIN);
        w.their_send(1, BINARY, pattern(1, 20_000), &SendOptions::default());
        w.until("what follows", |w| w.their_messages(0).len() > before && w.ours.contains_key(&anew));
    }
}
