//! What publishers and viewers have in common.

use crate::refusal::Refusal;
use crate::turn::handle::TurnHandle;
use crate::whip::access::Access;
use crate::whip::config::WhipConfig;
use crate::whip::counters::{Counters, Snapshot};
use crate::whip::ice_servers::Relay;
use crate::whip::name::{SessionId, hex};
use crate::whip::negotiate;
use crate::whip::peers::Peers;
use crate::whip::stage::Stage;
use axum::http::StatusCode;
use core::net::IpAddr;
use core::time::Duration;
use peerage::PeerConnection;
use peerage_base::limit::{Limiter, Rate};
use peerage_base::rng::Rng;
use peerage_net::clock::Clock;
use peerage_signal::access::AccessToken;
use std::sync::{Arc, Mutex, PoisonError};

/// What publishers and viewers have in common.
#[derive(Debug)]
pub(crate) struct Whip {
    pub config: WhipConfig,
    pub stage: Arc<Stage>,
    pub peers: Peers,
    pub counters: Arc<Counters>,
    pub access: Access,
    limiter: Mutex<Limiter>,
    rng: Mutex<Rng>,
    clock: Clock,
    turn: Option<TurnHandle>,
}

impl Whip {
    /// `made` is a token that was made here for who publishes.
    pub fn new(
        config: WhipConfig,
        peers: Peers,
        made: Option<&AccessToken>,
        (mut rng, turn): (Rng, Option<TurnHandle>),
    ) -> Self {
        let minute = Duration::from_secs(60);
        let requests = config.limits.requests_per_minute;
        let rate = Rate { burst: requests, interval: minute / requests.max(1) };
        Self {
            stage: Stage::new(&config),
            peers,
            counters: Arc::default(),
            access: Access::new(&config, made),
            limiter: Mutex::new(Limiter::new(rate, 12, &mut rng)),
            rng: Mutex::new(rng.split("sessions")),
            clock: Clock::new(),
            turn,
            config,
        }
    }

    /// What is counted.
    pub fn snapshot(&self) -> Snapshot {
        let (publishers, viewers) = self.stage.count();
        self.counters.snapshot(publishers, viewers)
    }

    /// A connection of the server's own.
    pub fn connect(&self) -> Result<PeerConnection, Refusal> {
        self.peers.connect().map_err(|error| negotiate::refused(&error))
    }

    /// The relay for the session at a path, if there is one.
    pub fn relay(&self, path: &str) -> Option<Relay> {
        self.turn.clone().map(|turn| Relay::new(turn, path))
    }

    /// A fresh name for a session.
    pub fn session_id(&self) -> SessionId {
        SessionId::generate(&mut self.rng.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A fresh entity tag: a generation of ICE.
    pub fn tag(&self) -> String {
        let bytes: [u8; 8] = self.rng.lock().unwrap_or_else(PoisonError::into_inner).bytes();
        format!("\"{}\"", hex(&bytes))
    }

    /// Whether somebody may send another request.
    pub fn may_ask(&self, source: IpAddr) -> Result<(), Refusal> {
        let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        if limiter.allow(self.clock.now(), source) {
            return Ok(());
        }
        let pause = 60_u32.div_ceil(self.config.limits.requests_per_minute.max(1));
        let words = "too many requests came from this address: try again later";
        Err(Refusal::later(StatusCode::TOO_MANY_REQUESTS, words, pause))
    }
}
