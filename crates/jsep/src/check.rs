//! What one description owes another.

use alloc::collections::BTreeMap;
use alloc::format;

use peerage_sdp::attribute::setup::Setup;

use crate::config::Config;
use crate::error::Error;
use crate::facts::{Facts, Link, SectionFacts, name};
use crate::offer::{Slot, Usage};

/// An offer of the peer's against what was agreed: sections stay, in their order (RFC 3264 §8, RFC 9429 §5.8.3).
pub(crate) fn offer(agreed: &[Slot], offer: &Facts) -> Result<(), Error> {
    if offer.sections.len() < agreed.len() {
        let (now, before) = (offer.sections.len(), agreed.len());
        return Err(Error::access(format!("the offer has {now} media sections where {before} were agreed")));
    }
    for (index, (slot, section)) in agreed.iter().zip(&offer.sections).enumerate() {
        // The place of a refused section may be used again for anything.
        if slot.usage == Usage::Refused {
            continue;
        }
        if slot.mid != section.mid || slot.media != section.media {
            return Err(Error::access(format!("media section {index} is not the one that was agreed")));
        }
    }
    if offer.link.as_ref().is_some_and(|link| link.setup == Some(Setup::Holdconn)) {
        return Err(Error::access("a=setup:holdconn is not a DTLS role"));
    }
    Ok(())
}

/// An answer of the peer's against our offer.
pub(crate) fn answer(offer: &Facts, answer: &Facts) -> Result<(), Error> {
    if offer.sections.len() != answer.sections.len() {
        let (got, due) = (answer.sections.len(), offer.sections.len());
        return Err(Error::access(format!("the answer has {got} media sections where the offer has {due}")));
    }
    for (index, (ours, theirs)) in offer.sections.iter().zip(&answer.sections).enumerate() {
        let renamed = theirs.mid.is_some() && ours.mid != theirs.mid;
        if renamed || ours.media != theirs.media {
            return Err(Error::access(format!("media section {index} of the answer is not the one offered")));
        }
        if ours.rejected && !theirs.rejected {
            return Err(Error::access(format!("the answer takes section '{}', which was not offered", name(ours))));
        }
        if !ours.rejected && !theirs.rejected && ours.data.is_some() != theirs.data.is_some() {
            let (name, protocol) = (name(ours), &theirs.protocol);
            return Err(Error::access(format!("the answer to section '{name}' is in protocol {protocol}")));
        }
        media_answer(ours, theirs)?;
    }
    match answer.link.as_ref().and_then(|link| link.setup) {
        Some(Setup::Actpass | Setup::Holdconn) => Err(Error::access("an answer must be a=setup:active or passive")),
        _ => Ok(()),
    }
}

/// An audio or video section of the answer, where those are negotiated: it is on the one transport that there is.
fn media_answer(ours: &SectionFacts, theirs: &SectionFacts) -> Result<(), Error> {
    let (Some(_), false) = (&ours.rtp, ours.rejected || theirs.rejected) else { return Ok(()) };
    let (name, protocol) = (name(ours), &theirs.protocol);
    match &theirs.rtp {
        None => Err(Error::access(format!("the answer to section '{name}' is in protocol {protocol}"))),
        Some(rtp) if !rtp.mux => Err(Error::access(format!("the answer to section '{name}' has no rtcp-mux"))),
        Some(_) if !theirs.carried => {
            Err(Error::access(format!("the answer leaves section '{name}' out of the BUNDLE group")))
        }
        Some(_) => Ok(()),
    }
}

/// Sections of one transport do not give two meanings to a payload type or to an extension's identifier (RFC 9143 §10.1,
/// §10.1.1): nobody could tell which packet is meant.
pub(crate) fn shared_numbers(facts: &Facts) -> Result<(), Error> {
    let mut formats = BTreeMap::new();
    let mut extensions: BTreeMap<u16, &str> = BTreeMap::new();
    for rtp in facts.sections.iter().filter(|section| section.carried).filter_map(|section| section.rtp.as_deref()) {
        for format in &rtp.formats {
            if !format.means_the_same(formats.entry(format.payload_type).or_insert(format)) {
                let number = format.payload_type;
                return Err(Error::access(format!("payload type {number} means two codecs on one transport")));
            }
        }
        for extension in rtp.extensions.iter().filter(|extension| extension.is_usable()) {
            if *extensions.entry(extension.id).or_insert(&extension.uri) != extension.uri {
                let id = extension.id;
                return Err(Error::access(format!("extension identifier {id} means two extensions on one transport")));
            }
        }
    }
    Ok(())
}

/// The SCTP INIT chunk that the peer's description has and ours is not: some stacks repeat what they do not know.
pub(crate) fn usable_init<'a>(config: &Config, remote: &'a Facts, ours: Option<&[u8]>) -> Option<&'a [u8]> {
    remote.init().filter(|theirs| Some(*theirs) != ours && (config.accepts_init)(theirs))
}

/// An answer to an offer that has our INIT chunk: with one of its own, good or bad, the peer means to begin from them.
pub(crate) fn answered_init(config: &Config, offer: &Facts, answer: &Facts) -> Result<(), Error> {
    let Some(ours) = offer.init() else { return Ok(()) };
    match &answer.sctp_init {
        Err(error) => Err((*error).into()),
        Ok(Some(theirs)) if theirs.as_bytes() != ours && !(config.accepts_init)(theirs.as_bytes()) => {
            Err(Error::access("the a=sctp-init of the answer is not an INIT chunk that can be used"))
        }
        Ok(_) => Ok(()),
    }
}

/// Whether `new` begins another ICE generation than `old`: both credentials change, or neither (RFC 8839 §4.4.1.1.1).
pub(crate) fn restarts(old: &Link, new: &Link) -> Result<bool, Error> {
    match (old.ufrag != new.ufrag, old.pwd != new.pwd) {
        (true, true) => Ok(true),
        (false, false) => Ok(false),
        (true, false) => Err(Error::access("an ICE restart changes the password too, not the ufrag alone")),
        (false, true) => Err(Error::access("an ICE restart changes the ufrag too, not the password alone")),
    }
}
