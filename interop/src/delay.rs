//! A long way between two sides on one machine: what either sends is at the other a while later, unless it is lost.
//!
//! Each side is told of one address, and takes it for the other's. Only the first that sends to it gets through, so that
//! a side with several sockets has one path all the same. Congestion marks get through, too.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use peerage_base::ecn::Ecn;
use peerage_base::rng::Rng;
use peerage_net::clock::Clock;
use peerage_net::udp::{Config, Outgoing, RecvBatch, SendError, Socket};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// The largest datagram that passes unless a smaller limit is set, in bytes.
const MAX_DATAGRAM: usize = 2048;
/// How many datagrams may be under way in one direction.
const MAX_UNDER_WAY: usize = 16_384;
/// How many datagrams are noted.
const MAX_NOTES: usize = 4096;

/// The way. It ends when dropped.
pub struct Delay {
    addresses: [SocketAddr; 2],
    state: Arc<Mutex<State>>,
    _tasks: JoinSet<()>,
}

/// What the way is like.
#[derive(Clone, Copy, Debug)]
pub struct Conditions {
    /// How long a datagram takes.
    pub delay: Duration,
    /// The share of datagrams that is lost, from 0 to 1.
    pub loss: f64,
    /// Bytes of UDP payload above which a datagram is lost.
    pub max_datagram: usize,
}

/// What happened to the datagrams of one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Datagrams that were handed over.
    pub passed: u64,
    /// Datagrams that were lost, whatever their size.
    pub lost: u64,
    /// Datagrams that were too large.
    pub too_large: u64,
    /// Datagrams that came with a congestion mark, or said that they may be marked.
    pub marked: u64,
    /// Bytes of the largest datagram that was handed over.
    pub largest: usize,
}

/// What all look at.
struct State {
    conditions: Conditions,
    rng: Rng,
    notes: Vec<Note>,
    tallies: [Tally; 2],
}

/// A datagram that was handed over.
#[derive(Clone, Debug)]
pub struct Note {
    /// When it was handed over, since 1970.
    pub at: Duration,
    /// The side that it was sent by, 0 or 1.
    pub from: usize,
    /// How long it was, in bytes.
    pub len: usize,
    /// What it was.
    pub content: Content,
}

/// What a datagram is, as far as anybody in between can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A STUN message.
    Stun {
        /// Its type.
        kind: u16,
        /// The length of the DTLS packet that it carries; 0: of the attribute alone.
        packet: Option<usize>,
        /// How many packets it acknowledges.
        acks: Option<usize>,
    },
    /// DTLS records.
    Dtls {
        /// Whether there is application data among them, or what only comes after the handshake (RFC 9147 §4.1).
        application: bool,
    },
    /// Anything else.
    Other,
}

impl Conditions {
    /// So long, and nothing is lost.
    pub fn new(delay: Duration) -> Self {
        Self { delay, loss: 0.0, max_datagram: MAX_DATAGRAM }
    }
}

impl Delay {
    /// Two addresses of this IP address, `delay` away from each other.
    pub async fn new(ip: IpAddr, delay: Duration) -> io::Result<Self> {
        let bind = || Socket::bind((ip, 0).into(), &Config::default()).map(Arc::new);
        let sockets = [bind()?, bind()?];
        let addresses = [sockets[0].local_addr(), sockets[1].local_addr()];
        let senders: Arc<[OnceLock<SocketAddr>; 2]> = Arc::default();
        let state = State {
            conditions: Conditions::new(delay),
            rng: Rng::from_u64(u64::from(addresses[0].port())),
            notes: Vec::new(),
            tallies: [Tally::default(); 2],
        };
        let state = Arc::new(Mutex::new(state));
        let mut tasks = JoinSet::new();
        for from in 0..2 {
            let [input, output] = [sockets[from].clone(), sockets[1 - from].clone()];
            let (senders, state) = (senders.clone(), state.clone());
            tasks.spawn(Way { from, input, output, senders, state, under_way: VecDeque::new() }.run());
        }
        Ok(Self { addresses, state, _tasks: tasks })
    }

    /// The address that a side sends to: it stands for the other side.
    pub fn address(&self, side: usize) -> SocketAddr {
        self.addresses[side]
    }

    /// Changes the way for what comes from now on.
    pub fn set(&self, conditions: Conditions) {
        lock(&self.state).conditions = conditions;
    }

    /// What passed so far, in the order of arrival.
    pub fn notes(&self) -> Vec<Note> {
        lock(&self.state).notes.clone()
    }

