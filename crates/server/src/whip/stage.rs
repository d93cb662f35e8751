//! What is published under which name, who views it, and the sessions of both by their URLs.

use crate::refusal::Refusal;
use crate::whip::access::Role;
use crate::whip::config::WhipConfig;
use crate::whip::forward::Viewer;
use crate::whip::name::{SessionId, StreamName};
use crate::whip::session::Session;
use axum::http::StatusCode;
use core::sync::atomic::{AtomicUsize, Ordering};
use peerage::media::receiver::RtpReceiver;
use peerage::media::transceiver::{CodecCapability, MediaKind};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::{mpsc, watch};

/// Seconds after which a viewer may ask again for what is not published yet.
const NOT_YET: u32 = 3;
/// Seconds after which there may be room again.
const FULL: u32 = 30;

/// Everything that goes on.
#[derive(Debug)]
pub(crate) struct Stage {
    state: Mutex<State>,
    publishers: usize,
    viewers: usize,
    viewers_per_name: usize,
    replace: bool,
}

#[derive(Debug, Default)]
struct State {
    streams: HashMap<StreamName, Arc<Stream>>,
    sessions: HashMap<SessionId, Arc<Session>>,
    viewers: usize,
}

/// What one publisher publishes.
#[derive(Debug)]
pub(crate) struct Stream {
    name: StreamName,
    /// Set once it was agreed on.
    tracks: OnceLock<Tracks>,
    viewers: AtomicUsize,
    over: watch::Sender<bool>,
}

/// The tracks of a publisher, and the way to its viewers.
#[derive(Debug)]
pub(crate) struct Tracks {
    pub audio: Option<Track>,
    pub video: Option<Track>,
    pub join: mpsc::Sender<Viewer>,
}

/// One track.
#[derive(Debug)]
pub(crate) struct Track {
    pub codec: CodecCapability,
    pub receiver: RtpReceiver,
}

/// A name that is taken until this is dropped; its viewers end then.
#[derive(Debug)]
pub(crate) struct Claim {
    stage: Arc<Stage>,
    pub stream: Arc<Stream>,
}

/// The right to view, until this is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    stage: Arc<Stage>,
    pub stream: Arc<Stream>,
}

/// A session's place among the URLs, until this is dropped.
#[derive(Debug)]
pub(crate) struct Entered {
    stage: Arc<Stage>,
    pub session: Arc<Session>,
}

impl Stage {
    pub fn new(config: &WhipConfig) -> Arc<Self> {
        let limits = config.limits;
        Arc::new(Self {
            state: Mutex::default(),
            publishers: limits.publishers,
            viewers: limits.viewers,
            viewers_per_name: limits.viewers_per_name,
            replace: config.replace,
        })
    }

    /// Takes a name to publish under.
    pub fn claim(self: &Arc<Self>, name: &StreamName) -> Result<Claim, Refusal> {
        let mut state = self.lock();
        let room = state.streams.len() < self.publishers;
        let stream = Arc::new(Stream::new(name.clone()));
        match state.streams.entry(name.clone()) {
            Entry::Occupied(mut taken) if self.replace => {
                taken.get().end();
                taken.insert(stream.clone());
            }
            Entry::Occupied(_) => {
                let words = "somebody publishes under this name: end that first, or choose another name";
                return Err(Refusal::later(StatusCode::CONFLICT, words, FULL));
            }
            Entry::Vacant(free) if room => {
                free.insert(stream.clone());
            }
            Entry::Vacant(_) => {
                let words = "there are as many publishers as this server takes: try again later";
                return Err(Refusal::later(StatusCode::SERVICE_UNAVAILABLE, words, FULL));
            }
        }
        Ok(Claim { stage: self.clone(), stream })
    }

    /// Takes a seat to view what is published under a name.
    pub fn seat(self: &Arc<Self>, name: &StreamName) -> Result<Seat, Refusal> {
        let mut state = self.lock();
        let published = state.streams.get(name).filter(|stream| stream.tracks.get().is_some());
        let Some(stream) = published.cloned() else {
            let words = "nobody publishes under this name now: try again later";
            return Err(Refusal::later(StatusCode::NOT_FOUND, words, NOT_YET));
        };
        if state.viewers >= self.viewers || stream.viewers() >= self.viewers_per_name {
            let words = "there are as many viewers as this server takes: try again later";
            return Err(Refusal::later(StatusCode::SERVICE_UNAVAILABLE, words, FULL));
        }
        state.viewers += 1;
        stream.viewers.fetch_add(1, Ordering::Relaxed);
        Ok(Seat { stage: self.clone(), stream })
    }

    /// Gives a session its URL.
    pub fn enter(self: &Arc<Self>, session: Session) -> Entered {
        let session = Arc::new(session);
        self.lock().sessions.insert(session.id.clone(), session.clone());
        Entered { stage: self.clone(), session }
    }

