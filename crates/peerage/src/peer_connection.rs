//! Peer connections.

use std::sync::{Arc, PoisonError};

use peerage_base::rng::Rng;
use peerage_base::time::Instant;
use peerage_session::config::{Config, Server};
use peerage_session::error::SessionError;
use peerage_session::event::{
    CloseReason, ConnectionState, Event as SessionEvent, IceConnectionState, IceGatheringState,
};
pub use peerage_session::explain::Explanation;
use peerage_session::face::{Certificate, HashAlgorithm, MediaKind, TransceiverId, TransceiverInit};
use peerage_session::face::{ChannelInit, SignalingState};
pub use peerage_session::face::{OfferOptions, SdpType, SessionDescription};
use peerage_session::media::stats::MediaStats;
use peerage_session::session::Session;
use peerage_session::stats::Stats;

use crate::cell::{Cell, State};
use crate::configuration::{Configuration, IceServer, IceTransportPolicy, IpHandling};
use crate::connection::Connection;
use crate::data_channel::{DataChannel, DataChannelInit};
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, IceCandidate};
use crate::media::sender::RtpSender;
use crate::media::transceiver::{RtpTransceiver, RtpTransceiverInit};
use crate::shard::arrivals::Arrival;
use crate::stats::StatsReport;

/// A connection to one peer (W3C `RTCPeerConnection`).
///
/// Clones are handles to one connection. It closes when the last handle to it and to its channels is dropped.
#[derive(Clone, Debug)]
pub struct PeerConnection {
    connection: Arc<Connection>,
}

