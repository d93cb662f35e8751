//! Descriptions of browsers and of a fuzzer's corpus come back as they went in.

use std::fs;
use std::path::Path;

use peerage_sdp::attribute::candidate::Candidate;
use peerage_sdp::attribute::fingerprint::Fingerprint;
use peerage_sdp::attribute::flag;
use peerage_sdp::attribute::group::Group;
use peerage_sdp::attribute::ice_options::IceOptions;
use peerage_sdp::attribute::ice_pwd::IcePwd;
use peerage_sdp::attribute::ice_ufrag::IceUfrag;
use peerage_sdp::attribute::max_message_size::MaxMessageSize;
use peerage_sdp::attribute::mid::Mid;
use peerage_sdp::attribute::sctp_init::SctpInit;
use peerage_sdp::attribute::sctp_port::SctpPort;
use peerage_sdp::attribute::setup::Setup;
use peerage_sdp::description::Description;

/// Pieces of descriptions, which begin at a media section; with the line of the fault.
const REFUSED: &[(&str, usize)] = &[("unittest-3.sdp", 1), ("unittest-6.sdp", 1), ("unittest-7.sdp", 1)];

fn corpus() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "sdp"))
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(&path).unwrap()))
        .collect();
    files.sort();
    assert!(files.len() > 70, "the corpus is present");
    files
}

fn browser(name: &str) -> Description {
    let (_, text) = corpus().into_iter().find(|(file, _)| file == name).unwrap();
    Description::parse(&text).unwrap()
}

#[test]
fn every_file_is_written_back_as_it_was_read_or_refused_at_a_known_line() {
    for (name, text) in corpus() {
        let refused = REFUSED.iter().find(|(file, _)| *file == name).map(|(_, line)| *line);
        match Description::parse(&text) {
            Ok(parsed) => {
                assert_eq!(refused, None, "{name}");
                let crlf = text.trim_end().replace("\r\n", "\n").replace('\n', "\r\n");
                assert_eq!(parsed.to_string(), crlf + "\r\n", "{name}");
            }
            Err(error) => assert_eq!(Some(error.line), refused, "{name}: {error}"),
        }
    }
}

#[test]
fn a_prefix_of_any_length_neither_panics_nor_invents_lines() {
    for (name, text) in corpus() {
        let step = (text.len() / 400).max(1);
        for end in (0..text.len()).step_by(step).filter(|end| text.is_char_boundary(*end)) {
            if let Ok(parsed) = Description::parse(&text[..end]) {
                assert!(
                    text.replace("\r\n", "\n").replace('\n', "\r\n").starts_with(parsed.to_string().trim_end()),
                    "{name} {end}"
                );
            }
        }
    }
}

#[test]
fn the_data_section_of_chromium_is_read() {
    let offer = browser("chromium-156-offer.sdp");
    let data = &offer.media[2].section;
    assert_eq!(offer.session.find::<Group>().unwrap().unwrap().mids.len(), 3);
    assert!(offer.session.has(flag::EXTMAP_ALLOW_MIXED));
    assert_eq!(data.find::<Mid>().unwrap().unwrap().as_str(), "2");
    assert_eq!(data.find::<IceUfrag>().unwrap().unwrap().as_str(), "rgqw");
    assert_eq!(data.find::<IcePwd>().unwrap().unwrap().as_str(), "Bsqjnkg4DsR4STjwIlYa4rbM");
    assert!(data.find::<IceOptions>().unwrap().unwrap().has(IceOptions::TRICKLE));
    assert_eq!(data.find::<Setup>().unwrap(), Some(Setup::Actpass));
    assert_eq!(data.find::<SctpPort>().unwrap(), Some(SctpPort(5000)));
    assert_eq!(data.find::<MaxMessageSize>().unwrap(), Some(MaxMessageSize(262_144)));
    assert_eq!(data.find::<Candidate>().unwrap(), None);
}

