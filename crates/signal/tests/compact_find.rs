//! Session texts inside what people paste.

use peerage_signal::compact::condense::{Half, Options, condense};
use peerage_signal::compact::derive::{OfferTag, derive_credentials};
use peerage_signal::compact::description::{Description, Kind, LIFETIME};
use peerage_signal::compact::error::TextError;
use peerage_signal::compact::find::find;
use proptest::prelude::*;

const NOW: u64 = 1_795_338_425;

/// A native description whose certificate has this number.
fn description(half: Half, number: u64, created: u64, host: &str) -> Description {
    let fingerprint: [u8; 32] =
        core::array::from_fn(|index| (number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (index % 57)) as u8);
    let (ufrag, pwd) = derive_credentials(&fingerprint);
    let digest = fingerprint.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":");
    let setup = if half == Half::Offer { "actpass" } else { "active" };
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\n\
         a=ice-options:trickle renomination punch\r\na=fingerprint:sha-256 {digest}\r\na=setup:{setup}\r\na=mid:0\r\na=sctp-port:5000\r\n\
         a=max-message-size:262144\r\na=candidate:1 1 udp 2130706431 {host} 54321 typ host\r\n\
         a=candidate:2 1 udp 1694498815 203.0.113.5 54321 typ srflx raddr 0.0.0.0 rport 0\r\n"
    );
    condense(half, &sdp, created, Options::default()).unwrap().description
}

fn offer(number: u64) -> Description {
    description(Half::Offer, number, NOW, "192.168.178.21")
}

/// The text in lines of so many characters.
fn wrapped(text: &str, width: usize, before: &str, after: &str) -> String {
    let lines =
        text.as_bytes().chunks(width).map(|line| format!("{before}{}{after}", core::str::from_utf8(line).unwrap()));
    lines.collect()
}

#[test]
fn a_text_is_found_in_what_programs_make_of_it() {
    for number in 0..40 {
        let offer = offer(number);
        let text = offer.to_text().unwrap();
        let (mail, quoted) = (wrapped(&text, 30, "", "\r\n"), wrapped(&text, 30, "> ", "\n"));
        for message in [
            text.clone(),
            format!("  {text}\n"),
            format!("Hi! Here is my code: {text}. See you"),
            format!("On Monday, Bob wrote:\n> > {text}\n> ok?\n-- \nAlice"),
            format!("https://example.org/connect/#{text}"),
            format!("<https://example.org/connect/#{text}|https://example.org/\u{2026}>"),
            format!("```\n{text}\n```"),
            format!("**{text}**"),
            format!("_{text}_"),
            format!("\"{text}\""),
            format!("\u{201e}{text}\u{201c}"),
            format!("[18:04, 23.11.2026] Alice: {text}"),
            text.replace('-', "\u{2013}"),
            text.replace('-', "\u{2011}"),
            text.replace('_', "\\_"),
            wrapped(&text, 10, "", "\u{200b}"),
            wrapped(&text, 20, "", "\u{ad}"),
            wrapped(&text, 25, "", "=\r\n"),
            wrapped(&text, 25, "", "<wbr>"),
            wrapped(&text, 12, "    ", " \r\n"),
            wrapped(&text, 30, "&gt; ", "<br />\n"),
            format!("paste this:\r\n{mail}\r\nthanks"),
            format!("someone said:\n{quoted}\nand so on"),
        ] {
            assert_eq!(find(&message).map(|found| found.all), Ok(vec![offer.clone()]), "{message}");
        }
    }
}

#[test]
fn the_spelling_avoids_what_chat_programs_change() {
    let special = |byte: u8| matches!(byte, b'-' | b'_');
    let mut risky = 0;
    for number in 0..400 {
        let text = offer(number).to_text().unwrap();
        let bytes = text.as_bytes();
        assert!(!special(bytes[0]));
        let ends = special(bytes[bytes.len() - 1]);
        risky += usize::from(ends || bytes.windows(2).any(|pair| special(pair[0]) && special(pair[1])));
    }
    assert!(risky < 2, "{risky} of 400");
}

#[test]
fn other_spellings_are_found_among_words_and_in_links() {
    let offer = offer(7);
    let (qr, words) = (offer.to_qr().unwrap(), offer.to_words().unwrap());
    let numbered: String = words.split(' ').enumerate().map(|(n, word)| format!("{}. {word}\n", n + 1)).collect();
    for message in [
        format!("HTTPS://EXAMPLE.ORG/#{qr}"),
        format!("scan says: {qr}"),
        wrapped(&qr, 40, "", "\n"),
        format!("please dial {words} thanks"),
        numbered,
        words.replace(' ', "-"),
        words.replace(' ', ", "),
        words.replace(' ', "\n"),
    ] {
        assert_eq!(find(&message).map(|found| found.all), Ok(vec![offer.clone()]), "{message}");
    }
}

