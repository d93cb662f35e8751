//! The sections that we write, in the order that Chromium and Firefox both take.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;

use peerage_sdp::attribute::candidate::Candidate;
use peerage_sdp::attribute::direction::Direction;
use peerage_sdp::attribute::flag;
use peerage_sdp::attribute::group::Group;
use peerage_sdp::attribute::max_message_size::MaxMessageSize;
use peerage_sdp::attribute::mid::Mid;
use peerage_sdp::attribute::sctp_port::SctpPort;
use peerage_sdp::attribute::sctpmap::Sctpmap;
use peerage_sdp::attribute::setup::Setup;
use peerage_sdp::description::Description;
use peerage_sdp::line::Line;
use peerage_sdp::media::{Media, MediaLine};
use peerage_sdp::origin::Origin;
use peerage_sdp::section::Section;

use crate::config::Config;
use crate::error::Error;
use crate::facts::{DATA_CHANNEL, DataForm, Format};
use crate::local::Credentials;

/// The session level. Its address means nothing (RFC 9429 §5.2.1).
///
/// `msid-semantic` says nothing that `msid` does not. `mixed`: sections below carry RTP, and its one- and two-byte header
/// extensions may alternate.
pub(crate) fn session(
    config: &Config,
    version: u64,
    bundle: Option<Vec<Mid>>,
    mixed: bool,
) -> Result<Description, Error> {
    let origin = Origin {
        username: "-".to_owned(),
        session_id: config.session_id & (u64::MAX >> 1),
        session_version: version,
        address: "IN IP4 0.0.0.0".to_owned(),
    };
    let mut description = Description::new(&origin).ok_or_else(|| Error::operation("the o= line cannot be written"))?;
    if let Some(mids) = bundle {
        description.session.push_attribute(&Group::bundle(mids));
    }
    if mixed {
        description.session.push(Line::flag(flag::EXTMAP_ALLOW_MIXED));
    }
    if config.ice_lite {
        description.session.push(Line::flag(flag::ICE_LITE));
    }
    Ok(description)
}

/// What the sections of one transport have in common.
pub(crate) struct Transport<'a> {
    pub(crate) local: &'a Credentials,
    pub(crate) setup: Setup,
}

/// What a section is.
pub(crate) struct Kind<'a> {
    pub(crate) media: &'a str,
    pub(crate) protocol: &'a str,
    pub(crate) mid: Option<&'a Mid>,
}

/// A live data section. `carrier`: it is the one that shows the transport's candidates.
pub(crate) fn data(
    config: &Config,
    transport: &Transport<'_>,
    kind: &Kind<'_>,
    form: DataForm,
    carrier: bool,
) -> Media {
    let (port, mut section) = open(transport, kind, carrier);
    let format = match form {
        DataForm::Current => {
            section.push_attribute(&SctpPort(config.sctp_port));
            DATA_CHANNEL.to_owned()
        }
        DataForm::Legacy => {
            let application = DATA_CHANNEL.to_owned();
            section.push_attribute(&Sctpmap { port: config.sctp_port, application, streams: Some(1024) });
            config.sctp_port.to_string()
        }
    };
    section.push_attribute(&MaxMessageSize(config.max_message_size));
    if let (DataForm::Current, Some(init)) = (form, &transport.local.sctp_init) {
        section.push_attribute(init);
    }
    if carrier {
        push_candidates(&mut section, transport.local);
    }
    Media { line: line(kind, port, format), section }
}

/// An RTP section without media, kept open because it carries the transport of its BUNDLE group: Chromium under
/// `max-bundle` takes the whole group down with it if it is refused.
pub(crate) fn idle(transport: &Transport<'_>, kind: &Kind<'_>, format: &Format, carrier: bool) -> Media {
    let (port, mut section) = open(transport, kind, carrier);
    section.push(Direction::Inactive.line());
    section.push(Line::flag(flag::RTCP_MUX));
    push_format(&mut section, format, true);
    if carrier {
        push_candidates(&mut section, transport.local);
    }
    Media { line: line(kind, port, format_name(format)), section }
}

/// A refused section: port 0, and the lines that Firefox wants even so.
pub(crate) fn refused(kind: &Kind<'_>, format: &Format) -> Media {
    let mut section = Section::new();
    section.push(connection("IN IP4 0.0.0.0"));
    if let Some(mid) = kind.mid {
        section.push_attribute(mid);
    }
    section.push(Direction::Inactive.line());
    push_format(&mut section, format, false);
    Media { line: line(kind, 0, format_name(format)), section }
}

