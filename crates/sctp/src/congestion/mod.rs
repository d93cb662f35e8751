//! Congestion control: how much may be in flight, and how fast it may leave.
//!
//! The association tells a [`Controller`] what leaves, what arrives and what is lost; the controller answers with a window
//! and a rate. The owner of the path paces: there is no Max.Burst (RFC 9260 §7.2.4) here. Bytes are bytes of chunks on the
//! wire, their headers counted, packet headers not.

mod bbr;
mod cubic;
mod hystart;
#[cfg(test)]
mod simulation;

use crate::budget::Rate;
use crate::config::CongestionControl;
use bbr::Bbr;
use cubic::Cubic;
use peerage_base::time::{Duration, Instant};

/// Answers how much may be in flight. All time is passed in; nothing is allocated after construction.
pub(crate) trait Controller {
    /// A packet with user data left, new or again.
    fn sent(&mut self, sent: &Sent);

    /// A SACK acknowledged something, or something is taken for lost. Also called with no bytes acknowledged when a timer
    /// of loss detection found losses.
    fn acknowledged(&mut self, ack: &Ack);

    /// The retransmission timer expired, and all that was in flight was taken for lost: `in_flight` bytes before that. A
    /// tail-loss probe is not this.
    fn timed_out(&mut self, now: Instant, in_flight: usize);

    /// The latest loss episode turned out to be reordering or delay: its cut is taken back.
    fn spurious(&mut self, now: Instant);

    /// Bytes that may be in flight.
    fn window(&self) -> usize;

    /// How fast packets may leave; `None` before a round trip is known: the initial window may leave at once.
    fn pacing_rate(&self) -> Option<Rate>;

    /// Packets have another size now, in bytes.
    fn set_packet(&mut self, bytes: usize);

    /// The path is another one; nothing is known of it.
    fn path_changed(&mut self, now: Instant);
}

/// A packet with user data that left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) now: Instant,
    /// Bytes of its chunks with user data.
    pub(crate) bytes: usize,
    /// Bytes in flight, this packet included.
    pub(crate) in_flight: usize,
    /// Whether the window had room for more and nothing more was to be sent, or the peer's window or the application's
    /// budget forbade it. Waiting for the pacer is not this.
    pub(crate) app_limited: bool,
}

/// What a SACK, or a timer of loss detection, settled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ack {
    pub(crate) now: Instant,
    /// Bytes newly acknowledged, by cumulative TSN or gap report.
    pub(crate) bytes: usize,
    /// Bytes newly taken for lost.
    pub(crate) lost: usize,
    /// Bytes in flight before this.
    pub(crate) in_flight_before: usize,
    /// Bytes in flight after this.
    pub(crate) in_flight: usize,
    /// Round trip of the newest packet acknowledged whose newest transmission it must have been.
    pub(crate) rtt: Option<Duration>,
    /// Bytes acknowledged since the start, these included.
    pub(crate) delivered: u64,
    /// How fast data arrived lately.
    pub(crate) rate: Option<RateSample>,
    /// Congestion marks that the peer reported with this.
    pub(crate) marks: u32,
    /// Whether losses of one flight are being repaired: what was in flight when the first was found is not settled yet.
    pub(crate) in_recovery: bool,
}

/// How fast data arrived between the departure and the acknowledgement of the newest packet that a SACK acknowledges
/// (draft-cheng-iccrg-delivery-rate-estimation).
#[derive(Clone, Copy, Debug)]
pub(crate) struct RateSample {
    /// Bytes delivered over `interval`.
    pub(crate) delivered: u64,
    /// The longer one of the time it took to send these bytes and the time it took to hear of them. Samples shorter than the
    /// least round trip do not come here.
    pub(crate) interval: Duration,
    /// Bytes delivered since the start when that packet left: marks round trips.
    pub(crate) prior_delivered: u64,
    /// Bytes in flight when that packet had left, the packet included.
    pub(crate) in_flight_at_send: usize,
    /// Bytes taken for lost since that packet left.
    pub(crate) lost_since_send: u64,
    /// Whether the application sent less than it could have when that packet left.
    pub(crate) app_limited: bool,
}

/// The controllers to choose from.
#[derive(Clone, Debug)]
pub(crate) enum Congestion {
    Bbr(Bbr),
    Cubic(Cubic),
}

impl Congestion {
    /// With an initial window of `initial` packets of `packet` bytes.
    pub(crate) fn new(control: CongestionControl, packet: usize, initial: usize) -> Self {
        match control {
            CongestionControl::Bbr => Self::Bbr(Bbr::new(packet, initial)),
            CongestionControl::Cubic => Self::Cubic(Cubic::new(packet, initial)),
        }
    }
}

/// Calls the controller that was chosen.
macro_rules! either {
    ($congestion:expr, $controller:ident => $call:expr) => {
        match $congestion {
            Congestion::Bbr($controller) => $call,
            Congestion::Cubic($controller) => $call,
        }
    };
}

impl Controller for Congestion {
    fn sent(&mut self, sent: &Sent) {
        either!(self, c => c.sent(sent));
    }

    fn acknowledged(&mut self, ack: &Ack) {
        either!(self, c => c.acknowledged(ack));
    }

    fn timed_out(&mut self, now: Instant, in_flight: usize) {
        either!(self, c => c.timed_out(now, in_flight));
    }

    fn spurious(&mut self, now: Instant) {
        either!(self, c => c.spurious(now));
    }

    fn window(&self) -> usize {
        either!(self, c => c.window())
    }