#[test]
fn the_newest_of_several_is_taken_and_of_the_kind_that_is_wanted() {
    let (old, new) = (description(Half::Offer, 1, NOW - 1000, "10.0.0.1"), offer(2));
    let answer = description(Half::Answer(new.tag()), 3, NOW, "10.0.0.3");
    let [old_text, new_text, answer_text] = [&old, &new, &answer].map(|text| text.to_text().unwrap());
    let message = format!("{answer_text}\n> {new_text}\n>> {old_text}\n{new_text}");
    let found = find(&message).unwrap();
    assert_eq!(found.all, [answer.clone(), new.clone(), old.clone()]);
    assert_eq!(found.newest(Kind::Offer, NOW), Ok(&new));
    assert_eq!(found.answer_to(new.tag(), NOW, LIFETIME), Ok(&answer));
    assert_eq!(found.answer_to(old.tag(), NOW, LIFETIME), Err(TextError::OtherOffer));
    assert_eq!(find(&new_text).unwrap().newest(Kind::Answer, NOW), Err(TextError::WrongKind { answer: false }));
    assert_eq!(find(&answer_text).unwrap().newest(Kind::Offer, NOW), Err(TextError::WrongKind { answer: true }));
    // An answer to an earlier offer beside it does not matter, be it newer.
    let other = description(Half::Answer(OfferTag(1)), 4, NOW + 600, "10.0.0.4").to_text().unwrap();
    assert_eq!(find(&format!("{answer_text} {other}")).unwrap().answer_to(new.tag(), NOW + 600, LIFETIME), Ok(&answer));
}

#[test]
fn a_text_expires_after_half_an_hour() {
    let found = find(&offer(1).to_text().unwrap()).unwrap();
    assert!(found.newest(Kind::Offer, NOW).is_ok() && found.newest(Kind::Offer, NOW + 30 * 60).is_ok());
    assert!(found.newest(Kind::Offer, NOW - 3600).is_ok(), "clocks differ");
    for later in [36 * 60, 86_400, 400 * 86_400] {
        let error = found.newest(Kind::Offer, NOW + later).unwrap_err();
        assert!(matches!(error, TextError::Expired { age, limit: 1800 } if age.abs_diff(later) <= 256), "{error}");
    }
    assert_eq!(found.newest(Kind::Offer, NOW - 100 * 86_400), Err(TextError::Altered), "made in the future");
}

#[test]
fn what_is_cut_is_told_from_what_is_changed() {
    let offer = offer(11);
    let text = offer.to_text().unwrap();
    for len in 40..text.len() {
        let message = format!("here: {} is what I got, can you connect?", &text[..len]);
        let Err(TextError::Truncated { missing }) = find(&message) else { panic!("{len}: {:?}", find(&message)) };
        assert!((1..=text.len() - len).contains(&missing), "{missing} of {}", text.len() - len);
    }
    let mut altered = 0;
    for at in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
        let error = find(core::str::from_utf8(&bytes).unwrap()).unwrap_err();
        altered += usize::from(error == TextError::Altered);
    }
    assert!(altered > text.len() / 2, "{altered}: a change of the first bits may look like something else");
    let words = offer.to_words().unwrap();
    let typo = words.replacen(words.split(' ').nth(30).unwrap(), "gitar", 1);
    let Err(TextError::Word(unknown)) = find(&typo) else { panic!("{typo}") };
    assert_eq!((&*unknown.text, unknown.nearest[0]), ("gitar", "guitar"));
    let cut: Vec<&str> = words.split(' ').take(20).collect();
    assert!(matches!(find(&cut.join(" ")), Err(TextError::Truncated { missing }) if missing > 5));
}

#[test]
fn a_message_without_a_text_says_so() {
    for message in [
        "",
        "hello",
        "Dear Alice, how are you? I am fine. Best regards, Bob",
        "https://example.org/some-long-path/with_many_words/and-hyphens/index.html",
        "abandon ability able about",
        "7-guitar-sunset",
        "ab1xyz-0123456789abcdefghjk",
        &"lorem ipsum dolor sit amet ".repeat(5000),
        &"\u{1f600}".repeat(20_000),
    ] {
        assert_eq!(find(message), Err(TextError::Nothing), "{}", message.chars().take(80).collect::<String>());
    }
}

#[test]
fn a_sha256_in_a_message_is_no_text() {
    let message = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(find(message), Err(TextError::Nothing), "it has no capital letters");
}

#[test]
fn a_message_that_is_full_of_beginnings_is_searched_in_bounded_work() {
    let text = offer(5).to_text().unwrap();
    let damaged = format!("{} ", &text[..text.len() - 2]);
    let words = offer(5).to_words().unwrap().replace("zoo", "zone");
    let words: Vec<&str> = words.split(' ').take(35).collect();
    for hostile in [
        "R".repeat(1 << 13),
        "R-".repeat(1 << 12),
        "R ".repeat(1 << 12),
        damaged.repeat(120),
        words.join(" ").repeat(25),
    ] {
        assert!(find(&hostile).is_err());
        // What is told first is found all the same.
        assert_eq!(find(&format!("{text} {hostile}")).unwrap().all, [offer(5)]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_message_is_searched(message in "(?s).{0,300}") {
        let _ = find(&message);
    }

    #[test]
    fn a_text_between_any_words_is_found(before in "[a-zA-Z0-9 .,:;!?\n]{0,80}", after in "[a-zA-Z0-9 .,:;!?\n]{0,80}", number: u64) {
        let offer = offer(number);
        let message = format!("{before}\n{}\n{after}", offer.to_text().unwrap());
        prop_assert_eq!(find(&message).map(|found| found.all), Ok(vec![offer]));
    }
}
