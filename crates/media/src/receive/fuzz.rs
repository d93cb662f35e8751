//! Bodies of fuzz targets.

use alloc::vec::Vec;

use peerage_base::ecn::Ecn;
use peerage_base::reader::Reader;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_rtp::extension::kind::Kind;
use peerage_rtp::ntp::Compact;
use peerage_rtp::numbers::{PayloadType, SequenceNumber, Ssrc, Timestamp};
use peerage_rtp::packet::write::PacketWriter;
use peerage_rtp::packet::{Header, Packet, raw};
use peerage_rtp::payload::codec::Codec;
use peerage_rtp::payload::fec::header::Scheme;
use peerage_rtp::rtcp::ccfb::build::ReportTime;
use peerage_rtp::rtcp::write::Writer;

use super::audio::decision::Decision;
use super::audio::{self, AudioReceiver};
use super::feedback::{self, PerStream, TransportWide};
use super::nack::Origin;
use super::repair::{self, Recovery, Rewriter, Unwrapped};
use super::video::{self, VideoReceiver};

const CODECS: [Codec; 5] = [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::H265, Codec::Av1];

/// One step: how long after the last, a choice, and the packet.
struct Step<'a> {
    wait: Duration,
    choice: u8,
    header: Header,
    payload: &'a [u8],
}

/// Small steps of numbers and time mostly, so that most packets are near each other.
fn step<'a>(r: &mut Reader<'a>, number: &mut u16, timestamp: &mut u32) -> Option<Step<'a>> {
    let (wait, choice, by, ticks, len) = (r.u8()?, r.u8()?, r.u8()?, r.u8()?, r.u8()?);
    let payload = r.bytes(usize::from(len).min(r.len()))?;
    *number = match by {
        0xFF => r.u16().unwrap_or(0),
        _ => number.wrapping_add(u16::from(by % 8)).wrapping_sub(2),
    };
    *timestamp = match ticks {
        0xFF => r.u32().unwrap_or(0),
        _ => timestamp.wrapping_add(u32::from(ticks % 8) * 480),
    };
    let header = Header {
        marker: choice & 1 == 1,
        payload_type: PayloadType::from_byte(96 + (choice >> 1 & 3)),
        sequence_number: SequenceNumber(*number),
        timestamp: Timestamp(*timestamp),
        ssrc: Ssrc(u32::from(choice >> 7)),
    };
    Some(Step { wait: Duration::from_millis(wait.into()), choice, header, payload })
}

fn packet(header: &Header, payload: &[u8], buf: &mut [u8; 400]) -> usize {
    let mut slot = Slot::new(buf, 0, 0, 400);
    let mut writer = PacketWriter::new(&mut slot, header, &[]).expect("there is room");
    writer.room()[..payload.len()].copy_from_slice(payload);
    writer.finish(payload.len(), 0).expect("there is room")
}

/// Video: whatever comes, polling ends, frames are shown in order and no deadline stays in the past.
pub fn video(data: &[u8]) {
    let mut r = Reader::new(data);
    let codec = CODECS[usize::from(r.u8().unwrap_or(0)) % CODECS.len()];
    let mut config = video::Config::new(codec);
    // Extensions are read straight from the payload bytes of whole packets.
    let _ = config.extensions.insert(Kind::DependencyDescriptor, 1);
    let _ = config.extensions.insert(Kind::PlayoutDelay, 2);
    let mut receiver = VideoReceiver::new(Ssrc(1), config);
    let (mut now, mut number, mut timestamp) = (Instant::from_millis(1_000), 65_530, 0);
    let (mut out, mut ask, mut last) = (Vec::new(), Vec::new(), Instant::ORIGIN);
    while let Some(step) = step(&mut r, &mut number, &mut timestamp) {
        now += step.wait;
        let origin =
            [Origin::Sent, Origin::Sent, Origin::Retransmitted, Origin::Recovered][usize::from(step.choice >> 3 & 3)];
        let mut buf = [0; 400];
        // As it is, if it is a packet; with a header before it otherwise.
        let len = packet(&step.header, step.payload, &mut buf);
        let bytes = if step.choice & 0x20 != 0 { step.payload } else { &buf[..len] };
        if let Ok(packet) = Packet::parse(bytes) {
            receiver.handle_packet(now, &packet, origin);
        }
        while let Some(frame) = receiver.poll_frame(now, &mut out) {
            assert!(frame.render_at >= now && frame.render_at <= now + Duration::from_secs(3));
            assert!(frame.render_at >= last || frame.picture.is_key);
            last = frame.render_at;
            out.clear();
        }
        ask.clear();
        receiver.poll_nack(now, &mut ask);
        assert!(ask.len() <= 1_000);
        receiver.poll_key_request(now);
        assert!(receiver.poll_timeout().is_none_or(|due| due > now));
    }
}

