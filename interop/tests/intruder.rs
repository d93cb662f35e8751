//! Somebody between two peers, and somebody with a wrong code: nobody connects, and everybody is told why.

use std::time::Duration;

use peerage::event::CloseReason;
use peerage_interop::bidi::Result;
use peerage_interop::browser::Kind;
use peerage_interop::expect;
use peerage_interop::pair::{Attempt, Offerer, Setup};

/// The fingerprint of a certificate that nobody here has.
fn swapped(sdp: &str) -> String {
    let line = |line: &str| match line.strip_prefix("a=fingerprint:sha-256 ") {
        Some(_) => format!("a=fingerprint:sha-256 {}", vec!["5A"; 32].join(":")),
        None => line.to_owned(),
    };
    sdp.lines().map(|l| line(l) + "\r\n").collect()
}

/// The library is told a wrong fingerprint of the browser.
async fn lies_to_native(kind: Kind, offerer: Offerer) -> Result<()> {
    let setup = Setup { to_native: swapped, ..Setup::new(kind, offerer) };
    let mut attempt = Attempt::begin(setup).await?;
    match attempt.until_closed().await? {
        CloseReason::FingerprintMismatch => {}
        other => return Err(format!("closed for another reason: {other}")),
    }
    never_opened(&mut attempt).await
}

/// The browser is told a wrong fingerprint of the library, and ends the handshake.
async fn lies_to_browser(kind: Kind, offerer: Offerer) -> Result<()> {
    let setup = Setup { to_browser: swapped, ..Setup::new(kind, offerer) };
    let mut attempt = Attempt::begin(setup).await?;
    // Most say so by an alert. Where it is lost, as alerts may be, the library gives up when consent does.
    let reason = attempt.until_closed().await;
    eprintln!("{kind:?}, {offerer:?} offers: the library ended with {reason:?}");
    attempt.browser.until("log.includes('failed') || log.includes('closed')", Duration::from_secs(60)).await?;
    never_opened(&mut attempt).await
}

async fn never_opened(attempt: &mut Attempt) -> Result<()> {
    tokio::time::sleep(Duration::from_secs(1)).await;
    let seen = attempt.browser.run("[log.includes('connected'), opened('data')]").await?;
    if seen[1] == true { Err(format!("the browser's channel opened: {seen}")) } else { Ok(()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swapped_fingerprint_of_the_browser_is_noticed() {
    for kind in [Kind::Chromium, Kind::Firefox] {
        for offerer in [Offerer::Native, Offerer::Browser] {
            expect::judge(&format!("swapped-browser/{kind:?}/{offerer:?}"), lies_to_native(kind, offerer).await);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swapped_fingerprint_of_the_library_is_noticed() {
    for kind in [Kind::Chromium, Kind::Firefox] {
        for offerer in [Offerer::Native, Offerer::Browser] {
            expect::judge(&format!("swapped-native/{kind:?}/{offerer:?}"), lies_to_browser(kind, offerer).await);
        }
    }
}
