//! What peers say to each other inside the seal.

use core::fmt;
use serde::{Deserialize, Serialize};

/// Characters of a text meant for people (an agent, a reason) that are kept.
const TEXT_MAX: usize = 200;
/// Bytes of a candidate, a mid or a username fragment; beyond, the message is refused.
const FIELD_MAX: usize = 4096;

/// What a peer is here for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Role {
    /// Sends files.
    Send,
    /// Receives files.
    Receive,
    /// Joins standard input and output with the other side's.
    Pipe,
    /// The web page, which does all of it.
    Page,
    /// Sends audio and video, and wants both.
    Call,
    /// Lets the other side connect to a TCP port.
    Forward,
    /// Listens, and lets come out where the other side forwards to.
    Connect,
    /// A role that a later version knows.
    #[serde(other)]
    Other,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Send => "send",
            Self::Receive => "receive",
            Self::Pipe => "pipe",
            Self::Page => "page",
            Self::Call => "call",
            Self::Forward => "forward",
            Self::Connect => "connect",
            Self::Other => "other",
        })
    }
}

/// An ICE candidate on its way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The value of the SDP attribute, `candidate:...`; empty: there are no more.
    pub candidate: String,
    /// The media section it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mid: Option<String>,
    /// The username fragment of the ICE generation it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ufrag: Option<String>,
}

/// One message inside the seal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Plain {
    /// The first message to every peer: proves knowledge of the secret.
    Hello {
        /// Program and version, for people.
        agent: String,
        /// What the peer is here for.
        role: Role,
    },
    /// An SDP offer.
    Offer {
        /// The description.
        sdp: String,
    },
    /// An SDP answer.
    Answer {
        /// The description.
        sdp: String,
    },
    /// An ICE candidate.
    Candidate(Candidate),
    /// A step of comparing words, see [`verify`](crate::verify); with neither field: please begin.
    Verify {
        /// The promise of a number, base64url.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        commit: Option<String>,
        /// A number, base64url.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nonce: Option<String>,
    },
    /// The peer ends the session, and why.
    Bye {
        /// Why, for people.
        reason: String,
    },
}

/// Why an opened message was dropped.
#[derive(Debug, thiserror::Error)]
pub enum PlainError {
    /// Not JSON, or not a message this version knows.
    #[error("not a message of this version: {0}")]
    Syntax(#[from] serde_json::Error),
    /// A field longer than anything sensible.
    #[error("the field {0} is too long")]
    FieldTooLong(&'static str),
}

impl Plain {
    /// Reads an opened message. Texts for people are shortened and freed of control characters, so that a peer cannot
    /// drive the terminal that prints them.
    ///
    /// # Errors
    /// [`PlainError`]; such a message is dropped.
    pub fn parse(bytes: &[u8]) -> Result<Self, PlainError> {
        let mut plain: Self = serde_json::from_slice(bytes)?;
        match &mut plain {
            Self::Hello { agent: text, .. } | Self::Bye { reason: text } => *text = printable(text),
            Self::Candidate(candidate) => {
                let field = |text: &Option<String>| text.as_ref().map_or(0, String::len);
                for (len, name) in [
                    (candidate.candidate.len(), "candidate"),
                    (field(&candidate.mid), "mid"),
                    (field(&candidate.ufrag), "ufrag"),
                ] {
                    if len > FIELD_MAX {
                        return Err(PlainError::FieldTooLong(name));
                    }
                }
            }
            Self::Verify { commit, nonce } => {
                let long = |text: &Option<String>| text.as_ref().is_some_and(|text| text.len() > FIELD_MAX);
                for (field, name) in [(&*commit, "commit"), (&*nonce, "nonce")] {
                    if long(field) {
                        return Err(PlainError::FieldTooLong(name));
                    }
                }
            }
            Self::Offer { .. } | Self::Answer { .. } => {}
        }
        Ok(plain)
    }

    /// The JSON to seal.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and enums always serialise")
    }
}

fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(TEXT_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_kind_has_the_documented_form() {
        let sdp = || "v=0\r\n".to_owned();
        for (plain, json) in [
            (
                Plain::Hello { agent: "peerage 0.1".into(), role: Role::Send },
                r#"{"kind":"hello","agent":"peerage 0.1","role":"send"}"#,
            ),
            (Plain::Offer { sdp: sdp() }, r#"{"kind":"offer","sdp":"v=0\r\n"}"#),
            (Plain::Answer { sdp: sdp() }, r#"{"kind":"answer","sdp":"v=0\r\n"}"#),
            (
                Plain::Candidate(Candidate {
                    candidate: "candidate:1".into(),
                    mid: Some("0".into()),
                    ufrag: Some("u".into()),
                }),
                r#"{"kind":"candidate","candidate":"candidate:1","mid":"0","ufrag":"u"}"#,
            ),
            (Plain::Candidate(Candidate::default()), r#"{"kind":"candidate","candidate":""}"#),
            (Plain::Bye { reason: "done".into() }, r#"{"kind":"bye","reason":"done"}"#),
        ] {
            assert_eq!(String::from_utf8(plain.to_json()).unwrap(), json);
            assert_eq!(Plain::parse(json.as_bytes()).unwrap(), plain);
        }
    }

    #[test]
    fn null_fields_new_fields_and_new_roles_are_read() {
        let json = br#"{"kind":"candidate","candidate":"","mid":null,"ufrag":null,"later":1}"#;
        assert_eq!(Plain::parse(json).unwrap(), Plain::Candidate(Candidate::default()));
        let json = br#"{"kind":"hello","agent":"x","role":"juggle"}"#;
        assert_eq!(Plain::parse(json).unwrap(), Plain::Hello { agent: "x".into(), role: Role::Other });
    }

    #[test]
    fn a_peer_cannot_drive_the_terminal() {
        let json = serde_json::json!({"kind": "bye", "reason": format!("a\u{1b}[2J\u{9b}b\n{}", "c".repeat(500))});
        let Ok(Plain::Bye { reason }) = Plain::parse(json.to_string().as_bytes()) else { panic!("a bye") };
        assert!(reason.starts_with("a[2Jbc"));
        assert_eq!(reason.chars().count(), 200);
    }

    #[test]
    fn oversized_fields_and_unknown_kinds_are_refused() {
        let json = serde_json::json!({"kind": "candidate", "candidate": "", "mid": "x".repeat(5000)}).to_string();
        assert!(matches!(Plain::parse(json.as_bytes()), Err(PlainError::FieldTooLong("mid"))));
        for json in ["", "[]", "{}", r#"{"kind":"sing"}"#, r#"{"kind":"offer"}"#, r#"{"kind":"offer","sdp":7}"#] {
            assert!(Plain::parse(json.as_bytes()).is_err(), "{json}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Plain::parse(&bytes);
        }
    }
}
