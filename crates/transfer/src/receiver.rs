//! The side that stores the files.

mod content;

use std::collections::VecDeque;
use std::sync::Arc;

use self::content::{Fault, Receiving, protocol};
use crate::disk::{Kept, Outcome, Task};
use crate::failure::{Failure, Misuse};
use crate::manifest::{Builder, Limits, Manifest, ManifestError};
use crate::protocol::{Entry, ErrorKind, Have, MIN_WINDOW, Message, Outgoing, RejectKind, VERSION, words};
use crate::store::StoreError;
use crate::value::{Digest, ResumeSecret, TransferId};

/// `have` claims that one message holds for certain.
const HAVES: usize = 400;

/// How a receiver behaves.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Bytes that may be on their way or waiting for the disk; default 16 MiB, at least 64 KiB. Bounds the memory that
    /// a transfer takes, and its rate to one window a round trip.
    pub window: u64,
    /// What an offer may hold.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self { window: 16 << 20, limits: Limits::default() }
    }
}

/// What the owner should know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A transfer is offered; answer by [`Receiver::accept`] or [`Receiver::reject`].
    Offered {
        /// The transfer.
        id: TransferId,
        /// What proves it to be the one of an earlier run.
        resume: ResumeSecret,
        /// What it consists of.
        manifest: Arc<Manifest>,
    },
    /// The source of this entry changed: what was kept is thrown away.
    Restarted {
        /// Which entry.
        index: usize,
    },
    /// One file is complete and in its place.
    File {
        /// Which entry.
        index: usize,
        /// Of the whole file.
        sha256: Digest,
        /// Where it went, relative to the output directory.
        path: String,
    },
    /// Everything is stored. The sender closes the channel.
    Done {
        /// Of the only file, or of the manifest.
        sha256: Digest,
    },
    /// The transfer ended early.
    Failed(Failure),
}

/// The receiving machine of one channel.
///
/// Drive it so: hand in what arrives; then take every [`poll_task`](Self::poll_task),
/// [`poll_message`](Self::poll_message) and [`poll_event`](Self::poll_event).
#[derive(Debug)]
pub struct Receiver {
    config: Config,
    state: State,
    out: VecDeque<Outgoing>,
    tasks: VecDeque<Task>,
    pending: VecDeque<Pending>,
    events: VecDeque<Event>,
}

#[derive(Debug)]
enum State {
    Idle,
    Listing { offer: Offer, builder: Box<Builder> },
    Deciding { offer: Offer, manifest: Arc<Manifest> },
    Receiving(Box<Receiving>),
    Ended,
}

#[derive(Clone, Copy, Debug)]
struct Offer {
    id: TransferId,
    resume: ResumeSecret,
    entries: u64,
    bytes: u64,
}

/// What the answer to a task means.
#[derive(Debug)]
enum Pending {
    Start,
    Write { length: u64 },
    Finish { index: usize, sha256: Digest },
    Complete,
}

impl Receiver {
    /// Waits for an offer.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            state: State::Idle,
            out: VecDeque::new(),
            tasks: VecDeque::new(),
            pending: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// A text message arrived.
    pub fn handle_text(&mut self, text: &str) {
        if self.is_ended() {
            return;
        }
        let result = match Message::parse(text) {
            Ok(message) => self.handle_message(message),
            Err(error) => Err((ErrorKind::Protocol, error.to_string())),
        };
        if let Err((kind, message)) = result {
            self.fail(kind, &message);
        }
    }

    /// A binary message arrived.
    pub fn handle_binary(&mut self, content: &[u8]) {
        let result = match &mut self.state {
            State::Ended => return,
            State::Receiving(receiving) => receiving.content(content, self.config.window),
            _ => protocol("content out of turn"),
        };
        match result {
            Ok(None) => {}
            Ok(Some(task)) => self.push(task),
            Err((kind, message)) => self.fail(kind, &message),
        }
    }

