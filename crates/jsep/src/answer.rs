//! Writing an answer (RFC 9429 §5.3).

use alloc::vec::Vec;

use peerage_sdp::attribute::mid::Mid;
use peerage_sdp::attribute::setup::Setup;
use peerage_sdp::description::Description;

use crate::config::Config;
use crate::error::Error;
use crate::facts::Facts;
use crate::local::Credentials;
use crate::write;

/// The answer to an offer: its data section is taken, everything else refused, and nothing of it is repeated that we do
/// not understand.
///
/// RFC 9143 §7.3.3 would have us refuse a `bundle-only` data section whose tagged section is refused. We take it, under the
/// tagged section's credentials: a peer that bundles audio, video and data keeps its data channel.
pub(crate) fn write(
    config: &Config,
    offer: &Facts,
    setup: Setup,
    local: &Credentials,
    version: u64,
) -> Result<Description, Error> {
    let mids: Vec<Mid> = match offer.data.map(|index| &offer.sections[index]) {
        Some(section) if offer.data_bundled => section.mid.iter().cloned().collect(),
        _ => Vec::new(),
    };
    // An offered group is answered even if it is left empty: `max-bundle` peers look for it.
    let group = offer.has_bundle.then_some(mids);
    let mut local = local.clone();
    if let Some(link) = &offer.link {
        // What the offer does not know is not answered (RFC 9429 §5.3.1, RFC 8842 §5.3).
        local.trickle &= link.trickle;
        local.tls_id = local.tls_id.filter(|_| link.tls_id.is_some());
    }
    let mut description = write::session(config, version, group)?;
    for (index, section) in offer.sections.iter().enumerate() {
        let mid = section.mid.as_ref();
        let media = match section.data {
            Some(data) if offer.data == Some(index) => {
                write::data(config, &local, &section.protocol, data.form, mid, setup)
            }
            _ => {
                let (format, rtpmap) = (section.format.as_deref(), section.rtpmap.as_deref());
                write::rejected(&section.media, &section.protocol, format, rtpmap, mid)
            }
        };
        description.media.push(media);
    }
    Ok(description)
}
