//! Bodies of fuzz targets.

use crate::whip::access::Role;
use crate::whip::offer::Offer;
use crate::whip::sdpfrag::Fragment;

/// A fragment of trickled candidates: read or refused, and what is taken of it is bounded by its text.
pub fn fragment(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let Ok(fragment) = Fragment::parse(text) else { return };
    let taken: usize = fragment.candidates.iter().map(|(_, candidate)| candidate.len()).sum();
    assert!(taken <= text.len());
}

/// An offer of either protocol: read or refused; what is given on is an offer that can be read again.
pub fn offer(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    for role in [Role::Publish, Role::View] {
        if let Ok(offer) = Offer::parse(text, role) {
            let again = Offer::parse(&offer.text(), role);
            assert_eq!(again.map(|again| again.text()).ok(), Some(offer.text()));
        }
    }
}

#[cfg(test)]
mod tests {
    use peerage_testkit::replay::replay;

    #[test]
    fn fragments() {
        replay(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/whip_fragment"), super::fragment);
    }

    #[test]
    fn offers() {
        replay(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/whip_offer"), super::offer);
    }
}
