//! Loss, delay and repetition over many wraps of the sequence number: what is within the window arrives, once, as it was.

use std::collections::BTreeSet;

use peerage_base::slot::Slot;
use peerage_srtp::error::OpenError;
use peerage_srtp::master::Master;
use peerage_srtp::profile::Profile;
use peerage_srtp::receiver::{self, Receiver};
use peerage_srtp::sender::{self, Sender};
use proptest::prelude::*;

const WINDOW: u64 = 1024;

/// One packet of the way: how far the sequence number goes on from the last, and where the packet goes.
#[derive(Clone, Debug)]
struct Step {
    advance: u64,
    /// Arrives when so many more have been sent; each time.
    delays: Vec<usize>,
}

fn step() -> impl Strategy<Value = Step> {
    let advance = prop_oneof![8 => Just(1u64), 2 => 1u64..50, 1 => 900u64..2000, 1 => 8_000u64..16_000];
    let delays = prop_oneof![
        8 => Just(vec![0]),
        1 => Just(vec![]),
        3 => prop::collection::vec(0usize..40, 1..4),
    ];
    (advance, delays).prop_map(|(advance, delays)| Step { advance, delays })
}

fn protect(sender: &mut Sender, index: u64) -> Vec<u8> {
    let mut plain = vec![0x80, 96];
    plain.extend((index as u16).to_be_bytes());
    plain.extend([0, 0, 0, 0, 0, 0, 0, 1]);
    plain.extend(index.to_be_bytes());
    let mut buf = vec![0; plain.len() + 16];
    let mut slot = Slot::new(&mut buf, 0, 16, plain.len());
    slot.room().copy_from_slice(&plain);
    slot.fill(plain.len());
    sender.protect_rtp(&mut slot).unwrap();
    slot.packet().to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn what_is_within_the_window_arrives_once(
        profile in prop::sample::select(Profile::ALL.to_vec()),
        start in prop_oneof![0u64..0x8000, 65_500u64..0x1_0000],
        steps in prop::collection::vec(step(), 1..160),
    ) {
        let master = Master::new(profile, &[1; 32][..profile.key_len()], &[2; 14][..profile.salt_len()]).unwrap();
        let mut sender = Sender::new(&master, &sender::Config::default());
        let mut receiver = Receiver::new(&master, &receiver::Config::default());
        let mut arrivals = Vec::new();
        let mut index = start;
        for (now, step) in steps.iter().enumerate() {
            let packet = protect(&mut sender, index);
            // The first arrives, so that the receiver is with it.
            let delays = if now == 0 { &[0][..] } else { &step.delays };
            arrivals.extend(delays.iter().map(|delay| (now + delay, index, packet.clone())));
            index += step.advance;
        }
        arrivals.sort_by_key(|arrival| arrival.0);

        let (mut seen, mut highest) = (BTreeSet::new(), start);
        for (_, index, mut packet) in arrivals {
            // A packet from more than half a round away may be taken for one of another round, and then fails.
            if index.abs_diff(highest) >= 0x7FFF {
                continue;
            }
            let result = receiver.unprotect_rtp(&mut packet);
            if index + WINDOW <= highest {
                prop_assert_eq!(result, Err(OpenError::TooOld));
            } else if !seen.insert(index) {
                prop_assert_eq!(result, Err(OpenError::Replayed));
            } else {
                prop_assert_eq!(result, Ok(20));
                prop_assert_eq!(&packet[12..20], &index.to_be_bytes());
                highest = highest.max(index);
            }
        }
    }
}
