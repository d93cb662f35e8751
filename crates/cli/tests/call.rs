//! Calls between two processes over loopback: the test picture and the tone are recognised at the other end.

mod common;

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use common::{Peerage, peerage};
use peerage_codecs::audio::Channels;
use peerage_codecs::encoded::{EncodedAudio, VideoCodec};
use peerage_codecs::file::matroska::reader::{Item, Reader};
use peerage_codecs::file::{ivf, ogg, wav, y4m};
use peerage_codecs::opus;
use peerage_codecs::pattern::{self, Number};
use peerage_codecs::picture::Picture;
use peerage_codecs::tone::{Tone, frequency};
use peerage_codecs::video::{Config, Decoder, Encoder};

fn command(args: &[&str]) -> Command {
    peerage(&[&["call"], args].concat())
}

fn output(args: &[&str]) -> Output {
    command(args).stderr(Stdio::piped()).output().unwrap()
}

/// A running `peerage call`.
fn call(args: &[&str]) -> Peerage {
    Peerage::reading_stdout(command(&[&["--json", "--speaker", "none"], args].concat()).spawn().unwrap())
}

/// Waits until so many test pictures and a tone of 440 Hz have been recognised.
#[track_caller]
fn recognises(caller: &mut Peerage, pictures: u64) {
    caller.until("recognised", |event| {
        event["pictures"].as_u64() > Some(pictures) && event["tone_hz"].as_f64().is_some_and(is_the_tone)
    });
}

/// 440 Hz, within 1 %.
fn is_the_tone(hertz: f64) -> bool {
    (hertz / 440.0 - 1.0).abs() < 0.01
}

/// Three seconds of the test picture, with a key frame each second, as the encoder made them.
fn film(path: &Path) -> usize {
    let mut config = Config::default();
    (config.key_interval, config.drop_frames, config.bitrate) = (Some(15), false, 400_000);
    let mut encoder = Encoder::new(VideoCodec::Vp8, config).unwrap();
    let mut picture = Picture::new(320, 180).unwrap();
    let mut writer = ivf::Writer::new(File::create(path).unwrap(), VideoCodec::Vp8, 320, 180).unwrap();
    let mut frames = 0;
    for frame in 0..45 {
        pattern::draw(Number { frame, made: Duration::from_millis(66) * frame }, &mut picture).unwrap();
        if let Some(coded) = encoder.encode(&picture, frame == 0).unwrap() {
            writer.write(&coded).unwrap();
            frames += 1;
        }
    }
    writer.finish().unwrap();
    frames
}

/// Two seconds of the tone.
fn talk(path: &Path) {
    let mut encoder = opus::encoder::Encoder::new(&opus::encoder::Config::default()).unwrap();
    let mut writer = ogg::Writer::new(File::create(path).unwrap(), 1, Channels::Mono, 312).unwrap();
    let (mut tone, mut samples) = (Tone::default(), [0; 960]);
    for _ in 0..100 {
        let mut packet = EncodedAudio { duration: Duration::from_millis(20), ..EncodedAudio::default() };
        tone.fill(Channels::Mono, &mut samples);
        encoder.encode(&samples, &mut packet.data).unwrap();
        writer.write(&packet).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn each_side_recognises_the_others_picture_and_tone_and_records_them() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("talk.webm");
    let mut host = call(&["--test", "--size", "320x180", "--recognise"]);
    let link = host.link();
    let record_arg = record.to_str().unwrap();
    let mut guest = call(&["--test", "--size", "320x180", "--recognise", "--record", record_arg, &link]);
    recognises(&mut host, 100);
    recognises(&mut guest, 100);
    let stats = guest.until("stats", |event| event["event"] == "stats");
    assert_eq!((&stats["size_in"], &stats["path"]), (&serde_json::json!([320, 180]), &"direct".into()), "{stats}");
    // The host ends the call, and its guest with it.
    assert_eq!(host.interrupted(), Some(0), "{:?}", host.seen);
    assert_eq!(guest.exit_code(), Some(0), "{:?}", guest.seen);
    for kind in ["audio", "video"] {
        let tracks = guest.seen.iter().filter(|event| event["event"] == "track" && event["kind"] == kind);
        assert_eq!(tracks.count(), 1, "{kind}");
    }
    assert_eq!(guest.seen.last().unwrap()["event"], "ended");
    let mut reader = Reader::new(File::open(&record).unwrap()).unwrap();
    assert_eq!(reader.video().unwrap().size, (320, 180));
    let items: Vec<_> = std::iter::from_fn(|| reader.next_item().unwrap()).collect();
    let frames = items.iter().filter(|item| matches!(item, Item::Video(_))).count();
    let packets = items.iter().filter(|item| matches!(item, Item::Audio(_))).count();
    assert!(frames > 100 && packets > 100, "{frames} frames, {packets} packets");
}

#[test]
fn files_are_sent_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| -> PathBuf { folder.path().join(name) };
    let frames = film(&path("film.ivf"));
    assert_eq!(frames, 45);
    talk(&path("talk.ogg"));
    let (film, talk, out) = (path("film.ivf"), path("talk.ogg"), path("out.ivf"));
    let mut host = call(&["--video", film.to_str().unwrap(), "--audio", talk.to_str().unwrap()]);
    let link = host.link();
    let sinks = ["--video", "none", "--audio", "none", "--recognise", "--record", out.to_str().unwrap(), &link];
    let mut guest = call(&sinks);
    // More than once through, so that the loop was closed.
    recognises(&mut guest, 100);
    assert_eq!(guest.interrupted(), Some(0));
    let read = |path: &Path| {
        let mut reader = ivf::Reader::new(BufReader::new(File::open(path).unwrap())).unwrap();
        std::iter::from_fn(|| reader.next_frame().unwrap()).map(|frame| frame.data).collect::<Vec<_>>()
    };
    let (sent, arrived) = (read(&film), read(&out));
    assert!(arrived.len() > 45, "{}", arrived.len());
    // Not one was encoded anew.
    assert!(arrived.iter().all(|frame| sent.contains(frame)));
    assert_eq!(host.interrupted(), Some(0));
}

