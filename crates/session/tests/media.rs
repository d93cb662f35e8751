//! Audio and video between two sessions.

mod common;

use std::sync::Arc;

use bytes::Bytes;
use common::{A, B, Duo, MS, SEC, Setup, Signal};
use peerage_base::time::Duration;
use peerage_session::config::MediaOptions;
use peerage_session::delivery::Delivery;
use peerage_session::event::Event;
use peerage_session::face::audio::decision::Decision;
use peerage_session::face::{
    Codec, Direction, Format, Frame, Limit, MediaKind, Packet, RidId, Timestamp, TransceiverId, TransceiverInit,
};
use peerage_session::media::frames::{Forwardable, IncomingFrame};
use peerage_session::media::limits::EncodingLimits;
use peerage_session::media::sending::SendFrameError;
use peerage_sim::link::{Link, Loss};

/// Two peers that take audio and video.
fn duo(seed: u64, link: Link) -> Duo {
    let mut setup = Setup::new(seed, link);
    setup.config.media = Some(Arc::new(MediaOptions::default()));
    setup.build()
}

fn add(duo: &mut Duo, side: usize, kind: MediaKind) -> TransceiverId {
    let init = TransceiverInit { track: Some("ours".into()), streams: vec!["stream".into()], ..Default::default() };
    duo.session(side).add_transceiver(kind, init).unwrap()
}

/// An encoded frame: what is in it does not matter but for the first bytes, by which a key frame is told.
fn payload(codec: Codec, number: u32, len: usize, is_key: bool) -> Bytes {
    let mut bytes: Vec<u8> = (0..len).map(|n| (n as u32).wrapping_mul(7).wrapping_add(number) as u8).collect();
    if codec == Codec::Vp8 {
        // RFC 7741 §4.3: the lowest bit tells a key frame, whose start code follows.
        bytes[..10].copy_from_slice(&[u8::from(!is_key), 0, 0, 0x9D, 0x01, 0x2A, 64, 1, 240, 0]);
    }
    if codec == Codec::Opus {
        // RFC 6716 §3.1: one frame of 20 ms.
        bytes[0] = 0x78;
    }
    bytes[10..14].copy_from_slice(&number.to_be_bytes());
    bytes.into()
}

fn number(frame: &IncomingFrame) -> u32 {
    u32::from_be_bytes(frame.payload[10..14].try_into().unwrap())
}

/// Sends audio every 20 ms and video every 40 for a while; key frames when they are asked for.
fn talk(
    duo: &mut Duo,
    from: usize,
    (audio, video): (TransceiverId, TransceiverId),
    time: Duration,
    bytes: usize,
) -> u32 {
    let mut wants_key = true;
    let mut seen = 0;
    let ticks = (time.as_millis() / 20) as u32;
    for tick in 0..ticks {
        let now = duo.now();
        let log = &duo.peer(from).log;
        wants_key |= log[seen..].iter().any(|(_, event)| matches!(event, Event::KeyFrameRequested { .. }));
        seen = log.len();
        let session = duo.session(from);
        let sound = payload(Codec::Opus, tick, 80, true);
        let frame = Frame::new(sound, Format::plain(Codec::Opus), Timestamp(tick * 960), now);
        session.send_frame(now, audio, 0, frame).unwrap();
        if tick % 2 == 0 {
            let picture = payload(Codec::Vp8, tick / 2, if wants_key { 3 * bytes } else { bytes }, wants_key);
            let mut frame = Frame::new(picture, Format::plain(Codec::Vp8), Timestamp(tick * 1800), now);
            frame.is_key = core::mem::take(&mut wants_key);
            session.send_frame(now, video, 0, frame).unwrap();
        }
        duo.run(20 * MS);
    }
    ticks
}

fn connected(seed: u64, link: Link) -> (Duo, TransceiverId, TransceiverId) {
    let mut duo = duo(seed, link);
    let (audio, video) = (add(&mut duo, A, MediaKind::Audio), add(&mut duo, A, MediaKind::Video));
    duo.offer(A);
    duo.connect();
    duo.run(100 * MS);
    (duo, audio, video)
}

