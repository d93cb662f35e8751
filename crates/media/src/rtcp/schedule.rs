//! When RTCP may be sent (RFC 3550 §6.2 and §6.3, RFC 4585 §3).
//!
//! Reports are sent at randomised intervals that keep RTCP within its bandwidth however many sources there are. Feedback does not
//! wait for them: as long as it stays within that bandwidth it leaves at once (immediate feedback mode, RFC 4585 §3.3), beyond
//! that once between two reports (early RTCP mode, §3.5.2), and beyond that with the reports.

use peerage_base::rng::Rng;
use peerage_base::time::{Duration, Instant};

/// Settings of a schedule.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Mean time between reports; 1 s, as browsers have it for video. They have 5 s for audio alone.
    pub interval: Duration,
    /// Bits per second for all RTCP of the session, both ways; 50,000. RFC 3550 §6.2 recommends a twentieth of the media's.
    pub bandwidth: u32,
    /// How much feedback may leave at once, in time of the bandwidth; 1 s.
    pub burst: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { interval: Duration::from_secs(1), bandwidth: 50_000, burst: Duration::from_secs(1) }
    }
}

/// Bytes of IP and UDP headers, which count (RFC 3550 §6.2).
const LOWER_LAYERS: usize = 28;
/// Guess of the size of a compound before any was seen, in bytes.
const FIRST_SIZE: f64 = 128.0;
/// What makes up for the mean of the reconsidered timer being too long: e - 3/2 (RFC 3550 §6.3.1).
const COMPENSATION: f64 = 1.218_281_828_459_045;
/// Least bandwidth that is reckoned with, in bytes per second.
const MIN_BANDWIDTH: f64 = 100.0;
/// Longest interval; a bandwidth of nothing or a flood of sources does not silence anyone for longer.
const MAX_INTERVAL: Duration = Duration::from_secs(120);

/// Whose time it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// A report, with all feedback that there is.
    Report,
    /// Feedback alone: reduced-size if that was agreed on, else behind a report of the least size.
    Feedback,
}

/// The timer of one session.
#[derive(Debug)]
pub struct Schedule {
    config: Config,
    rng: Rng,
    members: u32,
    senders: u32,
    we_send: bool,
    /// Mean size of RTCP packets, both ways, in bytes with those of the lower layers.
    mean_size: f64,
    is_first: bool,
    /// When the last report was sent, or the session began (tp).
    last: Instant,
    /// When the next one is due (tn).
    next: Instant,
    /// When feedback is due that was asked for.
    early: Option<Instant>,
    may_be_early: bool,
    /// Bytes of feedback that may leave at once, at `filled`.
    allowance: f64,
    filled: Instant,
}

impl Schedule {
    /// A session that begins at `now` with two members, of which none sends.
    pub fn new(config: Config, rng: Rng, now: Instant) -> Self {
        let mut schedule = Self {
            config,
            rng,
            members: 2,
            senders: 0,
            we_send: false,
            mean_size: FIRST_SIZE,
            is_first: true,
            last: now,
            next: now,
            early: None,
            may_be_early: true,
            allowance: 0.0,
            filled: now,
        };
        schedule.allowance = schedule.most_allowed();
        schedule.next = now + schedule.interval();
        schedule
    }

    /// How many sources there are, how many of them send, and whether one of ours does. If sources have left, the timer runs
    /// faster (reverse reconsideration, RFC 3550 §6.3.4).
    pub fn set_members(&mut self, now: Instant, members: u32, senders: u32, we_send: bool) {
        let members = members.max(1);
        if members < self.members {
            let part = f64::from(members) / f64::from(self.members);
            let scaled = |span: Duration| span.mul_f64(part);
            self.next = now + scaled(self.next.since(now));
            self.last = now - scaled(now.since(self.last));
        }
        (self.members, self.senders, self.we_send) = (members, senders.min(members), we_send);
    }

