//! Nothing is allocated where packets are protected and unprotected.

use peerage_base::slot::Slot;
use peerage_srtp::master::Master;
use peerage_srtp::profile::Profile;
use peerage_srtp::receiver::{self, Cryptex, Receiver};
use peerage_srtp::sender::{self, Sender};

const LEN: usize = 1200;
const TAIL: usize = 24;

fn media(buf: &mut [u8; LEN + TAIL], ssrc: u8, sequence: u16) {
    buf[..12].copy_from_slice(&[0x91, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, ssrc]);
    buf[2..4].copy_from_slice(&sequence.to_be_bytes());
    buf[12..24].copy_from_slice(b"CSRC\xBE\xDE\0\x01\x12abc");
}

fn control(buf: &mut [u8; LEN + TAIL], ssrc: u8) {
    buf[..8].copy_from_slice(&[0x80, 201, 0, 1, 0, 0, 0, ssrc]);
}

#[test]
fn packets_are_protected_and_unprotected_without_allocating() {
    for profile in Profile::ALL {
        for is_hidden in [false, true] {
            let bytes = [7; 32];
            let master = Master::new(profile, &bytes[..profile.key_len()], &bytes[..profile.salt_len()]).unwrap();
            let mut config = sender::Config::default();
            (config.cryptex, config.encrypted_extensions) = (is_hidden, [1].into_iter().collect());
            let mut sender = Sender::new(&master, &config);
            let mut config = receiver::Config::default();
            config.cryptex = Cryptex::Accepted;
            config.encrypted_extensions = [1].into_iter().collect();
            let mut receiver = Receiver::new(&master, &config);
            let mut buf = [0; LEN + TAIL];
            // So does the first packet of a source that nobody knows, with a low number.
            receiver.unprotect_rtp(&mut [0x80, 96, 0, 0].repeat(16)).unwrap_err();
            let mut round = |sequence: u16| {
                for ssrc in [1, 2, 3] {
                    media(&mut buf, ssrc, sequence);
                    let mut slot = Slot::new(&mut buf, 0, TAIL, LEN);
                    slot.fill(LEN);
                    sender.protect_rtp(&mut slot).unwrap();
                    let mut forged = [0; LEN + TAIL];
                    let packet = &mut forged[..slot.len()];
                    packet.copy_from_slice(slot.packet());
                    packet[300] ^= 1;
                    receiver.unprotect_rtp(packet).unwrap_err();
                    // Of a source that nobody knows.
                    packet[8] ^= 1;
                    receiver.unprotect_rtp(packet).unwrap_err();
                    assert_eq!(receiver.unprotect_rtp(slot.packet_mut()), Ok(LEN));
                    control(&mut buf, ssrc);
                    let mut slot = Slot::new(&mut buf, 0, TAIL, LEN);
                    slot.fill(LEN);
                    sender.protect_rtcp(&mut slot).unwrap();
                    assert_eq!(receiver.unprotect_rtcp(slot.packet_mut()), Ok(LEN));
                }
            };
            // Each source costs once.
            round(65_500);
            let counted = allocation_counter::measure(|| (65_501..=65_535).chain(0..100).for_each(&mut round));
            assert_eq!(counted.count_total, 0, "{profile:?}");
        }
    }
}