/// What arrived of each kind.
fn heard(duo: &Duo, side: usize, codec: Codec) -> Vec<&IncomingFrame> {
    let frames = duo.peer(side).frames.values().flatten().map(|(_, frame)| frame);
    frames.filter(|frame| frame.codec == codec).collect()
}

#[test]
fn frames_of_both_kinds_arrive_as_they_were_sent() {
    let (mut duo, audio, video) = connected(1, Link::with_delay(10 * MS));
    assert_eq!(duo.peer(B).count(|event| matches!(event, Event::Track { .. })), 2);
    let ticks = talk(&mut duo, A, (audio, video), 2 * SEC, 5000);
    duo.run(SEC);
    let sounds = heard(&duo, B, Codec::Opus);
    assert_eq!(sounds.iter().map(|frame| number(frame)).collect::<Vec<_>>(), (0..ticks).collect::<Vec<_>>());
    let pictures = heard(&duo, B, Codec::Vp8);
    assert_eq!(pictures.iter().map(|frame| number(frame)).collect::<Vec<_>>(), (0..ticks / 2).collect::<Vec<_>>());
    assert!(pictures[0].is_key && !pictures[1].is_key);
    assert_eq!(pictures[1].payload, payload(Codec::Vp8, 1, 5000, false));
    assert_eq!(pictures[1].timestamp.0.wrapping_sub(pictures[0].timestamp.0), 3600);
    assert!(pictures.last().unwrap().captured.is_some(), "sender reports tell the time");
}

#[test]
fn the_answerer_sends_as_well() {
    let (mut duo, ..) = connected(2, Link::with_delay(10 * MS));
    let theirs: Vec<_> = duo.session(B).transceivers().iter().map(|t| (t.id(), t.kind())).collect();
    assert_eq!(theirs.iter().map(|(_, kind)| *kind).collect::<Vec<_>>(), [MediaKind::Audio, MediaKind::Video]);
    let (audio, video) = (theirs[0].0, theirs[1].0);
    // Nothing is sent that was not agreed on.
    let now = duo.now();
    let frame = || Frame::new(payload(Codec::Opus, 0, 80, true), Format::plain(Codec::Opus), Timestamp(0), now);
    assert_eq!(duo.session(B).send_frame(now, audio, 0, frame()), Err(SendFrameError::NotSending));
    for id in [audio, video] {
        duo.session(B).set_direction(id, Direction::SendRecv).unwrap();
    }
    duo.offer(B);
    duo.run(SEC);
    assert_eq!(duo.errors, []);
    let ticks = talk(&mut duo, B, (audio, video), SEC, 3000);
    duo.run(SEC);
    assert_eq!(heard(&duo, A, Codec::Opus).len(), ticks as usize);
    assert_eq!(heard(&duo, A, Codec::Vp8).len(), ticks as usize / 2);
}

#[test]
fn what_is_lost_is_repaired() {
    let (mut duo, audio, video) = connected(3, Link::with_delay(10 * MS));
    duo.set_loss(Loss::Random(0.05));
    let ticks = talk(&mut duo, A, (audio, video), 10 * SEC, 5000);
    duo.set_loss(Loss::None);
    duo.run(SEC);
    let pictures = heard(&duo, B, Codec::Vp8);
    let gaps = pictures.iter().filter(|frame| frame.follows_gap).count();
    assert!(
        pictures.len() * 100 >= ticks as usize / 2 * 98,
        "{} of {} pictures, {gaps} gaps",
        pictures.len(),
        ticks / 2
    );
    let sounds = heard(&duo, B, Codec::Opus).len();
    assert!(sounds * 100 >= ticks as usize * 90, "{sounds} of {ticks} sounds");
}

