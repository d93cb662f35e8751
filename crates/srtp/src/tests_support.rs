//! What several tests need.

use alloc::vec;
use alloc::vec::Vec;

use peerage_base::slot::Slot;

use crate::error::SealError;
use crate::master::Master;
use crate::profile::Profile;
use crate::sender::Sender;

/// The bytes that `text` writes in hexadecimal.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "half a byte in {text}");
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).expect("hexadecimal")).collect()
}

/// Some master key.
pub(crate) fn master(profile: Profile) -> Master {
    let bytes: [u8; 32] = core::array::from_fn(|i| 0x40 + i as u8);
    Master::new(profile, &bytes[..profile.key_len()], &bytes[..profile.salt_len()]).expect("lengths of the profile")
}

/// An RTP packet without CSRCs and extension.
pub(crate) fn rtp(ssrc: u32, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend(sequence.to_be_bytes());
    packet.extend(0x0102_0304u32.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

/// An RTCP packet: a receiver report, and bytes for more.
pub(crate) fn rtcp(ssrc: u32, more: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend(ssrc.to_be_bytes());
    packet.extend(more);
    packet
}

/// What `protect` makes of `packet` in a slot with `tail` bytes of tail room.
pub(crate) fn in_slot(
    packet: &[u8],
    tail: usize,
    protect: impl FnOnce(&mut Slot<'_>) -> Result<(), SealError>,
) -> Result<Vec<u8>, SealError> {
    let mut buf = vec![0xEE; packet.len() + tail];
    let mut slot = Slot::new(&mut buf, 0, tail, packet.len());
    slot.room().copy_from_slice(packet);
    slot.fill(packet.len());
    let result = protect(&mut slot);
    if result.is_err() {
        assert_eq!(slot.packet(), packet, "a packet that is refused does not change");
    }
    result.map(|()| slot.packet().to_vec())
}

/// `packet` protected.
pub(crate) fn protected(sender: &mut Sender, packet: &[u8]) -> Result<Vec<u8>, SealError> {
    in_slot(packet, sender.rtp_overhead(), |slot| sender.protect_rtp(slot))
}

/// The control packet `packet` protected.
pub(crate) fn protected_rtcp(sender: &mut Sender, packet: &[u8]) -> Result<Vec<u8>, SealError> {
    in_slot(packet, sender.rtcp_overhead(), |slot| sender.protect_rtcp(slot))
}
