//! The example does what it says.

use std::process::Command;

#[test]
fn audio_and_video_arrive() {
    let out = Command::new(env!("CARGO_BIN_EXE_example-call")).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let mut lines: Vec<_> = std::str::from_utf8(&out.stdout).unwrap().lines().collect();
    lines.sort_unstable();
    let expected = ["VP8: 25 frames, decoding can start at some", "opus: 25 frames, decoding can start at any"];
    assert_eq!(lines, expected);
}
