//! Audio and video as the application sees them: transceivers, frames out, frames in.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use peerage_base::time::Instant;
use peerage_jsep::capability::CodecCapability;
use peerage_jsep::plan::{MediaPlan, TrackEvent};
use peerage_jsep::transceiver::{MediaKind, Transceiver, TransceiverId, TransceiverInit};
use peerage_media::receive::audio::AudioReceiver;
use peerage_media::send::forward::store::Shared;
use peerage_media::send::forward::targets::Limit;
use peerage_media::send::frame::Frame;
use peerage_media::send::packets::passed::Passed;
use peerage_rtp::ntp::{Ntp, WallClock};
use peerage_rtp::numbers::{Ssrc, Timestamp};
use peerage_rtp::payload::codec::Codec;
use peerage_rtp::payload::format::Format;
use peerage_sdp::attribute::direction::Direction;

use crate::delivery::Delivery;
use crate::error::SessionError;
use crate::event::Event;
use crate::media::event::MediaEvent;
use crate::media::frames::{Forwardable, IncomingFrame, IncomingPacket, Source};
use crate::media::limits::EncodingLimits;
use crate::media::sending::SendFrameError;
use crate::media::stats::MediaStats;
use crate::media::{Media, Parts};
use crate::memory::Wish;
use crate::session::Session;
use crate::srtp::Srtp;

/// What SRTP adds at most, and a relay's channel or a stream's length: what a packet of ours leaves room for.
const WRAPPING: usize = 16 + 8;

impl Session {
    /// Adds a transceiver: what an offer has a section for.
    ///
    /// # Errors
    /// `InvalidState` once closed or where the configuration has no audio and video, `Type` for names that cannot be
    /// written, `Operation` beyond 256 of them.
    pub fn add_transceiver(&mut self, kind: MediaKind, init: TransceiverInit) -> Result<TransceiverId, SessionError> {
        let id = self.negotiation.add_transceiver(kind, init)?;
        self.tell_needed();
        Ok(id)
    }

    /// Sends a track, by a transceiver that has none if there is one (W3C `addTrack`).
    ///
    /// # Errors
    /// As [`add_transceiver`](Self::add_transceiver).
    pub fn add_track(
        &mut self,
        kind: MediaKind,
        track: String,
        streams: Vec<String>,
    ) -> Result<TransceiverId, SessionError> {
        let id = self.negotiation.add_track(kind, track, streams)?;
        self.tell_needed();
        Ok(id)
    }

    /// Sends no longer (W3C `removeTrack`).
    ///
    /// # Errors
    /// `InvalidState` if the transceiver is stopped or gone.
    pub fn remove_track(&mut self, id: TransceiverId) -> Result<(), SessionError> {
        self.negotiation.remove_track(id)?;
        self.tell_needed();
        Ok(())
    }

    /// Notes whether a sender has a track (W3C `replaceTrack`), which no description shows.
    ///
    /// # Errors
    /// `InvalidState` if the transceiver is stopped or gone.
    pub fn set_track(&mut self, id: TransceiverId, attached: bool) -> Result<(), SessionError> {
        Ok(self.negotiation.set_track(id, attached)?)
    }

    /// Puts our track into other streams (W3C `setStreams`).
    ///
    /// # Errors
    /// `InvalidState` if the transceiver is stopped or gone, `Type` for names that cannot be written.
    pub fn set_streams(&mut self, id: TransceiverId, streams: Vec<String>) -> Result<(), SessionError> {
        self.negotiation.set_streams(id, streams)?;
        self.tell_needed();
        Ok(())
    }

    /// Which way media is wanted (W3C `direction`).
    ///
    /// # Errors
    /// `InvalidState` if the transceiver is stopped or gone.
    pub fn set_direction(&mut self, id: TransceiverId, direction: Direction) -> Result<(), SessionError> {
        self.negotiation.set_direction(id, direction)?;
        self.tell_needed();
        Ok(())
    }

    /// Which codecs are offered and answered, the preferred one first; none is "as configured".
    ///
    /// # Errors
    /// `InvalidState` if the transceiver is stopped or gone, `InvalidAccess` for codecs that the configuration has not.
    pub fn set_codec_preferences(&mut self, id: TransceiverId, codecs: &[CodecCapability]) -> Result<(), SessionError> {
        self.negotiation.set_codec_preferences(id, codecs)?;
        self.tell_needed();
        Ok(())
    }

    /// Ends a transceiver: at once for our side, for the peer with the next exchange.
    ///
    /// # Errors
    /// `InvalidState` if it is gone.
    pub fn stop_transceiver(&mut self, id: TransceiverId) -> Result<(), SessionError> {
        self.negotiation.stop_transceiver(id)?;
        self.tell_needed();
        Ok(())
    }

    /// The transceivers, in the order in which they came to be.
    pub fn transceivers(&self) -> &[Transceiver] {
        self.negotiation.transceivers()
    }

    /// One transceiver; `None` once it is gone.
    pub fn transceiver(&self, id: TransceiverId) -> Option<&Transceiver> {
        self.negotiation.transceiver(id)
    }

