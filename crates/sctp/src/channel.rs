//! Data channels as the owner sees them, and their table (RFC 8831 §6).

use crate::dcep::Reliability;
use crate::incoming::inbox::Inbox;
use crate::numbers::{Mid, StreamId};
use crate::outgoing::queue::Queue;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// Names a channel within an association, before its stream id is known and after it is closed. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(u32);

/// DTLS role: decides which stream ids an end may take (RFC 8832 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Takes even stream ids.
    Client,
    /// Takes odd stream ids.
    Server,
}

/// What a channel is opened with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelInit {
    /// Label; at most 65535 bytes.
    pub label: String,
    /// Subprotocol; empty for none, at most 65535 bytes.
    pub protocol: String,
    /// Whether messages arrive in the order in which they were sent; default true.
    pub ordered: bool,
    /// A message is given up after this many retransmissions; default `None` (never).
    pub max_retransmits: Option<u16>,
    /// A message is given up after this many milliseconds; default `None` (never).
    pub max_packet_life_time: Option<u16>,
    /// The stream id, if both ends agreed on the channel by other means; nothing is said about it on the wire then.
    /// Default `None`.
    pub negotiated: Option<u16>,
    /// Share of the sending capacity: 128 below normal, 256 normal (the default), 512 high, 1024 extra high.
    pub priority: u16,
}

impl Default for ChannelInit {
    fn default() -> Self {
        Self {
            label: String::new(),
            protocol: String::new(),
            ordered: true,
            max_retransmits: None,
            max_packet_life_time: None,
            negotiated: None,
            priority: 256,
        }
    }
}

impl ChannelInit {
    /// A reliable, ordered channel with this label.
    pub fn new(label: impl Into<String>) -> Self {
        Self { label: label.into(), ..Self::default() }
    }

    pub(crate) fn reliability(&self) -> Reliability {
        match (self.max_retransmits, self.max_packet_life_time) {
            (Some(n), _) => Reliability::Retransmissions(n.into()),
            (None, Some(ms)) => Reliability::Lifetime(ms.into()),
            (None, None) => Reliability::Reliable,
        }
    }
}

/// Where a channel stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelState {
    /// Messages are queued until the association is up.
    Connecting,
    /// Messages flow.
    Open,
    /// One end closes it.
    Closing,
    /// Closed in both directions.
    Closed,
}

/// How far closing has come, for each direction by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Closing {
    /// The owner closed: what arrives is not wanted.
    pub(crate) by_owner: bool,
    /// The outgoing stream waits for its last message or for the answer to its reset.
    pub(crate) outgoing: OutgoingReset,
    /// The peer reset the incoming stream.
    pub(crate) incoming_done: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OutgoingReset {
    #[default]
    Flushing,
    Requested,
    Done,
}

#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) init: ChannelInit,
    pub(crate) state: ChannelState,
    pub(crate) closing: Closing,
    pub(crate) stream: Option<StreamId>,
    /// Opened by the peer.
    pub(crate) by_peer: bool,
    /// The peer knows of the channel: unordered messages may leave before others (RFC 8832 §6).
    pub(crate) acknowledged: bool,
    pub(crate) queue: Queue,
    /// In the scheduler.
    pub(crate) active: bool,
    /// Numbers of the messages that begin next (RFC 8260 §2.1).
    pub(crate) next_ordered: Mid,
    pub(crate) next_unordered: Mid,
    /// Virtual time in the scheduler.
    pub(crate) finish: u64,
    /// Bytes that have left in the turn that the channel has.
    pub(crate) sent_of_turn: u32,
    pub(crate) low_threshold: usize,
    pub(crate) inbox: Inbox,
}

impl Channel {
    pub(crate) fn new(init: ChannelInit) -> Self {
        Self {
            init,
            state: ChannelState::Connecting,
            closing: Closing::default(),
            stream: None,
            by_peer: false,
            acknowledged: false,
            queue: Queue::default(),
            active: false,
            next_ordered: Mid(0),
            next_unordered: Mid(0),
            finish: 0,
            sent_of_turn: 0,
            low_threshold: 0,
            inbox: Inbox::default(),
        }
    }
}

/// All channels, by name and by stream. Most associations have one or two, so both are sorted lists.
#[derive(Debug, Default)]
pub(crate) struct Table {
    channels: Vec<(ChannelId, Box<Channel>)>,
    streams: Vec<(StreamId, ChannelId)>,
    opened: u32,
    /// Channels that the peer opened.
    by_peer: u32,
}

impl Table {
    /// Takes a channel, under its stream if that is known.
    pub(crate) fn insert(&mut self, channel: Channel) -> ChannelId {
        let id = ChannelId(self.opened);
        self.opened += 1;
        self.by_peer += u32::from(channel.by_peer);
        if let Some(stream) = channel.stream {
            self.set_stream(stream, id);
        }
        self.channels.reserve_exact(usize::from(self.channels.is_empty()));
        self.channels.push((id, Box::new(channel)));
        id
    }

