//! Packets over TCP and TLS: streams that are opened or accepted, and the listener.
//!
//! A [`Stream`] is driven by readiness, like the UDP sockets beside it: packets are queued framed and come out unframed,
//! nothing waits, and what a stream holds is bounded in both directions.

mod listener;
mod stream;
mod tls;

pub use listener::Listener;
pub use stream::{Stream, StreamError, Written};
pub use tls::{TlsClient, TlsError, TlsOptions};

use std::time::Duration;

/// How a stream behaves.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The longest packet taken, in bytes without its frame. Default: 65 556, more than any framing can announce. A stream
    /// that announces a longer one is closed.
    pub max_packet: usize,
    /// Bytes that wait for the system to take them. Default: 256 KiB. Packets beyond it are dropped whole, which is what a
    /// congestion controller above expects of a full network.
    pub queue: usize,
    /// How long connecting may take, TLS included. Default: 10 s.
    pub connect_timeout: Duration,
    /// How long data may go unacknowledged before the system gives the connection up (Linux, Android). Default: 30 s, the
    /// time after which consent to send has expired as well (RFC 7675 §5.1).
    pub user_timeout: Duration,
    /// Lets a listener and connections that are opened have one port (Unix). Default off. Needed to open a connection from
    /// both ends at once (RFC 6544 §4.1).
    pub share_port: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_packet: 65_556,
            queue: 256 << 10,
            connect_timeout: Duration::from_secs(10),
            user_timeout: Duration::from_secs(30),
            share_port: false,
        }
    }
}

#[cfg(test)]
mod tests;