    fn pacing_rate(&self) -> Option<Rate> {
        either!(self, c => c.pacing_rate())
    }

    fn set_packet(&mut self, bytes: usize) {
        either!(self, c => c.set_packet(bytes));
    }

    fn path_changed(&mut self, now: Instant) {
        either!(self, c => c.path_changed(now));
    }
}

#[cfg(test)]
mod tests {
    use super::bbr::Bbr;
    use super::cubic::Cubic;
    use super::{Ack, Congestion, Controller, RateSample, Sent};
    use crate::config::CongestionControl;
    use peerage_base::time::{Duration, Instant};
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Call {
        Sent(Sent),
        Acknowledged(Ack),
        TimedOut(u64, usize),
        Spurious(u64),
        SetPacket(usize),
        PathChanged(u64),
    }

    /// Mostly what occurs, now and then what does not.
    fn amount() -> impl Strategy<Value = usize> {
        prop_oneof![4 => 0..200_000usize, 1 => Just(0), 1 => 0..1usize << 40]
    }

    fn nanos() -> impl Strategy<Value = u64> {
        prop_oneof![4 => 0..10_000_000_000u64, 1 => Just(0), 1 => any::<u64>()]
    }

    fn sample() -> impl Strategy<Value = RateSample> {
        (amount(), nanos(), nanos(), amount(), amount(), any::<bool>()).prop_map(
            |(delivered, interval, prior_delivered, in_flight_at_send, lost, app_limited)| RateSample {
                delivered: delivered as u64,
                interval: Duration::from_nanos(interval),
                prior_delivered,
                in_flight_at_send,
                lost_since_send: lost as u64,
                app_limited,
            },
        )
    }

    fn ack() -> impl Strategy<Value = Ack> {
        let flight = (amount(), amount(), amount(), amount());
        let rest = (nanos(), proptest::option::of(nanos()), nanos(), proptest::option::of(sample()), 0..3u32);
        (flight, rest, any::<bool>()).prop_map(|(flight, (now, rtt, delivered, rate, marks), in_recovery)| Ack {
            now: Instant::from_nanos(now),
            bytes: flight.0,
            lost: flight.1,
            in_flight_before: flight.2,
            in_flight: flight.3,
            rtt: rtt.map(Duration::from_nanos),
            delivered,
            rate,
            marks,
            in_recovery,
        })
    }

    fn call() -> impl Strategy<Value = Call> {
        let sent = (nanos(), amount(), amount(), any::<bool>()).prop_map(|(now, bytes, in_flight, app_limited)| Sent {
            now: Instant::from_nanos(now),
            bytes,
            in_flight,
            app_limited,
        });
        prop_oneof![
            4 => sent.prop_map(Call::Sent),
            12 => ack().prop_map(Call::Acknowledged),
            1 => (nanos(), amount()).prop_map(|(now, in_flight)| Call::TimedOut(now, in_flight)),
            1 => nanos().prop_map(Call::Spurious),
            1 => (0..70_000usize).prop_map(Call::SetPacket),
            1 => nanos().prop_map(Call::PathChanged),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn whatever_is_told_in_whatever_order_the_window_stays_open_and_within_what_arrived(
            calls in proptest::collection::vec(call(), 1..80),
            control in prop_oneof![Just(CongestionControl::Bbr), Just(CongestionControl::Cubic)],
        ) {
            let mut c = Congestion::new(control, 1200, 10);
            let (mut packet, mut most) = (1200, 12_000);
            for call in calls {
                match call {
                    Call::Sent(sent) => c.sent(&sent),
                    Call::Acknowledged(ack) => {
                        most += ack.bytes;
                        c.acknowledged(&ack);
                    }
                    Call::TimedOut(now, in_flight) => c.timed_out(Instant::from_nanos(now), in_flight),
                    Call::Spurious(now) => c.spurious(Instant::from_nanos(now)),
                    Call::SetPacket(bytes) => {
                        packet = bytes.max(1);
                        most += 4 * bytes;
                        c.set_packet(bytes);
                    }
                    Call::PathChanged(now) => c.path_changed(Instant::from_nanos(now)),
                }
                prop_assert!(c.window() >= packet.min(12_000), "{} {packet}", c.window());
                prop_assert!(c.window() <= most, "{} {most}", c.window());
                prop_assert!(c.pacing_rate().is_none_or(|rate| rate.0 > 0));
            }
        }
    }

    #[test]
    fn nothing_is_paced_before_a_round_trip_is_known_and_a_changed_path_starts_over() {
        for control in [CongestionControl::Bbr, CongestionControl::Cubic] {
            let mut c = Congestion::new(control, 1200, 10);
            assert_eq!((c.window(), c.pacing_rate()), (12_000, None));
            c.acknowledged(&Ack {
                now: Instant::from_millis(50),
                bytes: 1200,
                lost: 0,
                in_flight_before: 12_000,
                in_flight: 10_800,
                rtt: Some(Duration::from_millis(50)),
                delivered: 1200,
                rate: None,
                marks: 0,
                in_recovery: false,
            });
            assert!(c.pacing_rate().is_some(), "{control:?}");
            assert_eq!(c.window(), 13_200);
            c.path_changed(Instant::from_millis(60));
            assert_eq!((c.window(), c.pacing_rate()), (12_000, None));
        }
    }

    #[test]
    fn a_controller_is_small_beside_the_association() {
        assert!(size_of::<Bbr>() <= 328, "{}", size_of::<Bbr>());
        assert!(size_of::<Cubic>() <= 216, "{}", size_of::<Cubic>());
    }
}
