//! Losses are repaired without a time-out wherever an acknowledgement can tell of them.

use super::*;

const WAY: Duration = Duration::from_millis(20);
const TRIP: Duration = Duration::from_millis(40);

/// A world with an open channel, warmed up so that round trips are known.
fn warm(seed: u64) -> (World, ChannelId) {
    let mut w = World::connected(Link { delay: WAY, ..Link::default() }, seed);
    let id = w.open(0, ChannelInit::new("x"));
    for n in 0..5 {
        w.send(0, id, pattern(n, 3000));
        w.run_until(TRIP * 2, |_| false);
    }
    w.settle(MINUTE);
    (w, id)
}

/// Drops what is on its way to end 1 and has user data in it: the packets for which `lost` holds of their place in order.
fn drop_data(w: &mut World, lost: impl Fn(usize, usize) -> bool) -> usize {
    let keys: Vec<_> = w.wire.iter().filter(|(_, (to, p))| *to == 1 && p.len() > 200).map(|(key, _)| *key).collect();
    let gone: Vec<_> = keys.iter().enumerate().filter(|(n, _)| lost(*n, keys.len())).map(|(_, key)| *key).collect();
    for key in &gone {
        w.wire.remove(key);
    }
    gone.len()
}

fn received(w: &World) -> usize {
    let theirs = w.ends[1].peer_channel("x").unwrap();
    w.ends[1].inbox.get(&theirs).map_or(0, Vec::len)
}

/// Runs until so many messages have arrived; answers how long that took.
fn arrival(w: &mut World, messages: usize) -> Duration {
    let began = w.now;
    w.run_until(MINUTE, |w| received(w) >= messages);
    assert_eq!(received(w), messages);
    w.now.since(began)
}

fn stats(w: &World) -> Stats {
    w.ends[0].sctp.stats()
}

#[test]
fn any_number_of_packets_lost_at_the_tail_is_repaired_by_a_probe() {
    for n in 1..=10 {
        let (mut w, id) = warm(n as u64);
        (0..10).for_each(|n| w.send(0, id, pattern(n, 1100)));
        w.flush();
        assert_eq!(drop_data(&mut w, |at, of| at + n >= of), n);
        let took = arrival(&mut w, 15);
        assert_eq!((stats(&w).timeouts, stats(&w).loss_probes), (0, 1), "{n} {took:?} {:?}", stats(&w));
        assert!(took < TRIP * 5, "{n}: {took:?}");
    }
}

#[test]
fn a_lost_retransmission_is_repaired_without_a_timeout() {
    let (mut w, id) = warm(1);
    (0..40).for_each(|n| w.send(0, id, pattern(n, 1100)));
    w.flush();
    drop_data(&mut w, |at, _| at == 2);
    let before = stats(&w).retransmissions;
    for again in 1..=4 {
        w.run_until(MINUTE, |w| stats(w).retransmissions >= before + again);
        // The retransmission is what left last.
        drop_data(&mut w, |at, of| at + 1 == of);
        w.send(0, id, pattern(0, 1100));
    }
    arrival(&mut w, 49);
    assert_eq!(stats(&w).timeouts, 0, "{:?}", stats(&w));
}

#[test]
fn a_lost_probe_costs_one_timeout_and_no_more() {
    let (mut w, id) = warm(2);
    (0..5).for_each(|n| w.send(0, id, pattern(n, 1100)));
    w.flush();
    drop_data(&mut w, |_, _| true);
    w.run_until(MINUTE, |w| stats(w).loss_probes > 0);
    w.flush();
    assert_eq!(drop_data(&mut w, |_, _| true), 1);
    let took = arrival(&mut w, 10);
    assert_eq!(stats(&w).timeouts, 1);
    assert!(took < Duration::from_millis(600), "{took:?}");
}

#[test]
fn a_whole_window_lost_is_found_by_a_probe() {
    let (mut w, id) = warm(3);
    (0..10).for_each(|n| w.send(0, id, pattern(n, 200_000)));
    w.run_until(MINUTE, |w| w.wire.values().filter(|(to, p)| *to == 1 && p.len() > 200).count() > 15);
    assert!(drop_data(&mut w, |_, _| true) > 15);
    arrival(&mut w, 15);
    assert_eq!(stats(&w).timeouts, 0, "{:?}", stats(&w));
}

#[test]
fn acknowledgements_may_be_lost_in_any_number() {
    for seed in 0..5 {
        let (mut w, id) = warm(seed);
        w.filter = |n, to, _| to == 0 && n % 4 != 0;
        (0..20).for_each(|n| w.send(0, id, pattern(n, 20_000)));
        arrival(&mut w, 25);
        // Not the last one over and over, which T3 is for.
        w.filter = |_, _, _| false;
        w.settle(MINUTE);
        let stats = stats(&w);
        assert_eq!(stats.timeouts, 0, "{stats:?}");
        assert!(stats.retransmissions <= stats.loss_probes, "only probes: {stats:?}");
    }
}

