//! What owners do for their sessions: transports, local addresses, needs.

use alloc::vec::Vec;
use core::net::SocketAddr;

use peerage_base::path::{LocalId, Path, PathChange};

use crate::config::AddressKind;
use crate::event::{Connect, Need, NeedId, Protocol};
use crate::fuzz::network::SERVERS;
use crate::fuzz::owner::{Socket, Transport};
use crate::fuzz::world::{KINDS, World, add_local, inside, outside};

/// Sockets for probes that an owner has to give.
const MAX_PROBES: usize = 24;

impl World {
    /// A transport that was asked for is there, or is not; the other end of a stream hears of it.
    pub(super) fn connect(&mut self, side: usize, choice: u8) {
        let count = self.owners[side].connects.len().max(1);
        let Some(connect) = self.owners[side].connects.get(usize::from(choice >> 1) % count).cloned() else { return };
        self.owners[side].connects.retain(|other| other.path != connect.path);
        let target = (connect.protocol != Protocol::Udp).then(|| self.listener(side, &connect));
        if choice & 1 != 0 || target == Some(None) {
            return self.owners[side].session.handle_path(self.now, connect.path, PathChange::Down);
        }
        let kind = self.network.nats[side].kind;
        let ip = if target.is_some() { outside(side, &self.network) } else { inside(side, kind) };
        let own = self.owners[side].open(self.now, &connect, ip);
        if let Some(Some(Some(local))) = target {
            let path = Path { local, remote: own };
            self.owners[1 - side].up(self.now, Transport::new(path, connect.path.remote, connect.framing));
        }
    }

    /// Who accepts a stream: the server (`Some(None)`), a listener of the other side, or nobody.
    pub(super) fn listener(&self, side: usize, connect: &Connect) -> Option<Option<LocalId>> {
        let remote = connect.path.remote;
        if SERVERS.contains(&remote.ip()) {
            return (remote.port() == 3478).then_some(None);
        }
        let is = |socket: &Socket| socket.kind != AddressKind::Udp && socket.address == remote;
        let mut sockets = self.owners[1 - side].sockets.iter();
        sockets.find(|(_, socket)| is(socket)).map(|(id, _)| Some(*id))
    }

    /// A transport breaks, or something is said of it that changes nothing.
    pub(super) fn transport(&mut self, side: usize, choice: u8) {
        let count = self.owners[side].transports.len().max(1);
        let Some(transport) = self.owners[side].transports.get(usize::from(choice >> 2) % count) else { return };
        let (path, is_stream) = (transport.path, transport.framing.is_some());
        let now = self.now;
        match choice & 3 {
            0 | 1 if is_stream => {
                let gone = self.owners[side].down(now, path);
                self.owners[side].hung_up.extend(gone);
            }
            0 => self.owners[side].session.handle_path(now, path, PathChange::Down),
            1 => self.owners[side].session.handle_path(now, path, PathChange::Up),
            2 => self.owners[side].session.handle_path(now, path, PathChange::TooBig(usize::from(choice) * 8)),
            _ => self.owners[side].session.handle_path(now, path, PathChange::Writable(1)),
        }
    }

    /// The other ends of streams that were closed hear of it.
    pub(super) fn hang_up(&mut self, side: usize) {
        for gone in core::mem::take(&mut self.owners[side].hung_up) {
            if gone.framing.is_none() {
                continue;
            }
            self.network.disconnected(self.now, gone.own);
            let end = |other: &&Transport| other.own == gone.path.remote && other.path.remote == gone.own;
            if let Some(path) = self.owners[1 - side].transports.iter().find(end).map(|other| other.path) {
                self.owners[1 - side].down(self.now, path);
            }
        }
    }

    pub(super) fn local(&mut self, side: usize, choice: u8) {
        let ip = inside(side, self.network.nats[side].kind);
        if self.owners[side].sockets.len() < 64 {
            add_local(&mut self.owners[side], self.now, ip, KINDS[usize::from(choice & 3)]);
        }
        if choice & 4 != 0 {
            self.owners[side].session.local_addresses_done(self.now);
        }
    }

    pub(super) fn lose_local(&mut self, side: usize, choice: u8) {
        let owner = &mut self.owners[side];
        let own: Vec<LocalId> =
            owner.sockets.iter().filter(|(_, socket)| !socket.is_probe).map(|(id, _)| *id).collect();
        let Some(id) = own.get(usize::from(choice) % own.len().max(1)).copied() else { return };
        owner.sockets.remove(&id);
        owner.hung_up.extend(owner.transports.extract_if(.., |transport| transport.path.local == id));
        owner.connects.retain(|connect| connect.path.local != id);
        owner.session.remove_local(self.now, id);
    }

    pub(super) fn mapped(&mut self, side: usize, add: bool, choice: u8) {
        let id = LocalId(u32::from(choice & 15));
        let mapped = SocketAddr::new(outside(side, &self.network), 6000 + u16::from(choice >> 4));
        let session = &mut self.owners[side].session;
        if add { session.add_mapped(self.now, id, mapped) } else { session.remove_mapped(self.now, id, mapped) }
    }

    /// The oldest need is met, in part, wrongly, or twice.
    pub(super) fn need(&mut self, side: usize, choice: u8) {
        if self.owners[side].needs.is_empty() {
            return;
        }
        let (now, owner) = (self.now, &mut self.owners[side]);
        let (id, need) = owner.needs.remove(0);
        match need {
            Need::LocalAddresses => owner.session.local_addresses_done(now),
            Need::ResolveHost(_) => owner.session.supply(now, id, (choice & 1 == 0).then_some(SERVERS[0])),
            Need::ResolveMdns(_) => {
                let ip = inside(1 - side, self.network.nats[1 - side].kind);
                owner.session.supply(now, id, (choice & 1 == 0).then_some(ip));
            }
            Need::Probes { count, .. } => {
                assert!(count <= 256, "{count} sockets for probes");
                let count = if choice & 1 == 0 { count.min(MAX_PROBES) } else { usize::from(choice) };
                self.probes(side, id, count);
            }
        }
        if choice & 6 == 6 {
            self.owners[side].session.supply(now, id, Some(SERVERS[1]));
            self.probes(side, id, 1);
        }
    }

    pub(super) fn probes(&mut self, side: usize, id: NeedId, count: usize) {
        let ip = inside(side, self.network.nats[side].kind);
        let owner = &mut self.owners[side];
        for _ in 0..count {
            let address = SocketAddr::new(ip, owner.port());
            let local = owner.session.add_probe(self.now, id, address);
            let known = owner.sockets.insert(local, Socket { address, kind: AddressKind::Udp, is_probe: true });
            assert!(known.is_none(), "a local end by the name of another");
        }
        owner.session.probes_done(self.now, id);
    }
}
