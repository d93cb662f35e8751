//! STUN Binding over UDP: tells clients the address they are seen at, and on a server with two addresses how their NAT
//! behaves.

use core::net::SocketAddr;
use peerage_base::limit::{Limiter, Rate};
use peerage_base::rng::Rng;
use peerage_base::time::Instant;
use peerage_stun::header::MAGIC_COOKIE;
use peerage_stun::server::behaviour::{Answer, Origin, respond_behaviour};
use peerage_stun::server::{is_reflector, respond_binding};

/// The size of the tables of sources, as a power of two.
const SOURCES: u32 = 14;
/// Answers to another port than the one that asked, per source: enough to measure how long a mapping lives.
const REDIRECTED: Rate = Rate::new(10, 1);
/// Room for the longest answer.
pub(crate) const ANSWER_MAX: usize = 2400;

/// The two addresses of a server that helps with behaviour discovery (RFC 5780 §6). It listens on all four combinations
/// of their IPs and ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub primary: SocketAddr,
    pub alternate: SocketAddr,
}

impl Pair {
    pub fn all(&self) -> [SocketAddr; 4] {
        let (a, b) = (self.primary, self.alternate);
        [a, SocketAddr::new(a.ip(), b.port()), SocketAddr::new(b.ip(), a.port()), b]
    }

    /// What a request to `local` is told of; `None` if that is none of the four.
    fn origin(&self, local: SocketAddr) -> Option<Origin> {
        let opposite = |at: usize| 3 - at;
        let all = self.all();
        let at = all.iter().position(|address| *address == local)?;
        Some(Origin { local, other: *all.get(opposite(at))? })
    }
}

/// Answers Binding requests.
#[derive(Debug)]
pub(crate) struct Responder {
    limiter: Limiter,
    redirected: Limiter,
    pair: Option<Pair>,
    counts: StunCounts,
}

/// What became of Binding requests so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StunCounts {
    /// Answered.
    pub answered: u64,
    /// Met with silence: malformed, or the answer would go to a port that answers everything.
    pub malformed: u64,
    /// Met with silence: too many from that source.
    pub limited: u64,
}

impl Responder {
    pub fn new(rate: Rate, pair: Option<Pair>, mut rng: Rng) -> Self {
        let limiter = Limiter::new(rate, SOURCES, &mut rng);
        let redirected = Limiter::new(REDIRECTED, SOURCES, &mut rng);
        Self { limiter, redirected, pair, counts: StunCounts::default() }
    }

    /// Answers a request that came from `source` to `local`. Such an answer leaves from where it says.
    pub fn answer(
        &mut self,
        now: Instant,
        local: SocketAddr,
        source: SocketAddr,
        request: &[u8],
        out: &mut [u8],
    ) -> Option<Answer> {
        if !self.limiter.allow(now, source.ip()) {
            self.counts.limited += 1;
            return None;
        }
        let answer = match self.pair.and_then(|pair| pair.origin(local)) {
            Some(origin) => respond_behaviour(request, source, origin, out),
            None => {
                let len = respond_binding(request, source, None, out);
                len.map(|len| Answer { len, from: local, to: source, is_redirected: false })
            }
        };
        let Some(answer) = answer.filter(|answer| !is_reflector(answer.to.port())) else {
            self.counts.malformed += 1;
            return None;
        };
        if answer.is_redirected && !self.redirected.allow(now, source.ip()) {
            self.counts.limited += 1;
            return None;
        }
        self.counts.answered += 1;
        Some(answer)
    }

    pub fn counts(&self) -> StunCounts {
        self.counts
    }
}

