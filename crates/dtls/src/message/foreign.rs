//! Messages of other stacks: Chrome 156, Firefox 153, OpenSSL 3.0 and RFC 8448 §5, whole and broken.

use alloc::vec;
use alloc::vec::Vec;

use crate::alert::AlertDescription;
use crate::certificate::peer::PeerCertificate;
use crate::extension::alpn::ProtocolName;
use crate::extension::key_share::KeyShare;
use crate::extension::use_srtp::SelectedSrtp;
use crate::message::certificate_request12::{CertificateRequest12, ECDSA_SIGN, RSA_SIGN};
use crate::message::certificate_request13::CertificateRequest13;
use crate::message::certificate_verify::CertificateVerify;
use crate::message::certificate12::Certificate12;
use crate::message::certificate13::Certificate13;
use crate::message::client_hello::ClientHello;
use crate::message::client_key_exchange::ClientKeyExchange;
use crate::message::encrypted_extensions::EncryptedExtensions;
use crate::message::exercise::Form;
use crate::message::finished::Finished;
use crate::message::hello_verify_request::HelloVerifyRequest;
use crate::message::server_hello::ServerHello;
use crate::message::server_key_exchange::ServerKeyExchange;
use crate::suite::{CipherSuite, Group, SignatureScheme};
use peerage_crypto::signature::PublicKey;

macro_rules! recorded {
    ($name:literal) => {
        include_bytes!(concat!("../../tests/fixtures/messages/", $name, ".bin"))
    };
}

const RECORDED: &[(Form, &[u8])] = &[
    (Form::ClientHello, recorded!("chrome_156_client_hello")),
    (Form::ClientHello, recorded!("chrome_156_sped_client_hello")),
    (Form::ClientHello, recorded!("firefox_153_client_hello")),
    (Form::ClientHello, recorded!("openssl_3_client_hello")),
    (Form::ClientHello, recorded!("openssl_3_client_hello_with_cookie")),
    (Form::ServerHello, recorded!("chrome_156_server_hello")),
    (Form::ServerHello, recorded!("chrome_156_sped_server_hello")),
    (Form::ServerHello, recorded!("firefox_153_server_hello")),
    (Form::ServerHello, recorded!("openssl_3_server_hello")),
    (Form::ServerHello, recorded!("rfc8448_hello_retry_request")),
    (Form::HelloVerifyRequest, recorded!("openssl_3_hello_verify_request")),
    (Form::EncryptedExtensions, recorded!("firefox_153_server_encrypted_extensions")),
    (Form::CertificateRequest13, recorded!("firefox_153_server_certificate_request")),
    (Form::CertificateRequest12, recorded!("openssl_3_ecdsa_certificate_request")),
    (Form::CertificateRequest12, recorded!("openssl_3_rsa_certificate_request")),
    (Form::Certificate13, recorded!("firefox_153_client_certificate")),
    (Form::Certificate13, recorded!("firefox_153_server_certificate")),
    (Form::Certificate12, recorded!("openssl_3_ecdsa_certificate")),
    (Form::Certificate12, recorded!("openssl_3_rsa_certificate")),
    (Form::CertificateVerify, recorded!("firefox_153_client_certificate_verify")),
    (Form::CertificateVerify, recorded!("firefox_153_server_certificate_verify")),
    (Form::CertificateVerify, recorded!("openssl_3_ecdsa_certificate_verify")),
    (Form::CertificateVerify, recorded!("openssl_3_rsa_certificate_verify")),
    (Form::ServerKeyExchange, recorded!("openssl_3_ecdsa_server_key_exchange")),
    (Form::ServerKeyExchange, recorded!("openssl_3_rsa_server_key_exchange")),
    (Form::ClientKeyExchange, recorded!("openssl_3_client_key_exchange")),
    (Form::Finished, recorded!("firefox_153_client_finished")),
    (Form::Finished, recorded!("firefox_153_server_finished")),
];

