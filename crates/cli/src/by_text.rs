//! Connecting by texts that people carry, one printed here and pasted there, and one back; or the exchange of a server.

mod exchange;
mod read;

use std::time::{Duration, SystemTime};

use peerage::{Endpoint, Settings};
use peerage_signal::client::exchange::{self as http, ExchangeOptions};
use peerage_signal::client::pair::{Carrier, Pair, PairOptions};
use peerage_signal::compact::condense::Condensed;
use peerage_signal::compact::description::{Description, Kind as TextKind, LIFETIME, MediaKind};
use peerage_signal::compact::error::TextError;
use peerage_signal::compact::find::{Found, find};
use peerage_signal::link::{AnyCode, parse_link};
use peerage_signal::message::IceServer;
use peerage_signal::plain::Role;
use tokio::time::Instant;

use self::exchange::{Back, told};
use self::read::{scanned, typed, waited_for};
use crate::args::client::{AccessArgs, ClientArgs};
use crate::args::servers::ServersArgs;
use crate::args::text::{SpellingArgs, TextArgs, Via, ViaArgs};
use crate::clock::wall;
use crate::connect::visit::servers;
use crate::connect::way::{ByPair, Way};
use crate::connect::{Connector, Manner};
use crate::ending::{Ending, Kind, Outcome};
use crate::input::Input;
use crate::interrupt::Interrupt;
use crate::meet::rng;
use crate::report::Report;
use crate::text::count;

/// How texts are made, shown and read.
pub struct Terms {
    servers: ServersArgs,
    relay_only: bool,
    text: SpellingArgs,
    /// How long people may take to carry the texts.
    wait: Duration,
    /// Where our offer goes, if people do not carry it.
    exchange: Option<ExchangeOptions>,
}

/// What whoever joins was handed.
pub enum Invitation {
    /// The code or link of a room, as it was said.
    Room(String),
    /// A text.
    Offer(Box<Offer>),
}

/// A text that we answer.
pub struct Offer {
    description: Description,
    /// Where the answer goes, if people do not carry it.
    back: Option<Back>,
}

/// Who carries our text, and brings the other side's.
pub struct Post {
    carrier: Carrier,
    back: Option<Back>,
}

impl Invitation {
    /// The text, if it is one.
    pub fn offer(self) -> Option<Offer> {
        match self {
            Self::Offer(offer) => Some(*offer),
            Self::Room(_) => None,
        }
    }
}

impl Terms {
    /// Those of `offer` and `answer`.
    pub fn new(args: TextArgs, wait: Duration) -> Self {
        Self { servers: args.servers, relay_only: args.relay_only, text: args.spelling, wait, exchange: None }
    }

    /// Those of a command that usually meets in a room.
    pub fn beside_a_room(via: &ViaArgs, client: &ClientArgs, access: &AccessArgs) -> Self {
        let mut text = via.spelling.clone();
        text.qr |= via.via == Via::Qr;
        let wait = Duration::from_secs(LIFETIME);
        let servers = ServersArgs::named(client, access);
        Self { servers, relay_only: client.relay_only, text, wait, exchange: None }
    }

    /// Those of a command that usually opens a room; `code` is what it would be opened under, if one was chosen.
    pub fn offering(via: &ViaArgs, client: &ClientArgs, access: &AccessArgs, code: Option<AnyCode>) -> Outcome<Self> {
        let terms = Self::beside_a_room(via, client, access);
        if via.via == Via::Http {
            let exchange = Some(exchange::options(client, access, code)?);
            return Ok(Self { exchange, ..terms });
        }
        refuse_in_text(&[(code.is_some(), NO_CODES)])?;
        Ok(terms)
    }

    /// A connection: its texts are exchanged, or, if we answer, ours is shown. `offer`: what is answered.
    pub async fn connect(
        &self,
        role: Role,
        offer: Option<Offer>,
        input: &mut Option<Input>,
        report: &Report,
        interrupt: &mut Interrupt,
    ) -> Outcome<Connector> {
        let (way, post) = self.open(role, offer).await?;
        let manner = Manner { relay_only: self.relay_only, verify: false };
        let connector = Connector::over(way, role, rng()?, manner);
        match self.carry(post, input, report, interrupt).await {
            Ok(()) => Ok(connector),
            Err(ending) => {
                connector.leave(ending.kind.as_str()).await;
                Err(ending)
            }
        }
    }

