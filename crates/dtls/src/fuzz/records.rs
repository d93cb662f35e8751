//! Records at an opener, beside a list of what has to come of them.

use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

use peerage_base::reader::Reader;
use peerage_base::slot::Slot;
use peerage_crypto::aead::{Aead, TAG_LEN};
use peerage_crypto::hash::Hash;
use peerage_crypto::header::HeaderKey;
use peerage_crypto::secret::Secret;

use crate::protect::opener::{Opener, Refused};
use crate::protect::sealer::Sealer;
use crate::schedule::dtls12::{MasterSecret, TrafficKeys};
use crate::schedule::dtls13::{HandshakeSecrets, TrafficSecret};
use crate::suite::{CipherSuite, Epoch, Version};
use crate::wire::datagram::{Records, plausible};
use crate::wire::number::{MAX_SEQUENCE, reconstruct};
use crate::wire::replay::WIDTH;
use crate::wire::{ContentType, MAX_CONTENT};

const OPS: usize = 64;
/// Records that wait to be delivered.
const MAX_SENT: usize = 32;
/// Longest content that is sealed, in bytes.
const MAX_LEN: usize = 300;
const EPOCH: Epoch = Epoch(6);

/// The first byte chooses a suite; what follows seals, forges and delivers.
pub(super) fn run(data: &[u8]) {
    walk(data);
    let mut input = Reader::new(data);
    let Some(suite) = input.u8() else { return };
    let mut line = Line::new(CipherSuite::ALL[usize::from(suite) % CipherSuite::ALL.len()]);
    for _ in 0..OPS {
        if line.step(&mut input).is_none() {
            break;
        }
    }
}

/// The records of a datagram lie one behind the other, and the first of them is what makes it plausible.
fn walk(datagram: &[u8]) -> Vec<Vec<u8>> {
    let mut copy = datagram.to_vec();
    let (mut at, mut all) = (0, Vec::new());
    let mut records = Records::new(&mut copy);
    for record in records.by_ref() {
        assert_eq!(record.offset, at);
        assert!(record.header.len() <= record.bytes.len());
        at += record.bytes.len();
        all.push(record.bytes.to_vec());
    }
    assert_eq!(records.rest(), &datagram[at..]);
    assert!(!plausible(&datagram[at..]));
    assert_eq!(plausible(datagram), at > 0);
    all
}

/// A sealer and an opener, and what went between.
struct Line {
    version: Version,
    sealer: Sealer,
    opener: Opener,
    /// Of DTLS 1.3, to make records that no sealer makes.
    hand: Option<Hand>,
    sent: Vec<Sent>,
    /// The numbers that came.
    seen: BTreeSet<u64>,
    forged: u64,
}

#[derive(Clone)]
struct Sent {
    bytes: Vec<u8>,
    sequence: u64,
    /// How many bits of the number are in the record.
    bits: u32,
    content_type: ContentType,
    content: Vec<u8>,
}

/// The keys of a sealer of DTLS 1.3.
struct Hand {
    aead: Aead,
    mask: HeaderKey,
    iv: [u8; 12],
}

impl Line {
    fn new(suite: CipherSuite) -> Self {
        let version = suite.version().expect("the suite is known");
        let (sealer, opener, hand) = match version {
            Version::Dtls13 => {
                let secret = secret13(suite);
                let hand = Hand::new(suite, &secret);
                (Sealer::new13(suite, &secret, EPOCH), Opener::new13(suite, &secret, EPOCH), Some(hand))
            }
            Version::Dtls12 => (Sealer::new12(&keys12(suite)), Opener::new12(&keys12(suite)), None),
        };
        Self { version, sealer, opener, hand, sent: Vec::new(), seen: BTreeSet::new(), forged: 0 }
    }

    fn step(&mut self, input: &mut Reader<'_>) -> Option<()> {
        match input.u8()? % 10 {
            0 | 1 => self.seal(input)?,
            2 => {
                let sequence = number(input)?.min(MAX_SEQUENCE);
                self.sealer.skip_to(sequence);
            }
            3 => self.write_by_hand(input)?,
            4..=6 => {
                let sent = self.pick(input)?;
                self.deliver(&sent);
            }
            7 => {
                let mut bytes = self.pick(input)?.bytes;
                tamper(&mut bytes, input)?;
                self.refuse(&mut bytes);
            }
            8 => {
                let len = usize::from(input.u8()?).min(input.len());
                let mut bytes = input.bytes(len)?.to_vec();
                self.refuse(&mut bytes);
            }
            _ => {
                let all: Vec<_> = self.sent.iter().filter(|sent| delimits(&sent.bytes)).cloned().collect();
                let datagram: Vec<u8> = all.iter().flat_map(|sent| sent.bytes.clone()).collect();
                assert!(walk(&datagram).iter().eq(all.iter().map(|sent| &sent.bytes)), "not the records that it holds");
                all.iter().for_each(|sent| self.deliver(sent));
            }
        }
        Some(())
    }

