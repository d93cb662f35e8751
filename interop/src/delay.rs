//! A long way between two sides on one machine: what either sends is at the other a while later.
//!
//! Each side is told of one address, and takes it for the other's. Only the first that sends to it gets through, so that
//! a side with several sockets has one path all the same.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// The largest datagram that passes, in bytes.
const MAX_DATAGRAM: usize = 2048;
/// How many datagrams may be under way in one direction.
const MAX_UNDER_WAY: usize = 4096;
/// How many datagrams are noted.
const MAX_NOTES: usize = 4096;

/// The way. It ends when dropped.
pub struct Delay {
    addresses: [SocketAddr; 2],
    notes: Arc<Mutex<Vec<Note>>>,
    _tasks: JoinSet<()>,
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

impl Delay {
    /// Two addresses of this IP address, `delay` away from each other.
    pub async fn new(ip: IpAddr, delay: Duration) -> io::Result<Self> {
        let sockets = [Arc::new(UdpSocket::bind((ip, 0)).await?), Arc::new(UdpSocket::bind((ip, 0)).await?)];
        let addresses = [sockets[0].local_addr()?, sockets[1].local_addr()?];
        let senders: Arc<[OnceLock<SocketAddr>; 2]> = Arc::default();
        let notes: Arc<Mutex<Vec<Note>>> = Arc::default();
        let mut tasks = JoinSet::new();
        for from in 0..2 {
            let [input, output] = [sockets[from].clone(), sockets[1 - from].clone()];
            let (senders, notes) = (senders.clone(), notes.clone());
            tasks.spawn(Way { from, input, output, senders, notes, delay }.run());
        }
        Ok(Self { addresses, notes, _tasks: tasks })
    }

    /// The address that a side sends to: it stands for the other side.
    pub fn address(&self, side: usize) -> SocketAddr {
        self.addresses[side]
    }

    /// What passed so far, in the order of arrival.
    pub fn notes(&self) -> Vec<Note> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One direction of it.
struct Way {
    from: usize,
    input: Arc<UdpSocket>,
    output: Arc<UdpSocket>,
    senders: Arc<[OnceLock<SocketAddr>; 2]>,
    notes: Arc<Mutex<Vec<Note>>>,
    delay: Duration,
}

impl Way {
    async fn run(self) {
        let mut under_way: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
        let mut buf = [0; MAX_DATAGRAM];
        loop {
            let due = under_way.front().map(|(due, _)| *due);
            let sleep = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = sleep => {
                    if let Some((_, datagram)) = under_way.pop_front() {
                        self.deliver(&datagram).await;
                    }
                }
                received = self.input.recv_from(&mut buf) => {
                    // An error is that of an earlier datagram, which found nobody.
                    let Ok((len, source)) = received else { continue };
                    let is_first = *self.senders[self.from].get_or_init(|| source) == source;
                    if is_first && under_way.len() < MAX_UNDER_WAY {
                        under_way.push_back((Instant::now() + self.delay, buf[..len].to_vec()));
                    }
                }
            }
        }
    }

    /// Hands a datagram to whoever is known on the other side by now.
    async fn deliver(&self, datagram: &[u8]) {
        let Some(to) = self.senders[1 - self.from].get() else { return };
        self.note(datagram);
        // As on any network, it may be lost.
        drop(self.output.send_to(datagram, to).await);
    }

    fn note(&self, datagram: &[u8]) {
        let content = content(datagram);
        let note = Note { at: unix_time(), from: self.from, len: datagram.len(), content };
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
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
