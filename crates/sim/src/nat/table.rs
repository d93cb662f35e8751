//! The translation table.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use peerage_base::time::{Duration, Instant, earliest};

use super::config::Behaviour;
use crate::packet::Protocol;

/// A row as it can be read and printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Datagrams or streams.
    pub protocol: Protocol,
    /// Address inside.
    pub internal: SocketAddr,
    /// Address outside.
    pub external: SocketAddr,
    /// Which destinations it is for.
    pub scope: Scope,
    /// Remote endpoints that were sent to; what the filter makes of them depends on its kind.
    pub remotes: Vec<SocketAddr>,
    /// Time since it was used.
    pub idle: Duration,
    /// Time until it goes; `None` for a row that was made by hand.
    pub expires: Option<Duration>,
}

/// Which destinations a row is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// All.
    Any,
    /// All ports of an address.
    Address(IpAddr),
    /// One endpoint.
    Endpoint(SocketAddr),
}

/// All rows at one moment; prints as a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows(pub Vec<Row>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowId(u64);

#[derive(Clone, Debug)]
pub(super) struct Mapping {
    pub protocol: Protocol,
    pub internal: SocketAddr,
    pub external: SocketAddr,
    pub scope: Scope,
    /// Made by hand or by a port mapping protocol: stays, and lets anybody in.
    pub fixed: bool,
    pub remotes: BTreeMap<SocketAddr, Permission>,
    pub used: Instant,
    pub expires: Instant,
}

/// That a remote endpoint was sent to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Permission {
    pub expires: Instant,
    pub replied: bool,
}

#[derive(Debug, Default)]
pub(super) struct Table {
    rows: BTreeMap<RowId, Mapping>,
    internal: BTreeMap<(Protocol, SocketAddr, Scope), Vec<RowId>>,
    external: BTreeMap<(Protocol, SocketAddr), Vec<RowId>>,
    per_subscriber: BTreeMap<IpAddr, usize>,
    next: u64,
    /// No row and no permission goes before this.
    purge_at: Option<Instant>,
}

impl Scope {
    /// The destinations that share a row with `remote`.
    pub(super) fn of(mapping: Behaviour, remote: SocketAddr) -> Self {
        match mapping {
            Behaviour::EndpointIndependent => Self::Any,
            Behaviour::AddressDependent => Self::Address(remote.ip()),
            Behaviour::AddressAndPortDependent => Self::Endpoint(remote),
        }
    }
}

impl Mapping {
    pub(super) fn knows_address(&self, address: IpAddr) -> bool {
        let low = SocketAddr::new(address, 0);
        self.remotes.range(low..).next().is_some_and(|(remote, _)| remote.ip() == address)
    }
}

impl Table {
    pub(super) fn insert(&mut self, row: Mapping) -> RowId {
        let id = RowId(self.next);
        self.next += 1;
        self.internal.entry((row.protocol, row.internal, row.scope)).or_default().push(id);
        self.external.entry((row.protocol, row.external)).or_default().push(id);
        *self.per_subscriber.entry(row.internal.ip()).or_default() += 1;
        self.rows.insert(id, row);
        id
    }

    pub(super) fn remove(&mut self, id: RowId) {
        let Some(row) = self.rows.remove(&id) else { return };
        forget(&mut self.internal, (row.protocol, row.internal, row.scope), id);
        forget(&mut self.external, (row.protocol, row.external), id);
        let subscriber = row.internal.ip();
        if let Some(count) = self.per_subscriber.get_mut(&subscriber) {
            *count -= 1;
            if *count == 0 {
                self.per_subscriber.remove(&subscriber);
            }
        }
    }

    /// Gives a row another external address.
    pub(super) fn relocate(&mut self, id: RowId, to: SocketAddr) {
        let Some(row) = self.rows.get_mut(&id) else { return };
        forget(&mut self.external, (row.protocol, row.external), id);
        row.external = to;
        self.external.entry((row.protocol, to)).or_default().push(id);
    }

    /// Notes a packet from inside to `remote`: it permits and refreshes.
    pub(super) fn sent(&mut self, id: RowId, remote: SocketAddr, now: Instant, lasts: impl Fn(bool) -> Duration) {
        let Some(row) = self.rows.get_mut(&id) else { return };
        let replied = row.remotes.get(&remote).is_some_and(|permission| permission.replied);
        let expires = now + lasts(replied);
        row.remotes.insert(remote, Permission { expires, replied });
        row.used = now;
        row.expires = row.expires.max(expires);
        self.purge_at = earliest(self.purge_at, Some(expires));
    }

