//! The side that serves: it alone chooses where streams lead.

use std::time::Duration;

use peerage::DataChannel;
use peerage_signal::client::options::{Intent, RoomOptions};
use peerage_signal::code::Code;
use peerage_signal::link::AnyCode;
use peerage_signal::plain::Role;
use peerage_transfer::forward::{CONTROL, Growth, MAX_STREAMS, Notice};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::carry::{Carried, carry, refuse};
use super::{Streams, tell};
use crate::args::forward::{ForwardArgs, Target};
use crate::by_text::Terms;
use crate::compare;
use crate::connect::{Connector, Event, Manner, refused};
use crate::ending::{Ending, Kind, Outcome};
use crate::interrupt::Interrupt;
use crate::meet::{Meeting, rng};
use crate::report::Report;
use crate::text::plain;

/// How long the target may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves until it is interrupted: whoever has the code may come, go, and come back.
pub async fn forward(args: ForwardArgs, report: &mut Report) -> Outcome<()> {
    if args.via.is_text().map_err(Ending::from(Kind::Usage))? {
        return forward_by_text(args, report).await;
    }
    let mut rng = rng()?;
    let access_token = args.access.token().map_err(Ending::from(Kind::Usage))?;
    let interrupt = Interrupt::listen().map_err(Ending::from(Kind::Path))?;
    let meeting = Meeting::open(&args.client, args.via.via, None, report).await?;
    let code = args.code.unwrap_or_else(|| Code::generate(&mut rng));
    let mut options = RoomOptions::new(meeting.server.clone(), code.clone(), Intent::Open, Role::Forward, rng);
    options.tls.fingerprint = args.client.server_fingerprint;
    options.access_token = access_token;
    let manner = Manner { relay_only: args.client.relay_only, verify: false };
    let connector = Connector::enter(options, manner).await.map_err(|error| refused(&error))?;
    meeting.announce(&AnyCode::Room(code), "connect", false, report).await?;
    let result = serve(connector, report, interrupt, &args.target).await;
    meeting.end().await;
    result
}

/// Serves whoever answers our text.
async fn forward_by_text(args: ForwardArgs, report: &mut Report) -> Outcome<()> {
    let mut interrupt = Interrupt::listen().map_err(Ending::from(Kind::Path))?;
    let terms = Terms::offering(&args.via, &args.client, &args.access, args.code.map(AnyCode::Room))?;
    let connector = terms.connect(Role::Forward, None, &mut None, report, &mut interrupt).await?;
    serve(connector, report, interrupt, &args.target).await
}

async fn serve(
    mut connector: Connector,
    report: &mut Report,
    mut interrupt: Interrupt,
    target: &Target,
) -> Outcome<()> {
    let growth = Growth::default();
    let mut streams = Streams::default();
    let result = loop {
        tokio::select! {
            event = connector.next() => match event {
                Event::Channel(channel) if channel.label() == CONTROL => say_target(channel, target),
                Event::Channel(channel) if streams.len() >= MAX_STREAMS => {
                    refuse(&channel, &format!("{MAX_STREAMS} connections are open, which is the most")).await;
                }
                Event::Channel(channel) => streams.begin(report, lead(channel, target.clone(), growth.clone())),
                Event::Connected(connected) => report.connected(&connected),
                Event::Words { words, .. } => compare::show(&words, report),
                Event::Lost { reason, .. } => report.note(&format!("{}; waiting for others", plain(&reason))),
                Event::Note(text) => report.note(&plain(&text)),
                Event::Closed(ending) => break Err(ending),
            },
            ended = streams.ended() => tell(report, ended),
            () = interrupt.heard() => break Err(Ending::interrupted(false)),
        }
    };
    let reason = result.as_ref().err().map_or("done", |ending: &Ending| ending.kind.as_str());
    connector.leave(reason).await;
    result
}

/// Tells the other side where it will come out, which is for people only.
fn say_target(channel: DataChannel, target: &Target) {
    let notice = Notice::Serves { target: target.to_string() };
    tokio::spawn(async move {
        let _ = channel.send_text(notice.encode()).await;
        // Nothing is asked here; what comes is not kept.
        while channel.recv().await.is_some() {}
    });
}

/// Leads one stream to the target.
async fn lead(channel: DataChannel, target: Target, growth: Growth) -> Carried {
    let message = match timeout(CONNECT_TIMEOUT, TcpStream::connect((target.host.as_str(), target.port))).await {
        Ok(Ok(tcp)) => return carry(channel, tcp, growth).await,
        Ok(Err(error)) => format!("{target}: {error}"),
        Err(_) => format!("{target} does not answer"),
    };
    refuse(&channel, &message).await;
    Carried { failure: Some(message), ..Carried::default() }
}
