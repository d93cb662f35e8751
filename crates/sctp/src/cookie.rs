//! The state cookie: what a responder would otherwise have to remember of an INIT (RFC 9260 §5.1.3).
//!
//! Its content is nobody's business but ours: fixed fields in network order, then HMAC-SHA-256 over them.

use crate::chunk::init::Extensions;
use crate::numbers::{Tag, Tsn};
use alloc::vec::Vec;
use peerage_base::reader::Reader;
use peerage_base::time::{Duration, Instant};
use peerage_crypto::{constant_time, hmac};

const MAC_LEN: usize = 32;

/// What a cookie holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cookie {
    /// When the INIT was answered.
    pub(crate) created: Instant,
    /// The tag that the INIT ACK announced.
    pub(crate) local_tag: Tag,
    /// The initial TSN that the INIT ACK announced.
    pub(crate) local_tsn: Tsn,
    /// What the INIT announced.
    pub(crate) peer: PeerInit,
    /// Local and peer tag of the association that existed when the INIT came (RFC 9260 §5.2.2); zero if none did.
    pub(crate) ties: (Tag, Tag),
}

/// What stays of a peer's INIT or INIT ACK.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PeerInit {
    pub(crate) tag: Tag,
    pub(crate) tsn: Tsn,
    pub(crate) window: u32,
    pub(crate) outbound: u16,
    pub(crate) inbound: u16,
    pub(crate) extensions: Extensions,
}

impl Cookie {
    pub(crate) fn seal(&self, key: &[u8; 32]) -> Vec<u8> {
        let mut out = Vec::with_capacity(80);
        out.extend_from_slice(&self.created.as_nanos().to_be_bytes());
        let peer = &self.peer;
        let fields =
            [self.local_tag.0, self.local_tsn.0, peer.tag.0, peer.tsn.0, peer.window, self.ties.0.0, self.ties.1.0];
        for field in fields {
            out.extend_from_slice(&field.to_be_bytes());
        }
        out.extend_from_slice(&peer.outbound.to_be_bytes());
        out.extend_from_slice(&peer.inbound.to_be_bytes());
        let e = peer.extensions;
        let bits = [e.forward_tsn, e.reconfig, e.zero_checksum, e.ecn, e.interleaving, e.i_forward_tsn];
        out.push(bits.iter().rev().fold(0, |bits, bit| bits << 1 | u8::from(*bit)));
        let mac = hmac::sha256(key, &[&out]);
        out.extend_from_slice(&mac);
        out
    }

    /// Reads a cookie; `None` if it was not made with this key, or was changed since.
    pub(crate) fn open(bytes: &[u8], key: &[u8; 32]) -> Option<Self> {
        let (body, mac) = bytes.split_at_checked(bytes.len().checked_sub(MAC_LEN)?)?;
        constant_time::equal(mac, &hmac::sha256(key, &[body])).then(|| Self::read(body)).flatten()
    }

    /// By how much the cookie exceeds its lifetime; `None` if it does not.
    pub(crate) fn excess_age(&self, now: Instant, lifetime: Duration) -> Option<Duration> {
        now.since(self.created).checked_sub(lifetime).filter(|excess| !excess.is_zero())
    }

    fn read(body: &[u8]) -> Option<Self> {
        let mut r = Reader::new(body);
        let created = Instant::from_nanos(r.u64()?);
        let (local_tag, local_tsn) = (Tag(r.u32()?), Tsn(r.u32()?));
        let (tag, tsn, window) = (Tag(r.u32()?), Tsn(r.u32()?), r.u32()?);
        let ties = (Tag(r.u32()?), Tag(r.u32()?));
        let (outbound, inbound, bits) = (r.u16()?, r.u16()?, r.u8()?);
        let extensions = Extensions {
            forward_tsn: bits & 1 != 0,
            reconfig: bits & 2 != 0,
            zero_checksum: bits & 4 != 0,
            ecn: bits & 8 != 0,
            interleaving: bits & 16 != 0,
            i_forward_tsn: bits & 32 != 0,
        };
        let peer = PeerInit { tag, tsn, window, outbound, inbound, extensions };
        Some(Self { created, local_tag, local_tsn, peer, ties })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];
    const LIFETIME: Duration = Duration::from_secs(60);

    fn cookie() -> Cookie {
        Cookie {
            created: Instant::from_millis(1000),
            local_tag: Tag(1),
            local_tsn: Tsn(2),
            peer: PeerInit {
                tag: Tag(3),
                tsn: Tsn(4),
                window: 5,
                outbound: 6,
                inbound: 7,
                extensions: Extensions {
                    forward_tsn: true,
                    zero_checksum: true,
                    interleaving: true,
                    ..Extensions::default()
                },
            },
            ties: (Tag(8), Tag(9)),
        }
    }

    #[test]
    fn a_cookie_comes_back_whole_and_ages() {
        let opened = Cookie::open(&cookie().seal(&KEY), &KEY).unwrap();
        assert_eq!(opened, cookie());
        assert_eq!(opened.excess_age(Instant::from_millis(61_000), LIFETIME), None);
        assert_eq!(opened.excess_age(Instant::from_millis(61_001), LIFETIME), Some(Duration::from_millis(1)));
    }

    #[test]
    fn a_changed_truncated_or_foreign_cookie_is_refused() {
        let sealed = cookie().seal(&KEY);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(Cookie::open(&changed, &KEY), None);
            assert_eq!(Cookie::open(&sealed[..at], &KEY), None);
        }
        assert_eq!(Cookie::open(&sealed, &[8; 32]), None);
    }
}
