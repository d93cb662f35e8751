//! Against small routers on loopback, each of which speaks one protocol.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};

use super::{Config, Found, Mapper, Mapping, Transport, Via, discover};

const LIMIT: Duration = Duration::from_secs(10);
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);

/// What a router has mapped, by protocol number and internal port, and how it behaves.
#[derive(Debug)]
struct State {
    mapped: HashMap<(u8, u16), u16>,
    outside: Ipv4Addr,
    lease: u32,
    requests: usize,
    silent: bool,
}

/// The address of a router, which no other process that runs these tests uses: the port is always the same.
fn router(number: u8) -> Ipv4Addr {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, high, low, number)
}

type Shared = Arc<Mutex<State>>;

fn state(lease: u32) -> Shared {
    let state = State { mapped: HashMap::new(), outside: OUTSIDE, lease, requests: 0, silent: false };
    Arc::new(Mutex::new(state))
}

/// Serves PCP or NAT-PMP at `ip`.
async fn small_router(ip: Ipv4Addr, pcp: bool, state: Shared) {
    let socket = UdpSocket::bind((ip, 5351)).await.unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 1100];
        loop {
            let (len, from) = socket.recv_from(&mut buffer).await.unwrap();
            let answer = {
                let mut state = state.lock().unwrap();
                state.requests += 1;
                if state.silent {
                    continue;
                }
                if pcp { pcp_answer(&mut state, &buffer[..len]) } else { nat_pmp_answer(&mut state, &buffer[..len]) }
            };
            socket.send_to(&answer, from).await.unwrap();
        }
    });
}

/// RFC 6886 §3.
fn nat_pmp_answer(state: &mut State, request: &[u8]) -> Vec<u8> {
    if request[0] != 0 {
        // RFC 6886 §3.5: version 0, unsupported version.
        return [&[0, request[1] | 0x80, 0, 1], &[0, 0, 0, 9][..]].concat();
    }
    let head = [0, request[1] | 0x80, 0, 0, 0, 0, 0, 9];
    if request[1] == 0 {
        return [&head[..], &state.outside.octets()].concat();
    }
    let internal = u16::from_be_bytes([request[4], request[5]]);
    let lease = u32::from_be_bytes(request[8..12].try_into().unwrap()).min(state.lease);
    let external = map(state, request[1], internal, lease);
    [&head[..], &internal.to_be_bytes(), &external.to_be_bytes(), &lease.to_be_bytes()].concat()
}

/// RFC 6887 §7.2 and §11.1.
fn pcp_answer(state: &mut State, request: &[u8]) -> Vec<u8> {
    if request[0] != 2 {
        return vec![2, request[1] | 0x80, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    }
    assert_eq!(request.len(), 60);
    let protocol = if request[36] == 17 { 1 } else { 2 };
    let internal = u16::from_be_bytes([request[40], request[41]]);
    let lease = u32::from_be_bytes(request[4..8].try_into().unwrap()).min(state.lease);
    let external = map(state, protocol, internal, lease);
    let mut answer = vec![2, request[1] | 0x80, 0, 0];
    answer.extend(lease.to_be_bytes());
    answer.extend(9u32.to_be_bytes());
    answer.extend([0; 12]);
    answer.extend(&request[24..42]);
    answer.extend(external.to_be_bytes());
    answer.extend(state.outside.to_ipv6_mapped().octets());
    answer
}

fn map(state: &mut State, protocol: u8, internal: u16, lease: u32) -> u16 {
    if lease == 0 {
        state.mapped.remove(&(protocol, internal));
        return 0;
    }
    *state.mapped.entry((protocol, internal)).or_insert(internal + 1000)
}

/// Serves SSDP, and a description with one service that maps ports but refuses `taken`, and leases that end.
async fn upnp_router(ip: Ipv4Addr, state: Shared, taken: u16) -> SocketAddr {
    let search = UdpSocket::bind((ip, 0)).await.unwrap();
    let http = TcpListener::bind((ip, 0)).await.unwrap();
    let (found, at) = (search.local_addr().unwrap(), http.local_addr().unwrap());
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        loop {
            let (_, from) = search.recv_from(&mut buffer).await.unwrap();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:service:WANIPConnection:1\r\nLOCATION: http://{at}/root.xml\r\n\r\n"
            );
            search.send_to(answer.as_bytes(), from).await.unwrap();
        }
    });
    tokio::spawn(async move {
        loop {
            let (mut io, _) = http.accept().await.unwrap();
            let state = state.clone();
            tokio::spawn(async move {
                let mut request = Vec::new();
                let text = loop {
                    let n = io.read_buf(&mut request).await.unwrap_or(0);
                    let text = String::from_utf8_lossy(&request).into_owned();
                    let body =
                        text.split_once("\r\n\r\n").map(|(head, body)| (field(head, "content-length"), body.len()));
                    if n == 0 || body.is_some_and(|(length, here)| here >= length.unwrap_or(0)) {
                        break text;
                    }
                };
                let (status, body) = upnp_answer(&mut state.lock().unwrap(), &text, taken);
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                let _ = io.write_all((head + &body).as_bytes()).await;
            });
        }
    });
    found
}

