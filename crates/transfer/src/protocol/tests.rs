use proptest::prelude::*;

use super::*;

const H: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest)
}

fn entry() -> impl Strategy<Value = Entry> {
    let file = (0..=MAX_SIZE, any::<Option<i64>>(), any::<bool>()).prop_map(|(size, mtime, exec)| EntryKind::File {
        size,
        mtime,
        exec,
    });
    ("\\PC{1,40}", prop_oneof![file, Just(EntryKind::Dir)]).prop_map(|(path, kind)| Entry { path, kind })
}

fn message() -> impl Strategy<Value = Message> {
    let reject = prop_oneof![Just(RejectKind::Declined), Just(RejectKind::Space), Just(RejectKind::Busy)];
    let error = prop_oneof![Just(ErrorKind::Source), Just(ErrorKind::Hash), Just(ErrorKind::Cancelled)];
    let have = (any::<u64>(), 0..=MAX_SIZE, digest()).prop_map(|(index, size, sha256)| Have { index, size, sha256 });
    prop_oneof![
        (any::<[u8; 16]>(), any::<[u8; 32]>(), 1u64.., 0..=MAX_SIZE).prop_map(|(id, resume, entries, bytes)| {
            Message::Offer { version: 1, id: TransferId(id), resume: ResumeSecret(resume), entries, bytes }
        }),
        prop::collection::vec(entry(), 1..8).prop_map(|list| Message::Entries { list }),
        prop::collection::vec(have, 0..8).prop_map(|list| Message::Have { list }),
        (any::<[u8; 32]>(), MIN_WINDOW..=MAX_SIZE)
            .prop_map(|(resume, window)| Message::Accept { resume: ResumeSecret(resume), window }),
        (reject, ".{0,80}").prop_map(|(kind, message)| Message::Reject { kind, message }),
        (any::<u64>(), 0..=MAX_SIZE, any::<bool>()).prop_map(|(index, offset, restarted)| Message::File {
            index,
            offset,
            restarted
        }),
        (1..=MAX_CHUNK, digest()).prop_map(|(length, sha256)| Message::Chunk { length, sha256 }),
        (any::<u64>(), 0..=MAX_SIZE, digest()).prop_map(|(index, size, sha256)| Message::End { index, size, sha256 }),
        (0..=MAX_SIZE).prop_map(|bytes| Message::Ack { bytes }),
        (prop::option::of(0..=MAX_SIZE), digest()).prop_map(|(bytes, sha256)| Message::Done { bytes, sha256 }),
        (error, ".{0,80}").prop_map(|(kind, message)| Message::Error { kind, message }),
    ]
}

proptest! {
    #[test]
    fn every_message_reads_back_as_it_was_written(message in message()) {
        prop_assert_eq!(Message::parse(&message.encode()), Ok(message));
    }

    #[test]
    fn any_text_is_read_or_refused_without_a_panic(text in ".{0,300}") {
        let _ = Message::parse(&text);
    }

    #[test]
    fn a_message_with_a_changed_character_is_read_or_refused(message in message(), at in any::<prop::sample::Index>(), c in any::<char>()) {
        let mut text: Vec<char> = message.encode().chars().collect();
        let at = at.index(text.len());
        text[at] = c;
        let _ = Message::parse(&text.into_iter().collect::<String>());
    }
}

#[test]
fn the_texts_of_the_specification_are_understood() {
    let id = "AAAAAAAAAAAAAAAAAAAAAA";
    let secret = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for text in [
        format!(r#"{{"type":"offer","version":1,"id":"{id}","resume":"{secret}","entries":2,"bytes":7}}"#),
        r#"{"type":"entries","list":[{"path":"a/b","size":7,"mtime":12,"exec":true},{"path":"c","dir":true}]}"#.into(),
        format!(r#"{{"type":"have","list":[{{"index":0,"size":3,"sha256":"{H}"}}]}}"#),
        format!(r#"{{"type":"accept","resume":"{secret}","window":16777216}}"#),
        r#"{"type":"reject","kind":"declined","message":"no"}"#.into(),
        r#"{"type":"file","index":0,"offset":0,"restarted":true}"#.into(),
        format!(r#"{{"type":"chunk","length":7,"sha256":"{H}"}}"#),
        format!(r#"{{"type":"end","index":0,"size":7,"sha256":"{H}"}}"#),
        r#"{"type":"ack","bytes":7}"#.into(),
        format!(r#"{{"type":"done","bytes":7,"sha256":"{H}"}}"#),
        format!(r#"{{"type":"done","sha256":"{H}"}}"#),
        r#"{"type":"error","kind":"disk","message":"full"}"#.into(),
    ] {
        let message = Message::parse(&text).unwrap();
        assert_eq!(message.encode(), text);
    }
}

#[test]
fn numbers_outside_their_bounds_are_refused() {
    let secret = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for text in [
        format!(r#"{{"type":"chunk","length":0,"sha256":"{H}"}}"#),
        format!(r#"{{"type":"chunk","length":262145,"sha256":"{H}"}}"#),
        format!(r#"{{"type":"accept","resume":"{secret}","window":65535}}"#),
        r#"{"type":"ack","bytes":9007199254740992}"#.into(),
        r#"{"type":"ack","bytes":-1}"#.into(),
        r#"{"type":"ack","bytes":1.5}"#.into(),
        r#"{"type":"entries","list":[]}"#.into(),
        r#"{"type":"entries","list":[{"path":"a"}]}"#.into(),
        r#"{"type":"entries","list":[{"path":"a","dir":true,"size":1}]}"#.into(),
        r#"{"type":"entries","list":[{"path":"a","size":9007199254740992}]}"#.into(),
        r#"{"type":"unheard-of"}"#.into(),
    ] {
        assert!(Message::parse(&text).is_err(), "{text}");
    }
}

#[test]
fn a_message_beyond_64_kib_is_refused_before_it_is_read() {
    let text = format!(r#"{{"type":"ack","bytes":1{}}}"#, " ".repeat(MAX_MESSAGE));
    assert_eq!(Message::parse(&text), Err(ParseError::TooLong(text.len())));
}

#[test]
fn the_words_of_a_peer_are_cut() {
    let text = format!(r#"{{"type":"error","kind":"disk","message":"{}"}}"#, "x".repeat(60_000));
    let Ok(Message::Error { message, .. }) = Message::parse(&text) else { panic!("refused") };
    assert_eq!(message.len(), MAX_WORDS);
}
