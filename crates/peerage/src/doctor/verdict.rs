//! What follows: which peers can be reached directly, and what would help.

use std::net::IpAddr;

use super::reach::{Outcome, ServerReport, Transport};
use super::{Behaviour, Finding, Found, Nat, Reason, Report, Via};

/// Which peers can be reached directly over UDP, with plain ICE: the exact rule for every pair of a mapping and a filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reach {
    /// All whose network lets UDP through.
    Everybody,
    /// All but those behind a symmetric NAT: here only who was sent to may answer, and where from they will is not known.
    AllButSymmetric,
    /// Those without a NAT, or behind a full-cone or address-restricted one.
    LenientOnly,
    /// At least those of [`AllButSymmetric`](Self::AllButSymmetric); whether everybody depends on a filter that could not be
    /// tested.
    AtLeastAllButSymmetric,
    /// At least those of [`LenientOnly`](Self::LenientOnly); which others depends on a mapping that could not be tested.
    AtLeastLenient,
    /// Those of the local network, which the servers are in as well: what stands between it and the Internet is not known.
    LocalNetwork,
    /// None: UDP does not get through.
    Nobody,
    /// No server answered.
    #[default]
    Unknown,
}

/// What follows from a report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verdict {
    /// Which peers can be reached directly.
    pub reach: Reach,
    /// The same in plain English.
    pub sentence: String,
    /// What to do, where something helps; each a sentence.
    pub advice: Vec<String>,
}

pub(super) fn judge(report: &Report) -> Verdict {
    let nat = best(report);
    let mapped = nat.and_then(|nat| opened(report, nat));
    let reach = match nat {
        Some(nat) if !is_outside(nat) => Reach::LocalNetwork,
        Some(_) if mapped.is_some() => Reach::Everybody,
        Some(nat) => reach(nat),
        None if asked_over_udp(report)
            && report.servers.iter().any(|server| is_stream(server) && server.outcome.is_heard()) =>
        {
            Reach::Nobody
        }
        None => Reach::Unknown,
    };
    let mut sentence = sentence(reach, report, nat, mapped);
    let v6 = report.v6.as_ref().filter(|v6| v6.translated == Finding::Known(false));
    if v6.is_some() && !matches!(reach, Reach::Everybody) {
        sentence.push_str(" Over IPv6, peers that have it as well.");
    }
    Verdict { reach, sentence, advice: advice(report, reach, nat) }
}

/// Whether an address means something only inside some network: private, a carrier's, link-local, loopback.
pub(super) fn is_inside(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private() || v4.is_link_local() || v4.is_loopback() || (a == 100 && b & 0xC0 == 64)
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_loopback(),
    }
}

/// What peers will mostly meet: IPv4, as far as UDP gets through there, and out.
fn best(report: &Report) -> Option<&Nat> {
    let mut nats = [&report.v4, &report.v6].into_iter().flatten().filter(|nat| !nat.seen.is_empty());
    nats.clone().find(|nat| is_outside(nat)).or_else(|| nats.next())
}

/// Whether a server saw us from outside of our own networks.
fn is_outside(nat: &Nat) -> bool {
    nat.seen.iter().any(|seen| !is_inside(seen.mapped.ip()))
}

/// A protocol by which the router opens ports to the world: one whose external address is where servers see us.
fn opened<'a>(report: &'a Report, nat: &Nat) -> Option<&'a Found> {
    let seen = |found: &&Found| nat.seen.iter().any(|seen| Some(seen.mapped.ip()) == found.external);
    report.port_mapping.iter().flatten().find(seen).filter(|_| nat.translated == Finding::Known(true))
}

fn reach(nat: &Nat) -> Reach {
    match (nat.is_dependent(), nat.filtering) {
        (Some(true), _) => Reach::LenientOnly,
        (None, _) => Reach::AtLeastLenient,
        (Some(false), Finding::Known(Behaviour::AddressAndPortDependent)) => Reach::AllButSymmetric,
        (Some(false), Finding::Known(_)) => Reach::Everybody,
        (Some(false), Finding::Unknown(_)) => Reach::AtLeastAllButSymmetric,
    }
}

