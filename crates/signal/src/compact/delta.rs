//! A text as its differences from one that both sides have.
//!
//! A series of steps: `0` and seven bits are a character; `1 0` and two numbers copy from a little after the place that
//! comes next; `1 1`, fourteen bits and a number copy from any place of what both sides have followed by what was written
//! so far. The character NUL ends it.

use std::collections::HashMap;

use super::bits::{BitReader, BitWriter, Unreadable};

/// Bits of a place.
const PLACE_BITS: u32 = 14;
/// Shorter copies cost more than their characters.
const COPY_MIN: usize = 3;
/// Characters of the longest text, far more than any section of a description that fits has.
pub(crate) const TEXT_MAX: usize = 6000;
/// How many places of the same beginning are looked at.
const TRIED: usize = 32;
/// A copy from a near place is taken even if one from afar is this much longer.
const NEAR_BONUS: usize = 3;
/// Places further than this after the next one are far.
const NEAR_MAX: usize = 255;

/// Writes `text`, which is ASCII without NUL, given `known`.
pub(crate) fn write(out: &mut BitWriter, known: &str, text: &str) {
    let base = known.len();
    let all: Vec<u8> = known.bytes().chain(text.bytes()).collect();
    let mut places: HashMap<&[u8], Vec<usize>> = HashMap::new();
    let (mut indexed, mut next, mut at) = (0, 0, base);
    while at < all.len() {
        while indexed + COPY_MIN <= at {
            places.entry(&all[indexed..indexed + COPY_MIN]).or_default().push(indexed);
            indexed += 1;
        }
        let found = best(&all, &places, at, next);
        match found {
            Some((place, len)) => {
                out.flag(true);
                match place.checked_sub(next).filter(|ahead| *ahead <= NEAR_MAX) {
                    Some(ahead) => {
                        out.flag(false);
                        out.gamma(ahead as u32 + 1);
                    }
                    None => {
                        out.flag(true);
                        out.put(place as u64, PLACE_BITS);
                    }
                }
                out.gamma((len - COPY_MIN) as u32 + 1);
                (at, next) = (at + len, place + len);
            }
            None => {
                out.put(u64::from(all[at] & 0x7F), 8);
                (at, next) = (at + 1, next + 1);
            }
        }
    }
    out.put(0, 8);
}

/// Reads what [`write`] wrote.
pub(crate) fn read(from: &mut BitReader<'_>, known: &str) -> Result<String, Unreadable> {
    let mut all: Vec<u8> = known.bytes().collect();
    let mut next = 0;
    loop {
        if from.flag()? {
            let place = match from.flag()? {
                false => next + from.gamma()? as usize - 1,
                true => from.take(PLACE_BITS)? as usize,
            };
            let len = from.gamma()? as usize + COPY_MIN - 1;
            if place >= all.len() || all.len() - known.len() + len > TEXT_MAX {
                return Err(Unreadable::Nonsense);
            }
            // A copy may run into what it writes itself.
            for at in place..place + len {
                all.push(all[at]);
            }
            next = place + len;
        } else {
            match from.small(7)? {
                0 => break,
                _ if all.len() - known.len() >= TEXT_MAX => return Err(Unreadable::Nonsense),
                byte => all.push(byte),
            }
            next += 1;
        }
    }
    String::from_utf8(all.split_off(known.len())).map_err(|_| Unreadable::Nonsense)
}

/// The place to copy from for position `at`, and how much.
fn best(all: &[u8], places: &HashMap<&[u8], Vec<usize>>, at: usize, next: usize) -> Option<(usize, usize)> {
    let length = |place: usize| all[place..].iter().zip(&all[at..]).take_while(|(a, b)| a == b).count();
    let same = places.get(all.get(at..at + COPY_MIN)?)?;
    let near = |place: &usize| (next..=next + NEAR_MAX).contains(place);
    let first_near = same.iter().copied().find(near).map(|place| (place, length(place)));
    // The newest places are those of what was written last, which repeats.
    let far =
        same.iter().rev().take(TRIED).chain(same.iter().take(TRIED)).copied().filter(|place| place >> PLACE_BITS == 0);
    let longest = far.map(|place| (place, length(place))).max_by_key(|(_, len)| *len);
    match (first_near, longest) {
        (Some(near), Some(far)) if near.1 + NEAR_BONUS >= far.1 => Some(near),
        // From afar a short copy is no gain.
        (_, Some(far)) if far.1 > COPY_MIN => Some(far),
        (near, _) => near,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bits(known: &str, text: &str) -> usize {
        let mut writer = BitWriter::default();
        write(&mut writer, known, text);
        let len = writer.len();
        let bytes = writer.finish();
        assert_eq!(read(&mut BitReader::new(&bytes), known).as_deref(), Ok(text), "{text}");
        len
    }

    const KNOWN: &str = "a=rtpmap:96 VP8/90000\na=rtcp-fb:96 nack\na=rtcp-fb:96 nack pli\na=rtpmap:97 rtx/90000";

    #[test]
    fn what_is_alike_costs_little() {
        assert!(bits(KNOWN, KNOWN) < 30);
        assert!(bits(KNOWN, &KNOWN.replace("96", "120")) < 160);
        assert!(bits(KNOWN, "a=rtpmap:96 VP8/90000\na=rtpmap:97 rtx/90000") < 48);
        assert_eq!(bits(KNOWN, ""), 8);
        assert!(bits("", &"ab".repeat(1000)) < 80, "a copy runs into itself");
    }

    fn decode(bytes: &[u8]) -> Result<String, Unreadable> {
        read(&mut BitReader::new(bytes), "known")
    }

    #[test]
    fn what_has_no_meaning_is_refused() {
        let written = |write: &dyn Fn(&mut BitWriter)| {
            let mut writer = BitWriter::default();
            write(&mut writer);
            writer.put(0, 64);
            decode(&writer.finish())
        };
        // A place beyond the end, and a bomb.
        assert_eq!(written(&|w| w.put(0b1_1000_0000_0010_0001, 17)), Err(Unreadable::Nonsense));
        let bomb = |w: &mut BitWriter| {
            w.put(0b11, 2);
            w.put(0, PLACE_BITS);
            w.gamma(60_000);
        };
        assert_eq!(written(&bomb), Err(Unreadable::Nonsense));
    }

    proptest! {
        #[test]
        fn any_text_reads_back(known in "[ -~\n]{0,200}", text in "[ -~\n]{0,400}") {
            bits(&known, &text);
        }

        #[test]
        fn any_text_of_few_letters_reads_back(known in "[abc]{0,200}", text in "[abc]{0,400}") {
            bits(&known, &text);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(text) = read(&mut BitReader::new(&bytes), KNOWN) {
                prop_assert!(text.len() <= TEXT_MAX);
            }
        }
    }
}
