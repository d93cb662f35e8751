//! Audio and video of one connection, put together from the machines of `media`: what both sides agreed on becomes sections
//! (`section`), packets of the peer become frames (`incoming`, `stream`, `frames`, `lip_sync`), frames of ours become packets at the rate
//! that the path bears (`sending`, `outgoing`), and RTCP tells both sides how that goes (`control`, `arrivals`).
//!
//! Nothing here knows paths, keys or descriptions; the session's own `tracks` and `packets` bring them together.

mod arrivals;
mod control;
pub(crate) mod event;
pub mod frames;
mod incoming;
pub mod limits;
mod lip_sync;
pub(crate) mod outgoing;
pub(crate) mod section;
pub mod sending;
pub mod stats;
mod stream;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use arrivals::{Arrivals, FeedbackKind};
use control::Control;
use event::MediaEvent;
use frames::Arena;
use incoming::Bound;
use lip_sync::Together;
use outgoing::Outgoing;
use peerage_base::rng::Rng;
use peerage_base::time::{Duration, Instant, earliest};
use peerage_jsep::plan::MediaPlan;
use peerage_jsep::transceiver::TransceiverId;
use peerage_media::estimate::config::Config as EstimateConfig;
use peerage_media::estimate::estimator::Estimator;
use peerage_media::estimate::event::Event as EstimateEvent;
use peerage_media::receive::audio::AudioReceiver;
use peerage_media::send::config::Config as SendConfig;
use peerage_media::send::repair::{Config as RepairConfig, Controller};
use peerage_media::send::sender::Sender;
use peerage_rtp::extension::kind::Kind as Extension;
use peerage_rtp::ntp::WallClock;
use peerage_rtp::numbers::Ssrc;
use peerage_sdp::attribute::rtcp_fb::Feedback;
use section::Section;
use stats::Drops;
use stream::Receiver;

use crate::memory::Wish;

/// Audio and video.
#[derive(Debug)]
pub(crate) struct Media {
    pub(crate) sections: Vec<Section>,
    /// Whose packets those of a source of the peer's are.
    sources: BTreeMap<Ssrc, Bound>,
    /// Where packets name their section: the same in all of them.
    mid: Option<u8>,
    pub(crate) sender: Sender,
    pub(crate) estimator: Estimator,
    control: Control,
    arrivals: Arrivals,
    pub(crate) outgoing: Outgoing,
    repair: Controller,
    arena: Arena,
    together: Together,
    wall: WallClock,
    round_trip: Option<Duration>,
    events: VecDeque<MediaEvent>,
    pub(crate) drops: Drops,
    /// Whether packets have come since what is missing was last asked for.
    is_fresh: bool,
    /// Most bytes of a packet of ours.
    max_packet: usize,
    /// Whether the circuit breaker is open.
    is_ceased: bool,
}

/// What audio and video are made with.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) estimate: EstimateConfig,
    pub(crate) send: SendConfig,
    pub(crate) repair: RepairConfig,
    pub(crate) wall: WallClock,
    pub(crate) max_packet: usize,
}

impl Media {
    /// For the first sections that were agreed on.
    pub(crate) fn new(parts: Parts, rng: &Rng, now: Instant, plans: &[MediaPlan]) -> Self {
        Self {
            sections: Vec::new(),
            sources: BTreeMap::new(),
            mid: None,
            sender: Sender::new(parts.send, parts.wall, rng.split("send")),
            estimator: Estimator::new(parts.estimate),
            control: Control::new(parts.wall, rng, now, plans),
            arrivals: Arrivals::default(),
            outgoing: Outgoing::default(),
            repair: Controller::new(parts.repair),
            arena: Arena::default(),
            together: Together::default(),
            wall: parts.wall,
            round_trip: None,
            events: VecDeque::new(),
            drops: Drops::default(),
            is_fresh: false,
            max_packet: parts.max_packet,
            is_ceased: false,
        }
    }

    /// Another exchange has settled what is sent and received.
    pub(crate) fn agree(&mut self, now: Instant, plans: Vec<MediaPlan>, wishes: &[Wish]) {
        let mut before = core::mem::take(&mut self.sections);
        for plan in plans {
            let known = before.iter().position(|section| section.id() == plan.transceiver);
            let mut section = match known.map(|at| before.swap_remove(at)) {
                Some(mut section) => {
                    section.update(plan);
                    section
                }
                None => Section::new(plan),
            };
            if let Some(wish) = wishes.iter().find(|wish| wish.transceiver == section.id()) {
                section.wish(*wish);
            }
            self.sections.push(section);
        }
        before.into_iter().for_each(|section| self.end_section(section));
        for at in 0..self.sections.len() {
            self.agree_sending(at);
        }
        self.mid = self.sections.iter().find_map(|section| section.extensions.id(Extension::Mid));
        self.bind_announced();
        self.together.clear();
        self.agree_feedback();
        self.control.request_report(now);
    }

    /// The application wants something else of a transceiver.
    pub(crate) fn wish(&mut self, now: Instant, wish: Wish) {
        if let Some(at) = self.sections.iter().position(|section| section.id() == wish.transceiver) {
            self.sections[at].wish(wish);
            self.settle_activity(at);
            self.share_rate();
            self.estimator.handle_timeout(now);
            self.after_estimate();
        }
    }

