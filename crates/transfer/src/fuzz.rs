//! Bodies of fuzz targets.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use crate::disk::{Outcome, Task};
use crate::manifest::{Builder, Limits, Manifest};
use crate::protocol::{Entry, EntryKind, Message, Outgoing, RejectKind};
use crate::receiver::{self, Config, Receiver};
use crate::sender::{self, Sender};
use crate::source::SourceError;
use crate::value::{Digest, ResumeSecret, TransferId};

/// Messages that one side may say without any input in between.
const MAX_BURST: usize = 10_000;

/// A message: what was read is written, and what was written reads the same.
pub fn message(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(message) = Message::parse(text) else { return };
    assert_eq!(Message::parse(&message.encode()), Ok(message));
}

/// A sender and a receiver: a sequence of deliveries, of disk work, and of messages that neither of them sent.
pub fn machines(data: &[u8]) {
    let mut world = World::new();
    let mut rest = data;
    while let [op, tail @ ..] = rest {
        rest = world.step(*op, tail);
        world.drain();
    }
    world.settle();
}

struct World {
    manifest: Arc<Manifest>,
    sender: Sender,
    receiver: Receiver,
    /// To the receiver, and to the sender.
    wire: [VecDeque<Outgoing>; 2],
    tasks: VecDeque<Task>,
    /// What was written of the entry that was started.
    written: Vec<u8>,
    started: usize,
    offered: bool,
    done: [Option<Digest>; 2],
    /// Nothing was forged, nothing failed and nobody gave up: everything has to arrive.
    honest: bool,
}

fn content(index: usize, size: u64) -> Vec<u8> {
    (0..size).map(|n| (n as usize * 7 + index * 13) as u8).collect()
}

impl World {
    fn new() -> Self {
        let mut builder = Builder::new(Limits::default());
        let file =
            |path: &str, size| Entry { path: path.into(), kind: EntryKind::File { size, mtime: None, exec: false } };
        let folder = Entry { path: "folder".into(), kind: EntryKind::Dir };
        for entry in [file("empty", 0), folder, file("folder2/small", 100), file("large", 300_000)] {
            builder.push(entry).expect("the entries fit");
        }
        let manifest = Arc::new(builder.finish());
        let sender = Sender::new(manifest.clone(), TransferId([1; 16]), ResumeSecret([2; 32]));
        let mut world = Self {
            manifest,
            sender,
            receiver: Receiver::new(Config::default()),
            wire: [VecDeque::new(), VecDeque::new()],
            tasks: VecDeque::new(),
            written: Vec::new(),
            started: 0,
            offered: false,
            done: [None; 2],
            honest: true,
        };
        world.drain();
        world
    }

