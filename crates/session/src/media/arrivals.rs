//! What the peer's estimator is told of what arrives.

use alloc::boxed::Box;

use peerage_base::ecn::Ecn;
use peerage_base::time::Instant;
use peerage_media::receive::feedback::{Config, PerStream, TransportWide};
use peerage_rtp::ntp::WallClock;
use peerage_rtp::numbers::{SequenceNumber, Ssrc};
use peerage_rtp::rtcp::ccfb::build::ReportTime;
use peerage_rtp::rtcp::write::Writer;

/// By what was agreed on.
#[derive(Debug, Default)]
pub(crate) enum Arrivals {
    /// Nothing.
    #[default]
    Untold,
    /// Numbers across all streams.
    TransportWide(Box<TransportWide>),
    /// Each stream's own numbers, and marks (RFC 8888).
    PerStream(Box<PerStream>),
}

/// The kind that was agreed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum FeedbackKind {
    #[default]
    None,
    TransportWide,
    PerStream,
}

impl Arrivals {
    /// What begins where this kind was agreed on; goes on if it was before.
    pub(crate) fn agree(&mut self, kind: FeedbackKind) {
        match (&self, kind) {
            (Self::Untold, FeedbackKind::None)
            | (Self::TransportWide(_), FeedbackKind::TransportWide)
            | (Self::PerStream(_), FeedbackKind::PerStream) => {}
            (_, FeedbackKind::None) => *self = Self::Untold,
            (_, FeedbackKind::TransportWide) => {
                *self = Self::TransportWide(Box::new(TransportWide::new(Config::default())));
            }
            (_, FeedbackKind::PerStream) => *self = Self::PerStream(Box::new(PerStream::new(Config::default()))),
        }
    }

    /// A packet of a stream has arrived, with the number that it has across all streams, if it has.
    pub(crate) fn note(
        &mut self,
        now: Instant,
        (ssrc, number): (Ssrc, SequenceNumber),
        across: Option<SequenceNumber>,
        ecn: Ecn,
    ) {
        match (self, across) {
            (Self::TransportWide(told), Some(across)) => told.handle_arrival(now, ssrc, across),
            (Self::PerStream(told), _) => told.handle_arrival(now, ssrc, number, ecn),
            _ => {}
        }
    }

    /// Writes what is due; `false` if nothing is.
    pub(crate) fn poll(&mut self, now: Instant, wall: &WallClock, writer: &mut Writer<'_, '_>, sender: Ssrc) -> bool {
        match self {
            Self::Untold => false,
            Self::TransportWide(told) => told.poll(now, writer, sender),
            Self::PerStream(told) => told.poll(ReportTime { at: now, ntp: wall.ntp(now).compact() }, writer, sender),
        }
    }

    /// A stream has ended.
    pub(crate) fn forget(&mut self, ssrc: Ssrc) {
        if let Self::PerStream(told) = self {
            told.forget(ssrc);
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Untold => None,
            Self::TransportWide(told) => told.poll_timeout(),
            Self::PerStream(told) => told.poll_timeout(),
        }
    }
}
