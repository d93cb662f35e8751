//! What a packet of video costs in allocations once a call is under way, for who sends it, who receives it and who passes it on.

use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use peerage_base::datagram::{Datagram, Transmit};
use peerage_base::ecn::Ecn;
use peerage_base::path::{LocalId, Path};
use peerage_base::rng::Rng;
use peerage_base::time::{Duration, Instant};
use peerage_session::config::{Config, LocalAddress, MediaOptions};
use peerage_session::delivery::Delivery;
use peerage_session::event::Event;
use peerage_session::face::{
    Certificate, Codec, Format, Frame, Limit, MediaKind, Timestamp, TransceiverId, TransceiverInit,
};
use peerage_session::media::frames::Forwardable;
use peerage_session::session::Session;
use peerage_testkit::fixtures;

/// Room for a run of datagrams.
const RUN: usize = 65_536;
/// Bytes of a frame: eleven packets.
const FRAME: usize = 12_000;
/// Between two frames.
const INTERVAL: Duration = Duration::from_millis(33);

/// Two ends, of which the first sends one stream of video.
struct Call {
    ends: [Session; 2],
    out: TransceiverId,
    come: TransceiverId,
    buf: Box<[u8]>,
    /// Allocations of each end.
    cost: [u64; 2],
    /// Datagrams of the first end.
    packets: u64,
    frames: u64,
    number: u32,
}

/// What an end did, and how often it allocated.
fn counted<R>(cost: &mut u64, act: impl FnOnce() -> R) -> R {
    let mut result = None;
    *cost += allocation_counter::measure(|| result = Some(act())).count_total;
    result.unwrap()
}

impl Call {
    fn connected(now: &mut Instant, seed: u64, forwards: bool) -> Self {
        let mut media = MediaOptions::default();
        (media.estimate.start, media.estimate.max) = (1_000_000_000, 1_000_000_000);
        let mut config = Config::default();
        config.media = Some(Arc::new(media));
        let mut ends = [seed, seed + 1].map(|seed| {
            let mut rng = Rng::from_u64(seed);
            let certificate = Certificate::generate(&mut rng, fixtures::UNIX_TIME).unwrap();
            Session::new(config.clone(), Arc::new(certificate), rng, *now)
        });
        let init = TransceiverInit { track: Some("ours".into()), streams: vec!["stream".into()], ..Default::default() };
        let out = ends[0].add_transceiver(MediaKind::Video, init).unwrap();
        ends[0].set_max_bitrate(*now, out, Some(1_000_000_000));
        ends[0].set_forwards(*now, out, forwards);
        for (n, end) in ends.iter_mut().enumerate() {
            end.add_local(*now, LocalAddress::udp(address(n), 1));
            end.local_addresses_done(*now);
        }
        let offer = ends[0].create_offer(*now, Default::default()).unwrap();
        ends[0].set_local_description(*now, Some(offer.clone())).unwrap();
        ends[1].set_remote_description(*now, offer).unwrap();
        let answer = ends[1].create_answer(*now).unwrap();
        ends[1].set_local_description(*now, Some(answer.clone())).unwrap();
        ends[0].set_remote_description(*now, answer).unwrap();
        for n in 0..2 {
            while let Some(event) = ends[n].poll_event() {
                if let Event::IceCandidate(Some(candidate)) = event {
                    ends[1 - n].add_ice_candidate(*now, &candidate).unwrap();
                }
            }
        }
        let come = ends[1].transceivers()[0].id();
        let buf = vec![0; RUN].into();
        let mut call = Self { ends, out, come, buf, cost: [0; 2], packets: 0, frames: 0, number: 0 };
        for _ in 0..300 {
            *now += Duration::from_millis(5);
            call.exchange(*now);
        }
        call
    }

    fn send(&mut self, now: Instant) {
        let is_key = self.number == 0;
        let mut payload = vec![7; FRAME];
        // RFC 7741 §4.3.
        payload[..10].copy_from_slice(&[u8::from(!is_key), 0, 0, 0x9D, 0x01, 0x2A, 64, 1, 240, 0]);
        let timestamp = Timestamp(self.number * 3000);
        let mut frame = Frame::new(Bytes::from(payload), Format::plain(Codec::Vp8), timestamp, now);
        frame.is_key = is_key;
        self.number += 1;
        let (end, out) = (&mut self.ends[0], self.out);
        counted(&mut self.cost[0], || end.send_frame(now, out, 0, frame)).unwrap();
    }

