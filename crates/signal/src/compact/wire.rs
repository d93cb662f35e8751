//! A description as bytes. `docs/compact.md` is the specification.

use peerage_base::crc::crc32;
use peerage_sdp::attribute::direction::Direction;
use peerage_sdp::attribute::setup::Setup;

use super::bits::{BitReader, BitWriter, Unreadable};
use super::derive::{ICE_CHARS, OfferTag, derive_credentials};
use super::description::{Description, Kind, MediaKind, Origin, Section, TIME_UNIT, Values};
use super::error::DoesNotFit;
use super::template::{self, Circumstances, Part};
use super::wire_candidate as candidate;
use super::wire_section as section;
use super::wire_text as text;

/// The version in the first two bits; 0 is never used, 2 and 3 are later ones.
pub(crate) const VERSION: u8 = 1;
/// Bytes of the longest text that is read.
pub(crate) const BYTES_MAX: usize = 768;
/// Bytes of the checksum.
const CHECK_LEN: usize = 4;
/// The days in which a text of this format can have been made, in units of 65536 seconds since 1970: from the beginning
/// of 2026 on, for 17 years. What is outside has another checksum.
const EPOCHS: core::ops::Range<u32> = 26_965..26_965 + 8192;
/// What an epoch is multiplied by in the checksum, so that a change of its last bits is no other epoch; and the inverse.
const SPREAD: u32 = 0x9E37_79B1;
const SPREAD_INVERSE: u32 = 0x0E8B_2F51;
/// Candidates of one text.
pub(crate) const CANDIDATES_MAX: usize = 64;
/// Media sections of one text.
pub(crate) const SECTIONS_MAX: usize = 16;

/// Why bytes are no description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// At least this many bits more are needed.
    Short(usize),
    /// It ends after this many bytes, and its checksum does not match.
    Check(usize),
    /// There is no meaning in it.
    Nonsense,
    /// The version is a later one, or none.
    Version(u8),
}

/// The bytes of a description. `salt`, 0 to 3, changes how all but the first byte look.
///
/// # Errors
/// [`DoesNotFit::Lacks`] for what has no place in the format.
pub(crate) fn encode(description: &Description, salt: u8) -> Result<Vec<u8>, DoesNotFit> {
    let mut out = fixed(description, salt, !description.candidates.is_empty())?;
    for (index, candidate) in description.candidates.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| description.candidates.get(before));
        candidate::put(&mut out, candidate, before)?;
        out.flag(index + 1 < description.candidates.len());
    }
    Ok(seal(out, description.created, salt))
}

/// Bits that all but the candidates take where there are some, with the checksum, before filling up to a whole byte.
pub(crate) fn fixed_bits(description: &Description) -> Result<usize, DoesNotFit> {
    Ok(fixed(description, 0, true)?.len() + 8 * CHECK_LEN)
}

/// Reads a description at the beginning of `bytes`, and how many bytes it has.
pub(crate) fn decode(bytes: &[u8]) -> Result<(Description, usize), Refusal> {
    let first = *bytes.first().ok_or(Refusal::Short(8))?;
    if first >> 6 != VERSION {
        return Err(Refusal::Version(first >> 6));
    }
    let plain = masked(&bytes[..bytes.len().min(BYTES_MAX)], first & 3);
    let mut reader = BitReader::new(&plain);
    let (mut description, end) = body(&mut reader).map_err(|why| match why {
        Unreadable::Short(bits) => Refusal::Short(bits + 8 * CHECK_LEN),
        Unreadable::Nonsense => Refusal::Nonsense,
    })?;
    let Some(check) = plain.get(end..end + CHECK_LEN) else {
        return Err(Refusal::Short(8 * (end + CHECK_LEN - plain.len())));
    };
    let check = u32::from_be_bytes([check[0], check[1], check[2], check[3]]);
    let epoch = epoch(&plain[..end], check).ok_or(Refusal::Check(end + CHECK_LEN))?;
    description.created |= u64::from(epoch) << 16;
    Ok((description, end + CHECK_LEN))
}

