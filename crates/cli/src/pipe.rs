//! `peerage pipe`.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use bytes::Bytes;
use peerage::{DataChannel, Message};
use peerage_base::rng::Rng;
use peerage_signal::access::AccessToken;
use peerage_signal::client::options::{Intent, RoomOptions};
use peerage_signal::code::Code;
use peerage_signal::id::Side;
use peerage_signal::link::AnyCode;
use peerage_signal::plain::Role;
use peerage_transfer::protocol::MAX_MESSAGE;
use peerage_transfer::value::{Digest, Hasher};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use crate::args::PipeArgs;
use crate::compare::{self, Asking};
use crate::connect::{Connector, Event, Manner, enter_patiently};
use crate::ending::{Ending, Kind, Outcome};
use crate::interrupt::Interrupt;
use crate::meet::{Meeting, rng};
use crate::receive::{any_place, ask};
use crate::report::Report;
use crate::spoken::{self, Made, Place};
use crate::text::plain;

/// Messages between the channel and the standard streams, in each direction.
const QUEUE: usize = 16;
/// How long whoever joins waits for somebody to be there.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the room that two agreed on may take to be opened.
const JOINING: Duration = Duration::from_secs(20);
const LAST_WORDS: Duration = Duration::from_secs(10);

/// Where the other side is found.
struct Met {
    meeting: Meeting,
    code: Code,
    intent: Intent,
    /// How long the room may take to be there.
    patience: Duration,
    /// How long the other side may take to be there; `None`: it has the code from us, and all the time.
    wait: Option<Duration>,
    /// The code has still to be told.
    untold: bool,
}

/// Joins the streams until both sides have said everything.
pub async fn run(args: PipeArgs, report: &mut Report) -> Outcome<()> {
    let rng = rng()?;
    let access_token = args.access.token().map_err(Ending::from(Kind::Usage))?;
    if args.verify && !ask::has_terminal() {
        return Err(Ending::new(Kind::Usage, "--verify of a pipe asks at the terminal, and there is none"));
    }
    let mut interrupt = Interrupt::listen().map_err(Ending::from(Kind::Path))?;
    let manner = Manner { relay_only: args.client.relay_only, verify: args.verify };
    let met = if args.join.is_empty() {
        host(&args, &rng, access_token.clone(), report, &mut interrupt).await?
    } else {
        join(&args, &rng, report, &mut interrupt).await?
    };
    let Met { meeting, code, intent, patience, wait, untold } = met;
    let mut options = RoomOptions::new(meeting.server.clone(), code.clone(), intent, Role::Pipe, rng);
    options.tls.fingerprint = args.client.server_fingerprint;
    options.access_token = access_token;
    let connector = enter_patiently(options, manner, patience).await?;
    if untold {
        meeting.announce(&AnyCode::Room(code), "pipe", false, report);
    }
    let result = converse(connector, report, interrupt, wait.map(|wait| Instant::now() + wait)).await;
    meeting.end().await;
    result
}

/// Makes a code, and waits for whoever has it where it is for two.
async fn host(
    args: &PipeArgs,
    rng: &Rng,
    token: Option<AccessToken>,
    report: &mut Report,
    interrupt: &mut Interrupt,
) -> Outcome<Met> {
    let meeting = match args.client.server().map_err(Ending::from(Kind::Usage))? {
        Some(server) => Meeting::at(server),
        None => Meeting::embedded(None, args.client.relay_only, report).await?,
    };
    let place = Place { server: &meeting.server, fingerprint: args.client.server_fingerprint, rng };
    let (code, wait) = match place.make(&args.code, token, report).await? {
        Made::Room(code) => (code, None),
        Made::Words(claim) => {
            meeting.announce(&AnyCode::Words(claim.code().clone()), "pipe", false, report);
            (spoken::meet(claim, Side::Host, report, interrupt).await?, Some(PATIENCE))
        }
    };
    let (intent, patience, untold) = (Intent::Open, Duration::ZERO, wait.is_none());
    Ok(Met { meeting, code, intent, patience, wait, untold })
}

