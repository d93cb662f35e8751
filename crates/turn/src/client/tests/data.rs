use super::{Lab, SECOND, address, peer};
use crate::client::config::Families;
use crate::client::double::{Age, RELAYED, RELAYED_V6};
use crate::client::event::{Received, Wrapped};
use crate::client::{MAX_HEAD, MAX_TAIL};
use core::net::SocketAddr;
use peerage_base::slot::Slot;
use peerage_stun::attribute::Attribute;
use peerage_stun::header::{Class, Method, TransactionId};
use peerage_stun::message::Message;
use peerage_stun::write::Writer;

fn indication(attributes: &[Attribute<'_>]) -> alloc::vec::Vec<u8> {
    let mut buf = [0; 200];
    let mut writer = Writer::new(&mut buf, Class::Indication, Method::DATA, TransactionId([3; 12]));
    for attribute in attributes {
        writer.attribute(attribute).unwrap();
    }
    let len = writer.finish();
    buf[..len].to_vec()
}

fn data(from: SocketAddr) -> alloc::vec::Vec<u8> {
    indication(&[Attribute::XorPeerAddress(from), Attribute::Data(b"hello")])
}

#[test]
fn indications_are_well_formed_at_every_length_and_family() {
    let v6 = address("[2001:db8::7]:7");
    let mut lab = Lab::with(Age::Old, |config| config.families = Families::Both);
    lab.client.permit(lab.now, peer(1));
    lab.client.permit(lab.now, v6);
    lab.exchange();
    for to in [peer(1), v6] {
        let (head, tail) = lab.client.overhead(to);
        assert_eq!((head, tail), (if to == v6 { MAX_HEAD } else { 36 }, MAX_TAIL));
        for len in 0..9 {
            let body = [0xAB; 9];
            let mut buf = [0xFF; 80];
            let mut slot = Slot::new(&mut buf, head, tail, len);
            slot.room().copy_from_slice(&body[..len]);
            slot.fill(len);
            assert_eq!(lab.client.wrap(lab.now, to, &mut slot), Wrapped::Ready);
            let message = Message::parse(slot.packet()).unwrap();
            assert_eq!((message.class(), message.method()), (Class::Indication, Method::SEND));
            assert_eq!(message.xor_peer_address(), Some(to));
            assert_eq!(message.data(), Some(&body[..len]));
            assert_eq!(slot.range().start, 0, "the head room is used up");
        }
    }
}

#[test]
fn a_slot_without_room_for_wrapping_is_refused() {
    let mut lab = Lab::permitted(Age::Old, peer(1));
    for (head, tail) in [(35, 3), (36, 2)] {
        let mut buf = [0; 60];
        let buf = &mut buf[..head + 1 + tail];
        let mut slot = Slot::new(buf, head, tail, 1);
        slot.fill(1);
        assert_eq!(lab.client.wrap(lab.now, peer(1), &mut slot), Wrapped::Refused);
    }
    assert_eq!(lab.client.counters().refused, 2);
}

#[test]
fn data_comes_from_permitted_addresses_whatever_the_port() {
    let mut lab = Lab::permitted(Age::Old, peer(1));
    let other_port = SocketAddr::new(peer(1).ip(), 9);
    for from in [peer(1), other_port] {
        let packet = data(from);
        let Received { peer, relayed, range } = lab.inject(&packet).unwrap();
        assert_eq!((peer, relayed), (from, address(RELAYED)));
        assert_eq!(&packet[range], b"hello");
    }
    assert_eq!(lab.inject(&data(peer(2))), None);
    assert_eq!(lab.client.counters().unpermitted, 1);
    lab.client.forget(peer(1));
    assert_eq!(lab.inject(&data(peer(1))), None);
    assert_eq!(lab.client.counters().received, 2);
}

#[test]
fn data_names_the_relayed_address_of_its_family() {
    let v6 = address("[2001:db8::7]:7");
    let mut lab = Lab::with(Age::Old, |config| config.families = Families::Both);
    lab.client.permit(lab.now, v6);
    lab.exchange();
    assert_eq!(lab.inject(&data(v6)).unwrap().relayed, address(RELAYED_V6));
}

#[test]
fn indications_that_lack_something_are_dropped() {
    let mut lab = Lab::permitted(Age::Old, peer(1));
    assert_eq!(lab.inject(&indication(&[Attribute::Data(b"x")])), None);
    assert_eq!(lab.inject(&indication(&[Attribute::XorPeerAddress(peer(1))])), None);
    assert_eq!(lab.client.counters().garbage, 2);
    let icmp = Attribute::Icmp { kind: 3, code: 4, data: 1280 };
    assert_eq!(lab.inject(&indication(&[Attribute::XorPeerAddress(peer(1)), icmp])), None);
    assert_eq!(lab.client.counters().icmp, 1);
}

#[test]
fn the_latest_packet_for_each_peer_waits_for_the_permission() {
    let mut lab = Lab::new(Age::Old);
    assert_eq!(lab.send(peer(1), b"stranger"), Wrapped::Refused);
    lab.client.permit(lab.now, peer(1));
    lab.client.bind(lab.now, peer(2));
    assert_eq!(lab.send(peer(1), b"first"), Wrapped::Held);
    assert_eq!(lab.send(peer(1), b"second"), Wrapped::Held);
    assert_eq!(lab.send(peer(2), b"other"), Wrapped::Held);
    assert_eq!(lab.send(peer(2), &[0; 1281]), Wrapped::Refused);
    lab.exchange();
    lab.server.data.sort();
    assert_eq!(lab.server.data, [(peer(1), b"second".to_vec()), (peer(2), b"other".to_vec())]);
    assert_eq!(lab.client.counters().held, 3);
}

#[test]
fn a_packet_that_waited_too_long_or_in_vain_is_dropped() {
    let mut lab = Lab::allocated(Age::Old);
    lab.client.permit(lab.now, peer(1));
    assert_eq!(lab.send(peer(1), b"old"), Wrapped::Held);
    lab.lose = 5;
    lab.run(8 * SECOND);
    lab.server.forbidden.insert(peer(2).ip());
    lab.client.permit(lab.now, peer(2));
    assert_eq!(lab.send(peer(2), b"vain"), Wrapped::Held);
    lab.run(10 * SECOND);
    assert!(lab.client.is_permitted(lab.now, peer(1)));
    assert_eq!(lab.server.data, []);
    assert_eq!(lab.send(peer(2), b"vain"), Wrapped::Refused, "a refusal stands");
}
