//! One connection to one peer, set up by perfect negotiation (W3C WebRTC §10.7).

use std::time::Duration;

use peerage::event::{ConnectionState, IceCandidate, IceGatheringState};
use peerage::peer_connection::SdpType;
use peerage::{Configuration, DataChannel, DataChannelInit, PeerConnection, SessionDescription};
use peerage_signal::client::event::DescriptionKind;
use peerage_signal::id::PeerId;
use peerage_signal::plain::{Candidate, Plain};
use peerage_signal::verify::fingerprint;
use tokio::time::Instant;

use super::way::Carries;
use crate::report::Connected;

/// Candidates that may arrive before the description they belong to.
const MAX_EARLY: usize = 64;
/// How long setting up a connection may take.
const SETUP_TIMEOUT: Duration = Duration::from_secs(30);
/// How long gathering may take where a description has to be whole: a server that does not answer must not keep it back.
const GATHER: Duration = Duration::from_secs(10);
/// How long an interrupted path is given before another one is looked for.
const RESTART_AFTER: Duration = Duration::from_secs(3);
/// How long a peer may be silent; consent is asked for every five seconds (RFC 7675 §5.1), so it has missed several.
const SILENCE: Duration = Duration::from_secs(20);

/// A connection, from its first description to its end.
pub struct Link {
    pub peer: PeerId,
    pub pc: PeerConnection,
    /// The peer left the room; it may have crashed.
    pub left: bool,
    pub stood: bool,
    carries: Carries,
    /// Since when a description is kept back until it is whole.
    gathering: Option<Instant>,
    /// Was here first: makes the first offer and is the impolite one.
    first: bool,
    /// An offer or answer of the peer came: from then on either side may offer.
    described: bool,
    making_offer: bool,
    ignore_offer: bool,
    early: Vec<Candidate>,
    began: Instant,
    met: Instant,
    disconnected: Option<Instant>,
    signs: u64,
    heard: Instant,
}

impl Link {
    /// `met`: when both were in the room.
    pub fn new(
        peer: PeerId,
        first: bool,
        met: Instant,
        configuration: Configuration,
        carries: Carries,
    ) -> peerage::error::Result<Self> {
        let now = Instant::now();
        Ok(Self {
            peer,
            pc: carries.connection(configuration)?,
            left: false,
            stood: false,
            carries,
            gathering: None,
            first,
            described: false,
            making_offer: false,
            ignore_offer: false,
            early: Vec::new(),
            began: now,
            met,
            disconnected: None,
            signs: 0,
            heard: now,
        })
    }

    /// A channel, reliable and ordered.
    pub fn open(&self, (label, protocol): (&str, &str)) -> peerage::error::Result<DataChannel> {
        let init = DataChannelInit { protocol: protocol.to_owned(), ..DataChannelInit::default() };
        self.pc.create_data_channel(label, init)
    }

    /// Something changed that needs an offer. The newcomer leaves the first one to the other side.
    pub async fn negotiate(&mut self) -> peerage::error::Result<Option<Plain>> {
        if (!self.first && !self.described) || (self.carries.is_once() && self.pc.local_description().is_some()) {
            return Ok(None);
        }
        self.making_offer = true;
        let result = self.pc.set_local_description(None).await;
        self.making_offer = false;
        result.map(|()| self.say())
    }

    /// A description of the peer; gives the answer to an offer.
    pub async fn describe(&mut self, kind: DescriptionKind, sdp: String) -> peerage::error::Result<Option<Plain>> {
        let is_offer = kind == DescriptionKind::Offer;
        let stable = self.pc.signaling_state() == peerage::event::SignalingState::Stable;
        let collision = is_offer && (self.making_offer || !stable);
        self.ignore_offer = self.first && collision;
        if self.ignore_offer || (!is_offer && stable) {
            return Ok(None);
        }
        let kind = if is_offer { SdpType::Offer } else { SdpType::Answer };
        self.pc.set_remote_description(SessionDescription::new(kind, sdp)).await?;
        self.described = true;
        if !is_offer && self.carries.is_once() {
            // People took their time; from now on it can only be a matter of seconds.
            (self.met, self.began) = (Instant::now(), Instant::now());
        }
        for candidate in std::mem::take(&mut self.early) {
            self.add(candidate).await;
        }
        if !is_offer {
            return Ok(None);
        }
        self.pc.set_local_description(None).await?;
        Ok(self.say())
    }

    /// A candidate of the peer.
    pub async fn add(&mut self, candidate: Candidate) {
        if !self.described {
            if self.early.len() < MAX_EARLY {
                self.early.push(candidate);
            }
            return;
        }
        let init = IceCandidate {
            candidate: candidate.candidate,
            sdp_mid: candidate.mid,
            sdp_mline_index: None,
            username_fragment: candidate.ufrag,
        };
        // One that cannot be used belongs to an offer that was ignored, or is of a kind not known here; others may do.
        if let Err(error) = self.pc.add_ice_candidate(init).await {
            tracing::debug!(%error, ignored_offer = self.ignore_offer, "a candidate is not used");
        }
    }

