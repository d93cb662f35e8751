//! A call: two peers in one process exchange encoded audio and video. In life the frames come from encoders and go to decoders,
//! and `offer` and `answer` travel by any means you like.

use std::time::Duration;

use peerage::{Configuration, EncodedFrame, EncoderEvent, Error, Event, MediaKind, PeerConnection};
use peerage::{RtpReceiver, RtpSender, RtpTransceiverInit};
use tokio::time::interval;

/// How many of each kind the listener waits for.
const FRAMES: usize = 25;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let (a, b) = (PeerConnection::new(Configuration::default())?, PeerConnection::new(Configuration::default())?);
    let audio = a.add_transceiver(MediaKind::Audio, RtpTransceiverInit::default())?;
    let video = a.add_transceiver(MediaKind::Video, RtpTransceiverInit::default())?;

    a.set_local_description(a.create_offer().await?).await?;
    a.gathering_complete().await; // so that the description holds every candidate, and none has to follow
    b.set_remote_description(a.local_description().expect("it was set")).await?;
    b.set_local_description(b.create_answer().await?).await?;
    b.gathering_complete().await;
    a.set_remote_description(b.local_description().expect("it was set")).await?;

    tokio::spawn(talk(audio.sender()));
    tokio::spawn(film(video.sender()));
    let mut listeners = Vec::new();
    while listeners.len() < 2 {
        match b.next_event().await {
            Some(Event::Track { receiver, .. }) => listeners.push(tokio::spawn(listen(receiver))),
            Some(_) => {}
            None => break,
        }
    }
    for listener in listeners {
        println!("{}", listener.await.expect("nothing panics"));
    }
    a.close().await;
    Ok(())
}

/// A frame of audio every 20 ms: where an encoder of Opus would be.
async fn talk(sender: RtpSender) -> Result<(), Error> {
    sender.ready().await?;
    let mut clock = interval(Duration::from_millis(20));
    for timestamp in (0..).step_by(960) {
        clock.tick().await;
        sender.send_frame(EncodedFrame::new(vec![0xFC; 80], timestamp)).await?;
    }
    Ok(())
}

/// A picture every 40 ms, at the rate that the path bears and with key frames when they are asked for: where an encoder of VP8
/// would be.
async fn film(sender: RtpSender) -> Result<(), Error> {
    sender.ready().await?;
    let (mut bitrate, mut key_frame) = (300_000, true);
    let mut clock = interval(Duration::from_millis(40));
    for timestamp in (0..).step_by(3600) {
        clock.tick().await;
        while let Some(event) = sender.try_encoder_event() {
            match event {
                EncoderEvent::TargetBitrate { bitrate: wanted, .. } => bitrate = wanted,
                EncoderEvent::KeyFrame { .. } => key_frame = true,
                _ => {}
            }
        }
        // The header of a key frame of VP8, or of another one.
        let mut picture = vec![u8::from(!key_frame), 0, 0, 0x9D, 0x01, 0x2A, 64, 1, 240, 0];
        picture.resize((bitrate / 8 / 25).max(10) as usize, 0);
        let mut frame = EncodedFrame::new(picture, timestamp);
        frame.is_key = std::mem::take(&mut key_frame);
        sender.send_frame(frame).await?;
    }
    Ok(())
}

/// Takes frames: where a decoder would be.
async fn listen(receiver: RtpReceiver) -> String {
    let mut frames = Vec::new();
    while frames.len() < FRAMES
        && let Some(frame) = receiver.recv_frame().await
    {
        frames.push(frame);
    }
    let keys = frames.iter().filter(|frame| frame.is_key).count();
    let codec = frames.first().map_or("nothing", |frame| frame.codec.name());
    format!(
        "{codec}: {} frames, decoding can start at {}",
        frames.len(),
        if keys == frames.len() { "any" } else { "some" }
    )
}
