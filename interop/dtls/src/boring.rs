//! BoringSSL, as browsers have it, over queues in memory and in virtual time.

pub mod identity;
mod raw;

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use boring::error::ErrorStack;
use boring::ssl::{
    AlpnError, ErrorCode, Ssl, SslContext, SslMethod, SslStream, SslVerifyMode, SslVersion, select_next_proto,
};
use peerage_base::time::Instant;
use peerage_dtls::suite::{CipherSuite, Group, SrtpKeys, SrtpProfile, Version};

use crate::boring::identity::Kind;
use crate::foreign::{CONTEXT, End, Facts, Foreign, LABEL};

/// What to make a connection of.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether it sends the ClientHello.
    pub client: bool,
    /// Least and greatest version.
    pub versions: [Version; 2],
    /// Its certificate; without one it shows none.
    pub identity: Option<Kind>,
    /// Cipher suites of DTLS 1.2, in OpenSSL's words; all if empty. Those of 1.3 are the library's.
    pub suites: String,
    /// Groups, in OpenSSL's words.
    pub groups: String,
    /// Signature algorithms, in OpenSSL's words; the library's choice if empty.
    pub signatures: String,
    /// SRTP profiles, in OpenSSL's words; none if empty.
    pub srtp: String,
    /// Application protocols.
    pub alpn: Vec<&'static str>,
    /// Largest handshake datagram, in bytes.
    pub mtu: u32,
}

impl Options {
    /// Any version, an ECDSA certificate, what browsers offer.
    pub fn new(client: bool) -> Self {
        Self {
            client,
            versions: [Version::Dtls12, Version::Dtls13],
            identity: Some(Kind::P256),
            suites: String::new(),
            groups: "X25519MLKEM768:X25519:P-256:P-384".into(),
            signatures: String::new(),
            srtp: "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80".into(),
            alpn: Vec::new(),
            mtu: 1200,
        }
    }
}

/// One connection.
pub struct Boring {
    options: Options,
    stream: SslStream<Pipe>,
    is_connected: bool,
    received: Vec<Vec<u8>>,
    end: Option<End>,
}

/// Datagrams in and out.
#[derive(Default)]
struct Pipe {
    incoming: VecDeque<Vec<u8>>,
    outgoing: VecDeque<Vec<u8>>,
}

impl Boring {
    /// A connection that has neither sent nor received.
    ///
    /// # Errors
    /// The options make no sense to BoringSSL.
    pub fn new(options: Options) -> Result<Self, ErrorStack> {
        let context = context(&options)?;
        let mut ssl = Ssl::new(&context)?;
        ssl.set_mtu(options.mtu)?;
        let stream = SslStream::new(ssl, Pipe::default())?;
        Ok(Self { options, stream, is_connected: false, received: Vec::new(), end: None })
    }

    /// As [`Foreign`].
    ///
    /// # Errors
    /// As of [`new`](Self::new).
    pub fn boxed(options: Options) -> Result<Box<dyn Foreign>, String> {
        Self::new(options).map(|boring| Box::new(boring) as Box<dyn Foreign>).map_err(|e| e.to_string())
    }

    fn progress(&mut self) {
        if self.end.is_some() {
            return;
        }
        if !self.is_connected {
            let outcome = if self.options.client { self.stream.connect() } else { self.stream.accept() };
            match outcome {
                Ok(()) => self.is_connected = true,
                Err(error) => return self.judge(&error),
            }
        }
        let mut buf = vec![0; 1 << 15];
        loop {
            match self.stream.ssl_read(&mut buf) {
                Ok(len) => self.received.push(buf[..len].to_vec()),
                Err(error) => return self.judge(&error),
            }
        }
    }

    fn judge(&mut self, error: &boring::ssl::Error) {
        self.end = match error.code() {
            ErrorCode::WANT_READ | ErrorCode::WANT_WRITE => None,
            ErrorCode::ZERO_RETURN => Some(End::CloseNotify),
            _ => Some(End::Failed(error.to_string())),
        };
    }

    fn srtp(&self) -> Option<SrtpKeys> {
        let id = self.stream.ssl().selected_srtp_profile()?.id().as_raw();
        let profile = SrtpProfile::from_number(u16::try_from(id).ok()?)?;
        let (key, salt) = profile.key_and_salt();
        let mut material = vec![0; 2 * (key + salt)];
        self.stream.ssl().export_keying_material(&mut material, "EXTRACTOR-dtls_srtp", None).ok()?;
        Some(SrtpKeys { profile, material: material.into() })
    }
}

impl Foreign for Boring {
    fn certificate(&self) -> Vec<u8> {
        let der = self.options.identity.map(|kind| kind.identity().certificate.to_der());
        der.and_then(Result::ok).unwrap_or_default()
    }

