//! Telephone events (RFC 4733 §2.3): keys pressed, as names rather than sounds.
//!
//! ```text
//! | event (8) | E | R | volume (6) | duration (16) |
//! ```
//!
//! Every packet of an event has the timestamp at which the event began and tells how long it has lasted. The last one says
//! so and is sent three times.

use crate::error::ParseError;
use crate::numbers::Timestamp;
use peerage_base::serial::Serial as _;

/// Length of a payload in bytes.
pub const LEN: usize = 4;
/// How often the end of an event is told (RFC 4733 §2.5.1.4).
pub const END_REPEATS: u8 = 3;

const MAX_DURATION: u32 = u16::MAX as u32;

/// Number of an event; 0 to 15 are the keys of a telephone (RFC 4733 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Event(pub u8);

impl Event {
    /// The event of a key: `0` to `9`, `*`, `#`, `A` to `D` in either case.
    pub const fn from_key(key: char) -> Option<Self> {
        match key {
            '0'..='9' => Some(Self(key as u8 - b'0')),
            '*' => Some(Self(10)),
            '#' => Some(Self(11)),
            'A'..='D' => Some(Self(key as u8 - b'A' + 12)),
            'a'..='d' => Some(Self(key as u8 - b'a' + 12)),
            _ => None,
        }
    }

    /// The key of an event, if it is that of a key.
    pub const fn key(self) -> Option<char> {
        match self.0 {
            0..=9 => Some((b'0' + self.0) as char),
            10 => Some('*'),
            11 => Some('#'),
            12..=15 => Some((b'A' + self.0 - 12) as char),
            _ => None,
        }
    }
}

/// What one packet tells of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The event.
    pub event: Event,
    /// Whether it has ended.
    pub is_end: bool,
    /// Level in dB below 1 mW, 0 to 63: greater is quieter.
    pub volume: u8,
    /// How long it has lasted since the packet's timestamp, in ticks.
    pub duration: u16,
}

impl Report {
    /// Reads a payload; what follows the first report (other events of old senders) is ignored.
    ///
    /// # Errors
    /// If it is shorter than [`LEN`].
    pub fn parse(payload: &[u8]) -> Result<Self, ParseError> {
        let [event, second, high, low] = *payload.first_chunk().ok_or(ParseError::Truncated("telephone event"))?;
        let duration = u16::from_be_bytes([high, low]);
        Ok(Self { event: Event(event), is_end: second & 0x80 != 0, volume: second & 0x3F, duration })
    }

    /// The payload.
    pub const fn to_bytes(self) -> [u8; LEN] {
        let volume = if self.volume > 63 { 63 } else { self.volume };
        let [high, low] = self.duration.to_be_bytes();
        [self.event.0, ((self.is_end as u8) << 7) | volume, high, low]
    }
}

/// A payload to be sent, and what its packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The payload.
    pub payload: [u8; LEN],
    /// Timestamp of the packet.
    pub timestamp: Timestamp,
    /// Marker of the packet: the event begins.
    pub marker: bool,
}

/// An event while it is sent. Its owner has the clock: it asks for a packet every 20 to 50 ms.
#[derive(Clone, Copy, Debug)]
pub struct Sender {
    event: Event,
    volume: u8,
    /// When the present segment began; an event longer than a duration can tell has several (RFC 4733 §2.5.1.3).
    segment: Timestamp,
    is_first: bool,
    /// When it ended, and how often that is yet to be told.
    end: Option<(Timestamp, u8)>,
}

impl Sender {
    /// An event that begins at `start`, `volume` dB below 1 mW (at most 63).
    pub const fn new(event: Event, volume: u8, start: Timestamp) -> Self {
        Self { event, volume, segment: start, is_first: true, end: None }
    }

    /// The event ends at `now`. Ask [`next`](Self::next) for packets until there are none; they may leave at once.
    pub fn finish(&mut self, now: Timestamp) {
        self.end.get_or_insert((now, END_REPEATS));
    }

    /// The packet to send at `now`; `None` once the end has been told often enough.
    pub fn next(&mut self, now: Timestamp) -> Option<Outgoing> {
        let until = self.end.map_or(now, |(end, _)| end);
        let lasted = u32::try_from(until.distance(self.segment)).unwrap_or(0);
        let timestamp = self.segment;
        let mut is_end = false;
        if lasted > MAX_DURATION {
            self.segment = self.segment.plus(MAX_DURATION);
        } else if let Some((_, left)) = &mut self.end {
            *left = left.checked_sub(1)?;
            is_end = true;
        }
        let duration = lasted.min(MAX_DURATION) as u16;
        let payload = Report { event: self.event, is_end, volume: self.volume, duration }.to_bytes();
        Some(Outgoing { payload, timestamp, marker: core::mem::take(&mut self.is_first) })
    }
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It began.
    Started(Event),
    /// It still lasts.
    Lasts(Event),
    /// It ended, after this many ticks. Nothing may have told that it began, if those packets were lost.
    Ended(Event, u32),
}

/// Events as they arrive: repeats and late packets are no change.
#[derive(Clone, Copy, Debug, Default)]
pub struct Receiver {
    present: Option<Present>,
}

