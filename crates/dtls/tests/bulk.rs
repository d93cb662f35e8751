//! A peer with a certificate far longer than any honest one.
#![allow(clippy::disallowed_methods, reason = "the bare engine on the other side reads time as std does")]

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant as StdInstant};

use common::{Side, certificate, transmit};
use peerage_base::time::Instant;
use peerage_dtls::{Config, Fingerprint, HashAlgorithm, Role, Versions};

fn bulky(size: usize) -> dimpl::DtlsCertificate {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.custom_extensions = vec![rcgen::CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 1], vec![7; size])];
    let certificate = params.self_signed(&key).unwrap().der().to_vec();
    dimpl::DtlsCertificate { certificate, private_key: key.serialize_der() }
}

/// Hands datagrams to and fro for a while; answers whether this side connected.
fn meets(role: Role, versions: Versions, size: usize) -> bool {
    let peer_certificate = bulky(size);
    let mut config = Config::new(certificate(1), role);
    config.expected = vec![Fingerprint::of(&peer_certificate.certificate, HashAlgorithm::Sha256)];
    config.versions = versions;
    let mut side = Side::new(config, 1, Instant::ORIGIN);

    let start = StdInstant::now();
    let engine = Arc::new(dimpl::Config::builder().mtu(60_000).max_queue_tx(64).build().unwrap());
    let mut peer = dimpl::Dtls::new_auto(engine, peer_certificate, start);
    peer.set_active(role == Role::Server);
    let mut buf = vec![0; 300_000];
    for round in 0..20 {
        let passed = Duration::from_millis(round * 100);
        let now = Instant::ORIGIN + passed;
        if peer.handle_timeout(start + passed).is_err() {
            break;
        }
        loop {
            match peer.poll_output(&mut buf) {
                dimpl::Output::Packet(datagram) => side.input(now, datagram),
                dimpl::Output::Timeout(_) => break,
                _ => {}
            }
        }
        side.dtls.handle_timeout(now);
        side.read(&mut []);
        while let Some(datagram) = transmit(&mut side.dtls, now) {
            // A peer that gives up is gone; this side must only survive it.
            if peer.handle_packet(&datagram).is_err() {
                return side.info.is_some();
            }
        }
    }
    side.info.is_some()
}

#[test]
fn a_certificate_of_any_length_connects_or_is_refused() {
    for role in [Role::Client, Role::Server] {
        for versions in [Versions::Any, Versions::Dtls12] {
            assert!(meets(role, versions, 100), "{role:?} {versions:?}");
            assert!(meets(role, versions, 15_000), "{role:?} {versions:?}");
            // Beyond what is taken in before a peer is known; how it ends is not of interest.
            assert!(!meets(role, versions, 280_000), "{role:?} {versions:?}");
        }
    }
}
