//! When to ask for feedback, where the peer sends it on request only (transport-wide-cc-02).

use peerage_base::time::{Duration, Instant};
use peerage_rtp::extension::transport_sequence_number::FeedbackRequest;

/// Most packets that leave between two requests: reports on more would be long.
const MAX_PACKETS: u64 = 250;
/// Most packets that a request can name.
const MOST: u64 = 0x7FFF;

/// The last two requests.
#[derive(Debug, Default)]
pub(super) struct Asks {
    last: Option<(Instant, u64)>,
    /// Number of the packet that asked before the last.
    before: Option<u64>,
}

impl Asks {
    /// The request that the packet with `number` is to make, if one is due. It covers what the one before covered: that may be
    /// lost.
    pub(super) fn due(&self, now: Instant, number: u64, interval: Duration) -> Option<FeedbackRequest> {
        let is_due = self.last.is_none_or(|(at, last)| now.since(at) >= interval || number - last >= MAX_PACKETS);
        let packets = self.before.map_or(number + 1, |before| number - before).min(MOST) as u16;
        is_due.then_some(FeedbackRequest { timing: true, packets })
    }

    /// The packet with `number` has asked.
    pub(super) fn asked(&mut self, now: Instant, number: u64) {
        self.before = self.last.map(|(_, number)| number);
        self.last = Some((now, number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_packet_is_covered_by_two_requests() {
        let interval = Duration::from_millis(50);
        let at = |n: u64| Instant::from_millis(10 * n);
        let mut asks = Asks::default();
        let mut covered = [0; 100];
        for number in 0..100u64 {
            if let Some(request) = asks.due(at(number), number, interval) {
                asks.asked(at(number), number);
                let first = (number + 1).saturating_sub(request.packets.into());
                (first..=number).for_each(|n| covered[n as usize] += 1);
            }
        }
        assert!(covered[..90].iter().all(|count| (2..=3).contains(count)), "{covered:?}");
        assert!(asks.due(at(0), 95 + MAX_PACKETS, interval).is_some(), "many packets at once");
        assert_eq!(asks.due(at(99), 1 << 40, interval).map(|request| request.packets), Some(0x7FFF));
    }
}
