//! Packets that a browser protected.

use peerage_base::slot::Slot;
use peerage_rtp::extension::block::Form;
use peerage_rtp::packet::Packet;
use peerage_srtp::error::OpenError;
use peerage_srtp::master::Master;
use peerage_srtp::profile::Profile;
use peerage_srtp::receiver::{self, Receiver};
use peerage_srtp::sender::{self, Sender};

const SESSION: &str = include_str!("fixtures/firefox_153.txt");

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

/// Checks that RTCP packets follow each other to the end of `compound`.
fn assert_compound(mut compound: &[u8]) {
    while let [first, kind, high, low, ..] = compound {
        assert_eq!(first >> 6, 2);
        assert!((200..=207).contains(kind), "{kind}");
        let len = 4 + 4 * usize::from(u16::from_be_bytes([*high, *low]));
        compound = &compound[len..];
    }
    assert!(compound.is_empty());
}

#[test]
fn a_session_of_firefox_is_unprotected_and_its_media_protected_alike() {
    let exported = SESSION.lines().find_map(|line| line.strip_prefix("export ")).map(hex).unwrap();
    let (client, server) = Master::from_export(Profile::AeadAes128Gcm, &exported).unwrap();
    let mut sides = [client, server].map(|master| {
        let receiver = Receiver::new(&master, &receiver::Config::default());
        (Sender::new(&master, &sender::Config::default()), receiver)
    });
    let (mut media, mut control) = (0, 0);
    for line in SESSION.lines().filter(|line| !line.starts_with(['#', 'e'])) {
        let [kind, side, packet]: [&str; 3] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let (sender, receiver) = &mut sides[usize::from(side == "server")];
        let packet = hex(packet);
        let mut plain = packet.clone();
        if kind == "rtcp" {
            let len = receiver.unprotect_rtcp(&mut plain).unwrap();
            assert_compound(&plain[..len]);
            assert_eq!(receiver.unprotect_rtcp(&mut packet.clone()), Err(OpenError::Replayed));
            control += 1;
            continue;
        }
        let len = receiver.unprotect_rtp(&mut plain).unwrap();
        let parsed = Packet::parse(&plain[..len]).unwrap();
        assert!(Form::of(parsed.extension.profile).is_some() && parsed.extension.elements().count() > 0);
        assert_eq!(receiver.unprotect_rtp(&mut packet.clone()), Err(OpenError::Replayed));
        let mut slot = Slot::new(&mut plain, 0, 16, len);
        slot.fill(len);
        sender.protect_rtp(&mut slot).unwrap();
        assert_eq!(slot.packet(), packet);
        media += 1;
    }
    assert!(media >= 18 && control >= 20, "{media} {control}");
}
