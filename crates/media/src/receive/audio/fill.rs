//! What to append when less is ahead than is needed.

use peerage_base::time::Instant;
use peerage_rtp::numbers::Timestamp;

use super::decision::{Decision, Encoded};
use super::queue::{Entry, Kind};
use super::{AudioReceiver, Mode};
use crate::receive::stretch::FADED;

/// Gaps in the timestamps beyond this are jumped over, in seconds.
const MAX_GAP: u64 = 5;
/// What is counted of a gap among what waits, as part of a second.
pub(super) const GAP_PART: u64 = 5;

/// What is appended, already accounted for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fill {
    Take,
    Cover(u32),
    Conceal(u32),
    Noise(u32),
    Silence,
}

impl AudioReceiver {
    /// What to append; `None` if nothing is there and nothing must be.
    pub(super) fn fill(&mut self, now: Instant, must: bool) -> Option<Fill> {
        if let Mode::Waiting(since) = self.mode {
            let Some(first) = self.queue.first().filter(|_| since.is_some_and(|since| self.has_waited(now, since)))
            else {
                return must.then(|| {
                    self.ahead += self.step();
                    Fill::Silence
                });
            };
            self.next = first.at;
            self.mode = Mode::Sound;
        }
        self.drop_late();
        let Some(first) = self.queue.first() else {
            return must.then(|| self.underrun());
        };
        if first.at.saturating_sub(self.next) > MAX_GAP * u64::from(self.config.clock_rate) {
            self.next = first.at;
        }
        match self.mode {
            Mode::Quiet { .. } => self.fill_quiet(now, must),
            _ => self.fill_sound(now, must),
        }
    }

    fn fill_sound(&mut self, now: Instant, must: bool) -> Option<Fill> {
        if let Mode::Gap { owed, .. } = &mut self.mode {
            // What was made up while nothing was there stands for what is lost now.
            let gap = self.queue.first().map_or(0, |first| first.at.saturating_sub(self.next));
            let paid = gap.min(*owed);
            *owed -= paid;
            self.next += paid;
        }
        let first = self.queue.first()?;
        let gap = first.at.saturating_sub(self.next);
        if gap == 0 {
            return self.take(now);
        }
        if !must {
            return None;
        }
        let covers = u64::from(first.covers);
        if gap <= covers {
            return Some(self.cover(gap as u32));
        }
        let ticks = (gap - covers).min(self.step().into());
        self.next += ticks;
        self.conceal(ticks, 0);
        Some(Fill::Conceal(ticks as u32))
    }

    fn fill_quiet(&mut self, now: Instant, must: bool) -> Option<Fill> {
        let Mode::Quiet { ticks, held } = self.mode else { return None };
        let first = self.queue.first()?;
        let (is_sound, at) = (first.kind == Kind::Sound, first.at);
        let step = u64::from(self.step());
        let target = self.ticks(self.level.target());
        let there = self.ticks(self.there());
        if at <= self.next {
            // Noise overran: sound goes on where it begins, and silence is the time to get the delay right.
            self.next = self.next.saturating_sub(ticks).max(at);
            let there = self.queue.span(self.next, self.part(GAP_PART)) + u64::from(self.ahead);
            if is_sound && must && there + step <= target && held < target {
                self.mode = Mode::Quiet { ticks: 0, held: held + step };
                return Some(self.noise(step));
            }
            self.next = at;
            return self.take(now);
        }
        if !must {
            return None;
        }
        // Too much is there: a part of the silence can go.
        let surplus = there.saturating_sub(target + step);
        self.next += surplus.min(at - self.next);
        let ticks_now = step.min(at - self.next);
        if ticks_now == 0 {
            return self.take(now);
        }
        self.next += ticks_now;
        self.mode = Mode::Quiet { ticks: ticks + ticks_now, held };
        Some(self.noise(ticks_now))
    }

