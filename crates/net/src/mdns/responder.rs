//! Gives our addresses random names, and answers for them and for services of ours.

use crate::interfaces::Interface;
use crate::mdns::link::{Arrival, Link, MAX_MESSAGE, receive};
use crate::mdns::message::{Data, Message, Question, Record, RecordType};
use crate::mdns::name::Name;
use crate::mdns::{Config, Error};
use peerage_base::rng::Rng;
use std::collections::HashSet;
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

/// Records in one announcement: it has to fit a packet.
const MAX_RECORDS: usize = 8;
/// Longest piece of what there is to say of a service, in bytes.
const MAX_TEXT: usize = 255;

enum Request {
    Publish(IpAddr, oneshot::Sender<Result<String, Error>>),
    Offer(Offer, oneshot::Sender<Result<(), Error>>),
    Withdraw(Name),
}

/// A service of this host (RFC 6763).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// What tells it from others of its kind, for which nobody else may use it: letters, digits and hyphens.
    pub instance: String,
    /// Its kind, without the underscore: `peerage` for `_peerage._tcp`.
    pub kind: String,
    /// Its TCP port.
    pub port: u16,
    /// What there is to say of it: `key=value` each.
    pub text: Vec<String>,
}

/// A service in the form of the wire.
struct Offer {
    name: Name,
    kind: Name,
    port: u16,
    text: Box<[u8]>,
}

impl Service {
    fn offer(&self) -> Option<Offer> {
        let (name, kind) = (Name::service(&self.instance, &self.kind)?, Name::service_kind(&self.kind)?);
        let pieces =
            self.text.iter().map(|piece| Some([&[u8::try_from(piece.len()).ok()?], piece.as_bytes()].concat()));
        let text = pieces.collect::<Option<Vec<_>>>()?.concat();
        // RFC 6763 §6.1: where there is nothing to say there is one empty piece.
        let text = if text.is_empty() { vec![0] } else { text };
        (text.len() <= 2 * MAX_TEXT).then(|| Offer { name, kind, port: self.port, text: text.into() })
    }
}

