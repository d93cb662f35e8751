//! What is sent.

use std::sync::Arc;
use std::time::Duration;

use peerage_session::event::ConnectionState;
use peerage_session::face::{Codec, Encoding, Frame, FrameMisuse, TransceiverId};
use peerage_session::media::limits::EncodingLimits;
use peerage_session::media::sending::SendFrameError;
use peerage_session::session::Session;

use super::frame::{EncodedFrame, moment};
use super::line::{EncodingWish, Line, Waiters, has_ended};
use super::transform::{FrameTransform, Passage, TransformCounts};
use crate::cell::State;
use crate::connection::Connection;
use crate::error::{Error, ErrorKind, Result};

/// How long a frame may wait for room at most, and how often it tries.
const PATIENCE: Duration = Duration::from_millis(200);
const RETRY: Duration = Duration::from_millis(5);

/// Sends encoded frames on a transceiver (W3C `RTCRtpSender`).
///
/// An encoder needs two calls: [`encoder_event`](Self::encoder_event) tells what rate to produce and when to make a key frame,
/// [`send_frame`](Self::send_frame) takes what it has made.
///
/// Clones are handles to one sender.
#[derive(Clone)]
pub struct RtpSender {
    connection: Arc<Connection>,
    id: TransceiverId,
    waiters: Arc<Waiters>,
    passage: Arc<Passage>,
}

/// What an encoder is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncoderEvent {
    /// Make a key frame: the peer cannot decode, or frames were dropped.
    KeyFrame {
        /// Which encoding; 0 without simulcast.
        encoding: usize,
    },
    /// Produce at another rate.
    TargetBitrate {
        /// Which encoding; 0 without simulcast.
        encoding: usize,
        /// Bits per second; 0: what is produced would not be sent.
        bitrate: u64,
    },
    /// The application wants something else of an encoding: [`RtpSender::parameters`] tells what.
    Parameters {
        /// Which encoding; 0 without simulcast.
        encoding: usize,
    },
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handed {
    /// It leaves as soon as the path lets it.
    Taken,
    /// It was dropped, because the peer could not use it: the sender has no track, the encoding is not active, or a key frame must
    /// come first, which [`encoder_event`](RtpSender::encoder_event) asks for, or too much waits already.
    Dropped,
}

/// What a sender sends (the part of W3C `RTCRtpSendParameters` that there is). Read by [`RtpSender::parameters`], changed and given to
/// [`RtpSender::set_parameters`].
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RtpParameters {
    /// What is sent side by side: one, or several under simulcast.
    pub encodings: Vec<RtpEncoding>,
    /// Formats that can be sent, the preferred first; empty until an exchange has agreed on them.
    pub codecs: Vec<Codec>,
    /// The canonical name that the peer sees.
    pub cname: Option<String>,
}

/// One encoding (W3C `RTCRtpEncodingParameters`).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RtpEncoding {
    /// Its name, under simulcast. Cannot be set.
    pub rid: Option<String>,
    /// Its stream. Cannot be set.
    pub ssrc: u32,
    /// What its encoder was told to produce last, in bits per second. Cannot be set.
    pub target_bitrate: Option<u64>,
    /// Whether it is sent. Default: it is. One that is not is told a rate of 0, takes no frames and no padding, and begins with a key
    /// frame when it is sent again.
    pub active: bool,
    /// The most that it is given, in bits per second. Default: `None`, what there is.
    pub max_bitrate: Option<u64>,
    /// Most frames a second: a wish that its encoder is told. Default: `None`, all.
    pub max_framerate: Option<f64>,
    /// By how much the sides of the picture are divided before it is encoded, 1 or more: a wish that its encoder is told. Default: 1.
    pub scale_resolution_down_by: f64,
}

impl RtpSender {
    pub(crate) fn new(connection: Arc<Connection>, id: TransceiverId) -> Self {
        let (waiters, passage) = {
            let state = &mut *connection.cell.lock();
            let line = state.lines.line(&state.session, id);
            (line.waiters.clone(), line.sent.clone())
        };
        Self { connection, id, waiters, passage }
    }

    pub(crate) fn id(&self) -> TransceiverId {
        self.id
    }

