//! `peerage call`.

pub mod args;
mod ears;
mod eyes;
mod feed;
mod figures;
mod member;
mod mesh;
mod record;
mod send;
mod source;
mod tell;

use std::sync::Arc;
use std::time::Duration;

use peerage_signal::client::options::{Intent, RoomOptions};
use peerage_signal::client::room::Room;
use peerage_signal::code::Code;
use peerage_signal::link::{AnyCode, ServerAddress};
use peerage_signal::plain::Role;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use self::args::ArrivingArgs;
use self::ears::Ears;
use self::member::{News, Stage};
use self::mesh::{Event, Mesh};
use self::record::Recordings;
use self::source::{Notes, Sources, Stopper, ending};
use self::tell::Teller;
use crate::args::CallArgs;
use crate::by_text::{Handed, Invitation, Post, Terms, invitation};
use crate::connect::refused;
use crate::connect::way::Way;
use crate::ending::{Ending, Kind, Outcome};
use crate::interrupt::Interrupt;
use crate::meet::{Meeting, rng};
use crate::receive::place;
use crate::report::Report;

/// How long whoever joins waits for somebody to be there, and for one that was lost to come back.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long recordings may take to be written to their end.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// Calls until it ends.
pub async fn run(args: CallArgs, report: &mut Report) -> Outcome<()> {
    let mut interrupt = Interrupt::listen().map_err(Ending::from(Kind::Path))?;
    let mut input = None;
    let words = args.join.as_deref().unwrap_or_default();
    let handed = Handed { words, via: args.via.via, text: &args.via.spelling, client: &args.client, must: false };
    let (place, offer) = match invitation(Role::Call, handed, &mut input, report, &mut interrupt).await? {
        Some(Invitation::Room(text)) => (Some(place(&text, &args.client, args.via.via).await?), None),
        Some(Invitation::Offer(offer)) => (None, Some(*offer)),
        None => (None, None),
    };
    let by_text = match (&place, &offer) {
        (None, None) => args.via.is_text().map_err(Ending::from(Kind::Usage))?,
        (_, offer) => offer.is_some(),
    };
    let (notes, mut said) = mpsc::unbounded_channel();
    // Devices and files come first: nobody is called in vain.
    let stage = Arc::new(stage(&args, notes, report)?);
    let stopper = Stopper::of(&stage.sources);
    let found = if by_text {
        let joined = offer.is_some();
        let terms = if joined {
            Terms::beside_a_room(&args.via, &args.client, &args.access)
        } else {
            Terms::offering(&args.via, &args.client, &args.access, args.code.clone().map(AnyCode::Room))?
        };
        let (way, post) = terms.open(Role::Call, offer).await?;
        Found { way, texts: Some((terms, post)), meeting: None, joined }
    } else {
        enter(&args, place, report).await?
    };
    let Found { way, texts, meeting, joined } = found;
    let mut call = Call {
        mesh: Mesh::new(way, stage.clone(), args.client.relay_only),
        teller: Teller::default(),
        stood: false,
        ends: None,
        gone: (joined && texts.is_none()).then(|| Instant::now() + PATIENCE),
        joined,
        closed: None,
    };
    let carried = match texts {
        Some((terms, post)) => {
            let carry = terms.carry(post, &mut input, report, &mut interrupt);
            call.mesh.meanwhile(carry).await
        }
        None => Ok(()),
    };
    call.ends = args.length.map(|length| Instant::now() + length);
    let result = match carried {
        Ok(()) => call.go_on(report, interrupt, &mut said).await,
        Err(ending) => {
            call.mesh.leave(ending.kind.as_str()).await;
            Err(ending)
        }
    };
    drop(stopper);
    if let Some(meeting) = meeting {
        meeting.end().await;
    }
    let recorded = recorded(stage).await;
    // What threads say at their end, such as how much was recorded.
    let mut teller = Teller::default();
    while let Ok(note) = said.try_recv() {
        teller.note(&note, report);
    }
    teller.end(report);
    result.and(recorded)
}

/// Where a call takes place.
struct Found {
    way: Way,
    /// What people carry.
    texts: Option<(Terms, Post)>,
    meeting: Option<Meeting>,
    /// Somebody else has begun it.
    joined: bool,
}

/// Enters the room that was named, or makes one.
async fn enter(args: &CallArgs, place: Option<(ServerAddress, Code)>, report: &mut Report) -> Outcome<Found> {
    let mut rng = rng()?;
    let access_token = args.access.token().map_err(Ending::from(Kind::Usage))?;
    let (meeting, code, intent) = match place {
        Some((server, code)) => (Meeting::at(server), code, Intent::Join),
        None => {
            let meeting = Meeting::open(&args.client, args.via.via, None, report).await?;
            (meeting, args.code.clone().unwrap_or_else(|| Code::generate(&mut rng)), Intent::Open)
        }
    };
    let mut options = RoomOptions::new(meeting.server.clone(), code.clone(), intent, Role::Call, rng);
    options.tls.fingerprint = args.client.server_fingerprint;
    options.access_token = access_token;
    let room = Room::connect(options).await.map_err(|error| refused(&error))?;
    if intent == Intent::Open {
        meeting.announce(&AnyCode::Room(code), "call", false, report).await?;
    }
    Ok(Found { way: Way::Room(room), texts: None, meeting: Some(meeting), joined: intent == Intent::Join })
}

