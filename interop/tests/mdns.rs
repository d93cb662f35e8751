//! Hidden addresses: browsers as people have them offer `.local` names alone, and so does the library when told to.
//!
//! Runs in a network namespace of its own, on a link that leads nowhere: multicast DNS reaches everybody on a link.
#![cfg(target_os = "linux")]

use std::process::Command;
use std::time::Duration;

use peerage::{Message, Settings};
use peerage_interop::bidi::Result;
use peerage_interop::browser::{Kind, Options};
use peerage_interop::expect;
use peerage_interop::pair::{Attempt, Carry, Offerer, Setup, words};

/// The only address that leads anywhere; browsers without permissions look only where their default route leads.
const ADDRESS: &str = "192.0.2.1";

/// Said once everything has been tried.
const ALL: &str = "hidden addresses: 8 ways connected";

/// A link with an address and a default route; and then this program again.
const INSIDE: &str = "set -e
    ip link set lo up
    ip link add left type veth peer name right
    ip addr add 192.0.2.1/24 dev left
    ip link set right up
    ip link set left up
    ip route add default via 192.0.2.254 dev left
    export IN_NAMESPACE=1
    exec \"$0\" --ignored --exact --nocapture inside_the_namespace";

#[test]
fn hidden_addresses_are_resolved_both_ways() {
    let able = Command::new("unshare").args(["-rn", "true"]).status().is_ok_and(|status| status.success());
    if !able {
        assert!(std::env::var_os("CI").is_none(), "no network namespace can be made here");
        eprintln!("skipped: no network namespace can be made here");
        return;
    }
    let this = std::env::current_exe().unwrap();
    let output = Command::new("unshare").args(["-rn", "sh", "-c", INSIDE]).arg(this).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    eprint!("{err}");
    assert!(output.status.success() && out.contains("1 passed") && err.contains(ALL), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the test above, in a namespace"]
async fn inside_the_namespace() {
    if std::env::var_os("IN_NAMESPACE").is_none() {
        return eprintln!("left to the test above, which makes the namespace");
    }
    let mut ways = 0;
    for kind in [Kind::Chromium, Kind::Firefox] {
        for offerer in [Offerer::Native, Offerer::Browser] {
            for carry in [Carry::ToNative, Carry::ToBrowser] {
                let name = format!("mdns-{carry:?}/{kind:?}/{offerer:?}");
                expect::judge(&name, hidden(kind, offerer, carry).await);
                ways += 1;
            }
        }
    }
    eprintln!("hidden addresses: {ways} ways connected");
}

/// Only one side learns of candidates, all of which are names, so that only resolving them connects.
async fn hidden(kind: Kind, offerer: Offerer, carry: Carry) -> Result<()> {
    let mut settings = Settings::default();
    settings.publish_mdns = true;
    let options = Options { hide_addresses: true, ..Options::default() };
    let mut attempt = Attempt::begin(Setup { options, settings, carry, ..Setup::new(kind, offerer) }).await?;
    if let Err(error) = attempt.trickle().await {
        return Err(format!("{error}; offered {:?}; {}", attempt.offered, attempt.browser.run("candidates").await?));
    }
    let told = match carry {
        Carry::ToBrowser => attempt.offered.join("\n"),
        _ => attempt.browser.run("candidates.filter(c => c?.candidate).map(c => c.candidate)").await?.to_string(),
    };
    if !told.contains(".local") || told.contains(ADDRESS) {
        return Err(format!("the address is not hidden: {told}"));
    }
    let stats = attempt.pc.transport_stats();
    eprintln!("{kind:?}, {offerer:?} offers, {carry:?}: {:?}", stats.selected);
    let mut pair = attempt.pair().await?;
    pair.browser.run("(channels.data.mode = 'echo', true)").await?;
    pair.data.send_text("hidden").await.map_err(words)?;
    let back = tokio::time::timeout(Duration::from_secs(10), pair.data.recv()).await.map_err(|_| "no echo")?;
    if back == Some(Message::Text("hidden".into())) { Ok(()) } else { Err(format!("got {back:?}")) }
}