    /// Notes a packet from `remote`, that refreshes if `lasts` is given.
    pub(super) fn received(&mut self, id: RowId, remote: SocketAddr, now: Instant, lasts: Option<Duration>) {
        let Some(row) = self.rows.get_mut(&id) else { return };
        row.used = now;
        let expires = lasts.map(|lasts| now + lasts);
        if let Some(permission) = row.remotes.get_mut(&remote) {
            permission.replied = true;
            permission.expires = expires.map_or(permission.expires, |expires| permission.expires.max(expires));
        }
        row.expires = expires.map_or(row.expires, |expires| row.expires.max(expires));
    }

    /// Removes what has been idle for too long.
    pub(super) fn purge(&mut self, now: Instant) {
        if self.purge_at.is_none_or(|at| now < at) {
            return;
        }
        let mut gone = Vec::new();
        let mut next = None;
        for (id, row) in self.rows.iter_mut().filter(|(_, row)| !row.fixed || !row.remotes.is_empty()) {
            row.remotes.retain(|_, permission| permission.expires > now);
            for permission in row.remotes.values() {
                next = earliest(next, Some(permission.expires));
            }
            if row.fixed {
            } else if row.expires <= now {
                gone.push(*id);
            } else {
                next = earliest(next, Some(row.expires));
            }
        }
        self.purge_at = next;
        for id in gone {
            self.remove(id);
        }
    }

    pub(super) fn get(&self, id: RowId) -> Option<&Mapping> {
        self.rows.get(&id)
    }

    pub(super) fn ids(&self) -> Vec<RowId> {
        self.rows.keys().copied().collect()
    }

    /// Rows of an internal endpoint for these destinations, oldest first.
    pub(super) fn inside(&self, protocol: Protocol, internal: SocketAddr, scope: Scope) -> &[RowId] {
        self.internal.get(&(protocol, internal, scope)).map_or(&[], Vec::as_slice)
    }

    /// Rows with this external address.
    pub(super) fn outside(&self, protocol: Protocol, external: SocketAddr) -> &[RowId] {
        self.external.get(&(protocol, external)).map_or(&[], Vec::as_slice)
    }

    /// Whether a row other than `but` would take packets from `remote` to `external` for its own.
    pub(super) fn claimed(
        &self,
        protocol: Protocol,
        external: SocketAddr,
        remote: SocketAddr,
        but: Option<RowId>,
    ) -> bool {
        let others = self.outside(protocol, external).iter().filter(|id| Some(**id) != but);
        others.filter_map(|id| self.get(*id)).any(|row| row.fixed || row.remotes.contains_key(&remote))
    }

    pub(super) fn rows_of(&self, subscriber: IpAddr) -> usize {
        self.per_subscriber.get(&subscriber).copied().unwrap_or(0)
    }

    /// What is in force at `now`.
    pub(super) fn rows(&self, now: Instant) -> Rows {
        let live = self.rows.values().filter(|row| row.fixed || row.expires > now);
        Rows(live.map(|row| read(row, now)).collect())
    }
}

fn read(row: &Mapping, now: Instant) -> Row {
    let permitted = row.remotes.iter().filter(|(_, permission)| permission.expires > now);
    Row {
        protocol: row.protocol,
        internal: row.internal,
        external: row.external,
        scope: row.scope,
        remotes: permitted.map(|(remote, _)| *remote).collect(),
        idle: now.since(row.used),
        expires: (!row.fixed).then(|| row.expires.since(now)),
    }
}

fn forget<K: Ord>(index: &mut BTreeMap<K, Vec<RowId>>, key: K, id: RowId) {
    if let Some(ids) = index.get_mut(&key) {
        ids.retain(|other| *other != id);
        if ids.is_empty() {
            index.remove(&key);
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [internal, external] = [self.internal, self.external].map(|address| address.to_string());
        write!(f, "{} {internal:<22} {external:<22} ", self.protocol)?;
        let remotes: Vec<_> = self.remotes.iter().take(3).map(SocketAddr::to_string).collect();
        let more = self.remotes.len().saturating_sub(remotes.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let remotes = remotes.join(", ") + &more;
        let expires = self.expires.map_or("never".into(), |expires| format!("{:.1}s", expires.as_secs_f64()));
        write!(f, "{:>8} {expires:>8} {remotes}", format!("{:.1}s", self.idle.as_secs_f64()))
    }
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "    {:<22} {:<22} {:>8} {:>8} sent to", "internal", "external", "idle", "expires")?;
        self.0.iter().try_for_each(|row| writeln!(f, "{row}"))
    }
}
