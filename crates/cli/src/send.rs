//! `peerage send`.

use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use peerage::{DataChannel, Message};
use peerage_signal::access::AccessToken;
use peerage_signal::client::options::{Intent, RoomOptions};
use peerage_signal::code::Code;
use peerage_signal::id::Side;
use peerage_signal::link::AnyCode;
use peerage_signal::plain::Role;
use peerage_transfer::disk::Read;
use peerage_transfer::failure::Failure;
use peerage_transfer::manifest::Limits;
use peerage_transfer::protocol::ErrorKind;
use peerage_transfer::sender::{self, Sender};
use peerage_transfer::source::{self, Reader, Scan, SourceError};
use peerage_transfer::state::Sending;
use peerage_transfer::value::{ResumeSecret, TransferId};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::args::SendArgs;
use crate::args::text::Via;
use crate::by_text::{NO_CODES, NO_WORDS, Terms, gone_for_good, refuse_in_text};
use crate::compare::{self, Asking};
use crate::connect::{Connector, Event, Manner, refused};
use crate::ending::{Ending, Kind, Outcome};
use crate::interrupt::Interrupt;
use crate::lane::{Happened, Lane};
use crate::meet::{Meeting, Memory, rng};
use crate::report::Report;
use crate::spoken::{self, Made, Place};
use crate::worker::Worker;

/// How long a connection that nobody comes back to may take to say why it ended.
const LAST_WORDS: Duration = Duration::from_secs(3);

type SendLane = Lane<Read, Result<Bytes, SourceError>>;

/// What is the same for all receivers.
struct Order {
    args: SendArgs,
    manner: Manner,
    access_token: Option<AccessToken>,
    interrupt: Interrupt,
}

/// Sends until each receiver has everything.
pub async fn run(args: SendArgs, report: &mut Report) -> Outcome<()> {
    if args.via.is_text().map_err(Ending::from(Kind::Usage))? {
        return send_by_text(args, report).await;
    }
    let server = args.client.server().map_err(Ending::from(Kind::Usage))?;
    let access_token = args.access.token().map_err(Ending::from(Kind::Usage))?;
    if args.receivers > 1 && args.code.code.is_some() {
        return Err(Ending::new(Kind::Usage, "--receivers makes a code for each; --code names one"));
    }
    if args.receivers > 1 && args.verify {
        return Err(Ending::new(Kind::Usage, "--verify asks about one receiver; run the command once for each"));
    }
    look_at(&args.paths, report).await?;
    let named = server.as_ref().map(ToString::to_string).unwrap_or_default();
    let manner = Manner { relay_only: args.client.relay_only, verify: args.verify };
    let memories = (0..args.receivers).map(|index| remember(&args.paths, &named, index, report));
    let memories = memories.collect::<Outcome<Vec<_>>>()?;
    let port = memories.iter().find_map(|memory| memory.record()?.port);
    let meeting = Meeting::open(&args.client, args.via.via, port, report).await?;
    let interrupt = Interrupt::listen().map_err(Ending::from(Kind::Path))?;
    let order = Order { args, manner, access_token, interrupt };
    let meeting = Arc::new(meeting);
    let result = match <[_; 1]>::try_from(memories) {
        Ok([memory]) => order.serve(memory, &meeting, report, false).await,
        Err(memories) => Arc::new(order).serve_all(memories, &meeting, report).await,
    };
    if let Ok(meeting) = Arc::try_unwrap(meeting) {
        meeting.end().await;
    }
    result
}

/// Sends to whoever answers our text.
async fn send_by_text(args: SendArgs, report: &mut Report) -> Outcome<()> {
    let several = "a text is for one receiver; run the command once for each";
    let with_code = args.code.is_given() && args.via.via != Via::Http;
    refuse_in_text(&[(args.verify, NO_WORDS), (with_code, NO_CODES), (args.receivers > 1, several)])?;
    let terms = Terms::offering(&args.via, &args.client, &args.access, args.code.code.clone())?;
    look_at(&args.paths, report).await?;
    let mut memory = remember(&args.paths, "text", 0, report)?;
    let mut rng = rng()?;
    let earlier = memory.record().cloned();
    let has_stood = earlier.is_some();
    let (id, resume) = (TransferId::random(&mut rng), ResumeSecret::random(&mut rng));
    // No code leads here; what is remembered is which transfer it is.
    let record = earlier.unwrap_or_else(|| Sending { code: String::new(), id, resume, port: None });
    memory.save(record.clone(), report);
    let mut interrupt = Interrupt::listen().map_err(Ending::from(Kind::Path))?;
    let connector = terms.connect(Role::Send, None, &mut None, report, &mut interrupt).await?;
    let (paths, wait, transfer, deadline) = (args.paths, args.wait, None, None);
    let result =
        Run { paths, wait, record, report, interrupt, transfer, deadline, has_stood }.until_done(connector).await;
    if result.is_ok() {
        memory.forget();
    }
    result
}

