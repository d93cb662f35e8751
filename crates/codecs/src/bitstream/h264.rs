//! H.264: NAL units, their two ways of being put together, and the size in a sequence parameter set.

use super::bits::Bits;

/// The type of a sequence parameter set.
pub const SPS: u8 = 7;
/// The type of a slice of a picture with which decoding can begin.
pub const IDR: u8 = 5;
/// The type of a picture parameter set.
pub const PPS: u8 = 8;

/// The type of a NAL unit (ITU-T H.264 §7.3.1); 0 for an empty one.
pub fn kind(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |byte| byte & 0x1f)
}

/// The NAL units between start codes (ITU-T H.264 Annex B), without the zeros that end them.
pub fn nal_units(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_start_code(stream);
    std::iter::from_fn(move || {
        loop {
            let unit = rest?;
            let end = unit.windows(3).position(|window| window == [0, 0, 1]).unwrap_or(unit.len());
            rest = after_start_code(&unit[end..]);
            let unit = &unit[..end];
            let trimmed = unit.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
            if trimmed > 0 {
                return Some(&unit[..trimmed]);
            }
        }
    })
}

fn after_start_code(stream: &[u8]) -> Option<&[u8]> {
    let at = stream.windows(3).position(|window| window == [0, 0, 1])?;
    stream.get(at + 3..)
}

/// Start codes become lengths of four bytes, as MP4 and Matroska have it.
pub fn to_lengths(stream: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(stream.len() + 8);
    for unit in nal_units(stream) {
        out.extend((unit.len() as u32).to_be_bytes());
        out.extend_from_slice(unit);
    }
    out
}

/// Lengths of so many bytes become start codes; `None` if they lead beyond the end.
pub fn to_start_codes(mut frame: &[u8], length_size: usize, out: &mut Vec<u8>) -> Option<()> {
    while !frame.is_empty() {
        let (length, rest) = frame.split_at_checked(length_size)?;
        let length = length.iter().fold(0usize, |sum, &byte| sum << 8 | usize::from(byte));
        let (unit, after) = rest.split_at_checked(length)?;
        out.extend([0, 0, 0, 1]);
        out.extend_from_slice(unit);
        frame = after;
    }
    Some(())
}

/// The decoder configuration record (ISO/IEC 14496-15 §5.3.3.1) of a key frame; `None` if it lacks a parameter set.
pub fn configuration(key_frame: &[u8]) -> Option<Vec<u8>> {
    let set = |wanted| nal_units(key_frame).find(|unit| kind(unit) == wanted && unit.len() <= usize::from(u16::MAX));
    let (sps, pps) = (set(SPS)?, set(PPS)?);
    let [_, profile, constraints, level] = *sps.first_chunk()?;
    // Version 1, lengths of four bytes, one set of each kind.
    let mut record = vec![1, profile, constraints, level, 0xff, 0xe1];
    record.extend((sps.len() as u16).to_be_bytes());
    record.extend_from_slice(sps);
    record.push(1);
    record.extend((pps.len() as u16).to_be_bytes());
    record.extend_from_slice(pps);
    Some(record)
}

/// The bytes in a length, and the parameter sets with start codes, of a decoder configuration record.
pub fn read_configuration(record: &[u8]) -> Option<(usize, Vec<u8>)> {
    let length_size = usize::from(record.get(4)? & 3) + 1;
    let mut sets = Vec::new();
    let mut rest = record.get(5..)?;
    for mask in [0x1f, 0xff] {
        let (&count, after) = rest.split_first()?;
        rest = after;
        for _ in 0..count & mask {
            let (length, after) = rest.split_first_chunk::<2>()?;
            let (set, after) = after.split_at_checked(u16::from_be_bytes(*length).into())?;
            sets.extend([0, 0, 0, 1]);
            sets.extend_from_slice(set);
            rest = after;
        }
    }
    Some((length_size, sets))
}

