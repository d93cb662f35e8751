//! The comparison of words with the peer that is connected to, and what waits for it.

use std::time::Duration;

use peerage::DataChannel;
use peerage_base::rng::Rng;
use peerage_signal::plain::Plain;
use peerage_signal::verify::{Step, Verification};
use tokio::time::Instant;

/// How long the peer may take for its part.
const PATIENCE: Duration = Duration::from_secs(30);
/// Steps that the peer may say before the connection stands here.
const MAX_EARLY: usize = 2;
/// Channels that may wait.
const MAX_HELD: usize = 4;

/// What follows from a step.
pub enum Outcome {
    /// Say this to the peer.
    Say(Plain),
    /// The words are known.
    Known,
    /// The peer is not to be trusted, and why.
    Failed(String),
}

type Early = (Option<String>, Option<String>);

/// The state of it, anew for each connection.
pub struct Comparing {
    wanted: bool,
    rng: Rng,
    verification: Option<Verification>,
    early: Vec<Early>,
    held: Vec<DataChannel>,
    verified: bool,
    deadline: Option<Instant>,
}

impl Comparing {
    /// `wanted`: nothing moves before the words were compared.
    pub fn new(wanted: bool, rng: Rng) -> Self {
        let (verification, early, held) = (None, Vec::new(), Vec::new());
        Self { wanted, rng, verification, early, held, verified: false, deadline: None }
    }

    /// A connection is set up; `first`: we were in the room first.
    pub fn begin(&mut self, first: bool) {
        self.verification = Some(Verification::new(first, &mut self.rng));
        self.early.clear();
        self.held.clear();
        (self.verified, self.deadline) = (false, None);
    }

    /// The connection stands, and with it both certificates.
    pub fn stands(&mut self) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        if self.wanted {
            self.deadline = Some(Instant::now() + PATIENCE);
            outcomes.extend(self.verification.as_mut().and_then(Verification::begin).map(Outcome::Say));
        }
        for (commit, nonce) in std::mem::take(&mut self.early) {
            outcomes.extend(self.step(commit.as_deref(), nonce.as_deref()));
        }
        outcomes
    }

    /// The peer said a step. `stood`: the connection stands here; until then both certificates are not settled, and it
    /// has to wait.
    pub fn handle(&mut self, stood: bool, commit: Option<String>, nonce: Option<String>) -> Vec<Outcome> {
        if !stood {
            if self.early.len() < MAX_EARLY {
                self.early.push((commit, nonce));
            }
            return Vec::new();
        }
        self.step(commit.as_deref(), nonce.as_deref())
    }

    /// Keeps a channel until the words were compared, or gives it back.
    pub fn hold(&mut self, channel: DataChannel) -> Option<DataChannel> {
        if !self.wanted || self.verified {
            return Some(channel);
        }
        if self.held.len() < MAX_HELD {
            self.held.push(channel);
        } else {
            channel.close();
        }
        None
    }

    /// The words were the same: what waited may begin.
    pub fn release(&mut self) -> Vec<DataChannel> {
        self.verified = true;
        std::mem::take(&mut self.held)
    }

    /// Whether this side wants words to be compared.
    pub fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// The words for both certificates.
    pub fn words(&self, ours: &[u8; 32], theirs: &[u8; 32]) -> Option<String> {
        self.verification.as_ref()?.words(ours, theirs)
    }

    /// Why the peer is to be given up, if it takes too long.
    pub fn overdue(&self) -> Option<String> {
        let late = self.deadline.is_some_and(|deadline| Instant::now() > deadline);
        late.then(|| "the other side shows no words to compare; its program may be older".to_owned())
    }

    fn step(&mut self, commit: Option<&str>, nonce: Option<&str>) -> Vec<Outcome> {
        let Some(verification) = &mut self.verification else { return Vec::new() };
        match verification.handle(commit, nonce) {
            Ok(Step::Nothing) => Vec::new(),
            Ok(Step::Say(plain)) => vec![Outcome::Say(plain)],
            Ok(Step::Done(plain)) => {
                self.deadline = None;
                plain.map(Outcome::Say).into_iter().chain([Outcome::Known]).collect()
            }
            Err(error) => vec![Outcome::Failed(error.to_string())],
        }
    }
}
