//! The example does what it says.

use std::process::Command;

#[test]
fn the_message_arrives() {
    let out = Command::new(env!("CARGO_BIN_EXE_example-connect")).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(String::from_utf8_lossy(&out.stdout), "chat: Some(Text(\"hello\"))\n");
}
