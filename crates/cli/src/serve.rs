//! `peerage serve`.

use std::io::{Write as _, stdout};
use std::net::SocketAddr;

use peerage_server::{Server, ServerConfig, Stun, Tls};

use crate::args::ServeArgs;
use crate::ending::{Ending, Kind, Outcome};
use crate::interrupt::Interrupt;

/// Serves until it is stopped.
pub async fn run(args: ServeArgs) -> Outcome<()> {
    let is_loopback = args.listen.iter().all(|address| address.ip().is_loopback());
    let port = args.listen.first().map_or(8080, SocketAddr::port);
    let server = Server::bind(config(args)).await.map_err(Ending::from(Kind::Path))?;
    let mut interrupt = Interrupt::listen().map_err(Ending::from(Kind::Path))?;
    let _ = writeln!(stdout(), "{}", describe(&server, is_loopback, port));
    let handle = server.handle();
    let serving = server.run();
    tokio::pin!(serving);
    tokio::select! {
        () = &mut serving => return Ok(()),
        () = interrupt.heard() => handle.shutdown(),
    }
    serving.await;
    Err(Ending::interrupted(false))
}

fn config(args: ServeArgs) -> ServerConfig {
    let mut config = ServerConfig::default();
    config.listen = args.listen;
    if !args.stun.is_empty() {
        config.stun = Stun::At(args.stun);
    }
    config.tls = match (args.tls_cert, args.tls_key) {
        (Some(cert), Some(key)) => Tls::Files { cert, key },
        _ if args.tls_self_signed => Tls::SelfSigned,
        _ => Tls::Off,
    };
    config.public_url = args.public_url;
    config.allow_origin = args.allow_origin;
    config.trusted_proxies = args.trusted_proxy;
    config
}

/// What it listens on, and how others get there.
fn describe(server: &Server, is_loopback: bool, port: u16) -> String {
    let urls = server.urls();
    let addresses = |list: &[SocketAddr]| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut lines = vec![
        format!("Peerage serves {}", urls.local),
        format!("  HTTP and WebSocket on {} (TCP)", addresses(server.local_addrs())),
    ];
    if !server.stun_addrs().is_empty() {
        lines.push(format!("  STUN on {} (UDP)", addresses(server.stun_addrs())));
    }
    lines.extend(urls.others.iter().map(|url| format!("  for others: {url}")));
    if let Some(fingerprint) = server.fingerprint() {
        lines.push(format!("  certificate SHA-256: {fingerprint}"));
    }
    if is_loopback {
        lines.push("Only this machine can reach it. To open it to others:".into());
        lines.push(format!("  peerage serve --listen 0.0.0.0:{port}"));
    }
    lines.join("\n")
}
