//! Networks that are more than one NAT on either side.

use peerage_sim::nat::config::{Config, Hairpin};
use peerage_sim::topology::{Behind, Families, Plan, Shape};

use crate::measure::{Measured, measure};
use crate::place::Place;
use crate::scenario::Scenario;
use crate::table::Options;

/// A network with a name.
#[derive(Clone, Copy, Debug)]
pub struct Topology {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is, in a few words.
    pub says: &'static str,
    /// How it is built.
    pub plan: fn() -> Plan,
}

/// All of them.
pub const ALL: &[Topology] = &[
    Topology { name: "public", says: "both have public addresses", plan: || apart(Behind::Nothing, Behind::Nothing) },
    Topology {
        name: "server",
        says: "one has a public address, the other a symmetric NAT",
        plan: || apart(Behind::Nothing, Behind::Nat(Config::symmetric())),
    },
    Topology {
        name: "same-nat",
        says: "both behind the same NAT, in one network",
        plan: || Plan::new(Shape::SameNat(Config::port_restricted())),
    },
    Topology {
        name: "same-carrier",
        says: "two homes of one carrier whose NAT turns packets back",
        plan: || same_carrier(Hairpin::ExternalSource),
    },
    Topology {
        name: "same-carrier-no-hairpin",
        says: "the same, and packets do not turn back there",
        plan: || same_carrier(Hairpin::Off),
    },
    Topology {
        name: "double",
        says: "a NAT at home and one at the carrier, against a home router",
        plan: || apart(behind("double"), Behind::Nat(Config::port_restricted())),
    },
    Topology {
        name: "double-both",
        says: "a NAT at home and one at the carrier on both sides",
        plan: || apart(behind("double"), behind("double")),
    },
    Topology {
        name: "double-symmetric",
        says: "the carrier's NAT is symmetric on both sides",
        plan: || apart(behind("double-symmetric"), behind("double-symmetric")),
    },
    Topology {
        name: "udp-blocked",
        says: "one side lets no UDP out",
        plan: || apart(behind("udp-blocked"), Behind::Nat(Config::port_restricted())),
    },
    Topology {
        name: "udp-blocked-both",
        says: "neither side lets UDP out",
        plan: || apart(behind("udp-blocked"), behind("udp-blocked")),
    },
    Topology {
        name: "overlapping",
        says: "both have the same private address",
        plan: || Plan {
            overlapping: true,
            ..apart(Behind::Nat(Config::port_restricted()), Behind::Nat(Config::port_restricted()))
        },
    },
    Topology {
        name: "ipv6-both",
        says: "symmetric NATs, and IPv6 behind a firewall on both sides",
        plan: || symmetric().with_families(Families::BOTH, Families::BOTH),
    },
    Topology {
        name: "ipv6-one",
        says: "home routers, and IPv6 on one side",
        plan: || {
            apart(Behind::Nat(Config::port_restricted()), Behind::Nat(Config::port_restricted()))
                .with_families(Families::BOTH, Families::V4)
        },
    },
    Topology {
        name: "ipv6-only-both",
        says: "IPv6 alone on both sides",
        plan: || symmetric().with_families(Families::V6, Families::V6),
    },
    Topology {
        name: "ipv6-against-ipv4",
        says: "IPv6 alone on one side, IPv4 alone on the other",
        plan: || symmetric().with_families(Families::V6, Families::V4),
    },
];

impl Topology {
    /// The one of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|topology| topology.name == name)
    }

    /// A run of it.
    pub fn scenario(&self, options: Options) -> Scenario {
        options.scenario((self.plan)())
    }
}

/// Runs all of them.
pub fn measure_all(options: Options) -> Vec<(&'static Topology, Measured)> {
    let scenarios: Vec<_> = ALL.iter().map(|topology| topology.scenario(options)).collect();
    ALL.iter().zip(measure(&scenarios, options.runs)).collect()
}

fn apart(a: Behind, b: Behind) -> Plan {
    Plan::new(Shape::Apart(a, b))
}

fn symmetric() -> Plan {
    apart(Behind::Nat(Config::symmetric()), Behind::Nat(Config::symmetric()))
}

fn behind(name: &str) -> Behind {
    Place::parse(name).map_or(Behind::Nothing, |place| place.behind)
}

fn same_carrier(hairpin: Hairpin) -> Plan {
    let home = || Config { hairpin, ..Config::port_restricted() };
    Plan::new(Shape::SameCarrier {
        homes: [home(), home()],
        carrier: Config { hairpin, ..Config::address_restricted() },
    })
}
