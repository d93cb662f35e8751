//! A machine at the end of the network, with the sockets it sends from.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use peerage_base::datagram::{Datagram, Transmit};
use peerage_base::path::{LocalId, Path};
use peerage_base::time::Instant;

use crate::element::{Element, Interface, Outgoing};
use crate::packet::{Packet, Protocol};

/// Largest run of datagrams that a machine can write at once, in bytes.
const RUN: usize = 64 * 1024;

/// The verbs of a machine that sends and receives datagrams, a session for one.
pub trait Node: 'static {
    /// A datagram arrived on one of the sockets.
    fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_>);

    /// A deadline may have passed; early and repeated calls do nothing.
    fn handle_timeout(&mut self, now: Instant);

    /// Writes the next datagram, or a run of them, into `buf`.
    fn poll_transmit(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit>;

    /// When `handle_timeout` wants to be called.
    fn poll_timeout(&self) -> Option<Instant>;
}

/// A [`Node`] with its sockets.
#[derive(Debug)]
pub struct Host<N> {
    /// The machine. Commands may be given to it at any time through [`World::get_mut`](crate::world::World::get_mut).
    pub node: N,
    sockets: BTreeMap<LocalId, (Protocol, SocketAddr)>,
    run: VecDeque<Packet>,
    buf: Vec<u8>,
    unbound: u64,
}

impl<N> Host<N> {
    /// A host without sockets.
    pub fn new(node: N) -> Self {
        Self { node, sockets: BTreeMap::new(), run: VecDeque::new(), buf: vec![0; RUN], unbound: 0 }
    }

    /// Opens a socket: what the machine sends from `id` leaves from `address`, and the reverse. An open socket of
    /// that id is closed first.
    #[must_use]
    pub fn with_socket(mut self, id: LocalId, address: SocketAddr) -> Self {
        self.bind(id, address);
        self
    }

    /// As [`with_socket`](Self::with_socket), later.
    pub fn bind(&mut self, id: LocalId, address: SocketAddr) {
        self.sockets.insert(id, (Protocol::Udp, address));
    }

    /// Opens a stream instead, listening or connected: its `LocalId` sends and receives pieces of TCP streams, each of
    /// which the machine writes or reads at once.
    pub fn bind_stream(&mut self, id: LocalId, address: SocketAddr) {
        self.sockets.insert(id, (Protocol::Tcp, address));
    }

    /// Closes a socket.
    pub fn unbind(&mut self, id: LocalId) {
        self.sockets.remove(&id);
    }

    /// Packets dropped because no socket has their address, in either direction.
    pub fn unbound(&self) -> u64 {
        self.unbound
    }
}

impl<N: Node> Element for Host<N> {
    fn handle_packet(&mut self, now: Instant, _: Interface, mut packet: Packet) {
        let wanted = (packet.protocol, packet.destination);
        let Some((id, _)) = self.sockets.iter().find(|(_, socket)| **socket == wanted) else {
            self.unbound += 1;
            return;
        };
        let path = Path { local: *id, remote: packet.source };
        let datagram = Datagram { path, ecn: packet.ecn, received_at: now, payload: &mut packet.payload };
        self.node.handle_datagram(now, datagram);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.node.handle_timeout(now);
    }

