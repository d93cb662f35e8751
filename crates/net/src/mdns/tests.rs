//! Resolver and responder over multicast on the loopback interface, each test on a port of its own.

use super::message::{Data, Message, Question, Record, RecordType};
use super::name::Name;
use super::resolver::Resolver;
use super::responder::{Responder, Service};
use super::{Config, Error};
use crate::interfaces::{Filter, Interface, local};
use peerage_base::rng::Rng;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout};

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);

fn loopback() -> Vec<Interface> {
    let all = local(&Filter { loopback: true, ..Filter::default() }).unwrap();
    all.into_iter().filter(|interface| interface.ip == Ipv4Addr::LOCALHOST).collect()
}

fn config(port: u16) -> Config {
    let timeout = Duration::from_secs(3);
    Config { port, timeout, retry: Duration::from_millis(50), loopback: true, ..Config::default() }
}

fn responder(config: Config) -> Responder {
    Responder::new(&loopback(), config, Rng::from_u64(1)).unwrap()
}

fn resolver(config: Config) -> Resolver {
    Resolver::new(&loopback(), config, Rng::from_u64(2)).unwrap()
}

/// A member of the group that sees what is sent to it.
fn listener(port: u16) -> UdpSocket {
    let raw = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
    raw.set_reuse_address(true).unwrap();
    #[cfg(unix)]
    raw.set_reuse_port(true).unwrap();
    raw.set_nonblocking(true).unwrap();
    raw.set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
    let address: SocketAddr = (Ipv4Addr::UNSPECIFIED, port).into();
    raw.bind(&address.into()).unwrap();
    raw.join_multicast_v4(&GROUP, &Ipv4Addr::LOCALHOST).unwrap();
    UdpSocket::from_std(raw.into()).unwrap()
}

/// The next response on a socket, if one comes soon.
async fn response(socket: &UdpSocket) -> Option<Message> {
    let end = Instant::now() + Duration::from_millis(300);
    let mut buf = [0; 1500];
    loop {
        let (len, _) = timeout(end - Instant::now(), socket.recv_from(&mut buf)).await.ok()?.unwrap();
        if let Some(message) = Message::parse(&buf[..len]).filter(|message| message.response) {
            return Some(message);
        }
    }
}

fn query(name: &str, kind: RecordType, unicast: bool, known: Vec<Record>) -> Vec<u8> {
    let questions = vec![Question { name: Name::host(name).unwrap(), kind, unicast }];
    Message { id: 99, response: false, questions, records: known }.to_bytes()
}

fn address(name: &str, ip: [u8; 4], ttl: u32) -> Record {
    Record { name: Name::host(name).unwrap(), data: Data::Address(ip.into()), ttl, flush: true }
}

#[tokio::test]
async fn a_published_name_is_resolved() {
    let (responder, resolver) = (responder(config(15353)), resolver(config(15353)));
    let ips: [IpAddr; 2] = ["192.0.2.77".parse().unwrap(), "2001:db8::77".parse().unwrap()];
    let mut names = Vec::new();
    for ip in ips {
        let name = responder.publish(ip).await.unwrap();
        assert_eq!(responder.publish(ip).await.unwrap(), name);
        assert_eq!(resolver.resolve(&name).await, Ok(vec![ip]));
        assert_eq!(resolver.resolve(&name.to_uppercase()).await, Ok(vec![ip]));
        names.push(name);
    }
    let (a, b) = tokio::join!(resolver.resolve(&names[0]), resolver.resolve(&names[1]));
    assert_eq!((a, b), (Ok(vec![ips[0]]), Ok(vec![ips[1]])));
}

