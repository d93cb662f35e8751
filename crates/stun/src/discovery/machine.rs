//! The tests, in the order of RFC 5780 §4.3 and §4.4, as far as they can run at once.

use crate::discovery::binding::{Answer, Binding, Wish};
use crate::discovery::report::{Behaviour, Finding, Reason, Report, Seen};
use crate::header::Class;
use crate::message::Message;
use crate::transaction::{Step, Timing};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use peerage_base::datagram::{Datagram, Transmit};
use peerage_base::path::{LocalId, Path};
use peerage_base::rng::Rng;
use peerage_base::time::{Duration, Instant, earliest};

/// How tests are run.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Config {
    /// When requests are repeated. Default: 4 transmissions 250, 500 and 1000 ms apart, given up after 2.75 s. Silence is an
    /// answer here, and the time it takes is that of the whole.
    pub timing: Timing,
    /// Most servers asked. Default 8; more than a few tell nothing new.
    pub max_servers: usize,
}

impl Default for Config {
    fn default() -> Self {
        let rto = Duration::from_millis(250);
        let timing = Timing { rto, max_rto: 4 * rto, transmissions: 4, last_wait: 4 };
        Self { timing, max_servers: 8 }
    }
}

/// A socket of the owner's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    /// What datagrams on it are told by.
    pub id: LocalId,
    /// Its address, with the IP that packets to the servers really leave from: it is compared with what they see.
    pub address: SocketAddr,
}

/// Finds out how a NAT behaves.
///
/// Feed it what arrives on either socket, send what it polls, until it [is done](Self::is_done). It may be asked for
/// its [report](Self::report) at any time.
#[derive(Debug)]
pub struct Discovery {
    config: Config,
    locals: [Local; 2],
    probes: Vec<Probe>,
    /// The server that is tested with, once there is one.
    tested: Option<Tested>,
    rng: Rng,
}

/// A server, and its other address if it named a credible one.
#[derive(Clone, Copy, Debug)]
struct Tested {
    server: SocketAddr,
    other: Option<SocketAddr>,
}

#[derive(Debug)]
struct Probe {
    test: Test,
    path: Path,
    /// Where the answer must come from.
    from: SocketAddr,
    binding: Binding,
    due: bool,
    outcome: Outcome,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    /// The first socket's mapping towards an address.
    Mapping,
    /// The second socket's mapping towards the server that is tested with.
    Fresh,
    /// Whether an answer from the other address and port reaches the second socket.
    OtherAddress,
    /// Whether one from the same address and another port does.
    OtherPort,
    /// Whether a packet to the other socket's mapped address reaches it.
    Hairpin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Waiting,
    Mapped {
        mapped: SocketAddr,
        other: Option<SocketAddr>,
        round_trip: Option<Duration>,
    },
    /// It arrived at the other socket.
    Turned,
    Refused,
    Silent,
}

impl Discovery {
    /// Begins to ask `servers` from the first of two sockets. The second must not have sent anything yet. Servers of
    /// another family than the sockets, and repeated ones, are left out.
    pub fn new(config: Config, servers: &[SocketAddr], locals: [Local; 2], rng: Rng, now: Instant) -> Self {
        let mut discovery = Self { config, locals, probes: Vec::new(), tested: None, rng };
        let v4 = locals[0].address.is_ipv4();
        for server in servers.iter().filter(|server| server.is_ipv4() == v4 && server.port() != 0) {
            if discovery.probes.len() < config.max_servers {
                discovery.map(*server, now);
            }
        }
        discovery
    }

