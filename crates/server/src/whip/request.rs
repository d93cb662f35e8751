//! What the headers of a request say, and its body within bounds.

use crate::whip::refusal::Refusal;
use axum::body::{Body, to_bytes};
use axum::http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, IF_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use core::time::Duration;
use tokio::time::timeout;

/// What descriptions are sent as.
pub(crate) const SDP: &str = "application/sdp";
/// What candidates that follow are sent as.
pub(crate) const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// How long a body may take.
const PATIENCE: Duration = Duration::from_secs(10);

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

/// The body as text, `limit` bytes of it at most.
pub(crate) async fn text(headers: &HeaderMap, body: Body, limit: usize) -> Result<String, Refusal> {
    let too_long = || Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is longer than {limit} bytes"));
    let told = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if told.is_some_and(|told| told > limit as u64) {
        return Err(too_long());
    }
    // It fails at the limit, or because the client went away, who then learns nothing of it.
    let read = timeout(PATIENCE, to_bytes(body, limit)).await;
    let late = |_| Refusal::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time");
    let bytes = read.map_err(late)?.map_err(|_| too_long())?;
    let not_text = |_| Refusal::unprocessable("the body is not text in UTF-8");
    String::from_utf8(bytes.into()).map_err(not_text)
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

    #[tokio::test]
    async fn a_body_is_bounded_text() {
        let none = HeaderMap::new();
        assert_eq!(text(&none, Body::from("v=0"), 3).await.unwrap(), "v=0");
        let status = async |headers: &HeaderMap, body: Body| text(headers, body, 3).await.unwrap_err().status.as_u16();
        assert_eq!(status(&none, Body::from("v=0\n")).await, 413);
        assert_eq!(status(&headers(&[(CONTENT_LENGTH, "4")]), Body::empty()).await, 413, "before it is read");
        assert_eq!(status(&none, Body::from(vec![0xFF])).await, 422);
        assert_eq!(condition(&none).unwrap_err().status.as_u16(), 428);
    }
}
