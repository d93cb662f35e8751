//! Data on the path in use: SCTP in DTLS in datagrams, equal-sized datagrams in runs, and probes of larger ones.

use peerage_base::datagram::Transmit;
use peerage_base::ecn::Ecn;
use peerage_base::path::Path;
use peerage_base::slot::Slot;
use peerage_base::time::Instant;
use peerage_dtls::connection::Dtls;
use peerage_ice::event::Selected;
use peerage_sctp::association::Association;
use peerage_sctp::budget::{Budget, Rate};

use crate::event::Protocol;
use crate::path::{Carrier, MAX_RUN, MAX_SEGMENTS, Pace, Run};
use crate::relay::Relay;
use crate::session::Session;
use crate::wrap::Outer;

/// What is around every SCTP packet.
struct Wrapping {
    outer: Outer,
    head: usize,
    tail: usize,
}

impl Wrapping {
    fn new(dtls: &Dtls, relays: &[Relay], outer: Outer, path: Path) -> Self {
        let (inner, (head, tail)) = (dtls.overhead(), outer.overhead(relays, path));
        Self { outer, head: head + inner.head, tail: tail + inner.tail }
    }

    /// Bytes of the longest SCTP packet in a datagram of `bytes`; such packets come in multiples of four.
    fn inside(&self, bytes: usize) -> usize {
        bytes.saturating_sub(self.head + self.tail) & !3
    }
}

/// Datagrams written one behind the other.
struct Written {
    path: Path,
    len: usize,
    segment: Option<usize>,
    datagrams: u32,
    full: u32,
    failed: bool,
}

impl Session {
    /// Takes over a pair that ICE selected, and tells the association what is known of it.
    pub(crate) fn take_path(&mut self, now: Instant, selected: Selected) {
        let carrier = self.runs_over(selected.path);
        let heard = self.association.as_ref().and_then(|association| association.marks_heard()).unwrap_or_default();
        if !self.path.select(now, selected.path, carrier, selected.rtt, heard) {
            return;
        }
        self.media_path_changed(now);
        if let Some(association) = &mut self.association {
            association.path_changed(now);
            if let Some(rtt) = self.path.rtt() {
                association.hint_round_trip(rtt);
            }
        }
    }

    /// What ICE's pair runs over.
    fn runs_over(&self, path: Path) -> Carrier {
        let remote = match self.outer(path) {
            Outer::Framed(_) => return Carrier::Stream,
            Outer::Plain => path.remote,
            Outer::Relayed(index) => match self.relays.get(index) {
                Some(relay) if relay.protocol == Protocol::Udp => relay.address,
                _ => return Carrier::Stream,
            },
        };
        if remote.is_ipv4() { Carrier::V4 } else { Carrier::V6 }
    }

    /// The network says what a path takes: a pair, or the way to the relay of the pair in use.
    pub(crate) fn too_big(&mut self, now: Instant, path: Path, bytes: usize) {
        let relayed = self.path.selected().filter(|selected| {
            self.relay_of(selected.local).and_then(|at| self.relays.get(at)).is_some_and(|relay| relay.path() == path)
        });
        self.path.too_big(now, relayed.unwrap_or(path), bytes);
    }

    /// Takes over what the association has learnt of the path.
    pub(crate) fn hear_of_path(&mut self, now: Instant) {
        let Some(association) = &mut self.association else { return };
        if let Some(result) = association.poll_probe() {
            self.path.probe_answered(now, result.fate);
        }
        if association.peer_tells_marks() {
            self.path.marks_told(now, association.marks_heard().unwrap_or_default());
        }
    }

    /// Whether there is a whole run of new data, and neither the window nor the pacer holds it back.
    pub fn has_run(&self, now: Instant) -> bool {
        let full = |association: &Association| association.wants_budget() && association.total_buffered() >= MAX_RUN;
        self.association.as_deref().is_some_and(full) && self.path.is_in_time(now)
    }

    /// Whether what was sent waits for more to share a run with, for a time that [`poll_timeout`](Self::poll_timeout) knows.
    pub fn is_gathering(&self) -> bool {
        self.path.is_gathering()
            && self.association.as_ref().is_some_and(|association| association.is_short_of(MAX_RUN))
    }

    /// Writes a probe if one is due.
    pub(crate) fn write_probe(&mut self, now: Instant, path: Path, buf: &mut [u8]) -> Option<Transmit> {
        let size = self.path.probe()?;
        let outer = self.outer(path);
        let (dtls, association) = (self.dtls.as_mut()?, self.association.as_mut()?);
        if !dtls.is_connected() || buf.len() < size {
            return None;
        }
        let wrapping = Wrapping::new(dtls, &self.relays, outer, path);
        let plain = wrapping.inside(size);
        let mut slot = Slot::new(buf, wrapping.head, wrapping.tail, plain);
        association.write_probe(now, plain, &mut slot)?;
        self.path.probed();
        dtls.seal(&mut slot).ok()?;
        let path = outer.wrap(now, &mut self.relays, path, &mut slot)?;
        let range = slot.range();
        buf.copy_within(range.clone(), 0);
        Some(Transmit::single(path, range.len()))
    }

