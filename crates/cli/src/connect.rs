//! From a way to signal to a connection: who is there, who is talked to, and when to give up on a peer.

mod comparing;
pub mod driver;
pub mod link;
pub mod visit;
pub mod way;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use peerage::DataChannel;
use peerage_base::rng::Rng;
use peerage_signal::client::ConnectError;
use peerage_signal::client::options::RoomOptions;
use peerage_signal::client::room::Room;
use peerage_signal::message::ErrorCode;
use peerage_signal::plain::Role;
use peerage_transfer::forward;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use self::comparing::Comparing;
use self::driver::Driver;
use self::way::Way;
use crate::ending::{Ending, Kind, Outcome};
use crate::report::Connected;

/// What comes of a way to signal.
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
    /// Words for two people to compare. `ask`: nothing moves before [`Connector::verified`].
    Words {
        /// The words.
        words: String,
        /// This side wants them to be compared, and not only the other one.
        ask: bool,
    },
    /// Something for a person to read; may hold text of a peer.
    Note(String),
    /// The room is closed, or the texts are spent, and there is no connection.
    Closed(Ending),
}

enum Command {
    /// Give up on the present peer.
    Drop,
    /// Open another channel to the present peer.
    Open(oneshot::Sender<DataChannel>),
    /// The words were the same.
    Verified,
    /// Tell everyone and end.
    Leave(String),
}

/// How peers are connected to.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// No address of this machine is told to anybody.
    pub relay_only: bool,
    /// Words are compared before anything moves.
    pub verify: bool,
}

/// A place in a room or among two, with at most one connection at a time.
pub struct Connector {
    events: mpsc::Receiver<Event>,
    commands: mpsc::Sender<Command>,
    busy: Arc<AtomicBool>,
    may_return: bool,
    task: JoinHandle<()>,
}

impl Connector {
    /// Enters the room.
    pub async fn enter(options: RoomOptions, manner: Manner) -> Result<Self, ConnectError> {
        let (role, rng) = (options.role, options.rng.split("verify"));
        let room = Room::connect(options).await?;
        Ok(Self::over(Way::Room(room), role, rng, manner))
    }

    /// Connects over a way that is open.
    pub fn over(way: Way, role: Role, rng: Rng, manner: Manner) -> Self {
        let may_return = !way.carries().is_once();
        let (to_owner, events) = mpsc::channel(64);
        let (commands, from_owner) = mpsc::channel(4);
        let busy = Arc::new(AtomicBool::new(false));
        let driver = Driver::new(
            way,
            role,
            to_owner,
            from_owner,
            busy.clone(),
            Comparing::new(manner.verify, rng),
            manner.relay_only,
        );
        Self { events, commands, busy, may_return, task: tokio::spawn(driver.run()) }
    }

    /// Whether a peer that is lost may come back by the same way.
    pub fn may_return(&self) -> bool {
        self.may_return
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

    /// Lets what waits for the words begin.
    pub async fn verified(&self) {
        let _ = self.commands.send(Command::Verified).await;
    }

    /// Gives up on the present peer.
    pub async fn drop_peer(&self) {
        let _ = self.commands.send(Command::Drop).await;
    }

    /// Another channel of the role's protocol to the present peer; `None` without one.
    pub async fn open(&self) -> Option<DataChannel> {
        let (reply, opened) = oneshot::channel();
        self.commands.send(Command::Open(reply)).await.ok()?;
        opened.await.ok()
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
        Role::Forward | Role::Connect => (forward::CONTROL, forward::PROTOCOL),
        _ => ("transfer", "peerage.transfer.1"),
    }
}

/// Label and protocol of the further channels of a role.
fn further(role: Role) -> Option<(&'static str, &'static str)> {
    matches!(role, Role::Forward | Role::Connect).then_some((forward::STREAM, forward::PROTOCOL))
}

/// The command whose channel has this label.
fn command_of(label: &str) -> Option<&'static str> {
    match label {
        "pipe" => Some("pipe"),
        "transfer" => Some("send"),
        forward::CONTROL => Some("forward"),
        _ => None,
    }
}

/// Whether two roles have anything to do with each other.
pub fn fits(own: Role, other: Role) -> bool {
    match own {
        Role::Send => matches!(other, Role::Receive | Role::Page),
        Role::Receive => matches!(other, Role::Send | Role::Page),
        Role::Pipe => matches!(other, Role::Pipe | Role::Page),
        Role::Forward => other == Role::Connect,
        Role::Connect => other == Role::Forward,
        Role::Call => matches!(other, Role::Call | Role::Page),
        _ => true,
    }
}

/// Enters again and again until `patience` is over: a sender that was killed comes back with its server.
pub async fn enter_patiently(
    options: RoomOptions,
    manner: Manner,
    patience: std::time::Duration,
) -> Outcome<Connector> {
    let deadline = tokio::time::Instant::now() + patience;
    let mut pause = std::time::Duration::from_millis(100);
    loop {
        match Connector::enter(options.clone(), manner).await {
            Ok(connector) => return Ok(connector),
            Err(error) => {
                let ending = refused(&error);
                if tokio::time::Instant::now() >= deadline || ending.kind == Kind::Usage {
                    return Err(ending);
                }
                tracing::debug!(%error, "entering again in a moment");
                tokio::time::sleep(pause).await;
                pause = (2 * pause).min(std::time::Duration::from_secs(1));
            }
        }
    }
}
