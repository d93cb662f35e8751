//! Sealing against vectors made with a foreign implementation; the web page is checked against the same file.

use peerage_signal::code::Code;
use peerage_signal::id::PeerId;
use peerage_signal::plain::Plain;
use peerage_signal::seal::{Opener, Sealer};
use serde_json::Value;

fn vectors() -> Vec<Value> {
    let file: Value = serde_json::from_str(include_str!("vectors.json")).unwrap();
    file["vectors"].as_array().unwrap().clone()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap()
}

#[test]
fn every_spelling_reads_as_the_canonical_code() {
    for vector in vectors() {
        let code = Code::parse(text(&vector, "code")).unwrap();
        assert_eq!(code.to_string(), format!("{}-{}", text(&vector, "room"), text(&vector, "secret")));
    }
}

#[test]
fn sealing_gives_the_same_bytes_and_opening_gives_them_back() {
    let mut messages = 0;
    for vector in vectors() {
        let code = Code::parse(text(&vector, "code")).unwrap();
        let [from, to] = ["from", "to"].map(|field| PeerId::parse(text(&vector, field)).unwrap());
        let (mut sealer, mut opener) = (Sealer::new(&code, from, to), Opener::new(&code, from, to));
        for message in vector["messages"].as_array().unwrap() {
            let (plaintext, data) = (text(message, "plaintext"), text(message, "data"));
            assert_eq!(sealer.seal(plaintext.as_bytes()).unwrap(), data);
            assert_eq!(opener.open(data).unwrap(), plaintext.as_bytes());
            if !plaintext.is_empty() {
                Plain::parse(plaintext.as_bytes()).unwrap();
            }
            messages += 1;
        }
    }
    assert!(messages >= 6, "the file has been emptied");
}
