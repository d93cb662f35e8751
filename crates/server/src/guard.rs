//! Who may ask, and from where: `Host` against DNS rebinding, `Origin` against foreign pages.

use crate::address::Authority;
use axum::http::header::{ORIGIN, UPGRADE};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use peerage_signal::link::ServerAddress;

/// The rules of one server.
#[derive(Debug)]
pub(crate) struct Guard {
    public: Option<ServerAddress>,
    allow_origin: Vec<String>,
}

impl Guard {
    pub fn new(public: Option<ServerAddress>, allow_origin: &[String]) -> Self {
        let allow_origin = allow_origin.iter().map(|o| o.trim_end_matches('/').to_ascii_lowercase()).collect();
        Self { public, allow_origin }
    }

    /// Whether the request may go on; `authority` is its `Host`.
    pub fn check(&self, parts: &Parts, authority: Option<&Authority>) -> Result<(), (StatusCode, &'static str)> {
        // Health checks of balancers name whatever they like, and learn nothing.
        if parts.uri.path() == "/health" {
            return Ok(());
        }
        let Some(authority) = authority.filter(|a| self.serves(a)) else {
            return Err((
                StatusCode::MISDIRECTED_REQUEST,
                "this server does not go by that name: its public URL must say so\n",
            ));
        };
        let changes_something = !matches!(parts.method, Method::GET | Method::HEAD)
            || parts.headers.contains_key(UPGRADE)
            || is_exchange(parts.uri.path());
        if changes_something && !is_for_any_page(parts.uri.path()) && !self.may_come_from(parts, authority) {
            return Err((StatusCode::FORBIDDEN, "pages of this origin may not use this server\n"));
        }
        Ok(())
    }

    /// A name that resolves here by somebody else's doing is not ours; an address cannot be rebound.
    fn serves(&self, authority: &Authority) -> bool {
        let public = self.public.as_ref().is_some_and(|p| p.host() == authority.host());
        authority.ip().is_some() || authority.host() == "localhost" || public
    }

    /// Programs send no `Origin`; pages send theirs and cannot change it.
    fn may_come_from(&self, parts: &Parts, authority: &Authority) -> bool {
        let mut origins = parts.headers.get_all(ORIGIN).iter();
        let Some(origin) = origins.next() else { return true };
        let Some(origin) = origin.to_str().ok().filter(|_| origins.next().is_none()).map(str::to_ascii_lowercase)
        else {
            return false;
        };
        let own = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        own.and_then(Authority::parse).is_some_and(|o| o == *authority)
            || self.public.as_ref().is_some_and(|p| p.origin() == origin)
            || self.allow_origin.contains(&origin)
    }
}

/// Where offers and answers are taken as well as left.
fn is_exchange(path: &str) -> bool {
    path.starts_with("/exchange/")
}

/// What asks for a token or is open to everybody, and answers pages of every origin (RFC 9725 §4.2).
fn is_for_any_page(path: &str) -> bool {
    ["/whip/", "/whep/"].iter().any(|prefix| path.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    fn status(guard: &Guard, method: &str, headers: &[(&str, &str)]) -> u16 {
        let mut request = Request::builder().method(method).uri("/ws");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        guard.check(&parts, Authority::of(&parts).as_ref()).map_or_else(|(status, _)| status.as_u16(), |()| 200)
    }

    fn guard() -> Guard {
        Guard::new(ServerAddress::parse("https://example.org").ok(), &["https://Other.example/".into()])
    }

    #[test]
    fn a_host_that_is_not_ours_is_misdirected() {
        for (host, expected) in [
            ("127.0.0.1:8080", 200),
            ("[::1]:8080", 200),
            ("localhost", 200),
            ("Example.org", 200),
            ("example.org:8443", 200),
            ("evil.example", 421),
            ("example.org.evil.example", 421),
            ("localhost.evil.example", 421),
            ("127.0.0.1.evil.example", 421),
            ("", 421),
        ] {
            assert_eq!(status(&guard(), "GET", &[("host", host)]), expected, "{host}");
        }
        assert_eq!(status(&guard(), "GET", &[]), 421);
        assert_eq!(status(&guard(), "GET", &[("host", "localhost"), ("host", "localhost")]), 421);
    }

    #[test]
    fn whoever_has_a_token_may_publish_from_any_page_but_under_our_name_alone() {
        let post = |uri: &str, host: &str| {
            let request = Request::builder().method("POST").uri(uri).header("host", host);
            let (parts, ()) = request.header("origin", "https://evil.example").body(()).unwrap().into_parts();
            guard().check(&parts, Authority::of(&parts).as_ref()).map_or_else(|(status, _)| status.as_u16(), |()| 200)
        };
        assert_eq!((post("/whip/a", "localhost"), post("/whep/a", "localhost")), (200, 200));
        assert_eq!((post("/whip", "localhost"), post("/ws", "localhost")), (403, 403));
        assert_eq!(post("/whip/a", "evil.example"), 421);
    }

    #[test]
    fn foreign_pages_do_not_even_take_from_the_exchange() {
        let get = |uri: &str, origin: &str| {
            let request = Request::builder().uri(uri).header("host", "localhost").header("origin", origin);
            let (parts, ()) = request.body(()).unwrap().into_parts();
            guard().check(&parts, Authority::of(&parts).as_ref()).map_or_else(|(status, _)| status.as_u16(), |()| 200)
        };
        assert_eq!((get("/exchange/k7m2xq", "https://evil.example"), get("/", "https://evil.example")), (403, 200));
        assert_eq!(get("/exchange/k7m2xq", "https://other.example"), 200);
    }

    #[test]
    fn websockets_and_posts_come_from_known_origins_or_from_programs() {
        let host = ("host", "192.0.2.1:8080");
        for (origin, expected) in [
            ("http://192.0.2.1:8080", 200),
            ("https://192.0.2.1:8080", 200),
            ("https://example.org", 200),
            ("https://other.example", 200),
            ("http://192.0.2.1", 403),
            ("http://example.org", 403),
            ("https://evil.example", 403),
            ("null", 403),
            ("", 403),
            ("file://", 403),
        ] {
            for (method, more) in [("GET", ("upgrade", "websocket")), ("POST", ("x-y", "z"))] {
                assert_eq!(status(&guard(), method, &[host, more, ("origin", origin)]), expected, "{method} {origin}");
            }
            assert_eq!(status(&guard(), "GET", &[host, ("origin", origin)]), 200);
        }
        assert_eq!(status(&guard(), "GET", &[host, ("upgrade", "websocket")]), 200);
        let twice = [host, ("upgrade", "x"), ("origin", "https://example.org"), ("origin", "https://example.org")];
        assert_eq!(status(&guard(), "GET", &twice), 403);
    }
}