/// Tells what is left out; an error if there is nothing else.
async fn look_at(paths: &[PathBuf], report: &mut Report) -> Outcome<()> {
    let scan = find(paths.to_vec()).await?;
    for skipped in &scan.skipped {
        report.skipped(&skipped.path.display().to_string(), &skipped.reason.to_string());
    }
    if scan.manifest.entries().is_empty() {
        return Err(Ending::new(Kind::Usage, "there is nothing to send"));
    }
    Ok(())
}

impl Order {
    /// Serves several receivers at once; each end but the last word is told where it happens.
    async fn serve_all(
        self: Arc<Self>,
        memories: Vec<Memory<Sending>>,
        meeting: &Arc<Meeting>,
        report: &Report,
    ) -> Outcome<()> {
        let all = memories.len();
        let mut tasks = JoinSet::new();
        for (index, memory) in memories.into_iter().enumerate() {
            let (order, meeting) = (self.clone(), meeting.clone());
            let mut report = report.about((index + 1).to_string());
            tasks.spawn(async move {
                let result = order.serve(memory, &meeting, &mut report, true).await;
                if let Err(ending) = &result {
                    report.error(ending);
                }
                result
            });
        }
        let (mut done, mut worst) = (0, None);
        while let Some(result) = tasks.join_next().await {
            match result.map_err(Ending::from(Kind::Disk)).flatten() {
                Ok(()) => done += 1,
                Err(ending) => worst = worst.or(Some(ending.kind)),
            }
        }
        match worst {
            None => Ok(()),
            Some(kind) => Err(Ending::new(kind, format!("{done} of {all} receivers got everything"))),
        }
    }

    /// Serves one receiver, from its code to its end. `several`: others are served beside it.
    async fn serve(
        &self,
        mut memory: Memory<Sending>,
        meeting: &Meeting,
        report: &mut Report,
        several: bool,
    ) -> Outcome<()> {
        let mut rng = rng()?;
        let mut interrupt = self.interrupt.clone();
        let fingerprint = self.args.client.server_fingerprint;
        let port = meeting.embedded.as_ref().map(|embedded| embedded.port);
        let chosen = |code: &Code| match &self.args.code.code {
            Some(AnyCode::Room(chosen)) => chosen == code,
            Some(AnyCode::Words(_)) => false,
            None => true,
        };
        let earlier = memory.record().and_then(|record| Some((Code::parse(&record.code).ok()?, record.clone())));
        let earlier = earlier.filter(|(code, _)| chosen(code));
        let is_resumed = earlier.is_some();
        let (code, record, met) = match earlier {
            // Whoever had part of it comes back by itself; another one can take all of it under this code.
            Some((code, record)) => {
                let record = Sending { port, ..record };
                memory.save(record.clone(), report);
                (code, record, false)
            }
            None => {
                let place = Place { server: &meeting.server, fingerprint, rng: &rng };
                let made = place.make(&self.args.code, self.access_token.clone(), report).await?;
                let (id, resume) = (TransferId::random(&mut rng), ResumeSecret::random(&mut rng));
                let (code, met) = match made {
                    Made::Room(code) => (code, false),
                    Made::Words(claim) => {
                        announce(&AnyCode::Words(claim.code().clone()), meeting, report, several).await?;
                        (spoken::meet(claim, Side::Host, report, &mut interrupt).await?, true)
                    }
                };
                let record = Sending { code: code.to_string(), id, resume, port };
                memory.save(record.clone(), report);
                (code, record, met)
            }
        };
        let mut options = RoomOptions::new(meeting.server.clone(), code.clone(), Intent::Open, Role::Send, rng);
        options.tls.fingerprint = fingerprint;
        options.access_token = self.access_token.clone();
        let connector = Connector::enter(options, self.manner).await.map_err(|error| refused(&error))?;
        if !met {
            announce(&AnyCode::Room(code), meeting, report, several).await?;
        }
        let mut run = Run {
            paths: self.args.paths.clone(),
            wait: self.args.wait,
            record,
            report,
            interrupt,
            transfer: None,
            deadline: met.then(|| Instant::now() + self.args.wait),
            has_stood: is_resumed,
        };
        let result = run.until_done(connector).await;
        if result.is_ok() {
            memory.forget();
        }
        result
    }
}

