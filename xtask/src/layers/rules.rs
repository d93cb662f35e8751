//! The rules, and the exceptions with their reasons.

use std::collections::BTreeSet;

use super::manifest::Manifest;
use super::source::{Source, begins_path, has_word};

/// Which crates a crate may import; `base` is open to all. The table is that of ARCHITECTURE.md.
const LAYERS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("crypto", &[]),
    ("stun", &["crypto"]),
    ("ice", &["stun", "crypto"]),
    ("turn", &["stun", "crypto"]),
    ("dtls", &["crypto"]),
    ("rtp", &[]),
    ("srtp", &["rtp", "crypto"]),
    ("sframe", &["crypto"]),
    ("sctp", &["crypto"]),
    ("media", &["rtp"]),
    ("sdp", &[]),
    ("jsep", &["sdp"]),
    ("session", &["jsep", "sdp", "media", "rtp", "ice", "turn", "stun", "dtls", "srtp", "sctp", "crypto"]),
    ("net", &[]),
    ("peerage", &["session", "net", "sframe"]),
    ("signal", &["sdp", "crypto"]),
    // Every chunk is hashed, and a second SHA-256 would be worse than this edge.
    ("transfer", &["crypto"]),
    // It seeds its generators and hashes its certificate.
    ("server", &["net", "turn", "stun", "signal", "peerage", "sdp", "crypto"]),
    ("codecs", &[]),
    ("sim", &[]),
    // It reads STUN messages to tell what a packet is.
    ("lab", &["session", "turn", "stun", "sim"]),
    ("cli", &["peerage", "signal", "transfer", "server", "lab", "codecs"]),
    ("testkit", ANYTHING),
];

const ANYTHING: &[&str] = &["*"];

/// Crates that carry no std of their own.
const NO_STD: &[&str] = &[
    "base", "crypto", "stun", "ice", "turn", "dtls", "rtp", "srtp", "sframe", "sctp", "media", "sdp", "jsep", "session",
];

/// Libraries of cryptographic primitives, by crate name. TLS for HTTPS (`rustls`) is not one of them.
const CRYPTO_LIBRARIES: &[&str] = &[
    "aws-lc-rs",
    "aws-lc-sys",
    "ring",
    "openssl",
    "boring",
    "dimpl",
    "rcgen",
    "sha1",
    "sha2",
    "md-5",
    "hmac",
    "hkdf",
    "aes",
    "aes-gcm",
    "p256",
    "p384",
    "ml-kem",
    "rsa",
    "ecdsa",
    "x25519-dalek",
    "curve25519-dalek",
    "ed25519-dalek",
    "chacha20poly1305",
];

/// Where a rule does not hold, and why.
const EXCEPTIONS: &[Exception] = &[
    Exception {
        rule: Rule::CryptoLibrary,
        place: "server/Cargo.toml",
        reason: "HTTPS without a certificate of one's own needs one that is made here",
    },
    Exception {
        rule: Rule::Clock,
        place: "cli/src/clock.rs",
        reason: "how old a remembered transfer is; no machine sees it",
    },
];

/// More lines than this, tests apart, and a file is two.
const MAX_LINES: usize = 600;

struct Exception {
    rule: Rule,
    /// A file below `crates/`, a crate, or for a ring the crate and its first module.
    place: &'static str,
    reason: &'static str,
}

/// A rule that may have exceptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Clock,
    CryptoLibrary,
    Import,
    Length,
    Ring,
}

/// Which exceptions were needed.
#[derive(Default)]
pub struct Exceptions {
    used: BTreeSet<usize>,
}

impl Exceptions {
    fn allows(&mut self, rule: Rule, place: &str) -> bool {
        let found = EXCEPTIONS.iter().position(|e| e.rule == rule && e.place == place);
        self.used.extend(found);
        found.is_some()
    }

    /// Whether a ring is a known one.
    pub fn allows_ring(&mut self, krate: &str, ring: &[String]) -> bool {
        ring.first().is_some_and(|first| self.allows(Rule::Ring, &format!("{krate}: {first}")))
    }

    /// Exceptions whose reason is gone.
    pub fn unused(&self) -> Vec<String> {
        let unused = EXCEPTIONS.iter().enumerate().filter(|(index, _)| !self.used.contains(index));
        unused.map(|(_, e)| format!("{}: the exception is no longer needed ({})", e.place, e.reason)).collect()
    }
}

/// What a manifest says of the layers.
pub fn manifest(krate: &str, manifest: &Manifest, exceptions: &mut Exceptions) -> Vec<String> {
    let place = format!("{krate}/Cargo.toml");
    let mut breaches = Vec::new();
    if !LAYERS.iter().any(|(name, _)| *name == krate) {
        breaches.push(format!("{place}: the crate has no place in the layers"));
    }
    for dependency in &manifest.dependencies {
        if let Some(other) = sibling(dependency).filter(|other| !may_import(krate, other)) {
            breaches.push(format!("{place}: {krate} may not depend on {other}"));
        }
        if CRYPTO_LIBRARIES.contains(&dependency.as_str()) && !may_name(krate, &place, exceptions) {
            breaches.push(format!("{place}: {krate} may not depend on the crypto library {dependency}"));
        }
    }
    // `net` alone sets its own, since it alone may hold unsafe code.
    let own_lints = krate == "net" && manifest.own_lints;
    if !manifest.workspace_lints && !own_lints {
        breaches.push(format!("{place}: [lints] does not say workspace = true"));
    }
    breaches
}

