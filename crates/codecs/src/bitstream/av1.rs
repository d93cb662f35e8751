//! AV1: the units of a temporal unit, and the sequence header.

use super::bits::Bits;

/// What a sequence header says (AV1 bitstream specification §5.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceHeader {
    /// The largest width and height.
    pub size: (u32, u32),
    /// The configuration that containers carry (AV1 in ISOBMFF §2.3): four bytes, then the header itself.
    pub configuration: Vec<u8>,
}

/// One open bitstream unit: its type, its content, and all of it.
struct Unit<'a> {
    kind: u8,
    payload: &'a [u8],
}

const SEQUENCE_HEADER: u8 = 1;

/// The sequence header of a temporal unit with sizes, as it comes with each key frame.
pub fn sequence_header(unit: &[u8]) -> Option<SequenceHeader> {
    let mut rest = unit;
    // Far more units than a temporal unit has.
    for _ in 0..1_000 {
        let (unit, after) = split_unit(rest)?;
        if unit.kind == SEQUENCE_HEADER {
            return parse(unit.payload);
        }
        rest = after;
    }
    None
}

/// AV1 bitstream specification §5.3.
fn split_unit(bytes: &[u8]) -> Option<(Unit<'_>, &[u8])> {
    let (&header, mut rest) = bytes.split_first()?;
    if header & 4 != 0 {
        rest = rest.get(1..)?;
    }
    let mut size = rest.len();
    if header & 2 != 0 {
        size = 0;
        for index in 0..8 {
            let (&byte, after) = rest.split_first()?;
            rest = after;
            size |= usize::from(byte & 0x7f).checked_shl(7 * index)?;
            if byte & 0x80 == 0 {
                break;
            }
        }
    }
    let (payload, after) = rest.split_at_checked(size)?;
    Some((Unit { kind: header >> 3 & 15, payload }, after))
}

fn parse(payload: &[u8]) -> Option<SequenceHeader> {
    let mut bits = Bits::new(payload);
    let profile = bits.take(3)?;
    bits.flag()?;
    let reduced = bits.flag()?;
    let (level, tier) = if reduced { (bits.take(5)?, 0) } else { operating_points(&mut bits)? };
    let (width_bits, height_bits) = (bits.take(4)? + 1, bits.take(4)? + 1);
    let size = (bits.take(width_bits)? + 1, bits.take(height_bits)? + 1);
    if !reduced && bits.flag()? {
        bits.take(4 + 3)?;
    }
    skip_tools(&mut bits, reduced)?;
    let colour = colour(&mut bits, profile)?;
    let mut configuration = vec![0x81, (profile << 5 | level) as u8, (tier << 7 | colour) as u8, 0];
    // With a header that has a size, as it stands in front of each key frame.
    configuration.push(SEQUENCE_HEADER << 3 | 2);
    let mut length = payload.len();
    loop {
        let more = length > 0x7f;
        configuration.push((length & 0x7f) as u8 | if more { 0x80 } else { 0 });
        length >>= 7;
        if !more {
            break;
        }
    }
    configuration.extend_from_slice(payload);
    Some(SequenceHeader { size, configuration })
}

/// Level and tier of the first operating point, which is the whole.
fn operating_points(bits: &mut Bits<'_>) -> Option<(u32, u32)> {
    let mut delay_bits = None;
    if bits.flag()? {
        bits.take(32)?;
        bits.take(32)?;
        if bits.flag()? {
            bits.exp_golomb()?;
        }
        if bits.flag()? {
            delay_bits = Some(bits.take(5)? + 1);
            bits.take(32)?;
            bits.take(5 + 5)?;
        }
    }
    let initial_delay = bits.flag()?;
    let count = bits.take(5)? + 1;
    let mut first = None;
    for _ in 0..count {
        bits.take(12)?;
        let level = bits.take(5)?;
        let tier = if level > 7 { bits.take(1)? } else { 0 };
        if let Some(width) = delay_bits
            && bits.flag()?
        {
            bits.take(width)?;
            bits.take(width)?;
            bits.flag()?;
        }
        if initial_delay && bits.flag()? {
            bits.take(4)?;
        }
        first.get_or_insert((level, tier));
    }
    first
}