    /// What both sides agreed on for a transceiver.
    pub fn agreed(&self, id: TransceiverId) -> Option<&MediaPlan> {
        self.media.as_ref()?.find(id).map(|section| &section.plan)
    }

    /// The formats in which a transceiver can send, the preferred first.
    pub fn sendable(&self, id: TransceiverId) -> Vec<Codec> {
        let section = self.media.as_ref().and_then(|media| media.find(id));
        section.map(|section| section.sendable().map(|(_, codec)| codec).collect()).unwrap_or_default()
    }

    /// Sends in the format at this place of [`sendable`](Self::sendable) from now on; the first by default.
    ///
    /// # Errors
    /// `InvalidAccess` if there is no such place.
    pub fn set_send_codec(&mut self, id: TransceiverId, place: usize) -> Result<(), SessionError> {
        let chosen = self.media.as_mut().is_some_and(|media| media.set_codec(id, place));
        let refused = || SessionError::InvalidAccess("the codec was not agreed on for this transceiver".into());
        chosen.then_some(()).ok_or_else(refused)
    }

    /// The format in which a transceiver sends now, and what suits a frame in it of which no more is to be said; `None` while
    /// nothing is sent.
    pub fn send_format(&self, id: TransceiverId) -> Option<(Codec, Format<'static>)> {
        self.media.as_ref()?.send_format(id)
    }

    /// Takes an encoded frame to send, in the format that was chosen. Its numbers need not be filled in.
    ///
    /// # Errors
    /// See [`SendFrameError`]. Frames that wait are not lost by it.
    pub fn send_frame(
        &mut self,
        now: Instant,
        id: TransceiverId,
        encoding: usize,
        frame: Frame<'_>,
    ) -> Result<(), SendFrameError> {
        let sent = self.media.as_mut().ok_or(SendFrameError::NotSending)?.send_frame(now, id, encoding, frame);
        self.after_media();
        sent
    }

    /// The most that a transceiver sends, in bits per second, all encodings together; 5 Mbit/s of video and 64 kbit/s of audio
    /// by default. More is neither given to its encoders nor looked for on the path.
    pub fn set_max_bitrate(&mut self, now: Instant, id: TransceiverId, rate: Option<u64>) {
        self.wish(now, id, |wish| wish.max_bitrate = rate);
    }

    /// What one encoding of a transceiver is allowed, by its place among them. What is switched off is sent no more, and begins
    /// with a key frame when it is switched on again.
    pub fn set_encoding(&mut self, now: Instant, id: TransceiverId, encoding: usize, limits: EncodingLimits) {
        self.wish(now, id, |wish| {
            if let Some(place) = wish.encodings.get_mut(encoding) {
                *place = limits;
            }
        });
    }

    /// How what arrives on a transceiver is handed over. What waits to be read is dropped.
    pub fn set_delivery(&mut self, now: Instant, id: TransceiverId, delivery: Delivery) {
        self.wish(now, id, |wish| wish.delivery = delivery);
    }

    /// The next frame that arrived.
    pub fn recv_frame(&mut self, id: TransceiverId) -> Option<IncomingFrame> {
        self.media.as_mut()?.section(id)?.frames.pop()
    }

    /// The next packet that arrived, under [`Delivery::Packets`].
    pub fn recv_packet(&mut self, id: TransceiverId) -> Option<IncomingPacket> {
        self.media.as_mut()?.section(id)?.packets.pop()
    }

    /// The next thing to be sent on by other sessions, under [`Delivery::Forward`].
    pub fn recv_forwardable(&mut self, id: TransceiverId) -> Option<Forwardable> {
        self.media.as_mut()?.section(id)?.shared.pop()
    }

    /// What comes on a transceiver under [`Delivery::Forward`]: its encodings and their layers, to be chosen from.
    pub fn sources(&mut self, now: Instant, id: TransceiverId) -> Vec<Source> {
        let section = self.media.as_mut().and_then(|media| media.section(id));
        section.map(|section| section.sources(now)).unwrap_or_default()
    }

    /// Whether what a transceiver sends comes as packets of other sessions, by [`forward`](Self::forward). To be said before it
    /// is agreed on; frames are taken otherwise.
    pub fn set_forwards(&mut self, now: Instant, id: TransceiverId, forwards: bool) {
        self.wish(now, id, |wish| wish.forwards = forwards);
    }

    /// Sends a packet of another session on, if it is part of what was chosen by [`select`](Self::select).
    ///
    /// # Errors
    /// See [`SendFrameError`].
    pub fn forward(&mut self, now: Instant, id: TransceiverId, packet: &Shared) -> Result<Passed, SendFrameError> {
        let passed = self.media.as_mut().ok_or(SendFrameError::NotSending)?.forward(now, id, packet)?;
        self.after_media();
        Ok(passed)
    }

    /// Chooses what is sent on: a source from its next key frame on, and of its layers those up to a limit; nothing at once.
    pub fn select(&mut self, now: Instant, id: TransceiverId, source: Option<Ssrc>, limit: Limit) {
        if let Some(media) = &mut self.media {
            media.select(now, id, source, limit);
            self.after_media();
        }
    }

