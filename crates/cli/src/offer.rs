//! `peerage offer`.

use std::time::Duration;

use peerage::peer_connection::SdpType;
use peerage::{DataChannelInit, SessionDescription};
use peerage_signal::compact::condense::Half;
use tokio::time::Instant;

use crate::args::text::OfferArgs;
use crate::ending::{Ending, Kind, Outcome};
use crate::interrupt::Interrupt;
use crate::pipe::Input;
use crate::report::Report;
use crate::text_line::{TextLine, note_dropped, now, read_text};

/// How long the connection may take once both sides have each other's text.
const CONNECT: Duration = Duration::from_secs(60);

/// Prints an offer, takes the answer to it from standard input, and joins the streams.
pub async fn run(args: OfferArgs, report: &mut Report) -> Outcome<()> {
    let interrupt = Interrupt::listen().map_err(Ending::from(Kind::Path))?;
    let mut line = TextLine::new(&args.text, args.wait).await?;
    let result = connect(&args, &mut line, report, interrupt).await;
    line.end().await;
    result
}

async fn connect(args: &OfferArgs, line: &mut TextLine, report: &mut Report, mut interrupt: Interrupt) -> Outcome<()> {
    let init = DataChannelInit { protocol: "peerage.pipe.1".to_owned(), ..DataChannelInit::default() };
    let channel = line.pc.create_data_channel("pipe", init).map_err(Ending::from(Kind::Path))?;
    line.pc.set_local_description(None).await.map_err(Ending::from(Kind::Path))?;
    let condensed = line.text(Half::Offer).await?;
    let offer = &condensed.description;
    let until = Instant::now() + args.wait;
    report.text("offer", offer, &args.text).map_err(Ending::from(Kind::Usage))?;
    note_dropped(&condensed, report);
    let minutes = args.wait.as_secs().div_ceil(60);
    report.note(&format!("Paste the answer of the other side here, within {minutes} min."));
    let (tag, lifetime) = (offer.tag(), args.wait.as_secs());
    let mut input = Input::read();
    let answer = tokio::select! {
        answer = read_text(
            &mut input,
            Some(until),
            |found| found.answer_to(tag, now(), lifetime).map(|answer| answer.to_sdp()),
            report,
        ) => answer?,
        () = interrupt.heard() => return Err(Ending::interrupted(false)),
    };
    line.begin();
    let answer = SessionDescription::new(SdpType::Answer, answer);
    line.pc.set_remote_description(answer).await.map_err(Ending::from(Kind::Code))?;
    let channel = line.channel(Some(channel), Instant::now() + CONNECT, report, &mut interrupt).await?;
    line.converse(&channel, input, report, &mut interrupt).await
}
