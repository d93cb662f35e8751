//! Whole transfers between two processes over loopback.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::thread;

mod common;

use common::{Peerage, World, names, noise, same, text};

#[test]
fn sixty_four_mebibytes_arrive_whole_with_every_event() {
    let world = World::new();
    let source = world.file("big.bin", 64 << 20);
    let out = world.path("out");
    let mut sender = world.send(&[text(&source)]);
    let link = sender.link();
    assert!(!link.contains("0.0.0.0") && !link.contains("[::]"), "{link}");
    let mut receiver = world.receive(&out, &link);
    assert_eq!((receiver.exit_code(), sender.exit_code()), (Some(0), Some(0)));
    assert!(same(&source, &out.join("big.bin")));
    for side in [&sender, &receiver] {
        for name in ["connected", "progress", "file", "done"] {
            assert!(side.has(name), "no {name} in {:?}", side.seen);
        }
        assert_eq!(side.last()["event"], "done");
        assert_eq!(side.last()["bytes"], 64 << 20);
    }
    assert_eq!(sender.last()["sha256"], receiver.last()["sha256"]);
    assert_eq!(names(&out), ["big.bin"]);
}

#[test]
fn a_folder_arrives_and_nothing_is_overwritten() {
    let world = World::new();
    world.file("album/one.jpg", 300_000);
    world.file("album/deep/er/two.jpg", 5);
    fs::create_dir(world.path("album/empty")).unwrap();
    let single = world.file("note.txt", 10);
    let out = world.path("out");
    fs::create_dir(&out).unwrap();
    fs::write(out.join("note.txt"), "mine").unwrap();
    let mut sender = world.send(&[text(&world.path("album")), text(&single)]);
    let mut receiver = world.receive(&out, &sender.link());
    assert_eq!((receiver.exit_code(), sender.exit_code()), (Some(0), Some(0)));
    assert_eq!(names(&out), ["album", "note (1).txt", "note.txt"]);
    assert_eq!(fs::read(out.join("note.txt")).unwrap(), b"mine");
    assert!(same(&out.join("note (1).txt"), &single));
    assert!(same(&out.join("album/deep/er/two.jpg"), &world.path("album/deep/er/two.jpg")));
    assert!(out.join("album/empty").is_dir());
    assert_eq!(names(&out.join("album")), ["deep", "empty", "one.jpg"]);
}

#[test]
fn a_killed_receiver_goes_on_where_it_was() {
    let world = World::new();
    let source = world.file("big.bin", 96 << 20);
    let out = world.path("out");
    let mut sender = world.send(&[text(&source)]);
    let link = sender.link();
    let mut receiver = world.receive(&out, &link);
    receiver.midway(4 << 20);
    receiver.kill();
    assert!(names(&out).iter().all(|name| name.starts_with(".peerage-partial")));
    let mut receiver = world.receive(&out, &link);
    let first = receiver.event("progress");
    assert!(first["bytes"].as_u64() >= Some(4 << 20), "{first}");
    assert_eq!((receiver.exit_code(), sender.exit_code()), (Some(0), Some(0)));
    assert!(same(&source, &out.join("big.bin")));
    assert_eq!(names(&out), ["big.bin"]);
}

#[test]
fn a_killed_sender_with_its_server_goes_on_where_it_was() {
    let world = World::new();
    let source = world.file("big.bin", 96 << 20);
    let out = world.path("out");
    let mut sender = world.send(&[text(&source)]);
    let link = sender.link();
    let mut receiver = world.receive(&out, &link);
    receiver.midway(4 << 20);
    sender.kill();
    let mut sender = world.send(&[text(&source)]);
    let again = sender.link();
    assert!(again != link && again.len() > 40, "the code is spent; another receiver could use {again}");
    assert_eq!((receiver.exit_code(), sender.exit_code()), (Some(0), Some(0)));
    assert!(sender.until_kept() >= 4 << 20, "{:?}", sender.seen);
    assert!(same(&source, &out.join("big.bin")));
}

#[test]
fn an_interrupted_receiver_says_so_and_goes_on_and_a_changed_source_restarts() {
    let world = World::new();
    let source = world.file("big.bin", 96 << 20);
    let out = world.path("out");
    let mut sender = world.send(&[text(&source)]);
    let link = sender.link();
    let mut receiver = world.receive(&out, &link);
    receiver.midway(4 << 20);
    receiver.interrupt();
    assert_eq!(receiver.exit_code(), Some(130));
    assert_eq!(receiver.last()["kind"], "interrupted");
    assert!(receiver.last()["message"].as_str().unwrap().contains("again"));
    sender.event("waiting");
    let mut content = noise(96 << 20);
    content[0] ^= 1;
    fs::write(&source, &content).unwrap();
    let mut receiver = world.receive(&out, &link);
    assert_eq!((receiver.exit_code(), sender.exit_code()), (Some(0), Some(0)));
    assert!(sender.has("restarted") && receiver.has("restarted"), "{:?}", receiver.seen);
    assert!(fs::read(out.join("big.bin")).unwrap() == content);
}