fn field(head: &str, name: &str) -> Option<usize> {
    head.lines().find_map(|line| line.to_lowercase().strip_prefix(&format!("{name}:"))?.trim().parse().ok())
}

fn element(text: &str, name: &str) -> String {
    let rest = text.split_once(&format!("<{name}>")).map_or("", |(_, rest)| rest);
    rest.split('<').next().unwrap().to_owned()
}

fn upnp_answer(state: &mut State, request: &str, taken: u16) -> (&'static str, String) {
    const SERVICE: &str = "urn:schemas-upnp-org:service:WANIPConnection:1";
    let fault = |code: u16| {
        let detail =
            format!("<UPnPError><errorCode>{code}</errorCode><errorDescription>no</errorDescription></UPnPError>");
        let fault = format!(
            "<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail>{detail}</detail></s:Fault>"
        );
        (
            "500 Internal Server Error",
            format!(
                "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>{fault}</s:Body></s:Envelope>"
            ),
        )
    };
    let done = |action: &str, inner: &str| {
        (
            "200 OK",
            format!(
                "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><u:{action}Response xmlns:u=\"{SERVICE}\">{inner}</u:{action}Response></s:Body></s:Envelope>"
            ),
        )
    };
    if request.starts_with("GET /root.xml") {
        let service = format!(
            "<service><serviceType>{SERVICE}</serviceType><SCPDURL>/scpd.xml</SCPDURL><controlURL>/control</controlURL></service>"
        );
        let inner = format!(
            "<deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType><deviceList><device><deviceType>urn:schemas-upnp-org:device:WANDevice:1</deviceType><deviceList><device><deviceType>urn:schemas-upnp-org:device:WANConnectionDevice:1</deviceType><serviceList>{service}</serviceList></device></deviceList></device></deviceList>"
        );
        return (
            "200 OK",
            format!(
                "<?xml version=\"1.0\"?><root xmlns=\"urn:schemas-upnp-org:device-1-0\"><device>{inner}</device></root>"
            ),
        );
    }
    if request.starts_with("GET /scpd.xml") {
        let argument = |name: &str| format!("<argument><name>{name}</name><direction>in</direction></argument>");
        let action = |name: &str, arguments: &[&str]| {
            let list: String = arguments.iter().map(|name| argument(name)).collect();
            format!("<action><name>{name}</name><argumentList>{list}</argumentList></action>")
        };
        let add = [
            "NewRemoteHost",
            "NewExternalPort",
            "NewProtocol",
            "NewInternalPort",
            "NewInternalClient",
            "NewEnabled",
            "NewPortMappingDescription",
            "NewLeaseDuration",
        ];
        let list = action("AddPortMapping", &add)
            + &action("DeletePortMapping", &add[..3])
            + &action("GetExternalIPAddress", &[]);
        return (
            "200 OK",
            format!(
                "<?xml version=\"1.0\"?><scpd xmlns=\"urn:schemas-upnp-org:service-1-0\"><actionList>{list}</actionList></scpd>"
            ),
        );
    }
    state.requests += 1;
    let external: u16 = element(request, "NewExternalPort").parse().unwrap_or(0);
    if request.contains("GetExternalIPAddress") {
        return done(
            "GetExternalIPAddress",
            &format!("<NewExternalIPAddress>{}</NewExternalIPAddress>", state.outside),
        );
    }
    let protocol = if element(request, "NewProtocol") == "UDP" { 1 } else { 2 };
    if request.contains("DeletePortMapping") {
        state.mapped.retain(|_, port| *port != external);
        return done("DeletePortMapping", "");
    }
    assert_eq!(element(request, "NewPortMappingDescription"), "peerage");
    if element(request, "NewLeaseDuration") != "0" {
        return fault(725);
    }
    if external == taken {
        return fault(718);
    }
    let internal = element(request, "NewInternalPort").parse().unwrap();
    assert_eq!(element(request, "NewInternalClient").parse::<IpAddr>().unwrap(), IpAddr::from([127, 0, 0, 1]));
    state.mapped.insert((protocol, internal), external);
    done("AddPortMapping", "")
}

