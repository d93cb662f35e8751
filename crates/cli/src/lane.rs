//! A channel with a machine on this end and a disk behind it.

use std::time::Duration;

use peerage::{DataChannel, Message};
use peerage_transfer::protocol::Outgoing;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::worker::Worker;

/// Messages between the machine and the channel's own buffer.
const OUTBOX: usize = 16;
/// How long the last words may take.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// What a lane waits for.
pub enum Happened<R> {
    /// A message came.
    Arrived(Message),
    /// The disk answered.
    Result(R),
    /// There is room for messages again.
    Writable,
    /// The channel is gone.
    Closed,
}

/// The channel, what waits to go out on it, and the disk.
pub struct Lane<J, R> {
    channel: DataChannel,
    outbox: Option<mpsc::Sender<Message>>,
    pump: JoinHandle<()>,
    worker: Option<Worker<J, R>>,
    next: Option<Message>,
}

impl<J: Send + 'static, R: Send + 'static> Lane<J, R> {
    /// A lane on `channel`, for now without a disk.
    pub fn new(channel: DataChannel) -> Self {
        let (outbox, mut waiting) = mpsc::channel::<Message>(OUTBOX);
        let pumped = channel.clone();
        let pump = tokio::spawn(async move {
            while let Some(message) = waiting.recv().await {
                if pumped.send(message).await.is_err() {
                    return;
                }
            }
        });
        Self { channel, outbox: Some(outbox), pump, worker: None, next: None }
    }

    /// Sets the disk behind it.
    pub fn set_worker(&mut self, worker: Worker<J, R>) {
        self.worker = Some(worker);
    }

    /// Hands a job to the disk.
    pub fn give(&self, job: J) {
        if let Some(worker) = &self.worker {
            worker.give(job);
        }
    }

    /// Moves messages out for as long as there is room.
    pub fn push(&mut self, mut poll: impl FnMut() -> Option<Outgoing>) {
        let Some(outbox) = &self.outbox else { return };
        while let Some(message) = self.next.take().or_else(|| poll().map(message)) {
            match outbox.try_send(message) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(message)) => return self.next = Some(message),
                Err(mpsc::error::TrySendError::Closed(_)) => return self.outbox = None,
            }
        }
    }

    /// What happens next. Nothing is lost if the future is dropped.
    pub async fn happened(&mut self) -> Happened<R> {
        let Self { channel, outbox, worker, next, .. } = self;
        let Some(outbox) = outbox else { return Happened::Closed };
        tokio::select! {
            message = channel.recv() => message.map_or(Happened::Closed, Happened::Arrived),
            result = async {
                match worker {
                    Some(worker) => worker.result().await,
                    None => std::future::pending().await,
                }
            } => Happened::Result(result),
            permit = outbox.reserve(), if next.is_some() => match (permit, next.take()) {
                (Ok(permit), Some(message)) => {
                    permit.send(message);
                    Happened::Writable
                }
                _ => Happened::Closed,
            },
        }
    }

    /// Lets everything go out and the disk finish, then closes the channel.
    pub async fn finish(mut self) {
        if let Some(worker) = self.worker.take() {
            worker.finish().await;
        }
        let last = self.next.take();
        let words = async {
            if let (Some(outbox), Some(message)) = (self.outbox.take(), last) {
                let _ = outbox.send(message).await;
            }
            let _ = (&mut self.pump).await;
            self.channel.close();
            self.channel.closed().await;
        };
        if timeout(LAST_WORDS, words).await.is_err() {
            self.pump.abort();
        }
    }

    /// Lets everything go out and waits for the other side to close the channel.
    pub async fn await_close(&mut self) {
        let closed = async { while self.channel.recv().await.is_some() {} };
        let _ = timeout(LAST_WORDS, closed).await;
    }

    /// Gives up the channel; the disk still finishes what it has.
    pub async fn abandon(mut self) {
        self.pump.abort();
        if let Some(worker) = self.worker.take() {
            worker.finish().await;
        }
    }
}

fn message(outgoing: Outgoing) -> Message {
    match outgoing {
        Outgoing::Text(text) => Message::Text(text),
        Outgoing::Binary(content) => Message::Binary(content),
    }
}
