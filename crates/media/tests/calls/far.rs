//! The end that receives: repair, jitter buffers, feedback.

use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_media::receive::audio::decision::Decision;
use peerage_media::receive::audio::{self, AudioReceiver};
use peerage_media::receive::feedback::{self, TransportWide};
use peerage_media::receive::nack::{self, Origin};
use peerage_media::receive::repair::{self, Recovery, Rewriter, Unwrapped};
use peerage_media::receive::video::{self, VideoReceiver};
use peerage_media::rtcp::cname::Cname;
use peerage_media::rtcp::compose::Composer;
use peerage_media::rtcp::receive::{Event as Told, Receiver};
use peerage_rtp::extension::transport_sequence_number::TransportSequenceNumber;
use peerage_rtp::ntp::WallClock;
use peerage_rtp::numbers::{Ssrc, Timestamp};
use peerage_rtp::packet::{Packet, raw};
use peerage_rtp::payload::codec::Codec;
use peerage_rtp::payload::fec::header::Scheme;

use super::link::Link;
use super::near::{Near, extensions};
use super::types::*;

/// A picture that was shown.
pub struct Shown {
    pub number: u32,
    pub at: Instant,
}

pub struct Far {
    rewriter: Rewriter,
    recovery: Recovery,
    pub video: VideoReceiver,
    pub audio: AudioReceiver,
    feedback: TransportWide,
    rtcp: Receiver,
    composer: Composer,
    reported: Instant,
    layers: u8,
    pub shown: Vec<Shown>,
    heard_at: Instant,
    /// Milliseconds of the stretch that is being made up, and all such stretches.
    gap: u64,
    /// Where the sound that was decoded or made up ends.
    at: Timestamp,
    pub gaps: Vec<(Instant, u64)>,
    /// How late sound is, every 10 ms of it: from capture to being heard.
    pub delays: Vec<u64>,
    frame: Vec<u8>,
}

impl Far {
    pub fn new(layers: u8) -> Self {
        let mut rewriter = Rewriter::new();
        rewriter.pair(VIDEO_RTX, VIDEO);
        rewriter.pair(AUDIO_RTX, AUDIO);
        rewriter.associate(VP8_RTX, VP8);
        rewriter.associate(OPUS_RTX, RED);
        let mut video = video::Config::new(Codec::Vp8);
        video.extensions = extensions();
        let mut audio = audio::Config::new(OPUS, Codec::Opus);
        audio.red = Some(RED);
        audio.nack = Some(nack::Config::default());
        Self {
            rewriter,
            recovery: Recovery::new(Scheme::Flex03, repair::Config::default()),
            video: VideoReceiver::new(VIDEO, video),
            audio: AudioReceiver::new(AUDIO, audio),
            feedback: TransportWide::new(feedback::Config::default()),
            rtcp: Receiver::new(WallClock::new(Instant::ORIGIN, Duration::ZERO), true),
            composer: Composer::new(Ssrc(9), Cname::new(&mut Rng::from_u64(2)), true),
            reported: Instant::ORIGIN,
            layers,
            shown: Vec::new(),
            heard_at: Instant::ORIGIN,
            gap: 0,
            at: Timestamp(0),
            gaps: Vec::new(),
            delays: Vec::new(),
            frame: Vec::new(),
        }
    }

    pub fn set_round_trip(&mut self, round_trip: Duration) {
        self.video.set_round_trip(round_trip);
        self.audio.set_round_trip(round_trip);
    }

    pub fn step(&mut self, now: Instant, (there, back): (&mut Link, &mut Link), near: &Near) {
        while let Some(mut bytes) = there.receive(now) {
            match bytes.get(1) {
                Some(200..=206) => self.listen(now, &bytes),
                _ => self.packet(now, &mut bytes),
            }
        }
        self.frame.clear();
        while let Some(frame) = self.video.poll_frame(now, &mut self.frame) {
            let number = u32::from_be_bytes(self.frame[10..14].try_into().unwrap());
            let last = self.shown.last().map(|shown| shown.number);
            let is_next = last == number.checked_sub(1);
            let skips_upper = self.layers == 2 && number % 2 == 0 && last == number.checked_sub(2);
            assert!(frame.picture.is_key || is_next || skips_upper, "{last:?} {number}");
            self.shown.push(Shown { number, at: frame.render_at });
            self.frame.clear();
        }
        let mut ask = Vec::new();
        self.video.poll_nack(now, &mut ask);
        self.composer.nack(VIDEO, ask);
        let mut ask = Vec::new();
        self.audio.poll_nack(now, &mut ask);
        self.composer.nack(AUDIO, ask);
        if self.video.poll_key_request(now) {
            self.composer.picture_loss(VIDEO);
        }
        if now.since(self.heard_at) >= Duration::from_millis(10) {
            self.heard_at = now;
            self.hear(now, near);
        }
        self.tell(now, back);
    }

