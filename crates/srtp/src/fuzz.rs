//! Bodies of fuzz targets.

use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

use peerage_base::reader::Reader;
use peerage_base::slot::Slot;
use peerage_rtp::numbers::Ssrc;

use crate::error::{OpenError, SealError};
use crate::layout::Layout;
use crate::master::Master;
use crate::profile::Profile;
use crate::receiver::{self, Cryptex, Receiver};
use crate::sender::{self, Sender};

/// Sources that a target allows at a time.
const MAX_SOURCES: usize = 3;

/// Any bytes as a packet: received, they are refused without a trace; sent, they arrive as they were.
pub fn packet(data: &[u8]) {
    for profile in Profile::ALL {
        for is_hidden in [false, true] {
            let (mut sender, mut receiver) = pair(profile, is_hidden);
            // A packet cannot be forged, but a tag of 32 bits can be guessed.
            if profile != Profile::Aes128CmSha1_32 {
                receiver.unprotect_rtp(&mut data.to_vec()).expect_err("nobody protected it");
                receiver.unprotect_rtcp(&mut data.to_vec()).expect_err("nobody protected it");
                assert_eq!(receiver.sources(), 0);
            }
            if let Ok(mut packet) = sealed(data, &mut |slot| sender.protect_rtp(slot)) {
                assert!(packet.len() <= data.len() + sender.rtp_overhead());
                let len = receiver.unprotect_rtp(&mut packet).expect("it was just protected");
                assert_same(&packet[..len], data);
            }
            if let Ok(mut packet) = sealed(data, &mut |slot| sender.protect_rtcp(slot)) {
                assert_eq!(packet.len(), data.len() + sender.rtcp_overhead());
                let len = receiver.unprotect_rtcp(&mut packet).expect("it was just protected");
                assert_eq!(&packet[..len], data);
            }
        }
    }
}

/// A sequence of packets of a few sources, lost, delayed, repeated, changed, sources retired: each arrives once at most.
pub fn sequence(data: &[u8]) {
    let mut r = Reader::new(data);
    let Some(first) = r.u8() else { return };
    let (mut sender, mut receiver) = pair(Profile::ALL[usize::from(first & 3)], first & 4 != 0);
    let mut way: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let (mut used, mut arrived) = (BTreeSet::new(), BTreeSet::new());
    while let Some([kind, source, high, low]) = r.array() {
        let ssrc = Ssrc(u32::from(source & 7));
        match kind % 8 {
            0 => {
                sender.retire(ssrc);
            }
            1 => {
                receiver.retire(ssrc);
            }
            2..=4 => {
                let plain = rtp(ssrc, u16::from_be_bytes([high, low]), source);
                if let Ok(packet) = sealed(&plain, &mut |slot| sender.protect_rtp(slot)) {
                    let tail = packet[packet.len() - 4..].to_vec();
                    assert!(used.insert((plain.clone(), tail)), "an index was used twice");
                    way.push((plain, packet));
                }
            }
            5 if !way.is_empty() => {
                let (_, packet) = &way[usize::from(low) % way.len()];
                let mut forged = packet.clone();
                let at = usize::from(high) % forged.len();
                forged[at] ^= source | 1;
                receiver.unprotect_rtp(&mut forged).expect_err("it was changed");
            }
            6 | 7 if !way.is_empty() => {
                let at = usize::from(low) % way.len();
                let (plain, mut packet) = way[at].clone();
                match receiver.unprotect_rtp(&mut packet) {
                    Ok(len) => {
                        assert_same(&packet[..len], &plain);
                        assert!(arrived.insert(way[at].1.clone()), "a packet arrived twice");
                    }
                    Err(OpenError::NotAuthentic | OpenError::Replayed | OpenError::TooOld) => {}
                    Err(OpenError::TooManySources) => assert_eq!(receiver.sources(), MAX_SOURCES),
                    Err(error) => panic!("{error}"),
                }
            }
            _ => {}
        }
        assert!(receiver.sources() <= MAX_SOURCES && sender.sources() <= MAX_SOURCES);
    }
}

fn pair(profile: Profile, is_hidden: bool) -> (Sender, Receiver) {
    let bytes = [0x5A; 32];
    let master = Master::new(profile, &bytes[..profile.key_len()], &bytes[..profile.salt_len()]);
    let master = master.expect("lengths of the profile");
    let ids = [1, 4, 200].into_iter().collect();
    let sender = sender::Config { max_sources: MAX_SOURCES, cryptex: is_hidden, encrypted_extensions: ids };
    let cryptex = if is_hidden { Cryptex::Required } else { Cryptex::Refused };
    let receiver = receiver::Config { max_sources: MAX_SOURCES, cryptex, encrypted_extensions: ids };
    (Sender::new(&master, &sender), Receiver::new(&master, &receiver))
}

fn rtp(ssrc: Ssrc, sequence: u16, more: u8) -> Vec<u8> {
    // CSRCs, an extension, both or neither.
    let csrcs = usize::from(more >> 6 & 1);
    let mut packet = vec![0x80 | more >> 7 << 4 | csrcs as u8, 96];
    packet.extend(sequence.to_be_bytes());
    packet.extend([0; 4]);
    packet.extend(ssrc.0.to_be_bytes());
    packet.extend(&[0xC5; 4][..4 * csrcs]);
    if more >> 7 == 1 {
        packet.extend([0xBE, 0xDE, 0, 1, 0x12, 7, 8, 9]);
    }
    packet.extend([more; 20]);
    packet
}

fn sealed(plain: &[u8], protect: &mut dyn FnMut(&mut Slot<'_>) -> Result<(), SealError>) -> Result<Vec<u8>, SealError> {
    let mut buf = vec![0; plain.len() + 24];
    let mut slot = Slot::new(&mut buf, 0, 24, plain.len());
    slot.room().copy_from_slice(plain);
    slot.fill(plain.len());
    let result = protect(&mut slot);
    if result.is_err() {
        assert_eq!(slot.packet(), plain, "a packet that is refused does not change");
    }
    result.map(|()| slot.packet().to_vec())
}

/// What arrives is what was sent, but that an extension without elements may have come in behind the CSRCs.
fn assert_same(arrived: &[u8], sent: &[u8]) {
    let layout = Layout::of(sent).expect("it was protected");
    if arrived.len() == sent.len() {
        return assert_eq!(arrived, sent);
    }
    let at = layout.csrcs_end;
    assert_eq!(arrived[0], sent[0] | 0x10);
    assert_eq!(arrived[1..at], sent[1..at]);
    assert_eq!(arrived[at..at + 4], [0xBE, 0xDE, 0, 0]);
    assert_eq!(arrived[at + 4..], sent[at..]);
    assert!(layout.has_csrcs() && layout.profile.is_none());
}

#[cfg(test)]
mod tests {
    use peerage_testkit::replay::replay;

    const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/packet");

    #[test]
    fn packets() {
        replay(CORPUS, super::packet);
    }

    #[test]
    fn sequences() {
        replay(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/sequence"), super::sequence);
    }
}
