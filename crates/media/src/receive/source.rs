//! Statistics of one stream as it arrives (RFC 3550 §A.1, §A.3, §A.8), before anything is repaired.

use peerage_base::time::Instant;
use peerage_rtp::ntp::{Compact, Ntp};
use peerage_rtp::numbers::{SequenceNumber, Ssrc, Timestamp};
use peerage_rtp::report::{self, Jitter};
use peerage_rtp::rtcp::report_block::ReportBlock;
use peerage_rtp::rtcp::sender_report::SenderInfo;

/// Where counting starts: room below for packets that come before the first one.
const ORIGIN: u64 = 1 << 16;
/// Greatest gap that is taken for loss; more is a sender that starts anew (RFC 3550 §A.1).
pub const MAX_DROPOUT: i64 = 3_000;
/// How far behind a packet may come. RFC 3550 §A.1 has 100; retransmissions in the stream itself come later than that.
pub const MAX_MISORDER: i64 = 1_000;

/// How a stream is judged.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Ticks of the timestamp in a second; 90,000. Jitter is counted in them.
    pub clock_rate: u32,
    /// Packets in sequence that a new stream must show before it counts (RFC 3550 §A.1); 0, for what SRTP let through is
    /// known to be the peer's.
    pub probation: u8,
}

impl Default for Config {
    fn default() -> Self {
        Self { clock_rate: 90_000, probation: 0 }
    }
}

/// What a packet is to its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It belongs at this place.
    Valid {
        /// Its sequence number with the wraps counted. The first packet has 65536 plus its number.
        index: u64,
    },
    /// It belongs at this place and the stream starts anew with it: what is kept of before is of no use.
    Restarted {
        /// As above; higher than all before.
        index: u64,
    },
    /// Not to be used: the stream has not shown enough packets in sequence, or this one is far from all others.
    Invalid,
}

impl Verdict {
    /// The place, if it has one.
    pub const fn index(self) -> Option<u64> {
        match self {
            Self::Valid { index } | Self::Restarted { index } => Some(index),
            Self::Invalid => None,
        }
    }
}

/// The moment at which a sender report was made, on three clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderClock {
    /// The sender's wall clock.
    pub ntp: Ntp,
    /// The stream's clock.
    pub timestamp: Timestamp,
    /// Ours, when the report arrived.
    pub arrived: Instant,
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Packets received, duplicates and late ones included (`packetsReceived`).
    pub packets: u64,
    /// Bytes of payload received (`bytesReceived`).
    pub bytes: u64,
    /// Packets refused as far from all others.
    pub invalid: u64,
    /// Times that the stream started anew.
    pub restarts: u64,
}

/// One stream. Duplicates are not told apart here, as RFC 3550 has it: whoever keeps packets does that.
#[derive(Clone, Debug)]
pub struct Source {
    ssrc: Ssrc,
    config: Config,
    state: State,
    jitter: Jitter,
    /// When the last packet came and what its timestamp was.
    last: Option<(Instant, Timestamp)>,
    sender: Option<SenderClock>,
    stats: Stats,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Idle,
    Probation { expected: SequenceNumber, left: u8 },
    Running(Counts),
}

#[derive(Clone, Copy, Debug)]
struct Counts {
    base: u64,
    highest: u64,
    received: u64,
    /// The number that proves a jump if it comes next.
    suspect: Option<SequenceNumber>,
    /// Expected and received at the last report.
    reported: (u64, u64),
}

impl Counts {
    const fn from(index: u64) -> Self {
        Self { base: index, highest: index, received: 0, suspect: None, reported: (0, 0) }
    }

    const fn expected(&self) -> u64 {
        self.highest - self.base + 1
    }
}

impl Source {
    /// A stream of which nothing has come.
    pub fn new(ssrc: Ssrc, config: Config) -> Self {
        Self {
            ssrc,
            config,
            state: State::Idle,
            jitter: Jitter::default(),
            last: None,
            sender: None,
            stats: Stats::default(),
        }
    }

    /// A packet has arrived as sent; not to be called for what was retransmitted in another stream, or recovered.
    pub fn handle_packet(
        &mut self,
        now: Instant,
        number: SequenceNumber,
        timestamp: Timestamp,
        payload_len: usize,
    ) -> Verdict {
        let verdict = self.place(number);
        match verdict {
            Verdict::Invalid => {
                self.stats.invalid += 1;
                return verdict;
            }
            Verdict::Restarted { .. } => {
                self.stats.restarts += 1;
                self.last = None;
            }
            Verdict::Valid { .. } => {}
        }
        self.stats.packets += 1;
        self.stats.bytes += payload_len as u64;
        self.measure(now, timestamp);
        verdict
    }