    /// A way for two, and who carries its texts. `offer`: what is answered.
    pub async fn open(&self, role: Role, offer: Option<Offer>) -> Outcome<(Way, Post)> {
        let (description, back) = match offer {
            Some(Offer { description, back }) => (Some(description), back),
            None => (None, self.exchange.clone().map(|options| Back::Offer(role, Box::new(options)))),
        };
        let (ice_servers, visits) = match &back {
            // Where there is plain HTTP alone, a relay cannot be asked for.
            Some(back) => {
                refuse_in_text(&[(self.relay_only, "--relay-only needs a relay, which is told in rooms alone")])?;
                (http::ice_servers(back.options()).await.map_err(|error| told(&error))?, Vec::new())
            }
            None => {
                let (servers, visits) = servers(&self.servers).await?;
                (servers.into_iter().map(named).collect(), visits)
            }
        };
        if self.relay_only && ice_servers.iter().all(|server| server.credential.is_none()) {
            return Err(Ending::new(Kind::Usage, "--relay-only needs a server with a relay: name one with --server"));
        }
        let mut settings = Settings::default();
        // Both would make the text longer than what they save.
        (settings.snap, settings.sped) = (false, false);
        if role != Role::Call {
            // What a browser offers of audio and video is refused, which is shorter too.
            settings.media = None;
        }
        let endpoint = Endpoint::new(settings).map_err(Ending::from(Kind::Path))?;
        let mut options = PairOptions::new(other_end(role), now);
        options.text.characters = self.text.characters.map(usize::from);
        options.ice_servers = ice_servers;
        let (pair, carrier) = match &description {
            Some(offer) => Pair::answering(offer, options),
            None => Pair::offering(options),
        };
        Ok((Way::Pair(Box::new(ByPair { pair, endpoint, wait: self.wait, visits })), Post { carrier, back }))
    }

    /// Shows our text, and if it is an offer waits for the answer to it.
    pub async fn carry(
        &self,
        post: Post,
        input: &mut Option<Input>,
        report: &Report,
        interrupt: &mut Interrupt,
    ) -> Outcome<()> {
        tokio::select! {
            carried = self.carry_all(post, input, report) => carried,
            () = interrupt.heard() => Err(Ending::interrupted(false)),
        }
    }

    async fn carry_all(&self, post: Post, input: &mut Option<Input>, report: &Report) -> Outcome<()> {
        let Post { mut carrier, back } = post;
        // Why there is none is told by the connection.
        let Some(condensed) = carrier.text().await else { return Ok(()) };
        let condensed = condensed.map_err(Ending::from(Kind::Usage))?;
        let ours = &condensed.description;
        if ours.candidates.is_empty() {
            let why = "this machine has no address to tell: it has no network, or --relay-only found no relay";
            return Err(Ending::new(Kind::Path, why));
        }
        if let Some(back) = back {
            return back.carry(&mut carrier, ours, self.wait, report).await;
        }
        let name = if carrier.expects_answer() { "offer" } else { "answer" };
        report.text(name, ours, &self.text).map_err(Ending::from(Kind::Usage))?;
        note_dropped(&condensed, report);
        if !carrier.expects_answer() {
            report.note("Send it back to where the offer came from, and leave this running.");
            return Ok(());
        }
        let (until, minutes) = (Instant::now() + self.wait, self.wait.as_secs().div_ceil(60));
        let (tag, lifetime) = (ours.tag(), self.wait.as_secs());
        let wanted = |found: &Found| found.answer_to(tag, now(), lifetime).cloned();
        let answer = match &self.text.scan {
            Some(path) => {
                report.note(&format!(
                    "Waiting for the answer as a QR code in {}, for at most {minutes} min.",
                    path.display()
                ));
                waited_for(path, until, wanted, report).await?
            }
            None => {
                report.note(&format!("Paste the answer of the other side here, within {minutes} min."));
                typed(input.get_or_insert_with(Input::read), Some(until), wanted, report).await?
            }
        };
        carrier.answer(&answer);
        Ok(())
    }
}

/// Where what somebody was handed may be.
pub struct Handed<'a> {
    /// In arguments.
    pub words: &'a str,
    /// What is looked for.
    pub via: Via,
    /// In a picture.
    pub text: &'a SpellingArgs,
    /// Where a code leads.
    pub client: &'a ClientArgs,
    /// Without it there is nothing to do: a text that is nowhere else is asked for, and nothing is waited for instead.
    pub must: bool,
}

