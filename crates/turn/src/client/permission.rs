//! Permissions: for IP addresses, 300 s at a time (RFC 8656 §9).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use peerage_base::time::{Duration, Instant};

/// What a server grants; the standard fixes it.
pub(crate) const LIFETIME: Duration = Duration::from_secs(300);
/// When it is asked for again: a request that is repeated to the end is over before the permission is.
const REFRESH: Duration = Duration::from_secs(240);
/// What becomes due within this time is asked for along with the rest.
const AHEAD: Duration = Duration::from_secs(30);
/// How long a refusal stands, however often the owner asks.
const REFUSED_FOR: Duration = Duration::from_secs(30);
/// The wait after a request that nobody answered.
const RETRY: Duration = Duration::from_secs(5);
/// Most addresses in one request: with usual credentials it stays below 700 bytes.
const MAX_BATCH: usize = 16;

/// When to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    At(Instant),
    /// A request is under way.
    Asked,
    /// It was refused, and that stands for a while.
    Refused(Instant),
}

#[derive(Clone, Copy, Debug)]
struct Permission {
    /// Of the peer that was named first. It means nothing, but some server may not like 0.
    port: u16,
    granted_until: Option<Instant>,
    ask: Ask,
    /// It was in a batch that was refused: which of them it is about shows when each is asked for alone.
    alone: bool,
}

/// The permissions wanted, by IP address.
#[derive(Debug, Default)]
pub(crate) struct Permissions {
    map: BTreeMap<IpAddr, Permission>,
    /// When the next one is to be asked for.
    next: Option<Instant>,
}

impl Permissions {
    /// Wants one. A refusal of half a minute before is forgotten.
    pub(crate) fn want(&mut self, now: Instant, peer: SocketAddr) {
        // Owners may say so with every packet.
        let stands = |permission: &Permission| !matches!(permission.ask, Ask::Refused(until) if until <= now);
        if self.map.get(&peer.ip()).is_some_and(stands) {
            return;
        }
        let new = Permission { port: peer.port(), granted_until: None, ask: Ask::At(now), alone: false };
        self.map.insert(peer.ip(), new);
        self.settle();
    }

    pub(crate) fn forget(&mut self, ip: IpAddr) {
        self.map.remove(&ip);
        self.settle();
    }

    /// Those that are now to be asked for in one request; empty if there is none.
    pub(crate) fn batch(&mut self, now: Instant) -> Vec<SocketAddr> {
        let mut batch = Vec::new();
        if !self.is_due(now) {
            return batch;
        }
        for (ip, permission) in &mut self.map {
            if batch.len() < MAX_BATCH && permission.is_due(now + AHEAD) && !permission.alone {
                permission.ask = Ask::Asked;
                batch.push(SocketAddr::new(*ip, permission.port));
            }
        }
        if batch.is_empty()
            && let Some((ip, permission)) = self.map.iter_mut().find(|(_, permission)| permission.is_due(now))
        {
            permission.ask = Ask::Asked;
            batch.push(SocketAddr::new(*ip, permission.port));
        }
        self.settle();
        batch
    }

    /// One that is due for which there is no relayed address.
    pub(crate) fn unsuitable(&self, now: Instant, suits: impl Fn(IpAddr) -> bool) -> Option<IpAddr> {
        if !self.is_due(now) {
            return None;
        }
        self.map.iter().find(|(ip, permission)| permission.is_due(now) && !suits(**ip)).map(|(ip, _)| *ip)
    }

    /// Another request includes it.
    pub(crate) fn asked(&mut self, ip: IpAddr) {
        self.change(ip, |permission| permission.ask = Ask::Asked);
    }

    /// The server granted it. True if there was none before.
    pub(crate) fn granted(&mut self, now: Instant, ip: IpAddr) -> bool {
        let mut new = false;
        self.change(ip, |permission| {
            new = !permission.is_granted(now);
            permission.granted_until = Some(now + LIFETIME);
            (permission.ask, permission.alone) = (Ask::At(now + REFRESH), false);
        });
        new
    }

    /// The server refused it, and nothing else in the same request. False if it is not wanted.
    pub(crate) fn refused(&mut self, now: Instant, ip: IpAddr) -> bool {
        self.change(ip, |permission| {
            permission.granted_until = None;
            (permission.ask, permission.alone) = (Ask::Refused(now + REFUSED_FOR), false);
        })
    }

    /// It is to be asked for again by itself.
    pub(crate) fn separate(&mut self, now: Instant, ip: IpAddr) {
        self.change(ip, |permission| (permission.ask, permission.alone) = (Ask::At(now), true));
    }

    /// Nobody answered.
    pub(crate) fn retry(&mut self, now: Instant, ip: IpAddr) {
        self.change(ip, |permission| permission.ask = Ask::At(now + RETRY));
    }

    pub(crate) fn is_granted(&self, now: Instant, ip: IpAddr) -> bool {
        self.map.get(&ip).is_some_and(|permission| permission.is_granted(now))
    }

    /// Whether there may yet be one.
    pub(crate) fn is_pending(&self, ip: IpAddr) -> bool {
        self.map.get(&ip).is_some_and(|permission| !matches!(permission.ask, Ask::Refused(_)))
    }

    /// When the next one is to be asked for.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    fn is_due(&self, now: Instant) -> bool {
        self.next.is_some_and(|next| next <= now)
    }

    fn change(&mut self, ip: IpAddr, change: impl FnOnce(&mut Permission)) -> bool {
        let known = self.map.get_mut(&ip).map(change).is_some();
        self.settle();
        known
    }

    fn settle(&mut self) {
        let ask = |permission: &Permission| match permission.ask {
            Ask::At(at) => Some(at),
            Ask::Asked | Ask::Refused(_) => None,
        };
        self.next = self.map.values().filter_map(ask).min();
    }
}

impl Permission {
    fn is_due(&self, now: Instant) -> bool {
        matches!(self.ask, Ask::At(at) if at <= now)
    }

    fn is_granted(&self, now: Instant) -> bool {
        self.granted_until.is_some_and(|until| now < until)
    }
}
