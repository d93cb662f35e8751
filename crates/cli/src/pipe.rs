//! `peerage pipe`.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use bytes::Bytes;
use peerage::{DataChannel, Message};
use peerage_signal::client::options::{Intent, RoomOptions};
use peerage_signal::code::Code;
use peerage_signal::plain::Role;
use peerage_transfer::protocol::MAX_MESSAGE;
use peerage_transfer::value::{Digest, Hasher};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use crate::args::PipeArgs;
use crate::connect::{Connector, Event, refused};
use crate::ending::{Ending, Kind, Outcome};
use crate::interrupt::Interrupt;
use crate::meet::{Meeting, rng};
use crate::receive::place;
use crate::report::Report;
use crate::text::plain;

/// Messages between the channel and the standard streams, in each direction.
const QUEUE: usize = 16;
/// How long whoever joins waits for somebody to be there.
const PATIENCE: Duration = Duration::from_secs(60);
const LAST_WORDS: Duration = Duration::from_secs(10);

/// Joins the streams until both sides have said everything.
pub async fn run(args: PipeArgs, report: &mut Report) -> Outcome<()> {
    let mut rng = rng()?;
    let access_token = args.access.token().map_err(Ending::from(Kind::Usage))?;
    let interrupt = Interrupt::listen().map_err(Ending::from(Kind::Path))?;
    let (meeting, code, intent) = match &args.join {
        Some(text) => {
            let (server, code) = place(text, &args.client)?;
            (Meeting::at(server), code, Intent::Join)
        }
        None => {
            let meeting = match args.client.server().map_err(Ending::from(Kind::Usage))? {
                Some(server) => Meeting::at(server),
                None => Meeting::embedded(None, args.client.relay_only, report).await?,
            };
            (meeting, args.code.unwrap_or_else(|| Code::generate(&mut rng)), Intent::Open)
        }
    };
    let mut options = RoomOptions::new(meeting.server.clone(), code.clone(), intent, Role::Pipe, rng);
    options.tls.fingerprint = args.client.server_fingerprint;
    options.access_token = access_token;
    let connector = Connector::enter(options, args.client.relay_only).await.map_err(|error| refused(&error))?;
    let deadline = match intent {
        Intent::Open => {
            meeting.announce(&code, "pipe", report);
            None
        }
        Intent::Join => Some(Instant::now() + PATIENCE),
    };
    let result = converse(connector, report, interrupt, deadline).await;
    meeting.end().await;
    result
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
        let (bytes, sha256) = stream(&channel, &mut connector, report, &mut interrupt).await?;
        report.done(bytes, began.elapsed(), &sha256.to_string());
        channel.close();
        let _ = timeout(LAST_WORDS, channel.closed()).await;
        Ok(())
    }
    .await;
    let reason = result.as_ref().err().map_or("done", |ending: &Ending| ending.kind.as_str());
    connector.leave(reason).await;
    result
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

/// Moves bytes both ways. Gives what was received, or, if that was nothing, what was sent.
async fn stream(
    channel: &DataChannel,
    connector: &mut Connector,
    report: &mut Report,
    interrupt: &mut Interrupt,
) -> Outcome<(u64, Digest)> {
    let (sending, receiving) = (send_all(channel), receive_all(channel));
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
            event = connector.next(), if lost.is_none() => match event {
                Event::Connected(connected) => report.connected(&connected),
                Event::Lost { reason, .. } => lost = Some(reason),
                Event::Closed(ending) => lost = Some(ending.message),
                Event::Note(text) => report.note(&plain(&text)),
                Event::Channel(other) => other.close(),
            },
        }
    }
}

async fn send_all(channel: &DataChannel) -> Outcome<Flow> {
    let mut input = read_stdin();
    let mut flow = Flow::default();
    while let Some(content) = input.recv().await {
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

/// Reads standard input on a thread of its own, which may outlive the run: nothing can interrupt a read.
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
