//! `peerage answer`.

use peerage::SessionDescription;
use peerage::peer_connection::SdpType;
use peerage_signal::compact::condense::Half;
use peerage_signal::compact::description::{Description, Kind as TextKind};
use peerage_signal::compact::error::TextError;
use peerage_signal::compact::find::{Found, find};
use tokio::time::Instant;

use crate::args::text::AnswerArgs;
use crate::ending::{Ending, Kind, Outcome};
use crate::interrupt::Interrupt;
use crate::pipe::Input;
use crate::report::Report;
use crate::text_line::{TextLine, note_dropped, now, read_text};

/// Takes an offer, prints the answer to it, and joins the streams once the other side has that.
pub async fn run(args: AnswerArgs, report: &mut Report) -> Outcome<()> {
    let mut interrupt = Interrupt::listen().map_err(Ending::from(Kind::Path))?;
    let mut input = Input::read();
    let offer = match &args.offer {
        Some(message) => find(message).and_then(|found| newest(&found)).map_err(Ending::from(Kind::Code))?,
        None => {
            report.note("Paste the offer of the other side here.");
            tokio::select! {
                offer = read_text(&mut input, None, newest, report) => offer?,
                () = interrupt.heard() => return Err(Ending::interrupted(false)),
            }
        }
    };
    let mut line = TextLine::new(&args.text, args.wait).await?;
    let result = connect(&args, &offer, &mut line, input, report, interrupt).await;
    line.end().await;
    result
}

fn newest(found: &Found) -> Result<Description, TextError> {
    found.newest(TextKind::Offer, now()).cloned()
}

async fn connect(
    args: &AnswerArgs,
    offer: &Description,
    line: &mut TextLine,
    input: Input,
    report: &mut Report,
    mut interrupt: Interrupt,
) -> Outcome<()> {
    let description = SessionDescription::new(SdpType::Offer, offer.to_sdp());
    line.pc.set_remote_description(description).await.map_err(Ending::from(Kind::Code))?;
    line.pc.set_local_description(None).await.map_err(Ending::from(Kind::Path))?;
    let condensed = line.text(Half::Answer(offer.tag())).await?;
    report.text("answer", &condensed.description, &args.text).map_err(Ending::from(Kind::Usage))?;
    note_dropped(&condensed, report);
    report.note("Send it back to where the offer came from, and leave this running.");
    line.begin();
    let deadline = Instant::now() + args.wait;
    let channel = line.channel(None, deadline, report, &mut interrupt).await?;
    line.converse(&channel, input, report, &mut interrupt).await
}
