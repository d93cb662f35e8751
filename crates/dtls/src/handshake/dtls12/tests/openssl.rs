//! OpenSSL on the other side of loopback UDP: certificates, signatures, suites and groups that this side never has.
//!
//! Runs where the program `openssl` is installed; with `CI=true` its absence is a failure.
#![allow(clippy::disallowed_methods, reason = "a real peer lives in real time")]

extern crate std;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec;
use alloc::vec::Vec;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant as StdInstant};
use std::{assert, assert_eq, env, eprintln, fs, panic, process, thread};

use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::Instant;
use peerage_crypto::keys::system::SYSTEM;

use crate::alert::{Alert, AlertDescription};
use crate::config::{Config, Role};
use crate::event::KeyLogLine;
use crate::fingerprint::{Fingerprint, HashAlgorithm};
use crate::handshake::Handshake;
use crate::handshake::context::Context;
use crate::handshake::failure::Failure;
use crate::handshake::outcome::Outcome;
use crate::handshake::peer::Peer;
use crate::handshake::tests::harness;
use crate::suite::{CipherSuite, Group, SrtpProfile, Version};
use crate::transport::inbox::Inbox;
use crate::transport::{Input, Limits, Transport};

const PATIENCE: Duration = Duration::from_secs(20);

fn openssl_is_missing() -> bool {
    let missing = Command::new("openssl").arg("version").stdout(Stdio::null()).status().is_err();
    assert!(!missing || env::var("CI").as_deref() != Ok("true"), "openssl is required in CI");
    if missing {
        eprintln!("skipped: openssl is not installed");
    }
    missing
}

/// A directory with a certificate of OpenSSL's own making.
struct Identity(PathBuf);