/// Width and height of what a sequence parameter set describes (ITU-T H.264 §7.3.2.1.1).
pub fn size(sps: &[u8]) -> Option<(u32, u32)> {
    let payload = without_escapes(sps.get(1..)?);
    let mut bits = Bits::new(&payload);
    let profile = bits.take(8)?;
    bits.take(16)?;
    bits.exp_golomb()?;
    let mut chroma = 1;
    if [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135].contains(&profile) {
        chroma = bits.exp_golomb()?;
        if chroma == 3 {
            bits.flag()?;
        }
        bits.exp_golomb()?;
        bits.exp_golomb()?;
        bits.flag()?;
        if bits.flag()? {
            skip_scaling_lists(&mut bits, if chroma == 3 { 12 } else { 8 })?;
        }
    }
    bits.exp_golomb()?;
    skip_order(&mut bits)?;
    bits.exp_golomb()?;
    bits.flag()?;
    let (columns, rows) = (bits.exp_golomb()?.checked_add(1)?, bits.exp_golomb()?.checked_add(1)?);
    let frames_only = bits.flag()?;
    if !frames_only {
        bits.flag()?;
    }
    bits.flag()?;
    let fields = if frames_only { 1 } else { 2 };
    let (mut width, mut height) = (columns.checked_mul(16)?, rows.checked_mul(16)?.checked_mul(fields)?);
    if bits.flag()? {
        let unit_x = if matches!(chroma, 1 | 2) { 2 } else { 1 };
        let unit_y = if chroma == 1 { 2 } else { 1 } * fields;
        let mut cut = || bits.exp_golomb();
        let (left, right, top, bottom) = (cut()?, cut()?, cut()?, cut()?);
        width = width.checked_sub(left.checked_add(right)?.checked_mul(unit_x)?)?;
        height = height.checked_sub(top.checked_add(bottom)?.checked_mul(unit_y)?)?;
    }
    Some((width, height))
}

/// How pictures are ordered, in one of three ways.
fn skip_order(bits: &mut Bits<'_>) -> Option<()> {
    match bits.exp_golomb()? {
        0 => {
            bits.exp_golomb()?;
        }
        1 => {
            bits.flag()?;
            bits.signed_exp_golomb()?;
            bits.signed_exp_golomb()?;
            let cycle = bits.exp_golomb().filter(|&cycle| cycle <= 255)?;
            for _ in 0..cycle {
                bits.signed_exp_golomb()?;
            }
        }
        _ => {}
    }
    Some(())
}

fn skip_scaling_lists(bits: &mut Bits<'_>, count: usize) -> Option<()> {
    for list in 0..count {
        if !bits.flag()? {
            continue;
        }
        let (mut last, mut next) = (8, 8);
        for _ in 0..if list < 6 { 16 } else { 64 } {
            if next != 0 {
                next = (last + bits.signed_exp_golomb()?).rem_euclid(256);
            }
            last = if next == 0 { last } else { next };
        }
    }
    Some(())
}

/// Without the bytes that keep start codes from appearing (ITU-T H.264 §7.4.1).
fn without_escapes(unit: &[u8]) -> Vec<u8> {
    let mut zeros = 0;
    let mut out = Vec::with_capacity(unit.len());
    for &byte in unit {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Constrained baseline, level 3.1, 640 by 360: 23 rows of which 8 lines are cut.
    const SPS_360: &[u8] = &[0x67, 0x42, 0xc0, 0x1f, 0x8c, 0x8d, 0x40, 0x50, 0x17, 0xfc, 0xb0, 0x0f, 0x08, 0x84, 0x6a];

    #[test]
    fn units_are_found_between_start_codes() {
        let stream = [0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 2, 0, 0, 0, 1, 0, 0, 1, 0x65, 3, 0, 0];
        let units: Vec<&[u8]> = nal_units(&stream).collect();
        assert_eq!(units, [&[0x67, 1][..], &[0x68, 2], &[0x65, 3]]);
        assert_eq!(nal_units(&[0, 0, 1]).count() + nal_units(&[1, 2, 3]).count(), 0);
    }

    #[test]
    fn both_ways_of_putting_units_together_lead_to_each_other() {
        let stream =
            [&[0, 0, 0, 1][..], SPS_360, &[0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80, 0, 0, 0, 1, 0x65, 1, 2]].concat();
        let mut back = Vec::new();
        to_start_codes(&to_lengths(&stream), 4, &mut back).unwrap();
        assert_eq!(back, stream);
        let record = configuration(&stream).unwrap();
        let (length_size, sets) = read_configuration(&record).unwrap();
        assert_eq!((length_size, &sets[..]), (4, &stream[..sets.len()]));
        for length in 0..record.len() {
            assert_eq!(read_configuration(&record[..length]), None, "{length}");
        }
        assert_eq!(to_start_codes(&[0, 0, 0, 9, 1], 4, &mut back), None);
        assert_eq!(configuration(&stream[..20]), None);
    }

    #[test]
    fn the_size_is_in_the_parameter_set_and_no_cut_set_panics() {
        for length in 0..SPS_360.len() {
            let _ = size(&SPS_360[..length]);
        }
        assert_eq!(size(&[0; 40]), None);
        assert_eq!(size(&[0xff; 4]), None);
        // High profile, 1920 by 1080 (x264).
        let high = [
            0x67, 0x64, 0x00, 0x28, 0xac, 0xd9, 0x40, 0x78, 0x02, 0x27, 0xe5, 0xc0, 0x44, 0x00, 0x00, 0x03, 0x00, 0x04,
            0x00, 0x00, 0x03, 0x00, 0xf0, 0x3c, 0x60, 0xc6, 0x58,
        ];
        assert_eq!(size(&high), Some((1920, 1080)));
    }
}