/// Whether a packet claims to be a Binding request.
pub(crate) fn is_binding(packet: &[u8]) -> bool {
    matches!(packet, [0, 1, _, _, a, b, c, d, ..] if [*a, *b, *c, *d] == MAGIC_COOKIE.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use peerage_base::time::Duration;
    use peerage_stun::attribute::Attribute;
    use peerage_stun::header::{Class, Method, TransactionId};
    use peerage_stun::write::Writer;

    const NOW: Instant = Instant::from_millis(5000);

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn request(attributes: &[Attribute<'_>]) -> Vec<u8> {
        let mut buf = vec![0; 200];
        let mut writer = Writer::new(&mut buf, Class::Request, Method::BINDING, TransactionId([1; 12]));
        for attribute in attributes {
            writer.attribute(attribute).unwrap();
        }
        let len = writer.finish();
        buf.truncate(len);
        assert!(is_binding(&buf));
        buf
    }

    #[test]
    fn each_of_the_four_addresses_knows_its_opposite() {
        let pair = Pair { primary: address("192.0.2.1:1"), alternate: address("192.0.2.2:2") };
        for (local, other) in [
            ("192.0.2.1:1", "192.0.2.2:2"),
            ("192.0.2.1:2", "192.0.2.2:1"),
            ("192.0.2.2:1", "192.0.2.1:2"),
            ("192.0.2.2:2", "192.0.2.1:1"),
        ] {
            assert_eq!(pair.origin(address(local)).unwrap().other, address(other));
        }
        assert_eq!(pair.origin(address("192.0.2.3:1")), None);
    }

    #[test]
    fn answers_to_other_ports_are_limited_further() {
        let pair = Pair { primary: address("192.0.2.1:1"), alternate: address("192.0.2.2:2") };
        let mut responder = Responder::new(Rate::new(1000, 1000), Some(pair), Rng::from_u64(1));
        let (source, mut out) = (address("198.51.100.1:7"), [0; ANSWER_MAX]);
        let mut answered = |attributes: &[Attribute<'_>], now| {
            let request = request(attributes);
            (0..20).filter(|_| responder.answer(now, pair.primary, source, &request, &mut out).is_some()).count()
        };
        assert_eq!(answered(&[Attribute::ResponsePort(9)], NOW), 10);
        assert_eq!(answered(&[], NOW), 20);
        assert_eq!(answered(&[Attribute::ResponsePort(9)], NOW + Duration::from_secs(2)), 2);
        assert_eq!(responder.counts(), StunCounts { answered: 32, malformed: 0, limited: 28 });
    }

    #[test]
    fn ports_that_answer_everything_are_not_answered_nor_pointed_at() {
        let pair = Pair { primary: address("192.0.2.1:1"), alternate: address("192.0.2.2:2") };
        let mut responder = Responder::new(Rate::new(9, 9), Some(pair), Rng::from_u64(1));
        let mut out = [0; ANSWER_MAX];
        let mut answers = |source: &str, attributes: &[Attribute<'_>]| {
            let request = request(attributes);
            responder.answer(NOW, pair.primary, address(source), &request, &mut out).is_some()
        };
        assert!(answers("198.51.100.1:7", &[]) && answers("198.51.100.1:7", &[Attribute::ResponsePort(9)]));
        assert!(!answers("198.51.100.1:53", &[]) && !answers("198.51.100.1:0", &[]));
        assert!(!answers("198.51.100.1:7", &[Attribute::ResponsePort(53)]));
        assert_eq!(responder.counts(), StunCounts { answered: 2, malformed: 3, limited: 0 });
    }

    #[test]
    fn with_one_address_nothing_of_it_is_announced() {
        let mut responder = Responder::new(Rate::new(9, 9), None, Rng::from_u64(1));
        let mut out = [0; ANSWER_MAX];
        let plain = request(&[]);
        let answer = responder.answer(NOW, address("192.0.2.1:1"), address("198.51.100.1:7"), &plain, &mut out);
        assert_eq!(answer.map(|a| a.len), Some(32), "XOR-MAPPED-ADDRESS alone");
        assert!(!is_binding(b"\x00\x01\x00\x00short") && !is_binding(b""));
    }
}
