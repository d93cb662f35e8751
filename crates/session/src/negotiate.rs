//! Descriptions: what is offered and answered, and what an agreement means for the transports.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use peerage_base::ecn::Ecn;
use peerage_base::rng::Rng;
use peerage_base::time::Instant;
use peerage_dtls::config::{Config as DtlsConfig, Role as DtlsRole};
use peerage_dtls::connection::Dtls;
use peerage_dtls::fingerprint::{Fingerprint, HashAlgorithm};
use peerage_ice::candidate::Candidate;
use peerage_ice::config::Role as IceRole;
use peerage_ice::credentials::Credentials;
use peerage_jsep::candidate::{CandidateInit, RemoteCandidate};
use peerage_jsep::config::Config as JsepConfig;
use peerage_jsep::description::{SdpType, SessionDescription};
use peerage_jsep::error::{Error as JsepError, ErrorKind};
use peerage_jsep::local::LocalTransport;
use peerage_jsep::negotiation::{Negotiation, OfferOptions};
use peerage_jsep::plan::{DtlsPlan, DtlsRole as PlanRole, Plan, TransportPlan};
use peerage_jsep::signaling::SignalingState;
use peerage_sctp::channel::Role as SctpRole;
use peerage_sctp::chunk::init::Init;

use crate::config::Config;
use crate::error::SessionError;
use crate::event::{Event, IceCandidate};
use crate::session::Session;
use crate::sped::OPTIONS as SPED;

/// A later nomination overrides an earlier one (draft-thatcher-ice-renomination-01 §3).
const RENOMINATION: &str = "renomination";
/// The peer answers port prediction and probing in kind: an option of our own, which others ignore (RFC 8839 §5.6).
const PUNCH: &str = "punch";

impl Session {
    pub(crate) fn negotiation(config: &Config, rng: &Rng) -> Negotiation {
        let mut jsep = JsepConfig::new(rng.split("sdp").u64());
        jsep.max_message_size = config.max_message_size as u64;
        jsep.ice_lite = config.ice_lite;
        jsep.accepts_init = |chunk| Init::parse_chunk(chunk).is_ok();
        jsep.media = config.media.as_ref().map(|media| media.tables.clone());
        Negotiation::new(jsep)
    }

    /// Makes an offer.
    ///
    /// # Errors
    /// `InvalidState` if the session is closed or the signalling state does not allow an offer.
    pub fn create_offer(
        &mut self,
        now: Instant,
        mut options: OfferOptions,
    ) -> Result<SessionDescription, SessionError> {
        self.open()?;
        options.ice_restart |= self.has_fresh_credentials();
        if options.ice_restart || self.pending.restart {
            self.freshen_credentials(now);
        }
        Ok(self.negotiation.create_offer(&self.local_transport(), options)?)
    }

    /// Makes an answer to the remote offer.
    ///
    /// # Errors
    /// `InvalidState` if there is no remote offer to answer.
    pub fn create_answer(&mut self, _now: Instant) -> Result<SessionDescription, SessionError> {
        self.open()?;
        let running = if self.pending.answer_restarts { None } else { self.running_transport() };
        let mut local = running.unwrap_or_else(|| self.local_transport());
        local.sctp_init = self.answering_init();
        Ok(self.negotiation.create_answer(&local)?)
    }

    /// Brings a local description into effect; `None`, or one without text: the one that fits the signalling state.
    ///
    /// # Errors
    /// As [`Negotiation::set_local`] says.
    pub fn set_local_description(
        &mut self,
        now: Instant,
        description: Option<SessionDescription>,
    ) -> Result<(), SessionError> {
        self.open()?;
        let kind = description.as_ref().map_or_else(|| self.implicit_kind(), |description| description.kind);
        let implicit = kind != SdpType::Rollback && description.as_ref().is_none_or(|given| given.sdp.is_empty());
        let description = match kind {
            _ if !implicit => description,
            SdpType::Offer => Some(self.create_offer(now, OfferOptions::default())?),
            kind => Some(SessionDescription::new(kind, self.create_answer(now)?.sdp)),
        };
        let plan = self.negotiation.set_local(description, &self.local_transport())?;
        self.apply(now, plan);
        Ok(())
    }

