//! A way to one server: packets over UDP, TCP or TLS.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::ready;

use peerage_base::framing::Framing;
use peerage_net::route;
use peerage_net::tcp::{Config, Stream, StreamError};
use tokio::time::Instant;

use super::reach::{Target, Tools, Transport};
use super::socket::Port;

/// Longest packet taken from a stream; answers are short.
const MAX_PACKET: usize = 4096;

pub(super) enum Wire {
    Udp(Box<Port>, SocketAddr),
    Stream(Box<Stream>),
}

impl Wire {
    /// Connects, where there is something to connect.
    pub(super) async fn open(target: &Target, tools: &Tools) -> Result<Self, StreamError> {
        let remote = target.address;
        if target.transport == Transport::Udp {
            let local = route::address_towards(remote)?;
            return Ok(Self::Udp(Box::new(Port::bind(local, tools.clock)?), remote));
        }
        let mut config = Config::default();
        config.connect_timeout = tools.end.saturating_duration_since(Instant::now());
        config.max_packet = MAX_PACKET;
        let mut stream = match target.transport {
            Transport::Tls => {
                let tls = tools.tls.as_ref().map_err(|why| io::Error::other(why.clone()))?;
                Stream::connect_tls(remote, None, tls, &target.host, Framing::Turn, config)
            }
            Transport::Tcp | Transport::Udp => Stream::connect(remote, None, Framing::Turn, config),
        };
        poll_fn(|cx| stream.poll_connect(cx)).await?;
        Ok(Self::Stream(Box::new(stream)))
    }

    /// Whether it repeats by itself what gets lost.
    pub(super) fn is_reliable(&self) -> bool {
        matches!(self, Self::Stream(_))
    }

    /// Sends one STUN message, which frames itself. What does not go shows by what does not come.
    pub(super) fn send(&mut self, message: &[u8]) {
        match self {
            Self::Udp(port, remote) => {
                if let Err(error) = port.send(*remote, message) {
                    tracing::debug!(%error, "a request was not sent");
                }
            }
            Self::Stream(stream) => {
                let _ = stream.write(message);
            }
        }
    }

    /// Waits for packets. Dropping the future loses nothing.
    pub(super) async fn receive(&mut self) -> Result<Vec<Vec<u8>>, StreamError> {
        match self {
            Self::Udp(port, remote) => {
                port.readable().await;
                let mut packets = Vec::new();
                port.drain(|source, payload| {
                    if source == *remote {
                        packets.push(payload.to_vec());
                    }
                });
                Ok(packets)
            }
            Self::Stream(stream) => {
                poll_fn(|cx| {
                    // What is not flushed now is when the socket wakes this task.
                    if let std::task::Poll::Ready(Err(error)) = stream.poll_flush(cx) {
                        return std::task::Poll::Ready(Err(error));
                    }
                    loop {
                        if let Some(packet) = stream.next_packet()? {
                            return std::task::Poll::Ready(Ok(vec![packet.to_vec()]));
                        }
                        ready!(stream.poll_read(cx))?;
                    }
                })
                .await
            }
        }
    }
}
