//! Worlds that come up again and again: two hosts and what stands between them.
//!
//! [`Plan::build`] makes the public network and, for either host, a [`Seat`]: a network and the addresses to have there.
//! What sits there is the caller's: it binds its sockets to those addresses and is [put there](Seat::put).
//!
//! ```
//! use peerage_sim::World;
//! use peerage_sim::nat::Config;
//! use peerage_sim::topology::{Behind, Plan, Shape};
//!
//! let mut world = World::new(7);
//! let (a, b) = (Behind::Nat(Config::full_cone()), Behind::Nat(Config::symmetric()));
//! let pair = Plan::new(Shape::Apart(a, b)).build(&mut world);
//! assert_eq!(pair.seats[0].addresses, ["192.168.1.2".parse::<std::net::IpAddr>().unwrap()]);
//! assert!(world.get(pair.routers(1)[0].nat).rows(world.now()).0.is_empty());
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use peerage_base::path::LocalId;
use peerage_base::time::Duration;

use crate::host::{Host, Node};
use crate::link::Link;
use crate::nat::config::Config;
use crate::nat::element::Nat;
use crate::network::{AttachmentId, NetworkId};
use crate::world::{Id, World};

/// What stands between one host and the public network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behind {
    /// Nothing: it has public addresses.
    Nothing,
    /// One box.
    Nat(Config),
    /// The NAT at home, and behind that the carrier's.
    Double {
        /// At home.
        home: Config,
        /// At the carrier.
        carrier: Config,
    },
}

/// How two hosts stand to each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Each has its own way to the public network.
    Apart(Behind, Behind),
    /// Both are in one network behind one box.
    SameNat(Config),
    /// Two homes behind the NAT of one carrier.
    SameCarrier {
        /// The NATs at home.
        homes: [Config; 2],
        /// The carrier's.
        carrier: Config,
    },
}

/// Which address families a host has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Families {
    /// IPv4.
    pub v4: bool,
    /// IPv6.
    pub v6: bool,
}

/// The lines, the same in both directions.
#[derive(Clone, Copy, Debug)]
pub struct Lines {
    /// Between a host or a server and its network. Default 1 ms.
    pub access: Link,
    /// Between a NAT and the network outside. Default 9 ms.
    pub uplink: Link,
}

/// A world of two hosts.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What stands between them.
    pub shape: Shape,
    /// What addresses either one has. Default IPv4 alone.
    pub families: [Families; 2],
    /// The lines.
    pub lines: Lines,
    /// Whether all homes number their hosts alike, so that both hosts have the same private address. Default no.
    pub overlapping: bool,
}

/// The public network.
#[derive(Debug)]
pub struct Internet {
    /// Its id.
    pub network: NetworkId,
    lines: Lines,
    overlapping: bool,
    servers: u8,
    routers: u8,
    sites: u8,
}

/// A network where hosts can be put, with the boxes between it and the public one.
#[derive(Debug)]
pub struct Site {
    /// Its network.
    pub network: NetworkId,
    /// The boxes, that at home first.
    pub routers: Vec<Router>,
    v4: Ipv4Addr,
    v6: Ipv6Addr,
    access: Link,
    taken: u8,
}

/// A box between two networks.
#[derive(Clone, Copy, Debug)]
pub struct Router {
    /// The box.
    pub nat: Id<Nat>,
    /// Its place in the network inside.
    pub inner: AttachmentId,
    /// Its place in the network outside.
    pub outer: AttachmentId,
}

/// A place for a host.
#[derive(Clone, Debug)]
pub struct Seat {
    /// The network.
    pub network: NetworkId,
    /// Addresses in it: IPv4 before IPv6.
    pub addresses: Vec<IpAddr>,
    access: Link,
}

/// A world that was built.
#[derive(Debug)]
pub struct Pair {
    /// The public network, for servers and for further sites to move to.
    pub internet: Internet,
    /// Where the hosts are: one site or two. A public host has none.
    pub sites: Vec<Site>,
    /// Places for the two hosts.
    pub seats: [Seat; 2],
    site_of: [Option<usize>; 2],
}

impl Families {
    /// IPv4 alone.
    pub const V4: Self = Self { v4: true, v6: false };
    /// IPv6 alone.
    pub const V6: Self = Self { v4: false, v6: true };
    /// Both.
    pub const BOTH: Self = Self { v4: true, v6: true };
}