/// Opens what is sent and where what arrives goes.
fn stage(args: &CallArgs, notes: Notes, report: &Report) -> Outcome<Stage> {
    let recordings = args.arriving.record.as_ref().map(|path| Recordings::to(path, notes.clone()));
    let recordings = recordings.transpose().map_err(|error| ending(&error))?;
    let ears = ears(&args.arriving, notes.clone(), report)?;
    let sources = Sources::open(&args.sent, &notes, report)?;
    Ok(Stage { sources, ears, recordings, recognise: args.arriving.recognise, notes })
}

fn ears(args: &ArrivingArgs, notes: Notes, report: &Report) -> Outcome<Ears> {
    let speaker = match args.speaker.as_deref() {
        Some("none") => None,
        Some(name) => Some(Some(name.to_owned())),
        None => default_speaker(report),
    };
    Ears::open(speaker, args.recognise, notes).map_err(|error| ending(&error))
}

#[cfg(feature = "devices")]
fn default_speaker(report: &Report) -> Option<Option<String>> {
    use peerage_codecs::device::sound::{Direction, names};
    let is_there = !names(Direction::Output).is_empty();
    if !is_there {
        report.note("No speaker here: nothing is heard");
    }
    is_there.then_some(None)
}

#[cfg(not(feature = "devices"))]
fn default_speaker(report: &Report) -> Option<Option<String>> {
    report.note("Built without speakers: nothing is heard");
    None
}

/// Waits for the recordings to be written.
async fn recorded(stage: Arc<Stage>) -> Outcome<()> {
    let finish = tokio::task::spawn_blocking(move || stage.recordings.as_ref().is_none_or(Recordings::finish));
    match timeout(LAST_WORDS, finish).await {
        Ok(Ok(true)) => Ok(()),
        _ => Err(Ending::new(Kind::Disk, "not everything could be recorded; the lines before this one say why")),
    }
}

/// A call that goes on.
struct Call {
    mesh: Mesh,
    teller: Teller,
    /// There was a conversation.
    stood: bool,
    /// When it ends by itself.
    ends: Option<Instant>,
    /// When whoever joined stops waiting for somebody.
    gone: Option<Instant>,
    joined: bool,
    /// The room is closed, and why.
    closed: Option<Ending>,
}

impl Call {
    async fn go_on(
        mut self,
        report: &mut Report,
        mut interrupt: Interrupt,
        said: &mut mpsc::UnboundedReceiver<String>,
    ) -> Outcome<()> {
        let result = loop {
            let over = tokio::select! {
                event = self.mesh.next() => self.event(event, report),
                Some(note) = said.recv() => {
                    self.teller.note(&note, report);
                    None
                }
                () = until(self.ends) => Some(Ok(())),
                () = until(self.gone) => Some(Err(Ending::new(Kind::Gone, "nobody is there to talk to"))),
                () = interrupt.heard() => Some(if self.stood { Ok(()) } else { Err(Ending::interrupted(false)) }),
            };
            if let Some(over) = over {
                break over;
            }
        };
        report.end_status();
        let reason = result.as_ref().err().map_or("the call ended", |ending: &Ending| ending.kind.as_str());
        self.mesh.leave(reason).await;
        result
    }

    /// Takes an event; gives the end of the call, if it is one.
    fn event(&mut self, event: Event, report: &mut Report) -> Option<Outcome<()>> {
        match event {
            Event::Joined { number, agent } => self.teller.joined(number, &agent, report),
            Event::Left { number, reason } => {
                self.teller.left(number, &reason, report);
                let is_over = self.mesh.count() == 0 && (self.joined || self.closed.is_some());
                if is_over && self.stood {
                    return Some(Ok(()));
                }
            }
            Event::Note(text) => self.teller.note(&text, report),
            Event::News(number, news) => return self.news(number, news, report),
            Event::Closed(ending) => {
                if self.mesh.count() == 0 {
                    return Some(if self.stood { Ok(()) } else { Err(ending) });
                }
                self.closed = Some(ending);
            }
        }
        None
    }

    fn news(&mut self, number: u32, news: News, report: &mut Report) -> Option<Outcome<()>> {
        match news {
            News::Connected(connected) => {
                (self.stood, self.gone) = (true, None);
                self.teller.connected(number, &connected, report);
            }
            News::Track { kind, mid } => self.teller.track(number, kind, &mid, report),
            News::Second(second) => self.teller.second(number, &second, report),
            News::Note(text) => self.teller.note(&text, report),
            News::Over { reason, stood } => {
                self.teller.lost(number, &reason, report);
                if self.mesh.count() > 0 {
                    return None;
                }
                if !self.mesh.may_return() {
                    return Some(if stood { Ok(()) } else { Err(Ending::new(Kind::Path, reason)) });
                }
                if let Some(ending) = self.closed.take() {
                    return Some(if self.stood { Ok(()) } else { Err(ending) });
                }
                if self.joined && !self.stood && !stood {
                    return Some(Err(Ending::new(Kind::Path, reason)));
                }
                self.gone = self.joined.then(|| Instant::now() + PATIENCE);
            }
            News::Signal(_) => {}
        }
        None
    }
}

/// At that time, or never.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
