//! Devices as far as a machine without any goes: absence is told, and ALSA's plugins stand in for a microphone and a speaker.
#![cfg(feature = "devices")]

use std::process::Command;
use std::time::Duration;

use peerage_codecs::audio::Channels;
use peerage_codecs::device::camera::{self, Camera};
use peerage_codecs::device::microphone::Microphone;
use peerage_codecs::device::sound::{Direction, names};
use peerage_codecs::device::speaker::Speaker;
use peerage_codecs::tone::Tone;

/// Set in the processes that the tests start, without which their tests have nothing to look at.
const CHILD: &str = "PEERAGE_DEVICES_CHILD";

/// Runs one of the tests below again, in a process of its own, with a configuration of ALSA's.
fn with_alsa(configuration: &str, test: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("asound.conf");
    std::fs::write(&path, configuration).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--ignored"]).env("ALSA_CONFIG_PATH", &path).env(CHILD, "1");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn without_devices_the_lists_are_empty_and_opening_says_what_to_do() {
    with_alsa("# nothing\n", "child_without_devices");
}

#[test]
#[ignore = "runs as a child of the test above, with a configuration of its own"]
fn child_without_devices() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    for direction in [Direction::Input, Direction::Output] {
        assert_eq!(names(direction), Vec::<String>::new());
    }
    let none = Microphone::open(None, Channels::Mono).unwrap_err().to_string();
    assert_eq!(none, "this system has no microphone; connect one, or send a file or the test tone");
    let none = Speaker::open(None, Channels::Mono).unwrap_err().to_string();
    assert_eq!(none, "this system has no speaker; connect one, or record to a file");
    let unknown = Speaker::open(Some("front"), Channels::Mono).unwrap_err().to_string();
    assert_eq!(unknown, "there is no speaker called \"front\"; there are none at all");
    if camera::names().is_empty() {
        let none = Camera::open(None, 640, 360, 30).unwrap_err().to_string();
        assert_eq!(none, "this system has no camera; connect one, or send a file or the test picture");
        let unknown = Camera::open(Some("front"), 640, 360, 30).unwrap_err().to_string();
        assert!(unknown.ends_with("there are none at all"), "{unknown}");
    }
}

#[test]
fn a_microphone_hears_and_a_speaker_takes_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("tone.raw");
    let mut samples = vec![0; 2 * 48_000 * 20];
    Tone::default().fill(Channels::Stereo, &mut samples);
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    std::fs::write(&raw, bytes).unwrap();
    let configuration = format!(
        "pcm.!default {{ type plug hint {{ show on description \"Tone\" }} slave {{ \
         pcm {{ type file file \"/dev/null\" infile \"{}\" format raw slave.pcm {{ type null }} }} \
         format S16_LE rate 48000 channels 2 }} }}\nctl.!default {{ type hw card 0 }}\n",
        raw.display()
    );
    with_alsa(&configuration, "child_with_devices");
}

#[test]
#[ignore = "runs as a child of the test above, with a configuration of its own"]
fn child_with_devices() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    assert_eq!(names(Direction::Input), ["Tone"]);
    let mut microphone = Microphone::open(None, Channels::Mono).unwrap();
    let mut heard = [0; 960];
    assert!(microphone.read(&mut heard, Duration::from_secs(10)).unwrap());
    // ALSA's plugin knows no time and runs ahead, so pieces are missing, but a sine it is: its mean square is half of its
    // peak's.
    let peak = f64::from(heard.iter().map(|sample| sample.unsigned_abs()).max().unwrap());
    let mean = heard.iter().map(|&sample| f64::from(sample).powi(2)).sum::<f64>() / heard.len() as f64;
    assert!((peak / 8_191.0 - 1.0).abs() < 0.02, "{peak}");
    assert!((mean / (peak * peak) - 0.5).abs() < 0.05, "{mean}");
    drop(microphone);
    let mut speaker = Speaker::open(Some("Tone"), Channels::Mono).unwrap();
    for _ in 0..100 {
        speaker.write(&heard).unwrap();
        assert!(speaker.delay() <= Duration::from_millis(200));
    }
    // The device takes what waits.
    while speaker.delay() > Duration::ZERO {
        std::thread::yield_now();
    }
    let unknown = Microphone::open(Some("front"), Channels::Mono).unwrap_err().to_string();
    assert_eq!(unknown, "there is no microphone called \"front\"; there is only \"Tone\"");
}
