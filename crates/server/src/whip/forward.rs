//! From a publisher to its viewers: one task takes what has come, and hands it to the connection of each viewer.

use crate::whip::counters::{Counters, add};
use core::time::Duration;
use peerage::media::forward::{Choice, Forwardable, Limit, Selector, SelectorConfig, Source};
use peerage::media::frame::Ssrc;
use peerage::media::receiver::RtpReceiver;
use peerage::media::sender::RtpSender;
use peerage_base::time::Instant;
use peerage_net::clock::Clock;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

/// How often it is looked what suits each viewer.
const LOOK: Duration = Duration::from_millis(100);
/// How long it takes until the rates of all encodings are known: until then there is little to choose by.
const SETTLING: Duration = Duration::from_secs(2);
/// The most that is sent to a viewer is twice what the best of the publisher takes, and this at least: a burst has room, and
/// nothing is looked for on the path that nobody needs.
const LEAST_CEILING: u64 = 5_000_000;
/// Audio as it is published takes up to this.
pub(crate) const AUDIO_CEILING: u64 = 512_000;

/// A viewer whose connection stands.
#[derive(Debug)]
pub(crate) struct Viewer {
    pub audio: Option<RtpSender>,
    pub video: Option<RtpSender>,
}

/// What a publisher sends.
#[derive(Clone, Debug)]
pub(crate) struct Feed {
    pub audio: Option<RtpReceiver>,
    pub video: Option<RtpReceiver>,
    /// Encodings of the picture that were agreed on.
    pub encodings: usize,
}

/// A viewer as the loop knows it.
struct Seated {
    viewer: Viewer,
    selector: Selector,
    audio: Option<Ssrc>,
    video: Option<(Ssrc, Limit)>,
    rate: u64,
    is_over: bool,
}

/// The loop of one publisher.
struct Loop<'a> {
    feed: &'a Feed,
    seats: Vec<Seated>,
    counters: &'a Counters,
    /// The most that viewers may be sent.
    ceiling: u64,
    clock: Clock,
    /// When the first picture came.
    began: Option<Instant>,
}

/// Sends on until the publisher has ended, or has sent nothing for `idle`.
pub(crate) async fn run(feed: &Feed, mut joining: mpsc::Receiver<Viewer>, idle: Duration, counters: &Arc<Counters>) {
    let clock = Clock::new();
    let mut last = clock.now();
    let (mut sound, mut pictures) = (Vec::new(), Vec::new());
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut forwarding = Loop { feed, seats: Vec::new(), counters, ceiling: LEAST_CEILING, clock, began: None };
    loop {
        tokio::select! {
            more = next(feed.video.as_ref(), &mut pictures) => {
                if !more {
                    return;
                }
                forwarding.began.get_or_insert(clock.now());
                forwarding.pass(&mut pictures, |viewer| viewer.video.as_ref());
                last = clock.now();
            }
            more = next(feed.audio.as_ref(), &mut sound) => {
                if !more {
                    return;
                }
                forwarding.pass(&mut sound, |viewer| viewer.audio.as_ref());
                last = clock.now();
            }
            Some(viewer) = joining.recv() => forwarding.seat(viewer),
            _ = look.tick() => {
                if is_idle(clock.now(), last, idle) {
                    tracing::debug!("the publisher sends nothing");
                    return;
                }
                forwarding.look();
            }
        }
    }
}

fn is_idle(now: Instant, last: Instant, idle: Duration) -> bool {
    now.since(last) >= idle
}

/// What has come of a track; never of one that there is not.
async fn next(receiver: Option<&RtpReceiver>, batch: &mut Vec<Forwardable>) -> bool {
    match receiver {
        Some(receiver) => receiver.recv_forwardables(batch).await,
        None => core::future::pending().await,
    }
}

