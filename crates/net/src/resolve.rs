//! Host names of STUN and TURN servers, looked up by the system.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::lookup_host;

/// Most addresses taken of one name; more would only be tried later.
pub const MAX_ADDRESSES: usize = 8;

/// Why a name has no address.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// No answer in time.
    #[error("the name was not resolved in time")]
    TimedOut,
    /// There is no such name, or it has no address.
    #[error("the name has no address")]
    NoAddress,
    /// What the system says.
    #[error("the name could not be resolved")]
    System(#[source] io::Error),
}

/// The addresses of `host`, each with `port`, in the system's order of preference (RFC 6724), without repeats.
///
/// `host` is a name, an IPv4 address, or an IPv6 address with or without brackets. The system's resolver blocks a
/// thread of tokio's pool; past `limit` its answer is not waited for.
///
/// # Errors
/// See [`ResolveError`].
pub async fn resolve(host: &str, port: u16, limit: Duration) -> Result<Vec<SocketAddr>, ResolveError> {
    let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let found = tokio::time::timeout(limit, lookup_host((host, port)))
        .await
        .map_err(|_| ResolveError::TimedOut)?
        .map_err(ResolveError::System)?;
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in found {
        if addresses.len() < MAX_ADDRESSES && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() { Err(ResolveError::NoAddress) } else { Ok(addresses) }
}

#[cfg(test)]
mod tests {
    use super::{ResolveError, resolve};
    use std::time::Duration;

    const LIMIT: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn literals_and_localhost_need_no_server() {
        let v4 = resolve("127.0.0.1", 3478, LIMIT).await.unwrap();
        assert_eq!(v4, ["127.0.0.1:3478".parse().unwrap()]);
        for host in ["[::1]", "::1"] {
            assert_eq!(resolve(host, 3478, LIMIT).await.unwrap(), ["[::1]:3478".parse().unwrap()]);
        }
        let named = resolve("localhost", 80, LIMIT).await.unwrap();
        assert!(named.iter().all(|address| address.ip().is_loopback() && address.port() == 80));
        assert!((1..=2).contains(&named.len()));
    }

    #[tokio::test]
    async fn a_malformed_name_fails_and_so_does_an_overdue_one() {
        assert!(matches!(resolve("", 1, LIMIT).await, Err(ResolveError::System(_) | ResolveError::NoAddress)));
        assert!(matches!(resolve("localhost", 1, Duration::ZERO).await, Err(ResolveError::TimedOut) | Ok(_)));
    }
}
