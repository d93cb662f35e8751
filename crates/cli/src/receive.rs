//! `peerage receive`.

pub mod ask;
mod prepare;
mod prompt;

use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use peerage::{DataChannel, Message};
use peerage_base::rng::Rng;
use peerage_server::local::{self, LocalSettings};
use peerage_signal::client::options::{Intent, RoomOptions};
use peerage_signal::code::Code;
use peerage_signal::link::{AnyCode, LinkError, ServerAddress, parse_link};
use peerage_signal::plain::Role;
use peerage_signal::word_code::WordCode;
use peerage_transfer::disk::{self, Task};
use peerage_transfer::failure::Failure;
use peerage_transfer::manifest::Manifest;
use peerage_transfer::protocol::{ErrorKind, RejectKind};
use peerage_transfer::receiver::{self, Config, Receiver};
use peerage_transfer::state::{Agreed, Receiving};
use peerage_transfer::store::StoreError;
use tokio::time::{Instant, sleep_until};

use crate::args::ReceiveArgs;
use crate::args::client::{AccessArgs, ClientArgs};
use crate::args::text::Via;
use crate::by_text::{Handed, Invitation, NO_WORDS, Terms, gone_for_good, invitation, read_message, refuse_in_text};
use crate::compare::{self, Asking};
use crate::connect::{Connector, Event, Manner, enter_patiently};
use crate::ending::{Ending, Kind, Outcome};
use crate::input::Input;
use crate::interrupt::Interrupt;
use crate::lane::{Happened, Lane};
use crate::meet::{Memory, rng};
use crate::report::Report;
use crate::spoken::Place;
use crate::text::plain;

/// How long a sender is waited for: at first, and when it vanished.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a connection that nobody comes back to may take to say why it ended.
const LAST_WORDS: Duration = Duration::from_secs(3);

type Stored = Result<disk::Outcome, StoreError>;
type ReceiveLane = Lane<Task, Stored>;

/// A sender that was found, and what is remembered of earlier runs with it.
struct Met {
    connector: Connector,
    memory: Memory<Receiving>,
    agreed: Option<Memory<Agreed>>,
    /// When the sender is not waited for any longer.
    deadline: Option<Instant>,
}

/// Receives until everything is stored.
pub async fn run(args: ReceiveArgs, report: &mut Report) -> Outcome<()> {
    let mut interrupt = Interrupt::listen().map_err(Ending::from(Kind::Path))?;
    let mut input = None;
    // As it is said: several arguments are the parts of one code.
    let handed = Handed {
        words: &args.code.join(" "),
        via: args.via.via,
        text: &args.via.spelling,
        client: &args.client,
        must: true,
    };
    let handed = match invitation(Role::Receive, handed, &mut input, report, &mut interrupt).await? {
        Some(handed) => handed,
        None => tokio::select! {
            line = ask::code() => {
                let line = line.ok_or_else(|| Ending::new(Kind::Usage, "no code was given"))?;
                read_message(Role::Receive, &line, Via::Room)?
            }
            () = interrupt.heard() => return Err(Ending::interrupted(false)),
        },
    };
    let disk = |error| Ending::new(Kind::Disk, format!("{}: {error}", args.out.display()));
    std::fs::create_dir_all(&args.out).map_err(disk)?;
    let out = args.out.canonicalize().map_err(disk)?;
    let rng = rng()?;
    let met = match handed {
        Invitation::Room(place) => enter(&args, &place, &out, &rng, report, &mut interrupt).await?,
        Invitation::Offer(offer) => {
            refuse_in_text(&[(args.verify, NO_WORDS)])?;
            let terms = Terms::beside_a_room(&args.via, &args.client, &AccessArgs::default());
            let connector = terms.connect(Role::Receive, Some(*offer), &mut input, report, &mut interrupt).await?;
            Met { connector, memory: Memory::none(), agreed: None, deadline: None }
        }
    };
    let Met { connector, memory, agreed, deadline } = met;
    let has_stood = memory.record().is_some();
    let run = Run {
        out,
        ask: !args.yes && ask::is_possible(),
        input,
        rng,
        memory,
        report,
        interrupt,
        transfer: None,
        deadline,
        has_stood,
        may_return: connector.may_return(),
    };
    let result = run.until_done(connector).await;
    if let (Ok(()), Some(agreed)) = (&result, agreed) {
        agreed.forget();
    }
    result
}

