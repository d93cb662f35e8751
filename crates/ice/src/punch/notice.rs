//! What two agents that both know punching tell each other of their NATs: one more extension of a candidate, which
//! others skip (RFC 8839 §5.1).
//!
//! `punch independent.0`, `punch random.0`, `punch unknown.0`: the candidate's address is the NAT's, as the socket of
//! the ordinary candidates has it. `punch sequential.3.-2`: in round 3, the candidate's address was the last that the NAT
//! gave out, and its next one will be two below.

use alloc::format;
use alloc::string::String;
use core::net::SocketAddr;

use crate::candidate::Candidate;
use crate::punch::mapping::Mapping;

/// The name of the extension.
pub(crate) const EXTENSION: &str = "punch";

/// Begins the foundation of candidates that only count for some seconds.
pub(crate) const FOUNDATION: &str = "punch";

/// One side's word about its NAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub mapping: Mapping,
    /// Counts the attempts at prediction; both sides predict in the same one.
    pub round: u16,
    pub address: SocketAddr,
}

impl Notice {
    /// Reads the extension of a candidate with that address. Digits and words beyond those known make it none.
    pub fn read(candidate: &Candidate, address: SocketAddr) -> Option<Self> {
        let mut words = candidate.extension(EXTENSION)?.split('.');
        let name = words.next()?;
        let round = words.next()?.parse().ok()?;
        let step: Option<i16> = words.next().map(str::parse).transpose().ok()?;
        let mapping = match (name, step) {
            ("unknown", None) => Mapping::Unknown,
            ("independent", None) => Mapping::Independent,
            ("random", None) => Mapping::Random,
            ("sequential", Some(step)) if step != 0 => Mapping::Sequential(step),
            _ => return None,
        };
        words.next().is_none().then_some(Self { mapping, round, address })
    }

    /// The value of the extension.
    pub fn value(&self) -> String {
        let round = self.round;
        match self.mapping {
            Mapping::Unknown => format!("unknown.{round}"),
            Mapping::Independent => format!("independent.{round}"),
            Mapping::Random | Mapping::Preserving => format!("random.{round}"),
            Mapping::Sequential(step) => format!("sequential.{round}.{step}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Option<Notice> {
        let line = format!("candidate:1 1 udp 1 192.0.2.1 5000 typ srflx raddr 0.0.0.0 rport 0 punch {value}");
        let candidate = Candidate::parse(&line).unwrap();
        Notice::read(&candidate, candidate.socket_addr().unwrap())
    }

    #[test]
    fn what_is_written_is_read() {
        let mappings =
            [Mapping::Unknown, Mapping::Independent, Mapping::Random, Mapping::Sequential(1), Mapping::Sequential(-32)];
        for mapping in mappings {
            let notice = Notice { mapping, round: 7, address: "192.0.2.1:5000".parse().unwrap() };
            assert_eq!(read(&notice.value()), Some(notice));
        }
    }

    #[test]
    fn what_is_not_understood_is_nothing() {
        let bad = [
            "random",
            "random.",
            "random.x",
            "random.70000",
            "random.0.1",
            "sequential.0",
            "sequential.0.0",
            "sequential.0.40000",
            "sequential.0.1.2",
            "other.0",
            "independent.0.",
            ".0",
            ".",
        ];
        assert!(bad.iter().all(|value| read(value).is_none()));
    }
}
