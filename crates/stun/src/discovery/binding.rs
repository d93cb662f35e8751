//! One Binding request and what becomes of it.

use crate::attribute::Attribute;
use crate::header::{Class, Method, TransactionId};
use crate::message::Message;
use crate::transaction::{Step, Timing, Transaction};
use crate::write::Writer;
use core::net::SocketAddr;
use peerage_base::rng::Rng;
use peerage_base::time::{Duration, Instant};

/// Longest PADDING that is sent: what fills a packet of 1500 bytes, and a little more.
const MAX_PADDING: usize = 2048;
/// Room for any request: the header, an attribute's head and the longest PADDING.
pub const MAX_REQUEST: usize = MAX_PADDING + 24;

/// What is asked for besides the own address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// Nothing.
    #[default]
    Nothing,
    /// That the answer comes from another address of the server (RFC 5780 §7.2).
    Change {
        /// Whether from the other IP.
        ip: bool,
        /// Whether from the other port.
        port: bool,
    },
    /// That the request has so many bytes more (RFC 5780 §7.6), up to 2048. Whoever answers, and be it to refuse, shows
    /// that packets of that size pass.
    Padding(usize),
}

/// What a server said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Where the request came from.
    Mapped {
        /// The sender's address as the server saw it.
        mapped: SocketAddr,
        /// The server's other address (OTHER-ADDRESS), as it says.
        other: Option<SocketAddr>,
    },
    /// An error code.
    Refused(u16),
    /// A success that does not say where the request came from.
    Empty,
}

/// A Binding request without credentials.
#[derive(Clone, Debug)]
pub struct Binding {
    transaction: Transaction,
    wish: Wish,
}

impl Binding {
    /// A request, whose first transmission is due at once.
    pub fn new(wish: Wish, timing: Timing, rng: &mut Rng, now: Instant) -> Self {
        let id = TransactionId::random(rng);
        Self { transaction: Transaction::new(id, Method::BINDING, timing, now), wish }
    }

    /// Says whether to [`write`](Self::write) and send it, now or again.
    pub fn handle_timeout(&mut self, now: Instant) -> Step {
        self.transaction.handle_timeout(now)
    }

    /// What `payload` answers to this request; `None` if it does not. A request that was answered need not be kept.
    pub fn handle_datagram(&self, payload: &[u8]) -> Option<Answer> {
        self.answer(&Message::parse(payload).ok()?)
    }

    /// The same of a message that was parsed.
    pub(super) fn answer(&self, message: &Message<'_>) -> Option<Answer> {
        if !self.transaction.matches(message) || (message.has_fingerprint() && !message.check_fingerprint()) {
            return None;
        }
        if message.class() == Class::Error {
            return Some(Answer::Refused(message.error_code().map_or(0, |error| error.code)));
        }
        let other = message.attributes().find_map(|attribute| match attribute {
            Attribute::OtherAddress(other) => Some(other),
            _ => None,
        });
        Some(message.xor_mapped_address().map_or(Answer::Empty, |mapped| Answer::Mapped { mapped, other }))
    }

    /// Writes the request and answers its length; `None` if `out` is too short, [`MAX_REQUEST`] never is.
    pub fn write(&self, out: &mut [u8]) -> Option<usize> {
        const ZEROS: [u8; MAX_PADDING] = [0; MAX_PADDING];
        let mut writer = Writer::new(out, Class::Request, Method::BINDING, self.transaction.id());
        match self.wish {
            Wish::Nothing => {}
            Wish::Change { ip, port } => {
                writer.attribute(&Attribute::ChangeRequest { ip, port }).ok()?;
            }
            Wish::Padding(len) => {
                let padding = ZEROS.get(..len).unwrap_or(&ZEROS);
                writer.attribute(&Attribute::Padding(padding)).ok()?;
            }
        }
        Some(writer.finish()).filter(|len| *len > 0)
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.transaction.poll_timeout()
    }

