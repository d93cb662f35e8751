//! Messages, fragments and certificates as bytes.

use alloc::vec::Vec;

use crate::alert::AlertDescription;
use crate::certificate::peer::PeerCertificate;
use crate::message::exercise::Form;
use crate::message::handshake_header::{Fragment, Fragments};

/// The first byte says what the rest is taken for.
pub(super) fn run(data: &[u8]) {
    let Some((form, body)) = data.split_first() else { return };
    match Form::ALL.get(usize::from(*form) % (Form::ALL.len() + 1)) {
        Some(form) => {
            if let Err(error) = form.exercise(body) {
                assert!(!error.reason.is_empty() && is_of_parsers(error.alert), "{error:?}");
            }
            if *form == Form::Fragments {
                fragments(body);
            }
        }
        None => certificate(body),
    }
}

/// The alerts that say what is wrong with bytes.
fn is_of_parsers(alert: AlertDescription) -> bool {
    use AlertDescription as A;
    [
        A::DECODE_ERROR,
        A::ILLEGAL_PARAMETER,
        A::MISSING_EXTENSION,
        A::UNSUPPORTED_EXTENSION,
        A::HANDSHAKE_FAILURE,
        A::BAD_CERTIFICATE,
        A::UNSUPPORTED_CERTIFICATE,
    ]
    .contains(&alert)
}

/// Whatever a record holds, its fragments lie one behind the other and within it.
fn fragments(record: &[u8]) {
    let mut written = Vec::new();
    for fragment in Fragments::new(record) {
        let Ok(fragment) = fragment else { break };
        let Fragment { length, offset, body, .. } = fragment;
        assert!(u64::from(offset) + body.len() as u64 <= u64::from(length), "a fragment beyond its message");
        fragment.write(&mut written);
    }
    assert!(record.starts_with(&written));
}

/// A certificate is read the same whatever surrounds it, and its key is a part of it.
fn certificate(der: &[u8]) {
    match PeerCertificate::parse(der) {
        Ok(_) => {
            assert!(PeerCertificate::parse(&der[..der.len() - 1]).is_err(), "a certificate cut short");
            assert!(PeerCertificate::parse(&[der, &[0]].concat()).is_err(), "a byte behind a certificate");
        }
        Err(error) => assert!(is_of_parsers(error.alert), "{error:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn replay() {
        peerage_testkit::replay::replay(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/messages"), run);
    }

    #[test]
    fn the_seeds_have_something_for_every_parser() {
        let mut taken = [false; Form::ALL.len() + 1];
        for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/messages")).unwrap() {
            let seed = fs::read(entry.unwrap().path()).unwrap();
            let (form, body) = seed.split_first().unwrap();
            let form = usize::from(*form) % taken.len();
            taken[form] |= match Form::ALL.get(form) {
                Some(form) => form.exercise(body).is_ok(),
                None => PeerCertificate::parse(body).is_ok(),
            };
        }
        assert_eq!(taken, [true; Form::ALL.len() + 1]);
    }
}
