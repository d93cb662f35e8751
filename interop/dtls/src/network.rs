//! What lies between two sides: virtual time, and a path that delays, loses, repeats and reorders.

use peerage_base::rng::Rng;
use peerage_base::time::{Duration, Instant, earliest};
use peerage_dtls::Config;

use crate::foreign::Foreign;
use crate::ours::Ours;

/// One way.
const DELAY: Duration = Duration::from_millis(10);
/// Nothing here takes this long.
const PATIENCE: Duration = Duration::from_secs(120);

/// How the path treats a datagram.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// Share that is lost.
    pub loss: f64,
    /// Share that comes twice.
    pub duplication: f64,
    /// Most extra delay; reorders.
    pub jitter: Duration,
}

/// Two sides and the path between them.
pub struct Network {
    /// This side.
    pub ours: Ours,
    /// The other.
    pub theirs: Box<dyn Foreign>,
    /// Virtual time.
    pub now: Instant,
    /// May be changed at any time.
    pub weather: Weather,
    rng: Rng,
    /// When it arrives, whether it is for this side, and what it is.
    flying: Vec<(Instant, bool, Vec<u8>)>,
    /// Longest datagrams sent by this side and by the other.
    longest: [usize; 2],
    /// When somebody wants to look again, whatever happens.
    alarm: Option<Instant>,
}

impl Network {
    /// Nothing has been sent yet.
    pub fn new(config: Config, theirs: Box<dyn Foreign>, weather: Weather, seed: u64) -> Self {
        let now = Instant::from_millis(1000 + seed % 1000);
        let rng = Rng::from_u64(seed).split("weather");
        let ours = Ours::new(config, seed, now);
        Self { ours, theirs, now, weather, rng, flying: Vec::new(), longest: [0; 2], alarm: None }
    }

    /// Longest datagrams so far: of this side, of the other.
    pub fn longest(&self) -> [usize; 2] {
        self.longest
    }

    /// Lets time pass until `done`.
    ///
    /// # Errors
    /// Nothing more happens, or it takes two minutes; says what was waited for.
    pub fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) -> Result<(), String> {
        let end = self.now + PATIENCE;
        loop {
            self.flush();
            if done(self) {
                return Ok(());
            }
            let deadline = earliest(self.ours.dtls.poll_timeout(), self.theirs.deadline(self.now));
            let arrival = self.flying.iter().map(|(at, ..)| *at).min();
            let next = earliest(earliest(arrival, self.alarm), deadline);
            let Some(next) = next.filter(|next| *next <= end) else {
                let (closed, end) = (&self.ours.closed, self.theirs.end());
                return Err(format!("waited in vain for {what}; this side: {closed:?}, the other: {end:?}"));
            };
            self.now = self.now.max(next);
            self.step();
        }
    }

    /// Lets time pass until everything that was sent has arrived.
    ///
    /// # Errors
    /// As of [`until`](Self::until).
    pub fn settle(&mut self) -> Result<(), String> {
        self.until("quiet", |network| network.flying.is_empty())
    }

    /// Lets so much time pass.
    ///
    /// # Errors
    /// As of [`until`](Self::until).
    pub fn pause(&mut self, time: Duration) -> Result<(), String> {
        let end = self.now + time;
        self.alarm = Some(end);
        let outcome = self.until("a while", |network| network.now >= end);
        self.alarm = None;
        outcome
    }

    /// Puts a datagram of this side on the path.
    pub fn send(&mut self, datagram: Vec<u8>) {
        self.carry(false, datagram);
    }

    fn step(&mut self) {
        self.flying.sort_by_key(|(at, ..)| *at);
        while self.flying.first().is_some_and(|(at, ..)| *at <= self.now) {
            let (_, to_us, datagram) = self.flying.remove(0);
            if to_us {
                self.ours.receive(self.now, &datagram);
            } else {
                self.theirs.receive(self.now, &datagram);
            }
        }
        if self.ours.dtls.poll_timeout().is_some_and(|at| at <= self.now) {
            self.ours.wake(self.now);
        }
        if self.theirs.deadline(self.now).is_some_and(|at| at <= self.now) {
            self.theirs.wake(self.now);
        }
    }

    fn flush(&mut self) {
        while let Some(datagram) = self.ours.transmit(self.now) {
            self.carry(false, datagram);
        }
        while let Some(datagram) = self.theirs.transmit() {
            self.carry(true, datagram);
        }
    }

    fn carry(&mut self, to_us: bool, datagram: Vec<u8>) {
        let longest = &mut self.longest[usize::from(to_us)];
        *longest = datagram.len().max(*longest);
        let copies = 1 + usize::from(self.rng.unit() < self.weather.duplication);
        for _ in 0..copies {
            if self.rng.unit() >= self.weather.loss {
                let jitter = Duration::from_nanos(self.rng.below(self.weather.jitter.as_nanos() as u64 + 1));
                self.flying.push((self.now + DELAY + jitter, to_us, datagram.clone()));
            }
        }
    }
}
