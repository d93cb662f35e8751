//! The receive window: how much of it is granted, and what one channel may take of it.

use crate::config::{Config, OnShareExceeded};
use peerage_base::time::{Duration, Instant};

/// What is granted at first, as far as the settings allow, in bytes: enough for the first rounds of any sender.
const FIRST: usize = 512 * 1024;
/// Reading half of the window within this many round trips doubles it. A sender that doubles its rate each round trip has
/// then a quarter of the window under way at most, and is never held back.
const ROUNDS: u32 = 4;
/// Taken for the round trip while none is known, and the least that is reckoned with: on a faster path it is the reader's
/// scheduling that decides how much piles up.
const UNKNOWN_ROUND: Duration = Duration::from_millis(100);
const LEAST_ROUND: Duration = Duration::from_millis(10);

/// What a chunk is waited for as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// The next one.
    First,
    /// One that is missing before what has arrived.
    Gap,
    /// None of these.
    No,
}

#[derive(Debug)]
pub(crate) struct Window {
    most: usize,
    size: usize,
    /// Bytes that one channel may hold unread.
    share: usize,
    closes_offender: bool,
    /// Channels that are over their share.
    over: u32,
    /// Bytes that the last SACK announced.
    announced: usize,
    /// Bytes read since then.
    read: usize,
    since: Instant,
}

impl Window {
    pub(crate) fn new(config: &Config) -> Self {
        let most = config.receive_window;
        let closes_offender = config.on_share_exceeded == OnShareExceeded::CloseChannel;
        // A message has to fit, and half of the window to be readable while one arrives.
        let first = FIRST.max(2 * config.max_message_size);
        Self {
            most,
            // A share must not change under those who have to keep to it.
            size: if closes_offender { most } else { first.min(most) },
            share: most / 100 * usize::from(config.channel_share.clamp(1, 100)),
            closes_offender,
            over: 0,
            announced: most,
            read: 0,
            since: Instant::ORIGIN,
        }
    }

    /// The owner has read `bytes` on a path with this round trip, if known. Grants more to an owner who keeps reading.
    pub(crate) fn read(&mut self, now: Instant, bytes: usize, round_trip: Option<Duration>) {
        if self.size == self.most {
            return;
        }
        if now.since(self.since) > round_trip.unwrap_or(UNKNOWN_ROUND).max(LEAST_ROUND) * ROUNDS {
            (self.read, self.since) = (0, now);
        }
        self.read += bytes;
        if self.read >= self.size / 2 {
            self.widen();
            (self.read, self.since) = (0, now);
        }
    }

    /// Grants twice as much, as far as the settings allow.
    pub(crate) fn widen(&mut self) {
        self.size = (self.size * 2).min(self.most);
    }

    /// A SACK announced this much.
    pub(crate) fn announced(&mut self, bytes: usize) {
        self.announced = bytes;
    }

    /// A channel went over its share.
    pub(crate) fn went_over(&mut self) {
        self.over += 1;
    }

    /// A channel that was over its share is not any more.
    pub(crate) fn came_back(&mut self) {
        self.over -= 1;
    }

    /// Bytes that may be announced while `held` are held.
    pub(crate) fn free(&self, held: usize) -> usize {
        if self.over > 0 && !self.closes_offender { 0 } else { self.size.saturating_sub(held) }
    }

    /// Whether the peer has to be told that there is room again: it was told of little, and there is much more.
    pub(crate) fn has_opened(&self, held: usize) -> bool {
        self.announced < self.size / 2 && self.free(held) >= self.announced + self.size / 8
    }

    /// Whether a chunk may be taken while `held` are held, `unread` of them complete and in turn.
    ///
    /// Those waited for may go beyond the window a little: there was room for them when they were sent, and what they are
    /// missing from cannot be read without them. The first may go furthest, as it frees the rest: while the owner reads, as
    /// far again as the window reaches, because what came beyond the gap may have filled that, and waits for all that is
    /// missing; and because buffers of messages that were begun take up to twice what is in them, which the peer could not
    /// know when it began them.
    pub(crate) fn has_room(&self, held: usize, unread: usize, waited: Waited) -> bool {
        let slack = match waited {
            Waited::No => 0,
            Waited::First if unread < self.size / 2 => self.size,
            Waited::First => self.size / 8,
            Waited::Gap => self.size / 16,
        };
        held < self.size + slack
    }

    /// Bytes that one channel may hold unread, with what holding them costs.
    pub(crate) fn share(&self) -> usize {
        self.share
    }

    /// Whether a channel that holds more than its share is closed.
    pub(crate) fn closes_offender(&self) -> bool {
        self.closes_offender
    }

    /// Panics if not as many channels as this are over their share, or if more is held than twice the window, one packet, and
    /// a message that has grown by then.
    #[cfg(any(test, feature = "fuzz"))]
    pub(crate) fn audit(&self, held: usize, over: usize, message: usize) {
        assert_eq!(self.over as usize, over);
        assert!(self.size <= self.most && held <= 2 * self.size + 65_536 + 2 * message, "{held} held");
    }

    /// Bytes granted.
    pub(crate) fn size(&self) -> usize {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND: Duration = Duration::from_millis(100);

    #[test]
    fn a_sender_that_doubles_each_round_is_never_held_back() {
        let mut window = Window::new(&Config::default());
        let (mut flight, mut now) = (12_000, Instant::ORIGIN);
        while flight < window.most {
            assert!(flight <= window.free(0) || window.size() == window.most, "{flight} of {}", window.size());
            for _ in 0..10 {
                now += ROUND / 10;
                window.read(now, flight / 10, Some(ROUND));
            }
            flight *= 2;
        }
        assert_eq!(window.size(), window.most);
    }

    #[test]
    fn an_owner_who_reads_little_or_nothing_is_granted_no_more() {
        let mut window = Window::new(&Config::default());
        for n in 0..10_000u64 {
            window.read(Instant::from_nanos(n * 10_000_000), 1000, Some(ROUND));
        }
        assert_eq!((window.size(), window.free(FIRST)), (FIRST, 0));
    }

    #[test]
    fn a_peer_that_knows_of_much_room_or_would_gain_little_is_not_told_again() {
        let mut window = Window::new(&Config::default());
        window.announced(FIRST / 4 * 3);
        assert!(!window.has_opened(0));
        window.announced(FIRST / 4);
        assert!(window.has_opened(0) && !window.has_opened(FIRST / 4 * 3 - FIRST / 16));
    }

    #[test]
    fn two_of_the_greatest_messages_fit_from_the_beginning() {
        let config = Config { max_message_size: 1 << 20, ..Config::default() };
        assert_eq!(Window::new(&config).size(), 2 << 20);
        assert_eq!(Window::new(&Config { receive_window: 50_000, ..config }).size(), 50_000);
    }
}
