//! What an association costs while nothing happens, and what messages cost on their way in, counted at the allocator.

use allocation_counter::{AllocationInfo, measure};
use bytes::Bytes;
use peerage_base::ecn::Ecn;
use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};
use peerage_sctp::association::Association;
use peerage_sctp::budget::Budget;
use peerage_sctp::channel::{ChannelId, ChannelInit, Role};
use peerage_sctp::config::Config;
use peerage_sctp::event::Event;
use peerage_sctp::message::Kind;

const STRIDE: usize = 1280;
/// Packets that are taken at once.
const BATCH: usize = 64;

/// Two associations, and the packets between them, which go in batches.
struct Pair {
    now: Instant,
    ends: [Association; 2],
    buf: Box<[u8]>,
    lens: Vec<usize>,
    opened: Option<ChannelId>,
    received: usize,
}

impl Pair {
    fn new() -> Self {
        let end = |seed| Association::new(Config::default(), Rng::from_u64(seed), Instant::ORIGIN);
        let mut ends = [end(1), end(2)];
        ends[0].set_role(Role::Client);
        ends[1].set_role(Role::Server);
        ends.iter_mut().for_each(|e| e.set_remote(5000, Some(262_144)));
        ends.iter_mut().for_each(|e| e.connect(Instant::ORIGIN));
        let (buf, lens) = (vec![0; BATCH * STRIDE].into(), Vec::with_capacity(BATCH));
        Self { now: Instant::ORIGIN, ends, buf, lens, opened: None, received: 0 }
    }

    fn connected() -> (Self, ChannelId) {
        let mut pair = Self::new();
        let id = pair.ends[0].open(pair.now, ChannelInit::new("data")).unwrap();
        (0..20).for_each(|_| pair.exchange(&mut |_| {}));
        assert!(pair.opened.is_some());
        (pair, id)
    }

    /// Carries what each end has to send to the other; `taking` is told of what taking a batch at the second end costs.
    fn exchange(&mut self, taking: &mut impl FnMut(AllocationInfo)) {
        for from in 0..2 {
            self.now += Duration::from_millis(10);
            self.lens.clear();
            for room in self.buf.chunks_exact_mut(STRIDE) {
                let mut slot = Slot::new(room, 0, 0, STRIDE);
                let polled = self.ends[from].poll_transmit(self.now, &Budget::unlimited(1191), &mut slot);
                let Some(len) = polled else { break };
                self.lens.push(len);
            }
            let (now, received, opened) = (self.now, &mut self.received, &mut self.opened);
            let receiver = &mut self.ends[1 - from];
            let cost = measure(|| {
                for (packet, len) in self.buf.chunks_exact(STRIDE).zip(&self.lens) {
                    receiver.handle_packet(now, Ecn::NotEct, &packet[..*len]);
                }
                while let Some(event) = receiver.poll_event() {
                    match event {
                        Event::Channel(id) => *opened = Some(id),
                        Event::Readable(id) => {
                            while let Some(message) = receiver.recv(now, id) {
                                *received += message.payload.len();
                            }
                        }
                        _ => {}
                    }
                }
            });
            if from == 0 {
                taking(cost);
            }
            for end in &mut self.ends {
                end.handle_timeout(self.now);
                while end.poll_event().is_some() {}
            }
        }
    }

    fn transfer(
        &mut self,
        id: ChannelId,
        payload: &'static [u8],
        total: usize,
        mut taking: impl FnMut(AllocationInfo),
    ) {
        let goal = self.received + total;
        let mut queued = 0;
        while self.received < goal {
            while queued < total && self.ends[0].total_buffered() < 4 << 20 {
                self.ends[0].send(self.now, id, Kind::Binary, Bytes::from_static(payload)).unwrap();
                queued += payload.len();
            }
            self.exchange(&mut taking);
        }
    }

    fn rest(&mut self) {
        for _ in 0..3 {
            self.now += Duration::from_secs(5);
            self.exchange(&mut |_| {});
        }
    }
}

/// Bytes of the heap that an association lets go of when it is dropped.
fn heap(association: Association) -> i64 {
    -measure(|| drop(association)).bytes_current
}

/// 1.5 KiB for the association, 0.5 for the channel, 0.25 for what a congestion controller remembers, and 0.25 for what
/// detection of loss does.
const ROW: i64 = 2560;

#[test]
fn an_idle_association_with_an_open_channel_stays_within_its_row() {
    let size = size_of::<Association>() as i64;
    let (mut pair, _) = Pair::connected();
    pair.rest();
    let [a, b] = pair.ends;
    let (a, b) = (heap(a), heap(b));
    println!("association {size}, heap of the opener {a}, of its peer {b}: at most {ROW} together");
    assert!(size + a.max(b) <= ROW, "{size} + {a} or {b}");
}

#[test]
fn after_a_transfer_it_costs_no_more_than_before() {
    static PAYLOAD: [u8; 16 << 10] = [7; 16 << 10];
    let (mut pair, id) = Pair::connected();
    for len in [64, 1200, 16 << 10] {
        pair.transfer(id, &PAYLOAD[..len], len * 2000, |_| {});
    }
    pair.rest();
    assert_eq!(pair.ends.iter().map(|e| e.poll_timeout()).collect::<Vec<_>>(), [None, None], "nothing to wake for");
    let size = size_of::<Association>() as i64;
    let [a, b] = pair.ends;
    let (a, b) = (heap(a), heap(b));
    println!("after a transfer: {size} and heaps of {a} and {b}");
    assert!(size + a.max(b) <= ROW + 512, "{size} + {a} or {b}");
}

/// Allocations per message and bytes allocated per byte of payload on the way in, once the sizes are known.
fn incoming(len: usize) -> (f64, f64) {
    static PAYLOAD: [u8; 64 << 10] = [7; 64 << 10];
    let (mut pair, id) = Pair::connected();
    let total = len * (32 << 20 >> 4 >> len.ilog2()).max(500);
    pair.transfer(id, &PAYLOAD[..len], total, |_| {});
    let (mut count, mut bytes) = (0, 0);
    pair.transfer(id, &PAYLOAD[..len], total, |cost| {
        count += cost.count_total;
        bytes += cost.bytes_total;
    });
    (count as f64 / (total / len) as f64, bytes as f64 / total as f64)
}

#[test]
fn a_byte_is_copied_once_on_its_way_to_the_application() {
    // A second copy would need a second place: what is allocated would be twice the payload.
    // One of 1,200 bytes takes two chunks of this path.
    for (len, allocations) in [(64, 0.05), (1100, 0.15), (1200, 1.05), (16 << 10, 1.05), (64 << 10, 1.05)] {
        let (count, bytes) = incoming(len);
        println!("{len} bytes: {count:.3} allocations per message, {bytes:.3} bytes allocated per byte");
        assert!(count <= allocations, "{count} allocations per message of {len} bytes");
        assert!(bytes <= 1.05, "{bytes} bytes allocated per byte in messages of {len} bytes");
    }
}