    fn seal(&mut self, input: &mut Reader<'_>) -> Option<()> {
        let content_type = match input.u8()? {
            kind if self.hand.is_some() => ContentType(kind),
            // In the clear only what is known begins a record.
            kind => ContentType([20, 21, 22, 23, 24, 26][usize::from(kind) % 6]),
        };
        let content = vec![content_type.0; usize::from(input.u16()?) % MAX_LEN];
        let (overhead, sequence) = (self.sealer.overhead(), self.sealer.sealed());
        let mut bytes = vec![0; overhead.head + content.len() + overhead.tail];
        let mut slot = Slot::new(&mut bytes, overhead.head, overhead.tail, content.len());
        slot.room().copy_from_slice(&content);
        slot.fill(content.len());
        if let Ok(number) = self.sealer.seal(content_type, &mut slot) {
            assert_eq!((number.sequence, slot.packet().len()), (sequence, bytes.len()));
            // In DTLS 1.3 it is padding.
            let content = if self.hand.is_some() && content_type.0 == 0 { Vec::new() } else { content };
            self.send(Sent { bytes, sequence, bits: 16, content_type, content });
        }
        Some(())
    }

    /// Any form of header, any number, any padding.
    fn write_by_hand(&mut self, input: &mut Reader<'_>) -> Option<()> {
        let (form, content_type) = (input.u8()? & 0b1100, ContentType(input.u8()?));
        let (sequence, padding) = (number(input)?, input.u8()?);
        let content = vec![0xA5; usize::from(input.u16()?) % MAX_LEN];
        let Some(hand) = &self.hand else { return Some(()) };
        let mut inner = content.clone();
        inner.push(content_type.0);
        inner.resize(inner.len() + usize::from(padding), 0);
        let bytes = hand.seal(form, sequence, inner);
        let bits = if form & 0b1000 != 0 { 16 } else { 8 };
        // Padding cannot be told from a type of zero, and content from what is behind neither.
        let content =
            if content_type.0 == 0 { content.strip_suffix(&[0xA5]).unwrap_or_default().to_vec() } else { content };
        let content_type = if content_type.0 == 0 { ContentType(0xA5) } else { content_type };
        self.send(Sent { bytes, sequence, bits, content_type, content });
        Some(())
    }

    fn send(&mut self, sent: Sent) {
        if self.sent.len() == MAX_SENT {
            self.sent.remove(0);
        }
        self.sent.push(sent);
    }

    fn pick(&self, input: &mut Reader<'_>) -> Option<Sent> {
        let at = usize::from(input.u8()?);
        self.sent.get(at % self.sent.len().max(1)).cloned()
    }

    /// A record as it was sent.
    fn deliver(&mut self, sent: &Sent) {
        let mut bytes = sent.bytes.clone();
        let expected = self.expect(sent);
        let opened = self.opener.open(&mut bytes);
        match &opened {
            Ok(opened) => {
                assert_eq!((opened.number.sequence, opened.content_type), (sent.sequence, sent.content_type));
                assert_eq!(&bytes[opened.content.clone()], sent.content);
                assert!(sent.content.len() <= MAX_CONTENT);
            }
            Err(Refused::Forged) => self.forged += 1,
            Err(_) => {}
        }
        assert_eq!(opened.map(|_| ()), expected);
        if matches!(expected, Ok(()) | Err(Refused::Empty)) {
            assert!(self.seen.insert(sent.sequence), "opened twice");
        }
        assert_eq!(self.opener.forged(), self.forged);
    }