    /// Brings the peer's description into effect.
    ///
    /// # Errors
    /// As [`Negotiation::set_remote`] says.
    pub fn set_remote_description(
        &mut self,
        now: Instant,
        description: SessionDescription,
    ) -> Result<(), SessionError> {
        self.open()?;
        let plan = self.negotiation.set_remote(description)?;
        if plan.signaling_state == SignalingState::HaveRemoteOffer {
            self.pending.answer_restarts = plan.remote_ice_restart;
            if plan.remote_ice_restart {
                self.renew_credentials(now);
            }
        }
        self.apply(now, plan);
        Ok(())
    }

    /// Adds a candidate of the peer; an empty one says that there are no more.
    ///
    /// # Errors
    /// `InvalidState` without a remote description, `Operation` if the candidate does not parse or belongs to no section.
    pub fn add_ice_candidate(&mut self, now: Instant, candidate: &IceCandidate) -> Result<(), SessionError> {
        self.open()?;
        let init = CandidateInit {
            candidate: candidate.candidate.clone(),
            mid: candidate.sdp_mid.clone(),
            mline_index: candidate.sdp_mline_index.map(usize::from),
            ufrag: candidate.username_fragment.clone(),
        };
        match self.negotiation.add_remote_candidate(&init)? {
            Some(RemoteCandidate { ufrag, .. }) if self.is_past_generation(&ufrag) => {}
            Some(RemoteCandidate { candidate: Some(text), ufrag }) => self.add_remote(now, &text, &ufrag)?,
            Some(RemoteCandidate { candidate: None, .. }) => self.ice.end_of_remote_candidates(now),
            None => {}
        }
        self.after_ice(now);
        Ok(())
    }

    /// Asks for new ICE credentials with the next offer.
    pub fn restart_ice(&mut self, _now: Instant) {
        self.negotiation.want_ice_restart();
        self.pending.restart = self.pending.applied_ufrag.is_some();
        self.tell_needed();
    }

    /// The signalling state.
    pub fn signaling_state(&self) -> SignalingState {
        self.negotiation.signaling_state()
    }

    /// The local description with the candidates gathered so far.
    pub fn local_description(&self) -> Option<SessionDescription> {
        self.negotiation.local_description()
    }

    /// The remote description with the candidates that came since.
    pub fn remote_description(&self) -> Option<SessionDescription> {
        self.negotiation.remote_description()
    }

    /// Tells that an offer is needed, once per need and only where one can be made (W3C WebRTC §4.7.3).
    pub(crate) fn tell_needed(&mut self) {
        let stable = self.signaling_state() == SignalingState::Stable;
        if stable && self.negotiation.needs_negotiation() && !self.pending.told {
            self.pending.told = true;
            self.events.push_back(Event::NegotiationNeeded);
        }
    }

    /// Whether ICE has begun a generation that no applied description names.
    pub(crate) fn has_fresh_credentials(&self) -> bool {
        self.pending.applied_ufrag.as_deref().is_some_and(|applied| applied != self.local_ufrag())
    }

    /// Sees to credentials that no applied description names.
    fn freshen_credentials(&mut self, now: Instant) {
        if self.pending.applied_ufrag.is_some() && !self.has_fresh_credentials() {
            self.renew_credentials(now);
        }
    }

    fn renew_credentials(&mut self, now: Instant) {
        if self.pending.agreed_ufrag.as_deref() == Some(self.local_ufrag()) {
            self.pending.agreed = Some(Box::new(self.local_transport()));
        }
        self.ice.restart(now);
        self.forget_candidates();
        self.events.push_back(Event::LocalUfrags);
        if self.gather.asked {
            self.retry_relays(now);
        }
        self.after_ice(now);
    }

    /// Our side of the generation in use, where ICE has begun another one that was taken back.
    fn running_transport(&self) -> Option<LocalTransport> {
        let agreed = self.pending.agreed.as_deref().filter(|_| self.has_fresh_credentials())?;
        (Some(agreed.ufrag.as_str()) == self.pending.agreed_ufrag.as_deref()).then(|| agreed.clone())
    }

