//! What a sealer makes, its opener opens once, and nothing else.

use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use peerage_base::slot::Slot;
use peerage_crypto::aead::Aead;
use peerage_crypto::header::HeaderKey;

use crate::protect::opener::{Opened, Opener, Refused};
use crate::protect::sealer::{Overhead, SealError, Sealer};
use crate::schedule::dtls12::MasterSecret;
use crate::schedule::dtls13::TrafficSecret;
use crate::suite::{CipherSuite, Epoch, Version};
use crate::wire::number::{MAX_SEQUENCE, RecordNumber};
use crate::wire::replay::WIDTH;
use crate::wire::{ContentType, MAX_CONTENT};

const DATA: ContentType = ContentType::APPLICATION_DATA;

fn secret(suite: CipherSuite) -> TrafficSecret {
    TrafficSecret::from_log(suite.hash().unwrap(), &[0x5C; 48][..suite.hash().unwrap().len()])
}

/// Both ends of one direction; of DTLS 1.3 in the epoch of the first application data.
fn pair(suite: CipherSuite) -> (Sealer, Opener) {
    match suite.version().unwrap() {
        Version::Dtls13 => pair13(suite, &secret(suite), Epoch::APPLICATION),
        Version::Dtls12 => {
            let master = MasterSecret::from_log(suite.hash().unwrap(), &[0x5C; 48]);
            let (client, server) = master.key_block(suite, &[1; 32], &[2; 32]);
            assert_ne!(client.key.as_ref(), server.key.as_ref());
            (Sealer::new12(&client), Opener::new12(&client))
        }
    }
}

fn pair13(suite: CipherSuite, secret: &TrafficSecret, epoch: Epoch) -> (Sealer, Opener) {
    (Sealer::new13(suite, secret, epoch), Opener::new13(suite, secret, epoch))
}

fn try_seal(sealer: &mut Sealer, content_type: ContentType, content: &[u8]) -> Result<Vec<u8>, SealError> {
    let Overhead { head, tail } = sealer.overhead();
    let mut buf = vec![0xEE; head + content.len() + tail];
    let mut slot = Slot::new(&mut buf, head, tail, content.len());
    slot.room().copy_from_slice(content);
    slot.fill(content.len());
    sealer.seal(content_type, &mut slot)?;
    assert_eq!(slot.range(), 0..head + content.len() + tail, "the overhead is exact");
    Ok(buf)
}

fn seal(sealer: &mut Sealer, content: &[u8]) -> Vec<u8> {
    try_seal(sealer, DATA, content).unwrap()
}

/// A record of DTLS 1.3 whose inner plaintext and header a test chooses: by the same keys, but not by the sealer.
struct ByHand {
    aead: Aead,
    mask: HeaderKey,
    iv: [u8; 12],
}

impl ByHand {
    fn new(suite: CipherSuite) -> Self {
        let algorithm = suite.aead().unwrap();
        let keys = secret(suite).keys(algorithm);
        Self {
            aead: Aead::new(algorithm, keys.key.as_ref()),
            mask: HeaderKey::new(algorithm, keys.number.as_ref()),
            iv: *keys.iv,
        }
    }

    fn seal(&self, header: &[u8], sequence: u64, inner: &[u8]) -> Vec<u8> {
        let mut nonce = self.iv;
        nonce[4..].iter_mut().zip(sequence.to_be_bytes()).for_each(|(to, from)| *to ^= from);
        let mut body = inner.to_vec();
        let tag = self.aead.seal_in_place(&nonce, header, &mut body);
        body.extend_from_slice(&tag);
        let mask = self.mask.mask(body.first_chunk().unwrap());
        let mut record = [header, &body].concat();
        let sequence_len = if header[0] & 0x08 != 0 { 2 } else { 1 };
        record[1..=sequence_len].iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
        record
    }
}

#[test]
fn every_suite_takes_a_record_there_once() {
    for suite in CipherSuite::ALL {
        let (mut sealer, mut opener) = pair(suite);
        for (sequence, content_type) in [ContentType::HANDSHAKE, DATA, ContentType::ALERT].into_iter().enumerate() {
            let record = try_seal(&mut sealer, content_type, b"some content").unwrap();
            assert!(!record.windows(4).any(|window| window == b"some"), "{suite:?}");
            let number = RecordNumber { epoch: sealer.epoch(), sequence: sequence as u64 };
            let mut bytes = record.clone();
            let Opened { content_type: opened, number: under, content } = opener.open(&mut bytes).unwrap();
            assert_eq!((opened, under, &bytes[content]), (content_type, number, &b"some content"[..]), "{suite:?}");
            assert_eq!(opener.open(&mut record.clone()), Err(Refused::Replayed), "{suite:?}");
        }
        assert_eq!((sealer.sealed(), opener.forged()), (3, 0));
    }
}

