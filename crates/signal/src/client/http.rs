//! One request of plain HTTP, on a connection of its own.

use super::connect::ConnectError;
use super::dial::stream;
use crate::access::AccessToken;
use crate::link::ServerAddress;
use core::pin::pin;
use core::time::Duration;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, LOCATION, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use std::sync::Arc;
use tokio::time::timeout;

/// Longest body that is read, in bytes: an offer of somebody else's may be of any kind.
const BODY_MAX: usize = 128 << 10;
const HEAD_MAX: usize = 32 << 10;

/// Where a server is, and what it is told with each request.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub server: ServerAddress,
    pub tls: Option<Arc<ClientConfig>>,
    pub agent: String,
    /// Time for a connection, and for whatever the server takes beyond its wait.
    pub patience: Duration,
}

/// What the server says.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub location: Option<String>,
    /// Seconds.
    pub retry_after: Option<u64>,
    pub body: String,
}

impl Place {
    /// Asks and takes the answer, which comes after `wait` at the latest.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        token: Option<&AccessToken>,
        body: Option<String>,
        wait: Duration,
    ) -> Result<Answer, ConnectError> {
        let server = self.server.to_string();
        let broken =
            |why: &dyn core::fmt::Display| ConnectError::NotPeerage { server: server.clone(), why: why.to_string() };
        let late = || ConnectError::Timeout { server: server.clone(), after: self.patience };
        let mut request = Request::builder().method(method).uri(path).header(HOST, self.server.authority());
        request = request.header(USER_AGENT, &self.agent).header(CONNECTION, "close");
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, token.bearer());
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "text/plain; charset=utf-8");
        }
        let request = request.body(Full::new(Bytes::from(body.unwrap_or_default()))).map_err(|e| broken(&e))?;
        let stream = timeout(self.patience, stream(&self.server, self.tls.clone())).await.map_err(|_| late())??;
        let mut http = http1::Builder::new();
        http.max_buf_size(HEAD_MAX);
        let (mut sender, connection) = http.handshake(TokioIo::new(stream)).await.map_err(|e| broken(&e))?;
        let asking = async {
            let (parts, body) = sender.send_request(request).await.map_err(|e| broken(&e))?.into_parts();
            let body = Limited::new(body, BODY_MAX).collect().await.map_err(|e| broken(&e))?.to_bytes();
            let field = |name| Some(parts.headers.get(name)?.to_str().ok()?.to_owned());
            Ok(Answer {
                status: parts.status.as_u16(),
                location: field(LOCATION),
                retry_after: field(RETRY_AFTER).and_then(|seconds| seconds.parse().ok()),
                body: String::from_utf8_lossy(&body).into_owned(),
            })
        };
        let exchanged = async {
            let (mut asking, mut connection) = (pin!(asking), pin!(connection));
            tokio::select! {
                answer = asking.as_mut() => answer,
                // The answer may be complete with it.
                _ = connection.as_mut() => asking.await,
            }
        };
        timeout(self.patience + wait, exchanged).await.map_err(|_| late())?
    }
}