/// Enters the room that a code or a link leads to.
async fn enter(
    args: &ReceiveArgs,
    place: &str,
    out: &Path,
    rng: &Rng,
    report: &Report,
    interrupt: &mut Interrupt,
) -> Outcome<Met> {
    let (place, code) = read_place(place, &args.client, args.via.via)?;
    let (server, code, agreed) = match code {
        AnyCode::Room(code) => (place.server(&AnyCode::Room(code.clone())).await?, code, None),
        AnyCode::Words(words) => {
            let key = [words.to_string(), place.to_string()];
            let mut agreed =
                Memory::<Agreed>::take(&[key[0].as_bytes(), key[1].as_bytes(), out.as_os_str().as_bytes()], report)?;
            let earlier = agreed.record().and_then(|record| Code::parse(&record.code).ok());
            let met = match earlier {
                Some(code) => place.server(&AnyCode::Room(code.clone())).await.map(|server| (server, code)),
                None => place.meet(words, args, rng, report, interrupt).await,
            };
            let (server, code) = match met {
                Ok(met) => met,
                Err(ending) if agreed.record().is_none() => {
                    agreed.forget();
                    return Err(ending);
                }
                Err(ending) => return Err(ending),
            };
            agreed.save(Agreed { code: code.to_string() }, report);
            (server, code, Some(agreed))
        }
    };
    let memory = Memory::<Receiving>::take(&[code.to_string().as_bytes(), out.as_os_str().as_bytes()], report)?;
    let mut options = RoomOptions::new(server, code, Intent::Join, Role::Receive, rng.split("room"));
    options.tls.fingerprint = args.client.server_fingerprint;
    // A sender that was killed takes its server with it; both may be about to come back. One that was met at a nameplate
    // opens the room in this moment.
    let patience = if memory.record().is_some() || agreed.is_some() { PATIENCE } else { Duration::ZERO };
    let manner = Manner { relay_only: args.client.relay_only, verify: args.verify };
    let entered = tokio::select! {
        entered = enter_patiently(options, manner, patience) => entered,
        () = interrupt.heard() => return Err(Ending::interrupted(memory.record().is_some())),
    };
    let connector = match entered {
        Err(ending) if memory.record().is_some() || agreed.is_some() => {
            let message =
                format!("the sender did not come back ({}); run the same command again to go on", ending.message);
            return Err(Ending::new(Kind::Gone, message));
        }
        entered => entered?,
    };
    Ok(Met { connector, memory, agreed, deadline: Some(Instant::now() + PATIENCE) })
}

/// Where a code leads.
enum At {
    /// To this server.
    Server(ServerAddress),
    /// To whoever on the local network says that it has it.
    Local,
}

impl At {
    /// The server.
    async fn server(&self, code: &AnyCode) -> Outcome<ServerAddress> {
        match self {
            Self::Server(server) => Ok(server.clone()),
            Self::Local => {
                local::find(code, &rng()?, &LocalSettings::default()).await.map_err(Ending::from(Kind::Path))
            }
        }
    }

    /// The server, and the room there that both agree on who have these words.
    async fn meet(
        &self,
        words: WordCode,
        args: &ReceiveArgs,
        rng: &Rng,
        report: &Report,
        interrupt: &mut Interrupt,
    ) -> Outcome<(ServerAddress, Code)> {
        let server = self.server(&AnyCode::Words(words.clone())).await?;
        let place = Place { server: &server, fingerprint: args.client.server_fingerprint, rng };
        let code = place.take(words, report, interrupt).await?;
        Ok((server, code))
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(server) => server.fmt(f),
            Self::Local => f.write_str("local"),
        }
    }
}

/// The server and the code that a text and the options stand for, where only a room can be entered.
pub async fn place(text: &str, client: &ClientArgs, via: Via) -> Outcome<(ServerAddress, Code)> {
    match read_place(text, client, via)? {
        (at, AnyCode::Room(code)) => Ok((at.server(&AnyCode::Room(code.clone())).await?, code)),
        (_, AnyCode::Words(_)) => Err(Ending::new(Kind::Usage, LinkError::ForTwo.to_string())),
    }
}

/// The server and the code of either kind that a text and the options stand for.
pub async fn any_place(text: &str, client: &ClientArgs, via: Via) -> Outcome<(ServerAddress, AnyCode)> {
    let (at, code) = read_place(text, client, via)?;
    Ok((at.server(&code).await?, code))
}

/// Where to look for a server, and the code; nobody is asked yet.
fn read_place(text: &str, client: &ClientArgs, via: Via) -> Outcome<(At, AnyCode)> {
    let (server, code) = parse_link(text).map_err(Ending::from(Kind::Usage))?;
    let at = match (server, via) {
        (Some(server), _) => At::Server(server),
        (None, Via::Local) => At::Local,
        (None, _) => At::Server(client.server().map_err(Ending::from(Kind::Usage))?.ok_or_else(|| {
            let what = "a code alone needs --server URL or PEERAGE_SERVER, or --via local if both are on one network; or \
                        give the whole link";
            Ending::new(Kind::Usage, what)
        })?),
    };
    Ok((at, code))
}

