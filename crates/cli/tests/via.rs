//! Commands that meet by plain HTTP, and on a local network.

mod common;

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Stdio;

use common::{Peerage, Server, World, same, text};
#[cfg(target_os = "linux")]
use peerage_testkit::namespace::in_a_namespace;
use serde_json::Value;

const CODE: &str = "k7m2xq-0123456789abcdefghjk";

impl World {
    /// A receiver that stores into `out` what a code or link leads to.
    fn take(&self, out: &Path, args: &[&str]) -> Peerage {
        self.start("receiver", &[&["receive", "--json", "--out", text(out)], args].concat())
    }
}

fn code(sender: &mut Peerage) -> Value {
    sender.event("code")
}

#[track_caller]
fn failed(run: &mut Peerage, code: i32) -> String {
    assert_eq!(run.exit_code(), Some(code), "{:?}", run.seen);
    run.last()["message"].as_str().unwrap().to_owned()
}

#[test]
fn a_file_goes_over_an_offer_and_an_answer_by_http() {
    let world = World::new();
    let server = Server::start(&world, &[]);
    let source = world.file("holiday.mp4", 300_000);
    let mut sender = world.send(&["--via", "http", "--server", &server.url, text(&source)]);
    let told = code(&mut sender);
    let link = told["link"].as_str().unwrap();
    assert_eq!(link, format!("{}/#{}", server.url, told["code"].as_str().unwrap()));
    let out = world.path("out");
    let mut receiver = world.take(&out, &["--via", "http", link]);
    assert_eq!((receiver.exit_code(), sender.exit_code()), (Some(0), Some(0)), "{:?}", receiver.seen);
    assert!(same(&source, &out.join("holiday.mp4")));
}

#[test]
fn streams_go_both_ways_over_http() {
    let world = World::new();
    let server = Server::start(&world, &[]);
    let start = |side: &str, says: &str, args: &[&str]| {
        let mut command = world.command(side, &[&["pipe", "--json", "--via", "http"], args].concat());
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(says.as_bytes()).unwrap();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        (Peerage::reading(child, stderr), stdout)
    };
    let (mut one, mut heard_by_one) = start("one", "from one", &["--server", &server.url]);
    let link = one.link();
    let (mut other, mut heard_by_other) = start("other", "from the other", &[&link]);
    let (mut first, mut second) = (String::new(), String::new());
    heard_by_one.read_to_string(&mut first).unwrap();
    heard_by_other.read_to_string(&mut second).unwrap();
    assert_eq!((first.as_str(), second.as_str()), ("from the other", "from one"));
    assert_eq!((one.exit_code(), other.exit_code()), (Some(0), Some(0)), "{:?}", one.seen);
}

#[test]
fn whoever_receives_may_come_first() {
    let world = World::new();
    let server = Server::start(&world, &[]);
    let (source, out) = (world.file("x", 1000), world.path("out"));
    let here = ["--via", "http", "--server", &server.url];
    let mut receiver = world.take(&out, &[&here[..], &[CODE]].concat());
    let mut sender = world.send(&[&here[..], &["--code", CODE, text(&source)]].concat());
    assert_eq!((receiver.exit_code(), sender.exit_code()), (Some(0), Some(0)), "{:?}", receiver.seen);
    assert!(same(&source, &out.join("x")));
}

#[test]
fn a_wrong_code_is_told_to_both() {
    let world = World::new();
    let server = Server::start(&world, &[]);
    let source = world.file("x", 10);
    let here = ["--via", "http", "--server", &server.url];
    let mut sender = world.send(&[&here[..], &["--code", CODE, text(&source)]].concat());
    code(&mut sender);
    let wrong = format!("{}m", &CODE[..CODE.len() - 1]);
    let mut receiver = world.take(&world.path("out"), &[&here[..], &[&wrong]].concat());
    for run in [&mut receiver, &mut sender] {
        let said = failed(run, 3);
        assert!(said.contains("wrong code"), "{said}");
    }
}

#[test]
fn what_cannot_be_done_by_http_is_said() {
    let world = World::new();
    let source = world.file("x", 10);
    let here = ["--via", "http", "--server", "http://127.0.0.1:1"];
    let out = world.path("out");
    for (mut run, says) in [
        (world.send(&["--via", "http", text(&source)]), "needs a server"),
        (world.send(&[&here[..], &["--code", "7-guitar-sunset", text(&source)]].concat()), "codes of words"),
        (world.send(&[&here[..], &["--verify", text(&source)]].concat()), "--verify"),
        (world.take(&out, &[&here[..], &["7-guitar-sunset"]].concat()), "codes of words"),
        (world.take(&out, &["--via", "http", CODE]), "needs --server"),
    ] {
        let said = failed(&mut run, 2);
        assert!(said.contains(says), "{said}");
    }
    let said = failed(&mut world.take(&out, &[&here[..], &[CODE]].concat()), 5);
    assert!(said.contains("cannot reach http://127.0.0.1:1"), "{said}");
}

/// A link that leads nowhere, and then this program again: multicast DNS reaches everybody on a link.
#[cfg(target_os = "linux")]
const INSIDE: &str = "set -e
    ip link set lo up
    ip link add left type veth peer name right
    ip addr add 192.0.2.1/24 dev left
    ip link set right up
    ip link set left up
    exec \"$0\" --ignored --exact --nocapture inside_the_namespace";

#[cfg(target_os = "linux")]
#[test]
fn on_one_network_the_code_is_enough() {
    in_a_namespace(INSIDE);
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "run by the test above, in a namespace"]
fn inside_the_namespace() {
    for long in [false, true] {
        let world = World::new();
        let (source, out) = (world.file("x", 300_000), world.path("out"));
        let long = if long { &["--long-code"][..] } else { &[] };
        let mut sender = world.send(&[&["--via", "local"], long, &[text(&source)]].concat());
        let told = code(&mut sender);
        let mut receiver = world.take(&out, &["--via", "local", told["code"].as_str().unwrap()]);
        assert_eq!((receiver.exit_code(), sender.exit_code()), (Some(0), Some(0)), "{:?}", receiver.seen);
        assert!(same(&source, &out.join("x")));
    }
    let world = World::new();
    let said = failed(&mut world.take(&world.path("out"), &["--via", "local", "7-guitar-sunset"]), 5);
    assert!(said.starts_with("nobody on this network offers 7-\u{2026}"), "{said}");

    // Interrupted and started again on both sides, it goes on.
    let (source, out) = (world.file("y", 60_000_000), world.path("out"));
    let args = ["--via", "local", text(&source)];
    let mut sender = world.send(&args);
    let told = code(&mut sender);
    let spoken = told["code"].as_str().unwrap();
    let mut receiver = world.take(&out, &["--via", "local", spoken]);
    receiver.midway(1_000_000);
    receiver.kill();
    sender.kill();
    let mut sender = world.send(&args);
    code(&mut sender);
    let mut receiver = world.take(&out, &["--via", "local", spoken]);
    assert_eq!((receiver.exit_code(), sender.exit_code()), (Some(0), Some(0)), "{:?}", receiver.seen);
    assert!(same(&source, &out.join("y")));
}