    /// A datagram arrived at one of the sockets. What answers no request is dropped.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &Datagram<'_>) {
        let Ok(message) = Message::parse(datagram.payload) else { return };
        let Path { local, remote } = datagram.path;
        if message.class() == Class::Request {
            return self.handle_turned(local, &message);
        }
        let Some((probe, answer)) = self
            .probes
            .iter_mut()
            .filter(|probe| probe.outcome == Outcome::Waiting && probe.path.local == local)
            .find_map(|probe| Some((probe.binding.answer(&message)?, probe)).map(|(answer, probe)| (probe, answer)))
        else {
            return;
        };
        probe.handle_answer(now, remote, answer);
        self.advance(now);
    }

    /// A deadline may have passed; early and repeated calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        for probe in &mut self.probes {
            probe.handle_timeout(now);
        }
        self.advance(now);
    }

    /// Writes the next request into `buf`, which should have 64 bytes.
    pub fn poll_transmit(&mut self, _now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let probe = self.probes.iter_mut().find(|probe| probe.due)?;
        probe.due = false;
        let len = probe.binding.write(buf)?;
        Some(Transmit::single(probe.path, len))
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.waiting().map(|probe| probe.binding.poll_timeout()).fold(None, earliest)
    }

    /// Whether there is nothing more to find out.
    pub fn is_done(&self) -> bool {
        self.waiting().next().is_none()
    }

    /// What is known by now.
    pub fn report(&self) -> Report {
        let seen: Vec<Seen> = self.seen().collect();
        let local = self.locals[0].address;
        let none = if self.probes.is_empty() {
            Reason::NoServer
        } else if self.is_done() {
            Reason::NoAnswer
        } else {
            Reason::Unfinished
        };
        let translated = match seen.first() {
            Some(first) => Finding::Known(first.mapped != local),
            None => Finding::Unknown(none),
        };
        let port_preserved = match seen.as_slice() {
            [] => Finding::Unknown(none),
            seen => Finding::Known(seen.iter().all(|seen| seen.mapped.port() == local.port()) && self.fresh_kept()),
        };
        let mapping = if seen.is_empty() { Finding::Unknown(none) } else { self.mapping(&seen) };
        let filtering = if seen.is_empty() { Finding::Unknown(none) } else { self.filtering() };
        let hairpin = match translated {
            Finding::Known(true) => self.hairpin(mapping, filtering),
            Finding::Known(false) => Finding::Unknown(Reason::NotTranslated),
            Finding::Unknown(reason) => Finding::Unknown(reason),
        };
        Report { local, seen, translated, port_preserved, mapping, filtering, hairpin }
    }

    /// Begins the tests that what is known by now allows.
    fn advance(&mut self, now: Instant) {
        if self.tested.is_none() {
            self.choose(now);
        }
        let begun = self.probes.iter().any(|probe| probe.test == Test::Hairpin);
        if let (false, Some(first), Some(fresh)) = (begun, self.first_mapped(), self.mapped(Test::Fresh))
            && first != self.locals[0].address
            && self.tested.is_some_and(|tested| may_name(tested.server, first) && may_name(tested.server, fresh))
        {
            // Both sides send: each opens its own filter to the other.
            self.begin(Test::Hairpin, 0, fresh, fresh, Wish::Nothing, now);
            self.begin(Test::Hairpin, 1, first, first, Wish::Nothing, now);
        }
    }

    /// Chooses the server that is tested with: one with another address at once, any when there will be none.
    fn choose(&mut self, now: Instant) {
        let answered = |probe: &Probe| match probe.outcome {
            Outcome::Mapped { other, .. } => {
                let server = probe.path.remote;
                Some(Tested { server, other: other.filter(|other| is_credible(*other, server)) })
            }
            _ => None,
        };
        let mut found = self.probes.iter().filter_map(answered);
        let first = found.clone().next();
        let best = found.find(|tested| tested.other.is_some());
        let Some(tested) = best.or(first.filter(|_| self.is_done())) else { return };
        self.tested = Some(tested);
        let server = tested.server;
        if let Some(other) = tested.other {
            let same_port = SocketAddr::new(other.ip(), server.port());
            let same_ip = SocketAddr::new(server.ip(), other.port());
            for address in [same_port, other, same_ip] {
                self.map(address, now);
            }
            self.begin(Test::OtherAddress, 1, server, other, Wish::Change { ip: true, port: true }, now);
            self.begin(Test::OtherPort, 1, server, same_ip, Wish::Change { ip: false, port: true }, now);
        }
        self.begin(Test::Fresh, 1, server, server, Wish::Nothing, now);
    }

    /// Asks an address for the first socket's mapping, unless it was asked already.
    fn map(&mut self, server: SocketAddr, now: Instant) {
        if !self.probes.iter().any(|probe| probe.test == Test::Mapping && probe.path.remote == server) {
            self.begin(Test::Mapping, 0, server, server, Wish::Nothing, now);
        }
    }

    fn begin(&mut self, test: Test, socket: usize, to: SocketAddr, from: SocketAddr, wish: Wish, now: Instant) {
        let path = Path { local: self.locals[socket].id, remote: to };
        let binding = Binding::new(wish, self.config.timing, &mut self.rng, now);
        let mut probe = Probe { test, path, from, binding, due: false, outcome: Outcome::Waiting };
        probe.handle_timeout(now);
        self.probes.push(probe);
    }

    /// A request arrived: one of ours, from the other socket.
    fn handle_turned(&mut self, local: LocalId, message: &Message<'_>) {
        let ours = |probe: &Probe| {
            probe.test == Test::Hairpin && probe.path.local != local && probe.binding.id() == message.transaction_id()
        };
        if self.probes.iter().any(ours) {
            for probe in self.probes.iter_mut().filter(|probe| probe.test == Test::Hairpin) {
                (probe.outcome, probe.due) = (Outcome::Turned, false);
            }
        }
    }

    fn mapping(&self, seen: &[Seen]) -> Finding<Behaviour> {
        let pairs = || seen.iter().enumerate().flat_map(|(at, a)| seen.iter().skip(at + 1).map(move |b| (a, b)));
        let any = |same_ip: bool, same_mapped: bool| {
            let fits = |(a, b): (&Seen, &Seen)| {
                (a.server.ip() == b.server.ip()) == same_ip && (a.mapped == b.mapped) == same_mapped
            };
            pairs().any(fits)
        };
        let waiting = self.waiting().any(|probe| probe.test == Test::Mapping);
        let untranslated = seen.iter().all(|seen| seen.mapped == self.locals[0].address);
        match (any(true, false), any(false, false)) {
            (true, _) => Finding::Known(Behaviour::AddressAndPortDependent),
            (false, true) if waiting => Finding::Unknown(Reason::Unfinished),
            (false, true) if any(true, true) => Finding::Known(Behaviour::AddressDependent),
            (false, true) => Finding::Unknown(Reason::AddressOrPort),
            (false, false) if any(false, true) || untranslated => Finding::Known(Behaviour::EndpointIndependent),
            (false, false) if waiting => Finding::Unknown(Reason::Unfinished),
            (false, false) if any(true, true) => Finding::Unknown(Reason::OneAddress),
            (false, false) => Finding::Unknown(Reason::OneServer),
        }
    }

    /// Silence proves a filter only if what is silent is known to speak.
    fn filtering(&self) -> Finding<Behaviour> {
        let Some(tested) = self.tested else { return Finding::Unknown(Reason::Unfinished) };
        let Some(other) = tested.other else { return Finding::Unknown(Reason::NoAlternate) };
        let speaks = |address| self.seen().any(|seen| seen.server == address);
        let same_ip = SocketAddr::new(tested.server.ip(), other.port());
        match (self.outcome(Test::OtherAddress), self.outcome(Test::OtherPort), self.outcome(Test::Fresh)) {
            (Outcome::Mapped { .. }, _, _) => Finding::Known(Behaviour::EndpointIndependent),
            (Outcome::Refused, _, _) | (_, Outcome::Refused, _) => Finding::Unknown(Reason::Refused),
            _ if self.waiting().any(|probe| probe.test != Test::Hairpin) => Finding::Unknown(Reason::Unfinished),
            (_, _, Outcome::Silent | Outcome::Refused) => Finding::Unknown(Reason::NoAnswer),
            _ if !speaks(other) => Finding::Unknown(Reason::AlternateSilent),
            (_, Outcome::Mapped { .. }, _) => Finding::Known(Behaviour::AddressDependent),
            _ if !speaks(same_ip) => Finding::Unknown(Reason::AlternateSilent),
            _ => Finding::Known(Behaviour::AddressAndPortDependent),
        }
    }

    fn hairpin(&self, mapping: Finding<Behaviour>, filtering: Finding<Behaviour>) -> Finding<bool> {
        let open = Finding::Known(Behaviour::EndpointIndependent);
        match self.outcome(Test::Hairpin) {
            Outcome::Turned => Finding::Known(true),
            _ if !self.is_done() => Finding::Unknown(Reason::Unfinished),
            // What would have turned back was let in.
            Outcome::Silent if mapping == open || filtering == open => Finding::Known(false),
            Outcome::Silent => Finding::Unknown(Reason::Dependent),
            _ => Finding::Unknown(Reason::NoAnswer),
        }
    }

    /// Whether the second socket kept its port, as far as is known.
    fn fresh_kept(&self) -> bool {
        self.mapped(Test::Fresh).is_none_or(|mapped| mapped.port() == self.locals[1].address.port())
    }

    fn first_mapped(&self) -> Option<SocketAddr> {
        let tested = self.tested?;
        self.seen().find(|seen| seen.server == tested.server).map(|seen| seen.mapped)
    }

    fn mapped(&self, test: Test) -> Option<SocketAddr> {
        match self.outcome(test) {
            Outcome::Mapped { mapped, .. } => Some(mapped),
            _ => None,
        }
    }

    /// The outcome of a test that has one request, or of both directions of one.
    fn outcome(&self, test: Test) -> Outcome {
        let mut probes = self.probes.iter().filter(|probe| probe.test == test).map(|probe| probe.outcome);
        probes.clone().find(|outcome| *outcome == Outcome::Silent).or_else(|| probes.next()).unwrap_or(Outcome::Waiting)
    }

    fn seen(&self) -> impl Iterator<Item = Seen> + '_ {
        self.probes.iter().filter(|probe| probe.test == Test::Mapping).filter_map(|probe| match probe.outcome {
            Outcome::Mapped { mapped, round_trip, .. } => Some(Seen { server: probe.path.remote, mapped, round_trip }),
            _ => None,
        })
    }

    fn waiting(&self) -> impl Iterator<Item = &Probe> {
        self.probes.iter().filter(|probe| probe.outcome == Outcome::Waiting)
    }
}

