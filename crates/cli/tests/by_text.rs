//! Commands that usually meet in a room, without one: texts are carried by the test, as people do.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{ChildStdin, Stdio};
use std::thread;

use common::{PATIENCE, Peerage, World, names, noise, peerage, same, text};
use fast_qr::qr::QRBuilder;
use image::{GrayImage, Luma};
use serde_json::Value;

/// A running `peerage` that takes what is pasted.
struct Side {
    peerage: Peerage,
    stdin: ChildStdin,
}

impl Side {
    fn start(world: &World, name: &str, args: &[&str]) -> Self {
        let mut command = world.command(name, args);
        let mut child = command.arg("--json").stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        Self { peerage: Peerage::reading_stdout(child), stdin }
    }

    #[track_caller]
    fn event(&mut self, name: &str) -> Value {
        self.peerage.event(name)
    }

    /// Its text, which has to fit where people type.
    #[track_caller]
    fn text(&mut self, name: &str, most: usize) -> String {
        let text = self.event(name)["text"].as_str().unwrap().to_owned();
        assert!(text.len() <= most, "{text}");
        text
    }

    fn paste(&mut self, text: &str) {
        writeln!(self.stdin, "{text}").unwrap();
    }

    #[track_caller]
    fn exit_code(&mut self) -> Option<i32> {
        self.peerage.exit_code()
    }

    /// Its last words and how it ended.
    #[track_caller]
    fn failure(&mut self) -> (String, Option<i32>) {
        let error = self.event("error");
        (error["message"].as_str().unwrap().to_owned(), self.exit_code())
    }
}

/// A sender and a receiver that have each other's texts.
fn send_and_receive(world: &World, source: &Path, out: &Path) -> (Side, Side) {
    let mut sender = Side::start(world, "sender", &["send", "--via", "text", text(source)]);
    let offer = sender.text("offer", 140);
    let mut receiver = Side::start(world, "receiver", &["receive", "--yes", "--out", text(out), &offer]);
    sender.paste(&receiver.text("answer", 140));
    (sender, receiver)
}

#[test]
fn a_file_goes_to_whoever_was_handed_the_text() {
    let world = World::new();
    let (source, out) = (world.file("holiday.mp4", 3_000_000), world.path("out"));
    let (mut sender, mut receiver) = send_and_receive(&world, &source, &out);
    assert_eq!((receiver.exit_code(), sender.exit_code()), (Some(0), Some(0)));
    assert!(same(&source, &out.join("holiday.mp4")));
    for side in [&sender, &receiver] {
        for name in ["connected", "progress", "file", "done"] {
            assert!(side.peerage.has(name), "no {name} in {:?}", side.peerage.seen);
        }
    }
}

#[test]
fn a_receiver_asks_for_the_text_and_takes_it_out_of_a_message() {
    let world = World::new();
    let source = world.file("note.txt", 1000);
    for (way, args) in [("asked", &["receive", "--via", "text"][..]), ("piped", &["receive"])] {
        let out = world.path(way);
        let mut sender = Side::start(&world, "sender", &["send", "--via", "text", text(&source)]);
        let offer = sender.text("offer", 140);
        let mut receiver = Side::start(&world, "receiver", &[args, &["--yes", "--out", text(&out)]].concat());
        if way == "asked" {
            let (one, two) = offer.split_at(40);
            receiver.paste(&format!("On Monday you wrote:\n> {one}\n> {two}\n"));
        } else {
            receiver.paste(&offer);
        }
        sender.paste(&format!("Here it is: {}!", receiver.text("answer", 140)));
        assert_eq!((receiver.exit_code(), sender.exit_code()), (Some(0), Some(0)), "{way}");
        assert!(same(&source, &out.join("note.txt")), "{way}");
    }
}

#[test]
fn a_transfer_that_broke_off_goes_on_with_new_texts() {
    let world = World::new();
    let (source, out) = (world.file("big.bin", 96 << 20), world.path("out"));
    let (mut sender, mut receiver) = send_and_receive(&world, &source, &out);
    receiver.peerage.midway(4 << 20);
    receiver.peerage.kill();
    // Nobody can tell it of another path: it does not wait for one that cannot come.
    let (why, code) = sender.failure();
    assert!(why.contains("run the same commands again to go on"), "{why}");
    assert_eq!(code, Some(4));
    assert!(!sender.peerage.has("waiting"), "{:?}", sender.peerage.seen);
    let (mut sender, mut receiver) = send_and_receive(&world, &source, &out);
    assert_eq!((receiver.exit_code(), sender.exit_code()), (Some(0), Some(0)));
    assert!(receiver.peerage.until_kept() >= 4 << 20, "{:?}", receiver.peerage.seen);
    assert!(same(&source, &out.join("big.bin")));
    assert_eq!(names(&out), ["big.bin"]);
}

