//! A byte stream over a channel of its own: one TCP connection that a peer forwards to another one's network.
//!
//! Binary messages are bytes, an empty one ends its direction (a half-close); text messages are [`Notice`]s. Channels of one
//! connection share its receive window, so whoever is slow here must not hold up the others: each side takes whatever comes
//! off the channel, and lets the other send no more than it is ready to hold ([`Receiving`], [`Sending`]). The wire is
//! described in `docs/transfer.md`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::protocol::{MAX_MESSAGE, ParseError, words};

/// The sub-protocol of the channels.
pub const PROTOCOL: &str = "peerage.forward.1";
/// The label of the channel that stands as long as the peers are connected.
pub const CONTROL: &str = "forward";
/// The label of a channel that carries a stream.
pub const STREAM: &str = "tcp";
/// Bytes that may be sent before the first credit came.
pub const INITIAL_WINDOW: u64 = 262_144;
/// Bytes of a stream that a receiver holds at most.
pub const MAX_WINDOW: u64 = 4 << 20;
/// Streams at a time on one connection.
pub const MAX_STREAMS: usize = 256;
/// Bytes that all windows together may grow beyond the first ones.
pub const GROWTH: u64 = 64 << 20;

/// A text message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Notice {
    /// On the control channel, from the side that serves: where streams lead, in its words.
    Serves {
        /// Such as `127.0.0.1:8080`.
        target: String,
    },
    /// So many more bytes may be sent.
    Credit {
        /// More than none, and at most [`MAX_WINDOW`].
        bytes: u64,
    },
    /// The stream is over at once, in both directions.
    Reset {
        /// Why, for people.
        #[serde(default)]
        message: String,
    },
}

impl Notice {
    /// Reads a text message.
    ///
    /// # Errors
    /// What is wrong with it; texts for people are cut instead.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if text.len() > MAX_MESSAGE {
            return Err(ParseError::TooLong(text.len()));
        }
        let mut notice = serde_json::from_str(text).map_err(|error| ParseError::Malformed(error.to_string()))?;
        match &mut notice {
            Self::Serves { target: text } | Self::Reset { message: text } => *text = words(text),
            Self::Credit { bytes } if *bytes == 0 || *bytes > MAX_WINDOW => {
                return Err(ParseError::OutOfBounds("bytes"));
            }
            Self::Credit { .. } => {}
        }
        Ok(notice)
    }

    /// The message as text.
    pub fn encode(&self) -> String {
        serde_json::to_string(self).expect("a notice holds strings and numbers only")
    }
}

/// What may be sent of one stream.
#[derive(Debug)]
pub struct Sending {
    credit: u64,
}

impl Default for Sending {
    fn default() -> Self {
        Self { credit: INITIAL_WINDOW }
    }
}

impl Sending {
    /// Bytes left.
    pub fn sent(&mut self, bytes: u64) {
        self.credit = self.credit.saturating_sub(bytes);
    }

    /// The peer is ready for more. No peer holds more than [`MAX_WINDOW`], whatever it says.
    pub fn credit(&mut self, bytes: u64) {
        self.credit = self.credit.saturating_add(bytes).min(MAX_WINDOW);
    }

    /// Bytes that the next message may have.
    pub fn room(&self) -> usize {
        usize::try_from(self.credit).unwrap_or(usize::MAX).min(MAX_MESSAGE)
    }
}

/// The peer sent more than it was let.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the other side sends more than it may")]
pub struct Overrun;

/// What the peer may send of one stream: a window that grows while it is what holds the peer up.
#[derive(Debug)]
pub struct Receiving {
    window: u64,
    /// Bytes that the peer may still send.
    granted: u64,
    /// Bytes that came and have not been passed on.
    held: u64,
    growth: Growth,
}

impl Receiving {
    /// A stream's; grows out of what all streams share.
    pub fn new(growth: &Growth) -> Self {
        Self { window: INITIAL_WINDOW, granted: INITIAL_WINDOW, held: 0, growth: growth.clone() }
    }

    /// Bytes came.
    ///
    /// # Errors
    /// More than the peer was let send.
    pub fn arrived(&mut self, bytes: u64) -> Result<(), Overrun> {
        self.granted = self.granted.checked_sub(bytes).ok_or(Overrun)?;
        self.held += bytes;
        Ok(())
    }

    /// Bytes were passed on: the credit to give, once it is worth a message.
    pub fn passed(&mut self, bytes: u64) -> Option<u64> {
        self.held = self.held.saturating_sub(bytes);
        // All that may be under way has come or is about to, and nothing waits here: it is the window that holds the peer up.
        if self.held == 0 && self.granted < self.window / 2 && self.window < MAX_WINDOW {
            self.window += self.growth.take(self.window.min(MAX_WINDOW - self.window));
        }
        let credit = self.window - (self.granted + self.held).min(self.window);
        if credit < self.window / 4 {
            return None;
        }
        self.granted += credit;
        Some(credit)
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        self.growth.give_back(self.window - INITIAL_WINDOW);
    }
}

/// What the windows of a connection's streams may grow by together.
#[derive(Clone, Debug)]
pub struct Growth(Arc<AtomicU64>);

impl Default for Growth {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(GROWTH)))
    }
}

