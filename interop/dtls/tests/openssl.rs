//! OpenSSL, DTLS 1.2: every suite, group, signature and SRTP profile, in both roles.

use peerage_dtls::suite::{CipherSuite, Group, SrtpProfile, Version};
use peerage_dtls::{CloseReason, Role};
use peerage_interop_dtls::boring::identity::Kind;
use peerage_interop_dtls::matrix::Matrix;
use peerage_interop_dtls::ours;
use peerage_interop_dtls::program::{Live, Program, free_port, installed};

const ROLES: [Role; 2] = [Role::Client, Role::Server];
const SUITES: [(CipherSuite, &str); 6] = [
    (CipherSuite::ECDHE_ECDSA_AES_128_GCM, "ECDHE-ECDSA-AES128-GCM-SHA256"),
    (CipherSuite::ECDHE_ECDSA_AES_256_GCM, "ECDHE-ECDSA-AES256-GCM-SHA384"),
    (CipherSuite::ECDHE_ECDSA_CHACHA20_POLY1305, "ECDHE-ECDSA-CHACHA20-POLY1305"),
    (CipherSuite::ECDHE_RSA_AES_128_GCM, "ECDHE-RSA-AES128-GCM-SHA256"),
    (CipherSuite::ECDHE_RSA_AES_256_GCM, "ECDHE-RSA-AES256-GCM-SHA384"),
    (CipherSuite::ECDHE_RSA_CHACHA20_POLY1305, "ECDHE-RSA-CHACHA20-POLY1305"),
];
const GROUPS: [(Group, &str); 3] =
    [(Group::X25519, "X25519"), (Group::SECP256R1, "P-256"), (Group::SECP384R1, "P-384")];
const PROFILES: [(SrtpProfile, &str); 4] = [
    (SrtpProfile::Aes128CmSha1_80, "SRTP_AES128_CM_SHA1_80"),
    (SrtpProfile::Aes128CmSha1_32, "SRTP_AES128_CM_SHA1_32"),
    (SrtpProfile::AeadAes128Gcm, "SRTP_AEAD_AES_128_GCM"),
    (SrtpProfile::AeadAes256Gcm, "SRTP_AEAD_AES_256_GCM"),
];