/// For a router at `ip`, and no UPnP anywhere.
fn config(ip: Ipv4Addr) -> Config {
    Config {
        gateway: Some(ip),
        upnp: false,
        patience: Duration::from_millis(700),
        check: Duration::from_millis(200),
        ..Config::default()
    }
}

async fn next(mapper: &mut Mapper) -> Mapping {
    tokio::time::timeout(LIMIT, mapper.changed()).await.expect("the mapper tells in time")
}

fn mapping(transport: Transport, port: u16, external: Option<SocketAddr>, via: Via) -> Mapping {
    Mapping { transport, internal: ([127, 0, 0, 1], port).into(), external, via }
}

/// Maps two ports, follows a new address, and leaves nothing behind.
async fn maps_and_follows(ip: Ipv4Addr, pcp: bool, via: Via) {
    let state = state(7200);
    small_router(ip, pcp, state.clone()).await;
    let mut mapper = Mapper::start(&config(ip), [(Transport::Udp, 4000), (Transport::Tcp, 4001)]);
    let mut told = [next(&mut mapper).await, next(&mut mapper).await];
    told.sort_by_key(|told| told.internal);
    let expected = [(Transport::Udp, 4000), (Transport::Tcp, 4001)]
        .map(|(transport, port)| mapping(transport, port, Some((OUTSIDE, port + 1000).into()), via));
    assert_eq!(told, expected);
    let moved = Ipv4Addr::new(198, 51, 100, 9);
    state.lock().unwrap().outside = moved;
    for _ in 0..2 {
        let told = next(&mut mapper).await;
        assert_eq!(told.external, Some((moved, told.internal.port() + 1000).into()));
    }
    assert_eq!(state.lock().unwrap().mapped.len(), 2);
    mapper.close().await;
    assert!(state.lock().unwrap().mapped.is_empty(), "closing takes the mappings away");
}

#[tokio::test]
async fn pcp_maps_follows_a_new_address_and_leaves_nothing() {
    maps_and_follows(router(1), true, Via::Pcp).await;
}

#[tokio::test]
async fn nat_pmp_does_where_pcp_is_refused() {
    maps_and_follows(router(2), false, Via::NatPmp).await;
}