/// The version of a later format whose checksum matches over all of `bytes`: every version has the same first and last
/// bits.
pub(crate) fn newer(bytes: &[u8]) -> Option<u8> {
    let first = *bytes.first()?;
    let end = bytes.len().checked_sub(CHECK_LEN).filter(|end| *end > 0)?;
    let plain = masked(bytes, first & 3);
    let check = plain[end..].iter().fold(0, |check, byte| check << 8 | u32::from(*byte));
    (first >> 6 > VERSION && epoch(&plain[..end], check).is_some()).then_some(first >> 6)
}

/// The checksum: CRC-32, with the part of the time in it that has no byte of its own.
fn check(bytes: &[u8], epoch: u32) -> u32 {
    crc32(bytes) ^ epoch.wrapping_mul(SPREAD)
}

/// The epoch that a checksum says, if it is one.
fn epoch(bytes: &[u8], check: u32) -> Option<u32> {
    let epoch = (crc32(bytes) ^ check).wrapping_mul(SPREAD_INVERSE);
    EPOCHS.contains(&epoch).then_some(epoch)
}

fn seal(out: BitWriter, created: u64, salt: u8) -> Vec<u8> {
    let mut bytes = out.finish();
    let check = check(&bytes, (created >> 16) as u32);
    bytes.extend(check.to_be_bytes());
    masked(&bytes, salt & 3)
}

/// The beginning of `bytes` that is a description, if it is one, with the checksum that it lacks.
#[cfg(any(test, feature = "fuzz"))]
pub(crate) fn sealed(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut plain = bytes.to_vec();
    *plain.first_mut()? = (plain.first()? & 0x3C) | (VERSION << 6);
    let (_, end) = body(&mut BitReader::new(&plain)).ok()?;
    plain.truncate(end);
    let check = check(&plain, EPOCHS.start + 7);
    plain.extend(check.to_be_bytes());
    Some(plain)
}

/// All bytes but the first, changed by a pattern that depends on the salt; twice is not at all.
fn masked(bytes: &[u8], salt: u8) -> Vec<u8> {
    let mask = |index: usize| match index {
        0 => 0,
        _ => (usize::from(salt) * (37 + 2 * index)) as u8,
    };
    bytes.iter().enumerate().map(|(index, byte)| byte ^ mask(index)).collect()
}

/// All but the candidates; `any`: there are some.
fn fixed(description: &Description, salt: u8, any: bool) -> Result<BitWriter, DoesNotFit> {
    let mut out = BitWriter::default();
    let plain = any && is_plain(description);
    out.put(u64::from(VERSION), 2);
    out.flag(description.kind == Kind::Answer);
    out.put(origin_code(description.origin), 2);
    out.flag(!plain);
    out.put(u64::from(salt & 3), 2);
    out.put((description.created / TIME_UNIT) & 0xFF, 8);
    if description.kind == Kind::Answer {
        let tag = description.answers.ok_or(DoesNotFit::Lacks("the offer that the answer belongs to"))?;
        out.put(tag.0.into(), 16);
    }
    out.bytes(&description.fingerprint);
    let form = Form::of(description);
    if !plain {
        out.put(form as u64, 2);
    }
    put_credentials(&mut out, form, description)?;
    if !plain {
        put_details(&mut out, description, any)?;
    }
    Ok(out)
}

