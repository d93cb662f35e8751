//! One participant: the connection to it, what is sent to it and what comes from it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use peerage::event::ConnectionState;
use peerage::{Configuration, DataChannel, Direction, Event, IceServer, MediaKind, Message};
use peerage::{RtpReceiver, RtpTransceiver, RtpTransceiverInit};
use peerage_signal::client::event::DescriptionKind;
use peerage_signal::id::PeerId;
use peerage_signal::plain::{Candidate, Plain, Role};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::ears::{Ears, Heard};
use super::eyes::{self, Seen};
use super::figures::{Figures, Meter};
use super::record::{Recordings, Tape};
use super::send::{Sent, send_audio, send_video};
use super::source::{Audio, Notes, Sources, Video};
use crate::connect::driver::CHAT;
use crate::connect::link::Link;
use crate::connect::way::Carries;
use crate::report::Connected;

const CHECK_INTERVAL: Duration = Duration::from_millis(250);
const STATS_INTERVAL: Duration = Duration::from_secs(1);
/// How long closing a connection may take.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);
/// Tracks of one participant that are taken: a page has sound, a camera and a screen.
const MOST_TRACKS: usize = 8;

/// What all participants share.
pub struct Stage {
    /// What is sent.
    pub sources: Sources,
    /// Where sound goes.
    pub ears: Ears,
    /// Where it is kept.
    pub recordings: Option<Recordings>,
    /// Whether pictures are decoded and looked at.
    pub recognise: bool,
    /// Lines for a person.
    pub notes: Notes,
}

/// What a participant is told.
#[derive(Debug)]
pub enum Told {
    /// It described itself.
    Description(DescriptionKind, String),
    /// It has a candidate.
    Candidate(Candidate),
    /// What ICE uses from now on.
    IceServers(Vec<IceServer>),
    /// It has left the room; its connection may still stand.
    LeftRoom,
    /// It is over.
    End,
}

/// What comes of a participant.
#[derive(Debug)]
pub enum News {
    /// To be signalled to it.
    Signal(Plain),
    /// The connection stands, or takes another path.
    Connected(Connected),
    /// It sends something.
    Track { kind: &'static str, mid: String },
    /// A second has passed.
    Second(Second),
    /// It said something.
    Note(String),
    /// The connection is over.
    Over {
        /// Why, for people.
        reason: String,
        /// Whether it ever stood.
        stood: bool,
    },
}

/// What a second brought.
#[derive(Clone, Debug)]
pub struct Second {
    /// Figures.
    pub figures: Figures,
    /// Test pictures and a tone that were recognised so far, if that is wanted.
    pub recognised: Option<Recognised>,
}

/// What was recognised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recognised {
    /// Test pictures, since the beginning.
    pub pictures: u64,
    /// Pictures that decoded, whatever they show.
    pub decoded: u64,
    /// Frames that did not decode.
    pub broken: u64,
    /// The pitch of the last second.
    pub tone_hz: Option<f64>,
}

/// A participant, as its task has it.
pub struct Member {
    link: Link,
    stage: Arc<Stage>,
    news: mpsc::Sender<(PeerId, News)>,
    has_lines: bool,
    sent: Option<Arc<Sent>>,
    tape: Option<Tape>,
    tracks: Vec<String>,
    seen: Vec<Arc<Seen>>,
    heard: Vec<Arc<Heard>>,
    meter: Meter,
    route: &'static str,
}

impl Member {
    /// Begins a connection; whoever was first in the room makes the offer.
    pub fn new(
        (id, role, first): (PeerId, Role, bool),
        met: Instant,
        (configuration, carries): (Configuration, Carries),
        stage: Arc<Stage>,
        news: mpsc::Sender<(PeerId, News)>,
    ) -> peerage::error::Result<Self> {
        let link = Link::new(id, first, met, configuration, carries)?;
        let (sent, tape, tracks, seen, heard) = (None, None, Vec::new(), Vec::new(), Vec::new());
        let (meter, route, has_lines) = (Meter::default(), "", false);
        let mut this = Self { link, stage, news, has_lines, sent, tape, tracks, seen, heard, meter, route };
        this.send_all()?;
        if first {
            this.want_all()?;
            if role == Role::Page {
                let chat = this.link.open(CHAT)?;
                this.chat(chat);
            }
        }
        Ok(this)
    }

