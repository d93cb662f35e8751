//! What each side of DTLS 1.3 refuses, and with which alert.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use peerage_base::rng::Rng;

use crate::alert::AlertDescription as Alert;
use crate::config::{Config, Role, Versions};
use crate::extension::alpn::ProtocolName;
use crate::extension::key_share::KeyShare;
use crate::extension::list::List;
use crate::extension::use_srtp::SelectedSrtp;
use crate::fingerprint::HashAlgorithm;
use crate::handshake::failure::Failure;
use crate::handshake::tests::harness::{Pair, Tamper, config, edit, edit_client_hello, edit_server_hello};
use crate::message::certificate_request13::CertificateRequest13;
use crate::message::certificate13::{Certificate13, CertificateEntry};
use crate::message::client_hello::ClientHello;
use crate::message::encrypted_extensions::EncryptedExtensions;
use crate::message::kind::HandshakeType as Type;
use crate::message::server_hello::{DOWNGRADE_TO_12, ServerHello};
use crate::suite::{CipherSuite, Group, SignatureScheme};

fn only_13(client: &mut Config, server: &mut Config) {
    client.versions = Versions::Dtls13;
    server.versions = Versions::Dtls13;
}

/// How a client ends over a message of the server.
fn client_fails(kind: Type, change: impl Fn(&mut Vec<u8>) + 'static) -> Failure {
    Pair::with(only_13).fails(Role::Client, edit(kind, 0, change))
}

/// How a server ends over a message of the client.
fn server_fails(kind: Type, change: impl Fn(&mut Vec<u8>) + 'static) -> Failure {
    Pair::with(only_13).fails(Role::Server, edit(kind, 0, change))
}