fn body(from: &mut BitReader<'_>) -> Result<(Description, usize), Unreadable> {
    from.take(2)?;
    let kind = if from.flag()? { Kind::Answer } else { Kind::Offer };
    let origin = [Origin::Native, Origin::Chromium, Origin::Firefox].get(usize::from(from.small(2)?)).copied();
    let origin = origin.ok_or(Unreadable::Nonsense)?;
    let detailed = from.flag()?;
    from.take(2)?;
    let created = from.take(8)? * TIME_UNIT;
    let answers = if kind == Kind::Answer { Some(OfferTag(from.take(16)? as u16)) } else { None };
    let fingerprint = from.bytes()?;
    let mut description = plain(kind, origin, fingerprint);
    (description.created, description.answers) = (created, answers);
    let form = if detailed { Form::from_code(from.small(2)?) } else { Form::usual(origin) };
    (description.ufrag, description.pwd) = take_credentials(from, form, &fingerprint)?;
    let any = if detailed { take_details(from, &mut description)? } else { true };
    let mut more = any;
    while more {
        if description.candidates.len() == CANDIDATES_MAX {
            return Err(Unreadable::Nonsense);
        }
        let candidate = candidate::take(from, description.candidates.last())?;
        description.candidates.push(candidate);
        more = from.flag()?;
    }
    let end = from.align()?;
    Ok((description, end))
}

/// A description of data channels alone, as its origin writes it, without credentials and candidates.
fn plain(kind: Kind, origin: Origin, fingerprint: [u8; 32]) -> Description {
    let circumstances = Circumstances { kind, sends: false, rtp: false, variant: 0 };
    let media = MediaKind::Application;
    Description {
        kind,
        origin,
        created: 0,
        answers: None,
        setup: kind.usual_setup(),
        fingerprint,
        ufrag: String::new(),
        pwd: String::new(),
        ice_options: origin.usual_ice_options(),
        candidates: Vec::new(),
        session: template::body(origin, Part::Session, circumstances),
        sections: vec![Section {
            media,
            mid: "0".to_owned(),
            rejected: false,
            direction: (origin == Origin::Firefox).then_some(Direction::SendRecv),
            body: template::body(origin, Part::Section(media), circumstances),
            values: Values::default(),
        }],
    }
}

/// Whether nothing has to be said but credentials and candidates.
fn is_plain(description: &Description) -> bool {
    let Description { kind, origin, fingerprint, .. } = description;
    let plain = plain(*kind, *origin, *fingerprint);
    description.setup == plain.setup
        && description.ice_options == plain.ice_options
        && description.session == plain.session
        && description.sections == plain.sections
        && Form::of(description) == Form::usual(*origin)
}

const fn origin_code(origin: Origin) -> u64 {
    match origin {
        Origin::Native => 0,
        Origin::Chromium => 1,
        Origin::Firefox => 2,
    }
}

/// How credentials are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Not at all: derived.
    Derived = 0,
    /// 4 and 24 characters of six bits.
    Chromium = 1,
    /// 8 and 32 hexadecimal digits.
    Firefox = 2,
    /// Lengths, and characters of six bits.
    Other = 3,
}

impl Form {
    fn of(description: &Description) -> Self {
        let Description { ufrag, pwd, fingerprint, .. } = description;
        let hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        match (ufrag.len(), pwd.len()) {
            _ if derive_credentials(fingerprint) == (ufrag.clone(), pwd.clone()) => Self::Derived,
            (4, 24) => Self::Chromium,
            (8, 32) if hex(ufrag) && hex(pwd) => Self::Firefox,
            _ => Self::Other,
        }
    }

    const fn usual(origin: Origin) -> Self {
        match origin {
            Origin::Native => Self::Derived,
            Origin::Chromium => Self::Chromium,
            Origin::Firefox => Self::Firefox,
        }
    }

    const fn from_code(code: u8) -> Self {
        match code {
            0 => Self::Derived,
            1 => Self::Chromium,
            2 => Self::Firefox,
            _ => Self::Other,
        }
    }
}