    /// Until the connection is over.
    pub async fn run(mut self, mut inbox: mpsc::Receiver<Told>) {
        let mut check = interval(CHECK_INTERVAL);
        let mut second = interval(STATS_INTERVAL);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let reason = loop {
            let over = tokio::select! {
                told = inbox.recv() => match told {
                    Some(Told::End) | None => Some("ended".to_owned()),
                    Some(told) => self.told(told).await,
                },
                event = self.link.pc.next_event() => self.event(event).await,
                _ = check.tick() => match self.link.check(false, false) {
                    None => {
                        let plain = self.link.gathered();
                        self.answer(Ok(plain)).await
                    }
                    over => over,
                },
                _ = second.tick() => {
                    self.second().await;
                    None
                }
            };
            if let Some(reason) = over {
                break reason;
            }
        };
        let stood = self.link.stood;
        let _ = timeout(CLOSE_TIMEOUT, self.link.pc.close()).await;
        self.tell(News::Over { reason, stood }).await;
    }

    /// Something came from the room; gives the reason if it is over.
    async fn told(&mut self, told: Told) -> Option<String> {
        match told {
            Told::Description(kind, sdp) => {
                let answer = self.link.describe(kind, sdp).await;
                let over = self.answer(answer).await;
                // Only now is it known which lines the other side has.
                over.or(self.want_all().err().map(|error| error.to_string()))
            }
            Told::Candidate(candidate) => {
                self.link.add(candidate).await;
                None
            }
            Told::IceServers(servers) => {
                if let Err(error) = self.link.pc.set_ice_servers(&servers) {
                    tracing::debug!(%error, "renewed servers are not used");
                }
                None
            }
            Told::LeftRoom => {
                self.link.left = true;
                (!self.link.stood).then(|| "the other side left".to_owned())
            }
            Told::End => None,
        }
    }

    /// Something happened on the connection; gives the reason if it is over.
    async fn event(&mut self, event: Option<Event>) -> Option<String> {
        match event {
            Some(Event::NegotiationNeeded) => {
                let offer = self.link.negotiate().await;
                return self.answer(offer).await;
            }
            Some(Event::IceCandidate(candidate)) => {
                let plain = self.link.found(candidate);
                return self.answer(Ok(plain)).await;
            }
            Some(Event::ConnectionStateChange(state)) => {
                let stood = self.link.stood;
                if let Some(reason) = self.link.state_changed(state) {
                    return Some(reason);
                }
                if state == ConnectionState::Connected && !stood {
                    self.connected().await;
                }
            }
            Some(Event::SelectedCandidatePairChange(_)) => self.connected().await,
            Some(Event::Track { receiver, transceiver, .. }) => self.track(&receiver, &transceiver).await,
            Some(Event::DataChannel(channel)) if channel.label() == CHAT.0 => self.chat(channel),
            // What pages say of their call is seen by what they send.
            Some(Event::DataChannel(channel)) => channel.close(),
            Some(Event::MediaCeased) => {
                self.tell(News::Note("The path cannot carry audio and video; waiting for another one".into())).await;
            }
            Some(Event::Closed(reason)) => return Some(reason.to_string()),
            None => return Some("the connection closed".into()),
            Some(_) => {}
        }
        None
    }

    async fn connected(&mut self) {
        if let Some(connected) = self.link.connected() {
            self.route = connected.route();
            self.tell(News::Connected(connected)).await;
        }
    }

    /// Says what negotiation brought; gives the reason if it cannot come about.
    async fn answer(&mut self, plain: peerage::error::Result<Option<Plain>>) -> Option<String> {
        match plain {
            Ok(None) => None,
            Ok(Some(plain)) => {
                self.tell(News::Signal(plain)).await;
                None
            }
            Err(error) => Some(format!("the other side's description cannot be used: {error}")),
        }
    }

