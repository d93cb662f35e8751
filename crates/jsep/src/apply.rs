//! Applying a description (RFC 9429 §5.9, §5.10, §5.11) and taking one back (§5.7).

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use peerage_sdp::attribute::ice_options::IceOptions;
use peerage_sdp::attribute::mid::Mid;
use peerage_sdp::attribute::setup::Setup;
use peerage_sdp::description::Description;
use tracing::debug;

use crate::check;
use crate::description::{SdpType, SessionDescription};
use crate::error::{Error, ErrorKind};
use crate::facts::{Facts, Link, Refused};
use crate::held::{Descriptions, Held};
use crate::local::LocalTransport;
use crate::negotiation::{Association, Negotiation, OfferOptions, after, agree};
use crate::offer::Slot;
use crate::plan::{DataPlan, DtlsPlan, DtlsRole, MediaPlan, Plan, SectionSummary, TrackEvent, TransportPlan};
use crate::signaling::{Side, SignalingState};

impl Negotiation {
    /// Applies a description of our own. `None`, and a description without text, stand for the newest one created, which is
    /// created now from `local` if there is none (W3C implicit `setLocalDescription`).
    pub fn set_local(
        &mut self,
        description: Option<SessionDescription>,
        local: &LocalTransport,
    ) -> Result<Plan, Error> {
        self.wake();
        let kind = description.as_ref().map_or_else(|| self.implicit_kind(), |d| d.kind);
        let state = self.next_state(Side::Local, kind)?;
        if kind == SdpType::Rollback {
            return Ok(self.roll_back(state));
        }
        let text = match description {
            Some(given) if !given.sdp.is_empty() => given.sdp,
            _ => self.created_or_new(kind, local)?,
        };
        let newest = if kind == SdpType::Offer { &self.created_offer } else { &self.created_answer };
        if newest.as_deref() != Some(text.as_str()) {
            let reason = format!("the {kind} is not the newest one that was created");
            return Err(Error::new(ErrorKind::InvalidModification, reason));
        }
        let parsed = Description::parse(&text)?;
        let held = Box::new(Held::new(kind, text, Facts::read(&parsed, self.config.media.is_some())?));
        self.version = parsed.origin().map_or(self.version, |o| o.session_version);
        self.written = Some(held.text());
        Ok(self.apply(Side::Local, state, held, false))
    }

    /// Applies a description of the peer's. An offer that meets a pending offer of ours takes that one back first (perfect
    /// negotiation), but only once it is known to be good.
    pub fn set_remote(&mut self, description: SessionDescription) -> Result<Plan, Error> {
        self.wake();
        let SessionDescription { kind, sdp } = description;
        let glare = kind == SdpType::Offer && self.state == SignalingState::HaveLocalOffer;
        let state = if glare { SignalingState::HaveRemoteOffer } else { self.next_state(Side::Remote, kind)? };
        if kind == SdpType::Rollback {
            return Ok(self.roll_back(state));
        }
        let mut facts = Facts::read(&Description::parse(&sdp)?, self.config.media.is_some())?;
        if kind == SdpType::Offer {
            facts.drop_ambiguous();
        }
        check::shared_numbers(&facts)?;
        match (kind, &self.local.pending) {
            (SdpType::Answer | SdpType::PrAnswer, Some(offer)) => {
                check::answer(offer.facts(), &facts)?;
                check::answered_init(&self.config, offer.facts(), &facts)?;
            }
            _ => check::offer(&self.agreed, &facts)?,
        }
        let held = Box::new(Held::new(kind, sdp, facts));
        let restart = self.remote_restarts(&held)?;
        if restart && kind != SdpType::Offer && !self.local_restarts() {
            return Err(Error::access("the answer restarts ICE, which the offer did not"));
        }
        let mut tracks = if glare { self.drop_pending() } else { Vec::new() };
        let mut plan = self.apply(Side::Remote, state, held, restart);
        plan.rolled_back = glare;
        tracks.append(&mut plan.tracks);
        plan.tracks = tracks;
        Ok(plan)
    }