#[test]
fn an_answerer_that_is_gone_when_its_answer_is_pasted_is_given_up() {
    let world = World::new();
    let source = world.file("note.txt", 10);
    let mut sender = Side::start(&world, "sender", &["send", "--via", "text", text(&source)]);
    let offer = sender.text("offer", 140);
    let mut receiver = Side::start(&world, "receiver", &["receive", "--out", text(&world.path("out")), &offer]);
    let answer = receiver.text("answer", 140);
    receiver.peerage.kill();
    sender.paste(&answer);
    let (why, code) = sender.failure();
    assert!(!why.is_empty() && !sender.peerage.has("connected"), "{why}");
    assert_eq!(code, Some(5), "{why}");
}

/// Says everything back once the other side has said everything.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut tcp in listener.incoming().map_while(Result::ok) {
            let mut said = Vec::new();
            if tcp.read_to_end(&mut said).is_ok() {
                let _ = tcp.write_all(&said);
            }
        }
    });
    address
}

#[test]
fn a_port_is_reached_by_text() {
    let world = World::new();
    let target = echo();
    let mut forward = Side::start(&world, "a", &["forward", "--via", "text", &target.to_string()]);
    let mut connect = Side::start(&world, "b", &["connect", &forward.text("offer", 140)]);
    forward.paste(&connect.text("answer", 140));
    let entrance: SocketAddr = connect.event("listening")["address"].as_str().unwrap().parse().unwrap();
    assert_eq!(connect.event("target")["target"], target.to_string());
    for _ in 0..2 {
        let content = noise(300_000);
        let mut tcp = TcpStream::connect(entrance).unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        tcp.write_all(&content).unwrap();
        tcp.shutdown(Shutdown::Write).unwrap();
        let mut back = Vec::new();
        tcp.read_to_end(&mut back).unwrap();
        assert!(back == content, "{} of {} bytes", back.len(), content.len());
    }
    assert_eq!(connect.peerage.interrupted(), Some(130));
    // A text is for one.
    assert_eq!(forward.failure().1, Some(4));
}

#[test]
fn a_call_is_made_by_text() {
    let world = World::new();
    let quiet = ["--test", "--size", "320x180", "--recognise", "--speaker", "none"];
    let call = |name: &str, more: &[&str]| Side::start(&world, name, &[&["call"], &quiet[..], more].concat());
    let mut host = call("a", &["--via", "text"]);
    let mut guest = call("b", &[&host.text("offer", 280)]);
    host.paste(&guest.text("answer", 280));
    for side in [&mut host, &mut guest] {
        side.peerage.until("the picture and the tone", |event| {
            let tone = event["tone_hz"].as_f64().is_some_and(|hertz| (hertz / 440.0 - 1.0).abs() < 0.01);
            event["event"] == "recognised" && event["pictures"].as_u64() > Some(50) && tone
        });
        assert!(!side.peerage.has("joined"), "{:?}", side.peerage.seen);
    }
    assert_eq!(host.peerage.interrupted(), Some(0), "{:?}", host.peerage.seen);
    assert_eq!(guest.exit_code(), Some(0), "{:?}", guest.peerage.seen);
    assert!(guest.peerage.has("lost"), "{:?}", guest.peerage.seen);
}

/// Writes a picture of a code, all at once, as programs do that care for their readers.
fn show(message: &str, path: &Path) {
    let code = QRBuilder::new(message).build().unwrap();
    let (module, border) = (5, 4);
    let side = (code.size as u32 + 2 * border) * module;
    let picture = GrayImage::from_fn(side, side, |x, y| {
        let place = [x, y].map(|at| (at / module).checked_sub(border).map(|at| at as usize));
        match place {
            [Some(x), Some(y)] if x < code.size && y < code.size && code[y][x].value() => Luma([0]),
            _ => Luma([255]),
        }
    });
    let new = path.with_file_name(format!("new-{}", path.file_name().unwrap().to_str().unwrap()));
    picture.save(&new).unwrap();
    fs::rename(new, path).unwrap();
}

#[test]
fn texts_go_as_pictures_of_qr_codes() {
    let world = World::new();
    let (source, out) = (world.file("note.txt", 1000), world.path("out"));
    let (offered, answered) = (world.path("photo.jpg"), world.path("answer.jpg"));
    let args = ["send", "--via", "qr", "--scan", text(&answered), text(&source)];
    let mut sender = Side::start(&world, "sender", &args);
    let offer = sender.event("offer");
    show(offer["qr"].as_str().unwrap(), &offered);
    let args = ["receive", "--yes", "--via", "qr", "--scan", text(&offered), "--out", text(&out)];
    let mut receiver = Side::start(&world, "receiver", &args);
    let answer = receiver.event("answer");
    // What is there before the answer is told, once, and is no end.
    for (message, told) in [
        ("https://example.org/", "a QR code, but not of Peerage: https://example.org/"),
        (offer["qr"].as_str().unwrap(), "this is an offer"),
    ] {
        show(message, &answered);
        let why = sender.event("unusable")["message"].as_str().unwrap().to_owned();
        assert!(why.contains(told), "{why}");
    }
    fs::write(&answered, b"\x89PNG\r\n\x1a\n cut off").unwrap();
    assert!(sender.event("unusable")["message"].as_str().unwrap().contains("damaged"));
    show(answer["qr"].as_str().unwrap(), &answered);
    assert_eq!((receiver.exit_code(), sender.exit_code()), (Some(0), Some(0)));
    assert!(same(&source, &out.join("note.txt")));
}