#[test]
fn a_wrong_code_ends_with_3_and_the_sender_waits_on() {
    let world = World::new();
    let source = world.file("x", 10);
    let out = world.path("out");
    let mut sender = world.send(&["--long-code", text(&source)]);
    let link = sender.link();
    let (room, _) = link.rsplit_once('-').unwrap();
    for wrong in [format!("{room}-0123456789abcdefghjk"), link.replace('#', "#zz")] {
        let mut receiver = world.receive(&out, &wrong);
        assert_eq!(receiver.exit_code(), Some(3), "{:?}", receiver.seen);
        assert_eq!(receiver.last()["kind"], "code");
    }
    let mut receiver = world.receive(&out, &link);
    assert_eq!((receiver.exit_code(), sender.exit_code()), (Some(0), Some(0)));
}

#[test]
fn more_than_the_disk_holds_is_refused_on_both_sides_with_6() {
    let world = World::new();
    let source = world.path("sparse");
    // A file system that cannot hold even a hollow file of this size cannot be asked to send one.
    if fs::File::create(&source).unwrap().set_len(15 << 40).is_err() {
        eprintln!("skipped: no sparse files here");
        return;
    }
    let mut sender = world.send(&[text(&source)]);
    let mut receiver = world.receive(&world.path("out"), &sender.link());
    assert_eq!((receiver.exit_code(), sender.exit_code()), (Some(6), Some(6)));
    assert_eq!((&receiver.last()["kind"], &sender.last()["kind"]), (&"refused".into(), &"refused".into()));
    assert_eq!(names(&world.path("out")), [""; 0]);
}

#[test]
fn a_second_process_at_the_same_transfer_is_refused() {
    let world = World::new();
    let source = world.file("x", 10);
    let mut first = world.send(&[text(&source)]);
    first.link();
    let mut second = world.send(&[text(&source)]);
    assert_eq!(second.exit_code(), Some(6));
}

#[test]
fn a_server_and_a_code_of_ones_own_serve_both_sides() {
    let world = World::new();
    let mut server =
        world.command("server", &["serve", "--listen", "127.0.0.1:0", "--stun", "127.0.0.1:0"]).spawn().unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let url = first.rsplit(' ').next().unwrap().to_owned();
    let mut said = Vec::new();
    let hint = lines.by_ref().take(8).map(Result::unwrap).inspect(|line| said.push(line.clone()));
    assert!(hint.into_iter().any(|line| line.contains("--listen 0.0.0.0")), "{said:?}");
    let source = world.file("x", 1_000);
    let code = "office-correct0horse1battery2";
    // The receiver's server comes from the environment.
    let mut sender = world.send(&["--server", &url, "--code", code, text(&source)]);
    sender.link();
    let mut receiver = world.command("receiver", &["receive", "--json", "--out", text(&world.path("out")), code]);
    let mut receiver = Peerage::reading_stdout(receiver.env("PEERAGE_SERVER", &url).spawn().unwrap());
    let codes = (receiver.exit_code(), sender.exit_code());
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(codes, (Some(0), Some(0)));
    assert!(same(&world.path("out/x"), &source));
}

#[test]
fn a_pipe_carries_both_directions_and_ends_when_both_do() {
    let world = World::new();
    let pipe = |args: &[&str]| {
        let mut command = world.command("pipe", &[&["pipe", "--json"], args].concat());
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let status = child.stderr.take().unwrap();
        (Peerage::reading(child, status), stdin, stdout)
    };
    let (mut one, mut one_in, mut one_out) = pipe(&[]);
    let (mut two, mut two_in, mut two_out) = pipe(&[&one.link()]);
    let there = thread::spawn(move || one_in.write_all(&noise(3_000_001)).unwrap());
    let back = thread::spawn(move || two_in.write_all(&noise(1_000)).unwrap());
    let read = thread::spawn(move || {
        let mut all = Vec::new();
        two_out.read_to_end(&mut all).unwrap();
        all
    });
    let mut answer = Vec::new();
    one_out.read_to_end(&mut answer).unwrap();
    assert!(read.join().unwrap() == noise(3_000_001) && answer == noise(1_000));
    there.join().unwrap();
    back.join().unwrap();
    assert_eq!((one.exit_code(), two.exit_code()), (Some(0), Some(0)));
    assert_eq!((&two.last()["event"], &two.last()["bytes"]), (&"done".into(), &3_000_001.into()));
}

#[test]
fn a_pipe_whose_other_end_is_killed_ends_with_4() {
    let world = World::new();
    let start = |args: &[&str]| {
        let mut command = world.command("pipe", &[&["pipe", "--json"], args].concat());
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdin, status) = (child.stdin.take().unwrap(), child.stderr.take().unwrap());
        (Peerage::reading(child, status), stdin)
    };
    let (mut one, _one_in) = start(&[]);
    let (mut two, _two_in) = start(&[&one.link()]);
    two.event("connected");
    one.event("connected");
    two.kill();
    assert_eq!(one.exit_code(), Some(4));
}
