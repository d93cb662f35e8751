//! The side that listens: connections made to it come out at the other side's target.

use std::time::Duration;

use peerage::{DataChannel, Message};
use peerage_signal::client::options::{Intent, RoomOptions};
use peerage_signal::plain::Role;
use peerage_transfer::forward::{CONTROL, Growth, MAX_STREAMS, Notice};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep_until};

use super::carry::carry;
use super::{Event as Told, Streams, tell};
use crate::args::client::AccessArgs;
use crate::args::forward::ConnectArgs;
use crate::by_text::{Handed, Invitation, Terms, invitation};
use crate::compare;
use crate::connect::{Connector, Event, Manner, refused};
use crate::ending::{Ending, Kind, Outcome};
use crate::interrupt::Interrupt;
use crate::meet::rng;
use crate::receive::place;
use crate::report::Report;
use crate::text::plain;

/// How long whoever joins waits for somebody to be there.
const PATIENCE: Duration = Duration::from_secs(60);

/// Listens until the other side is gone for good.
pub async fn connect(args: ConnectArgs, report: &mut Report) -> Outcome<()> {
    let mut interrupt = Interrupt::listen().map_err(Ending::from(Kind::Path))?;
    // Before anybody is asked: a port that is taken is known at once.
    let listener = TcpListener::bind(args.listen).await.map_err(|error| {
        let hint = "choose another one with --listen, or port 0 for any";
        Ending::new(Kind::Usage, format!("{} cannot be listened at: {error}; {hint}", args.listen))
    })?;
    let mut input = None;
    let words = args.code.as_deref().unwrap_or_default();
    let handed = Handed { words, via: args.via.via, text: &args.via.spelling, client: &args.client, must: true };
    let (connector, deadline) = match invitation(Role::Connect, handed, &mut input, report, &mut interrupt).await? {
        Some(Invitation::Offer(offer)) => {
            let terms = Terms::beside_a_room(&args.via, &args.client, &AccessArgs::default());
            let connector = terms.connect(Role::Connect, Some(*offer), &mut input, report, &mut interrupt).await?;
            (connector, None)
        }
        Some(Invitation::Room(text)) => (enter(&text, &args).await?, Some(Instant::now() + PATIENCE)),
        None => return Err(Ending::new(Kind::Usage, "give the code or link of the side that forwards, or its text")),
    };
    let mut listening = Listening { listener, connector, streams: Streams::default(), control: None, deadline };
    let result = listening.run(report, interrupt, args.wait).await;
    let reason = result.as_ref().err().map_or("done", |ending: &Ending| ending.kind.as_str());
    listening.connector.leave(reason).await;
    result
}

/// Enters the room that a code or a link names.
async fn enter(text: &str, args: &ConnectArgs) -> Outcome<Connector> {
    let (server, code) = place(text, &args.client, args.via.via).await?;
    let mut options = RoomOptions::new(server, code, Intent::Join, Role::Connect, rng()?);
    options.tls.fingerprint = args.client.server_fingerprint;
    let manner = Manner { relay_only: args.client.relay_only, verify: false };
    Connector::enter(options, manner).await.map_err(|error| refused(&error))
}

struct Listening {
    listener: TcpListener,
    connector: Connector,
    streams: Streams,
    /// Stands as long as the other side is there.
    control: Option<DataChannel>,
    /// When to give up on a peer that is not there.
    deadline: Option<Instant>,
}

impl Listening {
    async fn run(&mut self, report: &mut Report, mut interrupt: Interrupt, wait: Duration) -> Outcome<()> {
        let growth = Growth::default();
        loop {
            let Self { listener, connector, streams, control, deadline } = self;
            let accepts = control.is_some() && streams.len() < MAX_STREAMS;
            tokio::select! {
                event = connector.next() => self.event(event, report, wait)?,
                message = async { control.as_ref().expect("guarded").recv().await }, if control.is_some() => {
                    self.told(message, report);
                }
                accepted = listener.accept(), if accepts => match accepted {
                    Ok((tcp, _)) => {
                        if let Some(channel) = connector.open().await {
                            streams.begin(report, carry(channel, tcp, growth.clone()));
                        }
                    }
                    // Of that connection alone (accept(2)), or too many files are open, which passes.
                    Err(error) => {
                        report.note(&format!("A connection was not taken: {error}"));
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
                ended = streams.ended() => tell(report, ended),
                () = async { sleep_until(deadline.expect("guarded")).await }, if deadline.is_some() => {
                    return Err(Ending::new(Kind::Gone, "nobody is there who forwards"));
                }
                () = interrupt.heard() => return Err(Ending::interrupted(false)),
            }
        }
    }

    fn event(&mut self, event: Event, report: &mut Report, wait: Duration) -> Outcome<()> {
        match event {
            Event::Channel(channel) if channel.label() == CONTROL => {
                self.deadline = None;
                self.control = Some(channel);
                let address =
                    self.listener.local_addr().map_or_else(|error| error.to_string(), |addr| addr.to_string());
                report.note(&format!("Listening on {address}"));
                report.event(&Told::Listening { address });
            }
            // Only this side opens streams.
            Event::Channel(channel) => channel.close(),
            Event::Connected(connected) => report.connected(&connected),
            Event::Words { words, .. } => compare::show(&words, report),
            Event::Lost { reason, never_stood: true } => return Err(Ending::new(Kind::Path, reason)),
            Event::Lost { reason, .. } => {
                self.control = None;
                self.deadline = Some(Instant::now() + wait);
                report.waiting(wait, &reason);
            }
            Event::Note(text) => report.note(&plain(&text)),
            Event::Closed(ending) => return Err(ending),
        }
        Ok(())
    }

    fn told(&mut self, message: Option<Message>, report: &Report) {
        match message {
            Some(Message::Text(text)) => {
                if let Ok(Notice::Serves { target }) = Notice::parse(&text) {
                    let target = plain(&target);
                    report.note(&format!("The other side forwards to {target}"));
                    report.event(&Told::Target { target: &target });
                }
            }
            Some(Message::Binary(_)) => {}
            // That the peer is lost is told by the connector.
            None => self.control = None,
        }
    }
}