#[tokio::test]
async fn a_name_that_is_published_late_is_found_by_asking_again() {
    let resolver = resolver(config(15354));
    // The name is foreseeable only because the test knows the seed.
    let name = Name::random(&mut Rng::from_u64(1)).to_string();
    let asking = tokio::spawn(async move { resolver.resolve(&name).await });
    tokio::time::sleep(Duration::from_millis(120)).await;
    let responder = responder(config(15354));
    responder.publish([192, 0, 2, 1].into()).await.unwrap();
    assert_eq!(asking.await.unwrap(), Ok(vec![[192, 0, 2, 1].into()]));
}

#[tokio::test]
async fn a_name_nobody_has_times_out_and_a_name_of_another_kind_is_refused_at_once() {
    let resolver = resolver(Config { timeout: Duration::from_millis(200), ..config(15355) });
    let start = Instant::now();
    assert_eq!(resolver.resolve("00000000-0000-4000-8000-000000000000.local").await, Err(Error::TimedOut));
    assert!(start.elapsed() >= Duration::from_millis(200));
    for name in ["example.com", "a.b.local", "local", ""] {
        assert_eq!(resolver.resolve(name).await, Err(Error::Name), "{name}");
    }
}

#[tokio::test]
async fn names_beyond_the_limit_are_refused() {
    let few = Config { max_names: 2, timeout: Duration::from_millis(300), ..config(15356) };
    let (responder, resolver) = (responder(few.clone()), resolver(few));
    for n in 0..2 {
        responder.publish([192, 0, 2, n].into()).await.unwrap();
    }
    assert_eq!(responder.publish([192, 0, 2, 9].into()).await, Err(Error::Busy));
    let results = tokio::join!(resolver.resolve("a.local"), resolver.resolve("b.local"), resolver.resolve("c.local"));
    assert_eq!(results, (Err(Error::TimedOut), Err(Error::TimedOut), Err(Error::Busy)));
}

#[tokio::test]
async fn a_name_is_announced_and_taken_back_when_withdrawn_and_on_drop() {
    let socket = listener(15357);
    let responder = responder(config(15357));
    let record = |message: Option<Message>| {
        let message = message.unwrap();
        assert_eq!(message.id, 0);
        (message.records[0].name.to_string(), message.records[0].ip().unwrap(), message.records[0].ttl)
    };
    let (a, b): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
    let (first, second) = (responder.publish(a).await.unwrap(), responder.publish(b).await.unwrap());
    assert_eq!(record(response(&socket).await), (first.clone(), a, 120));
    assert_eq!(record(response(&socket).await), (second.clone(), b, 120));
    responder.withdraw(&first).await;
    assert_eq!(record(response(&socket).await), (first, a, 0));
    drop(responder);
    assert_eq!(record(response(&socket).await), (second, b, 0));
    assert_eq!(response(&socket).await, None);
}

#[tokio::test]
async fn each_asker_is_answered_in_its_own_way() {
    let port = 15358;
    let (group, responder) = (listener(port), responder(config(port)));
    let ip: IpAddr = [192, 0, 2, 1].into();
    let name = responder.publish(ip).await.unwrap();
    assert!(response(&group).await.is_some(), "the announcement");
    // Ordinary DNS from a port of its own: id and question come back, nothing lasts.
    let legacy = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let member = socket2::SockRef::from(&legacy);
    member.set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
    legacy.send_to(&query(&name, RecordType::A, true, vec![]), (GROUP, port)).await.unwrap();
    let answer = response(&legacy).await.unwrap();
    assert_eq!((answer.id, answer.questions.len()), (99, 1));
    assert_eq!((answer.records[0].ttl, answer.records[0].flush, answer.records[0].ip()), (10, false, Some(ip)));
    // The other family, another name, and what the asker knows already get no answer.
    let known = Record { name: Name::host(&name).unwrap(), data: Data::Address(ip), ttl: 100, flush: true };
    for silent in [
        query(&name, RecordType::AAAA, false, vec![]),
        query("other.local", RecordType::A, false, vec![]),
        query(&name, RecordType::A, false, vec![known]),
    ] {
        group.send_to(&silent, (GROUP, port)).await.unwrap();
        assert_eq!(response(&group).await, None);
    }
    // A member of the group is answered in the group, at most once a second, and counting the second announcement.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(response(&group).await.is_some(), "the second announcement");
    group.send_to(&query(&name, RecordType::ANY, false, vec![]), (GROUP, port)).await.unwrap();
    assert_eq!(response(&group).await, None, "it was just told");
    tokio::time::sleep(Duration::from_millis(1000)).await;
    group.send_to(&query(&name, RecordType::ANY, false, vec![]), (GROUP, port)).await.unwrap();
    let answer = response(&group).await.unwrap();
    assert_eq!((answer.id, answer.questions.len(), answer.records[0].ttl), (0, 0, 120));
    group.send_to(&query(&name, RecordType::ANY, false, vec![]), (GROUP, port)).await.unwrap();
    assert_eq!(response(&group).await, None);
}

