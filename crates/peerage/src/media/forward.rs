//! Packets of one connection sent on by others, without being taken apart: what a forwarding server does.
//!
//! What a publisher sends is read by [`RtpReceiver::recv_forwardable`] and given to each viewer's sender, which sends what was
//! chosen for it by [`RtpSender::select`]; a [`Selector`] chooses by what the viewer's path bears. When a viewer's sender asks for a
//! key frame ([`EncoderEvent::KeyFrame`](super::sender::EncoderEvent::KeyFrame), [`Passed::KeyFrameWanted`]), the publisher's
//! receiver is asked for one of what that viewer gets ([`RtpSender::wanted_source`]): [`RtpReceiver::request_key_frame_of`].

use peerage_session::delivery::Delivery;
pub use peerage_session::face::{Choice, LayerRate, Limit, Passed, Selectable, Selector, SelectorConfig, Shared};
use peerage_session::face::{Ntp, Ssrc, Timestamp};
pub use peerage_session::media::frames::{Forwardable, Source};

use super::line::has_ended;
use super::receiver::RtpReceiver;
use super::sender::RtpSender;
use crate::cell::State;
use crate::error::{Error, ErrorKind, Result};

/// Most items that are handed over at a time.
const BATCH: usize = 256;

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Forwarded {
    /// Packets that leave as soon as the path lets them; the others were no part of what was selected.
    pub packets: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
}

impl RtpReceiver {
    /// The next thing to send on: a packet, or what the peer says of a source's clock. The end as for
    /// [`recv_frame`](Self::recv_frame).
    ///
    /// Cancelling loses nothing.
    pub async fn recv_forwardable(&self) -> Option<Forwardable> {
        self.next_forwardable().await
    }

    /// From now on keeps what arrives for [`recv_forwardable`](Self::recv_forwardable) and
    /// [`recv_forwardables`](Self::recv_forwardables), 8 MiB or 1,024 items of it at most; then the oldest go.
    pub fn keep_forwardable(&self) {
        self.deliver(Delivery::Forward);
    }

    /// Adds everything that has come to `batch`; waits until there is something. For many viewers this takes far fewer locks than one
    /// at a time. `false` where [`recv_forwardable`](Self::recv_forwardable) has no more.
    ///
    /// Cancelling loses nothing.
    pub async fn recv_forwardables(&self, batch: &mut Vec<Forwardable>) -> bool {
        let taken = self.next(Delivery::Forward, |session| {
            let before = batch.len();
            batch.extend((0..BATCH).map_while(|_| session.recv_forwardable(self.id())));
            (batch.len() > before).then_some(())
        });
        taken.await.is_some()
    }

    /// Asks the peer for a key frame of one source. Those who share it by [`recv_forwardable`](Self::recv_forwardable) share its key
    /// frames: there is at most one a second for all of them, and the first is asked for at once.
    pub fn request_key_frame_of(&self, source: Ssrc) {
        self.connection().command(|session, now| session.request_key_frame(now, self.id(), Some(source)));
    }

    /// What comes: its encodings and their layers, to be chosen from.
    pub fn sources(&self) -> Vec<Source> {
        let cell = &self.connection().cell;
        let now = cell.now();
        cell.lock().session.sources(now, self.id())
    }
}

impl RtpSender {
    /// Whether packets of other connections are sent here, and not frames. To be said before the exchange that agrees on it.
    pub fn set_forwards(&self, forwards: bool) {
        self.connection().command(|session, now| session.set_forwards(now, self.id(), forwards));
    }

    /// Sends a packet on, if it is part of what was chosen.
    ///
    /// # Errors
    /// As [`send_frame`](Self::send_frame).
    pub fn forward(&self, packet: &Shared) -> Result<Passed> {
        let cell = &self.connection().cell;
        let now = cell.now();
        let mut state = cell.lock();
        let passed = state.session.forward(now, self.id(), packet)?;
        if passed == Passed::LeftOut {
            return Ok(passed);
        }
        self.connection().depart(state, now);
        Ok(passed)
    }

    /// Sends a batch on as far as it is part of what was chosen, and tells what reports in it say of clocks: under one lock, in as few
    /// system calls as the path allows.
    ///
    /// # Errors
    /// As [`send_frame`](Self::send_frame).
    pub fn forward_all(&self, batch: &[Forwardable]) -> Result<Forwarded> {
        let cell = &self.connection().cell;
        let now = cell.now();
        let mut guard = cell.lock();
        let State { session, over, .. } = &mut *guard;
        if *over {
            return Err(Error::new(ErrorKind::InvalidState, "the connection is over"));
        }
        let mut forwarded = Forwarded::default();
        for item in batch {
            match item {
                Forwardable::Packet { shared, .. } => {
                    let is_sent = session.forward(now, self.id(), shared)? == Passed::Queued;
                    forwarded.packets += u64::from(is_sent);
                    forwarded.bytes += if is_sent { shared.payload().len() as u64 } else { 0 };
                }
                Forwardable::Report { source, ntp, timestamp } => {
                    session.source_report(now, self.id(), *source, (*ntp, *timestamp));
                }
                _ => {}
            }
        }
        self.connection().depart(guard, now);
        Ok(forwarded)
    }

    /// Whether nothing is sent ever again: the transceiver is stopped, or the connection over.
    pub fn has_ended(&self) -> bool {
        let state = self.connection().cell.lock();
        state.over || has_ended(&state.session, self.id())
    }

    /// What suits the path to this viewer, of sources in the order of their size; to be asked every 100 ms or so.
    pub fn choose(&self, selector: &mut Selector, sources: &[Source]) -> Option<Choice> {
        let cell = &self.connection().cell;
        let now = cell.now();
        let target = cell.lock().lines.of(self.id()).and_then(|line| line.bitrate(0));
        let selectable: Vec<_> = sources.iter().map(selectable).collect();
        selector.choose(now, target.unwrap_or(0), &selectable)
    }

    /// Chooses what is sent on: a source from its next key frame on, and of its layers those up to a limit; `None`: nothing.
    pub fn select(&self, source: Option<Ssrc>, limit: Limit) {
        self.connection().command(|session, now| session.select(now, self.id(), source, limit));
    }

    /// Which source a key frame is wanted of: the one that was chosen and has not begun, else the one that is sent.
    pub fn wanted_source(&self) -> Option<Ssrc> {
        self.connection().cell.lock().session.wanted_source(self.id())
    }

    /// Tells what the publisher says of the clock of a source, a [`Forwardable::Report`], so that viewers can align sound and
    /// picture.
    pub fn source_report(&self, source: Ssrc, ntp: Ntp, timestamp: Timestamp) {
        self.connection().command(|session, now| session.source_report(now, self.id(), source, (ntp, timestamp)));
    }
}

fn selectable(source: &Source) -> Selectable<'_> {
    Selectable { source: source.ssrc, pixels: source.pixels, layers: &source.layers }
}
