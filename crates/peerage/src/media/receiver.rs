//! What arrives.

use std::sync::Arc;

use peerage_session::delivery::Delivery;
use peerage_session::face::TransceiverId;
use peerage_session::face::playback::Decoder;
use peerage_session::face::stretch::Format as SampleFormat;
use peerage_session::media::frames::{Forwardable, IncomingFrame};
use peerage_session::session::Session;

use super::frame::{ReceivedFrame, ReceivedPacket};
use super::line::{Waiters, has_ended};
use super::playout::Playout;
use super::transform::{FrameTransform, Passage, Passed, TransformCounts};
use crate::connection::Connection;

/// What the peer sends on a transceiver: its track (W3C `RTCRtpReceiver` and its `MediaStreamTrack`).
///
/// Frames that nobody reads are kept up to 8 MiB, then the oldest go, and of video a key frame is asked for. What arrives is
/// handed over in one of four ways, and the first call of another one changes to it, dropping what waits:
/// [`recv_frame`](Self::recv_frame), [`recv_packet`](Self::recv_packet), [`playout`](Self::playout),
/// [`recv_forwardable`](Self::recv_forwardable).
///
/// Clones are handles to one receiver.
#[derive(Clone)]
pub struct RtpReceiver {
    connection: Arc<Connection>,
    id: TransceiverId,
    waiters: Arc<Waiters>,
    passage: Arc<Passage>,
}

impl RtpReceiver {
    pub(crate) fn new(connection: Arc<Connection>, id: TransceiverId) -> Self {
        let (waiters, passage) = {
            let state = &mut *connection.cell.lock();
            let line = state.lines.line(&state.session, id);
            (line.waiters.clone(), line.received.clone())
        };
        Self { connection, id, waiters, passage }
    }

    /// The next encoded frame: video in the order of decoding, repaired; audio as it arrives, each frame once. `None` once the
    /// transceiver is stopped or the connection over, and everything before was taken.
    ///
    /// Cancelling loses nothing.
    pub async fn recv_frame(&self) -> Option<ReceivedFrame> {
        loop {
            let frame = self.next(Delivery::Frames, |session| session.recv_frame(self.id)).await?;
            if let Some(frame) = self.transformed(frame) {
                return Some(frame);
            }
        }
    }

    /// A frame that is here.
    pub fn try_recv_frame(&self) -> Option<ReceivedFrame> {
        loop {
            let frame = self.take(Delivery::Frames, |session| session.recv_frame(self.id)).ok()?;
            if let Some(frame) = self.transformed(frame) {
                return Some(frame);
            }
        }
    }

    /// The next packet of RTP, each once and as it arrives, retransmissions in their place: for those who pass them on. The end
    /// as for [`recv_frame`](Self::recv_frame).
    ///
    /// Cancelling loses nothing.
    pub async fn recv_packet(&self) -> Option<ReceivedPacket> {
        self.next(Delivery::Packets, |session| session.recv_packet(self.id))
            .await
            .map(|packet| ReceivedPacket::new(self.connection.cell.clock(), packet))
    }

    /// A packet that is here.
    pub fn try_recv_packet(&self) -> Option<ReceivedPacket> {
        let packet = self.take(Delivery::Packets, |session| session.recv_packet(self.id)).ok()?;
        Some(ReceivedPacket::new(self.connection.cell.clock(), packet))
    }

    /// Audio as a sound card wants it: 10 ms at a time from an adaptive jitter buffer, with concealment of what is lost and
    /// stretching of what comes unevenly. Samples come in `format`, whose rate is a multiple of the codec's clock or the other way
    /// round.
    pub fn playout<D: Decoder>(&self, format: SampleFormat, decoder: D) -> Playout<D> {
        self.deliver(Delivery::Playout);
        Playout::new((self.connection.clone(), self.id), self.passage.clone(), format, decoder)
    }