    fn implicit_kind(&self) -> SdpType {
        match self.state {
            SignalingState::HaveRemoteOffer | SignalingState::HaveLocalPrAnswer => SdpType::Answer,
            _ => SdpType::Offer,
        }
    }

    fn next_state(&self, side: Side, kind: SdpType) -> Result<SignalingState, Error> {
        self.state.after(side, kind).ok_or_else(|| {
            let whose = if side == Side::Local { "local" } else { "remote" };
            Error::state(format!("a {whose} {kind} cannot be applied in {}", self.state))
        })
    }

    fn created_or_new(&mut self, kind: SdpType, local: &LocalTransport) -> Result<String, Error> {
        let created = if kind == SdpType::Offer { &self.created_offer } else { &self.created_answer };
        if let Some(text) = created {
            return Ok(text.as_ref().into());
        }
        let made = match kind {
            SdpType::Offer => self.create_offer(local, OfferOptions::default())?,
            _ => self.create_answer(local)?,
        };
        Ok(made.sdp)
    }

    fn roll_back(&mut self, state: SignalingState) -> Plan {
        let tracks = self.drop_pending();
        self.state = state;
        let sections = self.local.current.as_ref().map(|held| summary(held.facts())).unwrap_or_default();
        Plan { rolled_back: true, tracks, ..self.empty_plan(sections) }
    }

    fn drop_pending(&mut self) -> Vec<TrackEvent> {
        self.local.pending = None;
        self.remote.pending = None;
        self.created_offer = None;
        self.created_answer = None;
        let mut tracks = Vec::new();
        if let Some(media) = &mut self.media {
            media.roll_back(&mut tracks);
        }
        tracks
    }

    /// Whether our pending description begins another generation than the one agreed.
    fn local_restarts(&self) -> bool {
        let ufrag =
            |held: &Option<Box<Held>>| held.as_ref().and_then(|h| h.facts().link.as_ref()).map(|l| l.ufrag.clone());
        match (ufrag(&self.local.current), ufrag(&self.local.pending)) {
            (Some(current), Some(pending)) => current != pending,
            _ => false,
        }
    }

    /// Stores a checked description and draws its consequences.
    fn apply(&mut self, side: Side, state: SignalingState, held: Box<Held>, remote_restart: bool) -> Plan {
        let kind = held.kind;
        let sections = summary(held.facts());
        let tracks = self.process(side, &held);
        self.side_mut(side).pending = Some(held);
        debug!(?side, %kind, from = %self.state, to = %state, "description applied");
        self.state = state;
        let local_restart = self.local_restarts();
        if kind == SdpType::Offer {
            self.created_answer = None;
            if side == Side::Remote {
                self.created_offer = None;
            }
            let mut plan = self.empty_plan(sections);
            plan.local_ice_restart = local_restart;
            plan.remote_ice_restart = remote_restart;
            plan.transport = (side == Side::Remote).then(|| self.transport(false)).flatten();
            plan.tracks = tracks;
            return plan;
        }
        let had_data = self.agreed.iter().any(Slot::is_data);
        let had_any = self.local.current.as_ref().is_some_and(|held| held.facts().link.is_some());
        let pending = || [&self.local.pending, &self.remote.pending].into_iter().flatten();
        let offers = || pending().filter(|held| held.kind == SdpType::Offer).map(|held| held.facts());
        let offered_data = offers().any(|facts| facts.data.is_some());
        let offered_any = offers().any(|facts| facts.link.is_some());
        let refused = self.refused();
        let mut plan = self.empty_plan(sections);
        plan.local_ice_restart = local_restart;
        plan.remote_ice_restart = remote_restart || (side == Side::Local && self.pending_remote_restarts());
        if refused != Refused::All {
            self.offered_first.get_or_insert(side == Side::Remote);
            let dtls = self.associate(side);
            plan.transport = self.transport(side == Side::Remote).map(|t| TransportPlan { dtls, ..t });
            if refused == Refused::Nothing {
                plan.data = self.data(dtls.is_some_and(|d| d.new_association));
            }
        }
        if kind == SdpType::Answer {
            plan.data_rejected = refused != Refused::Nothing && (offered_data || had_data);
            plan.transport_closed = refused == Refused::All && (offered_any || had_any);
            plan.media = self.media_plan(side);
            self.complete(side, refused, plan.data_rejected, local_restart);
            plan.local_ufrag = local_ufrag(&self.local);
        } else {
            plan.media = self.media_plan(side);
        }
        plan.tracks = tracks;
        plan
    }