/// What whoever joins was handed; `None`: nothing, or nothing yet.
pub async fn invitation(
    role: Role,
    Handed { words, via, text, client, must }: Handed<'_>,
    input: &mut Option<Input>,
    report: &Report,
    interrupt: &mut Interrupt,
) -> Outcome<Option<Invitation>> {
    let read = async {
        match &text.scan {
            _ if !words.is_empty() => read_message(role, words, via).map(Some),
            Some(path) if must => read_message(role, &scanned(path).await?, via).map(Some),
            // Whoever may as well offer waits for the answer there, if there is no offer yet.
            Some(path) => Ok(scanned(path).await.and_then(|message| read_message(role, &message, via)).ok()),
            None if must && via == Via::Http => {
                Err(Ending::new(Kind::Usage, "--via http needs the code or link that the other side printed"))
            }
            None if must && !via.takes_codes() => {
                report.note("Paste the text of the other side here.");
                let offer = typed(input.get_or_insert_with(Input::read), None, newest, report).await?;
                check_purpose(role, &offer)?;
                Ok(Some(Invitation::Offer(Box::new(Offer { description: offer, back: None }))))
            }
            None => Ok(None),
        }
    };
    let found = async {
        match read.await? {
            Some(Invitation::Room(place)) if via == Via::Http => exchange::take(role, &place, client).await.map(Some),
            handed => Ok(handed),
        }
    };
    tokio::select! {
        found = found => found,
        () = interrupt.heard() => Err(Ending::interrupted(false)),
    }
}

/// Reads a message that a person was handed. `via`: with a room, codes and links are taken too.
pub fn read_message(role: Role, message: &str, via: Via) -> Outcome<Invitation> {
    let link = message.lines().find(|line| parse_link(line).is_ok());
    if let Some(link) = link.filter(|_| via.takes_codes()) {
        return Ok(Invitation::Room(link.to_owned()));
    }
    match find(message).and_then(|found| newest(&found)) {
        Ok(description) => {
            check_purpose(role, &description)?;
            Ok(Invitation::Offer(Box::new(Offer { description, back: None })))
        }
        // What is wrong with a code is told by those who know codes.
        Err(TextError::Nothing) if via.takes_codes() => Ok(Invitation::Room(message.to_owned())),
        Err(TextError::Nothing) if link.is_some() => {
            let what = "this is the code or link of a room, and no session text; leave out --via";
            Err(Ending::new(Kind::Usage, what))
        }
        Err(error) => Err(Ending::new(Kind::Code, error.to_string())),
    }
}

fn newest(found: &Found) -> Result<Description, TextError> {
    found.newest(TextKind::Offer, now()).cloned()
}

/// A call needs audio or video in its offer, the others data channels.
fn check_purpose(role: Role, offer: &Description) -> Outcome<()> {
    let has =
        |wanted: fn(MediaKind) -> bool| offer.sections.iter().any(|section| !section.rejected && wanted(section.media));
    let why = match role {
        Role::Call if !has(|media| media != MediaKind::Application) => {
            "this text is not of a call; take it with `peerage receive`, `connect` or `pipe`, as the other side says"
        }
        Role::Call => return Ok(()),
        _ if !has(|media| media == MediaKind::Application) => "this is the text of a call; take it with `peerage call`",
        _ => return Ok(()),
    };
    Err(Ending::new(Kind::Usage, why))
}

/// What cannot be had without a room.
pub fn refuse_in_text(asked: &[(bool, &str)]) -> Outcome<()> {
    match asked.iter().find(|(is_asked, _)| *is_asked) {
        Some((_, what)) => {
            Err(Ending::new(Kind::Usage, format!("{what}; leave out --via and --scan to meet in a room")))
        }
        None => Ok(()),
    }
}

/// Why there are no codes by text.
pub const NO_CODES: &str = "codes are of rooms, and a text is its own";
/// Why words are not compared by text.
pub const NO_WORDS: &str = "--verify compares words over a server, and a text has none: compare the texts themselves";

/// The end of a run by text whose peer is gone.
pub fn gone_for_good(reason: &str) -> Ending {
    Ending::new(Kind::Gone, format!("{reason}; run the same commands again to go on"))
}

/// What the other side is here for.
fn other_end(role: Role) -> Role {
    match role {
        Role::Send => Role::Receive,
        Role::Receive => Role::Send,
        Role::Forward => Role::Connect,
        Role::Connect => Role::Forward,
        same => same,
    }
}

/// A server as signalling names it.
fn named(server: peerage::IceServer) -> IceServer {
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    IceServer { urls: server.urls, username: some(server.username), credential: some(server.credential) }
}

/// Seconds since 1970.
fn now() -> u64 {
    wall().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Tells what was left out of a text.
fn note_dropped(condensed: &Condensed, report: &Report) {
    use peerage_signal::compact::choose::DropReason;
    let lost = condensed.dropped.iter().filter(|(_, why)| *why == DropReason::Room).count();
    if lost > 0 {
        report.note(&format!("{} did not fit into the text; --characters allows more", count(lost, "further address")));
    }
}
