//! The clocks of the sources that a forwarder switches between, by their sender reports.

use peerage_base::serial::Serial as _;
use peerage_base::time::{Duration, Instant};
use peerage_rtp::ntp::Ntp;
use peerage_rtp::numbers::{Ssrc, Timestamp};

/// Most sources.
const MAX_SOURCES: usize = 8;
/// Most that a timestamp may be ahead of the time that has passed; beyond it a sender report lies.
const MAX_AHEAD: Duration = Duration::from_secs(1);

/// A sender report.
#[derive(Clone, Copy, Debug)]
struct Told {
    source: Ssrc,
    ntp: Ntp,
    timestamp: Timestamp,
    /// When it came.
    at: Instant,
}

/// The last sender report of each source.
#[derive(Clone, Debug, Default)]
pub(super) struct Clocks {
    reports: [Option<Told>; MAX_SOURCES],
}

impl Clocks {
    /// A sender report has come.
    pub(super) fn report(&mut self, now: Instant, source: Ssrc, ntp: Ntp, timestamp: Timestamp) {
        let told = Told { source, ntp, timestamp, at: now };
        let known = self.reports.iter().position(|report| report.is_some_and(|report| report.source == source));
        let free = || self.reports.iter().position(Option::is_none);
        if let Some(place) = known.or_else(free) {
            self.reports[place] = Some(told);
        } else {
            self.reports.rotate_left(1);
            self.reports[MAX_SOURCES - 1] = Some(told);
        }
    }

    /// What must be added to timestamps of `to` to make them those of `from` at the same moment of sampling; `None` unless both
    /// have reported.
    pub(super) fn between(&self, from: Ssrc, to: Ssrc, clock_rate: u32) -> Option<u32> {
        let (from, to) = (self.find(from)?, self.find(to)?);
        let ticks = |span: Duration| (span.as_nanos() * u128::from(clock_rate) / 1_000_000_000) as u32;
        // Where `from` was at the moment of the report of `to`.
        let then = match (to.ntp.since(from.ntp), from.ntp.since(to.ntp)) {
            (Some(later), _) => from.timestamp.plus(ticks(later)),
            (None, Some(earlier)) => from.timestamp.plus(ticks(earlier).wrapping_neg()),
            (None, None) => return None,
        };
        Some(then.0.wrapping_sub(to.timestamp.0))
    }

    /// The timestamp that a source reported last, and when that came.
    pub(super) fn last(&self, source: Ssrc) -> Option<(Timestamp, Instant)> {
        self.find(source).map(|told| (told.timestamp, told.at))
    }

    /// How far the clock of a source's sender is ahead of ours, which says `ntp` at `now`, in units of 2^-32 s; less by the time
    /// that its report was on its way.
    pub(super) fn ahead(&self, source: Ssrc, now: Instant, ntp: Ntp) -> Option<i64> {
        let told = self.find(source)?;
        Some(told.ntp.plus(now.since(told.at)).0.wrapping_sub(ntp.0) as i64)
    }

    fn find(&self, source: Ssrc) -> Option<&Told> {
        self.reports.iter().flatten().find(|told| told.source == source)
    }
}

/// What must be added to the timestamp `first` of a new source, so that it goes on after the timestamp `last`, which was sent at
/// `at`: what reports say if that is after it and no more than a second beyond the time that has passed, else that time.
pub(super) fn go_on(
    told: Option<u32>,
    first: Timestamp,
    (last, at): (Timestamp, Instant),
    (now, clock_rate): (Instant, u32),
) -> u32 {
    let ticks = |span: Duration| (span.as_nanos() * u128::from(clock_rate) / 1_000_000_000).min(0x4000_0000) as u32;
    let passed = now.since(at);
    let most = i64::from(ticks(passed.saturating_add(MAX_AHEAD)));
    let is_sane = |offset: &u32| (1..=most).contains(&first.plus(*offset).distance(last));
    told.filter(is_sane).unwrap_or_else(|| last.plus(ticks(passed).max(1)).0.wrapping_sub(first.0))
}
