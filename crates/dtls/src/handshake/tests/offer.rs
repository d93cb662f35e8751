//! What a client says of itself.

use alloc::vec;
use alloc::vec::Vec;

use crate::config::{Config, Versions};
use crate::handshake::tests::harness::{Pair, edit_client_hello};
use crate::message::client_hello::ClientHello;
use crate::suite::{CipherSuite, Group, SignatureScheme, SrtpProfile};

/// Looks at the hello that a client with this configuration sends.
fn look(change: fn(&mut Config), look: fn(&mut ClientHello<'_>)) {
    let mut pair = Pair::with(|client, _| change(client));
    pair.server.tamper = edit_client_hello(0, look);
    pair.drive();
    assert!(!pair.server.seen.is_empty(), "a hello came");
}

#[test]
fn both_versions_are_offered_in_one_hello() {
    look(
        |_| {},
        |hello| {
            let extensions = hello.extensions;
            assert_eq!(extensions.supported_versions.unwrap().iter().collect::<Vec<_>>(), [0xFEFC, 0xFEFD]);
            assert_eq!(hello.cipher_suites.iter().collect::<Vec<_>>(), CipherSuite::ALL);
            assert_eq!(extensions.supported_groups.unwrap().iter().collect::<Vec<_>>(), Group::ALL);
            assert_eq!(extensions.signature_algorithms.unwrap().iter().collect::<Vec<_>>(), SignatureScheme::ALL);
            let shares: Vec<_> =
                extensions.key_share.unwrap().iter().map(|share| (share.group, share.key_exchange.len())).collect();
            assert_eq!(shares, [(Group::X25519_MLKEM768, 1216), (Group::X25519, 32)]);
            assert_eq!((hello.session_id, hello.cookie, hello.compression), (&[][..], &[][..], &[0][..]));
            assert_eq!((hello.legacy_version, extensions.cookie), (0xFEFD, None));
            assert_eq!(extensions.use_srtp.unwrap().profiles.iter().collect::<Vec<_>>(), [7, 8, 1]);
            assert_eq!(extensions.record_size_limit, Some((1 << 14) + 1));
            assert!(extensions.extended_master_secret && extensions.renegotiation_info && extensions.ec_point_formats);
        },
    );
}

#[test]
fn a_hello_of_dtls_1_2_alone_has_nothing_of_dtls_1_3() {
    look(
        |client| client.versions = Versions::Dtls12,
        |hello| {
            let extensions = hello.extensions;
            assert_eq!((extensions.supported_versions, extensions.key_share), (None, None));
            assert_eq!(hello.cipher_suites.iter().collect::<Vec<_>>(), CipherSuite::ALL[3..]);
            assert!(!extensions.supported_groups.unwrap().contains(Group::X25519_MLKEM768));
            assert_eq!(extensions.record_size_limit, Some(1 << 14));
        },
    );
}

#[test]
fn a_hello_of_dtls_1_3_alone_has_nothing_of_dtls_1_2() {
    look(
        |client| client.versions = Versions::Dtls13,
        |hello| {
            let extensions = hello.extensions;
            assert_eq!(extensions.supported_versions.unwrap().iter().collect::<Vec<_>>(), [0xFEFC]);
            assert_eq!(hello.cipher_suites.iter().collect::<Vec<_>>(), CipherSuite::ALL[..3]);
            assert!(!extensions.extended_master_secret && !extensions.renegotiation_info);
        },
    );
}

#[test]
fn suites_of_one_version_are_an_offer_of_that_version() {
    look(
        |client| client.cipher_suites = vec![CipherSuite::ECDHE_ECDSA_AES_128_GCM, CipherSuite::UNKNOWN],
        |hello| {
            assert_eq!(hello.extensions.supported_versions, None);
            assert_eq!(hello.cipher_suites.iter().collect::<Vec<_>>(), [CipherSuite::ECDHE_ECDSA_AES_128_GCM]);
        },
    );
}

#[test]
fn what_is_not_spoken_is_not_offered() {
    look(
        |client| {
            client.srtp_profiles.clear();
            client.alpn.clear();
            client.groups = vec![Group(0x0100), Group::SECP384R1];
            client.record_size_limit = 1;
        },
        |hello| {
            let extensions = hello.extensions;
            assert_eq!((extensions.use_srtp, extensions.alpn), (None, None));
            assert_eq!(extensions.supported_groups.unwrap().iter().collect::<Vec<_>>(), [Group::SECP384R1]);
            assert_eq!(extensions.record_size_limit, Some(65), "the least that may be asked for");
        },
    );
    look(
        |client| client.srtp_profiles = vec![SrtpProfile::Aes128CmSha1_32],
        |hello| assert_eq!(hello.extensions.use_srtp.unwrap().profiles.iter().collect::<Vec<_>>(), [2]),
    );
}
