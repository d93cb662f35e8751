//! Sockets of relayed addresses.

use crate::turn::ready::{Ready, Source, Token};
use core::net::{IpAddr, SocketAddr};
use core::ops::RangeInclusive;
use peerage_base::rng::Rng;
use peerage_base::time::{Duration, Instant};
use peerage_net::udp::{Config, Socket};
use peerage_turn::server::event::{BindError, Port, RelayId};
use std::sync::Arc;

/// Ports tried for one relay. With nine of ten ports in use, one in a thousand is refused.
const TRIES: usize = 64;
/// Kernel buffers of a relay, each way; there may be thousands of them.
const BUFFER: usize = 512 << 10;
/// How long the port next to an even one is kept for the relay that asks for it. It asks at once.
const HOLD: Duration = Duration::from_secs(5);
/// Ports kept so at a time.
const HELD: usize = 64;

/// Where relays of one family are bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Home {
    /// An address of this host.
    pub bind: IpAddr,
    /// The same as the world sees it.
    pub told: IpAddr,
}

/// All relays.
pub(crate) struct Relays {
    table: Vec<Option<Relay>>,
    v4: Option<Home>,
    v6: Option<Home>,
    ports: RangeInclusive<u16>,
    held: Vec<Held>,
    config: Config,
    rng: Rng,
    ready: Arc<Ready>,
}

/// One relayed address.
pub(crate) struct Relay {
    pub id: RelayId,
    pub socket: Socket,
    pub source: Source,
}

struct Held {
    socket: Socket,
    until: Instant,
}

impl Relays {
    pub fn new(homes: [Option<Home>; 2], ports: RangeInclusive<u16>, rng: Rng, ready: Arc<Ready>) -> Self {
        let [v4, v6] = homes;
        let mut config = Config::default();
        (config.receive_buffer, config.send_buffer) = (BUFFER, BUFFER);
        config.path_errors = true;
        Self { table: Vec::new(), v4, v6, ports, held: Vec::new(), config, rng, ready }
    }

    /// Binds a socket for `id` and says its address as the world sees it.
    pub fn bind(&mut self, now: Instant, id: RelayId, v4: bool, port: Port) -> Result<SocketAddr, BindError> {
        let home = if v4 { self.v4 } else { self.v6 }.ok_or(BindError::Family)?;
        self.sweep(now);
        let socket = match port {
            Port::Exact(port) => self.exact(home.bind, port),
            Port::Any => self.any(home.bind, false),
            Port::Even => self.any(home.bind, true),
            Port::EvenPair => self.pair(now, home.bind),
        };
        let socket = socket.ok_or(BindError::Port)?;
        let told = SocketAddr::new(home.told, socket.local_addr().port());
        let index = id.index();
        if self.table.len() <= index {
            self.table.resize_with(index + 1, || None);
        }
        let source = Source::new(&self.ready, Token::Relay(index));
        source.list();
        self.table[index] = Some(Relay { id, socket, source });
        Ok(told)
    }

    /// Closes the socket of `id`, if it has one.
    pub fn unbind(&mut self, id: RelayId) {
        if let Some(place) = self.table.get_mut(id.index())
            && place.as_ref().is_some_and(|relay| relay.id == id)
        {
            *place = None;
        }
        while self.table.last().is_some_and(Option::is_none) {
            self.table.pop();
        }
    }

    /// Gives ports up that were kept for nobody.
    pub fn sweep(&mut self, now: Instant) {
        self.held.retain(|held| held.until > now);
    }

    /// How many places the table has: those of relays that are gone are used again.
    pub fn places(&self) -> usize {
        self.table.len()
    }

    pub fn entry(&self, index: usize) -> Option<&Relay> {
        self.table.get(index)?.as_ref()
    }

    /// A port that was kept for this, or else is free.
    fn exact(&mut self, ip: IpAddr, port: u16) -> Option<Socket> {
        let wanted = SocketAddr::new(ip, port);
        if let Some(at) = self.held.iter().position(|held| held.socket.local_addr() == wanted) {
            return Some(self.held.swap_remove(at).socket);
        }
        self.ports.contains(&port).then(|| self.open(ip, port)).flatten()
    }

