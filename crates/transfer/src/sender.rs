//! The side that has the files.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use peerage_crypto::hash::Sha256;

use crate::disk::Read;
use crate::failure::Failure;
use crate::manifest::{Manifest, TotalHash};
use crate::protocol::{Entry, ErrorKind, Have, MAX_CHUNK, MAX_MESSAGE, Message, Outgoing, VERSION, words};
use crate::source::SourceError;
use crate::value::{Digest, ResumeSecret, TransferId};

/// Content that may wait for the channel before the next chunk is read.
const READ_AHEAD: usize = 2 * MAX_CHUNK as usize;

/// What the owner should know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The receiver takes the transfer and holds `kept` bytes of it already, by its word.
    Accepted {
        /// Bytes of earlier attempts.
        kept: u64,
    },
    /// What the receiver kept of this entry is not the beginning of the source any more: it is sent from the start.
    Restarted {
        /// Which entry.
        index: usize,
    },
    /// One file was sent completely.
    File {
        /// Which entry.
        index: usize,
        /// Of the whole file.
        sha256: Digest,
    },
    /// The receiver stored everything. The channel can be closed.
    Done {
        /// Of the only file, or of the manifest.
        sha256: Digest,
    },
    /// The transfer ended early.
    Failed(Failure),
}

/// The sending machine of one channel.
///
/// Drive it so: hand in what arrives; then take every [`poll_read`](Self::poll_read),
/// [`poll_message`](Self::poll_message) and [`poll_event`](Self::poll_event). One read is under way at a time.
#[derive(Debug)]
pub struct Sender {
    manifest: Arc<Manifest>,
    id: TransferId,
    resume: ResumeSecret,
    state: State,
    out: VecDeque<Outgoing>,
    queued: usize,
    events: VecDeque<Event>,
    /// Bytes that the receiver kept, by its word until they are compared, or acknowledged.
    settled: u64,
}

#[derive(Debug)]
enum State {
    Offering { next: Option<usize> },
    Waiting { kept: VecDeque<Have>, bytes: u64 },
    Sending(Box<Sending>),
    Confirming { sha256: Digest, sent: u64, acked: u64 },
    Ended,
}

#[derive(Debug)]
struct Sending {
    kept: VecDeque<Have>,
    window: u64,
    sent: u64,
    acked: u64,
    current: Current,
    reading: bool,
    total: TotalHash,
}

#[derive(Debug)]
struct Current {
    index: usize,
    size: u64,
    position: u64,
    hash: Sha256,
    /// The receiver's claim, until it was compared with the source.
    claim: Option<Have>,
}

impl Sender {
    /// Offers `manifest`, which has at least one entry.
    pub fn new(manifest: Arc<Manifest>, id: TransferId, resume: ResumeSecret) -> Self {
        Self {
            manifest,
            id,
            resume,
            state: State::Offering { next: None },
            out: VecDeque::new(),
            queued: 0,
            events: VecDeque::new(),
            settled: 0,
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
            self.fail(kind, message);
        }
    }

    /// A binary message arrived; a receiver has none to send.
    pub fn handle_binary(&mut self) {
        if !self.is_ended() {
            self.fail(ErrorKind::Protocol, "content came from the receiver".into());
        }
    }

    /// What the last [`Read`] brought.
    pub fn handle_read(&mut self, result: Result<Bytes, SourceError>) {
        let State::Sending(sending) = &mut self.state else { return };
        sending.reading = false;
        match result {
            Ok(data) => self.handle_content(data),
            Err(error) => self.fail(ErrorKind::Source, error.to_string()),
        }
    }

    /// Stops the transfer and tells the receiver. What arrived there is kept.
    pub fn cancel(&mut self) {
        if !self.is_ended() {
            self.fail(ErrorKind::Cancelled, "the sender stopped".into());
        }
    }

    /// The next disk work.
    pub fn poll_read(&mut self) -> Option<Read> {
        let State::Sending(sending) = &mut self.state else { return None };
        if sending.reading || self.queued >= READ_AHEAD {
            return None;
        }
        let read = sending.next_read()?;
        sending.reading = true;
        Some(read)
    }

