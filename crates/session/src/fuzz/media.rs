//! Two ends of audio and video without keys between them: frames, losses, and packets that an authentic peer should not send.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;
use peerage_base::ecn::Ecn;
use peerage_base::reader::Reader;
use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_jsep::capability::MediaConfig;
use peerage_jsep::config::Config as JsepConfig;
use peerage_jsep::local::LocalTransport;
use peerage_jsep::negotiation::{Negotiation, OfferOptions};
use peerage_jsep::plan::MediaPlan;
use peerage_jsep::transceiver::{MediaKind, TransceiverInit};
use peerage_media::receive::audio::decision::Decision;
use peerage_media::send::frame::Frame;
use peerage_rtp::ntp::WallClock;
use peerage_rtp::numbers::Timestamp;
use peerage_rtp::payload::format::Format;
use peerage_sctp::budget::Rate;

use crate::delivery::Delivery;
use crate::media::outgoing::Departing;
use crate::media::{Media, Parts};
use crate::memory::Wish;
use crate::path::Pace;

/// Longest packet.
const MTU: usize = 1200;
/// Most packets that one end writes at a moment, far more than it has.
const MAX_WRITTEN: usize = 20_000;

/// What a sequence came to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reached {
    pub(super) frames: usize,
    pub(super) sounds: usize,
    pub(super) controls: usize,
}

struct World {
    now: Instant,
    ends: [Media; 2],
    plans: [Vec<MediaPlan>; 2],
    rng: Rng,
    /// Parts of 256 of packets that are lost.
    loss: u8,
    reached: Reached,
}

/// Runs a sequence of operations.
pub(super) fn run(data: &[u8]) -> Reached {
    let mut input = Reader::new(data);
    let mut world = World::new(input.u8().unwrap_or(0));
    for _ in 0..400 {
        let Some(operation) = input.u8() else { break };
        let choice = input.u8().unwrap_or(0);
        let side = usize::from(choice & 1);
        match operation % 20 {
            0..=8 => world.talk(side, choice),
            9..=12 => world.now += Duration::from_millis(u64::from(choice >> 1)),
            13 => world.now += Duration::from_secs(u64::from(choice & 3)),
            14 => world.loss = choice & 0x7F,
            15 => world.forge(side, choice, &mut input),
            16 => world.lie(side, &mut input),
            17 => world.wish(side, choice),
            18 => world.renegotiate(side, choice),
            _ => {
                let now = world.now;
                let end = &mut world.ends[side];
                if choice & 2 == 0 {
                    end.path_changed(now)
                } else {
                    end.set_round_trip(Duration::from_millis(choice.into()))
                }
            }
        }
        world.settle();
    }
    world.reached
}

impl World {
    fn new(seed: u8) -> Self {
        let plans = agreement();
        let now = Instant::from_millis(1000);
        let ends = [0, 1].map(|side: usize| {
            let parts = Parts {
                estimate: Default::default(),
                repair: Default::default(),
                send: Default::default(),
                wall: WallClock::new(Instant::ORIGIN, Duration::from_secs(1_700_000_000)),
                max_packet: MTU - 40,
            };
            let mut media = Media::new(parts, &Rng::from_u64(side as u64), now, &plans[side]);
            media.agree(now, plans[side].clone(), &[]);
            media
        });
        Self { now, ends, plans, rng: Rng::from_u64(seed.into()), loss: 0, reached: Reached::default() }
    }

    /// A frame on one of the transceivers.
    fn talk(&mut self, side: usize, choice: u8) {
        let plan = &self.plans[side][usize::from(choice >> 1) % self.plans[side].len()];
        let is_video = plan.kind == MediaKind::Video;
        let Some(section) = self.ends[side].section(plan.transceiver) else { return };
        let Some((_, codec)) = section.sendable().next() else { return };
        let len = if is_video { 16 + usize::from(choice) * 40 } else { 80 };
        let mut payload = vec![choice; len];
        let is_key = choice & 0xC0 == 0;
        payload[0] = u8::from(!is_key);
        let mut frame = Frame::new(Bytes::from(payload), Format::plain(codec), Timestamp(0), self.now);
        let rate = if is_video { 90 } else { 48 };
        frame.timestamp = Timestamp((self.now.since(Instant::ORIGIN).as_millis() as u32).wrapping_mul(rate));
        frame.is_key = is_key;
        let id = plan.transceiver;
        let _ = self.ends[side].send_frame(self.now, id, usize::from(choice & 1), frame);
    }

