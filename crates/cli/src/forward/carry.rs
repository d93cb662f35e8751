//! One stream: a TCP connection on this side, a channel to the other one.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use peerage::{DataChannel, Message};
use peerage_transfer::forward::{Growth, Notice, Receiving, Sending};
use peerage_transfer::protocol::MAX_MESSAGE;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::timeout;

/// Room for reading is made anew below this many bytes.
const LEAST_ROOM: usize = 16_384;
/// How long the last words may take.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// What passed of a stream, and how it ended.
#[derive(Debug, Default)]
pub struct Carried {
    /// Bytes to the other side.
    pub sent: u64,
    /// Bytes from it.
    pub received: u64,
    /// Why it ended before both sides had said everything.
    pub failure: Option<String>,
}

/// Both directions of a stream.
struct Carrying<'a> {
    channel: &'a DataChannel,
    read: ReadHalf<'a>,
    write: WriteHalf<'a>,
    sending: Sending,
    receiving: Receiving,
    buffer: BytesMut,
    /// For the channel; at most one message of content and one credit.
    outbox: VecDeque<Message>,
    /// For TCP; as much as the window lets come.
    inbox: VecDeque<Bytes>,
    /// TCP has said everything.
    read_ended: bool,
    /// The channel has.
    received_end: bool,
    /// That was passed on to TCP.
    write_ended: bool,
    /// The channel takes nothing more, and what TCP said has not all gone out on it.
    cut_short: bool,
    carried: Carried,
}

/// Carries a stream until both directions are over, or one fails, and closes the channel.
pub async fn carry(channel: DataChannel, mut tcp: TcpStream, growth: Growth) -> Carried {
    // What is typed into a shell at the other end is not to wait for more of it.
    let _ = tcp.set_nodelay(true);
    let (read, write) = tcp.split();
    let mut carrying = Carrying {
        channel: &channel,
        read,
        write,
        sending: Sending::default(),
        receiving: Receiving::new(&growth),
        buffer: BytesMut::with_capacity(MAX_MESSAGE),
        outbox: VecDeque::new(),
        inbox: VecDeque::new(),
        read_ended: false,
        received_end: false,
        write_ended: false,
        cut_short: false,
        carried: Carried::default(),
    };
    let result = carrying.run().await;
    let mut carried = std::mem::take(&mut carrying.carried);
    drop(carrying);
    if let Err(failure) = result {
        // A half-written stream must not look like a whole one: TCP's other end gets a reset, too.
        let _ = tcp.set_zero_linger();
        drop(tcp);
        match failure {
            Failure::Here(message) => {
                refuse(&channel, &message).await;
                carried.failure = Some(message);
            }
            Failure::There(message) => carried.failure = Some(message),
        }
    }
    channel.close();
    let _ = timeout(LAST_WORDS, channel.closed()).await;
    carried
}

/// Ends a stream, saying why.
pub async fn refuse(channel: &DataChannel, message: &str) {
    let notice = Notice::Reset { message: message.to_owned() };
    let _ = timeout(LAST_WORDS, channel.send_text(notice.encode())).await;
    channel.close();
}

/// Where a stream failed.
enum Failure {
    /// The other side is to be told.
    Here(String),
    /// It said so, or is gone.
    There(String),
}

enum Step {
    Sent(bool),
    Read(std::io::Result<usize>),
    Wrote(std::io::Result<usize>),
    Arrived(Option<Message>),
}

impl Carrying<'_> {
    async fn run(&mut self) -> Result<(), Failure> {
        while !(self.read_ended && self.write_ended && self.outbox.is_empty()) {
            match self.step().await {
                Step::Sent(true) => drop(self.outbox.pop_front()),
                // It is closing: what came before that is still to be taken, and may say why.
                Step::Sent(false) => {
                    self.cut_short |= self.outbox.drain(..).any(|message| matches!(message, Message::Binary(_)));
                }
                Step::Read(length) => self.read(length.map_err(here)?),
                Step::Wrote(length) => self.wrote(length.map_err(here)?),
                Step::Arrived(Some(message)) => self.arrived(message)?,
                Step::Arrived(None) => {
                    // It closes when both directions are over for it; what came last is still to be written.
                    if self.cut_short || !self.received_end || !self.read_ended {
                        return Err(Failure::There("the other side went away before the end".into()));
                    }
                    self.outbox.clear();
                    self.write_rest().await.map_err(here)?;
                }
            }
            if self.received_end && self.inbox.is_empty() && !self.write_ended {
                self.write.shutdown().await.map_err(here)?;
                self.write_ended = true;
            }
        }
        Ok(())
    }

    /// Whatever can be done first. Each of these loses nothing when it is given up for another.
    async fn step(&mut self) -> Step {
        let Self { channel, read, write, sending, buffer, outbox, inbox, read_ended, cut_short, .. } = self;
        let room = sending.room();
        // Content waits for room in the channel before more of it is read.
        let reads = !*read_ended && !*cut_short && room > 0 && outbox.is_empty();
        if reads && buffer.capacity() < LEAST_ROOM {
            buffer.reserve(MAX_MESSAGE);
        }
        let room = room.min(buffer.capacity());
        tokio::select! {
            result = async { channel.send(outbox.front().expect("guarded").clone()).await }, if !outbox.is_empty() => {
                Step::Sent(result.is_ok())
            }
            length = async { read.read_buf(&mut buffer.limit(room)).await }, if reads => Step::Read(length),
            length = async { write.write(inbox.front().expect("guarded")).await }, if !inbox.is_empty() => {
                Step::Wrote(length)
            }
            message = channel.recv() => Step::Arrived(message),
        }
    }

    fn read(&mut self, length: usize) {
        self.read_ended = length == 0;
        self.carried.sent += length as u64;
        self.sending.sent(length as u64);
        self.outbox.push_back(Message::Binary(self.buffer.split().freeze()));
    }

    fn wrote(&mut self, length: usize) {
        let Some(front) = self.inbox.front_mut() else { return };
        front.advance(length);
        if front.is_empty() {
            self.inbox.pop_front();
        }
        if let Some(bytes) = self.receiving.passed(length as u64).filter(|_| !self.received_end) {
            self.outbox.push_back(Message::Text(Notice::Credit { bytes }.encode()));
        }
    }

    fn arrived(&mut self, message: Message) -> Result<(), Failure> {
        match message {
            Message::Binary(_) if self.received_end => return Err(strange("more after the end of a stream")),
            Message::Binary(content) if content.is_empty() => {
                self.received_end = true;
                // Credit is of no use any more.
                self.outbox.retain(|message| matches!(message, Message::Binary(_)));
            }
            Message::Binary(content) => {
                self.receiving.arrived(content.len() as u64).map_err(|error| Failure::Here(error.to_string()))?;
                self.carried.received += content.len() as u64;
                self.inbox.push_back(content);
            }
            Message::Text(text) => match Notice::parse(&text) {
                Ok(Notice::Credit { bytes }) => self.sending.credit(bytes),
                Ok(Notice::Reset { message }) => return Err(Failure::There(message)),
                Ok(Notice::Serves { .. }) => return Err(strange("a target on a channel of a stream")),
                Err(error) => return Err(strange(&error.to_string())),
            },
        }
        Ok(())
    }

    async fn write_rest(&mut self) -> std::io::Result<()> {
        while let Some(content) = self.inbox.pop_front() {
            self.write.write_all(&content).await?;
        }
        Ok(())
    }
}

fn here(error: std::io::Error) -> Failure {
    Failure::Here(error.to_string())
}

fn strange(what: &str) -> Failure {
    Failure::Here(format!("the other side does not follow the protocol: {what}"))
}