impl Growth {
    /// Takes so many bytes if they are there, or else none.
    fn take(&self, bytes: u64) -> u64 {
        let take = |left: u64| left.checked_sub(bytes);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).map_or(0, |_| bytes)
    }

    fn give_back(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_read_as_they_were_written() {
        for notice in [
            Notice::Serves { target: "127.0.0.1:8080".into() },
            Notice::Credit { bytes: 1 },
            Notice::Credit { bytes: MAX_WINDOW },
            Notice::Reset { message: "connection refused".into() },
        ] {
            assert_eq!(Notice::parse(&notice.encode()), Ok(notice));
        }
        assert_eq!(Notice::parse(r#"{"type":"reset"}"#), Ok(Notice::Reset { message: String::new() }));
    }

    #[test]
    fn numbers_out_of_bounds_and_strange_messages_are_refused() {
        assert_eq!(Notice::parse(r#"{"type":"credit","bytes":0}"#), Err(ParseError::OutOfBounds("bytes")));
        let beyond = format!(r#"{{"type":"credit","bytes":{}}}"#, MAX_WINDOW + 1);
        assert_eq!(Notice::parse(&beyond), Err(ParseError::OutOfBounds("bytes")));
        for text in ["", "{}", "credit", r#"{"type":"credit","bytes":-1}"#, r#"{"type":"target"}"#] {
            assert!(matches!(Notice::parse(text), Err(ParseError::Malformed(_))), "{text}");
        }
        let long = format!(r#"{{"type":"reset","message":"{}"}}"#, "x".repeat(MAX_MESSAGE));
        assert_eq!(Notice::parse(&long), Err(ParseError::TooLong(long.len())));
    }

    #[test]
    fn what_a_peer_says_is_cut_and_cleaned() {
        let text = format!("{{\"type\":\"reset\",\"message\":\"{}\"}}", "x".repeat(10_000));
        let Ok(Notice::Reset { message }) = Notice::parse(&text) else { panic!("not read") };
        assert!(message.len() < 1_000, "{} bytes", message.len());
    }

    #[test]
    fn a_sender_stops_where_its_credit_ends() {
        let mut sending = Sending::default();
        let mut sent = 0;
        while sending.room() > 0 {
            let room = sending.room();
            assert!(room <= MAX_MESSAGE);
            sending.sent(room as u64);
            sent += room as u64;
        }
        assert_eq!(sent, INITIAL_WINDOW);
        sending.credit(10);
        assert_eq!(sending.room(), 10);
        sending.credit(u64::MAX);
        assert_eq!(sending.credit, MAX_WINDOW);
    }

    #[test]
    fn a_peer_that_sends_more_than_it_may_is_found_out() {
        let mut receiving = Receiving::new(&Growth::default());
        assert_eq!(receiving.arrived(INITIAL_WINDOW), Ok(()));
        assert_eq!(receiving.arrived(1), Err(Overrun));
    }

    #[test]
    fn a_stream_that_is_not_read_gets_no_more() {
        let mut receiving = Receiving::new(&Growth::default());
        let mut sending = Sending::default();
        let mut held = 0;
        while sending.room() > 0 {
            let bytes = sending.room() as u64;
            sending.sent(bytes);
            receiving.arrived(bytes).unwrap();
            held += bytes;
        }
        assert_eq!(held, INITIAL_WINDOW);
        // Reading a little is not worth a message, reading on is.
        assert_eq!(receiving.passed(1_000), None);
        let credit = receiving.passed(INITIAL_WINDOW / 4).expect("a quarter of the window is free");
        assert_eq!(credit, INITIAL_WINDOW / 4 + 1_000);
    }

    #[test]
    fn a_window_grows_while_it_holds_the_peer_up_and_no_further_than_its_bound() {
        let growth = Growth::default();
        let mut receiving = Receiving::new(&growth);
        let mut sending = Sending::default();
        for _ in 0..10 {
            // All that may be sent arrives before the next credit gets there: a long way.
            let mut round = 0;
            while sending.room() > 0 {
                let bytes = sending.room() as u64;
                sending.sent(bytes);
                receiving.arrived(bytes).unwrap();
                round += bytes;
            }
            let credit = receiving.passed(round).expect("all of the window is free");
            assert!((1..=MAX_WINDOW).contains(&credit));
            sending.credit(credit);
        }
        assert_eq!(receiving.window, MAX_WINDOW);
        assert_eq!(growth.0.load(Ordering::Relaxed), GROWTH - (receiving.window - INITIAL_WINDOW));
        drop(receiving);
        assert_eq!(growth.0.load(Ordering::Relaxed), GROWTH);
    }

    #[test]
    fn a_window_that_is_large_enough_does_not_grow() {
        let mut receiving = Receiving::new(&Growth::default());
        for _ in 0..1_000 {
            receiving.arrived(16_384).unwrap();
            receiving.passed(16_384);
        }
        assert_eq!(receiving.window, INITIAL_WINDOW);
    }

    #[test]
    fn all_windows_together_grow_by_no_more_than_they_share() {
        let growth = Growth::default();
        let mut streams: Vec<_> = (0..MAX_STREAMS).map(|_| Receiving::new(&growth)).collect();
        for _ in 0..10 {
            for receiving in &mut streams {
                let bytes = receiving.granted;
                receiving.arrived(bytes).unwrap();
                receiving.passed(bytes);
            }
        }
        let grown: u64 = streams.iter().map(|receiving| receiving.window - INITIAL_WINDOW).sum();
        assert!(grown <= GROWTH && grown > GROWTH - MAX_WINDOW, "{grown}");
    }
}