/// Goes where a code leads that was made on the other side.
async fn join(args: &PipeArgs, rng: &Rng, report: &Report, interrupt: &mut Interrupt) -> Outcome<Met> {
    // As it is said: several arguments are the parts of one code.
    let (server, code) = any_place(&args.join.join(" "), &args.client)?;
    let place = Place { server: &server, fingerprint: args.client.server_fingerprint, rng };
    let (code, patience) = match code {
        AnyCode::Room(code) => (code, Duration::ZERO),
        // Whoever was met at a nameplate opens the room in this moment.
        AnyCode::Words(words) => (place.take(words, report, interrupt).await?, JOINING),
    };
    let (meeting, intent, wait) = (Meeting::at(server), Intent::Join, Some(PATIENCE));
    Ok(Met { meeting, code, intent, patience, wait, untold: false })
}

async fn converse(
    mut connector: Connector,
    report: &mut Report,
    mut interrupt: Interrupt,
    deadline: Option<Instant>,
) -> Outcome<()> {
    let result = async {
        let channel = first_channel(&mut connector, report, &mut interrupt, deadline).await?;
        let began = Instant::now();
        let (bytes, sha256) =
            stream(&channel, Input::read(), async || connector.next().await, report, &mut interrupt).await?;
        finish(&channel, (bytes, sha256), began, report).await;
        Ok(())
    }
    .await;
    let reason = result.as_ref().err().map_or("done", |ending: &Ending| ending.kind.as_str());
    connector.leave(reason).await;
    result
}

/// Tells what passed, and lets the last of it arrive.
pub async fn finish(channel: &DataChannel, (bytes, sha256): (u64, Digest), began: Instant, report: &mut Report) {
    report.done(bytes, began.elapsed(), &sha256.to_string());
    channel.close();
    let _ = timeout(LAST_WORDS, channel.closed()).await;
}

async fn first_channel(
    connector: &mut Connector,
    report: &mut Report,
    interrupt: &mut Interrupt,
    mut deadline: Option<Instant>,
) -> Outcome<DataChannel> {
    loop {
        tokio::select! {
            event = connector.next() => match event {
                Event::Channel(channel) => return Ok(channel),
                Event::Connected(connected) => {
                    deadline = None;
                    report.connected(&connected);
                }
                Event::Lost { reason, never_stood: true } => return Err(Ending::new(Kind::Path, reason)),
                Event::Lost { reason, .. } => return Err(Ending::new(Kind::Gone, reason)),
                Event::Words { words, ask: false } => compare::show(&words, report),
                Event::Words { words, ask: true } => {
                    compare::confirm(&words, Asking::Terminal, report, interrupt).await?;
                    connector.verified().await;
                }
                Event::Note(text) => report.note(&plain(&text)),
                Event::Closed(ending) => return Err(ending),
            },
            () = async { sleep_until(deadline.expect("guarded")).await }, if deadline.is_some() => {
                return Err(Ending::new(Kind::Gone, "nobody is there to talk to"));
            }
            () = interrupt.heard() => return Err(Ending::interrupted(false)),
        }
    }
}

/// One direction: what passed, and its hash.
#[derive(Default)]
struct Flow {
    bytes: u64,
    hash: Hasher,
}

impl Flow {
    fn pass(&mut self, content: &[u8]) {
        self.bytes += content.len() as u64;
        self.hash.update(content);
    }
}

/// Moves bytes both ways. Gives what was received, or, if that was nothing, what was sent. `next`: what happens to the
/// connection, of which nothing is lost when it is asked anew.
pub async fn stream(
    channel: &DataChannel,
    input: Input,
    mut next: impl AsyncFnMut() -> Event,
    report: &mut Report,
    interrupt: &mut Interrupt,
) -> Outcome<(u64, Digest)> {
    let (sending, receiving) = (send_all(channel, input), receive_all(channel));
    tokio::pin!(sending, receiving);
    let (mut sent, mut received, mut lost) = (None::<Flow>, None::<Flow>, None);
    loop {
        match (sent, received, lost) {
            (Some(sent), Some(received), _) => {
                let flow = if received.bytes > 0 { received } else { sent };
                return Ok((flow.bytes, flow.hash.finish()));
            }
            // What had arrived is taken first: a peer that has said everything may be gone before that is written.
            (None, Some(_), Some(reason)) => return Err(Ending::new(Kind::Gone, reason)),
            unfinished => (sent, received, lost) = unfinished,
        }
        tokio::select! {
            flow = &mut receiving, if received.is_none() => received = Some(flow?),
            flow = &mut sending, if sent.is_none() && lost.is_none() => {
                match flow {
                    Err(ending) if ending.kind == Kind::Gone => lost = Some(ending.message),
                    flow => sent = Some(flow?),
                }
            }
            () = interrupt.heard() => return Err(Ending::interrupted(false)),
            event = next(), if lost.is_none() => match event {
                Event::Connected(connected) => report.connected(&connected),
                Event::Lost { reason, .. } => lost = Some(reason),
                Event::Closed(ending) => lost = Some(ending.message),
                Event::Words { words, .. } => compare::show(&words, report),
                Event::Note(text) => report.note(&plain(&text)),
                Event::Channel(other) => other.close(),
            },
        }
    }
}