    fn poll_packet(&mut self, now: Instant) -> Option<Outgoing> {
        loop {
            if let Some(packet) = self.run.pop_front() {
                return Some(packet.into());
            }
            let transmit = self.node.poll_transmit(now, &mut self.buf)?;
            let segment = transmit.segment.unwrap_or(transmit.len).max(1);
            let Some(socket) = self.sockets.get(&transmit.path.local) else {
                self.unbound += transmit.len.div_ceil(segment) as u64;
                continue;
            };
            // `chunks` of an empty datagram is no datagram.
            if transmit.len == 0 {
                self.run.push_back(packet(*socket, &transmit, &[]));
            }
            for payload in self.buf[..transmit.len].chunks(segment) {
                self.run.push_back(packet(*socket, &transmit, payload));
            }
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.node.poll_timeout()
    }
}

fn packet((protocol, source): (Protocol, SocketAddr), transmit: &Transmit, payload: &[u8]) -> Packet {
    let Transmit { ecn, dont_fragment, .. } = *transmit;
    Packet { protocol, ecn, dont_fragment, ..Packet::udp(source, transmit.path.remote, payload) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use peerage_base::ecn::Ecn;

    struct Once(Option<Transmit>, Vec<(Path, Vec<u8>)>);

    impl Node for Once {
        fn handle_datagram(&mut self, _: Instant, datagram: Datagram<'_>) {
            self.1.push((datagram.path, datagram.payload.to_vec()));
        }

        fn handle_timeout(&mut self, _: Instant) {}

        fn poll_transmit(&mut self, _: Instant, buf: &mut [u8]) -> Option<Transmit> {
            let transmit = self.0.take()?;
            for (i, byte) in buf[..transmit.len].iter_mut().enumerate() {
                *byte = i as u8;
            }
            Some(transmit)
        }

        fn poll_timeout(&self) -> Option<Instant> {
            None
        }
    }

    const A: LocalId = LocalId(4);

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn host(transmit: Option<Transmit>) -> Host<Once> {
        Host::new(Once(transmit, Vec::new())).with_socket(A, address("192.0.2.1:5000"))
    }

    #[test]
    fn a_run_becomes_datagrams() {
        let path = Path { local: A, remote: address("192.0.2.2:1") };
        let transmit = Transmit { segment: Some(10), ecn: Ecn::Ect0, ..Transmit::single(path, 25) };
        let mut host = host(Some(transmit));
        let sent: Vec<_> = std::iter::from_fn(|| host.poll_packet(Instant::ORIGIN)).map(|out| out.packet).collect();
        assert_eq!(sent.iter().map(|p| p.payload.len()).collect::<Vec<_>>(), [10, 10, 5]);
        assert_eq!(sent[2].payload, [20, 21, 22, 23, 24]);
        assert!(sent.iter().all(|p| p.source == address("192.0.2.1:5000") && p.ecn == Ecn::Ect0));
    }

    #[test]
    fn a_stream_and_a_datagram_socket_share_an_address() {
        let path = Path { local: LocalId(5), remote: address("192.0.2.2:1") };
        let mut host = host(Some(Transmit::single(path, 3)));
        host.bind_stream(LocalId(5), address("192.0.2.1:5000"));
        let sent = host.poll_packet(Instant::ORIGIN).unwrap().packet;
        assert_eq!((sent.protocol, sent.source), (Protocol::Tcp, address("192.0.2.1:5000")));
        for packet in [Packet::udp, Packet::tcp].map(|make| make(path.remote, sent.source, vec![1])) {
            host.handle_packet(Instant::ORIGIN, Interface(0), packet);
        }
        assert_eq!(host.node.1.iter().map(|(path, _)| path.local).collect::<Vec<_>>(), [A, LocalId(5)]);
    }

    #[test]
    fn only_open_sockets_send_and_receive() {
        let path = Path { local: LocalId(9), remote: address("192.0.2.2:1") };
        let mut host = host(Some(Transmit::single(path, 3)));
        assert_eq!(host.poll_packet(Instant::ORIGIN), None);
        let packet = |to: &str| Packet::udp(address("192.0.2.2:1"), address(to), [1]);
        host.handle_packet(Instant::ORIGIN, Interface(0), packet("192.0.2.1:5001"));
        assert_eq!((host.unbound(), host.node.1.len()), (2, 0));
        host.handle_packet(Instant::ORIGIN, Interface(0), packet("192.0.2.1:5000"));
        assert_eq!(host.node.1, [(Path { local: A, remote: address("192.0.2.2:1") }, vec![1])]);
        host.unbind(A);
        host.handle_packet(Instant::ORIGIN, Interface(0), packet("192.0.2.1:5000"));
        assert_eq!((host.unbound(), host.node.1.len()), (3, 1));
    }
}
