//! BoringSSL, which is what Chromium speaks, in both roles and both versions.

use peerage_base::time::Duration;
use peerage_dtls::suite::{Alpn, CipherSuite, Group, SrtpProfile, Version};
use peerage_dtls::{Config, Role, Versions};
use peerage_interop_dtls::boring::identity::Kind;
use peerage_interop_dtls::boring::{Boring, Options};
use peerage_interop_dtls::case::{Case, Parting, Wanted};
use peerage_interop_dtls::matrix::Matrix;
use peerage_interop_dtls::network::Weather;
use peerage_interop_dtls::ours;

use Role::{Client, Server};
use Version::{Dtls12, Dtls13};

const ROLES: [Role; 2] = [Client, Server];
const VERSIONS: [Version; 2] = [Dtls12, Dtls13];
/// What BoringSSL calls the groups.
const GROUPS: [(Group, &str); 4] = [
    (Group::X25519_MLKEM768, "X25519MLKEM768"),
    (Group::X25519, "X25519"),
    (Group::SECP256R1, "P-256"),
    (Group::SECP384R1, "P-384"),
];
const SUITES13: [CipherSuite; 3] = [CipherSuite::AES_128_GCM, CipherSuite::AES_256_GCM, CipherSuite::CHACHA20_POLY1305];
/// What BoringSSL calls the suites of DTLS 1.2.
const SUITES12: [(CipherSuite, &str); 6] = [
    (CipherSuite::ECDHE_ECDSA_AES_128_GCM, "ECDHE-ECDSA-AES128-GCM-SHA256"),
    (CipherSuite::ECDHE_ECDSA_AES_256_GCM, "ECDHE-ECDSA-AES256-GCM-SHA384"),
    (CipherSuite::ECDHE_ECDSA_CHACHA20_POLY1305, "ECDHE-ECDSA-CHACHA20-POLY1305"),
    (CipherSuite::ECDHE_RSA_AES_128_GCM, "ECDHE-RSA-AES128-GCM-SHA256"),
    (CipherSuite::ECDHE_RSA_AES_256_GCM, "ECDHE-RSA-AES256-GCM-SHA384"),
    (CipherSuite::ECDHE_RSA_CHACHA20_POLY1305, "ECDHE-RSA-CHACHA20-POLY1305"),
];

/// One connection to be: this side's role and settings, the other's options, what must come out.
struct Meeting {
    role: Role,
    options: Options,
    configure: Box<dyn FnOnce(&mut Config)>,
    wanted: Wanted,
    parting: Parting,
}

impl Meeting {
    /// Defaults on both sides, except that the other speaks one version alone.
    fn new(role: Role, version: Version) -> Self {
        let mut options = Options::new(role == Server);
        options.versions = [version; 2];
        let wanted = Wanted { version: Some(version), ..Wanted::default() };
        // Each version and each role has one end of each kind.
        let parting = if (role == Client) == (version == Dtls13) { Parting::Ours } else { Parting::Theirs };
        Self { role, options, configure: Box::new(|_| ()), wanted, parting }
    }

    fn case(self) -> Result<Case, String> {
        let theirs = Boring::boxed(self.options)?;
        let mut config = ours::config(self.role, &theirs.certificate());
        (self.configure)(&mut config);
        Ok(Case::new(config, theirs, self.wanted, self.parting))
    }

    fn run(self) -> Result<[usize; 2], String> {
        self.case()?.run()
    }
}

#[test]
fn every_suite_and_group_of_dtls_1_3() {
    let mut matrix = Matrix::new("boring 1.3");
    for role in ROLES {
        for (group, word) in GROUPS {
            for suite in SUITES13 {
                matrix.case(format!("{role:?} {} {}", suite.name(), group.name()), || {
                    let mut meeting = Meeting::new(role, Dtls13);
                    meeting.options.groups = word.into();
                    meeting.wanted = Wanted { suite: Some(suite), group: Some(group), ..meeting.wanted };
                    meeting.configure = Box::new(move |config| config.cipher_suites = vec![suite]);
                    meeting.run().map(drop)
                });
            }
        }
    }
    matrix.finish();
}

