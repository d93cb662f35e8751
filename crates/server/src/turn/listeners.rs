//! UDP sockets that clients send to.

use crate::turn::outbox::{SocketId, Way};
use crate::turn::ready::{Ready, Source, Token};
use core::net::{IpAddr, SocketAddr};
use peerage_base::path::LocalId;
use peerage_net::udp::Socket;
use std::sync::Arc;

/// Addresses of this host that are told apart on a socket bound to all of them. To clients of further ones, answers leave
/// from where the system likes.
const ADDRESSES: usize = 64;

/// All of them.
pub(crate) struct Listeners {
    sockets: Vec<Listener>,
    /// By local id: which socket, and which of this host's addresses.
    locals: Vec<Local>,
}

/// One socket.
pub(crate) struct Listener {
    pub socket: Socket,
    pub source: Source,
    /// Local ids of the addresses that were seen, the first for when the system does not tell.
    seen: Vec<(Option<IpAddr>, LocalId)>,
}

#[derive(Clone, Copy, Debug)]
struct Local {
    listener: usize,
    ip: Option<IpAddr>,
}

impl Listeners {
    pub fn new(sockets: Vec<Socket>, ready: &Arc<Ready>) -> Self {
        let mut all = Self { sockets: Vec::new(), locals: Vec::new() };
        for (index, socket) in sockets.into_iter().enumerate() {
            let source = Source::new(ready, Token::Listener(index));
            source.list();
            let first = all.mint(index, None);
            all.sockets.push(Listener { socket, source, seen: vec![(None, first)] });
        }
        all
    }

    pub fn entry(&self, index: usize) -> Option<&Listener> {
        self.sockets.get(index)
    }

    /// The socket that is bound to exactly this address.
    pub fn at(&self, address: SocketAddr) -> Option<usize> {
        self.sockets.iter().position(|listener| listener.socket.local_addr() == address)
    }

    /// The local id of what came to `destination` on the socket at `index`. A client that is answered from another
    /// address than it wrote to would not know the answer for one.
    pub fn local(&mut self, index: usize, destination: Option<IpAddr>) -> Option<LocalId> {
        let listener = self.sockets.get(index)?;
        let destination = destination.filter(|_| listener.socket.local_addr().ip().is_unspecified());
        if let Some((_, id)) = listener.seen.iter().find(|(ip, _)| *ip == destination) {
            return Some(*id);
        }
        if listener.seen.len() >= ADDRESSES {
            return listener.seen.first().map(|(_, id)| *id);
        }
        let id = self.mint(index, destination);
        self.sockets.get_mut(index)?.seen.push((destination, id));
        Some(id)
    }

    /// How a packet gets from a local id to a client.
    pub fn way(&self, local: LocalId, destination: SocketAddr) -> Option<Way> {
        let Local { listener, ip } = *self.locals.get(local.0 as usize)?;
        Some(Way { socket: SocketId::Listener(listener), source: ip, destination })
    }

    fn mint(&mut self, listener: usize, ip: Option<IpAddr>) -> LocalId {
        self.locals.push(Local { listener, ip });
        LocalId(self.locals.len() as u32 - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use peerage_net::udp::Config;

    #[tokio::test]
    async fn answers_leave_from_the_address_that_was_written_to() {
        let bind = |address: &str| Socket::bind(address.parse().unwrap(), &Config::default()).unwrap();
        let mut listeners = Listeners::new(vec![bind("127.0.0.1:0"), bind("0.0.0.0:0")], &Arc::default());
        let client = "192.0.2.7:9".parse().unwrap();
        let ip = |n: u8| Some(IpAddr::from([10, 0, 0, n]));
        let mut source = |index, ip| {
            let id = listeners.local(index, ip).unwrap();
            let way = listeners.way(id, client).unwrap();
            assert_eq!((way.socket, way.destination), (SocketId::Listener(index), client));
            (id, way.source)
        };
        assert_eq!(source(0, ip(1)).1, None, "bound to one, it has no choice");
        let (one, two) = (source(1, ip(1)), source(1, ip(2)));
        assert_eq!((one.1, two.1), (ip(1), ip(2)));
        assert_ne!(one.0, two.0);
        assert_eq!(source(1, ip(1)), one, "the same again");
        for n in 0..=255 {
            source(1, ip(n));
        }
        assert!(listeners.locals.len() <= 2 + ADDRESSES);
    }
}
