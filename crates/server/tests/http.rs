//! HTTP and STUN, by hand.

mod common;

use common::{PATIENCE, get, raw, start, status};
use core::time::Duration;
use peerage_base::limit::Rate;
use peerage_base::rng::Rng;
use peerage_server::{BindError, Server, ServerConfig, Stun, Tls, TlsError};
use peerage_signal::link::ServerAddress;
use peerage_stun::header::{Class, Method, TransactionId};
use peerage_stun::message::Message;
use peerage_stun::write::Writer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout};

const UPGRADE: &str =
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[tokio::test]
async fn the_site_answers_with_its_headers() {
    let server = start(|_| {}).await;
    let health = get(server.http, "/health", "").await;
    assert_eq!(status(&health), 200);
    let config = get(server.http, "/config", "").await;
    assert!(config.contains(&format!("\"stun:{}\"", server.stun[0])), "{config}");
    assert_eq!(status(&get(server.http, "/no-such-thing", "").await), 404);
    assert_eq!(status(&get(server.http, "/../Cargo.toml", "").await), 404);
    for answer in [health, config] {
        for header in [
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "content-security-policy: default-src 'self';",
            "cross-origin-opener-policy: same-origin",
            "permissions-policy: ",
        ] {
            assert!(answer.contains(header), "{header} in {answer}");
        }
    }
}