#[test]
fn every_suite_and_group_of_dtls_1_2() {
    let mut matrix = Matrix::new("boring 1.2");
    for role in ROLES {
        // The server's certificate decides, and ours is ECDSA.
        for (suite, word) in SUITES12.into_iter().filter(|(suite, _)| role == Client || !suite.is_signed_by_rsa()) {
            for (group, group_word) in &GROUPS[1..] {
                matrix.case(format!("{role:?} {} {}", suite.name(), group.name()), || {
                    let mut meeting = Meeting::new(role, Dtls12);
                    meeting.options.suites = word.into();
                    // A client's groups are also the curves on which it takes a certificate (RFC 8422 §5.1.1), and ours
                    // is on P-256.
                    meeting.options.groups = match *group {
                        Group::SECP256R1 => "P-256".into(),
                        _ => format!("{group_word}:P-256"),
                    };
                    let group = *group;
                    meeting.configure = Box::new(move |config| config.groups = vec![group, Group::SECP256R1]);
                    meeting.options.identity = Some(if suite.is_signed_by_rsa() { Kind::Rsa2048 } else { Kind::P256 });
                    meeting.wanted = Wanted { suite: Some(suite), group: Some(group), ..meeting.wanted };
                    meeting.run().map(drop)
                });
            }
        }
    }
    matrix.finish();
}

#[test]
fn either_side_alone_chooses_suite_and_group() {
    let mut matrix = Matrix::new("boring preference");
    for role in ROLES {
        for (suite, _) in SUITES12.into_iter().filter(|(suite, _)| !suite.is_signed_by_rsa()) {
            matrix.case(format!("{role:?} 1.2 {} of ours alone", suite.name()), || {
                let mut meeting = Meeting::new(role, Dtls12);
                meeting.wanted.suite = Some(suite);
                meeting.configure = Box::new(move |config| config.cipher_suites = vec![suite]);
                meeting.run().map(drop)
            });
        }
        for version in VERSIONS {
            for (group, _) in GROUPS.into_iter().filter(|(g, _)| version == Dtls13 || *g != Group::X25519_MLKEM768) {
                matrix.case(format!("{role:?} {version} {} of ours alone", group.name()), || {
                    let mut meeting = Meeting::new(role, version);
                    meeting.wanted.group = Some(group);
                    // Any curve but those that ours leaves out.
                    meeting.options.identity = Some(Kind::Rsa2048);
                    meeting.configure = Box::new(move |config| config.groups = vec![group]);
                    meeting.run().map(drop)
                });
            }
        }
    }
    matrix.finish();
}

#[test]
fn the_first_guess_of_a_group_may_be_wrong() {
    let mut matrix = Matrix::new("boring retry");
    for role in ROLES {
        matrix.case(format!("{role:?} shares that the server cannot use"), || {
            let mut meeting = Meeting::new(role, Dtls13);
            meeting.wanted.group = Some(Group::SECP384R1);
            if role == Client {
                meeting.options.groups = "P-384".into();
            } else {
                meeting.configure = Box::new(|config| config.groups = vec![Group::SECP384R1]);
            }
            meeting.run().map(drop)
        });
    }
    for version in VERSIONS {
        matrix.case(format!("Server {version} a cookie"), || {
            let mut meeting = Meeting::new(Server, version);
            meeting.configure = Box::new(|config| config.cookie = true);
            meeting.run().map(drop)
        });
    }
    matrix.case("Server DTLS 1.3 a cookie and another group".to_owned(), || {
        let mut meeting = Meeting::new(Server, Dtls13);
        meeting.wanted.group = Some(Group::SECP384R1);
        meeting.configure = Box::new(|config| (config.cookie, config.groups) = (true, vec![Group::SECP384R1]));
        meeting.run().map(drop)
    });
    matrix.finish();
}

#[test]
fn the_highest_common_version_is_spoken() {
    let mut matrix = Matrix::new("boring versions");
    let cases = [
        (Versions::Any, [Dtls12, Dtls13], Dtls13),
        (Versions::Any, [Dtls12, Dtls12], Dtls12),
        (Versions::Any, [Dtls13, Dtls13], Dtls13),
        (Versions::Dtls12, [Dtls12, Dtls13], Dtls12),
        (Versions::Dtls13, [Dtls12, Dtls13], Dtls13),
    ];
    for role in ROLES {
        for (ours, theirs, common) in cases {
            matrix.case(format!("{role:?} {ours:?} with {} to {}", theirs[0], theirs[1]), || {
                let mut meeting = Meeting::new(role, common);
                meeting.options.versions = theirs;
                meeting.configure = Box::new(move |config| config.versions = ours);
                meeting.run().map(drop)
            });
        }
        for (ours, theirs) in [(Versions::Dtls12, Dtls13), (Versions::Dtls13, Dtls12)] {
            matrix.case(format!("{role:?} {ours:?} with {theirs} alone is refused by an alert"), || {
                let mut meeting = Meeting::new(role, theirs);
                meeting.configure = Box::new(move |config| config.versions = ours);
                refused(meeting, &["PROTOCOL_VERSION", "protocol_version", "UNSUPPORTED_PROTOCOL"])
            });
        }
    }
    matrix.finish();
}

