//! Two machines and real files: whole transfers, lost connections, changed sources, failing disks.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use peerage_base::rng::Rng;
use peerage_transfer::disk::Task;
use peerage_transfer::failure::Failure;
use peerage_transfer::manifest::{Limits, Manifest};
use peerage_transfer::protocol::{ErrorKind, MAX_MESSAGE, Outgoing, RejectKind};
use peerage_transfer::receiver::{self, Config, Receiver};
use peerage_transfer::sender::{self, Sender};
use peerage_transfer::source::{self, Reader, Scan};
use peerage_transfer::store::{self, Store, StoreError};
use peerage_transfer::value::{Digest, ResumeSecret, TransferId};

const PARTIAL: &str = ".peerage-partial-0123456789abcdef";

/// One attempt: fresh machines, the disks of the test.
struct Attempt {
    scan: Scan,
    out: PathBuf,
    /// The connection is lost after this many content bytes.
    lose_after: u64,
    /// The disk is full after this many content bytes.
    disk_room: u64,
    window: u64,
}

#[derive(Default)]
struct Report {
    sent: u64,
    kept: u64,
    void: Vec<usize>,
    most_unacknowledged: u64,
    sender: Vec<sender::Event>,
    receiver: Vec<receiver::Event>,
}

impl Report {
    fn done(&self) -> Option<Digest> {
        match (self.sender.last(), self.receiver.last()) {
            (Some(sender::Event::Done { sha256: a }), Some(receiver::Event::Done { sha256: b })) => {
                assert_eq!(a, b);
                Some(*a)
            }
            _ => None,
        }
    }

    fn restarted(&self) -> Vec<usize> {
        let index = |event: &_| if let sender::Event::Restarted { index } = event { Some(*index) } else { None };
        self.sender.iter().filter_map(index).collect()
    }

    fn placed(&self) -> Vec<String> {
        let path = |event: &'_ receiver::Event| match event {
            receiver::Event::File { path, .. } => Some(path.clone()),
            _ => None,
        };
        self.receiver.iter().filter_map(path).collect()
    }

    fn receiver_failure(&self) -> &Failure {
        match self.receiver.last() {
            Some(receiver::Event::Failed(failure)) => failure,
            other => panic!("{other:?}"),
        }
    }

    fn sender_failure(&self) -> &Failure {
        match self.sender.last() {
            Some(sender::Event::Failed(failure)) => failure,
            other => panic!("{other:?}"),
        }
    }
}

impl Attempt {
    fn new(paths: &[PathBuf], out: &Path) -> Self {
        let scan = source::scan(paths, Limits::default()).unwrap();
        let out = out.to_owned();
        Self { scan, out, lose_after: u64::MAX, disk_room: u64::MAX, window: 1 << 20 }
    }

    fn run(self) -> Report {
        let mut report = Report::default();
        let mut sender = Sender::new(self.scan.manifest.clone(), TransferId([1; 16]), ResumeSecret([2; 32]));
        let mut reader = Reader::new(self.scan.origins.clone());
        let mut config = Config::default();
        config.window = self.window;
        let mut receiver = Receiver::new(config);
        let mut store = None;
        let mut room = self.disk_room;
        loop {
            let (mut quiet, mut lost) = (true, false);
            while let Some(read) = sender.poll_read() {
                quiet = false;
                sender.handle_read(reader.read(read));
            }
            while let Some(message) = sender.poll_message() {
                quiet = false;
                match message {
                    Outgoing::Text(text) => {
                        assert!(text.len() <= MAX_MESSAGE);
                        receiver.handle_text(&text);
                    }
                    Outgoing::Binary(content) => {
                        assert!(content.len() <= MAX_MESSAGE);
                        if report.sent >= self.lose_after {
                            lost = true;
                            break;
                        }
                        report.sent += content.len() as u64;
                        receiver.handle_binary(&content);
                    }
                }
            }
            report.sender.extend(std::iter::from_fn(|| sender.poll_event()));
            while let Some(event) = receiver.poll_event() {
                quiet = false;
                if let receiver::Event::Offered { manifest, .. } = &event {
                    let (open, resumed) = Store::open(&self.out, PARTIAL, manifest.clone()).unwrap();
                    store = Some(open);
                    report.kept = resumed.bytes();
                    report.void.clone_from(&resumed.void);
                    receiver.accept(resumed.kept).unwrap();
                }
                report.receiver.push(event);
            }
            report.most_unacknowledged =
                report.most_unacknowledged.max(report.kept + report.sent - receiver_bytes(&receiver, &report));
            while let Some(task) = receiver.poll_task() {
                quiet = false;
                let store = store.as_mut().unwrap();
                let length = if let Task::Write { data, .. } = &task { data.len() as u64 } else { 0 };
                let fits = length <= room;
                room -= length.min(room);
                receiver.handle_result(if fits { store.execute(task) } else { Err(StoreError::Full) });
            }
            while let Some(message) = receiver.poll_message() {
                quiet = false;
                let Outgoing::Text(text) = message else { panic!("content from the receiver") };
                assert!(text.len() <= MAX_MESSAGE);
                sender.handle_text(&text);
            }
            // What the receiver's machine had verified is written before its program ends.
            if quiet || lost {
                report.receiver.extend(std::iter::from_fn(|| receiver.poll_event()));
                return report;
            }
        }
    }
}