#[test]
fn a_picture_may_come_on_standard_input_or_show_a_link() {
    let world = World::new();
    let (source, out) = (world.file("note.txt", 1000), world.path("out"));
    let picture = world.path("code.png");
    let mut sender = world.send(&[text(&source)]);
    show(&sender.link(), &picture);
    let mut command = world.command("receiver", &["receive", "--json", "--yes", "--scan", "-", "--out", text(&out)]);
    let child = command.stdin(fs::File::open(&picture).unwrap()).spawn().unwrap();
    let mut receiver = Peerage::reading_stdout(child);
    assert_eq!((receiver.exit_code(), sender.exit_code()), (Some(0), Some(0)));
    assert!(same(&source, &out.join("note.txt")));
}

#[test]
fn whoever_may_do_either_answers_if_the_picture_holds_an_offer() {
    let world = World::new();
    let (one, two) = (world.path("one.png"), world.path("two.png"));
    let start = |picture: &Path| {
        let mut command = peerage(&["pipe", "--json", "--scan", text(picture)]);
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdin, stderr) = (child.stdin.take().unwrap(), child.stderr.take().unwrap());
        (Peerage::reading(child, stderr), stdin)
    };
    let (mut first, mut says) = start(&two);
    show(first.event("offer")["qr"].as_str().unwrap(), &one);
    let (mut second, _silent) = start(&one);
    show(second.event("answer")["qr"].as_str().unwrap(), &two);
    says.write_all(b"hello").unwrap();
    drop((says, _silent));
    assert_eq!((first.exit_code(), second.exit_code()), (Some(0), Some(0)));
    let mut heard = String::new();
    second.child.stdout.take().unwrap().read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "hello");
}

#[test]
fn a_text_for_something_else_is_told() {
    let world = World::new();
    let source = world.file("note.txt", 10);
    let mut call = Side::start(&world, "a", &["call", "--via", "text", "--test", "--speaker", "none"]);
    let called = call.text("offer", 280);
    let mut send = Side::start(&world, "b", &["send", "--via", "text", text(&source)]);
    let sent = send.text("offer", 140);
    let link = "http://127.0.0.1:9/#7-guitar-sunset";
    let out = world.path("out");
    let (out, missing) = (text(&out), world.path("missing.png"));
    for (args, code, told) in [
        (&["receive", "--out", out, &*called][..], 2, "this is the text of a call; take it with `peerage call`"),
        (&["connect", &*called], 2, "this is the text of a call"),
        (&["call", "--test", "--speaker", "none", &*sent], 2, "this text is not of a call"),
        (&["receive", "--via", "text", link], 2, "leave out --via"),
        (&["receive", "--out", out, &sent[..40]], 3, "not complete"),
        (&["receive", "--verify", "--out", out, &*sent], 2, "compare the texts themselves"),
        (&["send", "--via", "text", "--verify", text(&source)], 2, "compare the texts themselves"),
        (&["send", "--via", "text", "--receivers", "2", text(&source)], 2, "a text is for one receiver"),
        (&["send", "--via", "qr", "--long-code", text(&source)], 2, "codes are of rooms"),
        (&["send", "--words", text(&source)], 2, "say --via text too"),
        (&["connect", "--via", "room"], 2, "give the code or link"),
        (&["forward", "--via", "text", "--relay-only", "80"], 2, "--relay-only needs a server with a relay"),
        (&["receive", "--scan", text(&missing)], 7, "missing.png"),
        (&["receive", "--scan", text(&source)], 3, "not a PNG or JPEG picture"),
    ] {
        let mut side = Side::start(&world, "c", args);
        let (why, ended) = side.failure();
        assert!(why.contains(told), "{args:?}: {why}");
        assert_eq!(ended, Some(code), "{args:?}: {why}");
    }
    // Which command made a text of data is only known when its channel opens.
    let mut wrong = Side::start(&world, "c", &["connect", &*sent]);
    send.paste(&wrong.text("answer", 140));
    let (why, code) = wrong.failure();
    assert!(why.contains("the other side runs `peerage send`"), "{why}");
    assert_eq!(code, Some(4));
    assert_eq!(send.failure().1, Some(4));
}
