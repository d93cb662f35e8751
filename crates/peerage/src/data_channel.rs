//! Data channels.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use peerage_session::face::{ChannelId, ChannelInit, ChannelState, Kind, SendError};

use crate::cell::{ChannelWaiters, Offered, State};
use crate::connection::Connection;
use crate::error::{Error, ErrorKind, Result};
use crate::senders::Ticket;

/// A stream of messages to and from the peer (W3C `RTCDataChannel`).
///
/// Clones are handles to one channel. The connection lives as long as any handle to it or to a channel of it.
#[derive(Clone)]
pub struct DataChannel {
    connection: Arc<Connection>,
    id: ChannelId,
    waiters: Arc<ChannelWaiters>,
}

/// How a channel is to be (W3C `RTCDataChannelInit`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataChannelInit {
    /// Whether messages arrive in the order of sending. Default: true.
    pub ordered: bool,
    /// How often a lost message is sent again; `None`: until it arrives. At most one of this and
    /// `max_packet_life_time` may be set.
    pub max_retransmits: Option<u16>,
    /// How long a message is tried to be delivered, in milliseconds; `None`: until it arrives.
    pub max_packet_life_time: Option<u16>,
    /// The subprotocol. Default: none.
    pub protocol: String,
    /// The stream id that both sides agreed on by other means; `None`: the channel is announced in-band.
    pub negotiated: Option<u16>,
    /// What share of the sending capacity the channel gets beside others of its connection. Default: low, the normal one.
    pub priority: Priority,
}

/// W3C `RTCPriorityType`: each gets twice the share of the one before it (RFC 8831 §6.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Below normal.
    VeryLow,
    /// Normal.
    #[default]
    Low,
    /// High.
    Medium,
    /// Extra high.
    High,
}

impl Default for DataChannelInit {
    fn default() -> Self {
        Self {
            ordered: true,
            max_retransmits: None,
            max_packet_life_time: None,
            protocol: String::new(),
            negotiated: None,
            priority: Priority::Low,
        }
    }
}

impl Priority {
    /// As the announcement of a channel carries it (RFC 8831 §6.4).
    const fn on_the_wire(self) -> u16 {
        match self {
            Self::VeryLow => 128,
            Self::Low => 256,
            Self::Medium => 512,
            Self::High => 1024,
        }
    }

    /// The class that a peer's number falls into: any may come.
    const fn of_wire(priority: u16) -> Self {
        match priority {
            0..=191 => Self::VeryLow,
            192..=383 => Self::Low,
            384..=767 => Self::Medium,
            _ => Self::High,
        }
    }
}

/// W3C `RTCDataChannelState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataChannelState {
    /// Not usable yet; messages sent now are queued.
    Connecting,
    /// Usable.
    Open,
    /// Closing; what was sent before is still delivered.
    Closing,
    /// Closed.
    Closed,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Text. What a peer sent as text but is not UTF-8 arrives with replacement characters.
    Text(String),
    /// Bytes.
    Binary(Bytes),
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes.into())
    }
}

impl DataChannel {
    pub(crate) fn new(connection: Arc<Connection>, id: ChannelId) -> Self {
        let waiters = connection.cell.lock().waiters(id);
        Self { connection, id, waiters }
    }

    /// Sends a message, waiting for room in the send buffer first: those who wait get it in the order in which they came.
    /// On an idle connection the message leaves before this returns.
    ///
    /// Cancelled while it waits, it has sent nothing.
    ///
    /// # Errors
    /// `InvalidState` if the channel is closing or closed, `Type` if the message is larger than the peer takes.
    pub async fn send(&self, message: impl Into<Message>) -> Result<()> {
        let (kind, payload) = parts(message.into());
        let mut turn = Turn { channel: self, kind, payload: Some(payload), ticket: None };
        std::future::poll_fn(|cx| turn.poll(cx)).await
    }

