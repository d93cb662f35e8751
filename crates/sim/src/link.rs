//! One direction of a line: what it does to the packets that enter it.

use std::fmt;

use peerage_base::ecn::Ecn;
use peerage_base::rng::Rng;
use peerage_base::time::{Duration, Instant};

use crate::packet::{Packet, Protocol};

/// How much later a lost piece of a stream arrives: TCP sends it again.
const RETRANSMISSION: Duration = Duration::from_millis(200);

/// The properties of one direction of a line. The default is perfect: no delay, no loss, no limit.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Time from one end to the other, without queueing. Default zero.
    pub delay: Duration,
    /// Most time added to the delay, uniformly; never reorders. Default zero.
    pub jitter: Duration,
    /// Which packets are lost. Default none.
    pub loss: Loss,
    /// Share of packets that are held back and overtaken. Default 0.
    pub reorder: f64,
    /// How long a packet that is overtaken is held back. Default 10 ms.
    pub held_back: Duration,
    /// Share of packets that arrive twice. Default 0.
    pub duplicate: f64,
    /// Bits per second, IP and UDP headers included. Default unlimited.
    pub rate: Option<u64>,
    /// Most bytes that wait for a limited rate; what does not fit is dropped. Default 128 KiB.
    pub queue: usize,
    /// Waiting bytes from which on ECN-capable packets are marked. Default never.
    pub mark_above: Option<usize>,
    /// Longest packet in bytes, headers included; longer ones are dropped in silence, or cut if they allow that. Default
    /// unlimited.
    pub mtu: Option<usize>,
}

/// Which packets a link loses.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Loss {
    /// None.
    #[default]
    None,
    /// Each with this probability, independent of all others. 1.0 is a cut line.
    Random(f64),
    /// Gilbert's model: all packets are lost while the line is bad.
    Burst {
        /// Probability, per packet, that a good line turns bad.
        enter: f64,
        /// Probability, per packet, that a bad line recovers; the mean burst has 1 / `leave` packets.
        leave: f64,
    },
}

/// Why a packet did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Drop {
    /// The line lost it.
    Loss,
    /// The queue was full.
    Queue,
    /// It was longer than the MTU.
    Mtu,
    /// No network knows the destination.
    Route,
    /// The receiver left the network while the packet was under way.
    Gone,
}

/// What a line has done since the world began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Packets that got through, second copies not counted.
    pub packets: u64,
    /// Bytes of those, IP and UDP headers included.
    pub bytes: u64,
    /// Packets that arrived twice.
    pub duplicated: u64,
    /// Packets that were marked.
    pub marked: u64,
    /// Packets that the line lost.
    pub lost: u64,
    /// Packets that found the queue full.
    pub queue_full: u64,
    /// Packets longer than the MTU that were dropped.
    pub too_long: u64,
    /// The most bytes that ever waited for a limited rate.
    pub most_waiting: usize,
}

/// When a packet arrives, and when a second copy does.
pub(crate) type Fate = Result<(Instant, Option<Instant>), Drop>;

/// A link in use.
#[derive(Debug)]
pub(crate) struct Line {
    pub config: Link,
    pub counters: Counters,
    rng: Rng,
    bad: bool,
    /// When the last byte that was let in has left the queue.
    busy_until: Instant,
    /// The part of the queue that was let in at an earlier rate: when its last byte leaves, and that rate.
    older: (Instant, u64),
    /// Arrival of the last packet in order.
    last_arrival: Instant,
    /// Arrival of the last piece of a stream.
    last_piece: Instant,
}

impl fmt::Display for Drop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loss => "lost",
            Self::Queue => "the queue was full",
            Self::Mtu => "longer than the MTU",
            Self::Route => "no way to the destination",
            Self::Gone => "the receiver has left the network",
        })
    }
}

impl Default for Link {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            loss: Loss::None,
            reorder: 0.0,
            held_back: Duration::from_millis(10),
            duplicate: 0.0,
            rate: None,
            queue: 128 * 1024,
            mark_above: None,
            mtu: None,
        }
    }
}

impl Link {
    /// A line that delays and does nothing else.
    pub fn with_delay(delay: Duration) -> Self {
        Self { delay, ..Self::default() }
    }
}