    /// Carries what each end has to say to the other, and reads what came; answers what is to be forwarded.
    fn exchange(&mut self, now: Instant) -> Vec<Forwardable> {
        let mut items = Vec::with_capacity(256);
        for from in 0..2 {
            let path = Path { local: LocalId(0), remote: address(from) };
            let Self { ends, buf, cost, .. } = self;
            while let Some(transmit) = counted(&mut cost[from], || ends[from].poll_transmit(now, buf)) {
                self.packets += if from == 0 { rtp_packets(&transmit, buf) } else { 0 };
                let (end, segment) = (&mut ends[1 - from], transmit.segment.unwrap_or(transmit.len));
                counted(&mut cost[1 - from], || {
                    for payload in buf[..transmit.len].chunks_mut(segment) {
                        end.handle_datagram(now, Datagram { path, ecn: Ecn::NotEct, received_at: now, payload });
                    }
                });
            }
        }
        let frames = &mut self.frames;
        for (end, cost) in self.ends.iter_mut().zip(&mut self.cost) {
            counted(cost, || {
                if end.poll_timeout().is_some_and(|deadline| deadline <= now) {
                    end.handle_timeout(now);
                }
                while let Some(event) = end.poll_event() {
                    let Event::TrackReadable(id) = event else { continue };
                    while end.recv_frame(id).is_some() {
                        *frames += 1;
                    }
                    while let Some(item) = end.recv_forwardable(id) {
                        items.push(item);
                    }
                }
            });
        }
        items
    }

    fn reset(&mut self) {
        (self.cost, self.packets, self.frames) = ([0; 2], 0, 0);
    }
}

/// Packets of RTP in a run.
fn rtp_packets(transmit: &Transmit, buf: &[u8]) -> u64 {
    let datagrams = buf[..transmit.len].chunks(transmit.segment.unwrap_or(transmit.len));
    datagrams.filter(|datagram| (128..192).contains(&datagram[0]) && !(192..224).contains(&datagram[1])).count() as u64
}

fn address(n: usize) -> SocketAddr {
    fixtures::v4(n as u8 + 1, 5000)
}

#[test]
fn a_packet_that_is_sent_costs_no_allocation_and_one_that_is_received_only_its_share_of_a_frame() {
    let mut now = Instant::from_millis(1);
    let mut call = Call::connected(&mut now, 1, false);
    let mut talk = |call: &mut Call, frames: u32| {
        for _ in 0..frames {
            now += INTERVAL;
            call.send(now);
            for _ in 0..3 {
                call.exchange(now);
            }
        }
    };
    // Histories and tables reach their sizes.
    talk(&mut call, 300);
    call.reset();
    talk(&mut call, 300);
    let per_packet = call.cost.map(|cost| cost as f64 / call.packets as f64);
    println!(
        "{} packets, {} frames, {:.4} and {:.4} allocations per packet",
        call.packets, call.frames, per_packet[0], per_packet[1]
    );
    assert!(call.packets > 3000 && call.frames >= 299, "{} packets, {} frames", call.packets, call.frames);
    // RTCP ten times a second.
    assert!(per_packet[0] < 0.02, "{} for sending", per_packet[0]);
    // Its bytes, and who shares them.
    assert!(call.cost[1] as f64 <= call.frames as f64 * 2.2, "{} for {} frames", call.cost[1], call.frames);
}

#[test]
fn a_packet_that_is_passed_on_costs_only_its_share_of_a_block() {
    let mut now = Instant::from_millis(1);
    let mut up = Call::connected(&mut now, 1, false);
    let mut down = Call::connected(&mut now, 3, true);
    up.ends[1].set_delivery(now, up.come, Delivery::Forward);
    let passing = Cell::new(0);
    let mut talk = |up: &mut Call, down: &mut Call, frames: u32| {
        for _ in 0..frames {
            now += INTERVAL;
            up.send(now);
            for _ in 0..3 {
                let items = up.exchange(now);
                let (end, out) = (&mut down.ends[0], down.out);
                let mut cost = passing.get();
                counted(&mut cost, || {
                    for item in &items {
                        match item {
                            Forwardable::Packet { shared, .. } => drop(end.forward(now, out, shared).unwrap()),
                            Forwardable::Report { source, ntp, timestamp } => {
                                end.source_report(now, out, *source, (*ntp, *timestamp));
                            }
                            _ => {}
                        }
                    }
                });
                passing.set(cost);
                down.exchange(now);
            }
        }
        now
    };
    talk(&mut up, &mut down, 10);
    let at = talk(&mut up, &mut down, 0);
    let source = up.ends[1].sources(at, up.come)[0].ssrc;
    down.ends[0].select(at, down.out, Some(source), Limit::NONE);
    up.number = 0;
    talk(&mut up, &mut down, 300);
    up.reset();
    down.reset();
    let before = passing.get();
    talk(&mut up, &mut down, 300);
    let costs = [up.cost[1], passing.get() - before, down.cost[0]];
    let per_packet = costs.map(|cost| cost as f64 / down.packets as f64);
    println!("{} packets, {} frames, {per_packet:.4?} allocations per packet", down.packets, down.frames);
    assert!(down.packets > 3000 && down.frames >= 299, "{} packets, {} frames", down.packets, down.frames);
    assert!(per_packet.iter().sum::<f64>() < 0.1, "{per_packet:?} to take in, to pass on, to send");
}