    /// Whether anything is sent or received.
    pub(crate) fn is_active(&self) -> bool {
        !self.sections.is_empty()
    }

    /// The section of a transceiver.
    pub(crate) fn find(&self, id: TransceiverId) -> Option<&Section> {
        self.sections.iter().find(|section| section.id() == id)
    }

    /// The same, to be changed.
    pub(crate) fn section(&mut self, id: TransceiverId) -> Option<&mut Section> {
        self.sections.iter_mut().find(|section| section.id() == id)
    }

    /// The jitter buffer of a transceiver's newest stream of audio.
    pub(crate) fn playout(&mut self, id: TransceiverId) -> Option<&mut AudioReceiver> {
        let streams = &mut self.section(id)?.streams;
        let newest = streams.iter_mut().max_by_key(|stream| stream.heard)?;
        match &mut newest.receiver {
            Receiver::Playout(audio) => Some(audio),
            _ => None,
        }
    }

    /// Asks for a key frame of what arrives, of one source or of all.
    pub(crate) fn request_key_frame(&mut self, now: Instant, id: TransceiverId, source: Option<Ssrc>) {
        self.is_fresh = true;
        if let Some(section) = self.section(id) {
            let wanted = section.streams.iter_mut().filter(|stream| source.is_none_or(|source| source == stream.ssrc));
            wanted.for_each(|stream| stream.request_key_frame(now));
        }
    }

    /// Asks the estimator whether a probe is due.
    pub(crate) fn look_for_probes(&mut self, now: Instant) {
        self.estimator.handle_timeout(now);
        self.after_estimate();
    }

    /// The round trip to the peer, as measured.
    pub(crate) fn set_round_trip(&mut self, round_trip: Duration) {
        self.round_trip = Some(round_trip);
        self.sender.set_round_trip(round_trip);
        self.repair.round_trip(round_trip);
        for stream in self.sections.iter_mut().flat_map(|section| &mut section.streams) {
            stream.set_round_trip(round_trip);
        }
    }

    /// Packets leave by another path.
    pub(crate) fn path_changed(&mut self, now: Instant) {
        self.estimator.path_changed(now);
        self.outgoing.path_changed();
        self.is_ceased = false;
        self.after_estimate();
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.sender.handle_timeout(now);
        self.estimator.handle_timeout(now);
        self.outgoing.handle_timeout(now);
        for at in 0..self.sections.len() {
            self.read_video(now, at);
        }
        self.together.handle_timeout(now, &mut self.sections);
        self.after_sender();
        self.after_estimate();
    }

    pub(crate) fn poll_event(&mut self) -> Option<MediaEvent> {
        self.events.pop_front()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if !self.is_active() {
            return None;
        }
        let streams = self.sections.iter().flat_map(|section| &section.streams);
        let received = streams.filter_map(|stream| stream.poll_timeout()).min();
        let told = earliest(self.control.poll_timeout(), self.arrivals.poll_timeout());
        let sent = earliest(self.sender.poll_timeout(), self.estimator.poll_timeout());
        let paced = self.outgoing.deadline(self.sender.has_waiting());
        earliest(earliest(received, told), earliest(sent, paced))
    }

    /// What holds whatever comes.
    #[cfg(any(test, feature = "fuzz"))]
    pub(crate) fn check(&self) {
        assert!(self.sources.len() <= incoming::MAX_SOURCES, "{} sources", self.sources.len());
        for section in &self.sections {
            assert!(section.streams.len() <= section::MAX_STREAMS, "{} streams", section.streams.len());
        }
    }

    /// Takes over what the estimator has to say.
    fn after_estimate(&mut self) {
        let mut is_changed = false;
        while let Some(event) = self.estimator.poll_event() {
            match event {
                EstimateEvent::TargetChanged { .. } => is_changed = true,
                EstimateEvent::Probe(probe) => self.outgoing.begin_probe(probe),
                EstimateEvent::Cease(cause) => {
                    tracing::debug!(?cause, "the path cannot carry what is sent");
                    self.is_ceased = true;
                    self.events.push_back(MediaEvent::Ceased);
                }
                _ => {}
            }
        }
        if is_changed {
            self.share_rate();
        }
    }

    /// What is told of arrivals, and of what leaves.
    fn agree_feedback(&mut self) {
        let has = |feedback: &Feedback| self.sections.iter().any(|section| section.has_feedback(feedback));
        let numbered = |kind| self.sections.iter().any(|section| section.extensions.id(kind).is_some());
        let kind = if has(&Feedback::AckCcfb) {
            // RFC 8888 §6: in place of all others.
            FeedbackKind::PerStream
        } else if has(&Feedback::TransportCc) && numbered(Extension::TransportSequenceNumber) {
            FeedbackKind::TransportWide
        } else {
            FeedbackKind::None
        };
        self.arrivals.agree(kind);
        self.outgoing.kind = kind;
    }

    /// A section is gone.
    fn end_section(&mut self, section: Section) {
        for sending in &section.sending {
            self.sender.drop_waiting(sending.stream);
            self.control.goodbye(sending.ssrc);
            self.outgoing.rest(*sending);
        }
        for stream in &section.streams {
            self.arrivals.forget(stream.ssrc);
        }
        let id = section.id();
        self.sources.retain(|_, bound| bound.transceiver != id);
    }
}

/// Boxed, because most connections have none.
pub(crate) type Room = Option<Box<Media>>;