fn sentence(reach: Reach, report: &Report, nat: Option<&Nat>, opened: Option<&Found>) -> String {
    let why = |finding: Option<Finding<Behaviour>>| {
        finding.and_then(|finding| finding.reason()).unwrap_or(Reason::Unfinished).to_string()
    };
    match reach {
        Reach::Everybody => {
            let how = match (opened, nat.map(|nat| nat.translated)) {
                (Some(found), _) => format!(", since the router opens ports ({})", name(found.via)),
                (None, Some(Finding::Known(false))) => ": no NAT stands in between".to_owned(),
                _ => ", those behind symmetric NATs too".to_owned(),
            };
            format!("Every peer whose network lets UDP through can be reached directly from here{how}.")
        }
        Reach::AllButSymmetric => "Peers without a NAT and behind all but symmetric NATs can be reached directly from \
                                   here; for the others it takes a relay, or a NAT whose ports can be predicted."
            .to_owned(),
        Reach::LenientOnly => {
            "Only peers without a NAT, or behind a full-cone or address-restricted one, can be reached \
                               directly from here; for the others it takes a relay, or ports that can be predicted."
                .to_owned()
        }
        Reach::AtLeastAllButSymmetric => format!(
            "Peers without a NAT and behind all but symmetric NATs can be reached directly from here; whether those behind \
             symmetric ones can is unknown: {}.",
            why(nat.map(|nat| nat.filtering))
        ),
        Reach::AtLeastLenient => format!(
            "Peers without a NAT, or behind a full-cone or address-restricted one, can be reached directly from here; \
             whether others can is unknown: {}.",
            why(nat.map(|nat| nat.mapping))
        ),
        Reach::LocalNetwork => {
            "Peers in the local network can be reached directly from here; the servers that answered are \
                                inside it, so that what stands between it and the Internet is unknown."
                .to_owned()
        }
        Reach::Nobody => {
            "It seems that no peer can be reached directly from here: no server answers over UDP, though one does over TCP."
                .to_owned()
        }
        Reach::Unknown if report.servers.is_empty() => {
            "Which peers can be reached directly from here is unknown: there is no server to ask.".to_owned()
        }
        Reach::Unknown if !asked_over_udp(report) => {
            "Which peers can be reached directly from here is unknown: no server could be asked over UDP.".to_owned()
        }
        Reach::Unknown => {
            "Which peers can be reached directly from here is unknown: no server answered, over UDP or TCP.".to_owned()
        }
    }
}

fn advice(report: &Report, reach: Reach, nat: Option<&Nat>) -> Vec<String> {
    let mut advice = Vec::new();
    let mut say = |what: String| advice.push(what);
    let relayed = |s: &&ServerReport| matches!(s.outcome, Outcome::Allocated { .. });
    let relays = || report.servers.iter().filter(relayed);
    match reach {
        Reach::Unknown if report.servers.is_empty() => say("Name a STUN server to ask.".to_owned()),
        Reach::Unknown if !asked_over_udp(report) => say("Name a server that answers over UDP.".to_owned()),
        Reach::Unknown => say("Check that this machine has a network, and the servers' names and ports.".to_owned()),
        Reach::Nobody if !relays().any(is_stream) => {
            say("Have a relay that answers over TCP or TLS, best on port 443 (turns:host:443).".to_owned());
        }
        Reach::LocalNetwork => say("Name a server on the Internet.".to_owned()),
        Reach::AtLeastAllButSymmetric | Reach::AtLeastLenient => {
            say("Name a server with two addresses, which can test it: `peerage serve` with --stun given twice."
                .to_owned());
        }
        _ => {}
    }
    if matches!(reach, Reach::LenientOnly | Reach::AllButSymmetric) {
        if report.port_mapping.as_ref().is_some_and(Vec::is_empty) {
            say("If the router is yours, let it open ports: switch on UPnP, NAT-PMP or PCP in it.".to_owned());
        }
        if relays().next().is_none() {
            say("Have a relay (TURN) for the peers that cannot be reached.".to_owned());
        }
    }
    if let Some(found) = nat.and_then(|nat| second_nat(report, nat)) {
        say(format!(
            "The router's own external address is not the one that the world sees ({}): there is a second NAT, perhaps the \
             provider's, and ports that the router opens lead nowhere.",
            name(found.via)
        ));
    }
    for server in &report.servers {
        match (&server.outcome, server.transport) {
            (Outcome::Refused { code: 401, .. }, _) => {
                say(format!("{} does not take the user name and password.", server.url));
            }
            (Outcome::Failed(why), Transport::Tls) => say(format!("{} over TLS: {why}.", server.url)),
            _ => {}
        }
    }
    advice.dedup();
    advice
}

