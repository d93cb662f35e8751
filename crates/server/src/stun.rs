//! STUN Binding over UDP: tells clients the address they are seen at.

use core::net::SocketAddr;
use core::time::Duration;
use peerage_base::rng::Rng;
use peerage_net::clock::Clock;
use peerage_signal::limit::{Limiter, Rate};
use peerage_stun::server::respond_binding;
use std::io;
use tokio::net::UdpSocket;
use tokio::time::sleep;

/// The size of the table of sources, as a power of two.
const SOURCES: u32 = 14;
/// A Binding request with everything browsers put into one is far below this.
const DATAGRAM_MAX: usize = 1500;

/// Answers on one socket.
#[derive(Debug)]
pub(crate) struct Responder {
    socket: UdpSocket,
    limiter: Limiter,
    clock: Clock,
}

impl Responder {
    pub fn new(socket: UdpSocket, rate: Rate, mut rng: Rng) -> Self {
        let limiter = Limiter::new(rate, SOURCES, &mut rng);
        Self { socket, limiter, clock: Clock::new() }
    }

    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Answers until the future is dropped.
    pub async fn run(mut self) {
        let mut request = [0; DATAGRAM_MAX];
        let mut response = [0; 512];
        loop {
            let (len, source) = match self.socket.recv_from(&mut request).await {
                Ok(received) => received,
                Err(e) => {
                    // Some systems report here that an earlier answer could not be delivered.
                    tracing::debug!(error = %e, "cannot receive a STUN request");
                    sleep(Duration::from_millis(10)).await;
                    continue;
                }
            };
            let now = self.clock.now();
            // A dual-stack socket shows IPv4 sources in IPv6 form, which is not what they are seen at.
            let seen = SocketAddr::new(source.ip().to_canonical(), source.port());
            if !self.limiter.allow(now, seen.ip()) {
                continue;
            }
            let Some(answer) = request
                .get(..len)
                .and_then(|request| respond_binding(request, seen, None, &mut response))
                .and_then(|len| response.get(..len))
            else {
                continue;
            };
            // An answer that does not fit the socket's buffer now is lost like any datagram; clients ask again.
            if let Err(e) = self.socket.try_send_to(answer, source) {
                tracing::debug!(error = %e, "cannot send a STUN answer");
            }
        }
    }
}
