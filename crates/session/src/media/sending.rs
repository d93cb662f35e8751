//! What is sent: frames of the application and packets passed on become streams, at the rate that the path bears.

use alloc::vec::Vec;

use peerage_base::ecn::Ecn;
use peerage_base::slot::Slot;
use peerage_base::time::Instant;
use peerage_jsep::plan::Codec as Agreed;
use peerage_jsep::transceiver::TransceiverId;
use peerage_media::estimate::estimator::{Number, Sent};
use peerage_media::send::budget::Budget;
use peerage_media::send::event::Event as SendEvent;
use peerage_media::send::forward::store::Shared;
use peerage_media::send::forward::targets::Limit;
use peerage_media::send::frame::Frame;
use peerage_media::send::misuse::Misuse;
use peerage_media::send::packets::passed::Passed;
use peerage_media::send::ready::Kind;
use peerage_media::send::stream_id::StreamId;
use peerage_rtp::ntp::Ntp;
use peerage_rtp::numbers::{SequenceNumber, Ssrc, Timestamp};
use peerage_rtp::payload::codec::Codec;
use peerage_rtp::payload::format::Format;
use peerage_rtp::payload::h264::packetizer::Mode;
use peerage_rtp::payload::info::PictureId;

use super::Media;
use super::arrivals::FeedbackKind;
use super::event::MediaEvent;
use super::limits::level;
use super::outgoing::Departing;
use super::section::{AUDIO_RATE, Section, Sending};
use crate::path::Pace;

/// Rates of the encodings of a simulcast from the smallest on, in bits per second: what each has before the next gets any.
const LAYER_RATES: [u64; 4] = [200_000, 600_000, 1_500_000, 3_000_000];

/// Why a frame was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendFrameError {
    /// Nothing is sent on the transceiver now: no exchange has agreed on it, or it was stopped.
    #[error("nothing is sent on this transceiver now")]
    NotSending,
    /// The encoding is switched off, by the application or by the peer.
    #[error("this encoding is switched off")]
    Inactive,
    /// The path cannot carry audio and video.
    #[error("the path cannot carry audio and video")]
    Ceased,
    /// The frame itself, or what waits before it.
    #[error(transparent)]
    Refused(#[from] Misuse),
}

impl Media {
    /// Begins, changes and ends the streams of a section that we send.
    pub(super) fn agree_sending(&mut self, at: usize) {
        let section = &mut self.sections[at];
        let format = section.format(self.outgoing.chosen(section.id()));
        let configs: Vec<_> = match format.filter(|_| section.plan.direction.sends()) {
            Some(format) => (0..section.plan.encodings.len())
                .filter_map(|encoding| section.stream_config(encoding, format, self.max_packet))
                .collect(),
            None => Vec::new(),
        };
        let forwards = section.forwards;
        // A stream that rests keeps its numbers: none of them may be sealed twice.
        let mut before = core::mem::take(&mut section.sending);
        for config in configs {
            let ssrc = config.ssrc;
            let begin = |stream| Sending { ssrc, stream, pictures: 0, target: 0, is_active: true };
            let known = before.iter().position(|sending| sending.ssrc == ssrc).map(|at| before.swap_remove(at));
            let known = known.or_else(|| self.outgoing.wake(ssrc));
            let result = match known {
                Some(sending) => self.sender.reconfigure(sending.stream, config).map(|()| sending),
                None if forwards => self.sender.add_forwarded(config).map(begin),
                None => self.sender.add(config).map(begin),
            };
            match result {
                Ok(sending) => section.sending.push(sending),
                Err(error) => tracing::debug!(%error, %ssrc, "a stream cannot be sent"),
            }
        }
        for sending in before {
            self.sender.drop_waiting(sending.stream);
            self.control.goodbye(sending.ssrc);
            self.outgoing.rest(sending);
        }
        self.settle_activity(at);
        self.share_rate();
    }

    /// Ends and begins what was switched off and on.
    pub(super) fn settle_activity(&mut self, at: usize) {
        let section = &mut self.sections[at];
        let (id, is_video) = (section.id(), section.is_video());
        for encoding in 0..section.sending.len() {
            let is_active = section.is_active(encoding);
            let sending = &mut section.sending[encoding];
            if core::mem::replace(&mut sending.is_active, is_active) == is_active {
                continue;
            }
            if !is_active {
                self.sender.pause(sending.stream);
            } else if is_video {
                self.events.push_back(MediaEvent::KeyFrameRequested(id, encoding));
            }
        }
    }

    /// The format in which a transceiver sends, by its place among those that can be sent.
    pub(crate) fn set_codec(&mut self, id: TransceiverId, place: usize) -> bool {
        let Some(at) = self.sections.iter().position(|section| section.id() == id) else { return false };
        if self.sections[at].sendable().nth(place).is_none() {
            return false;
        }
        self.outgoing.choose(id, place);
        self.agree_sending(at);
        true
    }

