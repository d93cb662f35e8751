//! In steady state a packet costs (next to) no allocation on either side.

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

/// A batch of packets in one buffer, as a driver has it.
struct Batch {
    buf: Box<[u8]>,
    lens: Vec<usize>,
}

const STRIDE: usize = 1500;

impl Batch {
    fn new() -> Self {
        Self { buf: vec![0; 4096 * STRIDE].into(), lens: Vec::with_capacity(4096) }
    }
}

struct Pair {
    now: Instant,
    ends: [Association; 2],
    batch: Batch,
    received: u64,
    packets: u64,
}

impl Pair {
    fn new() -> Self {
        let end = |seed| Association::new(Config::default(), Rng::from_u64(seed), Instant::ORIGIN);
        let mut ends = [end(1), end(2)];
        ends[0].set_role(Role::Client);
        ends[1].set_role(Role::Server);
        ends.iter_mut().for_each(|e| e.connect(Instant::ORIGIN));
        Self { now: Instant::ORIGIN, ends, batch: Batch::new(), received: 0, packets: 0 }
    }

    /// Carries everything that each end has to send to the other, which reads it all. One packet in `loss` is lost.
    fn exchange(&mut self, loss: u64) {
        for from in 0..2 {
            let [a, b] = &mut self.ends;
            let (sender, receiver) = if from == 0 { (a, b) } else { (b, a) };
            self.now += Duration::from_millis(10);
            self.batch.lens.clear();
            for room in self.batch.buf.chunks_exact_mut(STRIDE) {
                let mut slot = Slot::new(room, 0, 0, STRIDE);
                let Some(len) = sender.poll_transmit(self.now, &Budget::unlimited(1191), &mut slot) else { break };
                self.batch.lens.push(len);
            }
            for (packet, len) in self.batch.buf.chunks_exact(STRIDE).zip(&self.batch.lens) {
                self.packets += 1;
                if !self.packets.is_multiple_of(loss) {
                    receiver.handle_packet(self.now, Ecn::NotEct, &packet[..*len]);
                }
            }
            for end in [sender, receiver] {
                end.handle_timeout(self.now);
                while let Some(event) = end.poll_event() {
                    if let Event::Readable(id) = event {
                        while let Some(message) = end.recv(self.now, id) {
                            self.received += message.payload.len() as u64;
                        }
                    }
                }
            }
        }
    }

    /// Sends on all channels by turns.
    fn transfer(&mut self, ids: &[ChannelId], payload: &'static [u8], total: u64, loss: u64) {
        let goal = self.received + total;
        let mut queued = 0;
        while self.received < goal {
            while queued < total && self.ends[0].total_buffered() < 4 << 20 {
                for id in ids {
                    self.ends[0].send(self.now, *id, Kind::Binary, Bytes::from_static(payload)).unwrap();
                    queued += payload.len() as u64;
                }
            }
            self.exchange(loss);
        }
    }
}

static PAYLOAD: [u8; 50_000] = [7; 50_000];

/// Allocations per packet in a transfer that follows an equal one.
fn per_packet(len: usize, loss: u64, channels: usize) -> f64 {
    let mut pair = Pair::new();
    let ids: Vec<_> = (0..channels).map(|_| pair.ends[0].open(pair.now, ChannelInit::new("x")).unwrap()).collect();
    let payload = &PAYLOAD[..len];
    let each = len * channels;
    let total = (20_000_000 / each * each) as u64 / if len < 200 { 10 } else { 1 };
    pair.transfer(&ids, payload, total, loss);
    let before = pair.packets;
    let info = allocation_counter::measure(|| pair.transfer(&ids, payload, total, loss));
    let packets = pair.packets - before;
    assert!(packets > 1000);
    info.count_total as f64 / packets as f64
}

#[test]
fn a_packet_of_many_small_messages_costs_next_to_no_allocation() {
    let cost = per_packet(100, u64::MAX, 1);
    assert!(cost < 0.15, "{cost} per packet");
}

#[test]
fn a_packet_with_one_message_costs_one_sixteenth_of_an_allocation() {
    let cost = per_packet(1000, u64::MAX, 1);
    assert!(cost < 0.15, "{cost} per packet");
}

#[test]
fn a_packet_of_a_large_message_costs_what_growing_the_message_costs() {
    // 44 packets, one buffer that doubles six times, and its bookkeeping.
    let cost = per_packet(50_000, u64::MAX, 1);
    assert!(cost < 0.3, "{cost} per packet");
}

#[test]
fn a_packet_of_interleaved_messages_costs_no_more() {
    let cost = per_packet(50_000, u64::MAX, 8);
    assert!(cost < 0.3, "{cost} per packet");
    let cost = per_packet(50_000, 97, 8);
    assert!(cost < 0.4, "{cost} per packet");
}

#[test]
fn loss_adds_little() {
    let cost = per_packet(50_000, 97, 1);
    assert!(cost < 0.4, "{cost} per packet");
}
