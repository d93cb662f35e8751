//! What the headers of a request say.

use crate::refusal::Refusal;
use axum::http::header::{ACCEPT, CONTENT_TYPE, HeaderName, IF_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};

/// What descriptions are sent as.
pub(crate) const SDP: &str = "application/sdp";
/// What candidates that follow are sent as.
pub(crate) const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// Refuses what is not of this media type; `accept` is the header that tells which is.
pub(crate) fn must_be(headers: &HeaderMap, wanted: &'static str, accept: HeaderName) -> Result<(), Refusal> {
    let mut all = headers.get_all(CONTENT_TYPE).iter();
    let value = all.next().and_then(|value| value.to_str().ok()).filter(|_| all.next().is_none());
    let essence = value.map(|value| value.split(';').next().unwrap_or(value).trim());
    if essence.is_some_and(|essence| essence.eq_ignore_ascii_case(wanted)) {
        return Ok(());
    }
    let refusal = Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("the body has to be {wanted}"));
    Err(refusal.with(accept, HeaderValue::from_static(wanted)))
}

/// Refuses clients that would not take such an answer.
pub(crate) fn must_accept(headers: &HeaderMap, answer: &str) -> Result<(), Refusal> {
    let mut values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    if values.peek().is_none() {
        return Ok(());
    }
    let takes = |range: &str| {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let is_refused = parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
        let fits = name.eq_ignore_ascii_case(answer) || matches!(name, "*/*" | "application/*");
        fits && !is_refused
    };
    if values.flat_map(|value| value.split(',')).any(takes) {
        return Ok(());
    }
    Err(Refusal::new(StatusCode::NOT_ACCEPTABLE, format!("the answer is {answer}, which Accept does not name")))
}

/// The values of `If-Match`; 428 without any (RFC 9725 §4.3).
pub(crate) fn condition(headers: &HeaderMap) -> Result<Vec<&str>, Refusal> {
    let values: Vec<&str> = headers.get_all(IF_MATCH).iter().filter_map(|value| value.to_str().ok()).collect();
    if values.is_empty() {
        let words = "this needs If-Match with the ETag of the answer, or * to begin another generation of ICE";
        return Err(Refusal::new(StatusCode::PRECONDITION_REQUIRED, words));
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderName;

    fn headers(list: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        list.iter().for_each(|(name, value)| {
            headers.append(name.clone(), value.parse().unwrap());
        });
        headers
    }

    #[test]
    fn the_media_type_counts_and_its_parameters_do_not() {
        let check = |value: &str| must_be(&headers(&[(CONTENT_TYPE, value)]), SDP, ACCEPT).is_ok();
        assert!(check("application/sdp") && check("Application/SDP; charset=utf-8"));
        assert!(!check("text/plain") && !check("application/sdpx") && !check(""));
        assert!(must_be(&HeaderMap::new(), SDP, ACCEPT).is_err());
        assert!(must_be(&headers(&[(CONTENT_TYPE, SDP), (CONTENT_TYPE, SDP)]), SDP, ACCEPT).is_err());
    }

    #[test]
    fn who_accepts_something_else_gets_nothing() {
        let check = |value: &str| must_accept(&headers(&[(ACCEPT, value)]), SDP).is_ok();
        assert!(must_accept(&HeaderMap::new(), SDP).is_ok());
        for good in ["*/*", "application/sdp", "text/html, application/*;q=0.5", "application/SDP"] {
            assert!(check(good), "{good}");
        }
        for bad in ["text/html", "application/json", "application/sdp;q=0", ""] {
            assert!(!check(bad), "{bad}");
        }
    }

    #[test]
    fn a_condition_is_needed() {
        assert_eq!(condition(&HeaderMap::new()).unwrap_err().status.as_u16(), 428);
    }
}