/// A call over a long path that loses packets one by one: what both sides are made with, and what comes of it.
fn protected(seed: u64, change: impl Fn(&mut MediaOptions)) -> (Duo, TransceiverId, f64) {
    let mut setup = Setup::new(seed, Link::with_delay(120 * MS));
    let mut options = MediaOptions::default();
    change(&mut options);
    setup.config.media = Some(Arc::new(options));
    let mut duo = setup.build();
    let (audio, video) = (add(&mut duo, A, MediaKind::Audio), add(&mut duo, A, MediaKind::Video));
    duo.offer(A);
    duo.connect();
    duo.run(100 * MS);
    duo.set_loss(Loss::Random(0.025));
    let ticks = talk(&mut duo, A, (audio, video), 20 * SEC, 5000);
    duo.set_loss(Loss::None);
    duo.run(SEC);
    let share = heard(&duo, B, Codec::Vp8).len() as f64 / f64::from(ticks / 2);
    (duo, video, share)
}

/// Repair packets that arrived, and packets that they recovered.
fn recovered(duo: &mut Duo, side: usize) -> (u64, u64) {
    let stats = duo.session(side).media_stats().unwrap();
    let of_video = stats.inbound.iter().find(|stream| stream.codec == Codec::Vp8).unwrap();
    of_video.recovery.map_or((0, 0), |recovery| (recovery.repairs, recovery.recovered))
}

#[test]
fn repair_packets_travel_beside_the_media_and_recover_it() {
    for (without, wanted) in [("", 121), ("flexfec", 122)] {
        let (mut duo, video, share) =
            protected(20, |options| Arc::make_mut(&mut options.tables).video.retain(|codec| codec.name != without));
        let encoding = duo.session(A).agreed(video).unwrap().encodings[0].clone();
        let sent = duo.peer(A).packets.clone();
        let of = |number: u8, ssrc: u32| sent.get(&(number, ssrc)).copied().unwrap_or(0);
        let (media, repairs) = (of(96, encoding.ssrc), of(wanted, encoding.fec_ssrc));
        assert!(media > 2_000 && repairs > media / 50, "{sent:?}");
        assert!(repairs < media / 3, "{repairs} of {media}");
        assert_eq!(sent.keys().filter(|(_, ssrc)| *ssrc == encoding.ssrc).count(), 1, "media stays as it is: {sent:?}");
        let (arrived, recovered) = recovered(&mut duo, B);
        assert!(arrived > repairs as u64 * 9 / 10 && recovered > 20, "{arrived} of {repairs}, {recovered} recovered");
        assert!(share > 0.98, "{share}");
    }
}

#[test]
fn without_a_stream_of_its_own_repair_goes_inside_the_media() {
    let (mut duo, video, share) = protected(21, |options| {
        Arc::make_mut(&mut options.tables).video.retain(|codec| !codec.name.starts_with("flexfec"));
    });
    let encoding = duo.session(A).agreed(video).unwrap().encodings[0].clone();
    let sent = &duo.peer(A).packets;
    assert!(sent.contains_key(&(118, encoding.ssrc)) && !sent.contains_key(&(96, encoding.ssrc)), "{sent:?}");
    assert!(recovered(&mut duo, B).1 > 20 && share > 0.98, "{share}");
}

#[test]
fn what_is_not_wanted_is_not_protected() {
    let (mut duo, video, share) = protected(22, |options| options.repair.most = 0);
    let encoding = duo.session(A).agreed(video).unwrap().encodings[0].clone();
    let sent = &duo.peer(A).packets;
    assert!(sent.keys().all(|(_, ssrc)| *ssrc != encoding.fec_ssrc), "{sent:?}");
    assert!(sent.keys().any(|(_, ssrc)| *ssrc == encoding.repair_ssrc), "lost packets are sent again");
    assert!(recovered(&mut duo, B) == (0, 0) && share > 0.8, "{share}");
}

#[test]
fn a_short_path_is_repaired_by_sending_again_alone() {
    let (mut duo, audio, video) = connected(23, Link::with_delay(10 * MS));
    duo.set_loss(Loss::Random(0.05));
    talk(&mut duo, A, (audio, video), 5 * SEC, 5000);
    let encoding = duo.session(A).agreed(video).unwrap().encodings[0].clone();
    let sent = &duo.peer(A).packets;
    assert!(sent.keys().all(|(_, ssrc)| *ssrc != encoding.fec_ssrc), "{sent:?}");
    assert!(sent[&(97, encoding.repair_ssrc)] > 10 && recovered(&mut duo, B) == (0, 0));
}

