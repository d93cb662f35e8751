//! Resolver and responder against another implementation of multicast DNS.
//!
//! Runs in a network namespace of its own, on a link that leads nowhere: the other implementation takes part on every
//! interface it finds, and port 5353 is the host's.
#![cfg(target_os = "linux")]

use mdns_sd::{HostnameResolutionEvent, ServiceDaemon, ServiceEvent, ServiceInfo};
use peerage_base::rng::Rng;
use peerage_net::interfaces::{Filter, Interface, local};
use peerage_net::mdns::Config;
use peerage_net::mdns::resolver::Resolver;
use peerage_net::mdns::responder::{Responder, Service};
use peerage_testkit::namespace::in_a_namespace;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const HOSTS: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, 1))];

/// A link that leads nowhere, with both families; and then this program again.
const INSIDE: &str = "set -e
    ip link set lo up
    ip link add left type veth peer name right
    ip link set left addrgenmode none
    ip addr add 192.0.2.1/24 dev left
    ip addr add 2001:db8::1/64 dev left nodad
    ip link set right up
    ip link set left up
    ip addr add fe80::1/64 dev left nodad
    exec \"$0\" --ignored --exact --nocapture inside_the_namespace";

#[test]
fn both_directions_work_with_another_implementation() {
    in_a_namespace(INSIDE);
}

#[tokio::test]
#[ignore = "run by the test above, in a namespace"]
async fn inside_the_namespace() {
    let foreign = ServiceDaemon::new().unwrap();
    let config = Config::default();
    for host in HOSTS {
        it_resolves_our_name(&foreign, host, config.clone()).await;
        we_resolve_its_name(&foreign, host, config.clone()).await;
    }
    it_finds_our_service(&foreign, config.clone()).await;
    we_find_its_service(&foreign, config).await;
    foreign.shutdown().unwrap();
}

fn interfaces(host: IpAddr) -> Vec<Interface> {
    local(&Filter::default()).unwrap().into_iter().filter(|interface| interface.ip == host).collect()
}

async fn it_resolves_our_name(foreign: &ServiceDaemon, host: IpAddr, config: Config) {
    let responder = Responder::new(&interfaces(host), config, Rng::from_u64(u64::from(host.is_ipv6()))).unwrap();
    let name = format!("{}.", responder.publish(host).await.unwrap());
    let events = foreign.resolve_hostname(&name, Some(5000)).unwrap();
    let found = tokio::task::spawn_blocking(move || {
        while let Ok(event) = events.recv() {
            match event {
                HostnameResolutionEvent::AddressesFound(found, addresses) => return Some((found, addresses)),
                HostnameResolutionEvent::SearchTimeout(_) => return None,
                _ => {}
            }
        }
        None
    });
    let (found, addresses) = found.await.unwrap().expect("it heard our answer");
    assert_eq!(found, name);
    // It lists an IPv6 address once for each interface that it heard of it on.
    assert!(!addresses.is_empty() && addresses.iter().all(|scoped| scoped.to_ip_addr() == host), "{addresses:?}");
}

async fn we_resolve_its_name(foreign: &ServiceDaemon, host: IpAddr, config: Config) {
    let (name, service) = match host {
        IpAddr::V4(_) => ("0a1b2c3d-0000-4000-8000-00000000cafe.local", "four"),
        IpAddr::V6(_) => ("0a1b2c3d-0000-4000-8000-00000000beef.local", "six"),
    };
    let service =
        ServiceInfo::new("_peerage._udp.local.", service, &format!("{name}."), host, 9, None).expect("a valid service");
    foreign.register(service).unwrap();
    let resolver = Resolver::new(&interfaces(host), config, Rng::from_u64(2)).unwrap();
    assert_eq!(resolver.resolve(name).await, Ok(vec![host]));
}

async fn it_finds_our_service(foreign: &ServiceDaemon, config: Config) {
    let responder = Responder::new(&interfaces(HOSTS[0]), config, Rng::from_u64(3)).unwrap();
    let (instance, kind) = ("peerage-7".to_owned(), "peerage".to_owned());
    responder.offer(&Service { instance, kind, port: 8080, text: vec!["v=1".into()] }).await.unwrap();
    let events = foreign.browse("_peerage._tcp.local.").unwrap();
    let found = tokio::task::spawn_blocking(move || {
        while let Ok(event) = events.recv_timeout(std::time::Duration::from_secs(20)) {
            if let ServiceEvent::ServiceResolved(found) = event {
                return Some(found);
            }
        }
        None
    });
    let found = found.await.unwrap().expect("it heard of our service");
    assert_eq!((found.get_fullname(), found.get_port()), ("peerage-7._peerage._tcp.local.", 8080));
    assert_eq!(found.get_property_val_str("v"), Some("1"));
    assert!(found.get_addresses().iter().any(|scoped| scoped.to_ip_addr() == HOSTS[0]), "{found:?}");
}

async fn we_find_its_service(foreign: &ServiceDaemon, config: Config) {
    let host = "0a1b2c3d-0000-4000-8000-00000000f00d.local.";
    let service = ServiceInfo::new("_peerage._tcp.local.", "peerage-8", host, HOSTS[0], 9090, None);
    foreign.register(service.expect("a valid service")).unwrap();
    let resolver = Resolver::new(&interfaces(HOSTS[0]), config, Rng::from_u64(4)).unwrap();
    assert_eq!(resolver.find("peerage-8", "peerage").await, Ok(vec![(HOSTS[0], 9090).into()]));
}
