//! The lines between which packets go.

use crate::trace::{Role, Trace};

/// The lifelines from left to right: the first peer, its boxes from the inside out, the servers, and the same of the
/// second peer, mirrored.
pub fn order(trace: &Trace) -> Vec<&str> {
    let peers: Vec<_> = trace.elements.iter().filter(|member| member.role == Role::Peer).collect();
    let mut order = peers.first().map_or_else(Vec::new, |peer| chain(trace, &peer.name));
    let servers = trace.elements.iter().filter(|member| member.role == Role::Server);
    order.extend(servers.map(|member| member.name.as_str()));
    let mut other = peers.get(1).map_or_else(Vec::new, |peer| chain(trace, &peer.name));
    other.retain(|name| !order.contains(name));
    other.reverse();
    order.extend(other);
    order
}

/// An element and the boxes between it and the public network.
fn chain<'a>(trace: &'a Trace, name: &'a str) -> Vec<&'a str> {
    let mut chain = vec![name];
    let behind = |name: &str| trace.elements.iter().find(|member| member.name == name)?.behind.as_deref();
    while let Some(next) = chain.last().and_then(|name| behind(name)).filter(|next| !chain.contains(next)) {
        chain.push(next);
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;
    use peerage_sim::nat::config::{Config, Hairpin};
    use peerage_sim::topology::{Plan, Shape};

    #[test]
    fn lifelines_mirror_each_other_and_a_shared_box_is_there_once() {
        let trace = Trace::follow(&Scenario::between(Config::full_cone(), Config::full_cone()), 10);
        assert_eq!(order(&trace), ["a", "NAT 1", "relay", "stun", "NAT 2", "b"]);
        let home = || Config { hairpin: Hairpin::Off, ..Config::full_cone() };
        let carrier = Shape::SameCarrier { homes: [home(), home()], carrier: home() };
        let trace = Trace::follow(&Scenario::new(Plan::new(carrier)), 10);
        assert_eq!(order(&trace), ["a", "NAT 2", "NAT 1", "relay", "stun", "NAT 3", "b"]);
    }
}