    /// A sender report of this stream has arrived.
    pub fn handle_sender_report(&mut self, now: Instant, info: &SenderInfo) {
        self.sender = Some(SenderClock { ntp: info.ntp, timestamp: info.timestamp, arrived: now });
    }

    /// The block for the next report; `None` if nothing has come. What is lost is counted from one to the next.
    pub fn report_block(&mut self, now: Instant) -> Option<ReportBlock> {
        let State::Running(counts) = &mut self.state else { return None };
        let (expected, received) = (counts.expected(), counts.received);
        let since = |now: u64, then: u64| u32::try_from(now.saturating_sub(then)).unwrap_or(u32::MAX);
        let (before_expected, before_received) = counts.reported;
        let fraction_lost = report::fraction_lost(since(expected, before_expected), since(received, before_received));
        counts.reported = (expected, received);
        let (last_sender_report, delay) = match self.sender {
            Some(clock) => (clock.ntp.compact(), Compact::from_span(now.since(clock.arrived))),
            None => (Compact::default(), Compact::default()),
        };
        Some(ReportBlock {
            ssrc: self.ssrc,
            fraction_lost,
            cumulative_lost: report::cumulative_lost(expected, received),
            highest: (counts.highest - ORIGIN) as u32,
            jitter: self.jitter.ticks(),
            last_sender_report,
            delay,
        })
    }

    /// Where a packet belongs that came by another way (retransmitted, recovered); `None` before the stream has begun.
    pub fn index_of(&self, number: SequenceNumber) -> Option<u64> {
        match &self.state {
            State::Running(counts) => Some(number.nearest(counts.highest)),
            _ => None,
        }
    }

    /// The stream.
    pub const fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// Interarrival jitter in ticks.
    pub const fn jitter(&self) -> u32 {
        self.jitter.ticks()
    }

    /// Packets lost in all, less duplicates (`packetsLost`).
    pub fn lost(&self) -> i64 {
        match &self.state {
            State::Running(counts) => counts.expected() as i64 - counts.received as i64,
            _ => 0,
        }
    }

    /// The last sender report.
    pub const fn sender_clock(&self) -> Option<SenderClock> {
        self.sender
    }

    /// Counts since the start.
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    fn place(&mut self, number: SequenceNumber) -> Verdict {
        match &mut self.state {
            State::Idle if self.config.probation == 0 => self.start(number),
            State::Idle => self.wait(number),
            State::Probation { expected, left } if *expected == number => match *left {
                0 | 1 => self.start(number),
                _ => {
                    (*expected, *left) = (number.next(), *left - 1);
                    Verdict::Invalid
                }
            },
            State::Probation { .. } => self.wait(number),
            State::Running(counts) => counts.place(number),
        }
    }

    fn wait(&mut self, number: SequenceNumber) -> Verdict {
        self.state = State::Probation { expected: number.next(), left: self.config.probation };
        Verdict::Invalid
    }

    fn start(&mut self, number: SequenceNumber) -> Verdict {
        let index = ORIGIN + u64::from(number.0);
        self.state = State::Running(Counts { received: 1, ..Counts::from(index) });
        Verdict::Valid { index }
    }

    /// RFC 3550 §6.4.1: the difference of the relative transit times of two packets.
    fn measure(&mut self, now: Instant, timestamp: Timestamp) {
        if let Some((then, before)) = self.last.replace((now, timestamp)) {
            let elapsed = now.since(then).as_nanos().saturating_mul(self.config.clock_rate.into()) / 1_000_000_000;
            let ticks = timestamp.0.wrapping_sub(before.0);
            self.jitter = self.jitter.after((elapsed as u32).wrapping_sub(ticks) as i32);
        }
    }
}

