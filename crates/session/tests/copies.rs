//! How often the bytes of a message are copied on their way from one application to the other.

mod bulk;

use std::path::Path;
use std::process::{Command, Stdio};

use bulk::Pair;

/// Copies of fewer bytes move what describes data, or join messages that share a packet.
const LEAST: u64 = 400;
/// What is moved in the shorter of the two runs that are compared.
const TOTAL: u64 = 1_000_000;
const TOTAL_VARIABLE: &str = "PEERAGE_COPIES_TOTAL";
const SIZE_VARIABLE: &str = "PEERAGE_COPIES_SIZE";

/// Once into the datagram at the sender, where it is sealed in place, and once into the message at the receiver.
#[test]
fn each_end_copies_a_byte_once() {
    for size in [1000, 16_384] {
        let whole = |total: u64| total / size * size;
        let [less, more] = [1, 3].map(|times| whole(TOTAL * times));
        let copied = copied(size, more) - copied(size, less);
        let copies = copied as f64 / (more - less) as f64;
        println!("{size} bytes a message: {copies:.3} copies");
        assert!((1.9..2.05).contains(&copies), "{size} bytes a message: {copies} copies");
    }
}

/// What valgrind watches.
#[test]
#[ignore = "is run by the other test"]
fn bulk_transfer() {
    let [size, total] =
        [SIZE_VARIABLE, TOTAL_VARIABLE].map(|name| std::env::var(name).map_or(1000, |n| n.parse().unwrap()));
    let (mut pair, id) = Pair::connected();
    pair.transfer(id, size, total as u64);
}

/// Bytes that `memcpy` and its kin moved in pieces of any size, in a process that moves `total` bytes of messages.
fn copied(size: u64, total: u64) -> u64 {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("copies-{size}-{total}.json"));
    let out = Command::new("valgrind")
        .args(["--tool=dhat", "--mode=copy", "--num-callers=4"])
        .arg(format!("--dhat-out-file={}", file.display()))
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "bulk_transfer", "--ignored", "--test-threads=1"])
        .env(SIZE_VARIABLE, size.to_string())
        .env(TOTAL_VARIABLE, total.to_string())
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("valgrind (on Debian its package has that name) does not start: {error}"));
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = std::fs::read_to_string(&file).unwrap();
    // A place in the program: `"tb":BYTES,"tbk":COPIES`.
    let places = text.split("\"tb\":").skip(1).map(|place| {
        let (bytes, rest) = place.split_once(",\"tbk\":").expect("both are told");
        let count = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap();
        (bytes.parse::<u64>().unwrap(), count.parse::<u64>().unwrap())
    });
    places.filter(|(bytes, count)| *bytes >= LEAST * count).map(|(bytes, _)| bytes).sum()
}
