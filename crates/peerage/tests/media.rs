//! Audio and video between two connections, over real sockets on loopback.

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::{Call, event, within};
use peerage::media::sender::Handed;
use peerage::{Codec, DataChannelInit, Direction, EncodedFrame, EncoderEvent, Event, MediaKind, ReceivedFrame};
use peerage::{RtpReceiver, RtpSender, RtpTransceiverInit};

/// An encoded frame: what is in it does not matter but for the first bytes, by which a key frame of VP8 is told.
fn payload(codec: Codec, number: u32, len: usize, is_key: bool) -> Bytes {
    let mut bytes: Vec<u8> = (0..len).map(|n| (n as u32).wrapping_mul(7).wrapping_add(number) as u8).collect();
    if codec == Codec::Vp8 {
        // RFC 7741 §4.3: the lowest bit tells a key frame, whose start code follows.
        bytes[..10].copy_from_slice(&[u8::from(!is_key), 0, 0, 0x9D, 0x01, 0x2A, 64, 1, 240, 0]);
    }
    bytes[10..14].copy_from_slice(&number.to_be_bytes());
    bytes.into()
}

fn number(frame: &ReceivedFrame) -> u32 {
    u32::from_be_bytes(frame.payload[10..14].try_into().unwrap())
}

fn sound(number: u32) -> EncodedFrame {
    EncodedFrame::new(payload(Codec::Opus, number, 80, true), number * 960)
}

fn picture(number: u32, is_key: bool) -> EncodedFrame {
    let frame = EncodedFrame::new(payload(Codec::Vp8, number, 3000, is_key), number * 3600);
    if is_key { frame.key() } else { frame }
}

/// The next track that a side is told of.
async fn track(from: &mut tokio::sync::mpsc::UnboundedReceiver<Event>) -> RtpReceiver {
    event(from, |event| match event {
        Event::Track { receiver, .. } => Some(receiver),
        _ => None,
    })
    .await
}