/// Tells the code; one of several is told without a picture, of which only the last would be seen.
async fn announce(code: &AnyCode, meeting: &Meeting, report: &mut Report, several: bool) -> Outcome<()> {
    meeting.announce(code, "receive", several, report).await
}

struct Run<'a> {
    paths: Vec<PathBuf>,
    wait: Duration,
    record: Sending,
    report: &'a mut Report,
    interrupt: Interrupt,
    transfer: Option<Transfer>,
    /// When a receiver that vanished is not waited for any longer.
    deadline: Option<Instant>,
    /// A connection stood, in this run or an earlier one: without a path now, another try may find one.
    has_stood: bool,
}

struct Transfer {
    machine: Sender,
    lane: SendLane,
    scan: Scan,
    began: Instant,
}

/// What woke the run.
enum Wake {
    Interrupted,
    Connector(Event),
    Lane(Happened<Result<Bytes, SourceError>>),
    Deadline,
}

impl Run<'_> {
    async fn until_done(&mut self, mut connector: Connector) -> Outcome<()> {
        let result = loop {
            match self.turn(&mut connector).await {
                Ok(true) => break Ok(()),
                Ok(false) => {}
                Err(ending) => break Err(ending),
            }
        };
        if let Some(mut transfer) = self.transfer.take() {
            // What went wrong here, the receiver hears before the connection ends.
            transfer.machine.cancel();
            transfer.lane.push(|| transfer.machine.poll_message());
            transfer.lane.finish().await;
        }
        let reason = result.as_ref().err().map_or("done", |ending| ending.kind.as_str());
        connector.leave(reason).await;
        result
    }

    /// One step; true when the receiver has everything.
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
            Wake::Interrupted => return Err(Ending::interrupted(true)),
            Wake::Connector(event) => self.event(event, connector).await?,
            Wake::Lane(happened) => self.happened(happened, connector).await?,
            Wake::Deadline => {
                let message = "the receiver did not come back; run the same command again to go on";
                return Err(Ending::new(Kind::Gone, message));
            }
        }
        Ok(false)
    }

    async fn event(&mut self, event: Event, connector: &Connector) -> Outcome<()> {
        match event {
            Event::Connected(connected) => {
                self.has_stood = true;
                self.report.connected(&connected);
            }
            Event::Channel(channel) => self.begin(channel).await?,
            Event::Lost { reason, never_stood } => {
                if let Some(transfer) = self.transfer.take() {
                    transfer.lane.abandon().await;
                }
                if never_stood && !self.has_stood {
                    return Err(Ending::new(Kind::Path, reason));
                }
                self.vanished(&reason, connector)?;
            }
            Event::Words { words, ask: false } => compare::show(&words, self.report),
            Event::Words { words, ask: true } => {
                compare::confirm(&words, Asking::Input, self.report, &mut self.interrupt).await?;
                connector.verified().await;
            }
            Event::Note(text) => self.report.note(&crate::text::plain(&text)),
            Event::Closed(ending) if ending.kind == Kind::Gone => return Err(gone_for_good(&ending.message)),
            Event::Closed(ending) => return Err(ending),
        }
        Ok(())
    }

    /// Offers on a new channel. The files are looked at again: they may have changed while nobody was there.
    async fn begin(&mut self, channel: DataChannel) -> Outcome<()> {
        let scan = find(self.paths.clone()).await?;
        let mut reader = Reader::new(scan.origins.clone());
        let mut lane = Lane::new(channel);
        lane.set_worker(Worker::start(move |read| reader.read(read)));
        let machine = Sender::new(scan.manifest.clone(), self.record.id, self.record.resume);
        self.transfer = Some(Transfer { machine, lane, scan, began: Instant::now() });
        self.deadline = None;
        Ok(())
    }

    fn vanished(&mut self, reason: &str, connector: &Connector) -> Outcome<()> {
        if !connector.may_return() {
            return Err(gone_for_good(reason));
        }
        if self.deadline.is_none() {
            self.report.waiting(self.wait, reason);
            self.deadline = Some(Instant::now() + self.wait);
        }
        Ok(())
    }

    async fn happened(&mut self, happened: Happened<Result<Bytes, SourceError>>, connector: &Connector) -> Outcome<()> {
        let Some(transfer) = &mut self.transfer else { return Ok(()) };
        match happened {
            Happened::Arrived(Message::Text(text)) => transfer.machine.handle_text(&text),
            Happened::Arrived(Message::Binary(_)) => transfer.machine.handle_binary(),
            Happened::Result(result) => transfer.machine.handle_read(result),
            Happened::Writable => {}
            Happened::Closed => {
                if let Some(transfer) = self.transfer.take() {
                    transfer.lane.abandon().await;
                }
                if connector.may_return() {
                    return self.vanished("the receiver closed the transfer", connector);
                }
                // If the connection ended, it says why in a moment.
                self.deadline.get_or_insert(Instant::now() + LAST_WORDS);
            }
        }
        Ok(())
    }

    /// Moves what can move; true when the receiver has everything.
    async fn advance(&mut self, connector: &mut Connector) -> Outcome<bool> {
        let Some(transfer) = &mut self.transfer else { return Ok(false) };
        while let Some(read) = transfer.machine.poll_read() {
            transfer.lane.give(read);
        }
        transfer.lane.push(|| transfer.machine.poll_message());
        let manifest = &transfer.scan.manifest;
        self.report.progress(transfer.machine.progress(), manifest.bytes());
        let path = |index: usize| manifest.entry(index).map_or("", |entry| entry.path.as_str());
        while let Some(event) = transfer.machine.poll_event() {
            match event {
                sender::Event::Accepted { kept } => {
                    transfer.began = Instant::now();
                    self.report.begin(kept, manifest.bytes());
                }
                sender::Event::Restarted { index } => self.report.restarted(path(index)),
                sender::Event::File { index, sha256 } => {
                    let bytes = manifest.entry(index).and_then(|entry| entry.file_size()).unwrap_or(0);
                    self.report.file(path(index), bytes, &sha256.to_string());
                }
                sender::Event::Done { sha256 } => {
                    self.report.progress(manifest.bytes(), manifest.bytes());
                    self.report.done(manifest.bytes(), transfer.began.elapsed(), &sha256.to_string());
                    if let Some(transfer) = self.transfer.take() {
                        transfer.lane.finish().await;
                    }
                    return Ok(true);
                }
                sender::Event::Failed(failure) => {
                    if let Some(transfer) = self.transfer.take() {
                        transfer.lane.finish().await;
                    }
                    return self.failed(&failure, connector).await.map(|()| false);
                }
                _ => {}
            }
        }
        Ok(false)
    }

    async fn failed(&mut self, failure: &Failure, connector: &Connector) -> Outcome<()> {
        let kind = match failure {
            Failure::Rejected { .. } => Kind::Refused,
            Failure::Local { kind: ErrorKind::Source, .. } => Kind::Disk,
            Failure::Remote { kind: ErrorKind::Disk | ErrorKind::Cancelled, .. } => {
                connector.drop_peer().await;
                return self.vanished(&failure.to_string(), connector);
            }
            Failure::Local { .. } | Failure::Remote { .. } => Kind::Gone,
        };
        Err(Ending::new(kind, failure.to_string()))
    }
}

