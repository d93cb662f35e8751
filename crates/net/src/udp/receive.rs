//! Receiving many datagrams with one call to the system.

use crate::clock::Clock;
use crate::udp::Socket;
use peerage_base::ecn::Ecn;
use peerage_base::time::Instant;
use quinn_udp::{BATCH_SIZE, EcnCodepoint, RecvMeta, UdpSockRef};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::slice::ChunksMut;
use tokio::io::Interest;
use tracing::trace;

/// Room for the largest run that a kernel hands up as one.
const BUFFER: usize = 64 << 10;
/// ICMP errors that one call steps over before it yields.
const MAX_ERRORS: usize = 8;

/// Buffers that datagrams are received into. Allocated once, reused, shared by all sockets of a driver.
pub struct RecvBatch {
    storage: Box<[u8]>,
    meta: [RecvMeta; BATCH_SIZE],
    buffers: usize,
    filled: usize,
    was_last: bool,
    read_at: Instant,
    received_at: [Instant; BATCH_SIZE],
}

/// Datagrams from one sender that the kernel handed up as one.
#[derive(Debug)]
pub struct Run<'a> {
    /// Who sent them.
    pub source: SocketAddr,
    /// Which of this host's addresses they were sent to, where the system tells.
    pub destination: Option<IpAddr>,
    /// Their congestion mark.
    pub ecn: Ecn,
    /// When the kernel saw the last of them, or else when they were read.
    pub received_at: Instant,
    payloads: ChunksMut<'a, u8>,
}

impl<'a> Iterator for Run<'a> {
    type Item = &'a mut [u8];

    /// The next datagram, to be opened in place.
    fn next(&mut self) -> Option<Self::Item> {
        self.payloads.next()
    }
}

/// One received datagram.
#[derive(Debug)]
pub struct Received<'a> {
    /// Who sent it.
    pub source: SocketAddr,
    /// Which of this host's addresses it was sent to, where the system tells.
    pub destination: Option<IpAddr>,
    /// The interface it came through, where the system tells.
    pub interface: Option<u32>,
    /// Its congestion mark.
    pub ecn: Ecn,
    /// When the kernel saw it, or else when it was read.
    pub received_at: Instant,
    /// Its payload, to be opened in place.
    pub payload: &'a mut [u8],
}

impl RecvBatch {
    /// `buffers` buffers of 64 KiB, from 1 to as many as the system takes in one call (32 on Linux).
    ///
    /// Each holds one datagram, or on systems that join them a run of datagrams from one sender. Memory that no run
    /// reaches is never touched.
    pub fn new(buffers: usize) -> Self {
        let buffers = buffers.clamp(1, BATCH_SIZE);
        Self {
            storage: vec![0; buffers * BUFFER].into_boxed_slice(),
            meta: [RecvMeta::default(); BATCH_SIZE],
            buffers,
            filled: 0,
            was_last: false,
            read_at: Instant::ORIGIN,
            received_at: [Instant::ORIGIN; BATCH_SIZE],
        }
    }

    /// When the last [`Socket::try_recv`] read.
    pub fn read_at(&self) -> Instant {
        self.read_at
    }

    /// Whether the last [`Socket::try_recv`] filled every buffer, so that more is likely to be there.
    pub fn is_full(&self) -> bool {
        self.filled == self.buffers
    }

    /// Whether the last [`Socket::try_recv`] received a single datagram and found nothing behind it. The socket counts as not
    /// readable then until something arrives.
    pub fn was_last(&self) -> bool {
        self.was_last
    }

