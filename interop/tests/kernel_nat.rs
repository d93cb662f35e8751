//! The simulated NATs against those of the kernel: one script of packets, the same outcome.
#![cfg(target_os = "linux")]

use std::collections::{BTreeMap, VecDeque};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use peerage_base::rng::Rng;
use peerage_base::time::Instant;
use peerage_interop::bidi::Result;
use peerage_interop::netns::kind::Kind;
use peerage_interop::netns::{Home, Lab, Space};
use peerage_sim::element::Element;
use peerage_sim::nat::config::Hairpin;
use peerage_sim::nat::element::{INSIDE, OUTSIDE};
use peerage_sim::nat::{Config, Nat};
use peerage_sim::packet::Packet;

/// Ports of the packets that say that those before them have arrived or will not.
const PROOF: u16 = 9;
/// Longest wait for such a packet.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long two processors may take to bring packets out of order.
const SLACK: Duration = Duration::from_millis(20);
/// For what nothing can prove: through this NAT nothing passes.
const SILENCE: Duration = Duration::from_millis(200);

/// An endpoint: which of the hosts, or of the servers, and its port.
type End = (usize, u16);

/// A NAT with two hosts inside and two servers outside.
trait Subject {
    /// Sends from a host to a server: the source that it sees.
    fn send(&mut self, from: End, to: End) -> Option<u16>;
    /// Sends from a server to a port of the NAT: the host that gets it, and where.
    fn answer(&mut self, from: End, to: u16) -> Option<End>;
    /// Sends from a host to a port of the NAT: the host that gets it, and where.
    fn turn(&mut self, from: End, to: u16) -> Option<End>;
    /// Lets time pass.
    fn wait(&mut self, time: Duration);
}

struct Kernel {
    _lab: Lab,
    outside: Ipv4Addr,
    hosts: [Space; 2],
    servers: [Space; 2],
    sockets: BTreeMap<(bool, End), UdpSocket>,
    passes: bool,
    serial: u32,
    home: Home,
}

struct Simulated {
    nat: Nat,
    now: Instant,
}

impl Kernel {
    fn new(mut lab: Lab, kind: Kind) -> Result<Self> {
        let mut home = lab.home(&kind)?;
        let hosts = [home.host.clone(), lab.host(&mut home)?];
        let servers = [lab.public()?, lab.public()?];
        let (outside, passes) = (home.router.address, kind != Kind::UdpBlocked);
        Ok(Self { _lab: lab, outside, hosts, servers, sockets: BTreeMap::new(), passes, serial: 0, home })
    }

    fn socket(&mut self, inside: bool, end: End) -> &UdpSocket {
        let spaces = if inside { &self.hosts } else { &self.servers };
        let space = &spaces[end.0];
        self.sockets.entry((inside, end)).or_insert_with(|| {
            let socket = space.udp(end.1).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket
        })
    }

    fn address(&self, inside: bool, end: End) -> SocketAddr {
        let spaces = if inside { &self.hosts } else { &self.servers };
        SocketAddr::new(spaces[end.0].address.into(), end.1)
    }

    /// Sends something new, and answers what it is.
    fn post(&mut self, inside: bool, from: End, to: SocketAddr) -> [u8; 4] {
        self.serial += 1;
        let payload = self.serial.to_be_bytes();
        // Where the kernel knows that nobody gets it, it may refuse to send; that is an outcome, too.
        drop(self.socket(inside, from).send_to(&payload, to));
        payload
    }

    /// A packet between the hosts and the servers and one back, which overtake nothing.
    fn prove(&mut self, host: usize, server: usize) {
        if !self.passes {
            return std::thread::sleep(SILENCE);
        }
        let (inner, outer) = ((host, PROOF), (server, PROOF));
        let to = self.address(false, outer);
        self.socket(false, outer);
        let there = self.post(true, inner, to);
        let mapped = self.receive(false, outer, there).expect("the way out is open");
        let back = self.post(false, outer, mapped);
        self.receive(true, inner, back).expect("and the way back");
        std::thread::sleep(SLACK);
    }