    /// The format in which a transceiver sends.
    pub(crate) fn send_format(&self, id: TransceiverId) -> Option<(Codec, Format<'static>)> {
        let section = self.find(id).filter(|section| !section.sending.is_empty())?;
        section.format(self.outgoing.chosen(id)).map(|(agreed, codec)| format(agreed, codec))
    }

    /// Takes a frame to send.
    pub(crate) fn send_frame(
        &mut self,
        now: Instant,
        id: TransceiverId,
        encoding: usize,
        mut frame: Frame<'_>,
    ) -> Result<(), SendFrameError> {
        if self.is_ceased {
            return Err(SendFrameError::Ceased);
        }
        let section = self.sections.iter_mut().find(|section| section.id() == id);
        let sending =
            section.and_then(|section| section.sending.get_mut(encoding)).ok_or(SendFrameError::NotSending)?;
        if !sending.is_active {
            return Err(SendFrameError::Inactive);
        }
        number(&mut frame, sending.pictures);
        let is_key = frame.is_key;
        self.sender.send_frame(now, sending.stream, frame)?;
        sending.pictures = sending.pictures.wrapping_add(1);
        if !is_key && self.outgoing.kind != FeedbackKind::None && self.repair.poll_key_frame(now) {
            self.request_key_frames();
        }
        Ok(())
    }

    /// The peer has fallen silent while we send: whatever it misses by then, it can go on from key frames.
    fn request_key_frames(&mut self) {
        for section in self.sections.iter().filter(|section| section.is_video() && !section.forwards) {
            for (encoding, _) in section.sending.iter().enumerate().filter(|(_, sending)| sending.is_active) {
                self.events.push_back(MediaEvent::KeyFrameRequested(section.id(), encoding));
            }
        }
    }

    /// Passes a packet of another session on.
    pub(crate) fn forward(
        &mut self,
        now: Instant,
        id: TransceiverId,
        packet: &Shared,
    ) -> Result<Passed, SendFrameError> {
        let stream = self.forwarded(id)?;
        let passed = self.sender.forward(now, stream, packet)?;
        self.after_sender();
        Ok(passed)
    }

    /// Chooses what is passed on.
    pub(crate) fn select(&mut self, now: Instant, id: TransceiverId, source: Option<Ssrc>, limit: Limit) {
        if let Ok(stream) = self.forwarded(id) {
            self.sender.select(now, stream, source, limit);
            self.after_sender();
        }
    }

    /// The source of which a key frame is wanted.
    pub(crate) fn wanted_source(&self, id: TransceiverId) -> Option<Ssrc> {
        let sending = self.find(id)?.sending.first()?;
        let forwarder = self.sender.forwarder(sending.stream)?;
        forwarder.wants_key_frame().or_else(|| forwarder.source())
    }

    /// The publisher tells the clock of a source.
    pub(crate) fn source_report(&mut self, now: Instant, id: TransceiverId, source: Ssrc, clock: (Ntp, Timestamp)) {
        if let Ok(stream) = self.forwarded(id) {
            self.sender.source_report(now, stream, source, clock);
        }
    }

    fn forwarded(&self, id: TransceiverId) -> Result<StreamId, SendFrameError> {
        if self.is_ceased {
            return Err(SendFrameError::Ceased);
        }
        let sending = self.find(id).and_then(|section| section.sending.first()).ok_or(SendFrameError::NotSending)?;
        if sending.is_active { Ok(sending.stream) } else { Err(SendFrameError::Inactive) }
    }

    /// Bits per second at which packets may leave now.
    pub(crate) fn pacing_rate(&self) -> u64 {
        self.outgoing.rate(self.estimator.pacing_rate())
    }

    /// Bytes that may leave now at a pace.
    pub(crate) fn grant(&mut self, now: Instant, pace: Pace) -> usize {
        self.outgoing.grant(now, pace)
    }

    /// The mark that packets leave with: only what the peer tells of marks is worth marking.
    pub(crate) fn mark(&self) -> Ecn {
        match self.outgoing.kind {
            FeedbackKind::PerStream if self.estimator.ecn_survives() => Ecn::Ect1,
            _ => Ecn::NotEct,
        }
    }

    /// Writes the next packet that may leave into `slot`.
    pub(crate) fn write_rtp(
        &mut self,
        now: Instant,
        slot: &mut Slot<'_>,
        bytes: usize,
        max_packet: usize,
    ) -> Option<Departing> {
        if self.is_ceased {
            return None;
        }
        let probing = self.outgoing.probing(now);
        let padding = probing.map_or(0, |(bytes, _)| bytes);
        let packet = self.sender.poll_transmit(now, slot, &Budget { bytes, max_packet, padding })?;
        Some(Departing { packet, size: packet.size, probe: probing.map(|(_, cluster)| cluster) })
    }

