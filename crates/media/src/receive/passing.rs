//! A stream whose packets are passed on as they come: to others, or to whoever puts frames together himself.

use alloc::vec::Vec;

use peerage_base::time::{Duration, Instant, earliest};
use peerage_rtp::numbers::SequenceNumber;
use peerage_rtp::numbers::Ssrc;
use peerage_rtp::packet::Header;
use peerage_rtp::rtcp::report_block::ReportBlock;
use peerage_rtp::rtcp::sender_report::SenderInfo;

use super::key_request::{self, KeyRequests};
use super::nack::{self, Lost, Nacks, Origin};
use super::source::{self, Source, Verdict};

/// How packets are passed on.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Ticks of the timestamp in a second.
    pub clock_rate: u32,
    /// How missing packets are asked for; `None`, the default, asks for none.
    pub nack: Option<nack::Config>,
    /// How key frames are asked for.
    pub key_request: key_request::Config,
}

impl Config {
    /// For a stream of this clock, of which nothing is asked for again.
    pub fn new(clock_rate: u32) -> Self {
        Self { clock_rate, nack: None, key_request: key_request::Config::default() }
    }
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Packets that came again.
    pub duplicates: u64,
    /// Packets that came too late to be told from duplicates, or that are far from all others (`packetsDiscarded`).
    pub packets_discarded: u64,
    /// Packets that came as retransmissions (`retransmittedPacketsReceived`).
    pub retransmitted: u64,
    /// Requests for key frames (`pliCount`).
    pub key_requests: u64,
    /// Missing packets (`nackCount` is `rounds`).
    pub nack: nack::Stats,
    /// The stream as it arrived.
    pub source: source::Stats,
}

/// One stream.
#[derive(Clone, Debug)]
pub struct Passing {
    source: Source,
    nacks: Option<Nacks>,
    keys: KeyRequests,
    seen: Seen,
    lost: Vec<Lost>,
    stats: Stats,
}

impl Passing {
    /// A stream of which nothing has come.
    pub fn new(ssrc: Ssrc, config: Config) -> Self {
        let source = source::Config { clock_rate: config.clock_rate, ..source::Config::default() };
        Self {
            source: Source::new(ssrc, source),
            nacks: config.nack.map(Nacks::new),
            keys: KeyRequests::new(config.key_request),
            seen: Seen::default(),
            lost: Vec::new(),
            stats: Stats::default(),
        }
    }

    /// A packet of this stream: one that was repaired is as it was first sent. Answers its place if it is new; otherwise it is
    /// of no use.
    pub fn handle_packet(&mut self, now: Instant, header: &Header, payload_len: usize, origin: Origin) -> Option<u64> {
        let index = match origin {
            Origin::Sent => {
                match self.source.handle_packet(now, header.sequence_number, header.timestamp, payload_len) {
                    Verdict::Valid { index } => Some(index),
                    Verdict::Restarted { index } => {
                        self.seen = Seen::default();
                        if let Some(nacks) = &mut self.nacks {
                            nacks.clear();
                        }
                        Some(index)
                    }
                    Verdict::Invalid => None,
                }
            }
            _ => {
                self.stats.retransmitted += u64::from(origin == Origin::Retransmitted);
                self.source.index_of(header.sequence_number)
            }
        };
        let Some(index) = index else {
            self.stats.packets_discarded += 1;
            return None;
        };
        self.keys.heard(now);
        if let Some(Lost::Before { .. }) = self.nacks.as_mut().and_then(|n| n.handle_packet(now, index, origin)) {
            self.keys.need(now);
        }
        match self.seen.note(index) {
            Noted::New => Some(index),
            Noted::Again => {
                self.stats.duplicates += 1;
                None
            }
            Noted::Late => {
                self.stats.packets_discarded += 1;
                None
            }
        }
    }

    /// A sender report of this stream.
    pub fn handle_sender_report(&mut self, now: Instant, info: &SenderInfo) {
        self.source.handle_sender_report(now, info);
    }

    /// The round trip has been measured.
    pub fn set_round_trip(&mut self, round_trip: Duration) {
        self.keys.set_round_trip(round_trip);
        if let Some(nacks) = &mut self.nacks {
            nacks.set_round_trip(round_trip);
        }
    }

    /// A key frame is needed, until [`key_frame`](Self::key_frame) says that it has come.
    pub fn request_key_frame(&mut self, now: Instant) {
        self.keys.need(now);
    }

    /// A key frame has come.
    pub fn key_frame(&mut self) {
        self.keys.satisfied();
    }

    /// Appends the packets that are to be asked for now to `ask`, for one or more NACKs.
    pub fn poll_nack(&mut self, now: Instant, ask: &mut Vec<SequenceNumber>) {
        let Some(nacks) = &mut self.nacks else { return };
        self.lost.clear();
        nacks.poll(now, usize::MAX, ask, &mut self.lost);
    }

    /// Whether to ask for a key frame now.
    pub fn poll_key_request(&mut self, now: Instant) -> bool {
        self.keys.poll(now)
    }

