//! The binary from outside: help, arguments, exit codes.

use std::process::{Command, Output, Stdio};

fn peerage(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

/// The binary in an environment of its own.
fn command(args: &[&str]) -> Command {
    let state = std::env::temp_dir().join(format!("peerage-cli-test-{}", std::process::id()));
    let mut command = Command::new(env!("CARGO_BIN_EXE_peerage"));
    command.args(args).stdin(Stdio::null()).env_remove("PEERAGE_SERVER").env("XDG_STATE_HOME", state);
    command
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn help_has_examples_for_every_command() {
    for args in [
        &["--help"][..],
        &["serve", "--help"],
        &["send", "--help"],
        &["receive", "--help"],
        &["pipe", "--help"],
        &["offer", "--help"],
        &["answer", "--help"],
        &["forward", "--help"],
        &["connect", "--help"],
        &["call", "--help"],
        &["nat", "--help"],
    ] {
        let output = peerage(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        let text = stdout(&output);
        assert!(text.contains("Examples:") && text.contains("  peerage "), "{text}");
        assert!(!text.contains('\x1b'), "colours without a terminal");
    }
}

#[test]
fn the_version_is_told() {
    let output = peerage(&["--version"]);
    assert_eq!(stdout(&output), format!("peerage {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn completions_exist_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = peerage(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0));
        assert!(stdout(&output).contains("PEERAGE_COMPLETE"), "{shell}");
    }
}

#[test]
fn a_shell_that_asks_is_told_commands_options_and_the_words_of_codes() {
    let ask = |words: &[&str]| {
        let index = (words.len() - 1).to_string();
        let mut command = command(&[&["--"], words].concat());
        command.env("PEERAGE_COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", index).env("_CLAP_IFS", "\n");
        stdout(&command.output().unwrap()).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(ask(&["peerage", "receive", "7-guit"]), ["7-guitar"]);
    assert_eq!(ask(&["peerage", "receive", "7", "gui"]), ["guide", "guilt", "guitar"]);
    assert_eq!(ask(&["peerage", "pipe", "7-guitar-sunse"]), ["7-guitar-sunset"]);
    assert_eq!(ask(&["peerage", "rec"]), ["receive"]);
    assert!(ask(&["peerage", "send", "--ver"]).contains(&"--verify".to_owned()));
}

#[test]
fn what_makes_no_sense_ends_with_2() {
    for args in [
        &[][..],
        &["send"],
        &["send", "/nonexistent/file"],
        &["send", "--server", "ftp://x", "Cargo.toml"],
        &["send", "--code", "abcd-short", "Cargo.toml"],
        &["send", "--wait", "soon", "Cargo.toml"],
        &["send", "--code", "7-giutar-sunset", "Cargo.toml"],
        &["send", "--code-words", "1", "Cargo.toml"],
        &["send", "--code-words", "9", "Cargo.toml"],
        &["send", "--long-code", "--code", "7-guitar-sunset", "Cargo.toml"],
        &["send", "--receivers", "0", "Cargo.toml"],
        &["send", "--receivers", "2", "--code", "7-guitar-sunset", "Cargo.toml"],
        &["send", "--receivers", "2", "--verify", "Cargo.toml"],
        &["pipe", "--long-code", "7-guitar-sunset"],
        &["call", "7-guitar-sunset", "--server", "http://127.0.0.1:9", "--test"],
        &["receive", "--server", "http://127.0.0.1:9", "7-guitar"],
        &["receive", "not a code"],
        &["receive", "7k3m9x-abcdefghjkmnpqrstvwx"],
        &["receive"],
        &["pipe", "7k3m9x-abcdefghjkmnpqrstvwx"],
        &["pipe", "--code", "aaaa-aaaaaaaaaaaaaaaaaaaa"],
        &["serve", "--listen", "nowhere"],
        &["serve", "--tls-cert", "x.pem"],
        &["serve", "--tls-self-signed", "--tls-cert", "x.pem", "--tls-key", "x.pem"],
        &["completions", "tcsh-ish"],
        &["conquer"],
    ] {
        let output = peerage(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(!output.stderr.is_empty(), "{args:?} says nothing");
    }
}

#[test]
fn a_relay_alone_needs_a_server_that_has_one() {
    for args in
        [&["send", "--relay-only", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")][..], &["pipe", "--relay-only"]]
    {
        let output = peerage(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(stderr(&output).contains("--server"), "{}", stderr(&output));
    }
}

#[test]
fn a_server_that_is_not_there_ends_with_5() {
    // Port 9 of loopback: nothing listens, and connecting fails at once.
    for args in [
        &["receive", "http://127.0.0.1:9/#7k3m9x-abcdefghjkmnpqrstvwx"][..],
        &["pipe", "--server", "http://127.0.0.1:9", "7k3m9x-abcdefghjkmnpqrstvwx"],
        &["send", "--server", "http://127.0.0.1:9", "Cargo.toml"],
    ] {
        let output = peerage(args);
        assert_eq!(output.status.code(), Some(5), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains("cannot reach"), "{}", stderr(&output));
    }
}

#[test]
fn errors_are_json_for_programs() {
    let output = peerage(&["receive", "--json", "7k3m9x-abcdefghjkmnpqrstvwx"]);
    assert_eq!(output.status.code(), Some(2));
    let text = stdout(&output);
    assert!(text.starts_with(r#"{"event":"error","kind":"usage","message":""#), "{text}");
    assert_eq!((text.lines().count(), stderr(&output)), (1, String::new()));
    // A pipe's standard output carries data alone.
    let output = peerage(&["pipe", "--json", "7k3m9x-abcdefghjkmnpqrstvwx"]);
    assert!(output.stdout.is_empty());
    assert!(stderr(&output).starts_with(r#"{"event":"error","kind":"usage","#));
}

#[test]
fn the_variable_names_a_server_and_an_empty_one_names_none() {
    let run = |value: &str| {
        command(&["receive", "7k3m9x-abcdefghjkmnpqrstvwx"])
            .env("PEERAGE_SERVER", value)
            .output()
            .unwrap()
            .status
            .code()
    };
    assert_eq!(run("http://127.0.0.1:9"), Some(5));
    assert_eq!(run(""), Some(2));
}

#[test]
fn an_output_folder_that_cannot_be_ends_with_7() {
    let output = peerage(&["receive", "--out", "/proc/nope", "http://127.0.0.1:9/#7k3m9x-abcdefghjkmnpqrstvwx"]);
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
}
