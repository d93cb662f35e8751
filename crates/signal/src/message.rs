//! The frames between a client and the server: one JSON object each.

use crate::access::AccessToken;
use crate::id::{Nameplate, PeerId, RoomName, Side, Token};
use core::fmt;
use peerage_base::redact::Redacted;
use serde::{Deserialize, Deserializer, Serialize, de};

/// The longest frame, in bytes.
pub const FRAME_MAX: usize = 64 * 1024;
/// The longest sealed data inside a frame, in characters; leaves room for the fields around it in either direction.
pub const DATA_MAX: usize = 65_000;
/// How many messages may arrive before the receiver acknowledges.
pub const ACK_EVERY: u64 = 16;

/// Sealed data as it travels: base64url without padding, at most [`DATA_MAX`] characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Data(String);

impl Data {
    /// Wraps sealed data; `None` if it is too long or has characters that base64url has not.
    pub fn new(text: String) -> Option<Self> {
        let valid = text.len() <= DATA_MAX && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        valid.then_some(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(from)?)
            .ok_or_else(|| de::Error::custom("data is base64url of at most 65000 characters"))
    }
}

/// A message that the server sends only to clients that know it: earlier ones end at what they do not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Accepts {
    /// [`ServerMessage::IceServers`].
    IceServers,
    /// A message that a later version knows.
    #[serde(other)]
    Other,
}

/// What a client says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage {
    /// Enter the room, create it if it does not exist.
    Open {
        /// Which room.
        room: RoomName,
        /// Who enters.
        peer: PeerId,
        /// What the client knows beyond the first messages of the protocol.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        accepts: Vec<Accepts>,
        /// What a server that does not let everybody open rooms asks for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        access_token: Option<AccessToken>,
    },
    /// Enter the room, which must exist.
    Join {
        /// Which room.
        room: RoomName,
        /// Who enters.
        peer: PeerId,
        /// What the client knows beyond the first messages of the protocol.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        accepts: Vec<Accepts>,
    },
    /// Be given a nameplate, for a code of words that nobody has chosen.
    Allocate {
        /// Who waits at it.
        peer: PeerId,
        /// What a server that does not let everybody open rooms asks for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        access_token: Option<AccessToken>,
    },
    /// Wait at a nameplate for the one other that has its code.
    Claim {
        /// Which nameplate.
        nameplate: Nameplate,
        /// Who waits at it.
        peer: PeerId,
        /// Which of the two.
        side: Side,
        /// What a server that does not let everybody open rooms asks hosts for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        access_token: Option<AccessToken>,
    },
    /// Take up a lost connection.
    Resume {
        /// Which room.
        room: RoomName,
        /// Who is back.
        peer: PeerId,
        /// What `joined` gave.
        token: Token,
        /// The last number that arrived from the server.
        received: u64,
    },
    /// Hand sealed data to a peer.
    Signal {
        /// Counts this client's signals, from 1.
        seq: u64,
        /// To whom.
        to: PeerId,
        /// What.
        data: Data,
    },
    /// Everything up to `received` arrived.
    Ack {
        /// The last number that arrived from the server.
        received: u64,
    },
    /// Leave at once.
    Leave,
}

/// A server for ICE, in the form of W3C `RTCIceServer`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceServer {
    /// `stun:` and `turn:` URLs.
    pub urls: Vec<String>,
    /// TURN user name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// TURN password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

impl IceServer {
    /// A server that asks for no credentials.
    pub fn open(urls: Vec<String>) -> Self {
        Self { urls, username: None, credential: None }
    }
}

impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("IceServer");
        shown.field("urls", &self.urls).field("username", &self.username.as_ref().map(Redacted));
        shown.field("credential", &self.credential.as_ref().map(|_| Redacted(()))).finish()
    }
}

/// Why the server refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorCode {
    /// The room is unknown, full or expired: one answer for all.
    Unavailable,
    /// Too many requests from one address, or too many messages from one client.
    RateLimited,
    /// The message is not understood or does not fit.
    BadRequest,
    /// The message is longer than allowed.
    TooLarge,
    /// The peer id, or the place at a nameplate, is in use.
    Taken,
    /// The code of this nameplate was used: it was good for one try.
    Spent,
    /// Nobody came to this nameplate in time, or whoever made its code has left.
    Expired,
    /// There is nothing to resume.
    Gone,
    /// This server opens rooms only for those who have an access token.
    Forbidden,
    /// A code that a later version knows.
    #[serde(other)]
    Other,
}