    /// What happened so far to the datagrams of a side.
    pub fn tally(&self, side: usize) -> Tally {
        lock(&self.state).tallies[side]
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One direction of it.
struct Way {
    from: usize,
    input: Arc<Socket>,
    output: Arc<Socket>,
    senders: Arc<[OnceLock<SocketAddr>; 2]>,
    state: Arc<Mutex<State>>,
    under_way: VecDeque<UnderWay>,
}

/// A datagram on its way.
struct UnderWay {
    due: Instant,
    ecn: Ecn,
    datagram: Vec<u8>,
}

impl Way {
    async fn run(mut self) {
        let (mut batch, clock) = (RecvBatch::default(), Clock::new());
        loop {
            let due = self.under_way.front().map(|next| next.due);
            let sleep = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = sleep => {
                    if let Some(next) = self.under_way.pop_front() {
                        self.deliver(&next).await;
                    }
                }
                // An error is that of an earlier datagram, which found nobody.
                _ = self.input.readable() => {
                    if self.input.try_recv(&mut batch, &clock).is_ok() {
                        self.take(&mut batch);
                    }
                }
            }
        }
    }

    /// Lets datagrams set out, if they are not lost.
    fn take(&mut self, batch: &mut RecvBatch) {
        let now = Instant::now();
        for received in batch.datagrams() {
            let is_first = *self.senders[self.from].get_or_init(|| received.source) == received.source;
            if !is_first || self.under_way.len() >= MAX_UNDER_WAY {
                continue;
            }
            let State { conditions, rng, tallies, .. } = &mut *lock(&self.state);
            let tally = &mut tallies[self.from];
            tally.marked += u64::from(received.ecn != Ecn::NotEct);
            if received.payload.len() > conditions.max_datagram {
                tally.too_large += 1;
            } else if rng.unit() < conditions.loss {
                tally.lost += 1;
            } else {
                let (due, datagram) = (now + conditions.delay, received.payload.to_vec());
                self.under_way.push_back(UnderWay { due, ecn: received.ecn, datagram });
            }
        }
    }

    /// Hands a datagram to whoever is known on the other side by now.
    async fn deliver(&self, next: &UnderWay) {
        let Some(destination) = self.senders[1 - self.from].get().copied() else { return };
        self.note(&next.datagram);
        let contents = &next.datagram[..];
        let outgoing = Outgoing { destination, source: None, ecn: next.ecn, segment: None, contents };
        // As on any network, it may be lost.
        while let Err(SendError::WouldBlock) = self.output.try_send(&outgoing) {
            if self.output.writable().await.is_err() {
                return;
            }
        }
    }

    fn note(&self, datagram: &[u8]) {
        let content = content(datagram);
        let note = Note { at: unix_time(), from: self.from, len: datagram.len(), content };
        let State { notes, tallies, .. } = &mut *lock(&self.state);
        let tally = &mut tallies[self.from];
        tally.passed += 1;
        tally.largest = tally.largest.max(note.len);
        if notes.len() < MAX_NOTES {
            notes.push(note);
        }
    }
}

/// The time since 1970, by the clock that browsers of this machine have, too.
#[expect(clippy::disallowed_methods, reason = "other processes look at the same clock")]
pub fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn content(datagram: &[u8]) -> Content {
    match datagram {
        [0..=3, ..] => stun(datagram).unwrap_or(Content::Other),
        [20..=63, ..] => Content::Dtls { application: has_application_data(datagram) },
        _ => Content::Other,
    }
}

/// A STUN message (RFC 8489 §5), with the attributes of draft-hancke-webrtc-sped.
fn stun(message: &[u8]) -> Option<Content> {
    let (mut packet, mut acks) = (None, None);
    let mut rest = message.get(20..)?;
    while let Some((&[a, b, c, d], tail)) = rest.split_first_chunk() {
        let len = usize::from(u16::from_be_bytes([c, d]));
        match u16::from_be_bytes([a, b]) {
            0xC070 => packet = Some(len),
            0xC071 => acks = Some(len / 4),
            _ => {}
        }
        rest = tail.get(len.next_multiple_of(4)..)?;
    }
    Some(Content::Stun { kind: u16::from_be_bytes([message[0], message[1]]), packet, acks })
}

/// Looks for records of type 23 (RFC 6347 §4.1), and for unified headers of the third epoch (RFC 9147 §4).
fn has_application_data(mut records: &[u8]) -> bool {
    loop {
        let (found, len) = match records {
            [kind @ (20..=26), ..] => {
                let Some(&[a, b]) = records.get(11..13) else { return false };
                (*kind == 23, 13 + usize::from(u16::from_be_bytes([a, b])))
            }
            [first @ (32..=63), ..] => {
                let found = first & 3 == 3;
                let at = if first & 8 == 0 { 2 } else { 3 };
                match records.get(at..at + 2) {
                    Some(&[a, b]) if first & 4 != 0 => (found, at + 2 + usize::from(u16::from_be_bytes([a, b]))),
                    _ => return found,
                }
            }
            _ => return false,
        };
        match records.get(len..) {
            Some(rest) if !found => records = rest,
            _ => return found,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::UdpSocket;

    #[tokio::test]
    async fn what_one_side_sends_is_at_the_other_a_while_later_and_strangers_do_not_get_through() {
        let local = IpAddr::from([127, 0, 0, 1]);
        let delay = Delay::new(local, Duration::from_millis(30)).await.unwrap();
        let bind = || async { UdpSocket::bind((local, 0)).await.unwrap() };
        let (left, right, stranger) = (bind().await, bind().await, bind().await);
        let start = Instant::now();
        right.send_to(b"here", delay.address(1)).await.unwrap();
        left.send_to(b"there", delay.address(0)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
        stranger.send_to(b"also", delay.address(0)).await.unwrap();
        left.send_to(b"again", delay.address(0)).await.unwrap();
        let mut buf = [0; 16];
        for expected in [&b"there"[..], b"again"] {
            let (len, from) = right.recv_from(&mut buf).await.unwrap();
            assert_eq!((&buf[..len], from), (expected, delay.address(1)));
        }
        assert!(start.elapsed() >= Duration::from_millis(30));
        let (len, from) = left.recv_from(&mut buf).await.unwrap();
        assert_eq!((&buf[..len], from), (&b"here"[..], delay.address(0)));
        assert_eq!(delay.notes().len(), 3);
    }

    #[tokio::test]
    async fn what_is_lost_and_what_is_too_large_does_not_arrive() {
        let local = IpAddr::from([127, 0, 0, 1]);
        let delay = Delay::new(local, Duration::ZERO).await.unwrap();
        let (left, right) = (UdpSocket::bind((local, 0)).await.unwrap(), UdpSocket::bind((local, 0)).await.unwrap());
        right.send_to(b"here", delay.address(1)).await.unwrap();
        let mut buf = [0; 16];
        left.send_to(b"there", delay.address(0)).await.unwrap();
        right.recv_from(&mut buf).await.unwrap();
        delay.set(Conditions { max_datagram: 4, ..Conditions::new(Duration::ZERO) });
        left.send_to(b"large", delay.address(0)).await.unwrap();
        left.send_to(b"fits", delay.address(0)).await.unwrap();
        assert_eq!(right.recv_from(&mut buf).await.unwrap().0, 4);
        delay.set(Conditions { loss: 0.5, ..Conditions::new(Duration::ZERO) });
        for _ in 0..400 {
            left.send_to(b"some", delay.address(0)).await.unwrap();
            tokio::task::yield_now().await;
        }
        let settled = async {
            while delay.tally(0).passed + delay.tally(0).lost < 402 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), settled).await.expect("all are judged");
        let tally = delay.tally(0);
        assert!((120..280).contains(&tally.lost) && tally.too_large == 1 && tally.largest == 5, "{tally:?}");
        assert_eq!(tally.passed + tally.lost, 402, "{tally:?}");
    }

    #[test]
    fn application_data_is_told_from_the_handshake() {
        let plain = |kind, epoch| [&[kind, 0xFE, 0xFD, 0, epoch, 0, 0, 0, 0, 0, 0, 0, 2][..], b"xx"].concat();
        let unified = |epoch: u8| [&[0x2C | epoch, 0, 1, 0, 2][..], b"xx"].concat();
        let found = |records: &[Vec<u8>]| content(&records.concat()) == Content::Dtls { application: true };
        assert!(found(&[plain(22, 0), plain(23, 1)]));
        assert!(found(&[unified(2), unified(3)]));
        assert!(found(&[vec![0x23, 9, 1, 2, 3]]), "without a length");
        assert!(!found(&[plain(22, 0), unified(2)]));
        assert!(!found(&[vec![23, 0xFE]]));
    }

    #[test]
    fn checks_that_carry_dtls_are_seen() {
        let mut message = [0u8; 20].to_vec();
        message[1] = 1;
        message.extend([0xC0, 0x71, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]);
        message.extend([0xC0, 0x70, 0, 3, 1, 2, 3, 0]);
        assert_eq!(content(&message), Content::Stun { kind: 1, packet: Some(3), acks: Some(2) });
        message.truncate(30);
        assert_eq!(content(&message), Content::Other, "cut off");
    }
}
