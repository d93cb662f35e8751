//! Gives our addresses random names, and answers for them.

use crate::interfaces::Interface;
use crate::mdns::link::{Arrival, Link, MAX_MESSAGE, receive};
use crate::mdns::message::{Message, Question, Record, RecordType};
use crate::mdns::name::Name;
use crate::mdns::{Config, Error};
use peerage_base::rng::Rng;
use std::io;
use std::net::IpAddr;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::trace;

/// Requests that wait for the task.
const QUEUE: usize = 32;
/// Seconds that an answer may be believed (RFC 6762 §10).
const TTL: u32 = 120;
/// The same for those who are no multicast resolvers and cannot be told of a change (§6.7).
const LEGACY_TTL: u32 = 10;
/// Wait between the two announcements, and between two answers to the group for one name (§8.3, §6).
const PAUSE: Duration = Duration::from_secs(1);

enum Request {
    Publish(IpAddr, oneshot::Sender<Result<String, Error>>),
    Withdraw(Name),
}

/// Answers for the names of our addresses. One task; when the responder is dropped, it takes the names back and ends.
#[derive(Debug)]
pub struct Responder {
    requests: mpsc::Sender<Request>,
}

impl Responder {
    /// A responder on the links of `interfaces`; at most eight links and families. Names are drawn from `rng`.
    ///
    /// # Errors
    /// If none of the links can be used.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O and time enabled.
    pub fn new(interfaces: &[Interface], config: Config, rng: Rng) -> io::Result<Self> {
        let links = Link::open_all(interfaces, config.port, false)?;
        let (requests, queue) = mpsc::channel(QUEUE);
        let budget = Budget::new(config.max_answers, Instant::now());
        tokio::spawn(Task { links, config, rng, budget, published: Vec::new() }.run(queue));
        Ok(Self { requests })
    }

    /// The name for an address, to be put into a candidate in its place. The same address keeps its name.
    ///
    /// # Errors
    /// [`Error::Busy`] if there are too many names, [`Error::Closed`] if the runtime is shutting down.
    pub async fn publish(&self, ip: IpAddr) -> Result<String, Error> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(Request::Publish(ip, reply)).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    /// Takes a name back, and tells the group so. Unknown names are passed over.
    pub async fn withdraw(&self, name: &str) {
        if let Some(name) = Name::host(name) {
            // Fails only when the task has ended, and its names with it.
            let _ = self.requests.send(Request::Withdraw(name)).await;
        }
    }
}

/// An address and its name.
struct Published {
    name: Name,
    ip: IpAddr,
    /// When the second announcement is due.
    announce: Option<Instant>,
    /// When the group was last told, per link.
    told: Vec<Option<Instant>>,
}

impl Published {
    fn record(&self, ttl: u32, flush: bool) -> Record {
        Record { name: self.name.clone(), ip: self.ip, ttl, flush }
    }

    fn matches(&self, question: &Question) -> bool {
        let kind = question.kind;
        question.name == self.name && (kind == RecordType::ANY || kind == RecordType::of(self.ip))
    }
}

/// Whom an answer goes to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Audience {
    Group,
    Asker,
    /// An asker that speaks ordinary DNS, from a port of its own.
    Legacy,
}

struct Task {
    links: Vec<Link>,
    config: Config,
    rng: Rng,
    budget: Budget,
    published: Vec<Published>,
}