/// The port of an open section, and its lines down to the mid.
pub(crate) fn open(transport: &Transport<'_>, kind: &Kind<'_>, carrier: bool) -> (u16, Section) {
    let Transport { local, setup } = transport;
    let destination = if carrier { default_destination(&local.candidates) } else { None };
    let (port, connection) = destination.unwrap_or_else(|| (9, connection("IN IP4 0.0.0.0")));
    let mut section = Section::new();
    section.push(connection);
    section.push_attribute(&local.ufrag);
    section.push_attribute(&local.pwd);
    if !local.ice_options.0.is_empty() {
        section.push_attribute(&local.ice_options);
    }
    for fingerprint in &local.fingerprints {
        section.push_attribute(fingerprint);
    }
    section.push_attribute(setup);
    if let Some(id) = &local.tls_id {
        section.push_attribute(id);
    }
    if let Some(mid) = kind.mid {
        section.push_attribute(mid);
    }
    (port, section)
}

pub(crate) fn push_candidates(section: &mut Section, local: &Credentials) {
    for candidate in &local.candidates {
        section.push_attribute(candidate);
    }
    if local.ended {
        section.push(Line::flag(flag::END_OF_CANDIDATES));
    }
}

fn push_format(section: &mut Section, format: &Format, with_parameters: bool) {
    let map = format.rtpmap.as_ref().map(|value| format!("rtpmap:{value}"));
    let parameters = format.fmtp.as_ref().filter(|_| with_parameters).map(|value| format!("fmtp:{value}"));
    for text in [map, parameters].into_iter().flatten() {
        section.push(Line::new('a', text).expect("the value stood in a line"));
    }
}

/// A payload type that needs no description stands for none at all.
fn format_name(format: &Format) -> String {
    format.name.clone().unwrap_or_else(|| "0".to_owned())
}

/// The port and `c=` line of the candidate most likely to work for an agent without ICE (RFC 8839 §4.2.1.2); `None` where
/// there is none with an IP address.
pub(crate) fn default_destination(candidates: &[Candidate]) -> Option<(u16, Line)> {
    let rank = |c: &Candidate, ip: IpAddr| {
        let kind = match c.kind() {
            "relay" => 0,
            "srflx" => 1,
            _ => 2,
        };
        (kind, ip.is_ipv6(), ip.is_loopback())
    };
    candidates
        .iter()
        .filter(|c| c.component() == "1" && c.transport().eq_ignore_ascii_case("udp"))
        .filter_map(|c| Some((c.address().parse::<IpAddr>().ok()?, c.port().parse::<u16>().ok()?, c)))
        .filter(|(_, port, _)| *port != 0)
        .min_by_key(|(ip, _, c)| rank(c, *ip))
        .map(|(ip, port, _)| {
            let family = if ip.is_ipv6() { "IP6" } else { "IP4" };
            (port, connection(&format!("IN {family} {ip}")))
        })
}

fn connection(value: &str) -> Line {
    Line::new('c', value).expect("addresses hold no control bytes")
}

fn line(kind: &Kind<'_>, port: u16, format: String) -> MediaLine {
    let (media, protocol) = (kind.media.to_owned(), kind.protocol.to_owned());
    MediaLine { media, port, port_count: None, protocol, formats: vec![format] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(lines: &[&str]) -> Vec<Candidate> {
        lines.iter().map(|l| Candidate::from_text(&format!("candidate:{l}")).unwrap()).collect()
    }

    #[test]
    fn the_default_destination_is_the_most_reachable_candidate() {
        let all = candidates(&[
            "1 1 udp 1 a-name.local 4000 typ host",
            "2 1 tcp 1 192.0.2.1 9 typ host tcptype active",
            "3 1 udp 1 192.0.2.1 4001 typ host",
            "4 1 udp 1 2001:db8::1 4002 typ srflx raddr :: rport 0",
            "5 1 udp 1 203.0.113.5 4003 typ srflx raddr 0.0.0.0 rport 0",
        ]);
        let of = |n| default_destination(&all[..n]).map(|(port, line)| (port, line.value().to_owned()));
        assert_eq!(of(2), None);
        assert_eq!(of(3), Some((4001, "IN IP4 192.0.2.1".to_owned())));
        assert_eq!(of(4), Some((4002, "IN IP6 2001:db8::1".to_owned())));
        assert_eq!(of(5), Some((4003, "IN IP4 203.0.113.5".to_owned())));
    }
}