impl Probe {
    fn handle_timeout(&mut self, now: Instant) {
        if self.outcome != Outcome::Waiting {
            return;
        }
        match self.binding.handle_timeout(now) {
            Step::Wait => {}
            Step::Transmit => self.due = true,
            Step::TimedOut => (self.outcome, self.due) = (Outcome::Silent, false),
        }
    }

    fn handle_answer(&mut self, now: Instant, remote: SocketAddr, answer: Answer) {
        let outcome = match answer {
            Answer::Mapped { mapped, other } if remote == self.from => {
                if mapped.is_ipv4() == remote.is_ipv4() {
                    Outcome::Mapped { mapped, other, round_trip: self.binding.round_trip(now) }
                } else {
                    Outcome::Refused
                }
            }
            // It came from where it was asked, and not from where it was asked to come from; or it says nothing.
            _ if remote == self.path.remote || remote == self.from => Outcome::Refused,
            _ => return,
        };
        (self.outcome, self.due) = (outcome, false);
    }
}

/// Whether another address of a server can be one.
fn is_credible(other: SocketAddr, server: SocketAddr) -> bool {
    other.is_ipv4() == server.is_ipv4()
        && other.ip() != server.ip()
        && other.port() != server.port()
        && may_name(server, other)
}

/// Whether something may be sent to an address because a server named it. One that lies could have packets sent to
/// anybody: few, small, and never by one on the Internet to what is inside.
fn may_name(server: SocketAddr, named: SocketAddr) -> bool {
    let inside = |ip: IpAddr| match ip {
        IpAddr::V4(v4) => {
            // RFC 6598: between a carrier and its customers.
            let shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xC0 == 64;
            v4.is_private() || v4.is_link_local() || v4.is_loopback() || shared
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_loopback(),
    };
    let nobody = match named.ip() {
        IpAddr::V4(v4) => v4.is_unspecified() || v4.is_multicast() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unspecified() || v6.is_multicast() || v6.to_ipv4_mapped().is_some(),
    };
    named.port() != 0 && !nobody && (!inside(named.ip()) || inside(server.ip()))
}
