//! From a room to a connection: who is there, who is talked to, and when to give up on a peer.

mod driver;
mod link;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use peerage::DataChannel;
use peerage_signal::client::ConnectError;
use peerage_signal::client::options::RoomOptions;
use peerage_signal::client::room::Room;
use peerage_signal::message::ErrorCode;
use peerage_signal::plain::Role;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use self::driver::Driver;
use crate::ending::{Ending, Kind, Outcome};
use crate::report::Connected;

/// What comes of a room.
#[derive(Debug)]
pub enum Event {
    /// A connection stands, or takes another path.
    Connected(Connected),
    /// The channel that this program is about.
    Channel(DataChannel),
    /// The connection is gone, and with it its channels. The next peer is taken as soon as there is one.
    Lost {
        /// Why, for people.
        reason: String,
        /// It never stood: there is no path, or no trust.
        never_stood: bool,
    },
    /// Something for a person to read; may hold text of a peer.
    Note(String),
    /// The room is closed, and there is no connection.
    Closed(Ending),
}

enum Command {
    /// Give up on the present peer.
    Drop,
    /// Tell everyone and end.
    Leave(String),
}

/// A place in a room, with at most one connection at a time.
pub struct Connector {
    events: mpsc::Receiver<Event>,
    commands: mpsc::Sender<Command>,
    busy: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Connector {
    /// Enters the room. `relay_only`: no address of this machine is told to anybody.
    pub async fn enter(options: RoomOptions, relay_only: bool) -> Result<Self, ConnectError> {
        let role = options.role;
        let room = Room::connect(options).await?;
        let (to_owner, events) = mpsc::channel(64);
        let (commands, from_owner) = mpsc::channel(4);
        let busy = Arc::new(AtomicBool::new(false));
        let driver = Driver::new(room, role, to_owner, from_owner, busy.clone(), relay_only);
        Ok(Self { events, commands, busy, task: tokio::spawn(driver.run()) })
    }

    /// What happens next. Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Event {
        let closed = || Event::Closed(Ending::new(Kind::Gone, "the room was left"));
        self.events.recv().await.unwrap_or_else(closed)
    }

    /// Whether bytes should be moving: a peer that is silent then is given up sooner for one that asks to take its place.
    pub fn set_busy(&self, busy: bool) {
        self.busy.store(busy, Ordering::Relaxed);
    }

    /// Gives up on the present peer.
    pub async fn drop_peer(&self) {
        let _ = self.commands.send(Command::Drop).await;
    }

    /// Ends the connection and leaves the room.
    pub async fn leave(mut self, reason: &str) {
        let _ = self.commands.send(Command::Leave(reason.to_owned())).await;
        // The driver may be waiting to say something.
        while self.events.recv().await.is_some() {}
        let _ = self.task.await;
    }
}

/// What entering a room in vain means for the run.
pub fn refused(error: &ConnectError) -> Ending {
    let kind = match error {
        ConnectError::Refused { code: ErrorCode::Forbidden, .. } => {
            let what = "this server opens rooms only for those who have its access token: give the right one with \
                        --access-token-file FILE or in PEERAGE_ACCESS_TOKEN";
            return Ending::new(Kind::Refused, what);
        }
        ConnectError::Unavailable => Kind::Code,
        ConnectError::TlsOptions(_) => Kind::Usage,
        _ => Kind::Path,
    };
    Ending::new(kind, error.to_string())
}

/// Label and protocol of the channel that a role is about.
fn channel_of(role: Role) -> (&'static str, &'static str) {
    match role {
        Role::Pipe => ("pipe", "peerage.pipe.1"),
        _ => ("transfer", "peerage.transfer.1"),
    }
}

/// Whether two roles have anything to do with each other.
fn fits(own: Role, other: Role) -> bool {
    match own {
        Role::Send => matches!(other, Role::Receive | Role::Page),
        Role::Receive => matches!(other, Role::Send | Role::Page),
        Role::Pipe => matches!(other, Role::Pipe | Role::Page),
        _ => true,
    }
}

/// Enters again and again until `patience` is over: a sender that was killed comes back with its server.
pub async fn enter_patiently(
    options: RoomOptions,
    relay_only: bool,
    patience: std::time::Duration,
) -> Outcome<Connector> {
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        match Connector::enter(options.clone(), relay_only).await {
            Ok(connector) => return Ok(connector),
            Err(error) => {
                let ending = refused(&error);
                if tokio::time::Instant::now() >= deadline || ending.kind == Kind::Usage {
                    return Err(ending);
                }
                tracing::debug!(%error, "entering again in a moment");
                tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            }
        }
    }
}