    /// Sends text.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_text(&self, text: impl Into<String>) -> Result<()> {
        self.send(Message::Text(text.into())).await
    }

    /// Sends a message if there is room for it now, and nobody waits for that.
    ///
    /// # Errors
    /// `Operation` if there is none, otherwise as [`send`](Self::send).
    pub fn try_send(&self, message: impl Into<Message>) -> Result<()> {
        let (kind, payload) = parts(message.into());
        let cell = &self.connection.cell;
        let now = cell.now();
        let mut state = cell.lock();
        if !state.senders.is_empty() {
            return Err(Error::new(ErrorKind::Operation, "others wait for room in the send buffer"));
        }
        match state.offer(now, self.id, kind, payload) {
            Offered::Settled(result) => result?,
            Offered::Full(_, error) => return Err(error.into()),
        }
        self.connection.depart(state, now);
        Ok(())
    }

    /// The next message; `None` once the channel is closed and everything that had arrived was taken.
    ///
    /// Cancelling loses nothing. What is not taken counts against the receive window, and the peer waits in the end.
    pub async fn recv(&self) -> Option<Message> {
        // Most messages come in batches: whoever finds one need not wait.
        if let Some(taken) = self.take() {
            return taken;
        }
        loop {
            let readable = self.waiters.readable.notified();
            tokio::pin!(readable);
            readable.as_mut().enable();
            if let Some(taken) = self.take() {
                return taken;
            }
            readable.await;
        }
    }

    /// A message that is here, or the end; `None` while there is neither.
    fn take(&self) -> Option<Option<Message>> {
        let cell = &self.connection.cell;
        let now = cell.now();
        let mut state = cell.lock();
        let owed = state.session.owes_sack();
        let Some(message) = state.session.recv(now, self.id) else {
            let ended = state.over || state.session.channel_state(self.id) == ChannelState::Closed;
            return ended.then_some(None);
        };
        state.bursting = false;
        // Reading may have opened the receive window so far that the peer should learn it. What was owed before, the home
        // shard knows of.
        let tell = !owed && state.session.owes_sack();
        drop(state);
        if tell {
            cell.mark_ready();
        }
        Some(Some(match message.kind {
            Kind::Text => Message::Text(text(message.payload)),
            Kind::Binary => Message::Binary(message.payload),
        }))
    }

    /// Waits until the channel is open.
    ///
    /// # Errors
    /// `Network` if it closes first.
    pub async fn opened(&self) -> Result<()> {
        self.until(|channel| match channel.ready_state() {
            DataChannelState::Connecting => None,
            DataChannelState::Open => Some(Ok(())),
            _ => Some(Err(Error::new(ErrorKind::Network, "the channel closed before it was open"))),
        })
        .await
    }

    /// Waits until the channel is closed.
    pub async fn closed(&self) {
        self.until(|channel| (channel.ready_state() == DataChannelState::Closed).then_some(())).await;
    }

    /// Why this side closed the channel of its own accord; `None` if it did not.
    ///
    /// `Operation`: more of it lay unread than [`Settings::channel_share`](crate::Settings::channel_share) allows where
    /// [`OnShareExceeded::CloseChannel`](crate::configuration::OnShareExceeded::CloseChannel) is set.
    pub fn error(&self) -> Option<Error> {
        let overrun = self.waiters.overrun.load(Ordering::Relaxed);
        overrun.then(|| Error::new(ErrorKind::Operation, "the channel held more unread than its share"))
    }

    /// Waits until at most [`buffered_amount_low_threshold`](Self::set_buffered_amount_low_threshold) bytes are unsent,
    /// or the channel is closed.
    pub async fn buffered_amount_low(&self) {
        self.until(|channel| {
            let state = channel.connection.cell.lock();
            let threshold = channel.waiters.low_threshold.load(Ordering::Relaxed);
            let low = state.session.buffered_amount(channel.id) <= threshold;
            let closed = state.over || state.session.channel_state(channel.id) == ChannelState::Closed;
            (low || closed).then_some(())
        })
        .await;
    }

    /// Closes the channel once everything sent before has been delivered. The peer sees it close too.
    pub fn close(&self) {
        self.connection.cell.command(|session, now| session.close_channel(now, self.id));
    }

    /// The label that the opener gave.
    pub fn label(&self) -> String {
        self.init(|init| init.label.clone()).unwrap_or_default()
    }

    /// The subprotocol that the opener gave.
    pub fn protocol(&self) -> String {
        self.init(|init| init.protocol.clone()).unwrap_or_default()
    }

    /// Whether messages arrive in order.
    pub fn ordered(&self) -> bool {
        self.init(|init| init.ordered).unwrap_or(true)
    }

    /// Its share of the sending capacity, as the opener asked.
    pub fn priority(&self) -> Priority {
        self.init(|init| Priority::of_wire(init.priority)).unwrap_or_default()
    }

    /// The stream id, once it is known.
    pub fn id(&self) -> Option<u16> {
        self.connection.cell.lock().session.stream_id(self.id)
    }

    /// The present state.
    pub fn ready_state(&self) -> DataChannelState {
        let state = self.connection.cell.lock();
        if state.over {
            return DataChannelState::Closed;
        }
        match state.session.channel_state(self.id) {
            ChannelState::Connecting => DataChannelState::Connecting,
            ChannelState::Open => DataChannelState::Open,
            ChannelState::Closing => DataChannelState::Closing,
            ChannelState::Closed => DataChannelState::Closed,
        }
    }

    /// Bytes of messages that were not sent yet.
    pub fn buffered_amount(&self) -> usize {
        self.connection.cell.lock().session.buffered_amount(self.id)
    }

    /// Sets the amount at which [`buffered_amount_low`](Self::buffered_amount_low) returns. Default: 0.
    pub fn set_buffered_amount_low_threshold(&self, bytes: usize) {
        self.waiters.low_threshold.store(bytes, Ordering::Relaxed);
        self.connection.cell.lock().session.set_buffered_amount_low_threshold(self.id, bytes);
    }

    fn init<T>(&self, read: impl FnOnce(&ChannelInit) -> T) -> Option<T> {
        self.connection.cell.lock().session.channel_info(self.id).map(|info| read(info.init))
    }

    /// Waits until `ready` answers; asked again whenever the channel changes.
    async fn until<T>(&self, mut ready: impl FnMut(&Self) -> Option<T>) -> T {
        loop {
            let changed = self.waiters.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(out) = ready(self) {
                return out;
            }
            changed.await;
        }
    }
}

