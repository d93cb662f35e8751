//! Any sequence of operations of both owners, on any link: in the end everything is settled and nothing is kept.

use super::*;
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

#[derive(Clone, Debug)]
enum Operation {
    Open { end: usize, ordered: bool, retransmits: Option<u16>, lifetime: bool },
    Send { end: usize, channel: usize, len: usize },
    Close { end: usize, channel: usize },
    Run { millis: u64 },
    Path { end: usize },
    Link { loss: f64, jitter: u64 },
}

fn operation() -> impl Strategy<Value = Operation> {
    let end = || 0..2usize;
    prop_oneof![
        2 => (end(), any::<bool>(), proptest::option::of(0..3u16), any::<bool>())
            .prop_map(|(end, ordered, retransmits, lifetime)| Operation::Open { end, ordered, retransmits, lifetime }),
        6 => (end(), 0..8usize, prop_oneof![0..3usize, 0..5_000usize, 0..60_000usize])
            .prop_map(|(end, channel, len)| Operation::Send { end, channel, len }),
        2 => (end(), 0..8usize).prop_map(|(end, channel)| Operation::Close { end, channel }),
        4 => (0..2000u64).prop_map(|millis| Operation::Run { millis }),
        1 => end().prop_map(|end| Operation::Path { end }),
        1 => (0.0..0.3f64, 0..40u64).prop_map(|(loss, jitter)| Operation::Link { loss, jitter }),
    ]
}

/// Every channel that an end knows of, its own and the peer's.
fn channels(w: &World, end: usize) -> Vec<ChannelId> {
    w.ends[end].sctp.channels.iter().map(|(id, _)| id).collect()
}

fn perform(w: &mut World, operation: &Operation) {
    let now = w.now;
    match *operation {
        Operation::Open { end, ordered, retransmits, lifetime } => {
            let max_packet_life_time = (lifetime && retransmits.is_none()).then_some(80);
            let init =
                ChannelInit { ordered, max_retransmits: retransmits, max_packet_life_time, ..ChannelInit::new("x") };
            w.open(end, init);
        }
        Operation::Send { end, channel, len } => {
            if let Some(id) = channels(w, end).get(channel) {
                let _ = w.ends[end].sctp.send(now, *id, Kind::Binary, pattern(len, len));
            }
        }
        Operation::Close { end, channel } => {
            if let Some(id) = channels(w, end).get(channel) {
                w.ends[end].sctp.close(now, *id);
            }
        }
        Operation::Run { millis } => w.run_until(Duration::from_millis(millis), |_| false),
        Operation::Path { end } => w.ends[end].sctp.path_changed(now),
        Operation::Link { loss, jitter } => {
            w.link = Link { loss, jitter: Duration::from_millis(jitter), ..w.link };
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_owners_do_everything_settles_and_nothing_is_kept(
        operations in vec(operation(), 1..60),
        connect_after in 0..20usize,
        seed in 0..10_000u64,
    ) {
        let mut w = World::new(LOSSY(), seed);
        for (n, operation) in operations.iter().enumerate() {
            if n == connect_after {
                w.ends[n % 2].sctp.connect(w.now);
            }
            perform(&mut w, operation);
        }
        w.link.loss = w.link.loss.min(0.1);
        w.connect();
        w.settle(MINUTE * 10);
        for n in 0..2 {
            prop_assert_eq!(w.ends[n].sctp.poll_timeout(), None);
            prop_assert_eq!(w.ends[n].sctp.sender.held(), 0);
            prop_assert_eq!(w.ends[n].sctp.receiver.held(), 0);
            prop_assert_eq!(w.ends[n].sctp.sender.flight.in_flight(), 0);
            for message in w.ends[n].inbox.values().flatten() {
                prop_assert_eq!(&message.payload, &pattern(message.payload.len(), message.payload.len()));
            }
            for id in channels(&w, n) {
                w.ends[n].sctp.close(w.now, id);
            }
        }
        w.settle(MINUTE * 10);
        for n in 0..2 {
            prop_assert!(channels(&w, n).is_empty(), "{:?}", w.ends[n].sctp.channels);
        }
        w.ends[0].sctp.shutdown(w.now);
        w.settle(MINUTE * 10);
        prop_assert!(w.ends.iter().all(End::is_down));
    }
}