/// Looks at the source, on a thread that may block.
async fn find(paths: Vec<PathBuf>) -> Outcome<Scan> {
    let scan = tokio::task::spawn_blocking(move || source::scan(&paths, Limits::default()));
    let scan = scan.await.map_err(Ending::from(Kind::Disk))?;
    scan.map_err(|error| {
        let kind = match &error {
            SourceError::Io { error, .. } if error.kind() == std::io::ErrorKind::NotFound => Kind::Usage,
            SourceError::Io { .. } | SourceError::Changed(_) => Kind::Disk,
            SourceError::NotUtf8(_) | SourceError::Nameless(_) | SourceError::Manifest(_) => Kind::Refused,
        };
        Ending::new(kind, error.to_string())
    })
}

/// What an earlier run with the same paths and server left for this receiver.
fn remember(paths: &[PathBuf], server: &str, index: u8, report: &Report) -> Outcome<Memory<Sending>> {
    let real = paths.iter().map(|path| path.canonicalize()).collect::<Result<Vec<_>, _>>();
    let real = real.map_err(Ending::from(Kind::Disk))?;
    let mut key = vec![server.as_bytes()];
    key.extend(real.iter().map(|path| path.as_os_str().as_bytes()));
    // The first receiver's is the same whether there are several or not.
    let which = [0, index];
    key.extend((index > 0).then_some(&which[..]));
    Memory::take(&key, report)
}
