//! Why a request is refused, in a status and in words.

use axum::http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use std::borrow::Cow;

/// A status, a sentence that says what happened and what to do, and the headers that go with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub status: StatusCode,
    pub words: Cow<'static, str>,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Refusal {
    pub fn new(status: StatusCode, words: impl Into<Cow<'static, str>>) -> Self {
        Self { status, words: words.into(), header: None }
    }

    /// What was sent cannot be done.
    pub fn unprocessable(words: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, words)
    }

    /// It may work later.
    pub fn later(status: StatusCode, words: impl Into<Cow<'static, str>>, seconds: u32) -> Self {
        Self::new(status, words).with(RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Who asks shows no token, or a wrong one (RFC 6750 §3).
    pub fn unauthorized(challenge: &'static str, words: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, words).with(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
    }

    /// The method has no meaning here; these have one.
    pub fn method(allowed: &'static str) -> Self {
        let words = format!("this address takes {allowed}");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, words).with(ALLOW, HeaderValue::from_static(allowed))
    }

    /// With a header.
    pub fn with(self, name: HeaderName, value: HeaderValue) -> Self {
        Self { header: Some((name, value)), ..self }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, format!("{}\n", self.words)).into_response();
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
