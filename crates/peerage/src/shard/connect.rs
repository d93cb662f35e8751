//! Transports that one connection asks for: to relays and peers, and sockets for probes.

use std::io;
use std::net::{IpAddr, SocketAddr};

use peerage_base::framing::Framing;
use peerage_base::path::{LocalId, Path, PathChange};
use peerage_net::tcp::{Config as TcpConfig, Stream, TlsClient};
use peerage_session::config::AddressKind;
use peerage_session::event::{Connect, NeedId, Protocol};

use super::driver::Driver;
use super::ends::{Probe, Way};
use super::ports::Role;
use super::ready::Key;
use super::streams::Owner;
use crate::cell::State;

/// Most sockets for probes that one need gets.
const MAX_PROBES: usize = 256;
/// Most transports that one connection has open at its own wish.
const MAX_WAYS: usize = 64;

impl Driver {
    /// Opens a transport. What becomes of it is told to the session: for UDP at once.
    pub(super) fn connect(&mut self, key: Key, state: &mut State, wanted: Connect) {
        let now = self.clock.now();
        let path = wanted.path;
        self.disconnect(state, path);
        let way = if state.ends.ways().len() >= MAX_WAYS {
            Err(io::ErrorKind::QuotaExceeded.into())
        } else if wanted.protocol == Protocol::Udp {
            self.open_port(key, &wanted)
        } else {
            self.open_stream(key, state, &wanted).map(Way::Stream)
        };
        match way {
            Ok(way) => {
                let stands = matches!(way, Way::Port(..));
                state.ends.add_way(path, way);
                if stands {
                    state.session.handle_path(now, path, PathChange::Up);
                }
            }
            Err(error) => {
                tracing::debug!(%error, protocol = ?wanted.protocol, "no transport");
                state.session.handle_path(now, path, PathChange::Down);
            }
        }
    }

    fn open_port(&mut self, key: Key, wanted: &Connect) -> io::Result<Way> {
        let path = wanted.path;
        let any: IpAddr = if path.remote.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
        let port = self.ports.bind((wanted.from.unwrap_or(any), 0).into(), Role::Relay(key, path))?;
        let outlet = self.ports.get(port).map(|port| port.outlet.clone()).ok_or(io::ErrorKind::NotFound)?;
        Ok(Way::Port(port, outlet))
    }

    fn open_stream(&mut self, key: Key, state: &State, wanted: &Connect) -> io::Result<usize> {
        let remote = wanted.path.remote;
        let framing = wanted.framing.unwrap_or(Framing::Length);
        let mut config = TcpConfig::default();
        let end = state.ends.tcp(wanted.path.local);
        let simultaneous = end.filter(|end| end.kind == AddressKind::TcpSimultaneousOpen);
        let from = match (simultaneous, wanted.from) {
            (Some(end), _) => {
                // The peer's own attempt must find the port that the candidate names.
                config.share_port = true;
                Some(end.address)
            }
            (None, from) => from.map(|ip| SocketAddr::new(ip, 0)),
        };
        let stream = match &wanted.protocol {
            Protocol::Tls { name } => {
                let tls = self.tls()?;
                Stream::connect_tls(remote, from, &tls, name, framing, config)
            }
            Protocol::Tcp | Protocol::Udp => Stream::connect(remote, from, framing, config),
        };
        Ok(self.streams.insert(stream, Some(Owner { key, path: wanted.path, settled: true })))
    }

    fn tls(&mut self) -> io::Result<TlsClient> {
        if let Some(tls) = &self.tls {
            return Ok(tls.clone());
        }
        let tls = TlsClient::new(&self.settings.tls).map_err(io::Error::other)?;
        self.tls = Some(tls.clone());
        Ok(tls)
    }

    /// Closes a transport that is not needed any more.
    pub(super) fn disconnect(&mut self, state: &mut State, path: Path) {
        match state.ends.remove_way(path) {
            Some(Way::Port(port, _)) => self.ports.close(port),
            Some(Way::Stream(id)) => drop(self.streams.remove(id)),
            None => {}
        }
    }

    /// Opens sockets for probes on the address of a local end, as many as there may be.
    pub(super) fn give_probes(&mut self, key: Key, state: &mut State, id: NeedId, base: LocalId, count: usize) {
        let now = self.clock.now();
        let ip = state.ends.ip(base);
        for _ in 0..ip.map_or(0, |_| count.min(MAX_PROBES)) {
            let Some(ip) = ip else { break };
            let port = match self.ports.bind((ip, 0).into(), Role::Probe(key, base)) {
                Ok(port) => port,
                Err(error) => {
                    tracing::debug!(%error, "no further socket for probes");
                    break;
                }
            };
            let Some(outlet) = self.ports.get(port).map(|port| port.outlet.clone()) else { break };
            let address = outlet.socket.local_addr();
            let local = state.session.add_probe(now, id, address);
            self.ports.set_role(port, Role::Probe(key, local));
            state.ends.add_probe(local, Probe { port, outlet, ip });
        }
        state.session.probes_done(now, id);
    }

    /// Closes the socket of a probe that found nothing.
    pub(super) fn release_local(&mut self, state: &mut State, id: LocalId) {
        if let Some(port) = state.ends.remove_probe(id) {
            self.ports.close(port);
        }
    }
}
