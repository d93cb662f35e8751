//! When to ask for a key frame (RFC 4585 §6.3.1): soon, but not again before the answer can be here.

use peerage_base::time::{Duration, Instant};

/// How often is asked.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Shortest time from one request to the next; 300 ms. A key frame costs several times what other frames do.
    pub interval: Duration,
    /// Longest time from one request to the next; 1 s, or one and a half round trips if that is longer. From the second on the
    /// time doubles with each that brings nothing.
    pub most: Duration,
    /// Shortest time from a request that was answered to the next; 300 ms. Longer where those who need key frames come one by
    /// one: they share them.
    pub pause: Duration,
    /// How long after the last packet it makes sense to ask; 2 s. A sender that is silent has nothing to send.
    pub silence: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(300),
            most: Duration::from_secs(1),
            pause: Duration::from_millis(300),
            silence: Duration::from_secs(2),
        }
    }
}

/// Requests of one stream.
#[derive(Clone, Debug)]
pub struct KeyRequests {
    config: Config,
    round_trip: Duration,
    /// When to ask next, if a key frame is needed.
    due: Option<Instant>,
    asked_at: Option<Instant>,
    wait: Duration,
    /// The present need was told before.
    is_repeated: bool,
    heard: Option<Instant>,
    asked: u64,
}

impl KeyRequests {
    /// Nothing is needed.
    pub const fn new(config: Config) -> Self {
        let wait = config.interval;
        Self {
            config,
            round_trip: Duration::ZERO,
            due: None,
            asked_at: None,
            wait,
            is_repeated: false,
            heard: None,
            asked: 0,
        }
    }

    /// A packet of the stream has come.
    pub const fn heard(&mut self, now: Instant) {
        self.heard = Some(now);
    }

    /// The round trip has been measured.
    pub const fn set_round_trip(&mut self, round_trip: Duration) {
        self.round_trip = round_trip;
    }

    /// A key frame is needed; no matter how often this is said.
    pub fn need(&mut self, now: Instant) {
        if self.due.is_none() {
            self.wait = self.config.interval.max(self.round_trip + self.round_trip / 2);
            self.is_repeated = false;
            let earliest = self.asked_at.map_or(now, |asked| asked + self.wait.max(self.config.pause));
            self.due = Some(now.max(earliest));
        }
    }

    /// A key frame is here.
    pub const fn satisfied(&mut self) {
        self.due = None;
    }

    /// Whether to ask now.
    pub fn poll(&mut self, now: Instant) -> bool {
        if !self.is_heard(now) || self.due.is_none_or(|due| due > now) {
            return false;
        }
        self.asked += 1;
        self.asked_at = Some(now);
        self.due = Some(now + self.wait);
        if self.is_repeated {
            self.wait = (self.wait * 2).min(self.config.most.max(self.wait));
        }
        self.is_repeated = true;
        true
    }

    /// When to poll next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let last = self.heard? + self.config.silence;
        self.due.filter(|due| *due < last)
    }

    /// Whether a key frame is needed.
    pub const fn is_needed(&self) -> bool {
        self.due.is_some()
    }

    /// How often was asked (`pliCount`).
    pub const fn asked(&self) -> u64 {
        self.asked
    }

    fn is_heard(&self, now: Instant) -> bool {
        self.heard.is_some_and(|heard| now.since(heard) < self.config.silence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn it_asks_at_once_and_then_ever_more_rarely() {
        let mut requests = KeyRequests::new(Config::default());
        requests.heard(at(0));
        assert!(!requests.poll(at(0)));
        let mut told = std::vec::Vec::new();
        for millis in 0..10_000 {
            requests.heard(at(millis));
            requests.need(at(millis));
            if requests.poll(at(millis)) {
                told.push(millis);
            }
        }
        assert_eq!(told, [0, 300, 600, 1_200, 2_200, 3_200, 4_200, 5_200, 6_200, 7_200, 8_200, 9_200]);
        assert_eq!(requests.poll_timeout(), Some(at(10_200)));
    }

    #[test]
    fn a_new_need_soon_after_an_answer_waits_for_the_interval() {
        let mut requests = KeyRequests::new(Config::default());
        requests.set_round_trip(Duration::from_millis(400));
        requests.heard(at(0));
        requests.need(at(0));
        assert!(requests.poll(at(0)));
        requests.satisfied();
        requests.need(at(100));
        assert!(requests.is_needed() && !requests.poll(at(599)) && requests.poll(at(600)));
        assert_eq!(requests.asked(), 2);
    }

    #[test]
    fn those_who_come_one_by_one_share_key_frames() {
        let mut requests = KeyRequests::new(Config { pause: Duration::from_secs(1), ..Config::default() });
        let mut told = std::vec::Vec::new();
        for millis in 0..3_500 {
            requests.heard(at(millis));
            if millis % 100 == 0 {
                requests.need(at(millis));
            }
            if requests.poll(at(millis)) {
                told.push(millis);
            }
            // The first request is lost; others are answered 50 ms later.
            if told.last().is_some_and(|asked| *asked > 0 && millis == asked + 50) {
                requests.satisfied();
            }
        }
        assert_eq!(told, [0, 300, 1_300, 2_300, 3_300]);
    }

    #[test]
    fn a_silent_sender_is_not_asked() {
        let mut requests = KeyRequests::new(Config::default());
        requests.need(at(0));
        assert!(!requests.poll(at(0)) && requests.poll_timeout().is_none());
        requests.heard(at(0));
        assert!(!requests.poll(at(2_000)));
        requests.heard(at(2_500));
        assert!(requests.poll(at(2_500)));
    }
}
