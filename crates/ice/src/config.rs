//! What can be set.

pub mod punch;

use alloc::boxed::Box;
use alloc::string::String;
use core::ops::Deref;

use peerage_base::time::Duration;

use crate::credentials::Credentials;

/// Which side decides the pair (RFC 8445 §6.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Nominates.
    Controlling,
    /// Follows.
    Controlled,
}

impl Role {
    /// The role of the other side.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Controlling => Self::Controlled,
            Self::Controlled => Self::Controlling,
        }
    }
}

/// How the controlling side tells the pair it chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nomination {
    /// One more check on the chosen pair (RFC 8445 §8.1.1).
    #[default]
    Regular,
    /// On every check; the best pair that answers wins. One round trip quicker, obsolete since RFC 8445, and what
    /// Chromium does.
    Aggressive,
}

/// Which local ends the peer may learn of (W3C `RTCIceTransportPolicy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// All of them.
    #[default]
    All,
    /// Relayed ones only: others are neither told nor paired nor answered on, no STUN server is asked, and the
    /// candidates of relays keep the address of this host to themselves.
    Relay,
}

/// Timers and limits of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Put in front of the local username fragment, as the name of the shard that owns the connection. Characters other
    /// than letters, digits, `+` and `/` are left out, and so is what exceeds 64 of them. Default: none.
    pub ufrag_prefix: Option<String>,
    /// Username fragment and password of the first generation, for signalling that tells them by another value; an offer
    /// must not be made twice with them. Those of later generations are random. Default: none, random.
    pub credentials: Option<Credentials>,
    /// Which local ends the peer may learn of; see also [`set_policy`](crate::agent::Agent::set_policy). Default: all.
    pub policy: Policy,
    /// Be a lite agent (RFC 8445 §2.5): host candidates only, checks are answered and never sent, the peer decides.
    /// For hosts that everyone can reach. Default: false.
    pub lite: bool,
    /// Let each nomination override the ones before it (draft-thatcher-ice-renomination), if the peer is known to do so
    /// too; the owner says so to the peer as the ICE option `renomination`. Default: true.
    pub renomination: bool,
    /// How nominations are sent. Default: regular.
    pub nomination: Nomination,
    /// Ta: least time between two new transactions (RFC 8445 §14.2). Below 5 ms counts as 5 ms. Default: 50 ms, which
    /// is what a peer assumes that was not told another value.
    pub pacing: Duration,
    /// Least time before a check that answers an authenticated check: the peer waits for it, and its size and number
    /// are bounded by what the peer itself sends. Default: 5 ms, the smallest Ta of RFC 8445 §14.2.
    pub triggered_pacing: Duration,
    /// Least retransmission timeout (RFC 8445 §14.3); grows with the number of checks in progress. Default: 500 ms.
    pub rto: Duration,
    /// Rc: how often a check is sent before it fails (RFC 8489 §6.2.1). Default: 7.
    pub attempts: u32,
    /// Longest wait for better pairs after the first one worked, before the best is nominated. Default: 100 ms.
    pub settle: Duration,
    /// The same while the best pair goes over a relay: longer, since it costs. Default: 500 ms.
    pub settle_relayed: Duration,
    /// Mean time between two consent checks, each randomised by ±20 % (RFC 7675 §5.1). Default: 5 s.
    pub consent_interval: Duration,
    /// Time without a valid response after which nothing more may be sent (RFC 7675 §5.1). Default: 30 s.
    pub consent_timeout: Duration,
    /// How long the selected pair may owe answers before the state is `Disconnected`. Default: 5 s.
    pub disconnected_after: Duration,
    /// Mean time between checks on warm backup pairs, and between queries that keep a NAT's mapping of a
    /// server-reflexive candidate alive (RFC 8445 §11). Default: 15 s.
    pub keepalive: Duration,
    /// How often direct pairs that failed are checked again while a relay carries the data, by two packets each; the
    /// waits in between double from 2 s to 64 s. 0: never. Default: 8, which takes four minutes.
    pub direct_rounds: u32,
    /// How long a TCP connection may take, or stay without an authentic check of the peer. Default: 10 s.
    pub connect_timeout: Duration,
    /// Least time before the checks count as failed (RFC 8863 §4). Default: 39.5 s.
    pub patience: Duration,
    /// How often pairs that failed are checked again, by two packets each, while none has worked and `patience` is not over:
    /// for a peer that learns of this side much later, and behind NATs whose filters forget. `None` never. Default: `None`.
    pub recheck: Option<Duration>,
    /// Time after the last remote candidate at which a peer that never says "no more candidates" is taken to have said
    /// so (RFC 8863 §5). `None` waits forever. Default: 60 s.
    pub end_of_candidates_fallback: Option<Duration>,
    /// Time after nomination at which losing pairs, and after a restart the old generation, are dropped. Default: 5 s.
    pub linger: Duration,
    /// Valid pairs kept warm beside the selected one. Default: 2.
    pub backups: usize,
    /// Most pairs (RFC 8445 §6.1.2.5). Default: 100.
    pub max_pairs: usize,
    /// Most remote candidates per generation, names that wait for an address included. Default: 64.
    pub max_remote_candidates: usize,
    /// Most remote candidates that are learned from the source addresses of checks, per generation. Default: 16.
    pub max_peer_reflexive: usize,
    /// Most local ends; further ones are ignored. Default: 32.
    pub max_locals: usize,
    /// Most STUN servers; further ones are ignored. Default: 8.
    pub max_stun_servers: usize,
    /// Most TCP connections that are being opened, and most accepted ones that have not identified themselves.
    /// Default: 8.
    pub max_connecting: usize,
    /// Most responses that wait to be sent; further requests are dropped. Default: 64.
    pub max_responses: usize,
    /// What is tried where plain ICE finds no direct pair. Default: all of it, within limits.
    pub punch: punch::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self::usual()
    }
}

