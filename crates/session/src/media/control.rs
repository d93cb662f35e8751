//! RTCP: what is told the peer of its streams and of ours, and what the peer tells.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::Instant;
use peerage_jsep::plan::MediaPlan;
use peerage_media::rtcp::cname::Cname;
use peerage_media::rtcp::compose::Composer;
use peerage_media::rtcp::receive::{Event, Receiver};
use peerage_media::rtcp::schedule::{Config, Due, Schedule};
use peerage_rtp::ntp::WallClock;
use peerage_rtp::numbers::{SequenceNumber, Ssrc};
use peerage_sdp::attribute::rtcp_fb::Feedback;

use super::Media;
use super::event::MediaEvent;

/// RTCP has this part of what media takes (RFC 3550 §6.2), and no less than this many bits per second.
const SHARE: u64 = 20;
const LEAST_BANDWIDTH: u32 = 50_000;

/// RTCP of one connection.
#[derive(Debug)]
pub(crate) struct Control {
    composer: Composer,
    schedule: Schedule,
    receiver: Receiver,
    /// As whom we speak of streams that are not ours.
    local: Ssrc,
    /// What is being written, until nothing of it is left.
    due: Option<Due>,
    /// Room for what is asked for.
    ask: Vec<SequenceNumber>,
    /// Room for sources that have ended.
    gone: VecDeque<Ssrc>,
    /// The number of the next request by FIR.
    fir: u8,
    /// Bytes that had arrived at the last report, and when that was.
    arrived: (u64, Instant),
}

impl Control {
    pub(crate) fn new(wall: WallClock, rng: &Rng, now: Instant, plans: &[MediaPlan]) -> Self {
        let mut rng = rng.split("rtcp");
        let own = plans.iter().flat_map(|plan| &plan.encodings).map(|encoding| Ssrc(encoding.ssrc)).next();
        let local = own.unwrap_or_else(|| Ssrc(rng.u32()));
        let told = plans.first().and_then(|plan| Cname::from_text(&plan.cname));
        let cname = told.unwrap_or_else(|| Cname::new(&mut rng));
        let reduced_size = !plans.is_empty() && plans.iter().all(|plan| plan.reduced_size);
        Self {
            composer: Composer::new(local, cname, reduced_size),
            schedule: Schedule::new(Config::default(), rng, now),
            receiver: Receiver::new(wall, reduced_size),
            local,
            due: None,
            ask: Vec::new(),
            gone: VecDeque::new(),
            fir: 0,
            arrived: (0, now),
        }
    }

    /// A source of ours rests.
    pub(crate) fn goodbye(&mut self, ssrc: Ssrc) {
        self.composer.goodbye(ssrc);
    }

    /// What is agreed on has changed: the peer is to hear of it soon.
    pub(crate) fn request_report(&mut self, now: Instant) {
        self.schedule.request(now);
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        Some(self.schedule.poll_timeout())
    }
}

impl Media {
    /// Takes in a datagram of RTCP, opened.
    pub(crate) fn handle_rtcp(&mut self, now: Instant, datagram: &[u8]) {
        self.control.schedule.received(datagram.len());
        let mut round_trip = None;
        let Self { control, sender, estimator, sections, repair, events, outgoing, .. } = self;
        let Control { receiver, composer, gone, .. } = control;
        receiver.handle(now, datagram, |event| {
            sender.handle_feedback(now, &event);
            match event {
                Event::TransportFeedback(feedback) => {
                    estimator.transport_feedback(now, &feedback);
                    repair.transport_feedback(now, &feedback);
                }
                Event::CongestionFeedback(feedback) => {
                    estimator.stream_feedback(now, &feedback);
                    repair.stream_feedback(now, &feedback);
                }
                Event::Report(report) => {
                    estimator.report(now, &report.block);
                    repair.lost(report.block.fraction_lost);
                    round_trip = report.round_trip.or(round_trip);
                }
                Event::RoundTrip(measured) => round_trip = Some(measured),
                Event::Remb(remb) => estimator.set_cap(now, Some(remb.rate)),
                Event::MaxBitRate { limit, .. } => {
                    outgoing.limited = Some(limit.rate);
                    composer.notify_limits(&[limit]);
                }
                Event::SenderReport(info) => {
                    for section in sections.iter_mut() {
                        if section.sender_report(now, &info) {
                            events.push_back(MediaEvent::Readable(section.id()));
                        }
                    }
                }
                Event::Bye(ssrc) => {
                    let of = sections.iter().find(|section| section.streams.iter().any(|s| s.ssrc == ssrc));
                    if let Some(section) = of {
                        events.push_back(MediaEvent::Bye(section.id()));
                        gone.push_back(ssrc);
                    }
                }
                _ => {}
            }
        });
        if let Some(measured) = round_trip {
            self.estimator.round_trip(measured);
            self.set_round_trip(measured);
        }
        while let Some(ssrc) = self.control.gone.pop_front() {
            self.forget_stream(ssrc);
        }
        self.protect();
        self.after_sender();
        self.after_estimate();
    }