    /// What the last [`Socket::try_recv`] received, in order, as the kernel joined it. Empty datagrams are left out.
    pub fn runs(&mut self) -> impl Iterator<Item = Run<'_>> {
        let buffers = self.storage.chunks_exact_mut(BUFFER).zip(&self.meta).zip(&self.received_at).take(self.filled);
        buffers.map(|((buffer, meta), received_at)| {
            let len = meta.len.min(buffer.len());
            Run {
                source: meta.addr,
                destination: meta.dst_ip,
                ecn: meta.ecn.map_or(Ecn::NotEct, from_quinn),
                received_at: *received_at,
                payloads: buffer.get_mut(..len).unwrap_or_default().chunks_mut(meta.stride.max(1)),
            }
        })
    }

    /// The same, datagram by datagram.
    pub fn datagrams(&mut self) -> impl Iterator<Item = Received<'_>> {
        let buffers = self.storage.chunks_exact_mut(BUFFER).zip(&self.meta).zip(&self.received_at).take(self.filled);
        buffers.flat_map(|((buffer, meta), received_at)| {
            let len = meta.len.min(buffer.len());
            let filled = buffer.get_mut(..len).unwrap_or_default();
            filled.chunks_mut(meta.stride.max(1)).map(move |payload| Received {
                source: meta.addr,
                destination: meta.dst_ip,
                interface: meta.interface_index,
                ecn: meta.ecn.map_or(Ecn::NotEct, from_quinn),
                received_at: *received_at,
                payload,
            })
        })
    }
}

impl Default for RecvBatch {
    /// Eight buffers: half a megabyte.
    fn default() -> Self {
        Self::new(8)
    }
}

impl std::fmt::Debug for RecvBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecvBatch").field("buffers", &self.buffers).field("filled", &self.filled).finish()
    }
}

impl Socket {
    /// Receives what is there into `batch`, replacing what was in it, and says how many buffers it filled.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing, or nothing but ICMP errors: wait for [`readable`](Self::readable). Anything else
    /// means that the socket is lost.
    pub fn try_recv(&self, batch: &mut RecvBatch, clock: &Clock) -> io::Result<usize> {
        (batch.filled, batch.was_last) = (0, false);
        for _ in 0..MAX_ERRORS {
            let mut rest = batch.storage.chunks_exact_mut(BUFFER);
            let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
                std::array::from_fn(|_| IoSliceMut::new(rest.next().unwrap_or_default()));
            let slices = slices.get_mut(..batch.buffers).unwrap_or_default();
            let received = self.io.try_io(Interest::READABLE, || {
                let count = self.state().recv(UdpSockRef::from(&self.io), slices, &mut batch.meta)?;
                // An error that waits behind it would not be told of.
                batch.was_last = !self.path_errors && count < batch.buffers && is_lone(&batch.meta, count);
                // Told as if the system had been asked once more.
                if batch.was_last { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(count) }
            });
            let received = if batch.was_last { Ok(1) } else { received };
            match received {
                Ok(count) => {
                    batch.filled = count.min(batch.buffers);
                    stamp(batch, clock);
                    return Ok(batch.filled);
                }
                Err(error) if is_icmp(&error) => trace!(%error, "error of an earlier datagram"),
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::WouldBlock.into())
    }
}

/// Whether a call that had room for more found one datagram alone: traffic that is likely to pause now. Of more than that
/// the next part is likely to be there by the time that this one is dealt with.
fn is_lone(meta: &[RecvMeta], count: usize) -> bool {
    count == 1 && meta.first().is_some_and(|meta| meta.len <= meta.stride)
}

fn stamp(batch: &mut RecvBatch, clock: &Clock) {
    batch.read_at = clock.now();
    let mut wall = None;
    for (meta, received_at) in batch.meta.iter().zip(&mut batch.received_at).take(batch.filled) {
        *received_at = match meta.timestamp {
            Some(unix) => wall.get_or_insert_with(|| clock.wall()).moment(unix),
            None => batch.read_at,
        };
    }
}

/// Whether an error tells of a datagram sent earlier, rather than of the socket.
pub(super) fn is_icmp(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable};
    matches!(error.kind(), ConnectionRefused | ConnectionReset | HostUnreachable | NetworkUnreachable)
        || quinn_udp::is_msg_size_err(error)
}

fn from_quinn(ecn: EcnCodepoint) -> Ecn {
    Ecn::from_bits(ecn as u8)
}