#[derive(Clone, Copy, Debug)]
struct Present {
    event: Event,
    segment: Timestamp,
    /// Length of the segments before.
    before: u32,
    duration: u16,
    has_ended: bool,
}

impl Receiver {
    /// Takes a packet's report.
    pub fn handle(&mut self, timestamp: Timestamp, report: Report) -> Option<Change> {
        let Report { event, is_end, duration, .. } = report;
        let known = self.present.filter(|present| !present.segment.before(timestamp));
        let Some(mut present) = known else {
            let continued = self
                .present
                .filter(|old| old.event == event && !old.has_ended && old.segment.plus(MAX_DURATION) == timestamp);
            let before = continued.map_or(0, |old| old.before.saturating_add(MAX_DURATION));
            self.present = Some(Present { event, segment: timestamp, before, duration, has_ended: is_end });
            return Some(match (is_end, continued) {
                (true, _) => Change::Ended(event, before.saturating_add(duration.into())),
                (false, Some(_)) => Change::Lasts(event),
                (false, None) => Change::Started(event),
            });
        };
        if present.segment != timestamp || present.event != event || present.has_ended {
            return None;
        }
        let grew = duration > present.duration;
        (present.duration, present.has_ended) = (present.duration.max(duration), is_end);
        self.present = Some(present);
        match is_end {
            true => Some(Change::Ended(event, present.before.saturating_add(present.duration.into()))),
            false => grew.then_some(Change::Lasts(event)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn report(out: &Outgoing) -> Report {
        Report::parse(&out.payload).unwrap()
    }

    #[test]
    fn a_report_round_trips() {
        let report = Report { event: Event(9), is_end: true, volume: 7, duration: 1760 };
        assert_eq!(report.to_bytes(), [9, 0x87, 0x06, 0xE0]);
        assert_eq!(Report::parse(&report.to_bytes()).unwrap(), report);
        assert_eq!(Report::parse(&[9, 0xC7, 6, 0xE0, 1, 2]).unwrap(), report);
        for len in 0..LEN {
            assert!(Report::parse(&report.to_bytes()[..len]).is_err());
        }
    }

    #[test]
    fn keys_have_events() {
        for key in "0123456789*#ABCD".chars() {
            assert_eq!(Event::from_key(key).unwrap().key(), Some(key));
        }
        assert_eq!((Event::from_key('x'), Event(16).key()), (None, None));
    }

    /// The example of RFC 4733 §5: "9" of 200 ms at 8,000 Hz, in packets of 50 ms.
    #[test]
    fn an_event_is_told_as_it_lasts_and_its_end_three_times() {
        let start = Timestamp(u32::MAX - 500);
        let mut sender = Sender::new(Event(9), 7, start);
        let mut out: Vec<_> = (1..4).filter_map(|n| sender.next(start.plus(n * 400))).collect();
        sender.finish(start.plus(1600));
        out.extend(core::iter::from_fn(|| sender.next(start.plus(2000))));
        let told: Vec<_> = out.iter().map(|o| (report(o).duration, report(o).is_end, o.marker)).collect();
        let expected = [(400, false, true), (800, false, false), (1200, false, false)];
        assert_eq!(told[..3], expected);
        assert_eq!(told[3..], [(1600, true, false); 3]);
        assert!(out.iter().all(|o| o.timestamp == start));

        let mut receiver = Receiver::default();
        let changes: Vec<_> = out.iter().filter_map(|o| receiver.handle(o.timestamp, report(o))).collect();
        let (event, lasts) = (Event(9), Change::Lasts(Event(9)));
        assert_eq!(changes, [Change::Started(event), lasts, lasts, Change::Ended(event, 1600)]);
        // Only a repeat of the end arrives of the next one.
        let mut next = Sender::new(Event(1), 7, start.plus(5000));
        next.finish(start.plus(5800));
        next.next(start);
        let last = next.next(start).unwrap();
        assert_eq!(receiver.handle(last.timestamp, report(&last)), Some(Change::Ended(Event(1), 800)));
        // What comes late changes nothing.
        assert_eq!(receiver.handle(out[1].timestamp, report(&out[1])), None);
    }

    #[test]
    fn an_event_longer_than_a_duration_can_tell_has_segments() {
        let start = Timestamp(0);
        let mut sender = Sender::new(Event(0), 7, start);
        let mut receiver = Receiver::default();
        let mut changes = Vec::new();
        for n in 1..=3 {
            let out = sender.next(Timestamp(n * 40_000)).unwrap();
            changes.extend(receiver.handle(out.timestamp, report(&out)));
        }
        sender.finish(Timestamp(150_000));
        while let Some(out) = sender.next(Timestamp(160_000)) {
            changes.extend(receiver.handle(out.timestamp, report(&out)));
        }
        assert_eq!(changes.first(), Some(&Change::Started(Event(0))));
        assert_eq!(changes.last(), Some(&Change::Ended(Event(0), 150_000)));
        assert!(changes[1..changes.len() - 1].iter().all(|change| *change == Change::Lasts(Event(0))));
    }
}
