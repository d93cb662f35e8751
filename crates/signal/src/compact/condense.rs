//! From a session description to what a text carries of it.

use peerage_sdp::attribute::Attribute;
use peerage_sdp::attribute::direction::Direction;
use peerage_sdp::attribute::fingerprint::Fingerprint;
use peerage_sdp::attribute::group::Group;
use peerage_sdp::attribute::ice_options::IceOptions;
use peerage_sdp::attribute::ice_pwd::IcePwd;
use peerage_sdp::attribute::ice_ufrag::IceUfrag;
use peerage_sdp::attribute::mid::Mid;
use peerage_sdp::attribute::setup::Setup;
use peerage_sdp::description::Description as Sdp;
use peerage_sdp::limits::Limits;
use peerage_sdp::line::Line;
use peerage_sdp::media::Media;

use super::candidate_text::{self, Offered};
use super::choose::{DropReason, choose};
use super::derive::OfferTag;
use super::description::{Candidate, Description, Kind, MediaKind, Origin, Section, TIME_UNIT, Values};
use super::error::DoesNotFit;
use super::expand;
use super::template::{self, Circumstances, Part};
use super::wire::{self, SECTIONS_MAX};

/// Bytes of the longest description that is looked at; browsers' largest offers that fit are a tenth of it.
const SDP_MAX: usize = 1 << 16;
/// Candidates that are looked at.
const OFFERED_MAX: usize = 256;

/// Which half of an exchange a description is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// An offer.
    Offer,
    /// The answer to this offer.
    Answer(OfferTag),
}

impl Half {
    const fn kind(self) -> Kind {
        match self {
            Self::Offer => Kind::Offer,
            Self::Answer(_) => Kind::Answer,
        }
    }
}

/// How to make a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Characters that the text may have, in base64url. Candidates that do not fit are left out; if nothing can be left out,
    /// there is no text. Default: 140 for data channels of a native peer, 150 for those of a browser, 280 with audio or
    /// video, so that all fit a post, and a QR code of version 6 those that have no media.
    pub characters: Option<usize>,
}

/// A description, ready to be spelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condensed {
    /// What the text will say.
    pub description: Description,
    /// Candidates that it will not have, and why.
    pub dropped: Vec<(Candidate, DropReason)>,
}

/// Takes from a description what the other side cannot write itself. `created`: now, in seconds since 1970.
///
/// # Errors
/// [`DoesNotFit`]: what has no place, or too much of what has.
pub fn condense(half: Half, sdp: &str, created: u64, options: Options) -> Result<Condensed, DoesNotFit> {
    let (mut description, offered) = read(half, sdp)?;
    description.created = created / TIME_UNIT * TIME_UNIT;
    // Lines that look like our own names in braces would come back as something else.
    let expanded = description.to_sdp();
    let (again, _) = read(half, &expanded)?;
    if (&again.session, &again.sections) != (&description.session, &description.sections) {
        return Err(DoesNotFit::Lacks("lines that read back as they were written"));
    }
    let limit = options.characters.unwrap_or_else(|| usual_limit(&description));
    let fixed = wire::fixed_bits(&description)?;
    let (kept, mut dropped) = choose(offered, (limit * 6 / 8 * 8).saturating_sub(fixed));
    description.candidates = kept;
    // With the last candidate a description may stop being a plain one, which is longer.
    while wire::encode(&description, 0)?.len() * 8 > limit * 6 {
        match description.candidates.pop() {
            Some(candidate) => dropped.push((candidate, DropReason::Room)),
            None => {
                let characters = (wire::encode(&description, 0)?.len() * 8).div_ceil(6);
                return Err(DoesNotFit::TooLong { characters, limit });
            }
        }
    }
    Ok(Condensed { description, dropped })
}

fn usual_limit(description: &Description) -> usize {
    let media = description.sections.iter().any(|section| section.media != MediaKind::Application);
    match description.origin {
        _ if media => 280,
        Origin::Native => 140,
        Origin::Chromium | Origin::Firefox => 150,
    }
}

