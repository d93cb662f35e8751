//! The examination as one JSON object.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use peerage::configuration::InterfaceKind;
use peerage::doctor::{
    Behaviour, Classic, Finding, Interface, Nat, Outcome, PacketSize, Reach, Report, ServerReport, Transport, Via,
};
use serde::Serialize;

/// Names here are relied on by programs: they may be joined by others and do not change.
#[derive(Serialize)]
#[serde(tag = "event", rename = "nat")]
struct Line<'a> {
    reach: &'static str,
    sentence: &'a str,
    advice: &'a [String],
    public_addresses: Vec<IpAddr>,
    ipv4: Option<NatJson>,
    ipv6: Option<NatJson>,
    servers: Vec<ServerJson<'a>>,
    interfaces: Vec<InterfaceJson<'a>>,
    gateway: Option<IpAddr>,
    /// Absent where the router was not asked.
    port_mapping: Option<Vec<MappingJson>>,
    packet_size: Option<SizeJson>,
}

#[derive(Serialize)]
struct NatJson {
    local: SocketAddr,
    translated: Option<bool>,
    classic: Option<&'static str>,
    mapping: Option<&'static str>,
    mapping_unknown: Option<String>,
    filtering: Option<&'static str>,
    filtering_unknown: Option<String>,
    hairpin: Option<bool>,
    hairpin_unknown: Option<String>,
    port_preserved: Option<bool>,
    seen: Vec<SeenJson>,
}

#[derive(Serialize)]
struct SeenJson {
    server: SocketAddr,
    mapped: SocketAddr,
    rtt_ms: Option<f64>,
}

#[derive(Serialize)]
struct ServerJson<'a> {
    url: &'a str,
    address: Option<SocketAddr>,
    transport: &'static str,
    result: &'static str,
    mapped: Option<SocketAddr>,
    relayed: Option<SocketAddr>,
    time_ms: Option<f64>,
    code: Option<u16>,
    reason: Option<&'a str>,
}

#[derive(Serialize)]
struct InterfaceJson<'a> {
    name: &'a str,
    address: IpAddr,
    prefix: u8,
    kind: &'static str,
}

#[derive(Serialize)]
struct MappingJson {
    protocol: &'static str,
    external: Option<IpAddr>,
}

#[derive(Serialize)]
struct SizeJson {
    server: SocketAddr,
    interface: Option<usize>,
    passed: Option<usize>,
}

/// The report in one line.
pub fn line(report: &Report) -> String {
    let line = Line {
        reach: reach(report.verdict.reach),
        sentence: &report.verdict.sentence,
        advice: &report.verdict.advice,
        public_addresses: report.public_addresses(),
        ipv4: report.v4.as_ref().map(nat),
        ipv6: report.v6.as_ref().map(nat),
        servers: report.servers.iter().map(server).collect(),
        interfaces: report.interfaces.iter().map(interface).collect(),
        gateway: report.gateway,
        port_mapping: report.port_mapping.as_ref().map(|all| {
            all.iter().map(|found| MappingJson { protocol: via(found.via), external: found.external }).collect()
        }),
        packet_size: report.packet_size.map(|PacketSize { server, interface, passed, .. }| SizeJson {
            server,
            interface,
            passed,
        }),
    };
    serde_json::to_string(&line).expect("a report holds strings and numbers only")
}

fn nat(nat: &Nat) -> NatJson {
    let why = |finding: Option<peerage::doctor::Reason>| finding.map(|reason| reason.to_string());
    NatJson {
        local: nat.local,
        translated: nat.translated.known(),
        classic: nat.classic().map(classic),
        mapping: nat.mapping.known().map(behaviour),
        mapping_unknown: why(nat.mapping.reason()),
        filtering: nat.filtering.known().map(behaviour),
        filtering_unknown: why(nat.filtering.reason()),
        hairpin: Finding::known(nat.hairpin),
        hairpin_unknown: why(nat.hairpin.reason()),
        port_preserved: nat.port_preserved.known(),
        seen: nat
            .seen
            .iter()
            .map(|seen| SeenJson { server: seen.server, mapped: seen.mapped, rtt_ms: seen.round_trip.map(millis) })
            .collect(),
    }
}

fn server(server: &ServerReport) -> ServerJson<'_> {
    let mut json = ServerJson {
        url: &server.url,
        address: server.address,
        transport: transport(server.transport),
        result: "failed",
        mapped: server.outcome.mapped(),
        relayed: None,
        time_ms: None,
        code: None,
        reason: None,
    };
    match &server.outcome {
        Outcome::Answered { time, .. } => (json.result, json.time_ms) = ("answered", Some(millis(*time))),
        Outcome::Allocated { relayed, time, .. } => {
            (json.result, json.time_ms, json.relayed) = ("allocated", Some(millis(*time)), Some(*relayed));
        }
        Outcome::Refused { code, reason } => {
            (json.result, json.code, json.reason) = ("refused", Some(*code), Some(reason.as_str()));
        }
        Outcome::Silent => json.result = "silent",
        Outcome::Failed(why) => json.reason = Some(why),
        _ => {}
    }
    json
}

fn interface(interface: &Interface) -> InterfaceJson<'_> {
    let Interface { name, ip, prefix, kind, .. } = interface;
    InterfaceJson { name, address: *ip, prefix: *prefix, kind: self::kind(*kind) }
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

fn reach(reach: Reach) -> &'static str {
    match reach {
        Reach::Everybody => "everybody",
        Reach::AllButSymmetric => "all_but_symmetric",
        Reach::LenientOnly => "lenient_only",
        Reach::AtLeastAllButSymmetric => "at_least_all_but_symmetric",
        Reach::AtLeastLenient => "at_least_lenient",
        Reach::LocalNetwork => "local_network",
        Reach::Nobody => "nobody",
        _ => "unknown",
    }
}

fn behaviour(behaviour: Behaviour) -> &'static str {
    match behaviour {
        Behaviour::EndpointIndependent => "endpoint_independent",
        Behaviour::AddressDependent => "address_dependent",
        Behaviour::AddressAndPortDependent => "address_and_port_dependent",
    }
}

fn classic(classic: Classic) -> &'static str {
    match classic {
        Classic::Open => "open",
        Classic::Firewall => "firewall",
        Classic::FullCone => "full_cone",
        Classic::AddressRestricted => "address_restricted",
        Classic::PortRestricted => "port_restricted",
        Classic::Symmetric => "symmetric",
    }
}

fn transport(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
        Transport::Tls => "tls",
    }
}

fn via(via: Via) -> &'static str {
    match via {
        Via::Pcp => "pcp",
        Via::NatPmp => "nat_pmp",
        Via::Upnp => "upnp",
    }
}

pub(super) fn kind(kind: InterfaceKind) -> &'static str {
    match kind {
        InterfaceKind::Ethernet => "ethernet",
        InterfaceKind::Wifi => "wifi",
        InterfaceKind::Unknown => "unknown",
        InterfaceKind::Vpn => "vpn",
        InterfaceKind::Cellular => "cellular",
        InterfaceKind::Virtual => "virtual",
        InterfaceKind::Loopback => "loopback",
    }
}
