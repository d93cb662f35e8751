//! The negotiation of one connection.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use peerage_sdp::attribute::fingerprint::Fingerprint;
use peerage_sdp::attribute::mid::Mid;
use peerage_sdp::attribute::setup::Setup;
use peerage_sdp::attribute::tls_id::TlsId;
use peerage_sdp::description::Description;

use crate::answer;
use crate::check;
use crate::compose::{self, Composed};
use crate::config::Config;
use crate::description::{SdpType, SessionDescription};
use crate::error::Error;
use crate::facts::{Facts, Link};
use crate::held::{Descriptions, Held};
use crate::local::{Credentials, LocalTransport};
use crate::media::Media;
use crate::numbers::Numbers;
use crate::offer::{Outline, Slot, Usage, fresh_place};
use crate::plan::DtlsRole;
use crate::rtp::RtpFacts;
use crate::signaling::SignalingState;
use crate::transceiver::MediaKind;

/// Offer/answer state of one connection.
pub struct Negotiation {
    pub(crate) config: Config,
    pub(crate) state: SignalingState,
    pub(crate) local: Descriptions,
    pub(crate) remote: Descriptions,
    /// The sections as of the last complete exchange.
    pub(crate) agreed: Vec<Slot>,
    pub(crate) next_mid: u64,
    pub(crate) association: Option<Box<Association>>,
    /// The section that the running SCTP association belongs to.
    pub(crate) data_section: Option<usize>,
    /// Whether we made the offer of the first exchange, which fixes the ICE role.
    pub(crate) offered_first: Option<bool>,
    pub(crate) data_wanted: bool,
    pub(crate) restart_wanted: bool,
    pub(crate) created_offer: Option<Box<str>>,
    pub(crate) created_answer: Option<Box<str>>,
    /// Transceivers, once there is one.
    pub(crate) media: Option<Box<Media>>,
    /// The newest local description that was applied, and its version in the `o=` line.
    pub(crate) written: Option<Arc<str>>,
    pub(crate) version: u64,
    pub(crate) rests: Option<Rest>,
}

/// What is known while the texts of an agreement are all that is kept of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rest {
    /// Whether a data section is live.
    data: bool,
    /// The role in the association between the certificates of both texts.
    role: Option<DtlsRole>,
    /// Whether the local one is the newest that was applied.
    written: bool,
}

/// A DTLS association: our role, and what makes another of it (RFC 8842 §3.1).
#[derive(Clone, Debug)]
pub(crate) struct Association {
    pub(crate) role: DtlsRole,
    pub(crate) local: Vec<Fingerprint>,
    pub(crate) remote: Vec<Fingerprint>,
    pub(crate) remote_id: Option<TlsId>,
}

/// Which association the answer to a pending offer is for, where the offer has an SCTP INIT chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfferedInit {
    /// The one that was agreed before, or the first one.
    Present,
    /// Another one, which takes its place.
    Another,
}

/// Choices of one offer (W3C `RTCOfferOptions`).
#[derive(Clone, Copy, Debug, Default)]
pub struct OfferOptions {
    /// Begin another ICE generation. The credentials given with the offer must then be fresh ones.
    pub ice_restart: bool,
}

impl Negotiation {
    /// A negotiation in `stable`, with nothing said.
    pub const fn new(config: Config) -> Self {
        Self {
            config,
            state: SignalingState::Stable,
            local: Descriptions { current: None, pending: None },
            remote: Descriptions { current: None, pending: None },
            agreed: Vec::new(),
            next_mid: 0,
            association: None,
            data_section: None,
            offered_first: None,
            data_wanted: false,
            restart_wanted: false,
            created_offer: None,
            created_answer: None,
            media: None,
            written: None,
            version: 0,
            rests: None,
        }
    }

    /// Forgets what can be read again from the descriptions in force, if no exchange is under way. For quiet times: the
    /// next command reads it.
    pub fn rest(&mut self) {
        let stable = self.state == SignalingState::Stable && self.rests.is_none();
        let (Some(local), Some(remote)) = (&mut self.local.current, &mut self.remote.current) else { return };
        if !stable {
            return;
        }
        let alike = |running: &Association, local: &Link, remote: &Link| {
            running.local == local.fingerprints && running.is_with(remote)
        };
        let role = match (&self.association, &local.facts().link, &remote.facts().link) {
            (Some(running), Some(local), Some(remote)) if alike(running, local, remote) => Some(running.role),
            _ => None,
        };
        if role.is_some() {
            self.association = None;
        }
        let written = self.written.take_if(|written| local.holds(written)).is_some();
        self.rests = Some(Rest { data: self.agreed.iter().any(Slot::is_data), role, written });
        self.agreed = Vec::new();
        local.rest();
        remote.rest();
    }