    fn expect(&self, sent: &Sent) -> Result<(), Refused> {
        let next = self.seen.last().map_or(0, |last| last.saturating_add(1));
        if self.version == Version::Dtls13 && reconstruct(next, sent.sequence as u16, sent.bits) != sent.sequence {
            return Err(Refused::Forged);
        }
        if next.saturating_sub(sent.sequence) > WIDTH {
            return Err(Refused::TooOld);
        }
        if self.seen.contains(&sent.sequence) {
            return Err(Refused::Replayed);
        }
        let is_data = sent.content_type == ContentType::APPLICATION_DATA;
        if sent.content.is_empty() && !is_data { Err(Refused::Empty) } else { Ok(()) }
    }

    /// A record that nobody sent.
    fn refuse(&mut self, bytes: &mut [u8]) {
        if self.sent.iter().any(|sent| sent.bytes == bytes) {
            return;
        }
        let refused = self.opener.open(bytes).expect_err("a forged record opened");
        self.forged += u64::from(refused == Refused::Forged);
        assert_eq!(self.opener.forged(), self.forged);
    }
}

impl Hand {
    fn new(suite: CipherSuite, secret: &TrafficSecret) -> Self {
        let algorithm = suite.aead().expect("the suite is known");
        let keys = secret.keys(algorithm);
        let mask = HeaderKey::new(algorithm, keys.number.as_ref());
        Self { aead: Aead::new(algorithm, keys.key.as_ref()), mask, iv: *keys.iv }
    }

    /// `form` has the bits of the header that say how long the number is and whether a length follows.
    fn seal(&self, form: u8, sequence: u64, mut inner: Vec<u8>) -> Vec<u8> {
        let mut header = vec![0x20 | form | (EPOCH.0 as u8 & 3)];
        let sequence_len = if form & 0b1000 != 0 { 2 } else { 1 };
        header.extend_from_slice(&sequence.to_be_bytes()[8 - sequence_len..]);
        if form & 0b100 != 0 {
            header.extend_from_slice(&((inner.len() + TAG_LEN) as u16).to_be_bytes());
        }
        let mut nonce = self.iv;
        nonce[4..].iter_mut().zip(sequence.to_be_bytes()).for_each(|(to, from)| *to ^= from);
        let tag = self.aead.seal_in_place(&nonce, &header, &mut inner);
        inner.extend_from_slice(&tag);
        let mask = self.mask.mask(inner.first_chunk().expect("a tag is as long as a sample"));
        header[1..=sequence_len].iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
        header.extend_from_slice(&inner);
        header
    }
}

/// Whether a record says where it ends.
fn delimits(record: &[u8]) -> bool {
    record.first().is_some_and(|first| first & 0xE0 != 0x20 || first & 0b100 != 0)
}

/// A number of any length up to eight bytes, so that small and large ones are as likely.
fn number(input: &mut Reader<'_>) -> Option<u64> {
    let len = usize::from(input.u8()?) % 9;
    Some(input.bytes(len)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn tamper(bytes: &mut Vec<u8>, input: &mut Reader<'_>) -> Option<()> {
    let (at, value) = (usize::from(input.u16()?), input.u8()?);
    let at = at % (bytes.len() + 1);
    match bytes.get_mut(at) {
        Some(byte) if value != 0 => *byte ^= value,
        Some(_) => bytes.truncate(at),
        None => bytes.push(value),
    }
    Some(())
}

fn secret13(suite: CipherSuite) -> TrafficSecret {
    let hash = suite.hash().unwrap_or(Hash::Sha256);
    HandshakeSecrets::new(hash, &Secret::from_slice(b"shared"), &hash.digest(b"transcript")).server
}

fn keys12(suite: CipherSuite) -> TrafficKeys {
    let hash = suite.hash().unwrap_or(Hash::Sha256);
    let master = MasterSecret::extended(hash, &Secret::from_slice(b"premaster"), &hash.digest(b"transcript"));
    let (_, server) = master.key_block(suite, &[1; 32], &[2; 32]);
    server
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replay() {
        peerage_testkit::replay::replay(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/records"), run);
    }

    #[test]
    fn the_seeds_reach_every_suite_and_verdict() {
        for suite in CipherSuite::ALL {
            let mut line = Line::new(suite);
            let ops: [&[u8]; 5] = [&[0, 23, 0, 9], &[4, 0], &[4, 0], &[0, 23, 0, 9], &[7, 1, 0, 20, 1]];
            for op in ops {
                line.step(&mut Reader::new(op)).unwrap();
            }
            assert_eq!((line.seen.len(), line.forged), (1, 1), "{suite:?}");
        }
    }
}