/// Pictures as a camera gives them, so many seconds of them at 15 a second, each with its number.
fn pictures(path: &Path, seconds: u32) {
    let mut writer = y4m::Writer::new(BufWriter::new(File::create(path).unwrap()), 320, 180, 15).unwrap();
    let mut picture = Picture::new(320, 180).unwrap();
    for frame in 0..15 * seconds {
        pattern::draw(Number { frame, made: Duration::from_millis(66) * frame }, &mut picture).unwrap();
        writer.write(&picture).unwrap();
    }
    writer.finish().unwrap();
}

/// A tone as a microphone gives it, so many seconds of it.
fn samples(path: &Path, seconds: usize, hertz: f64) {
    let mut writer = wav::Writer::new(BufWriter::new(File::create(path).unwrap()), Channels::Mono).unwrap();
    let (mut tone, mut samples) = (Tone::new(hertz, 0.3), [0; 960]);
    for _ in 0..50 * seconds {
        tone.fill(Channels::Mono, &mut samples);
        writer.write(&samples).unwrap();
    }
    writer.finish().unwrap();
}

/// What a recording holds.
#[derive(Debug)]
struct Recorded {
    codec: VideoCodec,
    /// Numbers of the pictures that were recognised, in their order.
    numbers: Vec<u32>,
    broken: usize,
    /// In hertz, of moments that have one.
    tones: Vec<f64>,
}

/// Decodes all of a recording.
fn recorded(path: &Path) -> Recorded {
    let mut reader = Reader::new(BufReader::new(File::open(path).unwrap())).unwrap();
    let codec = reader.video().unwrap().codec;
    let (mut eyes, mut ears) = (Decoder::new(codec).unwrap(), opus::decoder::Decoder::new(Channels::Mono).unwrap());
    let (mut picture, mut samples, mut numbers, mut broken) = (Picture::default(), Vec::new(), Vec::new(), 0);
    let mut heard = Vec::new();
    while let Some(item) = reader.next_item().unwrap() {
        match item {
            Item::Video(frame) => match eyes.decode(&frame.data, frame.timestamp, &mut picture) {
                Ok(true) => numbers.extend(pattern::read(&picture).map(|number| number.frame)),
                Ok(false) => {}
                Err(_) => broken += 1,
            },
            Item::Audio(packet) => {
                ears.decode(&packet.data, &mut heard).unwrap();
                samples.extend_from_slice(&heard);
            }
            other => panic!("{other:?}"),
        }
    }
    // Some tenths of a second: there is silence at the ends, and what a busy machine left out is heard.
    let tenths = samples.chunks_exact(4_800);
    let apart = (tenths.len() / 10).max(1);
    Recorded { codec, numbers, broken, tones: tenths.step_by(apart).filter_map(frequency).collect() }
}

