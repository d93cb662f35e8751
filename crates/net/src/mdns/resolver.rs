//! Looks up names of the form `<uuid>.local`, and where services are.

use crate::interfaces::Interface;
use crate::mdns::link::{Arrival, Link, MAX_MESSAGE, receive};
use crate::mdns::message::{Data, Message, Question, Record, RecordType};
use crate::mdns::name::Name;
use crate::mdns::{Config, Error};
use peerage_base::redact::Redacted;
use peerage_base::rng::Rng;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::{debug, trace};

/// Requests that wait for the task.
const QUEUE: usize = 32;
/// Most callers that wait for the same name.
const MAX_WAITERS: usize = 16;
/// Most addresses taken of one name.
const MAX_ADDRESSES: usize = 4;

type Answer = Result<Found, Error>;

/// What is wanted of a name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Want {
    Addresses,
    Service,
}

impl Want {
    fn kinds(self) -> &'static [RecordType] {
        match self {
            Self::Addresses => &[RecordType::A, RecordType::AAAA],
            Self::Service => &[RecordType::SRV],
        }
    }
}

/// What was said of a name.
#[derive(Clone)]
struct Found {
    ips: Vec<IpAddr>,
    /// The host and the port, of a service.
    service: Option<(Name, u16)>,
}

struct Request {
    name: Name,
    want: Want,
    reply: oneshot::Sender<Answer>,
}

/// Asks the links of this host for names. One task; it ends when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Resolver {
    requests: mpsc::Sender<Request>,
}

impl Resolver {
    /// A resolver that asks on the links of `interfaces`; at most eight links and families.
    ///
    /// # Errors
    /// If none of the links can be used.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O and time enabled.
    pub fn new(interfaces: &[Interface], config: Config, rng: Rng) -> io::Result<Self> {
        let links = Link::open_all(interfaces, config.port, true)?;
        let (requests, queue) = mpsc::channel(QUEUE);
        let task = Task { links, config, rng, pending: Vec::new() };
        tokio::spawn(task.run(queue));
        Ok(Self { requests })
    }

    /// The addresses of a name, as the first to answer gave them: at least one, at most four.
    ///
    /// An answer is not authenticated: anyone on the link can give one. It only says where to send checks, which are.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Error> {
        let name = Name::host(name).ok_or(Error::Name)?;
        self.ask(name, Want::Addresses).await.map(|found| found.ips)
    }

    /// Where the service `instance` of a kind is (RFC 6763): at least one address, at most four. As little authenticated as
    /// the addresses of a name are.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn find(&self, instance: &str, kind: &str) -> Result<Vec<SocketAddr>, Error> {
        let name = Name::service(instance, kind).ok_or(Error::Name)?;
        let found = self.ask(name, Want::Service).await?;
        let (host, port) = found.service.ok_or(Error::TimedOut)?;
        // Those who do not tell the addresses of the host with it are asked for them.
        let ips = if found.ips.is_empty() { self.resolve(&host.to_string()).await? } else { found.ips };
        Ok(ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
    }

    async fn ask(&self, name: Name, want: Want) -> Answer {
        let (reply, answer) = oneshot::channel();
        self.requests.send(Request { name, want, reply }).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }
}

/// A name that is looked for.
struct Pending {
    name: Name,
    want: Want,
    id: u16,
    waiters: Vec<oneshot::Sender<Answer>>,
    queries: u32,
    next_query: Instant,
    wait: Duration,
    deadline: Instant,
}

struct Task {
    links: Vec<Link>,
    config: Config,
    rng: Rng,
    pending: Vec<Pending>,
}

