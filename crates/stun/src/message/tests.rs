//! Vectors of RFC 5769 and RFC 8489 appendix B.1, hostile input, and the seeds in `corpus/`.

use super::{Message, ParseError};
use crate::attribute::kind::AttributeType;
use crate::attribute::{Attribute, NetworkInfo};
use crate::credentials::{Algorithm, Key, userhash};
use crate::header::{Class, Method, TransactionId, is_stun, split_type, type_bits};
use crate::write::Writer;
use alloc::vec::Vec;
use peerage_crypto::hmac;
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

pub(crate) const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";
pub(crate) const LONG_TERM_USER: &str = "\u{30DE}\u{30C8}\u{30EA}\u{30C3}\u{30AF}\u{30B9}";
pub(crate) const LONG_TERM_NONCE: &str = "f//499k954d6OL34oL9FSTvy64sA";

/// RFC 5769 §2.1 to §2.4.
pub(crate) const REQUEST: &str = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e7400240004\
    6e0001ff80290008932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a28028\
    0004e57a3bcf";
pub(crate) const RESPONSE_V4: &str = "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f722000200008000\
    1a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96";
pub(crate) const RESPONSE_V6: &str = "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f722000200014000\
    2a1470113a9faa5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c";
pub(crate) const LONG_TERM: &str = "000100602112a44278ad3433c6ad72c029da412e00060012e3839ee38388e383aae38383e382afe382b900\
    000015001c662f2f3439396b39353464364f4c33346f4c394653547679363473410014000b6578616d706c652e6f72670000080014f67024656d\
    d64a3e02b8e0712e85c9a28ca89666";
/// RFC 8489 appendix B.1, as printed: its length field counts the header too.
const SHA256_REQUEST: &str = "0001009c2112a44278ad3433c6ad72c029da412e001e00204a3cf38fef6992bda952c6780417da0f2481941556\
    9e60b205c46e41407f1704001500296f624d61744a6f733241414143662f2f3439396b39353464364f4c33346f4c394653547679363473410000\
    000014000b6578616d706c652e6f726700001c0020e4686c8f0edeb59013e07090010a93efccbccc544c0a45d9f830aa6d6f735a01";

pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    assert!(rest.is_empty());
    pairs.iter().map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

pub(crate) fn vectors() -> Vec<(Vec<u8>, Key)> {
    let short = Key::short_term(PASSWORD);
    let long = Key::long_term(LONG_TERM_USER, "example.org", "TheMatrIX", Algorithm::Md5);
    let mut all: Vec<_> = [REQUEST, RESPONSE_V4, RESPONSE_V6].map(|hex| (bytes(hex), short.clone())).into();
    all.push((bytes(LONG_TERM), long));
    all
}

#[test]
fn the_request_of_rfc_5769_reads_as_described() {
    let packet = bytes(REQUEST);
    let message = Message::parse(&packet).unwrap();
    assert_eq!((message.class(), message.method()), (Class::Request, Method::BINDING));
    assert_eq!(message.software(), Some("STUN test client"));
    assert_eq!(message.priority(), Some(0x6E00_01FF));
    assert_eq!(message.controlled(), Some(0x932F_F9B1_5126_3B36));
    assert_eq!(message.controlling(), None);
    assert_eq!(message.username(), Some("evtj:h6vY"));
    assert_eq!(message.attributes().count(), 4);
    assert_eq!(message.unknown_required().count(), 0);
    assert!(message.check_fingerprint());
    assert!(message.check_integrity(&Key::short_term(PASSWORD)).is_some());
    assert!(message.check_integrity(&Key::short_term("VOkJxbRl1RmTxUk/WvJxBs")).is_none());
}

