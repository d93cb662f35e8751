//! GnuTLS, DTLS 1.2: every suite, group and signature, in both roles.

use peerage_dtls::suite::{CipherSuite, Group, SrtpProfile, Version};
use peerage_dtls::{CloseReason, Role};
use peerage_interop_dtls::boring::identity::Kind;
use peerage_interop_dtls::matrix::Matrix;
use peerage_interop_dtls::ours;
use peerage_interop_dtls::program::{Live, Program, free_port, installed};

const ROLES: [Role; 2] = [Role::Client, Role::Server];
/// With key exchange and cipher in GnuTLS's words.
const SUITES: [(CipherSuite, &str, &str); 6] = [
    (CipherSuite::ECDHE_ECDSA_AES_128_GCM, "ECDHE-ECDSA", "AES-128-GCM"),
    (CipherSuite::ECDHE_ECDSA_AES_256_GCM, "ECDHE-ECDSA", "AES-256-GCM"),
    (CipherSuite::ECDHE_ECDSA_CHACHA20_POLY1305, "ECDHE-ECDSA", "CHACHA20-POLY1305"),
    (CipherSuite::ECDHE_RSA_AES_128_GCM, "ECDHE-RSA", "AES-128-GCM"),
    (CipherSuite::ECDHE_RSA_AES_256_GCM, "ECDHE-RSA", "AES-256-GCM"),
    (CipherSuite::ECDHE_RSA_CHACHA20_POLY1305, "ECDHE-RSA", "CHACHA20-POLY1305"),
];
const GROUPS: [(Group, &str); 3] =
    [(Group::X25519, "GROUP-X25519"), (Group::SECP256R1, "GROUP-SECP256R1"), (Group::SECP384R1, "GROUP-SECP384R1")];
const PROFILES: [(SrtpProfile, &str); 2] = [
    (SrtpProfile::Aes128CmSha1_80, "SRTP_AES128_CM_HMAC_SHA1_80"),
    (SrtpProfile::Aes128CmSha1_32, "SRTP_AES128_CM_HMAC_SHA1_32"),
];

