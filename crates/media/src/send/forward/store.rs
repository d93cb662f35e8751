//! Packets that came, each kept once for all who are to get it.

use alloc::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};
use peerage_rtp::extension::kind::Kind;
use peerage_rtp::extension::map::Map;
use peerage_rtp::numbers::Ssrc;
use peerage_rtp::packet::{MAX_CSRCS, Packet};

use super::forwarder::Incoming;
use super::write::PASSED_ON;

/// Bytes of one piece of memory.
const CHUNK: usize = 64 << 10;
/// Most pieces that are looked at for one that is free.
const LOOKS: usize = 4;
/// Stands before contributing sources, where a kind of header extension would.
pub(in crate::send) const CSRCS: u8 = u8::MAX;

/// A packet that came, kept: to be cloned at little cost.
///
/// It holds no more than what is passed on: payload, contributing sources, and of the header extensions those that tell of the
/// media, by kind, so that the identifiers of the connection that it came by no longer matter.
#[derive(Clone, Debug)]
pub struct Shared {
    incoming: Incoming,
    bytes: Bytes,
    /// Bytes before the payload: kind, length and value of each element.
    elements: u16,
}

impl Shared {
    /// What is known of it.
    pub fn incoming(&self) -> &Incoming {
        &self.incoming
    }

    /// Its payload.
    pub fn payload(&self) -> &[u8] {
        self.bytes.get(usize::from(self.elements)..).unwrap_or_default()
    }

    /// Elements and payload, and the length of the former.
    pub(in crate::send) fn parts(&self) -> (Bytes, u16) {
        (self.bytes.clone(), self.elements)
    }
}

/// Memory for the packets of one publisher. It is taken in pieces of 64 KiB that are used again when nobody refers to them any more,
/// so that in the long run none is allocated.
#[derive(Debug)]
pub struct Store {
    current: BytesMut,
    /// Pieces that were filled, the oldest first.
    chunks: VecDeque<BytesMut>,
    limit: usize,
}

impl Store {
    /// An empty store that takes at most `limit` bytes, rounded up to 64 KiB. What the slowest viewer keeps for retransmission has to
    /// fit: two seconds at the rate of all encodings, with the settings of a [`Sender`](crate::send::sender::Sender) as they
    /// are.
    pub fn new(limit: usize) -> Self {
        Self { current: BytesMut::new(), chunks: VecDeque::new(), limit }
    }

    /// Keeps a packet that came by a connection with these identifiers; `None` if the store is full, or the packet longer than any
    /// that a path carries.
    pub fn keep(&mut self, packet: &Packet<'_>, map: &Map, incoming: Incoming) -> Option<Shared> {
        let csrcs = packet.csrcs().take(MAX_CSRCS);
        let values = map.values(packet.extension).filter(|(kind, _)| PASSED_ON.contains(kind));
        self.put(incoming, csrcs, values, packet.payload)
    }

    /// Keeps a packet made of these parts. Each kind at most once.
    pub(in crate::send) fn put<'v>(
        &mut self,
        incoming: Incoming,
        csrcs: impl ExactSizeIterator<Item = Ssrc> + Clone,
        elements: impl Iterator<Item = (Kind, &'v [u8])>,
        payload: &[u8],
    ) -> Option<Shared> {
        // Room for the longest block of elements there can be of kinds that are known.
        let most = 2 + 4 * MAX_CSRCS + Kind::ALL.len() * (2 + usize::from(u8::MAX)) + payload.len();
        if most > CHUNK || (self.current.capacity() < most && !self.renew()) {
            return None;
        }
        if csrcs.len() > 0 {
            self.current.put_slice(&[CSRCS, 4 * csrcs.len().min(MAX_CSRCS) as u8]);
            csrcs.take(MAX_CSRCS).for_each(|csrc| self.current.put_u32(csrc.0));
        }
        for (kind, value) in elements.take(Kind::ALL.len()) {
            let Ok(len) = u8::try_from(value.len()) else { continue };
            self.current.put_slice(&[kind as u8, len]);
            self.current.put_slice(value);
        }
        let elements = self.current.len() as u16;
        self.current.put_slice(payload);
        Some(Shared { incoming, bytes: self.current.split().freeze(), elements })
    }

    /// Gives memory back that nobody refers to: worth its while when a publisher has gone silent.
    pub fn shrink(&mut self) {
        self.chunks.retain_mut(|chunk| !chunk.try_reclaim(CHUNK));
    }

    /// Bytes that were taken and not given back.
    pub fn size(&self) -> usize {
        let current = usize::from(self.current.capacity() > 0);
        (self.chunks.len() + current) * CHUNK
    }

    /// Goes on with another piece of memory; `false` if there is none.
    fn renew(&mut self) -> bool {
        if self.current.capacity() > 0 {
            self.chunks.push_back(core::mem::take(&mut self.current));
        }
        for _ in 0..LOOKS.min(self.chunks.len()) {
            let Some(mut chunk) = self.chunks.pop_front() else { break };
            if chunk.try_reclaim(CHUNK) {
                self.current = chunk;
                return true;
            }
            self.chunks.push_back(chunk);
        }
        if self.chunks.len() * CHUNK >= self.limit {
            return false;
        }
        self.current = BytesMut::with_capacity(CHUNK);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn put(store: &mut Store, payload: &[u8]) -> Option<Shared> {
        store.put(Incoming::default(), [Ssrc(5)].into_iter(), [(Kind::VideoOrientation, &[2][..])].into_iter(), payload)
    }

    #[test]
    fn a_packet_is_kept_until_the_last_has_let_go_of_it() {
        let mut store = Store::new(2 * CHUNK);
        let first = put(&mut store, b"payload").unwrap();
        let again = first.clone();
        drop(first);
        for _ in 0..1000 {
            put(&mut store, &[7; 1000]).unwrap();
        }
        assert_eq!(again.payload(), b"payload");
        assert_eq!(again.parts().0[..9], [CSRCS, 4, 0, 0, 0, 5, Kind::VideoOrientation as u8, 1, 2]);
        assert!(store.size() <= 2 * CHUNK, "{}", store.size());
    }

    #[test]
    fn memory_is_bounded_and_used_again() {
        let mut store = Store::new(3 * CHUNK);
        let kept: Vec<_> = (0..1000).map_while(|_| put(&mut store, &[7; 1200])).collect();
        assert!((100..170).contains(&kept.len()), "{}", kept.len());
        assert!(put(&mut store, &[7; 1200]).is_none());
        drop(kept);
        assert!(put(&mut store, &[7; 1200]).is_some());
        assert_eq!(store.size(), 3 * CHUNK);
        store.shrink();
        assert_eq!(store.size(), CHUNK);
        assert!(put(&mut store, &[0; CHUNK]).is_none(), "longer than any packet");
    }
}
