//! The resources: where sessions are made, and the sessions.

use crate::address::Authority;
use crate::body::text;
use crate::client::Client;
use crate::hub::Found;
use crate::refusal::Refusal;
use crate::site::Site;
use crate::whip::access::Role;
use crate::whip::counters::add;
use crate::whip::desk::Whip;
use crate::whip::ice_servers::links;
use crate::whip::name::{SessionId, StreamName};
use crate::whip::publish::{self, Answered};
use crate::whip::request::{FRAGMENT, SDP, condition, must_accept, must_be};
use crate::whip::sdpfrag::Fragment;
use crate::whip::session::{Condition, Patched, Session};
use crate::whip::view;
use axum::extract::{Path, Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, LINK,
    LOCATION,
};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Extension, Router};
use core::net::IpAddr;
use peerage_signal::message::IceServer;
use std::sync::Arc;

const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");
/// Methods where sessions are made.
const MAKES: &str = "GET, HEAD, OPTIONS, POST";
/// Methods of a session.
const KEEPS: &str = "DELETE, GET, HEAD, OPTIONS, PATCH";

/// The paths of both protocols.
pub(crate) fn routes() -> Router<Arc<Site>> {
    let of = |role: Role| {
        let make =
            move |site, client, authority, name, request| endpoint(role, site, (client, authority), name, request);
        let keep = move |site, client, path, request| resource(role, site, client, path, request);
        let (endpoint, resource) = (format!("/{}/{{name}}", role.path()), format!("/{}/{{name}}/{{id}}", role.path()));
        Router::new().route(&endpoint, any(make)).route(&resource, any(keep))
    };
    of(Role::Publish).merge(of(Role::View)).layer(map_response(for_any_page))
}

/// Pages of any origin may use this: what lets somebody publish is a token, which no browser sends by itself (RFC 9725 §4.2).
async fn for_any_page(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let exposed = "Accept-Patch, Accept-Post, ETag, Link, Location, Retry-After, WWW-Authenticate";
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(exposed));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn endpoint(
    role: Role,
    State(site): State<Arc<Site>>,
    (Extension(client), Extension(authority)): (Extension<Client>, Extension<Authority>),
    Path(name): Path<String>,
    request: Request,
) -> Response {
    let Some(whip) = site.whip.clone() else { return StatusCode::NOT_FOUND.into_response() };
    match *request.method() {
        Method::OPTIONS => options(MAKES, (ACCEPT_POST, SDP)),
        Method::GET | Method::HEAD => StatusCode::NO_CONTENT.into_response(),
        Method::POST => {
            let source = site.source(&client, request.headers());
            let found = site.found(&client, &authority);
            let made = make(&whip, role, found, (source, &name), request).await;
            made.unwrap_or_else(|refusal| {
                tracing::debug!(status = refusal.status.as_u16(), words = %refusal.words, "refused a session");
                add(&whip.counters.refused, 1);
                refusal.into_response()
            })
        }
        _ => Refusal::method(MAKES).into_response(),
    }
}

async fn make(
    whip: &Arc<Whip>,
    role: Role,
    found: Found,
    (source, name): (IpAddr, &str),
    request: Request,
) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    whip.may_ask(source)?;
    whip.access.check(role, &parts.headers)?;
    let name = StreamName::parse(name).ok_or_else(bad_name)?;
    must_be(&parts.headers, SDP, ACCEPT_POST)?;
    must_accept(&parts.headers, SDP)?;
    let offer = text(&parts.headers, body, whip.config.limits.description).await?;
    let answered = match role {
        Role::Publish => publish::begin(whip, &name, &found.host, &offer).await?,
        Role::View => view::begin(whip, &name, &found.host, &offer).await?,
    };
    Ok(created(&found.open, answered))
}

/// 201 with everything that a client needs next; `open` are servers that ask for no credentials.
fn created(open: &[IceServer], answered: Answered) -> Response {
    let Answered { path, tag, answer, servers } = answered;
    let mut response = (StatusCode::CREATED, answer).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(SDP));
    headers.insert(ACCEPT_PATCH, HeaderValue::from_static(FRAGMENT));
    // Both were made here, of letters and digits.
    for (name, value) in [(LOCATION, path), (ETAG, tag)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    for link in links(open).into_iter().chain(links(&servers)) {
        headers.append(LINK, link);
    }
    response
}

async fn resource(
    role: Role,
    State(site): State<Arc<Site>>,
    Extension(client): Extension<Client>,
    Path((name, id)): Path<(String, String)>,
    request: Request,
) -> Response {
    let Some(whip) = site.whip.clone() else { return StatusCode::NOT_FOUND.into_response() };
    if *request.method() == Method::OPTIONS {
        return options(KEEPS, (ACCEPT_PATCH, FRAGMENT));
    }
    let source = site.source(&client, request.headers());
    let kept = async {
        whip.may_ask(source)?;
        whip.access.check(role, request.headers())?;
        let session = find(&whip, role, &name, &id)?;
        match *request.method() {
            Method::GET | Method::HEAD => Ok(StatusCode::NO_CONTENT.into_response()),
            Method::PATCH => patch(&whip, &session, request).await,
            Method::DELETE => {
                session.end();
                Ok((StatusCode::OK, "").into_response())
            }
            _ => Err(Refusal::method(KEEPS)),
        }
    };
    kept.await.unwrap_or_else(Refusal::into_response)
}

fn find(whip: &Whip, role: Role, name: &str, id: &str) -> Result<Arc<Session>, Refusal> {
    let name = StreamName::parse(name).ok_or_else(bad_name)?;
    let found = SessionId::parse(id).and_then(|id| whip.stage.find(role, &name, &id));
    found.ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "there is no such session, or it has ended"))
}

async fn patch(whip: &Whip, session: &Session, request: Request) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    must_be(&parts.headers, FRAGMENT, ACCEPT_PATCH)?;
    let condition = Condition::parse(&condition(&parts.headers)?);
    let body = text(&parts.headers, body, whip.config.limits.description).await?;
    let unreadable = |error| Refusal::new(StatusCode::BAD_REQUEST, format!("the fragment cannot be read: {error}"));
    let fragment = Fragment::parse(&body).map_err(unreadable)?;
    match session.patch(&condition, fragment, whip.tag()).await? {
        Patched::Taken => Ok(StatusCode::NO_CONTENT.into_response()),
        Patched::Restarted { tag, fragment } => {
            let mut response = (StatusCode::OK, fragment).into_response();
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(FRAGMENT));
            if let Ok(tag) = HeaderValue::try_from(tag) {
                response.headers_mut().insert(ETAG, tag);
            }
            Ok(response)
        }
    }
}

/// What may be asked, and by whom: the answer to preflights too.
fn options(allowed: &'static str, (accept, media): (HeaderName, &'static str)) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    let value = HeaderValue::from_static;
    headers.insert(ALLOW, value(allowed));
    headers.insert(accept, value(media));
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, value(allowed));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, value("Authorization, Content-Type, If-Match"));
    headers.insert(ACCESS_CONTROL_MAX_AGE, value("86400"));
    response
}

fn bad_name() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "a name has 1 to 64 letters, digits and - _ . ~")
}
