//! Where two peers meet: the server, the code, and what is remembered of earlier runs.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use peerage_base::rng::Rng;
use peerage_server::local::{self, Announcement, LocalSettings};
use peerage_server::{Server, ServerConfig, ServerHandle};
use peerage_signal::link::{AnyCode, ServerAddress};
use peerage_transfer::state::{Claim, Record, State, StateError};
use peerage_transfer::store;
use tokio::task::JoinHandle;

use crate::args::client::ClientArgs;
use crate::args::text::Via;
use crate::clock::wall;
use crate::ending::{Ending, Kind, Outcome};
use crate::report::Report;

/// A generator with the system's entropy in it.
pub fn rng() -> Outcome<Rng> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| Ending::new(Kind::Disk, format!("the system has no entropy: {error}")))?;
    Ok(Rng::new(seed))
}

/// The server that both sides use.
pub struct Meeting {
    /// How this program reaches it.
    pub server: ServerAddress,
    /// How the other side does.
    pub public: String,
    /// The server in this program, if it has one.
    pub embedded: Option<Embedded>,
    /// What the local network is told of it, if it has to be found there.
    announced: Option<Mutex<Vec<Announcement>>>,
}

/// A server in this program.
pub struct Embedded {
    handle: ServerHandle,
    task: JoinHandle<()>,
    /// Its port, to come back to.
    pub port: u16,
}

impl Meeting {
    /// At a server that was named.
    pub fn at(server: ServerAddress) -> Self {
        Self { public: server.to_string(), server, embedded: None, announced: None }
    }

    /// Where a command opens a room: at the server that was named, or else at one of our own, on the port of an earlier run
    /// if there was one.
    pub async fn open(client: &ClientArgs, via: Via, port: Option<u16>, report: &Report) -> Outcome<Self> {
        let server = client.server().map_err(Ending::from(Kind::Usage))?;
        if via == Via::Local {
            if let Some(server) = server {
                report.note(&format!("--via local serves by itself; {server} is not asked"));
            }
            let meeting = Self::embedded(port, client.relay_only, report).await?;
            return Ok(Self { announced: Some(Mutex::default()), ..meeting });
        }
        match server {
            Some(server) => Ok(Self::at(server)),
            None => Self::embedded(port, client.relay_only, report).await,
        }
    }

    /// At a server of our own, on all addresses, on the port of an earlier run if there was one. `relay_only`: whether
    /// the peers are to meet at its relay, which it does not have.
    async fn embedded(port: Option<u16>, relay_only: bool, report: &Report) -> Outcome<Self> {
        if relay_only {
            let why = "--relay-only needs a server with a relay, on another machine: name one with --server";
            return Err(Ending::new(Kind::Usage, why));
        }
        let bind = |port| {
            let mut config = ServerConfig::default();
            config.listen = vec![SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))];
            // A relay on this machine leads nowhere that its own candidates do not, and whoever finds the port could
            // have his traffic carried by it.
            config.turn = None;
            Server::bind(config)
        };
        let server = match bind(port.unwrap_or(0)).await {
            Err(error) if port.is_some() => {
                report.note(&format!("The earlier port is taken ({error}); the receiver needs the new code line"));
                bind(0).await
            }
            server => server,
        };
        let server = server.map_err(Ending::from(Kind::Path))?;
        let port = server.local_addrs().first().map_or(0, SocketAddr::port);
        let urls = server.urls();
        let local = ServerAddress::parse(&urls.local).map_err(Ending::from(Kind::Path))?;
        let public = urls.best().to_owned();
        let handle = server.handle();
        let task = tokio::spawn(server.run());
        report.note(&format!("Serving {public} for this transfer"));
        Ok(Self { server: local, public, embedded: Some(Embedded { handle, task, port }), announced: None })
    }

    /// Tells the user, or the program that reads us, how to join, and the local network where, if that is to know. `several`: it
    /// is one of several codes, for which there are no pictures.
    pub async fn announce(&self, code: &AnyCode, verb: &str, several: bool, report: &Report) -> Outcome<()> {
        let link = code.link(&self.public);
        let Some(announced) = &self.announced else {
            report.code(&code.to_string(), &link, &format!("peerage {verb} \"{link}\""), !several);
            return Ok(());
        };
        let port = self.embedded.as_ref().map_or(0, |embedded| embedded.port);
        let announcement = local::announce(code, port, &rng()?, &LocalSettings::default()).await;
        announced.lock().unwrap_or_else(PoisonError::into_inner).push(announcement.map_err(Ending::from(Kind::Path))?);
        report.code(&code.to_string(), &link, &format!("peerage {verb} --via local {code}"), !several);
        Ok(())
    }

    /// Ends the server, if it is ours.
    pub async fn end(self) {
        if let Some(embedded) = self.embedded {
            embedded.handle.shutdown();
            let _ = embedded.task.await;
        }
    }
}

/// What is remembered of one transfer; nothing where the system gives no place to remember.
pub struct Memory<T>(Option<Claim<T>>);

impl<T: Record + Clone> Memory<T> {
    /// Takes what is remembered under `key`. Another process at the same transfer is an error; a folder that fails costs
    /// the chance to go on later, and no more.
    pub fn take(key: &[&[u8]], report: &Report) -> Outcome<Self> {
        let Some(dir) = State::default_dir(|name| std::env::var_os(name)) else { return Ok(Self(None)) };
        let claim = State::open(&dir).and_then(|state| {
            forget_old(&state);
            state.claim(key, wall())
        });
        match claim {
            Ok(claim) => Ok(Self(Some(claim))),
            Err(error @ StateError::InUse) => Err(Ending::new(Kind::Refused, error.to_string())),
            Err(error) => {
                report.note(&format!("This transfer cannot be gone on with later: {error}"));
                Ok(Self(None))
            }
        }
    }

    /// Nothing, and nothing is to be remembered.
    pub fn none() -> Self {
        Self(None)
    }

    /// What an earlier run left.
    pub fn record(&self) -> Option<&T> {
        self.0.as_ref().and_then(Claim::record)
    }

    /// Remembers.
    pub fn save(&mut self, record: T, report: &Report) {
        if let Some(claim) = &mut self.0
            && let Err(error) = claim.save(record, wall())
        {
            report.note(&format!("This transfer cannot be gone on with later: {error}"));
        }
    }

    /// Forgets.
    pub fn forget(self) {
        if let Some(claim) = self.0
            && let Err(error) = claim.forget()
        {
            tracing::debug!(%error, "not forgotten");
        }
    }
}

/// What nobody came back for in seven days goes, also from the folders it was received in.
fn forget_old(state: &State) {
    let left = state.expire(wall()).unwrap_or_default();
    for old in left {
        if let Err(error) = discard(&old.out, &old.partial) {
            tracing::debug!(%error, "an old partial transfer stays");
        }
    }
}

/// Throws away what an unfinished transfer left.
pub fn discard(out: &Path, partial: &str) -> std::io::Result<()> {
    store::discard(out, partial)
}