/// What the server says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// The client entered.
    Joined {
        /// What resumes this stay.
        token: Token,
        /// Who was there before.
        peers: Vec<PeerId>,
        /// What ICE should use.
        ice_servers: Vec<IceServer>,
        /// How long a client may be away, in milliseconds.
        grace_ms: u64,
    },
    /// The client is at a nameplate; that the other one is, too, [`PeerJoined`](Self::PeerJoined) tells.
    Claimed {
        /// Which nameplate.
        nameplate: Nameplate,
        /// The room that stands for it in [`Resume`](ClientMessage::Resume).
        room: RoomName,
        /// What resumes this stay.
        token: Token,
        /// How long a client may be away, in milliseconds.
        grace_ms: u64,
    },
    /// The client is back.
    Resumed {
        /// The last of the client's signals that arrived.
        received: u64,
        /// Who is there.
        peers: Vec<PeerId>,
    },
    /// A peer entered.
    PeerJoined {
        /// Counts what this client is told, from 1.
        seq: u64,
        /// Who.
        peer: PeerId,
    },
    /// A peer left, or stayed away too long.
    PeerLeft {
        /// Counts what this client is told, from 1.
        seq: u64,
        /// Who.
        peer: PeerId,
    },
    /// Sealed data from a peer.
    Signal {
        /// Counts what this client is told, from 1.
        seq: u64,
        /// From whom.
        from: PeerId,
        /// What.
        data: Data,
    },
    /// What ICE should use from now on, in place of all that was named before.
    IceServers {
        /// The servers; those that relay come with credentials.
        ice_servers: Vec<IceServer>,
        /// How long the credentials are good for, in milliseconds from now.
        expires_ms: u64,
    },
    /// The client's signals up to `received` arrived.
    Ack {
        /// The last of the client's signals that arrived.
        received: u64,
    },
    /// Refused; the server closes.
    Error {
        /// The reason for programs.
        code: ErrorCode,
        /// The reason for people.
        message: String,
    },
    /// A message that a later version knows.
    #[serde(other)]
    Unknown,
}

/// Why a frame was refused.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Longer than [`FRAME_MAX`].
    #[error("a message may have at most 65536 bytes")]
    TooLarge,
    /// Not JSON, or not a message of the protocol.
    #[error("{0}")]
    Syntax(#[from] serde_json::Error),
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, FrameError> {
    if text.len() > FRAME_MAX {
        return Err(FrameError::TooLarge);
    }
    Ok(serde_json::from_str(text)?)
}

impl ClientMessage {
    /// Reads a frame.
    ///
    /// # Errors
    /// [`FrameError`].
    pub fn parse(text: &str) -> Result<Self, FrameError> {
        parse(text)
    }

    /// The frame.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers always serialise")
    }
}

impl ServerMessage {
    /// Reads a frame.
    ///
    /// # Errors
    /// [`FrameError`].
    pub fn parse(text: &str) -> Result<Self, FrameError> {
        parse(text)
    }

    /// The frame.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers always serialise")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const P: &str = "AQEBAQEBAQEBAQEBAQEBAQ";

