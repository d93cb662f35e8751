//! What an application may choose and learn of the encryption.

mod common;

use common::{connect, endpoint, endpoint_with, within};
use peerage::configuration::{CipherSuite, DtlsVersions, Group};

#[tokio::test]
async fn by_default_the_keys_withstand_quantum_computers() {
    within(async {
        let pair = connect(&endpoint(), &endpoint()).await;
        for pc in [&pair.a, &pair.b] {
            let security = pc.transport_stats().security.unwrap();
            assert_eq!((security.version.as_str(), security.group.as_deref()), ("DTLS 1.3", Some("X25519MLKEM768")));
        }
    })
    .await;
}

#[tokio::test]
async fn version_suite_and_group_follow_the_settings_of_either_side() {
    within(async {
        let choosy = endpoint_with(|settings| {
            settings.dtls.versions = DtlsVersions::Dtls12;
            settings.dtls.cipher_suites = vec![CipherSuite::ECDHE_ECDSA_CHACHA20_POLY1305];
            settings.dtls.groups = vec![Group::SECP256R1];
        });
        let easy = endpoint();
        for (left, right) in [(&choosy, &easy), (&easy, &choosy)] {
            let pair = connect(left, right).await;
            let security = pair.b.transport_stats().security.unwrap();
            assert_eq!(security.version, "DTLS 1.2");
            assert_eq!(security.cipher_suite, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256");
            assert_eq!(security.group.as_deref(), Some("secp256r1"));
        }
    })
    .await;
}

#[tokio::test]
async fn a_key_log_is_written_where_it_is_asked_for() {
    within(async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        let logging = endpoint_with(|settings| settings.key_log = Some(path.clone()));
        connect(&logging, &endpoint()).await;
        let log = std::fs::read_to_string(&path).unwrap();
        for label in [
            "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
            "SERVER_HANDSHAKE_TRAFFIC_SECRET",
            "CLIENT_TRAFFIC_SECRET_0",
            "SERVER_TRAFFIC_SECRET_0",
            "EXPORTER_SECRET",
        ] {
            assert_eq!(
                log.lines().filter(|line| line.starts_with(&format!("{label} "))).count(),
                1,
                "{label} in {log}"
            );
        }
    })
    .await;
}
