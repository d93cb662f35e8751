//! Failures that are known, each with its reason. An entry whose test passes fails the run.

/// Known failures: name of the case, reason.
const EXPECTED_FAILURES: &[(&str, &str)] = &[
    ("dtls/Chromium/Native offers/TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", CHROMIUM_AES_256),
    ("dtls/Chromium/Browser offers/TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", CHROMIUM_AES_256),
    ("dtls/Firefox/Native offers/TLS_AES_256_GCM_SHA384", FIREFOX_AES_256),
    ("dtls/Firefox/Browser offers/TLS_AES_256_GCM_SHA384", FIREFOX_AES_256),
    ("dtls/Firefox/Native offers/TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", FIREFOX_AES_256),
    ("dtls/Firefox/Browser offers/TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", FIREFOX_AES_256),
];
const FIREFOX_AES_256: &str = "Firefox has no suite with AES-256-GCM";
const CHROMIUM_AES_256: &str = "of DTLS 1.2 Chromium has no suite with AES-256-GCM";

/// Judges a case against the list.
///
/// # Panics
/// If the case failed and is not listed, or passed and is.
pub fn judge(case: &str, outcome: Result<(), String>) {
    let listed = EXPECTED_FAILURES.iter().find(|(name, _)| *name == case);
    match (outcome, listed) {
        (Ok(()), None) => {}
        (Err(error), Some((_, reason))) => eprintln!("{case}: failed as expected ({reason}): {error}"),
        (Err(error), None) => panic!("{case}: {error}"),
        (Ok(()), Some((_, reason))) => panic!("{case} passes now; take it off the list ({reason})"),
    }
}

/// Whether programs are installed. Without one says that `what` was skipped, or fails if CI is set.
///
/// # Panics
/// With CI set and a program missing.
pub fn installed(what: &str, programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_missing = |program: &&&str| !std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    let Some(missing) = programs.iter().find(is_missing) else { return true };
    assert!(std::env::var_os("CI").is_none(), "{what}: {missing} is not installed");
    eprintln!("skipped: {what}: {missing} is not installed");
    false
}
