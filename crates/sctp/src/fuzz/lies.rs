//! Chunks as one would write them who knows every number and tells nothing but lies.

use alloc::vec;
use alloc::vec::Vec;

use peerage_base::reader::Reader;

use super::seal;
use crate::association::Association;
use crate::chunk;
use crate::packet::{CHUNK_HEADER_LEN, padded};

/// Kinds of lies; the first ones cost their teller something and the other end nothing: what it sends has to arrive all the
/// same.
pub(super) const HARMLESS: u8 = 7;
const ALL: u8 = 13;

/// One chunk about where `victim` stands, padded. `heard` is the body of a heartbeat of the victim's. `None` when the input is
/// at its end.
pub(super) fn chunk(kind: u8, victim: &Association, heard: &[u8], input: &mut Reader<'_>) -> Option<Vec<u8>> {
    let (kind, flags, body) = match kind % ALL {
        // What is acknowledged is, and all that is said beyond it is not.
        0 => (chunk::SACK, 0, sack(victim, 0, input)?),
        1 => (chunk::ECNE, 0, input.bytes(12)?.to_vec()),
        2 => (chunk::HEARTBEAT, 0, filled(input)?),
        3 => (chunk::HEARTBEAT_ACK, 0, answer(heard, input)?),
        4 => (chunk::PAD, 0, filled(input)?),
        5 => (chunk::ERROR, 0, cause(input)?),
        // Unknown, in all four ways.
        6 => (input.u8()? | 0x3F, input.u8()?, filled(input)?),
        7 => (chunk::SACK, 0, ahead(input).and_then(|ahead| sack(victim, ahead, input))?),
        8 => (chunk::DATA, input.u8()?, data(victim, input)?),
        9 => (chunk::FORWARD_TSN, 0, forward(victim, input)?),
        10 => (chunk::RE_CONFIG, 0, reset(victim, input)?),
        11 => (chunk::SHUTDOWN, 0, near(victim.numbers()[0], ahead(input)?).to_vec()),
        _ => {
            let (kind, flags, len) = (input.u8()?, input.u8()?, usize::from(input.u8()?) & 63);
            (kind, flags, input.bytes(len.min(input.len()))?.to_vec())
        }
    };
    let len = u16::try_from(CHUNK_HEADER_LEN + body.len()).ok()?.to_be_bytes();
    let mut chunk = [&[kind, flags, len[0], len[1]], &body[..]].concat();
    chunk.resize(padded(chunk.len()), 0);
    Some(chunk)
}

/// A packet that passes as that of the victim's peer.
pub(super) fn packet(tag: u32, chunks: &[u8]) -> Vec<u8> {
    let (port, tag) = (5000u16.to_be_bytes(), tag.to_be_bytes());
    let mut packet = [&port[..], &port, &tag, &[0; 4], chunks].concat();
    seal(&mut packet);
    packet
}

/// How far from the truth: mostly a little.
fn ahead(input: &mut Reader<'_>) -> Option<i32> {
    Some(match input.u8()? {
        0xFF => i32::from_be_bytes(input.array()?),
        0xFE => i32::from(input.u16()?),
        near => i32::from(near) - 64,
    })
}

fn near(number: u32, ahead: i32) -> [u8; 4] {
    number.wrapping_add_signed(ahead).to_be_bytes()
}

/// A length that may be any, for content that does not matter.
fn filled(input: &mut Reader<'_>) -> Option<Vec<u8>> {
    Some(vec![0x5A; usize::from(input.u16()?).min(65_000)])
}

fn sack(victim: &Association, ahead: i32, input: &mut Reader<'_>) -> Option<Vec<u8>> {
    let [cumulative, ..] = victim.numbers();
    let window = match input.u8()? {
        window @ 0..=3 => u32::from(window),
        4..=7 => u32::MAX,
        8..=15 => input.u32()?,
        window => u32::from(window) << 10,
    };
    let (gaps, duplicates) = (input.u8()? & 63, input.u8()? & 31);
    let mut body = near(cumulative, ahead).to_vec();
    body.extend(window.to_be_bytes());
    body.extend([0, gaps, 0, duplicates]);
    let mut at = 0u16;
    for _ in 0..gaps {
        let (skip, len) = (u16::from(input.u8()?), u16::from(input.u8()?));
        let start = at.wrapping_add(if skip < 0xF0 { skip >> 4 } else { skip << 4 });
        at = start.wrapping_add(len >> 3);
        body.extend([start.to_be_bytes(), at.to_be_bytes()].concat());
    }
    for _ in 0..duplicates {
        body.extend(near(cumulative, i32::from(input.u8()?) - 128));
    }
    Some(body)
}

fn data(victim: &Association, input: &mut Reader<'_>) -> Option<Vec<u8>> {
    let [.., taken] = victim.numbers();
    let tsn = near(taken, ahead(input)?);
    let (stream, ssn) = (input.u8()?, input.u8()?);
    let stream = if stream == 0xFF { input.u16()? } else { u16::from(stream & 7) };
    let ppid = [50u32, 51, 52, 53, 54, 56, 57, 0][usize::from(input.u8()? & 7)].to_be_bytes();
    let mut body = [&tsn[..], &stream.to_be_bytes(), &[0, ssn & 7], &ppid].concat();
    let len = usize::from(input.u8()?);
    // Labels and the like are worth being read from the input.
    match len {
        0..=63 => body.extend(input.bytes(len.min(input.len()))?),
        _ => body.resize(body.len() + len * 8, 3),
    }
    Some(body)
}

fn forward(victim: &Association, input: &mut Reader<'_>) -> Option<Vec<u8>> {
    let [.., taken] = victim.numbers();
    let mut body = near(taken, ahead(input)?).to_vec();
    for _ in 0..input.u8()? & 31 {
        body.extend([0, input.u8()? & 7, 0, input.u8()? & 7]);
    }
    Some(body)
}

fn reset(victim: &Association, input: &mut Reader<'_>) -> Option<Vec<u8>> {
    let (kind, request) = (13 + u16::from(input.u8()? % 6), near(victim.expected_request(), ahead(input)?));
    let [_, next, taken] = victim.numbers();
    let mut body = match kind {
        // An answer: to what this end asked, its numbers being those of its TSNs.
        16 => [&near(next, ahead(input)?)[..], &[0, 0, 0, input.u8()? & 7]].concat(),
        13 => [&request[..], &[0; 4], &near(taken, ahead(input)?)].concat(),
        _ => request.to_vec(),
    };
    for _ in 0..input.u8()? & 15 {
        body.extend([0, input.u8()? & 15]);
    }
    let len = u16::try_from(4 + body.len()).ok()?;
    Some([&kind.to_be_bytes(), &len.to_be_bytes(), &body[..]].concat())
}

fn cause(input: &mut Reader<'_>) -> Option<Vec<u8>> {
    let (code, len) = (input.u8()? & 15, input.u8()?);
    Some([&[0, code, 0, len.max(4)], &vec![0; usize::from(len.max(4)) - 4][..]].concat())
}

/// A heartbeat's body comes back as it was, or with another time, or cut.
fn answer(heard: &[u8], input: &mut Reader<'_>) -> Option<Vec<u8>> {
    let mut body = heard.to_vec();
    match input.u8()? {
        0..=127 => {}
        len @ 128..=159 => body.truncate(usize::from(len) - 128),
        _ => body.iter_mut().skip(12).for_each(|byte| *byte ^= 0xFF),
    }
    Some(body)
}
