//! How large packets to a server may be.

use std::net::SocketAddr;
use std::time::Duration;

use peerage_base::rng::Rng;
use peerage_net::clock::Clock;
use peerage_net::route;
use peerage_session::face::discovery::binding::{Binding, MAX_REQUEST, Wish};
use peerage_session::face::transaction::{Step, Timing};
use tokio::time::Instant;

use super::socket::Port;

/// Lengths of IP packets that are tried beside what the interface takes: Ethernet, PPPoE, tunnels, and the least that IPv6
/// asks for.
const LENGTHS: [usize; 6] = [1500, 1492, 1480, 1420, 1400, 1280];
/// Bytes of a request that are not padding: the header, and that of PADDING.
const FIXED: usize = 24;

/// How large packets may be, as lengths of IP packets in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PacketSize {
    /// Who was asked.
    pub server: SocketAddr,
    /// What the interface towards the server takes, or less where a router has said so; `None` where the system does not
    /// tell.
    pub interface: Option<usize>,
    /// The largest packet, of a few lengths that were tried and at most 2,100 bytes, that got an answer without being
    /// fragmented; `None`: none did.
    pub passed: Option<usize>,
}

/// Sends packets of several lengths to the first server.
pub(super) async fn measure(servers: &[SocketAddr], clock: Clock, mut rng: Rng, end: Instant) -> Option<PacketSize> {
    let server = *servers.iter().find(|server| route::address_towards(**server).is_ok())?;
    let head = if server.is_ipv4() { 20 + 8 } else { 40 + 8 };
    let interface = route::mtu_towards(server).ok();
    let mut port = Port::bind(route::address_towards(server).ok()?, clock).ok()?;
    let most = interface.unwrap_or(usize::MAX);
    let mut lengths: Vec<usize> = LENGTHS.into_iter().chain(interface).collect();
    lengths.retain(|length| *length <= most && *length <= head + MAX_REQUEST);
    lengths.sort_unstable();
    lengths.dedup();
    // Half a second apart and 1.5 s in all: the larger ones may be lost, and that is the result.
    let mut timing = Timing::default();
    (timing.transmissions, timing.last_wait) = (2, 2);
    let mut open: Vec<(usize, Binding)> = lengths
        .into_iter()
        .map(|length| (length, Binding::new(Wish::Padding(length - head - FIXED), timing, &mut rng, clock.now())))
        .collect();
    let mut passed = None;
    let (mut buf, end) = ([0; MAX_REQUEST], end.min(Instant::now() + Duration::from_secs(4)));
    while !open.is_empty() && Instant::now() < end {
        open.retain_mut(|(_, binding)| match binding.handle_timeout(clock.now()) {
            Step::Wait => true,
            Step::TimedOut => false,
            Step::Transmit => {
                // One that is too large for the system is one that does not pass.
                binding.write(&mut buf).is_some_and(|len| port.send(server, &buf[..len]).is_ok())
            }
        });
        let due = open.iter().filter_map(|(_, binding)| binding.poll_timeout()).min();
        let due = due.map_or(end, |due| clock.deadline(due)).min(end);
        tokio::select! {
            () = port.readable() => {}
            () = tokio::time::sleep_until(due) => {}
        }
        port.drain(|source, payload| {
            if source == server {
                let answered = open.iter().find(|(_, binding)| binding.handle_datagram(payload).is_some());
                passed = passed.max(answered.map(|(length, _)| *length));
            }
        });
        // What is smaller than what has passed tells nothing new.
        open.retain(|(length, _)| Some(*length) > passed);
    }
    // A router that had to refuse has said so by now.
    Some(PacketSize { server, interface: route::mtu_towards(server).ok().or(interface), passed })
}