#[test]
fn the_rate_follows_the_path() {
    let bottleneck = Link { rate: Some(2_000_000), ..Link::with_delay(20 * MS) };
    let (mut duo, audio, video) = connected(4, bottleneck);
    talk(&mut duo, A, (audio, video), 5 * SEC, 4000);
    let told = duo.peer(A).facts(|event| match event {
        Event::TargetBitrate { transceiver, bitrate, .. } if *transceiver == video => Some(*bitrate),
        _ => None,
    });
    let last = told.last().copied().unwrap_or_default();
    // 4,000 bytes 25 times a second are 800 kbit/s: what there is beyond twice of it is not looked for.
    assert!((700_000..2_000_000).contains(&last), "{told:?}");
}

/// Plays what is there as a sound card would; how many packets were decoded, and how much was made up.
fn play(duo: &mut Duo, side: usize, id: TransceiverId) -> (u32, u32) {
    let (now, mut decoded, mut concealed) = (duo.now(), 0, 0);
    let Some(audio) = duo.session(side).playout(id) else { return (0, 0) };
    loop {
        match audio.next(now) {
            Decision::Play { .. } => return (decoded, concealed),
            Decision::Accelerate { .. } => audio.stretched(-240),
            Decision::Slow => audio.stretched(240),
            Decision::Decode(_) => decoded += 1,
            Decision::Conceal { .. } => concealed += 1,
            _ => {}
        }
    }
}

#[test]
fn sound_waits_for_the_picture_that_goes_with_it() {
    const ENCODING: Duration = Duration::from_millis(250);
    let (mut duo, audio, video) = connected(5, Link::with_delay(10 * MS));
    let theirs = duo.session(B).transceivers()[0].id();
    let now = duo.now();
    duo.session(B).set_delivery(now, theirs, Delivery::Playout);
    let (mut decoded, mut concealed) = (0, 0);
    for tick in 0..1000u32 {
        let now = duo.now();
        let session = duo.session(A);
        let sound =
            Frame::new(payload(Codec::Opus, tick, 80, true), Format::plain(Codec::Opus), Timestamp(tick * 960), now);
        session.send_frame(now, audio, 0, sound).unwrap();
        // The picture takes a quarter of a second to encode.
        let picture = payload(Codec::Vp8, tick, 500, tick == 0);
        let mut picture = Frame::new(picture, Format::plain(Codec::Vp8), Timestamp(tick * 1800), now - ENCODING);
        picture.is_key = tick == 0;
        session.send_frame(now, video, 0, picture).unwrap();
        for _ in 0..2 {
            duo.run(10 * MS);
            let (more, made_up) = play(&mut duo, B, theirs);
            (decoded, concealed) = (decoded + more, concealed + made_up);
        }
    }
    let there = duo.session(B).playout(theirs).unwrap().there();
    assert!((200 * MS..350 * MS).contains(&there), "{there:?} of sound wait");
    assert!(decoded > 950 && concealed < 20, "{decoded} decoded, {concealed} made up");
}

#[test]
fn packets_are_passed_on_as_they_come() {
    let (mut duo, audio, video) = connected(6, Link::with_delay(10 * MS));
    let theirs: Vec<_> = duo.session(B).transceivers().iter().map(|t| t.id()).collect();
    let now = duo.now();
    theirs.iter().for_each(|id| duo.session(B).set_delivery(now, *id, Delivery::Packets));
    talk(&mut duo, A, (audio, video), SEC, 5000);
    duo.run(100 * MS);
    let mut indices = Vec::new();
    while let Some(packet) = duo.session(B).recv_packet(theirs[1]) {
        let opened = Packet::parse(&packet.bytes).unwrap();
        assert_eq!((packet.codec, opened.header.sequence_number.0), (Codec::Vp8, packet.index as u16));
        indices.push(packet.index);
    }
    assert!(indices.len() > 100 && indices.is_sorted_by(|a, b| a + 1 == *b), "{indices:?}");
    assert!(duo.session(B).recv_packet(theirs[0]).is_some());
    assert!(duo.session(B).recv_frame(theirs[1]).is_none());
}