#[test]
fn three_share_files_in_three_formats_and_each_records_both_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    // One film is over soon, the others begin again.
    for (who, seconds) in [("a", 20), ("b", 3), ("c", 3)] {
        pictures(Path::new(&path(&format!("{who}.y4m"))), seconds);
    }
    for (who, hertz) in [("a", 440.0), ("b", 660.0), ("c", 880.0)] {
        samples(Path::new(&path(&format!("{who}.wav"))), 20, hertz);
    }
    let start = |who: &str, more: &[&str]| {
        let (video, audio, out) =
            (path(&format!("{who}.y4m")), path(&format!("{who}.wav")), path(&format!("{who}.mkv")));
        call(&[&["--video", &video, "--audio", &audio, "--record", &out, "--recognise"], more].concat())
    };
    let mut a = start("a", &["--video-codec", "h264", "--once"]);
    let link = a.link();
    let mut b = start("b", &["--video-codec", "vp9", &link]);
    let mut c = start("c", &["--video-codec", "vp8", &link]);
    for caller in [&mut a, &mut b, &mut c] {
        let mut seen = std::collections::BTreeSet::new();
        while seen.len() < 2 {
            let event = caller.until("recognised", |event| event["pictures"].as_u64() > Some(40));
            seen.insert(event["peer"].as_u64());
        }
    }
    for caller in [&mut c, &mut b, &mut a] {
        assert_eq!(caller.interrupted(), Some(0), "{:?}", caller.seen);
    }
    let sent = [("a", VideoCodec::H264, 440.0), ("b", VideoCodec::Vp9, 660.0), ("c", VideoCodec::Vp8, 880.0)];
    for who in ["a", "b", "c"] {
        let tapes = [path(&format!("{who}.mkv")), path(&format!("{who}-2.mkv"))].map(|tape| recorded(Path::new(&tape)));
        for (from, codec, tone) in sent.iter().filter(|(from, ..)| *from != who) {
            let of: Vec<_> = tapes.iter().filter(|tape| tape.codec == *codec).collect();
            let [tape] = of[..] else { panic!("{who} has not one recording of {from}: {tapes:?}") };
            assert!(tape.numbers.len() > 20 && tape.broken == 0, "{who} of {from}: {tape:?}");
            let right = tape.tones.iter().filter(|hertz| (*hertz / tone - 1.0).abs() < 0.02).count();
            assert!(right > 1 && right * 2 > tape.tones.len(), "{who} of {from}: {tape:?}");
            let backwards = tape.numbers.windows(2).filter(|pair| pair[1] < pair[0]).count();
            // What is sent once does not begin again.
            assert!(*from != "a" || backwards == 0, "{who} of {from}: {tape:?}");
            let last = if *from == "a" { 300 } else { 45 };
            assert!(tape.numbers.iter().all(|number| *number < last), "{who} of {from}: {tape:?}");
        }
    }
}

#[test]
fn a_film_that_is_sent_once_waits_for_somebody_to_see_it() {
    let folder = tempfile::tempdir().unwrap();
    let (film, talk) = (folder.path().join("film.y4m"), folder.path().join("talk.wav"));
    pictures(&film, 4);
    samples(&talk, 4, 440.0);
    let out = folder.path().join("out.mkv");
    let files = ["--video", film.to_str().unwrap(), "--audio", talk.to_str().unwrap(), "--once"];
    let mut host = call(&files);
    let link = host.link();
    // Longer than all of it lasts.
    thread::sleep(Duration::from_secs(5));
    let mut guest =
        call(&["--video", "none", "--audio", "none", "--recognise", "--record", out.to_str().unwrap(), &link]);
    guest.until("recognised", |event| {
        event["pictures"].as_u64() > Some(40) && event["tone_hz"].as_f64().is_some_and(is_the_tone)
    });
    assert_eq!(guest.interrupted(), Some(0));
    assert_eq!(host.interrupted(), Some(0));
    let tape = recorded(&out);
    assert!(tape.numbers.first() < Some(&10) && tape.numbers.is_sorted(), "{tape:?}");
}

#[test]
fn a_call_ends_when_its_time_is_over() {
    let mut host = call(&["--video", "none", "--audio", "tone", "--for", "2s"]);
    host.link();
    assert_eq!(host.exit_code(), Some(0), "{:?}", host.seen);
}

#[test]
fn before_anybody_came_an_interrupt_is_one() {
    let mut host = call(&["--video", "none", "--audio", "none"]);
    host.link();
    assert_eq!(host.interrupted(), Some(130));
}

#[test]
fn what_cannot_be_sent_or_recorded_is_told_before_anybody_is_called() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    std::fs::write(&page, "<html>").unwrap();
    let page = page.to_str().unwrap();
    let quiet = ["--video", "none", "--audio", "none", "--speaker", "none"];
    for (args, code, text) in [
        (&["--video", page][..], 2, "none of WebM"),
        (&["--audio", page], 2, "none of WebM"),
        (&["--audio", "/no/such/file.ogg", "--video", "none"], 7, "/no/such/file.ogg"),
        (&["--video", "none", "--audio", "none", "--record", "talk.avi"], 2, ".webm or .mkv"),
        (&["--test", "--size", "64x64"], 2, "128x72"),
        (&["--video", "none", "--audio", "none", "0badc0de"], 2, ""),
    ] {
        let output = output(&[args, &["--speaker", "none"]].concat());
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {told}");
        assert!(told.contains(text), "{args:?}: {told}");
    }
    for args in [&["--fps", "0"][..], &["--size", "7x7"], &["--video-codec", "av1"], &["--test", "--video", "none"]] {
        assert_eq!(output(&[&quiet[4..], args].concat()).status.code(), Some(2), "{args:?}");
    }
}

#[cfg(feature = "devices")]
#[test]
fn a_device_that_is_not_there_is_named() {
    for (args, name) in [
        (["--video", "camera:No such camera", "--audio", "none", "--speaker", "none"], "No such camera"),
        (["--video", "none", "--audio", "mic:No such microphone", "--speaker", "none"], "No such microphone"),
        (["--video", "none", "--audio", "none", "--speaker", "No such speaker"], "No such speaker"),
    ] {
        let output = output(&args);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(7), "{told}");
        assert!(told.contains(name) || told.contains("has no"), "{told}");
    }
}