#[test]
fn the_responses_of_rfc_5769_read_as_described() {
    for (hex, address) in
        [(RESPONSE_V4, "192.0.2.1:32853"), (RESPONSE_V6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853")]
    {
        let packet = bytes(hex);
        let message = Message::parse(&packet).unwrap();
        assert_eq!((message.class(), message.method()), (Class::Success, Method::BINDING));
        assert_eq!(message.software(), Some("test vector"));
        assert_eq!(message.xor_mapped_address(), Some(address.parse().unwrap()));
        assert!(message.check_fingerprint());
        assert!(message.check_integrity(&Key::short_term(PASSWORD)).is_some());
    }
}

#[test]
fn the_long_term_request_of_rfc_5769_reads_as_described() {
    let packet = bytes(LONG_TERM);
    let message = Message::parse(&packet).unwrap();
    assert_eq!(message.username(), Some(LONG_TERM_USER));
    assert_eq!(message.nonce(), Some(LONG_TERM_NONCE));
    assert_eq!(message.realm(), Some("example.org"));
    assert!(!message.has_fingerprint());
    let key = |algorithm| Key::long_term(LONG_TERM_USER, "example.org", "TheMatrIX", algorithm);
    assert!(message.check_integrity(&key(Algorithm::Md5)).is_some());
    assert!(message.check_integrity(&key(Algorithm::Sha256)).is_none());
}

#[test]
fn the_sha256_request_of_rfc_8489_holds_once_its_length_is_corrected() {
    let mut packet = bytes(SHA256_REQUEST);
    assert_eq!(Message::parse(&packet).unwrap_err(), ParseError::Length);
    // The printed code was computed under the printed length: it proves the key and the hash.
    let key = Key::long_term(LONG_TERM_USER, "example.org", "TheMatrIX", Algorithm::Sha256);
    let (covered, attribute) = packet.split_at(packet.len() - 36);
    assert_eq!(hmac::sha256(key.as_bytes(), &[covered]), attribute[4..]);
    packet[3] = 0x88;
    let message = Message::parse(&packet).unwrap();
    assert_eq!(message.userhash(), Some(&userhash(LONG_TERM_USER, "example.org")));
    assert_eq!(message.nonce(), Some("obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA"));
    assert!(message.has_integrity_sha256());
    assert!(message.check_integrity(&key).is_none(), "the code is of the other length");
}

#[test]
fn types_interleave_class_and_method() {
    assert_eq!(type_bits(Class::Success, Method::BINDING), 0x0101);
    assert_eq!(type_bits(Class::Error, Method::ALLOCATE), 0x0113);
    assert_eq!(type_bits(Class::Indication, Method::DATA), 0x0017);
    assert_eq!(type_bits(Class::Request, Method(0xFFF)), 0x3EEF);
    for bits in 0..0x4000 {
        let (class, method) = split_type(bits);
        assert_eq!(type_bits(class, method), bits);
    }
}

#[test]
fn what_is_not_stun_is_told_apart() {
    let packet = bytes(REQUEST);
    assert!(is_stun(&packet));
    assert!(!is_stun(&packet[..19]));
    for (at, value) in [(0, 0x40), (0, 0x80), (0, 4), (4, 0x20), (7, 0x43)] {
        let mut other = packet.clone();
        other[at] = value;
        assert!(!is_stun(&other));
        assert_eq!(Message::parse(&other).unwrap_err(), ParseError::NotStun);
    }
}

#[test]
fn a_message_cut_at_any_length_is_refused() {
    for (packet, _) in vectors() {
        for len in 0..packet.len() {
            assert!(Message::parse(&packet[..len]).is_err(), "{len}");
            // The same with a length field that agrees: whole attributes may remain, never a valid message.
            let mut cut = packet[..len].to_vec();
            if let Some(length) = len.checked_sub(20) {
                cut[3] = length as u8;
                if let Ok(message) = Message::parse(&cut) {
                    assert!(!message.check_fingerprint());
                    assert!(message.check_integrity(&Key::short_term(PASSWORD)).is_none() || len >= packet.len() - 8);
                }
            }
        }
        let mut longer = packet.clone();
        longer.extend([0; 4]);
        assert_eq!(Message::parse(&longer).unwrap_err(), ParseError::Length);
    }
}

#[test]
fn no_flipped_bit_passes_for_authentic() {
    for (packet, key) in vectors() {
        let fingerprint = if Message::parse(&packet).unwrap().has_fingerprint() { 8 } else { 0 };
        for bit in 0..packet.len() * 8 {
            let mut flipped = packet.clone();
            flipped[bit / 8] ^= 0x80 >> (bit % 8);
            let Ok(message) = Message::parse(&flipped) else { continue };
            assert!(!message.check_fingerprint(), "bit {bit}");
            if bit / 8 < packet.len() - fingerprint {
                assert!(message.check_integrity(&key).is_none(), "bit {bit}");
            }
        }
    }
}

#[test]
fn what_follows_the_integrity_does_not_count() {
    let key = Key::short_term(PASSWORD);
    let mut buf = [0; 128];
    let mut writer = Writer::new(&mut buf, Class::Request, Method::BINDING, TransactionId([1; 12]));
    writer.attribute(&Attribute::Priority(7)).unwrap().integrity(&key).unwrap();
    let len = writer.finish();
    // USE-CANDIDATE, and a malformed PRIORITY, added by someone on the way.
    let mut packet = buf[..len].to_vec();
    packet.extend([0, 0x25, 0, 0, 0, 0x24, 0, 1, 9, 9, 9, 9]);
    packet[3] += 12;
    let message = Message::parse(&packet).unwrap();
    assert!(message.check_integrity(&key).is_some());
    assert!(!message.use_candidate());
    assert_eq!(message.priority(), Some(7));
    assert_eq!(message.unknown_required().count(), 0);
}

#[test]
fn the_stronger_of_two_codes_decides() {
    let (right, wrong) = (Key::short_term("right"), Key::short_term("wrong"));
    let message = |sha1, sha256| {
        let mut buf = [0; 128];
        let mut writer = Writer::new(&mut buf, Class::Request, Method::BINDING, TransactionId([1; 12]));
        writer.integrity(sha1).unwrap().integrity_sha256(sha256).unwrap().fingerprint().unwrap();
        let len = writer.finish();
        let message = Message::parse(&buf[..len]).unwrap();
        assert!(message.check_fingerprint());
        message.check_integrity(&right).is_some()
    };
    assert!(message(&right, &right));
    assert!(message(&wrong, &right));
    assert!(!message(&right, &wrong));
}

#[test]
fn a_truncated_sha256_code_reads_and_does_not_pass() {
    let key = Key::short_term(PASSWORD);
    let header = [0, 1, 0, 20, 0x21, 0x12, 0xA4, 0x42, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1];
    let code = hmac::sha256(key.as_bytes(), &[&header]);
    let mut packet = header.to_vec();
    packet.extend([0, 0x1C, 0, 16]);
    packet.extend(&code[..16]);
    let message = Message::parse(&packet).unwrap();
    assert!(message.has_integrity());
    assert!(message.check_integrity(&key).is_none());
}

#[test]
fn a_fingerprint_counts_only_at_the_end() {
    let mut packet = bytes(RESPONSE_V4);
    packet.extend([0x90, 0, 0, 0]);
    packet[3] += 4;
    let message = Message::parse(&packet).unwrap();
    assert!(!message.has_fingerprint());
    assert!(!message.check_fingerprint());
}

#[test]
fn a_malformed_required_attribute_spoils_the_message() {
    let header = [0, 1, 0, 8, 0x21, 0x12, 0xA4, 0x42, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1];
    let parse = |attribute: [u8; 8]| Message::parse(&[&header[..], &attribute].concat()).map(drop);
    assert_eq!(parse([0, 0x24, 0, 3, 1, 2, 3, 0]), Err(ParseError::Malformed(AttributeType::PRIORITY)));
    assert_eq!(parse([0, 0x24, 0, 5, 1, 2, 3, 0]), Err(ParseError::Truncated(AttributeType::PRIORITY)));
    assert_eq!(parse([0, 0x24, 0xFF, 0xFF, 1, 2, 3, 0]), Err(ParseError::Truncated(AttributeType::PRIORITY)));
    assert_eq!(parse([0, 0x08, 0, 4, 1, 2, 3, 0]), Err(ParseError::Malformed(AttributeType::MESSAGE_INTEGRITY)));
    assert_eq!(parse([0x80, 0x29, 0, 3, 1, 2, 3, 0]), Ok(()));
}

#[test]
fn a_plain_mapped_address_stands_in_for_the_xored_one() {
    let packet = [
        &[1, 1, 0, 12, 0x21, 0x12, 0xA4, 0x42, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1][..],
        &[0, 1, 0, 8, 0, 1, 0, 80, 192, 0, 2, 1],
    ]
    .concat();
    assert_eq!(Message::parse(&packet).unwrap().xor_mapped_address(), Some("192.0.2.1:80".parse().unwrap()));
}

#[test]
fn the_check_that_libwebrtc_sends_is_understood() {
    let mut buf = [0; 256];
    let mut writer = Writer::new(&mut buf, Class::Request, Method::BINDING, TransactionId([1; 12]));
    let network = NetworkInfo { id: 1, cost: 10 };
    writer.attribute(&Attribute::NetworkInfo(network)).unwrap().attribute(&Attribute::Nomination(3)).unwrap();
    let len = writer.finish();
    assert_eq!(buf[20..28], [0xC0, 0x57, 0, 4, 0, 1, 0, 10]);
    let message = Message::parse(&buf[..len]).unwrap();
    assert_eq!((message.network_info(), message.network_cost()), (Some(network), Some(10)));
    assert_eq!(message.nomination(), Some(3));
}

/// Reads everything a message offers.
fn exercise(packet: &[u8]) {
    let Ok(message) = Message::parse(packet) else { return };
    let _ = message.attributes().count();
    let _ = message.unknown_required().count();
    let _ = message.xor_peer_addresses().count();
    let _ = message.unknown_attributes().map(|list| list.iter().count());
    let _ = message.password_algorithms().map(|list| list.iter().count());
    let _ = (message.check_fingerprint(), message.check_integrity(&Key::short_term(PASSWORD)));
    let mut out = [0; 1500];
    let len = crate::server::respond_binding(packet, ([192, 0, 2, 1], 9).into(), Some("x"), &mut out);
    assert!(len.is_none_or(|len| len <= packet.len() + 24));
}

#[test]
fn the_seeds_are_read_without_a_panic_and_most_of_them_whole() {
    let seeds: [&[u8]; 19] = [
        include_bytes!("../../corpus/0.stun"),
        include_bytes!("../../corpus/1.stun"),
        include_bytes!("../../corpus/2.stun"),
        include_bytes!("../../corpus/3.stun"),
        include_bytes!("../../corpus/4.stun"),
        include_bytes!("../../corpus/5.stun"),
        include_bytes!("../../corpus/6.stun"),
        include_bytes!("../../corpus/7.stun"),
        include_bytes!("../../corpus/8.stun"),
        include_bytes!("../../corpus/9.stun"),
        include_bytes!("../../corpus/10.stun"),
        include_bytes!("../../corpus/11.stun"),
        include_bytes!("../../corpus/12.stun"),
        include_bytes!("../../corpus/13.stun"),
        include_bytes!("../../corpus/14.stun"),
        include_bytes!("../../corpus/15.stun"),
        include_bytes!("../../corpus/16.stun"),
        include_bytes!("../../corpus/17.stun"),
        include_bytes!("../../corpus/validator-crash-1.stun"),
    ];
    for seed in seeds {
        for len in 0..=seed.len() {
            exercise(&seed[..len]);
        }
        for bit in 0..seed.len() * 8 {
            let mut flipped = seed.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            exercise(&flipped);
        }
    }
    let whole = seeds.iter().filter(|seed| Message::parse(seed).is_ok()).count();
    assert_eq!(whole, 17);
}

#[test]
fn the_range_of_data_is_where_its_finder_points() {
    let key = Key::short_term("key");
    let mut buf = [0; 128];
    let mut writer = Writer::new(&mut buf, Class::Indication, Method::DATA, TransactionId([1; 12]));
    writer.attribute(&Attribute::Priority(7)).unwrap().attribute(&Attribute::Data(b"hello")).unwrap();
    writer.integrity(&key).unwrap();
    let len = writer.finish();
    let message = Message::parse(&buf[..len]).unwrap();
    assert_eq!(message.data_range(), Some(32..37));
    assert_eq!(&buf[32..37], message.data().unwrap());
    // Behind the integrity nothing counts.
    let mut late = [0; 128];
    let mut writer = Writer::new(&mut late, Class::Indication, Method::DATA, TransactionId([1; 12]));
    writer.integrity(&key).unwrap();
    let at = writer.finish();
    late[at..at + 8].copy_from_slice(&[0, 0x13, 0, 2, 1, 2, 0, 0]);
    late[3] += 8;
    assert_eq!(Message::parse(&late[..at + 8]).unwrap().data_range(), None);
}

/// Two Chromiums with DTLS in STUN: a check with the first part of a ClientHello, its answer, the check back, its answer.
#[test]
fn checks_of_chromium_carry_a_dtls_packet_and_acknowledge_by_its_plain_crc() {
    let ours = Key::short_term("rWsEiSv8sRx/9SG1T0ikYN6j");
    let theirs = Key::short_term("12DhQafKZ1RMhTc9BRRoOKPl");
    let first: &[u8] = include_bytes!("../../corpus/sped-1.stun");
    for (bytes, key, len, acks) in [
        (first, &ours, Some(900), &[][..]),
        (include_bytes!("../../corpus/sped-2.stun"), &ours, None, &[0x0A14_C29B]),
        (include_bytes!("../../corpus/sped-3.stun"), &theirs, None, &[0x0A14_C29B]),
        (include_bytes!("../../corpus/sped-4.stun"), &theirs, Some(563), &[]),
    ] {
        let message = Message::parse(bytes).unwrap();
        assert!(message.check_integrity(key).is_some() && message.check_fingerprint());
        assert_eq!(message.dtls_in_stun().map(|packet| packet.as_bytes().len()), len);
        assert!(message.dtls_in_stun_ack().unwrap().iter().eq(acks.iter().copied()));
    }
    let carried = Message::parse(first).unwrap().dtls_in_stun().unwrap();
    assert_eq!(peerage_base::crc::crc32(carried.as_bytes()), 0x0A14_C29B);
}

proptest! {
    #[test]
    fn any_attributes_are_read_without_a_panic(
        body in prop::collection::vec(any::<u8>(), 0..200),
        kinds in prop::collection::vec((0u16..0x30, any::<bool>(), 0usize..40), 0..6),
    ) {
        // Bytes cut into attributes of small and of registered types, so that values and not only the framing are met.
        let mut packet = [0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1].to_vec();
        let mut rest = &body[..];
        for (kind, optional, len) in kinds {
            let kind = if optional { 0x8000 | kind } else { kind };
            let (value, tail) = rest.split_at(len.min(rest.len()));
            rest = tail;
            packet.extend(kind.to_be_bytes());
            packet.extend((value.len() as u16).to_be_bytes());
            packet.extend(value);
            packet.resize(packet.len().next_multiple_of(4), 0);
        }
        let length = packet.len() - 20;
        packet[2..4].copy_from_slice(&(length as u16).to_be_bytes());
        exercise(&packet);
        exercise(&body);
    }

    #[test]
    fn a_key_passes_its_own_messages_and_no_other_key_does(password in "[a-zA-Z0-9+/]{1,100}", other in "[a-zA-Z0-9+/]{1,100}", bit in any::<usize>()) {
        let key = Key::short_term(&password);
        for sha256 in [false, true] {
            let mut buf = [0; 128];
            let mut writer = Writer::new(&mut buf, Class::Request, Method::BINDING, TransactionId([1; 12]));
            writer.attribute(&Attribute::Username("a:b")).unwrap();
            if sha256 { writer.integrity_sha256(&key) } else { writer.integrity(&key) }.unwrap();
            let len = writer.finish();
            let message = Message::parse(&buf[..len]).unwrap();
            prop_assert!(message.check_integrity(&key).is_some());
            prop_assert_eq!(message.check_integrity(&Key::short_term(&other)).is_some(), other == password);
            let bit = bit % (len * 8);
            buf[bit / 8] ^= 1 << (bit % 8);
            if let Ok(message) = Message::parse(&buf[..len]) {
                prop_assert!(message.check_integrity(&key).is_none());
            }
        }
    }
}
