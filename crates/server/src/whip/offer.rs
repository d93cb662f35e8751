//! What a client offers: read, and refused with the reason where it cannot be.

use crate::refusal::Refusal;
use crate::whip::access::Role;
use crate::whip::sdpfrag::Credentials;
use axum::http::StatusCode;
use peerage::media::transceiver::{CodecCapability, MediaKind};
use peerage_sdp::attribute::Attribute as _;
use peerage_sdp::attribute::direction::Direction;
use peerage_sdp::attribute::fmtp::Fmtp;
use peerage_sdp::attribute::group::Group;
use peerage_sdp::attribute::ice_pwd::IcePwd;
use peerage_sdp::attribute::ice_ufrag::IceUfrag;
use peerage_sdp::attribute::mid::Mid;
use peerage_sdp::attribute::rid::RidDirection;
use peerage_sdp::attribute::rtpmap::Rtpmap;
use peerage_sdp::attribute::setup::Setup;
use peerage_sdp::attribute::simulcast::Simulcast;
use peerage_sdp::description::Description;
use peerage_sdp::limits::Limits;
use peerage_sdp::line::Line;
use peerage_sdp::media::Media;

/// What rides on other codecs, or is none: nothing is published in it alone.
const AUXILIARY: [&str; 7] = ["rtx", "red", "ulpfec", "flexfec", "flexfec-03", "telephone-event", "CN"];

/// An offer that can be answered: at most one audio and one video section, in one bundle.
#[derive(Clone)]
pub(crate) struct Offer {
    description: Description,
    /// The sections that are not refused by the offer itself, in order.
    pub sections: Vec<Offered>,
    /// The generation of ICE that it is of.
    pub credentials: Credentials,
}

/// A section of an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offered {
    pub kind: MediaKind,
    /// Formats of media, the preferred one first.
    pub codecs: Vec<CodecCapability>,
    /// How many encodings it sends side by side.
    pub encodings: usize,
}

impl Offer {
    /// Reads an offer of one who publishes, or views.
    pub fn parse(text: &str, role: Role) -> Result<Self, Refusal> {
        let mut limits = Limits::default();
        (limits.lines, limits.sections) = (8192, 16);
        let description = Description::parse_within(text, limits)
            .map_err(|error| Refusal::unprocessable(format!("the offer cannot be read: {error}")))?;
        let mut sections = Vec::new();
        for media in description.media.iter().filter(|media| is_open(media)) {
            sections.push(section(media, role)?);
        }
        count(&sections, role)?;
        bundle(&description)?;
        let mut offer = Self { credentials: credentials(&description)?, description, sections };
        offer.leave_handshake_to_client()?;
        Ok(offer)
    }

    /// The text to be answered.
    pub fn text(&self) -> String {
        self.description.to_string()
    }

    /// The same in another generation of ICE, without the candidates of the one before.
    pub fn restarted(&self, credentials: &Credentials) -> Self {
        let mut offer = self.clone();
        let gone = ["candidate", "end-of-candidates", IceUfrag::NAME, IcePwd::NAME];
        let keep = |line: &Line| line.as_attribute().is_none_or(|(name, _)| !gone.contains(&name));
        let Description { session, media } = &mut offer.description;
        session.retain(keep);
        for media in media {
            media.section.retain(keep);
            let lines = [(IceUfrag::NAME, &credentials.ufrag), (IcePwd::NAME, &credentials.pwd)];
            // Both were read by their grammar, which has no line ends.
            lines.into_iter().filter_map(|(name, value)| Line::new('a', format!("{name}:{value}")).ok()).for_each(
                |line| {
                    media.section.push(line);
                },
            );
        }
        if let Some(mut origin) = offer.description.origin() {
            origin.session_version = origin.session_version.wrapping_add(1);
            if let Ok(line) = Line::new('o', origin.to_string()) {
                offer.description.session.replace(line);
            }
        }
        offer.credentials = credentials.clone();
        offer
    }

