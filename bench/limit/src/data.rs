//! One way, as fast as it goes: full datagrams in the longest runs that the system takes, each sealed and opened in place with AES-128-GCM. Nothing is
//! sent back: the receiver tells the sender through memory how far it is, so that the kernel's buffer never overflows.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bench::figures::Figures;
use bench::meter::Meter;
use bench::options::Run;
use bench::pattern::Pattern;
use bench::scenario::data::figures;
use bench::stack::Outcome;
use peerage_base::ecn::Ecn;
use peerage_crypto::aead::{Aead, Algorithm, NONCE_LEN, TAG_LEN};
use peerage_net::clock::Clock;
use peerage_net::udp::{Config, Outgoing, RecvBatch, SendError, Socket};
use tokio::sync::Notify;

/// Of UDP payload, as much as Peerage's datagrams have by default.
const DATAGRAM: usize = 1200;
/// The number of the datagram, which is also the nonce and what the tag covers in clear.
const HEAD: usize = 8;
const BODY: usize = DATAGRAM - HEAD - TAG_LEN;
/// Most bytes that the system takes in one call.
const RUN: usize = 65_507 / DATAGRAM * DATAGRAM;
const PATIENCE: Duration = Duration::from_secs(20);

/// How far the receiver is, in bytes of messages.
#[derive(Default)]
struct Progress {
    bytes: AtomicU64,
    moved: Notify,
}

/// Moves what was asked for and checks every byte of it.
pub async fn run(run: &Run) -> Outcome<Figures> {
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    let (near, far) = (Socket::bind(any, &Config::default())?, Socket::bind(any, &Config::default())?);
    // What a datagram occupies in the kernel is up to twice its size.
    let window = (far.buffers().receive / 4).clamp(RUN, 1 << 20) as u64;
    let (pattern, progress) = (Pattern::new(run.message), Arc::new(Progress::default()));
    let destination = far.local_addr();
    let meter = Meter::start();
    let receiver = tokio::spawn(receive(far, pattern.clone(), run.bytes(), progress.clone()));
    let sender = tokio::spawn(send(near, destination, pattern, run.bytes(), progress, window));
    tokio::time::timeout(PATIENCE + Duration::from_secs(run.mib), async {
        sender.await??;
        receiver.await?
    })
    .await
    .map_err(|_| "a datagram was lost: the receive buffer of this system is too small")??;
    Ok(figures(run, meter.stop()))
}

async fn send(
    socket: Socket,
    destination: SocketAddr,
    pattern: Pattern,
    total: u64,
    progress: Arc<Progress>,
    window: u64,
) -> Outcome<()> {
    let aead = Aead::new(Algorithm::Aes128Gcm, &[7; 16]);
    let (mut sent, mut number, mut run) = (0, 0_u64, vec![0; RUN]);
    while sent < total {
        let mut len = 0;
        while len < RUN && sent < total {
            let datagram = &mut run[len..len + DATAGRAM];
            let filled = fill(&pattern, sent, total, &mut datagram[HEAD..HEAD + BODY]);
            datagram[..HEAD].copy_from_slice(&number.to_be_bytes());
            let (head, body) = datagram.split_at_mut(HEAD);
            let tag = aead.seal_in_place(&nonce(number), head, &mut body[..filled]);
            body[filled..filled + TAG_LEN].copy_from_slice(&tag);
            (len, sent, number) = (len + HEAD + filled + TAG_LEN, sent + filled as u64, number + 1);
        }
        wait_for_room(&progress, sent.saturating_sub(window)).await;
        let mut left = &run[..len];
        while !left.is_empty() {
            let outgoing =
                Outgoing { destination, source: None, ecn: Ecn::NotEct, segment: Some(DATAGRAM), contents: left };
            match socket.try_send(&outgoing) {
                Ok(taken) => left = &left[taken..],
                Err(SendError::WouldBlock) => socket.writable().await?,
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// Waits until the receiver has `bytes`.
async fn wait_for_room(progress: &Progress, bytes: u64) {
    loop {
        let moved = progress.moved.notified();
        tokio::pin!(moved);
        moved.as_mut().enable();
        if progress.bytes.load(Ordering::Acquire) >= bytes {
            return;
        }
        moved.await;
    }
}

async fn receive(socket: Socket, pattern: Pattern, total: u64, progress: Arc<Progress>) -> Outcome<()> {
    let aead = Aead::new(Algorithm::Aes128Gcm, &[7; 16]);
    let (clock, mut batch) = (Clock::new(), RecvBatch::default());
    let (mut got, mut number) = (0, 0_u64);
    while got < total {
        socket.readable().await?;
        while got < total {
            match socket.try_recv(&mut batch, &clock) {
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
            for datagram in batch.datagrams() {
                let (head, sealed) = datagram.payload.split_at_mut_checked(HEAD).ok_or("a datagram was cut")?;
                if *head != number.to_be_bytes() {
                    return Err(format!("datagram {number} was lost").into());
                }
                let body = aead.open_in_place(&nonce(number), head, sealed)?;
                check(&pattern, got, body)?;
                (got, number) = (got + body.len() as u64, number + 1);
            }
            progress.bytes.store(got, Ordering::Release);
            progress.moved.notify_one();
        }
    }
    Ok(())
}

fn nonce(number: u64) -> [u8; NONCE_LEN] {
    let mut nonce = [0; NONCE_LEN];
    nonce[NONCE_LEN - HEAD..].copy_from_slice(&number.to_be_bytes());
    nonce
}

/// The pieces of messages that lie within `len` bytes of their sequence from `at` on: number, offset, and place.
fn pieces(size: usize, at: u64, len: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let position = at + done as u64;
        let (number, offset) = (position / size as u64, (position % size as u64) as usize);
        let place = done..len.min(done + size - offset);
        done = place.end;
        (!place.is_empty()).then_some((number, offset, place))
    })
}

/// Writes the sequence of messages from `at` on; says how much of it there was.
fn fill(pattern: &Pattern, at: u64, total: u64, body: &mut [u8]) -> usize {
    let len = usize::try_from(total - at).unwrap_or(usize::MAX).min(body.len());
    for (number, offset, place) in pieces(pattern.size(), at, len) {
        let part = offset..offset + place.len();
        body[place].copy_from_slice(&pattern.message(number)[part]);
    }
    len
}

/// Compares what arrived with the sequence of messages from `at` on.
fn check(pattern: &Pattern, at: u64, body: &[u8]) -> Result<(), String> {
    pieces(pattern.size(), at, body.len())
        .try_for_each(|(number, offset, place)| pattern.check_part(number, offset, &body[place]))
}
