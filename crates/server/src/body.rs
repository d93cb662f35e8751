//! The body of a request within bounds.

use crate::refusal::Refusal;
use axum::body::{Body, to_bytes};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, StatusCode};
use core::time::Duration;
use tokio::time::timeout;

/// How long a body may take.
const PATIENCE: Duration = Duration::from_secs(10);

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

    #[tokio::test]
    async fn a_body_is_bounded_text() {
        let none = HeaderMap::new();
        assert_eq!(text(&none, Body::from("v=0"), 3).await.unwrap(), "v=0");
        let status = async |headers: &HeaderMap, body: Body| text(headers, body, 3).await.unwrap_err().status.as_u16();
        assert_eq!(status(&none, Body::from("v=0\n")).await, 413);
        let told = [(CONTENT_LENGTH, "4".parse().unwrap())].into_iter().collect();
        assert_eq!(status(&told, Body::empty()).await, 413, "before it is read");
        assert_eq!(status(&none, Body::from(vec![0xFF])).await, 422);
    }
}