#[test]
fn a_peer_that_ends_its_track_is_noticed_and_may_come_back() {
    let (mut duo, audio, video) = connected(7, Link::with_delay(10 * MS));
    talk(&mut duo, A, (audio, video), SEC, 2000);
    duo.session(A).remove_track(video).unwrap();
    duo.offer(A);
    duo.run(SEC);
    assert_eq!(duo.peer(B).count(|event| matches!(event, Event::TrackMuted(_))), 1);
    let now = duo.now();
    let frame = Frame::new(payload(Codec::Vp8, 0, 100, true), Format::plain(Codec::Vp8), Timestamp(0), now);
    assert_eq!(duo.session(A).send_frame(now, video, 0, frame), Err(SendFrameError::NotSending));
    duo.session(A).set_direction(video, Direction::SendOnly).unwrap();
    duo.offer(A);
    duo.run(SEC);
    let before = heard(&duo, B, Codec::Vp8).len();
    let ticks = talk(&mut duo, A, (audio, video), SEC, 2000);
    duo.run(SEC);
    assert_eq!(duo.errors, []);
    assert_eq!(heard(&duo, B, Codec::Vp8).len() - before, ticks as usize / 2, "numbers go on, so SRTP takes them");
}

#[test]
fn data_and_media_share_the_path() {
    let bottleneck = Link { rate: Some(4_000_000), queue: 64 << 10, ..Link::with_delay(20 * MS) };
    let mut duo = duo(8, bottleneck);
    let (audio, video) = (add(&mut duo, A, MediaKind::Audio), add(&mut duo, A, MediaKind::Video));
    let channel = duo.open(A, "bulk");
    duo.offer(A);
    duo.connect();
    duo.run(SEC);
    for _ in 0..400 {
        duo.send(A, channel, vec![0; 16 << 10]);
    }
    let from = duo.now();
    let ticks = talk(&mut duo, A, (audio, video), 10 * SEC, 4000);
    let received = duo.peer(B).received();
    let delays = duo.peer(B).frames.values().flatten().filter(|(at, frame)| *at > from && frame.codec == Codec::Opus);
    let sounds = delays.count();
    let pictures = heard(&duo, B, Codec::Vp8).len();
    assert!(sounds * 100 > ticks as usize * 97, "{sounds} of {ticks} sounds");
    assert!(pictures * 100 > ticks as usize / 2 * 90, "{pictures} of {} pictures", ticks / 2);
    // 864 kbit/s are media; most of the rest is for data.
    assert!(received > 10 * 150_000, "{received} bytes of data in 10 s");
}

