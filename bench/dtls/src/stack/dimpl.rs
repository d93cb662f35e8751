//! The crate `dimpl` on aws-lc-rs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dimpl::crypto::{Dtls12CipherSuite, Dtls13CipherSuite};
use dimpl::{Config, Dtls, DtlsCertificate, NamedGroup, Output};

use crate::stack::{Group, Pair, RECORD, ROOM, Stack, Version};

/// See the module.
pub struct Dimpl {
    certificates: [DtlsCertificate; 2],
    config: Arc<Config>,
}

struct Established {
    client: Dtls,
    server: Dtls,
    data: [u8; RECORD],
    opened: [u8; ROOM],
}

impl Dimpl {
    /// With a certificate for each side.
    pub fn new() -> Self {
        let certificate = || dimpl::certificate::generate_self_signed_certificate().expect("a certificate can be made");
        let config = Config::builder()
            .use_server_cookie(false)
            .mtu(1200)
            .kx_groups(&[NamedGroup::X25519])
            .dtls12_cipher_suites(&[Dtls12CipherSuite::ECDHE_ECDSA_AES128_GCM_SHA256])
            .dtls13_cipher_suites(&[Dtls13CipherSuite::AES_128_GCM_SHA256])
            .build();
        let config = Arc::new(config.expect("the settings make sense"));
        Self { certificates: [certificate(), certificate()], config }
    }
}

impl Stack for Dimpl {
    fn name(&self) -> &'static str {
        "dimpl"
    }

    fn connect(&mut self, version: Version, group: Group) -> Option<Box<dyn Pair>> {
        if group != Group::X25519 {
            return None;
        }
        let now = Instant::now();
        let [mut client, mut server] = self.certificates.clone().map(|certificate| match version {
            Version::Dtls12 => Dtls::new_12(self.config.clone(), certificate, now),
            Version::Dtls13 => Dtls::new_13(self.config.clone(), certificate, now),
        });
        client.set_active(true);
        let mut connected = [false; 2];
        for round in 0..20 {
            // Its timers speak at once, and its acknowledgements some time later.
            let now = now + Duration::from_millis(round * 10);
            client.handle_timeout(now).ok()?;
            server.handle_timeout(now).ok()?;
            let sent = carry(&mut client, &mut server, &mut connected[0])?;
            let answered = carry(&mut server, &mut client, &mut connected[1])?;
            if connected == [true; 2] && !sent && !answered {
                return Some(Box::new(Established { client, server, data: [7; RECORD], opened: [0; ROOM] }));
            }
        }
        None
    }
}

impl Pair for Established {
    fn seal(&mut self, room: &mut [u8; ROOM]) -> usize {
        self.client.send_application_data(&self.data).expect("the connection is open");
        let len = match self.client.poll_output(room) {
            Output::Packet(packet) => packet.len(),
            other => panic!("{other:?} instead of a record"),
        };
        while !matches!(self.client.poll_output(&mut self.opened), Output::Timeout(_)) {}
        len
    }

    fn open(&mut self, record: &mut [u8]) -> usize {
        self.server.handle_packet(record).expect("it was sealed so");
        let mut len = 0;
        loop {
            match self.server.poll_output(&mut self.opened) {
                Output::ApplicationData(data) => len = data.len(),
                Output::Timeout(_) => return len,
                _ => {}
            }
        }
    }
}

/// Carries everything from one side to the other; whether there was anything. `None` after an error.
fn carry(from: &mut Dtls, to: &mut Dtls, connected: &mut bool) -> Option<bool> {
    let (mut any, mut buf) = (false, [0; 1 << 12]);
    loop {
        match from.poll_output(&mut buf) {
            Output::Packet(packet) => {
                any = true;
                to.handle_packet(packet).ok()?;
            }
            Output::Connected => *connected = true,
            Output::Timeout(_) => return Some(any),
            _ => {}
        }
    }
}
