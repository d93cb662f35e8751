//! Datagrams on their way out, joined into runs.

use core::net::{IpAddr, SocketAddr};
use peerage_base::ecn::Ecn;
use peerage_net::udp::{Outgoing, SendError, Socket};

/// Room for a run; what is larger goes alone.
const RUN: usize = 60 << 10;

/// Collects what goes one way and hands it to the system at once.
#[derive(Debug)]
pub(crate) struct Outbox {
    run: Vec<u8>,
    head: Option<Head>,
    lost: Lost,
}

/// What the datagrams of a run have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    way: Way,
    /// Size of each but the last.
    segment: usize,
    /// A shorter one ends the run.
    closed: bool,
}

/// From where to where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    pub socket: SocketId,
    /// The address to send from, for a socket that has several.
    pub source: Option<IpAddr>,
    pub destination: SocketAddr,
}

/// A UDP socket of the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SocketId {
    Listener(usize),
    Relay(usize),
}

/// Sends that the system refused, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    /// The socket had no room.
    pub full: u64,
    /// Larger than the path takes.
    pub too_big: u64,
    /// No way to the destination, or the socket failed.
    pub unreachable: u64,
}

impl Outbox {
    pub fn new() -> Self {
        Self { run: Vec::with_capacity(RUN), head: None, lost: Lost::default() }
    }

    /// Takes a datagram; `socket` finds the socket of a run that has to leave first.
    pub fn push<'a>(&mut self, way: Way, packet: &[u8], socket: impl Fn(SocketId) -> Option<&'a Socket>) {
        let joins = self.head.is_some_and(|head| {
            head.way == way
                && !head.closed
                && packet.len() <= head.segment
                && !packet.is_empty()
                && self.run.len() + packet.len() <= RUN
        });
        if !joins {
            self.flush(&socket);
        }
        self.run.extend_from_slice(packet);
        let segment = self.head.map_or(packet.len(), |head| head.segment);
        self.head = Some(Head { way, segment, closed: packet.len() < segment || packet.is_empty() });
        if self.run.len() > RUN {
            self.flush(&socket);
        }
    }

    /// Hands what was collected to the system.
    pub fn flush<'a>(&mut self, socket: impl Fn(SocketId) -> Option<&'a Socket>) {
        let Some(Head { way, segment, .. }) = self.head.take() else { return };
        if let Some(socket) = socket(way.socket) {
            send(socket, way, segment, &self.run, &mut self.lost);
        }
        self.run.clear();
        self.run.shrink_to(RUN);
    }

    pub fn lost(&self) -> Lost {
        self.lost
    }
}

/// Sends a run, going on behind a datagram that is refused for itself. Nothing waits: a late packet is worth little.
fn send(socket: &Socket, way: Way, segment: usize, run: &[u8], lost: &mut Lost) {
    let mut rest = run;
    loop {
        let outgoing = Outgoing {
            destination: way.destination,
            source: way.source,
            ecn: Ecn::NotEct,
            segment: (segment < rest.len()).then_some(segment),
            contents: rest,
        };
        let datagrams = rest.len().div_ceil(segment.max(1)).max(1) as u64;
        let sent = match socket.try_send(&outgoing) {
            Ok(sent) => sent,
            Err(SendError::WouldBlock) => {
                lost.full += datagrams;
                return;
            }
            Err(SendError::TooBig) => {
                lost.too_big += 1;
                segment
            }
            Err(error) => {
                tracing::trace!(%error, "not sent");
                lost.unreachable += datagrams;
                return;
            }
        };
        rest = rest.get(sent..).unwrap_or_default();
        if rest.is_empty() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;
    use peerage_net::udp::Config;

    fn sockets() -> (Socket, std::net::UdpSocket) {
        let receiver = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        receiver.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        (Socket::bind("127.0.0.1:0".parse().unwrap(), &Config::default()).unwrap(), receiver)
    }

    #[tokio::test]
    async fn runs_end_where_sizes_or_ways_change_and_every_datagram_arrives_whole() {
        let ((socket, first), (_, second)) = (sockets(), sockets());
        let way = |to: &std::net::UdpSocket| Way {
            socket: SocketId::Listener(0),
            source: None,
            destination: to.local_addr().unwrap(),
        };
        let mut outbox = Outbox::new();
        let sizes = [100, 100, 100, 40, 100, 0, 200, 200, 1300];
        for (n, size) in sizes.into_iter().enumerate() {
            outbox.push(way(&first), &vec![n as u8; size], |_| Some(&socket));
        }
        outbox.push(way(&second), b"elsewhere", |_| Some(&socket));
        outbox.flush(|_| Some(&socket));
        let mut buffer = [0; 2000];
        for (n, size) in sizes.into_iter().enumerate() {
            let len = first.recv(&mut buffer).unwrap();
            assert_eq!(buffer[..len], vec![n as u8; size], "datagram {n}");
        }
        let len = second.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], b"elsewhere");
        assert_eq!(outbox.lost(), Lost::default());
    }

    #[tokio::test]
    async fn a_run_longer_than_the_room_for_one_leaves_in_parts() {
        let (socket, receiver) = sockets();
        let destination = receiver.local_addr().unwrap();
        let mut outbox = Outbox::new();
        for n in 0..100u8 {
            let way = Way { socket: SocketId::Listener(0), source: None, destination };
            outbox.push(way, &[n; 1200], |_| Some(&socket));
        }
        outbox.flush(|_| Some(&socket));
        assert!(outbox.run.capacity() <= 2 * RUN);
        let mut buffer = [0; 2000];
        for n in 0..100u8 {
            assert_eq!((receiver.recv(&mut buffer).unwrap(), buffer[0]), (1200, n));
        }
    }

    #[tokio::test]
    async fn what_cannot_leave_is_counted() {
        let (socket, _) = sockets();
        let mut outbox = Outbox::new();
        let destination = "[::1]:9".parse().unwrap();
        outbox.push(Way { socket: SocketId::Relay(3), source: None, destination }, b"x", |_| Some(&socket));
        outbox.flush(|_| Some(&socket));
        assert_eq!(outbox.lost(), Lost { unreachable: 1, ..Lost::default() });
    }
}