#[test]
fn certificates_of_every_kind_are_believed() {
    let mut matrix = Matrix::new("boring certificates");
    for role in ROLES {
        for version in VERSIONS {
            for kind in [Kind::P256, Kind::P384, Kind::Ed25519, Kind::Rsa2048, Kind::Rsa4096] {
                matrix.case(format!("{role:?} {version} {kind:?}"), || {
                    let mut meeting = Meeting::new(role, version);
                    meeting.options.identity = Some(kind);
                    if kind == Kind::Ed25519 {
                        // Not among what it signs with by itself, and it must still take our ECDSA.
                        meeting.options.signatures = "ed25519:ECDSA+SHA256".into();
                    }
                    meeting.run().map(drop)
                });
            }
            let rsa = ["rsa_pss_rsae_sha256", "rsa_pss_rsae_sha384", "rsa_pss_rsae_sha512"];
            let old = ["rsa_pkcs1_sha256", "rsa_pkcs1_sha384", "rsa_pkcs1_sha512"];
            // RFC 8446 §4.2.3 leaves no PKCS #1 in a handshake.
            for scheme in rsa.into_iter().chain(old.into_iter().filter(|_| version == Dtls12)) {
                matrix.case(format!("{role:?} {version} {scheme}"), || {
                    let mut meeting = Meeting::new(role, version);
                    meeting.options.identity = Some(Kind::Rsa2048);
                    meeting.options.signatures = format!("{scheme}:ECDSA+SHA256");
                    meeting.run().map(drop)
                });
            }
        }
    }
    matrix.finish();
}

#[test]
fn srtp_profiles_and_application_protocols_are_agreed() {
    let mut matrix = Matrix::new("boring extensions");
    let profiles = [
        (SrtpProfile::Aes128CmSha1_80, "SRTP_AES128_CM_SHA1_80"),
        (SrtpProfile::Aes128CmSha1_32, "SRTP_AES128_CM_SHA1_32"),
        (SrtpProfile::AeadAes128Gcm, "SRTP_AEAD_AES_128_GCM"),
        (SrtpProfile::AeadAes256Gcm, "SRTP_AEAD_AES_256_GCM"),
    ];
    for (role, version) in ROLES.into_iter().flat_map(|role| VERSIONS.map(|version| (role, version))) {
        for (profile, word) in profiles {
            matrix.case(format!("{role:?} {version} {word}"), || {
                let mut meeting = Meeting::new(role, version);
                meeting.options.srtp = word.into();
                meeting.wanted.srtp = Some(Some(profile));
                meeting.configure = Box::new(|config| {
                    config.srtp_profiles =
                        [0x0007, 0x0008, 0x0001, 0x0002].into_iter().filter_map(SrtpProfile::from_number).collect();
                });
                meeting.run().map(drop)
            });
        }
        matrix.case(format!("{role:?} {version} no SRTP over there"), || {
            let mut meeting = Meeting::new(role, version);
            meeting.options.srtp.clear();
            meeting.wanted.srtp = Some(None);
            meeting.run().map(drop)
        });
        matrix.case(format!("{role:?} {version} no SRTP here"), || {
            let mut meeting = Meeting::new(role, version);
            meeting.wanted.srtp = Some(None);
            meeting.configure = Box::new(|config| config.srtp_profiles.clear());
            meeting.run().map(drop)
        });
        for alpn in [Alpn::WebRtc, Alpn::ConfidentialWebRtc] {
            matrix.case(format!("{role:?} {version} application protocol {alpn:?}"), || {
                let mut meeting = Meeting::new(role, version);
                meeting.options.alpn = vec![if alpn == Alpn::WebRtc { "webrtc" } else { "c-webrtc" }];
                meeting.wanted.alpn = Some(Some(alpn));
                meeting.run().map(drop)
            });
        }
        matrix.case(format!("{role:?} {version} no application protocol over there"), || {
            let mut meeting = Meeting::new(role, version);
            meeting.wanted.alpn = Some(None);
            meeting.run().map(drop)
        });
    }
    matrix.finish();
}

#[test]
fn keys_are_updated_in_the_middle() {
    let mut matrix = Matrix::new("boring key updates");
    for role in ROLES {
        for (both, what) in [(false, "of theirs"), (true, "of both")] {
            matrix.case(format!("{role:?} 20 {what}"), || {
                let mut case = Meeting::new(role, Dtls13).case()?;
                case.updates = Some((20, both));
                case.run().map(drop)
            });
        }
    }
    matrix.finish();
}

