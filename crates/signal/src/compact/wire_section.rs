//! A media section, and the session level.

use peerage_sdp::attribute::direction::Direction;

use super::bits::{BitReader, BitWriter, Unreadable};
use super::delta;
use super::derive::ICE_CHARS as BASE64;
use super::description::{Description, MediaKind, Origin, Section, Uuid, Values};
use super::error::DoesNotFit;
use super::pattern;
use super::template::{self, Circumstances, Part, VARIANTS};
use super::wire_text as text;

const MEDIA: [MediaKind; 3] = [MediaKind::Audio, MediaKind::Video, MediaKind::Application];
const DIRECTIONS: [Option<Direction>; 5] =
    [None, Some(Direction::SendRecv), Some(Direction::SendOnly), Some(Direction::RecvOnly), Some(Direction::Inactive)];

/// Writes a section. `last`: the identifiers of the ones before it.
pub(crate) fn put(
    out: &mut BitWriter,
    description: &Description,
    index: usize,
    last: &mut Values,
) -> Result<(), DoesNotFit> {
    let section = &description.sections[index];
    out.put(MEDIA.iter().position(|media| *media == section.media).unwrap_or_default() as u64, 2);
    out.flag(section.rejected);
    out.put(DIRECTIONS.iter().position(|way| *way == section.direction).unwrap_or_default() as u64, 3);
    let usual = section.mid == index.to_string();
    out.flag(!usual);
    if !usual {
        text::put(out, &section.mid)?;
    }
    put_body(out, description, Part::of(section.media, section.rejected), &section.body, |variant| Circumstances {
        kind: description.kind,
        sends: sends(section.direction),
        rtp: true,
        variant,
    })?;
    put_values(out, description.origin, &section.body, &section.values, last)
}

/// Reads the next section of `description`.
pub(crate) fn take(
    from: &mut BitReader<'_>,
    description: &Description,
    last: &mut Values,
) -> Result<Section, Unreadable> {
    let media = *MEDIA.get(usize::from(from.small(2)?)).ok_or(Unreadable::Nonsense)?;
    let rejected = from.flag()?;
    let direction = *DIRECTIONS.get(usize::from(from.small(3)?)).ok_or(Unreadable::Nonsense)?;
    let mid = match from.flag()? {
        true => Some(text::take(from)?).filter(|mid| pattern::is_token(mid)).ok_or(Unreadable::Nonsense)?,
        false => description.sections.len().to_string(),
    };
    let body = take_body(from, description, Part::of(media, rejected), |variant| Circumstances {
        kind: description.kind,
        sends: sends(direction),
        rtp: true,
        variant,
    })?;
    let values = take_values(from, description.origin, &body, last)?;
    Ok(Section { media, mid, rejected, direction, body, values })
}

/// Writes the session level, behind the sections.
pub(crate) fn put_session(out: &mut BitWriter, description: &Description) -> Result<(), DoesNotFit> {
    put_body(out, description, Part::Session, &description.session, |variant| session(description, variant))
}

/// Reads the session level of a description that has its sections.
pub(crate) fn take_session(from: &mut BitReader<'_>, description: &Description) -> Result<String, Unreadable> {
    take_body(from, description, Part::Session, |variant| session(description, variant))
}

fn session(description: &Description, variant: u8) -> Circumstances {
    let rtp = description.sections.iter().any(|section| !section.rejected && section.media != MediaKind::Application);
    Circumstances { kind: description.kind, sends: false, rtp, variant }
}

fn sends(direction: Option<Direction>) -> bool {
    direction.is_none_or(Direction::sends)
}

/// Writes the text of a part: that of a template, or its differences from the nearest one.
fn put_body(
    out: &mut BitWriter,
    description: &Description,
    part: Part,
    text: &str,
    circumstances: impl Fn(u8) -> Circumstances,
) -> Result<(), DoesNotFit> {
    if text.len() > delta::TEXT_MAX || !pattern::is_body(text) {
        return Err(DoesNotFit::Lacks("sections of at most 6000 ASCII characters, of attributes"));
    }
    let origin = description.origin;
    let same = (0..VARIANTS).find(|variant| template::body(origin, part, circumstances(*variant)) == text);
    out.flag(same.is_none());
    if let Some(variant) = same {
        out.put(variant.into(), 1);
        return Ok(());
    }
    let coded = (0..VARIANTS).map(|variant| {
        let mut out = BitWriter::default();
        delta::write(&mut out, &template::dictionary(origin, part, circumstances(variant)), text);
        (out.len(), variant)
    });
    let variant = coded.min().map_or(0, |(_, variant)| variant);
    out.put(variant.into(), 1);
    delta::write(out, &template::dictionary(origin, part, circumstances(variant)), text);
    Ok(())
}

