//! The end that sends: encoders, sender, estimator, pacer, and the choice of repair.

use bytes::Bytes;
use peerage_base::ecn::Ecn;
use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_media::estimate::estimator::{Estimator, Number, Sent};
use peerage_media::estimate::event::{Event as Estimated, Probe};
use peerage_media::rtcp::cname::Cname;
use peerage_media::rtcp::compose::Composer;
use peerage_media::rtcp::receive::{Event as Told, Receiver};
use peerage_media::send::budget::Budget;
use peerage_media::send::config::{Companion, Config, Protection, StreamConfig};
use peerage_media::send::event::Event;
use peerage_media::send::fec::Share;
use peerage_media::send::frame::Frame;
use peerage_media::send::ready::Kind;
use peerage_media::send::repair::{self, Controller};
use peerage_media::send::sender::Sender;
use peerage_media::send::stream_id::StreamId;
use peerage_rtp::extension::kind::Kind as Extension;
use peerage_rtp::extension::map::Map;
use peerage_rtp::ntp::WallClock;
use peerage_rtp::numbers::{SequenceNumber, Ssrc, Timestamp};
use peerage_rtp::packet::raw;
use peerage_rtp::payload::codec::Codec;
use peerage_rtp::payload::fec::header::Scheme;
use peerage_rtp::payload::format::Format;
use peerage_rtp::payload::info::PictureId;
use peerage_rtp::payload::vp8::descriptor::{Descriptor, Temporal};

use super::link::Link;
use super::trace::{Audio, Video};
use super::types::*;

/// What the sender may do about losses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// Sending again alone.
    Resending,
    /// What the controller chooses.
    All,
}

pub struct Near {
    sender: Sender,
    estimator: Estimator,
    rtcp: Receiver,
    composer: Composer,
    controller: Controller,
    means: Means,
    video: (StreamId, Video),
    audio: (StreamId, Audio),
    /// Temporal layers.
    layers: u8,
    tl0: u8,
    frames: u64,
    sounds: u64,
    /// Timestamp of the first packet of sound.
    offset: u32,
    wants_key: bool,
    /// Bytes that key frames took beyond their share, to be saved.
    debt: f64,
    probes: Vec<(Probe, u32, u64)>,
    next_at: Instant,
    reported: Instant,
    /// Bytes by what they are for, in the last second and smoothed.
    second: [usize; 5],
    beside: f64,
    pub totals: [usize; 5],
    pub keys: u64,
    pub sent: Vec<Instant>,
}

pub fn extensions() -> Map {
    let mut map = Map::new(true);
    map.insert(Extension::TransportSequenceNumber, 3).unwrap();
    map
}

fn streams() -> [StreamConfig; 2] {
    let mut video = StreamConfig::new(VIDEO, VP8, Codec::Vp8);
    video.extensions = extensions();
    video.rtx = Some(Companion { ssrc: VIDEO_RTX, payload_type: VP8_RTX });
    let companion = Companion { ssrc: FLEX, payload_type: FLEXFEC };
    video.protection = Some(Protection::Flex { companion, scheme: Scheme::Flex03 });
    let mut audio = StreamConfig::new(AUDIO, OPUS, Codec::Opus);
    audio.extensions = extensions();
    audio.rtx = Some(Companion { ssrc: AUDIO_RTX, payload_type: OPUS_RTX });
    audio.redundancy = Some((RED, 0));
    [video, audio]
}