    /// The answer is to be `a=setup:passive` (RFC 9725 §4.4): whoever leaves the choice opens the handshake.
    fn leave_handshake_to_client(&mut self) -> Result<(), Refusal> {
        let Description { session, media } = &mut self.description;
        for section in core::iter::once(session).chain(media.iter_mut().map(|media| &mut media.section)) {
            let setup = section.find::<Setup>().map_err(|error| Refusal::unprocessable(error.to_string()))?;
            match setup {
                Some(Setup::Actpass) => {
                    section.retain(|line| line.as_attribute().is_none_or(|(name, _)| name != Setup::NAME));
                    section.push_attribute(&Setup::Active);
                }
                Some(Setup::Passive | Setup::Holdconn) => {
                    return Err(Refusal::unprocessable("this server answers a=setup:passive: offer a=setup:actpass"));
                }
                Some(Setup::Active) | None => {}
            }
        }
        Ok(())
    }
}

/// Whether a section is offered: port 0 takes it back, except in a bundle.
fn is_open(media: &Media) -> bool {
    media.line.port != 0 || media.section.has("bundle-only")
}

fn section(media: &Media, role: Role) -> Result<Offered, Refusal> {
    let line = &media.line;
    let kind = match &*line.media {
        "audio" => MediaKind::Audio,
        "video" => MediaKind::Video,
        other => {
            let words = format!("m={other} was offered: this takes audio and video and nothing else");
            return Err(Refusal::unprocessable(words));
        }
    };
    if !line.protocol.ends_with("TLS/RTP/SAVPF") {
        let words = format!("m={} is offered in {}: it has to be UDP/TLS/RTP/SAVPF", line.media, line.protocol);
        return Err(Refusal::unprocessable(words));
    }
    if !media.section.has("rtcp-mux") {
        let words = format!("m={} lacks a=rtcp-mux: RTCP has no port of its own here", line.media);
        return Err(Refusal::unprocessable(words));
    }
    let direction = Direction::of(&media.section).unwrap_or_default();
    let (fits, wanted) = match role {
        Role::Publish => (direction.sends(), "sendonly"),
        Role::View => (direction.receives(), "recvonly"),
    };
    if !fits {
        let words = format!("m={} is a={}: here it has to be a={wanted}", line.media, direction.as_str());
        return Err(Refusal::unprocessable(words));
    }
    let simulcast = media.section.find::<Simulcast>().ok().flatten();
    let encodings = simulcast.map_or(1, |simulcast| simulcast.streams(RidDirection::Send).len().max(1));
    Ok(Offered { kind, codecs: codecs(media)?, encodings })
}

/// The formats of a section in the order of its `m=` line.
fn codecs(media: &Media) -> Result<Vec<CodecCapability>, Refusal> {
    let unreadable = |error| Refusal::unprocessable(format!("the offer cannot be read: {error}"));
    let maps = media.section.all::<Rtpmap>().collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    let parameters = media.section.all::<Fmtp>().collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    let mut codecs = Vec::new();
    for format in &media.line.formats {
        let Some(map) = maps.iter().find(|map| map.payload_type.to_string() == *format) else { continue };
        if AUXILIARY.iter().any(|name| name.eq_ignore_ascii_case(&map.name)) {
            continue;
        }
        let mut codec = CodecCapability::new(map.name.clone(), map.clock_rate, map.payload_type);
        codec.channels = map.channels;
        if let Some(found) = parameters.iter().find(|fmtp| fmtp.payload_type == map.payload_type) {
            codec.parameters = found.parameters.clone();
        }
        codecs.push(codec);
    }
    Ok(codecs)
}

fn count(sections: &[Offered], role: Role) -> Result<(), Refusal> {
    for (kind, name) in [(MediaKind::Audio, "audio"), (MediaKind::Video, "video")] {
        let count = sections.iter().filter(|section| section.kind == kind).count();
        if count > 1 {
            let words = format!("{count} sections of {name} were offered: one name has one of each at most");
            return Err(Refusal::unprocessable(words));
        }
    }
    match (sections, role) {
        ([], Role::Publish) => Err(Refusal::unprocessable("the offer has neither audio nor video to publish")),
        ([], Role::View) => {
            Err(Refusal::unprocessable("the offer takes neither audio nor video: add a=recvonly sections"))
        }
        _ => Ok(()),
    }
}

