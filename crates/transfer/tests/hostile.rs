//! Peers that do not keep to the protocol: an error with its reason, never a panic, never more memory than allowed.

use std::sync::Arc;

use bytes::Bytes;
use peerage_transfer::disk::{Outcome, Task};
use peerage_transfer::failure::Failure;
use peerage_transfer::manifest::{Builder, Limits, Manifest};
use peerage_transfer::protocol::{Entry, EntryKind, ErrorKind, Message, Outgoing, RejectKind};
use peerage_transfer::receiver::{self, Config, Receiver};
use peerage_transfer::sender::{self, Sender};
use peerage_transfer::value::{Digest, ResumeSecret, TransferId};
use proptest::prelude::*;

const ID: TransferId = TransferId([1; 16]);
const RESUME: ResumeSecret = ResumeSecret([2; 32]);

fn entry(path: &str, size: u64) -> Entry {
    Entry { path: path.into(), kind: EntryKind::File { size, mtime: None, exec: false } }
}

fn manifest(sizes: &[u64]) -> Arc<Manifest> {
    let mut builder = Builder::new(Limits::default());
    for (n, &size) in sizes.iter().enumerate() {
        builder.push(entry(&n.to_string(), size)).unwrap();
    }
    Arc::new(builder.finish())
}

fn offer(entries: u64, bytes: u64) -> Message {
    Message::Offer { version: 1, id: ID, resume: RESUME, entries, bytes }
}

fn say(receiver: &mut Receiver, message: &Message) {
    receiver.handle_text(&message.encode());
}

/// A receiver that took an offer of files of these sizes.
fn receiving(sizes: &[u64]) -> Receiver {
    let mut receiver = Receiver::new(Config::default());
    say(&mut receiver, &offer(sizes.len() as u64, sizes.iter().sum()));
    let list = manifest(sizes).entries().to_vec();
    say(&mut receiver, &Message::Entries { list });
    assert!(matches!(receiver.poll_event(), Some(receiver::Event::Offered { .. })));
    receiver.accept(Vec::new()).unwrap();
    assert!(matches!(receiver.poll_message(), Some(Outgoing::Text(_))));
    receiver
}

fn failure(receiver: &mut Receiver) -> Failure {
    let last = std::iter::from_fn(|| receiver.poll_event()).last();
    let Some(receiver::Event::Failed(failure)) = last else { panic!("no failure: {last:?}") };
    let told = std::iter::from_fn(|| receiver.poll_message()).last();
    assert!(told.is_some(), "the peer was not told");
    failure
}