    /// Reads again what was forgotten.
    pub(crate) fn wake(&mut self) {
        let Some(Rest { role, written, .. }) = self.rests.take() else { return };
        let (Some(local), Some(remote)) = (&mut self.local.current, &mut self.remote.current) else { return };
        local.wake(self.config.media.is_some());
        remote.wake(self.config.media.is_some());
        if written {
            self.written = Some(local.text());
        }
        let (ours, theirs) = (local.facts(), remote.facts());
        self.agreed = if local.kind == SdpType::Offer { agree(ours, theirs) } else { agree(theirs, ours) };
        if let (Some(role), Some(ours), Some(theirs)) = (role, &ours.link, &theirs.link) {
            self.association = Some(Box::new(Association::between(role, ours, theirs)));
        }
    }

    /// The application has opened a data channel: an offer needs a data section.
    pub fn want_data(&mut self) {
        self.data_wanted = true;
    }

    /// The next offer begins another ICE generation (W3C `restartIce`). Holds until an exchange has done so; without a
    /// transport there is nothing to restart.
    pub fn want_ice_restart(&mut self) {
        self.wake();
        self.restart_wanted = self.local.current.as_ref().is_some_and(|held| held.facts().link.is_some());
    }

    /// Ends the negotiation; every later command fails with `InvalidStateError`.
    pub fn close(&mut self) {
        self.state = SignalingState::Closed;
    }

    /// Writes an offer from what is wanted and what was agreed. It is remembered, since only the newest one may be applied.
    ///
    /// With [`OfferOptions::ice_restart`], or after [`want_ice_restart`](Self::want_ice_restart), `local` must hold fresh
    /// credentials; without, those of the running generation.
    pub fn create_offer(&mut self, local: &LocalTransport, options: OfferOptions) -> Result<SessionDescription, Error> {
        self.wake();
        if !matches!(self.state, SignalingState::Stable | SignalingState::HaveLocalOffer) {
            return Err(Error::state(alloc::format!("an offer cannot be made in {}", self.state)));
        }
        let local = local.checked()?;
        self.check_generation(&local, options.ice_restart || self.restart_wanted)?;
        let carrier = self.local.current.as_ref().and_then(|held| Some(held.facts().link.as_ref()?.index));
        let (fresh, composed) = self.plan_offer(carrier);
        let places = composed.sections.iter().map(|section| section.place.clone()).collect();
        let outline = Outline { config: &self.config, slots: &self.agreed, fresh, composed, carrier };
        let text = self.next_edition(|version| outline.write(&local, version))?;
        self.created_offer = Some(text.as_str().into());
        if let Some(media) = &mut self.media {
            media.offered = places;
        }
        Ok(SessionDescription::new(SdpType::Offer, text))
    }

    /// Writes an answer to the pending offer. It is remembered, since only the newest one may be applied.
    ///
    /// If the offer began another ICE generation ([`Plan::remote_ice_restart`](crate::plan::Plan::remote_ice_restart)),
    /// `local` must hold fresh credentials; if not, those of the running generation.
    pub fn create_answer(&mut self, local: &LocalTransport) -> Result<SessionDescription, Error> {
        self.wake();
        let offer = match (&self.remote.pending, self.state) {
            (Some(offer), SignalingState::HaveRemoteOffer | SignalingState::HaveLocalPrAnswer) => offer,
            _ => return Err(Error::state(alloc::format!("there is no offer to answer in {}", self.state))),
        };
        let local = local.checked()?;
        self.check_generation(&local, self.remote_restarts(offer)?)?;
        let setup = match &offer.facts().link {
            Some(link) => self.answering_role(link, &local),
            None => Setup::Active,
        };
        let facts = offer.facts();
        let media = match (&self.config.media, &self.media) {
            (Some(config), Some(media)) => {
                let sections: Vec<_> = facts.sections.iter().map(|section| section.rtp.as_deref()).collect();
                let numbers = self.numbers(sections.iter().copied().flatten());
                compose::answer(config, media, numbers, &sections)
            }
            _ => Vec::new(),
        };
        let text = self.next_edition(|version| answer::write(&self.config, facts, &media, setup, &local, version))?;
        self.created_answer = Some(text.as_str().into());
        Ok(SessionDescription::new(SdpType::Answer, text))
    }

    /// Where the exchange stands.
    pub const fn signaling_state(&self) -> SignalingState {
        self.state
    }