    /// The next message for the channel.
    pub fn poll_message(&mut self) -> Option<Outgoing> {
        if let Some(message) = self.out.pop_front() {
            if let Outgoing::Binary(content) = &message {
                self.queued -= content.len();
            }
            return Some(message);
        }
        let State::Offering { next } = &mut self.state else { return None };
        let entries = self.manifest.entries();
        let message = match *next {
            None => {
                *next = Some(0);
                Message::Offer {
                    version: VERSION,
                    id: self.id,
                    resume: self.resume,
                    entries: entries.len() as u64,
                    bytes: self.manifest.bytes(),
                }
            }
            Some(from) => {
                let list = batch(entries.get(from..).unwrap_or_default());
                let reached = from + list.len();
                *next = Some(reached);
                if reached >= entries.len() {
                    self.state = State::Waiting { kept: VecDeque::new(), bytes: 0 };
                }
                Message::Entries { list }
            }
        };
        Some(Outgoing::Text(message.encode()))
    }

    /// The next fact.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Bytes that the receiver has, of all [`Manifest::bytes`]. Falls when what it kept turns out to be void.
    pub fn progress(&self) -> u64 {
        self.settled
    }

    /// Whether the transfer is over, well or not. Messages may still wait to go out.
    pub fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    fn handle_message(&mut self, message: Message) -> Result<(), (ErrorKind, String)> {
        let protocol = |message: &str| Err((ErrorKind::Protocol, message.to_owned()));
        match (message, &mut self.state) {
            (Message::Error { kind, message }, _) => {
                self.end(Failure::Remote { kind, message });
                Ok(())
            }
            (Message::Reject { kind, message }, State::Offering { .. } | State::Waiting { .. }) => {
                self.end(Failure::Rejected { kind, message });
                Ok(())
            }
            (Message::Have { list }, State::Waiting { kept, bytes }) => {
                for have in list {
                    let in_order = kept.back().is_none_or(|last| have.index > last.index);
                    let entry = usize::try_from(have.index).ok().and_then(|index| self.manifest.entry(index));
                    let size = entry.and_then(Entry::file_size);
                    if !in_order || size.is_none_or(|size| have.size > size) {
                        return protocol("kept bytes that no file has");
                    }
                    *bytes += have.size;
                    kept.push_back(have);
                }
                Ok(())
            }
            (Message::Accept { resume, window }, State::Waiting { kept, bytes }) => {
                if resume != self.resume {
                    return protocol("the receiver does not know this transfer");
                }
                let (kept, bytes) = (std::mem::take(kept), *bytes);
                self.settled = bytes;
                self.events.push_back(Event::Accepted { kept: bytes });
                self.begin(kept, window);
                Ok(())
            }
            (Message::Ack { bytes }, State::Sending(sending)) => {
                self.settled += acknowledge(&mut sending.acked, sending.sent, bytes)?;
                Ok(())
            }
            (Message::Ack { bytes }, State::Confirming { sent, acked, .. }) => {
                self.settled += acknowledge(acked, *sent, bytes)?;
                Ok(())
            }
            (Message::Done { sha256: theirs, .. }, State::Confirming { sha256, .. }) => {
                if theirs != *sha256 {
                    return Err((ErrorKind::Hash, "the receiver stored something else".into()));
                }
                self.state = State::Ended;
                self.settled = self.manifest.bytes();
                self.events.push_back(Event::Done { sha256: theirs });
                Ok(())
            }
            _ => protocol("a message out of turn"),
        }
    }

    fn begin(&mut self, kept: VecDeque<Have>, window: u64) {
        let total = TotalHash::new();
        match Current::first_from(&self.manifest, 0) {
            None => self.confirm(total, 0, 0),
            Some(current) => {
                let mut sending = Sending { kept, window, sent: 0, acked: 0, current, reading: false, total };
                sending.claim(&mut self.out);
                self.state = State::Sending(Box::new(sending));
            }
        }
    }

    fn handle_content(&mut self, data: Bytes) {
        let State::Sending(sending) = &mut self.state else { return };
        let current = &mut sending.current;
        current.position += data.len() as u64;
        current.hash.update(&data);
        if let Some(claim) = current.claim {
            if current.position < claim.size {
                return;
            }
            current.claim = None;
            let matches = Digest(current.hash.clone().finish()) == claim.sha256;
            if !matches {
                self.settled -= claim.size;
                current.position = 0;
                current.hash = Sha256::new();
                self.events.push_back(Event::Restarted { index: current.index });
            }
            current.announce(&mut self.out, !matches);
            // An empty or complete file has nothing left to read that would end it.
            if matches && current.position == current.size {
                self.end_file();
            }
            return;
        }
        if !data.is_empty() {
            sending.sent += data.len() as u64;
            let chunk = Message::Chunk { length: data.len() as u32, sha256: Digest::of(&data) };
            self.out.push_back(Outgoing::Text(chunk.encode()));
            self.queued += data.len();
            let mut rest = data;
            while !rest.is_empty() {
                self.out.push_back(Outgoing::Binary(rest.split_to(rest.len().min(MAX_MESSAGE))));
            }
        }
        if current.position == current.size {
            self.end_file();
        }
    }