/// What the receiver counts, also when the transfer has ended and it counts no more.
fn receiver_bytes(receiver: &Receiver, report: &Report) -> u64 {
    if receiver.is_ended() { report.kept + report.sent } else { receiver.progress() }
}

fn random(seed: u64, length: usize) -> Vec<u8> {
    let mut data = vec![0; length];
    Rng::from_u64(seed).fill(&mut data);
    data
}

/// A folder with a tree in it: several sizes around the chunk, an empty file, an empty folder, a program.
fn tree(root: &Path) -> PathBuf {
    let top = root.join("photos");
    fs::create_dir_all(top.join("2024/empty")).unwrap();
    for (n, (name, length)) in
        [("a.bin", 262_144), ("2024/b.bin", 700_001), ("2024/c", 0), ("d", 1), ("run.sh", 262_145)]
            .into_iter()
            .enumerate()
    {
        fs::write(top.join(name), random(n as u64, length)).unwrap();
    }
    fs::set_permissions(top.join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    top
}

/// Content, modification time and permission to execute; nothing for a folder.
type Content = Option<(Vec<u8>, i64, bool)>;

fn listing(root: &Path) -> Vec<(PathBuf, Content)> {
    let mut found = Vec::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(path) = waiting.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        let name = path.strip_prefix(root).unwrap().to_owned();
        if meta.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            found.push((name, None));
        } else {
            found.push((name, Some((fs::read(&path).unwrap(), meta.mtime(), meta.mode() & 0o100 != 0))));
        }
    }
    found.sort();
    found
}

struct Place {
    _root: tempfile::TempDir,
    source: PathBuf,
    out: PathBuf,
}

fn place() -> Place {
    let root = tempfile::tempdir().unwrap();
    let (source, out) = (root.path().join("source"), root.path().join("out"));
    fs::create_dir(&source).unwrap();
    fs::create_dir(&out).unwrap();
    Place { _root: root, source, out }
}

