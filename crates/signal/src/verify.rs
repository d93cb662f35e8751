//! Words that both sides show once they are connected, so that two people can hear that nobody sits between them, even if
//! somebody else knew the code.
//!
//! Three words are few enough to be tried out, which is why they depend on a number from each side, one of which is
//! promised before the other one is known (`docs/signalling.md`, *Comparing words*): who would sit in the middle has one
//! try in eight thousand million.

use crate::plain::Plain;
use crate::words::WORDS;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use peerage_base::rng::Rng;
use peerage_crypto::hash::sha256;
use peerage_crypto::{constant_time, hkdf};

const NONCE_LEN: usize = 16;
const FINGERPRINT_LEN: usize = 32;
const LABEL: &[u8] = b"peerage-verify-1";

/// Why no words come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// What the other side showed is not what it had promised: somebody is at work.
    #[error("the other side did not keep its promise while words were compared; somebody may sit in the middle")]
    Broken,
    /// What the other side said is no step of the comparison, or not the next one.
    #[error("the other side does not compare words as it should")]
    OutOfTurn,
}

/// What follows from a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Say this to the other side.
    Say(Plain),
    /// Say this, if anything: both numbers are known, and [`Verification::words`] gives the words.
    Done(Option<Plain>),
    /// Nothing new.
    Nothing,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Idle,
    /// We were there later, and asked for the promise.
    Asked,
    /// We were there first, and promised.
    Promised,
    /// We were there later, have the promise and gave our number.
    Answered {
        promise: [u8; 32],
    },
    Done {
        theirs: [u8; NONCE_LEN],
    },
}

/// The comparison with one peer on one connection. It begins when the connection stands: before, the fingerprints are
/// not settled.
#[derive(Debug)]
pub struct Verification {
    first: bool,
    nonce: [u8; NONCE_LEN],
    state: State,
}

impl Verification {
    /// `first`: we were in the room first. `rng` must be seeded from the system's entropy.
    pub fn new(first: bool, rng: &mut Rng) -> Self {
        Self { first, nonce: rng.bytes(), state: State::Idle }
    }

    /// Begins, unless that has happened.
    pub fn begin(&mut self) -> Option<Plain> {
        match (&self.state, self.first) {
            (State::Idle, true) => {
                self.state = State::Promised;
                Some(step(Some(promise(&self.nonce)), None))
            }
            (State::Idle, false) => {
                self.state = State::Asked;
                Some(step(None, None))
            }
            _ => None,
        }
    }

    /// Takes what the peer said.
    ///
    /// # Errors
    /// [`VerifyError`], after which the connection is not to be trusted.
    pub fn handle(&mut self, commit: Option<&str>, nonce: Option<&str>) -> Result<Step, VerifyError> {
        match (self.state, self.first, commit, nonce) {
            (_, true, None, None) => Ok(self.begin().map_or(Step::Nothing, Step::Say)),
            (State::Promised, true, None, Some(theirs)) => {
                self.state = State::Done { theirs: decode(theirs)? };
                Ok(Step::Done(Some(step(None, Some(self.nonce)))))
            }
            (State::Idle | State::Asked, false, Some(promise), None) => {
                self.state = State::Answered { promise: decode(promise)? };
                Ok(Step::Say(step(None, Some(self.nonce))))
            }
            (State::Answered { promise: promised }, false, None, Some(theirs)) => {
                let theirs = decode(theirs)?;
                if !constant_time::equal(&promise(&theirs), &promised) {
                    return Err(VerifyError::Broken);
                }
                self.state = State::Done { theirs };
                Ok(Step::Done(None))
            }
            _ => Err(VerifyError::OutOfTurn),
        }
    }

    /// The words for two certificates, ours and the peer's, by their SHA-256; `None` as long as numbers are missing.
    pub fn words(&self, ours: &[u8; FINGERPRINT_LEN], theirs: &[u8; FINGERPRINT_LEN]) -> Option<String> {
        let State::Done { theirs: nonce } = self.state else { return None };
        let mine = (self.nonce, ours);
        let (first, second) = if self.first { (mine, (nonce, theirs)) } else { ((nonce, theirs), mine) };
        let mut out = [0; 8];
        let (key, info) = ([first.0, second.0].concat(), [*first.1, *second.1].concat());
        hkdf::sha256(LABEL, &key, &info, &mut out[3..]);
        let bits = u64::from_be_bytes(out);
        let words = [29, 18, 7].map(|shift| WORDS[((bits >> shift) & 0x7FF) as usize]);
        Some(words.join(" "))
    }
}

/// The SHA-256 of the certificate that a description names; `None` if it names none, or several.
pub fn fingerprint(sdp: &str) -> Option<[u8; FINGERPRINT_LEN]> {
    let values = sdp.lines().filter_map(|line| line.trim_end().strip_prefix("a=fingerprint:"));
    let mut found = None;
    for value in values {
        let (hash, hex) = value.split_once(' ')?;
        if !hash.eq_ignore_ascii_case("sha-256") {
            continue;
        }
        let mut bytes = [0; FINGERPRINT_LEN];
        let mut parts = hex.trim().split(':');
        for byte in &mut bytes {
            *byte = parts
                .next()
                .filter(|part| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit()))
                .and_then(|part| u8::from_str_radix(part, 16).ok())?;
        }
        if parts.next().is_some() || found.is_some_and(|earlier| earlier != bytes) {
            return None;
        }
        found = Some(bytes);
    }
    found
}