    fn receive(&mut self, now: Instant, datagram: &[u8]) {
        raw::set_clock(now);
        self.stream.get_mut().incoming.push_back(datagram.to_vec());
        self.progress();
    }

    fn wake(&mut self, now: Instant) {
        raw::set_clock(now);
        raw::handle_timeout(self.stream.ssl_mut());
        self.progress();
    }

    fn deadline(&mut self, now: Instant) -> Option<Instant> {
        raw::set_clock(now);
        if self.options.client && !self.is_connected && self.end.is_none() {
            // The ClientHello leaves at once.
            self.progress();
        }
        raw::timeout(self.stream.ssl()).filter(|_| self.end.is_none()).map(|left| now + left)
    }

    fn transmit(&mut self) -> Option<Vec<u8>> {
        self.stream.get_mut().outgoing.pop_front()
    }

    fn facts(&mut self) -> Option<Facts> {
        if !self.is_connected {
            return None;
        }
        let ssl = self.stream.ssl();
        let version = match ssl.version2() {
            Some(SslVersion::DTLS1_3) => Some(Version::Dtls13),
            Some(SslVersion::DTLS1_2) => Some(Version::Dtls12),
            _ => None,
        };
        let mut exported = [0; 32];
        ssl.export_keying_material(&mut exported, LABEL, Some(CONTEXT)).ok()?;
        Some(Facts {
            version,
            suite: ssl.current_cipher().map(|cipher| CipherSuite(cipher.protocol_id())),
            group: ssl.curve().map(Group),
            srtp: Some(self.srtp()),
            alpn: Some(ssl.selected_alpn_protocol().map(<[u8]>::to_vec)),
            certificate: ssl.peer_certificate().and_then(|certificate| certificate.to_der().ok()),
            exported: Some(exported),
        })
    }

    fn send(&mut self, now: Instant, data: &[u8]) -> Result<(), String> {
        raw::set_clock(now);
        self.stream.ssl_write(data).map(drop).map_err(|e| e.to_string())
    }

    fn received(&self) -> &[Vec<u8>] {
        &self.received
    }

    fn close(&mut self, now: Instant) -> Result<(), String> {
        raw::set_clock(now);
        self.stream.shutdown().map(drop).map_err(|e| e.to_string())
    }

    fn end(&self) -> Option<End> {
        self.end.clone()
    }

    fn epochs(&self) -> Option<[u16; 2]> {
        Some([raw::read_epoch(self.stream.ssl()), raw::write_epoch(self.stream.ssl())])
    }

    fn update_keys(&mut self, now: Instant, both: bool) -> Result<(), String> {
        raw::set_clock(now);
        if raw::update_keys(self.stream.ssl_mut(), both) { Ok(()) } else { Err(ErrorStack::get().to_string()) }
    }
}

impl Read for Pipe {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let datagram = self.incoming.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        let len = datagram.len().min(buf.len());
        buf[..len].copy_from_slice(&datagram[..len]);
        Ok(len)
    }
}

impl Write for Pipe {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.outgoing.push_back(buf.to_vec());
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn context(options: &Options) -> Result<SslContext, ErrorStack> {
    let mut context = SslContext::builder(SslMethod::dtls())?;
    raw::use_clock(&mut context);
    let [min, max] = options.versions.map(|version| match version {
        Version::Dtls12 => SslVersion::DTLS1_2,
        Version::Dtls13 => SslVersion::DTLS1_3,
    });
    context.set_min_proto_version(Some(min))?;
    context.set_max_proto_version(Some(max))?;
    if let Some(identity) = options.identity.map(Kind::identity) {
        context.set_certificate(&identity.certificate)?;
        context.set_private_key(&identity.key)?;
    }
    context.set_verify_callback(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT, |_, _| true);
    context.set_curves_list(&options.groups)?;
    if !options.suites.is_empty() {
        context.set_strict_cipher_list(&options.suites)?;
    }
    if !options.signatures.is_empty() {
        context.set_sigalgs_list(&options.signatures)?;
    }
    if !options.srtp.is_empty() {
        context.set_tlsext_use_srtp(&options.srtp)?;
    }
    if !options.alpn.is_empty() {
        let wire = names(&options.alpn);
        context.set_alpn_protos(&wire)?;
        context.set_alpn_select_callback(move |_, offered| {
            // Points into what the client offered, as the callback must.
            let chosen = select_next_proto(&wire, offered).ok_or(AlpnError::NOACK)?;
            offered.windows(chosen.len()).find(|name| *name == chosen).ok_or(AlpnError::NOACK)
        });
    }
    Ok(context.build())
}

/// Names as they go over the wire: each behind its length.
fn names(protocols: &[&str]) -> Vec<u8> {
    protocols.iter().flat_map(|name| std::iter::once(name.len() as u8).chain(name.bytes())).collect()
}