    /// Writes SCTP packets one behind the other, each sealed in place, until one is shorter than the first, or the pacer or
    /// the association has no more to give.
    pub(crate) fn write_run(&mut self, now: Instant, path: Path, buf: &mut [u8]) -> Option<Transmit> {
        if self.close_reason.is_some() {
            return None;
        }
        let outer = self.outer(path);
        let max = self.path.max_datagram();
        let safe = self.path.safe_datagram();
        let (dtls, association) = (self.dtls.as_mut()?, self.association.as_mut()?);
        if !dtls.is_connected() {
            return None;
        }
        let wrapping = Wrapping::new(dtls, &self.relays, outer, path);
        let full = wrapping.inside(max);
        let own = association.pacing_rate();
        // Audio and video come first: what they leave of the path is for data.
        let left = self.media.as_mut().and_then(|media| media.left_for_data(now)).map(|bits| Rate(bits / 8));
        let rate = [own, left].into_iter().flatten().min_by_key(|rate| rate.0);
        let pace = rate.map(|rate| Pace::new(rate, full, MAX_RUN));
        let wants = association.wants_budget();
        let bytes = match self.path.gathers(now, wants && association.is_short_of(MAX_RUN)) {
            true => 0,
            false if wants => self.path.grant(now, pace),
            false => usize::MAX,
        };
        let before = association.paced_bytes();
        let budget = Budget { bytes, max_packet: full, safe_packet: wrapping.inside(safe) };
        let room = buf.len().min(MAX_RUN);
        let written =
            write_packets(now, &wrapping, budget, path, (dtls, association, &mut self.relays), &mut buf[..room]);
        let paced = association.paced_bytes() - before;
        let marked = paced > 0 && association.peer_tells_marks() && self.path.marks();
        let Written { path, len, segment, datagrams, full, failed } = written;
        if paced > 0 {
            self.path.sent(now, Run { paced, pace, datagrams, full, marked });
            if let Some(media) = &mut self.media {
                media.sent_other(now, len);
            }
        }
        if failed {
            // DTLS may have ended over it, which no later input would tell.
            self.after_dtls(now, Ecn::NotEct, &mut []);
        }
        let ecn = if marked { Ecn::Ect0 } else { Ecn::NotEct };
        let dont_fragment = segment.is_some() || len <= max;
        let segment = segment.filter(|size| *size < len);
        (len > 0).then(|| Transmit { ecn, segment, dont_fragment, ..Transmit::single(path, len) })
    }
}

fn write_packets(
    now: Instant,
    wrapping: &Wrapping,
    budget: Budget,
    path: Path,
    (dtls, association, relays): (&mut Dtls, &mut Association, &mut [Relay]),
    buf: &mut [u8],
) -> Written {
    let mut written = Written { path, len: 0, segment: None, datagrams: 0, full: 0, failed: false };
    let before = association.paced_bytes();
    let full = budget.max_packet;
    // Length of the packets of the run, before sealing.
    let mut each = full;
    for _ in 0..MAX_SEGMENTS {
        let room = &mut buf[written.len..];
        if room.len() < full + wrapping.head + wrapping.tail {
            break;
        }
        // Alone, a packet may be larger than the path: a chunk that was sized for another one cannot be cut again.
        let limit = if written.segment.is_none() { usize::MAX } else { each };
        let mut slot = Slot::new(room, wrapping.head, wrapping.tail, limit);
        let paced = usize::try_from(association.paced_bytes() - before).unwrap_or(usize::MAX);
        let budget = Budget { bytes: budget.bytes.saturating_sub(paced), ..budget };
        if association.poll_transmit(now, &budget, &mut slot).is_none() {
            break;
        }
        let plain = slot.len();
        if let Err(error) = dtls.seal(&mut slot) {
            tracing::debug!(%error, "a packet was lost before it was sent");
            written.failed = true;
            break;
        }
        let Some(wrapped) = wrapping.outer.wrap(now, relays, path, &mut slot) else { break };
        written.path = wrapped;
        let packet = slot.range();
        if packet.start > 0 {
            // A header was shorter than announced; runs have no gaps.
            room.copy_within(packet.clone(), 0);
        }
        written.len += packet.len();
        written.datagrams += 1;
        written.full += u32::from(plain == full);
        match written.segment {
            None if plain > full => break,
            None => (written.segment, each) = (Some(packet.len()), plain),
            Some(size) if packet.len() < size => break,
            Some(_) => {}
        }
        // A later packet must not be longer than the first: one that is not full leads a run of messages like its own, but
        // none is cut for that, and none waits that would have fitted beside it.
        if each < full && (2 * each <= full || !association.next_fits(each)) {
            break;
        }
    }
    written
}
