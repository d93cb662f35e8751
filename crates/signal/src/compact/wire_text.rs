//! Short texts that are written out: six bits of length, seven bits for each character.

use super::bits::{BitReader, BitWriter, Unreadable};
use super::error::DoesNotFit;

/// Characters of the longest one.
const MAX: usize = 63;

/// Writes printable ASCII.
pub(crate) fn put(out: &mut BitWriter, text: &str) -> Result<(), DoesNotFit> {
    if text.len() > MAX || !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(DoesNotFit::Lacks("names of at most 63 ASCII characters"));
    }
    out.put(text.len() as u64, 6);
    text.bytes().for_each(|byte| out.put(byte.into(), 7));
    Ok(())
}

pub(crate) fn take(from: &mut BitReader<'_>) -> Result<String, Unreadable> {
    let len = from.take(6)?;
    let mut text = String::new();
    for _ in 0..len {
        match from.small(7)? {
            byte @ b' '..=b'~' => text.push(byte.into()),
            _ => return Err(Unreadable::Nonsense),
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printable_text_reads_back_and_nothing_else_is_written() {
        for text in ["", "a", "trickle sped googspedv1", &"~".repeat(MAX)] {
            let mut out = BitWriter::default();
            put(&mut out, text).unwrap();
            assert_eq!(take(&mut BitReader::new(&out.finish())).as_deref(), Ok(text));
        }
        for text in ["a\nb", "\u{e9}", &"~".repeat(MAX + 1)] {
            assert!(put(&mut BitWriter::default(), text).is_err(), "{text:?}");
        }
        assert_eq!(take(&mut BitReader::new(&[0b0000_0100, 0b0001_0100])), Err(Unreadable::Nonsense));
    }
}
