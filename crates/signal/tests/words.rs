//! The exchange at a nameplate against vectors made with a foreign implementation; the web page is checked against the same
//! file.

use peerage_signal::id::{Nameplate, PeerId, Side};
use peerage_signal::message::Data;
use peerage_signal::pake::Run;
use peerage_signal::word_code::WordCode;
use serde_json::Value;

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap()
}

fn hex<const N: usize>(text: &str) -> [u8; N] {
    let bytes: Vec<u8> = (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..][..2], 16).unwrap()).collect();
    bytes.try_into().unwrap()
}

#[test]
fn both_sides_say_and_get_what_the_vectors_name() {
    let file: Value = serde_json::from_str(include_str!("words.json")).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    assert!(vectors.len() >= 2, "the file has been emptied");
    for vector in vectors {
        let nameplate = Nameplate::new(vector["nameplate"].as_u64().unwrap().try_into().unwrap()).unwrap();
        let code = WordCode::parse(&format!("{nameplate} {}", text(vector, "words"))).unwrap();
        assert_eq!(code.words.as_text(), text(vector, "words"));
        let [host, guest] = ["host", "guest"].map(|side| PeerId::parse(text(vector, side)).unwrap());
        let run = |side, me, peer, entropy| {
            Run::with_entropy(&code.words, nameplate, side, me, peer, &hex(text(vector, entropy)))
        };
        let ours = run(Side::Host, host, guest, "host_entropy");
        let theirs = run(Side::Guest, guest, host, "guest_entropy");
        let data = |field| Data::new(text(vector, field).to_owned()).unwrap();
        assert_eq!((ours.share(), theirs.share()), (data("host_share"), data("guest_share")));
        let ours = ours.agree(&data("guest_share")).unwrap();
        let theirs = theirs.agree(&data("host_share")).unwrap();
        assert_eq!((ours.tag(), theirs.tag()), (data("host_tag"), data("guest_tag")));
        assert_eq!(ours.confirm(&data("guest_tag")).unwrap().to_string(), text(vector, "code"));
        assert_eq!(theirs.confirm(&data("host_tag")).unwrap().to_string(), text(vector, "code"));
    }
}