type EditServerHello = fn(&mut ServerHello<'_>);
type EditClientHello = fn(&mut ClientHello<'_>);

#[test]
fn a_server_hello_that_answers_something_else_ends_the_handshake() {
    let cases: [(&str, Alert, EditServerHello); 12] = [
        ("unknown suite", Alert::ILLEGAL_PARAMETER, |hello| hello.cipher_suite = CipherSuite(0x1304)),
        ("suite of DTLS 1.2", Alert::ILLEGAL_PARAMETER, |hello| {
            hello.cipher_suite = CipherSuite::ECDHE_ECDSA_AES_128_GCM;
        }),
        ("session id", Alert::ILLEGAL_PARAMETER, |hello| hello.session_id = &[1; 32]),
        ("legacy version", Alert::ILLEGAL_PARAMETER, |hello| hello.legacy_version = 0xFEFC),
        ("older version by extension", Alert::ILLEGAL_PARAMETER, |hello| {
            hello.extensions.supported_version = Some(0xFEFD);
        }),
        ("newer version", Alert::ILLEGAL_PARAMETER, |hello| hello.extensions.supported_version = Some(0xFEFB)),
        ("version not offered", Alert::PROTOCOL_VERSION, |hello| {
            hello.extensions.supported_version = None;
            hello.extensions.key_share = None;
        }),
        ("no share", Alert::MISSING_EXTENSION, |hello| hello.extensions.key_share = None),
        ("group without a share", Alert::ILLEGAL_PARAMETER, |hello| {
            hello.extensions.key_share = Some(KeyShare { group: Group::SECP256R1, key_exchange: &[4; 65] });
        }),
        ("group not offered", Alert::ILLEGAL_PARAMETER, |hello| {
            hello.extensions.key_share = Some(KeyShare { group: Group(0x001E), key_exchange: &[4; 56] });
        }),
        ("low order", Alert::ILLEGAL_PARAMETER, |hello| {
            hello.extensions.key_share = Some(KeyShare { group: Group::X25519, key_exchange: &[0; 32] });
        }),
        ("short share", Alert::ILLEGAL_PARAMETER, |hello| {
            hello.extensions.key_share = Some(KeyShare { group: Group::X25519_MLKEM768, key_exchange: &[1; 32] });
        }),
    ];
    for (name, alert, change) in cases {
        let failure = Pair::with(only_13).fails(Role::Client, edit_server_hello(0, change));
        assert_eq!(failure.alert, alert, "{name}: {}", failure.reason);
    }
}

#[test]
fn a_server_hello_with_compression_ends_the_handshake() {
    // Behind version, random, an empty session id and the suite.
    assert_eq!(client_fails(Type::SERVER_HELLO, |body| body[37] = 1).alert, Alert::ILLEGAL_PARAMETER);
}

#[test]
fn a_downgrade_shows_in_the_random() {
    let pair = Pair::with(|_, _| {});
    let tamper = edit_server_hello(0, |hello| {
        hello.extensions.supported_version = None;
        hello.extensions.key_share = None;
        hello.cipher_suite = CipherSuite::ECDHE_ECDSA_AES_128_GCM;
        hello.random[24..].copy_from_slice(&DOWNGRADE_TO_12);
    });
    let failure = pair.fails(Role::Client, tamper);
    assert_eq!((failure.alert, &*failure.reason), (Alert::ILLEGAL_PARAMETER, "the server was made to choose DTLS 1.2"));
}

#[test]
fn encrypted_extensions_may_only_choose_from_what_was_offered() {
    let write = |extensions: EncryptedExtensions<'_>, body: &mut Vec<u8>| {
        body.clear();
        extensions.write(body);
    };
    let failure = client_fails(Type::ENCRYPTED_EXTENSIONS, move |body| {
        write(EncryptedExtensions { alpn: Some(ProtocolName(b"http/1.1")), ..Default::default() }, body);
    });
    assert_eq!(failure.alert, Alert::ILLEGAL_PARAMETER);
    for (profile, mki) in [(2, &[][..]), (0x99, &[]), (7, &[1])] {
        let failure = client_fails(Type::ENCRYPTED_EXTENSIONS, move |body| {
            write(EncryptedExtensions { use_srtp: Some(SelectedSrtp { profile, mki }), ..Default::default() }, body);
        });
        assert_eq!(failure.alert, Alert::ILLEGAL_PARAMETER, "profile {profile}");
    }
    let pair = Pair::with(|client, server| {
        only_13(client, server);
        client.srtp_profiles.clear();
    });
    let tamper = edit(Type::ENCRYPTED_EXTENSIONS, 0, move |body| {
        let use_srtp = Some(SelectedSrtp { profile: 7, mki: &[] });
        write(EncryptedExtensions { use_srtp, ..Default::default() }, body);
    });
    assert_eq!(pair.fails(Role::Client, tamper).alert, Alert::UNSUPPORTED_EXTENSION);
}

#[test]
fn a_certificate_request_that_cannot_be_met_ends_the_handshake() {
    let all = List::new(&SignatureScheme::ALL);
    for (alert, context, signature_algorithms) in [
        (Alert::ILLEGAL_PARAMETER, &[1][..], all),
        (Alert::HANDSHAKE_FAILURE, &[], List::new(&[SignatureScheme::ED25519])),
    ] {
        let failure = client_fails(Type::CERTIFICATE_REQUEST, move |body| {
            body.clear();
            CertificateRequest13 { context, signature_algorithms }.write(body);
        });
        assert_eq!(failure.alert, alert);
    }
    assert_eq!(client_fails(Type::CERTIFICATE_REQUEST, |body| *body = vec![0, 0, 0]).alert, Alert::MISSING_EXTENSION);
}

#[test]
fn a_server_that_does_not_want_to_know_us_is_refused() {
    let mut pair = Pair::with(only_13);
    pair.client.tamper = Some(Box::new(|message| {
        if message.kind == Type::CERTIFICATE_REQUEST {
            message.kind = Type::CERTIFICATE;
        }
    }));
    let tamper = pair.client.tamper.take();
    let failure = pair.fails(Role::Client, tamper);
    assert_eq!((failure.alert, &*failure.reason), (Alert::HANDSHAKE_FAILURE, "the server asks for no certificate"));
}

#[test]
fn nobody_goes_without_a_certificate() {
    let empty = |body: &mut Vec<u8>| *body = vec![0, 0, 0, 0];
    assert_eq!(client_fails(Type::CERTIFICATE, empty).alert, Alert::DECODE_ERROR);
    assert_eq!(server_fails(Type::CERTIFICATE, empty).alert, Alert::CERTIFICATE_REQUIRED);
}

#[test]
fn a_certificate_has_no_context_within_the_handshake() {
    for role in [Role::Client, Role::Server] {
        let tamper = edit(Type::CERTIFICATE, 0, |body| {
            body[0] = 1;
            body.insert(1, 7);
        });
        assert_eq!(Pair::with(only_13).fails(role, tamper).alert, Alert::ILLEGAL_PARAMETER);
    }
}

#[test]
fn another_ones_certificate_proves_nothing() {
    for role in [Role::Client, Role::Server] {
        let other = config(role, 77).certificate;
        let fingerprint = other.fingerprint(HashAlgorithm::Sha256);
        let mut pair = Pair::with(only_13);
        // Even if its fingerprint is expected: the key is missing.
        pair.side(role).peer.set_expected(vec![fingerprint]).unwrap();
        let tamper = edit(Type::CERTIFICATE, 0, move |body| {
            body.clear();
            let entries = [CertificateEntry::new(other.der())];
            Certificate13 { context: &[], entries: List::new(&entries) }.write(body);
        });
        assert_eq!(pair.fails(role, tamper).alert, Alert::DECRYPT_ERROR);
    }
}

#[test]
fn a_certificate_without_a_key_that_can_be_used_is_refused() {
    for role in [Role::Client, Role::Server] {
        let mut pair = Pair::with(only_13);
        pair.side(role).peer.set_expected(vec![]).unwrap();
        let tamper = edit(Type::CERTIFICATE, 0, |body| {
            body.clear();
            let entries = [CertificateEntry::new(&[0x30, 0x03, 1, 2, 3])];
            Certificate13 { context: &[], entries: List::new(&entries) }.write(body);
        });
        let failure = pair.fails(role, tamper);
        assert_ne!(failure.alert, Alert::UNEXPECTED_MESSAGE, "{}", failure.reason);
    }
}

#[test]
fn a_signature_that_does_not_verify_ends_the_handshake() {
    for role in [Role::Client, Role::Server] {
        let flip = edit(Type::CERTIFICATE_VERIFY, 0, |body| *body.last_mut().unwrap() ^= 1);
        assert_eq!(Pair::with(only_13).fails(role, flip).alert, Alert::DECRYPT_ERROR);
        for scheme in [
            SignatureScheme::ECDSA_SECP384R1_SHA384,
            SignatureScheme::ED25519,
            SignatureScheme::RSA_PSS_RSAE_SHA256,
            SignatureScheme::RSA_PKCS1_SHA256,
            SignatureScheme(0x0203),
        ] {
            let other = edit(Type::CERTIFICATE_VERIFY, 0, move |body| {
                body[..2].copy_from_slice(&scheme.0.to_be_bytes());
            });
            assert_eq!(Pair::with(only_13).fails(role, other).alert, Alert::ILLEGAL_PARAMETER, "{scheme:?}");
        }
    }
}

#[test]
fn a_finished_over_another_handshake_ends_it() {
    for role in [Role::Client, Role::Server] {
        let flip = edit(Type::FINISHED, 0, |body| body[0] ^= 1);
        assert_eq!(Pair::with(only_13).fails(role, flip).alert, Alert::DECRYPT_ERROR);
        let short = edit(Type::FINISHED, 0, |body| body.truncate(12));
        assert_eq!(Pair::with(only_13).fails(role, short).alert, Alert::DECODE_ERROR);
    }
}

#[test]
fn every_message_out_of_turn_ends_the_handshake() {
    for (role, messages) in [(Role::Client, 6), (Role::Server, 4)] {
        for nth in 0..messages {
            // The first message that a server gets is nobody's in particular.
            if (role, nth) == (Role::Server, 0) {
                continue;
            }
            for wrong in [Type::SERVER_HELLO_DONE, Type::KEY_UPDATE, Type::CLIENT_HELLO, Type::FINISHED] {
                let mut count = 0;
                let tamper: Tamper = Box::new(move |message| {
                    if count == nth && message.kind != wrong {
                        message.kind = wrong;
                    } else if count == nth {
                        message.kind = Type::END_OF_EARLY_DATA;
                    }
                    count += 1;
                });
                let failure = Pair::with(only_13).fails(role, Some(tamper));
                assert_eq!(failure.alert, Alert::UNEXPECTED_MESSAGE, "{role:?}, message {nth}: {}", failure.reason);
            }
        }
    }
}

#[test]
fn a_hello_that_cannot_be_answered_leaves_room_for_the_real_one() {
    let cases: [(&str, Alert, EditClientHello); 13] = [
        ("no groups", Alert::MISSING_EXTENSION, |hello| hello.extensions.supported_groups = None),
        ("no shares", Alert::MISSING_EXTENSION, |hello| hello.extensions.key_share = None),
        ("no schemes", Alert::MISSING_EXTENSION, |hello| hello.extensions.signature_algorithms = None),
        ("no scheme of ours", Alert::HANDSHAKE_FAILURE, |hello| {
            hello.extensions.signature_algorithms = Some(List::new(&[SignatureScheme::ED25519]));
        }),
        ("cookie of DTLS 1.2", Alert::ILLEGAL_PARAMETER, |hello| hello.cookie = &[1]),
        ("compression", Alert::ILLEGAL_PARAMETER, |hello| hello.compression = &[0, 1]),
        ("no suite", Alert::HANDSHAKE_FAILURE, |hello| hello.cipher_suites = List::new(&[CipherSuite(0x1304)])),
        ("share of no group of its own", Alert::ILLEGAL_PARAMETER, |hello| {
            hello.extensions.supported_groups = Some(List::new(&[Group::SECP256R1]));
        }),
        ("low order", Alert::ILLEGAL_PARAMETER, |hello| {
            let share = KeyShare { group: Group::X25519, key_exchange: &[0; 32] };
            hello.extensions.key_share =
                Some(List::new(&const { [KeyShare { group: Group::X25519, key_exchange: &[0; 32] }] }));
            assert_eq!(hello.extensions.key_share.and_then(|list| list.first()), Some(share));
        }),
        ("off the curve", Alert::ILLEGAL_PARAMETER, |hello| {
            hello.extensions.key_share =
                Some(List::new(&const { [KeyShare { group: Group::SECP256R1, key_exchange: &[4; 65] }] }));
        }),
        ("no group", Alert::HANDSHAKE_FAILURE, |hello| {
            hello.extensions.supported_groups = Some(List::new(&[Group(0x001E)]));
            hello.extensions.key_share = Some(List::EMPTY);
        }),
        ("unknown version", Alert::PROTOCOL_VERSION, |hello| {
            hello.extensions.supported_versions = Some(List::new(&[0xFEFB]));
        }),
        ("version of long ago", Alert::PROTOCOL_VERSION, |hello| {
            hello.extensions.supported_versions = None;
            hello.legacy_version = 0xFEFF;
        }),
    ];
    for (name, alert, change) in cases {
        let refused = Pair::with(only_13).refuses(edit_client_hello(0, change));
        assert_eq!(refused.alert, alert, "{name}: {}", refused.reason);
    }
    let garbage = edit(Type::CLIENT_HELLO, 0, |body| body.truncate(40));
    assert_eq!(Pair::with(only_13).refuses(garbage).alert, Alert::DECODE_ERROR);
}

#[test]
fn sides_without_anything_in_common_never_connect() {
    type Change = fn(&mut Config, &mut Config);
    let cases: [(&str, Alert, Change); 4] = [
        ("version", Alert::PROTOCOL_VERSION, |client, server| {
            client.versions = Versions::Dtls13;
            server.versions = Versions::Dtls12;
        }),
        ("older version", Alert::PROTOCOL_VERSION, |client, server| {
            client.versions = Versions::Dtls12;
            server.versions = Versions::Dtls13;
        }),
        ("suite", Alert::HANDSHAKE_FAILURE, |client, server| {
            only_13(client, server);
            client.cipher_suites = vec![CipherSuite::CHACHA20_POLY1305];
            server.cipher_suites = vec![CipherSuite::AES_128_GCM];
        }),
        ("group", Alert::HANDSHAKE_FAILURE, |client, server| {
            only_13(client, server);
            client.groups = vec![Group::SECP256R1];
            server.groups = vec![Group::X25519];
        }),
    ];
    for (name, alert, change) in cases {
        let pair = Pair::with(change).run();
        assert!(pair.client.outcome.is_none() && pair.server.outcome.is_none(), "{name}");
        assert_eq!(pair.server.refused.as_ref().map(|failure| failure.alert), Some(alert), "{name}");
        assert!(pair.client.alerts.iter().any(|told| told.description == alert), "{name}: the client is told");
        assert!(pair.client.timed_out, "{name}");
    }
}

#[test]
fn a_client_with_nothing_to_offer_does_not_start() {
    let pair = Pair::with(|client, _| client.cipher_suites = vec![CipherSuite::UNKNOWN]).run();
    assert_eq!(pair.client.failure.as_ref().map(|failure| failure.alert), Some(Alert::INTERNAL_ERROR));
    assert!(pair.server.seen.is_empty());
}

#[test]
fn a_message_damaged_anywhere_never_leads_to_different_views() {
    let mut rng = Rng::from_u64(5);
    let mut broken = 0;
    for round in 0..150 {
        let role = if round % 2 == 0 { Role::Client } else { Role::Server };
        let (nth, at, bit) = (rng.below(6), rng.u32() as usize, rng.below(8));
        let (is_cut, mut count) = (rng.below(4) == 0, 0);
        let mut pair = Pair::with(|client, server| {
            only_13(client, server);
            client.groups = vec![Group::X25519];
            // Some of them with a retry.
            server.cookie = round % 3 == 0;
        });
        pair.side(role).tamper = Some(Box::new(move |message| {
            if count == nth && !message.body.is_empty() {
                let at = at % message.body.len();
                message.body[at] ^= 1 << bit;
                if is_cut {
                    message.body.truncate(at);
                }
            }
            count += 1;
        }));
        pair.drive();
        if pair.client.outcome.is_some() && pair.server.outcome.is_some() {
            pair.agreed();
        } else {
            broken += 1;
        }
    }
    assert!(broken > 75, "only {broken} runs ended");
}