    /// Waits for this payload.
    fn receive(&mut self, inside: bool, end: End, wanted: [u8; 4]) -> Option<SocketAddr> {
        let mut buf = [0; 16];
        loop {
            match self.socket(inside, end).recv_from(&mut buf) {
                Ok((4, from)) if buf[..4] == wanted => return Some(from),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                // A refusal that an ICMP brought, of an earlier packet.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Who of all inside or outside has this payload by now.
    fn found(&mut self, inside: bool, wanted: [u8; 4]) -> Option<(End, SocketAddr)> {
        let ends: Vec<End> = self.sockets.keys().filter(|(side, _)| *side == inside).map(|(_, end)| *end).collect();
        ends.into_iter().find_map(|end| {
            self.socket(inside, end).set_nonblocking(true).unwrap();
            let from = self.receive(inside, end, wanted);
            self.socket(inside, end).set_nonblocking(false).unwrap();
            Some((end, from?))
        })
    }
}

impl Subject for Kernel {
    fn send(&mut self, from: End, to: End) -> Option<u16> {
        self.socket(false, to);
        let payload = self.post(true, from, self.address(false, to));
        self.prove(from.0, to.0);
        let (end, seen) = self.found(false, payload)?;
        assert_eq!((end, seen.ip()), (to, IpAddr::V4(self.outside)));
        Some(seen.port())
    }

    fn answer(&mut self, from: End, to: u16) -> Option<End> {
        let payload = self.post(false, from, SocketAddr::new(self.outside.into(), to));
        for host in 0..2 {
            self.prove(host, from.0);
        }
        self.found(true, payload).map(|(end, _)| end)
    }

    fn turn(&mut self, from: End, to: u16) -> Option<End> {
        let payload = self.post(true, from, SocketAddr::new(self.outside.into(), to));
        for host in 0..2 {
            self.prove(host, 0);
        }
        self.found(true, payload).map(|(end, _)| end)
    }

    fn wait(&mut self, time: Duration) {
        std::thread::sleep(time);
    }
}

impl Simulated {
    const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));

    fn new(config: Config) -> Self {
        Self { nat: Nat::new(config, &[Self::OUTSIDE], Rng::from_u64(6)), now: Instant::ORIGIN }
    }

    fn host((host, port): End) -> SocketAddr {
        SocketAddr::from(([192, 168, 1, 2 + host as u8], port))
    }

    fn server((server, port): End) -> SocketAddr {
        SocketAddr::from(([198, 51, 100, 1 + server as u8], port))
    }

    fn pass(&mut self, inside: bool, from: SocketAddr, to: SocketAddr) -> Option<Packet> {
        let interface = if inside { INSIDE } else { OUTSIDE };
        self.nat.handle_packet(self.now, interface, Packet::udp(from, to, *b"x"));
        self.nat.poll_packet(self.now).map(|outgoing| outgoing.packet)
    }

    fn end(address: SocketAddr) -> End {
        let hosts = [0, 1].map(|host| (Self::host((host, address.port())), host));
        let (_, host) = hosts.into_iter().find(|(known, _)| *known == address).expect("a host");
        (host, address.port())
    }
}

impl Subject for Simulated {
    fn send(&mut self, from: End, to: End) -> Option<u16> {
        self.pass(true, Self::host(from), Self::server(to)).map(|packet| packet.source.port())
    }

    fn answer(&mut self, from: End, to: u16) -> Option<End> {
        let packet = self.pass(false, Self::server(from), SocketAddr::new(Self::OUTSIDE, to))?;
        Some(Self::end(packet.destination))
    }

    fn turn(&mut self, from: End, to: u16) -> Option<End> {
        let packet = self.pass(true, Self::host(from), SocketAddr::new(Self::OUTSIDE, to))?;
        Some(Self::end(packet.destination))
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
    }
}

/// What a script saw, one line for each packet. Ports are random in part: what counts is whether the internal one was
/// kept, and which are the same.
#[derive(Default)]
struct Notes {
    lines: Vec<String>,
    ports: VecDeque<u16>,
}

impl Notes {
    fn send(&mut self, subject: &mut dyn Subject, from: End, to: End) -> u16 {
        let seen = subject.send(from, to);
        let outcome = match seen {
            None => "lost".into(),
            Some(port) if port == from.1 => "port kept".into(),
            Some(port) => {
                let known = self.ports.iter().position(|known| *known == port);
                let number = known.unwrap_or_else(|| {
                    self.ports.push_back(port);
                    self.ports.len() - 1
                });
                format!("other port {number}")
            }
        };
        self.lines.push(format!("host {from:?} to server {to:?}: {outcome}"));
        seen.unwrap_or(from.1)
    }

    fn answer(&mut self, subject: &mut dyn Subject, from: End, to: u16) {
        let outcome = subject.answer(from, to);
        self.lines.push(format!("server {from:?} answers: {outcome:?}"));
    }

