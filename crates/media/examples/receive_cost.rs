//! What a packet costs a receiver. `receive_cost PART PACKETS` does one part of its work so often; under `valgrind
//! --tool=callgrind` two runs of different length tell the instructions of a packet. Without a part it does all of them.

use std::env;

use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_media::receive::audio::decision::Decision;
use peerage_media::receive::audio::{self, AudioReceiver};
use peerage_media::receive::feedback::{Config, TransportWide};
use peerage_media::receive::nack::{self, Origin};
use peerage_media::receive::repair::{self, Recovery, Rewriter, Unwrapped};
use peerage_media::receive::video::{self, VideoReceiver};
use peerage_rtp::numbers::{PayloadType, SequenceNumber, Ssrc, Timestamp};
use peerage_rtp::packet::write::PacketWriter;
use peerage_rtp::packet::{Header, Packet};
use peerage_rtp::payload::codec::Codec;
use peerage_rtp::payload::fec::header::Scheme;
use peerage_rtp::rtcp::write::Writer;

const VP8: PayloadType = PayloadType::from_byte(96);
const RTX: PayloadType = PayloadType::from_byte(97);
const OPUS: PayloadType = PayloadType::from_byte(111);
/// Packets of a frame.
const FRAME: u64 = 4;

fn packet(header: &Header, payload: &[u8], len: usize, buf: &mut [u8]) -> usize {
    let mut slot = Slot::new(buf, 0, 0, 1_500);
    let mut writer = PacketWriter::new(&mut slot, header, &[]).expect("room for a header");
    writer.room()[..payload.len()].copy_from_slice(payload);
    writer.finish(len, 0).expect("room for a packet")
}

fn media(n: u64, buf: &mut [u8]) -> usize {
    let header = Header {
        marker: n % FRAME == FRAME - 1,
        payload_type: VP8,
        sequence_number: SequenceNumber(n as u16),
        timestamp: Timestamp((n / FRAME * 3_000) as u32),
        ssrc: Ssrc(1),
    };
    let payload: &[u8] = match (n % FRAME, n) {
        (0, 0) => &[0x10, 0, 0, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0],
        (0, _) => &[0x10, 1, 0, 0],
        _ => &[0],
    };
    packet(&header, payload, 1_100, buf)
}

fn sound(n: u64, buf: &mut [u8]) -> usize {
    let header = Header {
        marker: false,
        payload_type: OPUS,
        sequence_number: SequenceNumber(n as u16),
        timestamp: Timestamp((960 * n) as u32),
        ssrc: Ssrc(4),
    };
    packet(&header, &[0xF8, 0, 1, 2], 60, buf)
}

/// Pictures, every `loss`th packet missing and sent again 100 ms later; 0 for none.
fn video(count: u64, loss: u64) {
    let mut receiver = VideoReceiver::new(Ssrc(1), video::Config::new(Codec::Vp8));
    let mut rewriter = Rewriter::new();
    rewriter.pair(Ssrc(2), Ssrc(1));
    rewriter.associate(RTX, VP8);
    let (mut buf, mut out, mut ask) = ([0; 1_500], Vec::new(), Vec::new());
    let mut give = |receiver: &mut VideoReceiver, n: u64, now: Instant, origin: Origin| {
        let len = media(n, &mut buf);
        let Ok(Unwrapped::Sent(bytes)) = rewriter.unwrap(&mut buf[..len]) else { unreachable!() };
        receiver.handle_packet(now, &Packet::parse(bytes).expect("a packet"), origin);
    };
    let mut frames = 0;
    for n in 0..count {
        let now = Instant::from_millis(1_000 + 8 * n);
        if loss == 0 || n % loss != loss / 2 {
            give(&mut receiver, n, now, Origin::Sent);
        }
        if loss > 0 && n > 12 && (n - 12) % loss == loss / 2 {
            give(&mut receiver, n - 12, now, Origin::Retransmitted);
        }
        while receiver.poll_frame(now, &mut out).is_some() {
            frames += 1;
            out.clear();
        }
        receiver.poll_nack(now, &mut ask);
        receiver.poll_key_request(now);
        ask.clear();
    }
    assert!(frames * FRAME * 10 > count * 9, "{frames}");
}

fn audio(count: u64) {
    let mut config = audio::Config::new(OPUS, Codec::Opus);
    config.nack = Some(nack::Config::default());
    let mut receiver = AudioReceiver::new(Ssrc(4), config);
    let (mut buf, mut ask, mut decoded) = ([0; 1_500], Vec::new(), 0);
    for n in 0..count {
        let now = Instant::from_millis(1_000 + 20 * n);
        let len = sound(n, &mut buf);
        receiver.handle_packet(now, &Packet::parse(&buf[..len]).expect("a packet"));
        receiver.poll_nack(now, &mut ask);
        for now in [now, now + Duration::from_millis(10)] {
            loop {
                match receiver.next(now) {
                    Decision::Decode(_) => decoded += 1,
                    Decision::Play { .. } => break,
                    _ => {}
                }
            }
        }
    }
    assert!(decoded * 10 > count * 9, "{decoded}");
}

fn feedback(count: u64) {
    let mut feedback = TransportWide::new(Config::default());
    let (mut buf, mut bytes) = ([0; 1_500], 0);
    for n in 0..count {
        let now = Instant::from_nanos(n * 1_000_000 + n % 7 * 100_000);
        feedback.handle_arrival(now, Ssrc(1), SequenceNumber(n as u16));
        let mut slot = Slot::new(&mut buf, 0, 0, 1_200);
        let mut writer = Writer::new(&mut slot);
        if feedback.poll(now, &mut writer, Ssrc(9)) {
            bytes += writer.finish();
        }
    }
    assert!(bytes as u64 > count);
}

fn recovery(count: u64) {
    let mut recovery = Recovery::new(Scheme::Flex03, repair::Config::default());
    let mut buf = [0; 1_500];
    for n in 0..count {
        let len = media(n, &mut buf);
        recovery.handle_media(&buf[..len]);
        assert!(recovery.poll().is_none());
    }
}

/// What the others have beside: packets written.
fn writing(count: u64) {
    let (mut buf, mut bytes) = ([0; 1_500], 0);
    for n in 0..count {
        bytes += media(n, &mut buf);
    }
    assert!(bytes as u64 > 1_000 * count);
}

fn main() {
    let mut arguments = env::args().skip(1);
    let wanted = arguments.next();
    let count = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(100_000);
    let is_wanted = |name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
    let run = |name: &str, part: &dyn Fn(u64)| {
        if is_wanted(name) {
            part(count);
            println!("{name}: {count} packets");
        }
    };
    run("writing", &writing);
    run("video", &|count| video(count, 0));
    run("video-loss", &|count| video(count, 20));
    run("audio", &audio);
    run("feedback", &feedback);
    run("recovery", &recovery);
}