#[test]
fn any_changed_bit_is_refused_and_leaves_no_trace() {
    for suite in CipherSuite::ALL {
        let (mut sealer, mut opener) = pair(suite);
        let record = seal(&mut sealer, b"content");
        let mut forged = 0;
        for at in 0..8 * record.len() {
            let mut bytes = record.clone();
            bytes[at / 8] ^= 1 << (at % 8);
            let refused = opener.open(&mut bytes).unwrap_err();
            assert!(
                matches!(refused, Refused::Forged | Refused::Malformed | Refused::OtherEpoch),
                "{suite:?}, bit {at}: {refused}"
            );
            forged += u64::from(refused == Refused::Forged);
            assert_eq!(opener.forged(), forged, "each forged record is counted, and nothing else");
        }
        assert!(forged > 8 * 16);
        opener.open(&mut record.clone()).unwrap();
    }
}

#[test]
fn a_record_cut_short_or_drawn_out_is_refused() {
    for suite in CipherSuite::ALL {
        let (mut sealer, mut opener) = pair(suite);
        let record = seal(&mut sealer, &[7; 40]);
        for len in 0..record.len() {
            assert_eq!(opener.open(&mut record[..len].to_vec()), Err(Refused::Malformed), "{suite:?}, {len}");
        }
        assert_eq!(opener.open(&mut [&record[..], &[0]].concat()), Err(Refused::Malformed), "{suite:?}");
        // Nothing is too short for its own length field.
        for len in 0..16 + 8 {
            let head = if record[0] == 23 { 13 } else { 5 };
            let mut bytes = record[..head + len].to_vec();
            bytes[head - 1] = len as u8;
            let refused = opener.open(&mut bytes).unwrap_err();
            assert!(matches!(refused, Refused::Malformed | Refused::Forged), "{suite:?}, {len}: {refused}");
        }
        opener.open(&mut record.clone()).unwrap();
    }
}

#[test]
fn records_of_other_keys_are_refused() {
    let suite = CipherSuite::AES_128_GCM;
    let (mut sealer, _) = pair(suite);
    let record = seal(&mut sealer, b"content");
    let (_, mut handshake) = pair13(suite, &secret(suite), Epoch::HANDSHAKE);
    assert_eq!(handshake.open(&mut record.clone()), Err(Refused::OtherEpoch));
    let (_, mut later) = pair13(suite, &secret(suite).next(), Epoch(7));
    assert_eq!(later.open(&mut record.clone()), Err(Refused::Forged), "the low bits of the epoch are alike");
    let (mut sealer12, mut opener12) = pair(CipherSuite::ECDHE_ECDSA_AES_128_GCM);
    assert_eq!(opener12.open(&mut record.clone()), Err(Refused::Malformed));
    let mut record12 = seal(&mut sealer12, b"content");
    let (_, mut opener) = pair(suite);
    assert_eq!(opener.open(&mut record12.clone()), Err(Refused::Malformed));
    record12[4] = 2;
    assert_eq!(opener12.open(&mut record12), Err(Refused::OtherEpoch));
}

#[test]
fn records_may_come_in_any_order_within_the_window() {
    for suite in [CipherSuite::AES_128_GCM, CipherSuite::ECDHE_ECDSA_CHACHA20_POLY1305] {
        let (mut sealer, mut opener) = pair(suite);
        let records: Vec<_> = (0..=WIDTH).map(|n| seal(&mut sealer, &n.to_be_bytes())).collect();
        let newest = records.last().unwrap();
        opener.open(&mut newest.clone()).unwrap();
        assert_eq!(opener.open(&mut records[0].clone()), Err(Refused::TooOld), "{suite:?}");
        for record in records[1..records.len() - 1].iter().rev() {
            opener.open(&mut record.clone()).unwrap();
        }
        for record in &records[1..] {
            assert_eq!(opener.open(&mut record.clone()), Err(Refused::Replayed), "{suite:?}");
        }
    }
}