/// A message that waits for its turn to be sent.
struct Turn<'a> {
    channel: &'a DataChannel,
    kind: Kind,
    /// Until it is taken.
    payload: Option<Bytes>,
    /// Its place among those who wait.
    ticket: Option<Ticket>,
}

impl Turn<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let Some(payload) = self.payload.take() else { return Poll::Pending };
        let cell = &self.channel.connection.cell;
        let now = cell.now();
        let mut state = cell.lock();
        let waits = match self.ticket {
            None => !state.senders.is_empty(),
            Some(ticket) => !state.senders.is_called(ticket, cx.waker()),
        };
        if waits {
            if self.ticket.is_none() {
                self.ticket = Some(state.senders.join(payload.len(), cx.waker().clone()));
            }
            self.payload = Some(payload);
            return Poll::Pending;
        }
        match state.offer(now, self.channel.id, self.kind, payload) {
            Offered::Full(payload, _) => {
                match self.ticket {
                    None => self.ticket = Some(state.senders.join(payload.len(), cx.waker().clone())),
                    Some(ticket) => state.senders.wait_again(ticket, cx.waker().clone()),
                }
                self.payload = Some(payload);
                Poll::Pending
            }
            Offered::Settled(result) => {
                self.leave(&mut state);
                if result.is_ok() {
                    self.channel.connection.depart(state, now);
                }
                Poll::Ready(Ok(result?))
            }
        }
    }

    fn leave(&mut self, state: &mut State) {
        if let Some(ticket) = self.ticket.take() {
            let room = state.session.send_room();
            state.senders.leave(ticket, room);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.ticket.is_some() {
            let channel = self.channel;
            self.leave(&mut channel.connection.cell.lock());
        }
    }
}

impl std::fmt::Debug for DataChannel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DataChannel").field("label", &self.label()).field("state", &self.ready_state()).finish()
    }
}

impl From<DataChannelInit> for ChannelInit {
    fn from(init: DataChannelInit) -> Self {
        let DataChannelInit { ordered, max_retransmits, max_packet_life_time, protocol, negotiated, priority } = init;
        let priority = priority.on_the_wire();
        Self { label: String::new(), ordered, max_retransmits, max_packet_life_time, protocol, negotiated, priority }
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        let kind = match &error {
            SendError::TooLarge { .. } => ErrorKind::Type,
            SendError::BufferFull { .. } => ErrorKind::Operation,
            _ => ErrorKind::InvalidState,
        };
        Self::new(kind, error)
    }
}

fn parts(message: Message) -> (Kind, Bytes) {
    match message {
        Message::Text(text) => (Kind::Text, Bytes::from(text)),
        Message::Binary(bytes) => (Kind::Binary, bytes),
    }
}

/// Takes the bytes over where nobody else holds them; they are UTF-8 unless the peer lied.
fn text(payload: Bytes) -> String {
    String::from_utf8(payload.into()).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_are_those_of_the_standard_and_come_back_as_they_went() {
        let all = [Priority::VeryLow, Priority::Low, Priority::Medium, Priority::High];
        assert_eq!(all.map(Priority::on_the_wire), [128, 256, 512, 1024]);
        assert_eq!(all.map(|priority| Priority::of_wire(priority.on_the_wire())), all);
        assert_eq!([0, u16::MAX].map(Priority::of_wire), [Priority::VeryLow, Priority::High]);
    }
}
