//! The stacks.

pub mod ours;
#[cfg(feature = "rivals")]
pub mod rtc;
#[cfg(feature = "rivals")]
pub mod str0m;
#[cfg(feature = "rivals")]
mod str0m_keys;

use std::net::SocketAddr;

/// Where the two ends of a connection are.
fn addresses() -> [SocketAddr; 2] {
    [1, 2].map(|host| ([192, 0, 2, host], 5000).into())
}