#[test]
fn a_forged_record_moves_no_window() {
    for suite in [CipherSuite::AES_128_GCM, CipherSuite::ECDHE_ECDSA_AES_128_GCM] {
        let (mut sealer, mut opener) = pair(suite);
        let first = seal(&mut sealer, b"first");
        sealer.skip_to(30_000);
        let mut far = seal(&mut sealer, b"far ahead");
        *far.last_mut().unwrap() ^= 1;
        assert_eq!(opener.open(&mut far), Err(Refused::Forged));
        opener.open(&mut first.clone()).unwrap();
    }
}

#[test]
fn sequence_numbers_go_on_over_every_wrap_of_their_low_bits() {
    let (mut sealer, mut opener) = pair(CipherSuite::CHACHA20_POLY1305);
    // Jumps short of half the span of the 16 bits on the wire are followed.
    for step in [0, 32_000, 33_535, 65_536, 98_000, 130_000, 131_071, 131_072] {
        sealer.skip_to(step);
        let mut record = seal(&mut sealer, b"x");
        assert_eq!(opener.open(&mut record).unwrap().number.sequence, step);
    }
    sealer.skip_to(131_073 + 0x8001);
    assert_eq!(opener.open(&mut seal(&mut sealer, b"x")), Err(Refused::Forged), "further than can be told");
}

#[test]
fn short_headers_are_read() {
    let suite = CipherSuite::AES_256_GCM;
    let hand = ByHand::new(suite);
    let (_, mut opener) = pair(suite);
    let inner = b"abc\x17";
    let forms = [(0, vec![0x23, 0]), (1, vec![0x27, 1, 0, 20]), (2, vec![0x2B, 0, 2]), (3, vec![0x2F, 0, 3, 0, 20])];
    for (sequence, header) in forms {
        let mut record = hand.seal(&header, sequence, inner);
        let opened = opener.open(&mut record).unwrap();
        assert_eq!((opened.number.sequence, &record[opened.content]), (sequence, &b"abc"[..]));
    }
    // Eight bits are told apart within 128 of what is expected.
    for sequence in [4_u64, 130, 255, 256, 380, 400, 512] {
        let mut record = hand.seal(&[0x23, sequence as u8], sequence, inner);
        assert_eq!(opener.open(&mut record).unwrap().number.sequence, sequence);
    }
}

#[test]
fn padding_is_taken_off_and_content_must_be_there() {
    let suite = CipherSuite::AES_128_GCM;
    let hand = ByHand::new(suite);
    let (_, mut opener) = pair(suite);
    let mut sequence = 0;
    let mut open = |inner: &[u8]| {
        let [.., high, low] = (inner.len() + 16).to_be_bytes();
        let mut record = hand.seal(&[0x2F, 0, sequence, high, low], sequence.into(), inner);
        sequence += 1;
        opener.open(&mut record).map(|opened| (opened.content_type, record[opened.content].to_vec()))
    };
    assert_eq!(open(b"abc\x17\0\0\0\0"), Ok((DATA, b"abc".to_vec())));
    assert_eq!(open(b"abc\0\x17"), Ok((DATA, b"abc\0".to_vec())), "zeros of the content stay");
    assert_eq!(open(b"\x17"), Ok((DATA, vec![])), "application data may be empty");
    assert_eq!(open(b"\x16"), Err(Refused::Empty));
    assert_eq!(open(b"\x15\0\0"), Err(Refused::Empty));
    assert_eq!(open(b"\x1A"), Err(Refused::Empty));
    assert_eq!(open(b""), Err(Refused::Empty));
    assert_eq!(open(&[0; 100]), Err(Refused::Empty));
    assert!(Refused::Empty.is_by_peer() && !Refused::Forged.is_by_peer() && !Refused::Replayed.is_by_peer());

    let inner = |content: usize, padding: usize| {
        let mut inner = vec![1; content];
        inner.push(23);
        inner.resize(content + 1 + padding, 0);
        inner
    };
    assert_eq!(open(&inner(MAX_CONTENT, 239)).unwrap().1.len(), MAX_CONTENT, "the longest record");
    assert_eq!(open(&inner(MAX_CONTENT + 1, 0)), Err(Refused::TooLong), "the content");
    assert_eq!(open(&inner(MAX_CONTENT, 240)), Err(Refused::TooLong), "the record");
    assert_eq!(opener.forged(), 0);
}

