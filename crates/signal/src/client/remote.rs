//! What is known of one other peer.

use crate::code::Code;
use crate::id::PeerId;
use crate::plain::Plain;
use crate::seal::{OpenError, Opener, Sealer};

#[derive(Debug)]
pub(super) struct Remote {
    pub sealer: Sealer,
    opener: Opener,
    /// We were in the room first.
    pub first: bool,
    pub standing: Standing,
}

/// How far a peer is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing opened yet.
    Unknown,
    /// Its first message did not open.
    Stranger,
    /// A message opened: it knows the secret.
    Proven,
    /// Its hello arrived.
    Greeted,
}

/// What became of sealed data.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opened {
    Plain(Plain),
    /// The first message does not open.
    Stranger,
    Dropped,
}

impl Remote {
    pub fn new(code: &Code, me: PeerId, peer: PeerId, first: bool) -> Self {
        Self {
            sealer: Sealer::new(code, me, peer),
            opener: Opener::new(code, peer, me),
            first,
            standing: Standing::Unknown,
        }
    }

    /// Opens what the peer said. Everything before its hello is dropped, and so is a second hello.
    pub fn open(&mut self, data: &str) -> Opened {
        let bytes = match self.opener.open(data) {
            Ok(bytes) => bytes,
            Err(OpenError::Unauthentic | OpenError::Malformed) if self.standing == Standing::Unknown => {
                self.standing = Standing::Stranger;
                return Opened::Stranger;
            }
            Err(e) => {
                tracing::debug!(error = %e, "dropped a message");
                return Opened::Dropped;
            }
        };
        if self.standing != Standing::Greeted {
            self.standing = Standing::Proven;
        }
        match Plain::parse(&bytes) {
            Ok(plain) => {
                let is_hello = matches!(plain, Plain::Hello { .. });
                if is_hello == (self.standing == Standing::Greeted) {
                    tracing::debug!("dropped a message out of turn");
                    return Opened::Dropped;
                }
                self.standing = Standing::Greeted;
                Opened::Plain(plain)
            }
            Err(e) => {
                tracing::debug!(error = %e, "dropped a message");
                Opened::Dropped
            }
        }
    }
}
