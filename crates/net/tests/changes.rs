//! The kernel's news of addresses, in a network namespace that the test made itself.
#![cfg(target_os = "linux")]

use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Duration;

use peerage_net::interfaces::{Filter, local};
use peerage_net::route;
use peerage_net::watch::Watch;
use peerage_testkit::namespace::in_a_namespace;

/// A link that leads nowhere; and then this program again.
const INSIDE: &str = "set -e
    ip link set lo up
    ip link add left mtu 1400 type veth peer name right
    ip link set right up
    ip link set left up
    exec \"$0\" --ignored --exact --nocapture inside_the_namespace";

#[test]
fn addresses_that_come_and_go_are_told_at_once() {
    in_a_namespace(INSIDE);
}

fn ip(arguments: &str) {
    assert!(Command::new("ip").args(arguments.split(' ')).status().unwrap().success(), "ip {arguments}");
}

/// Waits until the addresses are `expected`; only the kernel's news makes it look.
async fn until(watch: &mut Watch, filter: &Filter, expected: &[&str]) {
    let told = async {
        loop {
            // Who waits for other things too asks again and again.
            while tokio::time::timeout(Duration::from_millis(3), watch.changed()).await.is_err() {}
            let found: Vec<_> = local(filter).unwrap().iter().map(|i| i.ip.to_string()).collect();
            if found == expected {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(2), told).await.expect("the kernel says so at once");
}

#[tokio::test]
#[ignore = "run by the test above, in a namespace"]
async fn inside_the_namespace() {
    let filter = Filter::default();
    // Let what the set-up caused pass by.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut watch = Watch::new(Duration::ZERO);
    ip("addr add 192.0.2.1/24 dev left");
    until(&mut watch, &filter, &["192.0.2.1"]).await;
    ip("addr add 198.51.100.1/24 dev left");
    until(&mut watch, &filter, &["192.0.2.1", "198.51.100.1"]).await;
    assert_eq!(route::gateway(), None);
    assert_eq!(route::default_address(true), None);

    ip("route add default via 198.51.100.9");
    tokio::time::timeout(Duration::from_secs(2), watch.changed()).await.expect("a route is told");
    assert_eq!(route::gateway(), Some(Ipv4Addr::new(198, 51, 100, 9)));
    assert_eq!(route::default_address(true), Some(Ipv4Addr::new(198, 51, 100, 1).into()));
    assert_eq!(route::mtu_towards(([203, 0, 113, 1], 9).into()).unwrap(), 1400);

    ip("addr del 192.0.2.1/24 dev left");
    until(&mut watch, &filter, &["198.51.100.1"]).await;
    ip("link set left down");
    until(&mut watch, &filter, &[]).await;
}
