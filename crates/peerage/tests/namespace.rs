//! What needs interfaces and a router of one's own: in network namespaces that the test made itself.
#![cfg(target_os = "linux")]

mod common;

use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Duration;

use common::{connect, within};
use peerage::{Configuration, DataChannelInit, Endpoint, Event, Message, Settings};
use peerage_testkit::namespace::in_a_namespace;
use tokio::net::UdpSocket;

/// Two links that lead nowhere; and then this program again.
const TWO_LINKS: &str = "set -e
    ip link set lo up
    for name in near far; do
        ip link add ${name}0 type veth peer name ${name}1
        ip link set ${name}1 up
        ip link set ${name}0 up
    done
    ip addr add 192.0.2.1/24 dev near0
    ip addr add 203.0.113.1/24 dev far0
    exec \"$0\" --ignored --exact --nocapture roaming";

/// A link to a router in a namespace of its own, which is this program as well.
const A_ROUTER: &str = "set -e
    ip link set lo up
    ip link add left type veth peer name right
    unshare -n sleep 60 >/dev/null 2>&1 &
    router=$!
    trap 'kill $router $serving' EXIT
    until [ $(readlink /proc/$router/ns/net) != $(readlink /proc/$$/ns/net) ]; do
        sleep 0.02
    done
    ip link set right netns $router
    nsenter -t $router -n ip addr add 10.0.0.1/24 dev right
    nsenter -t $router -n ip link set right up
    ip addr add 10.0.0.2/24 dev left
    ip link set left up
    ip route add default via 10.0.0.1
    nsenter -t $router -n \"$0\" --ignored --exact the_router >/dev/null 2>&1 &
    serving=$!
    \"$0\" --ignored --exact --nocapture mapping";

#[test]
fn a_transfer_goes_on_when_the_network_changes() {
    in_a_namespace(TWO_LINKS);
}

#[test]
fn a_router_is_asked_for_a_port_and_given_it_back() {
    in_a_namespace(A_ROUTER);
}

fn ip(arguments: &str) {
    assert!(Command::new("ip").args(arguments.split(' ')).status().unwrap().success(), "ip {arguments}");
}

/// An endpoint on the interfaces of a name.
fn endpoint_on(name: &str) -> Endpoint {
    let mut settings = Settings::default();
    settings.interfaces.only = vec![format!("{name}*")];
    Endpoint::new(settings).unwrap()
}

#[tokio::test]
#[ignore = "run by a test above, in a namespace"]
async fn roaming() {
    within(async {
        let pair = connect(&endpoint_on("near"), &endpoint_on("far")).await;
        let before = pair.a.transport_stats().selected.unwrap().local_address;
        assert_eq!(before.ip(), Ipv4Addr::new(192, 0, 2, 1));
        const COUNT: u32 = 400;
        let at_a = pair.at_a;
        let sender = tokio::spawn(async move {
            for n in 0..COUNT {
                at_a.send_text(n.to_string()).await.unwrap();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            at_a
        });
        for n in 0..COUNT {
            if n == 50 {
                ip("addr add 198.51.100.1/24 dev near0");
            }
            if n == 100 {
                ip("addr del 192.0.2.1/24 dev near0");
            }
            assert_eq!(pair.at_b.recv().await, Some(Message::Text(n.to_string())));
        }
        let after = pair.a.transport_stats().selected.unwrap().local_address;
        assert_eq!(after.ip(), Ipv4Addr::new(198, 51, 100, 1));
        drop(sender.await.unwrap());
    })
    .await;
}

#[tokio::test]
#[ignore = "run by a test above, in a namespace"]
async fn mapping() {
    within(async {
        let endpoint = Endpoint::new(Settings::default()).unwrap();
        let pc = endpoint.peer_connection(Configuration::default()).unwrap();
        pc.create_data_channel("data", DataChannelInit::default()).unwrap();
        pc.set_local_description(None).await.unwrap();
        loop {
            if let Some(Event::IceCandidate(Some(candidate))) = pc.next_event().await
                && candidate.candidate.contains("203.0.113.7 4444 typ srflx")
            {
                break;
            }
        }
        pc.close().await;
        drop(pc);
        drop(endpoint);
        // The router says what it is asked for last.
        let socket = UdpSocket::bind("10.0.0.2:0").await.unwrap();
        let mut answer = [0; 1];
        while answer[0] == 0 {
            socket.send_to(b"?", "10.0.0.1:9").await.unwrap();
            let _ = tokio::time::timeout(Duration::from_millis(50), socket.recv(&mut answer)).await;
        }
    })
    .await;
}

/// Speaks NAT-PMP, and tells at another port whether the mapping was taken away.
#[tokio::test]
#[ignore = "run by a test above, in a namespace"]
async fn the_router() {
    let asked = UdpSocket::bind("10.0.0.1:5351").await.unwrap();
    let told = UdpSocket::bind("10.0.0.1:9").await.unwrap();
    let mut removed = 0u8;
    // Whoever asks is given up on by then.
    let end = tokio::time::sleep(2 * common::LIMIT);
    tokio::pin!(end);
    loop {
        let (mut request, mut question) = ([0; 1100], [0; 1]);
        tokio::select! {
            () = &mut end => return,
            Ok((_, from)) = asked.recv_from(&mut request) => {
                let head = [0, request[1] | 0x80, 0, 0, 0, 0, 0, 9];
                let answer = match request[0] {
                    0 if request[1] == 0 => [&head[..], &[203, 0, 113, 7]].concat(),
                    0 => {
                        let lease = &request[8..12];
                        removed = u8::from(lease == [0; 4]);
                        let external = if removed == 1 { [0; 2] } else { 4444u16.to_be_bytes() };
                        [&head[..], &request[4..6], &external, lease].concat()
                    }
                    _ => [&[0, request[1] | 0x80, 0, 1], &head[4..]].concat(),
                };
                asked.send_to(&answer, from).await.unwrap();
            }
            Ok((_, from)) = told.recv_from(&mut question) => {
                told.send_to(&[removed], from).await.unwrap();
            }
        }
    }
}