fn file(place: &Place, name: &str, content: &[u8]) -> PathBuf {
    let path = place.source.join(name);
    fs::write(&path, content).unwrap();
    path
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_tree_arrives_with_times_permissions_and_empty_folders_and_nothing_else_is_left() {
    let place = place();
    let top = tree(&place.source);
    let report = Attempt::new(std::slice::from_ref(&top), &place.out).run();
    assert!(report.done().is_some());
    assert_eq!(listing(&place.out.join("photos")), listing(&top));
    assert_eq!(names(&place.out), ["photos"]);
    let files = report.sender.iter().filter(|event| matches!(event, sender::Event::File { .. })).count();
    assert_eq!((files, report.placed().len()), (5, 5));
}

#[test]
fn the_hash_of_a_single_file_is_that_of_its_content() {
    let place = place();
    let content = random(1, 300_000);
    let path = file(&place, "x", &content);
    let report = Attempt::new(&[path], &place.out).run();
    assert_eq!(report.done(), Some(Digest::of(&content)));
    assert_eq!(fs::read(place.out.join("x")).unwrap(), content);
}

#[test]
fn only_folders_and_only_empty_files_are_transfers_too() {
    let place = place();
    fs::create_dir(place.source.join("hollow")).unwrap();
    let empty = file(&place, "empty", b"");
    for path in [place.source.join("hollow"), empty] {
        assert!(Attempt::new(&[path], &place.out).run().done().is_some());
    }
    assert_eq!(names(&place.out), ["empty", "hollow"]);
}

#[test]
fn what_exists_is_never_overwritten() {
    let place = place();
    let top = tree(&place.source);
    let single = file(&place, "x.tar", b"new");
    fs::write(place.out.join("x.tar"), "old").unwrap();
    fs::write(place.out.join("x (1).tar"), "older").unwrap();
    fs::create_dir(place.out.join("photos")).unwrap();
    fs::write(place.out.join("photos/d"), "old").unwrap();
    let report = Attempt::new(&[top.clone(), single], &place.out).run();
    assert!(report.done().is_some());
    assert_eq!(names(&place.out), ["photos", "photos (1)", "x (1).tar", "x (2).tar", "x.tar"]);
    assert_eq!(fs::read(place.out.join("x.tar")).unwrap(), b"old");
    assert_eq!(fs::read(place.out.join("x (2).tar")).unwrap(), b"new");
    assert_eq!(names(&place.out.join("photos")), ["d"]);
    assert_eq!(listing(&place.out.join("photos (1)")), listing(&top));
    assert!(report.placed().contains(&"x (2).tar".to_owned()));
}

#[test]
fn nothing_is_written_through_a_symbolic_link() {
    let place = place();
    let elsewhere = place.source.join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("victim"), "safe").unwrap();
    let top = tree(&place.source);
    let single = file(&place, "x", b"new");
    symlink(&elsewhere, place.out.join("photos")).unwrap();
    symlink(elsewhere.join("victim"), place.out.join("x")).unwrap();
    assert!(Attempt::new(&[top.clone(), single], &place.out).run().done().is_some());
    assert_eq!(names(&elsewhere), ["victim"]);
    assert_eq!(fs::read(elsewhere.join("victim")).unwrap(), b"safe");
    assert_eq!(listing(&place.out.join("photos (1)")), listing(&top));
    assert_eq!(fs::read(place.out.join("x (1)")).unwrap(), b"new");
}

#[test]
fn a_link_that_takes_the_place_of_a_folder_between_two_runs_is_refused() {
    let place = place();
    let top = tree(&place.source);
    let first = Attempt { lose_after: 700_001 + 65_536, ..Attempt::new(std::slice::from_ref(&top), &place.out) }.run();
    assert_eq!(first.placed(), ["photos/2024/b.bin", "photos/2024/c"]);
    let elsewhere = place.source.join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::remove_dir_all(place.out.join("photos")).unwrap();
    symlink(&elsewhere, place.out.join("photos")).unwrap();
    let second = Attempt::new(&[top], &place.out).run();
    assert!(matches!(second.receiver_failure(), Failure::Local { kind: ErrorKind::Disk, .. }));
    assert!(matches!(second.sender_failure(), Failure::Remote { kind: ErrorKind::Disk, .. }));
    assert_eq!(names(&elsewhere), [""; 0]);
}

#[test]
fn after_a_lost_connection_only_the_rest_is_sent() {
    let place = place();
    let top = tree(&place.source);
    let total = 262_144 + 700_001 + 1 + 262_145;
    let mut had = 0;
    for _ in 0..3 {
        let report = Attempt { lose_after: 300_000, ..Attempt::new(std::slice::from_ref(&top), &place.out) }.run();
        assert!(report.kept >= had);
        had = report.kept;
    }
    let last = Attempt::new(std::slice::from_ref(&top), &place.out).run();
    assert!(last.done().is_some());
    assert!(last.kept > had && last.kept + last.sent == total, "{} {}", last.kept, last.sent);
    assert!(last.restarted().is_empty() && last.void.is_empty());
    assert_eq!(listing(&place.out.join("photos")), listing(&top));
    assert_eq!(names(&place.out), ["photos"]);
}

#[test]
fn losing_the_connection_at_any_message_still_ends_in_the_same_files() {
    let place = place();
    let path = file(&place, "x", &random(4, 600_000));
    for lose_after in (0..=600_000).step_by(65_536) {
        let out = place.out.join(lose_after.to_string());
        fs::create_dir(&out).unwrap();
        Attempt { lose_after, ..Attempt::new(std::slice::from_ref(&path), &out) }.run();
        let report = Attempt::new(std::slice::from_ref(&path), &out).run();
        assert!(report.done().is_some());
        assert_eq!(report.kept, lose_after / 262_144 * 262_144);
        assert_eq!(fs::read(out.join("x")).unwrap(), fs::read(&path).unwrap());
        assert_eq!(names(&out), ["x"]);
    }
}

