//! Routes, and what every request passes through.

use crate::address::{Authority, stun_url};
use crate::admission::Admission;
use crate::client::Client;
use crate::config::ServerConfig;
use crate::guard::Guard;
use crate::hub::{Found, Hub};
use crate::{assets, headers, proxy, websocket};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use core::net::IpAddr;
use peerage_signal::message::IceServer;
use std::sync::Arc;
use tokio::sync::watch;

/// What the handlers share.
#[derive(Debug)]
pub(crate) struct Site {
    pub config: ServerConfig,
    pub guard: Guard,
    pub hub: Arc<Hub>,
    pub admission: Arc<Admission>,
    pub stun_ports: Vec<u16>,
    pub shutdown: watch::Receiver<bool>,
}

pub(crate) fn router(site: Arc<Site>) -> Router {
    Router::new()
        .route("/health", get(async || "ok\n"))
        .route("/config", get(config))
        .route("/ws", get(rooms))
        .fallback(get(assets::serve))
        .layer(from_fn_with_state(site.clone(), pass))
        .with_state(site)
}

async fn pass(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let authority = Authority::of(&parts);
    let mut response = match site.guard.check(&parts, authority.as_ref()) {
        Ok(()) => {
            if let Some(authority) = authority.clone() {
                parts.extensions.insert(authority);
            }
            next.run(Request::from_parts(parts, body)).await
        }
        Err(refusal) => {
            tracing::debug!(status = refusal.0.as_u16(), "refused a request");
            refusal.into_response()
        }
    };
    headers::secure(response.headers_mut(), authority.as_ref());
    response
}

async fn rooms(
    State(site): State<Arc<Site>>,
    Extension(client): Extension<Client>,
    Extension(authority): Extension<Authority>,
    headers: HeaderMap,
    request: WebSocketUpgrade,
) -> Response {
    let source = proxy::client(client.address, &site.config.trusted_proxies, &headers);
    let permit = if client.is_proxy {
        let Some(permit) = site.admission.admit_source(source) else {
            return (StatusCode::TOO_MANY_REQUESTS, "too many connections from this address\n").into_response();
        };
        Some(permit)
    } else {
        None
    };
    let session = websocket::Session {
        hub: site.hub.clone(),
        source,
        found: site.found(&client, &authority),
        ping_interval: site.config.ping_interval,
        silence: site.config.silence,
        shutdown: site.shutdown.clone(),
        admitted: (client, permit),
    };
    websocket::upgrade(request, session)
}

async fn config(
    State(site): State<Arc<Site>>,
    Extension(client): Extension<Client>,
    Extension(authority): Extension<Authority>,
) -> Response {
    let body = serde_json::json!({
        "name": "peerage",
        "version": env!("CARGO_PKG_VERSION"),
        "signalling": 1,
        "public_url": site.config.public_url.as_ref().map(ToString::to_string),
        "ice_servers": site.found(&client, &authority).open,
        "relay": site.hub.relays(),
        "open_needs_token": !site.config.rooms.access.is_empty(),
    });
    ([("cache-control", "no-store")], Json(body)).into_response()
}

impl Site {
    /// STUN and the relay where the client found us: that name or address works for it. A proxy may have put its own in
    /// place of it.
    fn found(&self, client: &Client, authority: &Authority) -> Found {
        let public = self.config.public_url.as_ref().filter(|_| client.is_proxy);
        let host = public.map_or(authority.host(), |url| url.host());
        let own = self.stun_ports.iter().map(|port| stun_url(host, *port));
        let urls: Vec<_> = own.chain(self.config.ice_servers.iter().cloned()).collect();
        let open = if urls.is_empty() { Vec::new() } else { vec![IceServer::open(urls)] };
        Found { host: host.to_owned(), open }
    }

    pub fn is_proxy(&self, address: IpAddr) -> bool {
        self.config.trusted_proxies.iter().any(|block| block.contains(address))
    }
}