impl Line {
    pub(crate) fn new(config: Link, rng: Rng) -> Self {
        Self {
            config,
            counters: Counters::default(),
            rng,
            bad: false,
            busy_until: Instant::ORIGIN,
            older: (Instant::ORIGIN, 0),
            last_arrival: Instant::ORIGIN,
            last_piece: Instant::ORIGIN,
        }
    }

    /// Takes another configuration. What waits keeps its place and leaves at the rate that it was let in at.
    pub(crate) fn reconfigure(&mut self, now: Instant, config: Link) {
        if config.rate != self.config.rate {
            self.older = match self.config.rate {
                // Of two rates before this one, the first is forgotten.
                Some(rate) if self.busy_until > now => (self.busy_until, rate.max(1)),
                _ => (now, 0),
            };
        }
        self.config = config;
    }

    /// Bytes that wait for the rate.
    pub(crate) fn waiting(&self, now: Instant) -> usize {
        let bytes = |time: Duration, rate: u64| (time.as_nanos() * u128::from(rate) / 8_000_000_000) as usize;
        let (until, older) = self.older;
        let rest = self.busy_until.since(until.max(now));
        bytes(until.since(now), older) + bytes(rest, self.config.rate.map_or(0, |rate| rate.max(1)))
    }

    /// Lets a packet in: when it arrives, and when a second copy does.
    pub(crate) fn admit(&mut self, now: Instant, packet: &mut Packet) -> Fate {
        let fate = self.decide(now, packet);
        let counters = &mut self.counters;
        match fate {
            Ok((_, second)) => {
                counters.packets += 1;
                counters.bytes += packet.wire_len() as u64;
                counters.duplicated += u64::from(second.is_some());
            }
            Err(Drop::Loss) => counters.lost += 1,
            Err(Drop::Queue) => counters.queue_full += 1,
            Err(Drop::Mtu) => counters.too_long += 1,
            Err(Drop::Route | Drop::Gone) => {}
        }
        fate
    }

    fn decide(&mut self, now: Instant, packet: &mut Packet) -> Fate {
        let len = packet.wire_len();
        // The dice fall the same way whatever becomes of the packet, so that runs with other limits stay comparable.
        let [lost, held, twice, shake] = core::array::from_fn(|_| self.rng.unit());
        if packet.protocol == Protocol::Tcp {
            return self.decide_piece(now, packet, lost, shake);
        }
        let len = match self.config.mtu {
            Some(mtu) if len > mtu && packet.dont_fragment => return Err(Drop::Mtu),
            Some(mtu) => packet.wire_len_in_fragments(mtu),
            None => len,
        };
        let departure = self.enqueue(now, len, packet)?;
        if self.loses(lost) {
            return Err(Drop::Loss);
        }
        let arrival = departure + self.config.delay + self.config.jitter.mul_f64(shake);
        let arrival = if held < self.config.reorder {
            arrival + self.config.held_back
        } else {
            self.last_arrival = self.last_arrival.max(arrival);
            self.last_arrival
        };
        Ok((arrival, (twice < self.config.duplicate).then_some(arrival)))
    }

    /// Streams are cut to the MTU, wait for the queue and repeat what is lost: only a cut line stops them.
    fn decide_piece(&mut self, now: Instant, packet: &mut Packet, lost: f64, shake: f64) -> Fate {
        if matches!(self.config.loss, Loss::Random(share) if share >= 1.0) {
            return Err(Drop::Loss);
        }
        let departure = self.config.rate.map_or(now, |rate| self.occupy(now, packet.wire_len(), rate));
        let again = if self.loses(lost) { RETRANSMISSION } else { Duration::ZERO };
        let arrival = departure + again + self.config.delay + self.config.jitter.mul_f64(shake);
        self.last_piece = self.last_piece.max(arrival);
        Ok((self.last_piece, None))
    }

    /// When the packet has left the queue.
    fn enqueue(&mut self, now: Instant, len: usize, packet: &mut Packet) -> Result<Instant, Drop> {
        let Some(rate) = self.config.rate else { return Ok(now) };
        let waiting = self.waiting(now);
        if waiting + len > self.config.queue {
            return Err(Drop::Queue);
        }
        self.counters.most_waiting = self.counters.most_waiting.max(waiting + len);
        if self.config.mark_above.is_some_and(|limit| waiting > limit) && packet.ecn != Ecn::NotEct {
            packet.ecn = Ecn::Ce;
            self.counters.marked += 1;
        }
        Ok(self.occupy(now, len, rate))
    }

