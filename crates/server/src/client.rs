//! Who is at the other end of a TCP connection.

use crate::admission::Permit;
use core::net::IpAddr;
use core::time::Duration;
use std::sync::Arc;
use tokio::time::Instant;

/// Who is at the other end of a TCP connection.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub address: IpAddr,
    pub is_proxy: bool,
    /// When the connection ends, unless it has become a WebSocket.
    ends: Instant,
    _permit: Arc<Permit>,
}

impl Client {
    pub fn new(address: IpAddr, is_proxy: bool, lasts: Duration, permit: Permit) -> Self {
        Self { address, is_proxy, ends: Instant::now() + lasts, _permit: Arc::new(permit) }
    }

    /// How long a request may still take.
    pub fn time_left(&self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }
}
