//! What the peer says of what we send, and what comes of it.

use peerage_base::time::Instant;
use peerage_rtp::numbers::{SequenceNumber, Ssrc};
use peerage_rtp::rtcp::ccfb::CongestionFeedback;
use peerage_rtp::rtcp::nack::Nack;
use peerage_rtp::rtcp::twcc::{Run, TransportFeedback};

use super::event::Event;
use super::ready::Kind;
use super::sender::Sender;
use crate::rtcp::receive::{self, Report};

/// Most packets of one NACK that are looked at.
const MAX_NACKED: usize = 1024;

impl Sender {
    /// Acts on what the peer says; what is about no stream of ours is ignored, as is what concerns others: estimates, names.
    pub fn handle_feedback(&mut self, now: Instant, event: &receive::Event<'_>) {
        match event {
            receive::Event::Nack(nack) => self.nack(now, nack),
            receive::Event::PictureLoss(source) => {
                if let Some((id, stream)) = self.stream_of(*source) {
                    let line = stream.line_mut();
                    line.is_known |= line.config.ssrc == *source;
                    line.statistics.picture_losses += 1;
                    self.request_key_frame(now, id);
                }
            }
            receive::Event::FullIntra(source) => {
                if let Some((id, stream)) = self.stream_of(*source) {
                    stream.line_mut().statistics.full_intra_requests += 1;
                    self.request_key_frame(now, id);
                }
            }
            // An encoder that cannot refresh a layer alone refreshes all.
            receive::Event::LayerRefresh(request) => {
                if let Some((id, _)) = self.stream_of(request.ssrc) {
                    self.request_key_frame(now, id);
                }
            }
            receive::Event::MaxBitRate { limit, .. } => {
                if let Some((stream, _)) = self.stream_of(limit.ssrc) {
                    self.tell(Event::Limited { stream, rate: limit.rate });
                }
            }
            receive::Event::Report(report) => self.report(report),
            receive::Event::TransportFeedback(feedback) => self.transport_feedback(feedback),
            receive::Event::CongestionFeedback(feedback) => self.congestion_feedback(feedback),
            _ => {}
        }
    }

    fn nack(&mut self, now: Instant, nack: &Nack<'_>) {
        let (when, limits) = ((now, self.round_trip), self.config.clone());
        let Some((id, stream)) = self.stream_of(nack.media).filter(|(_, s)| s.line().config.ssrc == nack.media) else {
            return;
        };
        let line = stream.line_mut();
        line.is_known = true;
        line.statistics.nacks += 1;
        if line.config.rtx.is_none() {
            return;
        }
        for number in nack.packets().take(MAX_NACKED) {
            if !stream.request(when, number, &limits) {
                stream.line_mut().statistics.refused_resends += 1;
            }
        }
        if stream.line().resends.is_ready() {
            self.list(Kind::Retransmission, id);
        }
    }

    fn report(&mut self, report: &Report) {
        let source = report.block.ssrc;
        let Some((_, stream)) = self.stream_of(source) else { return };
        let line = stream.line_mut();
        if line.config.rtx.is_some_and(|rtx| rtx.ssrc == source) {
            line.is_rtx_known = true;
            return;
        }
        if line.config.ssrc != source {
            return;
        }
        line.is_known = true;
        let remote = &mut line.statistics.remote;
        remote.reports += 1;
        remote.packets_lost = report.block.cumulative_lost;
        remote.fraction_lost = report.block.fraction_lost;
        remote.jitter = report.block.jitter;
        if let Some(round_trip) = report.round_trip {
            remote.round_trip = Some(round_trip);
            remote.total_round_trip = remote.total_round_trip.saturating_add(round_trip);
            remote.round_trips += 1;
        }
        stream.seen(SequenceNumber(report.block.highest as u16));
    }

    fn transport_feedback(&mut self, feedback: &TransportFeedback<'_>) {
        for run in feedback.runs() {
            let (first, count) = match run {
                Run::Lost { .. } => continue,
                Run::Received { number, .. } => (number, 1),
                Run::Arrived { first, count } => (first, count),
            };
            for number in self.departures.range(first, count) {
                let Some(departed) = self.departures.get(number) else { continue };
                let Some(original) = departed.original else { continue };
                if let Some(stream) = self.streams.find(departed.stream) {
                    stream.acknowledge(original);
                }
            }
        }
    }

    fn congestion_feedback(&mut self, feedback: &CongestionFeedback<'_>) {
        for report in feedback.streams() {
            self.arrived(report.ssrc, report.packets().filter_map(|(number, metric)| metric.map(|_| number)));
        }
    }

    /// Packets of a stream of media have arrived.
    fn arrived(&mut self, source: Ssrc, numbers: impl Iterator<Item = SequenceNumber>) {
        if let Some((_, stream)) = self.stream_of(source).filter(|(_, stream)| stream.line().config.ssrc == source) {
            numbers.for_each(|number| stream.acknowledge(number));
        }
    }
}