#[test]
fn the_longest_content_fits_and_no_longer_one() {
    for suite in CipherSuite::ALL {
        let (mut sealer, mut opener) = pair(suite);
        let mut record = seal(&mut sealer, &[7; MAX_CONTENT]);
        assert_eq!(opener.open(&mut record).unwrap().content.len(), MAX_CONTENT);
        assert_eq!(try_seal(&mut sealer, DATA, &[7; MAX_CONTENT + 1]), Err(SealError::TooLong));
        assert_eq!(sealer.sealed(), 1);
    }
    // What a sealer does not make, a peer can: one byte more in a record of DTLS 1.2.
    let (_, mut opener) = pair(CipherSuite::ECDHE_ECDSA_CHACHA20_POLY1305);
    let length = (MAX_CONTENT + 1 + 16) as u16;
    let mut record = vec![23, 0xFE, 0xFD, 0, 1, 0, 0, 0, 0, 0, 0];
    record.extend_from_slice(&length.to_be_bytes());
    record.resize(13 + usize::from(length), 0);
    assert_eq!(opener.open(&mut record), Err(Refused::TooLong));
}

#[test]
fn a_slot_without_room_is_refused_and_costs_no_number() {
    for suite in [CipherSuite::AES_128_GCM, CipherSuite::ECDHE_ECDSA_AES_128_GCM] {
        let (mut sealer, _) = pair(suite);
        let Overhead { head, tail } = sealer.overhead();
        for (head, tail) in [(head - 1, tail), (head, tail - 1), (0, 0)] {
            let mut buf = vec![0; head + 10 + tail];
            let mut slot = Slot::new(&mut buf, head, tail, 10);
            slot.fill(10);
            assert_eq!(sealer.seal(DATA, &mut slot), Err(SealError::NoRoom));
        }
        assert_eq!(sealer.sealed(), 0);
    }
}

#[test]
fn overheads_are_those_of_the_standards() {
    let overhead = |suite| pair(suite).0.overhead();
    assert_eq!(overhead(CipherSuite::AES_256_GCM), Overhead { head: 5, tail: 17 });
    assert_eq!(overhead(CipherSuite::CHACHA20_POLY1305), Overhead { head: 5, tail: 17 });
    assert_eq!(overhead(CipherSuite::ECDHE_RSA_AES_128_GCM), Overhead { head: 21, tail: 16 });
    assert_eq!(overhead(CipherSuite::ECDHE_RSA_CHACHA20_POLY1305), Overhead { head: 13, tail: 16 });
}

#[test]
fn a_key_wears_out_and_is_used_up() {
    let (mut sealer, _) = pair(CipherSuite::AES_128_GCM);
    sealer.skip_to((1 << 23) - 1);
    assert!(!sealer.is_worn());
    seal(&mut sealer, b"x");
    assert!(sealer.is_worn());
    // 2^24.5, rounded down.
    let limit: u64 = 23_726_566;
    assert!((limit * limit) < 1 << 49 && (limit + 1) * (limit + 1) > 1 << 49);
    sealer.skip_to(limit - 1);
    seal(&mut sealer, b"the last");
    assert_eq!(try_seal(&mut sealer, DATA, b"one more"), Err(SealError::Exhausted));
    assert_eq!(sealer.sealed(), limit);

    // ChaCha20 has no such limit, and DTLS 1.2 nothing that could be done about it.
    for suite in [CipherSuite::CHACHA20_POLY1305, CipherSuite::ECDHE_ECDSA_AES_128_GCM] {
        let (mut sealer, _) = pair(suite);
        sealer.skip_to(1 << 30);
        assert!(!sealer.is_worn());
        sealer.skip_to(MAX_SEQUENCE);
        seal(&mut sealer, b"the last");
        assert_eq!(try_seal(&mut sealer, DATA, b"one more"), Err(SealError::Exhausted));
        assert_eq!(sealer.is_worn(), suite == CipherSuite::CHACHA20_POLY1305);
    }
}

#[test]
fn too_many_forgeries_spend_a_key() {
    let (mut sealer, mut opener) = pair(CipherSuite::AES_128_GCM);
    opener.suppose_forged((1 << 36) - 1);
    assert!(!opener.is_spent());
    let mut record = seal(&mut sealer, b"x");
    record[9] ^= 1;
    assert_eq!(opener.open(&mut record), Err(Refused::Forged));
    assert!(opener.is_spent());
    assert_eq!(opener.forged(), 1 << 36);
}