#[track_caller]
fn refused(receiver: &mut Receiver, expected: RejectKind) {
    match failure(receiver) {
        Failure::Rejected { kind, .. } => assert_eq!(kind, expected),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn broken(receiver: &mut Receiver, expected: ErrorKind) {
    match failure(receiver) {
        Failure::Local { kind, .. } => assert_eq!(kind, expected),
        other => panic!("{other:?}"),
    }
}

#[test]
fn hostile_manifests_are_refused_with_their_reason() {
    for (paths, kind) in [
        (&["../x"][..], RejectKind::Names),
        (&["/etc/passwd"], RejectKind::Names),
        (&["a\0b"], RejectKind::Names),
        (&["CON"], RejectKind::Names),
        (&["a", "A"], RejectKind::Names),
        (&["a", "a/b"], RejectKind::Names),
    ] {
        let mut receiver = Receiver::new(Config::default());
        say(&mut receiver, &offer(paths.len() as u64, 0));
        say(&mut receiver, &Message::Entries { list: paths.iter().map(|path| entry(path, 0)).collect() });
        refused(&mut receiver, kind);
    }
    let mut receiver = Receiver::new(Config::default());
    say(&mut receiver, &offer(100_001, 0));
    refused(&mut receiver, RejectKind::Entries);
}

#[test]
fn lists_that_contradict_the_offer_are_errors() {
    for (entries, bytes, list) in [
        (1, 5, vec![entry("a", 6)]),
        (2, 6, vec![entry("a", 1), entry("b", 2), entry("c", 3)]),
        (1, 0, vec![entry("a", 9_007_199_254_740_991)]),
        (2, 0, vec![entry("a", 9_007_199_254_740_991), entry("b", 1)]),
    ] {
        let mut receiver = Receiver::new(Config::default());
        say(&mut receiver, &offer(entries, bytes));
        say(&mut receiver, &Message::Entries { list });
        broken(&mut receiver, ErrorKind::Protocol);
    }
}

#[test]
fn steps_out_of_order_are_errors() {
    let zero = Digest([0; 32]);
    let file = |index, offset| Message::File { index, offset, restarted: false };
    let chunk = Message::Chunk { length: 10, sha256: zero };
    let end = |index| Message::End { index, size: 10, sha256: zero };
    let done = Message::Done { bytes: Some(20), sha256: zero };
    for steps in [
        &[file(1, 0)][..],
        &[file(7, 0)],
        &[file(0, 5)],
        &[file(0, 0), file(1, 0)],
        std::slice::from_ref(&chunk),
        &[file(0, 0), Message::Chunk { length: 11, sha256: zero }],
        &[file(0, 0), chunk.clone(), chunk.clone()],
        &[file(0, 0), chunk.clone(), end(0)],
        &[file(0, 0), end(0)],
        &[end(0)],
        std::slice::from_ref(&done),
        &[file(0, 0), done.clone()],
        &[offer(1, 1)],
        &[Message::Accept { resume: RESUME, window: 65_536 }],
    ] {
        let mut receiver = receiving(&[10, 10]);
        steps.iter().for_each(|step| say(&mut receiver, step));
        broken(&mut receiver, ErrorKind::Protocol);
    }
}

#[test]
fn content_is_bounded_by_its_chunk_and_by_the_window() {
    let file = Message::File { index: 0, offset: 0, restarted: false };
    let chunk = Message::Chunk { length: 10, sha256: Digest::of(&[7; 10]) };

    let mut receiver = receiving(&[100]);
    receiver.handle_binary(&[7; 10]);
    broken(&mut receiver, ErrorKind::Protocol);
    for content in [&[7; 11][..], &[]] {
        let mut receiver = receiving(&[100]);
        say(&mut receiver, &file);
        say(&mut receiver, &chunk);
        receiver.handle_binary(content);
        broken(&mut receiver, ErrorKind::Protocol);
    }

    // A disk that never answers: the sender may not go beyond the window, however it tries.
    let size = 64 << 20;
    let mut receiver = receiving(&[size]);
    say(&mut receiver, &file);
    let part = vec![7; 65_536];
    let whole = Message::Chunk { length: 262_144, sha256: Digest::of(&[7; 262_144]) };
    let mut held = 0;
    while !receiver.is_ended() {
        say(&mut receiver, &whole);
        for _ in 0..4 {
            receiver.handle_binary(&part);
        }
        held += std::iter::from_fn(|| receiver.poll_task()).filter(|task| matches!(task, Task::Write { .. })).count();
    }
    assert_eq!(held, (16 << 20) / 262_144);
    broken(&mut receiver, ErrorKind::Protocol);
}

#[test]
fn content_that_does_not_match_its_hash_is_never_written() {
    let mut receiver = receiving(&[10]);
    say(&mut receiver, &Message::File { index: 0, offset: 0, restarted: false });
    say(&mut receiver, &Message::Chunk { length: 10, sha256: Digest::of(&[7; 10]) });
    receiver.handle_binary(&[8; 10]);
    assert_eq!(receiver.poll_task(), Some(Task::Start { index: 0, offset: 0 }));
    assert_eq!(receiver.poll_task(), None);
    broken(&mut receiver, ErrorKind::Hash);
}

#[test]
fn a_wrong_hash_of_the_file_or_of_all_is_an_error() {
    let good = Digest::of(&[7; 10]);
    for (file_hash, total) in [(Digest([0; 32]), good), (good, Digest([0; 32]))] {
        let mut receiver = receiving(&[10]);
        say(&mut receiver, &Message::File { index: 0, offset: 0, restarted: false });
        say(&mut receiver, &Message::Chunk { length: 10, sha256: good });
        receiver.handle_binary(&[7; 10]);
        say(&mut receiver, &Message::End { index: 0, size: 10, sha256: file_hash });
        say(&mut receiver, &Message::Done { bytes: Some(10), sha256: total });
        broken(&mut receiver, ErrorKind::Hash);
    }
}

#[test]
fn nothing_is_done_before_the_disk_has_everything() {
    let sha256 = Digest::of(&[7; 10]);
    let mut receiver = receiving(&[10]);
    say(&mut receiver, &Message::File { index: 0, offset: 0, restarted: false });
    say(&mut receiver, &Message::Chunk { length: 10, sha256 });
    receiver.handle_binary(&[7; 10]);
    say(&mut receiver, &Message::End { index: 0, size: 10, sha256 });
    say(&mut receiver, &Message::Done { bytes: Some(10), sha256 });
    assert_eq!(receiver.unanswered(), 4);
    for answer in [Outcome::Done, Outcome::Done, Outcome::Placed("0".into())] {
        receiver.handle_result(Ok(answer));
        assert!(!receiver.is_ended());
    }
    assert_eq!(receiver.progress(), 10);
    receiver.handle_result(Ok(Outcome::Done));
    assert_eq!(std::iter::from_fn(|| receiver.poll_event()).last(), Some(receiver::Event::Done { sha256 }));
    let said: Vec<_> = std::iter::from_fn(|| receiver.poll_message()).collect();
    let expected = [Message::Ack { bytes: 10 }, Message::Done { bytes: None, sha256 }];
    assert_eq!(said, expected.map(|message| Outgoing::Text(message.encode())));
}

/// A sender that offered files of these sizes.
fn offering(sizes: &[u64]) -> Sender {
    let mut sender = Sender::new(manifest(sizes), ID, RESUME);
    while sender.poll_message().is_some() {}
    sender
}

#[test]
fn answers_that_no_receiver_gives_end_the_sender() {
    let zero = Digest([0; 32]);
    let have =
        |index, size| Message::Have { list: vec![peerage_transfer::protocol::Have { index, size, sha256: zero }] };
    let accept = |resume| Message::Accept { resume, window: 65_536 };
    for steps in [
        &[accept(ResumeSecret([3; 32]))][..],
        &[have(2, 0)],
        &[have(u64::MAX, 0)],
        &[have(0, 11)],
        &[have(1, 5), have(1, 5)],
        &[have(1, 5), have(0, 5)],
        &[Message::Ack { bytes: 0 }],
        &[accept(RESUME), Message::Ack { bytes: 1 }],
        &[accept(RESUME), accept(RESUME)],
        &[accept(RESUME), have(0, 1)],
        &[accept(RESUME), Message::Done { bytes: None, sha256: zero }],
        &[Message::Done { bytes: None, sha256: zero }],
        &[offer(1, 1)],
    ] {
        let mut sender = offering(&[10, 10]);
        steps.iter().for_each(|step| sender.handle_text(&step.encode()));
        let last = std::iter::from_fn(|| sender.poll_event()).last();
        let is_protocol = matches!(last, Some(sender::Event::Failed(Failure::Local { kind: ErrorKind::Protocol, .. })));
        assert!(is_protocol, "{steps:?}: {last:?}");
        let told = std::iter::from_fn(|| sender.poll_message()).last();
        assert!(matches!(told, Some(Outgoing::Text(text)) if text.contains("\"error\"")));
    }
}

#[test]
fn a_receiver_that_stored_something_else_is_an_error() {
    let mut sender = offering(&[0]);
    sender.handle_text(&Message::Accept { resume: RESUME, window: 65_536 }.encode());
    let read = sender.poll_read().unwrap();
    assert_eq!((read.offset, read.length), (0, 0));
    sender.handle_read(Ok(Bytes::new()));
    sender.handle_text(&Message::Done { bytes: None, sha256: Digest([9; 32]) }.encode());
    let last = std::iter::from_fn(|| sender.poll_event()).last();
    assert!(matches!(last, Some(sender::Event::Failed(Failure::Local { kind: ErrorKind::Hash, .. }))));
}

#[test]
fn content_that_waits_for_the_channel_stops_the_reading() {
    let mut sender = offering(&[64 << 20]);
    sender.handle_text(&Message::Accept { resume: RESUME, window: 16 << 20 }.encode());
    let mut read_bytes = 0;
    while let Some(read) = sender.poll_read() {
        assert_eq!(sender.poll_read(), None);
        read_bytes += read.length;
        sender.handle_read(Ok(Bytes::from(vec![0; read.length as usize])));
    }
    assert_eq!(read_bytes, 524_288);
}

/// What a peer may do, in any order.
#[derive(Clone, Debug)]
enum Step {
    Text(Message),
    Binary(usize),
    Accept,
    Answer,
    Cancel,
}

fn step() -> impl Strategy<Value = Step> {
    let number = prop_oneof![0..4u64, Just(10), Just(u64::MAX >> 11)];
    let hash = prop_oneof![Just(Digest([0; 32])), Just(Digest::of(&[7; 10])), Just(Digest::of(&[]))];
    let message = (number.clone(), number, hash, 0..11).prop_map(|(a, b, sha256, which)| match which {
        0 => offer(a, b),
        1 => Message::Entries { list: vec![entry(&a.to_string(), b)] },
        2 => Message::Have { list: vec![peerage_transfer::protocol::Have { index: a, size: b, sha256 }] },
        3 => Message::Accept { resume: RESUME, window: 65_536 },
        4 => Message::File { index: a, offset: b, restarted: false },
        5 => Message::Chunk { length: 10, sha256 },
        6 => Message::End { index: a, size: b, sha256 },
        7 => Message::Ack { bytes: b },
        8 => Message::Done { bytes: Some(b), sha256 },
        9 => Message::Reject { kind: RejectKind::Busy, message: String::new() },
        _ => Message::Error { kind: ErrorKind::Hash, message: String::new() },
    });
    prop_oneof![
        6 => message.prop_map(Step::Text),
        2 => prop_oneof![Just(10), 0..20usize].prop_map(Step::Binary),
        1 => Just(Step::Accept),
        2 => Just(Step::Answer),
        1 => Just(Step::Cancel),
    ]
}

proptest! {
    #[test]
    fn any_sequence_leaves_both_machines_whole(steps in prop::collection::vec(step(), 0..40), begun in any::<bool>()) {
        let mut receiver = if begun { receiving(&[10, 0]) } else { Receiver::new(Config::default()) };
        let mut sender = offering(&[10, 0]);
        if begun {
            sender.handle_text(&Message::Accept { resume: RESUME, window: 65_536 }.encode());
        }
        for step in steps {
            match step {
                Step::Text(message) => {
                    receiver.handle_text(&message.encode());
                    sender.handle_text(&message.encode());
                }
                Step::Binary(length) => receiver.handle_binary(&vec![7; length]),
                Step::Accept => drop(receiver.accept(Vec::new())),
                Step::Answer => {
                    receiver.handle_result(Ok(Outcome::Done));
                    if let Some(read) = sender.poll_read() {
                        sender.handle_read(Ok(Bytes::from(vec![7; read.length as usize])));
                    }
                }
                Step::Cancel => receiver.cancel(),
            }
            prop_assert!(receiver.progress() <= 10 + 4 && sender.progress() <= 10);
        }
    }
}
