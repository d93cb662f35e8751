//! Limits that no test reaches by sending.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::Instant;

use crate::certificate::Certificate;
use crate::config::{Config, Role, Versions};
use crate::connection::Dtls;
use crate::event::{CloseReason, Event, ExportError, MAX_EXPORT, SealError};
use crate::fingerprint::HashAlgorithm;
use crate::suite::{CipherSuite, Epoch};

const NOW: Instant = Instant::ORIGIN;

struct Pair {
    sides: [Dtls; 2],
}

impl Pair {
    fn connected(versions: Versions, suite: CipherSuite) -> Self {
        let made = |seed| Arc::new(Certificate::generate(&mut Rng::from_u64(seed), 1_790_000_000).unwrap());
        let certificates: [Arc<Certificate>; 2] = [made(1), made(2)];
        let sides = [Role::Client, Role::Server].map(|role| {
            let own = usize::from(role == Role::Server);
            let mut config = Config::new(certificates[own].clone(), role);
            config.expected = vec![certificates[1 - own].fingerprint(HashAlgorithm::Sha256)];
            (config.versions, config.cipher_suites) = (versions, vec![suite]);
            Dtls::new(config, Rng::from_u64(own as u64), NOW)
        });
        let mut pair = Self { sides };
        pair.run();
        assert!(pair.sides.iter().all(Dtls::is_connected));
        for side in &mut pair.sides {
            while side.poll_event().is_some() {}
        }
        pair
    }

    /// Moves datagrams until there are none.
    fn run(&mut self) {
        let mut moved = true;
        while core::mem::take(&mut moved) {
            for from in [0, 1] {
                let mut buffer = [0; 1500];
                let mut slot = Slot::new(&mut buffer, 0, 0, 1500);
                while self.sides[from].poll_transmit(NOW, &mut slot) {
                    let mut datagram = slot.packet().to_vec();
                    self.sides[1 - from].handle_datagram(NOW, &mut datagram);
                    slot = Slot::new(&mut buffer, 0, 0, 1500);
                    moved = true;
                }
            }
        }
    }

    fn seal(&mut self, from: usize) -> Result<Vec<u8>, SealError> {
        let mut buffer = [0; 64];
        let mut slot = Slot::new(&mut buffer, 21, 17, 4);
        slot.room().copy_from_slice(b"data");
        slot.fill(4);
        self.sides[from].seal(&mut slot)?;
        Ok(slot.packet().to_vec())
    }

    fn arrives(&mut self, from: usize) -> bool {
        let mut record = self.seal(from).unwrap();
        self.sides[1 - from].handle_datagram(NOW, &mut record);
        self.sides[1 - from].poll_data(&mut record).is_some_and(|data| data == b"data")
    }
}

#[test]
fn worn_keys_are_renewed_while_data_flows() {
    for from in [0, 1] {
        let mut pair = Pair::connected(Versions::Dtls13, CipherSuite::AES_128_GCM);
        for round in 1..=3 {
            // Numbers are told from those that came last, so the way there goes in steps.
            for sequence in (1000..1 << 23).step_by(30_000) {
                pair.sides[from].transport.suppose(sequence, 0);
                assert!(pair.arrives(from), "round {round}, {sequence}");
            }
            assert!(!pair.sides[from].transport.is_flight_outstanding(), "not worn yet");
            pair.sides[from].transport.suppose((1 << 23) - 1, 0);
            assert!(pair.arrives(from));
            assert!(pair.sides[from].transport.is_flight_outstanding(), "a KeyUpdate is on its way");
            assert!(pair.arrives(from), "the old keys serve until it is acknowledged");
            pair.run();
            assert_eq!(pair.sides[from].transport.sending_epoch(), Epoch(3 + round));
            assert!(pair.arrives(from) && pair.arrives(1 - from));
        }
    }
}

#[test]
fn keys_that_are_used_up_end_the_connection() {
    for (versions, suite, last) in [
        (Versions::Dtls13, CipherSuite::AES_128_GCM, 23_726_566),
        (Versions::Dtls12, CipherSuite::ECDHE_ECDSA_AES_128_GCM, 1 << 48),
    ] {
        let mut pair = Pair::connected(versions, suite);
        pair.sides[0].transport.suppose(last - 1, 0);
        assert!(pair.seal(0).is_ok());
        assert_eq!(pair.seal(0), Err(SealError::NotConnected), "{versions:?}");
        assert_eq!(pair.sides[0].poll_event(), Some(Event::Closed(CloseReason::Exhausted)));
    }
}

#[test]
fn as_many_forgeries_as_keys_allow_end_the_connection() {
    for (versions, suite) in
        [(Versions::Dtls13, CipherSuite::CHACHA20_POLY1305), (Versions::Dtls12, CipherSuite::ECDHE_ECDSA_AES_256_GCM)]
    {
        let mut pair = Pair::connected(versions, suite);
        let mut record = pair.seal(0).unwrap();
        *record.last_mut().unwrap() ^= 1;
        let next = 1000;
        pair.sides[1].transport.suppose(next, (1 << 36) - 2);
        pair.sides[1].handle_datagram(NOW, &mut record.clone());
        assert!(pair.sides[1].is_connected(), "one is left");
        pair.sides[1].handle_datagram(NOW, &mut record);
        assert_eq!(pair.sides[1].poll_event(), Some(Event::Closed(CloseReason::Exhausted)), "{versions:?}");
    }
}

#[test]
fn what_comes_too_late_or_says_nothing_changes_nothing() {
    let mut pair = Pair::connected(Versions::Any, CipherSuite::AES_256_GCM);
    pair.sides[0].set_expected(NOW, Vec::new());
    assert!(pair.sides[0].is_connected(), "no fingerprints are no news");
    let mut out = vec![0; MAX_EXPORT + 1];
    assert_eq!(pair.sides[0].export("label", None, &mut out), Err(ExportError::TooLong));
    assert_eq!(pair.sides[0].export("label", None, &mut out[1..]), Ok(()));
    pair.sides[0].close(NOW);
    pair.sides[0].close(NOW);
    let stranger = Certificate::generate(&mut Rng::from_u64(9), 1_790_000_000).unwrap();
    pair.sides[0].set_expected(NOW, vec![stranger.fingerprint(HashAlgorithm::Sha256)]);
    let events: Vec<_> = core::iter::from_fn(|| pair.sides[0].poll_event()).collect();
    assert_eq!(events, [Event::Closed(CloseReason::Local)], "it ends once");
    assert_eq!(pair.sides[0].export("label", None, &mut out[1..]), Err(ExportError::NotConnected));
}