    /// A packet left.
    pub(crate) fn departed(&mut self, now: Instant, departing: &Departing, pace: Pace, ecn: Ecn) {
        let Departing { packet, size, probe } = *departing;
        let number = match self.outgoing.kind {
            FeedbackKind::TransportWide => Some(Number::Transport(SequenceNumber(packet.transport_number as u16))),
            FeedbackKind::PerStream => Some(Number::Stream(packet.sequence_number)),
            FeedbackKind::None => None,
        };
        let is_media = packet.kind != Kind::Padding;
        self.estimator.sent(now, &Sent { ssrc: packet.ssrc, number, size, probe, is_media, ecn });
        self.outgoing.sent(now, size, pace, is_media);
        self.after_sender();
        self.after_estimate();
    }

    /// Keeps a packet that is ready for the next run.
    pub(crate) fn hold(&mut self, packet: &[u8]) {
        self.outgoing.held.extend_from_slice(packet);
    }

    /// Writes the packet that was kept to the start of `buf`: its length.
    pub(crate) fn take_held(&mut self, buf: &mut [u8]) -> Option<usize> {
        let held = &mut self.outgoing.held;
        let len = Some(held.len()).filter(|len| *len > 0)?;
        buf.get_mut(..len)?.copy_from_slice(held);
        held.clear();
        Some(len)
    }

    /// What data may have of the path, in bits per second; `None` while there is no media.
    pub(crate) fn left_for_data(&mut self, now: Instant) -> Option<u64> {
        self.outgoing.left_for_data(now, self.estimator.estimate())
    }

    /// Bytes of data left.
    pub(crate) fn sent_other(&mut self, now: Instant, bytes: usize) {
        self.estimator.sent_other(now, bytes);
    }

    /// Takes over what the sender has to say.
    pub(super) fn after_sender(&mut self) {
        while let Some(event) = self.sender.poll_event() {
            match event {
                SendEvent::KeyFrameRequested { stream } => {
                    if let Some((id, encoding)) = self.encoding(stream) {
                        self.events.push_back(MediaEvent::KeyFrameRequested(id, encoding));
                    }
                }
                SendEvent::Dropped { frames, .. } => tracing::debug!(frames, "frames waited too long"),
                // What the peer limits one stream to holds for all of them: nobody sends less of one to send more of another.
                SendEvent::Limited { rate, .. } => self.outgoing.limited = Some(rate),
                _ => {}
            }
        }
    }

    /// Shares the rate among the encoders: audio first, then the videos alike, and of each its encodings from the first on.
    pub(super) fn share_rate(&mut self) {
        let rate = self.estimator.target().min(self.outgoing.limited.unwrap_or(u64::MAX));
        let of = |is_video: bool| {
            let sending = self.sections.iter().filter(move |section| section.sends() && section.is_video() == is_video);
            sending.map(Section::most)
        };
        self.estimator.set_needed(Some(of(false).chain(of(true)).fold(0, u64::saturating_add)));
        let audio = AUDIO_RATE.min(rate / (of(false).count() as u64).max(1));
        let spent: u64 = of(false).map(|most| most.min(audio)).sum();
        let video = level(rate.saturating_sub(spent), of(true));
        for section in &mut self.sections {
            let mut left = if section.is_video() { video } else { audio };
            left = left.min(section.most());
            let (id, last) = (section.id(), section.sending.iter().rposition(|sending| sending.is_active));
            for encoding in 0..section.sending.len() {
                let most = LAYER_RATES.get(encoding).copied().unwrap_or(u64::MAX);
                let wanted = if Some(encoding) == last { left } else { left.min(most) };
                let allowed = section.allowed(encoding);
                let sending = &mut section.sending[encoding];
                let share = if sending.is_active { wanted.min(allowed) } else { 0 };
                left -= share;
                if sending.target != share {
                    sending.target = share;
                    self.events.push_back(MediaEvent::TargetBitrate(id, encoding, share));
                }
            }
        }
    }

    /// Which encoding of whom a stream of ours is.
    fn encoding(&self, stream: StreamId) -> Option<(TransceiverId, usize)> {
        self.sections.iter().find_map(|section| {
            let place = section.sending.iter().position(|sending| sending.stream == stream)?;
            Some((section.id(), place))
        })
    }
}

/// What suits a frame as both sides agreed on its format.
fn format(agreed: &Agreed, codec: Codec) -> (Codec, Format<'static>) {
    let mut format = Format::plain(codec);
    if let Format::H264 { mode, .. } = &mut format {
        // RFC 6184 §8.1: without the parameter a NAL unit must fit a packet.
        let told: u8 = agreed.remote_parameters.number("packetization-mode").unwrap_or_default();
        *mode = if told == 1 { Mode::NonInterleaved } else { Mode::SingleUnit };
    }
    (codec, format)
}

/// Fills in the number of a picture where the application left it open: forwarders and browsers make use of it.
fn number(frame: &mut Frame<'_>, picture: u16) {
    let id = Some(PictureId::wide(picture));
    match &mut frame.format {
        Format::Vp8(descriptor) => descriptor.picture_id = descriptor.picture_id.or(id),
        Format::Vp9 { descriptor, .. } if descriptor.picture_id.is_none() => {
            descriptor.picture_id = id;
            descriptor.is_predicted = !frame.is_key;
        }
        _ => {}
    }
}