    /// When to poll again.
    pub fn poll_timeout(&self) -> Option<Instant> {
        earliest(self.nacks.as_ref().and_then(Nacks::poll_timeout), self.keys.poll_timeout())
    }

    /// The block for the next report.
    pub fn report_block(&mut self, now: Instant) -> Option<ReportBlock> {
        self.source.report_block(now)
    }

    /// The stream as it arrives.
    pub const fn source(&self) -> &Source {
        &self.source
    }

    /// Counts since the start.
    pub fn stats(&self) -> Stats {
        Stats {
            key_requests: self.keys.asked(),
            nack: self.nacks.as_ref().map(Nacks::stats).unwrap_or_default(),
            source: self.source.stats(),
            ..self.stats
        }
    }
}

/// Packets back from the highest that are told from duplicates: more than a retransmission can be late.
const WINDOW: u64 = 4096;

/// Which of the last packets have come.
#[derive(Clone, Debug)]
struct Seen {
    /// One past the highest.
    next: u64,
    bits: [u64; WINDOW as usize / 64],
}

enum Noted {
    New,
    Again,
    Late,
}

impl Default for Seen {
    fn default() -> Self {
        Self { next: 0, bits: [0; WINDOW as usize / 64] }
    }
}

impl Seen {
    fn note(&mut self, index: u64) -> Noted {
        if index >= self.next {
            let from = self.next.max((index + 1).saturating_sub(WINDOW));
            (from..index).for_each(|skipped| self.set(skipped, false));
            self.next = index + 1;
        } else if index + WINDOW < self.next {
            return Noted::Late;
        } else if self.has(index) {
            return Noted::Again;
        }
        self.set(index, true);
        Noted::New
    }

    fn has(&self, index: u64) -> bool {
        self.bits[(index % WINDOW / 64) as usize] >> (index % 64) & 1 == 1
    }

    fn set(&mut self, index: u64, is_there: bool) {
        let word = &mut self.bits[(index % WINDOW / 64) as usize];
        *word = *word & !(1 << (index % 64)) | u64::from(is_there) << (index % 64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use peerage_rtp::numbers::Timestamp;
    use proptest::prelude::*;

    fn passing(nack: bool) -> Passing {
        let config = Config { nack: nack.then(nack::Config::default), ..Config::new(90_000) };
        Passing::new(Ssrc(5), config)
    }

    fn feed(passing: &mut Passing, millis: u64, number: u16, origin: Origin) -> Option<u64> {
        let header = Header {
            sequence_number: SequenceNumber(number),
            timestamp: Timestamp(millis as u32 * 90),
            ssrc: Ssrc(5),
            ..Header::default()
        };
        passing.handle_packet(Instant::from_millis(millis), &header, 100, origin)
    }

    #[test]
    fn every_packet_is_passed_on_once() {
        let mut passing = passing(true);
        assert!(feed(&mut passing, 0, 65_534, Origin::Sent).is_some());
        assert!(feed(&mut passing, 1, 1, Origin::Sent).is_some());
        assert!(feed(&mut passing, 2, 1, Origin::Sent).is_none());
        assert!(feed(&mut passing, 3, 0, Origin::Retransmitted).is_some());
        assert!(feed(&mut passing, 4, 0, Origin::Retransmitted).is_none());
        let stats = passing.stats();
        assert_eq!((stats.duplicates, stats.retransmitted, stats.source.packets), (2, 2, 3));
    }

    #[test]
    fn what_is_missing_is_asked_for_if_that_was_agreed_on() {
        for nack in [true, false] {
            let mut passing = passing(nack);
            assert!([1, 2, 5].into_iter().all(|n| feed(&mut passing, n.into(), n, Origin::Sent).is_some()));
            let mut ask = Vec::new();
            let at = passing.poll_timeout();
            assert_eq!(at.is_some(), nack);
            passing.poll_nack(Instant::from_millis(50), &mut ask);
            assert_eq!(ask.iter().map(|n| n.0).collect::<Vec<_>>(), if nack { &[3, 4][..] } else { &[] });
        }
    }

    #[test]
    fn a_key_frame_is_asked_for_until_it_is_there() {
        let mut passing = passing(false);
        feed(&mut passing, 0, 1, Origin::Sent);
        passing.request_key_frame(Instant::from_millis(1));
        assert!(passing.poll_key_request(Instant::from_millis(1)));
        assert!(!passing.poll_key_request(Instant::from_millis(2)));
        assert!(passing.poll_timeout().is_some());
        passing.key_frame();
        assert_eq!(passing.poll_timeout(), None);
    }

    proptest! {
        #[test]
        fn whatever_comes_no_place_is_passed_on_twice(numbers in prop::collection::vec(any::<u16>(), 1..400)) {
            let mut passing = passing(true);
            let mut seen = alloc::collections::BTreeSet::new();
            for (n, number) in numbers.into_iter().enumerate() {
                // Mostly near each other.
                let number = if n % 7 == 0 { number } else { number % 64 };
                if let Some(index) = feed(&mut passing, n as u64, number, Origin::Sent) {
                    prop_assert!(seen.insert(index));
                }
            }
        }
    }
}
