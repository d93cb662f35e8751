//! Packets as libsrtp protects them: byte for byte as we do, and we unprotect them.

use peerage_base::slot::Slot;
use peerage_rtp::numbers::Ssrc;
use peerage_srtp::error::OpenError;
use peerage_srtp::extension::Ids;
use peerage_srtp::master::Master;
use peerage_srtp::profile::Profile;
use peerage_srtp::receiver::{self, Receiver};
use peerage_srtp::sender::{self, Sender};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rtp,
    Rtcp,
}

struct Packet {
    kind: Kind,
    plain: Vec<u8>,
    protected: Vec<u8>,
}

struct Case {
    name: String,
    master: Master,
    hide: Ids,
    packets: Vec<Packet>,
}

impl Case {
    fn sender(&self) -> Sender {
        let mut config = sender::Config::default();
        config.encrypted_extensions = self.hide;
        Sender::new(&self.master, &config)
    }

    fn receiver(&self) -> Receiver {
        let mut config = receiver::Config::default();
        config.encrypted_extensions = self.hide;
        Receiver::new(&self.master, &config)
    }
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn cases() -> Vec<Case> {
    let text = include_str!("fixtures/libsrtp.txt");
    let cases: Vec<_> = text.split("case ").skip(1).map(case).collect();
    assert_eq!(cases.len(), 16);
    cases
}

fn case(text: &str) -> Case {
    let (name, rest) = text.split_once('\n').unwrap();
    let field = |name: &str| rest.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let profile = Profile::from_number(field("profile").unwrap().parse().unwrap()).unwrap();
    let packets = rest.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let kind = match words.next()? {
            "rtp" => Kind::Rtp,
            "rtcp" => Kind::Rtcp,
            _ => return None,
        };
        Some(Packet { kind, plain: hex(words.next()?), protected: hex(words.next()?) })
    });
    Case {
        name: name.to_owned(),
        master: Master::new(profile, &hex(field("key").unwrap()), &hex(field("salt").unwrap())).unwrap(),
        hide: field("hide").unwrap_or_default().split_terminator(' ').map(|id| id.parse::<u8>().unwrap()).collect(),
        packets: packets.collect(),
    }
}

fn protect(sender: &mut Sender, kind: Kind, plain: &[u8]) -> Vec<u8> {
    let mut buf = vec![0xEE; plain.len() + 32];
    let mut slot = Slot::new(&mut buf, 0, 32, plain.len());
    slot.room().copy_from_slice(plain);
    slot.fill(plain.len());
    match kind {
        Kind::Rtp => sender.protect_rtp(&mut slot),
        Kind::Rtcp => sender.protect_rtcp(&mut slot),
    }
    .unwrap();
    slot.packet().to_vec()
}

fn unprotect(receiver: &mut Receiver, packet: &Packet) -> Result<Vec<u8>, OpenError> {
    let mut bytes = packet.protected.clone();
    let len = match packet.kind {
        Kind::Rtp => receiver.unprotect_rtp(&mut bytes),
        Kind::Rtcp => receiver.unprotect_rtcp(&mut bytes),
    }?;
    Ok(bytes[..len].to_vec())
}

#[test]
fn we_protect_as_it_does() {
    for case in cases() {
        let mut sender = case.sender();
        // It counts control packets from one.
        for ssrc in [1, 2, 0xCAFE_BABE] {
            protect(&mut sender, Kind::Rtcp, &[&[0x80, 201, 0, 1][..], &Ssrc(ssrc).0.to_be_bytes()].concat());
        }
        for (n, packet) in case.packets.iter().enumerate() {
            let ours = protect(&mut sender, packet.kind, &packet.plain);
            assert_eq!(ours, packet.protected, "{} packet {n}", case.name);
        }
    }
}

#[test]
fn we_unprotect_what_it_protects() {
    for case in cases() {
        let mut receiver = case.receiver();
        for (n, packet) in case.packets.iter().enumerate() {
            assert_eq!(unprotect(&mut receiver, packet).as_ref(), Ok(&packet.plain), "{} packet {n}", case.name);
            assert_eq!(unprotect(&mut receiver, packet), Err(OpenError::Replayed), "{} packet {n}", case.name);
        }
    }
}

/// Packets change places with their neighbours; each still arrives.
#[test]
fn the_order_of_neighbours_does_not_matter() {
    for mut case in cases() {
        let mut receiver = case.receiver();
        for pair in case.packets.chunks_mut(2) {
            pair.reverse();
        }
        for (n, packet) in case.packets.iter().enumerate() {
            assert_eq!(unprotect(&mut receiver, packet).as_ref(), Ok(&packet.plain), "{} packet {n}", case.name);
        }
    }
}

#[test]
fn hidden_elements_are_hidden() {
    for case in cases().iter().filter(|case| case.name.ends_with("hidden")) {
        assert!(!case.hide.is_empty());
        let packet = &case.packets[0];
        let body = 16..16 + 32;
        assert_ne!(packet.plain[body.clone()], packet.protected[body.clone()]);
        let mut receiver = Receiver::new(&case.master, &receiver::Config::default());
        let opened = unprotect(&mut receiver, packet).unwrap();
        assert_eq!(opened[body.clone()], packet.protected[body.clone()], "who does not know the ids sees no values");
        assert_eq!(opened[body.end..], packet.plain[body.end..]);
    }
}
