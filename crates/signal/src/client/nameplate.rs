//! A nameplate, as its owner sees it: from a code of words to the code of a room.

use super::connect::ConnectError;
use super::drive::{Driver, EnterError, Reach, Shared};
use super::event::CloseReason;
use super::plate::{Plate, PlateEvent, Wish};
use super::tls::TlsOptions;
use crate::access::AccessToken;
use crate::code::Code;
use crate::id::{Nameplate, Side};
use crate::link::ServerAddress;
use crate::message::ErrorCode;
use crate::word_code::{WordCode, Words};
use core::time::Duration;
use peerage_base::rng::Rng;
use std::sync::Arc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

/// How long leaving may take.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

/// How to come to a nameplate.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClaimOptions {
    /// Where the server is.
    pub server: ServerAddress,
    /// Whether we made the code or were given it. A host meets a guest alone.
    pub side: Side,
    /// Which nameplate; `None`: whichever the server gives, which makes us the host.
    pub nameplate: Option<Nameplate>,
    /// What both must have.
    pub words: Words,
    /// What opens rooms on a server that does not let everybody. Hosts alone show it: the server of a link that somebody
    /// sent must not learn it. Default none.
    pub access_token: Option<AccessToken>,
    /// Program and version, for the server. Default `peerage/VERSION`.
    pub agent: String,
    /// What to believe in a TLS handshake.
    pub tls: TlsOptions,
    /// Where identities, the exchange and jitter come from.
    pub rng: Rng,
    /// Time for coming to the nameplate: name resolution, TCP, TLS, HTTP and the server's answer. Default 15 s.
    pub connect_timeout: Duration,
    /// Time for the exchange once both are there; who takes longer has spent the code. Default 60 s.
    pub exchange_timeout: Duration,
    /// How long to go on trying when the server is out of reach. Default one hour.
    pub give_up_after: Duration,
    /// How often the server is pinged. Default 20 s.
    pub ping_interval: Duration,
    /// After how much silence the connection counts as lost. Default 45 s.
    pub silence: Duration,
}

impl ClaimOptions {
    /// As the host of a nameplate that the server chooses. `rng` must be seeded from the system's entropy, as
    /// [`entropy::rng`](crate::entropy::rng) is: the exchange is as secret as what is drawn from it.
    pub fn allocate(server: ServerAddress, words: Words, rng: Rng) -> Self {
        Self::new(server, Side::Host, None, words, rng)
    }

    /// With a code that somebody chose or was given; `rng` as for [`allocate`](Self::allocate).
    pub fn claim(server: ServerAddress, side: Side, code: WordCode, rng: Rng) -> Self {
        Self::new(server, side, Some(code.nameplate), code.words, rng)
    }

    fn new(server: ServerAddress, side: Side, nameplate: Option<Nameplate>, words: Words, rng: Rng) -> Self {
        Self {
            server,
            side,
            nameplate,
            words,
            access_token: None,
            agent: concat!("peerage/", env!("CARGO_PKG_VERSION")).to_owned(),
            tls: TlsOptions::default(),
            rng,
            connect_timeout: Duration::from_secs(15),
            exchange_timeout: Duration::from_secs(60),
            give_up_after: Duration::from_secs(3600),
            ping_interval: Duration::from_secs(20),
            silence: Duration::from_secs(45),
        }
    }
}

/// Why a code of words leads nowhere.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// The server cannot be reached, or refused for a reason that has nothing to do with nameplates.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The server is older than codes of words.
    #[error("this server does not know codes of words; use one of the form ROOM-SECRET")]
    Unsupported,
    /// Two are at the nameplate already, or somebody has our place at it.
    #[error("somebody else is using the number {0} right now; check it, or ask for a new code")]
    Taken(Nameplate),
    /// The code was used.
    #[error("this code was used already: it is good for one try; ask for a new one")]
    Spent,
    /// Whoever made the code has left, or its time is over.
    #[error("this code has expired: whoever made it has left, or nobody came in time; ask for a new one")]
    Expired,
    /// All nameplates of the server are in use.
    #[error("all numbers of this server are in use; try again later")]
    Full,
    /// The other side has other words.
    #[error("the words are not the same on both sides; nobody got in, and the code is spent: use a new one")]
    WrongWords,
    /// The other side left, or was lost, before it proved that it has the words.
    #[error("somebody came and left without proving the words; nobody got in, and the code is spent: use a new one")]
    Vanished,
    /// The server broke the protocol.
    #[error("the server does not follow the protocol: {0}")]
    Protocol(String),
    /// The server stayed out of reach for too long.
    #[error("the server stayed out of reach")]
    Unreachable,
}

impl ClaimError {
    /// Whether the code is of no use any more, or never was.
    pub fn is_about_code(&self) -> bool {
        matches!(self, Self::Taken(_) | Self::Spent | Self::Expired | Self::WrongWords | Self::Vanished)
    }