#[test]
fn what_one_peer_publishes_another_gets_without_being_encoded_again() {
    let (mut up, audio, video) = connected(9, Link::with_delay(10 * MS));
    let mut down = duo(10, Link::with_delay(10 * MS));
    let out = [add(&mut down, A, MediaKind::Audio), add(&mut down, A, MediaKind::Video)];
    let now = down.now();
    out.iter().for_each(|id| down.session(A).set_forwards(now, *id, true));
    down.offer(A);
    down.connect();
    let apart = up.now().since(down.now()).max(down.now().since(up.now()));
    if up.now() < down.now() {
        up.run(apart)
    } else {
        down.run(apart)
    }
    let now = up.now();
    let come: Vec<_> = up.session(B).transceivers().iter().map(|t| t.id()).collect();
    come.iter().for_each(|id| up.session(B).set_delivery(now, *id, Delivery::Forward));
    let mut selected = false;
    for tick in 0..150u32 {
        let now = up.now();
        assert_eq!(now, down.now());
        let wants = up.peer(A).count(|event| matches!(event, Event::KeyFrameRequested { .. }));
        let sound =
            Frame::new(payload(Codec::Opus, tick, 80, true), Format::plain(Codec::Opus), Timestamp(tick * 960), now);
        up.session(A).send_frame(now, audio, 0, sound).unwrap();
        let is_key = tick == 0 || (wants > 0 && tick == 60);
        let picture = payload(Codec::Vp8, tick, 3000, is_key);
        let mut picture = Frame::new(picture, Format::plain(Codec::Vp8), Timestamp(tick * 1800), now);
        picture.is_key = is_key;
        up.session(A).send_frame(now, video, 0, picture).unwrap();
        up.run(20 * MS);
        down.run(20 * MS);
        let now = up.now();
        if tick >= 50 && !selected {
            selected = true;
            for (out, come) in out.iter().zip(&come) {
                let sources = up.session(B).sources(now, *come);
                assert!(sources.len() == 1 && !sources[0].layers.is_empty(), "{sources:?}");
                down.session(A).select(now, *out, Some(sources[0].ssrc), Limit::NONE);
            }
            up.session(B).request_key_frame(now, come[1], None);
        }
        for (out, come) in out.iter().zip(&come) {
            while let Some(item) = up.session(B).recv_forwardable(*come) {
                match item {
                    Forwardable::Packet { shared, .. } => {
                        let _ = down.session(A).forward(now, *out, &shared);
                    }
                    Forwardable::Report { source, ntp, timestamp } => {
                        down.session(A).source_report(now, *out, source, (ntp, timestamp));
                    }
                    _ => {}
                }
            }
        }
    }
    down.run(SEC);
    let pictures: Vec<_> = heard(&down, B, Codec::Vp8).iter().map(|frame| number(frame)).collect();
    assert_eq!(pictures, (60..150).collect::<Vec<_>>(), "from the key frame on, each of them");
    let sounds = heard(&down, B, Codec::Opus).len();
    assert!(sounds > 95, "{sounds} sounds");
    assert!(heard(&down, B, Codec::Vp8).last().unwrap().captured.is_some());
}

/// A transceiver that sends several encodings side by side.
fn simulcast(duo: &mut Duo, rids: &[&str]) -> TransceiverId {
    let rids = rids.iter().copied().filter_map(RidId::new).collect();
    let init =
        TransceiverInit { track: Some("ours".into()), rids, direction: Direction::SendOnly, ..Default::default() };
    duo.session(A).add_transceiver(MediaKind::Video, init).unwrap()
}

/// Sends pictures of `N` encodings, each twice the `size` of the one before it, and key frames when they are asked for.
fn film<const N: usize>(duo: &mut Duo, video: TransceiverId, pictures: u32, size: usize) {
    let mut wants = [true; N];
    for tick in 0..pictures {
        let now = duo.now();
        for (encoding, wants) in wants.iter_mut().enumerate() {
            let is_key = core::mem::take(wants);
            let picture = payload(Codec::Vp8, tick, size << encoding, is_key);
            let mut frame = Frame::new(picture, Format::plain(Codec::Vp8), Timestamp(tick * 3000), now);
            frame.is_key = is_key;
            duo.session(A).send_frame(now, video, encoding, frame).unwrap();
        }
        let before = duo.peer(A).log.len();
        duo.run(33 * MS);
        for (_, event) in &duo.peer(A).log[before..] {
            if let Event::KeyFrameRequested { encoding, .. } = event {
                wants[*encoding] = true;
            }
        }
    }
}

#[test]
fn encodings_side_by_side_arrive_under_their_names() {
    let mut duo = duo(11, Link::with_delay(10 * MS));
    let video = simulcast(&mut duo, &["q", "h", "f"]);
    duo.offer(A);
    duo.connect();
    duo.run(100 * MS);
    assert_eq!(duo.session(A).agreed(video).unwrap().encodings.len(), 3);
    duo.set_loss(Loss::Random(0.02));
    film::<3>(&mut duo, video, 150, 800);
    duo.set_loss(Loss::None);
    duo.run(SEC);
    for (encoding, rid) in ["q", "h", "f"].into_iter().enumerate() {
        let frames = heard(&duo, B, Codec::Vp8).into_iter().filter(|frame| frame.rid.as_deref() == Some(rid));
        let sizes: Vec<_> = frames.map(|frame| frame.payload.len()).collect();
        assert!(
            sizes.len() > 140 && sizes.iter().all(|len| *len == 800 << encoding),
            "{rid}: {} {sizes:?}",
            sizes.len()
        );
    }
}