    /// Lets every frame go through a transform before it is handed over by [`recv_frame`](Self::recv_frame) or
    /// [`playout`](Self::playout), in the place of one that was set before (W3C `transform`). What it rejects is dropped and counted;
    /// of video all that follows is then dropped up to the next key frame, which is asked for as soon as frames pass again: under
    /// a wrong key nobody is asked for anything. Packets are handed over as they are.
    pub fn set_transform(&self, transform: impl FrameTransform + 'static) {
        self.passage.set(Some(Box::new(transform)));
    }

    /// Hands frames over as they come again.
    pub fn clear_transform(&self) {
        self.passage.set(None);
    }

    /// What became of frames in transforms.
    pub fn transform_counts(&self) -> TransformCounts {
        self.passage.counts()
    }

    /// Asks the peer for a key frame: the decoder has lost its way. It is asked again until one comes, and no more often than
    /// makes sense.
    pub fn request_key_frame(&self) {
        self.connection.command(|session, now| session.request_key_frame(now, self.id, None));
    }

    /// The identifier that the peer gives its track, if it has told.
    pub fn track_id(&self) -> Option<String> {
        let state = self.connection.cell.lock();
        state.session.transceiver(self.id).and_then(|transceiver| transceiver.receiver_track().map(str::to_owned))
    }

    /// The streams that the peer's track is in; empty while it sends nothing.
    pub fn streams(&self) -> Vec<String> {
        let state = self.connection.cell.lock();
        let transceiver = state.session.transceiver(self.id);
        transceiver.map(|transceiver| transceiver.receiver_streams().to_vec()).unwrap_or_default()
    }

    /// Whether the peer sends nothing now, as far as it has told (W3C `muted`).
    pub fn is_muted(&self) -> bool {
        self.connection.cell.lock().lines.of(self.id).is_none_or(|line| line.is_muted)
    }

    /// Whether nothing will arrive any more (W3C `readyState` `ended`).
    pub fn has_ended(&self) -> bool {
        let state = self.connection.cell.lock();
        state.over || has_ended(&state.session, self.id)
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(crate) fn id(&self) -> TransceiverId {
        self.id
    }

    pub(crate) async fn next_forwardable(&self) -> Option<Forwardable> {
        self.next(Delivery::Forward, |session| session.recv_forwardable(self.id)).await
    }

    /// What is taken, once there is something; `None` once nothing comes any more.
    pub(super) async fn next<T>(
        &self,
        delivery: Delivery,
        mut take: impl FnMut(&mut Session) -> Option<T>,
    ) -> Option<T> {
        loop {
            let readable = self.waiters.readable.notified();
            tokio::pin!(readable);
            readable.as_mut().enable();
            match self.take(delivery, &mut take) {
                Ok(item) => return Some(item),
                Err(true) => return None,
                Err(false) => readable.await,
            }
        }
    }

    /// A frame that came out of the transform, if there is one.
    fn transformed(&self, mut frame: IncomingFrame) -> Option<ReceivedFrame> {
        let of = (frame.codec, frame.is_key, frame.rid.as_deref());
        match self.passage.receive(&mut frame.payload, frame.ssrc, of) {
            Passed::Yes => return Some(ReceivedFrame::new(self.connection.cell.clock(), frame)),
            Passed::No => {}
            Passed::NeedsKey => self.request_key_frame(),
        }
        None
    }

    /// What is there, or whether there will be no more.
    fn take<T>(&self, delivery: Delivery, take: impl FnOnce(&mut Session) -> Option<T>) -> Result<T, bool> {
        self.deliver(delivery);
        let state = &mut *self.connection.cell.lock();
        take(&mut state.session).ok_or_else(|| state.over || has_ended(&state.session, self.id))
    }

    /// Changes how what arrives is handed over.
    pub(super) fn deliver(&self, delivery: Delivery) {
        let now = self.connection.cell.now();
        let state = &mut *self.connection.cell.lock();
        let line = state.lines.line(&state.session, self.id);
        if line.delivery != delivery {
            line.delivery = delivery;
            state.session.set_delivery(now, self.id, delivery);
        }
    }
}

impl std::fmt::Debug for RtpReceiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("RtpReceiver");
        out.field("track", &self.track_id()).field("muted", &self.is_muted()).finish()
    }
}
