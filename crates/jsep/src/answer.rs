//! Writing an answer (RFC 9429 §5.3).

use alloc::vec::Vec;

use peerage_sdp::attribute::ice_options::IceOptions;
use peerage_sdp::attribute::mid::Mid;
use peerage_sdp::attribute::setup::Setup;
use peerage_sdp::description::Description;

use crate::check;
use crate::compose::RtpOutline;
use crate::config::Config;
use crate::error::Error;
use crate::facts::Facts;
use crate::local::Credentials;
use crate::write::{self, Kind, Transport};
use crate::write_media;

/// The answer to an offer: its data section is taken, and the sections that `media` has something for; everything else is
/// refused, and nothing of it is repeated that we do not understand. An RTP section that carries the transport of the
/// others stays open without media.
pub(crate) fn write(
    config: &Config,
    offer: &Facts,
    media: &[Option<RtpOutline>],
    setup: Setup,
    local: &Credentials,
    version: u64,
) -> Result<Description, Error> {
    let outline = |index: usize| media.get(index).and_then(Option::as_ref).filter(|_| offer.sections[index].carried);
    let places = 0..offer.sections.len();
    // What carries a transport that nothing uses is refused too.
    let used = offer.data.is_some() || places.clone().any(|index| outline(index).is_some());
    let carrier = offer.tagged.filter(|_| used);
    let taken = |index: usize| offer.data == Some(index) || carrier == Some(index) || outline(index).is_some();
    let mids: Vec<Mid> = if offer.bundled {
        let open = offer.sections.iter().enumerate().filter(|(index, _)| taken(*index));
        let mut open: Vec<_> = open.map(|(index, section)| (carrier != Some(index), section)).collect();
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
    let has_mixed = |index: usize| offer.sections[index].rtp.as_ref().is_some_and(|rtp| rtp.mixed);
    let mixed = places.clone().any(|index| outline(index).is_some() && has_mixed(index));
    let mut description = write::session(config, version, group, mixed)?;
    for (index, section) in offer.sections.iter().enumerate() {
        let kind = Kind { media: &section.media, protocol: &section.protocol, mid: section.mid.as_ref() };
        let media = match (section.data, outline(index)) {
            (Some(data), _) if offer.data == Some(index) => {
                write::data(config, &transport, &kind, data.form, carrier.is_none())
            }
            (_, Some(outline)) => write_media::section(&transport, &kind, outline, carrier == Some(index)),
            _ if carrier == Some(index) => write::idle(&transport, &kind, &section.format, true),
            _ => write::refused(&kind, &section.format),
        };
        description.media.push(media);
    }
    Ok(description)
}