/// A description without its candidates, and these.
fn read(half: Half, text: &str) -> Result<(Description, Vec<Offered>), DoesNotFit> {
    let mut limits = Limits::default();
    (limits.bytes, limits.lines, limits.sections) = (SDP_MAX, 4000, 512);
    let sdp = Sdp::parse_within(text, limits).map_err(|error| DoesNotFit::Unreadable(error.to_string()))?;
    let origin = origin(&sdp);
    let sections = sections(&sdp, half.kind(), origin)?;
    let live: Vec<usize> = (0..sections.len()).filter(|index| !sections[*index].rejected).collect();
    let carrier = *live.first().ok_or(DoesNotFit::Lacks("a section that is not refused"))?;
    let kind = half.kind();
    let answers = match half {
        Half::Offer => None,
        Half::Answer(tag) => Some(tag),
    };
    let ufrag: IceUfrag = inherited(&sdp, carrier)?.ok_or(DoesNotFit::Lacks("an ICE user name fragment"))?;
    let pwd: IcePwd = inherited(&sdp, carrier)?.ok_or(DoesNotFit::Lacks("an ICE password"))?;
    let options: Option<IceOptions> = inherited(&sdp, carrier)?;
    let setup: Option<Setup> = inherited(&sdp, carrier)?;
    let mut description = Description {
        kind,
        origin,
        created: 0,
        answers,
        setup: setup.unwrap_or(kind.usual_setup()),
        fingerprint: fingerprint(&sdp, carrier)?,
        ufrag: ufrag.as_str().to_owned(),
        pwd: pwd.as_str().to_owned(),
        ice_options: options.map(|options| options.0).unwrap_or_default(),
        candidates: Vec::new(),
        session: String::new(),
        sections,
    };
    bundled(&sdp, &description, live.len())?;
    description.session = session(&sdp, &description);
    let lines = sdp.media[carrier].section.attributes().filter(|(name, _)| *name == "candidate");
    let offered = lines.filter_map(|(_, value)| candidate_text::parse(value)).take(OFFERED_MAX).collect();
    Ok((description, offered))
}

fn inherited<A: Attribute>(sdp: &Sdp, index: usize) -> Result<Option<A>, DoesNotFit> {
    sdp.inherited(index).map_err(|error| DoesNotFit::Unreadable(error.to_string()))
}

fn fingerprint(sdp: &Sdp, index: usize) -> Result<[u8; 32], DoesNotFit> {
    let own = sdp.media[index].section.all::<Fingerprint>();
    let found = own.chain(sdp.session.all()).filter_map(Result::ok).find(|found| found.algorithm == "sha-256");
    let digest = found.ok_or(DoesNotFit::Lacks("a SHA-256 fingerprint"))?.digest;
    let bytes: Vec<u8> = digest.split(':').filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect();
    bytes.try_into().map_err(|_| DoesNotFit::Lacks("a SHA-256 fingerprint"))
}

/// Whose manner it is, by the one line that each writes in its own way.
fn origin(sdp: &Sdp) -> Origin {
    match sdp.session.value('o') {
        Some(line) if line.starts_with("mozilla") => Origin::Firefox,
        Some(line) if line.ends_with(" IN IP4 127.0.0.1") => Origin::Chromium,
        _ => Origin::Native,
    }
}

/// All live sections share one transport.
fn bundled(sdp: &Sdp, description: &Description, live: usize) -> Result<(), DoesNotFit> {
    let groups: Vec<Group> = sdp.session.all::<Group>().filter_map(Result::ok).filter(Group::is_bundle).collect();
    let member = |section: &Section| {
        groups.first().is_some_and(|group| group.mids.iter().any(|mid| mid.as_str() == section.mid))
    };
    let all = description.sections.iter().filter(|section| !section.rejected).all(member);
    if groups.len() <= 1 && (live == 1 || all) { Ok(()) } else { Err(DoesNotFit::Transports) }
}

fn sections(sdp: &Sdp, kind: Kind, origin: Origin) -> Result<Vec<Section>, DoesNotFit> {
    if !(1..=SECTIONS_MAX).contains(&sdp.media.len()) {
        return Err(DoesNotFit::Section(format!("number {}", sdp.media.len())));
    }
    sdp.media.iter().enumerate().map(|(index, media)| section(index, media, kind, origin)).collect()
}

fn section(index: usize, media: &Media, half: Kind, origin: Origin) -> Result<Section, DoesNotFit> {
    let line = &media.line;
    let kind = match (&*line.media, &*line.protocol) {
        ("audio", "UDP/TLS/RTP/SAVPF") => MediaKind::Audio,
        ("video", "UDP/TLS/RTP/SAVPF") => MediaKind::Video,
        ("application", "UDP/DTLS/SCTP") => MediaKind::Application,
        _ => return Err(DoesNotFit::Section(line.to_string())),
    };
    if media.section.has("simulcast") {
        return Err(DoesNotFit::Simulcast);
    }
    let mid = media.section.find::<Mid>().map_err(|error| DoesNotFit::Unreadable(error.to_string()))?;
    let mut section = Section {
        media: kind,
        mid: mid.map_or_else(|| index.to_string(), |mid| mid.as_str().to_owned()),
        rejected: line.port == 0 && !media.section.has("bundle-only"),
        direction: Direction::of(&media.section),
        body: String::new(),
        values: values(media),
    };
    if section.rejected {
        // What it might have been is of no interest any more.
        let circumstances = Circumstances { kind: half, sends: false, rtp: true, variant: 0 };
        section.body = template::body(origin, Part::Refused, circumstances);
        (section.direction, section.values) = (None, Values::default());
        return Ok(section);
    }
    let lines: Vec<String> =
        media.section.lines().iter().filter_map(|line| section_line(line, &section.values, origin)).collect();
    section.body = lines.join("\n");
    let written = line.formats.join(" ");
    if expand::formats(kind, &section.body) != written {
        section.body = format!("f={written}\n{}", section.body);
    }
    Ok(section)
}