    #[test]
    fn client_frames_have_the_documented_form() {
        for json in [
            format!(r#"{{"type":"open","room":"abcd","peer":"{P}"}}"#),
            format!(
                r#"{{"type":"open","room":"abcd","peer":"{P}","accepts":["ice_servers"],"access_token":"correct-horse-battery"}}"#
            ),
            format!(r#"{{"type":"join","room":"abcd","peer":"{P}"}}"#),
            format!(r#"{{"type":"join","room":"abcd","peer":"{P}","accepts":["ice_servers"]}}"#),
            format!(r#"{{"type":"allocate","peer":"{P}"}}"#),
            format!(r#"{{"type":"allocate","peer":"{P}","access_token":"correct-horse-battery"}}"#),
            format!(r#"{{"type":"claim","nameplate":7,"peer":"{P}","side":"guest"}}"#),
            format!(
                r#"{{"type":"claim","nameplate":999999,"peer":"{P}","side":"host","access_token":"correct-horse-battery"}}"#
            ),
            format!(r#"{{"type":"resume","room":"abcd","peer":"{P}","token":"{P}","received":7}}"#),
            format!(r#"{{"type":"signal","seq":1,"to":"{P}","data":"ab-_"}}"#),
            r#"{"type":"ack","received":3}"#.into(),
            r#"{"type":"leave"}"#.into(),
        ] {
            assert_eq!(ClientMessage::parse(&json).unwrap().to_json(), json);
        }
    }

    #[test]
    fn server_frames_have_the_documented_form() {
        for json in [
            format!(
                r#"{{"type":"joined","token":"{P}","peers":["{P}"],"ice_servers":[{{"urls":["stun:h:1"]}}],"grace_ms":30000}}"#
            ),
            format!(r#"{{"type":"claimed","nameplate":7,"room":"abcd","token":"{P}","grace_ms":30000}}"#),
            r#"{"type":"error","code":"spent","message":"m"}"#.into(),
            r#"{"type":"error","code":"expired","message":"m"}"#.into(),
            format!(r#"{{"type":"resumed","received":2,"peers":["{P}"]}}"#),
            format!(r#"{{"type":"peer_joined","seq":1,"peer":"{P}"}}"#),
            format!(r#"{{"type":"peer_left","seq":2,"peer":"{P}"}}"#),
            format!(r#"{{"type":"signal","seq":3,"from":"{P}","data":"ab"}}"#),
            r#"{"type":"ice_servers","ice_servers":[{"urls":["stun:h:1"]},{"urls":["turn:h:1"],"username":"u","credential":"c"}],"expires_ms":600000}"#.into(),
            r#"{"type":"ack","received":3}"#.into(),
            r#"{"type":"error","code":"rate_limited","message":"m"}"#.into(),
            r#"{"type":"error","code":"forbidden","message":"m"}"#.into(),
        ] {
            assert_eq!(ServerMessage::parse(&json).unwrap().to_json(), json);
        }
    }

    #[test]
    fn what_a_later_version_says_is_no_error() {
        let frame = r#"{"type":"weather","seq":9,"sun":true}"#;
        assert!(matches!(ServerMessage::parse(frame), Ok(ServerMessage::Unknown)));
        let frame =
            format!(r#"{{"type":"join","room":"abcd","peer":"{P}","accepts":["weather","ice_servers"],"x":1}}"#);
        let Ok(ClientMessage::Join { accepts, .. }) = ClientMessage::parse(&frame) else { panic!("{frame}") };
        assert_eq!(accepts, [Accepts::Other, Accepts::IceServers]);
    }

    #[test]
    fn credentials_and_tokens_stay_out_of_logs() {
        let frame = r#"{"type":"ice_servers","ice_servers":[{"urls":["turn:h:1"],"username":"u5er","credential":"s3cret"}],"expires_ms":1}"#;
        let shown = format!("{:?}", ServerMessage::parse(frame).unwrap());
        assert!(shown.contains("turn:h:1") && !shown.contains("s3cret") && !shown.contains("u5er"), "{shown}");
        let frame = format!(r#"{{"type":"open","room":"abcd","peer":"{P}","access_token":"correct-horse-battery"}}"#);
        assert!(!format!("{:?}", ClientMessage::parse(&frame).unwrap()).contains("horse"));
        let wrong = frame.replace("correct-horse-battery", "horse");
        assert!(!ClientMessage::parse(&wrong).unwrap_err().to_string().contains("horse"));
    }

    #[test]
    fn the_longest_data_fits_a_frame_in_either_direction() {
        let peer = PeerId::from_bytes([255; 16]);
        let data = Data::new("A".repeat(DATA_MAX)).unwrap();
        let up = ClientMessage::Signal { seq: u64::MAX, to: peer, data: data.clone() }.to_json();
        let down = ServerMessage::Signal { seq: u64::MAX, from: peer, data }.to_json();
        assert!(up.len() <= FRAME_MAX && down.len() <= FRAME_MAX);
        assert_eq!(Data::new("A".repeat(DATA_MAX + 1)), None);
    }

    #[test]
    fn wrong_fields_are_refused() {
        for json in [
            "",
            "[]",
            "null",
            r#"{"type":"dance"}"#,
            r#"{"type":"open"}"#,
            r#"{"type":"open","room":"ABCD","peer":"AQEBAQEBAQEBAQEBAQEBAQ"}"#,
            r#"{"type":"open","room":"abcd","peer":"short"}"#,
            r#"{"type":"claim","nameplate":0,"peer":"AQEBAQEBAQEBAQEBAQEBAQ","side":"host"}"#,
            r#"{"type":"claim","nameplate":7,"peer":"AQEBAQEBAQEBAQEBAQEBAQ","side":"both"}"#,
            r#"{"type":"claim","nameplate":7,"peer":"AQEBAQEBAQEBAQEBAQEBAQ"}"#,
            r#"{"type":"ack","received":-1}"#,
            r#"{"type":"ack","received":1.5}"#,
            r#"{"type":"signal","seq":1,"to":"AQEBAQEBAQEBAQEBAQEBAQ","data":"<script>"}"#,
        ] {
            assert!(ClientMessage::parse(json).is_err(), "{json}");
        }
        assert!(matches!(ClientMessage::parse(&" ".repeat(FRAME_MAX + 1)), Err(FrameError::TooLarge)));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
            let _ = (ClientMessage::parse(&text), ServerMessage::parse(&text));
        }
    }
}