    /// A port at random, so that strangers cannot guess it (RFC 8656 §7.2).
    fn any(&mut self, ip: IpAddr, even: bool) -> Option<Socket> {
        (0..TRIES).find_map(|_| {
            let port = self.draw(even)?;
            self.open(ip, port)
        })
    }

    /// An even port, the next one kept.
    fn pair(&mut self, now: Instant, ip: IpAddr) -> Option<Socket> {
        if self.held.len() >= HELD {
            return None;
        }
        (0..TRIES).find_map(|_| {
            let port = self.draw(true)?;
            let next = port.checked_add(1).filter(|next| self.ports.contains(next))?;
            let (socket, held) = (self.open(ip, port)?, self.open(ip, next)?);
            self.held.push(Held { socket: held, until: now + HOLD });
            Some(socket)
        })
    }

    fn draw(&mut self, even: bool) -> Option<u16> {
        let (first, last) = (u64::from(*self.ports.start()), u64::from(*self.ports.end()));
        let (first, step) = if even { (first.next_multiple_of(2), 2) } else { (first, 1) };
        let count = (last + 1).saturating_sub(first).div_ceil(step);
        let port = (count > 0).then(|| first + step * self.rng.below(count))?;
        u16::try_from(port).ok()
    }

    fn open(&self, ip: IpAddr, port: u16) -> Option<Socket> {
        let bound = Socket::bind(SocketAddr::new(ip, port), &self.config);
        bound.inspect_err(|error| tracing::trace!(port, %error, "cannot relay on this port")).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::net::UdpSocket;

    const IP: IpAddr = IpAddr::V4(core::net::Ipv4Addr::LOCALHOST);
    const NOW: Instant = Instant::from_millis(1000);

    fn relays(ports: RangeInclusive<u16>) -> Relays {
        let home = Home { bind: IP, told: "192.0.2.1".parse().unwrap() };
        Relays::new([Some(home), None], ports, Rng::from_u64(1), Arc::default())
    }

    fn port(socket: Option<Socket>) -> Option<u16> {
        socket.map(|socket| socket.local_addr().port())
    }

    #[tokio::test]
    async fn ports_are_drawn_from_the_whole_range_and_nothing_else() {
        let mut relays = relays(20_000..=20_009);
        let drawn: BTreeSet<_> = (0..500).map(|_| relays.draw(false)).collect();
        assert_eq!(drawn, (20_000..=20_009).map(Some).collect());
        let even: BTreeSet<_> = (0..500).map(|_| relays.draw(true)).collect();
        assert_eq!(even, (20_000..=20_009).step_by(2).map(Some).collect());
        relays.ports = 65_535..=65_535;
        assert_eq!((relays.draw(false), relays.draw(true)), (Some(65_535), None));
    }

    #[tokio::test]
    async fn a_range_in_use_is_refused_and_not_left() {
        let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
        let number = taken.local_addr().unwrap().port();
        let mut relays = relays(number..=number);
        assert!(relays.any(IP, false).is_none());
        assert!(relays.exact(IP, number).is_none());
        drop(taken);
        assert_eq!(port(relays.any(IP, false)), Some(number));
        assert_eq!(port(relays.exact(IP, number.wrapping_add(1))), None, "outside of the range");
    }

    #[tokio::test]
    async fn the_port_next_to_an_even_one_is_kept_for_who_asks_for_it() {
        let mut relays = relays(30_000..=39_999);
        let even = port(relays.pair(NOW, IP)).unwrap();
        assert_eq!(even % 2, 0);
        assert!(UdpSocket::bind((IP, even + 1)).is_err(), "it is bound");
        let kept = relays.exact(IP, even + 1);
        assert!(kept.is_some());
        assert!(relays.held.is_empty());
        while relays.held.len() < HELD {
            assert!(relays.pair(NOW, IP).is_some());
        }
        assert!(relays.pair(NOW, IP).is_none(), "no more than that are kept");
        relays.sweep(NOW + HOLD);
        assert!(relays.pair(NOW, IP).is_some(), "nor longer");
    }
}
