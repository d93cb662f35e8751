//! OpenSSL on the other side of loopback UDP, in both roles: DTLS 1.2 with every kind of key and signature, every suite
//! and group; data both ways, exported keys, orderly ends.
//!
//! Runs where the program `openssl` is installed; with `CI=true` its absence is a failure.
#![allow(clippy::disallowed_methods, reason = "a real peer lives in real time")]

mod common;

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant as StdInstant};

use common::{Side, certificate, seal, transmit};
use peerage_base::time::Instant;
use peerage_dtls::config::MIN_MTU;
use peerage_dtls::event::{CloseReason, Info};
use peerage_dtls::suite::{CipherSuite, Group, SrtpProfile, Version};
use peerage_dtls::{Config, Fingerprint, Role, Versions};

const PATIENCE: Duration = Duration::from_secs(20);

fn openssl_is_missing() -> bool {
    let missing = Command::new("openssl").arg("version").stdout(Stdio::null()).status().is_err();
    assert!(!missing || std::env::var("CI").as_deref() != Ok("true"), "openssl is required in CI");
    if missing {
        eprintln!("skipped: openssl is not installed");
    }
    missing
}

/// A directory with a certificate of OpenSSL's own making.
struct Identity(PathBuf);

impl Identity {
    /// `name` is the test's; `key` is what `-newkey` says, with its options.
    fn new(name: &str, key: &[&str]) -> Self {
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("openssl-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
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
        let out = Command::new("openssl")
            .args(["x509", "-in", "cert.pem", "-noout", "-fingerprint", "-sha256"])
            .current_dir(&self.0)
            .output()
            .unwrap();
        let text = String::from_utf8(out.stdout).unwrap();
        let (_, digest) = text.trim().split_once('=').unwrap();
        format!("sha-256 {digest}").parse().unwrap()
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running `openssl` whose output is read line by line.
struct Peer {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Peer {
    fn spawn(dir: &Path, args: &[&str]) -> Self {
        let mut child = Command::new("openssl")
            .args(args)
            .current_dir(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let (tx, lines) = channel();
        let outputs: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for output in outputs {
            let tx = tx.clone();
            let lines = BufReader::new(output).lines();
            std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| tx.send(line)));
        }
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

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// This side, driven over a socket.
struct Driver {
    side: Side,
    socket: UdpSocket,
    peer: Option<SocketAddr>,
    start: StdInstant,
}

impl Driver {
    fn new(config: Config, peer: Option<SocketAddr>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        Self { side: Side::new(config, 1, Instant::ORIGIN), socket, peer, start: StdInstant::now() }
    }

    fn now(&self) -> Instant {
        Instant::ORIGIN + self.start.elapsed()
    }

    fn run_until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let begin = StdInstant::now();
        loop {
            let now = self.now();
            if self.side.dtls.poll_timeout().is_some_and(|d| d <= now) {
                self.side.dtls.handle_timeout(now);
            }
            if let Some(peer) = self.peer {
                while let Some(datagram) = transmit(&mut self.side.dtls, now) {
                    // A server that is not up yet answers by ICMP; the handshake retransmits.
                    let _ = self.socket.send_to(&datagram, peer);
                }
            }
            self.side.read(&mut []);
            if done(self) {
                return;
            }
            assert!(begin.elapsed() < PATIENCE, "waited in vain for {what}: {:?}", self.side.closed);
            let mut buf = [0; 2048];
            if let Ok((len, from)) = self.socket.recv_from(&mut buf) {
                self.peer.get_or_insert(from);
                let now = self.now();
                self.side.input(now, &buf[..len]);
            }
        }
    }

    fn send(&mut self, text: &[u8]) {
        let record = seal(&mut self.side.dtls, text).unwrap();
        self.socket.send_to(&record, self.peer.unwrap()).unwrap();
    }

    fn info(&self) -> &Info {
        self.side.info.as_ref().expect("connected")
    }
}

/// Data both ways, the same exported keys, and what was negotiated.
fn prove(driver: &mut Driver, peer: &mut Peer, profile: SrtpProfile) {
    driver.run_until("the handshake", |d| d.side.info.is_some() || d.side.closed.is_some());
    peer.seen.extend(peer.lines.try_iter());
    assert_eq!(driver.side.closed, None, "{:#?}", peer.seen);
    assert_eq!(driver.info().version, Version::Dtls12);

    driver.run_until("the exported keys", |_| peer.keying_material().is_some());
    let srtp = driver.info().srtp.clone().expect("use_srtp was negotiated");
    assert_eq!(srtp.profile, profile);
    assert_eq!(peer.keying_material().as_deref(), Some(&*srtp.material));

    driver.send(b"from this side\n");
    driver.run_until("our data", |_| peer.has_printed("from this side"));
    peer.stdin.write_all(b"from openssl\n").unwrap();
    driver.run_until("their data", |d| d.side.received.iter().any(|data| data == b"from openssl\n"));
}

fn export_args(profile: SrtpProfile) -> [String; 6] {
    let (name, len) = match profile {
        SrtpProfile::Aes128CmSha1_80 => ("SRTP_AES128_CM_SHA1_80", 60),
        SrtpProfile::AeadAes128Gcm => ("SRTP_AEAD_AES_128_GCM", 56),
        SrtpProfile::AeadAes256Gcm => ("SRTP_AEAD_AES_256_GCM", 88),
        SrtpProfile::Aes128CmSha1_32 => ("SRTP_AES128_CM_SHA1_32", 60),
    };
    ["-use_srtp", name, "-keymatexport", "EXTRACTOR-dtls_srtp", "-keymatexportlen", &len.to_string()].map(String::from)
}

const P_256: &[&str] = &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
const RSA: &[&str] = &["rsa:2048"];

/// Kinds of keys, and what they sign with.
const KEYS: [(&str, &[&str], &[&str]); 4] = [
    ("p256", P_256, &["ECDSA+SHA256", "ECDSA+SHA384"]),
    ("p384", &["ec", "-pkeyopt", "ec_paramgen_curve:P-384"], &["ECDSA+SHA384", "ECDSA+SHA256"]),
    ("ed25519", &["ed25519"], &["ed25519"]),
    ("rsa", RSA, &["RSA+SHA256", "RSA+SHA384", "RSA+SHA512", "RSA-PSS+SHA256", "RSA-PSS+SHA384", "RSA-PSS+SHA512"]),
];

/// Suites of DTLS 1.2 with ECDSA, as OpenSSL names them.
const ECDSA_SUITES: [(CipherSuite, &str); 3] = [
    (CipherSuite::ECDHE_ECDSA_AES_128_GCM, "ECDHE-ECDSA-AES128-GCM-SHA256"),
    (CipherSuite::ECDHE_ECDSA_AES_256_GCM, "ECDHE-ECDSA-AES256-GCM-SHA384"),
    (CipherSuite::ECDHE_ECDSA_CHACHA20_POLY1305, "ECDHE-ECDSA-CHACHA20-POLY1305"),
];

const RSA_SUITES: [(CipherSuite, &str); 3] = [
    (CipherSuite::ECDHE_RSA_AES_128_GCM, "ECDHE-RSA-AES128-GCM-SHA256"),
    (CipherSuite::ECDHE_RSA_AES_256_GCM, "ECDHE-RSA-AES256-GCM-SHA384"),
    (CipherSuite::ECDHE_RSA_CHACHA20_POLY1305, "ECDHE-RSA-CHACHA20-POLY1305"),
];

/// Groups of DTLS 1.2, as OpenSSL names them. It looks there for the curve of our certificate, too (RFC 8422 §5.1).
const GROUPS: [(Group, &str); 3] =
    [(Group::X25519, "X25519:P-256"), (Group::SECP256R1, "P-256"), (Group::SECP384R1, "P-384:P-256")];

const PROFILE: SrtpProfile = SrtpProfile::AeadAes128Gcm;

/// This side as the client of an `s_server` that asks for a certificate.
fn as_client(
    identity: &Identity,
    profile: SrtpProfile,
    extra: &str,
    change: impl FnOnce(&mut Config),
) -> (Driver, Peer) {
    as_client_unasked(identity, profile, &format!("-Verify 1 {extra}"), change)
}

fn as_client_unasked(
    identity: &Identity,
    profile: SrtpProfile,
    extra: &str,
    change: impl FnOnce(&mut Config),
) -> (Driver, Peer) {
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (accept, export) = (format!("127.0.0.1:{port}"), export_args(profile));
    let mut args = vec!["s_server", "-dtls1_2", "-accept", &accept, "-cert", "cert.pem", "-key", "key.pem"];
    args.extend(["-mtu", "1200"]);
    args.extend(export.iter().map(String::as_str));
    args.extend(extra.split_whitespace());
    let mut peer = Peer::spawn(&identity.0, &args);
    let begin = StdInstant::now();
    while !peer.has_printed("ACCEPT") {
        assert!(begin.elapsed() < PATIENCE, "s_server did not start: {:#?}", peer.seen);
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut config = Config::new(certificate(1), Role::Client);
    config.expected = vec![identity.fingerprint()];
    change(&mut config);
    (Driver::new(config, Some(accept.parse().unwrap())), peer)
}

/// This side as the server of an `s_client`.
fn as_server(
    identity: &Identity,
    profile: SrtpProfile,
    extra: &str,
    change: impl FnOnce(&mut Config),
) -> (Driver, Peer) {
    let mut config = Config::new(certificate(1), Role::Server);
    config.expected = vec![identity.fingerprint()];
    change(&mut config);
    let driver = Driver::new(config, None);
    let (connect, export) = (driver.socket.local_addr().unwrap().to_string(), export_args(profile));
    let mut args = vec!["s_client", "-dtls1_2", "-connect", &connect, "-cert", "cert.pem", "-key", "key.pem"];
    args.extend(["-mtu", "1200"]);
    args.extend(export.iter().map(String::as_str));
    args.extend(extra.split_whitespace());
    let peer = Peer::spawn(&identity.0, &args);
    (driver, peer)
}

#[test]
fn a_hybrid_client_falls_back_and_its_goodbye_is_heard() {
    if openssl_is_missing() {
        return;
    }
    let identity = Identity::new("hybrid", P_256);
    let (mut driver, mut peer) = as_client(&identity, PROFILE, "", |_| {});
    prove(&mut driver, &mut peer, PROFILE);
    let now = driver.now();
    driver.side.dtls.close(now);
    driver.run_until("s_server to hear close_notify", |_| peer.has_printed("DONE"));
    assert_eq!(driver.side.closed, Some(CloseReason::Local));
}

#[test]
fn a_client_answers_a_cookie_exchange() {
    if openssl_is_missing() {
        return;
    }
    let identity = Identity::new("cookie", P_256);
    for versions in [Versions::Any, Versions::Dtls12] {
        let profile = SrtpProfile::Aes128CmSha1_80;
        let (mut driver, mut peer) = as_client(&identity, profile, "-listen", |config| config.versions = versions);
        prove(&mut driver, &mut peer, profile);
    }
}

#[test]
fn a_client_speaks_every_suite_and_group() {
    if openssl_is_missing() {
        return;
    }
    for (name, key, suites) in [("ecdsa", P_256, ECDSA_SUITES), ("rsa", RSA, RSA_SUITES)] {
        let identity = Identity::new(&format!("suites-{name}"), key);
        for (suite, cipher) in suites {
            for (group, groups) in GROUPS {
                let profile = SrtpProfile::AeadAes256Gcm;
                let extra = format!("-cipher {cipher} -groups {groups}");
                let (mut driver, mut peer) = as_client(&identity, profile, &extra, |config| {
                    config.srtp_profiles = vec![profile];
                    config.groups.sort_by_key(|known| *known != group);
                });
                prove(&mut driver, &mut peer, profile);
                assert_eq!((driver.info().cipher_suite, driver.info().group), (suite, Some(group)));
            }
        }
    }
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
        let identity = Identity::new(&format!("client-of-{name}"), key);
        for scheme in schemes {
            // The other side has to take our signature too.
            let extra = format!("-sigalgs {scheme} -client_sigalgs ECDSA+SHA256");
            let (mut driver, mut peer) = as_client(&identity, PROFILE, &extra, |_| {});
            prove(&mut driver, &mut peer, PROFILE);
            assert_eq!(driver.info().cipher_suite.is_signed_by_rsa(), name == "rsa", "{scheme}");
        }
    }
}

#[test]
fn a_client_refuses_a_server_that_does_not_ask_who_it_is() {
    if openssl_is_missing() {
        return;
    }
    let identity = Identity::new("unasked", P_256);
    let (mut driver, mut peer) = as_client_unasked(&identity, PROFILE, "", |_| {});
    driver.run_until("the refusal", |d| d.side.closed.is_some());
    assert!(matches!(&driver.side.closed, Some(CloseReason::Handshake(why)) if why.contains("no certificate")));
    driver.run_until("s_server to hear of it", |_| peer.has_printed("alert handshake failure"));
}

#[test]
fn a_server_takes_a_dtls_1_2_client_and_hears_its_goodbye() {
    if openssl_is_missing() {
        return;
    }
    let identity = Identity::new("goodbye", P_256);
    for versions in [Versions::Any, Versions::Dtls12] {
        let (mut driver, mut peer) = as_server(&identity, PROFILE, "", |config| config.versions = versions);
        prove(&mut driver, &mut peer, PROFILE);
        peer.stdin.write_all(b"Q\n").unwrap();
        driver.run_until("close_notify", |d| d.side.closed.is_some());
        assert_eq!(driver.side.closed, Some(CloseReason::CloseNotify));
    }
}

#[test]
fn a_server_speaks_every_suite_and_group_with_and_without_a_cookie() {
    if openssl_is_missing() {
        return;
    }
    let identity = Identity::new("server-suites", P_256);
    for (suite, cipher) in ECDSA_SUITES {
        for (group, groups) in GROUPS {
            let extra = format!("-cipher {cipher} -groups {groups}");
            let (mut driver, mut peer) = as_server(&identity, PROFILE, &extra, |config| {
                config.groups = vec![group];
                config.cookie = group == Group::X25519;
            });
            prove(&mut driver, &mut peer, PROFILE);
            assert_eq!((driver.info().cipher_suite, driver.info().group), (suite, Some(group)));
        }
    }
}

#[test]
fn a_server_takes_every_kind_of_key_and_signature() {
    if openssl_is_missing() {
        return;
    }
    for (name, key, schemes) in KEYS {
        let identity = Identity::new(&format!("server-of-{name}"), key);
        for scheme in schemes {
            // The other side has to take our signature too.
            let taken = if *scheme == "ECDSA+SHA256" { "ECDSA+SHA256" } else { &format!("ECDSA+SHA256:{scheme}") };
            let extra = format!("-sigalgs {taken} -client_sigalgs {scheme}");
            let (mut driver, mut peer) = as_server(&identity, PROFILE, &extra, |_| {});
            prove(&mut driver, &mut peer, PROFILE);
        }
    }
}

#[test]
fn a_server_does_not_begin_anew() {
    if openssl_is_missing() {
        return;
    }
    let identity = Identity::new("anew", P_256);
    let (mut driver, mut peer) = as_server(&identity, PROFILE, "", |_| {});
    prove(&mut driver, &mut peer, PROFILE);
    peer.stdin.write_all(b"R\n").unwrap();
    driver.run_until("s_client to hear the refusal", |_| peer.has_printed("no renegotiation"));
    // It is only a warning, but OpenSSL makes it the end, by handshake_failure.
    driver.run_until("the end", |d| d.side.closed.is_some());
    assert_eq!(driver.side.closed, Some(CloseReason::Alert(40)));
}

#[test]
fn a_server_takes_a_fragmented_client_hello() {
    if openssl_is_missing() {
        return;
    }
    let identity = Identity::new("fragments", RSA);
    // 256 bytes are the least that s_client accepts; its hello with this many ALPN names is longer.
    let names = (0..60).map(|i| format!("name-{i}")).collect::<Vec<_>>().join(",");
    let extra = format!("-mtu 256 -alpn {names}");
    let (mut driver, mut peer) = as_server(&identity, PROFILE, &extra, |config| config.mtu = MIN_MTU);
    prove(&mut driver, &mut peer, PROFILE);
}

#[test]
fn a_stranger_is_refused_and_told_so() {
    if openssl_is_missing() {
        return;
    }
    let identity = Identity::new("stranger", P_256);
    let (mut driver, mut peer) = as_client(&identity, PROFILE, "", |_| {});
    driver.side.dtls.set_expected(Instant::ORIGIN, vec![common::fingerprint(&certificate(9))]);
    driver.run_until("the refusal", |d| d.side.closed.is_some());
    assert!(matches!(driver.side.closed, Some(CloseReason::FingerprintMismatch { .. })));
    driver.run_until("s_server to give up", |_| peer.has_printed("alert bad certificate"));
}