impl PeerConnection {
    /// A connection on the endpoint that the process shares.
    ///
    /// # Errors
    /// `Syntax` for a bad server URL, `Network` if the shared endpoint cannot open its sockets.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn new(configuration: Configuration) -> Result<Self> {
        Endpoint::shared()?.peer_connection(configuration)
    }

    /// Opens a channel. It is usable at once: what is sent before the connection stands is queued.
    ///
    /// # Errors
    /// `InvalidState` if the connection is closed, `Type` if the options exclude each other or are out of range.
    pub fn create_data_channel(&self, label: impl Into<String>, init: DataChannelInit) -> Result<DataChannel> {
        let mut channel: ChannelInit = init.into();
        channel.label = label.into();
        let id = self.command(|session, now| session.create_data_channel(now, channel))?;
        Ok(DataChannel::new(self.connection.clone(), id))
    }

    /// Adds a transceiver: a section of the next offer for audio or video, which goes the ways of `init`.
    ///
    /// # Errors
    /// `InvalidState` if the connection is closed or [`Settings::media`](crate::Settings::media) is off, `Type` for names that
    /// cannot be written, `Operation` beyond 256 of them.
    pub fn add_transceiver(&self, kind: MediaKind, init: RtpTransceiverInit) -> Result<RtpTransceiver> {
        let init: TransceiverInit = init.try_into()?;
        let id = self.command(|session, _| session.add_transceiver(kind, init))?;
        Ok(self.transceiver(id))
    }

    /// Sends a track in these streams, by a transceiver that has none if there is one, else by a new one (W3C `addTrack`). The
    /// answerer of a call adds its tracks so, to the sections that the offer has.
    ///
    /// # Errors
    /// As [`add_transceiver`](Self::add_transceiver).
    pub fn add_track(&self, kind: MediaKind, streams: Vec<String>) -> Result<RtpSender> {
        let name = self.random_name();
        let id = self.command(|session, _| session.add_track(kind, name, streams))?;
        Ok(self.transceiver(id).sender())
    }

    /// Sends no longer (W3C `removeTrack`): the next exchange tells the peer.
    ///
    /// # Errors
    /// `InvalidState` if the transceiver is stopped.
    pub fn remove_track(&self, sender: &RtpSender) -> Result<()> {
        self.command(|session, _| session.remove_track(sender.id()))
    }

    /// The transceivers, in the order in which they came to be.
    pub fn transceivers(&self) -> Vec<RtpTransceiver> {
        let state = self.connection.cell.lock();
        let ids: Vec<_> = state.session.transceivers().iter().map(|transceiver| transceiver.id()).collect();
        drop(state);
        ids.into_iter().map(|id| self.transceiver(id)).collect()
    }

    /// Makes an offer. It takes effect with [`set_local_description`](Self::set_local_description).
    ///
    /// # Errors
    /// `InvalidState` if the connection is closed or the signalling state does not allow an offer.
    pub async fn create_offer(&self) -> Result<SessionDescription> {
        self.create_offer_with(OfferOptions::default()).await
    }

    /// Makes an offer with options, an ICE restart among them.
    ///
    /// # Errors
    /// As [`create_offer`](Self::create_offer).
    pub async fn create_offer_with(&self, options: OfferOptions) -> Result<SessionDescription> {
        self.command(|session, now| session.create_offer(now, options))
    }

    /// Makes an answer to the remote offer.
    ///
    /// # Errors
    /// `InvalidState` if there is no remote offer to answer.
    pub async fn create_answer(&self) -> Result<SessionDescription> {
        self.command(|session, now| session.create_answer(now))
    }

    /// Brings a local description into effect, and begins to gather candidates. `None`: the one that fits the signalling
    /// state.
    ///
    /// # Errors
    /// `InvalidState` if it does not fit the signalling state, `InvalidAccess` if it is not one that this connection made.
    pub async fn set_local_description(&self, description: impl Into<Option<SessionDescription>>) -> Result<()> {
        let description = description.into();
        self.command(|session, now| session.set_local_description(now, description))?;
        self.settle();
        Ok(())
    }

    /// Brings the peer's description into effect. An offer that meets an own offer rolls that one back, which is what the
    /// polite peer of perfect negotiation wants.
    ///
    /// # Errors
    /// `Syntax` with the line if it does not parse, `InvalidState` if it does not fit the signalling state,
    /// `InvalidAccess` if it lacks what a connection needs or contradicts earlier ones.
    pub async fn set_remote_description(&self, description: SessionDescription) -> Result<()> {
        self.command(|session, now| session.set_remote_description(now, description))?;
        self.settle();
        Ok(())
    }

    /// Adds a candidate of the peer.
    ///
    /// # Errors
    /// `InvalidState` without a remote description, `Operation` if it does not parse or fits no media section.
    pub async fn add_ice_candidate(&self, candidate: IceCandidate) -> Result<()> {
        self.command(|session, now| session.add_ice_candidate(now, &candidate))
    }

    /// Asks for an ICE restart: `NegotiationNeeded` follows, and the next offer has new credentials.
    pub fn restart_ice(&self) {
        self.connection.command(|session, now| session.restart_ice(now));
    }

    /// The next event; `None` once the connection is closed and everything before was taken.
    ///
    /// Cancelling loses nothing. Several callers share the events between them.
    pub async fn next_event(&self) -> Option<Event> {
        loop {
            let events = self.connection.cell.events.notified();
            tokio::pin!(events);
            events.as_mut().enable();
            let (event, over) = {
                let mut state = self.connection.cell.lock();
                (state.events.pop(), state.over)
            };
            match event {
                Some(event) => {
                    if let Some(event) = self.public(event) {
                        return Some(event);
                    }
                }
                None if over => return None,
                None => events.await,
            }
        }
    }

    /// Waits until the connection stands.
    ///
    /// Leaves the events to [`next_event`](Self::next_event).
    ///
    /// # Errors
    /// `Network` with the reason if it fails or closes first.
    pub async fn connected(&self) -> Result<()> {
        loop {
            let changed = self.connection.cell.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.connection_state() {
                ConnectionState::Connected => return Ok(()),
                ConnectionState::Failed | ConnectionState::Closed => {
                    let why = self.close_reason().map_or_else(|| "no path to the peer works".into(), |r| r.to_string());
                    return Err(Error::new(ErrorKind::Network, why));
                }
                _ => changed.await,
            }
        }
    }

    /// The state of the connection as a whole.
    pub fn connection_state(&self) -> ConnectionState {
        self.connection.cell.lock().session.connection_state()
    }

    /// The state of ICE.
    pub fn ice_connection_state(&self) -> IceConnectionState {
        self.connection.cell.lock().session.ice_connection_state()
    }

    /// The gathering state.
    pub fn ice_gathering_state(&self) -> IceGatheringState {
        self.connection.cell.lock().session.ice_gathering_state()
    }

    /// The signalling state.
    pub fn signaling_state(&self) -> SignalingState {
        self.connection.cell.lock().session.signaling_state()
    }

    /// Why the connection ended, once it has.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.connection.cell.lock().session.close_reason().cloned()
    }

    /// The local description: the pending one, else the current one, with the candidates gathered so far.
    pub fn local_description(&self) -> Option<SessionDescription> {
        self.connection.cell.lock().session.local_description()
    }

    /// The remote description: the pending one, else the current one.
    pub fn remote_description(&self) -> Option<SessionDescription> {
        self.connection.cell.lock().session.remote_description()
    }

    /// Figures of this moment, as W3C's webrtc-stats has them.
    pub fn get_stats(&self) -> StatsReport {
        let timestamp = self.connection.endpoint.clock.wall().unix;
        StatsReport::of(&self.connection.cell.lock(), timestamp)
    }

    /// Figures of what carries everything, beyond the standard: pairs, bytes, drops by reason, round-trip time, cipher.
    pub fn transport_stats(&self) -> Stats {
        self.connection.cell.lock().session.stats()
    }

    /// Figures of audio and video beyond the standard: what the estimate of the path rests on, drops by reason. `None` while
    /// there is neither.
    pub fn media_stats(&self) -> Option<MediaStats> {
        self.connection.cell.lock().session.media_stats()
    }

    /// Why the connection is as it is: what was tried, what came of it, and the likeliest reason first. Prints as one plain
    /// sentence.
    pub fn explain(&self) -> Explanation {
        self.connection.cell.lock().session.explain()
    }

    /// Takes other servers or credentials (the part of W3C `setConfiguration` that can change): they count from the next
    /// [`restart_ice`](Self::restart_ice) on. Relays in use stay.
    ///
    /// # Errors
    /// `Syntax` for a bad server URL.
    pub fn set_ice_servers(&self, ice_servers: &[IceServer]) -> Result<()> {
        let servers = parse_servers(ice_servers)?;
        self.connection.cell.lock().session.set_servers(servers);
        Ok(())
    }

    /// Waits until every candidate is gathered, for signalling that does not trickle.
    pub async fn gathering_complete(&self) {
        loop {
            let changed = self.connection.cell.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.ice_gathering_state() == IceGatheringState::Complete || self.connection.cell.lock().over {
                return;
            }
            changed.await;
        }
    }

    /// Closes the connection and tells the peer. What channels have not sent is dropped.
    pub async fn close(&self) {
        self.connection.cell.command(Session::close);
        loop {
            let changed = self.connection.cell.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.connection.cell.lock().over {
                return;
            }
            changed.await;
        }
    }

    /// What was wanted of transceivers before they were agreed on counts now.
    fn settle(&self) {
        let State { session, lines, .. } = &mut *self.connection.cell.lock();
        lines.settle(session);
    }

    fn transceiver(&self, id: TransceiverId) -> RtpTransceiver {
        RtpTransceiver::new(self.connection.clone(), id)
    }

    /// As browsers name tracks: 128 random bits.
    fn random_name(&self) -> String {
        let mut rng = self.connection.endpoint.rng.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: [u8; 16] = rng.bytes();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn command<T>(&self, run: impl FnOnce(&mut Session, Instant) -> std::result::Result<T, SessionError>) -> Result<T> {
        Ok(self.connection.command(run)?)
    }

    /// The event as the application sees it; `None` for those that only handles and the driver care for.
    fn public(&self, event: SessionEvent) -> Option<Event> {
        Some(match event {
            SessionEvent::NegotiationNeeded => Event::NegotiationNeeded,
            SessionEvent::IceCandidate(candidate) => Event::IceCandidate(candidate),
            SessionEvent::SignalingState(state) => Event::SignalingStateChange(state),
            SessionEvent::IceGatheringState(state) => Event::IceGatheringStateChange(state),
            SessionEvent::IceConnectionState(state) => Event::IceConnectionStateChange(state),
            SessionEvent::ConnectionState(state) => Event::ConnectionStateChange(state),
            SessionEvent::SelectedPair(pair) => Event::SelectedCandidatePairChange(pair),
            SessionEvent::Channel(id) => Event::DataChannel(DataChannel::new(self.connection.clone(), id)),
            SessionEvent::Track { transceiver, streams, .. } => {
                let transceiver = self.transceiver(transceiver);
                Event::Track { receiver: transceiver.receiver(), transceiver, streams }
            }
            SessionEvent::TrackMuted(id) => Event::TrackMuted(self.transceiver(id).receiver()),
            SessionEvent::TrackEnded(id) => Event::TrackEnded(self.transceiver(id).receiver()),
            SessionEvent::MediaCeased => Event::MediaCeased,
            SessionEvent::Closed(reason) => Event::Closed(reason),
            _ => return None,
        })
    }
}

