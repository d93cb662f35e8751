//! From a TCP connection to HTTP on it.

use crate::client::Client;
use crate::site::Site;
use crate::stop;
use axum::{Extension, Router};
use core::net::SocketAddr;
use core::pin::pin;
use core::time::Duration;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use peerage_base::redact::Redacted;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

/// Headers are a few hundred bytes; cookies of other services on the same host come along.
const HEAD_MAX: usize = 32 * 1024;
const HEADERS_MAX: usize = 100;
/// The first byte of a TLS handshake record (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 22;

/// Accepts until the future is dropped.
pub(crate) async fn run(listener: TcpListener, tls: Option<TlsAcceptor>, site: Arc<Site>, router: Router) {
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(e) => {
                // Mostly the limit of open files; trying again at once would only burn time.
                tracing::warn!(error = %e, "cannot accept a connection");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Some(client) = admit(&site, peer) else {
            tracing::debug!(peer = %Redacted(peer), "too many connections");
            continue;
        };
        let (tls, site, router) = (tls.clone(), site.clone(), router.clone());
        tokio::spawn(async move {
            if let Err(e) = serve(stream, tls, client, site, router).await {
                tracing::debug!(peer = %Redacted(peer), error = %e, "a connection ended");
            }
        });
    }
}

fn admit(site: &Site, peer: SocketAddr) -> Option<Client> {
    let address = peer.ip().to_canonical();
    let is_proxy = site.is_proxy(address);
    let permit = site.admission.admit((!is_proxy).then_some(address))?;
    Some(Client::new(address, is_proxy, site.config.http_timeout, permit))
}

async fn serve(
    mut stream: TcpStream,
    tls: Option<TlsAcceptor>,
    client: Client,
    site: Arc<Site>,
    router: Router,
) -> io::Result<()> {
    // Signalling is small messages that somebody waits for.
    stream.set_nodelay(true)?;
    let Some(tls) = tls else {
        return http(stream, client, site, router).await;
    };
    let limit = site.config.head_timeout;
    let mut first = [0];
    let seen = timeout(limit, stream.peek(&mut first)).await??;
    if seen > 0 && first != [TLS_HANDSHAKE] {
        return timeout(limit, explain_tls(&mut stream)).await?;
    }
    let stream = timeout(limit, tls.accept(stream)).await??;
    http(stream, client, site, router).await
}

/// A browser that was given `http://` shows this instead of an error about a broken connection.
async fn explain_tls(stream: &mut TcpStream) -> io::Result<()> {
    let body = "This server speaks https only: put https:// in front of its address.\n";
    let response = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(response.as_bytes()).await?;
    stream.shutdown().await
}

async fn http<S>(stream: S, client: Client, site: Arc<Site>, router: Router) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = TowerToHyperService::new(router.layer(Extension(client)));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(site.config.head_timeout)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let mut shutdown = site.shutdown.clone();
    tokio::select! {
        ended = connection.as_mut() => return ended.map_err(io::Error::other),
        () = stop::requested(&mut shutdown) => {}
        () = sleep(site.config.http_timeout) => {}
    }
    // What is on its way may arrive; nothing new is answered.
    connection.as_mut().graceful_shutdown();
    timeout(site.config.head_timeout, connection).await?.map_err(io::Error::other)
}
