//! Recorded handshakes of others, followed from the wire to their last key.

use alloc::vec;
use alloc::vec::Vec;

use peerage_crypto::aead::Algorithm;
use peerage_crypto::hash::Hash;
use peerage_crypto::secret::Secret;
use peerage_crypto::signature::{self, PublicKey, Scheme};
use peerage_testkit::fixtures::hex;

use crate::config::Role;
use crate::message::kind::HandshakeType;
use crate::protect::opener::{Opened, Opener, Refused};
use crate::schedule::dtls12::MasterSecret;
use crate::schedule::dtls13::{HandshakeSecrets, TrafficSecret};
use crate::schedule::exporter::Exporter;
use crate::schedule::transcript::Transcript;
use crate::suite::{CipherSuite, Epoch, SrtpProfile, Version};
use crate::wire::ContentType;
use crate::wire::datagram::{Header, Records};
use crate::wire::number::RecordNumber;

const RFC8448: &str = include_str!("../../tests/fixtures/rfc8448_simple_handshake.txt");
const FIREFOX: &str = include_str!("../../tests/fixtures/firefox_153_dtls13_session.txt");
const OPENSSL: &str = include_str!("../../tests/fixtures/openssl_dtls12_sessions.txt");

/// Lines of a name and bytes.
fn lines(fixture: &str) -> impl Iterator<Item = (&str, Vec<u8>)> {
    fixture.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (name, value) = line.split_once(' ')?;
        (name != "suite").then(|| (name, hex(value)))
    })
}

fn value(fixture: &str, name: &str) -> Vec<u8> {
    lines(fixture).find(|(found, _)| *found == name).unwrap_or_else(|| panic!("no {name}")).1
}

/// A handshake message put together from its fragments.
#[derive(Clone, Debug)]
struct Message {
    kind: u8,
    seq: u16,
    body: Vec<u8>,
}

/// The messages of one side, out of fragments in any order, each of which is there once.
#[derive(Default)]
struct Assembly(Vec<Message>);

impl Assembly {
    fn take(&mut self, mut fragments: &[u8]) {
        while !fragments.is_empty() {
            let number = |at: usize, len: usize| {
                fragments[at..at + len].iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte))
            };
            let (seq, length, offset, len) = (number(4, 2), number(1, 3), number(6, 3), number(9, 3));
            let (body, rest) = fragments[12..].split_at(len);
            if seq == self.0.len() {
                self.0.push(Message { kind: fragments[0], seq: seq as u16, body: Vec::new() });
            }
            let message = &mut self.0[seq];
            assert_eq!(message.body.len(), offset, "the recordings are in order");
            message.body.extend_from_slice(body);
            assert!(message.body.len() <= length);
            fragments = rest;
        }
    }
}