    /// What the oldest unanswered task brought.
    pub fn handle_result(&mut self, result: Result<Outcome, StoreError>) {
        let Some(pending) = self.pending.pop_front() else { return };
        let State::Receiving(receiving) = &mut self.state else { return };
        let outcome = match result {
            Ok(outcome) => outcome,
            Err(error) => return self.fail(ErrorKind::Disk, &error.to_string()),
        };
        match pending {
            Pending::Start => {}
            Pending::Write { length } => {
                receiving.written += length;
                receiving.progress += length;
                let ack = Message::Ack { bytes: receiving.written };
                self.out.push_back(Outgoing::Text(ack.encode()));
            }
            Pending::Finish { index, sha256 } => {
                let Outcome::Placed(path) = outcome else { return };
                self.events.push_back(Event::File { index, sha256, path });
            }
            Pending::Complete => {
                let Some(sha256) = receiving.done else { return };
                self.state = State::Ended;
                self.out.push_back(Outgoing::Text(Message::Done { bytes: None, sha256 }.encode()));
                self.events.push_back(Event::Done { sha256 });
            }
        }
    }

    /// Takes the offered transfer. `kept`: what an earlier run of the same transfer (id and secret are the same) stored,
    /// in the order of the entries.
    pub fn accept(&mut self, kept: Vec<Kept>) -> Result<(), Misuse> {
        let State::Deciding { offer, manifest } = &self.state else { return Err(Misuse::NoOffer) };
        let fits =
            |kept: &Kept| manifest.entry(kept.index).and_then(Entry::file_size).is_some_and(|size| kept.size <= size);
        if !kept.iter().all(fits) || !kept.is_sorted_by(|a, b| a.index < b.index) {
            return Err(Misuse::KeptMismatch);
        }
        for part in kept.chunks(HAVES) {
            let list = part.iter().map(|kept| Have {
                index: kept.index as u64,
                size: kept.size,
                sha256: Digest(kept.hash.clone().finish()),
            });
            self.out.push_back(Outgoing::Text(Message::Have { list: list.collect() }.encode()));
        }
        let window = self.config.window.max(MIN_WINDOW);
        self.out.push_back(Outgoing::Text(Message::Accept { resume: offer.resume, window }.encode()));
        self.state = State::Receiving(Box::new(Receiving::new(manifest.clone(), kept)));
        Ok(())
    }

    /// Declines the transfer, before or after it was offered completely.
    pub fn reject(&mut self, kind: RejectKind, message: &str) {
        if matches!(self.state, State::Receiving(_) | State::Ended) {
            return;
        }
        let message = words(message);
        self.out.push_back(Outgoing::Text(Message::Reject { kind, message: message.clone() }.encode()));
        self.end(Failure::Rejected { kind, message });
    }

    /// Stops the transfer and tells the sender. What arrived is kept.
    pub fn cancel(&mut self) {
        self.abort(ErrorKind::Cancelled, "the receiver stopped");
    }

    /// Ends the transfer for a reason of the owner's, such as a disk that cannot be prepared, and tells the sender.
    pub fn abort(&mut self, kind: ErrorKind, message: &str) {
        if !self.is_ended() {
            self.fail(kind, message);
        }
    }

    /// The next disk work. Several may be taken before the first is answered.
    pub fn poll_task(&mut self) -> Option<Task> {
        self.tasks.pop_front()
    }

    /// The next message for the channel.
    pub fn poll_message(&mut self) -> Option<Outgoing> {
        self.out.pop_front()
    }

    /// The next fact.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Bytes that are with the disk, of all [`Manifest::bytes`].
    pub fn progress(&self) -> u64 {
        match &self.state {
            State::Receiving(receiving) => receiving.progress,
            _ => 0,
        }
    }

    /// Whether the transfer is over, well or not. Messages may still wait to go out.
    pub fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Tasks that were handed out, or wait to be, and are not answered.
    pub fn unanswered(&self) -> usize {
        self.pending.len()
    }