    /// Notes a state; gives the reason if the connection is over.
    pub fn state_changed(&mut self, state: ConnectionState) -> Option<String> {
        self.disconnected = None;
        match state {
            ConnectionState::Connected => self.stood = true,
            ConnectionState::Disconnected => self.disconnected = Some(Instant::now()),
            ConnectionState::Failed if self.stood => return Some("the other side does not answer any more".into()),
            ConnectionState::Failed => return Some(self.pc.explain().to_string()),
            _ => {}
        }
        None
    }

    /// Looks after the connection; gives the reason if it is to be given up. `doubted`: somebody waits for
    /// its place, or the server is lost, which may have been with the peer.
    pub fn check(&mut self, busy: bool, doubted: bool) -> Option<String> {
        let now = Instant::now();
        let signs = self.signs_of_life();
        if signs != self.signs {
            (self.signs, self.heard) = (signs, now);
        }
        if !self.stood && self.setup_limit().is_some_and(|limit| now.duration_since(self.began) > limit) {
            return Some(format!("not in time: {}", self.pc.explain()));
        }
        if self.disconnected.is_some_and(|since| now.duration_since(since) > RESTART_AFTER) {
            self.disconnected = None;
            // Where nobody can be told of another path, this one comes back or the connection ends.
            if self.first && !self.carries.is_once() {
                self.pc.restart_ice();
            }
        }
        let patience = match (doubted || self.left, busy) {
            (true, true) => Duration::from_millis(2_500),
            // Between consent checks a live peer may be silent for six seconds (RFC 7675 §5.1).
            (true, false) => Duration::from_secs(8),
            (false, _) => SILENCE,
        };
        (now.duration_since(self.heard) > patience && (self.stood || doubted || self.left))
            .then(|| "the other side does not answer any more".into())
    }

    /// How the peers are connected now.
    pub fn connected(&self) -> Option<Connected> {
        if self.stood { connected(&self.pc, self.met) } else { None }
    }

    /// The SHA-256 of both certificates, ours first.
    pub fn fingerprints(&self) -> Option<([u8; 32], [u8; 32])> {
        let ours = fingerprint(&self.pc.local_description()?.sdp)?;
        Some((ours, fingerprint(&self.pc.remote_description()?.sdp)?))
    }

    /// What to signal of a candidate that was found here; `None`: there are no more.
    pub fn found(&mut self, candidate: Option<IceCandidate>) -> Option<Plain> {
        if self.carries.is_once() {
            return self.gathered();
        }
        let candidate = candidate?;
        Some(Plain::Candidate(Candidate {
            candidate: candidate.candidate,
            mid: candidate.sdp_mid,
            ufrag: candidate.username_fragment,
        }))
    }

    /// The description that was kept back, once it is whole, or its time is over.
    pub fn gathered(&mut self) -> Option<Plain> {
        let since = self.gathering?;
        let is_whole = self.pc.ice_gathering_state() == IceGatheringState::Complete;
        if !is_whole && Instant::now().duration_since(since) < GATHER {
            return None;
        }
        self.gathering = None;
        self.local()
    }

    /// How long setting up may take; `None`: as long as people take to carry the answer, who are waited for elsewhere.
    fn setup_limit(&self) -> Option<Duration> {
        match self.carries {
            Carries::All => Some(SETUP_TIMEOUT),
            Carries::Once { .. } if self.first => self.described.then_some(SETUP_TIMEOUT),
            Carries::Once { wait, .. } => Some(wait),
        }
    }

    /// Our description, now or when it is whole.
    fn say(&mut self) -> Option<Plain> {
        if !self.carries.is_once() {
            return self.local();
        }
        self.gathering = Some(Instant::now());
        self.gathered()
    }

    /// A number that changes when the peer is heard. Not the count of all packets: STUN servers answer too.
    fn signs_of_life(&self) -> u64 {
        let stats = self.pc.transport_stats();
        let checks = stats.pairs.iter().map(|pair| pair.responses_received.wrapping_add(pair.requests_received));
        checks.fold(stats.data.map_or(0, |data| data.packets_received), u64::wrapping_add)
    }

    fn local(&self) -> Option<Plain> {
        let description = self.pc.local_description()?;
        let sdp = description.sdp;
        Some(if description.kind == SdpType::Offer { Plain::Offer { sdp } } else { Plain::Answer { sdp } })
    }
}

fn connected(pc: &PeerConnection, met: Instant) -> Option<Connected> {
    let stats = pc.transport_stats();
    let pair = stats.selected?;
    let connect_ms = Instant::now().duration_since(met).as_millis();
    Some(Connected {
        local: pair.local.token(),
        remote: pair.remote.token(),
        protocol: pair.protocol.token(),
        rtt_ms: stats.rtt.map(|rtt| (rtt.as_secs_f64() * 1e6).round() / 1e3),
        connect_ms: u64::try_from(connect_ms).unwrap_or(u64::MAX),
    })
}