impl Near {
    pub fn new(seed: u64, (video, layers): (Video, u8), means: Means, config: repair::Config) -> Self {
        let wall = WallClock::new(Instant::ORIGIN, Duration::ZERO);
        let mut sender = Sender::new(Config::default(), wall, Rng::from_u64(seed).split("sender"));
        let [video_id, audio_id] = streams().map(|stream| sender.add(stream).unwrap());
        Self {
            sender,
            estimator: Estimator::new(Default::default()),
            rtcp: Receiver::new(wall, true),
            composer: Composer::new(Ssrc(8), Cname::new(&mut Rng::from_u64(3)), true),
            controller: Controller::new(config),
            means,
            video: (video_id, video),
            audio: (audio_id, Audio::speech()),
            layers,
            tl0: 0,
            frames: 0,
            sounds: 0,
            offset: 0,
            wants_key: true,
            debt: 0.0,
            probes: Vec::new(),
            next_at: Instant::ORIGIN,
            reported: Instant::ORIGIN,
            second: [0; 5],
            beside: 0.0,
            totals: [0; 5],
            keys: 0,
            sent: Vec::new(),
        }
    }

    pub fn step(&mut self, now: Instant, (there, back): (&mut Link, &mut Link)) {
        while let Some(bytes) = back.receive(now) {
            self.listen(now, &bytes);
        }
        if self.estimator.poll_timeout().is_some_and(|at| at <= now) {
            self.estimator.handle_timeout(now);
        }
        self.sender.handle_timeout(now);
        self.events();
        let since = now.since(Instant::ORIGIN);
        if since >= Duration::from_nanos(33_333_333) * self.frames as u32 {
            self.encode(now);
        }
        if since >= Duration::from_millis(20) * self.sounds as u32 {
            self.speak(now);
        }
        if now.since(self.reported) >= Duration::from_secs(1) {
            self.report(now, there);
        }
        self.pace(now, there);
    }

    /// Whether there is sound at a timestamp.
    pub fn speaks(&self, at: Timestamp) -> bool {
        self.audio.1.is_sound(u64::from(at.0.wrapping_sub(self.offset)) / 960)
    }

    fn listen(&mut self, now: Instant, bytes: &[u8]) {
        let Self { rtcp, sender, estimator, controller, .. } = self;
        rtcp.handle(now, bytes, |event| {
            sender.handle_feedback(now, &event);
            match &event {
                Told::TransportFeedback(feedback) => {
                    controller.transport_feedback(now, feedback);
                    estimator.transport_feedback(now, feedback);
                }
                Told::Report(report) => {
                    estimator.report(now, &report.block);
                    if report.block.ssrc == VIDEO {
                        controller.lost(report.block.fraction_lost);
                    }
                }
                _ => {}
            }
        });
        if let Some(round_trip) = self.estimator.smoothed_round_trip() {
            self.sender.set_round_trip(round_trip);
            self.controller.round_trip(round_trip);
        }
        if self.means == Means::All {
            let plan = self.controller.plan();
            self.sender.protect(self.video.0, plan.share);
            self.sender.set_redundancy(self.audio.0, plan.redundancy);
        } else {
            self.sender.protect(self.video.0, Share::default());
        }
    }

    fn events(&mut self) {
        while let Some(event) = self.sender.poll_event() {
            if let Event::KeyFrameRequested { .. } = event {
                self.wants_key = true;
            }
        }
        while let Some(event) = self.estimator.poll_event() {
            match event {
                Estimated::Probe(probe) => self.probes.push((probe, 0, 0)),
                Estimated::Cease(cause) => panic!("{cause:?}"),
                _ => {}
            }
        }
    }

