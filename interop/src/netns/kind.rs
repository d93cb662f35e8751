//! Kinds of routers, as nftables rules.

use std::net::Ipv4Addr;

/// What a router does to packets between its interfaces `lan` and `out`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `masquerade`: port-restricted, ports preserved.
    Masquerade,
    /// `masquerade random`.
    MasqueradeRandom,
    /// `masquerade fully-random`: symmetric.
    MasqueradeFullyRandom,
    /// Full cone, for the first host: everything that comes is for it.
    FullCone,
    /// Address-restricted, for the first host: what comes is for it if it has sent to that address from that port.
    AddressRestricted,
    /// No UDP passes; TCP does.
    UdpBlocked,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Masquerade,
        Self::MasqueradeRandom,
        Self::MasqueradeFullyRandom,
        Self::FullCone,
        Self::AddressRestricted,
        Self::UdpBlocked,
    ];

    /// The rules of a router whose first host has this address.
    pub(super) fn rules(self, host: Ipv4Addr) -> String {
        let ports = "th dport 1024-65535";
        let (flag, extra) = match self {
            Self::Masquerade => ("", String::new()),
            Self::MasqueradeRandom => ("random", String::new()),
            Self::MasqueradeFullyRandom => ("fully-random", String::new()),
            Self::FullCone => {
                let rule = format!("iifname \"out\" meta l4proto {{ tcp, udp }} {ports} dnat to {host}");
                ("", before_routing(&rule))
            }
            // Chains of type nat see the first packet of a flow alone; the set must see all.
            Self::AddressRestricted => {
                let rule = format!("iifname \"out\" ip saddr . udp dport @sent dnat to {host}");
                let set = "set sent { type ipv4_addr . inet_service; size 65535; flags dynamic,timeout; timeout 5m; }
                    chain note {
                        type filter hook forward priority filter;
                        oifname \"out\" meta l4proto udp update @sent { ip daddr . udp sport }
                    }";
                ("", format!("{set}\n{}", before_routing(&rule)))
            }
            Self::UdpBlocked => {
                let chain = "chain block { type filter hook forward priority filter; meta l4proto udp drop; }";
                ("", chain.into())
            }
        };
        // What is not asked for is dropped before it is tracked to the end: a flow to the router itself would take
        // the place of the one that the host is about to open, which then gets another port.
        format!(
            "table ip lab {{
                chain input {{ type filter hook input priority filter; iifname \"out\" drop; }}
                chain post {{ type nat hook postrouting priority srcnat; oifname \"out\" masquerade {flag}; }}
                {extra}
            }}"
        )
    }
}

fn before_routing(rule: &str) -> String {
    format!("chain pre {{ type nat hook prerouting priority dstnat; {rule}; }}")
}