    fn end_file(&mut self) {
        let State::Sending(sending) = &mut self.state else { return };
        let Current { index, size, ref hash, .. } = sending.current;
        let sha256 = Digest(hash.clone().finish());
        sending.total.file(&self.manifest, index, sha256);
        self.out.push_back(Outgoing::Text(Message::End { index: index as u64, size, sha256 }.encode()));
        self.events.push_back(Event::File { index, sha256 });
        match Current::first_from(&self.manifest, index + 1) {
            Some(next) => {
                sending.current = next;
                sending.claim(&mut self.out);
            }
            None => {
                let total = std::mem::take(&mut sending.total);
                let (sent, acked) = (sending.sent, sending.acked);
                self.confirm(total, sent, acked);
            }
        }
    }

    fn confirm(&mut self, total: TotalHash, sent: u64, acked: u64) {
        let sha256 = total.finish(&self.manifest);
        let done = Message::Done { bytes: Some(self.manifest.bytes()), sha256 };
        self.out.push_back(Outgoing::Text(done.encode()));
        self.state = State::Confirming { sha256, sent, acked };
    }

    fn fail(&mut self, kind: ErrorKind, message: String) {
        let message = words(&message);
        self.end(Failure::Local { kind, message: message.clone() });
        self.out.push_back(Outgoing::Text(Message::Error { kind, message }.encode()));
    }

    fn end(&mut self, failure: Failure) {
        // Content that still waits is of no use to a peer whose transfer has ended.
        self.out.clear();
        self.queued = 0;
        self.state = State::Ended;
        self.events.push_back(Event::Failed(failure));
    }
}

impl Sending {
    /// Looks up what the receiver kept of the current file; if nothing, the file is announced at once.
    fn claim(&mut self, out: &mut VecDeque<Outgoing>) {
        let index = self.current.index as u64;
        while self.kept.front().is_some_and(|have| have.index < index) {
            self.kept.pop_front();
        }
        self.current.claim = self.kept.front().copied().filter(|have| have.index == index);
        // Keeping nothing is no claim; an empty file that was kept whole is.
        if self.current.claim.is_some_and(|have| have.size == 0 && self.current.size > 0) {
            self.current.claim = None;
        }
        if self.current.claim.is_none() {
            self.current.announce(out, false);
        }
    }

    fn next_read(&self) -> Option<Read> {
        let Current { index, size, position, claim, .. } = self.current;
        let end = claim.map_or(size, |claim| claim.size);
        let chunk = u64::from(MAX_CHUNK).min(self.window);
        let length = chunk.min(end - position);
        if claim.is_none() && self.sent + length - self.acked > self.window {
            return None;
        }
        Some(Read { index, offset: position, length: length as u32 })
    }
}

impl Current {
    fn first_from(manifest: &Manifest, from: usize) -> Option<Self> {
        let (index, size) = manifest.next_file(from)?;
        Some(Self { index, size, position: 0, hash: Sha256::new(), claim: None })
    }

    fn announce(&self, out: &mut VecDeque<Outgoing>, restarted: bool) {
        let message = Message::File { index: self.index as u64, offset: self.position, restarted };
        out.push_back(Outgoing::Text(message.encode()));
    }
}

/// As many of the next entries as one message holds.
fn batch(entries: &[Entry]) -> Vec<Entry> {
    let mut room = MAX_MESSAGE - 64;
    let fits = |entry: &&Entry| {
        let length = serde_json::to_string(entry).expect("an entry holds strings and numbers only").len() + 1;
        let fits = length <= room;
        room = room.saturating_sub(length);
        fits
    };
    entries.iter().take_while(fits).cloned().collect()
}

/// Moves `acked` up to `bytes` and says by how much.
fn acknowledge(acked: &mut u64, sent: u64, bytes: u64) -> Result<u64, (ErrorKind, String)> {
    if bytes < *acked || bytes > sent {
        return Err((ErrorKind::Protocol, "an acknowledgement of bytes that were not sent".into()));
    }
    Ok(bytes - std::mem::replace(acked, bytes))
}