    /// The session at a URL.
    pub fn find(&self, role: Role, name: &StreamName, id: &SessionId) -> Option<Arc<Session>> {
        let found = self.lock().sessions.get(id).cloned();
        found.filter(|session| session.role == role && session.name == *name)
    }

    /// How many publish now, and how many view.
    pub fn count(&self) -> (usize, usize) {
        let state = self.lock();
        (state.streams.len(), state.viewers)
    }

    /// Ends everything.
    pub fn end(&self) {
        let sessions: Vec<_> = self.lock().sessions.values().cloned().collect();
        sessions.iter().for_each(|session| session.end());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream {
    fn new(name: StreamName) -> Self {
        Self { name, tracks: OnceLock::new(), viewers: AtomicUsize::new(0), over: watch::Sender::new(false) }
    }

    /// What was agreed on can be viewed from now on.
    pub fn publish(&self, tracks: Tracks) {
        // One publisher says so, and once.
        let _ = self.tracks.set(tracks);
    }

    /// The publisher is to end, and the viewers with it.
    pub fn end(&self) {
        self.over.send_replace(true);
    }

    /// What is published; `None` before it is agreed on.
    pub fn tracks(&self) -> Option<&Tracks> {
        self.tracks.get()
    }

    /// Viewers now.
    pub fn viewers(&self) -> usize {
        self.viewers.load(Ordering::Relaxed)
    }

    /// Completes once it is over.
    pub async fn over(&self) {
        let _ = self.over.subscribe().wait_for(|over| *over).await;
    }
}

impl Tracks {
    /// The track of a kind.
    pub fn of(&self, kind: MediaKind) -> Option<&Track> {
        match kind {
            MediaKind::Audio => self.audio.as_ref(),
            MediaKind::Video => self.video.as_ref(),
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.stream.end();
        let mut state = self.stage.lock();
        // Somebody else may have taken the name.
        if state.streams.get(&self.stream.name).is_some_and(|stream| Arc::ptr_eq(stream, &self.stream)) {
            state.streams.remove(&self.stream.name);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.stream.viewers.fetch_sub(1, Ordering::Relaxed);
        self.stage.lock().viewers -= 1;
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.stage.lock().sessions.remove(&self.session.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whip::config::WhipLimits;

    fn stage(change: impl FnOnce(&mut WhipConfig)) -> Arc<Stage> {
        let limits = WhipLimits { publishers: 2, viewers: 3, viewers_per_name: 2, ..WhipLimits::default() };
        let mut config = WhipConfig { limits, ..WhipConfig::default() };
        change(&mut config);
        Stage::new(&config)
    }

    fn name(text: &str) -> StreamName {
        StreamName::parse(text).unwrap()
    }

    fn publish(claim: &Claim) {
        claim.stream.publish(Tracks { audio: None, video: None, join: mpsc::channel(1).0 });
    }

    fn status<T>(result: Result<T, Refusal>) -> u16 {
        result.map_or_else(|refusal| refusal.status.as_u16(), |_| 200)
    }

    #[test]
    fn a_name_has_one_publisher_and_comes_back_when_that_one_is_gone() {
        let stage = stage(|_| ());
        let a = stage.claim(&name("a")).unwrap();
        assert_eq!(status(stage.claim(&name("a"))), 409);
        let b = stage.claim(&name("b")).unwrap();
        assert_eq!(status(stage.claim(&name("c"))), 503, "two publishers");
        assert_eq!(status(stage.claim(&name("a"))), 409, "taken is taken, however full it is");
        drop(a);
        assert_eq!(status(stage.claim(&name("a"))), 200);
        drop(b);
        assert_eq!(stage.count(), (0, 0));
    }

    #[tokio::test]
    async fn who_takes_the_place_of_another_ends_it() {
        let stage = stage(|config| config.replace = true);
        let old = stage.claim(&name("a")).unwrap();
        let new = stage.claim(&name("a")).unwrap();
        old.stream.over().await;
        drop(old);
        assert_eq!(stage.count().0, 1, "the name is the new one's");
        drop(new);
        assert_eq!(stage.count().0, 0);
    }

    #[test]
    fn seats_are_there_once_something_is_published_and_are_limited() {
        let stage = stage(|_| ());
        assert_eq!(status(stage.seat(&name("a"))), 404);
        let (a, b) = (stage.claim(&name("a")).unwrap(), stage.claim(&name("b")).unwrap());
        assert_eq!(status(stage.seat(&name("a"))), 404, "nothing was agreed on");
        publish(&a);
        publish(&b);
        let seats = [stage.seat(&name("a")).unwrap(), stage.seat(&name("a")).unwrap()];
        assert_eq!(status(stage.seat(&name("a"))), 503, "two of one name");
        let third = stage.seat(&name("b")).unwrap();
        assert_eq!(status(stage.seat(&name("b"))), 503, "three in all");
        assert_eq!(stage.count(), (2, 3));
        drop((seats, third));
        assert_eq!((stage.count().1, a.stream.viewers()), (0, 0));
        assert_eq!(status(stage.seat(&name("a"))), 200);
    }
}
