//! What the tests share: a server on loopback, raw HTTP, and a proxy that cuts connections.
#![allow(dead_code, reason = "every test binary uses a part of it")]

use core::net::SocketAddr;
use core::time::Duration;
use peerage_base::rng::Rng;
use peerage_server::turn::handle::TurnHandle;
use peerage_server::{Server, ServerConfig, ServerHandle, Stun};
use peerage_signal::client::event::RoomEvent;
use peerage_signal::client::options::{Intent, RoomOptions};
use peerage_signal::client::room::Room;
use peerage_signal::code::Code;
use peerage_signal::link::ServerAddress;
use peerage_signal::plain::Role;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Running {
    pub http: SocketAddr,
    pub stun: Vec<SocketAddr>,
    pub turn_tls: Vec<SocketAddr>,
    pub metrics: Vec<SocketAddr>,
    pub turn: Option<TurnHandle>,
    pub hash: Option<[u8; 32]>,
    pub handle: ServerHandle,
    pub task: JoinHandle<()>,
}

pub async fn start(change: impl FnOnce(&mut ServerConfig)) -> Running {
    let mut config = ServerConfig::default();
    config.listen = vec!["127.0.0.1:0".parse().unwrap()];
    config.stun = Stun::At(vec!["127.0.0.1:0".parse().unwrap()]);
    change(&mut config);
    let server = Server::bind(config).await.unwrap();
    let http = server.local_addrs()[0];
    let (stun, turn_tls, metrics) =
        (server.stun_addrs().to_vec(), server.turn_tls_addrs().to_vec(), server.metrics_addrs());
    let (turn, hash, handle) = (server.turn(), server.certificate_hash(), server.handle());
    Running { http, stun, turn_tls, metrics, turn, hash, handle, task: tokio::spawn(server.run()) }
}

pub fn rng() -> Rng {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Rng::from_u64(NEXT.fetch_add(1, Ordering::Relaxed))
}

pub fn code() -> Code {
    Code::generate(&mut rng())
}

pub fn options(address: SocketAddr, code: &Code, intent: Intent) -> RoomOptions {
    let server = ServerAddress::parse(&format!("http://{address}")).unwrap();
    RoomOptions::new(server, code.clone(), intent, Role::Pipe, rng())
}

pub async fn enter(address: SocketAddr, code: &Code, intent: Intent) -> Room {
    Room::connect(options(address, code, intent)).await.unwrap()
}

/// The next event that `wanted` picks, within reason.
pub async fn expect<T>(room: &mut Room, wanted: impl Fn(&RoomEvent) -> Option<T>) -> T {
    let mut seen = Vec::new();
    let search = async {
        while let Some(event) = room.next_event().await {
            if let Some(found) = wanted(&event) {
                return Some(found);
            }
            seen.push(event);
        }
        None
    };
    let found = timeout(PATIENCE, search).await.ok().flatten();
    found.unwrap_or_else(|| panic!("instead came {seen:?}"))
}

/// Sends a raw request and reads until the server closes.
pub async fn raw(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A reset after the answer is an end, too.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

pub async fn get(address: SocketAddr, path: &str, headers: &str) -> String {
    let host =
        if headers.to_ascii_lowercase().contains("host:") { String::new() } else { format!("Host: {address}\r\n") };
    raw(address, &format!("GET {path} HTTP/1.1\r\n{host}{headers}Connection: close\r\n\r\n")).await
}

pub fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0)
}

/// Stands before a server and cuts every connection on demand.
pub struct Cutter {
    pub address: SocketAddr,
    cut: watch::Sender<u32>,
    open: watch::Sender<bool>,
}

impl Cutter {
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cut, cuts) = watch::channel(0);
        let (open, opened) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut cuts = cuts.clone();
                cuts.mark_unchanged();
                if !*opened.borrow() {
                    continue;
                }
                tokio::spawn(async move {
                    let Ok(mut server) = TcpStream::connect(target).await else { return };
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        _ = cuts.changed() => {}
                    }
                });
            }
        });
        Self { address, cut, open }
    }

    /// Drops every connection.
    pub fn cut(&self) {
        self.cut.send_modify(|n| *n += 1);
    }

    /// Whether new connections get through.
    pub fn set_open(&self, open: bool) {
        self.open.send_replace(open);
    }
}