/// A router that is itself behind a NAT.
fn second_nat<'a>(report: &'a Report, nat: &Nat) -> Option<&'a Found> {
    let other = |found: &&Found| {
        found.external.is_some_and(|ip| ip.is_ipv4() && !nat.seen.iter().any(|seen| seen.mapped.ip() == ip))
    };
    report.port_mapping.iter().flatten().find(other).filter(|_| nat.local.is_ipv4() && !nat.seen.is_empty())
}

/// Servers for TLS alone say nothing of UDP.
fn asked_over_udp(report: &Report) -> bool {
    report.servers.iter().any(|server| !is_stream(server) && server.address.is_some())
}

fn is_stream(server: &ServerReport) -> bool {
    server.transport != Transport::Udp
}

/// The protocol's name.
pub(super) fn name(via: Via) -> &'static str {
    match via {
        Via::Pcp => "PCP",
        Via::NatPmp => "NAT-PMP",
        Via::Upnp => "UPnP",
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use super::*;

    const KNOWN: [Behaviour; 3] =
        [Behaviour::EndpointIndependent, Behaviour::AddressDependent, Behaviour::AddressAndPortDependent];

    fn report() -> Report {
        Report {
            interfaces: Vec::new(),
            gateway: None,
            v4: None,
            v6: None,
            servers: Vec::new(),
            port_mapping: None,
            packet_size: None,
            verdict: Verdict::default(),
        }
    }

    /// What discovery reports of a NAT, seen from a machine of that.
    fn with_nat(mapping: Finding<Behaviour>, filtering: Finding<Behaviour>) -> Report {
        let local: SocketAddr = "192.168.1.2:4000".parse().unwrap();
        let mut nat = super::super::tests::unasked(local);
        let (server, mapped) = ("192.0.2.1:3478".parse().unwrap(), "203.0.113.7:4000".parse().unwrap());
        nat.seen = vec![super::super::Seen { server, mapped, round_trip: None }];
        nat.translated = Finding::Known(true);
        (nat.mapping, nat.filtering) = (mapping, filtering);
        Report { v4: Some(nat), ..report() }
    }

    fn server(transport: Transport, outcome: Outcome) -> ServerReport {
        let address = Some("192.0.2.1:3478".parse().unwrap());
        ServerReport { url: "turn:h".into(), address, transport, outcome, order: 0 }
    }

    fn answered() -> Outcome {
        Outcome::Answered { mapped: "203.0.113.7:4000".parse().unwrap(), time: Duration::ZERO }
    }

    #[test]
    fn the_rule_holds_in_every_cell() {
        for mapping in KNOWN {
            for filtering in KNOWN {
                let verdict = judge(&with_nat(Finding::Known(mapping), Finding::Known(filtering)));
                let expected = match (mapping, filtering) {
                    (Behaviour::EndpointIndependent, Behaviour::AddressAndPortDependent) => Reach::AllButSymmetric,
                    (Behaviour::EndpointIndependent, _) => Reach::Everybody,
                    _ => Reach::LenientOnly,
                };
                assert_eq!(verdict.reach, expected, "{mapping} {filtering}");
                assert!(verdict.sentence.ends_with('.') && !verdict.sentence.contains("  "), "{}", verdict.sentence);
            }
        }
    }

    #[test]
    fn what_is_unknown_is_told_with_its_reason() {
        let unknown = Finding::Unknown(Reason::NoAlternate);
        let verdict = judge(&with_nat(Finding::Known(Behaviour::EndpointIndependent), unknown));
        assert_eq!(verdict.reach, Reach::AtLeastAllButSymmetric);
        assert!(verdict.sentence.contains("no server has a second address"), "{}", verdict.sentence);
        assert!(verdict.advice[0].contains("two addresses"));
        let verdict = judge(&with_nat(Finding::Unknown(Reason::OneServer), unknown));
        assert_eq!(verdict.reach, Reach::AtLeastLenient);
        assert!(verdict.sentence.contains("a single address"), "{}", verdict.sentence);
        // It is not known on what, but that it depends.
        assert_eq!(judge(&with_nat(Finding::Unknown(Reason::AddressOrPort), unknown)).reach, Reach::LenientOnly);
    }

    #[test]
    fn a_router_that_opens_ports_lets_everybody_in_unless_it_is_behind_a_second_nat() {
        let worst = Finding::Known(Behaviour::AddressAndPortDependent);
        let mut report = with_nat(worst, worst);
        report.port_mapping = Some(Vec::new());
        let verdict = judge(&report);
        assert_eq!(verdict.reach, Reach::LenientOnly);
        assert!(verdict.advice.iter().any(|a| a.contains("UPnP")) && verdict.advice.iter().any(|a| a.contains("TURN")));
        let found = |ip: &str| Some(vec![Found { via: Via::Pcp, external: Some(ip.parse().unwrap()) }]);
        report.port_mapping = found("203.0.113.7");
        let verdict = judge(&report);
        assert_eq!(verdict.reach, Reach::Everybody);
        assert!(verdict.sentence.contains("PCP"));
        report.port_mapping = found("100.64.3.4");
        let verdict = judge(&report);
        assert_eq!(verdict.reach, Reach::LenientOnly);
        assert!(verdict.advice.iter().any(|a| a.contains("second NAT")), "{:?}", verdict.advice);
    }

    #[test]
    fn silence_over_udp_alone_is_a_blocked_udp() {
        let mut report = report();
        assert_eq!(judge(&report).reach, Reach::Unknown);
        report.servers = vec![server(Transport::Udp, Outcome::Silent), server(Transport::Tcp, Outcome::Silent)];
        let verdict = judge(&report);
        assert_eq!(verdict.reach, Reach::Unknown);
        assert!(verdict.sentence.contains("no server answered"));
        report.servers[1].outcome = answered();
        let verdict = judge(&report);
        assert_eq!(verdict.reach, Reach::Nobody);
        assert!(verdict.advice[0].contains("turns:"));
        let refused = Outcome::Refused { code: 401, reason: String::new() };
        report.servers.push(server(Transport::Tls, refused));
        assert!(judge(&report).advice.iter().any(|a| a.contains("password")));
        // Servers for TLS alone say nothing of UDP.
        report.servers.remove(0);
        let verdict = judge(&report);
        assert_eq!(verdict.reach, Reach::Unknown);
        assert!(verdict.sentence.contains("could be asked over UDP"), "{}", verdict.sentence);
    }

    #[test]
    fn ipv6_without_a_nat_is_told() {
        let mut report = with_nat(Finding::Known(KNOWN[0]), Finding::Known(KNOWN[2]));
        let mut v6 = super::super::tests::unasked("[2001:db8::2]:1".parse().unwrap());
        v6.translated = Finding::Known(false);
        report.v6 = Some(v6);
        assert!(judge(&report).sentence.ends_with("Over IPv6, peers that have it as well."));
    }

    #[test]
    fn a_server_inside_says_nothing_of_the_internet() {
        let open = Finding::Known(Behaviour::EndpointIndependent);
        let mut report = with_nat(open, open);
        let nat = report.v4.as_mut().unwrap();
        nat.seen[0].mapped = nat.local;
        nat.translated = Finding::Known(false);
        let verdict = judge(&report);
        assert_eq!(verdict.reach, Reach::LocalNetwork);
        assert!(verdict.sentence.contains("Internet is unknown"), "{}", verdict.sentence);
        // Over IPv6 it is known.
        let mut v6 = super::super::tests::unasked("[2001:db8::2]:1".parse().unwrap());
        let server = "[2001:db8::9]:3478".parse().unwrap();
        v6.seen = vec![super::super::Seen { server, mapped: v6.local, round_trip: None }];
        (v6.translated, v6.mapping, v6.filtering) = (Finding::Known(false), open, open);
        report.v6 = Some(v6);
        assert_eq!(judge(&report).reach, Reach::Everybody);
    }

    #[test]
    fn addresses_of_a_carrier_are_inside() {
        for (ip, inside) in [
            ("10.1.2.3", true),
            ("100.64.0.1", true),
            ("100.127.255.255", true),
            ("100.128.0.1", false),
            ("203.0.113.7", false),
            ("fd00::1", true),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_inside(ip.parse().unwrap()), inside, "{ip}");
        }
    }
}