    /// What a description that is about to be stored does to transceivers.
    fn process(&mut self, side: Side, held: &Held) -> Vec<TrackEvent> {
        let mut events = Vec::new();
        let begins = self.local.pending.is_none() && self.remote.pending.is_none();
        let heard = side == Side::Remote && held.facts().sections.iter().any(|section| section.rtp.is_some());
        if heard {
            self.open_media();
        }
        let (Some(config), Some(media)) = (&self.config.media, &mut self.media) else { return events };
        match (held.kind, side) {
            (SdpType::Offer, side) => {
                if begins {
                    media.save();
                }
                match side {
                    Side::Local => media.offered_by_us(),
                    Side::Remote => media.offered_by_peer(config, held.facts(), &mut events),
                }
            }
            (_, Side::Local) => {
                if let Some(offer) = &self.remote.pending {
                    media.answered(held.facts(), offer.facts(), side, &mut events);
                }
            }
            (_, Side::Remote) => {
                if let Some(offer) = &self.local.pending {
                    media.answered(offer.facts(), held.facts(), side, &mut events);
                }
            }
        }
        events
    }

    /// What the two pending descriptions have not in common.
    fn refused(&self) -> Refused {
        let both = |has: fn(&Facts) -> bool| {
            [&self.local.pending, &self.remote.pending].iter().all(|h| h.as_ref().is_some_and(|h| has(h.facts())))
        };
        match (both(|facts| facts.link.is_some()), both(|facts| facts.data.is_some())) {
            (false, _) => Refused::All,
            (true, false) => Refused::Data,
            (true, true) => Refused::Nothing,
        }
    }

    fn media_plan(&self, answerer: Side) -> Vec<MediaPlan> {
        match (&self.media, &self.local.pending, &self.remote.pending) {
            (Some(media), Some(ours), Some(theirs)) => media.plan(ours.facts(), theirs.facts(), answerer),
            _ => Vec::new(),
        }
    }

    /// Ends the exchange: what was pending is agreed.
    fn complete(&mut self, answerer: Side, refused: Refused, data_rejected: bool, restarted: bool) {
        let (Some(mut local), Some(mut remote)) = (self.local.pending.take(), self.remote.pending.take()) else {
            return;
        };
        self.agreed = match answerer {
            Side::Local => agree(remote.facts(), local.facts()),
            Side::Remote => agree(local.facts(), remote.facts()),
        };
        self.next_mid = self.agreed.iter().filter_map(|s| after(s.mid.as_ref()?)).fold(self.next_mid, u64::max);
        if let Some(media) = &mut self.media {
            media.agreed(local.facts(), remote.facts(), answerer);
        }
        // The peer has no use for channels; asking again at once would never end.
        if data_rejected || (refused == Refused::All && self.config.media.is_none()) {
            self.data_wanted = false;
        }
        if refused != Refused::Nothing {
            self.data_section = None;
        }
        if refused == Refused::All {
            self.association = None;
            self.offered_first = None;
        }
        if restarted || refused == Refused::All {
            self.restart_wanted = false;
        }
        local.refuse(refused);
        remote.refuse(refused);
        self.local.current = Some(local);
        self.remote.current = Some(remote);
        self.created_offer = None;
        self.created_answer = None;
    }