    /// Whether an offer would change anything (W3C "check if negotiation is needed"): a data channel without a data
    /// section, a transceiver whose section is not as it wants, or an ICE restart that has not happened. Always false outside `stable`; ask again when it returns.
    pub fn needs_negotiation(&self) -> bool {
        let agreed = self.rests.as_ref().map_or_else(|| self.agreed.iter().any(Slot::is_data), |rest| rest.data);
        let data = self.data_wanted && !agreed;
        let media = self.media.as_ref().is_some_and(|media| media.needs_negotiation());
        self.state == SignalingState::Stable && (data || media || self.restart_wanted)
    }

    /// Whether the pending offer has an SCTP INIT chunk that can be begun from, so that the answer is to have one
    /// ([`LocalTransport::sctp_init`]), and of which association.
    pub fn offered_init(&self) -> Option<OfferedInit> {
        let offer = match self.state {
            SignalingState::HaveRemoteOffer | SignalingState::HaveLocalPrAnswer => {
                self.remote.pending.as_ref()?.facts()
            }
            _ => return None,
        };
        check::usable_init(&self.config, offer, None)?;
        let renews = self.association.as_ref().is_some_and(|running| {
            let same = offer.link.as_ref().is_some_and(|link| running.is_with(link));
            !same || self.data_section != offer.data
        });
        Some(if renews { OfferedInit::Another } else { OfferedInit::Present })
    }

    /// The pending local description, else the current one, with the candidates gathered so far.
    pub fn local_description(&self) -> Option<SessionDescription> {
        self.local.latest().map(Held::with_candidates)
    }

    /// The local description of the last complete exchange.
    pub fn current_local_description(&self) -> Option<SessionDescription> {
        self.local.current.as_ref().map(|held| held.with_candidates())
    }

    /// The local description of the exchange under way.
    pub fn pending_local_description(&self) -> Option<SessionDescription> {
        self.local.pending.as_ref().map(|held| held.with_candidates())
    }

    /// The pending remote description, else the current one, with the candidates received so far.
    pub fn remote_description(&self) -> Option<SessionDescription> {
        self.remote.latest().map(Held::with_candidates)
    }

    /// The remote description of the last complete exchange.
    pub fn current_remote_description(&self) -> Option<SessionDescription> {
        self.remote.current.as_ref().map(|held| held.with_candidates())
    }

    /// The remote description of the exchange under way.
    pub fn pending_remote_description(&self) -> Option<SessionDescription> {
        self.remote.pending.as_ref().map(|held| held.with_candidates())
    }

    /// The room for transceivers; `None` where audio and video are not negotiated.
    pub(crate) fn open_media(&mut self) -> Option<&mut Media> {
        self.config.media.as_ref()?;
        Some(self.media.get_or_insert_with(|| Box::new(Media::new(self.config.session_id))))
    }

    /// A new data section, if one is due, and the sections of audio and video.
    fn plan_offer(&self, carrier: Option<usize>) -> (Option<(usize, Mid)>, Composed) {
        let wanted = self.data_wanted && !self.agreed.iter().any(Slot::is_data);
        let pending = self.local.pending.as_deref().filter(|_| wanted).and_then(|held| {
            let place = held.facts().data?;
            Some((place, held.facts().sections[place].mid.clone()?))
        });
        let fresh_place = fresh_place(&self.agreed);
        let data = pending.as_ref().map(|(place, _)| *place);
        let mut count = data.map_or(0, |place| place + 1).max(self.agreed.len());
        let mut mids = pending.iter().filter_map(|(_, mid)| after(mid)).fold(self.next_mid, u64::max);
        let mut composed = Composed::default();
        if let (Some(config), Some(media)) = (&self.config.media, &self.media) {
            // RFC 9429 §5.2.2 would have every closed section used again. Chromium fails on one that stands before the
            // section that carries the transport ("Failed to setup RTCP mux").
            let before = |place: &usize| carrier.is_some_and(|carrier| *place < carrier);
            let taken = |place: &usize| before(place) || media.at(*place).is_some();
            let closed = |place: &usize| {
                let slot = &self.agreed[*place];
                slot.usage == Usage::Refused && MediaKind::from_word(&slot.media).is_some()
            };
            let free = (0..self.agreed.len()).filter(closed).filter(|place| !taken(place)).collect();
            count = media.transceivers.iter().filter_map(|t| t.place).map(|place| place + 1).fold(count, usize::max);
            mids = media.transceivers.iter().filter_map(|t| after(t.mid.as_ref()?)).fold(mids, u64::max);
            composed = compose::offer(config, media, self.numbers(core::iter::empty()), free, count, mids);
            mids = composed.next_mid;
            count = composed.sections.iter().map(|section| section.place.index + 1).fold(count, usize::max);
        }
        let mid = Mid::new(&format!("{mids}")).expect("digits are a token");
        let fresh = wanted.then(|| pending.unwrap_or((fresh_place.unwrap_or(count), mid)));
        (fresh, composed)
    }