/// Sound: whatever comes, every tick ends and what is ahead stays bounded.
pub fn audio(data: &[u8]) {
    let mut r = Reader::new(data);
    let types = [96, 97, 98].map(PayloadType::from_byte);
    let mut config = audio::Config::new(types[0], Codec::Opus);
    config.formats.push((types[1], Codec::ComfortNoise));
    config.red = Some(types[2]);
    let mut receiver = AudioReceiver::new(Ssrc(1), config);
    let (mut now, mut number, mut timestamp) = (Instant::from_millis(1_000), 65_530, 0);
    while let Some(step) = step(&mut r, &mut number, &mut timestamp) {
        now += step.wait;
        let mut buf = [0; 400];
        let len = packet(&step.header, step.payload, &mut buf);
        if let Ok(packet) = Packet::parse(&buf[..len]) {
            receiver.handle_packet(now, &packet);
        }
        let mut ahead = 0u64;
        let ends = (0..1_000).any(|_| {
            let stretch = match receiver.next(now) {
                Decision::Play { .. } => return true,
                Decision::Accelerate { .. } => -i32::from(step.choice) * 8,
                Decision::Slow => i32::from(step.choice) * 8,
                Decision::Decode(encoded) | Decision::DecodeRedundancy(encoded) => {
                    ahead += u64::from(encoded.ticks);
                    return false;
                }
                _ => return false,
            };
            receiver.stretched(stretch);
            false
        });
        // 30 ms for stretching, and one packet of 120 ms beyond.
        assert!(ends && ahead <= 480 * 3 + 5_760 * 2);
    }
}

/// Packets to be unwrapped, protected and recovered; and feedback on all of them.
pub fn repair(data: &[u8]) {
    let mut r = Reader::new(data);
    let scheme = [Scheme::Ulp, Scheme::Flex03, Scheme::Flex][usize::from(r.u8().unwrap_or(0)) % 3];
    let types = [96, 97, 98, 99].map(PayloadType::from_byte);
    let mut rewriter = Rewriter::new();
    rewriter.pair(Ssrc(1), Ssrc(0));
    rewriter.associate(types[1], types[0]);
    rewriter.set_red(Some(types[2]));
    let mut recovery = Recovery::new(scheme, repair::Config::default());
    let mut wide = TransportWide::new(feedback::Config::default());
    let mut streams = PerStream::new(feedback::Config::default());
    let (mut now, mut number, mut timestamp) = (Instant::from_millis(1_000), 65_530, 0);
    while let Some(step) = step(&mut r, &mut number, &mut timestamp) {
        now += step.wait;
        let ssrc = step.header.ssrc;
        wide.handle_arrival(now, ssrc, step.header.sequence_number);
        streams.handle_arrival(now, ssrc, step.header.sequence_number, Ecn::from_bits(step.choice >> 4));
        let mut buf = [0; 400];
        let len = packet(&step.header, step.payload, &mut buf);
        if let Ok(Unwrapped::Sent(plain) | Unwrapped::Retransmitted(plain)) = rewriter.unwrap(&mut buf[..len]) {
            match Packet::parse(plain) {
                Ok(packet) if raw::payload_type(plain) == Some(types[3]) => recovery.handle_repair(&packet),
                Ok(_) => recovery.handle_media(plain),
                Err(_) => panic!("what was a packet is one still"),
            }
        }
        let most = (0..100).find(|_| recovery.poll().is_none_or(|packet| Packet::parse(packet).is_err()));
        assert!(most.is_some());
        let mut room = [0; 200];
        let mut slot = Slot::new(&mut room, 0, 0, 200);
        let mut writer = Writer::new(&mut slot);
        wide.poll(now, &mut writer, Ssrc(9));
        streams.poll(ReportTime { at: now, ntp: Compact(1) }, &mut writer, Ssrc(9));
        writer.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn bodies_hold_for_noise(data in prop::collection::vec(prop_oneof![3 => any::<u8>(), 1 => 0u8..9, 1 => Just(0xFF)], 0..1_500)) {
            video(&data);
            audio(&data);
            repair(&data);
        }
    }
}
