//! What is known while the handshake runs.

use crate::config::{Role, Versions};
use crate::fingerprint::Verified;
use crate::first_flight::FirstFlight;
use crate::record::{Records, ServerHello};
use crate::suite::{CipherSuite, Group, SrtpKeys};

/// What only the handshake needs.
#[derive(Debug, Default)]
pub(super) struct Handshake {
    /// What arrives before the peer's hello is complete.
    pub(super) first_flight: Option<FirstFlight>,
    /// Whether this side has sent anything.
    pub(super) spoken: bool,
    /// Bytes taken in.
    pub(super) received: usize,
    pub(super) suite: Option<CipherSuite>,
    pub(super) group: Option<Group>,
    pub(super) srtp: Option<SrtpKeys>,
    pub(super) verified: Option<Verified>,
    pub(super) complete: bool,
}

impl Handshake {
    pub(super) fn new(role: Role) -> Self {
        Self { first_flight: Some(FirstFlight::new(role)), ..Self::default() }
    }

    /// Notes what a datagram says in plaintext about the choice of the server. `false` if the server says that it
    /// knows DTLS 1.3, which was offered, and was made to choose DTLS 1.2 (RFC 8446 §4.1.3).
    pub(super) fn observe(&mut self, versions: Versions, datagram: &[u8]) -> bool {
        for fragment in Records::new(datagram).handshake() {
            if let Some(hello) = ServerHello::read(&fragment) {
                if hello.downgraded && versions == Versions::Any {
                    return false;
                }
                self.suite = Some(hello.cipher_suite);
                self.group = hello.group.or(self.group);
            } else if let Some(group) = fragment.key_exchange_group() {
                self.group = Some(group);
            }
        }
        true
    }
}