#[test]
fn encodings_side_by_side_are_repaired_each_by_its_own() {
    let mut duo = duo(12, Link::with_delay(120 * MS));
    let video = simulcast(&mut duo, &["h", "l"]);
    // Another section of the same formats: by these alone a repair packet belongs to neither.
    add(&mut duo, A, MediaKind::Video);
    duo.offer(A);
    duo.connect();
    duo.run(100 * MS);
    duo.set_loss(Loss::Random(0.025));
    film::<2>(&mut duo, video, 400, 3000);
    duo.set_loss(Loss::None);
    duo.run(SEC);
    let encodings = duo.session(A).agreed(video).unwrap().encodings.clone();
    let sent = &duo.peer(A).packets;
    for encoding in &encodings {
        assert!(sent.get(&(121, encoding.fec_ssrc)).is_some_and(|count| *count > 20), "{sent:?}");
    }
    let (arrived, found) = recovered(&mut duo, B);
    assert!(arrived > 40 && found > 20, "{arrived} arrived, {found} recovered");
    let drops = duo.session(B).media_stats().unwrap().drops;
    assert_eq!((drops.unknown, drops.malformed), (0, 0), "{drops:?}");
}

/// The rate that an encoding was told last.
fn told(duo: &Duo, side: usize, id: TransceiverId, of: usize) -> Option<u64> {
    let rates = duo.peer(side).facts(|event| match event {
        Event::TargetBitrate { transceiver, encoding, bitrate } if (*transceiver, *encoding) == (id, of) => {
            Some(*bitrate)
        }
        _ => None,
    });
    rates.last().copied()
}

fn limits(active: bool, max_bitrate: Option<u64>) -> EncodingLimits {
    let mut limits = EncodingLimits::default();
    (limits.active, limits.max_bitrate) = (active, max_bitrate);
    limits
}

#[test]
fn an_encoding_that_is_switched_off_sends_nothing_and_begins_anew() {
    let mut duo = duo(13, Link::with_delay(10 * MS));
    let video = simulcast(&mut duo, &["q", "h"]);
    duo.offer(A);
    duo.connect();
    duo.run(100 * MS);
    let film = |duo: &mut Duo, ticks: core::ops::Range<u32>| {
        let mut outcomes = [Ok(()), Ok(())];
        for tick in ticks {
            let now = duo.now();
            for (encoding, outcome) in outcomes.iter_mut().enumerate() {
                let is_key = tick % 50 == 0;
                let mut frame = Frame::new(
                    payload(Codec::Vp8, tick, 1500, is_key),
                    Format::plain(Codec::Vp8),
                    Timestamp(tick * 3000),
                    now,
                );
                frame.is_key = is_key;
                *outcome = duo.session(A).send_frame(now, video, encoding, frame);
            }
            duo.run(33 * MS);
        }
        outcomes
    };
    assert_eq!(film(&mut duo, 0..50), [Ok(()), Ok(())]);
    assert!(told(&duo, A, video, 0) > Some(0) && told(&duo, A, video, 1) > Some(0));
    // The larger one, which pads, goes; the smaller one has the rate then.
    let (now, upper) = (duo.now(), duo.session(A).agreed(video).unwrap().encodings[1].clone());
    duo.session(A).set_encoding(now, video, 1, limits(false, None));
    duo.run(100 * MS);
    assert_eq!(told(&duo, A, video, 1), Some(0));
    assert!(told(&duo, A, video, 0) > Some(200_000), "{:?}", told(&duo, A, video, 0));
    let count = |duo: &Duo| {
        let sent = duo.peer(A).packets.iter();
        sent.filter(|((_, ssrc), _)| [upper.ssrc, upper.repair_ssrc, upper.fec_ssrc].contains(ssrc))
            .map(|(_, n)| n)
            .sum::<usize>()
    };
    let before = count(&duo);
    assert_eq!(film(&mut duo, 50..200), [Ok(()), Err(SendFrameError::Inactive)]);
    assert_eq!(count(&duo), before, "neither media nor padding");
    let asked = duo.peer(A).count(|event| matches!(event, Event::KeyFrameRequested { encoding: 1, .. }));
    let now = duo.now();
    duo.session(A).set_encoding(now, video, 1, limits(true, None));
    duo.run(10 * MS);
    let asks = duo.peer(A).count(|event| matches!(event, Event::KeyFrameRequested { encoding: 1, .. }));
    assert_eq!(asks, asked + 1);
    assert!(told(&duo, A, video, 1) > Some(0));
    assert_eq!(film(&mut duo, 200..220), [Ok(()), Ok(())]);
    duo.run(SEC);
    let frames = heard(&duo, B, Codec::Vp8).into_iter().filter(|frame| frame.rid.as_deref() == Some("h"));
    let numbers: Vec<_> = frames.map(number).collect();
    assert_eq!(numbers, (0..50).chain(200..220).collect::<Vec<_>>());
    // With all of it off nothing is looked for on the path.
    let now = duo.now();
    (0..2).for_each(|encoding| duo.session(A).set_encoding(now, video, encoding, limits(false, None)));
    duo.run(SEC);
    let before = duo.peer(A).packets.values().sum::<usize>();
    duo.run(3 * SEC);
    assert_eq!(duo.peer(A).packets.values().sum::<usize>(), before);
}

