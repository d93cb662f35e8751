//! Which addresses a connection offers, by the settings of its endpoint.

mod common;

use common::{endpoint_with, within};
use peerage::configuration::{IceTransportPolicy, IpHandling, Nat1to1, Tcp};
use peerage::{Configuration, DataChannelInit, PeerConnection, Settings};

async fn candidates_of(pc: PeerConnection) -> Vec<String> {
    pc.create_data_channel("data", DataChannelInit::default()).unwrap();
    pc.set_local_description(None).await.unwrap();
    pc.gathering_complete().await;
    let sdp = pc.local_description().unwrap().sdp;
    sdp.lines().filter_map(|line| line.strip_prefix("a=candidate:")).map(str::to_owned).collect()
}

/// The candidates of a connection on loopback.
async fn candidates(change: impl FnOnce(&mut Settings)) -> Vec<String> {
    candidates_of(endpoint_with(change).peer_connection(Configuration::default()).unwrap()).await
}

fn count(candidates: &[String], parts: &[&str]) -> usize {
    candidates.iter().filter(|candidate| parts.iter().all(|part| candidate.contains(part))).count()
}

#[tokio::test]
async fn tcp_is_offered_as_asked() {
    within(async {
        let off = candidates(|settings| settings.tcp = Tcp::Off).await;
        assert_eq!((off.len(), count(&off, &[" udp "])), (1, 1), "{off:?}");
        let active = candidates(|_| {}).await;
        assert_eq!((active.len(), count(&active, &[" 9 typ host", "tcptype active"])), (2, 1), "{active:?}");
        let listen = candidates(|settings| settings.tcp = Tcp::Listen { port: 0, simultaneous_open: true }).await;
        assert_eq!(listen.len(), 4, "{listen:?}");
        assert_eq!(count(&listen, &["tcptype passive"]), 1, "{listen:?}");
        assert_eq!(count(&listen, &["tcptype so"]), 1, "{listen:?}");
    })
    .await;
}

#[tokio::test]
async fn an_address_behind_a_1to1_nat_is_offered_by_its_outer_name_too() {
    within(async {
        let rule = Nat1to1 { internal: Some("127.0.0.1".parse().unwrap()), external: "203.0.113.9".parse().unwrap() };
        let found = candidates(|settings| {
            settings.nat_1to1 = vec![rule];
            settings.tcp = Tcp::Off;
        })
        .await;
        assert_eq!((found.len(), count(&found, &["203.0.113.9", "typ srflx"])), (2, 1), "{found:?}");
    })
    .await;
}

#[tokio::test]
async fn relays_alone_means_that_no_address_is_told() {
    within(async {
        let found = candidates(|settings| settings.ip_handling = IpHandling::RelayOnly).await;
        assert_eq!(found, [""; 0]);
        let mut configuration = Configuration::default();
        configuration.ice_transport_policy = IceTransportPolicy::Relay;
        let pc = endpoint_with(|_| {}).peer_connection(configuration).unwrap();
        assert_eq!(candidates_of(pc).await, [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn only_what_the_internet_knows_is_told_where_that_is_wanted() {
    within(async {
        let found = candidates(|settings| {
            settings.ip_handling = IpHandling::DefaultPublicOnly;
            let internal = Some([127, 0, 0, 1].into());
            settings.nat_1to1 = vec![Nat1to1 { internal, external: [203, 0, 113, 9].into() }];
        });
        let found = found.await;
        assert_eq!((found.len(), count(&found, &["203.0.113.9", "typ srflx"])), (1, 1), "{found:?}");
        assert_eq!(count(&found, &["127.0.0.1"]), 0, "{found:?}");
    })
    .await;
}

#[tokio::test]
async fn filters_leave_addresses_and_ports_out() {
    within(async {
        let none = candidates(|settings| settings.interfaces.v4 = false).await;
        assert_eq!(none, [""; 0]);
        let other = candidates(|settings| settings.interfaces.except_networks = vec!["127.0.0.0/8".parse().unwrap()]);
        assert_eq!(other.await, [""; 0]);
        let endpoint = endpoint_with(|settings| {
            settings.port_range = Some(42_000..=42_900);
            settings.tcp = Tcp::Listen { port: 0, simultaneous_open: false };
        });
        assert!(
            endpoint.local_addrs().iter().chain(endpoint.tcp_addrs()).all(|a| (42_000..=42_900).contains(&a.port()))
        );
    })
    .await;
}
