//! One UDP socket for a handful of packets.

use std::io;
use std::net::{IpAddr, SocketAddr};

use peerage_base::ecn::Ecn;
use peerage_net::clock::Clock;
use peerage_net::udp::{Config, Outgoing, RecvBatch, SendError, Socket};

/// Kernel buffers: no burst is expected.
const BUFFER: usize = 256 << 10;

pub(super) struct Port {
    socket: Socket,
    batch: RecvBatch,
    clock: Clock,
}

impl Port {
    /// On any free port of this address.
    pub(super) fn bind(ip: IpAddr, clock: Clock) -> io::Result<Self> {
        let mut config = Config::default();
        (config.receive_buffer, config.send_buffer) = (BUFFER, BUFFER);
        Ok(Self { socket: Socket::bind((ip, 0).into(), &config)?, batch: RecvBatch::new(1), clock })
    }

    pub(super) fn local_addr(&self) -> SocketAddr {
        self.socket.local_addr()
    }

    /// Sends, or loses: whoever asks will ask again.
    pub(super) fn send(&self, destination: SocketAddr, contents: &[u8]) -> Result<(), SendError> {
        let outgoing = Outgoing { destination, source: None, ecn: Ecn::NotEct, segment: None, contents };
        self.socket.try_send(&outgoing).map(drop)
    }

    /// Waits until there is something to [`drain`](Self::drain). Dropping the future loses nothing.
    pub(super) async fn readable(&self) {
        if self.socket.readable().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Hands on all that is there.
    pub(super) fn drain(&mut self, mut take: impl FnMut(SocketAddr, &mut [u8])) {
        while matches!(self.socket.try_recv(&mut self.batch, &self.clock), Ok(1..)) {
            for received in self.batch.datagrams() {
                take(received.source, received.payload);
            }
        }
    }
}