    /// One thing that happens; returns what is left of the input.
    fn step<'a>(&mut self, op: u8, rest: &'a [u8]) -> &'a [u8] {
        let side = usize::from(op >> 7);
        match op & 0x0F {
            0..=5 => self.deliver(side),
            6..=7 => self.read(),
            8..=9 => self.work(),
            10 => self.accept(),
            11 => return self.forge(side, rest),
            12 => return self.change(side, rest),
            13 => {
                self.honest = false;
                self.sender.handle_read(Err(SourceError::Changed(PathBuf::from("large"))));
            }
            14 => {
                self.honest = false;
                self.receiver.reject(RejectKind::Declined, "no");
            }
            _ => {
                self.honest = false;
                if side == 0 { self.sender.cancel() } else { self.receiver.cancel() }
            }
        }
        rest
    }

    fn deliver(&mut self, side: usize) {
        match (self.wire[side].pop_front(), side) {
            (Some(Outgoing::Text(text)), 0) => self.receiver.handle_text(&text),
            (Some(Outgoing::Binary(content)), 0) => self.receiver.handle_binary(&content),
            (Some(Outgoing::Text(text)), _) => self.sender.handle_text(&text),
            (Some(Outgoing::Binary(_)), _) => self.sender.handle_binary(),
            (None, _) => {}
        }
    }

    fn read(&mut self) {
        let Some(read) = self.sender.poll_read() else { return };
        let size = self.manifest.entry(read.index).and_then(Entry::file_size).expect("what is read is a file");
        let (from, to) = (read.offset as usize, read.offset as usize + read.length as usize);
        let content = content(read.index, size);
        self.sender.handle_read(Ok(Bytes::from(content[from..to].to_vec())));
    }

    fn work(&mut self) {
        let Some(task) = self.tasks.pop_front() else { return };
        let outcome = match task {
            Task::Start { index, offset } => {
                (self.started, self.written) = (index, Vec::new());
                assert!(offset == 0 || !self.honest, "nothing was kept");
                Outcome::Done
            }
            Task::Write { data, sha256 } => {
                assert_eq!(Digest::of(&data), sha256, "what is written was not verified");
                self.written.extend(data);
                Outcome::Done
            }
            Task::Finish { sha256 } => {
                assert_eq!(Digest::of(&self.written), sha256, "what is finished was not verified");
                let size = self.manifest.entry(self.started).and_then(Entry::file_size).unwrap_or(0);
                assert!(!self.honest || self.written == content(self.started, size));
                Outcome::Placed("somewhere".into())
            }
            Task::Complete => Outcome::Done,
        };
        self.receiver.handle_result(Ok(outcome));
    }

    fn accept(&mut self) {
        let accepted = self.receiver.accept(Vec::new()).is_ok();
        assert!(!accepted || self.offered, "something was accepted that nobody offered");
    }

    /// A message from the input.
    fn forge<'a>(&mut self, side: usize, rest: &'a [u8]) -> &'a [u8] {
        let Some((len, rest)) = rest.split_first() else { return rest };
        let (said, rest) = rest.split_at(usize::from(*len).min(rest.len()));
        self.honest = false;
        match (std::str::from_utf8(said), side) {
            (Ok(text), 0) => self.receiver.handle_text(text),
            (Ok(text), _) => self.sender.handle_text(text),
            (Err(_), 0) => self.receiver.handle_binary(said),
            (Err(_), _) => self.sender.handle_binary(),
        }
        rest
    }

    /// A byte of a message under way becomes another one.
    fn change<'a>(&mut self, side: usize, rest: &'a [u8]) -> &'a [u8] {
        let [at, value, rest @ ..] = rest else { return &[] };
        self.honest = false;
        let changed = match self.wire[side].pop_front() {
            Some(Outgoing::Text(text)) => {
                let mut bytes = text.into_bytes();
                let at = usize::from(*at) % bytes.len();
                bytes[at] = value & 0x7F;
                String::from_utf8(bytes).ok().map(Outgoing::Text)
            }
            Some(Outgoing::Binary(content)) => {
                let mut bytes = content.to_vec();
                bytes.truncate(bytes.len() - usize::from(*at).min(bytes.len()));
                Some(Outgoing::Binary(bytes.into()))
            }
            None => None,
        };
        if let Some(changed) = changed {
            self.wire[side].push_front(changed);
        }
        rest
    }

    fn drain(&mut self) {
        for _ in 0..MAX_BURST {
            let Some(message) = self.sender.poll_message() else { break };
            self.wire[0].push_back(message);
        }
        for _ in 0..MAX_BURST {
            let Some(message) = self.receiver.poll_message() else { break };
            self.wire[1].push_back(message);
        }
        assert!(self.wire.iter().all(|wire| wire.len() < MAX_BURST), "a side says things without end");
        while let Some(task) = self.receiver.poll_task() {
            self.tasks.push_back(task);
        }
        while let Some(event) = self.sender.poll_event() {
            if let sender::Event::Done { sha256 } = event {
                self.done[0] = Some(sha256);
            }
        }
        while let Some(event) = self.receiver.poll_event() {
            match event {
                receiver::Event::Offered { .. } => self.offered = true,
                receiver::Event::Done { sha256 } => self.done[1] = Some(sha256),
                _ => {}
            }
        }
        assert!(self.receiver.progress() <= self.manifest.bytes() || !self.honest);
    }

    /// Honest machines bring everything over.
    fn settle(&mut self) {
        if !self.honest {
            return;
        }
        for _ in 0..10_000 {
            if let [Some(sent), Some(stored)] = self.done {
                assert_eq!(sent, stored);
                return;
            }
            for side in 0..2 {
                self.deliver(side);
                self.drain();
            }
            if self.offered {
                self.accept();
            }
            self.read();
            self.work();
            self.drain();
        }
        panic!("the transfer did not end");
    }
}

#[cfg(test)]
mod tests {
    use peerage_testkit::replay::replay;

    #[test]
    fn messages() {
        replay(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/messages"), super::message);
    }

    #[test]
    fn machines() {
        replay(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/machines"), super::machines);
    }
}