impl Config {
    const fn usual() -> Self {
        Self {
            ufrag_prefix: None,
            credentials: None,
            policy: Policy::All,
            lite: false,
            renomination: true,
            nomination: Nomination::Regular,
            pacing: Duration::from_millis(50),
            triggered_pacing: Duration::from_millis(5),
            rto: Duration::from_millis(500),
            attempts: 7,
            settle: Duration::from_millis(100),
            settle_relayed: Duration::from_millis(500),
            consent_interval: Duration::from_secs(5),
            consent_timeout: Duration::from_secs(30),
            disconnected_after: Duration::from_secs(5),
            keepalive: Duration::from_secs(15),
            direct_rounds: 8,
            connect_timeout: Duration::from_secs(10),
            patience: Duration::from_millis(39_500),
            recheck: None,
            end_of_candidates_fallback: Some(Duration::from_secs(60)),
            linger: Duration::from_secs(5),
            backups: 2,
            max_pairs: 100,
            max_remote_candidates: 64,
            max_peer_reflexive: 16,
            max_locals: 32,
            max_stun_servers: 8,
            max_connecting: 8,
            max_responses: 64,
            punch: punch::Config::usual(),
        }
    }

    /// Sets apart what agents of one owner have different values for.
    pub(crate) fn split(mut self) -> (Choices, Numbers) {
        let punch = &mut self.punch;
        let choices = Choices {
            ufrag_prefix: self.ufrag_prefix.take().map(String::into_boxed_str),
            policy: self.policy,
            lite: self.lite,
            predict: punch.predict,
            birthday: punch.birthday,
            private: punch.private,
        };
        (punch.predict, punch.birthday, punch.private) =
            (USUAL.punch.predict, USUAL.punch.birthday, USUAL.punch.private);
        (self.policy, self.lite) = (USUAL.policy, USUAL.lite);
        let numbers = Numbers((self != USUAL).then(|| Box::new(self)));
        (choices, numbers)
    }
}

static USUAL: Config = Config::usual();

/// The settings that an agent has for itself; they mean what those of the same name in [`Config`] do.
#[derive(Clone, Debug)]
pub(crate) struct Choices {
    pub ufrag_prefix: Option<Box<str>>,
    pub policy: Policy,
    pub lite: bool,
    pub predict: bool,
    pub birthday: bool,
    pub private: bool,
}

/// All other settings. Those of nearly every agent are the defaults, of which one copy is enough.
#[derive(Clone, Debug)]
pub(crate) struct Numbers(Option<Box<Config>>);

impl Deref for Numbers {
    type Target = Config;

    fn deref(&self) -> &Config {
        self.0.as_deref().unwrap_or(&USUAL)
    }
}