#[tokio::test]
async fn the_page_is_served_once_and_then_confirmed() {
    let server = start(|_| {}).await;
    let page = get(server.http, "/", "").await;
    assert_eq!(status(&page), 200);
    assert!(page.contains("content-type: text/html") && page.contains("cache-control: no-cache"), "{page}");
    let tag = page.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap().trim();
    let again = get(server.http, "/", &format!("If-None-Match: {tag}\r\n")).await;
    assert_eq!(status(&again), 304);
    assert!(again.ends_with("\r\n\r\n"), "without a body: {again}");
    assert_eq!(status(&get(server.http, "/", "If-None-Match: \"other\"\r\n").await), 200);
    let head = raw(server.http, "HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    assert!(status(&head) == 200 && head.ends_with("\r\n\r\n"), "{head}");
    assert_eq!(
        status(&raw(server.http, "DELETE / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await),
        405
    );
}

#[tokio::test]
async fn both_wildcards_can_be_listened_on_at_one_port() {
    let first = start(|c| c.listen = vec!["0.0.0.0:0".parse().unwrap()]).await;
    first.handle.shutdown();
    first.task.await.unwrap();
    let port = first.http.port();
    let both = |c: &mut ServerConfig| {
        c.listen = vec![format!("0.0.0.0:{port}").parse().unwrap(), format!("[::]:{port}").parse().unwrap()];
    };
    start(both).await;
    for host in ["127.0.0.1", "[::1]"] {
        let address = format!("{host}:{port}").parse().unwrap();
        assert_eq!(status(&get(address, "/health", "").await), 200, "{host}");
    }
}

#[tokio::test]
async fn names_that_are_not_ours_are_misdirected_except_for_health() {
    let server = start(|c| c.public_url = ServerAddress::parse("https://peerage.example").ok()).await;
    for (host, expected) in [("localhost", 200), ("peerage.example", 200), ("evil.example", 421), ("a b", 421)] {
        assert_eq!(status(&get(server.http, "/config", &format!("Host: {host}\r\n")).await), expected, "{host}");
    }
    assert_eq!(status(&get(server.http, "/health", "Host: evil.example\r\n").await), 200);
    assert_eq!(status(&raw(server.http, "GET /config HTTP/1.0\r\n\r\n").await), 421);
}

#[tokio::test]
async fn websockets_of_foreign_pages_are_refused() {
    let server = start(|c| c.allow_origin = vec!["https://friend.example".into()]).await;
    let own = format!("http://{}", server.http);
    for (origin, expected) in
        [(own.as_str(), 101), ("https://friend.example", 101), ("https://evil.example", 403), ("null", 403)]
    {
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: {}\r\nOrigin: {origin}\r\nConnection: Upgrade\r\n{UPGRADE}\r\n",
            server.http
        );
        let mut stream = TcpStream::connect(server.http).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
        assert_eq!(status(&String::from_utf8_lossy(&answer)), expected, "{origin}");
    }
    let post = format!(
        "POST /ws HTTP/1.1\r\nHost: {}\r\nOrigin: https://evil.example\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        server.http
    );
    assert_eq!(status(&raw(server.http, &post).await), 403);
    let plain = get(server.http, "/ws", "").await;
    assert!((400..500).contains(&status(&plain)), "{plain}");
}

#[tokio::test]
async fn a_client_that_dawdles_over_its_request_is_cut_off() {
    let server = start(|c| c.head_timeout = Duration::from_millis(300)).await;
    let mut stream = TcpStream::connect(server.http).await.unwrap();
    let began = Instant::now();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n").await.unwrap();
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("the server closes");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn an_idle_connection_does_not_stay_for_ever() {
    let server = start(|c| {
        c.http_timeout = Duration::from_millis(300);
        c.head_timeout = Duration::from_secs(1);
    })
    .await;
    let mut stream = TcpStream::connect(server.http).await.unwrap();
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await.expect("the server closes").unwrap();
    assert!(String::from_utf8_lossy(&rest).starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn heads_beyond_measure_are_refused() {
    let server = start(|_| {}).await;
    let long = format!("X-Long: {}\r\n", "x".repeat(100_000));
    assert_eq!(status(&get(server.http, "/health", &long).await), 431);
    let many: String = (0..200).map(|i| format!("X-{i}: y\r\n")).collect();
    assert_eq!(status(&get(server.http, "/health", &many).await), 431);
}

#[tokio::test]
async fn one_address_has_only_so_many_connections() {
    let server = start(|c| c.max_connections_per_address = 3).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(server.http).await.unwrap();
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut answer = [0; 12];
        timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
        held.push(stream);
    }
    assert_eq!(get(server.http, "/health", "").await, "", "the fourth is closed");
    held.pop();
    let recovered = async {
        while status(&get(server.http, "/health", "").await) != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, recovered).await.expect("a place is free again");
}

#[tokio::test]
async fn clients_behind_a_trusted_proxy_are_told_of_the_public_name() {
    let server = start(|c| {
        c.public_url = ServerAddress::parse("https://peerage.example").ok();
        c.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    let config = get(server.http, "/config", "X-Forwarded-For: 203.0.113.5\r\n").await;
    assert!(config.contains(&format!("stun:peerage.example:{}", server.stun[0].port())), "{config}");
}

async fn binding(socket: &UdpSocket, rng: &mut Rng) -> Option<core::net::SocketAddr> {
    let mut request = [0; 100];
    let id = TransactionId::random(rng);
    let len = Writer::new(&mut request, Class::Request, Method::BINDING, id).finish();
    socket.send(&request[..len]).await.unwrap();
    let mut response = [0; 500];
    let len = timeout(Duration::from_millis(500), socket.recv(&mut response)).await.ok()?.unwrap();
    let message = Message::parse(&response[..len]).unwrap();
    assert_eq!((message.transaction_id(), message.class()), (id, Class::Success));
    message.xor_mapped_address()
}

#[tokio::test]
async fn stun_tells_clients_their_address_so_often_and_ignores_noise() {
    let any = |text: &str| text.parse().unwrap();
    let server = start(|c| {
        c.stun = Stun::At(vec![any("127.0.0.1:0"), any("[::]:0")]);
        c.stun_rate = Rate::new(5, 1);
    })
    .await;
    let mut rng = Rng::from_u64(3);
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(server.stun[0]).await.unwrap();
    socket.send(b"noise").await.unwrap();
    assert_eq!(binding(&socket, &mut rng).await, Some(socket.local_addr().unwrap()));
    // `[::]` answers an IPv4 client too, and shows it its IPv4 address.
    let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    other.connect(("127.0.0.1", server.stun[1].port())).await.unwrap();
    assert_eq!(binding(&other, &mut rng).await, Some(other.local_addr().unwrap()));
    let mut answered = 0;
    for _ in 0..8 {
        answered += usize::from(binding(&socket, &mut rng).await.is_some());
    }
    // Two were answered before; time may have given one or two back.
    assert!((3..=6).contains(&answered), "{answered}");
}

#[tokio::test]
async fn plain_http_on_a_tls_port_is_explained() {
    let server = start(|c| c.tls = Tls::SelfSigned).await;
    let answer = get(server.http, "/", "").await;
    assert!(status(&answer) == 400 && answer.contains("https://"), "{answer}");
}

#[tokio::test]
async fn what_cannot_be_bound_or_read_is_said_clearly() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(path("cert"), made.cert.pem()).unwrap();
    std::fs::write(path("key"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(path("other"), other.signing_key.serialize_pem()).unwrap();
    std::fs::write(path("junk"), "junk").unwrap();
    let bind = async |cert: &str, key: &str| {
        let mut config = ServerConfig::default();
        config.listen = vec!["127.0.0.1:0".parse().unwrap()];
        config.stun = Stun::Off;
        config.tls = Tls::Files { cert: path(cert), key: path(key) };
        Server::bind(config).await.map(|_| ())
    };
    assert!(bind("cert", "key").await.is_ok());
    let error = bind("missing", "key").await.unwrap_err();
    assert!(matches!(error, BindError::Tls(TlsError::Read { what: "a certificate", .. })), "{error}");
    let error = bind("junk", "key").await.unwrap_err();
    assert!(matches!(error, BindError::Tls(TlsError::NoCertificate(_))), "{error}");
    let error = bind("cert", "junk").await.unwrap_err();
    assert!(matches!(error, BindError::Tls(TlsError::Read { what: "a private key", .. })), "{error}");
    let error = bind("cert", "other").await.unwrap_err();
    assert!(matches!(error, BindError::Tls(TlsError::Unusable(_))), "{error}");

    let server = start(|_| {}).await;
    let mut config = ServerConfig::default();
    config.listen = vec![server.http];
    let error = Server::bind(config).await.unwrap_err();
    assert!(error.to_string().contains("another program uses this port"), "{error}");
}

#[cfg(target_os = "linux")] // Elsewhere, 127.0.0.77 is not an address of the host.
#[tokio::test]
async fn a_server_started_beside_another_one_finds_a_stun_port() {
    let config = || {
        let mut config = ServerConfig::default();
        config.listen = vec!["127.0.0.77:0".parse().unwrap()];
        config
    };
    let first = Server::bind(config()).await.unwrap();
    let second = Server::bind(config()).await.unwrap();
    assert_ne!(first.stun_addrs()[0].port(), second.stun_addrs()[0].port());
}