impl Task {
    async fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        let mut buf = vec![0; MAX_MESSAGE];
        loop {
            let due = self.published.iter().filter_map(|published| published.announce).min();
            let timer = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                request = queue.recv() => match request {
                    Some(Request::Publish(ip, reply)) => { let _ = reply.send(self.publish(ip).await); }
                    Some(Request::Withdraw(name)) => self.withdraw(&name).await,
                    None => break,
                },
                arrival = receive(&self.links, &mut buf) => {
                    self.handle(arrival, buf.get(..arrival.len).unwrap_or_default()).await;
                }
                () = timer => self.announce_again().await,
            }
        }
        for published in &self.published {
            announce(&self.links, published.record(0, true)).await;
        }
    }

    async fn publish(&mut self, ip: IpAddr) -> Result<String, Error> {
        if let Some(published) = self.published.iter().find(|published| published.ip == ip) {
            return Ok(published.name.to_string());
        }
        if self.published.len() >= self.config.max_names {
            return Err(Error::Busy);
        }
        let name = Name::random(&mut self.rng);
        let now = Instant::now();
        let told = vec![Some(now); self.links.len()];
        let published = Published { name: name.clone(), ip, announce: Some(now + PAUSE), told };
        announce(&self.links, published.record(TTL, true)).await;
        self.published.push(published);
        Ok(name.to_string())
    }

    async fn withdraw(&mut self, name: &Name) {
        if let Some(at) = self.published.iter().position(|published| published.name == *name) {
            let published = self.published.swap_remove(at);
            announce(&self.links, published.record(0, true)).await;
        }
    }

    async fn announce_again(&mut self) {
        let now = Instant::now();
        for published in &mut self.published {
            if published.announce.is_some_and(|due| due <= now) {
                published.announce = None;
                published.told.fill(Some(now));
                announce(&self.links, published.record(TTL, true)).await;
            }
        }
    }

    async fn handle(&mut self, arrival: Arrival, bytes: &[u8]) {
        let Some(link) = self.links.get(arrival.link).filter(|link| link.reaches(arrival.source)) else { return };
        let Some(query) = Message::parse(bytes).filter(|message| !message.response) else { return };
        let now = Instant::now();
        let legacy = arrival.source.port() != self.config.port;
        for audience in [Audience::Legacy, Audience::Asker, Audience::Group] {
            let asked: Vec<&Question> =
                query.questions.iter().filter(|question| audience == audience_of(question, legacy)).collect();
            let records = answer(&mut self.published, &query, &asked, audience, arrival.link, now);
            if records.is_empty() {
                continue;
            }
            if !self.budget.take(now) {
                trace!("too many questions");
                return;
            }
            let response = |id, questions| Message { id, response: true, questions, records };
            match audience {
                Audience::Group => link.tell(&response(0, Vec::new()).to_bytes()).await,
                Audience::Asker => link.tell_one(&response(0, Vec::new()).to_bytes(), arrival.source).await,
                Audience::Legacy => {
                    // RFC 6762 §6.7: the id and the questions come back, without the bit that has a meaning here only.
                    let asked = asked.into_iter().map(|question| Question { unicast: false, ..question.clone() });
                    link.tell_one(&response(query.id, asked.collect()).to_bytes(), arrival.source).await;
                }
            }
        }
    }
}

/// What there is to say to these questions of a query.
fn answer(
    all: &mut [Published],
    query: &Message,
    asked: &[&Question],
    audience: Audience,
    link: usize,
    now: Instant,
) -> Vec<Record> {
    let mut records = Vec::new();
    for published in all {
        if !asked.iter().any(|question| published.matches(question)) {
            continue;
        }
        // RFC 6762 §7.1: the asker knows already, for long enough.
        let knows = |r: &Record| r.name == published.name && r.ip == published.ip && r.ttl >= TTL / 2;
        if audience != Audience::Legacy && query.records.iter().any(knows) {
            continue;
        }
        if audience == Audience::Group {
            let Some(told) = published.told.get_mut(link) else { continue };
            if told.is_some_and(|told| now < told + PAUSE) {
                continue;
            }
            *told = Some(now);
        }
        let legacy = audience == Audience::Legacy;
        records.push(published.record(if legacy { LEGACY_TTL } else { TTL }, !legacy));
    }
    records
}

fn audience_of(question: &Question, legacy: bool) -> Audience {
    match (legacy, question.unicast) {
        (true, _) => Audience::Legacy,
        (false, true) => Audience::Asker,
        (false, false) => Audience::Group,
    }
}

async fn announce(links: &[Link], record: Record) {
    let message = Message { id: 0, response: true, questions: Vec::new(), records: vec![record] }.to_bytes();
    for link in links {
        link.tell(&message).await;
    }
}

/// So many answers per second, and a second's worth at once.
struct Budget {
    rate: u32,
    left: f64,
    counted: Instant,
}

impl Budget {
    fn new(rate: u32, now: Instant) -> Self {
        Self { rate, left: f64::from(rate), counted: now }
    }

    fn take(&mut self, now: Instant) -> bool {
        let earned = now.saturating_duration_since(self.counted).as_secs_f64() * f64::from(self.rate);
        self.left = (self.left + earned).min(f64::from(self.rate));
        self.counted = now;
        let granted = self.left >= 1.0;
        if granted {
            self.left -= 1.0;
        }
        granted
    }
}
