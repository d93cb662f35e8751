//! What a packet costs in allocations once a transfer is under way.

mod bulk;

use bulk::{Pair, certificate};
use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::Instant;
use peerage_dtls::config::{Config as DtlsConfig, Role};
use peerage_dtls::connection::Dtls;
use peerage_dtls::fingerprint::HashAlgorithm;

/// Allocations per packet of a session pair in a transfer that follows an equal one.
fn session_cost(len: usize) -> f64 {
    let (mut pair, id) = Pair::connected();
    let total = (8_000_000 / len * len) as u64;
    pair.transfer(id, len, total);
    let before = pair.packets;
    let info = allocation_counter::measure(|| pair.transfer(id, len, total));
    let packets = pair.packets - before;
    assert!(packets > 5000, "{packets}");
    info.count_total as f64 / packets as f64
}

/// Allocations per packet of sealing and opening alone.
fn dtls_cost() -> f64 {
    let now = Instant::from_millis(1);
    let certificates = [certificate(1), certificate(2)];
    let end = |own: usize, role| {
        let mut config = DtlsConfig::new(certificates[own].clone(), role);
        config.expected = vec![certificates[1 - own].fingerprint(HashAlgorithm::Sha256)];
        Dtls::new(config, Rng::from_u64(own as u64), now)
    };
    let mut ends = [end(0, Role::Client), end(1, Role::Server)];
    let mut buf = vec![0; 2048];
    for _ in 0..20 {
        for from in 0..2 {
            let mut slot = Slot::new(&mut buf, 0, 0, 1500);
            while ends[from].poll_transmit(now, &mut slot) {
                ends[1 - from].handle_datagram(now, slot.packet_mut());
                slot = Slot::new(&mut buf, 0, 0, 1500);
            }
        }
    }
    assert!(ends.iter().all(Dtls::is_connected));
    let mut carry = |count: u32| {
        for _ in 0..count {
            let overhead = ends[0].overhead();
            let mut slot = Slot::new(&mut buf, overhead.head, overhead.tail, 1178);
            slot.room().fill(9);
            slot.fill(1178);
            ends[0].seal(&mut slot).unwrap();
            let packet = slot.packet_mut();
            ends[1].handle_datagram(now, packet);
            assert_eq!(ends[1].poll_data(packet).map(|data| data.len()), Some(1178));
        }
    };
    carry(1000);
    allocation_counter::measure(|| carry(5000)).count_total as f64 / 5000.0
}

#[test]
fn a_packet_costs_hardly_an_allocation_and_none_for_its_protection() {
    let protection = dtls_cost();
    assert!(protection == 0.0, "{protection} for sealing and opening");
    for len in [1000, 50_000] {
        let cost = session_cost(len);
        println!("{len} bytes a message: {cost:.3} allocations per packet");
        // Arenas, growing messages, acknowledgements.
        assert!(cost < 0.35, "{cost}");
    }
}

#[test]
fn messages_that_fill_no_packet_leave_in_runs_as_well() {
    // One to a packet, two, and more than one with a rest.
    for len in [1000, 600, 2000, 50_000] {
        let (mut pair, id) = Pair::connected();
        pair.transfer(id, len, (1_000_000 / len * len) as u64);
        assert!(pair.longest >= if len == 2000 { 2 } else { 20 }, "{len} bytes a message: runs of {}", pair.longest);
    }
}

#[test]
fn messages_that_are_cut_leave_in_long_runs_wherever_they_end() {
    for (len, least) in [(3000, 12), (16_384, 20), (50_000, 20)] {
        let (mut pair, id) = Pair::connected();
        pair.transfer(id, len, (2_000_000 / len * len) as u64);
        let (packets, runs) = (pair.packets, pair.runs);
        pair.transfer(id, len, (8_000_000 / len * len) as u64);
        let (packets, runs) = (pair.packets - packets, pair.runs - runs);
        println!("{len} bytes a message: {packets} packets in {runs} runs");
        assert!(packets > least * runs, "{packets} packets in {runs} runs");
    }
}