fn put_credentials(out: &mut BitWriter, form: Form, description: &Description) -> Result<(), DoesNotFit> {
    let parts = [&description.ufrag, &description.pwd];
    match form {
        Form::Derived => {}
        Form::Firefox => {
            for digit in parts.iter().flat_map(|part| part.chars()) {
                out.put(digit.to_digit(16).unwrap_or_default().into(), 4);
            }
        }
        Form::Chromium | Form::Other => {
            for part in parts {
                if form == Form::Other {
                    let len = u8::try_from(part.len()).map_err(|_| DoesNotFit::Lacks("shorter ICE credentials"))?;
                    out.put(len.into(), 8);
                }
                for byte in part.bytes() {
                    let code = ICE_CHARS.iter().position(|known| *known == byte);
                    out.put(code.ok_or(DoesNotFit::Lacks("ICE credentials of ICE characters"))? as u64, 6);
                }
            }
        }
    }
    Ok(())
}

fn take_credentials(
    from: &mut BitReader<'_>,
    form: Form,
    fingerprint: &[u8; 32],
) -> Result<(String, String), Unreadable> {
    let mut part = |usual: u8| -> Result<String, Unreadable> {
        let (len, bits) = match form {
            Form::Other => (from.small(8)?, 6),
            Form::Firefox => (usual, 4),
            _ => (usual, 6),
        };
        let mut text = String::new();
        for _ in 0..len {
            let code = u32::from(from.small(bits)?);
            let char =
                if bits == 4 { char::from_digit(code, 16) } else { ICE_CHARS.get(code as usize).map(|b| (*b).into()) };
            text.extend(char);
        }
        Ok(text)
    };
    match form {
        Form::Derived => Ok(derive_credentials(fingerprint)),
        Form::Chromium => Ok((part(4)?, part(24)?)),
        Form::Firefox => Ok((part(8)?, part(32)?)),
        Form::Other => Ok((part(0)?, part(0)?)),
    }
}

fn put_details(out: &mut BitWriter, description: &Description, any: bool) -> Result<(), DoesNotFit> {
    let usual = description.setup == description.kind.usual_setup();
    out.flag(!usual);
    if !usual {
        out.put(
            match description.setup {
                Setup::Actpass => 0,
                Setup::Active => 1,
                Setup::Passive => 2,
                Setup::Holdconn => return Err(DoesNotFit::Lacks("a DTLS role")),
            },
            2,
        );
    }
    let usual = description.ice_options == description.origin.usual_ice_options();
    out.flag(!usual);
    if !usual {
        text::put(out, &description.ice_options.join(" "))?;
    }
    out.flag(any);
    let count = description.sections.len();
    if !(1..=SECTIONS_MAX).contains(&count) {
        return Err(DoesNotFit::Section(format!("number {count}")));
    }
    out.put(count as u64 - 1, 4);
    let mut last = Values::default();
    for index in 0..count {
        section::put(out, description, index, &mut last)?;
    }
    section::put_session(out, description)
}

