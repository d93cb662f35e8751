//! The table of rules in docs/dtls.md is whole and names tests that exist, and some rules that only show between two
//! whole connections.

mod common;
mod path;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::{Pair, Weather, seal, transmit};
use path::{CLIENT_HELLO, plain, records};
use peerage_base::time::Duration;
use peerage_dtls::Versions;
use peerage_dtls::event::CloseReason;
use peerage_dtls::suite::Version;

/// How many sentences of each section of RFC 9147 say MUST or SHALL, of itself or not; that on the meaning of the words
/// (§2) is left out.
const RULES: [(&str, usize); 28] = [
    ("4", 7),
    ("4.1", 4),
    ("4.2.1", 3),
    ("4.2.3", 3),
    ("4.3", 3),
    ("4.4", 2),
    ("4.5.1", 3),
    ("4.5.2", 1),
    ("4.5.3", 5),
    ("5", 1),
    ("5.1", 6),
    ("5.2", 3),
    ("5.3", 4),
    ("5.5", 5),
    ("5.8.1", 2),
    ("5.8.4", 1),
    ("5.9", 1),
    ("5.10", 1),
    ("5.11", 2),
    ("6.1", 1),
    ("7", 4),
    ("7.1", 3),
    ("7.2", 3),
    ("8", 6),
    ("9", 8),
    ("9.1", 1),
    ("11", 4),
    ("14", 1),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The rows of the tables behind a heading: cells without the outer bars.
fn rows(text: &str, heading: &str) -> Vec<Vec<String>> {
    let (_, behind) = text.split_once(heading).unwrap_or_else(|| panic!("no {heading:?}"));
    let section = behind.split("\n## ").next().unwrap_or_default();
    let lines = section.lines().filter(|line| line.starts_with('|') && !line.starts_with("|--"));
    lines.skip(1).map(|line| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// What stands between backquotes.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn every_rule_of_rfc_9147_has_a_row_that_says_who_holds_it() {
    let text = std::fs::read_to_string(root().join("docs/dtls.md")).unwrap();
    let rows = rows(&text, "\n## Rules of RFC 9147");
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &rows {
        assert_eq!(row.len(), 3, "section, rule, test: {row:?}");
        *found.entry(row[0].as_str()).or_default() += 1;
        let is_excused = row[2].starts_with("— ") && row[2].len() > 20;
        assert!(is_excused || quoted(&row[2]).any(|test| test.contains(": ")), "no test and no reason: {row:?}");
    }
    for (section, count) in RULES {
        assert_eq!(found.remove(section), Some(count), "rules of §{section}");
    }
    assert!(found.is_empty(), "sections without rules: {found:?}");
}

#[test]
fn every_test_that_docs_and_threat_model_name_exists() {
    let mut named = 0;
    for file in ["docs/dtls.md", "SECURITY.md"] {
        let text = std::fs::read_to_string(root().join(file)).unwrap();
        for test in quoted(&text).filter(|test| test.contains(".rs: ")) {
            let (source, names) = test.split_once(": ").unwrap();
            let code = std::fs::read_to_string(root().join(source)).unwrap_or_else(|_| panic!("{file}: no {source}"));
            for name in names.split(", ") {
                let found = code.match_indices(&format!("fn {name}(")).any(|(at, _)| {
                    let before = &code[..at];
                    let attributes = before.rsplit("\n\n").next().unwrap_or_default();
                    attributes.contains("#[test]") || attributes.contains("proptest")
                });
                assert!(found, "{file}: {source} has no test {name}");
                named += 1;
            }
        }
    }
    assert!(named > 100, "{named} tests");
}

const VERSIONS: [Versions; 2] = [Versions::Dtls13, Versions::Dtls12];

fn connected(versions: Versions) -> Pair {
    let mut pair = Pair::trusting([versions, versions], Weather::default(), 1);
    pair.connect();
    pair.run_until(Duration::from_secs(5), |_| false);
    pair
}

fn assert_open(pair: &mut Pair) {
    for from in [0, 1] {
        let record = seal(&mut pair.sides[from].dtls, b"still there").unwrap();
        let now = pair.now;
        pair.sides[1 - from].input(now, &record);
        assert_eq!(pair.sides[1 - from].received.pop().as_deref(), Some(&b"still there"[..]));
        assert_eq!(pair.sides[from].closed, None);
    }
}

#[test]
fn plaintext_behind_keys_is_counted_and_dropped() {
    for versions in VERSIONS {
        let mut pair = connected(versions);
        for side in [0, 1] {
            let before = pair.sides[side].dtls.counters().dropped_plaintext;
            let now = pair.now;
            for content in [&[2, 40][..], &[1, 0], &[2, 0]] {
                pair.sides[side].input(now, &plain(21, 9, content));
            }
            pair.sides[side].input(now, &plain(23, 9, b"injected"));
            pair.sides[side].input(now, &plain(26, 9, &[0, 0]));
            for kind in [0, 1, 2, 20, 24] {
                pair.sides[side].input(now, &plain(22, 9, &path::fragment(kind, 4, 0, 0, b"nope")));
                pair.sides[side].input(now, &plain(22, 9, &path::fragment(kind, 4, 9, 0, b"nope")));
            }
            assert!(pair.sides[side].received.is_empty() && pair.sides[side].closed.is_none());
            assert!(pair.sides[side].dtls.counters().dropped_plaintext >= before + 10, "{versions:?}, {side}");
            assert_eq!(transmit(&mut pair.sides[side].dtls, now), None, "and has no answer");
        }
        assert_open(&mut pair);
    }
}

#[test]
fn forged_and_replayed_records_are_counted_and_dropped() {
    for versions in VERSIONS {
        let mut pair = connected(versions);
        let now = pair.now;
        for n in 1..=50 {
            let record = seal(&mut pair.sides[0].dtls, b"once").unwrap();
            let mut forged = record.clone();
            *forged.last_mut().unwrap() ^= 1;
            for datagram in [&forged, &record, &record] {
                pair.sides[1].input(now, datagram);
            }
            let counters = pair.sides[1].dtls.counters();
            assert_eq!((counters.dropped_forged, counters.dropped_replayed, counters.opened), (n, n, n));
            assert_eq!(transmit(&mut pair.sides[1].dtls, now), None, "neither data nor forgeries have an answer");
        }
        assert_eq!(pair.sides[1].received.len(), 50);
        pair.sides[1].received.clear();
        assert_open(&mut pair);
    }
}

#[test]
fn a_new_hello_does_not_end_the_connection() {
    for versions in VERSIONS {
        let mut pair = connected(versions);
        let mut other = path::pair([Versions::Any; 2], |_, _| {});
        let now = other.now;
        let hello = transmit(&mut other.sides[0].dtls, now).unwrap();
        assert_eq!(path::kind(&hello), Some(CLIENT_HELLO));
        let now = pair.now;
        for _ in 0..3 {
            pair.sides[1].input(now, &hello);
        }
        assert_eq!(transmit(&mut pair.sides[1].dtls, now), None);
        assert_open(&mut pair);
    }
}

#[test]
fn a_last_flight_that_comes_again_stays_under_its_own_keys() {
    let mut pair = path::pair([Versions::Dtls13; 2], |_, _| {});
    let mut flights = Vec::new();
    path::run(&mut pair, 3, |from, datagram| {
        if from == 0 && path::kind(datagram).is_none() && flights.len() < 2 {
            flights.push(records(datagram));
            datagram.clear();
        }
    });
    assert_eq!(pair.sides[0].info.as_ref().map(|info| info.version), Some(Version::Dtls13));
    assert_eq!(flights.len(), 2);
    // The low bits of the epoch: the handshake's, though there are keys for data.
    assert!(flights.iter().flatten().all(|first| first & 0xE3 == 0x22), "{flights:x?}");
    let data = seal(&mut pair.sides[0].dtls, b"data").unwrap();
    assert_eq!(data[0] & 0xE3, 0x23);
    assert!(pair.sides[1].info.is_some());
}

#[test]
fn an_end_in_the_clear_is_heeded_only_before_there_are_keys() {
    // Both have only sent and received hellos: the server cannot go on, and has no other way to say so.
    let mut pair = path::pair([Versions::Any; 2], |_, _| {});
    let now = pair.now;
    transmit(&mut pair.sides[0].dtls, now).unwrap();
    pair.sides[0].input(now, &plain(21, 0, &[1, 0]));
    assert_eq!(pair.sides[0].closed, None, "a close_notify in the clear closes nothing");
    pair.sides[0].input(now, &plain(21, 0, &[2, 40]));
    assert_eq!(pair.sides[0].closed, Some(CloseReason::Alert(40)));

    // A server that waits for a first hello has nobody to believe.
    pair.sides[1].input(now, &plain(21, 0, &[2, 40]));
    assert_eq!(pair.sides[1].closed, None);

    // DTLS 1.3, once the client has keys.
    let mut pair = path::pair([Versions::Dtls13; 2], |_, _| {});
    let mut is_first = true;
    path::run(&mut pair, 3, |from, datagram| {
        if from == 1 && core::mem::take(&mut is_first) {
            // The ServerHello alone goes through, an alert behind it.
            let len = 13 + usize::from(u16::from_be_bytes([datagram[11], datagram[12]]));
            datagram.truncate(len);
            datagram.extend_from_slice(&plain(21, 9, &[2, 40]));
        }
    });
    assert_eq!(pair.sides[0].closed, None);
    assert!(pair.sides.iter().all(|side| side.info.is_some()));
}