fn take_body(
    from: &mut BitReader<'_>,
    description: &Description,
    part: Part,
    circumstances: impl Fn(u8) -> Circumstances,
) -> Result<String, Unreadable> {
    let differs = from.flag()?;
    let circumstances = circumstances(from.small(1)?);
    if !differs {
        return Ok(template::body(description.origin, part, circumstances));
    }
    let text = delta::read(from, &template::dictionary(description.origin, part, circumstances))?;
    if pattern::is_body(&text) { Ok(text) } else { Err(Unreadable::Nonsense) }
}

/// How an identifier is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Name {
    /// A random UUID, in braces if Firefox wrote it.
    Uuid = 0,
    /// The one that the last section had.
    Last = 1,
    /// Sixteen characters of base64.
    Base64 = 2,
    /// Written out.
    Text = 3,
}

fn put_values(
    out: &mut BitWriter,
    origin: Origin,
    body: &str,
    values: &Values,
    last: &mut Values,
) -> Result<(), DoesNotFit> {
    let missing = DoesNotFit::Lacks("an identifier of a stream");
    let braces = origin == Origin::Firefox;
    if pattern::has(body, "stream") {
        put_name(out, braces, values.stream.as_ref().ok_or(missing.clone())?, &mut last.stream)?;
    }
    if pattern::has(body, "track") {
        put_name(out, braces, values.track.as_ref().ok_or(missing.clone())?, &mut last.track)?;
    }
    if pattern::has(body, "ssrc") {
        out.put(values.ssrc.ok_or(missing.clone())?.into(), 32);
    }
    if pattern::has(body, "rtx") {
        out.put(values.rtx.ok_or(missing.clone())?.into(), 32);
    }
    if pattern::has(body, "fec") {
        out.put(values.fec.ok_or(missing.clone())?.into(), 32);
    }
    if pattern::has(body, "cname") {
        put_name(out, braces, values.cname.as_ref().ok_or(missing)?, &mut last.cname)?;
    }
    Ok(())
}

fn take_values(from: &mut BitReader<'_>, origin: Origin, body: &str, last: &mut Values) -> Result<Values, Unreadable> {
    let braces = origin == Origin::Firefox;
    let mut values = Values::default();
    if pattern::has(body, "stream") {
        values.stream = Some(take_name(from, braces, &mut last.stream)?);
    }
    if pattern::has(body, "track") {
        values.track = Some(take_name(from, braces, &mut last.track)?);
    }
    if pattern::has(body, "ssrc") {
        values.ssrc = Some(from.take(32)? as u32);
    }
    if pattern::has(body, "rtx") {
        values.rtx = Some(from.take(32)? as u32);
    }
    if pattern::has(body, "fec") {
        values.fec = Some(from.take(32)? as u32);
    }
    if pattern::has(body, "cname") {
        values.cname = Some(take_name(from, braces, &mut last.cname)?);
    }
    Ok(values)
}

fn put_name(out: &mut BitWriter, braces: bool, name: &str, last: &mut Option<String>) -> Result<(), DoesNotFit> {
    let bare = if braces { name.strip_prefix('{').and_then(|name| name.strip_suffix('}')) } else { Some(name) };
    let codes: Option<Vec<usize>> = name.bytes().map(|byte| BASE64.iter().position(|known| *known == byte)).collect();
    if last.as_deref() == Some(name) {
        out.put(Name::Last as u64, 2);
    } else if let Some(uuid) = bare.and_then(Uuid::parse) {
        out.put(Name::Uuid as u64, 2);
        out.put((uuid.random_bits() >> 64) as u64, 58);
        out.put(uuid.random_bits() as u64, 64);
    } else if let Some(codes) = codes.filter(|codes| codes.len() == 16) {
        out.put(Name::Base64 as u64, 2);
        codes.iter().for_each(|code| out.put(*code as u64, 6));
    } else {
        out.put(Name::Text as u64, 2);
        text::put(out, name)?;
    }
    *last = Some(name.to_owned());
    Ok(())
}

fn take_name(from: &mut BitReader<'_>, braces: bool, last: &mut Option<String>) -> Result<String, Unreadable> {
    let name = match from.small(2)? {
        0 => {
            let bits = u128::from(from.take(58)?) << 64 | u128::from(from.take(64)?);
            let uuid = Uuid::from_random_bits(bits);
            if braces { format!("{{{uuid}}}") } else { uuid.to_string() }
        }
        1 => last.clone().ok_or(Unreadable::Nonsense)?,
        2 => {
            let mut name = String::new();
            for _ in 0..16 {
                name.push(BASE64[usize::from(from.small(6)? & 63)].into());
            }
            name
        }
        _ => Some(text::take(from)?).filter(|name| pattern::is_word(name)).ok_or(Unreadable::Nonsense)?,
    };
    *last = Some(name.clone());
    Ok(name)
}