#[tokio::test]
async fn questions_beyond_the_rate_get_no_answer() {
    let port = 15359;
    let responder = responder(Config { max_answers: 3, ..config(port) });
    let name = responder.publish([192, 0, 2, 1].into()).await.unwrap();
    let asker = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket2::SockRef::from(&asker).set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
    for _ in 0..20 {
        asker.send_to(&query(&name, RecordType::A, true, vec![]), (GROUP, port)).await.unwrap();
    }
    let mut answers = 0;
    while response(&asker).await.is_some() {
        answers += 1;
    }
    assert!((3..=5).contains(&answers), "{answers}");
}

#[tokio::test]
async fn answers_from_the_wrong_port_or_with_a_strange_address_are_not_believed() {
    let port = 15360;
    let (group, resolver) = (listener(port), resolver(Config { loopback: false, ..config(port) }));
    let asking = tokio::spawn(async move { resolver.resolve("target.local").await });
    let answer = |ip: [u8; 4], ttl| {
        let record = address("target.local", ip, ttl);
        Message { id: 0, response: true, questions: vec![], records: vec![record] }.to_bytes()
    };
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket2::SockRef::from(&stranger).set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    stranger.send_to(&answer([192, 0, 2, 66], 120), (GROUP, port)).await.unwrap();
    group.send_to(&answer([127, 0, 0, 1], 120), (GROUP, port)).await.unwrap();
    group.send_to(&answer([192, 0, 2, 67], 0), (GROUP, port)).await.unwrap();
    group.send_to(&answer([192, 0, 2, 1], 120), (GROUP, port)).await.unwrap();
    assert_eq!(asking.await.unwrap(), Ok(vec![[192, 0, 2, 1].into()]));
}

#[tokio::test]
async fn a_responder_that_knows_only_the_group_is_understood() {
    let port = 15361;
    let (group, resolver) = (listener(port), resolver(config(port)));
    let asking = tokio::spawn(async move { resolver.resolve("target.local").await });
    let mut buf = [0; 1500];
    loop {
        let (len, source) = timeout(Duration::from_secs(2), group.recv_from(&mut buf)).await.unwrap().unwrap();
        let query = Message::parse(&buf[..len]).unwrap();
        if source.port() == port {
            assert!(!query.response && query.questions.iter().all(|question| !question.unicast));
            break;
        }
    }
    let record = address("target.local", [192, 0, 2, 1], 120);
    let answer = Message { id: 0, response: true, questions: vec![], records: vec![record] }.to_bytes();
    group.send_to(&answer, (GROUP, port)).await.unwrap();
    assert_eq!(asking.await.unwrap(), Ok(vec![[192, 0, 2, 1].into()]));
}

fn service(instance: &str) -> Service {
    Service { instance: instance.into(), kind: "peerage".into(), port: 8080, text: vec!["v=1".into()] }
}