    fn encode(&mut self, now: Instant) {
        let n = self.frames;
        self.frames += 1;
        self.sent.push(now);
        self.wants_key |= self.means == Means::All && self.controller.poll_key_frame(now);
        let is_key = core::mem::take(&mut self.wants_key);
        self.keys += u64::from(is_key);
        let rate = self.video.1.rate();
        // What repairs is taken from the picture, as encoders are told.
        let target = (self.estimator.target() as f64 - self.beside).max(30_000.0);
        let scale = (target / rate).min(1.0);
        let mean = rate / 240.0 * scale;
        let mut size = self.video.1.frame(n, is_key) as f64 * scale;
        if is_key {
            self.debt += size - mean;
        } else {
            let saved = self.debt.clamp(0.0, 0.3 * size);
            self.debt -= saved;
            size -= saved;
        }
        let temporal = if self.layers == 2 && n % 2 == 1 && !is_key { 1 } else { 0 };
        self.tl0 = self.tl0.wrapping_add(u8::from(temporal == 0));
        let descriptor = Descriptor {
            is_discardable: temporal > 0,
            picture_id: Some(PictureId::wide(n as u16 & 0x7FFF)),
            tl0_index: (self.layers > 1).then_some(self.tl0),
            temporal: (self.layers > 1).then_some(Temporal { id: temporal, is_switching_point: temporal > 0 }),
            ..Descriptor::default()
        };
        let mut bytes = vec![u8::from(!is_key), 0, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0];
        bytes.extend((n as u32).to_be_bytes());
        bytes.resize((size as usize).max(bytes.len()), 7);
        let mut frame = Frame::new(Bytes::from(bytes), Format::Vp8(descriptor), Timestamp(3_000 * n as u32), now);
        frame.is_key = is_key;
        if self.sender.send_frame(now, self.video.0, frame).is_err() {
            self.wants_key = true;
        }
    }

    fn speak(&mut self, now: Instant) {
        let n = self.sounds;
        self.sounds += 1;
        let Some(payload) = self.audio.1.packet(n) else { return };
        let frame = Frame::new(Bytes::from(payload), Format::plain(Codec::Opus), Timestamp(960 * n as u32), now);
        self.sender.send_frame(now, self.audio.0, frame).unwrap();
    }

    fn report(&mut self, now: Instant, there: &mut Link) {
        self.reported = now;
        let [audio, resent, _, repair, _] = self.second;
        self.beside = 0.5 * self.beside + 0.5 * (8 * (audio + resent + repair)) as f64;
        self.second = [0; 5];
        self.composer.report(self.sender.sender_reports(now), []);
        let mut buf = [0; 1300];
        let mut slot = Slot::new(&mut buf, 0, 0, 1200);
        if self.composer.poll(&mut slot, |_| false).is_some() {
            there.send(now, slot.packet());
        }
    }

    fn pace(&mut self, now: Instant, there: &mut Link) {
        let mut buf = [0; 1300];
        loop {
            let probe = self.probes.first().copied();
            let may_go = self.next_at <= now;
            let mut budget = Budget::unlimited(1200);
            budget.bytes = if may_go { usize::MAX } else { 0 };
            budget.padding = if may_go && probe.is_some() { 1200 } else { 0 };
            let mut slot = Slot::new(&mut buf, 0, 0, 1300);
            let Some(packet) = self.sender.poll_transmit(now, &mut slot, &budget) else { return };
            let (mut rate, mut cluster) = (self.estimator.pacing_rate(), None);
            if let Some((probe, packets, bytes)) = self.probes.first_mut() {
                (rate, cluster) = (probe.rate, Some(probe.cluster));
                *packets += 1;
                *bytes += packet.size as u64;
                if *packets >= probe.packets && *bytes >= probe.bytes {
                    self.probes.remove(0);
                }
            }
            let sent = Sent {
                ssrc: packet.ssrc,
                number: Some(Number::Transport(SequenceNumber(packet.transport_number as u16))),
                size: packet.size + 40,
                probe: cluster,
                is_media: packet.kind != Kind::Padding,
                ecn: Ecn::NotEct,
            };
            self.estimator.sent(now, &sent);
            if self.sounds == 1 && packet.kind == Kind::Audio {
                self.offset = raw::timestamp(slot.packet()).unwrap().0;
            }
            self.second[packet.kind as usize] += packet.size;
            self.totals[packet.kind as usize] += packet.size;
            let lasts = Duration::from_nanos((8e9 * (packet.size + 40) as f64 / rate as f64) as u64);
            self.next_at = self.next_at.max(now) + lasts;
            there.send(now, slot.packet());
        }
    }
}
