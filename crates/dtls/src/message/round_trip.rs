//! What is written is read as the same.

use alloc::vec::Vec;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};

use crate::extension::alpn::ProtocolName;
use crate::extension::client::ClientExtensions;
use crate::extension::key_share::KeyShare;
use crate::extension::list::List;
use crate::extension::server::ServerExtensions;
use crate::extension::use_srtp::{SelectedSrtp, UseSrtp};
use crate::message::ack::{Ack, AckedRecord};
use crate::message::certificate_request12::CertificateRequest12;
use crate::message::certificate_request13::CertificateRequest13;
use crate::message::certificate_verify::CertificateVerify;
use crate::message::certificate12::{Certificate12, ChainItem};
use crate::message::certificate13::{Certificate13, CertificateEntry};
use crate::message::client_hello::ClientHello;
use crate::message::client_key_exchange::ClientKeyExchange;
use crate::message::encrypted_extensions::EncryptedExtensions;
use crate::message::exercise::Form;
use crate::message::handshake_header::{Fragment, Fragments};
use crate::message::hello_verify_request::HelloVerifyRequest;
use crate::message::key_update::KeyUpdate;
use crate::message::kind::HandshakeType;
use crate::message::server_hello::{HELLO_RETRY_REQUEST, ServerHello};
use crate::message::server_key_exchange::{EcdhParams, ServerKeyExchange};
use crate::suite::{CipherSuite, Group, SignatureScheme};

fn bytes(len: core::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), len)
}