impl Identity {
    /// `key`: what `-newkey` says, with its options.
    fn new(name: &str, key: &[&str]) -> Self {
        let dir = env::temp_dir().join(format!("peerage-openssl-{name}-{}", process::id()));
        fs::create_dir_all(&dir).unwrap();
        let made = Command::new("openssl")
            .args(["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=foreign"])
            .args(["-keyout", "key.pem", "-out", "cert.pem", "-newkey"])
            .args(key)
            .current_dir(&dir)
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success(), "{key:?}");
        Self(dir)
    }

    fn fingerprint(&self) -> Fingerprint {
        let args = ["x509", "-in", "cert.pem", "-outform", "DER"];
        let der = Command::new("openssl").args(args).current_dir(&self.0).output().unwrap().stdout;
        Fingerprint::of(&der, HashAlgorithm::Sha256)
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running `openssl` whose output is read line by line.
struct Program {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Program {
    fn spawn(identity: &Identity, args: &[&str]) -> Self {
        let mut child = Command::new("openssl")
            .args(args)
            .current_dir(&identity.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let (tx, lines) = channel();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let forward = |output: BufReader<Box<dyn Read + Send>>| {
            let tx = tx.clone();
            thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| tx.send(line)));
        };
        forward(BufReader::new(Box::new(stdout)));
        forward(BufReader::new(Box::new(stderr)));
        Self { child, stdin, lines, seen: Vec::new() }
    }

    /// Whether a line with this text has been printed.
    fn has_printed(&mut self, text: &str) -> bool {
        self.seen.extend(self.lines.try_iter());
        self.seen.iter().any(|line| line.contains(text))
    }

    fn keying_material(&mut self) -> Option<Vec<u8>> {
        self.seen.extend(self.lines.try_iter());
        let hex = self.seen.iter().find_map(|line| line.trim().strip_prefix("Keying material: "))?;
        (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(hex.get(i..i + 2)?, 16).ok()).collect()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// This side, over a socket.
struct Endpoint {
    config: Config,
    rng: Rng,
    transport: Transport,
    peer: Peer,
    key_log: Vec<KeyLogLine>,
    refused: Option<Failure>,
    state: Option<Handshake>,
    outcome: Option<Box<Outcome>>,
    failure: Option<Failure>,
    alerts: Vec<Alert>,
    received: Vec<Vec<u8>>,
    inbox: Inbox,
    socket: UdpSocket,
    remote: Option<SocketAddr>,
    start: StdInstant,
}

impl Endpoint {
    fn new(config: Config, expected: Fingerprint, remote: Option<SocketAddr>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
        let Config { role, mtu, rtt, handshake_timeout, .. } = config;
        let mut inbox = Inbox::default();
        inbox.open();
        let mut endpoint = Self {
            config,
            rng: Rng::from_u64(7),
            transport: Transport::new(Limits { role, mtu, rtt, handshake_timeout }),
            peer: Peer::new(vec![expected]),
            key_log: Vec::new(),
            refused: None,
            state: None,
            outcome: None,
            failure: None,
            alerts: Vec::new(),
            received: Vec::new(),
            inbox,
            socket,
            remote,
            start: StdInstant::now(),
        };
        match role {
            Role::Client => endpoint.step(|_, cx| Handshake::client(cx)),
            Role::Server => endpoint.state = Some(Handshake::server()),
        }
        endpoint
    }

    fn now(&self) -> Instant {
        Instant::ORIGIN + self.start.elapsed()
    }

    fn step(&mut self, step: impl FnOnce(Option<Handshake>, &mut Context<'_>) -> Result<Handshake, Failure>) {
        let (now, state) = (self.now(), self.state.take());
        let mut cx = Context {
            now,
            config: &self.config,
            rng: &mut self.rng,
            transport: &mut self.transport,
            peer: &mut self.peer,
            key_log: &mut self.key_log,
            refused: &mut self.refused,
        };
        match step(state, &mut cx) {
            Ok(Handshake::Complete(outcome)) => self.outcome = Some(outcome),
            Ok(next) => self.state = Some(next),
            Err(failure) => {
                self.transport.send_alert(Alert::fatal(failure.alert));
                self.failure = Some(failure);
            }
        }
    }

    fn take_inputs(&mut self) {
        let now = self.now();
        while let Some(input) = self.transport.next_input(now, &mut self.inbox) {
            match input {
                Input::Message(message) => match &mut self.outcome {
                    Some(outcome) => outcome.post.handle(now, &message, &mut self.transport).unwrap(),
                    None if self.failure.is_none() => {
                        self.step(|state, cx| state.expect("a handshake has a state").handle(&message, cx));
                    }
                    None => {}
                },
                Input::Alert { alert, .. } => self.alerts.push(alert),
                Input::Acknowledged => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn run_until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let begin = StdInstant::now();
        loop {
            let now = self.now();
            self.transport.handle_timeout(now);
            self.take_inputs();
            self.transmit(now);
            if done(self) {
                return;
            }
            let state = (&self.failure, &self.refused, &self.alerts);
            assert!(begin.elapsed() < PATIENCE, "waited in vain for {what}: {state:?}");
            let mut buf = [0; 2048];
            if let Ok((len, from)) = self.socket.recv_from(&mut buf) {
                self.remote.get_or_insert(from);
                let now = self.now();
                self.transport.handle_datagram(now, &mut buf[..len], &mut self.inbox);
                self.take_inputs();
                while let Some(data) = self.inbox.pop(&mut buf) {
                    self.received.push(data.to_vec());
                }
            }
        }
    }

    fn transmit(&mut self, now: Instant) {
        let Some(remote) = self.remote else { return };
        loop {
            let mut buf = [0; 2048];
            let mut slot = Slot::new(&mut buf, 0, 0, 2048);
            if !self.transport.poll_transmit(now, &mut slot) {
                return;
            }
            // A server that is not up yet answers by ICMP; the handshake retransmits.
            let _ = self.socket.send_to(slot.packet(), remote);
        }
    }

    fn send(&mut self, text: &[u8]) {
        let mut buf = [0; 2048];
        let overhead = self.transport.overhead();
        let mut slot = Slot::new(&mut buf, overhead.head, overhead.tail, 1500);
        slot.room()[..text.len()].copy_from_slice(text);
        slot.fill(text.len());
        self.transport.seal(&mut slot).unwrap();
        self.socket.send_to(slot.packet(), self.remote.unwrap()).unwrap();
    }

    fn outcome(&self) -> &Outcome {
        self.outcome.as_ref().expect("connected")
    }
}

/// Data both ways and the same exported keys.
fn prove(endpoint: &mut Endpoint, program: &mut Program) {
    endpoint.run_until("the handshake", |endpoint| {
        endpoint.outcome.is_some() || endpoint.failure.is_some() || !endpoint.alerts.is_empty()
    });
    program.has_printed("");
    assert_eq!((&endpoint.failure, &*endpoint.alerts), (&None, &[][..]), "{:#?}", program.seen);
    assert_eq!(endpoint.outcome().version, Version::Dtls12);
    endpoint.run_until("the exported keys", |_| program.keying_material().is_some());
    let profile = endpoint.outcome().agreed.srtp.expect("use_srtp was negotiated");
    let keys = endpoint.outcome().exporter.srtp_keys(profile);
    assert_eq!(program.keying_material().as_deref(), Some(&*keys.material));

    endpoint.send(b"from this side\n");
    endpoint.run_until("our data", |_| program.has_printed("from this side"));
    program.stdin.write_all(b"from openssl\n").unwrap();
    endpoint.run_until("their data", |endpoint| endpoint.received.iter().any(|data| data == b"from openssl\n"));
}

const EC: &[&str] = &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
const RSA: &[&str] = &["rsa:2048"];

/// Kinds of keys, and what they sign with.
const KEYS: [(&str, &[&str], &[&str]); 4] = [
    ("p256", EC, &["ECDSA+SHA256", "ECDSA+SHA384"]),
    ("p384", &["ec", "-pkeyopt", "ec_paramgen_curve:P-384"], &["ECDSA+SHA384", "ECDSA+SHA256"]),
    ("ed25519", &["ed25519"], &["ed25519"]),
    ("rsa", RSA, &["RSA+SHA256", "RSA+SHA384", "RSA+SHA512", "RSA-PSS+SHA256", "RSA-PSS+SHA384", "RSA-PSS+SHA512"]),
];

const EXPORT: &str = "-use_srtp SRTP_AEAD_AES_128_GCM -keymatexport EXTRACTOR-dtls_srtp -keymatexportlen 56 -mtu 1200";

/// This side as the client of `s_server`.
fn as_client(name: &str, identity: &Identity, extra: &str, change: impl FnOnce(&mut Config)) -> (Endpoint, Program) {
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let accept = format!("127.0.0.1:{port}");
    let mut args = vec!["s_server", "-dtls1_2", "-accept", &accept, "-cert", "cert.pem", "-key", "key.pem"];
    args.extend(EXPORT.split(' '));
    args.extend(extra.split_whitespace());
    let mut program = Program::spawn(identity, &args);
    let begin = StdInstant::now();
    while !program.has_printed("ACCEPT") {
        assert!(begin.elapsed() < PATIENCE, "{name}: s_server did not start: {:?}", program.seen);
        thread::sleep(Duration::from_millis(5));
    }
    let mut config = harness::config(Role::Client, 1);
    config.keys = SYSTEM;
    change(&mut config);
    (Endpoint::new(config, identity.fingerprint(), Some(accept.parse().unwrap())), program)
}

/// This side as the server of `s_client`.
fn as_server(identity: &Identity, extra: &str, change: impl FnOnce(&mut Config)) -> (Endpoint, Program) {
    let mut config = harness::config(Role::Server, 1);
    config.keys = SYSTEM;
    change(&mut config);
    let endpoint = Endpoint::new(config, identity.fingerprint(), None);
    let connect = endpoint.socket.local_addr().unwrap().to_string();
    let mut args = vec!["s_client", "-dtls1_2", "-connect", &connect, "-cert", "cert.pem", "-key", "key.pem"];
    args.extend(EXPORT.split(' '));
    args.extend(extra.split_whitespace());
    let program = Program::spawn(identity, &args);
    (endpoint, program)
}

#[test]
fn a_client_takes_every_kind_of_key_and_signature() {
    if openssl_is_missing() {
        return;
    }
    for (name, key, schemes) in KEYS {
        // OpenSSL signs with Ed25519 as a server of TLS 1.2, not of DTLS 1.2.
        if name == "ed25519" {
            continue;
        }
        let identity = Identity::new(&format!("client-{name}"), key);
        for scheme in schemes {
            // The other side has to take our signature too.
            let extra = format!("-Verify 1 -sigalgs {scheme} -client_sigalgs ECDSA+SHA256");
            let (mut endpoint, mut program) = as_client(name, &identity, &extra, |_| {});
            prove(&mut endpoint, &mut program);
            assert_eq!(endpoint.outcome().suite.is_signed_by_rsa(), name == "rsa", "{scheme}");
        }
    }
}

#[test]
fn a_client_speaks_every_suite_and_group() {
    if openssl_is_missing() {
        return;
    }
    let identities = [("ECDSA", Identity::new("suites-ec", EC)), ("RSA", Identity::new("suites-rsa", RSA))];
    for suite in CipherSuite::ALL.into_iter().filter(|suite| suite.version() == Some(Version::Dtls12)) {
        let kind = if suite.is_signed_by_rsa() { "RSA" } else { "ECDSA" };
        let (_, identity) = identities.iter().find(|(name, _)| *name == kind).unwrap();
        for group in [Group::X25519, Group::SECP256R1, Group::SECP384R1] {
            let extra = "-Verify 1 -cipher ALL:@SECLEVEL=0 -groups X25519:P-256:P-384";
            let (mut endpoint, mut program) = as_client(suite.name(), identity, extra, |config| {
                config.cipher_suites = vec![suite];
                // The server looks for the curves of certificates, too (RFC 8422 §5.1).
                config.groups = vec![group, Group::SECP256R1];
                config.groups.dedup();
            });
            prove(&mut endpoint, &mut program);
            assert_eq!((endpoint.outcome().suite, endpoint.outcome().group), (suite, group));
        }
    }
}

#[test]
fn a_client_answers_a_cookie_exchange() {
    if openssl_is_missing() {
        return;
    }
    let identity = Identity::new("cookie", EC);
    let (mut endpoint, mut program) = as_client("cookie", &identity, "-Verify 1 -listen", |_| {});
    prove(&mut endpoint, &mut program);
}

#[test]
fn a_client_shows_itself_only_to_servers_that_ask() {
    if openssl_is_missing() {
        return;
    }
    let identity = Identity::new("unasked", EC);
    let (mut endpoint, mut program) = as_client("unasked", &identity, "", |_| {});
    endpoint.run_until("the refusal", |endpoint| endpoint.failure.is_some());
    assert_eq!(endpoint.failure.as_ref().unwrap().alert, AlertDescription::HANDSHAKE_FAILURE);
    endpoint.run_until("the alert", |_| program.has_printed("handshake failure"));
}

#[test]
fn a_server_takes_every_kind_of_key_and_signature() {
    if openssl_is_missing() {
        return;
    }
    for (name, key, schemes) in KEYS {
        let identity = Identity::new(&format!("server-{name}"), key);
        for scheme in schemes {
            // The other side has to take our signature too.
            let taken = if *scheme == "ECDSA+SHA256" { "ECDSA+SHA256" } else { &format!("ECDSA+SHA256:{scheme}") };
            let extra = format!("-sigalgs {taken} -client_sigalgs {scheme}");
            let (mut endpoint, mut program) = as_server(&identity, &extra, |_| {});
            prove(&mut endpoint, &mut program);
        }
    }
}

#[test]
fn a_server_speaks_every_suite_and_group_with_and_without_a_cookie() {
    if openssl_is_missing() {
        return;
    }
    let identity = Identity::new("server-suites", EC);
    for (suite, name) in [
        (CipherSuite::ECDHE_ECDSA_AES_128_GCM, "ECDHE-ECDSA-AES128-GCM-SHA256"),
        (CipherSuite::ECDHE_ECDSA_AES_256_GCM, "ECDHE-ECDSA-AES256-GCM-SHA384"),
        (CipherSuite::ECDHE_ECDSA_CHACHA20_POLY1305, "ECDHE-ECDSA-CHACHA20-POLY1305"),
    ] {
        for (group, groups) in
            [(Group::X25519, "X25519:P-256"), (Group::SECP256R1, "P-256"), (Group::SECP384R1, "P-384:P-256")]
        {
            let extra = format!("-cipher {name} -groups {groups}");
            let (mut endpoint, mut program) = as_server(&identity, &extra, |config| {
                config.groups = vec![group];
                config.cookie = group == Group::X25519;
            });
            prove(&mut endpoint, &mut program);
            assert_eq!((endpoint.outcome().suite, endpoint.outcome().group), (suite, group));
        }
    }
}

#[test]
fn a_server_does_not_begin_anew() {
    if openssl_is_missing() {
        return;
    }
    let identity = Identity::new("renegotiate", EC);
    let (mut endpoint, mut program) = as_server(&identity, "-legacy_renegotiation", |_| {});
    prove(&mut endpoint, &mut program);
    program.stdin.write_all(b"R\n").unwrap();
    endpoint.run_until("the refusal to arrive", |_| program.has_printed("no renegotiation"));
    assert_eq!(endpoint.failure, None);
}

#[test]
fn small_datagrams_do() {
    if openssl_is_missing() {
        return;
    }
    let identity = Identity::new("mtu", RSA);
    let names = (0..60).map(|i| format!("name-{i}")).collect::<Vec<_>>().join(",");
    let profile = SrtpProfile::AeadAes128Gcm;
    let (mut endpoint, mut program) = as_server(&identity, &format!("-mtu 256 -alpn {names}"), |config| {
        config.mtu = 256;
        config.srtp_profiles = vec![profile];
    });
    prove(&mut endpoint, &mut program);
    assert_eq!(endpoint.outcome().agreed.srtp, Some(profile));
    let (mut endpoint, mut program) = as_client("mtu", &identity, "-Verify 1 -mtu 256", |config| config.mtu = 256);
    prove(&mut endpoint, &mut program);
}