/// One conversation to be.
struct Meeting<'a> {
    role: Role,
    kind: Kind,
    suite: Option<(CipherSuite, &'a str)>,
    group: Option<(Group, &'a str)>,
    profile: (SrtpProfile, &'a str),
    extra: Vec<&'a str>,
}

impl Meeting<'_> {
    fn new(role: Role) -> Self {
        Self { role, kind: Kind::P256, suite: None, group: None, profile: PROFILES[2], extra: Vec::new() }
    }

    /// Handshake, the same exported keys, data both ways, a goodbye of the client.
    fn run(&self) -> Result<(), String> {
        let certificate = self.kind.identity().certificate.to_der().map_err(|e| e.to_string())?;
        let mut config = ours::config(self.role, &certificate);
        config.srtp_profiles = PROFILES.map(|(profile, _)| profile).to_vec();
        if let Some((group, _)) = self.group {
            config.groups = vec![group, Group::SECP256R1];
        }
        let (mut live, mut openssl) = match self.role {
            Role::Client => {
                let port = free_port()?;
                let mut openssl = self.start(&["s_server", "-accept", &format!("127.0.0.1:{port}"), "-Verify", "1"])?;
                openssl.until_written("ACCEPT")?;
                (Live::new(config, Some(port))?, openssl)
            }
            Role::Server => {
                let live = Live::new(config, None)?;
                let connect = format!("127.0.0.1:{}", live.port()?);
                (live, self.start(&["s_client", "-connect", &connect])?)
            }
        };
        live.until("the handshake", &mut openssl, |ours, _| ours.info.is_some() || ours.closed.is_some())?;
        self.prove(&mut live, &mut openssl)?;
        self.part(&mut live, &mut openssl)
    }

    fn start(&self, first: &[&str]) -> Result<Program, String> {
        let (key, salt) = self.profile.0.key_and_salt();
        let length = (2 * (key + salt)).to_string();
        let mut args = [first, &["-dtls1_2", "-cert", "cert.pem", "-key", "key.pem", "-mtu", "1200"]].concat();
        args.extend(["-use_srtp", self.profile.1, "-keymatexport", "EXTRACTOR-dtls_srtp", "-keymatexportlen", &length]);
        args.extend(self.suite.iter().flat_map(|(_, word)| ["-cipher", word]));
        // Groups are also the curves on which a certificate is taken (RFC 8422 §5.1.1), and ours is on P-256.
        let groups = self.group.map(|(group, word)| match group {
            Group::SECP256R1 => word.to_owned(),
            _ => format!("{word}:P-256"),
        });
        args.extend(groups.iter().flat_map(|words| ["-groups", words]));
        args.extend(&self.extra);
        let args: Vec<String> = args.into_iter().map(str::to_owned).collect();
        Program::start("openssl", &args, self.kind)
    }

    fn prove(&self, live: &mut Live, openssl: &mut Program) -> Result<(), String> {
        let info = live.ours.info.clone().ok_or_else(|| format!("no connection: {:?}", live.ours.closed))?;
        let suite = self.suite.is_none_or(|(suite, _)| suite == info.cipher_suite);
        let group = self.group.is_none_or(|(group, _)| Some(group) == info.group);
        let srtp = info.srtp.as_ref().filter(|srtp| srtp.profile == self.profile.0);
        if info.version != Version::Dtls12 || !suite || !group {
            return Err(format!("{info:?}"));
        }
        let srtp = srtp.ok_or_else(|| format!("SRTP: {:?}", info.srtp))?;
        live.until("exported keys", openssl, |_, openssl| openssl.bytes_after("Keying material: ").is_some())?;
        if openssl.bytes_after("Keying material: ").as_deref() != Some(&*srtp.material) {
            return Err("the exported keys differ".into());
        }
        live.send("from this side\n")?;
        live.until("our line", openssl, |_, openssl| openssl.has_written("from this side"))?;
        openssl.type_in("from openssl\n")?;
        live.until("their line", openssl, |ours, _| Live::has_received(ours, "from openssl\n"))
    }

    fn part(&self, live: &mut Live, openssl: &mut Program) -> Result<(), String> {
        if self.role == Role::Client {
            let now = live.now();
            live.ours.dtls.close(now);
            return live.until("our goodbye to be heard", openssl, |_, openssl| openssl.has_written("DONE"));
        }
        openssl.type_in("Q\n")?;
        live.until("their goodbye", openssl, |ours, _| ours.closed == Some(CloseReason::CloseNotify))
    }
}

#[test]
fn every_suite_and_group() {
    if !installed("OpenSSL", "openssl") {
        return;
    }
    let mut matrix = Matrix::new("openssl 1.2");
    for role in ROLES {
        // The server's certificate decides, and ours is ECDSA.
        for suite in SUITES.into_iter().filter(|(suite, _)| role == Role::Client || !suite.is_signed_by_rsa()) {
            for group in GROUPS {
                matrix.case(format!("{role:?} {} {}", suite.0.name(), group.0.name()), || {
                    let kind = if suite.0.is_signed_by_rsa() { Kind::Rsa2048 } else { Kind::P256 };
                    Meeting { kind, suite: Some(suite), group: Some(group), ..Meeting::new(role) }.run()
                });
            }
        }
    }
    matrix.finish();
}

#[test]
fn certificates_of_every_kind_are_believed() {
    if !installed("OpenSSL", "openssl") {
        return;
    }
    let mut matrix = Matrix::new("openssl certs");
    let rsa = ["RSA-PSS+SHA256", "RSA-PSS+SHA384", "RSA-PSS+SHA512", "RSA+SHA256", "RSA+SHA384", "RSA+SHA512"];
    for role in ROLES {
        for kind in [Kind::P256, Kind::P384, Kind::Ed25519, Kind::Rsa4096] {
            matrix.case(format!("{role:?} {kind:?}"), || Meeting { kind, ..Meeting::new(role) }.run());
        }
        for scheme in rsa {
            matrix.case(format!("{role:?} Rsa2048 {scheme}"), || {
                // Ours is signed with ECDSA in either role. What a client signs with is what the server asks for, and
                // what a server signs with is what it was told to prefer.
                let schemes = format!("{scheme}:ECDSA+SHA256");
                let extra = vec!["-sigalgs", &schemes, "-client_sigalgs", &schemes];
                Meeting { kind: Kind::Rsa2048, extra, ..Meeting::new(role) }.run()
            });
        }
    }
    matrix.finish();
}

#[test]
fn srtp_profiles_cookies_and_small_datagrams() {
    if !installed("OpenSSL", "openssl") {
        return;
    }
    let mut matrix = Matrix::new("openssl extensions");
    for role in ROLES {
        for profile in PROFILES {
            matrix.case(format!("{role:?} {}", profile.1), || Meeting { profile, ..Meeting::new(role) }.run());
        }
        matrix.case(format!("{role:?} mtu 256, Rsa4096"), || {
            Meeting { kind: Kind::Rsa4096, extra: vec!["-mtu", "256"], ..Meeting::new(role) }.run()
        });
    }
    matrix.case("Client a cookie", || Meeting { extra: vec!["-listen"], ..Meeting::new(Role::Client) }.run());
    matrix.case("Server a ClientHello in fragments", || {
        let names = (0..60).map(|i| format!("name-{i}")).collect::<Vec<_>>().join(",");
        Meeting { extra: vec!["-mtu", "256", "-alpn", &names], ..Meeting::new(Role::Server) }.run()
    });
    matrix.finish();
}