async fn send_all(channel: &DataChannel, mut input: Input) -> Outcome<Flow> {
    let mut flow = Flow::default();
    while let Some(content) = input.next().await {
        let content = content.map_err(|error| Ending::new(Kind::Disk, format!("standard input: {error}")))?;
        flow.pass(&content);
        channel.send(content).await.map_err(|_| gone())?;
    }
    channel.send(Bytes::new()).await.map_err(|_| gone())?;
    Ok(flow)
}

async fn receive_all(channel: &DataChannel) -> Outcome<Flow> {
    let (output, written) = write_stdout();
    let mut flow = Flow::default();
    loop {
        match channel.recv().await {
            Some(Message::Binary(content)) if content.is_empty() => break,
            Some(Message::Binary(content)) if content.len() <= MAX_MESSAGE => {
                flow.pass(&content);
                if output.send(content).await.is_err() {
                    break;
                }
            }
            Some(_) => return Err(Ending::new(Kind::Gone, "the other side does not follow the protocol")),
            None => return Err(gone()),
        }
    }
    drop(output);
    match written.await {
        Ok(Ok(())) => Ok(flow),
        Ok(Err(error)) => Err(Ending::new(Kind::Disk, format!("standard output: {error}"))),
        Err(_) => Err(Ending::new(Kind::Disk, "standard output failed")),
    }
}

fn gone() -> Ending {
    Ending::new(Kind::Gone, "the other side went away before the end")
}

/// Standard input.
pub struct Input {
    /// What was read, and is to be read again.
    first: Option<Bytes>,
    rest: mpsc::Receiver<std::io::Result<Bytes>>,
}

impl Input {
    /// Reads on a thread of its own, which may outlive the run: nothing can interrupt a read.
    pub fn read() -> Self {
        Self { first: None, rest: read_stdin() }
    }

    /// The next bytes, `None` at the end. Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<std::io::Result<Bytes>> {
        match self.first.take() {
            Some(content) => Some(Ok(content)),
            None => self.rest.recv().await,
        }
    }

    /// Gives back what is not wanted now.
    pub fn put_back(&mut self, content: Bytes) {
        self.first = Some(content).filter(|content| !content.is_empty());
    }
}

fn read_stdin() -> mpsc::Receiver<std::io::Result<Bytes>> {
    let (to_owner, input) = mpsc::channel(QUEUE);
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        let mut buffer = vec![0; MAX_MESSAGE];
        loop {
            let content = match stdin.read(&mut buffer) {
                Ok(0) => return,
                Ok(length) => Ok(Bytes::copy_from_slice(&buffer[..length])),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            let failed = content.is_err();
            if to_owner.blocking_send(content).is_err() || failed {
                return;
            }
        }
    });
    input
}

/// Writes standard output on a thread of its own; says when and how that ended.
fn write_stdout() -> (mpsc::Sender<Bytes>, oneshot::Receiver<std::io::Result<()>>) {
    let (output, mut todo) = mpsc::channel::<Bytes>(QUEUE);
    let (done, written) = oneshot::channel();
    std::thread::spawn(move || {
        // Locked for each write alone: whoever else touches standard output must not wait for the end of the pipe.
        let mut stdout = std::io::stdout();
        let result = (|| {
            while let Some(content) = todo.blocking_recv() {
                stdout.write_all(&content)?;
                // Whoever types on the other side wants to see it here.
                if todo.is_empty() {
                    stdout.flush()?;
                }
            }
            stdout.flush()
        })();
        let _ = done.send(result);
    });
    (output, written)
}