fn promise(nonce: &[u8; NONCE_LEN]) -> [u8; 32] {
    sha256(&[LABEL, nonce].concat())
}

fn step(commit: Option<[u8; 32]>, nonce: Option<[u8; NONCE_LEN]>) -> Plain {
    Plain::Verify {
        commit: commit.map(|bytes| URL_SAFE_NO_PAD.encode(bytes)),
        nonce: nonce.map(|bytes| URL_SAFE_NO_PAD.encode(bytes)),
    }
}

fn decode<const N: usize>(text: &str) -> Result<[u8; N], VerifyError> {
    if text.len() > 64 {
        return Err(VerifyError::OutOfTurn);
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| VerifyError::OutOfTurn)?;
    bytes.try_into().map_err(|_| VerifyError::OutOfTurn)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [u8; 32] = [0xA; 32];
    const B: [u8; 32] = [0xB; 32];

    fn pair() -> (Verification, Verification) {
        let (mut first, mut second) =
            (Verification::new(true, &mut Rng::from_u64(1)), Verification::new(false, &mut Rng::from_u64(2)));
        assert_ne!(first.nonce, second.nonce);
        (first.nonce, second.nonce) = ([1; 16], [2; 16]);
        (first, second)
    }

    fn take(to: &mut Verification, said: &Plain) -> Result<Step, VerifyError> {
        let Plain::Verify { commit, nonce } = Plain::parse(&said.to_json()).unwrap() else { panic!("{said:?}") };
        to.handle(commit.as_deref(), nonce.as_deref())
    }

    /// Everything that follows from `said`, which goes to `to`.
    fn talk(mut said: Plain, to: &mut Verification, from: &mut Verification) -> usize {
        let (mut to, mut from, mut steps) = (to, from, 0);
        loop {
            steps += 1;
            said = match take(to, &said).unwrap() {
                Step::Say(next) | Step::Done(Some(next)) => next,
                Step::Done(None) | Step::Nothing => return steps,
            };
            (to, from) = (from, to);
        }
    }

    #[test]
    fn whoever_begins_both_show_the_same_words() {
        for newcomer_begins in [false, true] {
            let (mut first, mut second) = pair();
            assert_eq!(first.words(&A, &B), None);
            let steps = if newcomer_begins {
                talk(second.begin().unwrap(), &mut first, &mut second)
            } else {
                talk(first.begin().unwrap(), &mut second, &mut first)
            };
            assert_eq!(steps, 3 + usize::from(newcomer_begins));
            let words = first.words(&A, &B).unwrap();
            assert_eq!(second.words(&B, &A).unwrap(), words);
            assert_eq!(words, "together acoustic grief", "as in web/test/verify.test.mjs");
            assert_ne!(first.words(&A, &A).unwrap(), words, "the certificates count");
        }
    }

    #[test]
    fn both_may_begin_at_once() {
        let (mut first, mut second) = pair();
        let (promised, asked) = (first.begin().unwrap(), second.begin().unwrap());
        assert_eq!(take(&mut first, &asked), Ok(Step::Nothing));
        let Ok(Step::Say(answer)) = take(&mut second, &promised) else { panic!() };
        let Ok(Step::Done(Some(shown))) = take(&mut first, &answer) else { panic!() };
        assert_eq!(take(&mut second, &shown), Ok(Step::Done(None)));
        assert_eq!((first.begin(), second.begin()), (None, None));
        assert_eq!(first.words(&A, &B), second.words(&B, &A));
    }

    #[test]
    fn another_number_than_the_promised_one_and_steps_out_of_turn_are_refused() {
        let (mut first, mut second) = pair();
        take(&mut second, &first.begin().unwrap()).unwrap();
        assert_eq!(take(&mut second, &step(None, Some([7; 16]))), Err(VerifyError::Broken));
        let number = step(None, Some([7; 16]));
        let promised = step(Some([7; 32]), None);
        let (mut first, mut second) = pair();
        assert_eq!(take(&mut first, &number), Err(VerifyError::OutOfTurn), "before the promise");
        assert_eq!(take(&mut first, &promised), Err(VerifyError::OutOfTurn), "the newcomer does not promise");
        assert_eq!(take(&mut second, &number), Err(VerifyError::OutOfTurn));
        take(&mut second, &promised).unwrap();
        assert_eq!(take(&mut second, &promised), Err(VerifyError::OutOfTurn), "a second promise");
        for bad in ["", "AAAA", "!", &"A".repeat(1000)] {
            let (mut first, _) = pair();
            first.begin();
            assert_eq!(first.handle(None, Some(bad)), Err(VerifyError::OutOfTurn), "{bad}");
        }
    }

    #[test]
    fn the_fingerprint_of_a_description_is_found_and_has_to_be_one() {
        let hex = |byte: &str| vec![byte; 32].join(":");
        let line = |byte| format!("a=fingerprint:sha-256 {}\r\n", hex(byte));
        let sdp = format!("v=0\r\na=fingerprint:sha-512 00\r\n{}m=application\r\n{}", line("0a"), line("0A"));
        assert_eq!(fingerprint(&sdp), Some(A));
        for bad in [
            "v=0\r\n".to_owned(),
            format!("{}{}", line("0a"), line("0b")),
            "a=fingerprint:sha-256 0A:0B".into(),
            "a=fingerprint:sha-256".into(),
            format!("{}:00", line("0a").trim_end()),
            line("zz"),
            line("+a"),
        ] {
            assert_eq!(fingerprint(&bad), None, "{bad}");
        }
    }
}