/// What the root of a library says.
pub fn root(krate: &str, root: Option<&Source>) -> Option<String> {
    let says = root.is_some_and(|root| root.code.contains("#![no_std]"));
    (NO_STD.contains(&krate) && !says).then(|| format!("{krate}/src/lib.rs: #![no_std] is missing"))
}

/// What a file of the product says.
pub fn source(krate: &str, source: &Source, exceptions: &mut Exceptions) -> Vec<String> {
    let mut breaches = Vec::new();
    let place = &source.place;
    if krate != "net" {
        breaches.extend(source.lines_with("unsafe").map(|line| format!("{place}:{line}: unsafe code belongs to net")));
    }
    for (index, line) in source.code.lines().enumerate() {
        let number = index + 1;
        for other in imports(line).filter(|other| !may_import(krate, other)) {
            breaches.push(format!("{place}:{number}: {krate} may not import {other}"));
        }
        for path in root_imports(line) {
            if !exceptions.allows(Rule::Import, place) {
                breaches
                    .push(format!("{place}:{number}: {path} comes through the root; name the module that defines it"));
            }
        }
        if reads_clock(krate, source, line) && place != "net/src/clock.rs" && !exceptions.allows(Rule::Clock, place) {
            breaches.push(format!("{place}:{number}: the clock is read; net::clock does that"));
        }
    }
    if source.production_lines > MAX_LINES && !exceptions.allows(Rule::Length, place) {
        breaches.push(format!("{place}: {} lines are more than {MAX_LINES}", source.production_lines));
    }
    breaches
}

fn may_import(krate: &str, other: &str) -> bool {
    let allowed = LAYERS.iter().find(|(name, _)| *name == krate).map_or(&[][..], |(_, allowed)| *allowed);
    other == "base" || other == krate || allowed == ANYTHING || allowed.contains(&other)
}

/// `crypto` holds the primitives.
fn may_name(krate: &str, place: &str, exceptions: &mut Exceptions) -> bool {
    krate == "crypto" || exceptions.allows(Rule::CryptoLibrary, place)
}

/// The crate's folder, for a package of ours.
fn sibling(package: &str) -> Option<&str> {
    if package == "peerage" { Some(package) } else { package.strip_prefix("peerage-") }
}

/// The crates of ours that a line names.
fn imports(line: &str) -> impl Iterator<Item = &'static str> {
    let named = |name: &str| match name {
        "peerage" => begins_path(line, "peerage::"),
        _ => begins_path(line, &format!("peerage_{name}::")),
    };
    let found: Vec<&'static str> = LAYERS.iter().map(|(name, _)| *name).filter(|name| named(name)).collect();
    found.into_iter()
}

/// Paths to a type through the root of a crate of ours. The root of `peerage` is its public face and meant to be used.
fn root_imports(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    let roots = LAYERS.iter().map(|(name, _)| format!("peerage_{name}::")).chain(["crate::".to_owned()]);
    for root in roots {
        for (at, _) in line.match_indices(&root) {
            let before = line[..at].chars().next_back();
            let rest = &line[at + root.len()..];
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let whole = !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$');
            if whole && name.starts_with(|c: char| c.is_uppercase()) {
                found.push(format!("{root}{name}"));
            }
        }
    }
    found
}

/// Machines know no clock at all; elsewhere the timers of tokio are free, and the system's clock is not.
fn reads_clock(krate: &str, source: &Source, line: &str) -> bool {
    let machine = NO_STD.contains(&krate);
    let system = source.code.contains("std::time::Instant") || source.code.lines().any(imports_system_instant);
    has_word(line, "SystemTime::now")
        || has_word(line, "std::time::Instant::now")
        || ((machine || system) && has_word(line, "Instant::now"))
}

fn imports_system_instant(line: &str) -> bool {
    line.trim_start().starts_with("use std::time::") && has_word(line, "Instant")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_no_ring_and_names_only_crates_it_has() {
        for (name, allowed) in LAYERS.iter().filter(|(_, allowed)| *allowed != ANYTHING) {
            for other in *allowed {
                assert!(LAYERS.iter().any(|(n, _)| n == other), "{other}");
                assert!(!may_import(other, name), "{name} and {other} import each other");
            }
        }
    }

    #[test]
    fn tokio_timers_are_free_above_the_machines() {
        let driver = Source::new("signal/src/d.rs".into(), "use tokio::time::Instant;\nfn f() { Instant::now(); }\n");
        assert!(!reads_clock("signal", &driver, "Instant::now()"));
        assert!(reads_clock("ice", &driver, "Instant::now()"));
        let system =
            Source::new("signal/src/d.rs".into(), "use std::time::{Duration, Instant};\nfn f() { Instant::now(); }\n");
        assert!(reads_clock("signal", &system, "Instant::now()"));
    }

    #[test]
    fn types_come_from_their_modules() {
        assert_eq!(root_imports("use crate::Plan;"), ["crate::Plan"]);
        assert_eq!(root_imports("use peerage_sdp::Description;"), ["peerage_sdp::Description"]);
        assert!(root_imports("use crate::plan::Plan; use peerage::PeerConnection; $crate::X").is_empty());
    }
}