    /// The numbers that an offer and, behind it, the descriptions in force use.
    fn numbers<'a>(&self, offered: impl Iterator<Item = &'a RtpFacts>) -> Numbers {
        let mut numbers = Numbers::default();
        offered.for_each(|rtp| numbers.learn(rtp));
        for held in [&self.local.current, &self.remote.current].into_iter().flatten() {
            held.facts()
                .sections
                .iter()
                .filter_map(|section| section.rtp.as_deref())
                .for_each(|rtp| numbers.learn(rtp));
        }
        numbers
    }

    /// Whether a remote description begins another ICE generation than the one agreed.
    pub(crate) fn remote_restarts(&self, new: &Held) -> Result<bool, Error> {
        let old = self.remote.current.as_ref().and_then(|held| held.facts().link.as_ref());
        match (old, &new.facts().link) {
            (Some(old), Some(new)) => check::restarts(old, new),
            _ => Ok(false),
        }
    }

    /// Credentials change with a restart and only then (RFC 8839 §4.4.1.1.1).
    fn check_generation(&self, local: &Credentials, restart: bool) -> Result<(), Error> {
        let same = |held: &Held| held.facts().link.as_ref().map(|l| l.ufrag == local.ufrag && l.pwd == local.pwd);
        let Some(current) = self.local.current.as_deref().and_then(same) else { return Ok(()) };
        let pending = self.local.pending.as_deref().and_then(same).unwrap_or(false);
        match (restart, current || (pending && !restart)) {
            (true, true) => Err(Error::operation("an ICE restart needs fresh local credentials")),
            (false, false) => Err(Error::operation("the local credentials change without an ICE restart")),
            _ => Ok(()),
        }
    }

    /// The role in an answer. A running association keeps its role; a first one makes us the client, so that the
    /// handshake begins half a round trip earlier (RFC 9429 §5.3.1).
    fn answering_role(&self, offer: &Link, local: &Credentials) -> Setup {
        match offer.setup {
            Some(Setup::Active) => Setup::Passive,
            Some(Setup::Passive) => Setup::Active,
            // Without the attribute the offerer means to be the client (RFC 4145 §4).
            None => Setup::Passive,
            Some(Setup::Actpass | Setup::Holdconn) => match &self.association {
                Some(running) if running.continues(&local.fingerprints, offer) => match running.role {
                    DtlsRole::Client => Setup::Active,
                    DtlsRole::Server => Setup::Passive,
                },
                _ => Setup::Active,
            },
        }
    }

    /// The text under the version of the last one if it says the same, else under the next (RFC 9429 §5.2.2).
    fn next_edition(&self, write: impl Fn(u64) -> Result<Description, Error>) -> Result<String, Error> {
        let text = write(self.version)?.to_string();
        if self.written.as_deref() == Some(&*text) {
            return Ok(text);
        }
        Ok(write(self.version + 1)?.to_string())
    }
}

/// The first number above a name that is one.
pub(crate) fn after(mid: &Mid) -> Option<u64> {
    mid.as_str().parse::<u64>().ok().map(|number| number.saturating_add(1))
}

impl Association {
    /// The one between the certificates of both sides.
    pub(crate) fn between(role: DtlsRole, local: &Link, remote: &Link) -> Self {
        let (local, remote, remote_id) =
            (local.fingerprints.clone(), remote.fingerprints.clone(), remote.tls_id.clone());
        Self { role, local, remote, remote_id }
    }

    /// Whether these certificates and this identifier belong to it.
    pub(crate) fn continues(&self, local: &[Fingerprint], remote: &Link) -> bool {
        let mut sorted = local.to_vec();
        sorted.sort();
        sorted.dedup();
        self.local == sorted && self.is_with(remote)
    }

    /// Whether it is with the peer that these certificates and this identifier name.
    pub(crate) fn is_with(&self, remote: &Link) -> bool {
        self.remote == remote.fingerprints && self.remote_id == remote.tls_id
    }
}

/// What both sides' descriptions agree about their sections.
pub(crate) fn agree(offer: &Facts, answer: &Facts) -> Vec<Slot> {
    offer
        .sections
        .iter()
        .zip(&answer.sections)
        .map(|(offered, answered)| {
            let usage = match offered.data {
                _ if offered.rejected || answered.rejected => Usage::Refused,
                Some(data) => Usage::Data(data.form),
                None => Usage::Idle,
            };
            Slot {
                mid: offered.mid.clone(),
                media: offered.media.clone(),
                protocol: offered.protocol.clone(),
                format: offered.format.clone(),
                usage,
            }
        })
        .collect()
}
