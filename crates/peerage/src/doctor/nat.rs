//! The sockets of behaviour discovery.

use std::net::SocketAddr;

use peerage_base::datagram::Datagram;
use peerage_base::ecn::Ecn;
use peerage_base::path::{LocalId, Path};
use peerage_base::rng::Rng;
use peerage_net::clock::Clock;
use peerage_net::route;
use peerage_session::face::discovery::machine::{Config, Discovery, Local};
use peerage_session::face::discovery::report::Report;
use tokio::time::Instant;

use super::socket::Port;

/// Room for a request of discovery.
const REQUEST: usize = 64;

/// Runs discovery with the servers of one family. `None`: there are none, or no way to them.
pub(super) async fn discover(servers: &[SocketAddr], v4: bool, clock: Clock, rng: Rng, end: Instant) -> Option<Report> {
    let reachable = servers.iter().filter(|server| server.is_ipv4() == v4);
    let routed: Vec<_> =
        reachable.filter_map(|server| Some((*server, route::address_towards(*server).ok()?))).collect();
    // What is seen can be compared only from one address.
    let ip = routed.iter().map(|(_, ip)| *ip).find(|ip| !ip.is_loopback()).or(routed.first().map(|(_, ip)| *ip))?;
    let servers: Vec<_> = routed.iter().filter(|(_, from)| *from == ip).map(|(server, _)| *server).collect();
    let mut ports = [Port::bind(ip, clock).ok()?, Port::bind(ip, clock).ok()?];
    let locals = [0, 1].map(|at| Local { id: LocalId(at), address: ports[at as usize].local_addr() });
    let mut machine = Discovery::new(Config::default(), &servers, locals, rng, clock.now());
    while Instant::now() < end {
        send(&mut machine, &ports, clock);
        if machine.is_done() {
            break;
        }
        let due = machine.poll_timeout().map_or(end, |due| clock.deadline(due)).min(end);
        tokio::select! {
            () = ports[0].readable() => {}
            () = ports[1].readable() => {}
            () = tokio::time::sleep_until(due) => {}
        }
        for (port, local) in ports.iter_mut().zip(locals) {
            port.drain(|remote, payload| {
                let (now, path) = (clock.now(), Path { local: local.id, remote });
                machine.handle_datagram(now, &Datagram { path, ecn: Ecn::NotEct, received_at: now, payload });
            });
        }
        machine.handle_timeout(clock.now());
    }
    Some(machine.report())
}

fn send(machine: &mut Discovery, ports: &[Port; 2], clock: Clock) {
    let mut buf = [0; REQUEST];
    while let Some(transmit) = machine.poll_transmit(clock.now(), &mut buf) {
        let port = if transmit.path.local == LocalId(0) { &ports[0] } else { &ports[1] };
        // What cannot be sent is not answered; it is sent again.
        if let Err(error) = port.send(transmit.path.remote, &buf[..transmit.len]) {
            tracing::debug!(%error, "a test was not sent");
        }
    }
}
