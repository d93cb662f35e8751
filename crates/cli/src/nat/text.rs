//! The examination for a person to read.

use std::fmt::Display;
use std::time::Duration;

use peerage::doctor::{Classic, Finding, Nat, Outcome, PacketSize, Report, ServerReport, Transport, Via};

use super::json::kind;
use crate::text::plain;

/// Width of the names of things.
const NAMES: usize = 12;

/// The report in lines.
pub fn page(report: &Report) -> String {
    let mut lines = vec![report.verdict.sentence.clone(), String::new()];
    for (family, nat) in [("IPv4", &report.v4), ("IPv6", &report.v6)] {
        if let Some(nat) = nat {
            lines.extend(section(family, nat));
        }
    }
    let addresses = report.interfaces.iter().map(|i| format!("{} {}/{} ({})", i.name, i.ip, i.prefix, kind(i.kind)));
    lines.extend(list("Interfaces", addresses));
    lines.extend(list("Router", router(report)));
    lines.extend(list("Packets", report.packet_size.as_ref().map(size)));
    lines.extend(servers(&report.servers));
    lines.extend(list("Advice", report.verdict.advice.iter().map(Clone::clone)));
    // Servers and routers say some of this.
    lines.iter().map(|line| plain(line)).collect::<Vec<_>>().join("\n")
}

fn section(family: &str, nat: &Nat) -> Vec<String> {
    let name = match (nat.classic(), nat.translated) {
        (Some(Classic::Open), _) => "no NAT, no firewall".to_owned(),
        (Some(Classic::Firewall), _) => "no NAT, a firewall that lets answers through".to_owned(),
        (Some(classic), _) => format!("{classic} NAT"),
        (None, Finding::Known(false)) => "no NAT".to_owned(),
        (None, Finding::Known(true)) => "a NAT of unknown type".to_owned(),
        (None, Finding::Unknown(reason)) => format!("unknown: {reason}"),
    };
    let mut lines = vec![row(family, &name)];
    if nat.seen.is_empty() {
        return lines;
    }
    let mut public: Vec<String> = nat.seen.iter().map(|seen| seen.mapped.ip().to_string()).collect();
    public.sort();
    public.dedup();
    lines.push(row("  public", &public.join(", ")));
    lines.push(row("  mapping", &finding(nat.mapping, |behaviour| behaviour.to_string())));
    lines.push(row("  filtering", &finding(nat.filtering, |behaviour| behaviour.to_string())));
    let yes = |yes| if yes { "yes" } else { "no" }.to_owned();
    if nat.translated == Finding::Known(true) {
        lines.push(row("  hairpin", &finding(nat.hairpin, yes)));
        lines.push(row("  port kept", &finding(nat.port_preserved, yes)));
    }
    lines
}

fn finding<T>(finding: Finding<T>, tell: impl Fn(T) -> String) -> String {
    match finding {
        Finding::Known(what) => tell(what),
        Finding::Unknown(reason) => format!("unknown: {reason}"),
    }
}

fn router(report: &Report) -> Option<String> {
    let gateway = report.gateway.map(|ip| ip.to_string());
    let Some(found) = &report.port_mapping else { return gateway };
    let protocols = found.iter().map(|found| {
        let name = match found.via {
            Via::Pcp => "PCP",
            Via::NatPmp => "NAT-PMP",
            Via::Upnp => "UPnP",
        };
        found.external.map_or(name.to_owned(), |ip| format!("{name} ({ip})"))
    });
    let protocols: Vec<_> = protocols.collect();
    let protocols =
        if protocols.is_empty() { "opens no ports (no PCP, NAT-PMP, UPnP)".to_owned() } else { protocols.join(", ") };
    Some(format!("{}: {protocols}", gateway.unwrap_or_else(|| "unknown".to_owned())))
}

fn size(size: &PacketSize) -> String {
    let interface = size.interface.map_or_else(String::new, |bytes| format!("interface {bytes} bytes; "));
    match size.passed {
        Some(bytes) => format!("{interface}{bytes} bytes reach {}", size.server),
        None => format!("{interface}no size was tested: {} does not answer", size.server),
    }
}

fn servers(servers: &[ServerReport]) -> Vec<String> {
    let cells: Vec<[String; 4]> = servers.iter().map(cells).collect();
    let width = |column: usize| cells.iter().map(|cells| cells[column].chars().count()).max().unwrap_or(0);
    let [url, address, transport] = [width(0), width(1), width(2)];
    list("Servers", cells.iter().map(|[a, b, c, d]| format!("{a:url$}  {b:address$}  {c:transport$}  {d}")))
}

fn cells(server: &ServerReport) -> [String; 4] {
    let transport = match server.transport {
        Transport::Udp => "UDP",
        Transport::Tcp => "TCP",
        Transport::Tls => "TLS",
    };
    let outcome = match &server.outcome {
        Outcome::Answered { time, .. } => format!("answers, {}", millis(*time)),
        Outcome::Allocated { relayed, time, .. } => format!("relays by {relayed}, {}", millis(*time)),
        Outcome::Refused { code, reason } => format!("refuses: {code} {reason}").trim_end().to_owned(),
        Outcome::Silent => "does not answer".to_owned(),
        Outcome::Failed(why) => why.clone(),
        _ => "unknown".to_owned(),
    };
    let known = server.address.is_some();
    let address = server.address.map_or_else(String::new, |address| address.to_string());
    [server.url.clone(), address, if known { transport } else { "" }.to_owned(), outcome]
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

fn row(name: &str, what: &str) -> String {
    format!("{name:NAMES$}{what}")
}

/// Rows of which the first alone has the name.
fn list(name: &str, rows: impl IntoIterator<Item = impl Display>) -> Vec<String> {
    let names = std::iter::once(name).chain(std::iter::repeat(""));
    names.zip(rows).map(|(name, what)| row(name, &what.to_string())).collect()
}
