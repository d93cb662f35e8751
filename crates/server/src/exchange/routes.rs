//! The resources: names, and the offers under them.

use super::request::{content_type, media, wait};
use crate::bearer::bearer;
use crate::body::text;
use crate::client::Client;
use crate::refusal::Refusal;
use crate::site::{Site, TooMany};
use crate::stop;
use axum::extract::{Path, Request as HttpRequest, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, LOCATION,
    ORIGIN, VARY,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Extension, Router};
use core::time::Duration;
use peerage_signal::access::AccessToken;
use peerage_signal::exchange::request::{Refusal as Refused, Reply, Request, TEXT_MAX, Text};
use peerage_signal::id::{OfferId, RoomName};
use std::sync::Arc;

/// Methods of a name.
const NAME: &str = "GET, OPTIONS, POST";
/// Methods of an offer.
const OFFER: &str = "DELETE, GET, OPTIONS, POST";
/// Seconds after which there may be room again.
const LATER: u32 = 5;

pub(crate) fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/exchange/{name}", any(at_name))
        .route("/exchange/{name}/{offer}", any(at_offer))
        .layer(from_fn(dress))
}

/// What every response says. Pages of other origins come this far only if they may; so they may read what they get.
async fn dress(request: HttpRequest, next: Next) -> Response {
    let origin = request.headers().get(ORIGIN).cloned();
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("Origin"));
    // A connection has only so much time, and a wait may need all of it: each begins on a new one.
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Location, Retry-After"));
    }
    response
}

async fn at_name(
    State(site): State<Arc<Site>>,
    Extension(client): Extension<Client>,
    Path(name): Path<String>,
    request: HttpRequest,
) -> Response {
    let asked = async {
        let name = room(&name)?;
        let (parts, body) = request.into_parts();
        let wait = |parts: &Parts| time(&client, parts);
        match parts.method {
            Method::OPTIONS => Ok(options(NAME)),
            Method::GET => {
                let (wait, token) = (wait(&parts)?, token(&parts.headers)?);
                ask(&site, &client, &parts.headers, Request::Take { name, wait, token }).await
            }
            Method::POST => {
                let (wait, token, media) = (wait(&parts)?, token(&parts.headers)?, media(&parts.headers)?);
                let text = text(&parts.headers, body, TEXT_MAX).await?.into();
                let offer = Text { media, text };
                ask(&site, &client, &parts.headers, Request::Offer { name, offer, wait, token }).await
            }
            _ => Err(Refusal::method(NAME)),
        }
    };
    asked.await.unwrap_or_else(Refusal::into_response)
}

async fn at_offer(
    State(site): State<Arc<Site>>,
    Extension(client): Extension<Client>,
    Path((name, offer)): Path<(String, String)>,
    request: HttpRequest,
) -> Response {
    let asked = async {
        let name = room(&name)?;
        let offer = OfferId::parse(&offer).ok_or_else(|| refusal(Refused::Unknown))?;
        let (parts, body) = request.into_parts();
        let wanted = match parts.method {
            Method::OPTIONS => return Ok(options(OFFER)),
            Method::GET => Request::Await { name, offer, wait: time(&client, &parts)? },
            Method::POST => {
                let media = media(&parts.headers)?;
                let text = text(&parts.headers, body, TEXT_MAX).await?.into();
                Request::Answer { name, offer, answer: Text { media, text } }
            }
            Method::DELETE => Request::Withdraw { name, offer },
            _ => return Err(Refusal::method(OFFER)),
        };
        ask(&site, &client, &parts.headers, wanted).await
    };
    asked.await.unwrap_or_else(Refusal::into_response)
}

/// What the exchange says to a request, or that the server stops meanwhile.
async fn ask(site: &Site, client: &Client, headers: &HeaderMap, request: Request) -> Result<Response, Refusal> {
    let name = match &request {
        Request::Offer { name, .. }
        | Request::Take { name, .. }
        | Request::Answer { name, .. }
        | Request::Await { name, .. }
        | Request::Withdraw { name, .. } => name.clone(),
    };
    let source = site.source(client, headers);
    let _permit = site.admit(client, source).map_err(|TooMany| refusal(Refused::TooMany))?;
    let mut shutdown = site.shutdown.clone();
    let reply = tokio::select! {
        reply = site.exchange.ask(source, request) => reply,
        () = stop::requested(&mut shutdown) => None,
    };
    let stopping = || Refusal::later(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping: try again", LATER);
    match reply.ok_or_else(stopping)? {
        Reply::Kept(offer) => {
            let words = "nobody has answered yet: GET the address in Location, or send the same offer again\n";
            Ok(located(&name, offer, (StatusCode::ACCEPTED, words).into_response()))
        }
        Reply::Answer(offer, text) | Reply::Offer(offer, text) => {
            let mut response = text.text.to_string().into_response();
            response.headers_mut().insert(CONTENT_TYPE, content_type(text.media));
            Ok(located(&name, offer, response))
        }
        Reply::Nobody | Reply::Answered | Reply::Withdrawn => Ok(StatusCode::NO_CONTENT.into_response()),
        Reply::Refused(why) => Err(refusal(why)),
    }
}

/// With the address of the offer, as it is seen from the name.
fn located(name: &RoomName, offer: OfferId, mut response: Response) -> Response {
    if let Ok(location) = HeaderValue::try_from(format!("/exchange/{name}/{offer}")) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// How long a request may wait, on a connection that has only so much time left.
fn time(client: &Client, parts: &Parts) -> Result<Duration, Refusal> {
    Ok(wait(parts.uri.query(), &parts.headers)?.min(client.time_left()))
}

fn room(name: &str) -> Result<RoomName, Refusal> {
    let words = "a name has 4 to 32 characters of 0123456789abcdefghjkmnpqrstvwxyz: choose one that nobody guesses";
    RoomName::parse(name).ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, words))
}

fn token(headers: &HeaderMap) -> Result<Option<AccessToken>, Refusal> {
    let shown = bearer(headers).map(AccessToken::parse).transpose();
    let invalid = "Bearer realm=\"peerage\", error=\"invalid_token\"";
    shown.map_err(|error| Refusal::unauthorized(invalid, error.to_string()))
}

/// The status of a refusal.
fn refusal(why: Refused) -> Refusal {
    let words = why.to_string();
    match why {
        Refused::Forbidden => Refusal::unauthorized("Bearer realm=\"peerage\"", words),
        Refused::Unknown => Refusal::new(StatusCode::NOT_FOUND, words),
        Refused::Answered => Refusal::new(StatusCode::CONFLICT, words),
        Refused::Withdrawn | Refused::Expired => Refusal::new(StatusCode::GONE, words),
        Refused::TooLong => Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, words),
        Refused::TooMany => Refusal::later(StatusCode::TOO_MANY_REQUESTS, words, LATER),
        Refused::Full => Refusal::later(StatusCode::SERVICE_UNAVAILABLE, words, LATER),
        _ => Refusal::new(StatusCode::BAD_REQUEST, words),
    }
}

/// What may be asked: the answer to preflights too.
fn options(allowed: &'static str) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static(allowed));
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(allowed));
    let taken = HeaderValue::from_static("Authorization, Content-Type, Prefer");
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, taken);
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}