    /// Waits until frames can be sent: both sides have agreed on it, and the connection stands.
    ///
    /// # Errors
    /// `InvalidState` if the transceiver is stopped or the connection over first.
    pub async fn ready(&self) -> Result<()> {
        loop {
            let (changed, stopped) = (self.connection.cell.changed.notified(), self.waiters.encoder.notified());
            tokio::pin!(changed, stopped);
            changed.as_mut().enable();
            stopped.as_mut().enable();
            {
                let state = self.connection.cell.lock();
                if state.over || has_ended(&state.session, self.id) {
                    return Err(ended());
                }
                let stands = state.session.connection_state() == ConnectionState::Connected;
                if stands && state.session.send_format(self.id).is_some() {
                    return Ok(());
                }
            }
            tokio::select! {
                () = changed => {}
                () = stopped => {}
            }
        }
    }

    /// Hands over an encoded frame, the only encoding or the first; it leaves from here if the path lets it. Waits for room a
    /// fifth of a second at most, where hundreds of frames wait already: what is late is of no use in a call.
    ///
    /// # Errors
    /// `InvalidState` if nothing is sent on this transceiver now (see [`ready`](Self::ready)), `Type` if the frame is not what
    /// its format says, `Operation` if its transform rejects it, `Network` if the path cannot carry audio and video at all.
    pub async fn send_frame(&self, frame: EncodedFrame) -> Result<Handed> {
        self.send_frame_on(0, frame).await
    }