#[test]
fn the_init_chunk_that_chromium_signals_is_read() {
    for (name, tag) in [("offer", [0x2F, 0xB4, 0xD8, 0x52]), ("answer", [0xB0, 0x07, 0xDD, 0xE6])] {
        let description = browser(&format!("chromium-156-sped-{name}.sdp"));
        let inits: Vec<SctpInit> = description.media.iter().filter_map(|media| media.section.find().unwrap()).collect();
        assert_eq!(inits.len(), 1);
        assert_eq!((inits[0].as_bytes().len(), &inits[0].as_bytes()[4..8]), (30, &tag[..]));
    }
}

#[test]
fn what_firefox_states_once_for_the_session_is_inherited() {
    let offer = browser("firefox-153-offer.sdp");
    assert_eq!(offer.media[2].section.find::<Fingerprint>().unwrap(), None);
    assert!(offer.inherited::<Fingerprint>(2).unwrap().unwrap().digest.starts_with("F5:64:B0:ED"));
    assert!(offer.inherited::<IceOptions>(2).unwrap().unwrap().has(IceOptions::TRICKLE));
    assert_eq!(offer.inherited::<Setup>(2).unwrap(), Some(Setup::Actpass));
    assert_eq!(offer.origin().unwrap().session_id, 8_249_331_748_788_168_824);
}

#[test]
fn a_bad_attribute_names_its_line() {
    let text = "v=0\r\no=- 1 2 IN IP4 h\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\nc=IN IP4 h\r\na=ice-ufrag:abc\r\n";
    let error = Description::parse(text).unwrap().media[0].section.find::<IceUfrag>().unwrap_err();
    assert_eq!(error.to_string(), "line 7: malformed a=ice-ufrag");
}

/// RFC 4317 §2.1 in a form of its own: an offer of three audio formats and two video formats, of which one each is taken.
#[test]
fn classic_telephony_descriptions_round_trip() {
    for text in [
        "v=0\r\no=anna 7 7 IN IP4 host.a.example\r\ns=\r\nc=IN IP4 host.a.example\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0 8 97\r\n\
         a=rtpmap:0 PCMU/8000\r\na=rtpmap:97 iLBC/8000\r\nm=video 51372 RTP/AVP 31 32\r\na=rtpmap:31 H261/90000\r\n",
        "v=0\r\no=jdoe 3724394400 3724394405 IN IP4 198.51.100.1\r\ns=Call\r\ni=About SDP\r\nu=http://a.example/x\r\n\
         e=j@a.example (Jane)\r\np=+1 617 555 6011\r\nc=IN IP4 198.51.100.1\r\nb=X-Y:128\r\nt=3724394400 3724398000\r\n\
         r=7d 1h 0 25h\r\nt=1 2\r\nz=2882844526 -1h\r\nk=prompt\r\na=recvonly\r\nm=audio 49170/2 RTP/AVP 0\r\n\
         i=one\r\nc=IN IP6 2001:db8::2\r\nb=AS:64\r\na=rtpmap:99 h263-1998/90000\r\n",
    ] {
        assert_eq!(Description::parse(text).unwrap().to_string(), text);
    }
}

#[test]
fn a_legacy_data_section_is_read() {
    use peerage_sdp::attribute::sctpmap::Sctpmap;
    let text = "v=0\r\no=- 1 2 IN IP4 h\r\ns=-\r\nt=0 0\r\nm=application 9 DTLS/SCTP 5000\r\nc=IN IP4 0.0.0.0\r\n\
                a=sctpmap:5000 webrtc-datachannel 1024\r\n";
    let parsed = Description::parse(text).unwrap();
    assert_eq!(parsed.media[0].line.formats, ["5000"]);
    assert_eq!(parsed.media[0].section.find::<Sctpmap>().unwrap().unwrap().streams, Some(1024));
    assert_eq!(parsed.to_string(), text);
}
