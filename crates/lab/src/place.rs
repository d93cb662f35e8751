//! What may stand before a host, by name.

use std::fmt;

use peerage_sim::nat::config::{Allocation, Behaviour, Config, Ipv6};
use peerage_sim::topology::Behind;

/// Something that has a name on the command line.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// What it is, in a few words.
    pub says: &'static str,
    /// Makes one.
    pub behind: fn() -> Behind,
}

/// What stands before a host, with the name that it was asked for by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The name.
    pub name: String,
    /// What it is.
    pub behind: Behind,
}

/// A name that nothing has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownPlace;

/// How the symmetric one of the classic types chooses its ports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ports {
    /// At random.
    #[default]
    Random,
    /// One after another.
    Sequential,
}

/// All names.
pub const KINDS: &[Kind] = &[
    Kind { name: "public", says: "no NAT: a public address", behind: || Behind::Nothing },
    Kind {
        name: "full-cone",
        says: "one row for all destinations, and anybody may send to it",
        behind: || Behind::Nat(Config::full_cone()),
    },
    Kind {
        name: "address-restricted",
        says: "one row for all destinations; addresses that were sent to may send",
        behind: || Behind::Nat(Config::address_restricted()),
    },
    Kind {
        name: "port-restricted",
        says: "one row for all destinations; address and port that were sent to may send (most homes)",
        behind: || Behind::Nat(Config::port_restricted()),
    },
    Kind {
        name: "symmetric",
        says: "a row with a random port for each destination, which alone may send to it",
        behind: || Behind::Nat(Config::symmetric()),
    },
    Kind {
        name: "symmetric-sequential",
        says: "the same, one port after another",
        behind: || Behind::Nat(Config::symmetric_sequential()),
    },
    Kind {
        name: "symmetric-block",
        says: "the same, random ports of the subscriber's block of 512 (many carriers)",
        behind: || Behind::Nat(Config { allocation: Allocation::Block(512), ..Config::symmetric() }),
    },
    Kind { name: "linux", says: "masquerade of Linux", behind: || Behind::Nat(Config::linux_masquerade()) },
    Kind {
        name: "linux-random",
        says: "masquerade random of Linux",
        behind: || Behind::Nat(Config::linux_masquerade_random()),
    },
    Kind {
        name: "double",
        says: "port-restricted at home, and at the carrier endpoint-independent for whoever was sent to",
        behind: || double(Config::address_restricted()),
    },
    Kind {
        name: "double-symmetric",
        says: "port-restricted at home, symmetric at the carrier",
        behind: || double(Config::symmetric()),
    },
    Kind {
        name: "firewall",
        says: "public addresses behind a stateful firewall",
        behind: || Behind::Nat(Config::firewall()),
    },
    Kind { name: "udp-blocked", says: "no UDP, TCP passes", behind: || Behind::Nat(Config::blocked()) },
    Kind {
        name: "closed",
        says: "nothing passes",
        behind: || Behind::Nat(Config { tcp_ports: Some(Vec::new()), ipv6: Ipv6::Off, ..Config::blocked() }),
    },
];

const MAPPINGS: [(&str, Behaviour); 3] = [
    ("eim", Behaviour::EndpointIndependent),
    ("adm", Behaviour::AddressDependent),
    ("apdm", Behaviour::AddressAndPortDependent),
];
const FILTERS: [(&str, Behaviour); 3] = [
    ("eif", Behaviour::EndpointIndependent),
    ("adf", Behaviour::AddressDependent),
    ("apdf", Behaviour::AddressAndPortDependent),
];

impl Place {
    /// The one of this name: one of [`KINDS`], or mapping and filtering as `eim/apdf`.
    ///
    /// # Errors
    /// If there is none.
    pub fn parse(name: &str) -> Result<Self, UnknownPlace> {
        let name = name.trim().to_ascii_lowercase();
        if let Some(kind) = KINDS.iter().find(|kind| kind.name == name) {
            return Ok(Self { behind: (kind.behind)(), name });
        }
        cells().into_iter().find(|cell| cell.name == name).ok_or(UnknownPlace)
    }

    /// The four classic types.
    pub fn classic(ports: Ports) -> [Self; 4] {
        let nat = |name: &str, config| Self { name: name.into(), behind: Behind::Nat(config) };
        let symmetric = match ports {
            Ports::Random => Config::symmetric(),
            Ports::Sequential => Config::symmetric_sequential(),
        };
        [
            nat("full-cone", Config::full_cone()),
            nat("address-restricted", Config::address_restricted()),
            nat("port-restricted", Config::port_restricted()),
            nat("symmetric", symmetric),
        ]
    }
}

/// Every mapping with every filtering.
pub fn cells() -> Vec<Place> {
    let cell = |(mapping_name, mapping), (filter_name, filtering)| Place {
        name: format!("{mapping_name}/{filter_name}"),
        behind: Behind::Nat(Config::cell(mapping, filtering)),
    };
    MAPPINGS.into_iter().flat_map(|mapping| FILTERS.into_iter().map(move |filter| cell(mapping, filter))).collect()
}

/// What a box does, in the words of RFC 4787.
pub fn words(config: &Config) -> String {
    let behaviour = |of| match of {
        Behaviour::EndpointIndependent => "endpoint-independent",
        Behaviour::AddressDependent => "address-dependent",
        Behaviour::AddressAndPortDependent => "address and port-dependent",
    };
    let filtering = behaviour(config.filtering);
    if !config.translate {
        return format!("firewall, {filtering} filtering");
    }
    let ports = match config.allocation {
        Allocation::Preserving => "ports preserved".into(),
        Allocation::Sequential(step) => format!("ports counted up by {step}"),
        Allocation::Random => "random ports".into(),
        Allocation::Block(size) => format!("ports of a block of {size}"),
    };
    let udp = if config.udp { "" } else { ", no UDP" };
    format!("{} mapping, {filtering} filtering, {ports}{udp}", behaviour(config.mapping))
}

fn double(carrier: Config) -> Behind {
    Behind::Double { home: Config::port_restricted(), carrier }
}

impl fmt::Display for UnknownPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
        write!(f, "not a type of NAT; there are {}, and mapping/filtering such as eim/apdf", names.join(", "))
    }
}

impl std::error::Error for UnknownPlace {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_finds_its_kind_and_no_two_are_alike() {
        let mut names: Vec<_> = KINDS.iter().map(|kind| kind.name.to_owned()).collect();
        names.extend(cells().into_iter().map(|cell| cell.name));
        for name in &names {
            assert_eq!(Place::parse(&name.to_uppercase()).map(|place| place.name).as_ref(), Ok(name));
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), KINDS.len() + 9);
        assert_eq!(Place::parse("eim"), Err(UnknownPlace));
    }

    #[test]
    fn the_classic_types_are_cells_of_the_grid() {
        let cells = cells();
        for place in Place::classic(Ports::Random) {
            assert_eq!(cells.iter().filter(|cell| cell.behind == place.behind).count(), 1, "{}", place.name);
        }
    }

    #[test]
    fn the_words_are_those_of_rfc_4787() {
        assert_eq!(
            words(&Config::symmetric_sequential()),
            "address and port-dependent mapping, address and port-dependent filtering, ports counted up by 1"
        );
        assert!(words(&Config::firewall()).starts_with("firewall"));
    }
}