    /// Adds what is sent. The lines of an offer that comes take it, else an offer of ours has them.
    fn send_all(&mut self) -> peerage::error::Result<()> {
        let streams = || vec!["call".to_owned()];
        let Stage { sources, notes, .. } = &*self.stage;
        if !matches!(sources.audio, Audio::None) {
            let sender = self.link.pc.add_track(MediaKind::Audio, streams())?;
            send_audio(sources, sender, notes.clone());
        }
        if !matches!(sources.video, Video::None) {
            let sender = self.link.pc.add_track(MediaKind::Video, streams())?;
            self.sent = Some(send_video(sources, sender, notes.clone()));
        }
        Ok(())
    }

    /// Wants sound and pictures of the other side, once, where no line is there for it yet.
    fn want_all(&mut self) -> peerage::error::Result<()> {
        if std::mem::replace(&mut self.has_lines, true) {
            return Ok(());
        }
        for kind in [MediaKind::Audio, MediaKind::Video] {
            if !self.link.pc.transceivers().iter().any(|transceiver| transceiver.kind() == Some(kind)) {
                self.link.pc.add_transceiver(kind, RtpTransceiverInit::new(Direction::RecvOnly))?;
            }
        }
        Ok(())
    }

    async fn track(&mut self, receiver: &RtpReceiver, transceiver: &RtpTransceiver) {
        let (Some(mid), Some(kind)) = (transceiver.mid(), transceiver.kind()) else { return };
        if self.tracks.contains(&mid) || self.tracks.len() == MOST_TRACKS {
            return;
        }
        let tape = self.tape_for(kind);
        let kind = match kind {
            MediaKind::Audio => {
                match self.stage.ears.add(receiver, tape) {
                    Ok(heard) => self.heard.push(heard),
                    Err(error) => return self.tell(News::Note(format!("Not heard: {error}"))).await,
                }
                "audio"
            }
            MediaKind::Video => {
                self.seen.push(eyes::watch(receiver.clone(), tape, self.stage.recognise));
                "video"
            }
        };
        self.tracks.push(mid.clone());
        self.tell(News::Track { kind, mid }).await;
    }

    /// The recording, for the first track of each kind.
    fn tape_for(&mut self, kind: MediaKind) -> Option<Tape> {
        let taken = match kind {
            MediaKind::Audio => !self.heard.is_empty(),
            MediaKind::Video => !self.seen.is_empty(),
        };
        let recordings = self.stage.recordings.as_ref().filter(|_| !taken)?;
        Some(self.tape.get_or_insert_with(|| recordings.begin()).clone())
    }

    /// Reads aloud what is written.
    fn chat(&self, channel: DataChannel) {
        let (news, peer) = (self.news.clone(), self.link.peer);
        tokio::spawn(async move {
            while let Some(message) = channel.recv().await {
                let Message::Text(text) = message else { continue };
                // Whoever chats faster than it can be read loses lines, not the call.
                let _ = news.try_send((peer, News::Note(format!("The other side says: {text}"))));
            }
        });
    }

    async fn second(&mut self) {
        if !self.link.stood {
            return;
        }
        let seen: Vec<&Seen> = self.seen.iter().map(Arc::as_ref).collect();
        let figures = self.meter.read(&self.link.pc, self.route, &seen, self.sent.as_deref());
        let count = |of: fn(&Seen) -> u64| seen.iter().map(|seen| of(seen)).sum();
        let recognised = self.stage.recognise.then(|| Recognised {
            pictures: count(|seen| seen.recognised.load(Ordering::Relaxed)),
            decoded: count(|seen| seen.decoded.load(Ordering::Relaxed)),
            broken: count(|seen| seen.broken.load(Ordering::Relaxed)),
            tone_hz: self.heard.iter().find_map(|heard| heard.take_tone()),
        });
        self.tell(News::Second(Second { figures, recognised })).await;
    }

    async fn tell(&self, news: News) {
        let _ = self.news.send((self.link.peer, news)).await;
    }
}