    /// Writes a compound of RTCP into `slot` if one is due; `false` if none is.
    pub(crate) fn write_rtcp(&mut self, now: Instant, slot: &mut Slot<'_>) -> bool {
        if self.control.due.is_none() {
            self.ask(now);
            self.control.due = self.control.schedule.handle_timeout(now);
            if self.control.due == Some(Due::Report) {
                self.report(now);
            }
        }
        let Self { control, arrivals, wall, .. } = self;
        let tells = arrivals.poll_timeout().is_some_and(|due| due <= now);
        if control.due.is_none() && !tells {
            return false;
        }
        let local = control.local;
        let size = control.composer.poll(slot, |writer| tells && arrivals.poll(now, wall, writer, local));
        match (control.due, size) {
            (Some(due), _) => control.schedule.sent(now, due, size.unwrap_or(0)),
            // What tells of arrivals has a pace of its own, and is not to delay what asks for packets.
            (None, Some(size)) => control.schedule.received(size),
            (None, None) => {}
        }
        if size.is_none() || control.composer.is_empty() {
            control.due = None;
        }
        size.is_some()
    }

    /// Collects what is missing.
    fn ask(&mut self, now: Instant) {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let mut streams = self.sections.iter().flat_map(|section| &section.streams);
        if !core::mem::take(&mut self.is_fresh) && !streams.any(|stream| is_due(stream.poll_timeout())) {
            return;
        }
        for at in 0..self.sections.len() {
            let Self { control, sections, .. } = self;
            for stream in &mut sections[at].streams {
                control.ask.clear();
                stream.poll_nack(now, &mut control.ask);
                control.composer.nack(stream.ssrc, control.ask.iter().copied());
            }
            // What is not waited for any more may let pictures go on, or need a key frame.
            self.read_video(now, at);
            let Self { control, sections, .. } = self;
            let section = &mut sections[at];
            let by_pli = section.has_feedback(&Feedback::NackPli);
            let by_fir = section.has_feedback(&Feedback::CcmFir);
            for stream in &mut section.streams {
                if !stream.poll_key_request(now) {
                    continue;
                }
                if by_pli {
                    control.composer.picture_loss(stream.ssrc);
                } else if by_fir {
                    control
                        .composer
                        .full_intra(peerage_rtp::rtcp::fir::Request { ssrc: stream.ssrc, number: control.fir });
                    control.fir = control.fir.wrapping_add(1);
                }
            }
        }
        if !self.control.composer.is_empty() {
            self.control.schedule.request(now);
        }
    }

    /// Begins a report: how the peer's streams arrive, and what ours have sent.
    fn report(&mut self, now: Instant) {
        let Self { control, sections, sender, wall, .. } = self;
        let senders: Vec<_> = sender.sender_reports(now).collect();
        let streams = sections.iter_mut().flat_map(|section| &mut section.streams);
        let blocks: Vec<_> = streams.filter_map(|stream| stream.report_block(now)).collect();
        let (ours, theirs) = (senders.len() as u32, blocks.len() as u32);
        control.schedule.set_members(now, ours.max(1) + theirs.max(1), ours + theirs, ours > 0);
        let arrived = sections.iter().flat_map(|section| &section.streams).map(|s| s.source().stats().bytes).sum();
        let (before, at) = core::mem::replace(&mut control.arrived, (arrived, now));
        let millis = (now.since(at).as_millis() as u64).max(100);
        let rate = arrived.saturating_sub(before) * 8000 / millis;
        control.schedule.set_bandwidth(now, u32::try_from(rate / SHARE).unwrap_or(u32::MAX).max(LEAST_BANDWIDTH));
        if senders.is_empty() {
            control.composer.reference_time(wall.ntp(now));
        }
        control.composer.answer_references(control.receiver.references(now));
        control.composer.report(senders, blocks);
    }

    /// Protects what is sent as the path needs it.
    fn protect(&mut self) {
        let plan = self.repair.plan();
        for section in &self.sections {
            for sending in &section.sending {
                match section.is_video() {
                    true => self.sender.protect(sending.stream, plan.share),
                    false => self.sender.set_redundancy(sending.stream, plan.redundancy),
                }
            }
        }
    }
}