/// The P-256 key of a certificate, which stands behind the identifiers of algorithm and curve.
fn public_key(certificate: &[u8]) -> &[u8] {
    const CURVE: [u8; 10] = [0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
    let at = certificate.windows(CURVE.len()).position(|window| window == CURVE).unwrap();
    &certificate[at + CURVE.len() + 3..][..65]
}

#[test]
fn the_published_handshake_gives_the_published_keys() {
    let mut messages = lines(RFC8448).filter(|(name, _)| *name == "message").map(|(_, bytes)| bytes);
    let mut transcript = Transcript::new();
    let mut seq = 0;
    let mut say = |transcript: &mut Transcript| {
        let message = messages.next().unwrap();
        transcript.add(HandshakeType(message[0]), seq, &message[4..]);
        seq += 1;
        message[4..].to_vec()
    };
    let expected = |name: &str| value(RFC8448, name);
    say(&mut transcript);
    transcript.select(Hash::Sha256, Version::Dtls13);
    say(&mut transcript);
    let shared = Secret::from_slice(&expected("shared"));
    let secrets = HandshakeSecrets::tls13(Hash::Sha256, &shared, &transcript.hash());
    assert_eq!(secrets.client.as_ref(), expected("c_hs_traffic"));
    assert_eq!(secrets.server.as_ref(), expected("s_hs_traffic"));
    let keys = secrets.server.keys(Algorithm::Aes128Gcm);
    assert_eq!((keys.key.as_ref(), &keys.iv[..]), (&expected("s_hs_key")[..], &expected("s_hs_iv")[..]));
    let keys = secrets.client.keys(Algorithm::Aes128Gcm);
    assert_eq!((keys.key.as_ref(), &keys.iv[..]), (&expected("c_hs_key")[..], &expected("c_hs_iv")[..]));

    for _ in 0..3 {
        say(&mut transcript);
    }
    let finished = secrets.finished(Role::Server, &transcript.hash());
    assert_eq!(finished.as_ref(), say(&mut transcript));
    let application = secrets.application(&transcript.hash());
    assert_eq!(application.client.as_ref(), expected("c_ap_traffic"));
    assert_eq!(application.server.as_ref(), expected("s_ap_traffic"));
    assert_eq!(application.exporter.secret(), expected("exp_master"));
    let keys = application.server.keys(Algorithm::Aes128Gcm);
    assert_eq!((keys.key.as_ref(), &keys.iv[..]), (&expected("s_ap_key")[..], &expected("s_ap_iv")[..]));
    let finished = secrets.finished(Role::Client, &transcript.hash());
    assert_eq!(finished.as_ref(), say(&mut transcript));
}

/// One side of a recorded DTLS 1.3 session.
struct Side13 {
    handshake: Opener,
    application: Opener,
    assembly: Assembly,
    opened: Vec<(ContentType, RecordNumber, Vec<u8>)>,
}

impl Side13 {
    fn new(side: &str) -> Self {
        let opener = |name: &str, epoch| {
            let secret = TrafficSecret::from_log(Hash::Sha256, &value(FIREFOX, &name.replace("SIDE", side)));
            Opener::new13(CipherSuite::AES_128_GCM, &secret, epoch)
        };
        Self {
            handshake: opener("SIDE_HANDSHAKE_TRAFFIC_SECRET", Epoch::HANDSHAKE),
            application: opener("SIDE_TRAFFIC_SECRET_0", Epoch::APPLICATION),
            assembly: Assembly::default(),
            opened: Vec::new(),
        }
    }

    fn read(&mut self, datagram: &mut [u8]) {
        let mut records = Records::new(datagram);
        for record in records.by_ref() {
            match record.header {
                Header::Plaintext(header) => {
                    assert_eq!((header.content_type, header.number.epoch), (ContentType::HANDSHAKE, Epoch::PLAIN));
                    self.assembly.take(&record.bytes[13..]);
                }
                Header::Unified(header) => {
                    let opener =
                        if header.is_of(Epoch::HANDSHAKE) { &mut self.handshake } else { &mut self.application };
                    let before = record.bytes.to_vec();
                    let Opened { content_type, number, content } = opener.open(record.bytes).unwrap();
                    assert_eq!(opener.open(&mut before.clone()), Err(Refused::Replayed));
                    let content = &record.bytes[content];
                    if content_type == ContentType::HANDSHAKE {
                        self.assembly.take(content);
                    }
                    self.opened.push((content_type, number, content.to_vec()));
                }
            }
        }
        assert!(records.rest().is_empty());
    }
}

#[test]
fn a_session_of_firefox_is_followed_to_its_end() {
    let (mut client, mut server) = (Side13::new("CLIENT"), Side13::new("SERVER"));
    for (side, mut datagram) in lines(FIREFOX) {
        match side {
            "client" => client.read(&mut datagram),
            "server" => server.read(&mut datagram),
            _ => {}
        }
    }

    // Every record opened, each under its number.
    let numbers = |side: &Side13| side.opened.iter().map(|(_, number, _)| (number.epoch.0, number.sequence)).collect();
    let (of_client, of_server): (Vec<_>, Vec<_>) = (numbers(&client), numbers(&server));
    assert_eq!(of_client, (0..3).map(|n| (2, n)).chain((0..10).map(|n| (3, n))).collect::<Vec<_>>());
    assert_eq!(of_server, (0..6).map(|n| (2, n)).chain((0..11).map(|n| (3, n))).collect::<Vec<_>>());
    assert_eq!(server.opened[6].0, ContentType::ACK);
    assert_eq!(server.opened[6].2[..2], [0, 48], "three record numbers");
    assert_eq!((client.opened[12].0, &client.opened[12].2[..]), (ContentType::ALERT, &[1, 0][..]));
    assert!(client.opened[3].2.starts_with(&[0x13, 0x88, 0x13, 0x88]), "SCTP between ports 5000");
    assert_eq!((client.handshake.forged(), server.application.forged()), (0, 0));

    // Both Finished and both signatures hold over the transcript.
    let (client, server) = (client.assembly.0, server.assembly.0);
    let kinds = |messages: &[Message]| messages.iter().map(|message| message.kind).collect::<Vec<_>>();
    assert_eq!((kinds(&client), kinds(&server)), (vec![1, 11, 15, 20], vec![2, 8, 13, 11, 15, 20]));
    let secrets = HandshakeSecrets::from_log(
        Hash::Sha256,
        &value(FIREFOX, "CLIENT_HANDSHAKE_TRAFFIC_SECRET"),
        &value(FIREFOX, "SERVER_HANDSHAKE_TRAFFIC_SECRET"),
    );
    let mut transcript = Transcript::new();
    let add = |transcript: &mut Transcript, message: &Message| {
        transcript.add(HandshakeType(message.kind), message.seq, &message.body);
    };
    add(&mut transcript, &client[0]);
    add(&mut transcript, &server[0]);
    transcript.select(Hash::Sha256, Version::Dtls13);
    let second_flight = server[1..].iter().map(|message| (Role::Server, message));
    let third_flight = client[1..].iter().map(|message| (Role::Client, message));
    let mut certificate = &client[0].body;
    for (side, message) in second_flight.chain(third_flight) {
        let hash = transcript.hash();
        match message.kind {
            11 => certificate = &message.body,
            15 => {
                let name = if side == Role::Client { "client" } else { "server" };
                let context = alloc::format!("TLS 1.3, {name} CertificateVerify\0");
                let signed = [&[b' '; 64][..], context.as_bytes(), hash.as_ref()].concat();
                let key = PublicKey::EcdsaP256(public_key(certificate));
                assert_eq!(message.body[..2], [4, 3]);
                signature::verify(Scheme::EcdsaSha256, key, &signed, &message.body[4..]).unwrap();
            }
            20 => assert_eq!(secrets.finished(side, &hash).as_ref(), message.body),
            _ => {}
        }
        add(&mut transcript, message);
    }
}

#[test]
fn what_firefox_protects_srtp_with_is_exported() {
    let exporter = Exporter::from_log(Hash::Sha256, &value(FIREFOX, "EXPORTER_SECRET"));
    let keys = exporter.srtp_keys(SrtpProfile::AeadAes128Gcm);
    assert_eq!(keys.material[..], value(FIREFOX, "SRTP_AEAD_AES_128_GCM"));
    assert_eq!(keys.profile, SrtpProfile::AeadAes128Gcm);
    assert_eq!(exporter.srtp_keys(SrtpProfile::AeadAes256Gcm).material.len(), 88);
    assert_eq!(exporter.srtp_keys(SrtpProfile::Aes128CmSha1_80).material.len(), 60);
}

#[test]
fn sessions_of_openssl_are_followed_to_their_end() {
    let suites = [
        CipherSuite::ECDHE_ECDSA_AES_128_GCM,
        CipherSuite::ECDHE_ECDSA_AES_256_GCM,
        CipherSuite::ECDHE_ECDSA_CHACHA20_POLY1305,
    ];
    let sessions: Vec<_> = OPENSSL.split("suite ").skip(1).collect();
    assert_eq!(sessions.len(), suites.len());
    for (session, suite) in sessions.into_iter().zip(suites) {
        follow12(session, suite);
    }
}

fn follow12(session: &str, suite: CipherSuite) {
    let hash = suite.hash().unwrap();
    let mut sides = [Side12::default(), Side12::default()];
    let mut spoken = Vec::new();
    let mut keys = None;
    for (name, mut datagram) in lines(session) {
        let Some(index) = ["client", "server"].into_iter().position(|side| side == name) else { continue };
        for record in Records::new(&mut datagram) {
            let Header::Plaintext(header) = record.header else { panic!("DTLS 1.2 has no other header") };
            let side = &mut sides[index];
            let mut content = record.bytes[13..].to_vec();
            if header.number.epoch == Epoch::FINISHED {
                let (master, randoms) = keys.get_or_insert_with(|| (master(session, hash), randoms(&spoken)));
                let (of_client, of_server) = master.key_block(suite, &randoms.0, &randoms.1);
                let opener = side.opener.get_or_insert_with(|| Opener::new12([&of_client, &of_server][index]));
                let opened = opener.open(record.bytes).unwrap();
                assert_eq!((opened.content_type, opened.number), (header.content_type, header.number));
                content = record.bytes[opened.content].to_vec();
                side.opened.push((opened.content_type, content.clone()));
            }
            if header.content_type == ContentType::HANDSHAKE {
                let before = side.assembly.0.len();
                side.assembly.take(&content);
                spoken.extend(side.assembly.0[before..].iter().map(|message| (index, message.clone())));
            }
        }
    }
    let opened = |index: usize| sides[index].opened.iter().map(|(kind, content)| (kind.0, content)).collect::<Vec<_>>();
    let (client, server) = (opened(0), opened(1));
    assert_eq!(client[1], (23, &b"hello over DTLS 1.2\n".to_vec()));
    assert_eq!((client[2], client.len()), ((21, &vec![1, 0]), 3));
    assert_eq!((server[1], server.len()), ((21, &vec![1, 0]), 2));

    let (master, randoms) = keys.unwrap();
    let exporter = master.exporter(&randoms.0, &randoms.1);
    let keys = exporter.srtp_keys(SrtpProfile::AeadAes128Gcm);
    assert_eq!(keys.material[..], value(session, "export"));
    verify12(&spoken, &master, hash);
}

/// One side of a recorded DTLS 1.2 session.
#[derive(Default)]
struct Side12 {
    assembly: Assembly,
    opener: Option<Opener>,
    opened: Vec<(ContentType, Vec<u8>)>,
}

fn master(session: &str, hash: Hash) -> MasterSecret {
    MasterSecret::from_log(hash, &value(session, "master"))
}

/// The random bytes of both hellos, of the client's the second.
fn randoms(spoken: &[(usize, Message)]) -> ([u8; 32], [u8; 32]) {
    let random = |kind: u8| {
        let (_, hello) = spoken.iter().rfind(|(_, message)| message.kind == kind).unwrap();
        hello.body[2..34].try_into().unwrap()
    };
    (random(1), random(2))
}

/// Checks the client's signature and both Finished over the transcript.
fn verify12(spoken: &[(usize, Message)], master: &MasterSecret, hash: Hash) {
    let kinds: Vec<_> = spoken.iter().map(|(_, message)| message.kind).collect();
    assert_eq!(kinds, [1, 3, 1, 2, 11, 12, 13, 14, 11, 16, 15, 20, 4, 20]);
    let mut transcript = Transcript::new();
    let mut certificate = &spoken[0].1.body;
    for (index, message) in spoken {
        match message.kind {
            2 => transcript.select(hash, Version::Dtls12),
            11 => certificate = &message.body,
            15 => {
                let key = PublicKey::EcdsaP256(public_key(certificate));
                assert_eq!(message.body[..2], [4, 3]);
                signature::verify(Scheme::EcdsaSha256, key, transcript.messages(), &message.body[4..]).unwrap();
            }
            20 => {
                let side = [Role::Client, Role::Server][*index];
                assert_eq!(master.finished(side, &transcript.hash())[..], message.body);
            }
            _ => {}
        }
        transcript.add(HandshakeType(message.kind), message.seq, &message.body);
        if message.kind == 3 {
            transcript.clear();
        }
    }
}
