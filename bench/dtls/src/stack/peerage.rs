//! This project's machine.

use std::sync::Arc;

use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::Instant;
use peerage_dtls::suite::{self, CipherSuite};
use peerage_dtls::{Certificate, Config, Dtls, HashAlgorithm, Role, Versions};

use crate::stack::{Group, Pair, RECORD, ROOM, Stack, Version};

/// When the certificates are made, in seconds since 1970.
const TODAY: u64 = 1_790_000_000;
/// Room for a handshake datagram.
const DATAGRAM: usize = 1500;

/// See the module.
pub struct Peerage {
    certificates: [Arc<Certificate>; 2],
    rng: Rng,
}

struct Established {
    client: Dtls,
    server: Dtls,
}

impl Peerage {
    /// With a certificate for each side.
    pub fn new() -> Self {
        let mut rng = Rng::from_u64(1);
        let mut certificate = || Arc::new(Certificate::generate(&mut rng, TODAY).expect("a certificate can be made"));
        let certificates = [certificate(), certificate()];
        Self { certificates, rng }
    }

    fn side(&mut self, role: Role, version: Version, group: Group) -> Dtls {
        let [client, server] = &self.certificates;
        let (own, peer) = if role == Role::Client { (client, server) } else { (server, client) };
        let mut config = Config::new(own.clone(), role);
        config.expected = vec![peer.fingerprint(HashAlgorithm::Sha256)];
        (config.versions, config.cipher_suites) = match version {
            Version::Dtls12 => (Versions::Dtls12, vec![CipherSuite::ECDHE_ECDSA_AES_128_GCM]),
            Version::Dtls13 => (Versions::Dtls13, vec![CipherSuite::AES_128_GCM]),
        };
        config.groups = vec![match group {
            Group::X25519MlKem768 => suite::Group::X25519_MLKEM768,
            Group::X25519 => suite::Group::X25519,
        }];
        Dtls::new(config, self.rng.split("connection"), Instant::ORIGIN)
    }
}

impl Stack for Peerage {
    fn name(&self) -> &'static str {
        "peerage"
    }

    fn connect(&mut self, version: Version, group: Group) -> Option<Box<dyn Pair>> {
        let mut client = self.side(Role::Client, version, group);
        let mut server = self.side(Role::Server, version, group);
        while carry(&mut client, &mut server) | carry(&mut server, &mut client) {}
        (client.is_connected() && server.is_connected()).then(|| Box::new(Established { client, server }) as _)
    }
}

impl Pair for Established {
    fn seal(&mut self, room: &mut [u8; ROOM]) -> usize {
        let overhead = self.client.overhead();
        let mut slot = Slot::new(room, overhead.head, overhead.tail, RECORD);
        slot.fill(RECORD);
        self.client.seal(&mut slot).expect("the connection is open");
        let record = slot.packet();
        let len = record.len();
        // The record begins where its header begins, as a socket would take it.
        let start = overhead.head + RECORD + overhead.tail - len;
        debug_assert_eq!(start, 0, "the bounds of an established connection are exact");
        len
    }

    fn open(&mut self, record: &mut [u8]) -> usize {
        self.server.handle_datagram(Instant::ORIGIN, record);
        self.server.poll_data(record).map_or(0, |data| data.len())
    }
}

/// Carries everything from one side to the other; whether there was anything.
fn carry(from: &mut Dtls, to: &mut Dtls) -> bool {
    let mut any = false;
    let mut buf = [0; DATAGRAM];
    loop {
        let mut slot = Slot::new(&mut buf, 0, 0, DATAGRAM);
        if !from.poll_transmit(Instant::ORIGIN, &mut slot) {
            break;
        }
        any = true;
        let len = slot.packet().len();
        to.handle_datagram(Instant::ORIGIN, &mut buf[..len]);
    }
    while to.poll_event().is_some() {}
    any
}