    /// Settles the DTLS roles from the answer of `answerer`, and whether they begin another association.
    fn associate(&mut self, answerer: Side) -> Option<DtlsPlan> {
        let local = self.local.pending.as_ref()?.facts().link.as_ref()?;
        let remote = self.remote.pending.as_ref()?.facts().link.as_ref()?;
        let answer = if answerer == Side::Local { local } else { remote };
        // An answer without the attribute is that of a client (RFC 4145 §4, as RFC 9429 §5.3.1 recommends).
        let answerer_is_client = answer.setup != Some(Setup::Passive);
        let role = if answerer_is_client == (answerer == Side::Local) { DtlsRole::Client } else { DtlsRole::Server };
        // RFC 8842 §3.1 has a change of roles begin another association. Firefox answers every ICE restart as the client,
        // whatever it was, and keeps its association; so certificates and `tls-id` decide alone.
        if let Some(running) = self.association.as_ref().filter(|a| a.continues(&local.fingerprints, remote)) {
            return Some(DtlsPlan { role: running.role, new_association: false });
        }
        self.association = Some(Box::new(Association::between(role, local, remote)));
        Some(DtlsPlan { role, new_association: true })
    }

    /// The peer's side of the transport, without DTLS.
    fn transport(&self, we_offered: bool) -> Option<TransportPlan> {
        let link = self.remote.pending.as_ref()?.facts().link.as_ref()?;
        Some(TransportPlan {
            remote_ufrag: link.ufrag.as_str().to_string(),
            remote_pwd: link.pwd.as_str().to_string(),
            remote_lite: link.lite,
            remote_trickle: link.ice_options.has(IceOptions::TRICKLE),
            remote_ice_options: link.ice_options.0.clone(),
            fingerprints: link.fingerprints.iter().map(|f| format!("{} {}", f.algorithm, f.digest)).collect(),
            dtls: None,
            candidates: link.candidates.iter().map(|c| c.to_text()).collect(),
            end_of_candidates: link.ended,
            controlling: link.lite || self.offered_first.unwrap_or(we_offered),
        })
    }

    fn data(&mut self, new_dtls: bool) -> Option<DataPlan> {
        let facts = self.remote.pending.as_ref()?.facts();
        let data = facts.data_facts()?;
        let new_association = new_dtls || self.data_section != facts.data;
        let local_init = self.local.pending.as_ref().and_then(|held| held.facts().init());
        let remote_init = local_init.and_then(|ours| check::usable_init(&self.config, facts, Some(ours)));
        let (local_init, remote_init) = (local_init.map(<[u8]>::to_vec), remote_init.map(<[u8]>::to_vec));
        self.data_section = facts.data;
        Some(DataPlan {
            local_port: self.config.sctp_port,
            remote_port: data.port,
            max_message_size: Some(data.max_message_size).filter(|size| *size != 0),
            local_init,
            remote_init,
            new_association,
        })
    }

    fn pending_remote_restarts(&self) -> bool {
        self.remote.pending.as_ref().is_some_and(|held| self.remote_restarts(held).unwrap_or(false))
    }

    fn side_mut(&mut self, side: Side) -> &mut Descriptions {
        match side {
            Side::Local => &mut self.local,
            Side::Remote => &mut self.remote,
        }
    }

    fn empty_plan(&self, sections: Vec<SectionSummary>) -> Plan {
        Plan {
            signaling_state: self.state,
            rolled_back: false,
            local_ufrag: local_ufrag(&self.local),
            local_ice_restart: false,
            remote_ice_restart: false,
            transport: None,
            data: None,
            data_rejected: false,
            transport_closed: false,
            sections,
            media: Vec::new(),
            tracks: Vec::new(),
        }
    }
}

fn local_ufrag(local: &Descriptions) -> Option<String> {
    let link: &Link = local.latest()?.facts().link.as_ref()?;
    Some(link.ufrag.as_str().to_string())
}

fn summary(facts: &Facts) -> Vec<SectionSummary> {
    let describe = |(index, section): (usize, &crate::facts::SectionFacts)| SectionSummary {
        mid: section.mid.as_ref().map(Mid::to_string),
        media: section.media.clone(),
        rejected: section.rejected,
        data: facts.data == Some(index),
    };
    facts.sections.iter().enumerate().map(describe).collect()
}
