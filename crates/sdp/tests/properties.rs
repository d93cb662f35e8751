//! Whatever the text, parsing neither panics nor loses a line.

use peerage_sdp::attribute::Attribute;
use peerage_sdp::attribute::candidate::Candidate;
use peerage_sdp::attribute::extmap::Extmap;
use peerage_sdp::attribute::fingerprint::Fingerprint;
use peerage_sdp::attribute::group::Group;
use peerage_sdp::attribute::ice_options::IceOptions;
use peerage_sdp::attribute::msid::Msid;
use peerage_sdp::attribute::rid::Rid;
use peerage_sdp::attribute::rtcp_fb::RtcpFb;
use peerage_sdp::attribute::sctp_init::SctpInit;
use peerage_sdp::attribute::sctpmap::Sctpmap;
use peerage_sdp::attribute::simulcast::Simulcast;
use peerage_sdp::attribute::ssrc::Ssrc;
use peerage_sdp::description::Description;
use proptest::prelude::*;

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z]=[ -~]{0,40}",
        2 => "m=(audio|video|application) [0-9]{1,5}(/[0-9])? [A-Z]{1,4}(/[A-Z]{1,4}){0,2}( [a-z0-9-]{1,8}){0,3}",
        2 => "a=(mid|group|candidate|fingerprint|setup|sctp-port|ice-ufrag):[ -~]{0,30}",
        1 => "\\PC{0,20}",
    ]
}

proptest! {
    #[test]
    fn accepted_text_comes_back(lines in prop::collection::vec(line(), 0..30)) {
        let text = format!("v=0\r\no=- 1 2 IN IP4 h\r\ns=-\r\nt=0 0\r\n{}", lines.iter().map(|l| format!("{l}\r\n")).collect::<String>());
        if let Ok(parsed) = Description::parse(&text) {
            let written = parsed.to_string();
            prop_assert_eq!(written.trim_end_matches(['\r', '\n']), text.trim_end_matches(['\r', '\n']));
            prop_assert_eq!(Description::parse(&written).unwrap(), parsed);
        }
    }

    #[test]
    fn any_text_is_survived(text in "(\\PC|[\\r\\n\\x00=]){0,200}") {
        let _ = Description::parse(&text);
    }

    #[test]
    fn attributes_that_are_read_can_be_written_and_read_again(value in "[ -~]{0,120}") {
        fn check<A: Attribute + PartialEq + core::fmt::Debug>(value: &str) -> Result<(), TestCaseError> {
            if let Some(first) = A::parse(value) {
                let mut text = String::new();
                first.write(&mut text);
                prop_assert_eq!(A::parse(text.strip_prefix(':').unwrap_or(&text)), Some(first));
            }
            Ok(())
        }
        check::<Candidate>(&value)?;
        check::<Fingerprint>(&value)?;
        check::<Group>(&value)?;
        check::<IceOptions>(&value)?;
        check::<Sctpmap>(&value)?;
        check::<SctpInit>(&value)?;
        check::<Extmap>(&value)?;
        check::<Msid>(&value)?;
        check::<Rid>(&value)?;
        check::<RtcpFb>(&value)?;
        check::<Simulcast>(&value)?;
        check::<Ssrc>(&value)?;
    }

    #[test]
    fn any_chunk_crosses_a_description(chunk in prop::collection::vec(any::<u8>(), 1..=2048)) {
        let init = SctpInit::new(chunk).unwrap();
        let mut text = String::new();
        init.write(&mut text);
        prop_assert_eq!(SctpInit::parse(&text[1..]), Some(init));
    }
}
