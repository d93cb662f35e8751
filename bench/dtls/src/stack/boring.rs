//! BoringSSL through the crate `boring`, its datagrams in memory.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use boring::asn1::Asn1Time;
use boring::bn::BigNum;
use boring::ec::{EcGroup, EcKey};
use boring::error::ErrorStack;
use boring::hash::MessageDigest;
use boring::nid::Nid;
use boring::pkey::PKey;
use boring::ssl::{Ssl, SslContext, SslMethod, SslStream, SslVerifyMode, SslVersion};
use boring::x509::{X509, X509Name};

use crate::stack::{Group, Pair, RECORD, ROOM, Stack, Version};

/// See the module.
pub struct Boring {
    /// By version and group, since both belong to the context.
    contexts: Vec<((Version, Group), [SslContext; 2])>,
}

struct Established {
    client: SslStream<Pipe>,
    server: SslStream<Pipe>,
    data: [u8; RECORD],
    opened: [u8; ROOM],
}

/// Datagrams in and out; their room is used again.
#[derive(Default)]
struct Pipe {
    incoming: VecDeque<Vec<u8>>,
    outgoing: VecDeque<Vec<u8>>,
    spare: Vec<Vec<u8>>,
}

impl Boring {
    /// With a certificate for each side.
    ///
    /// # Errors
    /// BoringSSL's.
    pub fn new() -> Result<Self, ErrorStack> {
        let mut contexts = Vec::new();
        for kind in [
            (Version::Dtls13, Group::X25519MlKem768),
            (Version::Dtls13, Group::X25519),
            (Version::Dtls12, Group::X25519),
        ] {
            contexts.push((kind, [context(kind)?, context(kind)?]));
        }
        Ok(Self { contexts })
    }
}

impl Stack for Boring {
    fn name(&self) -> &'static str {
        "boring"
    }

    fn is_counted(&self) -> bool {
        false
    }

    fn connect(&mut self, version: Version, group: Group) -> Option<Box<dyn Pair>> {
        let (_, contexts) = self.contexts.iter().find(|(kind, _)| *kind == (version, group))?;
        let side = |context: &SslContext| {
            let mut ssl = Ssl::new(context).ok()?;
            ssl.set_mtu(1200).ok()?;
            SslStream::new(ssl, Pipe::default()).ok()
        };
        let (mut client, mut server) = (side(&contexts[0])?, side(&contexts[1])?);
        let (mut is_client_done, mut is_server_done) = (false, false);
        for _ in 0..20 {
            is_client_done |= advance(&mut client, is_client_done, SslStream::connect)?;
            let sent = carry(&mut client, &mut server);
            is_server_done |= advance(&mut server, is_server_done, SslStream::accept)?;
            let answered = carry(&mut server, &mut client);
            if is_client_done && is_server_done && !sent && !answered {
                let suite = client.ssl().current_cipher()?.standard_name()?;
                assert!(suite.contains("AES_128_GCM"), "{suite} is another suite than the others have");
                return Some(Box::new(Established { client, server, data: [7; RECORD], opened: [0; ROOM] }));
            }
        }
        None
    }
}

impl Pair for Established {
    fn seal(&mut self, room: &mut [u8; ROOM]) -> usize {
        self.client.ssl_write(&self.data).expect("the connection is open");
        let pipe = self.client.get_mut();
        let record = pipe.outgoing.pop_front().expect("a record was written");
        room[..record.len()].copy_from_slice(&record);
        let len = record.len();
        pipe.spare.push(record);
        len
    }

    fn open(&mut self, record: &mut [u8]) -> usize {
        let pipe = self.server.get_mut();
        let mut datagram = pipe.spare.pop().unwrap_or_default();
        datagram.clear();
        datagram.extend_from_slice(record);
        pipe.incoming.push_back(datagram);
        self.server.ssl_read(&mut self.opened).expect("it was sealed so")
    }
}

impl Read for Pipe {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let datagram = self.incoming.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        let len = datagram.len().min(buf.len());
        buf[..len].copy_from_slice(&datagram[..len]);
        self.spare.push(datagram);
        Ok(len)
    }
}

impl Write for Pipe {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let mut datagram = self.spare.pop().unwrap_or_default();
        datagram.clear();
        datagram.extend_from_slice(buf);
        self.outgoing.push_back(datagram);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Goes on with a handshake, or reads what comes after it; whether the handshake is complete. `None` after an error.
fn advance(
    stream: &mut SslStream<Pipe>,
    is_done: bool,
    handshake: fn(&mut SslStream<Pipe>) -> Result<(), boring::ssl::Error>,
) -> Option<bool> {
    let outcome = if is_done { stream.ssl_read(&mut [0; ROOM]).map(drop) } else { handshake(stream) };
    match outcome {
        Ok(()) => Some(true),
        Err(error) => error.would_block().then_some(is_done),
    }
}

fn carry(from: &mut SslStream<Pipe>, to: &mut SslStream<Pipe>) -> bool {
    let sent = std::mem::take(&mut from.get_mut().outgoing);
    let any = !sent.is_empty();
    to.get_mut().incoming.extend(sent);
    any
}

fn context((version, group): (Version, Group)) -> Result<SslContext, ErrorStack> {
    let key = PKey::from_ec_key(EcKey::generate(&*EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?)?)?;
    let mut name = X509Name::builder()?;
    name.append_entry_by_text("CN", "bench")?;
    let name = name.build();
    let mut certificate = X509::builder()?;
    certificate.set_version(2)?;
    certificate.set_serial_number(&*BigNum::from_u32(1)?.to_asn1_integer()?)?;
    certificate.set_subject_name(&name)?;
    certificate.set_issuer_name(&name)?;
    certificate.set_not_before(&*Asn1Time::days_from_now(0)?)?;
    certificate.set_not_after(&*Asn1Time::days_from_now(30)?)?;
    certificate.set_pubkey(&key)?;
    certificate.sign(&key, MessageDigest::sha256())?;

    let mut context = SslContext::builder(SslMethod::dtls())?;
    let version = match version {
        Version::Dtls12 => SslVersion::DTLS1_2,
        Version::Dtls13 => SslVersion::DTLS1_3,
    };
    context.set_min_proto_version(Some(version))?;
    context.set_max_proto_version(Some(version))?;
    context.set_certificate(&*certificate.build())?;
    context.set_private_key(&key)?;
    context.set_verify_callback(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT, |_, _| true);
    context.set_tlsext_use_srtp("SRTP_AEAD_AES_128_GCM:SRTP_AEAD_AES_256_GCM:SRTP_AES128_CM_SHA1_80")?;
    // Those of DTLS 1.3 have an order of their own, with AES-128-GCM first where the processor has AES.
    context.set_strict_cipher_list("ECDHE-ECDSA-AES128-GCM-SHA256")?;
    context.set_curves_list(match group {
        Group::X25519MlKem768 => "X25519MLKEM768",
        // The curve of the certificates has to be among them (RFC 8422 §5.1.1); the first is taken.
        Group::X25519 => "X25519:P-256",
    })?;
    Ok(context.build())
}