impl Default for Lines {
    fn default() -> Self {
        let line = |millis| Link::with_delay(Duration::from_millis(millis));
        Self { access: line(1), uplink: line(9) }
    }
}

impl Plan {
    /// Two hosts with IPv4 and lines without loss.
    pub fn new(shape: Shape) -> Self {
        Self { shape, families: [Families::V4; 2], lines: Lines::default(), overlapping: false }
    }

    /// With other address families.
    #[must_use]
    pub fn with_families(mut self, a: Families, b: Families) -> Self {
        self.families = [a, b];
        self
    }

    /// Adds the networks and the boxes to a world. The NATs are named "NAT 1" and so on in it.
    pub fn build(&self, world: &mut World) -> Pair {
        let mut internet = Internet::new(world, self.lines);
        internet.overlapping = self.overlapping;
        match &self.shape {
            Shape::Apart(a, b) => self.apart(world, internet, [a, b]),
            Shape::SameNat(config) => {
                let mut site = internet.site(world, config);
                let seats = self.families.map(|families| site.seat(families));
                Pair { internet, sites: vec![site], seats, site_of: [Some(0); 2] }
            }
            Shape::SameCarrier { homes, carrier } => {
                let mut carrier = internet.carrier(world, carrier);
                let mut sites = homes.each_ref().map(|home| internet.home(world, &mut carrier, home));
                let [a, b] = &mut sites;
                let seats = [a.seat(self.families[0]), b.seat(self.families[1])];
                Pair { internet, sites: sites.into(), seats, site_of: [Some(0), Some(1)] }
            }
        }
    }

    fn apart(&self, world: &mut World, mut internet: Internet, behind: [&Behind; 2]) -> Pair {
        let mut sites = Vec::new();
        let mut place = |behind: &Behind, families| {
            let mut site = match behind {
                Behind::Nothing => return (internet.seat(families), None),
                Behind::Nat(config) => internet.site(world, config),
                Behind::Double { home, carrier } => {
                    let mut carrier = internet.carrier(world, carrier);
                    internet.home(world, &mut carrier, home)
                }
            };
            let seat = site.seat(families);
            sites.push(site);
            (seat, Some(sites.len() - 1))
        };
        let (a, at) = place(behind[0], self.families[0]);
        let (b, bt) = place(behind[1], self.families[1]);
        Pair { internet, sites, seats: [a, b], site_of: [at, bt] }
    }
}

impl Internet {
    /// A public network without members.
    pub fn new(world: &mut World, lines: Lines) -> Self {
        Self { network: world.add_network(), lines, overlapping: false, servers: 0, routers: 0, sites: 0 }
    }

    /// A place for a public host or a server: 192.0.2.n, 2001:db8::n.
    pub fn seat(&mut self, families: Families) -> Seat {
        self.servers += 1;
        let v4 = Ipv4Addr::new(192, 0, 2, self.servers);
        let v6 = Ipv6Addr::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, self.servers.into());
        Seat { network: self.network, addresses: addresses(families, v4, v6), access: self.lines.access }
    }

    /// A network behind one box.
    pub fn site(&mut self, world: &mut World, config: &Config) -> Site {
        let external = self.external();
        let network = self.network;
        let site = self.inside(world, config, network, external);
        self.route(world, network, &site, config);
        site
    }

    /// A carrier's network behind its NAT: hosts may be put there, and [homes](Self::home).
    pub fn carrier(&mut self, world: &mut World, config: &Config) -> Site {
        let carrier = self.site(world, config);
        let shared = Ipv4Addr::new(100, 64, self.sites, 0);
        Site { v4: if config.translate { shared } else { carrier.v4 }, ..carrier }
    }

    /// A home whose NAT is a customer of a carrier.
    pub fn home(&mut self, world: &mut World, carrier: &mut Site, config: &Config) -> Site {
        carrier.taken += 1;
        let external = at(carrier.v4, carrier.taken + 1);
        let mut home = self.inside(world, config, carrier.network, external);
        self.route(world, carrier.network, &home, config);
        if let Some(router) = carrier.routers.last() {
            world.add_route(self.network, home.v6.into(), 64, router.outer);
        }
        home.routers.extend_from_slice(&carrier.routers);
        home
    }

    fn external(&mut self) -> Ipv4Addr {
        self.routers += 1;
        Ipv4Addr::new(203, 0, 113, self.routers)
    }

    /// A new network, and a box between it and `outside`.
    fn inside(&mut self, world: &mut World, config: &Config, outside: NetworkId, external: Ipv4Addr) -> Site {
        self.sites += 1;
        let number = if self.overlapping { 1 } else { self.sites };
        let v4 = match config.translate {
            true => Ipv4Addr::new(192, 168, number, 0),
            false => Ipv4Addr::new(198, 18, self.sites, 0),
        };
        let v6 = Ipv6Addr::new(0x2001, 0xDB8, self.sites.into(), 0, 0, 0, 0, 0);
        let network = world.add_network();
        let name = format!("NAT {}", self.sites);
        let rng = world.rng(&name);
        let translated = if config.translate { &[external.into()][..] } else { &[] };
        let nat = world.add(&name, Nat::new(config.clone(), translated, rng));
        let inner = world.attach(nat, network, &[], Link::default(), Link::default());
        let outer = world.attach(nat, outside, &[external.into()], self.lines.uplink, self.lines.uplink);
        world.set_gateway(network, Some(inner));
        let routers = vec![Router { nat, inner, outer }];
        Site { network, routers, v4, v6, access: self.lines.access, taken: 0 }
    }

    /// Lets the network outside know what is inside, as far as it has addresses that are not translated.
    fn route(&self, world: &mut World, outside: NetworkId, site: &Site, config: &Config) {
        let Some(router) = site.routers.first() else { return };
        world.add_route(outside, site.v6.into(), 64, router.outer);
        if !config.translate {
            world.add_route(outside, site.v4.into(), 24, router.outer);
        }
    }
}

