//! From an address to a stream, and to a WebSocket.

use super::connect::ConnectError;
use crate::link::ServerAddress;
use crate::message::FRAME_MAX;
use core::net::SocketAddr;
use core::time::Duration;
use futures_util::future::select_ok;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::sleep;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// The head start of an address over the next one (RFC 8305 §5).
const STAGGER: Duration = Duration::from_millis(250);
/// Addresses tried.
const ADDRESSES_MAX: usize = 8;

/// TCP, or TLS on it.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(super) type Socket = WebSocketStream<Box<dyn Stream>>;

/// Connects to the server's WebSocket.
pub(super) async fn dial(
    server: &ServerAddress,
    tls: Option<Arc<ClientConfig>>,
    agent: &str,
) -> Result<Socket, ConnectError> {
    let stream = stream(server, tls).await?;
    let not_peerage = |why: String| ConnectError::NotPeerage { server: server.to_string(), why };
    let mut request = server.websocket().into_client_request().map_err(|e| not_peerage(e.to_string()))?;
    if let Ok(agent) = HeaderValue::from_str(agent) {
        request.headers_mut().insert("user-agent", agent);
    }
    let limits = WebSocketConfig::default()
        .read_buffer_size(16 * 1024)
        .write_buffer_size(0)
        .max_message_size(Some(FRAME_MAX))
        .max_frame_size(Some(FRAME_MAX));
    match tokio_tungstenite::client_async_with_config(request, stream, Some(limits)).await {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Http(response)) => {
            let body = response.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            Err(not_peerage(status_line(response.status().as_u16(), &body)))
        }
        Err(tungstenite::Error::Io(source)) => Err(ConnectError::Unreachable { server: server.to_string(), source }),
        Err(e) => Err(not_peerage(e.to_string())),
    }
}

/// A status and the first line of its body, safe to be shown.
pub(super) fn status_line(status: u16, body: &str) -> String {
    format!("HTTP status {status} {}", first_line(body)).trim_end().to_owned()
}

/// The first line of what a server says, safe to be shown.
pub(super) fn first_line(body: &str) -> String {
    body.lines().next().unwrap_or("").chars().filter(|c| !c.is_control()).take(200).collect()
}

/// A stream to the server, encrypted if there is a configuration for that.
pub(super) async fn stream(
    server: &ServerAddress,
    tls: Option<Arc<ClientConfig>>,
) -> Result<Box<dyn Stream>, ConnectError> {
    let tcp = tcp(server).await?;
    let Some(config) = tls else { return Ok(Box::new(tcp)) };
    let error = |e: &dyn core::fmt::Display| ConnectError::Tls { server: server.to_string(), why: e.to_string() };
    let name = ServerName::try_from(server.host().to_owned()).map_err(|e| error(&e))?;
    Ok(Box::new(TlsConnector::from(config).connect(name, tcp).await.map_err(|e| error(&e))?))
}

/// The first of the host's addresses that answers, in the order of the system's preference.
async fn tcp(server: &ServerAddress) -> Result<TcpStream, ConnectError> {
    let host = server.host();
    let resolve = |source| ConnectError::Resolve { host: host.to_owned(), source };
    let addresses: Vec<SocketAddr> =
        lookup_host((host, server.port())).await.map_err(resolve)?.take(ADDRESSES_MAX).collect();
    if addresses.is_empty() {
        return Err(resolve(io::Error::other("it has no address")));
    }
    let attempts = (0u32..).zip(addresses).map(|(i, address)| {
        Box::pin(async move {
            sleep(STAGGER * i).await;
            TcpStream::connect(address).await
        })
    });
    let unreachable = |source| ConnectError::Unreachable { server: server.to_string(), source };
    let (stream, _) = select_ok(attempts).await.map_err(unreachable)?;
    stream.set_nodelay(true).map_err(unreachable)?;
    Ok(stream)
}
