//! Certificates of our own as OpenSSL reads them.
//!
//! Runs where the program `openssl` is installed; with `CI=true` its absence is a failure.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use peerage_base::rng::Rng;
use peerage_dtls::{Certificate, HashAlgorithm};

/// 2026-09-21 14:13:20 UTC.
const NOW: u64 = 1_790_000_000;

fn openssl_is_missing() -> bool {
    let missing = Command::new("openssl").arg("version").stdout(Stdio::null()).status().is_err();
    assert!(!missing || std::env::var("CI").as_deref() != Ok("true"), "openssl is required in CI");
    if missing {
        eprintln!("skipped: openssl is not installed");
    }
    missing
}

fn openssl(args: &[&str], file: &Path) -> Output {
    let out = Command::new("openssl").args(args).arg(file).output().unwrap();
    assert!(out.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    out
}

fn text(args: &[&str], file: &Path) -> String {
    String::from_utf8(openssl(args, file).stdout).unwrap()
}

/// A folder of this test's own, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("certificate-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn openssl_reads_what_was_written() {
    if openssl_is_missing() {
        return;
    }
    let folder = Folder::new("text");
    let made = Certificate::generate(&mut Rng::from_u64(1), NOW).unwrap();
    let der = folder.file("own.der", made.der());
    let shown = text(&["x509", "-inform", "DER", "-noout", "-text", "-nameopt", "RFC2253", "-in"], &der);
    for line in [
        "Version: 3 (0x2)",
        "Signature Algorithm: ecdsa-with-SHA256",
        "Issuer: CN=WebRTC",
        "Subject: CN=WebRTC",
        "Not Before: Sep 20 14:13:20 2026 GMT",
        "Not After : Sep 20 14:13:20 2027 GMT",
        "Public-Key: (256 bit)",
        "NIST CURVE: P-256",
    ] {
        assert!(shown.contains(line), "no {line:?} in\n{shown}");
    }
    let fingerprint = text(&["x509", "-inform", "DER", "-noout", "-fingerprint", "-sha256", "-in"], &der);
    let ours = made.fingerprint(HashAlgorithm::Sha256).to_string();
    assert!(fingerprint.trim().ends_with(ours.trim_start_matches("sha-256 ")), "{fingerprint} is not {ours}");
}

#[test]
fn openssl_verifies_the_signature_and_finds_the_key() {
    if openssl_is_missing() {
        return;
    }
    let folder = Folder::new("verify");
    // Dates of both forms.
    for (seed, now) in [(2, NOW), (3, 2_600_000_000)] {
        let made = Certificate::generate(&mut Rng::from_u64(seed), now).unwrap();
        let der = folder.file("own.der", made.der());
        let pem = folder.file("own.pem", &openssl(&["x509", "-inform", "DER", "-in"], &der).stdout);
        let anchor = pem.to_str().unwrap();
        let at = now.to_string();
        let verified = text(&["verify", "-check_ss_sig", "-attime", &at, "-CAfile", anchor], &pem);
        assert!(verified.trim().ends_with(": OK"), "{verified}");
        let key = folder.file("own.key", made.private_key_der());
        let of_key = text(&["pkey", "-inform", "DER", "-pubout", "-in"], &key);
        let of_certificate = text(&["x509", "-inform", "DER", "-noout", "-pubkey", "-in"], &der);
        assert_eq!(of_key, of_certificate);
    }
}