fn shares<'a>(hello: &ClientHello<'a>) -> Vec<(Group, usize)> {
    let list = hello.extensions.key_share.unwrap();
    list.iter().map(|share: KeyShare<'a>| (share.group, share.key_exchange.len())).collect()
}

fn versions(hello: &ClientHello<'_>) -> Vec<u16> {
    hello.extensions.supported_versions.unwrap().iter().collect()
}

fn profiles(hello: &ClientHello<'_>) -> Vec<u16> {
    let srtp = hello.extensions.use_srtp.unwrap();
    assert!(srtp.mki.is_empty());
    srtp.profiles.iter().collect()
}

#[test]
fn everything_recorded_is_taken_and_can_be_written_again() {
    for (form, bytes) in RECORDED {
        assert_eq!(form.exercise(bytes), Ok(()), "{form:?}");
    }
}

#[test]
fn a_hello_of_chrome_has_its_values() {
    for bytes in [&recorded!("chrome_156_client_hello")[..], recorded!("chrome_156_sped_client_hello")] {
        let hello = ClientHello::parse(bytes).unwrap();
        let e = &hello.extensions;
        assert_eq!((hello.legacy_version, hello.session_id, hello.cookie), (0xFEFD, &[][..], &[][..]));
        assert_eq!(hello.compression, [0]);
        assert_eq!(hello.cipher_suites.iter().count(), 14);
        assert_eq!(hello.cipher_suites.first(), Some(CipherSuite::AES_128_GCM));
        assert!(hello.cipher_suites.contains(CipherSuite::ECDHE_RSA_CHACHA20_POLY1305));
        assert_eq!(versions(&hello), [0xFEFC, 0xFEFD]);
        assert_eq!(shares(&hello), [(Group::X25519_MLKEM768, 1216), (Group::X25519, 32)]);
        assert!(e.supported_groups.unwrap().iter().eq(Group::ALL));
        assert_eq!(profiles(&hello), [1, 8, 7]);
        assert_eq!(e.signature_algorithms.unwrap().first(), Some(SignatureScheme::ECDSA_SECP256R1_SHA256));
        assert!(e.extended_master_secret && e.ec_point_formats && e.renegotiation_info);
        assert_eq!((e.alpn, e.record_size_limit, e.cookie), (None, None, None));
    }
}

#[test]
fn a_hello_of_firefox_has_its_values() {
    let hello = ClientHello::parse(recorded!("firefox_153_client_hello")).unwrap();
    let e = &hello.extensions;
    assert_eq!(versions(&hello), [0xFEFC, 0xFEFD, 0x0303]);
    assert_eq!(shares(&hello), [(Group::X25519_MLKEM768, 1216), (Group::X25519, 32)]);
    assert_eq!(e.supported_groups.unwrap().iter().count(), 6);
    assert_eq!(profiles(&hello), [7, 8, 1, 2]);
    let names: Vec<_> = e.alpn.unwrap().iter().collect();
    assert_eq!(names, [ProtocolName(b"webrtc"), ProtocolName(b"c-webrtc")]);
    assert_eq!(e.record_size_limit, Some(16_385));
    assert_eq!(e.signature_algorithms.unwrap().iter().count(), 15);
    assert!(e.extended_master_secret && e.ec_point_formats && e.renegotiation_info);
}

#[test]
fn a_hello_of_openssl_comes_again_with_its_cookie() {
    let first = ClientHello::parse(recorded!("openssl_3_client_hello")).unwrap();
    let request = HelloVerifyRequest::parse(recorded!("openssl_3_hello_verify_request")).unwrap();
    let second = ClientHello::parse(recorded!("openssl_3_client_hello_with_cookie")).unwrap();
    assert_eq!((request.server_version, request.cookie.len()), (0xFEFF, 20));
    assert_eq!(ClientHello { cookie: request.cookie, ..first }, second);
    assert_eq!((first.extensions.supported_versions, first.extensions.key_share), (None, None));
    assert!(!first.extensions.renegotiation_info && first.extensions.extended_master_secret);
    assert_eq!(first.cipher_suites.iter().last(), Some(CipherSuite(0x00FF)), "the signalling value instead");
    assert_eq!(profiles(&first), [1, 7]);
}

#[test]
fn server_hellos_of_browsers_choose_the_hybrid_group() {
    for bytes in [
        &recorded!("chrome_156_server_hello")[..],
        recorded!("chrome_156_sped_server_hello"),
        recorded!("firefox_153_server_hello"),
    ] {
        let hello = ServerHello::parse(bytes).unwrap();
        let e = &hello.extensions;
        assert_eq!((hello.legacy_version, hello.session_id.len()), (0xFEFD, 0));
        assert_eq!(hello.cipher_suite, CipherSuite::AES_128_GCM);
        assert_eq!(e.supported_version, Some(0xFEFC));
        assert_eq!(e.key_share.map(|s| (s.group, s.key_exchange.len())), Some((Group::X25519_MLKEM768, 1120)));
        assert!(!hello.is_hello_retry_request() && !hello.is_downgraded());
        let offer = ClientHello::parse(recorded!("chrome_156_client_hello")).unwrap();
        assert_eq!(e.check_offered(offer.extensions.present()), Ok(()));
        // What they answer with is what is written here.
        let mut written = Vec::new();
        hello.write(&mut written);
        assert_eq!(written, bytes);
    }
}

#[test]
fn a_published_hello_retry_request_has_its_values() {
    let hello = ServerHello::parse(recorded!("rfc8448_hello_retry_request")).unwrap();
    let e = &hello.extensions;
    assert!(hello.is_hello_retry_request());
    assert_eq!((e.selected_group, e.key_share), (Some(Group::SECP256R1), None));
    assert_eq!((e.cookie.map(<[u8]>::len), e.supported_version), (Some(0x72), Some(0x0304)));
    // A cookie needs no offer, the rest does.
    let offer = ClientHello::parse(recorded!("chrome_156_client_hello")).unwrap();
    assert_eq!(e.check_offered(offer.extensions.present()), Ok(()));
    assert!(e.check_offered(Default::default()).is_err());
}

#[test]
fn a_server_hello_of_openssl_answers_what_was_offered() {
    let hello = ServerHello::parse(recorded!("openssl_3_server_hello")).unwrap();
    let e = &hello.extensions;
    assert_eq!(hello.cipher_suite, CipherSuite::ECDHE_ECDSA_AES_256_GCM);
    assert_eq!((e.supported_version, e.key_share), (None, None));
    assert_eq!(e.use_srtp, Some(SelectedSrtp { profile: 1, mki: &[] }));
    assert_eq!(e.alpn, Some(ProtocolName(b"webrtc")));
    assert!(e.extended_master_secret && e.ec_point_formats && e.renegotiation_info);
    let mut offer = ClientHello::parse(recorded!("firefox_153_client_hello")).unwrap().extensions;
    assert_eq!(e.check_offered(offer.present()), Ok(()));
    offer.alpn = None;
    assert_eq!(e.check_offered(offer.present()).unwrap_err().alert, AlertDescription::UNSUPPORTED_EXTENSION);
    let ticket = ServerHello::parse(recorded!("openssl_3_server_hello_with_ticket"));
    assert_eq!(ticket.unwrap_err().alert, AlertDescription::UNSUPPORTED_EXTENSION, "nobody here asks for tickets");
}

#[test]
fn what_firefox_says_encrypted_has_its_values() {
    let extensions = EncryptedExtensions::parse(recorded!("firefox_153_server_encrypted_extensions")).unwrap();
    assert_eq!(extensions.use_srtp, Some(SelectedSrtp { profile: 7, mki: &[] }));
    assert_eq!(extensions.alpn, Some(ProtocolName(b"webrtc")));
    assert_eq!(extensions.record_size_limit, Some(16_385));
    assert_eq!(extensions.supported_groups.unwrap().first(), Some(Group::X25519_MLKEM768));
    let mut written = Vec::new();
    extensions.write(&mut written);
    assert_eq!(written.len(), recorded!("firefox_153_server_encrypted_extensions").len());
    let request = CertificateRequest13::parse(recorded!("firefox_153_server_certificate_request")).unwrap();
    assert!(request.context.is_empty() && request.signature_algorithms.contains(SignatureScheme::RSA_PSS_RSAE_SHA512));
    assert_eq!(request.signature_algorithms.iter().count(), 11);
    for (certificate, verify) in [
        (&recorded!("firefox_153_client_certificate")[..], &recorded!("firefox_153_client_certificate_verify")[..]),
        (recorded!("firefox_153_server_certificate"), recorded!("firefox_153_server_certificate_verify")),
    ] {
        let certificate = Certificate13::parse(certificate).unwrap();
        let key = PeerCertificate::parse(certificate.leaf().unwrap()).unwrap().key;
        assert!(matches!(key, PublicKey::EcdsaP256(_)));
        let verify = CertificateVerify::parse(verify).unwrap();
        assert_eq!(verify.scheme, SignatureScheme::ECDSA_SECP256R1_SHA256);
    }
    assert_eq!(Finished::parse(recorded!("firefox_153_client_finished"), 32).unwrap().verify_data.len(), 32);
}

#[test]
fn what_openssl_says_in_1_2_has_its_values() {
    for (bytes, scheme) in [
        (&recorded!("openssl_3_ecdsa_server_key_exchange")[..], SignatureScheme::ECDSA_SECP256R1_SHA256),
        (recorded!("openssl_3_rsa_server_key_exchange"), SignatureScheme::RSA_PSS_RSAE_SHA256),
    ] {
        let exchange = ServerKeyExchange::parse(bytes).unwrap();
        assert_eq!((exchange.params.group, exchange.params.share.len()), (Group::X25519, 32));
        assert_eq!(exchange.scheme, scheme);
        let signed = exchange.params.signed(&[1; 32], &[2; 32]);
        assert_eq!(signed, [&[1; 32][..], &[2; 32], &bytes[..36]].concat());
    }
    let exchange = ClientKeyExchange::parse(recorded!("openssl_3_client_key_exchange")).unwrap();
    assert_eq!(exchange.share.len(), 32);
    let request = CertificateRequest12::parse(recorded!("openssl_3_rsa_certificate_request")).unwrap();
    assert_eq!(request.types, [RSA_SIGN, 2, ECDSA_SIGN]);
    assert_eq!(request.signature_algorithms.iter().count(), 20);
    let certificate = Certificate12::parse(recorded!("openssl_3_rsa_certificate")).unwrap();
    assert!(matches!(PeerCertificate::parse(certificate.leaf().unwrap()).unwrap().key, PublicKey::Rsa(_)));
    let certificate = Certificate12::parse(recorded!("openssl_3_ecdsa_certificate")).unwrap();
    assert!(matches!(PeerCertificate::parse(certificate.leaf().unwrap()).unwrap().key, PublicKey::EcdsaP256(_)));
}

#[test]
fn a_message_that_is_cut_off_is_refused() {
    for (form, bytes) in RECORDED {
        for len in 0..bytes.len() {
            let refused = form.exercise(&bytes[..len]);
            // Messages of DTLS 1.2 may end before the extensions.
            let hello = matches!(form, Form::ClientHello | Form::ServerHello) && refused.is_ok();
            assert!(refused.is_err() || hello && !without_extensions(*form, &bytes[..len]), "{form:?} at {len}");
        }
        let longer = [bytes, &[0][..]].concat();
        assert_eq!(form.exercise(&longer).unwrap_err().alert, AlertDescription::DECODE_ERROR, "{form:?}");
    }
}

/// Whether a hello that was cut off has extensions all the same.
fn without_extensions(form: Form, bytes: &[u8]) -> bool {
    match form {
        Form::ClientHello => ClientHello::parse(bytes).unwrap().extensions != Default::default(),
        _ => ServerHello::parse(bytes).unwrap().extensions != Default::default(),
    }
}

#[test]
fn a_flipped_bit_never_panics() {
    for (form, bytes) in RECORDED {
        let mut broken = bytes.to_vec();
        for bit in 0..8 * bytes.len() {
            broken[bit / 8] ^= 1 << (bit % 8);
            let _ = form.exercise(&broken);
            broken[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn every_parser_bears_every_message() {
    for (_, bytes) in RECORDED {
        for form in Form::ALL {
            for start in 0..bytes.len().min(64) {
                let _ = form.exercise(&bytes[start..]);
            }
        }
    }
}

#[test]
fn lengths_that_lie_are_refused() {
    for (form, bytes) in RECORDED {
        for at in 0..bytes.len().saturating_sub(1) {
            for lie in [[0, 0], [0xFF, 0xFF], [0, 1]] {
                let mut broken = bytes.to_vec();
                broken[at..at + 2].copy_from_slice(&lie);
                let _ = form.exercise(&broken);
            }
        }
    }
    assert!(Form::ALL.iter().all(|form| form.exercise(&vec![0xFF; 70_000]).is_err()));
}
