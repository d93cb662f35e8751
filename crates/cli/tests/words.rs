//! Codes of words between processes: right, wrong, spent, chosen, several, compared.

mod common;

use std::io::Write as _;
use std::process::{ChildStdin, Stdio};
use std::thread;
use std::time::Duration;

use common::{Peerage, Server, World, names, same, text};

impl World {
    /// A receiver on a machine of its own called `side`.
    fn take(&self, side: &str, server: &str, args: &[&str]) -> Peerage {
        let out = self.path(&format!("{side}/out"));
        self.start(side, &[&["receive", "--json", "--server", server, "--out", text(&out)], args].concat())
    }

    /// As `start`, with a standard input that stays open.
    fn talking(&self, side: &str, args: &[&str]) -> (Peerage, ChildStdin) {
        let mut child = self.command(side, args).stdin(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        (Peerage::reading_stdout(child), stdin)
    }
}

fn code(sender: &mut Peerage) -> String {
    let event = sender.event("code");
    let code = event["code"].as_str().unwrap().to_owned();
    assert!(event["link"].as_str().unwrap().ends_with(&format!("/#{code}")), "{event}");
    code
}

/// The last words of a run that ended with the exit code of a wrong code.
#[track_caller]
fn ended_with_3(run: &mut Peerage) -> String {
    assert_eq!(run.exit_code(), Some(3), "{:?}", run.seen);
    assert_eq!(run.last()["kind"], "code");
    run.last()["message"].as_str().unwrap().to_owned()
}

#[test]
fn a_spoken_code_carries_a_transfer_and_is_spent_by_it() {
    let world = World::new();
    let server = Server::start(&world, &[]);
    let source = world.file("x", 100_000);
    let mut sender = world.send(&["--server", &server.url, text(&source)]);
    let code = code(&mut sender);
    let parts: Vec<&str> = code.split('-').collect();
    let [number, first, second] = parts[..] else { panic!("{code}") };
    assert!(number.parse::<u32>().unwrap() <= 99, "{code}");
    // As it is heard and typed: capitals, and no more than the first letters.
    let heard = [number.to_owned(), first[..first.len().min(4)].to_uppercase(), format!("{second}.")];
    let heard: Vec<&str> = heard.iter().map(String::as_str).collect();
    let mut receiver = world.take("one", &server.url, &heard);
    assert_eq!((receiver.exit_code(), sender.exit_code()), (Some(0), Some(0)), "{:?}", receiver.seen);
    assert!(same(&source, &world.path("one/out/x")));
    let said = ended_with_3(&mut world.take("two", &server.url, &[&code]));
    assert!(said.contains("used already"), "{said}");
}

#[test]
fn one_wrong_word_is_told_to_both_and_spends_the_code() {
    let world = World::new();
    let server = Server::start(&world, &[]);
    let source = world.file("x", 10);
    let mut sender = world.send(&["--server", &server.url, "--code-words", "3", text(&source)]);
    let code = code(&mut sender);
    assert_eq!(code.split('-').count(), 4, "{code}");
    let (start, last) = code.rsplit_once('-').unwrap();
    let wrong = format!("{start}-{}", if last == "zoo" { "zone" } else { "zoo" });
    let said = ended_with_3(&mut world.take("one", &server.url, &[&wrong]));
    assert!(said.contains("wrong code") && said.contains("ask for a new one"), "{said}");
    let said = ended_with_3(&mut sender);
    assert!(said.contains("wrong code") && said.contains("nobody got in") && said.contains("again"), "{said}");
    let said = ended_with_3(&mut world.take("two", &server.url, &[&code]));
    assert!(said.contains("used already"), "{said}");
    assert!(names(&world.path("one/out")).is_empty() && names(&world.path("two/out")).is_empty());
}

#[test]
fn a_receiver_that_comes_first_waits_for_a_chosen_code() {
    let world = World::new();
    let server = Server::start(&world, &[]);
    let source = world.file("x", 10);
    let mut receiver = world.take("one", &server.url, &["812 guitar sunset"]);
    thread::sleep(Duration::from_millis(700));
    let mut sender = world.send(&["--server", &server.url, "--code", "812-guitar-sunset", text(&source)]);
    assert_eq!((receiver.exit_code(), sender.exit_code()), (Some(0), Some(0)), "{:?}", sender.seen);
    assert!(same(&source, &world.path("one/out/x")));
}

#[test]
fn a_code_whose_maker_left_has_expired() {
    let world = World::new();
    let server = Server::start(&world, &[]);
    let mut sender = world.send(&["--server", &server.url, text(&world.file("x", 10))]);
    let code = code(&mut sender);
    sender.interrupt();
    assert_eq!(sender.exit_code(), Some(130));
    let said = ended_with_3(&mut world.take("one", &server.url, &[&code]));
    assert!(said.contains("expired"), "{said}");
}

#[test]
fn several_receivers_have_a_code_each_and_are_served_at_once() {
    let world = World::new();
    let server = Server::start(&world, &[]);
    let source = world.file("x", 200_000);
    let mut sender = world.send(&["--server", &server.url, "--receivers", "2", text(&source)]);
    let codes = [code(&mut sender), code(&mut sender)];
    assert_ne!(codes[0], codes[1]);
    let mut receivers = ["one", "two"].map(|side| {
        let code = &codes[usize::from(side == "two")];
        world.take(side, &server.url, &[code])
    });
    for receiver in &mut receivers {
        assert_eq!(receiver.exit_code(), Some(0), "{:?}", receiver.seen);
    }
    assert_eq!(sender.exit_code(), Some(0), "{:?}", sender.seen);
    assert!(same(&source, &world.path("one/out/x")) && same(&source, &world.path("two/out/x")));
    let mut done: Vec<&str> =
        sender.seen.iter().filter(|e| e["event"] == "done").map(|e| e["receiver"].as_str().unwrap()).collect();
    done.sort_unstable();
    assert_eq!(done, ["1", "2"]);
}

#[test]
fn one_wrong_guess_does_not_keep_the_other_receivers_from_theirs() {
    let world = World::new();
    let server = Server::start(&world, &[]);
    let source = world.file("x", 10);
    let mut sender = world.send(&["--server", &server.url, "--receivers", "2", text(&source)]);
    let codes = [code(&mut sender), code(&mut sender)];
    let number = codes[0].split('-').next().unwrap();
    ended_with_3(&mut world.take("one", &server.url, &[number, "zoo", "zoo"]));
    assert_eq!(world.take("two", &server.url, &[&codes[1]]).exit_code(), Some(0));
    let said = ended_with_3(&mut sender);
    assert!(said.contains("1 of 2"), "{said}");
}

#[test]
fn words_are_compared_before_anything_moves() {
    for (answer, exit) in [("y\n", 0), ("n\n", 6)] {
        let world = World::new();
        let server = Server::start(&world, &[]);
        let source = world.file("x", 10);
        let send = ["send", "--json", "--verify", "--server", &server.url, text(&source)];
        let (mut sender, mut to_sender) = world.talking("sender", &send);
        let code = code(&mut sender);
        let out = world.path("one/out");
        let receive = ["receive", "--json", "--verify", "--server", &server.url, "--out", text(&out), &code];
        let (mut receiver, mut to_receiver) = world.talking("one", &receive);
        let shown = [sender.event("verify"), receiver.event("verify")];
        assert_eq!(shown[0], shown[1]);
        assert_eq!((&shown[0]["ask"], shown[0]["words"].as_str().unwrap().split(' ').count()), (&true.into(), 3));
        to_sender.write_all(b"yes\n").unwrap();
        thread::sleep(Duration::from_millis(300));
        assert!(names(&out).is_empty(), "nothing has moved");
        to_receiver.write_all(answer.as_bytes()).unwrap();
        assert_eq!(receiver.exit_code(), Some(exit), "{:?}", receiver.seen);
        if exit == 0 {
            assert_eq!(sender.exit_code(), Some(0), "{:?}", sender.seen);
            assert!(same(&source, &out.join("x")));
        } else {
            assert_eq!(receiver.last()["kind"], "refused");
            sender.event("waiting");
            assert!(names(&out).is_empty());
        }
    }
}

#[test]
fn one_side_alone_may_compare_and_the_other_one_shows_the_words() {
    let world = World::new();
    let server = Server::start(&world, &[]);
    let source = world.file("x", 10);
    let mut sender = world.send(&["--server", &server.url, text(&source)]);
    let code = code(&mut sender);
    let out = world.path("one/out");
    let receive = ["receive", "--json", "--verify", "--server", &server.url, "--out", text(&out), &code];
    let (mut receiver, mut to_receiver) = world.talking("one", &receive);
    let (asked, shown) = (receiver.event("verify"), sender.event("verify"));
    assert_eq!((&asked["words"], &asked["ask"], &shown["ask"]), (&shown["words"], &true.into(), &false.into()));
    to_receiver.write_all(b"y\n").unwrap();
    assert_eq!((receiver.exit_code(), sender.exit_code()), (Some(0), Some(0)));
    assert!(same(&source, &out.join("x")));
}

#[test]
fn a_typo_is_told_with_what_was_meant_before_anything_goes_to_the_server() {
    let world = World::new();
    // Nothing listens there: whoever asked it would end with 5.
    for (typed, meant) in [("7-giutar-sunset", "guitar"), ("7 guitar", "two to eight"), ("guitar sunset", "number")] {
        let mut receiver = world.take("one", "http://127.0.0.1:9", &[typed]);
        assert_eq!(receiver.exit_code(), Some(2), "{typed}");
        assert!(receiver.last()["message"].as_str().unwrap().contains(meant), "{:?}", receiver.seen);
    }
}

#[test]
fn a_code_can_be_piped_in_and_only_the_sender_needs_an_access_token() {
    let world = World::new();
    let tokens = world.path("tokens");
    std::fs::write(&tokens, "correct-horse-battery\n").unwrap();
    let server = Server::start(&world, &["--access-token-file", text(&tokens)]);
    let source = world.file("x", 10);
    let mut refused = world.send(&["--server", &server.url, text(&source)]);
    assert_eq!(refused.exit_code(), Some(6), "{:?}", refused.seen);
    let mut sender = world.send(&["--server", &server.url, "--access-token-file", text(&tokens), text(&source)]);
    let link = sender.link();
    let out = world.path("one/out");
    let (mut receiver, mut stdin) = world.talking("one", &["receive", "--json", "--out", text(&out)]);
    stdin.write_all(format!("{link}\n").as_bytes()).unwrap();
    assert_eq!((receiver.exit_code(), sender.exit_code()), (Some(0), Some(0)), "{:?}", receiver.seen);
    assert!(same(&source, &out.join("x")));
}
