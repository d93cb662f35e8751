//! Session texts of what native peers, Chromium and Firefox write: how long they are, and that nothing is lost.

use std::fs;
use std::path::Path;

use peerage_jsep::config::Config;
use peerage_jsep::description::{SdpType, SessionDescription};
use peerage_jsep::local::LocalTransport;
use peerage_jsep::negotiation::{Negotiation, OfferOptions};
use peerage_jsep::plan::Plan;
use peerage_jsep::transceiver::MediaKind;
use peerage_signal::compact::choose::DropReason;
use peerage_signal::compact::condense::{Condensed, Half, Options, condense};
use peerage_signal::compact::derive::{OfferTag, derive_credentials};
use peerage_signal::compact::description::{Description, Kind, Origin};
use peerage_signal::compact::error::{DoesNotFit, TextError};
use peerage_signal::compact::find::find;
use serde_json::{Value, json};

const NOW: u64 = 1_795_338_425;

const FINGERPRINT: [u8; 32] = [
    0x04, 0xA4, 0x68, 0xF3, 0xEC, 0x4E, 0x24, 0x83, 0x33, 0x26, 0x7E, 0x44, 0x62, 0xDA, 0xAB, 0x1E, 0x5C, 0x54, 0x2D,
    0x1F, 0xFF, 0xA4, 0xA1, 0x4F, 0x6B, 0x33, 0x36, 0xF2, 0xDF, 0x72, 0x79, 0xA9,
];

const MDNS: &str =
    "1 1 udp 2122260223 7fdc82f2-7c7d-4a1a-938e-9574a87f9729.local 54321 typ host generation 0 network-cost 999";
const SRFLX: &str =
    "2 1 udp 1686052607 203.0.113.5 54321 typ srflx raddr 0.0.0.0 rport 0 generation 0 network-cost 999";
const V6: &str =
    "3 1 udp 1685987071 2001:db8:1234:5678:9abc:def0:1234:5678 54322 typ srflx raddr :: rport 0 generation 0";
const RELAY: &str = "4 1 udp 41885439 198.51.100.7 61000 typ relay raddr 203.0.113.5 rport 54321 generation 0";
const HOST: &str = "1 1 udp 2130706431 192.168.178.21 54321 typ host";

fn corpus(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdp/corpus").join(name)).unwrap()
}

/// The data section alone, as the same browser would write it.
fn data_only(sdp: &str) -> String {
    let (session, data) = (&sdp[..sdp.find("m=").unwrap()], &sdp[sdp.find("m=application").unwrap()..]);
    let session: String = session
        .split_inclusive("\r\n")
        .map(|line| match line {
            line if line.starts_with("a=group") => "a=group:BUNDLE 0\r\n",
            line if line.starts_with("a=msid-semantic: WMS ") => "a=msid-semantic: WMS\r\n",
            line => line,
        })
        .collect();
    session + &data.replace("a=mid:2", "a=mid:0")
}

/// The same with candidates, where the browser has them.
fn with_candidates(sdp: &str, candidates: &[&str]) -> String {
    let lines: String = candidates.iter().map(|line| format!("a=candidate:{line}\r\n")).collect();
    let place = sdp.find("c=IN").unwrap();
    let place = place + sdp[place..].find("\r\n").unwrap() + 2;
    format!("{}{lines}{}", &sdp[..place], &sdp[place..])
}

/// What a native peer writes of itself, by text.
fn native_transport(candidates: &[&str]) -> LocalTransport {
    let (ufrag, pwd) = derive_credentials(&FINGERPRINT);
    LocalTransport {
        ufrag,
        pwd,
        fingerprints: vec![format!("sha-256 {}", hex())],
        candidates: candidates.iter().map(|line| format!("candidate:{line}")).collect(),
        end_of_candidates: true,
        ice_options: ["renomination", "punch"].map(str::to_owned).to_vec(),
        ..LocalTransport::default()
    }
}