    /// Tells what the publisher says of the clock of a source that is sent on.
    pub fn source_report(&mut self, now: Instant, id: TransceiverId, source: Ssrc, clock: (Ntp, Timestamp)) {
        if let Some(media) = &mut self.media {
            media.source_report(now, id, source, clock);
        }
    }

    /// The jitter buffer of a transceiver's audio, under [`Delivery::Playout`]; `None` until something comes.
    pub fn playout(&mut self, id: TransceiverId) -> Option<&mut AudioReceiver> {
        self.media.as_mut()?.playout(id)
    }

    /// Asks the peer for a key frame of what it sends: of one source, or of all.
    pub fn request_key_frame(&mut self, now: Instant, id: TransceiverId, source: Option<Ssrc>) {
        if let Some(media) = &mut self.media {
            media.request_key_frame(now, id, source);
        }
    }

    /// Which source a key frame is wanted of where packets are sent on: the one that was chosen and has not begun, else the one that
    /// is sent.
    pub fn wanted_source(&self, id: TransceiverId) -> Option<Ssrc> {
        self.media.as_ref()?.wanted_source(id)
    }

    /// Figures of audio and video at this moment; `None` where there is none.
    pub fn media_stats(&self) -> Option<MediaStats> {
        self.media.as_ref().map(|media| media.stats())
    }

    /// Carries out what an exchange has settled.
    pub(crate) fn apply_media(&mut self, now: Instant, plans: Option<Vec<MediaPlan>>, tracks: Vec<TrackEvent>) {
        if let Some(plans) = plans.filter(|plans| self.media.is_some() || !plans.is_empty()) {
            if self.media.is_none() {
                self.media = self.open_media(now, &plans).map(Box::new);
            }
            let negotiation = &self.negotiation;
            self.wishes.retain(|wish| negotiation.transceiver(wish.transceiver).is_some());
            if let Some(media) = &mut self.media {
                media.agree(now, plans, &self.wishes);
            }
            self.connect_media();
        }
        for track in tracks {
            self.events.push_back(match track {
                TrackEvent::Added { transceiver, track, streams } => Event::Track { transceiver, track, streams },
                TrackEvent::Streams { transceiver, streams } => Event::Track { transceiver, track: None, streams },
                TrackEvent::Removed { transceiver } => Event::TrackMuted(transceiver),
                TrackEvent::Ended { transceiver } => Event::TrackEnded(transceiver),
                _ => continue,
            });
        }
        self.after_media();
    }

    /// Makes the keys of audio and video once both are there: the handshake and something to protect.
    pub(crate) fn connect_media(&mut self) {
        if self.srtp.is_some() || self.media.is_none() {
            return;
        }
        let (Some(secure), Some(role)) = (&self.secure, self.data_role) else { return };
        match &secure.srtp {
            Some(keys) => self.srtp = Srtp::new(keys, role).map(Box::new),
            None => tracing::debug!("the peer agreed on audio and video, but not on how to protect them"),
        }
    }

    /// Takes over what audio and video have to say.
    pub(crate) fn after_media(&mut self) {
        let Some(media) = &mut self.media else { return };
        while let Some(event) = media.poll_event() {
            self.events.push_back(match event {
                MediaEvent::Readable(id) => Event::TrackReadable(id),
                MediaEvent::KeyFrameRequested(transceiver, encoding) => {
                    Event::KeyFrameRequested { transceiver, encoding }
                }
                MediaEvent::TargetBitrate(transceiver, encoding, bitrate) => {
                    Event::TargetBitrate { transceiver, encoding, bitrate }
                }
                MediaEvent::Bye(id) => Event::TrackEnded(id),
                MediaEvent::Ceased => Event::MediaCeased,
            });
        }
    }

    /// Notes what the application wants, and does it if it is agreed on already.
    fn wish(&mut self, now: Instant, id: TransceiverId, change: impl FnOnce(&mut Wish)) {
        let place = self.wishes.iter().position(|wish| wish.transceiver == id);
        let mut wish = match place {
            Some(place) => self.wishes[place],
            None => Wish::new(id),
        };
        change(&mut wish);
        match place {
            Some(place) => self.wishes[place] = wish,
            None if self.negotiation.transceiver(id).is_some() => self.wishes.push(wish),
            None => return,
        }
        if let Some(media) = &mut self.media {
            media.wish(now, wish);
            self.after_media();
        }
    }

    fn open_media(&self, now: Instant, plans: &[MediaPlan]) -> Option<Media> {
        let options = self.config.media.as_ref()?;
        let parts = Parts {
            estimate: options.estimate,
            repair: options.repair,
            send: options.send.clone(),
            wall: WallClock::new(Instant::ORIGIN, self.config.unix),
            max_packet: self.path.safe_datagram().saturating_sub(WRAPPING),
        };
        Some(Media::new(parts, &self.rng.split("media"), now, plans))
    }
}
