//! How fast data arrives (draft-cheng-iccrg-delivery-rate-estimation).

use super::packets::Packet;
use crate::congestion::RateSample;
use peerage_base::time::{Duration, Instant};

#[derive(Debug, Default)]
pub(super) struct Delivery {
    /// Bytes acknowledged since the start.
    pub(super) delivered: u64,
    /// When something was acknowledged last, or when the flight began.
    delivered_at: Instant,
    /// When the packet left that was the newest one acknowledged, or that the flight began with.
    first_sent: Instant,
    /// Bytes taken for lost since the start.
    pub(super) lost: u64,
    /// Samples are limited by the application until more than this is delivered; zero for not.
    limited_until: u64,
}

impl Delivery {
    /// A packet leaves while `in_flight` bytes are on their way.
    pub(super) fn packet(&mut self, now: Instant, in_flight: usize) -> Packet {
        if in_flight == 0 {
            self.first_sent = now;
            self.delivered_at = now;
        }
        Packet {
            sent_at: now,
            first_sent: self.first_sent,
            delivered_at: self.delivered_at,
            delivered: self.delivered,
            lost: self.lost as u32,
            in_flight: 0,
            chunks: 0,
            bytes: 0,
            app_limited: self.limited_until > 0,
            on_path: true,
        }
    }

    /// There is room in the window and nothing to fill it with.
    pub(super) fn limit(&mut self, in_flight: usize) {
        self.limited_until = (self.delivered + in_flight as u64).max(1);
    }

    /// A SACK acknowledged something.
    pub(super) fn heard(&mut self, now: Instant) {
        self.delivered_at = now;
    }

    /// A SACK was taken; `newest` is the packet that left last of those it acknowledges. The draft's §3.3.
    pub(super) fn sample(&mut self, now: Instant, newest: &Packet, min_rtt: Duration) -> Option<RateSample> {
        self.first_sent = newest.sent_at;
        if self.delivered > self.limited_until {
            self.limited_until = 0;
        }
        let took_to_send = newest.sent_at.since(newest.first_sent);
        let took_to_hear = now.since(newest.delivered_at);
        let interval = took_to_send.max(took_to_hear);
        // What arrives faster than the path's least round trip was acknowledged in a lump, late.
        if interval < min_rtt || interval.is_zero() || !newest.on_path {
            return None;
        }
        Some(RateSample {
            delivered: self.delivered - newest.delivered,
            interval,
            prior_delivered: newest.delivered,
            in_flight_at_send: newest.in_flight as usize,
            lost_since_send: u64::from((self.lost as u32).wrapping_sub(newest.lost)),
            app_limited: newest.app_limited,
        })
    }
}