/// One conversation to be.
struct Meeting {
    role: Role,
    kind: Kind,
    suite: (CipherSuite, &'static str, &'static str),
    group: (Group, &'static str),
    /// In GnuTLS's words.
    signatures: &'static str,
    profile: (SrtpProfile, &'static str),
    mtu: &'static str,
}

impl Meeting {
    fn new(role: Role, kind: Kind) -> Self {
        let suite = SUITES[if kind.is_rsa() && role == Role::Client { 3 } else { 0 }];
        let (group, profile) = (GROUPS[0], PROFILES[0]);
        Self { role, kind, suite, group, signatures: "SIGN-ALL", profile, mtu: "1200" }
    }

    /// Handshake, the same exported keys, data both ways, a goodbye of the client.
    fn run(&self) -> Result<(), String> {
        let certificate = self.kind.identity().certificate.to_der().map_err(|e| e.to_string())?;
        let mut config = ours::config(self.role, &certificate);
        config.srtp_profiles = PROFILES.map(|(profile, _)| profile).to_vec();
        let (mut live, mut gnutls) = match self.role {
            Role::Client => {
                let port = free_port()?;
                let first = ["--echo", "--require-client-cert", "--port", &port.to_string()];
                let mut gnutls = self.start("gnutls-serv", &first)?;
                gnutls.until_written("listening on IPv4")?;
                (Live::new(config, Some(port))?, gnutls)
            }
            Role::Server => {
                let live = Live::new(config, None)?;
                let first = ["--insecure", "--port", &live.port()?.to_string(), "127.0.0.1"];
                (live, self.start("gnutls-cli", &first)?)
            }
        };
        live.until("the handshake", &mut gnutls, |ours, _| ours.info.is_some() || ours.closed.is_some())?;
        self.prove(&mut live, &mut gnutls)?;
        match self.role {
            Role::Client => {
                let now = live.now();
                live.ours.dtls.close(now);
                live.until("our goodbye to leave", &mut gnutls, |ours, _| ours.closed == Some(CloseReason::Local))
            }
            Role::Server => {
                gnutls.hang_up();
                live.until("their goodbye", &mut gnutls, |ours, _| ours.closed == Some(CloseReason::CloseNotify))
            }
        }
    }

    fn start(&self, program: &str, first: &[&str]) -> Result<Program, String> {
        let (key, salt) = self.profile.0.key_and_salt();
        let length = (2 * (key + salt)).to_string();
        let (_, exchange, cipher) = self.suite;
        let priority = format!(
            "NONE:+VERS-DTLS1.2:+{exchange}:+{cipher}:+AEAD:+COMP-NULL:+{}:+{}",
            self.signatures.replace(':', ":+"),
            self.group.1
        );
        let mut args = [first, &["--udp", "--mtu", self.mtu, "--x509certfile", "cert.pem"]].concat();
        args.extend(["--x509keyfile", "key.pem", "--srtp-profiles", self.profile.1, "--priority", &priority]);
        args.extend(["--keymatexport", "EXTRACTOR-dtls_srtp", "--keymatexportsize", &length]);
        let args: Vec<String> = args.into_iter().map(str::to_owned).collect();
        Program::start(program, &args, self.kind)
    }

    fn prove(&self, live: &mut Live, gnutls: &mut Program) -> Result<(), String> {
        let info = live.ours.info.clone().ok_or_else(|| format!("no connection: {:?}", live.ours.closed))?;
        let srtp = info.srtp.as_ref().filter(|srtp| srtp.profile == self.profile.0);
        if info.version != Version::Dtls12 || info.cipher_suite != self.suite.0 || info.group != Some(self.group.0) {
            return Err(format!("{info:?}"));
        }
        let srtp = srtp.ok_or_else(|| format!("SRTP: {:?}", info.srtp))?;
        if self.role == Role::Client {
            // Over UDP the server says nothing of itself, and echoes.
            live.send("there and back\n")?;
            return live.until("the echo", gnutls, |ours, _| Live::has_received(ours, "there and back\n"));
        }
        live.until("exported keys", gnutls, |_, gnutls| gnutls.bytes_after("Key material: ").is_some())?;
        if gnutls.bytes_after("Key material: ").as_deref() != Some(&*srtp.material) {
            return Err("the exported keys differ".into());
        }
        gnutls.until_written("Handshake was completed")?;
        live.send("from this side\n")?;
        live.until("our line", gnutls, |_, gnutls| gnutls.has_written("from this side"))?;
        gnutls.type_in("from gnutls\n")?;
        live.until("their line", gnutls, |ours, _| Live::has_received(ours, "from gnutls\n"))
    }
}

fn ready() -> bool {
    installed("GnuTLS", "gnutls-serv") && installed("GnuTLS", "gnutls-cli")
}

#[test]
fn every_suite_and_group() {
    if !ready() {
        return;
    }
    let mut matrix = Matrix::new("gnutls 1.2");
    for role in ROLES {
        // The server's certificate decides, and ours is ECDSA.
        for suite in SUITES.into_iter().filter(|(suite, ..)| role == Role::Client || !suite.is_signed_by_rsa()) {
            for group in GROUPS {
                matrix.case(format!("{role:?} {} {}", suite.0.name(), group.0.name()), || {
                    let kind = if suite.0.is_signed_by_rsa() { Kind::Rsa2048 } else { Kind::P256 };
                    Meeting { suite, group, ..Meeting::new(role, kind) }.run()
                });
            }
        }
    }
    matrix.finish();
}

#[test]
fn certificates_profiles_and_small_datagrams() {
    if !ready() {
        return;
    }
    let mut matrix = Matrix::new("gnutls others");
    let rsa = [
        "SIGN-RSA-PSS-RSAE-SHA256",
        "SIGN-RSA-PSS-RSAE-SHA384",
        "SIGN-RSA-PSS-RSAE-SHA512",
        "SIGN-RSA-SHA256",
        "SIGN-RSA-SHA384",
        "SIGN-RSA-SHA512",
    ];
    for role in ROLES {
        for kind in [Kind::P256, Kind::P384, Kind::Ed25519, Kind::Rsa4096] {
            matrix.case(format!("{role:?} {kind:?}"), || Meeting::new(role, kind).run());
        }
        for scheme in rsa {
            matrix.case(format!("{role:?} Rsa2048 {scheme}"), || {
                // Ours signs with ECDSA.
                let signatures: &'static str = Box::leak(format!("{scheme}:SIGN-ECDSA-SHA256").into_boxed_str());
                Meeting { signatures, ..Meeting::new(role, Kind::Rsa2048) }.run()
            });
        }
        for profile in PROFILES {
            matrix.case(format!("{role:?} {}", profile.1), || {
                Meeting { profile, ..Meeting::new(role, Kind::P256) }.run()
            });
        }
        matrix.case(format!("{role:?} mtu 400, Rsa4096"), || {
            Meeting { mtu: "400", ..Meeting::new(role, Kind::Rsa4096) }.run()
        });
    }
    matrix.finish();
}
