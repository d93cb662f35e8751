//! Writing an answer (RFC 9429 §5.3).

use alloc::vec::Vec;

use peerage_sdp::attribute::ice_options::IceOptions;
use peerage_sdp::attribute::mid::Mid;
use peerage_sdp::attribute::setup::Setup;
use peerage_sdp::description::Description;

use crate::check;
use crate::config::Config;
use crate::error::Error;
use crate::facts::Facts;
use crate::local::Credentials;
use crate::write::{self, Kind, Transport};

/// The answer to an offer: its data section is taken, everything else refused, and nothing of it is repeated that we do
/// not understand. An RTP section that carries the transport of the data section stays open without media.
pub(crate) fn write(
    config: &Config,
    offer: &Facts,
    setup: Setup,
    local: &Credentials,
    version: u64,
) -> Result<Description, Error> {
    let taken = |index: usize| offer.data == Some(index) || offer.tagged == Some(index);
    let mids: Vec<Mid> = if offer.data_bundled {
        let open = offer.sections.iter().enumerate().filter(|(index, _)| taken(*index));
        let mut open: Vec<_> = open.map(|(index, section)| (offer.tagged != Some(index), section)).collect();
        // The tagged section comes first, wherever it stands (RFC 9143 §7.3.1).
        open.sort_by_key(|(untagged, _)| *untagged);
        open.into_iter().filter_map(|(_, section)| section.mid.clone()).collect()
    } else {
        Vec::new()
    };
    // An offered group is answered even if it is left empty: `max-bundle` peers look for it.
    let group = offer.has_bundle.then_some(mids);
    let mut local = local.clone();
    if let Some(link) = &offer.link {
        // What the offer does not know is not answered (RFC 9429 §5.3.1, RFC 8842 §5.3).
        local.ice_options.0.retain(|option| option != IceOptions::TRICKLE || link.ice_options.has(option));
        local.tls_id = local.tls_id.filter(|_| link.tls_id.is_some());
    }
    local.sctp_init = local.sctp_init.filter(|ours| check::usable_init(config, offer, Some(ours.as_bytes())).is_some());
    let transport = Transport { local: &local, setup };
    let mut description = write::session(config, version, group)?;
    for (index, section) in offer.sections.iter().enumerate() {
        let kind = Kind { media: &section.media, protocol: &section.protocol, mid: section.mid.as_ref() };
        let media = match section.data {
            Some(data) if offer.data == Some(index) => {
                write::data(config, &transport, &kind, data.form, offer.tagged.is_none())
            }
            _ if offer.tagged == Some(index) => write::idle(&transport, &kind, &section.format),
            _ => write::refused(&kind, &section.format),
        };
        description.media.push(media);
    }
    Ok(description)
}