    /// Whether the peer's generation is one that the restart begun here leaves behind.
    fn is_past_generation(&self, ufrag: &str) -> bool {
        self.ice.remote_credentials().is_none() && self.pending.remote_ufrag.as_deref() == Some(ufrag)
    }

    fn implicit_kind(&self) -> SdpType {
        match self.signaling_state() {
            SignalingState::HaveRemoteOffer | SignalingState::HaveLocalPrAnswer => SdpType::Answer,
            _ => SdpType::Offer,
        }
    }

    fn local_transport(&self) -> LocalTransport {
        let credentials = self.ice.local_credentials();
        LocalTransport {
            ufrag: credentials.ufrag.clone(),
            pwd: credentials.pwd.clone(),
            fingerprints: vec![alloc::format!("{}", self.certificate.fingerprint(HashAlgorithm::Sha256))],
            candidates: self.gather.candidates.clone(),
            end_of_candidates: self.gather.ended,
            ice_options: self.ice_options(),
            sctp_init: self.local_init(),
            ..LocalTransport::default()
        }
    }

    fn ice_options(&self) -> Vec<String> {
        let punches = self.config.predict_ports || self.config.birthday_probing;
        let usual = [Some(RENOMINATION), punches.then_some(PUNCH)].into_iter().flatten();
        usual.chain(SPED.into_iter().filter(|_| self.config.sped)).map(String::from).collect()
    }

    /// Carries a plan out.
    fn apply(&mut self, now: Instant, plan: Plan) {
        self.pending.told = false;
        if self.states.signaling != plan.signaling_state {
            self.states.signaling = plan.signaling_state;
            self.events.push_back(Event::SignalingState(plan.signaling_state));
        }
        if plan.rolled_back && plan.local_ufrag.is_none() {
            // Candidates wait until a description names their generation again.
            self.pending.applied_ufrag = None;
        }
        if plan.local_ufrag.is_some() {
            self.pending.restart &= plan.local_ufrag == self.pending.applied_ufrag;
            self.pending.applied_ufrag = plan.local_ufrag;
            if plan.signaling_state == SignalingState::Stable {
                self.pending.agreed_ufrag.clone_from(&self.pending.applied_ufrag);
            }
            self.start_gathering(now);
        }
        if let Some(data) = plan.data.as_ref().filter(|data| data.new_association)
            && self.data_started
        {
            // Channels live on one DTLS association (RFC 8841 §10.2).
            self.replace_association(now, data);
        }
        if let Some(transport) = plan.transport {
            self.apply_transport(now, &transport);
        }
        if let Some(data) = plan.data {
            self.apply_data(data);
            self.connect_data(now);
        }
        let settles = !plan.rolled_back
            && !matches!(plan.signaling_state, SignalingState::HaveLocalOffer | SignalingState::HaveRemoteOffer);
        self.apply_media(now, settles.then_some(plan.media), plan.tracks);
        if plan.data_rejected {
            self.refuse_data(now);
        }
        if plan.transport_closed && self.dtls.is_some() {
            self.close_transport(now);
        }
        self.after_ice(now);
        self.tell_needed();
    }

    fn apply_transport(&mut self, now: Instant, plan: &TransportPlan) {
        let Some(dtls) = plan.dtls else { return };
        if self.dtls.is_none() {
            let role = if plan.controlling { IceRole::Controlling } else { IceRole::Controlled };
            self.ice.set_role(now, role);
        }
        self.ice.set_remote_lite(plan.remote_lite);
        let has = |option: &str| plan.remote_ice_options.iter().any(|known| known == option);
        self.ice.set_remote_renomination(has(RENOMINATION));
        self.ice.set_remote_punch(has(PUNCH));
        self.peer_embeds(now, SPED.into_iter().any(has));
        if !self.has_fresh_credentials() {
            self.apply_peer(now, plan);
        }
        self.apply_dtls(now, dtls, &plan.fingerprints);
    }