    /// Nothing is there to be decoded.
    fn underrun(&mut self) -> Fill {
        let step = u64::from(self.step());
        if let Mode::Quiet { ticks, held } = self.mode {
            self.next += step;
            self.mode = Mode::Quiet { ticks: ticks + step, held };
            return self.noise(step);
        }
        self.conceal(step, step);
        Fill::Conceal(step as u32)
    }

    fn noise(&mut self, ticks: u64) -> Fill {
        self.stats.comfort_noise += ticks;
        self.ahead += ticks as u32;
        Fill::Noise(ticks as u32)
    }

    fn conceal(&mut self, ticks: u64, owed: u64) {
        let faded = self.ticks(FADED);
        let stats = &mut self.stats;
        let (before, owed_before) = match self.mode {
            Mode::Gap { ticks, owed } => (ticks, owed),
            _ => {
                stats.concealment_events += 1;
                (0, 0)
            }
        };
        self.mode = Mode::Gap { ticks: before + ticks, owed: owed_before + owed };
        stats.concealed += ticks;
        stats.silent_concealed += if before >= faded { ticks } else { 0 };
        stats.longest_concealment = stats.longest_concealment.max(before + ticks);
        self.ahead += ticks as u32;
    }

    fn cover(&mut self, ticks: u32) -> Fill {
        self.next += u64::from(ticks);
        self.ahead += ticks;
        self.mode = Mode::Sound;
        self.stats.redundancy_used += 1;
        self.stats.emitted += u64::from(ticks);
        if let Some(first) = self.queue.first_mut() {
            first.covers = 0;
        }
        Fill::Cover(ticks)
    }

    /// Hands out the first.
    fn take(&mut self, now: Instant) -> Option<Fill> {
        let entry = self.queue.pop()?;
        let ticks = entry.ticks;
        let waited = now.since(entry.arrived) + self.span(self.ahead.into());
        let stats = &mut self.stats;
        stats.jitter_buffer_delay += waited * ticks;
        stats.jitter_buffer_target_delay += self.level.target() * ticks;
        stats.emitted += u64::from(ticks);
        stats.redundancy_used += u64::from(entry.is_redundant);
        self.next = entry.end();
        self.ahead += ticks;
        self.mode = match entry.kind {
            Kind::Sound => Mode::Sound,
            Kind::Silence => Mode::Quiet { ticks: 0, held: 0 },
        };
        self.current = Some(entry);
        Some(Fill::Take)
    }

    /// Drops what is over before it could be decoded.
    fn drop_late(&mut self) {
        let quiet = match self.mode {
            Mode::Quiet { ticks, .. } => ticks,
            _ => 0,
        };
        let floor = self.next.saturating_sub(quiet);
        self.stats.packets_discarded += self.queue.drop_while(|entry| entry.at < floor);
    }

    pub(super) fn decision(&self, fill: Fill) -> Decision<'_> {
        match fill {
            Fill::Take => self.current.as_ref().map(|entry| Decision::Decode(entry.encoded(entry.ticks))),
            Fill::Cover(ticks) => self.queue.first().map(|entry| Decision::DecodeRedundancy(entry.encoded(ticks))),
            Fill::Conceal(ticks) => Some(Decision::Conceal { ticks }),
            Fill::Noise(ticks) => Some(Decision::ComfortNoise { ticks }),
            Fill::Silence => None,
        }
        .unwrap_or(Decision::Silence { ticks: self.step() })
    }

    fn has_waited(&self, now: Instant, since: Instant) -> bool {
        let target = self.level.target();
        let first = self.queue.first().map_or(0, |first| first.at);
        now.since(since) >= target || self.queue.span(first, self.part(GAP_PART)) >= self.ticks(target)
    }
}

impl Entry {
    fn encoded(&self, ticks: u32) -> Encoded<'_> {
        Encoded {
            codec: self.codec,
            payload_type: self.payload_type,
            timestamp: Timestamp(self.at as u32),
            ticks,
            payload: &self.payload,
        }
    }
}