#[test]
fn an_update_leads_to_keys_of_its_own() {
    let suite = CipherSuite::AES_256_GCM;
    let (first, second) = (secret(suite), secret(suite).next());
    assert_ne!(first.as_ref(), second.as_ref());
    assert_ne!(second.as_ref(), second.next().as_ref());
    let (mut sealer, mut opener) = pair13(suite, &second, Epoch(4));
    let mut record = seal(&mut sealer, b"after the update");
    assert_eq!(record[0] & 3, 0);
    assert_eq!(opener.open(&mut record).unwrap().number, RecordNumber { epoch: Epoch(4), sequence: 0 });
}

/// The masks of AES and ChaCha20 over known samples are those of RFC 9001 §A; here it matters that they are used.
#[test]
fn sequence_numbers_are_hidden() {
    for suite in [CipherSuite::AES_128_GCM, CipherSuite::AES_256_GCM, CipherSuite::CHACHA20_POLY1305] {
        let (mut sealer, _) = pair(suite);
        let keys = secret(suite).keys(suite.aead().unwrap());
        let mask = HeaderKey::new(suite.aead().unwrap(), keys.number.as_ref());
        let mut plain = 0;
        for sequence in 0..64_u16 {
            let record = seal(&mut sealer, b"content");
            let mask = mask.mask(record[5..].first_chunk().unwrap());
            assert_eq!(u16::from_be_bytes([record[1] ^ mask[0], record[2] ^ mask[1]]), sequence);
            plain += usize::from(record[1..3] == sequence.to_be_bytes());
        }
        assert!(plain < 3, "{suite:?}");
    }
}

#[test]
fn nothing_is_allocated_per_record() {
    for suite in CipherSuite::ALL {
        let (mut sealer, mut opener) = pair(suite);
        let Overhead { head, tail } = sealer.overhead();
        let mut buf = [0; 1300];
        let mut round = || {
            let mut slot = Slot::new(&mut buf, head, tail, 1200);
            slot.fill(1200);
            sealer.seal(DATA, &mut slot).unwrap();
            let range = slot.range();
            opener.open(&mut buf[range]).unwrap();
            opener.open(&mut buf[..1]).unwrap_err();
        };
        round();
        let info = allocation_counter::measure(|| (0..100).for_each(|_| round()));
        assert_eq!(info.count_total, 0, "{suite:?}");
    }
}

#[test]
fn an_idle_direction_is_small() {
    assert!(size_of::<Sealer>() <= 128, "{}", size_of::<Sealer>());
    assert!(size_of::<Opener>() <= 176, "{}", size_of::<Opener>());
    for suite in CipherSuite::ALL {
        let (mut sealer, mut opener) = pair(suite);
        let talk = |sealer: &mut Sealer, opener: &mut Opener| {
            let mut record = seal(sealer, b"a word");
            opener.open(&mut record).unwrap();
        };
        talk(&mut sealer, &mut opener);
        let rested = allocation_counter::measure(|| (sealer.rest(), opener.rest()).0);
        assert_eq!(rested.bytes_current, 0, "they were in use a moment ago");
        let rested = allocation_counter::measure(|| (sealer.rest(), opener.rest()).0);
        // The ciphers, which lie on the heap of the library that they come from, do not count here.
        assert!(rested.bytes_current < 0, "{suite:?}");
        talk(&mut sealer, &mut opener);
    }
}

proptest! {
    #[test]
    fn whatever_is_sealed_comes_out_again(
        suite in 0..CipherSuite::ALL.len(),
        contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..2000), 1..12),
        order in any::<prop::sample::Index>(),
        start in 0..0x7FFF_u64,
    ) {
        let (mut sealer, mut opener) = pair(CipherSuite::ALL[suite]);
        sealer.skip_to(start);
        let mut records: Vec<_> = contents.iter().map(|content| seal(&mut sealer, content)).collect();
        let turn = order.index(records.len());
        records.rotate_left(turn);
        let contents = contents[turn..].iter().chain(&contents[..turn]);
        for (mut record, content) in records.into_iter().zip(contents) {
            let opened = opener.open(&mut record).unwrap();
            prop_assert_eq!(opened.content_type, DATA);
            prop_assert_eq!(&record[opened.content], &content[..]);
        }
    }

    #[test]
    fn no_bytes_make_an_opener_panic(suite in 0..CipherSuite::ALL.len(), mut bytes in prop::collection::vec(any::<u8>(), 0..80), first in 0x20..0x30_u8) {
        let (_, mut opener) = pair(CipherSuite::ALL[suite]);
        prop_assert!(opener.open(&mut bytes.clone()).is_err());
        if let Some(byte) = bytes.first_mut() {
            *byte = first;
        }
        prop_assert!(opener.open(&mut bytes).is_err());
    }
}