    /// Hands over a frame of one of several encodings, by its place among them.
    ///
    /// # Errors
    /// As [`send_frame`](Self::send_frame).
    pub async fn send_frame_on(&self, encoding: usize, frame: EncodedFrame) -> Result<Handed> {
        let Some(frame) = self.transformed(encoding, frame)? else { return Ok(Handed::Dropped) };
        let mut waited = Duration::ZERO;
        loop {
            match self.offer(encoding, frame.clone()) {
                Err(SendFrameError::Refused(FrameMisuse::QueueFull)) if waited < PATIENCE => {}
                outcome => return handed(outcome),
            }
            waited += RETRY;
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Hands over a frame, by the place of its encoding, without waiting for anything: for threads without a runtime.
    ///
    /// # Errors
    /// As [`send_frame`](Self::send_frame).
    pub fn try_send_frame(&self, encoding: usize, frame: EncodedFrame) -> Result<Handed> {
        let Some(frame) = self.transformed(encoding, frame)? else { return Ok(Handed::Dropped) };
        handed(self.offer(encoding, frame))
    }

    /// Lets every frame go through a transform before it is sent, in the place of one that was set before (W3C `transform`): set
    /// it before [`ready`](Self::ready), or the first frames leave as they are. What it rejects is not sent, and an error for whoever
    /// hands the frame over. Packets that are passed on do not go through it.
    pub fn set_transform(&self, transform: impl FrameTransform + 'static) {
        self.passage.set(Some(Box::new(transform)));
    }

    /// Sends frames as they are again.
    pub fn clear_transform(&self) {
        self.passage.set(None);
    }

    /// What became of frames in transforms.
    pub fn transform_counts(&self) -> TransformCounts {
        self.passage.counts()
    }

    /// What the encoder is to do next; `None` once nothing is sent on this transceiver ever again. Of each encoding only the
    /// last rate counts and one key frame, so an encoder that is slow to ask misses nothing and finds no backlog.
    ///
    /// Cancelling loses nothing. Several callers share the events between them.
    pub async fn encoder_event(&self) -> Option<EncoderEvent> {
        loop {
            let encoder = self.waiters.encoder.notified();
            tokio::pin!(encoder);
            encoder.as_mut().enable();
            {
                let state = &mut *self.connection.cell.lock();
                if state.over || has_ended(&state.session, self.id) {
                    return None;
                }
                if let Some(event) = state.lines.line(&state.session, self.id).encoder_event() {
                    return Some(event);
                }
            }
            encoder.await;
        }
    }

    /// What the encoder is to do next, if there is anything: for encoders that ask before each frame.
    pub fn try_encoder_event(&self) -> Option<EncoderEvent> {
        self.with_line(|line, _| line.encoder_event())
    }

    /// Whether there is a track to send: W3C `replaceTrack` with one or with null, which no description shows. Without one frames
    /// are dropped here; with one again, a key frame is asked for first.
    ///
    /// # Errors
    /// `InvalidState` if the transceiver is stopped.
    pub fn replace_track(&self, has_track: bool) -> Result<()> {
        self.connection.command(|session, _| session.set_track(self.id, has_track))?;
        self.with_line(|line, _| {
            if std::mem::replace(&mut line.is_detached, !has_track) && has_track {
                line.begin_anew();
            }
        });
        Ok(())
    }

    /// Puts our track into other streams (W3C `setStreams`), as tokens of up to 64 bytes. The peer learns it with the next
    /// exchange.
    ///
    /// # Errors
    /// `InvalidState` if the transceiver is stopped, `Type` for names that cannot be written.
    pub fn set_streams(&self, streams: Vec<String>) -> Result<()> {
        Ok(self.connection.command(|session, _| session.set_streams(self.id, streams))?)
    }

    /// The format of the frames that are sent; `None` while nothing is.
    pub fn codec(&self) -> Option<Codec> {
        self.connection.cell.lock().session.send_format(self.id).map(|(codec, _)| codec)
    }

    /// Formats that can be sent, the preferred first; empty until an exchange has agreed on them.
    pub fn codecs(&self) -> Vec<Codec> {
        self.connection.cell.lock().session.sendable(self.id)
    }

    /// Sends in this format from now on, and after every exchange that agrees on it. Without a choice it is the first of
    /// [`codecs`](Self::codecs).
    ///
    /// # Errors
    /// `InvalidAccess` if there was an exchange and it did not agree on it.
    pub fn set_codec(&self, codec: Codec) -> Result<()> {
        self.with_line(|line, session| {
            let agreed = session.sendable(self.id);
            if !agreed.is_empty() && !agreed.contains(&codec) {
                let why = format!("{} was not agreed on for this transceiver: use one of its codecs()", codec.name());
                return Err(Error::new(ErrorKind::InvalidAccess, why));
            }
            line.codec = Some(codec);
            line.settle(session, self.id);
            Ok(())
        })
    }

    /// The most that is sent, in bits per second, all encodings together; `None`: 5 Mbit/s of video, 64 kbit/s of audio. More is
    /// neither asked of encoders nor looked for on the path.
    pub fn set_max_bitrate(&self, bitrate: Option<u64>) {
        self.connection.command(|session, now| session.set_max_bitrate(now, self.id, bitrate));
    }

    /// What is sent now, and what was set of it.
    pub fn parameters(&self) -> RtpParameters {
        let state = self.connection.cell.lock();
        let Some(transceiver) = state.session.transceiver(self.id) else { return RtpParameters::default() };
        let line = state.lines.of(self.id);
        let encoding = |(place, encoding): (usize, &Encoding)| {
            let set = line.map(|line| line.parameters(place)).unwrap_or_default();
            RtpEncoding {
                rid: encoding.rid.as_ref().map(|rid| rid.as_str().to_owned()),
                ssrc: encoding.ssrc,
                target_bitrate: line.and_then(|line| line.bitrate(place)),
                active: set.active,
                max_bitrate: set.max_bitrate,
                max_framerate: set.max_framerate,
                scale_resolution_down_by: set.scale_resolution_down_by,
            }
        };
        RtpParameters {
            encodings: transceiver.encodings().iter().enumerate().map(encoding).collect(),
            codecs: state.session.sendable(self.id),
            cname: state.session.agreed(self.id).map(|plan| plan.cname.clone()),
        }
    }

    /// Changes how the encodings are sent, at once and without an exchange: what [`parameters`](Self::parameters) tells, changed. Rates
    /// and activity are kept to here; each encoder is told of its encoding's changes by [`EncoderEvent::Parameters`].
    ///
    /// # Errors
    /// `InvalidModification` if the encodings are not those that there are, in their order; `Type` for a scale below 1 or a frame
    /// rate below 0. Nothing has changed then.
    pub fn set_parameters(&self, parameters: &RtpParameters) -> Result<()> {
        let before = self.parameters();
        let names = |parameters: &RtpParameters| parameters.encodings.iter().map(|e| e.rid.clone()).collect::<Vec<_>>();
        if names(&before) != names(parameters) {
            let why = "the encodings are not those of this sender: change what parameters() tells and leave their order as it is";
            return Err(Error::new(ErrorKind::InvalidModification, why));
        }
        for encoding in &parameters.encodings {
            if !encoding.scale_resolution_down_by.is_finite() || encoding.scale_resolution_down_by < 1.0 {
                return Err(Error::new(ErrorKind::Type, "scale_resolution_down_by has to be 1 or more"));
            }
            if encoding.max_framerate.is_some_and(|rate| !rate.is_finite() || rate < 0.0) {
                return Err(Error::new(ErrorKind::Type, "max_framerate has to be 0 or more"));
            }
        }
        for (place, encoding) in parameters.encodings.iter().enumerate() {
            let wish = EncodingWish {
                active: encoding.active,
                max_bitrate: encoding.max_bitrate,
                max_framerate: encoding.max_framerate,
                scale_resolution_down_by: encoding.scale_resolution_down_by,
            };
            if !self.with_line(|line, _| line.parameters(place) == wish) {
                self.with_line(|line, _| line.want_parameters(place, wish));
                let mut limits = EncodingLimits::default();
                (limits.active, limits.max_bitrate) = (wish.active, wish.max_bitrate);
                self.connection.command(|session, now| session.set_encoding(now, self.id, place, limits));
            }
        }
        Ok(())
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The frame as the transform leaves it; `None` if it would not be sent.
    fn transformed(&self, encoding: usize, mut frame: EncodedFrame) -> Result<Option<EncodedFrame>> {
        if !self.passage.is_set() {
            return Ok(Some(frame));
        }
        let (codec, rid) = {
            let state = &mut *self.connection.cell.lock();
            let is_detached = state.lines.of(self.id).is_some_and(|line| line.is_detached);
            let Some((codec, _)) = state.session.send_format(self.id).filter(|_| !is_detached) else {
                return if is_detached { Ok(None) } else { Err(SendFrameError::NotSending.into()) };
            };
            let encoding = state.session.transceiver(self.id).and_then(|t| t.encodings().get(encoding));
            let rid = encoding.and_then(|encoding| Some(encoding.rid.as_ref()?.as_str().to_owned()));
            // Other formats among the media are those of events.
            (if frame.payload_type.is_some() { Codec::TelephoneEvent } else { codec }, rid)
        };
        self.passage.send(&mut frame.payload, (codec, frame.is_key, rid.as_deref())).map_err(|rejected| {
            Error::new(ErrorKind::Operation, format!("the frame was rejected by the sender's transform: {rejected}"))
        })?;
        Ok(Some(frame))
    }

    fn offer(&self, encoding: usize, frame: EncodedFrame) -> std::result::Result<Handed, SendFrameError> {
        let cell = &self.connection.cell;
        let now = cell.now();
        let mut guard = cell.lock();
        let State { session, lines, over, .. } = &mut *guard;
        if *over || has_ended(session, self.id) {
            return Err(SendFrameError::NotSending);
        }
        let line = lines.line(session, self.id);
        if line.is_detached {
            return Ok(Handed::Dropped);
        }
        let (_, plain) = session.send_format(self.id).ok_or(SendFrameError::NotSending)?;
        let captured = frame.captured.map_or(now, |at| moment(cell.clock(), at));
        let mut given = Frame::new(frame.payload, frame.format.unwrap_or(plain), frame.timestamp, captured);
        given.is_key = frame.is_key;
        given.payload_type = frame.payload_type;
        given.audio_level = frame.audio_level;
        given.orientation = frame.orientation;
        given.scalability = frame.scalability;
        match session.send_frame(now, self.id, encoding, given) {
            Ok(()) if frame.is_key => line.key_frame_made(encoding),
            Ok(()) => {}
            Err(error) => {
                if error == SendFrameError::Refused(FrameMisuse::KeyFrameNeeded) {
                    line.want_key_frame(encoding);
                }
                return Err(error);
            }
        }
        self.connection.depart(guard, now);
        Ok(Handed::Taken)
    }

    fn with_line<T>(&self, run: impl FnOnce(&mut Line, &mut Session) -> T) -> T {
        let State { session, lines, .. } = &mut *self.connection.cell.lock();
        run(lines.line(session, self.id), session)
    }
}

fn ended() -> Error {
    Error::new(ErrorKind::InvalidState, "the transceiver is stopped, or the connection is over")
}

fn handed(outcome: std::result::Result<Handed, SendFrameError>) -> Result<Handed> {
    match outcome {
        Ok(outcome) => Ok(outcome),
        Err(
            SendFrameError::Inactive | SendFrameError::Refused(FrameMisuse::KeyFrameNeeded | FrameMisuse::QueueFull),
        ) => Ok(Handed::Dropped),
        Err(error) => Err(error.into()),
    }
}

impl From<SendFrameError> for Error {
    fn from(error: SendFrameError) -> Self {
        let kind = match error {
            SendFrameError::Refused(_) => ErrorKind::Type,
            SendFrameError::Ceased => ErrorKind::Network,
            _ => ErrorKind::InvalidState,
        };
        Self::new(kind, error)
    }
}

impl std::fmt::Debug for RtpSender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RtpSender").field("codec", &self.codec()).finish_non_exhaustive()
    }
}
