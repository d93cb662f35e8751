//! Transceivers.

use std::sync::Arc;

pub use peerage_session::face::{CodecCapability, Direction, MediaKind};
use peerage_session::face::{RidId, Transceiver, TransceiverId, TransceiverInit};

use super::receiver::RtpReceiver;
use super::sender::RtpSender;
use crate::connection::Connection;
use crate::error::{Error, ErrorKind, Result};

/// A pair of a sender and a receiver, for one section of the descriptions (W3C `RTCRtpTransceiver`).
///
/// Clones are handles to one transceiver.
#[derive(Clone)]
pub struct RtpTransceiver {
    connection: Arc<Connection>,
    id: TransceiverId,
}

/// What a transceiver begins with (W3C `RTCRtpTransceiverInit`).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RtpTransceiverInit {
    /// Which way media is wanted. Default: both ways.
    pub direction: Direction,
    /// The identifier that the peer sees our track by, a token of up to 64 bytes. Default: a random one.
    pub track: Option<String>,
    /// The streams that our track is in, so that the peer knows what belongs together: tokens of up to 64 bytes. Default: none.
    pub streams: Vec<String>,
    /// Names of the encodings that are sent side by side (simulcast), letters and digits, from the smallest picture to the
    /// largest: of the path each gets its part before the next one gets any. The first is what remains with a peer that takes
    /// no simulcast. Default: none, one encoding without a name.
    pub rids: Vec<String>,
}

impl Default for RtpTransceiverInit {
    fn default() -> Self {
        Self { direction: Direction::SendRecv, track: None, streams: Vec::new(), rids: Vec::new() }
    }
}

impl RtpTransceiverInit {
    /// Defaults in this direction.
    pub fn new(direction: Direction) -> Self {
        Self { direction, ..Self::default() }
    }
}

impl TryFrom<RtpTransceiverInit> for TransceiverInit {
    type Error = Error;

    fn try_from(init: RtpTransceiverInit) -> Result<Self> {
        let RtpTransceiverInit { direction, track, streams, rids } = init;
        let rid = |name: String| {
            let refused =
                || Error::new(ErrorKind::Type, format!("{name:?} cannot name an encoding: use letters and digits"));
            RidId::new(&name).ok_or_else(refused)
        };
        let rids = rids.into_iter().map(rid).collect::<Result<_>>()?;
        Ok(Self { direction, track, streams, rids })
    }
}

impl RtpTransceiver {
    pub(crate) fn new(connection: Arc<Connection>, id: TransceiverId) -> Self {
        Self { connection, id }
    }

    /// Which way media is wanted from the next offer on (W3C `direction`).
    ///
    /// # Errors
    /// `InvalidState` if the transceiver is stopped.
    pub fn set_direction(&self, direction: Direction) -> Result<()> {
        Ok(self.connection.command(|session, _| session.set_direction(self.id, direction))?)
    }

    /// Which codecs are offered and answered, the preferred one first (W3C `setCodecPreferences`), of those in
    /// [`Settings::media`](crate::Settings::media); none: as configured.
    ///
    /// # Errors
    /// `InvalidState` if the transceiver is stopped, `InvalidAccess` for codecs that the settings have not.
    pub fn set_codec_preferences(&self, codecs: &[CodecCapability]) -> Result<()> {
        Ok(self.connection.command(|session, _| session.set_codec_preferences(self.id, codecs))?)
    }

    /// Ends it: at once for this side, for the peer with the next exchange of descriptions.
    ///
    /// # Errors
    /// `InvalidState` if it is gone.
    pub fn stop(&self) -> Result<()> {
        self.connection.command(|session, _| session.stop_transceiver(self.id))?;
        let state = self.connection.cell.lock();
        state.lines.of(self.id).into_iter().for_each(|line| line.wake());
        Ok(())
    }

    /// Its sender.
    pub fn sender(&self) -> RtpSender {
        RtpSender::new(self.connection.clone(), self.id)
    }

    /// Its receiver.
    pub fn receiver(&self) -> RtpReceiver {
        RtpReceiver::new(self.connection.clone(), self.id)
    }

    /// Audio or video; `None` once it is gone.
    pub fn kind(&self) -> Option<MediaKind> {
        self.read(Transceiver::kind)
    }

    /// The name of its section, once a description has it.
    pub fn mid(&self) -> Option<String> {
        self.read(|transceiver| transceiver.mid().map(str::to_owned)).flatten()
    }

    /// Which way media is wanted.
    pub fn direction(&self) -> Direction {
        self.read(Transceiver::direction).unwrap_or(Direction::Inactive)
    }

    /// Which way media was agreed to flow; `None` before an answer, and once stopped.
    pub fn current_direction(&self) -> Option<Direction> {
        self.read(Transceiver::current_direction).flatten()
    }

    /// Whether it was stopped, by either side.
    pub fn is_stopped(&self) -> bool {
        self.read(Transceiver::is_stopping).unwrap_or(true)
    }

    fn read<T>(&self, read: impl FnOnce(&Transceiver) -> T) -> Option<T> {
        self.connection.cell.lock().session.transceiver(self.id).map(read)
    }
}

impl PartialEq for RtpTransceiver {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.connection, &other.connection) && self.id == other.id
    }
}

impl std::fmt::Debug for RtpTransceiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("RtpTransceiver");
        out.field("mid", &self.mid()).field("kind", &self.kind()).field("direction", &self.direction()).finish()
    }
}