/// Reads what [`put_details`] wrote, and whether candidates follow.
fn take_details(from: &mut BitReader<'_>, description: &mut Description) -> Result<bool, Unreadable> {
    if from.flag()? {
        description.setup = match from.small(2)? {
            0 => Setup::Actpass,
            1 => Setup::Active,
            2 => Setup::Passive,
            _ => return Err(Unreadable::Nonsense),
        };
    }
    if from.flag()? {
        description.ice_options = text::take(from)?.split(' ').filter(|o| !o.is_empty()).map(str::to_owned).collect();
    }
    let any = from.flag()?;
    let count = from.small(4)? + 1;
    description.sections.clear();
    let mut last = Values::default();
    for _ in 0..count {
        let section = section::take(from, description, &mut last)?;
        description.sections.push(section);
    }
    description.session = section::take_session(from, description)?;
    Ok(any)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compact::description::{Address, Candidate, CandidateKind, Transport};

    /// An offer as most are.
    fn offer(origin: Origin) -> Description {
        let fingerprint = core::array::from_fn(|index| index as u8 * 7);
        let mut description = plain(Kind::Offer, origin, fingerprint);
        description.created = 1_795_338_425 / TIME_UNIT * TIME_UNIT;
        (description.ufrag, description.pwd) = match origin {
            Origin::Native => derive_credentials(&fingerprint),
            Origin::Chromium => ("rg+w".to_owned(), "Bsqjnkg4DsR4STjwIlYa4rbM".to_owned()),
            Origin::Firefox => ("68678928".to_owned(), "8a80ee7ec2f1ca710ccf4416b27ca75d".to_owned()),
        };
        description.candidates.push(Candidate {
            kind: CandidateKind::Host,
            transport: Transport::Udp,
            address: Address::V4([192, 0, 2, 1].into()),
            port: 40_000,
        });
        description
    }

    #[test]
    fn the_smallest_offers_have_the_bytes_of_the_specification() {
        let len = |origin| encode(&offer(origin), 0).unwrap().len();
        assert_eq!((len(Origin::Native), len(Origin::Chromium), len(Origin::Firefox)), (45, 66, 65));
        let bytes = encode(&offer(Origin::Native), 0).unwrap();
        // Version 1, offer, native, plain, salt 0; the time; the fingerprint.
        assert_eq!(bytes[..4], [0b0100_0000, (1_795_338_425_u32 >> 8) as u8, 0, 7]);
    }

    #[test]
    fn every_salt_reads_back_and_only_the_first_bits_stay() {
        let description = offer(Origin::Chromium);
        let plain = encode(&description, 0).unwrap();
        for salt in 0..4 {
            let bytes = encode(&description, salt).unwrap();
            assert_eq!(decode(&bytes), Ok((description.clone(), bytes.len())));
            assert_eq!((bytes[0] & 0xFC, bytes[0] & 3), (plain[0] & 0xFC, salt));
            let same = bytes.iter().zip(&plain).skip(1).filter(|(a, b)| a == b).count();
            assert!(salt == 0 || same < 8, "{same}");
        }
    }

    #[test]
    fn every_length_of_a_cut_one_says_what_is_missing() {
        let bytes = encode(&offer(Origin::Firefox), 2).unwrap();
        for len in 0..bytes.len() {
            let Err(Refusal::Short(bits)) = decode(&bytes[..len]) else { panic!("{len}") };
            assert!(bits > 0 && bits <= 8 * (bytes.len() - len), "{bits} bits at {len}");
        }
    }

    #[test]
    fn every_changed_bit_is_noticed() {
        let bytes = encode(&offer(Origin::Native), 1).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&changed).is_err(), "{bit}");
        }
        // A character of base64 is six bits.
        for (start, change) in
            (0..bytes.len() * 8 / 6).flat_map(|start| (1_u8..64).map(move |change| (start * 6, change)))
        {
            let mut changed = bytes.clone();
            for bit in (0..6).filter(|bit| change >> bit & 1 == 1) {
                changed[(start + bit) / 8] ^= 0x80 >> ((start + bit) % 8);
            }
            assert!(decode(&changed).is_err(), "{start} {change}");
        }
    }

    #[test]
    fn the_whole_time_is_told_by_one_byte_and_the_checksum() {
        for created in [1_767_225_600_u64, 1_795_338_425, 2_000_000_000, 2_300_000_000] {
            let mut description = offer(Origin::Native);
            description.created = created / TIME_UNIT * TIME_UNIT;
            let bytes = encode(&description, 0).unwrap();
            assert_eq!(decode(&bytes).unwrap().0.created, description.created);
        }
    }

    #[test]
    fn a_later_version_is_told_from_nonsense() {
        let bytes = encode(&offer(Origin::Native), 1).unwrap();
        assert_eq!(newer(&bytes), None);
        let mut plain = masked(&bytes, 1);
        plain[0] = (plain[0] & 0x3F) | 0x80;
        let end = plain.len() - CHECK_LEN;
        let check = check(&plain[..end], 27_394);
        plain[end..].copy_from_slice(&check.to_be_bytes());
        let later = masked(&plain, 1);
        assert_eq!((decode(&later), newer(&later)), (Err(Refusal::Version(2)), Some(2)));
        assert_eq!((newer(&[]), newer(&[0x80; 4]), newer(&[0x80; 45])), (None, None, None));
    }
}
