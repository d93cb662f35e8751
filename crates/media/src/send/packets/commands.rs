//! What a sender does with packets that were made elsewhere.

use alloc::boxed::Box;

use peerage_base::time::Instant;
use peerage_rtp::ntp::Ntp;
use peerage_rtp::numbers::{Ssrc, Timestamp};

use super::passed::Passed;
use super::raw::RawPacket;
use super::stream::PacketStream;
use crate::send::config::StreamConfig;
use crate::send::forward::forwarder::Forwarder;
use crate::send::forward::store::Shared;
use crate::send::forward::targets::Limit;
use crate::send::misuse::Misuse;
use crate::send::outlet::Outlet;
use crate::send::sender::Sender;
use crate::send::stream_id::StreamId;

impl Sender {
    /// Adds a stream that passes on packets of other connections: one of several sources at a time, to be chosen by
    /// [`select`](Self::select). Of its settings RED, and what rests on it, has no effect: packets are passed on as they are.
    ///
    /// # Errors
    /// If there are too many, or another has one of its sources.
    pub fn add_forwarded(&mut self, config: StreamConfig) -> Result<StreamId, Misuse> {
        self.add_packets(config, true)
    }

    /// Adds a stream whose packets the application makes itself, to be sent by [`send_rtp`](Self::send_rtp).
    ///
    /// # Errors
    /// If there are too many, or another has one of its sources.
    pub fn add_raw(&mut self, config: StreamConfig) -> Result<StreamId, Misuse> {
        self.add_packets(config, false)
    }

    /// Passes a packet on, if it is part of what the viewer gets: it is numbered anew, waits for the path, and is kept to be sent
    /// again. When more waits than may, the oldest is dropped up to the next key frame.
    ///
    /// # Errors
    /// If there is no such stream, or it is not one that passes on.
    pub fn forward(&mut self, now: Instant, id: StreamId, packet: &Shared) -> Result<Passed, Misuse> {
        self.drop_stale(now, id.index);
        let limits = &self.config;
        let stream = packets(self.streams.find(id))?;
        let forwarder = stream.forwarder.as_ref().ok_or(Misuse::NoStream)?;
        if ![forwarder.source(), forwarder.wanted()].contains(&Some(packet.incoming().header.ssrc)) {
            return Ok(Passed::LeftOut);
        }
        let is_queued = stream.forward(now, packet, limits);
        let wanted = stream.forwarder.as_ref().and_then(Forwarder::wants_key_frame);
        let broken = stream.forwarder.as_ref().and_then(Forwarder::source).filter(|_| stream.needs_key());
        if is_queued {
            self.queued(now, id);
        }
        let Some(source) = wanted.or(broken) else {
            return Ok(if is_queued { Passed::Queued } else { Passed::LeftOut });
        };
        self.request_key_frame(now, id);
        Ok(if is_queued { Passed::Queued } else { Passed::KeyFrameWanted(source) })
    }

    /// Sends a packet of the application.
    ///
    /// # Errors
    /// If there is no such stream, its number was used or is too old, too much waits, or packets were dropped and it begins no
    /// key frame.
    pub fn send_rtp(&mut self, now: Instant, id: StreamId, packet: RawPacket<'_>) -> Result<(), Misuse> {
        self.drop_stale(now, id.index);
        let (store, limits) = (&mut self.store, &self.config);
        let stream = packets(self.streams.find(id))?;
        if stream.forwarder.is_some() {
            return Err(Misuse::NoStream);
        }
        stream.send(now, packet, (store, limits))?;
        self.queued(now, id);
        Ok(())
    }

    /// Chooses what a stream passes on: a source, from its next key frame on, until then the one before; nothing at all at once. Of
    /// its layers those up to `limit`. A key frame that is needed for it is asked for.
    pub fn select(&mut self, now: Instant, id: StreamId, source: Option<Ssrc>, limit: Limit) {
        let Some(forwarder) = self.forwarder_mut(id) else { return };
        forwarder.select(source);
        forwarder.limit_spatial(limit.spatial);
        forwarder.limit_temporal(limit.temporal);
        if forwarder.wants_key_frame().is_some() {
            self.request_key_frame(now, id);
        }
    }

    /// A sender report of a source has come from its publisher: reports of the stream follow it, and streams stay aligned when
    /// sources change.
    pub fn source_report(&mut self, now: Instant, id: StreamId, source: Ssrc, (ntp, timestamp): (Ntp, Timestamp)) {
        if let Some(forwarder) = self.forwarder_mut(id) {
            forwarder.sender_report(now, source, ntp, timestamp);
        }
    }

    /// What a stream passes on; `None` of streams that pass on nothing.
    pub fn forwarder(&self, id: StreamId) -> Option<&Forwarder> {
        match self.streams.get(id)? {
            Outlet::Packets(stream) => stream.forwarder.as_ref(),
            Outlet::Frames(_) => None,
        }
    }

    fn forwarder_mut(&mut self, id: StreamId) -> Option<&mut Forwarder> {
        packets(self.streams.find(id)).ok()?.forwarder.as_mut()
    }

    fn add_packets(&mut self, config: StreamConfig, passes_on: bool) -> Result<StreamId, Misuse> {
        let stream = PacketStream::new(config, passes_on, &self.config, &mut self.rng);
        self.add_outlet(Outlet::Packets(Box::new(stream)))
    }
}

fn packets(outlet: Option<&mut Outlet>) -> Result<&mut PacketStream, Misuse> {
    match outlet {
        Some(Outlet::Packets(stream)) => Ok(stream),
        _ => Err(Misuse::NoStream),
    }
}
