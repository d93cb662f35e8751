//! What a request to the exchange says beside its body.

use crate::refusal::Refusal;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use core::time::Duration;
use peerage_signal::exchange::request::Media;

/// How long a request waits that does not say.
const WAIT: Duration = Duration::from_secs(30);
const FORM: &str = "how long to wait is a number of seconds, as in ?wait=30";

/// What the body is. Nothing that a browser would run is taken: it is handed on from this origin.
pub(crate) fn media(headers: &HeaderMap) -> Result<Media, Refusal> {
    let mut all = headers.get_all(CONTENT_TYPE).iter();
    let Some(value) = all.next() else { return Ok(Media::Plain) };
    let essence = value.to_str().ok().filter(|_| all.next().is_none()).and_then(|value| value.split(';').next());
    match essence.unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        // The second is what curl says of any body if it is told nothing.
        "text/plain" | "application/x-www-form-urlencoded" => Ok(Media::Plain),
        "application/sdp" => Ok(Media::Sdp),
        "application/json" => Ok(Media::Json),
        _ => {
            let words = "the body has to be text/plain, application/sdp or application/json";
            Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, words))
        }
    }
}

/// The type of a text that is handed on.
pub(crate) fn content_type(media: Media) -> HeaderValue {
    HeaderValue::from_static(match media {
        Media::Plain => "text/plain; charset=utf-8",
        Media::Sdp => "application/sdp",
        Media::Json => "application/json",
    })
}

/// How long to wait: `?wait=SECONDS`, or else `Prefer: wait=SECONDS` (RFC 7240 §4.3).
pub(crate) fn wait(query: Option<&str>, headers: &HeaderMap) -> Result<Duration, Refusal> {
    let asked = query.into_iter().flat_map(|query| query.split('&')).find_map(|pair| pair.strip_prefix("wait="));
    if let Some(asked) = asked {
        let seconds = seconds(asked).ok_or_else(|| Refusal::new(StatusCode::BAD_REQUEST, FORM))?;
        return Ok(seconds);
    }
    let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let preferred = values.flat_map(|value| value.split([',', ';'])).find_map(|preference| {
        let (name, value) = preference.split_once('=')?;
        name.trim().eq_ignore_ascii_case("wait").then(|| value.trim().trim_matches('"'))
    });
    // A preference that cannot be read is none (§2).
    Ok(preferred.and_then(seconds).unwrap_or(WAIT))
}

fn seconds(text: &str) -> Option<Duration> {
    let digits = (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderName;

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        list.iter().for_each(|(name, value)| {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        });
        headers
    }

    #[test]
    fn only_what_no_browser_runs_is_taken() {
        let of = |value: &str| media(&headers(&[("content-type", value)])).map_err(|refusal| refusal.status.as_u16());
        assert_eq!(media(&HeaderMap::new()).unwrap(), Media::Plain);
        assert_eq!(of("application/x-www-form-urlencoded"), Ok(Media::Plain));
        assert_eq!(of("Text/Plain; charset=utf-8"), Ok(Media::Plain));
        assert_eq!((of("application/sdp"), of("application/json")), (Ok(Media::Sdp), Ok(Media::Json)));
        for bad in ["text/html", "text/javascript", "image/svg+xml", "multipart/form-data; boundary=x", ""] {
            assert_eq!(of(bad), Err(415), "{bad}");
        }
        assert!(media(&headers(&[("content-type", "text/plain"), ("content-type", "text/plain")])).is_err());
    }

    #[test]
    fn the_wait_is_asked_for_in_either_way() {
        let of = |query: Option<&str>, prefer: &str| {
            wait(query, &headers(&[("prefer", prefer)])).map(|wait| wait.as_secs()).map_err(|r| r.status.as_u16())
        };
        assert_eq!(of(None, "return=minimal"), Ok(30));
        assert_eq!(of(Some("x=1&wait=7"), "wait=9"), Ok(7));
        assert_eq!((of(None, "respond-async, Wait=9"), of(None, "wait=\"9\"")), (Ok(9), Ok(9)));
        assert_eq!((of(None, "wait=soon"), of(Some(""), "wait=-1")), (Ok(30), Ok(30)));
        for bad in ["wait=", "wait=-1", "wait=1.5", "wait=soon", "wait=99999999999999999999"] {
            assert_eq!(of(Some(bad), ""), Err(400), "{bad}");
        }
    }
}
