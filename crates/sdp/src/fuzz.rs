//! Bodies of fuzz targets.

use alloc::string::{String, ToString as _};

use crate::attribute::Attribute;
use crate::attribute::candidate::Candidate;
use crate::attribute::fingerprint::Fingerprint;
use crate::attribute::group::Group;
use crate::attribute::ice_options::IceOptions;
use crate::attribute::ice_pwd::IcePwd;
use crate::attribute::ice_ufrag::IceUfrag;
use crate::attribute::identity::Identity;
use crate::attribute::max_message_size::MaxMessageSize;
use crate::attribute::mid::Mid;
use crate::attribute::sctp_init::SctpInit;
use crate::attribute::sctp_port::SctpPort;
use crate::attribute::sctpmap::Sctpmap;
use crate::attribute::setup::Setup;
use crate::attribute::tls_id::TlsId;
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