    fn from_close(reason: CloseReason, plate: Option<Nameplate>) -> Self {
        match reason {
            CloseReason::Refused { code, message } => match (code, plate) {
                (ErrorCode::Taken, Some(plate)) => Self::Taken(plate),
                (ErrorCode::Spent, _) => Self::Spent,
                (ErrorCode::Expired, _) => Self::Expired,
                (ErrorCode::Unavailable, _) => Self::Full,
                (ErrorCode::BadRequest, _) => Self::Unsupported,
                _ => Self::Connect(ConnectError::Refused { code, message }),
            },
            CloseReason::WrongCode | CloseReason::WrongWords => Self::WrongWords,
            CloseReason::Vanished => Self::Vanished,
            CloseReason::Protocol(what) => Self::Protocol(what),
            CloseReason::Unreachable => Self::Unreachable,
        }
    }
}

/// A place at a nameplate. Dropping it leaves, as far as the runtime still runs; [`leave`](Self::leave) waits.
#[derive(Debug)]
pub struct Claim {
    shared: Arc<Shared<Plate>>,
    driver: JoinHandle<()>,
    code: WordCode,
    exchange_timeout: Duration,
    /// Until when the exchange with whoever came may take.
    deadline: Option<Instant>,
}

impl Claim {
    /// Connects to the server and comes to the nameplate. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`ClaimError`], worded for the person who has the code. Nothing is tried again.
    pub async fn connect(options: ClaimOptions) -> Result<Self, ClaimError> {
        let tls =
            if options.server.is_tls() { Some(options.tls.client_config().map_err(ConnectError::from)?) } else { None };
        let ClaimOptions { side, nameplate, words, access_token, .. } = options;
        let access_token = access_token.filter(|_| side == Side::Host);
        let wish = Wish { side, nameplate, words: words.clone(), access_token };
        let shared = Arc::new(Shared::new(Plate::new(wish, options.rng.split("nameplate"))));
        let reach = Reach {
            server: options.server,
            agent: options.agent,
            connect_timeout: options.connect_timeout,
            give_up_after: options.give_up_after,
            ping_interval: options.ping_interval,
            silence: options.silence,
        };
        let driver = Driver { shared: shared.clone(), reach, tls, rng: options.rng.split("backoff") };
        let socket = driver.enter().await.map_err(|error| match error {
            EnterError::Connect(error) => error.into(),
            EnterError::Closed(reason) => ClaimError::from_close(reason, nameplate),
        })?;
        let event = shared.lock().poll_event();
        let Some(PlateEvent::Claimed(nameplate)) = event else {
            return Err(ClaimError::Protocol("no nameplate was given".into()));
        };
        let driver = tokio::spawn(driver.run(socket));
        let code = WordCode { nameplate, words };
        Ok(Self { shared, driver, code, exchange_timeout: options.exchange_timeout, deadline: None })
    }

    /// The code, as whoever is to come needs it.
    pub fn code(&self) -> &WordCode {
        &self.code
    }

    /// Waits for the other one, for as long as it takes, and gives the code of the room where both go on: the host opens
    /// it, the guest joins it as soon as it is there. Nothing is lost if the future is dropped.
    ///
    /// # Errors
    /// [`ClaimError`]. Either way this is the end: the code is spent, or was never good.
    pub async fn agreed(&mut self) -> Result<Code, ClaimError> {
        loop {
            let event = self.shared.lock().poll_event();
            match event {
                Some(PlateEvent::Claimed(_)) => {}
                Some(PlateEvent::Met) => self.deadline = Some(Instant::now() + self.exchange_timeout),
                Some(PlateEvent::Agreed(code)) => return Ok(code),
                Some(PlateEvent::Closed(reason)) => {
                    return Err(ClaimError::from_close(reason, Some(self.code.nameplate)));
                }
                None => {
                    let deadline = self.deadline;
                    tokio::select! {
                        () = self.shared.to_owner.notified() => {}
                        () = async { sleep_until(deadline.expect("guarded")).await }, if deadline.is_some() => {
                            self.shared.lock().leave();
                            self.shared.to_driver.notify_one();
                            return Err(ClaimError::Vanished);
                        }
                    }
                }
            }
        }
    }

    /// Whether somebody has come, and the words are being compared or have been.
    pub fn has_met(&self) -> bool {
        self.deadline.is_some()
    }

    /// Leaves and waits until the server knows, for a few seconds at most. Whoever has agreed lets what was said last go
    /// out in this way.
    pub async fn leave(mut self) {
        self.shared.lock().leave();
        self.shared.to_driver.notify_one();
        if timeout(LEAVE_TIMEOUT, &mut self.driver).await.is_err() {
            self.driver.abort();
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.shared.lock().leave();
        self.shared.to_driver.notify_one();
    }
}