impl Counts {
    fn place(&mut self, number: SequenceNumber) -> Verdict {
        let index = number.nearest(self.highest);
        let step = index as i64 - self.highest as i64;
        if (-MAX_MISORDER..=MAX_DROPOUT).contains(&step) {
            self.suspect = None;
            self.received += 1;
            self.highest = self.highest.max(index);
            // One from before the first was expected too.
            self.base = self.base.min(index);
            return Verdict::Valid { index };
        }
        if self.suspect != Some(number) {
            self.suspect = Some(number.next());
            return Verdict::Invalid;
        }
        // Two in sequence: the sender has jumped. Always upwards here, so that indices stay unique.
        let index = if step > 0 { index } else { index + (1 << 16) };
        *self = Self { received: 1, ..Self::from(index) };
        Verdict::Restarted { index }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use peerage_base::time::Duration;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    fn source() -> Source {
        Source::new(Ssrc(7), Config::default())
    }

    fn feed(source: &mut Source, millis: u64, number: u16) -> Verdict {
        let timestamp = Timestamp((millis as u32).wrapping_mul(90));
        source.handle_packet(Instant::from_millis(millis), SequenceNumber(number), timestamp, 100)
    }

    #[test]
    fn wraps_are_counted_and_losses_reported() {
        let mut source = source();
        for n in 0..10u16 {
            if n != 4 {
                feed(&mut source, 10 * u64::from(n), 65_530u16.wrapping_add(n));
            }
        }
        let block = source.report_block(Instant::from_millis(100)).unwrap();
        assert_eq!((block.ssrc, block.highest, block.cumulative_lost, block.fraction_lost), (Ssrc(7), 0x1_0003, 1, 25));
        assert_eq!((block.jitter, block.last_sender_report), (0, Compact(0)));
        assert_eq!(source.report_block(Instant::from_millis(100)).unwrap().fraction_lost, 0);
        assert_eq!((source.lost(), source.stats().bytes), (1, 900));
    }

    #[test]
    fn a_packet_from_before_the_first_has_a_place() {
        let mut source = source();
        assert_eq!(feed(&mut source, 0, 0), Verdict::Valid { index: 0x1_0000 });
        assert_eq!(feed(&mut source, 1, 65_535), Verdict::Valid { index: 0xFFFF });
        assert_eq!(source.lost(), 0);
    }

    #[test]
    fn sender_reports_are_echoed_with_their_age() {
        let mut source = source();
        assert_eq!(source.report_block(Instant::ORIGIN), None);
        let info = SenderInfo { ssrc: Ssrc(7), ntp: Ntp(0x1111_2222_3333_4444), ..SenderInfo::default() };
        source.handle_sender_report(Instant::from_millis(1000), &info);
        feed(&mut source, 1000, 1);
        let block = source.report_block(Instant::from_millis(1500)).unwrap();
        assert_eq!((block.last_sender_report, block.delay), (Compact(0x2222_3333), Compact(0x8000)));
    }

    #[test]
    fn one_stray_packet_is_refused_and_two_in_sequence_are_a_new_start() {
        let mut source = source();
        feed(&mut source, 0, 100);
        assert_eq!(feed(&mut source, 1, 20_000), Verdict::Invalid);
        assert_eq!(feed(&mut source, 2, 101), Verdict::Valid { index: 0x1_0065 });
        assert_eq!(feed(&mut source, 3, 60_000), Verdict::Invalid);
        let Verdict::Restarted { index } = feed(&mut source, 4, 60_001) else { panic!("not restarted") };
        assert!(index > 0x1_0065 && index as u16 == 60_001);
        assert_eq!((source.lost(), source.stats().invalid, source.stats().restarts), (0, 2, 1));
    }

    #[test]
    fn a_stream_on_probation_counts_once_it_is_in_sequence() {
        let mut source = Source::new(Ssrc(1), Config { probation: 2, ..Config::default() });
        let valid = [(5, false), (9, false), (10, false), (11, true), (12, true)];
        for (number, is_valid) in valid {
            assert_eq!(feed(&mut source, number.into(), number).index().is_some(), is_valid, "{number}");
        }
    }

    #[test]
    fn jitter_is_that_of_transit_times() {
        let mut source = source();
        for n in 0..400u32 {
            let late = MS * (n % 2 * 10);
            let at = Instant::from_millis(20 * u64::from(n)) + late;
            source.handle_packet(at, SequenceNumber(n as u16), Timestamp(n.wrapping_mul(1800)), 1);
        }
        // 10 ms of 90 kHz, to and fro.
        assert!((890..=900).contains(&source.jitter()), "{}", source.jitter());
    }

    proptest! {
        #[test]
        fn whatever_comes_indices_keep_their_low_bits_and_counts_hold(numbers in prop::collection::vec(any::<u16>(), 1..300)) {
            let mut source = source();
            let mut highest = 0;
            for (n, number) in numbers.into_iter().enumerate() {
                let verdict = feed(&mut source, n as u64, number);
                if let Some(index) = verdict.index() {
                    prop_assert_eq!(index as u16, number);
                    if let Verdict::Restarted { index } = verdict {
                        prop_assert!(index > highest);
                    }
                    highest = highest.max(index);
                }
                prop_assert!(source.report_block(Instant::from_millis(n as u64)).is_some());
            }
            let stats = source.stats();
            prop_assert!(source.lost() >= -(stats.packets as i64));
        }
    }
}
