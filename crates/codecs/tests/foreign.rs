//! Files between this crate and the tools of others: libvpx's, Xiph's and GStreamer.
//!
//! Without a tool its tests are skipped, aloud; with `CI=true` that is a failure.
#![cfg(feature = "codecs")]

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use peerage_codecs::audio::{Channels, remix};
use peerage_codecs::bitstream::h264::to_lengths;
use peerage_codecs::encoded::{EncodedAudio, VideoCodec};
use peerage_codecs::file::{wav, y4m};
use peerage_codecs::opus;
use peerage_codecs::pattern::{self, Number};
use peerage_codecs::picture::Picture;
use peerage_codecs::recorder::Recorder;
use peerage_codecs::source::audio::AudioFile;
use peerage_codecs::source::video::{Content, VideoFile};
use peerage_codecs::tone::{Tone, frequency};
use peerage_codecs::video::{Config, Decoder, Encoder};

const FRAMES: u32 = 30;

/// Runs a tool; `None` if it is not there.
fn run(program: &str, arguments: &[&str]) -> Option<String> {
    match Command::new(program).args(arguments).output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert!(output.status.success(), "{program} {arguments:?}: {said}");
            Some(said)
        }
        Err(error) => {
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{program} does not start: {error}");
            eprintln!("skipped: {program} does not start: {error}");
            None
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn number(frame: u32) -> Number {
    Number { frame, made: Duration::from_millis(u64::from(frame) * 40) }
}

fn drawn(frame: u32) -> Picture {
    let mut picture = Picture::new(320, 180).unwrap();
    pattern::draw(number(frame), &mut picture).unwrap();
    picture
}

/// The test picture and the tone, recorded.
fn record(path: &Path, codec: VideoCodec) {
    let mut recorder = Recorder::create(path, Some(Channels::Mono), Some(codec)).unwrap();
    let mut config = Config::default();
    config.drop_frames = false;
    let mut video = Encoder::new(codec, config).unwrap();
    let mut audio = opus::encoder::Encoder::new(&opus::encoder::Config::default()).unwrap();
    let (mut tone, mut samples, mut data) = (Tone::default(), [0; 960], vec![]);
    for frame in 0..FRAMES {
        if let Some(coded) = video.encode(&drawn(frame), frame == FRAMES / 2).unwrap() {
            recorder.video(&coded).unwrap();
        }
        for half in 0..2 {
            tone.fill(Channels::Mono, &mut samples);
            audio.encode(&samples, &mut data).unwrap();
            let timestamp = Duration::from_millis(u64::from(frame) * 40 + half * 20);
            let duration = Duration::from_millis(20);
            recorder.audio(&EncodedAudio { data: data.clone(), timestamp, duration }).unwrap();
        }
    }
    let summary = recorder.finish().unwrap();
    assert!(summary.frames + summary.packets >= u64::from(FRAMES), "{summary:?}");
}

/// The numbers in a file of plain pictures.
fn numbers(path: &Path) -> Vec<u32> {
    let mut reader = y4m::Reader::new(BufReader::new(File::open(path).unwrap())).unwrap();
    let mut picture = Picture::default();
    let mut found = vec![];
    while reader.read(&mut picture).unwrap() {
        found.push(pattern::read(&picture).expect("the test picture is recognised").frame);
    }
    found
}

/// The pitch of a file of plain samples.
fn pitch(path: &Path) -> f64 {
    let mut reader = wav::Reader::new(File::open(path).unwrap()).unwrap();
    let (mut samples, mut mono) = (vec![], vec![]);
    reader.read(usize::MAX, &mut samples).unwrap();
    remix(&samples, reader.channels(), Channels::Mono, &mut mono);
    assert_eq!(reader.rate(), 48_000);
    assert!(mono.len().abs_diff(48_000 * 12 / 10) < 3_000, "{} samples", mono.len());
    frequency(&mono[10_000..20_000]).unwrap()
}

#[test]
fn others_read_the_ogg_files_written_here_and_the_reverse() {
    let folder = tempfile::tempdir().unwrap();
    let (ogg, out) = (folder.path().join("a.ogg"), folder.path().join("a.wav"));
    record(&ogg, VideoCodec::Vp8);
    let Some(said) = run("opusinfo", &[text(&ogg)]) else { return };
    assert!(!said.to_lowercase().contains("warning") && said.contains("Playback length: 0m:01."), "{said}");
    run("opusdec", &["--rate", "48000", text(&ogg), text(&out)]);
    assert!((pitch(&out) / 440.0 - 1.0).abs() < 0.01);
    let theirs = folder.path().join("b.ogg");
    run("opusenc", &["--quiet", "--comment", "TITLE=tone", text(&out), text(&theirs)]);
    let mut file = AudioFile::open(&theirs, false).unwrap();
    let mut decoder = opus::decoder::Decoder::new(Channels::Mono).unwrap();
    let (mut samples, mut heard) = (vec![], vec![]);
    while let Some(packet) = file.next_packet().unwrap() {
        decoder.decode(&packet.data, &mut samples).unwrap();
        heard.extend_from_slice(&samples);
    }
    assert!(heard.len() > 48_000 && (frequency(&heard[10_000..20_000]).unwrap() / 440.0 - 1.0).abs() < 0.01);
}

#[test]
fn libvpx_reads_the_video_files_written_here_and_the_reverse() {
    let folder = tempfile::tempdir().unwrap();
    for codec in [VideoCodec::Vp8, VideoCodec::Vp9] {
        for name in ["a.ivf", "a.webm"] {
            let (path, out) = (folder.path().join(name), folder.path().join("a.y4m"));
            record(&path, codec);
            if run("vpxdec", &["-o", text(&out), text(&path)]).is_none() {
                return;
            }
            assert_eq!(numbers(&out), (0..FRAMES).collect::<Vec<_>>(), "{codec} in {name}");
        }
        let plain = folder.path().join("plain.y4m");
        let mut writer = y4m::Writer::new(File::create(&plain).unwrap(), 320, 180, 25).unwrap();
        (0..FRAMES).for_each(|frame| writer.write(&drawn(frame)).unwrap());
        writer.finish().unwrap();
        for (container, name) in [("--ivf", "b.ivf"), ("--webm", "b.webm")] {
            let (path, which) = (folder.path().join(name), format!("--codec={}", codec.name().to_lowercase()));
            let common = ["--rt", "--cpu-used=8", "--lag-in-frames=0", "--target-bitrate=800", "--quiet"];
            run("vpxenc", &[&[&which, container, "-o", text(&path), text(&plain)], &common[..]].concat());
            let mut file = VideoFile::open(&path, false).unwrap();
            assert_eq!(file.content(), Content::Encoded(codec), "{name}");
            let mut decoder = Decoder::new(codec).unwrap();
            let (mut picture, mut found) = (Picture::default(), vec![]);
            while let Some((frame, lasts)) = file.next_frame().unwrap() {
                assert!(decoder.decode(&frame.data, frame.timestamp, &mut picture).unwrap());
                let read = pattern::read(&picture).unwrap();
                assert!(
                    frame.timestamp.abs_diff(read.made).as_millis() <= 1,
                    "{codec} in {name}: {:?}",
                    frame.timestamp
                );
                assert!(lasts.as_millis().abs_diff(40) <= 1, "{lasts:?}");
                found.push(read.frame);
            }
            assert_eq!(found, (0..FRAMES).collect::<Vec<_>>(), "{codec} in {name}");
        }
    }
}

#[test]
fn gstreamer_reads_the_webm_files_written_here_and_the_reverse() {
    let folder = tempfile::tempdir().unwrap();
    let [webm, pictures, sound, theirs] = ["a.webm", "a.y4m", "a.wav", "b.webm"].map(|name| folder.path().join(name));
    record(&webm, VideoCodec::Vp8);
    let read = format!(
        "filesrc location={} ! matroskademux name=d d. ! queue ! vp8dec ! y4menc ! filesink location={} \
         d. ! queue ! opusdec ! audio/x-raw,rate=48000,format=S16LE ! wavenc ! filesink location={}",
        text(&webm),
        text(&pictures),
        text(&sound)
    );
    let split = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<String>>();
    let launch = |line: &str| {
        let words = split(line);
        run("gst-launch-1.0", &[&["-q"], &words.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat())
    };
    if launch(&read).is_none() {
        return;
    }
    assert_eq!(numbers(&pictures), (0..FRAMES).collect::<Vec<_>>());
    assert!((pitch(&sound) / 440.0 - 1.0).abs() < 0.01);
    let write = format!(
        "webmmux name=m ! filesink location={} videotestsrc num-buffers=25 ! video/x-raw,width=320,height=240,framerate=25/1 \
         ! vp8enc deadline=1 ! m. audiotestsrc freq=440 num-buffers=50 samplesperbuffer=960 ! \
         audio/x-raw,rate=48000,channels=1 ! opusenc ! m.",
        text(&theirs)
    );
    launch(&write);
    let mut file = VideoFile::open(&theirs, false).unwrap();
    let mut decoder = Decoder::new(VideoCodec::Vp8).unwrap();
    let (mut picture, mut frames) = (Picture::default(), 0);
    while let Some((frame, _)) = file.next_frame().unwrap() {
        assert!(decoder.decode(&frame.data, frame.timestamp, &mut picture).unwrap());
        frames += 1;
    }
    assert_eq!((frames, picture.width(), picture.height()), (25, 320, 240));
    let mut file = AudioFile::open(&theirs, false).unwrap();
    assert!(std::iter::from_fn(|| file.next_packet().unwrap()).count() >= 50);
}

#[test]
fn gstreamer_finds_the_h264_in_matroska_as_it_was_put_there() {
    let folder = tempfile::tempdir().unwrap();
    let (mkv, out) = (folder.path().join("a.mkv"), folder.path().join("a.avc"));
    record(&mkv, VideoCodec::H264);
    let mut expected = vec![];
    let mut file = VideoFile::open(&mkv, false).unwrap();
    let mut decoder = Decoder::new(VideoCodec::H264).unwrap();
    let (mut picture, mut found) = (Picture::default(), vec![]);
    while let Some((frame, _)) = file.next_frame().unwrap() {
        assert!(decoder.decode(&frame.data, frame.timestamp, &mut picture).unwrap());
        found.push(pattern::read(&picture).unwrap().frame);
        expected.push(frame);
    }
    assert!(found.len() > 20 && found[0] == 0 && found.is_sorted(), "{found:?}");
    let (source, target) = (format!("location={}", text(&mkv)), format!("location={}", text(&out)));
    let line = [
        "-q",
        "filesrc",
        &source,
        "!",
        "matroskademux",
        "name=d",
        "d.video_0",
        "!",
        "video/x-h264,width=320,height=180,stream-format=avc",
        "!",
        "filesink",
        &target,
    ];
    if run("gst-launch-1.0", &line).is_none() {
        return;
    }
    // Reading puts the parameter sets before key frames, where writing had kept them as well.
    let theirs = std::fs::read(&out).unwrap();
    let last = to_lengths(&expected[expected.len() - 1].data);
    assert!(theirs.ends_with(&last) && theirs.len() > expected.len() * 100);
}
