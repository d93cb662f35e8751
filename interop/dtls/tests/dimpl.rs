//! The crate `dimpl`, in both roles and both versions.

use dimpl::NamedGroup;
use dimpl::crypto::{Dtls12CipherSuite, Dtls13CipherSuite};
use peerage_base::time::Duration;
use peerage_dtls::suite::{CipherSuite, Group, Version};
use peerage_dtls::{Config, Role, Versions};
use peerage_interop_dtls::case::{Case, Parting, Wanted};
use peerage_interop_dtls::dimpl::{Dimpl, Options};
use peerage_interop_dtls::matrix::Matrix;
use peerage_interop_dtls::network::Weather;
use peerage_interop_dtls::ours;

use Role::{Client, Server};
use Version::{Dtls12, Dtls13};

const ROLES: [Role; 2] = [Client, Server];
const VERSIONS: [Version; 2] = [Dtls12, Dtls13];
const GROUPS: [(Group, NamedGroup); 3] = [
    (Group::X25519, NamedGroup::X25519),
    (Group::SECP256R1, NamedGroup::Secp256r1),
    (Group::SECP384R1, NamedGroup::Secp384r1),
];
const SUITES13: [(CipherSuite, Dtls13CipherSuite); 3] = [
    (CipherSuite::AES_128_GCM, Dtls13CipherSuite::AES_128_GCM_SHA256),
    (CipherSuite::AES_256_GCM, Dtls13CipherSuite::AES_256_GCM_SHA384),
    (CipherSuite::CHACHA20_POLY1305, Dtls13CipherSuite::CHACHA20_POLY1305_SHA256),
];
const SUITES12: [(CipherSuite, Dtls12CipherSuite); 3] = [
    (CipherSuite::ECDHE_ECDSA_AES_128_GCM, Dtls12CipherSuite::ECDHE_ECDSA_AES128_GCM_SHA256),
    (CipherSuite::ECDHE_ECDSA_AES_256_GCM, Dtls12CipherSuite::ECDHE_ECDSA_AES256_GCM_SHA384),
    (CipherSuite::ECDHE_ECDSA_CHACHA20_POLY1305, Dtls12CipherSuite::ECDHE_ECDSA_CHACHA20_POLY1305_SHA256),
];
const STORM: Weather = Weather { loss: 0.3, duplication: 0.2, jitter: Duration::from_millis(60) };

fn case(
    role: Role,
    version: Version,
    options: &Options,
    wanted: Wanted,
    configure: impl FnOnce(&mut Config),
) -> Result<Case, String> {
    let theirs = Dimpl::boxed(options)?;
    let mut config = ours::config(role, &theirs.certificate());
    configure(&mut config);
    let parting = if role == Client { Parting::Ours } else { Parting::Theirs };
    Ok(Case::new(config, theirs, Wanted { version: Some(version), ..wanted }, parting))
}

fn options(role: Role, version: Version) -> Options {
    Options { version: Some(version), ..Options::new(role == Server) }
}

#[test]
fn every_suite_and_group_of_dtls_1_3() {
    let mut matrix = Matrix::new("dimpl 1.3");
    for role in ROLES {
        for ((suite, theirs), (group, named)) in SUITES13.into_iter().flat_map(|s| GROUPS.map(|g| (s, g))) {
            matrix.case(format!("{role:?} {} {}", suite.name(), group.name()), || {
                let options = Options { suites13: vec![theirs], groups: vec![named], ..options(role, Dtls13) };
                let wanted = Wanted { suite: Some(suite), group: Some(group), ..Wanted::default() };
                case(role, Dtls13, &options, wanted, |_| ())?.run().map(drop)
            });
        }
    }
    matrix.finish();
}

#[test]
fn every_suite_and_group_of_dtls_1_2() {
    let mut matrix = Matrix::new("dimpl 1.2");
    for role in ROLES {
        for ((suite, theirs), (group, named)) in SUITES12.into_iter().flat_map(|s| GROUPS.map(|g| (s, g))) {
            matrix.case(format!("{role:?} {} {}", suite.name(), group.name()), || {
                let options = Options { suites12: vec![theirs], groups: vec![named], ..options(role, Dtls12) };
                let wanted = Wanted { suite: Some(suite), group: Some(group), ..Wanted::default() };
                case(role, Dtls12, &options, wanted, |_| ())?.run().map(drop)
            });
        }
    }
    matrix.finish();
}

#[test]
fn versions_cookies_and_the_mtu() {
    let mut matrix = Matrix::new("dimpl others");
    for role in ROLES {
        for (ours, theirs, common) in [
            (Versions::Any, None, Dtls13),
            (Versions::Any, Some(Dtls12), Dtls12),
            (Versions::Any, Some(Dtls13), Dtls13),
            (Versions::Dtls12, None, Dtls12),
            (Versions::Dtls13, None, Dtls13),
        ] {
            matrix.case(format!("{role:?} {ours:?} with {theirs:?}"), || {
                let options = Options { version: theirs, ..Options::new(role == Server) };
                case(role, common, &options, Wanted::default(), |config| config.versions = ours)?.run().map(drop)
            });
        }
        for version in VERSIONS {
            matrix.case(format!("{role:?} {version} a cookie"), || {
                let options = Options { cookie: true, ..options(role, version) };
                case(role, version, &options, Wanted::default(), |config| config.cookie = true)?.run().map(drop)
            });
            for mtu in [512, 600, 1200, 1400] {
                matrix.case(format!("{role:?} {version} mtu {mtu}"), || {
                    let options = Options { mtu, ..options(role, version) };
                    let longest = case(role, version, &options, Wanted::default(), |c| c.mtu = mtu)?.run()?;
                    if longest[0] <= mtu { Ok(()) } else { Err(format!("datagrams of {longest:?} bytes")) }
                });
            }
        }
    }
    matrix.finish();
}

#[test]
fn handshakes_survive_loss_reordering_and_duplication() {
    let mut matrix = Matrix::new("dimpl weather");
    matrix.case("Client DTLS 1.2 a ClientHello in other pieces the second time", || {
        let configure = |config: &mut Config| config.handshake_timeout = Duration::from_secs(100);
        let mut case = case(Client, Dtls12, &options(Client, Dtls12), Wanted::default(), configure)?;
        // The second piece is lost until retransmissions are cut for a smaller path.
        (case.weather, case.seed) = (STORM, 8);
        case.run().map(drop)
    });
    for (role, version) in ROLES.into_iter().flat_map(|role| VERSIONS.map(|version| (role, version))) {
        matrix.case(format!("{role:?} {version} 20 times 30 % lost"), || {
            for seed in 0..20 {
                let configure = |config: &mut Config| {
                    config.handshake_timeout = Duration::from_secs(100);
                    // It has no hybrid, and without one the ClientHello is a single piece.
                    config.groups.retain(|group| *group != Group::X25519_MLKEM768);
                };
                let mut case = case(role, version, &options(role, version), Wanted::default(), configure)?;
                (case.weather, case.seed) = (STORM, seed);
                case.run().map_err(|error| format!("seed {seed}: {error}"))?;
            }
            Ok(())
        });
    }
    matrix.finish();
}