    fn listen(&mut self, now: Instant, bytes: &[u8]) {
        let Self { rtcp, video, audio, .. } = self;
        rtcp.handle(now, bytes, |event| match event {
            Told::SenderReport(info) if info.ssrc == VIDEO => video.handle_sender_report(now, &info),
            Told::SenderReport(info) if info.ssrc == AUDIO => audio.handle_sender_report(now, &info),
            _ => {}
        });
    }

    fn packet(&mut self, now: Instant, bytes: &mut [u8]) {
        let ssrc = raw::ssrc(bytes).unwrap();
        let packet = Packet::parse(bytes).unwrap();
        if let Some(TransportSequenceNumber(number)) = extensions().get(&packet.extension) {
            self.feedback.handle_arrival(now, ssrc, number);
        }
        if ssrc == FLEX {
            self.recovery.handle_repair(&packet);
        } else {
            let (bytes, origin) = match self.rewriter.unwrap(bytes).unwrap() {
                Unwrapped::Sent(bytes) => (bytes, Origin::Sent),
                Unwrapped::Retransmitted(bytes) => (bytes, Origin::Retransmitted),
                Unwrapped::Padding => return,
            };
            let packet = Packet::parse(bytes).unwrap();
            if packet.header.ssrc == AUDIO {
                return match origin {
                    Origin::Sent => self.audio.handle_packet(now, &packet),
                    _ => self.audio.handle_retransmission(now, &packet),
                };
            }
            self.recovery.handle_media(bytes);
            self.video.handle_packet(now, &packet, origin);
        }
        while let Some(bytes) = self.recovery.poll() {
            self.video.handle_packet(now, &Packet::parse(bytes).unwrap(), Origin::Recovered);
        }
    }

    /// 10 ms of sound.
    fn hear(&mut self, now: Instant, near: &Near) {
        for _ in 0..300 {
            let made = match self.audio.next(now) {
                Decision::Conceal { ticks } => {
                    let at = self.at;
                    self.at = Timestamp(at.0.wrapping_add(ticks));
                    // What is made up where the speaker paused is no gap.
                    if near.speaks(at) { u64::from(ticks) / 48 } else { 0 }
                }
                Decision::DecodeRedundancy(_) => {
                    self.end_gap(now);
                    0
                }
                Decision::Decode(encoded) => {
                    self.at = Timestamp(encoded.timestamp.0.wrapping_add(encoded.ticks));
                    self.end_gap(now);
                    0
                }
                Decision::Accelerate { .. } => {
                    self.audio.stretched(-384);
                    0
                }
                Decision::Slow => {
                    self.audio.stretched(384);
                    0
                }
                Decision::Play { .. } => {
                    self.delays.push(self.audio.there().as_millis() as u64);
                    return;
                }
                _ => 0,
            };
            self.gap += made;
        }
        panic!("a tick does not end");
    }

    fn end_gap(&mut self, now: Instant) {
        if self.gap > 0 {
            self.gaps.push((now, core::mem::take(&mut self.gap)));
        }
    }

    fn tell(&mut self, now: Instant, back: &mut Link) {
        if now.since(self.reported) >= Duration::from_secs(1) {
            self.reported = now;
            let blocks = [self.video.report_block(now), self.audio.report_block(now)];
            self.composer.report([], blocks.into_iter().flatten());
        }
        let mut buf = [0; 1300];
        loop {
            let mut slot = Slot::new(&mut buf, 0, 0, 1200);
            let feedback = &mut self.feedback;
            let written = self.composer.poll(&mut slot, |writer| feedback.poll(now, writer, Ssrc(9)));
            if written.is_none() {
                return;
            }
            back.send(now, slot.packet());
        }
    }

    /// Repair packets that came, and packets recovered by them.
    pub fn recovered(&self) -> (u64, u64) {
        let stats = self.recovery.stats();
        (stats.repairs, stats.recovered)
    }
}