impl Endpoint {
    /// A connection on this endpoint.
    ///
    /// # Errors
    /// `Syntax` for a bad server URL, `Operation` if no certificate can be made.
    pub fn peer_connection(&self, configuration: Configuration) -> Result<PeerConnection> {
        let shared = &self.shared;
        let (key, home) = shared.next();
        let mut rng = {
            let mut rng = shared.rng.lock().unwrap_or_else(PoisonError::into_inner);
            Rng::new(rng.bytes())
        };
        let mut config = Config::default();
        config.servers = parse_servers(&configuration.ice_servers)?;
        config.ice_transport_policy = match shared.settings.ip_handling {
            IpHandling::RelayOnly => IceTransportPolicy::Relay,
            _ => configuration.ice_transport_policy,
        };
        config.tell_private = shared.settings.ip_handling != IpHandling::DefaultPublicOnly;
        config.ice_lite = shared.settings.ice_lite;
        config.predict_ports = shared.settings.predict_ports;
        config.birthday_probing = shared.settings.birthday_probing;
        config.probe_anywhere = shared.settings.probe_anywhere;
        config.dtls = shared.settings.dtls.clone();
        config.snap = shared.settings.snap;
        config.sped = shared.settings.sped;
        config.key_log = shared.settings.key_log.is_some();
        config.max_datagram = shared.settings.max_datagram.clamp(576, 9000);
        config.datagram_ceiling = shared.settings.datagram_ceiling;
        config.receive_window = shared.settings.receive_window;
        config.congestion = shared.settings.congestion;
        config.interleaving = shared.settings.interleaving;
        config.channel_share = shared.settings.channel_share;
        config.on_share_exceeded = shared.settings.on_share_exceeded;
        config.send_buffer = shared.settings.send_buffer;
        config.max_message_size = shared.settings.max_message_size;
        config.media = shared.settings.media.clone();
        let wall = shared.clock.wall();
        config.unix = wall.unix.saturating_sub(wall.now.since(Instant::ORIGIN));
        let certificate = match configuration.certificate {
            Some(certificate) => certificate,
            None => {
                let made = Certificate::generate(&mut rng, wall.unix.as_secs());
                Arc::new(made.map_err(|e| Error::new(ErrorKind::Operation, e.to_string()))?)
            }
        };
        config.patience = configuration.patience;
        config.credentials = configuration.ice_credentials.and_then(|derive| {
            let digest = certificate.fingerprint(HashAlgorithm::Sha256);
            Some(derive(digest.digest().try_into().ok()?))
        });
        let session = Session::new(config, certificate, rng, shared.clock.now());
        let shard = &shared.shards[home];
        let cell = Cell::new(key, session, shared.clock, home, shard.ready().clone());
        shared.routes.enter();
        shard.leave(Arrival::Connection(cell.clone()));
        Ok(PeerConnection { connection: Arc::new(Connection { cell, endpoint: shared.clone() }) })
    }
}

fn parse_servers(ice_servers: &[IceServer]) -> Result<Vec<Server>> {
    let mut servers = Vec::new();
    for server in ice_servers {
        for url in &server.urls {
            let url = url.parse().map_err(|e| Error::new(ErrorKind::Syntax, e))?;
            let (username, credential) = (server.username.clone(), server.credential.clone());
            servers.push(Server { url, username, credential });
        }
    }
    Ok(servers)
}

impl From<SessionError> for Error {
    fn from(error: SessionError) -> Self {
        let kind = match &error {
            SessionError::InvalidState(_) => ErrorKind::InvalidState,
            SessionError::InvalidAccess(_) => ErrorKind::InvalidAccess,
            SessionError::Operation(_) => ErrorKind::Operation,
            SessionError::Syntax(_) => ErrorKind::Syntax,
            SessionError::Type(_) => ErrorKind::Type,
        };
        Self::new(kind, error)
    }
}