    /// Bits per second for all RTCP of the session.
    pub fn set_bandwidth(&mut self, now: Instant, bandwidth: u32) {
        self.fill(now);
        self.config.bandwidth = bandwidth;
        self.allowance = self.allowance.min(self.most_allowed());
    }

    /// Feedback waits to be sent.
    pub fn request(&mut self, now: Instant) {
        if self.early.is_some() {
            return;
        }
        self.fill(now);
        if self.allowance >= self.mean_size {
            self.early = Some(now);
        } else if self.may_be_early {
            // As soon as there is bandwidth again, unless a report comes first anyway.
            let wait = (self.mean_size - self.allowance) / self.rate();
            let at = now + seconds(wait);
            self.early = (at < self.next).then_some(at);
        }
    }

    /// What may be sent now. A report that is due is reconsidered first (RFC 3550 §6.3.6), which may put it off.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Due> {
        if now >= self.next {
            let at = self.last + self.interval();
            if at <= now {
                return Some(Due::Report);
            }
            self.next = at;
        }
        self.early.filter(|early| now >= *early).map(|_| Due::Feedback)
    }

    /// A compound of `size` bytes was sent; `due` is what it was.
    pub fn sent(&mut self, now: Instant, due: Due, size: usize) {
        self.fill(now);
        self.note_size(size);
        self.allowance = (self.allowance - (size + LOWER_LAYERS) as f64).max(-self.most_allowed());
        self.early = None;
        match due {
            Due::Report => {
                (self.last, self.is_first, self.may_be_early) = (now, false, true);
                self.next = now + self.interval();
            }
            Due::Feedback => self.may_be_early = self.allowance >= 0.0,
        }
    }

    /// A compound of `size` bytes was received.
    pub fn received(&mut self, size: usize) {
        self.note_size(size);
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to say.
    pub fn poll_timeout(&self) -> Instant {
        self.early.map_or(self.next, |early| early.min(self.next))
    }

    /// A randomised interval (RFC 3550 §6.3.1).
    fn interval(&mut self) -> Duration {
        let (members, senders) = (f64::from(self.members), f64::from(self.senders));
        // Few senders share a quarter of the bandwidth, so that newcomers soon learn their names.
        let (part, sharing) = match senders <= members * 0.25 {
            true if self.we_send => (0.25, senders),
            true => (0.75, members - senders),
            false => (1.0, members),
        };
        let fair = self.mean_size * sharing.max(1.0) / (self.rate() * part);
        let least = self.config.interval.as_secs_f64() * if self.is_first { 0.5 } else { 1.0 };
        seconds(fair.max(least) * (0.5 + self.rng.unit()) / COMPENSATION)
    }

    fn note_size(&mut self, size: usize) {
        self.mean_size += ((size + LOWER_LAYERS) as f64 - self.mean_size) / 16.0;
    }

    fn fill(&mut self, now: Instant) {
        let gained = now.since(self.filled).as_secs_f64() * self.rate();
        self.allowance = (self.allowance + gained).min(self.most_allowed());
        self.filled = self.filled.max(now);
    }

    /// Bytes per second.
    fn rate(&self) -> f64 {
        (f64::from(self.config.bandwidth) / 8.0).max(MIN_BANDWIDTH)
    }

    fn most_allowed(&self) -> f64 {
        self.rate() * self.config.burst.as_secs_f64()
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(MAX_INTERVAL).min(MAX_INTERVAL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const SIZE: usize = 100;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    /// The times between reports until `end`.
    fn intervals(schedule: &mut Schedule, end: Instant) -> Vec<f64> {
        let mut all = Vec::new();
        let mut last = None;
        while schedule.poll_timeout() < end {
            let now = schedule.poll_timeout();
            if schedule.handle_timeout(now) == Some(Due::Report) {
                schedule.sent(now, Due::Report, SIZE);
                all.extend(last.replace(now).map(|last| now.since(last).as_secs_f64()));
            }
        }
        all
    }

    fn mean(values: &[f64]) -> f64 {
        values.iter().sum::<f64>() / values.len() as f64
    }

    #[test]
    fn reports_are_a_second_apart_on_average_and_never_regular() {
        let mut schedule = Schedule::new(Config::default(), Rng::from_u64(1), at(0));
        let intervals = intervals(&mut schedule, at(2_000_000));
        let mean = mean(&intervals);
        assert!((0.9..1.1).contains(&mean), "{mean}");
        let (least, most) = intervals.iter().fold((9.0f64, 0.0f64), |(a, b), x| (a.min(*x), b.max(*x)));
        assert!(least >= 0.41 && most <= 1.24 && most - least > 0.6, "{least} to {most}");
    }

    #[test]
    fn the_first_report_comes_after_half_the_time() {
        let first = |seed| {
            let schedule = Schedule::new(Config::default(), Rng::from_u64(seed), at(0));
            schedule.poll_timeout().since(at(0)).as_secs_f64()
        };
        let times: Vec<f64> = (0..200).map(first).collect();
        assert!((0.35..0.47).contains(&mean(&times)), "{}", mean(&times));
    }

    #[test]
    fn many_sources_keep_within_the_bandwidth_together() {
        // 400 of them, of which each uses its share: 1.6 kB a second for packets of 128 bytes.
        let config = Config { bandwidth: 12_800, ..Config::default() };
        let mut schedule = Schedule::new(config, Rng::from_u64(2), at(0));
        schedule.set_members(at(0), 400, 400, true);
        let intervals = intervals(&mut schedule, at(20_000_000));
        let share = SIZE as f64 + LOWER_LAYERS as f64;
        let all = 400.0 * share / mean(&intervals);
        assert!((1400.0..1800.0).contains(&all), "{all} bytes a second");
    }

    #[test]
    fn senders_that_are_few_have_a_quarter_to_themselves() {
        let means = [true, false].map(|we_send| {
            let mut schedule = Schedule::new(Config { bandwidth: 8000, ..Config::default() }, Rng::from_u64(3), at(0));
            schedule.set_members(at(0), 1000, 10, we_send);
            mean(&intervals(&mut schedule, at(20_000_000)))
        });
        assert!(means[0] * 20.0 < means[1], "{means:?}");
    }

    #[test]
    fn sources_that_leave_bring_the_next_report_closer() {
        let mut schedule = Schedule::new(Config { bandwidth: 800, ..Config::default() }, Rng::from_u64(4), at(0));
        schedule.set_members(at(0), 1000, 0, false);
        schedule.sent(at(0), Due::Report, SIZE);
        let before = schedule.poll_timeout();
        schedule.set_members(at(0), 2, 0, false);
        assert!(schedule.poll_timeout().since(at(0)) * 100 <= before.since(at(0)));
    }

    #[test]
    fn feedback_leaves_at_once_until_it_takes_too_much() {
        let config = Config::default();
        let mut schedule = Schedule::new(config, Rng::from_u64(5), at(0));
        let mut sent = 0;
        for millis in 0..10_000 {
            let now = at(millis);
            schedule.request(now);
            match schedule.handle_timeout(now) {
                Some(due) => {
                    schedule.sent(now, due, SIZE);
                    sent += SIZE + LOWER_LAYERS;
                }
                None => assert!(millis > 40, "the first ones go at once"),
            }
        }
        // 10 s and the burst at 6,250 bytes a second, and the reports.
        assert!((50_000..75_000).contains(&sent), "{sent} bytes");
    }

    #[test]
    fn a_bandwidth_of_nothing_and_clocks_that_stand_still_do_no_harm() {
        let config = Config { bandwidth: 0, interval: Duration::ZERO, burst: Duration::ZERO };
        let mut schedule = Schedule::new(config, Rng::from_u64(6), at(5));
        schedule.set_members(at(0), u32::MAX, 0, false);
        for _ in 0..10 {
            schedule.request(at(1));
            schedule.handle_timeout(at(1));
            schedule.sent(at(0), Due::Feedback, usize::from(u16::MAX));
        }
        assert!(schedule.poll_timeout() <= at(5) + MAX_INTERVAL);
    }
}