    /// A packet whose header is of an open section, or nearly, and whose rest is what the input has.
    fn forge(&mut self, side: usize, choice: u8, input: &mut Reader<'_>) {
        let plan = &self.plans[side][usize::from(choice >> 4) % self.plans[side].len()];
        let codec = plan.codecs.get(usize::from(choice >> 1 & 7) % plan.codecs.len().max(1));
        let number = codec.map_or(96, |codec| match codec.rtx {
            Some(rtx) if choice & 0x40 != 0 => rtx.receive_payload_type.get(),
            _ => codec.receive_payload_type.get(),
        });
        let head = input.bytes(8).unwrap_or(&[0; 8]);
        let len = usize::from(head[7] & 0x3F);
        let rest = input.bytes(len.min(input.len())).unwrap_or_default();
        let first = if head[6] & 1 == 0 { 0x80 } else { 0x90 };
        let mut packet = vec![first, number | (head[6] & 0x80)];
        packet.extend_from_slice(&head[..2]);
        packet.extend_from_slice(&[0, head[2], head[3], head[4]]);
        packet.extend_from_slice(&[0, 0, head[5] & 3, head[5]]);
        packet.extend_from_slice(rest);
        self.ends[side].handle_rtp(self.now, &mut packet, Ecn::from_bits(head[6] >> 2));
    }

    /// RTCP as the input has it, behind a report that makes a compound of it.
    fn lie(&mut self, side: usize, input: &mut Reader<'_>) {
        let kind = input.u8().unwrap_or(0);
        let len = usize::from(input.u8().unwrap_or(0) & 0x0F) * 4;
        let body = input.bytes(len.min(input.len())).unwrap_or_default();
        let words = body.len() / 4;
        let mut packet = vec![0x80, 201, 0, 1, 0, 0, 0, 9];
        packet.extend_from_slice(&[0x80 | (kind & 0x1F), 200 + (kind >> 5), 0, words as u8]);
        packet.extend_from_slice(&body[..words * 4]);
        self.ends[side].handle_rtcp(self.now, &packet);
    }

    fn wish(&mut self, side: usize, choice: u8) {
        let plan = &self.plans[side][usize::from(choice >> 1) % self.plans[side].len()];
        let deliveries = [Delivery::Frames, Delivery::Playout, Delivery::Packets, Delivery::Forward];
        let delivery = deliveries[usize::from(choice >> 4) % 4];
        let max_bitrate = (choice & 0x80 != 0).then_some(u64::from(choice) << 14);
        let mut wish = Wish { delivery, max_bitrate, ..Wish::new(plan.transceiver) };
        wish.encodings[0].active = choice & 0x44 != 0x44;
        wish.encodings[1].max_bitrate = (choice & 8 != 0).then_some(u64::from(choice) << 12);
        self.ends[side].wish(self.now, wish);
        self.ends[side].request_key_frame(self.now, plan.transceiver, None);
        self.ends[side].set_codec(plan.transceiver, usize::from(choice >> 5));
    }

    /// Some sections close, and open again.
    fn renegotiate(&mut self, side: usize, choice: u8) {
        let kept =
            self.plans[side].iter().enumerate().filter(|(n, _)| choice >> (n + 1) & 1 == 0 || choice & 0x60 != 0);
        let plans = kept.map(|(_, plan)| plan.clone()).collect();
        self.ends[side].agree(self.now, plans, &[]);
    }