/// The first stream of a section, and what names it.
fn values(media: &Media) -> Values {
    let mut values = Values::default();
    for (name, value) in media.section.attributes() {
        let mut words = value.split(' ');
        match name {
            "msid" if values.stream.is_none() => {
                values.stream = words.next().map(str::to_owned);
                values.track = words.next().map(str::to_owned);
            }
            "ssrc-group" => match (words.next(), words.next().and_then(number), words.next().and_then(number)) {
                (Some("FID"), first, second) if values.rtx.is_none() => (values.ssrc, values.rtx) = (first, second),
                (Some("FEC-FR"), first, second) if values.fec.is_none() && values.ssrc == first => values.fec = second,
                _ => {}
            },
            "ssrc" => {
                values.ssrc = values.ssrc.or_else(|| words.next().and_then(number));
                let cname = value.split_once(" cname:").map(|(_, cname)| cname.to_owned());
                values.cname = values.cname.or(cname);
            }
            _ => {}
        }
    }
    values
}

/// A number as it is written back: without leading zeros.
fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|number: &u32| number.to_string() == text)
}

/// A line of a section with names for what stands elsewhere; `None` for what is written anew.
fn section_line(line: &Line, values: &Values, origin: Origin) -> Option<String> {
    if line.letter() == 'c' {
        return None;
    }
    let Some((name, value)) = line.as_attribute() else { return Some(line.to_string()) };
    if let Some(common) = common_line(name, value) {
        return common;
    }
    match name {
        "mid" => Some("a=mid:{mid}".to_owned()),
        // RTCP has no port of its own where the sections share a transport; only Chromium says so.
        "rtcp" => (origin == Origin::Chromium).then(|| "a=rtcp:9 IN IP4 0.0.0.0".to_owned()),
        "msid" | "ssrc" | "ssrc-group" => Some(format!("a={name}:{}", named(value, values))),
        _ if Direction::from_word(name).is_some() => Some("a={direction}".to_owned()),
        _ => Some(line.to_string()),
    }
}

/// Lines that may stand in a section and at the session level.
fn common_line(name: &str, value: &str) -> Option<Option<String>> {
    let known = match name {
        "ice-ufrag" => "a=ice-ufrag:{ufrag}",
        "ice-pwd" => "a=ice-pwd:{pwd}",
        "ice-options" => "a=ice-options:{options}",
        "fingerprint" if value.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("sha-256 ")) => {
            "a=fingerprint:{fingerprint}"
        }
        "setup" => "a=setup:{setup}",
        "candidate" | "end-of-candidates" | "remote-candidates" => return Some(None),
        _ => return None,
    };
    Some(Some(known.to_owned()))
}

/// The words of an `msid`, `ssrc` or `ssrc-group` with names for the identifiers of the section.
fn named(value: &str, values: &Values) -> String {
    let [ssrc, rtx, fec] = [values.ssrc, values.rtx, values.fec].map(|source| source.map(|number| number.to_string()));
    let known = [
        ("{stream}", &values.stream),
        ("{track}", &values.track),
        ("{ssrc}", &ssrc),
        ("{rtx}", &rtx),
        ("{fec}", &fec),
        ("{cname}", &values.cname),
    ];
    let word = |word: &str| {
        let found = known.iter().find(|(_, value)| value.as_deref().is_some_and(|value| value == word && word != "-"));
        found.map_or(word.to_owned(), |(name, _)| (*name).to_owned())
    };
    let words = value.split(' ').map(|text| match text.split_once(':') {
        Some((name @ ("cname" | "msid"), value)) => format!("{name}:{}", word(value)),
        _ => word(text),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Whether a direction of the session level means nothing to a section (RFC 8866 §6.7).
fn states_direction(section: &Section) -> bool {
    section.rejected || section.direction.is_some() || section.media == MediaKind::Application
}

/// The session level, without the lines that every description has.
fn session(sdp: &Sdp, description: &Description) -> String {
    let mut lines = Vec::new();
    for line in sdp.session.lines().iter().filter(|line| !matches!(line.letter(), 'v' | 'o' | 's' | 't' | 'c')) {
        let Some((name, value)) = line.as_attribute() else {
            lines.push(line.to_string());
            continue;
        };
        let text = match name {
            "group" if value == format!("BUNDLE{}", description.mids()) => Some("a=group:BUNDLE{mids}".to_owned()),
            "msid-semantic" if value == format!(" WMS{}", description.streams()) => {
                Some("a=msid-semantic: WMS{streams}".to_owned())
            }
            // Firefox says it where it stands for nothing.
            _ if Direction::from_word(name).is_some() && description.sections.iter().all(states_direction) => None,
            _ => common_line(name, value).unwrap_or_else(|| Some(line.to_string())),
        };
        lines.extend(text);
    }
    lines.join("\n")
}
