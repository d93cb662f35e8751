//! Payload types and extension identifiers of one transport: what means one thing in a section means it in all
//! (RFC 9143 §10.1), and goes on meaning it (RFC 3264 §8.3.2, RFC 8285 §6).

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use peerage_sdp::attribute::payload_type::PayloadType;

use crate::codec::{Format, Identity, is_same};
use crate::rtp::RtpFacts;

/// The numbers that are taken.
#[derive(Default)]
pub(crate) struct Numbers {
    formats: Vec<Format>,
    extensions: Vec<(u16, String)>,
}

impl Numbers {
    /// Notes what a section has; what was noted before counts.
    pub(crate) fn learn(&mut self, section: &RtpFacts) {
        for format in &section.formats {
            if !self.has(format.payload_type) {
                self.formats.push(format.clone());
            }
        }
        for extension in section.extensions.iter().filter(|extension| extension.is_usable()) {
            if !self.extensions.iter().any(|(id, uri)| *id == extension.id || *uri == extension.uri) {
                self.extensions.push((extension.id, extension.uri.clone()));
            }
        }
    }

    /// The number of a format that has one.
    pub(crate) fn of(&self, format: Identity<'_>) -> Option<PayloadType> {
        self.formats.iter().find(|known| is_same(known.identity(), format)).map(|known| known.payload_type)
    }

    /// The number of the retransmissions of a format.
    pub(crate) fn of_repair(&self, original: PayloadType) -> Option<PayloadType> {
        let of_it = |known: &&Format| known.repeats().is_some_and(|apt| apt.payload_type == original);
        self.formats.iter().find(of_it).map(|known| known.payload_type)
    }

    /// The wished number if it is free, else another; `None` if none is left. RTCP would be taken for those from 64 to 95
    /// (RFC 5761 §4).
    pub(crate) fn free(&self, wish: PayloadType) -> Option<PayloadType> {
        let rest = (96..128).chain(35..64).filter_map(PayloadType::new);
        core::iter::once(wish).chain(rest).find(|number| !self.has(*number))
    }

    /// Takes a number.
    pub(crate) fn take(&mut self, format: &Format) {
        if !self.has(format.payload_type) {
            self.formats.push(format.clone());
        }
    }

    /// The identifier of an extension: the one that it has, else the wished one, else another; `None` if none is left.
    pub(crate) fn extension(&mut self, uri: &str, wish: u8) -> Option<u16> {
        if let Some((id, _)) = self.extensions.iter().find(|(_, known)| known == uri) {
            return Some(*id);
        }
        let rest = (1..15).chain(16..256);
        let all = core::iter::once(u16::from(wish)).chain(rest);
        let free = |id: &u16| *id != 0 && *id != 15 && !self.extensions.iter().any(|(taken, _)| taken == id);
        let id = { all }.find(free)?;
        self.extensions.push((id, uri.to_owned()));
        Some(id)
    }

    fn has(&self, payload_type: PayloadType) -> bool {
        self.formats.iter().any(|format| format.payload_type == payload_type)
    }
}