impl Loop<'_> {
    /// A viewer has come: what it gets begins with a key frame that is asked for at once.
    fn seat(&mut self, viewer: Viewer) {
        let selector = Selector::new(SelectorConfig::default());
        let mut seated = Seated { viewer, selector, audio: None, video: None, rate: 0, is_over: false };
        let pictures = self.pictures();
        seated.look(self.feed, &pictures, self.is_settled(&pictures), self.ceiling);
        match (&self.feed.video, seated.video) {
            (Some(video), Some((source, _))) => video.request_key_frame_of(source),
            // Sizes are told by key frames alone, and without them nothing is chosen.
            (Some(video), None) => video.request_key_frame(),
            (None, _) => {}
        }
        self.seats.push(seated);
    }

    fn pass(&mut self, batch: &mut Vec<Forwardable>, of: impl Fn(&Viewer) -> Option<&RtpSender>) {
        let lengths = batch.iter().filter_map(|item| match item {
            Forwardable::Packet { shared, .. } => Some(shared.payload().len() as u64),
            _ => None,
        });
        let (packets, bytes) = lengths.fold((0, 0), |(packets, bytes), len| (packets + 1, bytes + len));
        add(&self.counters.packets_in, packets);
        add(&self.counters.bytes_in, bytes);
        let (mut packets, mut bytes) = (0, 0);
        for seated in &mut self.seats {
            let Some(sender) = of(&seated.viewer) else { continue };
            match sender.forward_all(batch) {
                Ok(forwarded) => {
                    packets += forwarded.packets;
                    bytes += forwarded.bytes;
                }
                Err(error) => {
                    tracing::trace!(%error, "a viewer gets nothing now");
                    seated.is_over = sender.has_ended();
                }
            }
        }
        add(&self.counters.packets_out, packets);
        add(&self.counters.bytes_out, bytes);
        batch.clear();
    }

    /// Chooses anew for every viewer, and forgets those that have left.
    fn look(&mut self) {
        self.seats.retain(|seated| !seated.is_over && !seated.has_ended());
        let pictures = self.pictures();
        let best = pictures.iter().flat_map(|source| &source.layers).map(|layer| layer.rate).max().unwrap_or(0);
        let needed = LEAST_CEILING.max(best.saturating_mul(2));
        // Not at every breath of an encoder.
        if needed > self.ceiling || needed * 2 < self.ceiling {
            self.ceiling = needed.max(LEAST_CEILING);
            for video in self.seats.iter().filter_map(|seated| seated.viewer.video.as_ref()) {
                video.set_max_bitrate(Some(self.ceiling));
            }
        }
        let is_settled = self.is_settled(&pictures);
        for seated in &mut self.seats {
            let before = seated.rate;
            if seated.look(self.feed, &pictures, is_settled, self.ceiling) && before > 0 {
                add(if seated.rate > before { &self.counters.raised } else { &self.counters.lowered }, 1);
            }
        }
    }

    /// Whether all encodings are known, or would be by now if they were sent.
    fn is_settled(&self, pictures: &[Source]) -> bool {
        let is_known = pictures.len() >= self.feed.encodings && pictures.iter().all(|source| !source.layers.is_empty());
        is_known || self.began.is_some_and(|began| self.clock.now().since(began) >= SETTLING)
    }

    /// The encodings of the picture, the smallest first.
    fn pictures(&self) -> Vec<Source> {
        let mut sources = self.feed.video.as_ref().map(RtpReceiver::sources).unwrap_or_default();
        let most = |source: &Source| source.layers.iter().map(|layer| layer.rate).max().unwrap_or(0);
        // Their rates say little while the publisher's path is being found out. A size is known from the first key frame on, before
        // which nobody could be given that encoding.
        if sources.iter().any(|source| source.pixels > 0) {
            sources.retain(|source| source.pixels > 0);
        }
        sources.sort_by_key(|source| (source.pixels, most(source)));
        sources
    }
}

impl Seated {
    /// Chooses what it gets; whether that is another picture than before.
    fn look(&mut self, feed: &Feed, pictures: &[Source], is_settled: bool, ceiling: u64) -> bool {
        if let (Some(sender), Some(receiver)) = (&self.viewer.audio, &feed.audio) {
            let newest = receiver.sources().into_iter().rfind(|source| !source.layers.is_empty());
            if let Some(ssrc) = newest.map(|source| source.ssrc).filter(|ssrc| self.audio != Some(*ssrc)) {
                sender.select(Some(ssrc), Limit::NONE);
                self.audio = Some(ssrc);
            }
        }
        let Some(sender) = &self.viewer.video else { return false };
        let choice = sender.choose(&mut self.selector, pictures);
        let (source, limit, rate) = match (choice, pictures.first()) {
            (Some(Choice { source, limit, rate, .. }), _) if self.video.is_some() || is_settled => {
                (source, limit, rate)
            }
            // There is nothing to choose, or the picture stands still and its rate is not known.
            (_, Some(least)) if self.video.is_none() && (feed.encodings < 2 || is_settled) => {
                (least.ssrc, Limit::NONE, 0)
            }
            _ => return false,
        };
        if self.video.is_none() {
            sender.set_max_bitrate(Some(ceiling));
        }
        let chosen = Some((source, limit));
        let is_other = chosen != self.video;
        if is_other {
            sender.select(Some(source), limit);
            (self.video, self.rate) = (chosen, rate);
        }
        is_other
    }

    fn has_ended(&self) -> bool {
        [&self.viewer.audio, &self.viewer.video].into_iter().flatten().any(RtpSender::has_ended)
    }
}
