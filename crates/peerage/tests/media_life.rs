//! What happens to audio and video in the course of a connection: changes, ends, and what is told of it.

mod common;

use std::time::Duration;

use common::{Call, event, within};
use peerage::media::forward::{Forwardable, Limit};
use peerage::media::playout::{Decoder, Encoded, SampleFormat};
use peerage::media::sender::{Handed, RtpParameters};
use peerage::media::transform::{Rejected, TransitFrame};
use peerage::sframe::{Decryptor, Encryptor, KeyId, Suite};
use peerage::stats::StatsEntry;
use peerage::{Codec, DataChannelInit, Direction, EncodedFrame, EncoderEvent, ErrorKind, Event, MediaKind};
use peerage::{RtpReceiver, RtpSender, RtpTransceiverInit};

/// A picture as VP8 has it: the lowest bit tells a key frame, whose start code follows (RFC 7741 §4.3).
fn picture(number: u32, is_key: bool, len: usize) -> EncodedFrame {
    let mut bytes = vec![u8::from(!is_key), 0, 0, 0x9D, 0x01, 0x2A, 64, 1, 240, 0];
    bytes.resize(len.max(10), number as u8);
    let mut frame = EncodedFrame::new(bytes, number * 3600);
    frame.is_key = is_key;
    frame
}

/// 20 ms of G.711.
fn sound(number: u32) -> EncodedFrame {
    EncodedFrame::new(vec![number as u8; 160], number * 160)
}

async fn track(from: &mut tokio::sync::mpsc::UnboundedReceiver<Event>) -> RtpReceiver {
    event(from, |event| match event {
        Event::Track { receiver, .. } => Some(receiver),
        _ => None,
    })
    .await
}

/// A call in which `a` sends.
async fn one_way(kind: MediaKind, init: RtpTransceiverInit) -> (Call, RtpSender, RtpReceiver) {
    let mut call = Call::new();
    let sender = call.a.add_transceiver(kind, init).unwrap().sender();
    call.negotiate().await;
    sender.ready().await.unwrap();
    let receiver = track(&mut call.from_b).await;
    (call, sender, receiver)
}

#[tokio::test]
async fn a_track_that_is_replaced_by_none_rests_and_begins_with_a_key_frame() {
    within(async {
        let (_call, sender, receiver) = one_way(MediaKind::Video, RtpTransceiverInit::default()).await;
        assert_eq!(sender.send_frame(picture(0, true, 100)).await.unwrap(), Handed::Taken);
        sender.replace_track(false).unwrap();
        assert_eq!(sender.send_frame(picture(1, false, 100)).await.unwrap(), Handed::Dropped);
        while sender.try_encoder_event().is_some() {}
        sender.replace_track(true).unwrap();
        assert_eq!(sender.encoder_event().await, Some(EncoderEvent::KeyFrame { encoding: 0 }));
        assert_eq!(sender.send_frame(picture(2, true, 100)).await.unwrap(), Handed::Taken);
        let first = receiver.recv_frame().await.unwrap().payload[10];
        assert_eq!((first, receiver.recv_frame().await.unwrap().payload[10]), (0, 2));
    })
    .await;
}

#[tokio::test]
async fn a_direction_mutes_and_a_stop_ends() {
    within(async {
        let (mut call, sender, receiver) = one_way(MediaKind::Audio, RtpTransceiverInit::default()).await;
        sender.set_codec(Codec::Pcmu).unwrap();
        sender.send_frame(sound(1)).await.unwrap();
        receiver.recv_frame().await.unwrap();
        let transceiver = call.a.transceivers().remove(0);
        transceiver.set_direction(Direction::Inactive).unwrap();
        call.negotiate().await;
        let muted = |event| matches!(event, Event::TrackMuted(_)).then_some(());
        event(&mut call.from_b, muted).await;
        assert!(receiver.is_muted() && !receiver.has_ended());
        assert!(sender.send_frame(sound(2)).await.is_err(), "nothing is sent on it now");
        transceiver.set_direction(Direction::SendRecv).unwrap();
        call.negotiate().await;
        let again = track(&mut call.from_b).await;
        sender.ready().await.unwrap();
        assert_eq!(sender.codec(), Some(Codec::Pcmu), "the choice holds");
        sender.send_frame(sound(3)).await.unwrap();
        assert_eq!(again.recv_frame().await.unwrap().payload[0], 3);
        // Whoever waits learns of the end, on this side at once.
        let waits = tokio::spawn({
            let sender = sender.clone();
            async move { while sender.encoder_event().await.is_some() {} }
        });
        let reads = tokio::spawn(async move { receiver.recv_frame().await });
        transceiver.stop().unwrap();
        waits.await.unwrap();
        assert!(transceiver.receiver().recv_frame().await.is_none());
        call.negotiate().await;
        assert!(reads.await.unwrap().is_none());
        event(&mut call.from_b, |event| matches!(event, Event::TrackEnded(_)).then_some(())).await;
    })
    .await;
}

