//! The translator: a packet in, the same packet with other addresses out.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use peerage_base::rng::Rng;
use peerage_base::time::Instant;

use super::config::{Behaviour, Config, Hairpin, Ipv6};
use super::ports::Ports;
use super::table::{Mapping, RowId, Rows, Scope, Table};
use crate::element::{Element, Interface, Outgoing};
use crate::packet::{Packet, Protocol};
use crate::step::{Admission, Binding, Refusal, Step};

/// The interface of the network inside: the first attachment.
pub const INSIDE: Interface = Interface(0);
/// The interface of the network outside: the second attachment.
pub const OUTSIDE: Interface = Interface(1);

/// A translator between a network inside and one outside; for IPv6 a stateful firewall between the same.
#[derive(Debug)]
pub struct Nat {
    config: Config,
    ports: Ports,
    table: Table,
    out: VecDeque<Outgoing>,
    steps: VecDeque<Step>,
    passed: u64,
    refused: u64,
}

impl Nat {
    /// A translator with an empty table, and these external IPv4 addresses.
    pub fn new(config: Config, external: &[IpAddr], rng: Rng) -> Self {
        Self {
            config,
            ports: Ports::new(external, rng),
            table: Table::default(),
            out: VecDeque::new(),
            steps: VecDeque::new(),
            passed: 0,
            refused: 0,
        }
    }

    /// Adds a row that stays and lets anybody in, as a port mapping protocol or the owner's hand does; `port` is the
    /// external one. `None` if that is taken, or there is no external address.
    pub fn map(&mut self, now: Instant, protocol: Protocol, internal: SocketAddr, port: u16) -> Option<SocketAddr> {
        self.table.purge(now);
        let external = SocketAddr::new(*self.ports.addresses().first()?, port);
        if !self.table.outside(protocol, external).is_empty() {
            return None;
        }
        let row = Mapping { fixed: true, ..row(protocol, internal, external, Scope::Any, now) };
        self.table.insert(row);
        Some(external)
    }

    /// Takes such a row away, and answers whether it was there.
    pub fn unmap(&mut self, protocol: Protocol, external: SocketAddr) -> bool {
        let fixed = |id: &&RowId| self.table.get(**id).is_some_and(|row| row.fixed);
        let id = self.table.outside(protocol, external).iter().find(fixed).copied();
        id.is_some_and(|id| {
            self.table.remove(id);
            true
        })
    }

    /// Moves every translated row to another external port, as a carrier's NAT does now and then: what the inside
    /// sends has another source from now on, and what is sent to the old port finds nobody. Rows made by hand stay.
    pub fn rebind(&mut self) {
        for id in self.table.ids() {
            let Some(row) = self.table.get(id).filter(|row| !row.fixed) else { continue };
            if !self.translates(row.internal.ip()) {
                continue;
            }
            let (protocol, internal) = (row.protocol, row.internal.ip());
            let free = |place| self.table.outside(protocol, place).is_empty();
            if let Some(place) = self.ports.anywhere(&self.config, internal, free) {
                self.table.relocate(id, place);
            }
        }
    }

    /// Has other external addresses from now on, as after a new lease; every row moves to one of them. The world must
    /// be told too: [`World::set_addresses`](crate::world::World::set_addresses).
    pub fn readdress(&mut self, external: &[IpAddr]) {
        self.ports.set_addresses(external);
        self.rebind();
    }

    /// Loses the table, as when its power fails. Rows made by hand are lost too.
    pub fn flush(&mut self) {
        self.table = Table::default();
        self.ports.release();
    }

    /// Behaves otherwise from now on; the table stays.
    pub fn set_config(&mut self, config: Config) {
        self.config = config;
    }

    /// How it behaves.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Its external addresses.
    pub fn external(&self) -> &[IpAddr] {
        self.ports.addresses()
    }

    /// The table as it is at `now`.
    pub fn rows(&self, now: Instant) -> Rows {
        self.table.rows(now)
    }

    /// Packets that were let through, in either direction.
    pub fn passed(&self) -> u64 {
        self.passed
    }

