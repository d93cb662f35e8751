//! DTLS with browsers: what they choose by themselves, what they can be brought to, in both roles.

use peerage::configuration::{CipherSuite, DtlsVersions, Group};
use peerage_interop::bidi::Result;
use peerage_interop::browser::Kind;
use peerage_interop::expect;
use peerage_interop::pair::{Offerer, Pair, Setup};

/// Enough for records of full size, both ways.
const SIZE: usize = 1 << 20;
const BROWSERS: [Kind; 2] = [Kind::Chromium, Kind::Firefox];
/// The offerer is the server: every answer here is active.
const OFFERERS: [Offerer; 2] = [Offerer::Native, Offerer::Browser];
/// Makes the browser show a certificate of RSA.
const START_WITH_RSA: &str = "RTCPeerConnection.generateCertificate({name: 'RSASSA-PKCS1-v1_5', modulusLength: 2048, \
     publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256'}).then(c => start({certificates: [c]}))";

/// What must come out. `None` is what the browser may choose.
#[derive(Clone, Copy, Default)]
struct Wanted {
    version: &'static str,
    suite: Option<CipherSuite>,
    group: Option<Group>,
}

const DTLS_1_3: Wanted = Wanted { version: "DTLS 1.3", suite: None, group: Some(Group::X25519_MLKEM768) };
const DTLS_1_2: Wanted = Wanted { version: "DTLS 1.2", suite: None, group: None };

async fn connect(setup: Setup, wanted: Wanted) -> Result<()> {
    let mut pair = Pair::connect_with(setup).await?;
    pair.exchange(SIZE).await?;
    let security = pair.pc.transport_stats().security.ok_or("no security in the statistics")?;
    let suite = wanted.suite.is_none_or(|suite| security.cipher_suite == suite.name());
    let group = wanted.group.is_none_or(|group| security.group.as_deref() == Some(group.name()));
    if security.version != wanted.version || !suite || !group {
        return Err(format!("{security:?}"));
    }
    // The browser must say the same.
    let theirs = pair
        .browser
        .run("pc.getStats().then(all => [...all.values()].find(s => s.type === 'transport') ?? null)")
        .await?;
    let version = if security.version == "DTLS 1.3" { "FEFC" } else { "FEFD" };
    let agreed = theirs["tlsVersion"] == version && theirs["dtlsCipher"] == security.cipher_suite.as_str();
    if !agreed {
        return Err(format!("{security:?} here, {theirs} there"));
    }
    eprintln!("{security:?}");
    pair.pc.close().await;
    Ok(())
}

/// One browser, both roles; `change` makes the setup special.
async fn both_roles(kind: Kind, what: &str, wanted: Wanted, change: impl Fn(&mut Setup)) {
    for offerer in OFFERERS {
        let mut setup = Setup::new(kind, offerer);
        change(&mut setup);
        expect::judge(&format!("dtls/{kind:?}/{offerer:?} offers/{what}"), connect(setup, wanted).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_choose_the_newest_version_and_the_hybrid_group() {
    for kind in BROWSERS {
        both_roles(kind, "default", DTLS_1_3, |_| ()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_follow_to_dtls_1_2() {
    for kind in BROWSERS {
        both_roles(kind, "1.2 by us", DTLS_1_2, |setup| setup.settings.dtls.versions = DtlsVersions::Dtls12).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_firefox_that_knows_only_dtls_1_2_is_followed() {
    // 771 stands for 1.2 here as it does for TLS.
    const PREFERENCES: &[(&str, &str)] = &[("media.peerconnection.dtls.version.max", "771")];
    both_roles(Kind::Firefox, "1.2 by it", DTLS_1_2, |setup| setup.options.preferences = PREFERENCES).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "starts two dozen browsers"]
async fn every_suite_is_spoken_with_browsers() {
    for kind in BROWSERS {
        for suite in [CipherSuite::AES_128_GCM, CipherSuite::AES_256_GCM, CipherSuite::CHACHA20_POLY1305] {
            let wanted = Wanted { suite: Some(suite), ..DTLS_1_3 };
            both_roles(kind, suite.name(), wanted, |setup| setup.settings.dtls.cipher_suites = vec![suite]).await;
        }
        let old = [
            CipherSuite::ECDHE_ECDSA_AES_128_GCM,
            CipherSuite::ECDHE_ECDSA_AES_256_GCM,
            CipherSuite::ECDHE_ECDSA_CHACHA20_POLY1305,
        ];
        for suite in old {
            let wanted = Wanted { suite: Some(suite), ..DTLS_1_2 };
            both_roles(kind, suite.name(), wanted, |setup| {
                setup.settings.dtls.versions = DtlsVersions::Dtls12;
                setup.settings.dtls.cipher_suites = vec![suite];
            })
            .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_group_is_spoken_with_browsers() {
    for kind in BROWSERS {
        for group in [Group::X25519, Group::SECP256R1, Group::SECP384R1] {
            let wanted = Wanted { group: Some(group), ..DTLS_1_3 };
            both_roles(kind, group.name(), wanted, |setup| setup.settings.dtls.groups = vec![group]).await;
        }
        for group in [Group::X25519, Group::SECP256R1] {
            let wanted = Wanted { group: Some(group), ..DTLS_1_2 };
            both_roles(kind, &format!("1.2 {}", group.name()), wanted, |setup| {
                setup.settings.dtls.versions = DtlsVersions::Dtls12;
                // A client's groups are also the curves on which it takes a certificate (RFC 8422 §5.1.1).
                setup.settings.dtls.groups = vec![group];
                setup.settings.dtls.groups.extend((group != Group::SECP256R1).then_some(Group::SECP256R1));
            })
            .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_with_certificates_of_rsa_are_believed() {
    for kind in BROWSERS {
        both_roles(kind, "RSA", DTLS_1_3, |setup| setup.start = START_WITH_RSA).await;
        both_roles(kind, "1.2 RSA", DTLS_1_2, |setup| {
            setup.start = START_WITH_RSA;
            setup.settings.dtls.versions = DtlsVersions::Dtls12;
        })
        .await;
    }
}