    /// Gives a channel its stream.
    pub(crate) fn bind(&mut self, id: ChannelId, stream: StreamId) {
        if let Some(channel) = self.get_mut(id) {
            channel.stream = Some(stream);
            self.set_stream(stream, id);
        }
    }

    /// Frees the stream of a channel for another one.
    pub(crate) fn unbind(&mut self, id: ChannelId) -> Option<StreamId> {
        let stream = self.get(id)?.stream?;
        if let Ok(at) = self.stream_position(stream)
            && self.streams[at].1 == id
        {
            self.streams.remove(at);
        }
        Some(stream)
    }

    /// Forgets a channel. A stream that it is still bound to is never used again.
    pub(crate) fn forget(&mut self, id: ChannelId) {
        if let Ok(at) = self.position(id) {
            let (_, channel) = self.channels.remove(at);
            self.by_peer -= u32::from(channel.by_peer);
        }
    }

    /// Lets go of room that is not in use.
    pub(crate) fn shrink(&mut self) {
        self.channels.shrink_to_fit();
        self.streams.shrink_to_fit();
        for (_, channel) in &mut self.channels {
            channel.inbox.shrink();
            channel.queue.shrink();
        }
    }

    pub(crate) fn get(&self, id: ChannelId) -> Option<&Channel> {
        self.position(id).ok().map(|at| &*self.channels[at].1)
    }

    pub(crate) fn get_mut(&mut self, id: ChannelId) -> Option<&mut Channel> {
        self.position(id).ok().map(|at| &mut *self.channels[at].1)
    }

    pub(crate) fn on_stream(&self, stream: StreamId) -> Option<ChannelId> {
        self.stream_position(stream).ok().map(|at| self.streams[at].1)
    }

    /// The channels on streams, all of them or those listed in ascending order.
    pub(crate) fn on_streams(&self, which: Option<&[StreamId]>) -> Vec<ChannelId> {
        match which {
            None => self.streams.iter().map(|(_, id)| *id).collect(),
            Some(list) => list.iter().filter_map(|stream| self.on_stream(*stream)).collect(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (ChannelId, &Channel)> {
        self.channels.iter().map(|(id, channel)| (*id, &**channel))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Channel> {
        self.channels.iter_mut().map(|(_, channel)| &mut **channel)
    }

    /// Names of the channels that `wanted` picks, oldest first.
    pub(crate) fn pick(&self, wanted: impl Fn(&Channel) -> bool) -> Vec<ChannelId> {
        self.iter().filter(|(_, c)| wanted(c)).map(|(id, _)| id).collect()
    }

    /// Channels that the peer opened, closed ones that hold something unread among them.
    pub(crate) fn by_peer(&self) -> usize {
        self.by_peer as usize
    }

    /// The least free stream id below `limit` that `role` may take.
    pub(crate) fn free_stream(&self, role: Role, limit: u16) -> Option<StreamId> {
        let parity = match role {
            Role::Client => 0,
            Role::Server => 1,
        };
        // The range ends before `limit`, so 65535 is never among them.
        (parity..limit).step_by(2).map(StreamId).find(|stream| self.on_stream(*stream).is_none())
    }

    fn set_stream(&mut self, stream: StreamId, id: ChannelId) {
        match self.stream_position(stream) {
            Ok(at) => self.streams[at].1 = id,
            Err(at) => {
                self.streams.reserve_exact(usize::from(self.streams.is_empty()));
                self.streams.insert(at, (stream, id));
            }
        }
    }

    fn position(&self, id: ChannelId) -> Result<usize, usize> {
        self.channels.binary_search_by_key(&id, |(id, _)| *id)
    }

    fn stream_position(&self, stream: StreamId) -> Result<usize, usize> {
        self.streams.binary_search_by_key(&stream, |(stream, _)| *stream)
    }
}

#[cfg(test)]
impl ChannelId {
    pub(crate) fn of_test(n: u32) -> Self {
        Self(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_takes_less_than_two_hundred_bytes_beside_its_label() {
        assert!(size_of::<Channel>() <= 192, "{}", size_of::<Channel>());
    }

    #[test]
    fn the_client_takes_even_streams_the_server_odd_ones_and_never_65535() {
        let mut table = Table::default();
        assert_eq!(table.free_stream(Role::Client, 100), Some(StreamId(0)));
        assert_eq!(table.free_stream(Role::Server, 100), Some(StreamId(1)));
        let id = table.insert(Channel::new(ChannelInit::default()));
        table.bind(id, StreamId(1));
        assert_eq!(table.free_stream(Role::Server, 100), Some(StreamId(3)));
        assert_eq!(table.free_stream(Role::Server, 3), None);
        table.unbind(id);
        assert_eq!(table.free_stream(Role::Server, 3), Some(StreamId(1)));
        assert_eq!(table.free_stream(Role::Server, 1), None);
    }
}