/// Everything is in one bundle (RFC 9725 §4.4.1).
fn bundle(description: &Description) -> Result<(), Refusal> {
    let open: Vec<&Media> = description.media.iter().filter(|media| is_open(media)).collect();
    if open.len() < 2 {
        return Ok(());
    }
    let groups: Vec<Group> = description.session.all::<Group>().flatten().filter(Group::is_bundle).collect();
    let mid = |media: &&Media| media.section.find::<Mid>().ok().flatten();
    let together = |group: &Group| open.iter().map(mid).all(|mid| mid.is_some_and(|mid| group.mids.contains(&mid)));
    if groups.iter().any(together) {
        return Ok(());
    }
    Err(Refusal::unprocessable("audio and video have to be in one a=group:BUNDLE, each with its a=mid"))
}

/// Those of the first section, which carries the bundle.
fn credentials(description: &Description) -> Result<Credentials, Refusal> {
    let at = description.media.iter().position(is_open).unwrap_or(0);
    let read = || {
        let ufrag = description.inherited::<IceUfrag>(at)?;
        let pwd = description.inherited::<IcePwd>(at)?;
        Ok(ufrag.zip(pwd).map(|(ufrag, pwd)| Credentials { ufrag: ufrag.as_str().into(), pwd: pwd.as_str().into() }))
    };
    let found = read().map_err(|error: peerage_sdp::error::ParseError| {
        Refusal::unprocessable(format!("the offer cannot be read: {error}"))
    })?;
    found.ok_or_else(|| Refusal::unprocessable("the offer lacks a=ice-ufrag or a=ice-pwd"))
}

/// The first format of a section that this server has as well.
pub(crate) fn first_common<'a>(offered: &Offered, ours: &'a [CodecCapability]) -> Result<&'a CodecCapability, Refusal> {
    let found = offered.codecs.iter().find_map(|codec| ours.iter().find(|own| own.is_same(codec)));
    found.ok_or_else(|| {
        let names = |codecs: &[CodecCapability]| {
            let mut names: Vec<&str> = codecs.iter().map(|codec| &*codec.name).collect();
            names.retain(|name| !AUXILIARY.iter().any(|other| other.eq_ignore_ascii_case(name)));
            names.dedup();
            names.join(", ")
        };
        let (theirs, ours) = (names(&offered.codecs), names(ours));
        let words = format!("none of the offered formats of {} ({theirs}) is among {ours}", kind_name(offered.kind));
        Refusal::new(StatusCode::NOT_ACCEPTABLE, words)
    })
}

