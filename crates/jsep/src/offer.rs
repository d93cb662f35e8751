//! Writing an offer (RFC 9429 §5.2).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use peerage_sdp::attribute::mid::Mid;
use peerage_sdp::attribute::setup::Setup;
use peerage_sdp::description::Description;
use peerage_sdp::media::Media;

use crate::config::Config;
use crate::error::Error;
use crate::facts::{DataForm, Format};
use crate::local::Credentials;
use crate::write::{self, Kind, Transport};

/// What both sides agreed about one section. Sections never go away and never change places.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) mid: Option<Mid>,
    pub(crate) media: String,
    pub(crate) protocol: String,
    pub(crate) format: Format,
    pub(crate) usage: Usage,
}

/// What a section is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Usage {
    /// Nothing: its port is 0.
    Refused,
    /// The data section.
    Data(DataForm),
    /// An RTP section without media that carries the transport.
    Idle,
}

impl Slot {
    /// Whether this is the live data section.
    pub(crate) fn is_data(&self) -> bool {
        matches!(self.usage, Usage::Data(_))
    }

    fn kind(&self) -> Kind<'_> {
        Kind { media: &self.media, protocol: &self.protocol, mid: self.mid.as_ref() }
    }
}

/// What an offer is written from, apart from its version and credentials.
pub(crate) struct Outline<'a> {
    pub(crate) config: &'a Config,
    pub(crate) slots: &'a [Slot],
    /// Whether to add a data section if none is live.
    pub(crate) data: bool,
    /// The first number that no section has had for its name.
    pub(crate) next_mid: u64,
}

impl Outline<'_> {
    /// The offer under this version of the `o=` line.
    pub(crate) fn write(&self, local: &Credentials, version: u64) -> Result<Description, Error> {
        let transport = Transport { local, setup: Setup::Actpass };
        let live = self.slots.iter().any(Slot::is_data);
        let fresh = if self.data && !live { Some(self.fresh_place()) } else { None };
        let mid = Mid::new(&format!("{}", self.next_mid)).expect("digits are a token");
        let carried = self.slots.iter().any(|s| s.usage == Usage::Idle);
        let open = |slot: &&Slot| slot.usage != Usage::Refused;
        let mut bundle: Vec<Mid> = self.slots.iter().filter(open).filter_map(|s| s.mid.clone()).collect();
        let mut media: Vec<Media> = self.slots.iter().map(|slot| self.section(slot, &transport, !carried)).collect();
        if let Some(place) = fresh {
            let kind = Kind { media: "application", protocol: "UDP/DTLS/SCTP", mid: Some(&mid) };
            let section = write::data(self.config, &transport, &kind, DataForm::Current, true);
            match media.get_mut(place) {
                Some(refused) => *refused = section,
                None => media.push(section),
            }
            bundle.push(mid);
        }
        let mut description = write::session(self.config, version, Some(bundle).filter(|b| !b.is_empty()))?;
        description.media = media;
        Ok(description)
    }

    fn section(&self, slot: &Slot, transport: &Transport<'_>, carrier: bool) -> Media {
        match slot.usage {
            Usage::Data(form) => write::data(self.config, transport, &slot.kind(), form, carrier),
            Usage::Idle => write::idle(transport, &slot.kind(), &slot.format),
            Usage::Refused => write::refused(&slot.kind(), &slot.format),
        }
    }

    /// A refused section makes room for a new one under a new name (RFC 9429 §5.2.2), but Firefox lets none change to or
    /// from `application`.
    fn fresh_place(&self) -> usize {
        let free = |slot: &Slot| slot.usage == Usage::Refused && slot.media == "application";
        self.slots.iter().position(free).unwrap_or(self.slots.len())
    }
}