#[test]
fn damaged_kept_bytes_come_again() {
    let place = place();
    let path = file(&place, "x", &random(4, 1_000_000));
    Attempt { lose_after: 900_000, ..Attempt::new(std::slice::from_ref(&path), &place.out) }.run();
    let folder = place.out.join(PARTIAL);
    let data = names(&folder).into_iter().find(|name| name.ends_with(".data")).unwrap();
    let mut content = fs::read(folder.join(&data)).unwrap();
    assert_eq!(content.len(), 786_432);
    content[300_000] ^= 1;
    fs::write(folder.join(&data), content).unwrap();
    let report = Attempt::new(std::slice::from_ref(&path), &place.out).run();
    assert!(report.done().is_some());
    assert_eq!((report.kept, report.sent), (262_144, 1_000_000 - 262_144));
    assert_eq!(fs::read(place.out.join("x")).unwrap(), fs::read(&path).unwrap());
}

#[test]
fn a_finished_file_that_was_edited_meanwhile_is_left_alone_and_comes_again() {
    let place = place();
    let top = tree(&place.source);
    Attempt { lose_after: 800_000, ..Attempt::new(std::slice::from_ref(&top), &place.out) }.run();
    fs::write(place.out.join("photos/2024/b.bin"), "mine now").unwrap();
    assert!(Attempt::new(std::slice::from_ref(&top), &place.out).run().done().is_some());
    let folder = place.out.join("photos/2024");
    assert_eq!(names(&folder), ["b (1).bin", "b.bin", "c", "empty"]);
    assert_eq!(fs::read(folder.join("b.bin")).unwrap(), b"mine now");
    assert_eq!(fs::read(folder.join("b (1).bin")).unwrap(), fs::read(top.join("2024/b.bin")).unwrap());
}

#[test]
fn a_changed_source_restarts_that_file_alone_and_says_so() {
    let place = place();
    let (one, two) = (file(&place, "1", &random(1, 400_000)), file(&place, "2", &random(2, 600_000)));
    let paths = [one, two.clone()];
    Attempt { lose_after: 700_000, ..Attempt::new(&paths, &place.out) }.run();
    fs::write(&two, random(3, 600_000)).unwrap();
    let report = Attempt::new(&paths, &place.out).run();
    assert!(report.done().is_some());
    assert_eq!(report.restarted(), [1]);
    assert!(report.receiver.iter().any(|event| matches!(event, receiver::Event::Restarted { index: 1 })));
    assert_eq!(report.sent, 600_000);
    assert_eq!(fs::read(place.out.join("2")).unwrap(), fs::read(&two).unwrap());
    assert_eq!(names(&place.out), ["1", "2"]);
}

#[test]
fn a_source_that_shrank_below_what_was_kept_starts_afresh() {
    let place = place();
    let path = file(&place, "x", &random(1, 900_000));
    Attempt { lose_after: 800_000, ..Attempt::new(std::slice::from_ref(&path), &place.out) }.run();
    fs::write(&path, b"short").unwrap();
    let report = Attempt::new(std::slice::from_ref(&path), &place.out).run();
    assert!(report.done().is_some());
    assert_eq!(report.void, [0]);
    assert_eq!(fs::read(place.out.join("x")).unwrap(), b"short");
}

#[test]
fn a_source_that_grew_goes_on_where_it_was() {
    let place = place();
    let path = file(&place, "x", &random(1, 900_000));
    Attempt { lose_after: 800_000, ..Attempt::new(std::slice::from_ref(&path), &place.out) }.run();
    let mut longer = fs::read(&path).unwrap();
    longer.extend(random(9, 100_000));
    fs::write(&path, &longer).unwrap();
    let report = Attempt::new(std::slice::from_ref(&path), &place.out).run();
    assert!(report.done().is_some());
    assert_eq!((report.kept, report.sent), (786_432, 1_000_000 - 786_432));
    assert_eq!(fs::read(place.out.join("x")).unwrap(), longer);
}

