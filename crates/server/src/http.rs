//! Routes, and what every request passes through.

use crate::address::Authority;
use crate::client::Client;
use crate::site::Site;
use crate::whip::routes;
use crate::{assets, exchange, headers, websocket};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use std::sync::Arc;

pub(crate) fn router(site: Arc<Site>) -> Router {
    let whip = if site.whip.is_some() { routes::routes() } else { Router::new() };
    Router::new()
        .route("/health", get(async || "ok\n"))
        .route("/config", get(config))
        .route("/ws", get(rooms))
        .merge(exchange::routes::routes())
        .merge(whip)
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
    let source = site.source(&client, &headers);
    let Ok(permit) = site.admit(&client, source) else {
        return (StatusCode::TOO_MANY_REQUESTS, "too many connections from this address\n").into_response();
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