fn native(candidates: &[&str], media: bool) -> String {
    let transport = native_transport(candidates);
    let mut negotiation = negotiation(1);
    negotiation.want_data();
    if media {
        negotiation.add_track(MediaKind::Audio, "mic".into(), vec!["stream".into()]).unwrap();
        negotiation.add_track(MediaKind::Video, "cam".into(), vec!["stream".into()]).unwrap();
    }
    negotiation.create_offer(&transport, OfferOptions::default()).unwrap().sdp
}

fn hex() -> String {
    FINGERPRINT.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

fn negotiation(id: u64) -> Negotiation {
    let mut config = Config::new(id);
    config.media = Some(std::sync::Arc::default());
    Negotiation::new(config)
}

fn offer(sdp: &str) -> Condensed {
    condense(Half::Offer, sdp, NOW, Options::default()).unwrap()
}

/// All three spellings, each found again in a message.
fn spelled(description: &Description) -> (String, String, String) {
    let (text, qr, words) =
        (description.to_text().unwrap(), description.to_qr().unwrap(), description.to_words().unwrap());
    for spelling in [&text, &qr, &qr.to_lowercase(), &words, &words.to_uppercase()] {
        assert_eq!(find(spelling).unwrap().all, core::slice::from_ref(description), "{spelling}");
    }
    assert!(qr.bytes().all(|byte| b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:".contains(&byte)));
    (text, qr, words)
}

#[test]
fn texts_are_as_short_as_promised() {
    let (chromium, firefox) =
        (data_only(&corpus("chromium-156-offer.sdp")), data_only(&corpus("firefox-153-offer.sdp")));
    // Alphanumeric characters of a QR code of version 6: 195 at level L, 154 at level M.
    for (what, sdp, characters, qr_characters, kept) in [
        ("native, one address", native(&[HOST], false), 60, 154, 1),
        ("native, behind a NAT with a relay", native(&[HOST, SRFLX, RELAY], false), 80, 154, 3),
        ("native, all kinds", native(&[HOST, SRFLX, V6, RELAY], false), 140, 154, 4),
        ("Chromium", with_candidates(&chromium, &[MDNS, SRFLX]), 112, 154, 2),
        ("Chromium with IPv6 and relay", with_candidates(&chromium, &[MDNS, SRFLX, V6, RELAY]), 150, 195, 4),
        ("Firefox", with_candidates(&firefox, &[MDNS, SRFLX]), 112, 154, 2),
        ("Firefox with IPv6 and relay", with_candidates(&firefox, &[MDNS, SRFLX, V6, RELAY]), 150, 195, 4),
    ] {
        let condensed = offer(&sdp);
        let (text, qr, words) = spelled(&condensed.description);
        let count = words.split(' ').count();
        println!("{what}: {} characters, {} in a QR code, {count} words", text.len(), qr.len());
        assert!(text.len() <= characters, "{what}: {}", text.len());
        assert!(qr.len() <= qr_characters, "{what}: {}", qr.len());
        assert_eq!(condensed.description.candidates.len(), kept, "{what}: {:?}", condensed.dropped);
    }
}

#[test]
fn a_machine_with_many_addresses_keeps_the_best_of_each_kind() {
    let mut lines: Vec<String> = Vec::new();
    for n in 0..20_u32 {
        lines.push(format!("h{n} 1 udp {} 10.0.{n}.1 {} typ host", 2_130_706_431 - n * 256, 40_000 + n));
        lines.push(format!("v{n} 1 udp {} 2001:db8:{n}::1 {} typ host", 2_130_706_430 - n * 256, 41_000 + n));
        lines.push(format!("t{n} 1 tcp {} 10.0.{n}.1 {} typ host tcptype passive", 1_518_280_447 - n, 42_000 + n));
        lines.push(format!("a{n} 1 tcp {} 10.0.{n}.1 9 typ host tcptype active", 1_518_280_447 - n));
    }
    let lines: Vec<&str> = lines.iter().map(String::as_str).chain([SRFLX, RELAY]).collect();
    let condensed = offer(&native(&lines, false));
    let text = condensed.description.to_text().unwrap();
    assert!(text.len() <= 140, "{}", text.len());
    let kinds: Vec<String> =
        condensed.description.candidates.iter().map(|candidate| format!("{candidate:?}")).collect();
    for kind in ["Host/Udp", "Host/TcpPassive", "ServerReflexive/Udp", "Relayed/Udp"] {
        assert!(kinds.iter().any(|have| have.starts_with(kind)), "{kind}: {kinds:?}");
    }
    assert!(
        condensed.description.to_sdp().contains("2001:db8:0::1")
            || condensed.description.to_sdp().contains("2001:db8::1")
    );
    let useless = condensed.dropped.iter().filter(|(_, why)| *why == DropReason::Useless).count();
    assert_eq!(useless, 20, "what only opens connections");
    assert_eq!(condensed.dropped.len() + condensed.description.candidates.len(), lines.len(), "all are accounted for");
}

/// Room for an SCTP INIT chunk in the description, which Chromium's experiments write.
fn roomy() -> Options {
    let mut options = Options::default();
    options.characters = Some(400);
    options
}

/// What a negotiation of ours makes of an offer; candidates have new priorities, and the text says that there will be no
/// more.
fn meaning(sdp: &str) -> String {
    let mut ours = negotiation(2);
    let mut plan: Plan = ours.set_remote(SessionDescription::new(SdpType::Offer, sdp)).unwrap();
    let transport = plan.transport.as_mut().unwrap();
    assert!(!transport.candidates.is_empty());
    let credentials = (transport.remote_ufrag.clone(), transport.remote_pwd.clone(), transport.fingerprints.clone());
    let ice = (transport.remote_lite, transport.remote_trickle, transport.remote_ice_options.clone());
    let local = LocalTransport {
        ufrag: "abcd".into(),
        pwd: "a".repeat(24),
        fingerprints: vec![format!("sha-256 {}", hex())],
        ..LocalTransport::default()
    };
    let answer = ours.create_answer(&local).unwrap();
    let settled = ours.set_local(Some(answer.clone()), &local).unwrap();
    let (sections, tracks) = (&plan.sections, &plan.tracks);
    let (media, data) = (&settled.media, &settled.data);
    format!("{credentials:?} {ice:?} {sections:#?} {tracks:#?} {media:#?} {data:#?} {}", answer.sdp)
}

/// The same lines, whatever their order, but for what is written anew.
fn lines(sdp: &str) -> Vec<String> {
    let anew = ["o=", "a=candidate", "a=end-of-candidates", "c=", "a=rtcp:"];
    let mut lines: Vec<String> = sdp
        .lines()
        .filter(|line| !anew.iter().any(|start| line.starts_with(start)))
        .map(|line| line.to_owned())
        .collect();
    lines.iter_mut().filter(|line| line.starts_with("m=")).for_each(|line| {
        let mut words: Vec<&str> = line.split(' ').collect();
        words[1] = if words[1] == "0" { "0" } else { "9" };
        *line = words.join(" ");
    });
    lines
}

const BROWSERS: [&str; 3] = ["chromium-156", "chromium-156-sped", "firefox-153"];

#[test]
fn what_browsers_offer_comes_back_line_by_line() {
    for name in BROWSERS {
        let whole = corpus(&format!("{name}-offer.sdp"));
        for sdp in [whole.clone(), data_only(&whole)] {
            let sdp = with_candidates(&sdp, &[MDNS, SRFLX, RELAY]);
            let condensed = condense(Half::Offer, &sdp, NOW, roomy()).unwrap();
            let (text, ..) = spelled(&condensed.description);
            println!("{name}: {} characters for {} bytes", text.len(), sdp.len());
            let back = find(&text).unwrap().all[0].to_sdp();
            assert_eq!(lines(&back), lines(&sdp), "{name}");
            assert_eq!(meaning(&back), meaning(&sdp), "{name}");
        }
    }
}

#[test]
fn what_browsers_answer_comes_back_line_by_line() {
    for name in BROWSERS {
        let whole = corpus(&format!("{name}-answer.sdp"));
        for sdp in [whole.clone(), data_only(&whole)] {
            let sdp = with_candidates(&sdp, &[MDNS, SRFLX]);
            let tag = OfferTag(0x1234);
            let condensed = condense(Half::Answer(tag), &sdp, NOW, roomy()).unwrap();
            let (text, ..) = spelled(&condensed.description);
            println!("{name}: {} characters for {} bytes", text.len(), sdp.len());
            let found = find(&text).unwrap();
            let answer = found.answer_to(tag, NOW, 1800).unwrap();
            assert_eq!(lines(&answer.to_sdp()), lines(&sdp), "{name}");
        }
    }
}

/// As the browsers wrote them once all candidates were there.
#[test]
fn gathered_descriptions_of_browsers_are_short_and_come_back() {
    for (name, characters) in [
        ("chromium-156-data-offer.sdp", 114),
        ("chromium-156-data-answer.sdp", 127),
        ("chromium-156-call-offer.sdp", 216),
        ("firefox-153-data-offer.sdp", 116),
        ("firefox-153-data-answer.sdp", 120),
        ("firefox-153-call-offer.sdp", 240),
    ] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        let sdp = fs::read_to_string(folder.join(name)).unwrap();
        let half = if name.contains("offer") { Half::Offer } else { Half::Answer(OfferTag(1)) };
        let condensed = condense(half, &sdp, NOW, Options::default()).unwrap();
        let (text, ..) = spelled(&condensed.description);
        println!("{name}: {} characters for {} bytes", text.len(), sdp.len());
        assert!(text.len() <= characters, "{name}: {}", text.len());
        let addresses: Vec<String> = condensed.description.candidates.iter().map(|c| c.address.to_string()).collect();
        assert_eq!(addresses.len(), 2, "{addresses:?}: both families, and nothing that only opens connections");
        let back = condensed.description.to_sdp();
        // Both say of the session what their sections say themselves.
        let session = |sdp: &str| sdp.replacen("t=0 0\r\na=sendrecv\r\n", "t=0 0\r\n", 1);
        assert_eq!(lines(&back), lines(&session(&sdp)), "{name}");
    }
}

#[test]
fn a_native_call_comes_back_line_by_line() {
    let sdp = native(&[HOST, SRFLX, RELAY], true);
    let condensed = offer(&sdp);
    let (text, ..) = spelled(&condensed.description);
    println!("native call: {} characters for {} bytes", text.len(), sdp.len());
    assert_eq!(condensed.description.origin, Origin::Native);
    assert_eq!(lines(&condensed.description.to_sdp()), lines(&sdp));
    assert!(text.len() < 200, "{}", text.len());
}

#[test]
fn simulcast_and_strange_sections_are_told_to_use_a_link() {
    for name in ["chromium-156-simulcast-offer.sdp", "firefox-153-simulcast-offer.sdp"] {
        let error = condense(Half::Offer, &corpus(name), NOW, Options::default()).unwrap_err();
        assert_eq!(error, DoesNotFit::Simulcast, "{name}");
        assert!(error.to_string().contains("use a link"));
    }
    let chromium = corpus("chromium-156-offer.sdp");
    for (old, new) in [
        ("a=group:BUNDLE 0 1 2", "a=x"),
        ("a=group:BUNDLE 0 1 2", "a=group:BUNDLE 0 1"),
        ("sha-256", "sha-512"),
        ("UDP/DTLS/SCTP webrtc-datachannel", "DTLS/SCTP 5000"),
        ("m=audio", "m=text"),
        ("a=ice-ufrag:rgqw\r\n", ""),
        ("a=setup:actpass", "a=setup:holdconn"),
        ("a=mid:0", "a=mid:{mid}"),
    ] {
        assert!(chromium.contains(old));
        let error = condense(Half::Offer, &chromium.replace(old, new), NOW, Options::default()).unwrap_err();
        println!("{error}");
    }
    let mut long = chromium.replace(
        "a=setup:actpass\r\na=mid:1",
        "a=setup:actpass\r\na=x-noise:AJK29857HDKSJA82QPZMXNCBV1029384756LAKSJDHFG1Q2W3E4R5T6Y7U8I9O0P\r\na=mid:1",
    );
    let error = condense(Half::Offer, &long, NOW, Options::default()).unwrap_err();
    assert!(matches!(error, DoesNotFit::TooLong { limit: 280, .. }), "{error}");
    long.truncate(400);
    assert!(condense(Half::Offer, &long, NOW, Options::default()).is_err());
}

#[test]
fn other_codecs_of_another_version_are_carried() {
    let sdp = corpus("chromium-156-offer.sdp")
        .replace(" 100 101 118", " 100 101 35 118")
        .replace("a=rtpmap:118", "a=rtpmap:35 H265/90000\r\na=rtcp-fb:35 nack\r\na=fmtp:35 level-id=93\r\na=rtpmap:118")
        .replace("a=mid:2", "a=mid:data")
        .replace("BUNDLE 0 1 2", "BUNDLE 0 1 data")
        .replace("262144", "65536");
    let condensed = offer(&sdp);
    assert_eq!(lines(&condensed.description.to_sdp()), lines(&sdp));
    spelled(&condensed.description);
}

#[test]
fn a_native_answer_to_a_browsers_call_comes_back() {
    for name in BROWSERS {
        let mut ours = Negotiation::new(Config::new(3));
        ours.set_remote(SessionDescription::new(SdpType::Offer, corpus(&format!("{name}-offer.sdp")))).unwrap();
        let answer = ours.create_answer(&native_transport(&[HOST])).unwrap().sdp;
        let condensed = condense(Half::Answer(OfferTag(7)), &answer, NOW, Options::default()).unwrap();
        let (text, ..) = spelled(&condensed.description);
        println!("{name}: {} characters for {} bytes", text.len(), answer.len());
        assert_eq!(condensed.description.kind, Kind::Answer);
        // Of sections that are refused only the place and the name remain.
        let back = condensed.description.to_sdp();
        assert_eq!(lines(&live(&back)), lines(&live(&answer)));
        let places = |sdp: &str| sdp.lines().filter(|line| line.starts_with("a=mid:")).collect::<Vec<_>>().join(" ");
        assert_eq!(places(&back), places(&answer));
        assert!(back.contains("m=video 0 UDP/TLS/RTP/SAVPF 0\r\n") && text.len() <= 140, "{}: {back}", text.len());
    }
}

#[test]
fn the_example_of_the_specification_is_what_is_written() {
    let specification = include_str!("../../../docs/compact.md");
    let fingerprint: [u8; 32] = core::array::from_fn(|index| index as u8 * 7);
    let (ufrag, pwd) = derive_credentials(&fingerprint);
    let digest = fingerprint.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":");
    let (own, own_pwd) = derive_credentials(&FINGERPRINT);
    let sdp = native(&["1 1 udp 2130706431 192.0.2.1 40000 typ host"], false);
    let sdp = sdp.replace(&hex(), &digest).replace(&own, &ufrag).replace(&own_pwd, &pwd);
    let description = offer(&sdp).description;
    let (text, qr, words) = spelled(&description);
    let lines = [&text, &qr, &words, &ufrag, &pwd].map(|line| format!("`{line}`"));
    let missing: Vec<&String> = lines.iter().filter(|line| !specification.contains(*line)).collect();
    assert!(missing.is_empty(), "the specification lacks {missing:#?}");
}

/// A description without the sections that are refused.
fn live(sdp: &str) -> String {
    let mut parts = sdp.split("m=");
    let session = parts.next().unwrap().to_owned();
    let open = parts.filter(|part| part.split(' ').nth(1) != Some("0"));
    open.fold(session, |text, part| format!("{text}m={part}"))
}

/// Where the page's tests find what this side writes and reads.
const SHARED: &str = "tests/compact.json";

/// A description as the page is given it, with what this side makes of it.
fn shared_text(name: &str, half: Half, sdp: &str, characters: Option<usize>) -> Value {
    let mut options = Options::default();
    options.characters = characters;
    let Condensed { description, dropped } = condense(half, sdp, NOW, options).unwrap();
    let (text, qr, words) = spelled(&description);
    let answers = description.answers.map(|tag| tag.0);
    json!({
        "name": name, "answers": answers, "characters": characters, "sdp": sdp, "dropped": dropped.len(),
        "text": text, "qr": qr, "words": words, "tag": description.tag().0, "description": description.to_sdp(),
    })
}

/// What is wrong with a message, by name and number.
fn shared_fault(message: &str) -> Value {
    let fault = match find(message).unwrap_err() {
        TextError::Nothing => json!({"kind": "nothing"}),
        TextError::Truncated { missing } => json!({"kind": "truncated", "missing": missing}),
        TextError::Altered => json!({"kind": "altered"}),
        TextError::Word(unknown) => json!({"kind": "word", "text": &*unknown.text, "nearest": unknown.nearest}),
        TextError::Newer(version) => json!({"kind": "newer", "version": version}),
        other => panic!("{other}"),
    };
    json!({"message": message, "fault": fault})
}

fn shared() -> Value {
    let fixture = |name: &str| {
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)).unwrap()
    };
    let many: Vec<String> =
        (0..9).map(|n| format!("h{n} 1 udp {} 10.0.{n}.1 {} typ host", 2_130_706_431 - n * 256, 40_000 + n)).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).chain([SRFLX, V6, RELAY]).collect();
    let named = "7 1 udp 2130706431 a-host.local 54321 typ host";
    let mut texts = vec![
        shared_text("native, one address", Half::Offer, &native(&[HOST], false), None),
        shared_text("native, all kinds", Half::Offer, &native(&[HOST, SRFLX, V6, RELAY], false), None),
        shared_text("native, too many", Half::Offer, &native(&many, false), None),
        shared_text("native, a name and no other", Half::Offer, &native(&[named], false), Some(120)),
        shared_text("native, no address", Half::Offer, &native(&[], false), None),
        shared_text("native call", Half::Offer, &native(&[HOST, SRFLX], true), None),
    ];
    for name in BROWSERS {
        for (half, which) in [(Half::Offer, "offer"), (Half::Answer(OfferTag(0x1234)), "answer")] {
            let whole = corpus(&format!("{name}-{which}.sdp"));
            let sdp = with_candidates(&data_only(&whole), &[MDNS, SRFLX, V6, RELAY]);
            texts.push(shared_text(&format!("{name}, data {which}"), half, &sdp, Some(400)));
            texts.push(shared_text(&format!("{name}, {which}"), half, &with_candidates(&whole, &[MDNS]), Some(400)));
        }
    }
    for name in ["chromium-156-call-offer.sdp", "firefox-153-call-offer.sdp"] {
        texts.push(shared_text(name, Half::Offer, &fixture(name), None));
    }
    let description = offer(&native(&[HOST, SRFLX], false)).description;
    let (text, qr, words) = spelled(&description);
    let said: Vec<&str> = words.split(' ').collect();
    let mut messages =
        vec!["hello".to_owned(), "abandon ability able about".to_owned(), text.replace(&text[30..33], "xyx")];
    messages.extend((40..text.len()).step_by(7).map(|len| format!("here: {} is what I got", &text[..len])));
    messages.extend([words.replacen(said[30], "gitar", 1), said[..20].join(" "), words.replacen(said[20], "zoo", 1)]);
    messages.extend([
        qr[..50].to_owned(),
        qr.replacen(&qr[20..22], "ZZ", 1),
        format!("{} the rest of it", &text[..61]),
    ]);
    let faults: Vec<Value> = messages.iter().map(|message| shared_fault(message)).collect();
    json!({ "about": "Session texts as tests/compact.rs of this crate makes them; web/test/compact.test.mjs holds the page to them.",
        "now": NOW, "texts": texts, "faults": faults })
}

/// With `PEERAGE_RENEW` set the file is written instead.
#[test]
fn the_page_is_held_to_what_this_side_writes_and_reads() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(SHARED);
    let now = serde_json::to_string_pretty(&shared()).unwrap() + "\n";
    if std::env::var_os("PEERAGE_RENEW").is_some() {
        fs::write(&path, &now).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap() == now,
        "{SHARED} is not what is written now; set PEERAGE_RENEW to write it anew"
    );
}
