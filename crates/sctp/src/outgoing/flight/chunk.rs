//! A chunk that has a TSN.

use crate::channel::ChannelId;
use crate::chunk::data::DataHeader;
use crate::numbers::Tsn;
use crate::packet::padded;
use bytes::Bytes;
use peerage_base::time::Instant;

/// When to give up on a message (RFC 7496).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Never,
    Retransmissions(u32),
    Until(Instant),
}

/// Names an outgoing message among those that an association holds.
pub(crate) type MessageId = u32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    InFlight,
    /// Taken for lost, and not sent again yet.
    Lost,
    Acked,
    Abandoned,
}

/// A chunk on its way.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    pub(crate) header: DataHeader,
    pub(crate) payload: Bytes,
    pub(crate) message: MessageId,
    pub(crate) channel: ChannelId,
    pub(crate) limit: Limit,
    pub(super) state: State,
    /// Acknowledged before, and taken back: being acknowledged again, it tells nothing of when it arrived.
    pub(super) taken_back: bool,
    pub(super) transmissions: u16,
    /// Number of the packet in which it left last.
    pub(super) departure: u32,
    /// In flight: what left before it; its own TSN for nothing.
    pub(super) earlier: Tsn,
    /// In flight: what left after it; its own TSN for nothing. Settled: a later TSN, all chunks before which are settled.
    pub(super) later: Tsn,
}

impl Chunk {
    pub(crate) fn new(
        header: DataHeader,
        payload: Bytes,
        message: MessageId,
        channel: ChannelId,
        limit: Limit,
    ) -> Self {
        Self {
            header,
            payload,
            message,
            channel,
            limit,
            state: State::InFlight,
            taken_back: false,
            transmissions: 0,
            departure: 0,
            earlier: header.tsn,
            later: header.tsn,
        }
    }

    /// Bytes that the chunk takes in a packet.
    pub(crate) fn wire_len(&self) -> usize {
        self.header.chunk_header_len() + padded(self.payload.len())
    }

    /// Whether the message may not be sent again.
    pub(super) fn is_given_up(&self, now: Instant) -> bool {
        match self.limit {
            Limit::Never => false,
            Limit::Retransmissions(n) => u32::from(self.transmissions) > n,
            Limit::Until(deadline) => deadline <= now,
        }
    }

    pub(super) fn is_settled(&self) -> bool {
        matches!(self.state, State::Acked | State::Abandoned)
    }
}

/// A message that was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Abandoned {
    pub(crate) message: MessageId,
    pub(crate) channel: ChannelId,
    /// Fields of its last chunk that has a TSN; the message goes on after it unless `end` is set.
    pub(crate) last: DataHeader,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_costs_less_than_a_hundred_bytes_beside_its_payload() {
        assert!(size_of::<Chunk>() <= 96, "{}", size_of::<Chunk>());
    }
}