    fn handle_message(&mut self, message: Message) -> Result<(), Fault> {
        match (message, &mut self.state) {
            (Message::Error { kind, message }, _) => {
                self.end(Failure::Remote { kind, message });
                Ok(())
            }
            (Message::Offer { version, id, resume, entries, bytes }, State::Idle) => {
                if version != VERSION {
                    return protocol("an unknown version of the protocol");
                }
                self.offered(Offer { id, resume, entries, bytes });
                Ok(())
            }
            (Message::Entries { list }, State::Listing { .. }) => self.list(list),
            (Message::File { index, offset, .. }, State::Receiving(receiving)) => {
                let (task, restarted) = receiving.file(index, offset)?;
                if restarted {
                    let index = receiving.next - 1;
                    self.events.push_back(Event::Restarted { index });
                }
                self.push(task);
                Ok(())
            }
            (Message::Chunk { length, sha256 }, State::Receiving(receiving)) => receiving.chunk(length, sha256),
            (Message::End { index, size, sha256 }, State::Receiving(receiving)) => {
                let task = receiving.end(index, size, sha256)?;
                self.push(task);
                Ok(())
            }
            (Message::Done { bytes, sha256 }, State::Receiving(receiving)) => {
                receiving.done(bytes, sha256)?;
                self.push(Task::Complete);
                Ok(())
            }
            _ => protocol("a message out of turn"),
        }
    }

    fn offered(&mut self, offer: Offer) {
        if offer.entries > self.config.limits.entries as u64 {
            let limit = self.config.limits.entries;
            return self.reject(RejectKind::Entries, &format!("too many entries (at most {limit})"));
        }
        self.state = State::Listing { offer, builder: Box::new(Builder::new(self.config.limits)) };
    }

    fn list(&mut self, list: Vec<Entry>) -> Result<(), Fault> {
        let State::Listing { offer, builder } = &mut self.state else { return Ok(()) };
        for entry in list {
            if builder.count() as u64 == offer.entries {
                return protocol("more entries than announced");
            }
            if let Err(error) = builder.push(entry) {
                let kind = match error {
                    ManifestError::Name { .. } => RejectKind::Names,
                    ManifestError::TooMany(_) => RejectKind::Entries,
                    ManifestError::TooLarge => return protocol("the sizes of the entries are not as announced"),
                };
                self.reject(kind, &error.to_string());
                return Ok(());
            }
        }
        if builder.count() as u64 == offer.entries {
            let offer = *offer;
            let manifest = std::mem::replace(&mut **builder, Builder::new(self.config.limits)).finish();
            if manifest.bytes() != offer.bytes {
                return protocol("the sizes of the entries are not as announced");
            }
            let manifest = Arc::new(manifest);
            self.events.push_back(Event::Offered { id: offer.id, resume: offer.resume, manifest: manifest.clone() });
            self.state = State::Deciding { offer, manifest };
        }
        Ok(())
    }

    /// Queues a task and notes what its answer will mean.
    fn push(&mut self, task: Task) {
        let State::Receiving(receiving) = &self.state else { return };
        self.pending.push_back(match &task {
            Task::Start { .. } => Pending::Start,
            Task::Write { data, .. } => Pending::Write { length: data.len() as u64 },
            Task::Finish { sha256 } => Pending::Finish { index: receiving.next - 1, sha256: *sha256 },
            Task::Complete => Pending::Complete,
        });
        self.tasks.push_back(task);
    }

    fn fail(&mut self, kind: ErrorKind, message: &str) {
        let message = words(message);
        self.out.push_back(Outgoing::Text(Message::Error { kind, message: message.clone() }.encode()));
        self.end(Failure::Local { kind, message });
    }

    /// Verified content that waits for the disk still goes there: it is what a later run goes on from.
    fn end(&mut self, failure: Failure) {
        let disk_failed = matches!(failure, Failure::Local { kind: ErrorKind::Disk, .. });
        if disk_failed {
            self.pending.truncate(self.pending.len() - self.tasks.len());
            self.tasks.clear();
        }
        self.state = State::Ended;
        self.events.push_back(Event::Failed(failure));
    }
}