/// `audio` or `video`.
pub(crate) const fn kind_name(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Audio => "audio",
        MediaKind::Video => "video",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use peerage::configuration::MediaConfig;

    const HEAD: &str = "v=0\r\no=- 4611 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n";
    const AUDIO: &str = "m=audio 9 UDP/TLS/RTP/SAVPF 111 63\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:EsAw\r\n\
        a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\na=fingerprint:sha-256 AA:BB\r\na=setup:actpass\r\na=mid:0\r\na=sendonly\r\n\
        a=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10\r\na=rtpmap:63 red/48000/2\r\n\
        a=candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host\r\n";
    const VIDEO: &str = "m=video 9 UDP/TLS/RTP/SAVPF 102 97 96\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:EsAw\r\n\
        a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\na=fingerprint:sha-256 AA:BB\r\na=setup:actpass\r\na=mid:1\r\na=sendonly\r\n\
        a=rtcp-mux\r\na=rtpmap:102 H264/90000\r\na=fmtp:102 packetization-mode=1;profile-level-id=42e01f\r\n\
        a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=102\r\na=rtpmap:96 VP8/90000\r\n";

    fn both() -> String {
        format!("{HEAD}{AUDIO}{VIDEO}")
    }

    fn refused(text: &str, role: Role) -> String {
        match Offer::parse(text, role) {
            Ok(_) => panic!("taken: {text}"),
            Err(refusal) => {
                assert_eq!(refusal.status, StatusCode::UNPROCESSABLE_ENTITY, "{refusal:?}");
                refusal.words.into_owned()
            }
        }
    }

    #[test]
    fn what_a_client_publishes_is_read_in_its_order() {
        let offer = Offer::parse(&both(), Role::Publish).unwrap();
        let names: Vec<Vec<&str>> =
            offer.sections.iter().map(|section| section.codecs.iter().map(|codec| &*codec.name).collect()).collect();
        assert_eq!(names, [vec!["opus"], vec!["H264", "VP8"]]);
        assert_eq!(offer.credentials.ufrag, "EsAw");
        assert_eq!(offer.sections[1].encodings, 1);
        let several =
            both().replace("a=rtpmap:96", "a=rid:q send\r\na=rid:f send\r\na=simulcast:send q;f\r\na=rtpmap:96");
        assert_eq!(Offer::parse(&several, Role::Publish).unwrap().sections[1].encodings, 2);
        let ours = MediaConfig::default();
        let video = first_common(&offer.sections[1], &ours.video).unwrap();
        assert!(&*video.name == "H264" && video.rtx.is_some());
    }

    #[test]
    fn the_client_opens_the_handshake() {
        let text = Offer::parse(&both(), Role::Publish).unwrap().text();
        assert!(text.matches("a=setup:active\r\n").count() == 2 && !text.contains("actpass"), "{text}");
        assert!(refused(&both().replace("actpass", "passive"), Role::Publish).contains("a=setup:passive"));
    }

    #[test]
    fn another_generation_takes_the_place_of_the_one_before() {
        let offer = Offer::parse(&both(), Role::Publish).unwrap();
        let fresh = Credentials { ufrag: "Next".into(), pwd: "abcdefghijklmnopqrstuvwx".into() };
        let text = offer.restarted(&fresh).text();
        assert!(!text.contains("EsAw") && !text.contains("P2uYro0") && !text.contains("a=candidate"), "{text}");
        assert_eq!(text.matches("a=ice-ufrag:Next\r\n").count(), 2);
        assert!(text.contains("o=- 4611 3 IN"), "{text}");
        assert_eq!(Offer::parse(&text, Role::Publish).unwrap().credentials, fresh);
    }

    #[test]
    fn what_cannot_be_is_refused_in_words() {
        let both = both();
        for (text, words) in [
            ("hello".to_owned(), "the offer cannot be read: line 1"),
            (both.replace("m=video", "m=text"), "m=text was offered"),
            (both.replace("UDP/TLS/RTP/SAVPF 111", "RTP/AVP 111"), "it has to be UDP/TLS/RTP/SAVPF"),
            (both.replacen("a=rtcp-mux\r\n", "", 1), "m=audio lacks a=rtcp-mux"),
            (both.replacen("a=sendonly", "a=recvonly", 1), "m=audio is a=recvonly: here it has to be a=sendonly"),
            (both.replacen("a=sendonly", "a=inactive", 2), "a=inactive"),
            (both.replace("a=group:BUNDLE 0 1", "a=group:BUNDLE 0"), "one a=group:BUNDLE"),
            (format!("{both}{}", VIDEO.replace("mid:1", "mid:2")), "2 sections of video"),
            (HEAD.to_owned(), "neither audio nor video to publish"),
            (both.replace("a=ice-ufrag:EsAw\r\n", ""), "lacks a=ice-ufrag"),
            (both.replace("a=ice-ufrag:EsAw", "a=ice-ufrag:E"), "malformed a=ice-ufrag"),
            (both.replace("a=rtpmap:96 VP8/90000", "a=rtpmap:96 VP8"), "malformed a=rtpmap"),
        ] {
            let told = refused(&text, Role::Publish);
            assert!(told.contains(words), "{told:?} should say {words:?}");
        }
        let told = refused(&both, Role::View);
        assert!(told.contains("m=audio is a=sendonly: here it has to be a=recvonly"), "{told}");
        assert!(Offer::parse(&both.replace("a=sendonly", "a=recvonly"), Role::View).is_ok());
        assert!(Offer::parse(&both.replace("a=sendonly", "a=sendrecv"), Role::View).is_ok());
        assert!(refused(HEAD, Role::View).contains("takes neither"));
    }

    #[test]
    fn a_format_that_is_not_here_is_not_acceptable_and_both_sides_are_named() {
        let offer = Offer::parse(&both().replace("H264", "H266").replace("VP8", "VP10"), Role::Publish).unwrap();
        let refusal = first_common(&offer.sections[1], &MediaConfig::default().video).unwrap_err();
        assert_eq!(refusal.status, StatusCode::NOT_ACCEPTABLE);
        assert_eq!(refusal.words, "none of the offered formats of video (H266, VP10) is among VP8, VP9, H264, AV1");
    }

    #[test]
    fn an_offer_cut_anywhere_is_read_or_refused() {
        let text = both();
        for end in 0..text.len() {
            for role in [Role::Publish, Role::View] {
                let _ = Offer::parse(&text[..end], role);
            }
        }
    }
}