impl Task {
    async fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        let mut buf = vec![0; MAX_MESSAGE];
        loop {
            let deadline = self.pending.iter().map(|pending| pending.next_query.min(pending.deadline)).min();
            let timer = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                request = queue.recv() => match request {
                    Some(request) => self.accept(request),
                    None => return,
                },
                arrival = receive(&self.links, &mut buf) => {
                    self.handle(arrival, buf.get(..arrival.len).unwrap_or_default());
                }
                () = timer => {}
            }
            self.query_or_give_up().await;
        }
    }

    fn accept(&mut self, Request { name, want, reply }: Request) {
        let mut known = self.pending.iter_mut();
        if let Some(pending) = known.find(|pending| pending.name == name && pending.want == want) {
            if pending.waiters.len() < MAX_WAITERS {
                pending.waiters.push(reply);
            } else {
                let _ = reply.send(Err(Error::Busy));
            }
            return;
        }
        if self.pending.len() >= self.config.max_names {
            let _ = reply.send(Err(Error::Busy));
            return;
        }
        let now = Instant::now();
        self.pending.push(Pending {
            name,
            want,
            id: self.rng.u32() as u16,
            waiters: vec![reply],
            queries: 0,
            next_query: now,
            wait: self.config.retry,
            deadline: now + self.config.timeout,
        });
    }

    fn handle(&mut self, arrival: Arrival, bytes: &[u8]) {
        let on_link = self.links.get(arrival.link).is_some_and(|link| link.reaches(arrival.source));
        // RFC 6762 §6: an answer from another port is not one.
        if !on_link || arrival.source.port() != self.config.port {
            return;
        }
        let Some(message) = Message::parse(bytes).filter(|message| message.response) else { return };
        self.pending.retain_mut(|pending| {
            // Answers to an asker with a port of its own carry the id of its query, others carry 0.
            if message.id != 0 && message.id != pending.id {
                return true;
            }
            let Some(found) = read(&message, &pending.name, pending.want, self.config.loopback) else { return true };
            debug!(name = %Redacted(&pending.name), count = found.ips.len(), "name resolved");
            for waiter in pending.waiters.drain(..) {
                let _ = waiter.send(Ok(found.clone()));
            }
            false
        });
    }

    async fn query_or_give_up(&mut self) {
        let now = Instant::now();
        self.pending.retain_mut(|pending| {
            pending.waiters.retain(|waiter| !waiter.is_closed());
            let over = pending.deadline <= now;
            if over {
                trace!(name = %Redacted(&pending.name), "nobody answered");
                for waiter in pending.waiters.drain(..) {
                    let _ = waiter.send(Err(Error::TimedOut));
                }
            }
            !pending.waiters.is_empty()
        });
        for pending in self.pending.iter_mut().filter(|pending| pending.next_query <= now) {
            let message = |id, unicast| {
                let question = |kind| Question { name: pending.name.clone(), kind, unicast };
                let questions = pending.want.kinds().iter().copied().map(question).collect();
                Message { id, response: false, questions, records: Vec::new() }.to_bytes()
            };
            let (one_shot, full) = (message(pending.id, true), message(0, false));
            for link in &self.links {
                link.ask(&one_shot).await;
                // Who does not answer askers with a port of their own answers the group.
                if pending.queries > 0 {
                    link.tell(&full).await;
                }
            }
            pending.queries += 1;
            pending.next_query = now + pending.wait;
            pending.wait = pending.wait.saturating_mul(2);
        }
    }
}

/// What a message says of a name, if it is what is wanted.
fn read(message: &Message, name: &Name, want: Want, loopback: bool) -> Option<Found> {
    let valid = || message.records.iter().filter(|record| record.ttl > 0);
    let ips = |host: &Name| -> Vec<IpAddr> {
        let ips = valid().filter(|record| record.name == *host).filter_map(Record::ip);
        ips.filter(|ip| is_believable(*ip, loopback)).take(MAX_ADDRESSES).collect()
    };
    match want {
        Want::Addresses => Some(Found { ips: ips(name), service: None }).filter(|found| !found.ips.is_empty()),
        Want::Service => valid().filter(|record| record.name == *name).find_map(|record| match &record.data {
            Data::Service { host, port } if *port != 0 => {
                Some(Found { ips: ips(host), service: Some((host.clone(), *port)) })
            }
            _ => None,
        }),
    }
}

/// Whether a check may be sent there on the word of somebody on the link.
fn is_believable(ip: IpAddr, loopback: bool) -> bool {
    let nowhere = match ip {
        IpAddr::V4(v4) => v4.is_broadcast(),
        // Without a scope, link-local addresses lead nowhere.
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.to_ipv4_mapped().is_some(),
    };
    !nowhere && !ip.is_unspecified() && !ip.is_multicast() && (loopback || !ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_believable;

    #[test]
    fn addresses_that_no_peer_has_are_not_believed() {
        for ip in ["0.0.0.0", "255.255.255.255", "224.0.0.251", "::", "ff02::1", "fe80::1", "::ffff:10.0.0.1"] {
            assert!(!is_believable(ip.parse().unwrap(), true), "{ip}");
        }
        for ip in ["127.0.0.1", "::1"] {
            assert!(!is_believable(ip.parse().unwrap(), false), "{ip}");
            assert!(is_believable(ip.parse().unwrap(), true), "{ip}");
        }
        assert!(is_believable("192.168.1.2".parse().unwrap(), false));
    }
}
