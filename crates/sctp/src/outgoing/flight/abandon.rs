//! Messages that are given up (RFC 3758, RFC 7496).

use super::Flight;
use super::chunk::{Abandoned, Chunk, Limit, MessageId, State};
use crate::chunk::data::DataHeader;
use crate::chunk::forward_tsn::Skipped;
use crate::numbers::Tsn;
use bytes::Bytes;
use smallvec::SmallVec;

/// The streams on which messages are skipped.
pub(crate) type Streams = SmallVec<[Skipped; 8]>;

impl Flight {
    /// Assigns the next TSN to a chunk that is abandoned from the start: it stands for the rest of a message that was given
    /// up half sent, so that FORWARD TSN has something to pass even if all that was sent has arrived.
    pub(crate) fn push_abandoned(&mut self, abandoned: &Abandoned) {
        let header = DataHeader { tsn: self.next_tsn(), begin: false, end: true, ..abandoned.last };
        let mut chunk = Chunk::new(header, Bytes::new(), abandoned.message, abandoned.channel, Limit::Never);
        chunk.state = State::Abandoned;
        self.ring.push(chunk);
    }

    /// Gives up a message in whose midst the sender stands, if its chunk that left last has not been passed by the peer.
    pub(crate) fn abandon_unfinished(&mut self, message: MessageId, last: Tsn) -> Option<Abandoned> {
        match self.ring.get(last) {
            Some(chunk) if chunk.message == message => self.abandon(last),
            _ => None,
        }
    }

    /// How far the peer can be told to go on, and the streams skipped on the way, at most `max_streams` of them
    /// (RFC 3758 §3.5 C2, RFC 8260 §2.3.1); `None` if the front of the ring is not abandoned.
    pub(crate) fn forward(&self, max_streams: usize) -> Option<(Tsn, Streams)> {
        let mut streams = Streams::new();
        let mut to = None;
        for chunk in self.ring.iter().take_while(|c| c.state == State::Abandoned) {
            let header = chunk.header;
            // Without an identifier nobody waits for an unordered message.
            if !header.unordered || header.interleaved {
                let (stream, unordered, mid) = (header.stream, header.unordered, header.mid);
                match streams.iter().position(|s| (s.stream, s.unordered) == (stream, unordered)) {
                    Some(known) => streams[known].mid = mid,
                    None if streams.len() == max_streams => break,
                    None => streams.push(Skipped { stream, unordered, mid }),
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
        let mut last = None;
        let mut at = self.first_of(tsn, message);
        while let Some(chunk) = self.ring.get(at) {
            let header = chunk.header;
            if chunk.message == message {
                last = Some(Abandoned { message, channel: chunk.channel, last: header });
                self.forget_departure(at);
                self.ring.land(at, State::Abandoned);
                self.ring.drop_payload(at);
                if header.end {
                    break;
                }
            } else if !header.interleaved {
                break;
            }
            at = at.next();
        }
        last
    }

    /// The first chunk that is left of the message that `tsn` belongs to. Others may be interleaved with it.
    fn first_of(&self, tsn: Tsn, message: MessageId) -> Tsn {
        let (mut first, mut at) = (tsn, tsn);
        while let Some(chunk) = self.ring.get(at) {
            if chunk.message == message {
                first = at;
            }
            let is_found = chunk.message == message && chunk.header.begin;
            let is_beyond = chunk.message != message && !chunk.header.interleaved;
            if is_found || is_beyond || at == self.ring.first() {
                break;
            }
            at = at.previous();
        }
        first
    }
}
