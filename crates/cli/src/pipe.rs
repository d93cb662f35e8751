//! `peerage pipe`, and `offer` and `answer`, which are the same by text.

use std::io::Write as _;
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
use crate::args::client::ClientArgs;
use crate::args::text::{AnswerArgs, OfferArgs, Via};
use crate::by_text::{Handed, Invitation, NO_CODES, NO_WORDS, Offer, Terms, invitation, refuse_in_text};
use crate::compare::{self, Asking};
use crate::connect::{Connector, Event, Manner, enter_patiently};
use crate::ending::{Ending, Kind, Outcome};
use crate::input::Input;
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
    let mut interrupt = Interrupt::listen().map_err(Ending::from(Kind::Path))?;
    let mut input = None;
    // As it is said: several arguments are the parts of one code.
    let handed = Handed {
        words: &args.join.join(" "),
        via: args.via.via,
        text: &args.via.spelling,
        client: &args.client,
        must: false,
    };
    let joined = invitation(Role::Pipe, handed, &mut input, report, &mut interrupt).await?;
    let place = match joined {
        Some(Invitation::Room(place)) => Some(place),
        None if !args.via.is_text().map_err(Ending::from(Kind::Usage))? => None,
        by_text => {
            let with_code = args.code.is_given() && args.via.via != Via::Http;
            refuse_in_text(&[(args.verify, NO_WORDS), (with_code, NO_CODES)])?;
            let terms = match &by_text {
                Some(_) => Terms::beside_a_room(&args.via, &args.client, &args.access),
                None => Terms::offering(&args.via, &args.client, &args.access, args.code.code.clone())?,
            };
            return terms.pipe(by_text.and_then(Invitation::offer), input, report, interrupt).await;
        }
    };
    let rng = rng()?;
    let access_token = args.access.token().map_err(Ending::from(Kind::Usage))?;
    if args.verify && !ask::has_terminal() {
        return Err(Ending::new(Kind::Usage, "--verify of a pipe asks at the terminal, and there is none"));
    }
    let manner = Manner { relay_only: args.client.relay_only, verify: args.verify };
    let met = match place {
        None => host(&args, &rng, access_token.clone(), report, &mut interrupt).await?,
        Some(place) => join(&args, &place, &rng, report, &mut interrupt).await?,
    };
    let Met { meeting, code, intent, patience, wait, untold } = met;
    let mut options = RoomOptions::new(meeting.server.clone(), code.clone(), intent, Role::Pipe, rng);
    options.tls.fingerprint = args.client.server_fingerprint;
    options.access_token = access_token;
    let connector = enter_patiently(options, manner, patience).await?;
    if untold {
        meeting.announce(&AnyCode::Room(code), "pipe", false, report).await?;
    }
    let deadline = wait.map(|wait| Instant::now() + wait);
    let result = converse(connector, Input::read(), report, interrupt, deadline).await;
    meeting.end().await;
    result
}

/// Prints an offer, takes the answer to it, and joins the streams.
pub async fn offer(args: OfferArgs, report: &mut Report) -> Outcome<()> {
    let interrupt = Interrupt::listen().map_err(Ending::from(Kind::Path))?;
    Terms::new(args.text, args.wait).pipe(None, None, report, interrupt).await
}

/// Takes an offer, prints the answer to it, and joins the streams once the other side has that.
pub async fn answer(args: AnswerArgs, report: &mut Report) -> Outcome<()> {
    let mut interrupt = Interrupt::listen().map_err(Ending::from(Kind::Path))?;
    let mut input = None;
    let words = args.offer.as_deref().unwrap_or_default();
    let nowhere = ClientArgs::default();
    let handed = Handed { words, via: Via::Text, text: &args.text.spelling, client: &nowhere, must: true };
    let offer = invitation(Role::Pipe, handed, &mut input, report, &mut interrupt).await?;
    Terms::new(args.text, args.wait).pipe(offer.and_then(Invitation::offer), input, report, interrupt).await
}

impl Terms {
    async fn pipe(
        &self,
        offer: Option<Offer>,
        mut input: Option<Input>,
        report: &mut Report,
        mut interrupt: Interrupt,
    ) -> Outcome<()> {
        let connector = self.connect(Role::Pipe, offer, &mut input, report, &mut interrupt).await?;
        converse(connector, input.unwrap_or_else(Input::read), report, interrupt, None).await
    }
}

/// Makes a code, and waits for whoever has it where it is for two.
async fn host(
    args: &PipeArgs,
    rng: &Rng,
    token: Option<AccessToken>,
    report: &mut Report,
    interrupt: &mut Interrupt,
) -> Outcome<Met> {
    let meeting = Meeting::open(&args.client, args.via.via, None, report).await?;
    let place = Place { server: &meeting.server, fingerprint: args.client.server_fingerprint, rng };
    let (code, wait) = match place.make(&args.code, token, report).await? {
        Made::Room(code) => (code, None),
        Made::Words(claim) => {
            meeting.announce(&AnyCode::Words(claim.code().clone()), "pipe", false, report).await?;
            (spoken::meet(claim, Side::Host, report, interrupt).await?, Some(PATIENCE))
        }
    };
    let (intent, patience, untold) = (Intent::Open, Duration::ZERO, wait.is_none());
    Ok(Met { meeting, code, intent, patience, wait, untold })
}

/// Goes where a code leads that was made on the other side.
async fn join(args: &PipeArgs, place: &str, rng: &Rng, report: &Report, interrupt: &mut Interrupt) -> Outcome<Met> {
    let (server, code) = any_place(place, &args.client, args.via.via).await?;
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
    input: Input,
    report: &mut Report,
    mut interrupt: Interrupt,
    deadline: Option<Instant>,
) -> Outcome<()> {
    let result = async {
        let channel = first_channel(&mut connector, report, &mut interrupt, deadline).await?;
        let began = Instant::now();
        let (bytes, sha256) = stream(&channel, input, &mut connector, report, &mut interrupt).await?;
        // The last of it still has to arrive.
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

/// Waits for a channel on a connection that stands.
async fn first_channel(
    connector: &mut Connector,
    report: &mut Report,
    interrupt: &mut Interrupt,
    mut deadline: Option<Instant>,
) -> Outcome<DataChannel> {
    let (mut first, mut stands) = (None, false);
    loop {
        if let Some(channel) = first.take_if(|_| stands) {
            return Ok(channel);
        }
        tokio::select! {
            event = connector.next() => match event {
                Event::Channel(channel) => first = Some(channel),
                Event::Connected(connected) => {
                    (deadline, stands) = (None, true);
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

/// Moves bytes both ways. Gives what was received, or, if that was nothing, what was sent.
async fn stream(
    channel: &DataChannel,
    input: Input,
    connector: &mut Connector,
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
            event = connector.next(), if lost.is_none() => match event {
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
