//! What every response says to browsers.

use crate::address::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue};

const FIXED: &[(&str, &str)] = &[
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "camera=(self), microphone=(self), display-capture=(self), clipboard-write=(self), screen-wake-lock=(self), \
         fullscreen=(self), geolocation=(), payment=(), usb=(), serial=(), hid=(), bluetooth=(), midi=(), \
         accelerometer=(), gyroscope=(), magnetometer=(), browsing-topics=()",
    ),
];

/// Adds the headers; `authority` is what the client asked for. Strict-Transport-Security is left to whoever owns the
/// host: it would bind every port of it.
pub(crate) fn secure(headers: &mut HeaderMap, authority: Option<&Authority>) {
    for (name, value) in FIXED {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if let Ok(policy) = HeaderValue::from_str(&content_security_policy(authority)) {
        headers.insert("content-security-policy", policy);
    }
}

/// The page loads from its own origin alone. Not every browser lets `'self'` cover WebSockets, so they are named; the
/// grammar of policies has no IPv6 addresses, hence the schemes for those.
fn content_security_policy(authority: Option<&Authority>) -> String {
    let sockets = match authority {
        Some(authority) if !authority.text().contains('[') => {
            let authority = authority.text();
            format!("ws://{authority} wss://{authority}")
        }
        _ => "ws: wss:".to_owned(),
    };
    format!(
        "default-src 'self'; connect-src 'self' {sockets}; img-src 'self' blob: data:; media-src 'self' blob:; \
         object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_the_sockets_of_the_host() {
        let policy = content_security_policy(Authority::parse("example.org:81").as_ref());
        assert!(policy.contains("connect-src 'self' ws://example.org:81 wss://example.org:81;"), "{policy}");
        let policy = content_security_policy(Authority::parse("[::1]:81").as_ref());
        assert!(policy.contains("connect-src 'self' ws: wss:;"), "{policy}");
    }
}
