//! From a session text to the description that its author had.

use peerage_sdp::attribute::setup::Setup;

use super::candidate_text;
use super::description::{Address, CandidateKind, Description, MediaKind, Origin, Section, Transport};
use super::pattern;

impl Description {
    /// The session description (RFC 8866), as near as possible to what its author wrote. A text has all candidates that
    /// there will be: the description of a native peer and of Firefox says so (`end-of-candidates`).
    pub fn to_sdp(&self) -> String {
        let mut out = String::new();
        let mut line = |line: &str| {
            out.push_str(line);
            out.push_str("\r\n");
        };
        line("v=0");
        line(&format!("o={}", self.origin_line()));
        line("s=-");
        line("t=0 0");
        let session = pattern::fill(&self.session, |name| self.value(name, None));
        session.split('\n').filter(|text| !text.is_empty()).for_each(&mut line);
        let carrier = self.sections.iter().position(|section| !section.rejected);
        for (index, section) in self.sections.iter().enumerate() {
            self.section(section, carrier == Some(index)).iter().for_each(|text| line(text));
        }
        out
    }

    /// What follows `o=`. The session is named after the certificate: no other has its number.
    fn origin_line(&self) -> String {
        let number = self.fingerprint.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte)) >> 1;
        match self.origin {
            Origin::Native => format!("- {number} 1 IN IP4 0.0.0.0"),
            Origin::Chromium => format!("- {number} 2 IN IP4 127.0.0.1"),
            Origin::Firefox => format!("mozilla...THIS_IS_SDPARTA-99.0 {number} 0 IN IP4 0.0.0.0"),
        }
    }

    /// The lines of a section. `carrier`: it is the one that shows the transport's candidates.
    fn section(&self, section: &Section, carrier: bool) -> Vec<String> {
        let body = pattern::fill(&section.body, |name| self.value(name, Some(section)));
        let closed = section.rejected || body.split('\n').any(|line| line == "a=bundle-only");
        let (mut port, mut connection) = (9, "IN IP4 0.0.0.0".to_owned());
        if let Some((ip, number)) = self.default_destination().filter(|_| carrier) {
            (port, connection) = (number, format!("IN {} {ip}", if ip.is_ipv6() { "IP6" } else { "IP4" }));
        }
        let (media, protocol) = match section.media {
            MediaKind::Audio => ("audio", "UDP/TLS/RTP/SAVPF"),
            MediaKind::Video => ("video", "UDP/TLS/RTP/SAVPF"),
            MediaKind::Application => ("application", "UDP/DTLS/SCTP"),
        };
        let formats = formats(section.media, &body);
        let port = if closed { 0 } else { port };
        let mut lines = vec![format!("m={media} {port} {protocol} {formats}"), format!("c={connection}")];
        let mut candidates: Vec<String> = Vec::new();
        for (index, candidate) in self.candidates.iter().enumerate().filter(|_| carrier) {
            candidates.push(format!("a=candidate:{}", candidate_text::write(candidate, index, self.origin)));
        }
        let rest = body.split('\n').filter(|line| !line.is_empty() && !line.starts_with("f="));
        let mut rest: Vec<String> = rest.map(str::to_owned).collect();
        let end = carrier.then(|| "a=end-of-candidates".to_owned());
        match self.origin {
            Origin::Native => rest.extend(candidates.into_iter().chain(end)),
            Origin::Chromium => {
                let place = rest.iter().position(|line| line.starts_with("a=ice-ufrag")).unwrap_or(rest.len());
                rest.splice(place..place, candidates);
            }
            Origin::Firefox => {
                let place = usize::from(section.direction.is_some() && !rest.is_empty());
                rest.splice(place..place, end);
                lines.append(&mut candidates);
            }
        }
        lines.append(&mut rest);
        lines
    }

    /// What a name in braces stands for.
    fn value(&self, name: &str, section: Option<&Section>) -> Option<String> {
        Some(match (name, section) {
            ("ufrag", _) => self.ufrag.clone(),
            ("pwd", _) => self.pwd.clone(),
            ("options", _) => self.ice_options.join(" "),
            ("fingerprint", _) => format!("sha-256 {}", hex(&self.fingerprint)),
            ("setup", _) => self.setup_word().to_owned(),
            ("mids", None) => self.mids(),
            ("streams", None) => self.streams(),
            ("mid", Some(section)) => section.mid.clone(),
            ("direction", Some(section)) => section.direction?.as_str().to_owned(),
            ("stream", Some(section)) => section.values.stream.clone()?,
            ("track", Some(section)) => section.values.track.clone()?,
            ("ssrc", Some(section)) => section.values.ssrc?.to_string(),
            ("rtx", Some(section)) => section.values.rtx?.to_string(),
            ("fec", Some(section)) => section.values.fec?.to_string(),
            ("cname", Some(section)) => section.values.cname.clone()?,
            _ => return None,
        })
    }

    /// A refused section leaves its group (RFC 9143 §7.3.3).
    pub(crate) fn mids(&self) -> String {
        self.sections.iter().filter(|section| !section.rejected).map(|section| format!(" {}", section.mid)).collect()
    }

    /// The streams of all sections, each once.
    pub(crate) fn streams(&self) -> String {
        let mut streams: Vec<&str> = Vec::new();
        for stream in self.sections.iter().filter_map(|section| section.values.stream.as_deref()) {
            if stream != "-" && !streams.contains(&stream) {
                streams.push(stream);
            }
        }
        streams.iter().map(|stream| format!(" {stream}")).collect()
    }

    const fn setup_word(&self) -> &'static str {
        match self.setup {
            Setup::Active => "active",
            Setup::Passive => "passive",
            Setup::Actpass | Setup::Holdconn => "actpass",
        }
    }

    /// The address that an agent without ICE would use (RFC 8839 §4.2.1.2): the most reachable one.
    fn default_destination(&self) -> Option<(std::net::IpAddr, u16)> {
        let rank = |kind: CandidateKind| match kind {
            CandidateKind::Relayed => 0,
            CandidateKind::ServerReflexive => 1,
            _ => 2,
        };
        let udp = self.candidates.iter().filter(|candidate| candidate.transport == Transport::Udp);
        udp.filter_map(|candidate| Some((candidate.address.ip()?, candidate)))
            .min_by_key(|(ip, candidate)| (rank(candidate.kind), ip.is_ipv6()))
            .map(|(ip, candidate)| (ip, candidate.port))
    }
}

/// The formats of a section: as written out, else those that are described, in their order.
pub(crate) fn formats(media: MediaKind, body: &str) -> String {
    if let Some(written) = body.split('\n').find_map(|line| line.strip_prefix("f=")) {
        return written.to_owned();
    }
    match media {
        MediaKind::Application => "webrtc-datachannel".to_owned(),
        _ => {
            let described = body.split('\n').filter_map(|line| line.strip_prefix("a=rtpmap:")?.split(' ').next());
            let formats: Vec<&str> = described.collect();
            if formats.is_empty() { "0".to_owned() } else { formats.join(" ") }
        }
    }
}

/// Pairs of digits in upper case, as Firefox wants them.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

impl Address {
    /// Whether this is a name that has to be resolved.
    pub fn is_name(&self) -> bool {
        self.ip().is_none()
    }
}