#[tokio::test]
async fn a_service_is_found_by_its_name_and_by_its_kind_until_it_is_withdrawn() {
    let port = 15362;
    let short = Config { timeout: Duration::from_millis(400), ..config(port) };
    let (group, responder, resolver) = (listener(port), responder(config(port)), resolver(config(port)));
    responder.offer(&service("peerage-7")).await.unwrap();
    let told = response(&group).await.unwrap().records;
    let kinds: Vec<RecordType> = told.iter().map(|record| record.data.kind()).collect();
    assert_eq!(kinds, [RecordType::PTR, RecordType::SRV, RecordType::TXT, RecordType::A]);
    assert_eq!(told.iter().map(|record| record.flush).collect::<Vec<_>>(), [false, true, true, true]);
    assert_eq!(told[2].data, Data::Text(b"\x03v=1"[..].into()));
    let Data::Service { host, port: 8080 } = &told[1].data else { panic!("{told:?}") };
    assert!(told[3].name == *host && host.to_string().len() == 36 + 6, "the host has no name but a random one");

    assert_eq!(resolver.find("Peerage-7", "peerage").await, Ok(vec![(Ipv4Addr::LOCALHOST, 8080).into()]));
    let legacy = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket2::SockRef::from(&legacy).set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
    let question = Question { name: Name::service_kind("peerage").unwrap(), kind: RecordType::PTR, unicast: false };
    let browse = Message { id: 5, response: false, questions: vec![question], records: vec![] }.to_bytes();
    legacy.send_to(&browse, (GROUP, port)).await.unwrap();
    let answer = response(&legacy).await.unwrap();
    assert_eq!(answer.records[0].data, Data::Pointer(Name::service("peerage-7", "peerage").unwrap()));

    assert_eq!(responder.offer(&service("peerage-7")).await, Err(Error::Busy), "the name is taken");
    for bad in ["", "with.dot", &"x".repeat(64)] {
        assert_eq!(responder.offer(&service(bad)).await, Err(Error::Name), "{bad}");
        assert_eq!(resolver.find(bad, "peerage").await, Err(Error::Name), "{bad}");
    }
    let long = Service { text: vec!["x".repeat(256)], ..service("long") };
    assert_eq!(responder.offer(&long).await, Err(Error::Name));
    drop(responder);
    let mut taken_back = Vec::new();
    while let Some(message) = response(&group).await {
        taken_back.extend(message.records.into_iter().filter(|record| record.ttl == 0));
    }
    assert_eq!(taken_back.len(), 4, "{taken_back:?}");
    let resolver = Resolver::new(&loopback(), short, Rng::from_u64(3)).unwrap();
    assert_eq!(resolver.find("peerage-7", "peerage").await, Err(Error::TimedOut));
}

#[tokio::test]
async fn the_host_of_a_service_is_asked_for_if_it_was_not_told_with_it() {
    let port = 15363;
    let (group, resolver) = (listener(port), resolver(config(port)));
    let finding = tokio::spawn(async move { resolver.find("peerage-8", "peerage").await });
    let name = Name::service("peerage-8", "peerage").unwrap();
    let mut buf = [0; 1500];
    loop {
        let (len, _) = timeout(Duration::from_secs(2), group.recv_from(&mut buf)).await.unwrap().unwrap();
        let Some(query) = Message::parse(&buf[..len]).filter(|message| !message.response) else { continue };
        let asks = |about: &str| query.questions.iter().any(|question| question.name.to_string() == about);
        let record = if asks("target.local") {
            address("target.local", [192, 0, 2, 1], 120)
        } else {
            let host = Name::host("target.local").unwrap();
            Record { name: name.clone(), data: Data::Service { host, port: 9 }, ttl: 120, flush: true }
        };
        let last = record.ip().is_some();
        let answer = Message { id: 0, response: true, questions: vec![], records: vec![record] }.to_bytes();
        group.send_to(&answer, (GROUP, port)).await.unwrap();
        if last {
            break;
        }
    }
    assert_eq!(finding.await.unwrap(), Ok(vec!["192.0.2.1:9".parse().unwrap()]));
}
