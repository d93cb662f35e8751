//! `peerage send`.

use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use peerage::{DataChannel, Message};
use peerage_signal::client::options::{Intent, RoomOptions};
use peerage_signal::code::Code;
use peerage_signal::plain::Role;
use peerage_transfer::disk::Read;
use peerage_transfer::failure::Failure;
use peerage_transfer::manifest::Limits;
use peerage_transfer::protocol::ErrorKind;
use peerage_transfer::sender::{self, Sender};
use peerage_transfer::source::{self, Reader, Scan, SourceError};
use peerage_transfer::state::Sending;
use peerage_transfer::value::{ResumeSecret, TransferId};
use tokio::time::{Instant, sleep_until};

use crate::args::SendArgs;
use crate::connect::{Connector, Event, refused};
use crate::ending::{Ending, Kind, Outcome};
use crate::interrupt::Interrupt;
use crate::lane::{Happened, Lane};
use crate::meet::{Meeting, Memory, rng};
use crate::report::Report;
use crate::worker::Worker;

type SendLane = Lane<Read, Result<Bytes, SourceError>>;

/// Sends until the receiver has everything.
pub async fn run(args: SendArgs, report: &mut Report) -> Outcome<()> {
    let server = args.client.server().map_err(Ending::from(Kind::Usage))?;
    let access_token = args.access.token().map_err(Ending::from(Kind::Usage))?;
    let scan = find(args.paths.clone()).await?;
    for skipped in &scan.skipped {
        report.skipped(&skipped.path.display().to_string(), &skipped.reason.to_string());
    }
    if scan.manifest.entries().is_empty() {
        return Err(Ending::new(Kind::Usage, "there is nothing to send"));
    }
    let named = server.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut memory = remember(&args.paths, &named, report)?;
    let mut rng = rng()?;
    let earlier = memory.record().and_then(|record| Some((Code::parse(&record.code).ok()?, record.clone())));
    let earlier = earlier.filter(|(code, _)| args.code.as_ref().is_none_or(|chosen| chosen == code));
    let meeting = match server {
        Some(server) => Meeting::at(server),
        None => {
            let port = earlier.as_ref().and_then(|(_, record)| record.port);
            Meeting::embedded(port, args.client.relay_only, report).await?
        }
    };
    let port = meeting.embedded.as_ref().map(|embedded| embedded.port);
    let is_resumed = earlier.is_some();
    let (code, record) = match earlier {
        Some((code, record)) => (code, Sending { port, ..record }),
        None => {
            let code = args.code.clone().unwrap_or_else(|| Code::generate(&mut rng));
            let (id, resume) = (TransferId::random(&mut rng), ResumeSecret::random(&mut rng));
            (code.clone(), Sending { code: code.to_string(), id, resume, port })
        }
    };
    memory.save(record.clone(), report);
    let interrupt = Interrupt::listen().map_err(Ending::from(Kind::Path))?;
    let mut options = RoomOptions::new(meeting.server.clone(), code.clone(), Intent::Open, Role::Send, rng);
    options.tls.fingerprint = args.client.server_fingerprint;
    options.access_token = access_token;
    let connector = Connector::enter(options, args.client.relay_only).await.map_err(|error| refused(&error))?;
    meeting.announce(&code, "receive", report);
    let mut run = Run {
        paths: args.paths,
        wait: args.wait,
        record,
        report,
        interrupt,
        transfer: None,
        deadline: None,
        has_stood: is_resumed,
    };
    let result = run.until_done(connector).await;
    if result.is_ok() {
        memory.forget();
    }
    meeting.end().await;
    result
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
            Wake::Connector(event) => self.event(event).await?,
            Wake::Lane(happened) => self.happened(happened).await,
            Wake::Deadline => {
                let message = "the receiver did not come back; run the same command again to go on";
                return Err(Ending::new(Kind::Gone, message));
            }
        }
        Ok(false)
    }

    async fn event(&mut self, event: Event) -> Outcome<()> {
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
                self.vanished(&reason);
            }
            Event::Note(text) => self.report.note(&crate::text::plain(&text)),
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

    fn vanished(&mut self, reason: &str) {
        if self.deadline.is_none() {
            self.report.waiting(self.wait, reason);
            self.deadline = Some(Instant::now() + self.wait);
        }
    }

    async fn happened(&mut self, happened: Happened<Result<Bytes, SourceError>>) {
        let Some(transfer) = &mut self.transfer else { return };
        match happened {
            Happened::Arrived(Message::Text(text)) => transfer.machine.handle_text(&text),
            Happened::Arrived(Message::Binary(_)) => transfer.machine.handle_binary(),
            Happened::Result(result) => transfer.machine.handle_read(result),
            Happened::Writable => {}
            Happened::Closed => {
                if let Some(transfer) = self.transfer.take() {
                    transfer.lane.abandon().await;
                }
                self.vanished("the receiver closed the transfer");
            }
        }
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
                self.vanished(&failure.to_string());
                return Ok(());
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

/// What an earlier run with the same paths and server left.
fn remember(paths: &[PathBuf], server: &str, report: &Report) -> Outcome<Memory<Sending>> {
    let real = paths.iter().map(|path| path.canonicalize()).collect::<Result<Vec<_>, _>>();
    let real = real.map_err(Ending::from(Kind::Disk))?;
    let mut key = vec![server.as_bytes()];
    key.extend(real.iter().map(|path| path.as_os_str().as_bytes()));
    Memory::take(&key, report)
}