#[test]
fn a_source_that_changes_while_it_is_sent_ends_the_transfer_on_both_sides() {
    let place = place();
    let path = file(&place, "x", &random(1, 900_000));
    let attempt = Attempt::new(std::slice::from_ref(&path), &place.out);
    fs::write(&path, random(2, 900_000)).unwrap();
    let report = attempt.run();
    assert!(matches!(report.sender_failure(), Failure::Local { kind: ErrorKind::Source, .. }));
    assert!(matches!(report.receiver_failure(), Failure::Remote { kind: ErrorKind::Source, .. }));
    assert_eq!(names(&place.out), [PARTIAL]);
}

#[test]
fn a_full_disk_keeps_what_arrived() {
    let place = place();
    let path = file(&place, "x", &random(1, 900_000));
    let report = Attempt { disk_room: 600_000, ..Attempt::new(std::slice::from_ref(&path), &place.out) }.run();
    let full = Failure::Local { kind: ErrorKind::Disk, message: "the disk is full".into() };
    assert_eq!(*report.receiver_failure(), full);
    assert!(matches!(report.sender_failure(), Failure::Remote { kind: ErrorKind::Disk, .. }));
    let report = Attempt::new(std::slice::from_ref(&path), &place.out).run();
    assert!(report.done().is_some());
    assert_eq!((report.kept, report.sent), (524_288, 900_000 - 524_288));
}

#[test]
fn the_window_bounds_what_is_not_with_the_disk() {
    let place = place();
    let path = file(&place, "x", &random(1, 900_000));
    for window in [65_536, 100_000, 262_144, 500_000] {
        let report = Attempt { window, ..Attempt::new(std::slice::from_ref(&path), &place.out) }.run();
        assert!(report.done().is_some());
        assert!(report.most_unacknowledged <= window && report.most_unacknowledged > window / 2, "{window}");
    }
}

#[test]
fn many_entries_take_several_messages() {
    let place = place();
    let top = place.source.join("many");
    fs::create_dir(&top).unwrap();
    for n in 0..1_500 {
        fs::write(top.join(format!("{n:0>100}")), "x").unwrap();
    }
    // Lost with a thousand files in place: that many claims take several messages too.
    Attempt { lose_after: 1_000, ..Attempt::new(std::slice::from_ref(&top), &place.out) }.run();
    let report = Attempt::new(std::slice::from_ref(&top), &place.out).run();
    assert!(report.done().is_some());
    assert_eq!((report.kept, report.sent), (1_000, 500));
    assert_eq!(listing(&place.out.join("many")), listing(&top));
}

#[test]
fn a_refusal_reaches_the_sender() {
    let place = place();
    let path = file(&place, "x", b"x");
    let scan = source::scan(&[path], Limits::default()).unwrap();
    let mut sender = Sender::new(scan.manifest, TransferId([1; 16]), ResumeSecret([2; 32]));
    let mut receiver = Receiver::new(Config::default());
    while let Some(Outgoing::Text(text)) = sender.poll_message() {
        receiver.handle_text(&text);
    }
    receiver.reject(RejectKind::Declined, "not today");
    let Some(Outgoing::Text(text)) = receiver.poll_message() else { panic!("silence") };
    sender.handle_text(&text);
    let failure = Failure::Rejected { kind: RejectKind::Declined, message: "not today".into() };
    assert_eq!(sender.poll_event(), Some(sender::Event::Failed(failure)));
    assert!(sender.is_ended() && receiver.is_ended());
}

#[test]
fn only_a_folder_of_an_unfinished_transfer_is_discarded() {
    let place = place();
    let path = file(&place, "x", &random(1, 900_000));
    Attempt { lose_after: 800_000, ..Attempt::new(&[path], &place.out) }.run();
    for name in ["..", ".", "x", ".peerage-partial-", ".peerage-partial-../../../../.."] {
        assert!(store::discard(&place.out, name).is_err(), "{name}");
        assert!(Store::open(&place.out, name, Arc::new(Manifest::default())).is_err(), "{name}");
    }
    store::discard(&place.out, PARTIAL).unwrap();
    assert_eq!(names(&place.out), [""; 0]);
    store::discard(&place.out, PARTIAL).unwrap();
}

#[test]
fn room_on_the_disk_is_known_before_anything_comes() {
    let place = place();
    let free = store::free_space(&place.out).unwrap();
    let (store, _) = Store::open(&place.out, PARTIAL, Arc::new(Manifest::default())).unwrap();
    assert!(store.check_space(free / 2).is_ok());
    assert!(matches!(store.check_space(u64::MAX), Err(StoreError::Space { needed: u64::MAX, .. })));
}
