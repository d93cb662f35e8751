//! The vectors written again, round trips, and misuse.

use super::{Misuse, Writer};
use crate::attribute::address::AddressFamily;
use crate::attribute::dtls_in_stun::DtlsInStun;
use crate::attribute::dtls_in_stun_ack::DtlsInStunAck;
use crate::attribute::error_code::ErrorCode;
use crate::attribute::kind::AttributeType;
use crate::attribute::lists::{PasswordAlgorithm, PasswordAlgorithms, UnknownAttributes};
use crate::attribute::{Attribute, NetworkInfo};
use crate::credentials::Key;
use crate::header::{Class, Method, TransactionId};
use crate::message::Message;
use crate::message::tests::vectors;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use proptest::prelude::{any, prop_assert_eq, proptest};

const ID: TransactionId = TransactionId([5; 12]);

#[test]
fn the_vectors_of_rfc_5769_are_written_byte_for_byte() {
    for (packet, key) in vectors() {
        let message = Message::parse(&packet).unwrap();
        let mut buf = vec![0xEE; packet.len()];
        let mut writer = Writer::new(&mut buf, message.class(), message.method(), message.transaction_id());
        if message.has_fingerprint() {
            // The short-term vectors pad with spaces, the long-term one with zeros.
            writer.padding = b' ';
        }
        for attribute in message.attributes() {
            writer.attribute(&attribute).unwrap();
        }
        writer.integrity(&key).unwrap();
        if message.has_fingerprint() {
            writer.fingerprint().unwrap();
        }
        assert_eq!(writer.finish(), packet.len());
        assert_eq!(buf, packet);
    }
}

#[test]
fn what_does_not_fit_leaves_a_whole_message() {
    let key = Key::short_term("password");
    for room in 0..100 {
        let mut buf = vec![0; room];
        let mut writer = Writer::new(&mut buf, Class::Request, Method::BINDING, ID);
        let name = writer.attribute(&Attribute::Username("abcde")).map(drop);
        let integrity = writer.integrity(&key).map(drop);
        let fingerprint = writer.fingerprint().map(drop);
        let len = writer.finish();
        if room < 20 {
            assert_eq!(len, 0);
            assert_eq!(name, Err(Misuse::Full(AttributeType::USERNAME)));
            continue;
        }
        let message = Message::parse(&buf[..len]).unwrap();
        assert_eq!(message.username().is_some(), name.is_ok());
        assert_eq!(message.check_integrity(&key).is_some(), integrity.is_ok());
        assert_eq!(message.check_fingerprint(), fingerprint.is_ok());
        assert_eq!(fingerprint.is_ok() && integrity.is_ok() && name.is_ok(), room >= 20 + 12 + 24 + 8);
    }
}

#[test]
fn a_message_never_outgrows_its_length_field() {
    let mut buf = vec![0; 70_000];
    let value = vec![1; 65_531];
    let mut writer = Writer::new(&mut buf, Class::Indication, Method::SEND, ID);
    let full = Err(Misuse::Full(AttributeType::DATA));
    assert_eq!(writer.attribute(&Attribute::Data(&value)).map(drop), full);
    assert_eq!(writer.finish(), 20);
    writer.attribute(&Attribute::Data(&value[..65_500])).unwrap();
    assert_eq!(writer.attribute(&Attribute::Data(&value[..100])).map(drop), full);
    let len = writer.finish();
    assert_eq!(Message::parse(&buf[..len]).unwrap().data().unwrap().len(), 65_500);
}

#[test]
fn nothing_follows_the_integrity_but_its_stronger_form_and_the_fingerprint() {
    let key = Key::short_term("password");
    let mut buf = [0; 200];
    let mut writer = Writer::new(&mut buf, Class::Request, Method::BINDING, ID);
    writer.integrity(&key).unwrap();
    assert_eq!(writer.attribute(&Attribute::UseCandidate).map(drop), Err(Misuse::Order(AttributeType::USE_CANDIDATE)));
    assert_eq!(writer.integrity(&key).map(drop), Err(Misuse::Order(AttributeType::MESSAGE_INTEGRITY)));
    writer.integrity_sha256(&key).unwrap().fingerprint().unwrap();
    assert_eq!(writer.fingerprint().map(drop), Err(Misuse::Order(AttributeType::FINGERPRINT)));
    let order = Err(Misuse::Order(AttributeType::MESSAGE_INTEGRITY_SHA256));
    assert_eq!(writer.integrity_sha256(&key).map(drop), order);
}

