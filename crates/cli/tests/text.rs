//! Two processes that meet by nothing but the texts they print.

mod common;

use std::io::{Read, Write};
use std::process::{ChildStdin, Stdio};
use std::thread;
use std::time::Duration;

use common::{Peerage, peerage};
use peerage_signal::compact::find::find;
use serde_json::Value;

/// A running `peerage` that takes what is pasted, whose JSON events come on standard error.
struct Side {
    peerage: Peerage,
    stdin: Option<ChildStdin>,
}

impl Side {
    fn start(args: &[&str]) -> Self {
        let mut command = peerage(args);
        let mut child = command.arg("--json").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take().unwrap());
        Self { peerage: Peerage::reading(child, stderr), stdin }
    }

    #[track_caller]
    fn event(&mut self, name: &str) -> Value {
        self.peerage.event(name)
    }

    #[track_caller]
    fn text(&mut self, name: &str) -> String {
        self.event(name)["text"].as_str().unwrap().to_owned()
    }

    fn say(&mut self, text: &str) {
        self.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Says no more; gives what came on standard output, and how it ended.
    #[track_caller]
    fn end(&mut self) -> (String, Option<i32>) {
        self.stdin = None;
        let mut stdout = self.peerage.child.stdout.take().unwrap();
        let output = thread::spawn(move || {
            let mut text = String::new();
            stdout.read_to_string(&mut text).map(|_| text)
        });
        let code = self.peerage.exit_code();
        (output.join().unwrap().unwrap(), code)
    }
}

#[test]
fn an_offer_and_its_answer_join_the_streams_without_any_server() {
    let mut offer = Side::start(&["offer", "--words"]);
    let event = offer.event("offer");
    let text = event["text"].as_str().unwrap().to_owned();
    assert!(text.len() <= 140, "{text}");
    let same = find(&text).unwrap();
    for spelling in ["qr", "words"] {
        assert_eq!(find(event[spelling].as_str().unwrap()), Ok(same.clone()), "{spelling}");
    }
    let mut answer = Side::start(&["answer", &format!("Dial this: {text}, please")]);
    let reply = answer.text("answer");
    assert!(reply.len() <= 140, "{reply}");
    // In a message of several lines, broken in the middle; what follows its line is data.
    let (one, two) = reply.split_at(30);
    offer.say(&format!("Hi,\n> {one}\n> {two}\nfrom the offerer"));
    answer.say("from the answerer");
    let connected = offer.event("connected");
    assert!(connected["local"].is_string() && connected["connect_ms"].as_u64().is_some(), "{connected}");
    answer.event("connected");
    answer.stdin = None;
    assert_eq!(offer.end(), ("from the answerer".to_owned(), Some(0)));
    assert_eq!(answer.end(), ("from the offerer".to_owned(), Some(0)));
}

#[test]
fn an_answer_that_comes_late_still_connects() {
    let mut offer = Side::start(&["offer"]);
    let text = offer.text("offer");
    let mut answer = Side::start(&["answer"]);
    answer.say(&format!("{text}\n"));
    let reply = answer.text("answer");
    // The answerer checks the path meanwhile, and begins the handshake.
    thread::sleep(Duration::from_secs(8));
    offer.say(&format!("{reply}\n"));
    offer.event("connected");
    answer.stdin = None;
    assert_eq!(offer.end(), (String::new(), Some(0)));
    assert_eq!(answer.end(), (String::new(), Some(0)));
}

#[test]
fn what_is_pasted_wrongly_is_told_and_the_right_one_still_taken() {
    let mut offer = Side::start(&["offer"]);
    let text = offer.text("offer");
    let other = Side::start(&["offer"]).text("offer");
    let mut answer = Side::start(&["answer", &text]);
    let reply = answer.text("answer");
    let wrong = Side::start(&["answer", &other]).text("answer");
    for (pasted, told) in [
        (text.clone(), "this is an offer; paste the answer to it instead"),
        (wrong, "this answers another offer"),
        (reply[..reply.len() - 4].to_owned(), "not complete: at least"),
        (reply.replace(&reply[20..24], "xxxx"), "altered on its way"),
        ("hello".to_owned(), "there is no session text in this message"),
    ] {
        offer.say(&format!("{pasted}\n"));
        let message = offer.event("unusable")["message"].as_str().unwrap().to_owned();
        assert!(message.contains(told), "{message}");
    }
    offer.say(&format!("{reply}\n"));
    offer.event("connected");
    answer.stdin = None;
    assert_eq!((offer.end().1, answer.end().1), (Some(0), Some(0)));
}

#[test]
fn no_answer_in_time_and_no_usable_text_end_with_3() {
    let mut offer = Side::start(&["offer", "--wait", "2s"]);
    offer.text("offer");
    let error = offer.event("error");
    assert_eq!(error["kind"], "code");
    assert!(error["message"].as_str().unwrap().contains("nobody answered in time"), "{error}");
    assert_eq!(offer.end().1, Some(3));

    let text = Side::start(&["offer"]).text("offer");
    let old = aged(&text);
    let cut = &text[..text.len() - 10];
    for (message, told) in [
        ("just words", "there is no session text"),
        (cut, "not complete"),
        (&*old, "only good for 30 minutes"),
        (&*text.replace(&text[20..24], "xxxx"), "altered on its way"),
    ] {
        let mut answer = Side::start(&["answer", message]);
        let error = answer.event("error");
        assert!(error["message"].as_str().unwrap().contains(told), "{error}");
        assert_eq!(answer.end().1, Some(3));
    }
    // At the end of standard input there is nothing more to wait for.
    let mut answer = Side::start(&["answer"]);
    answer.say(cut);
    answer.stdin = None;
    assert!(answer.event("error")["message"].as_str().unwrap().contains("not complete"));
    assert_eq!(answer.end().1, Some(3));
}

/// The same text, made a day ago.
fn aged(text: &str) -> String {
    let mut description = find(text).unwrap().all[0].clone();
    description.created -= 86_400 / 256 * 256;
    description.to_text().unwrap()
}

#[test]
fn a_peer_that_is_killed_ends_the_other_with_4() {
    let mut offer = Side::start(&["offer"]);
    let mut answer = Side::start(&["answer", &offer.text("offer")]);
    offer.say(&format!("{}\n", answer.text("answer")));
    offer.event("connected");
    answer.event("connected");
    answer.peerage.child.kill().unwrap();
    offer.say("is somebody there?");
    // Until consent runs out (RFC 7675).
    assert_eq!(offer.end().1, Some(4));
}