#[tokio::test]
async fn a_lease_is_renewed_at_half_and_given_up_at_its_end() {
    let ip = router(3);
    let state = state(2);
    small_router(ip, true, state.clone()).await;
    let mut config = config(ip);
    config.check = Duration::from_secs(60);
    config.patience = Duration::from_millis(100);
    let mut mapper = Mapper::start(&config, [(Transport::Udp, 4000)]);
    let told = next(&mut mapper).await;
    assert!(told.external.is_some());
    let before = state.lock().unwrap().requests;
    tokio::time::sleep(Duration::from_millis(1300)).await;
    assert_eq!(state.lock().unwrap().requests, before + 1, "renewed after a second");
    state.lock().unwrap().silent = true;
    let lost = next(&mut mapper).await;
    assert_eq!(lost, Mapping { external: None, ..told });
    state.lock().unwrap().silent = false;
    mapper.renew();
    assert_eq!(next(&mut mapper).await, told, "another network is asked at once");
    drop(mapper);
    let gone = async {
        while !state.lock().unwrap().mapped.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, gone).await.expect("a mapper that is dropped leaves nothing either");
}

#[tokio::test]
async fn upnp_maps_another_port_where_ours_is_taken_and_for_ever_where_that_is_all_there_is() {
    let ip = router(4);
    let state = state(0);
    let mut config = config(ip);
    config.upnp = true;
    config.search = upnp_router(ip, state.clone(), 4000).await;
    let mut mapper = Mapper::start(&config, [(Transport::Udp, 4000)]);
    let told = next(&mut mapper).await;
    let external = told.external.unwrap();
    assert_eq!((told.via, told.internal), (Via::Upnp, ([127, 0, 0, 1], 4000).into()));
    assert_eq!(external.ip(), OUTSIDE);
    assert_ne!(external.port(), 4000);
    assert_eq!(state.lock().unwrap().mapped[&(1, 4000)], external.port());
    state.lock().unwrap().outside = Ipv4Addr::new(198, 51, 100, 9);
    let moved = next(&mut mapper).await;
    assert_eq!(moved.external, Some((Ipv4Addr::new(198, 51, 100, 9), external.port()).into()));
    mapper.close().await;
    assert!(state.lock().unwrap().mapped.is_empty());
}

#[tokio::test]
async fn without_a_router_nothing_is_told_and_closing_does_not_wait() {
    let mut config = config(router(5));
    config.upnp = true;
    config.search = (router(5), 9).into();
    let mut mapper = Mapper::start(&config, [(Transport::Udp, 4000)]);
    assert!(tokio::time::timeout(Duration::from_millis(900), mapper.changed()).await.is_err());
    tokio::time::timeout(Duration::from_millis(500), mapper.close()).await.unwrap();
}

#[tokio::test]
async fn an_address_that_cannot_be_reached_is_not_told() {
    let ip = router(6);
    let state = state(7200);
    state.lock().unwrap().outside = Ipv4Addr::UNSPECIFIED;
    small_router(ip, true, state.clone()).await;
    let mut mapper = Mapper::start(&config(ip), [(Transport::Udp, 4000)]);
    assert!(tokio::time::timeout(Duration::from_millis(500), mapper.changed()).await.is_err());
    assert_eq!(state.lock().unwrap().mapped.len(), 1);
    state.lock().unwrap().outside = OUTSIDE;
    assert_eq!(next(&mut mapper).await.external, Some((OUTSIDE, 5000).into()));
}

#[tokio::test]
async fn what_the_router_speaks_is_found_out() {
    let ip = router(7);
    small_router(ip, false, state(7200)).await;
    let mut config = config(ip);
    config.upnp = true;
    config.search = upnp_router(ip, state(0), 0).await;
    let expected = [Via::NatPmp, Via::Upnp].map(|via| Found { via, external: Some(OUTSIDE.into()) });
    assert_eq!(discover(&config, 4000).await, expected);
    let ip = router(8);
    let mapped = state(7200);
    small_router(ip, true, mapped.clone()).await;
    config.gateway = Some(ip);
    config.search = (router(5), 9).into();
    assert_eq!(discover(&config, 4000).await, [Found { via: Via::Pcp, external: Some(OUTSIDE.into()) }]);
    assert!(mapped.lock().unwrap().mapped.is_empty());
}
