//! Cryptex: contributing sources and header extensions are encrypted with the payload (RFC 9335).
//!
//! What is encrypted is not in one piece: the first four bytes of the extension, which tell its kind and length, stay
//! readable between CSRCs and elements. So they change places with the CSRCs for the time of encryption.
//!
//! ```text
//! | fixed header | CSRCs | kind, length | elements | payload |     as sent
//! | fixed header | kind, length | CSRCs | elements | payload |     gathered: all before the CSRCs is readable
//! ```

use peerage_rtp::extension::block::{self, ONE_BYTE, TWO_BYTE};
use peerage_rtp::packet::HEADER_LEN;

use crate::layout::Layout;

/// Kind of an encrypted extension of the one-byte form.
const ONE_BYTE_HIDDEN: u16 = 0xC0DE;
/// Kind of an encrypted extension of the two-byte form.
const TWO_BYTE_HIDDEN: u16 = 0xC2DE;

/// The bit of the first byte that says that there is an extension.
const EXTENDED: u8 = 0x10;

/// How much of a gathered packet is readable.
const CLEAR: usize = HEADER_LEN + block::HEADER_LEN;

/// The kind that an extension of `kind` is sent as; `None` if there is none. The application bits of the two-byte form
/// would be lost, so they must be zero (RFC 9335 §5).
pub(crate) fn hidden(kind: u16) -> Option<u16> {
    match kind {
        ONE_BYTE => Some(ONE_BYTE_HIDDEN),
        TWO_BYTE => Some(TWO_BYTE_HIDDEN),
        _ => None,
    }
}

/// The kind that an extension was before it was sent as `kind`; `None` if it was not hidden.
pub(crate) fn revealed(kind: u16) -> Option<u16> {
    match kind {
        ONE_BYTE_HIDDEN => Some(ONE_BYTE),
        TWO_BYTE_HIDDEN => Some(TWO_BYTE),
        _ => None,
    }
}

/// Writes the kind of the extension, which the packet must have.
pub(crate) fn set_kind(packet: &mut [u8], layout: &Layout, kind: u16) {
    packet[layout.csrcs_end..layout.csrcs_end + 2].copy_from_slice(&kind.to_be_bytes());
}

/// Inserts a hidden extension without elements behind the CSRCs, and so moves the payload to the end of `packet`, whose
/// last four bytes are room (RFC 9335 §5.1).
pub(crate) fn insert_extension(packet: &mut [u8], layout: &mut Layout) {
    let (at, end) = (layout.csrcs_end, packet.len() - block::HEADER_LEN);
    packet.copy_within(at..end, at + block::HEADER_LEN);
    packet[at + 2..at + block::HEADER_LEN].fill(0);
    packet[0] |= EXTENDED;
    set_kind(packet, layout, ONE_BYTE_HIDDEN);
    layout.profile = Some(ONE_BYTE_HIDDEN);
    layout.header_len += block::HEADER_LEN;
}

/// Hands what stays readable of `packet` and what is encrypted, up to the end, to `f`.
pub(crate) fn covered<R>(
    packet: &mut [u8],
    layout: &Layout,
    is_hidden: bool,
    f: impl FnOnce(&[u8], &mut [u8]) -> R,
) -> R {
    if !is_hidden {
        let (clear, secret) = packet.split_at_mut(layout.header_len);
        return f(clear, secret);
    }
    gather(packet, layout);
    let (clear, secret) = packet.split_at_mut(CLEAR);
    let result = f(clear, secret);
    scatter(packet, layout);
    result
}

/// Brings all that is readable to the front.
fn gather(packet: &mut [u8], layout: &Layout) {
    packet[HEADER_LEN..layout.csrcs_end + block::HEADER_LEN].rotate_right(block::HEADER_LEN);
}

/// Undoes [`gather`].
fn scatter(packet: &mut [u8], layout: &Layout) {
    packet[HEADER_LEN..layout.csrcs_end + block::HEADER_LEN].rotate_left(block::HEADER_LEN);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_lead_there_and_back() {
        for kind in 0..=u16::MAX {
            assert_eq!(hidden(kind).is_some(), kind == 0xBEDE || kind == 0x1000);
            assert_eq!(revealed(kind).is_some(), kind == 0xC0DE || kind == 0xC2DE);
            assert!(hidden(kind).is_none_or(|hidden| revealed(hidden) == Some(kind)));
        }
    }

    #[test]
    fn gathering_puts_kind_and_length_before_the_csrcs() {
        let original = *b"\x92headerheadeAAAABBBB\xBE\xDE\0\x01extpayload";
        let layout = Layout::of(&original).unwrap();
        let mut packet = original;
        gather(&mut packet, &layout);
        assert_eq!(packet, *b"\x92headerheade\xBE\xDE\0\x01AAAABBBBextpayload");
        scatter(&mut packet, &layout);
        assert_eq!(packet, original);
    }

    #[test]
    fn an_empty_extension_goes_behind_the_csrcs() {
        let mut packet = *b"\x81headerheadeAAAApayload____";
        let mut layout = Layout::of(&packet).unwrap();
        insert_extension(&mut packet, &mut layout);
        assert_eq!(packet, *b"\x91headerheadeAAAA\xC0\xDE\0\0payload");
        assert_eq!(Layout::of(&packet), Some(layout));
    }
}