    /// Packets that were not.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    fn translates(&self, address: IpAddr) -> bool {
        self.config.translate && address.is_ipv4()
    }

    /// A packet from inside.
    fn outbound(&mut self, now: Instant, packet: &mut Packet) -> Result<Interface, Refusal> {
        if !self.config.permits(packet.protocol, packet.destination.port()) {
            return Err(Refusal::Policy(packet.protocol));
        }
        if packet.source.is_ipv6() && self.config.ipv6 == Ipv6::Off {
            return Err(Refusal::NotOurs);
        }
        let turns = self.ports.addresses().contains(&packet.destination.ip());
        if turns && self.config.hairpin == Hairpin::Off {
            return Err(Refusal::NoHairpin);
        }
        let internal = packet.source;
        let id = self.row_out(now, packet)?;
        let external = self.table.get(id).map_or(internal, |row| row.external);
        let config = &self.config;
        self.table.sent(id, packet.destination, now, |replied| config.timeout(packet.protocol, replied));
        if external == internal {
            self.steps.push_back(Step::Passed);
        } else {
            self.steps.push_back(Step::SourceRewritten { from: internal, to: external });
            packet.source = external;
        }
        if !turns {
            return Ok(OUTSIDE);
        }
        self.steps.push_back(Step::Hairpinned);
        self.inbound(now, packet)?;
        if self.config.hairpin == Hairpin::InternalSource {
            self.steps.push_back(Step::SourceRewritten { from: external, to: internal });
            packet.source = internal;
        }
        Ok(INSIDE)
    }

    /// A packet from outside, or one that turns back.
    fn inbound(&mut self, now: Instant, packet: &mut Packet) -> Result<Interface, Refusal> {
        let Packet { protocol, source: remote, destination, .. } = *packet;
        if protocol == Protocol::Udp && !self.config.udp {
            return Err(Refusal::Policy(protocol));
        }
        let filtering = match (destination.is_ipv6(), self.config.ipv6) {
            (true, Ipv6::Off) => return Err(Refusal::NotOurs),
            (true, Ipv6::Open) => {
                self.steps.push_back(Step::Passed);
                return Ok(INSIDE);
            }
            (true, Ipv6::Firewall(filtering)) => filtering,
            (false, _) => self.config.filtering,
        };
        if self.translates(destination.ip()) && !self.ports.addresses().contains(&destination.ip()) {
            return Err(Refusal::NotOurs);
        }
        let (id, by) = self.row_in(protocol, destination, remote, filtering)?;
        let internal = self.table.get(id).map_or(destination, |row| row.internal);
        self.steps.push_back(Step::RowFound(Binding { protocol, internal, external: destination, remote }));
        self.steps.push_back(Step::Admitted { by });
        let lasts = self.config.inbound_refresh.then(|| self.config.timeout(protocol, true));
        self.table.received(id, remote, now, lasts);
        if internal == destination {
            self.steps.push_back(Step::Passed);
        } else {
            self.steps.push_back(Step::DestinationRewritten { from: destination, to: internal });
            packet.destination = internal;
        }
        Ok(INSIDE)
    }

    /// The row for a packet from inside: one that is there, or else a new one.
    fn row_out(&mut self, now: Instant, packet: &Packet) -> Result<RowId, Refusal> {
        let Packet { protocol, source: internal, destination: remote, .. } = *packet;
        let translated = self.translates(internal.ip());
        let scope = if translated { Scope::of(self.config.mapping, remote) } else { Scope::Any };
        if let Some((id, external)) = self.row_in_use(protocol, internal, scope, remote) {
            self.steps.push_back(Step::RowFound(Binding { protocol, internal, external, remote }));
            return Ok(id);
        }
        if self.config.rows_per_subscriber.is_some_and(|most| self.table.rows_of(internal.ip()) >= most) {
            return Err(Refusal::SubscriberLimit(internal.ip()));
        }
        let external = if translated { self.place(protocol, internal, remote)? } else { internal };
        self.steps.push_back(Step::RowAdded(Binding { protocol, internal, external, remote }));
        Ok(self.table.insert(row(protocol, internal, external, scope, now)))
    }

    /// The row that an internal endpoint has already: one made by hand before others, then one over which it has
    /// sent to `remote` before, then the newest one.
    fn row_in_use(
        &self,
        protocol: Protocol,
        internal: SocketAddr,
        scope: Scope,
        remote: SocketAddr,
    ) -> Option<(RowId, SocketAddr)> {
        let rows = |scope| self.table.inside(protocol, internal, scope).iter();
        let row = |id: &RowId| Some((*id, self.table.get(*id)?));
        let by_hand = rows(Scope::Any).filter_map(row).find(|(_, row)| row.fixed);
        let own = || rows(scope).filter_map(row).find(|(_, row)| row.remotes.contains_key(&remote));
        let newest = || rows(scope).rev().filter_map(row).find(|(id, row)| self.tells_apart(*id, row, remote));
        by_hand.or_else(own).or_else(newest).map(|(id, row)| (id, row.external))
    }

    /// Whether answers from `remote` to this row could not be meant for another one, where ports are overloaded.
    fn tells_apart(&self, id: RowId, row: &Mapping, remote: SocketAddr) -> bool {
        !self.config.overload || !self.table.claimed(row.protocol, row.external, remote, Some(id))
    }

    /// An external address for a new row.
    fn place(&mut self, protocol: Protocol, internal: SocketAddr, remote: SocketAddr) -> Result<SocketAddr, Refusal> {
        let free = |place| match self.config.overload {
            true => !self.table.claimed(protocol, place, remote, None),
            false => self.table.outside(protocol, place).is_empty(),
        };
        self.ports.allocate(&self.config, internal, free).ok_or(Refusal::NoPort)
    }

    /// The row for a packet from outside, and why it may come in. Where several rows have the port, the one that
    /// knows the sender best.
    fn row_in(
        &self,
        protocol: Protocol,
        external: SocketAddr,
        remote: SocketAddr,
        filtering: Behaviour,
    ) -> Result<(RowId, Admission), Refusal> {
        let rows = self.table.outside(protocol, external).iter().filter_map(|id| Some((*id, self.table.get(*id)?)));
        let best = rows.max_by_key(|(_, row)| (row.remotes.contains_key(&remote), row.knows_address(remote.ip())));
        let (id, row) = best.ok_or(Refusal::NoRow)?;
        let by = match filtering {
            _ if row.fixed => Admission::Anyone,
            Behaviour::EndpointIndependent => Admission::Anyone,
            Behaviour::AddressDependent if row.knows_address(remote.ip()) => Admission::Address(remote.ip()),
            Behaviour::AddressAndPortDependent if row.remotes.contains_key(&remote) => Admission::Endpoint(remote),
            Behaviour::AddressDependent => return Err(Refusal::FilteredAddress(remote.ip())),
            Behaviour::AddressAndPortDependent => return Err(Refusal::FilteredEndpoint(remote)),
        };
        Ok((id, by))
    }
}

impl Element for Nat {
    fn handle_packet(&mut self, now: Instant, from: Interface, mut packet: Packet) {
        self.steps.clear();
        self.table.purge(now);
        let way = if from == INSIDE { self.outbound(now, &mut packet) } else { self.inbound(now, &mut packet) };
        match way {
            Ok(by) => {
                self.passed += 1;
                self.out.push_back(Outgoing { packet, by: Some(by) });
            }
            Err(refusal) => {
                self.refused += 1;
                self.steps.push_back(Step::Refused(refusal));
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.table.purge(now);
    }

    fn poll_packet(&mut self, _: Instant) -> Option<Outgoing> {
        self.out.pop_front()
    }

    fn poll_step(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// Nothing that happens by itself can be seen from outside: rows go when the next packet comes.
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

/// A row that nobody has used yet.
fn row(protocol: Protocol, internal: SocketAddr, external: SocketAddr, scope: Scope, now: Instant) -> Mapping {
    let remotes = Default::default();
    Mapping { protocol, internal, external, scope, fixed: false, remotes, used: now, expires: now }
}