struct Run<'a> {
    out: PathBuf,
    ask: bool,
    /// Standard input, if a text was read from it.
    input: Option<Input>,
    rng: Rng,
    memory: Memory<Receiving>,
    report: &'a mut Report,
    interrupt: Interrupt,
    transfer: Option<Transfer>,
    /// When the sender is not waited for any longer.
    deadline: Option<Instant>,
    /// A connection stood, in this run or an earlier one: without a path now, another try may find one.
    has_stood: bool,
    /// A sender that is lost may come back to the same place.
    may_return: bool,
}

struct Transfer {
    machine: Receiver,
    lane: ReceiveLane,
    manifest: Arc<Manifest>,
    began: Instant,
    /// The store refused to write where a link or a foreign file stands.
    foreign: Arc<AtomicBool>,
}

/// What woke the run.
enum Wake {
    Interrupted,
    Connector(Event),
    Lane(Happened<Stored>),
    Deadline,
}

impl Run<'_> {
    async fn until_done(mut self, mut connector: Connector) -> Outcome<()> {
        let result = loop {
            match self.turn(&mut connector).await {
                Ok(true) => break Ok(()),
                Ok(false) => {}
                Err(ending) => break Err(ending),
            }
        };
        if let Some(mut transfer) = self.transfer.take() {
            transfer.machine.cancel();
            transfer.lane.push(|| transfer.machine.poll_message());
            transfer.lane.finish().await;
        }
        let reason = result.as_ref().err().map_or("done", |ending| ending.kind.as_str());
        connector.leave(reason).await;
        if result.is_ok() {
            self.memory.forget();
        }
        result
    }

    /// One step; true when everything is stored.
    async fn turn(&mut self, connector: &mut Connector) -> Outcome<bool> {
        if self.advance(connector).await? {
            return Ok(true);
        }
        connector.set_busy(self.transfer.as_ref().is_some_and(|transfer| transfer.machine.progress() > 0));
        let deadline = self.deadline;
        let wake = tokio::select! {
            () = self.interrupt.heard() => Wake::Interrupted,
            event = connector.next() => Wake::Connector(event),
            happened = async {
                match &mut self.transfer {
                    Some(transfer) => transfer.lane.happened().await,
                    None => std::future::pending().await,
                }
            } => Wake::Lane(happened),
            () = async { sleep_until(deadline.expect("guarded")).await }, if deadline.is_some() => Wake::Deadline,
        };
        match wake {
            Wake::Interrupted => return Err(Ending::interrupted(self.memory.record().is_some())),
            Wake::Connector(event) => self.event(event, connector).await?,
            Wake::Lane(happened) => self.happened(happened).await?,
            Wake::Deadline if self.memory.record().is_some() => {
                let message = "the sender did not come back; run the same command again to go on";
                return Err(Ending::new(Kind::Gone, message));
            }
            Wake::Deadline => return Err(Ending::new(Kind::Gone, "nobody is there who sends")),
        }
        Ok(false)
    }

    async fn event(&mut self, event: Event, connector: &Connector) -> Outcome<()> {
        match event {
            Event::Connected(connected) => {
                self.has_stood = true;
                // Somebody is there; a person may take time to choose files.
                self.deadline = None;
                self.report.connected(&connected);
            }
            Event::Channel(channel) => self.begin(channel),
            Event::Lost { reason, never_stood } => {
                self.abandon().await;
                if never_stood && !self.has_stood {
                    return Err(Ending::new(Kind::Path, reason));
                }
                self.vanished(&reason)?;
            }
            Event::Words { words, ask: false } => compare::show(&words, self.report),
            Event::Words { words, ask: true } => {
                compare::confirm(&words, Asking::Input, self.report, &mut self.interrupt).await?;
                connector.verified().await;
            }
            Event::Note(text) => self.report.note(&plain(&text)),
            Event::Closed(ending) if ending.kind == Kind::Gone => return Err(gone_for_good(&ending.message)),
            Event::Closed(ending) => return Err(ending),
        }
        Ok(())
    }

    fn begin(&mut self, channel: DataChannel) {
        let busy = self.transfer.as_ref().is_some_and(|transfer| !transfer.machine.is_ended());
        let mut machine = Receiver::new(Config::default());
        let mut lane = Lane::new(channel);
        if busy {
            machine.reject(RejectKind::Busy, "another transfer is under way");
            lane.push(|| machine.poll_message());
            tokio::spawn(lane.finish());
            return;
        }
        let foreign = Arc::new(AtomicBool::new(false));
        let (manifest, began) = (Arc::default(), Instant::now());
        self.transfer = Some(Transfer { machine, lane, manifest, began, foreign });
        self.deadline = None;
    }

    async fn abandon(&mut self) {
        if let Some(transfer) = self.transfer.take() {
            transfer.lane.abandon().await;
        }
    }

    fn vanished(&mut self, reason: &str) -> Outcome<()> {
        if !self.may_return {
            return Err(gone_for_good(reason));
        }
        if self.deadline.is_none() {
            self.report.waiting(PATIENCE, reason);
            self.deadline = Some(Instant::now() + PATIENCE);
        }
        Ok(())
    }

    async fn happened(&mut self, happened: Happened<Stored>) -> Outcome<()> {
        let Some(transfer) = &mut self.transfer else { return Ok(()) };
        match happened {
            Happened::Arrived(Message::Text(text)) => transfer.machine.handle_text(&text),
            Happened::Arrived(Message::Binary(content)) => transfer.machine.handle_binary(&content),
            Happened::Result(result) => {
                if matches!(result, Err(StoreError::Foreign(_))) {
                    transfer.foreign.store(true, Ordering::Relaxed);
                }
                transfer.machine.handle_result(result);
            }
            Happened::Writable => {}
            Happened::Closed => {
                self.abandon().await;
                if self.may_return {
                    return self.vanished("the sender closed the transfer");
                }
                // If the connection ended, it says why in a moment.
                self.deadline.get_or_insert(Instant::now() + LAST_WORDS);
            }
        }
        Ok(())
    }

    /// Moves what can move; true when everything is stored.
    async fn advance(&mut self, connector: &Connector) -> Outcome<bool> {
        while let Some(event) = self.transfer.as_mut().and_then(|transfer| transfer.machine.poll_event()) {
            match event {
                receiver::Event::Offered { id, resume, manifest } => {
                    if let Err(ending) = self.offered(id, resume, manifest).await {
                        self.last_words().await;
                        return Err(ending);
                    }
                }
                receiver::Event::Restarted { index } => {
                    let path = self.entry(index).0;
                    self.report.restarted(&path);
                }
                receiver::Event::File { index, sha256, path } => {
                    let bytes = self.entry(index).1;
                    self.report.file(&path, bytes, &sha256.to_string());
                }
                receiver::Event::Done { sha256 } => {
                    let Some(mut transfer) = self.transfer.take() else { return Ok(false) };
                    transfer.lane.push(|| transfer.machine.poll_message());
                    let bytes = transfer.manifest.bytes();
                    self.report.progress(bytes, bytes);
                    self.report.done(bytes, transfer.began.elapsed(), &sha256.to_string());
                    transfer.lane.await_close().await;
                    transfer.lane.finish().await;
                    return Ok(true);
                }
                receiver::Event::Failed(failure) => return self.failed(&failure, connector).await.map(|()| false),
                _ => {}
            }
        }
        if let Some(transfer) = &mut self.transfer {
            while let Some(task) = transfer.machine.poll_task() {
                transfer.lane.give(task);
            }
            transfer.lane.push(|| transfer.machine.poll_message());
            self.report.progress(transfer.machine.progress(), transfer.manifest.bytes());
        }
        Ok(false)
    }

    /// Path and size of an entry.
    fn entry(&self, index: usize) -> (String, u64) {
        let entry = self.transfer.as_ref().and_then(|transfer| transfer.manifest.entry(index));
        entry.map_or_else(Default::default, |entry| (entry.path.clone(), entry.file_size().unwrap_or(0)))
    }

    /// Lets what the machine has to say go out, and the disk finish.
    async fn last_words(&mut self) {
        let Some(mut transfer) = self.transfer.take() else { return };
        while let Some(task) = transfer.machine.poll_task() {
            transfer.lane.give(task);
        }
        transfer.lane.push(|| transfer.machine.poll_message());
        transfer.lane.finish().await;
    }

    async fn failed(&mut self, failure: &Failure, connector: &Connector) -> Outcome<()> {
        let foreign = self.transfer.as_ref().is_some_and(|transfer| transfer.foreign.load(Ordering::Relaxed));
        self.last_words().await;
        let kind = match failure {
            Failure::Rejected { .. } => Kind::Refused,
            Failure::Local { kind: ErrorKind::Disk, .. } if foreign => Kind::Refused,
            Failure::Local { kind: ErrorKind::Disk, .. } => Kind::Disk,
            Failure::Remote { kind: ErrorKind::Source | ErrorKind::Cancelled, .. } => {
                connector.drop_peer().await;
                return self.vanished(&failure.to_string());
            }
            Failure::Local { .. } | Failure::Remote { .. } => Kind::Gone,
        };
        let hint = if kind == Kind::Disk { "; what arrived is kept: run the same command again to go on" } else { "" };
        Err(Ending::new(kind, format!("{failure}{hint}")))
    }
}