#[test]
fn reordering_causes_no_loss_once_it_is_known() {
    for packets in [1, 2, 5, 10, 20, 50] {
        let (mut w, id) = warm(packets);
        // At a packet per 100 microseconds, a jitter of so many packets.
        w.link.jitter = Duration::from_micros(100) * packets as u32;
        let spread = |w: &mut World, n: usize| {
            for n in 0..n {
                w.send(0, id, pattern(n, 1100));
                w.run_until(Duration::from_micros(100), |_| false);
            }
            w.settle(MINUTE);
        };
        spread(&mut w, 600);
        let before = stats(&w);
        spread(&mut w, 1500);
        let after = stats(&w);
        assert_eq!(after.timeouts, 0);
        assert_eq!(after.retransmissions - before.retransmissions, 0, "{packets}: {before:?} {after:?}");
        assert_eq!(received(&w), 2105);
    }
}

#[test]
fn a_switch_of_path_in_the_middle_asks_at_once_what_has_arrived() {
    let (mut w, id) = warm(5);
    (0..10).for_each(|n| w.send(0, id, pattern(n, 30_000)));
    w.run_until(TRIP * 3, |_| false);
    w.flush();
    assert!(drop_data(&mut w, |_, _| true) > 0, "the old path is dead");
    w.wire.clear();
    w.link.delay = WAY * 2;
    let now = w.now;
    w.ends.iter_mut().for_each(|end| end.sctp.path_changed(now));
    arrival(&mut w, 15);
    assert_eq!(stats(&w).timeouts, 0, "{:?}", stats(&w));
    assert!(stats(&w).round_trip.is_some_and(|rtt| rtt >= WAY * 4), "measured on the new path only");
}

#[test]
fn under_heavy_loss_the_round_trip_stays_true_and_timeouts_short() {
    for seed in 0..6 {
        let (mut w, id) = warm(seed);
        w.link.loss = 0.2;
        (0..40).for_each(|n| w.send(0, id, pattern(n, 20_000)));
        let mut greatest = Duration::ZERO;
        let mut longest = Duration::ZERO;
        let limit = w.now + MINUTE * 10;
        while received(&w) < 45 && w.now < limit && w.step() {
            let sender = &w.ends[0].sctp.sender;
            greatest = greatest.max(sender.rto.smoothed().unwrap());
            longest = longest.max(sender.rto.current());
        }
        assert_eq!(received(&w), 45, "{:?}", stats(&w));
        assert!(greatest < TRIP * 4, "{greatest:?}");
        assert!(longest <= Duration::from_millis(1600), "{longest:?}");
    }
}

#[test]
fn a_delay_that_comes_suddenly_is_no_lasting_loss() {
    let (mut w, id) = warm(6);
    w.send(0, id, pattern(1, 100_000));
    w.run_until(MINUTE, |w| w.wire.values().filter(|(to, p)| *to == 1 && p.len() > 200).count() > 15);
    let window = stats(&w).congestion_window;
    // The way there stands still for a second.
    let still = Duration::from_secs(1);
    let held: Vec<_> = core::mem::take(&mut w.wire).into_iter().collect();
    let later = |to: usize, at: Instant| if to == 1 { at + still } else { at };
    w.wire = held.into_iter().map(|((at, n), (to, packet))| ((later(to, at), n), (to, packet))).collect();
    w.free_at[1] = w.now + still;
    arrival(&mut w, 6);
    w.settle(MINUTE);
    let stats = stats(&w);
    assert!(stats.timeouts > 0 && stats.spurious_losses > 0, "{stats:?}");
    assert!(stats.retransmissions < 12, "{window} {stats:?}");
}

#[test]
fn an_idle_association_holds_no_memory_for_its_flight_and_wants_nothing() {
    let (mut w, id) = warm(7);
    w.send(0, id, pattern(1, 200_000));
    w.settle(MINUTE);
    let sctp = &w.ends[0].sctp;
    assert_eq!(sctp.sender.flight.capacity(), 0);
    assert_eq!(sctp.poll_timeout(), None);
}

#[test]
fn what_was_never_sent_cannot_be_acknowledged() {
    let (mut w, id) = warm(8);
    w.send(0, id, pattern(1, 5000));
    w.flush();
    let sctp = &mut w.ends[0].sctp;
    let beyond = sctp.sender.flight.next_tsn();
    let mut body = beyond.0.to_be_bytes().to_vec();
    body.extend([0, 1, 0, 0, 0, 0, 0, 0]);
    let (before, in_flight) = (sctp.stats().drops.state, sctp.stats().in_flight);
    sctp.on_sack(w.now, &body);
    assert_eq!((sctp.stats().drops.state, sctp.stats().in_flight), (before + 1, in_flight));
    arrival(&mut w, 6);
}