#[test]
fn values_that_a_receiver_would_refuse_are_not_written() {
    let long = "x".repeat(764);
    let refused = [
        Attribute::Username(&long[..514]),
        Attribute::Realm(&long),
        Attribute::Software(&long),
        Attribute::ErrorCode(ErrorCode { code: 200, reason: "" }),
        Attribute::ErrorCode(ErrorCode { code: 700, reason: "" }),
        Attribute::Icmp { kind: 0x80, code: 0, data: 0 },
        Attribute::Unknown { kind: AttributeType::FINGERPRINT, value: &[0; 4] },
        Attribute::Unknown { kind: AttributeType::MESSAGE_INTEGRITY, value: &[0; 20] },
    ];
    let mut buf = [0; 2000];
    let mut writer = Writer::new(&mut buf, Class::Request, Method::BINDING, ID);
    for attribute in refused {
        assert_eq!(writer.attribute(&attribute).map(drop), Err(Misuse::Value(attribute.kind())));
    }
    assert_eq!(writer.finish(), 20);
}

proptest! {
    #[test]
    fn every_attribute_survives_the_wire(
        n in any::<u64>(), ip in any::<IpAddr>(), text in "\\PC{0,60}", blob in any::<Vec<u8>>(), flag in any::<bool>(),
        code in 300u16..700, id in any::<[u8; 12]>(), hash in any::<[u8; 32]>(), kind in 0x7000u16..0x8000,
    ) {
        let id = TransactionId(id);
        let address = SocketAddr::new(ip, n as u16);
        let family = AddressFamily(n as u8);
        let error = ErrorCode { code, reason: &text };
        let even = &blob[..blob.len() & !1];
        let packet = DtlsInStun::from_bytes(&blob).unwrap_or(DtlsInStun::NOTHING);
        let acks = DtlsInStunAck::from_bytes(&blob[..blob.len().min(16) & !3]).unwrap();
        let attributes = [
            Attribute::MappedAddress(address), Attribute::ChangeRequest { ip: flag, port: n & 1 == 0 },
            Attribute::Username(&text), Attribute::ErrorCode(error),
            Attribute::UnknownAttributes(UnknownAttributes::from_bytes(even).unwrap()),
            Attribute::ChannelNumber(n as u16), Attribute::Lifetime(n as u32), Attribute::XorPeerAddress(address),
            Attribute::Data(&blob), Attribute::Realm(&text), Attribute::Nonce(&text),
            Attribute::XorRelayedAddress(address), Attribute::RequestedAddressFamily(family),
            Attribute::EvenPort { reserve: flag }, Attribute::RequestedTransport(n as u8), Attribute::DontFragment,
            Attribute::AccessToken(&blob), Attribute::PasswordAlgorithm(PasswordAlgorithm::SHA256),
            Attribute::Userhash(&hash), Attribute::XorMappedAddress(address),
            Attribute::ReservationToken(n.to_be_bytes()), Attribute::Priority(n as u32), Attribute::UseCandidate,
            Attribute::Padding(&blob), Attribute::ResponsePort(n as u16), Attribute::ConnectionId(n as u32),
            Attribute::AdditionalAddressFamily(family), Attribute::AddressErrorCode(family, error),
            Attribute::PasswordAlgorithms(PasswordAlgorithms::SHA256_MD5), Attribute::AlternateDomain(&text[..0]),
            Attribute::Icmp { kind: n as u8 & 0x7F, code: (n >> 8) as u16 & 0x1FF, data: (n >> 32) as u32 },
            Attribute::Software(&text), Attribute::AlternateServer(address), Attribute::IceControlled(n),
            Attribute::IceControlling(n), Attribute::ResponseOrigin(address), Attribute::OtherAddress(address),
            Attribute::MobilityTicket(&blob), Attribute::Nomination(n as u32),
            Attribute::NetworkInfo(NetworkInfo { id: n as u16, cost: (n >> 16) as u16 }), Attribute::DtlsInStun(packet),
            Attribute::DtlsInStunAck(acks),
            Attribute::Unknown { kind: AttributeType(kind), value: &blob },
        ];
        let mut buf = vec![0; 16_000];
        let mut writer = Writer::new(&mut buf, Class::Success, Method::ALLOCATE, id);
        for attribute in &attributes {
            writer.attribute(attribute).unwrap();
        }
        writer.fingerprint().unwrap();
        let len = writer.finish();
        let message = Message::parse(&buf[..len]).unwrap();
        prop_assert_eq!(message.attributes().collect::<Vec<_>>(), attributes);
        prop_assert_eq!(message.unknown_required().collect::<Vec<_>>(), [kind]);
        prop_assert_eq!(message.check_fingerprint(), true);
    }
}
