//! The wrapping of packets, and what leaves before data: requests to relays, checks, the handshake.

use peerage_base::datagram::Transmit;
use peerage_base::framing::Framing;
use peerage_base::path::Path;
use peerage_base::slot::Slot;
use peerage_base::time::Instant;
use peerage_sctp::budget::Budget as SctpBudget;
use peerage_turn::client::{MAX_HEAD as RELAY_HEAD, MAX_TAIL as RELAY_TAIL};

use crate::config::AddressKind;
use crate::relay::Relay;
use crate::session::Session;

/// Most room before a packet that any path needs: a relay's header, behind the length of a stream.
const MAX_HEAD: usize = RELAY_HEAD + 2;
/// The same behind it.
const MAX_TAIL: usize = RELAY_TAIL;

/// What a path puts around every packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outer {
    /// Nothing.
    Plain,
    /// The length that a stream needs.
    Framed(Framing),
    /// What the relay at this index needs.
    Relayed(usize),
}

impl Outer {
    /// Bytes before and behind a packet for `remote`.
    pub(crate) fn overhead(self, relays: &[Relay], path: Path) -> (usize, usize) {
        match self {
            Self::Plain => (0, 0),
            Self::Framed(framing) => framing.overhead(),
            Self::Relayed(index) => relays.get(index).map_or((0, 0), |relay| relay.overhead(path.remote)),
        }
    }

    /// Puts it around the packet, and says where that is to go; `None`: it is kept by the relay, or lost.
    pub(crate) fn wrap(self, now: Instant, relays: &mut [Relay], path: Path, slot: &mut Slot<'_>) -> Option<Path> {
        match self {
            Self::Plain => Some(path),
            Self::Framed(framing) => framing.frame(slot).map(|()| path),
            Self::Relayed(index) => relays.get_mut(index)?.wrap(now, path.remote, slot),
        }
    }
}

impl Session {
    /// What leaves first: requests to relays and checks, which are small and rare; then the handshake; then data.
    pub(crate) fn write(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let max = self.path.safe_datagram();
        if buf.len() < self.path.max_datagram().max(max) {
            return None;
        }
        if self.close_reason.is_some() {
            return self.write_farewell(now, buf);
        }
        if let Some((path, len)) = self.write_relay_request(now, buf, max) {
            return Some(Transmit::single(path, len));
        }
        if let Some(transmit) = self.write_check(now, buf) {
            return Some(transmit);
        }
        let path = self.path.selected().filter(|path| self.ice.may_send(*path))?;
        if let Some((path, len)) = self.write_handshake(now, path, buf) {
            self.update_embedding(now);
            return Some(Transmit::single(path, len));
        }
        if !self.full.is_empty() && self.full.contains(&self.carrier(path)) {
            return None;
        }
        self.hear_of_path(now);
        if let Some(transmit) = self.write_probe(now, path, buf) {
            return Some(transmit);
        }
        if let Some(transmit) = self.write_media(now, path, buf) {
            return Some(transmit);
        }
        let transmit = self.write_run(now, path, buf);
        // What has left may have emptied a buffer or completed the closing of a channel.
        self.after_sctp(now);
        transmit
    }

    /// After the end: the last words to the peer, and then to the relays.
    fn write_farewell(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let path = self.path.selected().filter(|path| self.ice.may_send(*path));
        if let Some((path, len)) = path.and_then(|path| self.write_handshake(now, path, buf)) {
            return Some(Transmit::single(path, len));
        }
        self.close_relays(now);
        let (path, len) = self.write_relay_request(now, buf, self.path.safe_datagram())?;
        Some(Transmit::single(path, len))
    }

    fn write_check(&mut self, now: Instant, buf: &mut [u8]) -> Option<Transmit> {
        let max = self.path.safe_datagram();
        loop {
            // Where it will go is known only once it is written, so there is room for any wrapping.
            let mut slot = Slot::new(buf, MAX_HEAD, MAX_TAIL, max);
            let transmit = self.ice.poll_transmit(now, &mut slot)?;
            let outer = self.outer(transmit.path);
            let wrapped = outer.wrap(now, &mut self.relays, transmit.path, &mut slot);
            let range = slot.range();
            // A check may be one unanswered too many, and another path the better one.
            self.after_ice(now);
            if let Some(path) = wrapped {
                let len = range.len();
                buf.copy_within(range, 0);
                return Some(Transmit { path, len, ..transmit });
            }
        }
    }

    /// What a path puts around every packet.
    pub(crate) fn outer(&self, path: Path) -> Outer {
        if let Some(index) = self.relay_of(path.local) {
            return Outer::Relayed(index);
        }
        let tcp = |id, kind| id == path.local && kind != AddressKind::Udp;
        let streams = self.gather.locals.iter().any(|(id, local)| tcp(*id, local.kind));
        if streams { Outer::Framed(Framing::Length) } else { Outer::Plain }
    }

    /// The transport under a path: that to the relay, for one through a relay.
    fn carrier(&self, path: Path) -> Path {
        let relay = self.relay_of(path.local).and_then(|index| self.relays.get(index));
        relay.map_or(path, Relay::path)
    }

    /// Lets the association and DTLS say goodbye; what they say is sent by later polls.
    pub(crate) fn farewell(&mut self, now: Instant) {
        if let Some(association) = &mut self.association {
            association.abort(now, "closed");
        }
        self.tell_closed_channels();
        if let Some(dtls) = &mut self.dtls {
            // The abort must be sealed before the keys go.
            let mut packet = [0; 256];
            let overhead = dtls.overhead();
            let mut slot = Slot::new(&mut packet, overhead.head, overhead.tail, 128);
            if let Some(association) = &mut self.association
                && association.poll_transmit(now, &SctpBudget::unlimited(128), &mut slot).is_some()
                && dtls.seal(&mut slot).is_ok()
            {
                self.last_words = Some(slot.packet().into());
            }
            dtls.close(now);
            while dtls.poll_event().is_some() {}
        }
    }

    fn write_handshake(&mut self, now: Instant, path: Path, buf: &mut [u8]) -> Option<(Path, usize)> {
        let outer = self.outer(path);
        let (head, tail) = outer.overhead(&self.relays, path);
        let mut slot = Slot::new(buf, head, tail, self.path.safe_datagram());
        if let Some(words) = self.last_words.take() {
            slot.room().get_mut(..words.len())?.copy_from_slice(&words);
            slot.fill(words.len());
        } else if let Some(packet) = self.poll_bare(now) {
            slot.room().get_mut(..packet.len())?.copy_from_slice(packet);
            slot.fill(packet.len());
        } else if !self.dtls.as_mut()?.poll_transmit(now, &mut slot) {
            return None;
        }
        let path = outer.wrap(now, &mut self.relays, path, &mut slot)?;
        let range = slot.range();
        buf.copy_within(range.clone(), 0);
        Some((path, range.len()))
    }
}
