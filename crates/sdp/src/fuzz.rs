//! Bodies of fuzz targets.

use alloc::string::{String, ToString as _};

use crate::attribute::Attribute;
use crate::attribute::candidate::Candidate;
use crate::attribute::extmap::Extmap;
use crate::attribute::fingerprint::Fingerprint;
use crate::attribute::fmtp::apt::Apt;
use crate::attribute::fmtp::av1::Av1;
use crate::attribute::fmtp::h264::H264;
use crate::attribute::fmtp::h265::H265;
use crate::attribute::fmtp::opus::Opus;
use crate::attribute::fmtp::{Fmtp, red, vp9};
use crate::attribute::group::Group;
use crate::attribute::ice_options::IceOptions;
use crate::attribute::ice_pwd::IcePwd;
use crate::attribute::ice_ufrag::IceUfrag;
use crate::attribute::identity::Identity;
use crate::attribute::max_message_size::MaxMessageSize;
use crate::attribute::maxptime::MaxPtime;
use crate::attribute::mid::Mid;
use crate::attribute::msid::Msid;
use crate::attribute::ptime::Ptime;
use crate::attribute::rid::Rid;
use crate::attribute::rtcp_fb::RtcpFb;
use crate::attribute::rtpmap::Rtpmap;
use crate::attribute::sctp_init::SctpInit;
use crate::attribute::sctp_port::SctpPort;
use crate::attribute::sctpmap::Sctpmap;
use crate::attribute::setup::Setup;
use crate::attribute::simulcast::Simulcast;
use crate::attribute::ssrc::Ssrc;
use crate::attribute::ssrc_group::SsrcGroup;
use crate::attribute::tls_id::TlsId;
use crate::bandwidth::Bandwidth;
use crate::description::Description;

/// A description: what was read is written, and what was written reads the same.
pub fn description(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let Ok(description) = Description::parse(text) else { return };
    let written = description.to_string();
    let again = Description::parse(&written).expect("what was written can be read");
    assert_eq!(again.to_string(), written);
    assert_eq!(again.media.len(), description.media.len());
    let sections = core::iter::once(&description.session).chain(description.media.iter().map(|media| &media.section));
    for section in sections {
        for (name, value) in section.attributes() {
            attributes(name, value);
        }
        let _ = Bandwidth::limit(section);
    }
    // Written text moves no line, so questions are answered alike.
    assert_eq!(again.origin(), description.origin());
}

fn attributes(name: &str, value: &str) {
    attribute::<Candidate>(name, value);
    attribute::<Fingerprint>(name, value);
    attribute::<Group>(name, value);
    attribute::<IceOptions>(name, value);
    attribute::<IcePwd>(name, value);
    attribute::<IceUfrag>(name, value);
    attribute::<Identity>(name, value);
    attribute::<MaxMessageSize>(name, value);
    attribute::<Mid>(name, value);
    attribute::<SctpInit>(name, value);
    attribute::<SctpPort>(name, value);
    attribute::<Sctpmap>(name, value);
    attribute::<Setup>(name, value);
    attribute::<TlsId>(name, value);
    media(name, value);
}

fn media(name: &str, value: &str) {
    attribute::<Extmap>(name, value);
    attribute::<Fmtp>(name, value);
    attribute::<MaxPtime>(name, value);
    attribute::<Msid>(name, value);
    attribute::<Ptime>(name, value);
    attribute::<Rid>(name, value);
    attribute::<RtcpFb>(name, value);
    attribute::<Rtpmap>(name, value);
    attribute::<Simulcast>(name, value);
    attribute::<Ssrc>(name, value);
    attribute::<SsrcGroup>(name, value);
    if let Some(Fmtp { parameters, .. }) = Fmtp::parse(value).filter(|_| name == Fmtp::NAME) {
        let _ = (Apt::of(&parameters), Av1::of(&parameters), H265::of(&parameters), Opus::of(&parameters));
        let _ = (red::primary(&parameters), vp9::profile(&parameters));
        if let Some(H264 { profile_level_id: id, .. }) = H264::of(&parameters) {
            assert_eq!(id.lower(id), id);
        }
    }
}

/// What is read is written in a form that is read again and written no differently.
fn attribute<A: Attribute>(name: &str, value: &str) {
    let Some(read) = A::parse(value).filter(|_| A::NAME == name) else { return };
    let written = text(&read);
    assert!(!written.contains(['\0', '\r', '\n']));
    let again = A::parse(&written).expect("what was written can be read");
    assert_eq!(text(&again), written);
}

fn text<A: Attribute>(attribute: &A) -> String {
    let mut out = String::new();
    attribute.write(&mut out);
    out.strip_prefix(':').map(Into::into).unwrap_or(out)
}

#[cfg(test)]
mod tests {
    #[test]
    fn descriptions() {
        peerage_testkit::replay::replay(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus"), super::description);
    }
}