#[test]
fn datagrams_stay_within_the_mtu() {
    let mut matrix = Matrix::new("boring mtu");
    for (role, version) in ROLES.into_iter().flat_map(|role| VERSIONS.map(|version| (role, version))) {
        for (ours, theirs) in [(512, 256), (512, 300), (600, 600), (800, 512), (1200, 1200), (1400, 1400)] {
            for kind in [Kind::P256, Kind::Rsa4096] {
                matrix.case(format!("{role:?} {version} ours {ours}, theirs {theirs}, {kind:?}"), || {
                    let mut meeting = Meeting::new(role, version);
                    meeting.options.mtu = theirs;
                    meeting.options.identity = Some(kind);
                    meeting.configure = Box::new(move |config| config.mtu = ours);
                    let longest = meeting.run()?;
                    let fits = longest[0] <= ours && longest[1] <= theirs as usize;
                    if fits { Ok(()) } else { Err(format!("datagrams of {longest:?} bytes")) }
                });
            }
        }
    }
    matrix.finish();
}

#[test]
fn handshakes_survive_loss_reordering_and_duplication() {
    let mut matrix = Matrix::new("boring weather");
    let storm = Weather { loss: 0.3, duplication: 0.2, jitter: Duration::from_millis(60) };
    for (role, version) in ROLES.into_iter().flat_map(|role| VERSIONS.map(|version| (role, version))) {
        for (mtu, kind) in [(1200, Kind::P256), (600, Kind::Rsa2048)] {
            matrix.case(format!("{role:?} {version} mtu {mtu}, {kind:?}, 40 times 30 % lost"), || {
                for seed in 0..40 {
                    let mut meeting = Meeting::new(role, version);
                    meeting.options.mtu = mtu;
                    meeting.options.identity = Some(kind);
                    meeting.configure = Box::new(move |config| {
                        config.mtu = mtu as usize;
                        config.handshake_timeout = Duration::from_secs(100);
                    });
                    let mut case = meeting.case()?;
                    (case.weather, case.seed) = (storm, seed);
                    case.run().map_err(|error| format!("seed {seed}: {error}"))?;
                }
                Ok(())
            });
        }
    }
    matrix.finish();
}

#[test]
fn strangers_are_refused_and_told_so() {
    let mut matrix = Matrix::new("boring refusals");
    for (role, version) in ROLES.into_iter().flat_map(|role| VERSIONS.map(|version| (role, version))) {
        matrix.case(format!("{role:?} {version} another certificate than expected"), || {
            let mut meeting = Meeting::new(role, version);
            meeting.configure = Box::new(|config| {
                let other = Kind::P384.identity().certificate.to_der().expect("it can be written");
                config.expected = ours::config(Client, &other).expected;
            });
            refused(meeting, &["BAD_CERTIFICATE"])
        });
        matrix.case(format!("{role:?} {version} no group in common"), || {
            let mut meeting = Meeting::new(role, version);
            meeting.options.groups = "P-384".into();
            meeting.configure = Box::new(|config| config.groups = vec![Group::SECP256R1]);
            refused(meeting, &["HANDSHAKE_FAILURE", "NO_SHARED_GROUP", "NO_SHARED_CIPHER", "WRONG_CURVE"])
        });
    }
    for role in ROLES {
        // Of DTLS 1.3 BoringSSL always has every suite.
        matrix.case(format!("{role:?} DTLS 1.2 no suite in common"), || {
            let mut meeting = Meeting::new(role, Dtls12);
            meeting.options.suites = "ECDHE-ECDSA-AES128-GCM-SHA256".into();
            meeting.configure = Box::new(|config| config.cipher_suites = vec![CipherSuite::ECDHE_ECDSA_AES_256_GCM]);
            refused(meeting, &["HANDSHAKE_FAILURE", "NO_SHARED_CIPHER"])
        });
    }
    for version in VERSIONS {
        matrix.case(format!("Server {version} a client without a certificate"), || {
            let mut meeting = Meeting::new(Server, version);
            meeting.options.identity = None;
            refused(meeting, &["CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE", "BAD_CERTIFICATE"])
        });
    }
    matrix.finish();
}

/// No connection comes of it, and the other side says one of these words.
fn refused(meeting: Meeting, words: &[&str]) -> Result<(), String> {
    match meeting.run() {
        Ok(_) => Err("a connection".into()),
        Err(error) if words.iter().any(|word| error.contains(word)) => Ok(()),
        Err(error) => Err(error),
    }
}
