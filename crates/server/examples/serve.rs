//! Runs a server: `cargo run -p peerage-server --example serve -- --listen 127.0.0.1:8080 --stun 127.0.0.1:3478`.

use clap::Parser;
use core::net::SocketAddr;
use peerage_server::{Server, ServerConfig, Stun, Tls};
use tracing_subscriber::EnvFilter;

#[derive(Parser)]
struct Options {
    /// Address of HTTP and WebSocket; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: Vec<SocketAddr>,
    /// Address of STUN; by default port 3478 of the listen address.
    #[arg(long)]
    stun: Vec<SocketAddr>,
    /// Serve https with a certificate made on the spot.
    #[arg(long)]
    self_signed: bool,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_env_filter(EnvFilter::from_default_env()).init();
    let options = Options::parse();
    let mut config = ServerConfig::default();
    config.listen = options.listen;
    if !options.stun.is_empty() {
        config.stun = Stun::At(options.stun);
    }
    if options.self_signed {
        config.tls = Tls::SelfSigned;
    }
    let server = Server::bind(config).await?;
    println!("http on {:?}, STUN on {:?}", server.local_addrs(), server.stun_addrs());
    println!("open {}", server.urls().best());
    if let Some(fingerprint) = server.fingerprint() {
        println!("certificate SHA-256 {fingerprint}");
    }
    let handle = server.handle();
    tokio::spawn(async move {
        // Without signals the process is ended from outside.
        if tokio::signal::ctrl_c().await.is_ok() {
            handle.shutdown();
        }
    });
    server.run().await;
    Ok(())
}