#[tokio::test]
async fn encodings_side_by_side_are_told_by_name() {
    within(async {
        let mut init = RtpTransceiverInit::new(Direction::SendOnly);
        init.rids = vec!["low".into(), "high".into()];
        let (_call, sender, receiver) = one_way(MediaKind::Video, init).await;
        let names: Vec<_> = sender.parameters().encodings.into_iter().map(|encoding| encoding.rid).collect();
        assert_eq!(names, [Some("low".into()), Some("high".into())]);
        for n in 0..10 {
            for encoding in 0..2 {
                let frame = picture(10 * encoding as u32 + n, n == 0, 500);
                assert_eq!(sender.send_frame_on(encoding, frame).await.unwrap(), Handed::Taken);
            }
        }
        let mut seen = [0, 0];
        for _ in 0..20 {
            let frame = receiver.recv_frame().await.unwrap();
            let encoding = usize::from(frame.payload[10] >= 10);
            assert_eq!(frame.rid.as_deref(), Some(["low", "high"][encoding]));
            seen[encoding] += 1;
        }
        assert_eq!(seen, [10, 10]);
    })
    .await;
}

#[tokio::test]
async fn statistics_have_both_sides_of_a_call() {
    within(async {
        let (call, sender, receiver) = one_way(MediaKind::Video, RtpTransceiverInit::default()).await;
        call.a.create_data_channel("data", DataChannelInit::default()).unwrap();
        let mut n = 0;
        // Until the peer has reported, and the reports of the sender have come.
        loop {
            sender.send_frame(picture(n, n == 0, 3000)).await.unwrap();
            n += 1;
            while receiver.try_recv_frame().is_some() {}
            let told = call.a.get_stats().outbound().any(|stream| stream.remote_id.is_some());
            if told && call.b.get_stats().inbound().any(|stream| stream.remote_id.is_some()) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let (at_a, at_b) = (call.a.get_stats(), call.b.get_stats());
        let (out, into) = (at_a.outbound().next().unwrap(), at_b.inbound().next().unwrap());
        assert_eq!((out.kind.as_str(), out.ssrc, out.mid.as_deref()), ("video", into.ssrc, into.mid.as_deref()));
        assert!(out.frames_sent + 1 >= n.into() && out.key_frames_sent == 1 && out.packets_sent > out.frames_sent);
        assert!(into.frames_received > 0 && into.packets_received > 0 && into.bytes_received > 0, "{into:?}");
        let Some(StatsEntry::RemoteInboundRtp(told)) = at_a.entry(out.remote_id.as_ref().unwrap()) else { panic!() };
        assert_eq!((told.local_id.as_str(), told.packets_lost), (out.id.as_str(), 0));
        let Some(StatsEntry::Codec(codec)) = at_a.entry(&out.codec_id) else { panic!() };
        assert_eq!((codec.mime_type.as_str(), codec.clock_rate), ("video/VP8", 90_000));
        let Some(StatsEntry::Transport(transport)) = at_a.entry(&out.transport_id) else { panic!() };
        let Some(StatsEntry::CandidatePair(pair)) = at_a.entry(transport.selected_candidate_pair_id.as_ref().unwrap())
        else {
            panic!()
        };
        assert!(pair.state == "succeeded" && pair.available_outgoing_bitrate.is_some());
        assert!(matches!(at_a.entry(&pair.local_candidate_id), Some(StatsEntry::LocalCandidate(_))));
        let fingerprint = |report: &peerage::StatsReport, local: bool| {
            let found = report.entries.iter().find_map(|entry| match entry {
                StatsEntry::Transport(it) if local => it.local_certificate_id.clone(),
                StatsEntry::Transport(it) => it.remote_certificate_id.clone(),
                _ => None,
            });
            match report.entry(&found.unwrap()) {
                Some(StatsEntry::Certificate(it)) => it.fingerprint.clone(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(fingerprint(&at_a, true), fingerprint(&at_b, false));
        let ids: std::collections::BTreeSet<_> = at_a.entries.iter().map(StatsEntry::id).collect();
        assert_eq!(ids.len(), at_a.entries.len(), "ids are unique");
    })
    .await;
}

/// Stands for G.711: a byte is a sample.
struct Bytes;

impl Decoder for Bytes {
    fn decode(&mut self, encoded: &Encoded<'_>, out: &mut Vec<i16>) -> bool {
        out.extend(encoded.payload.iter().map(|byte| i16::from(*byte) * 16));
        true
    }
}

#[tokio::test]
async fn sound_is_played_from_a_plain_thread_without_gaps() {
    within(async {
        let (call, sender, receiver) = one_way(MediaKind::Audio, RtpTransceiverInit::default()).await;
        sender.set_codec(Codec::Pcmu).unwrap();
        let mut playout = receiver.playout(SampleFormat::new(8000, 1).unwrap(), Bytes);
        let card = std::thread::spawn(move || {
            let mut heard = Vec::new();
            let mut ticks = 0;
            let mut next = Duration::ZERO;
            let began = tokio::time::Instant::now();
            while let Some(samples) = playout.play() {
                assert_eq!(samples.len(), 80);
                heard.extend_from_slice(samples);
                ticks += 1;
                next += Duration::from_millis(10);
                std::thread::sleep(next.saturating_sub(began.elapsed()));
            }
            (heard, ticks)
        });
        let mut clock = tokio::time::interval(Duration::from_millis(20));
        for n in 0..100u32 {
            clock.tick().await;
            sender.send_frame(EncodedFrame::new(vec![100; 160], n * 160)).await.unwrap();
        }
        let stats = call.b.get_stats();
        let stream = stats.inbound().next().unwrap();
        assert!(stream.playout_id.is_some() && stream.total_samples_received > 8_000, "{stream:?}");
        call.b.close().await;
        let (heard, ticks) = card.join().unwrap();
        assert!(ticks >= 150, "{ticks} ticks");
        // Silence, then one sound: what is between its ends has no hole that was not concealed.
        let first = heard.iter().position(|sample| *sample == 1600).expect("something is heard");
        let last = heard.iter().rposition(|sample| *sample == 1600).unwrap();
        let holes = heard[first..=last].iter().filter(|sample| **sample == 0).count();
        assert!(last - first > 12_000 && holes * 20 < last - first, "{holes} of {}", last - first);
    })
    .await;
}

#[tokio::test]
async fn frames_encrypted_from_end_to_end_arrive() {
    within(async {
        let (_call, sender, receiver) = one_way(MediaKind::Video, RtpTransceiverInit::default()).await;
        let (suite, key) = (Suite::default(), [7; 32]);
        sender.set_transform(Encryptor::new(suite, KeyId(1), &key));
        for n in 0..10 {
            sender.send_frame(picture(n, n == 0, 2000)).await.unwrap();
        }
        // What is on the way is not what was sent.
        let first = receiver.recv_frame().await.unwrap();
        assert!(
            first.payload.len() > 2000
                && first.payload[..10] == picture(0, true, 10).payload
                && first.payload[20..30] != [0; 10]
        );
        receiver.set_transform(Decryptor::with_key(suite, KeyId(1), &key));
        for n in 1..10 {
            let frame = receiver.recv_frame().await.unwrap();
            assert_eq!(frame.payload, picture(n, false, 2000).payload);
        }
        assert_eq!((sender.transform_counts().passed, receiver.transform_counts().passed), (10, 9));
        assert_eq!(receiver.transform_counts().rejected, 0);
    })
    .await;
}

#[tokio::test]
async fn under_a_wrong_key_nothing_is_shown_and_nobody_is_asked_and_under_the_right_one_it_goes_on() {
    within(async {
        let (_call, sender, receiver) = one_way(MediaKind::Video, RtpTransceiverInit::default()).await;
        let (suite, key) = (Suite::default(), [7; 32]);
        sender.set_transform(Encryptor::new(suite, KeyId(1), &key));
        receiver.set_transform(Decryptor::with_key(suite, KeyId(1), &[8; 32]));
        let films = tokio::spawn(async move {
            let (mut keys, mut wants_key) = (Vec::new(), true);
            for n in 0..300 {
                while let Some(event) = sender.try_encoder_event() {
                    wants_key |= matches!(event, EncoderEvent::KeyFrame { .. });
                }
                if wants_key {
                    keys.push(n);
                }
                sender.send_frame(picture(n, std::mem::take(&mut wants_key), 500)).await.unwrap();
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            keys
        });
        let nothing = tokio::time::timeout(Duration::from_millis(1_500), receiver.recv_frame()).await;
        assert!(nothing.is_err(), "{nothing:?}");
        let counts = receiver.transform_counts();
        assert!(counts.rejected > 50 && (counts.passed, counts.stranded) == (0, 0), "{counts:?}");
        receiver.set_transform(Decryptor::with_key(suite, KeyId(1), &key));
        let first = receiver.recv_frame().await.unwrap();
        assert!(first.is_key && first.payload.len() == 500);
        let counts = receiver.transform_counts();
        assert!(counts.stranded > 0, "what the decoder cannot use is not handed over: {counts:?}");
        while receiver.transform_counts().passed < 20 {
            assert_eq!(receiver.recv_frame().await.unwrap().payload.len(), 500);
        }
        let keys = films.await.unwrap();
        assert!(keys.len() == 2 && keys[1] > 50, "one to begin with, one when it helped: {keys:?}");
    })
    .await;
}

#[tokio::test]
async fn what_a_transform_rejects_is_an_error_for_the_one_and_missing_for_the_other() {
    within(async {
        let (_call, sender, receiver) = one_way(MediaKind::Video, RtpTransceiverInit::default()).await;
        sender.set_transform(|frame: &mut TransitFrame<'_>| match frame.payload.len() {
            ..1000 => {
                frame.payload.extend_from_slice(b"mark");
                Ok(())
            }
            _ => Err(Rejected::new("it is too long")),
        });
        sender.send_frame(picture(0, true, 100)).await.unwrap();
        let error = sender.send_frame(picture(1, false, 2000)).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Operation && error.to_string().contains("it is too long"), "{error}");
        assert!(receiver.recv_frame().await.unwrap().payload.ends_with(b"mark"));
        sender.clear_transform();
        sender.send_frame(picture(1, false, 100)).await.unwrap();
        assert_eq!(receiver.recv_frame().await.unwrap().payload.len(), 100);
        let counts = sender.transform_counts();
        assert_eq!((counts.passed, counts.rejected), (1, 1));
        // A format that cannot be encrypted is not sent in the clear.
        sender.set_codec(Codec::H264).unwrap();
        sender.set_transform(Encryptor::new(Suite::default(), KeyId(1), &[7; 32]));
        let unit = EncodedFrame::new(vec![0, 0, 0, 1, 0x65, 1, 2, 3], 9000).key();
        let error = sender.send_frame(unit).await.unwrap_err();
        assert!(error.to_string().contains("H264 cannot be encrypted as a whole"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn sound_that_is_encrypted_is_played() {
    within(async {
        let (_call, sender, receiver) = one_way(MediaKind::Audio, RtpTransceiverInit::default()).await;
        sender.set_codec(Codec::Pcmu).unwrap();
        sender.set_transform(Encryptor::new(Suite::default(), KeyId(1), &[7; 32]));
        receiver.set_transform(Decryptor::with_key(Suite::default(), KeyId(1), &[7; 32]));
        let mut playout = receiver.playout(SampleFormat::new(8000, 1).unwrap(), Bytes);
        let mut clock = tokio::time::interval(Duration::from_millis(10));
        let mut heard = Vec::new();
        for n in 0..150u32 {
            clock.tick().await;
            if n % 2 == 0 {
                sender.send_frame(EncodedFrame::new(vec![100; 160], n / 2 * 160)).await.unwrap();
            }
            heard.extend_from_slice(playout.play().unwrap());
        }
        // Of what was not decrypted one sample in 256 would be right.
        let clear = heard.iter().filter(|sample| **sample == 1600).count();
        let counts = receiver.transform_counts();
        assert!(clear > 2_000 && counts.rejected == 0 && counts.passed > 20, "{clear} {counts:?}");
    })
    .await;
}

#[tokio::test]
async fn encodings_are_set_one_by_one() {
    within(async {
        let mut init = RtpTransceiverInit::new(Direction::SendOnly);
        init.rids = vec!["low".into(), "high".into()];
        let mut call = Call::new();
        let sender = call.a.add_transceiver(MediaKind::Video, init).unwrap().sender();
        // Before anything is agreed on.
        let mut parameters = sender.parameters();
        assert!(parameters.encodings.iter().all(|encoding| encoding.active && encoding.max_bitrate.is_none()));
        parameters.encodings[0].max_bitrate = Some(150_000);
        parameters.encodings[1].active = false;
        parameters.encodings[1].max_framerate = Some(15.0);
        parameters.encodings[1].scale_resolution_down_by = 2.0;
        sender.set_parameters(&parameters).unwrap();
        assert_eq!(sender.parameters().encodings, parameters.encodings);
        let told = std::iter::from_fn(|| sender.try_encoder_event()).collect::<Vec<_>>();
        assert_eq!(told, [EncoderEvent::Parameters { encoding: 0 }, EncoderEvent::Parameters { encoding: 1 }]);
        call.negotiate().await;
        sender.ready().await.unwrap();
        let receiver = track(&mut call.from_b).await;
        assert_eq!(sender.send_frame_on(0, picture(0, true, 500)).await.unwrap(), Handed::Taken);
        assert_eq!(sender.send_frame_on(1, picture(0, true, 500)).await.unwrap(), Handed::Dropped);
        assert_eq!(receiver.recv_frame().await.unwrap().rid.as_deref(), Some("low"));
        let told = std::iter::from_fn(|| sender.try_encoder_event()).collect::<Vec<_>>();
        assert!(told.contains(&EncoderEvent::TargetBitrate { encoding: 0, bitrate: 150_000 }), "{told:?}");
        // And in the middle of a call.
        let mut parameters = sender.parameters();
        parameters.encodings[1].active = true;
        sender.set_parameters(&parameters).unwrap();
        let told = std::iter::from_fn(|| sender.try_encoder_event()).collect::<Vec<_>>();
        assert_eq!(told.first(), Some(&EncoderEvent::Parameters { encoding: 1 }));
        assert_eq!(told.last(), Some(&EncoderEvent::KeyFrame { encoding: 1 }));
        assert_eq!(sender.send_frame_on(1, picture(1, true, 500)).await.unwrap(), Handed::Taken);
        assert_eq!(receiver.recv_frame().await.unwrap().rid.as_deref(), Some("high"));
        // What cannot be changes nothing.
        let before = sender.parameters();
        let refused = |change: &dyn Fn(&mut RtpParameters)| {
            let mut parameters = sender.parameters();
            change(&mut parameters);
            sender.set_parameters(&parameters).unwrap_err().kind()
        };
        assert_eq!(refused(&|p| p.encodings.reverse()), ErrorKind::InvalidModification);
        assert_eq!(refused(&|p| p.encodings.truncate(1)), ErrorKind::InvalidModification);
        for scale in [0.5, f64::NAN, f64::INFINITY, -1.0] {
            assert_eq!(refused(&|p| p.encodings[1].scale_resolution_down_by = scale), ErrorKind::Type);
        }
        assert_eq!(refused(&|p| p.encodings[0].max_framerate = Some(-1.0)), ErrorKind::Type);
        assert_eq!(sender.parameters().encodings, before.encodings);
    })
    .await;
}

#[tokio::test]
async fn packets_are_sent_on_to_a_viewer() {
    within(async {
        let (_publishing, publisher, from_publisher) = one_way(MediaKind::Video, RtpTransceiverInit::default()).await;
        let mut viewing = Call::new();
        let to_viewer =
            viewing.a.add_transceiver(MediaKind::Video, RtpTransceiverInit::new(Direction::SendOnly)).unwrap();
        let to_viewer = to_viewer.sender();
        to_viewer.set_forwards(true);
        viewing.negotiate().await;
        to_viewer.ready().await.unwrap();
        let viewer = track(&mut viewing.from_b).await;
        let forwards = tokio::spawn(async move {
            let mut source = None;
            while let Some(item) = from_publisher.recv_forwardable().await {
                match item {
                    Forwardable::Packet { shared, .. } => {
                        if source.is_none() {
                            source = from_publisher.sources().first().map(|source| source.ssrc);
                            to_viewer.select(source, Limit::NONE);
                        }
                        to_viewer.forward(&shared).unwrap();
                        if let Some(EncoderEvent::KeyFrame { .. }) = to_viewer.try_encoder_event() {
                            from_publisher.request_key_frame();
                        }
                    }
                    Forwardable::Report { source, ntp, timestamp } => to_viewer.source_report(source, ntp, timestamp),
                    _ => {}
                }
            }
        });
        let films = tokio::spawn(async move {
            let mut wants_key = true;
            for n in 0.. {
                while let Some(event) = publisher.try_encoder_event() {
                    wants_key |= matches!(event, EncoderEvent::KeyFrame { .. });
                }
                let frame = picture(n, std::mem::take(&mut wants_key), 3000);
                if publisher.send_frame(frame).await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let first = viewer.recv_frame().await.unwrap();
        assert!(first.is_key);
        for _ in 0..20 {
            let frame = viewer.recv_frame().await.unwrap();
            assert_eq!(frame.payload.len(), 3000);
        }
        films.abort();
        forwards.abort();
    })
    .await;
}

#[tokio::test]
async fn handles_may_go_and_connections_close_while_frames_fly() {
    within(async {
        let (call, sender, receiver) = one_way(MediaKind::Video, RtpTransceiverInit::default()).await;
        drop(receiver);
        let sends = tokio::spawn(async move {
            let mut n = 0;
            while sender.send_frame(picture(n, n == 0, 20_000)).await.is_ok() {
                n += 1;
                tokio::task::yield_now().await;
            }
            (n, sender.encoder_event().await, sender.ready().await.is_err())
        });
        tokio::time::sleep(Duration::from_millis(300)).await;
        call.a.close().await;
        let (sent, event, refused) = sends.await.unwrap();
        assert!(sent > 0 && event.is_none() && refused, "{sent} {event:?}");
        call.b.close().await;
    })
    .await;
}

#[tokio::test]
async fn twenty_transceivers_all_carry_and_an_idle_call_rests() {
    within(async {
        let mut call = Call::new();
        let kinds = [MediaKind::Audio, MediaKind::Video];
        let add =
            |n: usize| call.a.add_transceiver(kinds[n % 2], RtpTransceiverInit::new(Direction::SendOnly)).unwrap();
        let senders: Vec<_> = (0..20).map(add).map(|transceiver| transceiver.sender()).collect();
        call.negotiate().await;
        let mut receivers = Vec::new();
        for _ in 0..20 {
            receivers.push(track(&mut call.from_b).await);
        }
        for (n, sender) in senders.iter().enumerate() {
            sender.ready().await.unwrap();
            sender.send_frame(picture(n as u32, true, 200)).await.unwrap();
        }
        for (n, receiver) in receivers.iter().enumerate() {
            assert_eq!(receiver.recv_frame().await.unwrap().payload[10], n as u8);
        }
        // Probes of the path come to their end; then there is nothing but reports and checks, a few a second.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let before = call.a.transport_stats().traffic.packets_sent;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let sent = call.a.transport_stats().traffic.packets_sent - before;
        assert!(sent < 60, "{sent} packets in a second of rest");
    })
    .await;
}

#[tokio::test]
async fn without_media_it_is_refused() {
    within(async {
        let endpoint = common::endpoint_with(|settings| settings.media = None);
        let pc = endpoint.peer_connection(Default::default()).unwrap();
        assert!(pc.add_transceiver(MediaKind::Audio, RtpTransceiverInit::default()).is_err());
        assert!(pc.transceivers().is_empty());
    })
    .await;
}