/// Sends pictures until `is_done`, key frames when they are asked for.
async fn film(sender: &RtpSender, encoding: usize, mut is_done: impl FnMut() -> bool) -> u32 {
    let mut wants_key = true;
    let mut sent = 0;
    while !is_done() {
        while let Some(event) = sender.try_encoder_event() {
            wants_key |= matches!(event, EncoderEvent::KeyFrame { encoding: of } if of == encoding);
        }
        let is_key = std::mem::take(&mut wants_key);
        if sender.send_frame_on(encoding, picture(sent, is_key)).await.unwrap() == Handed::Taken {
            sent += 1;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    sent
}

#[tokio::test]
async fn frames_of_both_kinds_go_both_ways() {
    within(async {
        let mut call = Call::new();
        let ours = [MediaKind::Audio, MediaKind::Video]
            .map(|kind| call.a.add_transceiver(kind, RtpTransceiverInit::default()).unwrap());
        // The answerer sends on the sections of the offer.
        let offer = call.a.create_offer().await.unwrap();
        call.a.set_local_description(offer.clone()).await.unwrap();
        call.b.set_remote_description(offer).await.unwrap();
        let theirs = [MediaKind::Audio, MediaKind::Video].map(|kind| call.b.add_track(kind, vec!["s".into()]).unwrap());
        assert_eq!(call.b.transceivers().len(), 2);
        let answer = call.b.create_answer().await.unwrap();
        call.b.set_local_description(answer.clone()).await.unwrap();
        call.a.set_remote_description(answer).await.unwrap();
        for sender in ours.iter().map(|transceiver| transceiver.sender()).chain(theirs) {
            sender.ready().await.unwrap();
            let codec = sender.codec().unwrap();
            let mut at_peer = Vec::new();
            for n in 0..20 {
                let frame = if codec == Codec::Opus { sound(n) } else { picture(n, n == 0) };
                assert_eq!(sender.send_frame(frame).await.unwrap(), Handed::Taken);
                at_peer.push(n);
            }
        }
        for from in [&mut call.from_b, &mut call.from_a] {
            for codec in [Codec::Opus, Codec::Vp8] {
                let receiver = track(from).await;
                for n in 0..20 {
                    let frame = receiver.recv_frame().await.unwrap();
                    assert_eq!((frame.codec, number(&frame)), (codec, n));
                    assert_eq!(frame.is_key, codec == Codec::Opus || n == 0);
                }
            }
        }
        assert_eq!(ours.map(|transceiver| transceiver.current_direction()), [Some(Direction::SendRecv); 2]);
    })
    .await;
}

#[tokio::test]
async fn a_track_joins_a_connection_that_carries_data() {
    within(async {
        let mut call = Call::new();
        let channel = call.a.create_data_channel("data", DataChannelInit::default()).unwrap();
        call.negotiate().await;
        channel.opened().await.unwrap();
        let sender = call.a.add_track(MediaKind::Audio, vec!["stream".into()]).unwrap();
        assert!(sender.send_frame(sound(0)).await.is_err(), "nothing was agreed on yet");
        call.negotiate().await;
        let (receiver, streams) = event(&mut call.from_b, |event| match event {
            Event::Track { receiver, streams, .. } => Some((receiver, streams)),
            _ => None,
        })
        .await;
        assert_eq!(streams, ["stream"]);
        sender.ready().await.unwrap();
        sender.send_frame(sound(7)).await.unwrap();
        assert_eq!(number(&receiver.recv_frame().await.unwrap()), 7);
        assert!(!receiver.is_muted());
    })
    .await;
}

#[tokio::test]
async fn a_lost_decoder_gets_a_key_frame() {
    within(async {
        let mut call = Call::new();
        let sender = call.a.add_track(MediaKind::Video, Vec::new()).unwrap();
        call.negotiate().await;
        sender.ready().await.unwrap();
        let receiver = track(&mut call.from_b).await;
        let (watched, done) = (receiver.clone(), std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)));
        let is_done = done.clone();
        let watching = tokio::spawn(async move {
            assert!(watched.recv_frame().await.unwrap().is_key);
            for _ in 0..5 {
                assert!(!watched.recv_frame().await.unwrap().is_key);
            }
            watched.request_key_frame();
            while !watched.recv_frame().await.unwrap().is_key {}
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        film(&sender, 0, || is_done.load(std::sync::atomic::Ordering::Relaxed)).await;
        watching.await.unwrap();
    })
    .await;
}

/// Offers that cross (W3C WebRTC §10.7): the one of `b`, with its tracks, gives way to that of `a`.
#[tokio::test]
async fn tracks_of_an_offer_that_gave_way_are_carried_both_ways() {
    within(async {
        let mut call = Call::new();
        let channel = call.a.create_data_channel("data", DataChannelInit::default()).unwrap();
        call.negotiate().await;
        channel.opened().await.unwrap();
        let kinds = [MediaKind::Audio, MediaKind::Video];
        let theirs = kinds.map(|kind| call.b.add_track(kind, vec!["b".into()]).unwrap());
        call.b.set_local_description(None).await.unwrap();
        let ours = kinds.map(|kind| call.a.add_track(kind, vec!["a".into()]).unwrap());
        call.a.set_local_description(None).await.unwrap();
        // The offer of `b` is on its way and will be ignored.
        call.b.set_remote_description(call.a.local_description().unwrap()).await.unwrap();
        call.b.set_local_description(None).await.unwrap();
        call.a.set_remote_description(call.b.local_description().unwrap()).await.unwrap();
        assert_eq!((call.a.transceivers().len(), call.b.transceivers().len()), (2, 2));
        for (senders, from) in [(&ours, &mut call.from_b), (&theirs, &mut call.from_a)] {
            let receivers = [track(from).await, track(from).await];
            for (sender, receiver) in senders.iter().zip(receivers) {
                sender.ready().await.unwrap();
                let is_sound = sender.codec().unwrap() == Codec::Opus;
                for n in 0..5 {
                    let frame = if is_sound { sound(n) } else { picture(n, n == 0) };
                    assert_eq!(sender.send_frame(frame).await.unwrap(), Handed::Taken);
                }
                for n in 0..5 {
                    assert_eq!(number(&receiver.recv_frame().await.unwrap()), n);
                }
            }
        }
    })
    .await;
}