    /// Lets everything leave, arrive or be lost, and be read.
    fn settle(&mut self) {
        for side in [0, 1] {
            self.ends[side].handle_timeout(self.now);
            let mut written = 0;
            while let Some(mut packet) = self.write(side) {
                written += 1;
                assert!(written < MAX_WRITTEN, "an end that never ends");
                let is_rtcp = (192..=223).contains(&packet[1]);
                self.reached.controls += usize::from(is_rtcp);
                if self.rng.below(256) < u64::from(self.loss) {
                    continue;
                }
                let other = &mut self.ends[1 - side];
                match is_rtcp {
                    true => other.handle_rtcp(self.now, &packet),
                    false => other.handle_rtp(self.now, &mut packet, Ecn::Ect1),
                }
            }
            self.read(side);
            let end = &mut self.ends[side];
            while end.poll_event().is_some() {}
            end.check();
        }
    }

    fn write(&mut self, side: usize) -> Option<Vec<u8>> {
        let (now, end) = (self.now, &mut self.ends[side]);
        let mut buf = [0; 1500];
        let mut slot = Slot::new(&mut buf, 0, 0, MTU);
        if end.write_rtcp(now, &mut slot) {
            return Some(slot.packet().to_vec());
        }
        let pace = Pace::new(Rate(end.pacing_rate() / 8), MTU, MTU * 8);
        let bytes = end.grant(now, pace);
        let mut slot = Slot::new(&mut buf, 0, 0, 1500);
        let departing = end.write_rtp(now, &mut slot, bytes, MTU)?;
        let size = departing.size + 28;
        end.departed(now, &Departing { size, ..departing }, pace, Ecn::Ect1);
        Some(slot.packet().to_vec())
    }

    fn read(&mut self, side: usize) {
        let end = &mut self.ends[side];
        for plan in &self.plans[side] {
            let Some(section) = end.section(plan.transceiver) else { continue };
            while section.frames.pop().is_some() {
                self.reached.frames += 1;
            }
            while section.packets.pop().is_some() {}
            while section.shared.pop().is_some() {}
            let Some(audio) = end.playout(plan.transceiver) else { continue };
            for _ in 0..64 {
                match audio.next(self.now) {
                    Decision::Play { .. } => break,
                    Decision::Accelerate { .. } => audio.stretched(-480),
                    Decision::Slow => audio.stretched(480),
                    Decision::Decode(_) => self.reached.sounds += 1,
                    _ => {}
                }
            }
        }
    }
}

/// What two ends agree on: sound, a picture, and another one from the first end in three encodings.
fn agreement() -> [Vec<MediaPlan>; 2] {
    let transport = |ufrag: &str| LocalTransport {
        ufrag: ufrag.into(),
        pwd: "0123456789abcdefghijklmn".into(),
        fingerprints: vec![alloc::format!("sha-256 {}", ["00"; 32].join(":"))],
        ..LocalTransport::default()
    };
    let (here, there) = (transport("here"), transport("there"));
    let [mut a, mut b] = [1, 2].map(|id| {
        let mut config = JsepConfig::new(id);
        config.media = Some(Arc::new(MediaConfig::default()));
        Negotiation::new(config)
    });
    for negotiation in [&mut a, &mut b] {
        for kind in [MediaKind::Audio, MediaKind::Video] {
            let _ = negotiation.add_track(kind, "track".into(), Vec::new());
        }
    }
    let rids = ["q", "h", "f"].into_iter().filter_map(peerage_sdp::attribute::rid::RidId::new).collect();
    let _ = a.add_transceiver(MediaKind::Video, TransceiverInit { rids, ..TransceiverInit::default() });
    let mut agreed = || {
        let offer = a.create_offer(&here, OfferOptions::default())?;
        a.set_local(Some(offer.clone()), &here)?;
        b.set_remote(offer)?;
        let answer = b.create_answer(&there)?;
        let theirs = b.set_local(Some(answer.clone()), &there)?;
        Ok::<_, peerage_jsep::error::Error>([a.set_remote(answer)?.media, theirs.media])
    };
    agreed().expect("the default tables agree with themselves")
}
