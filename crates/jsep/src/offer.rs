//! Writing an offer (RFC 9429 §5.2).

use alloc::string::String;
use alloc::vec::Vec;

use peerage_sdp::attribute::mid::Mid;
use peerage_sdp::attribute::setup::Setup;
use peerage_sdp::description::Description;
use peerage_sdp::media::Media;

use crate::compose::{Composed, ComposedSection, RtpOutline};
use crate::config::Config;
use crate::error::Error;
use crate::facts::{DataForm, Format};
use crate::local::Credentials;
use crate::transceiver::MediaKind;
use crate::write::{self, Kind, Transport};
use crate::write_media;

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
    /// A new data section: its place and its name.
    pub(crate) fresh: Option<(usize, Mid)>,
    /// The sections of audio and video.
    pub(crate) composed: Composed,
    /// The section that carries the transport now.
    pub(crate) carrier: Option<usize>,
}

impl Outline<'_> {
    /// The offer under this version of the `o=` line.
    pub(crate) fn write(&self, local: &Credentials, version: u64) -> Result<Description, Error> {
        let transport = Transport { local, setup: Setup::Actpass };
        let bodies = self.bodies();
        let open = |at: &usize| bodies.get(*at).is_some_and(Body::is_open);
        let mut order: Vec<usize> = (0..bodies.len()).filter(open).collect();
        // Chromium takes the transport of a group for another one where a section that is new to it comes first.
        order.sort_by_key(|at| (self.carrier != Some(*at), self.is_new(*at), *at));
        let carrier = order.first().copied();
        let bundle: Vec<Mid> = order.iter().filter_map(|at| bodies[*at].mid().cloned()).collect();
        let mixed = bodies.iter().any(|body| matches!(body, Body::Rtp(..)));
        let mut description = write::session(self.config, version, Some(bundle).filter(|b| !b.is_empty()), mixed)?;
        let sections = bodies.iter().enumerate();
        description.media = sections.map(|(at, body)| self.section(body, &transport, carrier == Some(at))).collect();
        Ok(description)
    }

    /// Whether a section is not the one that was agreed.
    fn is_new(&self, at: usize) -> bool {
        self.slots.get(at).is_none_or(|slot| slot.usage == Usage::Refused)
    }

    /// What every section is.
    fn bodies(&self) -> Vec<Body<'_>> {
        let composed = self.composed.sections.iter().map(|section| section.place.index + 1);
        let data = self.fresh.as_ref().map(|(place, _)| place + 1);
        let count = composed.chain(data).fold(self.slots.len(), usize::max);
        let body = |at: usize| {
            if let Some((_, mid)) = self.fresh.as_ref().filter(|(place, _)| *place == at) {
                return Body::Data(mid);
            }
            let slot = self.slots.get(at);
            match (self.composed.at(at), slot) {
                (Some(ComposedSection { place, kind, outline: Some(outline) }), _) => {
                    Body::Rtp(*kind, place.mid.as_ref(), outline)
                }
                (Some(_), Some(slot)) => Body::Closed(slot),
                (Some(ComposedSection { place, kind, .. }), None) => Body::Gone(*kind, place.mid.as_ref()),
                (None, Some(slot)) => Body::Slot(slot),
                (None, None) => Body::Gone(MediaKind::Audio, None),
            }
        };
        (0..count).map(body).collect()
    }

    fn section(&self, body: &Body<'_>, transport: &Transport<'_>, carrier: bool) -> Media {
        match body {
            Body::Data(mid) => {
                let kind = Kind { media: "application", protocol: "UDP/DTLS/SCTP", mid: Some(mid) };
                write::data(self.config, transport, &kind, DataForm::Current, carrier)
            }
            Body::Rtp(kind, mid, outline) => {
                let kind = Kind { media: kind.as_str(), protocol: RTP_PROTOCOL, mid: *mid };
                write_media::section(transport, &kind, outline, carrier)
            }
            Body::Gone(kind, mid) => {
                let kind = Kind { media: kind.as_str(), protocol: RTP_PROTOCOL, mid: *mid };
                write::refused(&kind, &Format { name: None, rtpmap: None, fmtp: None })
            }
            Body::Closed(slot) => write::refused(&slot.kind(), &slot.format),
            Body::Slot(slot) => match slot.usage {
                Usage::Data(form) => write::data(self.config, transport, &slot.kind(), form, carrier),
                Usage::Idle => write::idle(transport, &slot.kind(), &slot.format, carrier),
                Usage::Refused => write::refused(&slot.kind(), &slot.format),
            },
        }
    }
}

/// One section of an offer.
enum Body<'a> {
    /// A new data section.
    Data(&'a Mid),
    /// Audio or video of ours.
    Rtp(MediaKind, Option<&'a Mid>, &'a RtpOutline),
    /// An agreed one that we close.
    Closed(&'a Slot),
    /// One that we close before it was agreed.
    Gone(MediaKind, Option<&'a Mid>),
    /// As it was agreed.
    Slot(&'a Slot),
}

impl Body<'_> {
    fn is_open(&self) -> bool {
        match self {
            Self::Data(_) | Self::Rtp(..) => true,
            Self::Slot(slot) => slot.usage != Usage::Refused,
            Self::Closed(_) | Self::Gone(..) => false,
        }
    }

    fn mid(&self) -> Option<&Mid> {
        match self {
            Self::Data(mid) => Some(mid),
            Self::Rtp(_, mid, _) | Self::Gone(_, mid) => *mid,
            Self::Closed(slot) | Self::Slot(slot) => slot.mid.as_ref(),
        }
    }
}

/// What RFC 9429 §5.1.2 has every section of ours say.
const RTP_PROTOCOL: &str = "UDP/TLS/RTP/SAVPF";

/// Where a new data section goes: a refused section makes room for it under a new name (RFC 9429 §5.2.2), but Firefox lets
/// none change to or from `application`.
pub(crate) fn fresh_place(slots: &[Slot]) -> Option<usize> {
    slots.iter().position(|slot| slot.usage == Usage::Refused && slot.media == "application")
}