    fn turn(&mut self, subject: &mut dyn Subject, from: End, to: u16) {
        let outcome = subject.turn(from, to);
        self.lines.push(format!("host {from:?} to the outside of another: {outcome:?}"));
    }
}

const SERVERS: [End; 4] = [(0, 1000), (0, 2000), (1, 1000), (1, 2000)];

/// Mapping and filtering, as RFC 4787 §4.1 and §5 have them, for one host.
fn one_host(subject: &mut dyn Subject) -> Notes {
    let mut notes = Notes::default();
    for server in SERVERS {
        notes.send(subject, (0, 5000), server);
    }
    let fresh = notes.send(subject, (0, 5001), SERVERS[0]);
    for server in SERVERS {
        notes.answer(subject, server, fresh);
    }
    let other = notes.send(subject, (0, 5001), SERVERS[3]);
    notes.answer(subject, SERVERS[3], other);
    notes.answer(subject, SERVERS[2], other);
    notes.answer(subject, SERVERS[0], 33_333);
    notes.send(subject, (0, 5000), SERVERS[0]);
    notes
}

/// Two hosts that want the same port, and packets that turn back.
fn two_hosts(subject: &mut dyn Subject) -> Notes {
    let mut notes = Notes::default();
    let first = notes.send(subject, (0, 6000), SERVERS[0]);
    // Another destination: the port can be shared. The same one: it cannot.
    let second = notes.send(subject, (1, 6000), SERVERS[3]);
    let third = notes.send(subject, (1, 6000), SERVERS[0]);
    notes.answer(subject, SERVERS[0], first);
    notes.answer(subject, SERVERS[3], second);
    notes.answer(subject, SERVERS[0], third);
    notes.answer(subject, SERVERS[3], third);
    notes.send(subject, (1, 6000), SERVERS[3]);
    notes.send(subject, (0, 6000), SERVERS[0]);
    notes.turn(subject, (1, 6001), first);
    notes.turn(subject, (0, 6001), third);
    notes
}

/// Rows that are kept by packets from either side, and then are not. For timeouts of 3 s.
fn with_time(subject: &mut dyn Subject) -> Notes {
    let mut notes = Notes::default();
    let mapped = notes.send(subject, (0, 7000), SERVERS[0]);
    for _ in 0..2 {
        subject.wait(Duration::from_millis(1900));
        notes.answer(subject, SERVERS[0], mapped);
    }
    subject.wait(Duration::from_millis(4500));
    notes.answer(subject, SERVERS[0], mapped);
    notes
}

fn compare(kind: Kind, config: Config, scripts: &[fn(&mut dyn Subject) -> Notes], prepare: fn(&Home) -> Result<()>) {
    for script in scripts {
        let lab = Lab::new().unwrap();
        let mut kernel = Kernel::new(lab, kind).unwrap();
        prepare(&kernel.home).unwrap();
        let real = script(&mut kernel).lines;
        let simulated = script(&mut Simulated::new(config.clone())).lines;
        assert_eq!(real, simulated, "{kind:?}: the kernel, and the simulation");
        eprintln!("{kind:?}: {} packets with the same outcome", real.len());
    }
}

/// Whether namespaces can be made here; a line that says so otherwise.
fn able(what: &str) -> bool {
    Lab::or_skip(what).is_some()
}

fn nothing(_: &Home) -> Result<()> {
    Ok(())
}

#[test]
fn masquerade_of_the_kernel_behaves_as_its_preset() {
    if able("masquerade") {
        compare(Kind::Masquerade, Config::linux_masquerade(), &[one_host, two_hosts], nothing);
    }
}

#[test]
fn random_masquerade_of_the_kernel_behaves_as_its_preset() {
    if able("masquerade random, fully-random") {
        for kind in [Kind::MasqueradeRandom, Kind::MasqueradeFullyRandom] {
            compare(kind, Config::linux_masquerade_random(), &[one_host, two_hosts], nothing);
        }
    }
}

#[test]
fn rules_for_the_other_classic_types_behave_as_their_presets() {
    if able("full cone, address-restricted, UDP blocked") {
        // Rules that let packets turn back are rarely written, and none are here.
        let no_hairpin = |config| Config { hairpin: Hairpin::Off, ..config };
        compare(Kind::FullCone, no_hairpin(Config::full_cone()), &[one_host], nothing);
        compare(Kind::AddressRestricted, no_hairpin(Config::address_restricted()), &[one_host], nothing);
        compare(Kind::UdpBlocked, Config::blocked(), &[one_host, two_hosts], nothing);
    }
}

#[test]
fn rows_of_the_kernel_are_kept_from_both_sides_and_time_out() {
    if able("timeouts") {
        let three = Duration::from_secs(3);
        let config = Config { udp_timeout: three, udp_unreplied_timeout: Some(three), ..Config::linux_masquerade() };
        compare(Kind::Masquerade, config, &[with_time], |home| {
            home.router.set("netfilter/nf_conntrack_udp_timeout", 3)?;
            home.router.set("netfilter/nf_conntrack_udp_timeout_stream", 3)
        });
    }
}

#[test]
fn a_home_behind_a_carrier_reaches_the_public_network_through_both() {
    if !able("two NATs in a row") {
        return;
    }
    let mut lab = Lab::new().unwrap();
    let mut carrier = lab.home(&Kind::MasqueradeFullyRandom).unwrap();
    let home = lab.home_behind(&mut carrier, &Kind::Masquerade).unwrap();
    let server = lab.public().unwrap();
    let [inner, outer] = [home.host.udp(5000).unwrap(), server.udp(1000).unwrap()];
    for socket in [&inner, &outer] {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
    }
    inner.send_to(b"there", outer.local_addr().unwrap()).unwrap();
    let mut buf = [0; 16];
    let (len, seen) = outer.recv_from(&mut buf).unwrap();
    assert_eq!((&buf[..len], seen.ip()), (&b"there"[..], IpAddr::V4(carrier.router.address)));
    outer.send_to(b"back", seen).unwrap();
    let (len, from) = inner.recv_from(&mut buf).unwrap();
    assert_eq!((&buf[..len], from), (&b"back"[..], outer.local_addr().unwrap()));
    let output = home.host.command("ip").args(["-4", "-o", "addr", "show", "eth"]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains(&home.host.address.to_string()));
}