/// Answers for the names of our addresses and for our services. One task; when the responder is dropped, it takes the names back and ends.
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

    /// Tells everybody on the links of a service of this host, and answers for it. The name of the host is random.
    ///
    /// # Errors
    /// [`Error::Name`] if what it is called or what there is to say of it does not fit, otherwise as
    /// [`publish`](Self::publish).
    pub async fn offer(&self, service: &Service) -> Result<(), Error> {
        let offer = service.offer().ok_or(Error::Name)?;
        let (reply, answer) = oneshot::channel();
        self.requests.send(Request::Offer(offer, reply)).await.map_err(|_| Error::Closed)?;
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

/// A record and what it belongs to.
struct Published {
    /// Its own name, or that of its service.
    owner: Name,
    name: Name,
    data: Data,
    /// The one link where it is told; `None`: on all.
    link: Option<usize>,
    /// When the second announcement is due.
    announce: Option<Instant>,
    /// When the group was last told, per link.
    told: Vec<Option<Instant>>,
}

impl Published {
    fn record(&self, ttl: u32, flush: bool) -> Record {
        // Others have services of the same kind: what is told of theirs stays.
        let flush = flush && self.data.kind() != RecordType::PTR;
        Record { name: self.name.clone(), data: self.data.clone(), ttl, flush }
    }

    fn matches(&self, question: &Question) -> bool {
        let kind = question.kind;
        question.name == self.name && (kind == RecordType::ANY || kind == self.data.kind())
    }

    fn is_told_on(&self, link: usize) -> bool {
        self.link.is_none_or(|own| own == link)
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
                    Some(Request::Offer(offer, reply)) => { let _ = reply.send(self.offer(offer).await); }
                    Some(Request::Withdraw(name)) => self.withdraw(&name).await,
                    None => break,
                },
                arrival = receive(&self.links, &mut buf) => {
                    self.handle(arrival, buf.get(..arrival.len).unwrap_or_default()).await;
                }
                () = timer => self.announce_again().await,
            }
        }
        announce(&self.links, &self.published, 0).await;
    }

    async fn publish(&mut self, ip: IpAddr) -> Result<String, Error> {
        let known = self.published.iter().find(|known| known.owner == known.name && known.data == Data::Address(ip));
        if let Some(published) = known {
            return Ok(published.name.to_string());
        }
        let name = Name::random(&mut self.rng);
        self.begin(&name, vec![(name.clone(), Data::Address(ip), None)]).await?;
        Ok(name.to_string())
    }

    async fn offer(&mut self, Offer { name, kind, port, text }: Offer) -> Result<(), Error> {
        let host = Name::random(&mut self.rng);
        let mut records = vec![
            (kind, Data::Pointer(name.clone()), None),
            (name.clone(), Data::Service { host: host.clone(), port }, None),
            (name.clone(), Data::Text(text), None),
        ];
        // On each link the addresses that this host has there.
        for (index, link) in self.links.iter().enumerate() {
            records.extend(link.addresses(&self.links).map(|ip| (host.clone(), Data::Address(ip), Some(index))));
        }
        self.begin(&name, records).await
    }

    /// Answers for these records of `owner` from now on, and announces them.
    async fn begin(&mut self, owner: &Name, records: Vec<(Name, Data, Option<usize>)>) -> Result<(), Error> {
        let owners: HashSet<&Name> = self.published.iter().map(|published| &published.owner).collect();
        if owners.len() >= self.config.max_names || owners.contains(owner) {
            return Err(Error::Busy);
        }
        let now = Instant::now();
        let (announce_at, told) = (Some(now + PAUSE), vec![Some(now); self.links.len()]);
        let published = records.into_iter().map(|(name, data, link)| {
            let (owner, told) = (owner.clone(), told.clone());
            Published { owner, name, data, link, announce: announce_at, told }
        });
        let published: Vec<_> = published.collect();
        announce(&self.links, &published, TTL).await;
        self.published.extend(published);
        Ok(())
    }

    async fn withdraw(&mut self, owner: &Name) {
        let (gone, kept) = self.published.drain(..).partition(|published| published.owner == *owner);
        self.published = kept;
        announce(&self.links, &gone, 0).await;
    }

    async fn announce_again(&mut self) {
        let now = Instant::now();
        let is_due = |published: &Published| published.announce.is_some_and(|due| due <= now);
        let owners: HashSet<Name> =
            self.published.iter().filter(|known| is_due(known)).map(|known| known.owner.clone()).collect();
        for owner in owners {
            let (mut due, kept): (Vec<_>, Vec<_>) = self.published.drain(..).partition(|known| known.owner == owner);
            for published in &mut due {
                published.announce = None;
                published.told.fill(Some(now));
            }
            announce(&self.links, &due, TTL).await;
            self.published = kept;
            self.published.extend(due);
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
    let is_asked = |published: &Published| asked.iter().any(|question| published.matches(question));
    // Who asks for one thing of a service needs the others next (RFC 6763 §12).
    let owners: HashSet<Name> = all.iter().filter(|known| is_asked(known)).map(|known| known.owner.clone()).collect();
    for published in all.iter_mut().filter(|known| known.is_told_on(link) && owners.contains(&known.owner)) {
        // RFC 6762 §7.1: the asker knows already, for long enough.
        let knows = |r: &Record| r.name == published.name && r.data == published.data && r.ttl >= TTL / 2;
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

/// Tells each link what is to be told there; with `ttl` 0 that it is over.
async fn announce(links: &[Link], published: &[Published], ttl: u32) {
    for (index, link) in links.iter().enumerate() {
        let told = published.iter().filter(|known| known.is_told_on(index));
        let records: Vec<Record> = told.map(|known| known.record(ttl, true)).collect();
        for records in records.chunks(MAX_RECORDS) {
            let message = Message { id: 0, response: true, questions: Vec::new(), records: records.to_vec() };
            link.tell(&message.to_bytes()).await;
        }
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