    /// Hands ICE the peer's side of the present generation.
    fn apply_peer(&mut self, now: Instant, plan: &TransportPlan) {
        if self.ice.remote_credentials().is_some_and(|known| known.ufrag != plan.remote_ufrag) {
            // Another peer than the one that answered provisionally; ICE would begin a generation that no description names.
            tracing::debug!("the peer's ICE credentials changed without a restart");
            return;
        }
        self.pending.remote_ufrag = Some(plan.remote_ufrag.clone());
        match Credentials::new(plan.remote_ufrag.as_str(), plan.remote_pwd.as_str()) {
            Ok(credentials) => {
                if let Err(error) = self.ice.set_remote_credentials(now, credentials) {
                    tracing::debug!(%error, "the peer's ICE credentials were refused");
                }
            }
            Err(error) => tracing::debug!(%error, "the peer's ICE credentials do not parse"),
        }
        for text in &plan.candidates {
            // A candidate that we cannot use is no reason to refuse the description that it stands in.
            let _ = self.add_remote(now, text, &plan.remote_ufrag);
        }
        if plan.end_of_candidates || !plan.remote_trickle {
            self.ice.end_of_remote_candidates(now);
        }
    }

    fn apply_dtls(&mut self, now: Instant, plan: DtlsPlan, fingerprints: &[String]) {
        let expected: Vec<Fingerprint> = fingerprints.iter().filter_map(|text| text.parse().ok()).collect();
        if let Some(dtls) = &mut self.dtls
            && !plan.new_association
        {
            dtls.set_expected(now, expected);
            return self.after_dtls(now, Ecn::NotEct, &mut []);
        }
        let role = match plan.role {
            PlanRole::Client => DtlsRole::Client,
            PlanRole::Server => DtlsRole::Server,
        };
        let mut config = DtlsConfig::new(self.certificate.clone(), role);
        config.expected = expected;
        if self.dtls.is_some() {
            // The association that checks had something to do with is gone.
            self.end_embedding(now);
        }
        config.mtu = self.handshake_mtu();
        config.rtt = self.path.rtt();
        let options = &self.config.dtls;
        config.versions = options.versions;
        config.cipher_suites.clone_from(&options.cipher_suites);
        config.groups.clone_from(&options.groups);
        config.keys = self.config.keys;
        config.key_log = self.config.key_log;
        config.handshake_timeout = config.handshake_timeout.max(self.config.patience.unwrap_or_default());
        (self.secure, self.srtp) = (None, None);
        let mut dtls = Box::new(Dtls::new(config, self.rng.split("dtls"), now));
        if let Some(association) = &mut self.association {
            association.set_role(sctp_role(role));
        }
        self.data_role = Some(sctp_role(role));
        for mut datagram in core::mem::take(&mut self.early) {
            dtls.handle_datagram(now, &mut datagram);
        }
        self.dtls = Some(dtls);
        self.after_dtls(now, Ecn::NotEct, &mut []);
    }

    fn add_remote(&mut self, now: Instant, text: &str, ufrag: &str) -> Result<(), SessionError> {
        let candidate = Candidate::parse(text).map_err(|e| SessionError::Operation(alloc::format!("{e}")))?;
        if candidate.ufrag().is_some_and(|of| of != ufrag) {
            return Ok(());
        }
        if let Err(error) = self.ice.add_remote(now, candidate) {
            // W3C WebRTC §4.4.2: a candidate that is well-formed but of no use is not an error.
            tracing::debug!(%error, "a candidate of the peer is not used");
        }
        Ok(())
    }
}

fn sctp_role(role: DtlsRole) -> SctpRole {
    match role {
        DtlsRole::Client => SctpRole::Client,
        DtlsRole::Server => SctpRole::Server,
    }
}

impl From<JsepError> for SessionError {
    fn from(error: JsepError) -> Self {
        match error.kind {
            ErrorKind::InvalidState => Self::InvalidState(error.reason),
            ErrorKind::InvalidAccess | ErrorKind::InvalidModification => Self::InvalidAccess(error.reason),
            ErrorKind::Syntax { .. } => Self::Syntax(error.reason),
            ErrorKind::Type => Self::Type(error.reason),
            _ => Self::Operation(error.reason),
        }
    }
}