/// Which coding tools may be used.
fn skip_tools(bits: &mut Bits<'_>, reduced: bool) -> Option<()> {
    bits.take(3)?;
    if !reduced {
        bits.take(4)?;
        let order_hint = bits.flag()?;
        if order_hint {
            bits.take(2)?;
        }
        let screen_content = if bits.flag()? { 2 } else { bits.take(1)? };
        if screen_content > 0 && !bits.flag()? {
            bits.take(1)?;
        }
        if order_hint {
            bits.take(3)?;
        }
    }
    bits.take(3)?;
    Some(())
}

/// The seven low bits of the configuration's third byte: depth, monochrome, subsampling and its position.
fn colour(bits: &mut Bits<'_>, profile: u32) -> Option<u32> {
    let high = bits.take(1)?;
    let twelve = if profile == 2 && high == 1 { bits.take(1)? } else { 0 };
    let mono = if profile == 1 { 0 } else { bits.take(1)? };
    let (mut primaries, mut transfer, mut matrix) = (2, 2, 2);
    if bits.flag()? {
        (primaries, transfer, matrix) = (bits.take(8)?, bits.take(8)?, bits.take(8)?);
    }
    let (mut x, mut y, mut position) = (1, 1, 0);
    if mono == 1 {
        bits.flag()?;
    } else if (primaries, transfer, matrix) == (1, 13, 0) {
        (x, y) = (0, 0);
    } else {
        bits.flag()?;
        (x, y) = match (profile, twelve) {
            (0, _) => (1, 1),
            (1, _) => (0, 0),
            (_, 1) => {
                let x = bits.take(1)?;
                (x, if x == 1 { bits.take(1)? } else { 0 })
            }
            _ => (1, 0),
        };
        if (x, y) == (1, 1) {
            position = bits.take(2)?;
        }
    }
    Some(high << 6 | twelve << 5 | mono << 4 | x << 3 | y << 2 | position)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A temporal delimiter and a sequence header of 640 by 360, as an encoder for calls writes it.
    fn unit(timing: bool) -> Vec<u8> {
        let mut bits = vec![];
        let mut put = |value: u64, count: u32| bits.extend((0..count).rev().map(|bit| (value >> bit & 1) as u8));
        // Profile 0, neither a still picture nor reduced.
        put(0, 5);
        put(timing.into(), 1);
        if timing {
            // 1/30 s, each picture as long, a code for "one tick"; no decoder model.
            put(1, 32);
            put(30, 32);
            put(0b11, 2);
            put(0, 1);
        }
        // No initial delay, one operating point of level 3.1 (index 5).
        put(0, 1 + 5 + 12);
        put(5, 5);
        // Sides of ten bits.
        put(9, 4);
        put(9, 4);
        put(639, 10);
        put(359, 10);
        // No frame numbers; three tools; four more; order hints with two tools; screen content and integer vectors as
        // each frame chooses; seven bits of order hint; three filters.
        put(0, 1);
        put(0b111, 3);
        put(0b1111, 4);
        put(0b111, 3);
        put(0b1, 1);
        put(0b1, 1);
        put(6, 3);
        put(0b011, 3);
        // Eight bits, colour, no description, limited range, position unknown, no film grain, and the end.
        put(0b0000_0000, 8);
        put(1, 1);
        bits.resize(bits.len().next_multiple_of(8), 0);
        let payload: Vec<u8> = bits.chunks(8).map(|byte| byte.iter().fold(0, |sum, &bit| sum << 1 | bit)).collect();
        [&[0x12, 0x00, 0x0a, payload.len() as u8][..], &payload].concat()
    }

    #[test]
    fn the_header_says_size_and_configuration() {
        for timing in [false, true] {
            let unit = unit(timing);
            let header = sequence_header(&unit).unwrap();
            assert_eq!(header.size, (640, 360));
            // Marker and version, profile and level, 4:2:0 of eight bits, no delay; then the header with its size.
            assert_eq!(header.configuration[..4], [0x81, 5, 0x0c, 0]);
            assert_eq!(header.configuration[4..], unit[2..]);
            for length in 0..unit.len() {
                assert_eq!(sequence_header(&unit[..length]), None);
            }
        }
        assert_eq!(sequence_header(&[0x12, 0, 0x32, 0]), None);
        assert_eq!(sequence_header(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]), None);
    }
}