    /// What ties the answer to it.
    pub fn id(&self) -> TransactionId {
        self.transaction.id()
    }

    /// The round-trip time if the answer came now; `None` after a retransmission.
    pub fn round_trip(&self, now: Instant) -> Option<Duration> {
        self.transaction.round_trip(now)
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Binding, MAX_REQUEST, Wish};
    use crate::attribute::Attribute;
    use crate::server::behaviour::{Origin, respond_behaviour};
    use crate::server::respond_binding;
    use crate::transaction::Timing;
    use core::net::SocketAddr;
    use peerage_base::rng::Rng;
    use peerage_base::time::Instant;

    fn binding(wish: Wish) -> Binding {
        Binding::new(wish, Timing::default(), &mut Rng::from_u64(1), Instant::ORIGIN)
    }

    fn source() -> SocketAddr {
        "192.0.2.7:4242".parse().unwrap()
    }

    #[test]
    fn an_answer_tells_the_mapped_and_the_other_address() {
        let binding = binding(Wish::Nothing);
        let (mut request, mut reply) = ([0; MAX_REQUEST], [0; 600]);
        let len = binding.write(&mut request).unwrap();
        let [local, other] = ["198.51.100.1:1", "198.51.100.2:2"].map(|a| a.parse().unwrap());
        let answer = respond_behaviour(&request[..len], source(), Origin { local, other }, &mut reply).unwrap();
        let expected = Answer::Mapped { mapped: source(), other: Some(other) };
        assert_eq!(binding.handle_datagram(&reply[..answer.len]), Some(expected));
        let simple = respond_binding(&request[..len], source(), None, &mut reply).unwrap();
        let expected = Answer::Mapped { mapped: source(), other: None };
        assert_eq!(binding.handle_datagram(&reply[..simple]), Some(expected));
    }

    #[test]
    fn a_server_that_does_not_know_the_wish_refuses() {
        for wish in [Wish::Change { ip: true, port: true }, Wish::Padding(100)] {
            let binding = binding(wish);
            let (mut request, mut reply) = ([0; MAX_REQUEST], [0; 600]);
            let len = binding.write(&mut request).unwrap();
            let len = respond_binding(&request[..len], source(), None, &mut reply).unwrap();
            assert_eq!(binding.handle_datagram(&reply[..len]), Some(Answer::Refused(420)));
        }
    }

    #[test]
    fn a_request_has_the_padding_that_was_wished_for() {
        for (wished, len) in [(0, 24), (1448, 1472), (2048, MAX_REQUEST), (9999, MAX_REQUEST)] {
            let mut request = [0; MAX_REQUEST];
            assert_eq!(binding(Wish::Padding(wished)).write(&mut request), Some(len));
            let message = crate::message::Message::parse(&request[..len]).unwrap();
            assert!(message.attributes().any(|a| matches!(a, Attribute::Padding(p) if p.len() == len - 24)));
        }
        assert_eq!(binding(Wish::Padding(100)).write(&mut [0; 100]), None);
        assert_eq!(binding(Wish::Nothing).write(&mut [0; 10]), None);
    }

    #[test]
    fn answers_to_others_and_garbage_are_not_its_own() {
        let (mine, mut request, mut reply) = (binding(Wish::Nothing), [0; MAX_REQUEST], [0; 600]);
        let other = Binding::new(Wish::Nothing, Timing::default(), &mut Rng::from_u64(2), Instant::ORIGIN);
        let len = other.write(&mut request).unwrap();
        let len = respond_binding(&request[..len], source(), None, &mut reply).unwrap();
        assert_eq!(mine.handle_datagram(&reply[..len]), None);
        assert_eq!(mine.handle_datagram(b"HTTP/1.1 400 Bad Request"), None);
        let len = mine.write(&mut request).unwrap();
        assert_eq!(mine.handle_datagram(&request[..len]), None, "the request itself");
    }
}
