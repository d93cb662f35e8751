//! Servers that need no name: announced on the local network and found there by the code alone (RFC 6762, RFC 6763).
//!
//! Who answers is not authenticated: anybody on the network can. It says only where the code is to be tried, and whoever does
//! not have it learns nothing by that.

use core::net::SocketAddr;
use core::time::Duration;
use peerage_base::rng::Rng;
use peerage_net::interfaces::{Filter, Interface, local};
use peerage_net::mdns::resolver::Resolver;
use peerage_net::mdns::responder::{Responder, Service};
use peerage_net::mdns::{self, Config};
use peerage_signal::link::{AnyCode, ServerAddress};
use std::io;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// What servers are in the discovery of services: `_peerage._tcp`.
const KIND: &str = "peerage";
/// How long somebody else who uses the name has to say so, and how often he is asked (RFC 6762 §8.1).
const PROBE: Duration = Duration::from_millis(750);
const PROBE_PAUSE: Duration = Duration::from_millis(250);
/// How long one address may take to answer.
const REACH: Duration = Duration::from_secs(5);

/// Where to look around, and for how long.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LocalSettings {
    /// How long a server is looked for. Default 10 s.
    pub patience: Duration,
    /// UDP port of multicast DNS. Default 5353; with another one only software set to the same is met.
    pub port: u16,
}

impl Default for LocalSettings {
    fn default() -> Self {
        Self { patience: Duration::from_secs(10), port: mdns::PORT }
    }
}

/// Why nobody is found, or can be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    /// There is no network to look around in.
    #[error("this machine takes part in no local network where others could be found: {0}")]
    NoNetwork(io::Error),
    /// Nobody answered.
    #[error(
        "nobody on this network offers {0}: is the other side running with --via local, and on the same network? Guest \
         networks and VPNs often keep machines apart"
    )]
    Nobody(String),
    /// Whoever answered cannot be reached.
    #[error("whoever offers {code} is found at {at}, but cannot be reached there: does a firewall stand between?")]
    Unreachable {
        /// The code without its secret.
        code: String,
        /// The addresses.
        at: String,
    },
    /// Somebody else has the same.
    #[error("somebody else on this network offers {0} already: use another code")]
    Taken(String),
    /// The discovery itself fails.
    #[error("the local network cannot be searched: {0}")]
    Discovery(mdns::Error),
}

/// Tells the network of a server, until it is dropped.
#[derive(Debug)]
pub struct Announcement {
    _responder: Responder,
}

/// Tells the network that the server at `port` of this host is where `code` leads. Needs a tokio runtime.
///
/// # Errors
/// [`LocalError`], among them that somebody else has a code with the same beginning.
pub async fn announce(
    code: &AnyCode,
    port: u16,
    rng: &Rng,
    settings: &LocalSettings,
) -> Result<Announcement, LocalError> {
    let (instance, interfaces) = (code.public_name(), interfaces()?);
    let mut probing = config(settings, PROBE);
    probing.retry = PROBE_PAUSE;
    let resolver = Resolver::new(&interfaces, probing, rng.split("probe")).map_err(LocalError::NoNetwork)?;
    match resolver.find(&instance, KIND).await {
        Ok(_) => return Err(LocalError::Taken(shown(code))),
        Err(mdns::Error::TimedOut) => {}
        Err(error) => return Err(LocalError::Discovery(error)),
    }
    let responder =
        Responder::new(&interfaces, config(settings, PROBE), rng.split("announce")).map_err(LocalError::NoNetwork)?;
    let service = Service { instance, kind: KIND.to_owned(), port, text: vec!["v=1".to_owned()] };
    responder.offer(&service).await.map_err(LocalError::Discovery)?;
    Ok(Announcement { _responder: responder })
}

/// Finds the server where `code` leads. Needs a tokio runtime.
///
/// # Errors
/// [`LocalError`].
pub async fn find(code: &AnyCode, rng: &Rng, settings: &LocalSettings) -> Result<ServerAddress, LocalError> {
    let looking = config(settings, settings.patience);
    let resolver = Resolver::new(&interfaces()?, looking, rng.split("find")).map_err(LocalError::NoNetwork)?;
    let addresses = match resolver.find(&code.public_name(), KIND).await {
        Ok(addresses) => addresses,
        Err(mdns::Error::TimedOut) => return Err(LocalError::Nobody(shown(code))),
        Err(error) => return Err(LocalError::Discovery(error)),
    };
    let found = reachable(&addresses).await.and_then(|at| ServerAddress::parse(&format!("http://{at}")).ok());
    found.ok_or_else(|| {
        let at = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        LocalError::Unreachable { code: shown(code), at }
    })
}

/// The first address that takes a connection.
async fn reachable(addresses: &[SocketAddr]) -> Option<SocketAddr> {
    let mut trying = JoinSet::new();
    for address in addresses.iter().copied() {
        trying.spawn(async move {
            let connected = timeout(REACH, TcpStream::connect(address)).await;
            matches!(connected, Ok(Ok(_))).then_some(address)
        });
    }
    while let Some(tried) = trying.join_next().await {
        if let Ok(Some(address)) = tried {
            return Some(address);
        }
    }
    None
}

fn interfaces() -> Result<Vec<Interface>, LocalError> {
    let nothing = || io::Error::other("it has no address but its own");
    let found = local(&Filter::default()).map_err(LocalError::NoNetwork)?;
    if found.is_empty() { Err(LocalError::NoNetwork(nothing())) } else { Ok(found) }
}

fn config(settings: &LocalSettings, patience: Duration) -> Config {
    let mut config = Config::default();
    (config.port, config.timeout) = (settings.port, patience);
    config
}

/// A code that may be shown to anybody.
fn shown(code: &AnyCode) -> String {
    match code {
        AnyCode::Room(code) => format!("{}-\u{2026}", code.room()),
        AnyCode::Words(code) => format!("{}-\u{2026}", code.nameplate),
    }
}
