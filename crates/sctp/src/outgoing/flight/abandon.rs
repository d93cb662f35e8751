//! Messages that are given up (RFC 3758, RFC 7496).

use super::Flight;
use super::chunk::{Abandoned, Chunk, Limit, MessageId, State};
use crate::chunk::data::DataHeader;
use crate::numbers::{Ssn, StreamId, Tsn};
use bytes::Bytes;
use smallvec::SmallVec;

/// The greatest stream sequence number skipped, per ordered stream.
pub(crate) type Skipped = SmallVec<[(StreamId, Ssn); 8]>;

impl Flight {
    /// Assigns the next TSN to a chunk that is abandoned from the start: it stands for the rest of a message that was given
    /// up half sent, so that FORWARD TSN has something to pass even if all that was sent has arrived.
    pub(crate) fn push_abandoned(&mut self, abandoned: &Abandoned) {
        let header = DataHeader { tsn: self.next_tsn(), begin: false, end: true, ..abandoned.last };
        let mut chunk = Chunk::new(header, Bytes::new(), abandoned.message, abandoned.channel, Limit::Never);
        chunk.state = State::Abandoned;
        self.ring.push(chunk);
    }

    /// Gives up the message in whose midst the sender stands, if a chunk of it is still unsettled.
    pub(crate) fn abandon_unfinished(&mut self, message: MessageId) -> Option<Abandoned> {
        let tsn = self.next_tsn().previous();
        match self.ring.get(tsn) {
            Some(chunk) if chunk.message == message => self.abandon(tsn),
            _ => None,
        }
    }

    /// How far the peer can be told to go on, and the streams skipped on the way, at most `max_streams` of them
    /// (RFC 3758 §3.5 C2); `None` if the front of the ring is not abandoned.
    pub(crate) fn forward(&self, max_streams: usize) -> Option<(Tsn, Skipped)> {
        let mut streams = Skipped::new();
        let mut to = None;
        for chunk in self.ring.iter().take_while(|c| c.state == State::Abandoned) {
            let header = chunk.header;
            if !header.unordered {
                match streams.iter().position(|(stream, _)| *stream == header.stream) {
                    Some(at) => streams[at].1 = header.ssn,
                    None if streams.len() == max_streams => break,
                    None => streams.push((header.stream, header.ssn)),
                }
            }
            to = Some(header.tsn);
        }
        to.map(|tsn| (tsn, streams))
    }

    /// Whether the front of the ring is abandoned, so that the peer has to be told.
    pub(crate) fn can_forward(&self) -> bool {
        self.ring.front().is_some_and(|c| c.state == State::Abandoned)
    }

    /// Abandons every chunk of the message that `tsn` belongs to (RFC 3758 §3.5 A3).
    pub(super) fn abandon(&mut self, tsn: Tsn) -> Option<Abandoned> {
        let message = self.ring.get(tsn)?.message;
        let mut from = tsn;
        while from != self.ring.first() && self.ring.get(from.previous()).is_some_and(|c| c.message == message) {
            from = from.previous();
        }
        let mut last = None;
        let mut at = from;
        while let Some(chunk) = self.ring.get(at).filter(|c| c.message == message) {
            last = Some(Abandoned { message, channel: chunk.channel, last: chunk.header });
            self.forget_departure(at);
            self.ring.land(at, State::Abandoned);
            self.ring.drop_payload(at);
            at = at.next();
        }
        last
    }
}