    /// Takes the line for as long as `len` bytes need, after what waits already.
    fn occupy(&mut self, now: Instant, len: usize, rate: u64) -> Instant {
        let takes = Duration::from_nanos((len as u64).saturating_mul(8_000_000_000) / rate.max(1));
        self.busy_until = self.busy_until.max(now) + takes;
        self.busy_until
    }

    fn loses(&mut self, dice: f64) -> bool {
        match self.config.loss {
            Loss::None => false,
            Loss::Random(share) => dice < share,
            Loss::Burst { enter, leave } => {
                self.bad = if self.bad { dice >= leave } else { dice < enter };
                self.bad
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn line(config: Link) -> Line {
        Line::new(config, Rng::from_u64(1))
    }

    fn packet(wire_len: usize) -> Packet {
        let address = "192.0.2.1:1".parse().unwrap();
        Packet { ecn: Ecn::Ect0, ..Packet::udp(address, address, vec![0; wire_len - 28]) }
    }

    /// Lets `n` packets of 1000 bytes in, one each `gap`.
    fn admit(line: &mut Line, n: u64, gap: Duration) -> Vec<Fate> {
        (0..n).map(|i| line.admit(Instant::ORIGIN + gap * i as u32, &mut packet(1000))).collect()
    }

    #[test]
    fn a_perfect_line_delivers_at_once() {
        assert_eq!(admit(&mut line(Link::default()), 1, MS), [Ok((Instant::ORIGIN, None))]);
    }

    #[test]
    fn a_limited_rate_spaces_packets_and_drops_what_does_not_fit() {
        // 1000 bytes take 1 ms.
        let mut line = line(Link { rate: Some(8_000_000), queue: 3000, ..Link::with_delay(5 * MS) });
        let fates = admit(&mut line, 5, Duration::ZERO);
        let at = |ms| Ok((Instant::from_millis(ms), None));
        assert_eq!(fates, [at(6), at(7), at(8), Err(Drop::Queue), Err(Drop::Queue)]);
        assert_eq!(line.admit(Instant::from_millis(2), &mut packet(1000)), at(9), "the queue has drained");
    }

    #[test]
    fn the_queue_is_counted_in_bytes_whatever_rates_it_was_filled_at() {
        let slow = Link { rate: Some(8_000_000), queue: 4000, ..Link::default() };
        let mut line = line(slow);
        admit(&mut line, 4, Duration::ZERO);
        let at = Instant::from_millis;
        assert_eq!([0, 1, 3, 4, 9].map(|ms| line.waiting(at(ms))), [4000, 3000, 1000, 0, 0]);
        // Twice the rate: what waits leaves as slowly as it would have, what comes now twice as fast.
        line.reconfigure(at(2), Link { rate: Some(16_000_000), ..slow });
        assert_eq!(line.waiting(at(2)), 2000);
        let departure = line.admit(at(2), &mut packet(1000)).unwrap().0;
        assert_eq!(departure, at(4) + MS / 2);
        assert_eq!([at(2), at(3), at(4), departure].map(|t| line.waiting(t)), [3000, 2000, 1000, 0]);
        assert_eq!(line.counters.most_waiting, 4000);
        line.reconfigure(at(10), slow);
        assert_eq!(line.waiting(at(10)), 0);
        assert_eq!(line.admit(at(10), &mut packet(1000)), Ok((at(11), None)));
        line.reconfigure(at(10), Link { rate: None, ..slow });
        assert_eq!(line.waiting(at(10)), 1000, "the last of it is still there");
    }

    #[test]
    fn packets_that_may_be_cut_pass_and_cost_a_header_for_each_part() {
        let mut line = line(Link { mtu: Some(1280), rate: Some(8_000_000), ..Link::default() });
        let mut long = Packet { dont_fragment: false, ..packet(1500) };
        let arrival = line.admit(Instant::ORIGIN, &mut long).unwrap().0;
        assert_eq!(arrival, Instant::from_nanos(1_520_000));
        let mut fits = Packet { dont_fragment: false, ..packet(1280) };
        assert_eq!(line.admit(arrival, &mut fits).unwrap().0, Instant::from_nanos(2_800_000));
    }

    #[test]
    fn a_filling_queue_marks_capable_packets_only() {
        let mut line = line(Link { rate: Some(8_000_000), mark_above: Some(1500), ..Link::default() });
        let mut packets = [packet(1000), packet(1000), packet(1000), packet(1000)];
        packets[3].ecn = Ecn::NotEct;
        for packet in &mut packets {
            line.admit(Instant::ORIGIN, packet).unwrap();
        }
        assert_eq!(packets.map(|p| p.ecn), [Ecn::Ect0, Ecn::Ect0, Ecn::Ce, Ecn::NotEct]);
    }

    #[test]
    fn long_packets_do_not_pass() {
        let mut line = line(Link { mtu: Some(1280), ..Link::default() });
        assert!(line.admit(Instant::ORIGIN, &mut packet(1280)).is_ok());
        assert_eq!(line.admit(Instant::ORIGIN, &mut packet(1281)), Err(Drop::Mtu));
    }

    #[test]
    fn streams_lose_nothing_and_keep_their_order_until_the_line_is_cut() {
        let rough = Link {
            jitter: 20 * MS,
            loss: Loss::Random(0.3),
            reorder: 0.3,
            duplicate: 0.3,
            mtu: Some(500),
            queue: 0,
            rate: Some(80_000_000),
            ..Link::with_delay(5 * MS)
        };
        let mut line = line(rough);
        let mut piece = packet(1000);
        piece.protocol = Protocol::Tcp;
        let fates: Vec<_> = (0..200).map(|i| line.admit(Instant::ORIGIN + MS * i, &mut piece).unwrap()).collect();
        assert!(fates.is_sorted() && fates.iter().all(|(_, second)| second.is_none()));
        let late = fates.iter().enumerate().filter(|(i, (at, _))| at.as_nanos() > (*i as u64 + 200) * 1_000_000);
        assert!(late.count() > 20, "what is lost comes again, later");
        line.config.loss = Loss::Random(1.0);
        assert_eq!(line.admit(Instant::from_millis(900), &mut piece), Err(Drop::Loss));
    }

    #[test]
    fn jitter_keeps_the_order_and_reordering_does_not() {
        let jittery = Link { jitter: 20 * MS, ..Link::with_delay(5 * MS) };
        let arrivals = |config| -> Vec<Instant> {
            admit(&mut line(config), 200, MS).into_iter().map(|fate| fate.unwrap().0).collect()
        };
        assert!(arrivals(jittery).is_sorted());
        assert!(!arrivals(Link { reorder: 0.1, ..jittery }).is_sorted());
    }

    #[test]
    fn shares_come_out_as_configured() {
        let share = |config, test: fn(&Fate) -> bool| {
            admit(&mut line(config), 10_000, MS).iter().filter(|fate| test(fate)).count() as f64 / 10_000.0
        };
        let lost = share(Link { loss: Loss::Random(0.1), ..Link::default() }, Result::is_err);
        assert!((0.09..0.11).contains(&lost), "{lost}");
        let twice = share(Link { duplicate: 0.2, ..Link::default() }, |f| f.is_ok_and(|(_, second)| second.is_some()));
        assert!((0.18..0.22).contains(&twice), "{twice}");
        let loss = Loss::Burst { enter: 0.01, leave: 0.25 };
        let lost = share(Link { loss, ..Link::default() }, Result::is_err);
        assert!((0.025..0.055).contains(&lost), "{lost}");
    }

    #[test]
    fn bursts_have_the_length_they_should() {
        let loss = Loss::Burst { enter: 0.01, leave: 0.25 };
        let fates = admit(&mut line(Link { loss, ..Link::default() }), 20_000, MS);
        let bursts: Vec<_> = fates.chunk_by(|a, b| a.is_err() == b.is_err()).filter(|c| c[0].is_err()).collect();
        let mean = bursts.iter().map(|b| b.len()).sum::<usize>() as f64 / bursts.len() as f64;
        assert!((3.2..4.8).contains(&mean), "{mean}");
    }
}