fn numbers() -> impl Strategy<Value = Vec<u16>> {
    vec(any::<u16>(), 1..20)
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

macro_rules! again {
    ($message:ident, $value:expr) => {
        let out = written(|out| $value.write(out));
        prop_assert_eq!($message::parse(&out), Ok($value));
    };
}

proptest! {
    #[test]
    fn client_hello(
        random: [u8; 32], session_id in bytes(0..33), cookie in bytes(0..256), suites in numbers(),
        versions in option::of(vec(any::<u16>(), 1..127)), groups in option::of(numbers()),
        keys in option::of(vec(bytes(1..200), 0..4)), schemes in option::of(numbers()), retry in option::of(bytes(1..500)),
        srtp in option::of((numbers(), bytes(0..256))), names in option::of(vec(bytes(1..256), 1..5)),
        limit in option::of(64_u16..), flags: [bool; 3],
    ) {
        let suites: Vec<_> = suites.into_iter().map(CipherSuite).collect();
        let groups: Option<Vec<_>> = groups.map(|g| g.into_iter().map(Group).collect());
        let schemes: Option<Vec<_>> = schemes.map(|s| s.into_iter().map(SignatureScheme).collect());
        let shares: Option<Vec<_>> = keys.as_ref().map(|keys| {
            keys.iter().zip(0..).map(|(key, i)| KeyShare { group: Group(i), key_exchange: key }).collect()
        });
        let names: Option<Vec<_>> = names.as_ref().map(|names| names.iter().map(|n| ProtocolName(n)).collect());
        let [extended_master_secret, ec_point_formats, renegotiation_info] = flags;
        let extensions = ClientExtensions {
            supported_versions: versions.as_deref().map(List::new),
            supported_groups: groups.as_deref().map(List::new),
            key_share: shares.as_deref().map(List::new),
            signature_algorithms: schemes.as_deref().map(List::new),
            cookie: retry.as_deref(),
            use_srtp: srtp.as_ref().map(|(profiles, mki)| UseSrtp { profiles: List::new(profiles), mki }),
            alpn: names.as_deref().map(List::new),
            record_size_limit: limit,
            extended_master_secret, ec_point_formats, renegotiation_info,
        };
        let hello = ClientHello {
            legacy_version: 0xFEFD, random, session_id: &session_id, cookie: &cookie,
            cipher_suites: List::new(&suites), compression: &[0], extensions,
        };
        again!(ClientHello, hello);
    }

    #[test]
    fn server_hello(
        random: [u8; 32], session_id in bytes(0..33), suite: u16, version: u16, group: u16, key in bytes(1..1200),
        cookie in option::of(bytes(1..300)), srtp in option::of((any::<u16>(), bytes(0..256))),
        name in option::of(bytes(1..256)), limit in option::of(64_u16..), flags: [bool; 3],
    ) {
        let [extended_master_secret, ec_point_formats, renegotiation_info] = flags;
        let of_12 = ServerExtensions {
            use_srtp: srtp.as_ref().map(|(profile, mki)| SelectedSrtp { profile: *profile, mki }),
            alpn: name.as_deref().map(ProtocolName),
            record_size_limit: limit,
            extended_master_secret, ec_point_formats, renegotiation_info,
            ..ServerExtensions::default()
        };
        let of_13 = ServerExtensions { supported_version: Some(version), ..ServerExtensions::default() };
        let share = Some(KeyShare { group: Group(group), key_exchange: &key });
        let retry = ServerExtensions { selected_group: Some(Group(group)), cookie: cookie.as_deref(), ..of_13 };
        for (random, extensions) in [
            (random, of_12), (random, of_13), (random, ServerExtensions { key_share: share, ..of_13 }),
            (HELLO_RETRY_REQUEST, retry),
        ] {
            let hello = ServerHello {
                legacy_version: 0xFEFD, random, session_id: &session_id, cipher_suite: CipherSuite(suite), extensions,
            };
            again!(ServerHello, hello);
        }
    }

    #[test]
    fn encrypted_extensions(
        srtp in option::of((any::<u16>(), bytes(0..256))), name in option::of(bytes(1..256)),
        limit in option::of(64_u16..), groups in option::of(numbers()),
    ) {
        let groups: Option<Vec<_>> = groups.map(|g| g.into_iter().map(Group).collect());
        let extensions = EncryptedExtensions {
            use_srtp: srtp.as_ref().map(|(profile, mki)| SelectedSrtp { profile: *profile, mki }),
            alpn: name.as_deref().map(ProtocolName),
            record_size_limit: limit,
            supported_groups: groups.as_deref().map(List::new),
        };
        again!(EncryptedExtensions, extensions);
    }

    #[test]
    fn certificates(context in bytes(0..256), chain in vec(bytes(1..600), 0..5), scheme: u16, types in bytes(1..256)) {
        let entries: Vec<_> = chain.iter().map(|der| CertificateEntry::new(der)).collect();
        let message = Certificate13 { context: &context, entries: List::new(&entries) };
        again!(Certificate13, message);
        prop_assert_eq!(message.leaf(), chain.first().map(Vec::as_slice));
        let items: Vec<_> = chain.iter().map(|der| ChainItem(der)).collect();
        let message = Certificate12 { chain: List::new(&items) };
        again!(Certificate12, message);
        prop_assert_eq!(message.leaf(), chain.first().map(Vec::as_slice));
        let schemes = [SignatureScheme(scheme), SignatureScheme::ED25519];
        let message = CertificateRequest13 { context: &context, signature_algorithms: List::new(&schemes) };
        again!(CertificateRequest13, message);
        let message = CertificateRequest12 { types: &types, signature_algorithms: List::new(&schemes) };
        again!(CertificateRequest12, message);
        let message = CertificateVerify { scheme: SignatureScheme(scheme), signature: &context };
        again!(CertificateVerify, message);
    }

    #[test]
    fn exchanges(group: u16, share in bytes(1..256), scheme: u16, signature in bytes(0..600), version: u16, requested: bool) {
        let params = EcdhParams { group: Group(group), share: &share };
        let message = ServerKeyExchange { params, scheme: SignatureScheme(scheme), signature: &signature };
        again!(ServerKeyExchange, message);
        let message = ClientKeyExchange { share: &share };
        again!(ClientKeyExchange, message);
        let message = HelloVerifyRequest { server_version: version, cookie: &share };
        again!(HelloVerifyRequest, message);
        let message = KeyUpdate { requested };
        again!(KeyUpdate, message);
    }

    #[test]
    fn acknowledgements(records in vec(any::<(u64, u64)>(), 0..50)) {
        let records: Vec<_> = records.into_iter().map(|(epoch, sequence)| AckedRecord { epoch, sequence }).collect();
        let ack = Ack { record_numbers: List::new(&records) };
        again!(Ack, ack);
    }

    #[test]
    fn fragments(kind: u8, seq: u16, body in bytes(0..300), cuts in vec(1_usize..100, 0..6)) {
        let whole = Fragment::whole(HandshakeType(kind), seq, &body);
        let (mut parts, mut at) = (Vec::new(), 0);
        for cut in cuts.into_iter().chain([body.len()]) {
            let end = (at + cut).min(body.len());
            parts.push(Fragment { offset: at as u32, body: &body[at..end], ..whole });
            at = end;
        }
        let record = written(|out| parts.iter().for_each(|part| part.write(out)));
        let read: Result<Vec<_>, _> = Fragments::new(&record).collect();
        prop_assert_eq!(read, Ok(parts));
        prop_assert_eq!(at, body.len());
    }

    #[test]
    fn noise_never_panics(noise in bytes(0..400)) {
        for form in Form::ALL {
            let _ = form.exercise(&noise);
        }
    }
}
