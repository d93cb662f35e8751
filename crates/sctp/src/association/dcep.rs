//! Channels that the peer opens (RFC 8832 §6).

use super::Association;
use crate::channel::{Channel, ChannelInit, ChannelState};
use crate::dcep::{Dcep, Open, Reliability};
use crate::event::Event;
use crate::numbers::StreamId;
use alloc::string::String;
use tracing::debug;

impl Association {
    pub(super) fn on_dcep(&mut self, stream: StreamId, bytes: &[u8]) {
        match Dcep::parse(bytes) {
            Ok(Dcep::Ack) => {
                let id = self.channels.on_stream(stream);
                if let Some(channel) = id.and_then(|id| self.channels.get_mut(id)) {
                    channel.acknowledged = true;
                }
            }
            Ok(Dcep::Open(open)) => self.on_open(stream, &open),
            Err(error) => {
                debug!(%stream, %error, "not a DCEP message");
                self.stats.drops.malformed += 1;
                self.reject(stream);
            }
        }
    }

    fn on_open(&mut self, stream: StreamId, open: &Open<'_>) {
        self.infer_outgoing_done(stream);
        if self.channels.on_stream(stream).is_some() {
            // An OPEN on a channel in use means nothing (and one end may have agreed on it by other means).
            self.stats.drops.unwanted += 1;
            return;
        }
        let longest = open.label.len().max(open.protocol.len());
        if longest > self.config.max_label
            || self.channels.by_peer() >= self.config.max_peer_channels
            || stream.0 >= self.outbound_streams()
        {
            debug!(%stream, "channel refused");
            return self.reject(stream);
        }
        let mut channel = Channel::new(describe(open));
        channel.by_peer = true;
        channel.acknowledged = true;
        channel.state = ChannelState::Open;
        channel.stream = Some(stream);
        let id = self.channels.insert(channel);
        self.events.extend([Event::Channel(id), Event::Open(id)]);
        self.enqueue_dcep(id, &Dcep::Ack);
        self.deliver_early(id, stream);
    }

    /// Resets a stream that carries no channel here; what the peer does next is its matter.
    fn reject(&mut self, stream: StreamId) {
        if self.channels.on_stream(stream).is_none() && stream.0 < self.outbound_streams() {
            self.request_reset(stream, None);
        }
    }
}

fn describe(open: &Open<'_>) -> ChannelInit {
    let clamp = |n: u32| u16::try_from(n).unwrap_or(u16::MAX);
    let (max_retransmits, max_packet_life_time) = match open.reliability {
        Reliability::Reliable => (None, None),
        Reliability::Retransmissions(n) => (Some(clamp(n)), None),
        Reliability::Lifetime(ms) => (None, Some(clamp(ms))),
    };
    ChannelInit {
        label: String::from(open.label),
        protocol: String::from(open.protocol),
        ordered: open.ordered,
        max_retransmits,
        max_packet_life_time,
        negotiated: None,
        priority: open.priority,
    }
}