#[test]
fn no_encoding_is_given_more_than_it_may_have_and_others_get_the_rest() {
    let bottleneck = Link { rate: Some(3_000_000), ..Link::with_delay(20 * MS) };
    let mut duo = duo(14, bottleneck);
    let (first, second) = (add(&mut duo, A, MediaKind::Video), add(&mut duo, A, MediaKind::Video));
    let now = duo.now();
    duo.session(A).set_encoding(now, first, 0, limits(true, Some(300_000)));
    duo.offer(A);
    duo.connect();
    for tick in 0..300u32 {
        let now = duo.now();
        for (id, len) in [(first, 1200), (second, 5000)] {
            let is_key = tick == 0;
            let mut frame = Frame::new(
                payload(Codec::Vp8, tick, len, is_key),
                Format::plain(Codec::Vp8),
                Timestamp(tick * 3000),
                now,
            );
            frame.is_key = is_key;
            let _ = duo.session(A).send_frame(now, id, 0, frame);
        }
        duo.run(33 * MS);
    }
    let rates = |id| {
        duo.peer(A).facts(|event| match event {
            Event::TargetBitrate { transceiver, bitrate, .. } if *transceiver == id => Some(*bitrate),
            _ => None,
        })
    };
    let (narrow, wide) = (rates(first), rates(second));
    assert!(narrow.iter().all(|rate| *rate <= 300_000) && narrow.last() == Some(&300_000), "{narrow:?}");
    assert!(wide.last() > Some(&1_000_000), "half of all were less: {wide:?}");
}

#[test]
fn an_encoding_that_the_peer_wants_paused_is_not_sent() {
    let mut duo = duo(15, Link::with_delay(10 * MS));
    let video = simulcast(&mut duo, &["q", "h"]);
    duo.tamper = Box::new(|from, signal| match signal {
        Signal::Description(mut description) if from == B => {
            assert!(description.sdp.contains("a=simulcast:recv q;h"));
            description.sdp = description.sdp.replace("a=simulcast:recv q;h", "a=simulcast:recv q;~h");
            Some(Signal::Description(description))
        }
        other => Some(other),
    });
    duo.offer(A);
    duo.connect();
    duo.run(100 * MS);
    assert!(duo.session(A).agreed(video).unwrap().encodings[1].paused);
    let now = duo.now();
    for (encoding, outcome) in [Ok(()), Err(SendFrameError::Inactive)].into_iter().enumerate() {
        let mut frame = Frame::new(payload(Codec::Vp8, 0, 1500, true), Format::plain(Codec::Vp8), Timestamp(0), now);
        frame.is_key = true;
        assert_eq!(duo.session(A).send_frame(now, video, encoding, frame), outcome);
    }
    assert!(told(&duo, A, video, 0) > Some(200_000) && told(&duo, A, video, 1).is_none_or(|rate| rate == 0));
}