impl Site {
    /// A place for one more host, of 253.
    pub fn seat(&mut self, families: Families) -> Seat {
        self.taken += 1;
        let host = self.taken + 1;
        let mut v6 = self.v6.segments();
        v6[7] = host.into();
        let addresses = addresses(families, at(self.v4, host), v6.into());
        Seat { network: self.network, addresses, access: self.access }
    }
}

impl Router {
    /// Gives the box another external address, as after a new lease: every row moves to it.
    pub fn readdress(&self, world: &mut World, external: Ipv4Addr) {
        world.set_addresses(self.outer, &[external.into()]);
        world.get_mut(self.nat).readdress(&[external.into()]);
    }
}

impl Seat {
    /// Puts a machine here, with its sockets.
    pub fn put<N: Node>(&self, world: &mut World, name: &str, host: Host<N>) -> (Id<Host<N>>, AttachmentId) {
        let id = world.add(name, host);
        (id, self.attach(world, id))
    }

    /// Puts any element here.
    pub fn attach<T>(&self, world: &mut World, element: Id<T>) -> AttachmentId {
        world.attach(element, self.network, &self.addresses, self.access, self.access)
    }

    /// Puts a machine here that has one socket at each address, with ids from 0 on and this port.
    pub fn put_node<N: Node>(&self, world: &mut World, name: &str, node: N, port: u16) -> (Id<Host<N>>, AttachmentId) {
        let mut host = Host::new(node);
        for (id, address) in (0..).zip(&self.addresses) {
            host.bind(LocalId(id), (*address, port).into());
        }
        self.put(world, name, host)
    }

    /// Gives a machine a second line, here: it keeps those that it has.
    pub fn join<T>(&self, world: &mut World, element: Id<T>) -> AttachmentId {
        world.attach(element, self.network, &self.addresses, self.access, self.access)
    }

    /// Moves a machine here from another network: the network change of a telephone. Its sockets are the caller's to
    /// open anew, at these addresses.
    pub fn take<T>(&self, world: &mut World, element: Id<T>, from: AttachmentId) -> AttachmentId {
        world.roam(element, from, self.network, &self.addresses)
    }
}

impl Pair {
    /// The boxes between one of the hosts and the public network, the one next to the host first.
    pub fn routers(&self, side: usize) -> &[Router] {
        let site = self.site_of.get(side).copied().flatten();
        site.and_then(|site| self.sites.get(site)).map_or(&[], |site| &site.routers)
    }
}

fn at(base: Ipv4Addr, host: u8) -> Ipv4Addr {
    let [a, b, c, _] = base.octets();
    Ipv4Addr::new(a, b, c, host)
}

fn addresses(families: Families, v4: Ipv4Addr, v6: Ipv6Addr) -> Vec<IpAddr> {
    let v4 = families.v4.then_some(v4.into());
    let v6 = families.v6.then_some(v6.into());
    v4.into_iter().chain(v6).collect()
}
