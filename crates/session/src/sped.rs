//! The DTLS handshake inside ICE's checks (draft-hancke-webrtc-sped): what they are to carry, what of it arrived, and when
//! the path itself takes over.
//!
//! As Chromium 156 does it on the wire:
//! - Every check and every answer names the last four packets that arrived, by plain CRC-32, in checks or bare, and carries
//!   one packet of the present flight, the same bytes until it is acknowledged, the next one by each message. The very
//!   first check of a DTLS client carries the first 900 bytes of its flight.
//! - A side that has nothing to carry leaves the packet's attribute away in the variant `googspedv1`, and sends it empty in
//!   the variant `sped` as long as its handshake is not complete. Both take either.
//! - Once a pair has answered, what was not acknowledged leaves bare on it at once, as do all flights that follow; packets
//!   still go into checks beside that until they are acknowledged.
//! - A side that is done, which is to say that its handshake is complete and nothing of it is unacknowledged, leaves both
//!   attributes away. To a side whose handshake is complete that says that the peer is done; so does, in the variant
//!   `sped`, an acknowledgement without a packet. To one that never saw either attribute it says that the peer does not
//!   know them.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use peerage_base::crc::crc32;
use peerage_base::time::{Instant, earliest};
use peerage_ice::attachment::{Attachments, MAX_ACKS, MAX_PACKET, MAX_PACKETS, Packet};

/// Names of the ICE option: the draft's, and what Chromium goes by.
pub(crate) const OPTIONS: [&str; 2] = ["sped", "googspedv1"];
/// How many arrived packets are remembered, so that a copy in another check costs nothing.
const MAX_ARRIVED: usize = 16;
/// Bounds of the wait for an acknowledgement or an answer, before DTLS takes its flight back.
const MIN_WAIT: Duration = Duration::from_millis(50);
const MAX_WAIT: Duration = Duration::from_secs(1);
/// What an answer may take beyond the round trip.
const SLACK: Duration = Duration::from_millis(20);
/// The wait where no round-trip time is known.
const USUAL_WAIT: Duration = Duration::from_millis(200);
/// How long a side whose handshake is complete still acknowledges to a peer that does not say that it is done.
const LINGER: Duration = Duration::from_secs(3);

/// The handshake in checks, of one DTLS association.
#[derive(Debug, Default)]
pub(crate) struct Sped {
    state: State,
    /// What DTLS wants the peer to have.
    flight: Vec<Piece>,
    /// CRC-32s of packets that arrived, the last one last.
    arrived: VecDeque<u32>,
    /// When this side's handshake was complete.
    completed_at: Option<Instant>,
    /// Since when a pair is there to carry packets bare, and the wait on it.
    selected: Option<Duration>,
    /// Whether DTLS sends its flights by itself.
    is_released: bool,
    /// When the flight changed, a part of it was acknowledged, or it left bare.
    last_at: Instant,
    /// Whether what checks carry has changed.
    is_stale: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Nothing is known of the peer, or what its description says.
    #[default]
    Tentative,
    /// It sent one of the attributes.
    Confirmed,
    /// Both sides are done, or the peer knows nothing of it.
    Over,
}

/// A packet of the flight.
#[derive(Debug)]
struct Piece {
    tag: u32,
    bytes: Vec<u8>,
    is_acknowledged: bool,
    left_at: Option<Instant>,
}

impl Sped {
    /// Nothing is under way yet; checks say that DTLS in them is understood.
    pub(crate) fn new() -> Self {
        Self { is_stale: true, ..Self::default() }
    }

    /// Takes over what DTLS has under way: the packets of its flight that the peer may not have, and whether its handshake
    /// is complete.
    pub(crate) fn set_flight(&mut self, now: Instant, flight: &[&[u8]], is_complete: bool) {
        if is_complete && self.completed_at.is_none() {
            (self.completed_at, self.is_stale) = (Some(now), true);
        }
        let flight = flight.get(..MAX_PACKETS).unwrap_or(flight);
        if flight.iter().copied().eq(self.flight.iter().map(|piece| &piece.bytes[..])) {
            return;
        }
        let before = core::mem::take(&mut self.flight);
        for bytes in flight {
            let known = before.iter().find(|piece| piece.bytes == *bytes);
            self.flight.push(Piece {
                tag: crc32(bytes),
                bytes: bytes.to_vec(),
                is_acknowledged: known.is_some_and(|piece| piece.is_acknowledged),
                left_at: known.and_then(|piece| piece.left_at),
            });
        }
        let is_new = !self.flight.iter().any(|piece| before.iter().any(|other| other.tag == piece.tag));
        // A flight that begins with a pair at hand leaves on it, by DTLS's own timers.
        self.is_released |= self.selected.is_some() && is_new;
        (self.last_at, self.is_stale) = (now, true);
    }

    /// Takes what an authenticated check or answer carried. Answers the packet if DTLS has not had it: call
    /// [`arrived`](Self::arrived) for one that it takes.
    pub(crate) fn heard<'a>(
        &mut self,
        now: Instant,
        acks: Option<&[u32]>,
        packet: Option<&'a [u8]>,
    ) -> Option<&'a [u8]> {
        match (self.state, acks, packet) {
            (State::Over, ..) => return None,
            (State::Tentative, None, None) => {
                tracing::debug!("the peer knows nothing of DTLS in checks");
                self.finish();
                return None;
            }
            (State::Tentative, ..) => self.state = State::Confirmed,
            (State::Confirmed, ..) => {}
        }
        for piece in self.flight.iter_mut().filter(|piece| !piece.is_acknowledged) {
            if acks.is_some_and(|acks| acks.contains(&piece.tag)) {
                piece.is_acknowledged = true;
                (self.last_at, self.is_stale) = (now, true);
            }
        }
        if packet.is_none_or(<[u8]>::is_empty) {
            // Nothing left to carry on either side; without a pair the acknowledgement has no other way.
            if self.is_done() && self.selected.is_some() {
                self.finish();
            }
            return None;
        }
        packet.filter(|packet| !self.arrived.contains(&crc32(packet)))
    }

    /// Notes a packet for DTLS that arrived in a check or bare, before DTLS opens it in place.
    pub(crate) fn arrived(&mut self, packet: &[u8]) {
        let tag = crc32(packet);
        if self.is_over() || self.completed_at.is_some() && !self.is_held() || self.arrived.contains(&tag) {
            return;
        }
        if self.arrived.len() == MAX_ARRIVED {
            self.arrived.pop_front();
        }
        self.arrived.push_back(tag);
        self.is_stale = true;
    }

    /// The peer sent application data: it has all that this side's handshake needed it to have.
    pub(crate) fn heard_data(&mut self) {
        if self.is_done() {
            self.finish();
        }
    }

    /// A pair is there to carry packets bare.
    pub(crate) fn select(&mut self, now: Instant, rtt: Option<Duration>) {
        let wait = rtt.map_or(USUAL_WAIT, |rtt| (rtt * 5 / 4 + SLACK).clamp(MIN_WAIT, MAX_WAIT));
        if self.selected.replace(wait).is_none() {
            self.last_at = now;
            // There is nothing that checks have begun to carry.
            self.is_released |= self.flight.is_empty();
        }
    }

    /// The end: the peer's description does not name the option, or DTLS is gone.
    pub(crate) fn finish(&mut self) {
        self.state = State::Over;
        self.flight = Vec::new();
        self.is_stale = true;
    }

    /// Acts on deadlines. `carried_at` says when a check or an answer last carried the packet on the selected pair.
    pub(crate) fn handle_timeout(&mut self, now: Instant, carried_at: impl Fn(u32) -> Option<Instant>) {
        if self.release_at(carried_at).is_some_and(|at| at <= now) {
            tracing::debug!("checks did not carry the whole flight");
            self.is_released = true;
        }
        if !self.is_over() && self.completed_at.is_some_and(|at| at + LINGER <= now) {
            self.finish();
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub(crate) fn poll_timeout(&self, carried_at: impl Fn(u32) -> Option<Instant>) -> Option<Instant> {
        let linger = self.completed_at.filter(|_| !self.is_over()).map(|at| at + LINGER);
        earliest(self.release_at(carried_at), linger)
    }

    /// A packet to leave bare on the selected pair: one that no check has carried on it.
    pub(crate) fn poll_bare(&mut self, now: Instant, carried_at: impl Fn(u32) -> Option<Instant>) -> Option<&[u8]> {
        if !self.is_held() || self.selected.is_none() {
            return None;
        }
        let waits =
            |piece: &&mut Piece| !piece.is_acknowledged && piece.left_at.is_none() && carried_at(piece.tag).is_none();
        let piece = self.flight.iter_mut().find(waits)?;
        piece.left_at = Some(now);
        self.last_at = now;
        Some(&piece.bytes)
    }

    /// What checks carry from now on, once after each change: `None` within for nothing any more.
    pub(crate) fn poll_attachments(&mut self) -> Option<Option<Attachments>> {
        if !core::mem::take(&mut self.is_stale) {
            return None;
        }
        Some((!self.is_over()).then(|| {
            Attachments {
                acks: self.arrived.iter().rev().take(MAX_ACKS).rev().copied().collect(),
                packets: self
                    .flight
                    .iter()
                    .filter(|piece| !piece.is_acknowledged && piece.bytes.len() <= MAX_PACKET)
                    .map(|piece| Packet { tag: piece.tag, bytes: piece.bytes.clone() })
                    .collect(),
                unfinished: self.completed_at.is_none(),
            }
        }))
    }

    /// Whether DTLS is to keep its flights to itself.
    pub(crate) fn is_held(&self) -> bool {
        !self.is_over() && !self.is_released
    }

    /// Whether nothing is left to do.
    pub(crate) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Whether this side's handshake is complete, and nothing of it is unacknowledged.
    fn is_done(&self) -> bool {
        self.completed_at.is_some() && self.flight.iter().all(|piece| piece.is_acknowledged)
    }

    fn release_at(&self, carried_at: impl Fn(u32) -> Option<Instant>) -> Option<Instant> {
        let wait = self.selected.filter(|_| self.is_held())?;
        let missing = || self.flight.iter().filter(|piece| !piece.is_acknowledged);
        let last =
            missing().filter_map(|piece| piece.left_at.max(carried_at(piece.tag))).fold(self.last_at, Instant::max);
        // What arrived whole has only its answer to wait for.
        let waits = if missing().next().is_none() { 2 } else { 1 };
        Some(last + wait * waits)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    const RTT: Duration = Duration::from_millis(100);

    fn at(millis: u64) -> Instant {
        Instant::from_millis(1_000 + millis)
    }

    fn never(_: u32) -> Option<Instant> {
        None
    }

    /// A packet as DTLS begins them.
    fn packet(number: u8) -> Vec<u8> {
        let mut bytes = vec![22; 300];
        bytes[10] = number;
        bytes
    }

    fn tags(packets: &[Vec<u8>]) -> Vec<u32> {
        packets.iter().map(|bytes| crc32(bytes)).collect()
    }

    fn set(sped: &mut Sped, now: Instant, flight: &[Vec<u8>], is_complete: bool) {
        sped.set_flight(now, &flight.iter().map(|bytes| &bytes[..]).collect::<Vec<_>>(), is_complete);
    }

    fn carried(sped: &mut Sped) -> Attachments {
        sped.poll_attachments().expect("something changed").expect("it goes on")
    }

    fn carried_tags(sped: &mut Sped) -> Vec<u32> {
        carried(sped).packets.iter().map(|packet| packet.tag).collect()
    }

    /// A client whose first flight of two packets is under way, to a peer that knows of it.
    fn client() -> (Sped, [Vec<u8>; 2]) {
        let (mut sped, hello) = (Sped::new(), [packet(1), packet(2)]);
        set(&mut sped, at(0), &hello, false);
        assert_eq!(carried_tags(&mut sped), tags(&hello));
        assert_eq!(sped.heard(at(50), Some(&[]), Some(&[])), None);
        (sped, hello)
    }

    #[test]
    fn it_says_from_the_beginning_that_it_understands() {
        let mut sped = Sped::new();
        assert_eq!(carried(&mut sped), Attachments { unfinished: true, ..Attachments::default() });
        assert_eq!(sped.poll_attachments(), None, "once");
        assert!(sped.is_held());
        assert_eq!(sped.poll_timeout(never), None);
    }

    #[test]
    fn whoever_answers_without_either_attribute_does_not_know_them_and_dtls_goes_its_own_way_at_once() {
        let mut sped = Sped::new();
        set(&mut sped, at(0), &[packet(1)], false);
        assert_eq!(sped.heard(at(100), None, None), None);
        assert!(sped.is_over() && !sped.is_held());
        assert_eq!(sped.poll_attachments(), Some(None));
        assert_eq!(sped.heard(at(101), Some(&[1]), Some(&packet(9))), None, "nothing that comes later brings it back");
        set(&mut sped, at(102), &[packet(3)], true);
        assert_eq!(sped.poll_timeout(never), None);
        assert!(sped.is_over() && sped.poll_bare(at(103), never).is_none());
    }

    #[test]
    fn an_empty_packet_or_an_empty_acknowledgement_alone_shows_that_the_peer_knows() {
        for (acks, packet) in [(None, Some(&[][..])), (Some(&[][..]), None)] {
            let mut sped = Sped::new();
            assert_eq!(sped.heard(at(0), acks, packet), None);
            assert_eq!(sped.heard(at(1), None, None), None, "what is done or reordered says nothing of knowledge");
            assert!(sped.is_held());
        }
    }

    #[test]
    fn acknowledged_packets_are_not_carried_again_and_the_others_are() {
        let (mut sped, hello) = client();
        let last = crc32(&hello[1]);
        sped.heard(at(55), Some(&[7, last, last]), Some(&[]));
        assert_eq!(carried_tags(&mut sped), [crc32(&hello[0])]);
        sped.heard(at(60), Some(&[last]), Some(&[]));
        assert_eq!(sped.poll_attachments(), None, "it was known");
        set(&mut sped, at(61), &hello, false);
        assert_eq!(sped.poll_attachments(), None, "the flight is the same");
        set(&mut sped, at(62), &hello[1..], false);
        assert_eq!(carried_tags(&mut sped), [0; 0], "what DTLS knows to have arrived goes");
    }

    #[test]
    fn a_packet_is_handed_over_once_and_the_last_four_are_acknowledged() {
        let (mut sped, _) = client();
        let packets: Vec<Vec<u8>> = (10..16).map(packet).collect();
        for (number, bytes) in packets.iter().enumerate() {
            assert_eq!(sped.heard(at(60), Some(&[]), Some(bytes)), Some(&bytes[..]));
            sped.arrived(bytes);
            assert_eq!(sped.heard(at(61), Some(&[]), Some(bytes)), None, "a copy in another check");
            assert_eq!(carried(&mut sped).acks[..], tags(&packets)[(number + 1).saturating_sub(4)..=number]);
        }
        // One that could not be taken in is handed over again.
        let lost = packet(77);
        assert!(sped.heard(at(62), Some(&[]), Some(&lost)).is_some());
        assert!(sped.heard(at(63), Some(&[]), Some(&lost)).is_some());
    }

    #[test]
    fn what_is_remembered_of_arrivals_is_bounded() {
        let (mut sped, _) = client();
        for number in 0..200 {
            sped.arrived(&packet(number));
        }
        assert_eq!(sped.arrived.len(), MAX_ARRIVED);
        let flight: Vec<Vec<u8>> = (0..200).map(packet).collect();
        set(&mut sped, at(70), &flight, false);
        assert_eq!(carried(&mut sped).packets.len(), MAX_PACKETS);
    }

    #[test]
    fn packets_that_came_bare_are_acknowledged_too() {
        let (mut sped, _) = client();
        sped.arrived(&packet(10));
        assert_eq!(carried(&mut sped).acks[..], tags(&[packet(10)]));
    }

    #[test]
    fn a_pair_carries_at_once_what_no_check_has_carried_on_it() {
        let (mut sped, hello) = client();
        let first = crc32(&hello[0]);
        let on_pair = |tag: u32| (tag == first).then(|| at(0));
        assert_eq!(sped.poll_bare(at(99), on_pair), None, "there is no pair");
        sped.select(at(100), Some(RTT));
        assert!(sped.is_held());
        assert_eq!(sped.poll_bare(at(100), on_pair), Some(&hello[1][..]));
        assert_eq!(sped.poll_bare(at(100), on_pair), None, "once");
    }

    #[test]
    fn what_is_not_acknowledged_in_time_is_left_to_dtls() {
        let (mut sped, hello) = client();
        let carried_at = |_| Some(at(95));
        sped.heard(at(100), Some(&[crc32(&hello[0])]), Some(&[]));
        sped.select(at(100), Some(RTT));
        let due = at(100) + RTT * 5 / 4 + SLACK;
        assert_eq!(sped.poll_timeout(carried_at), Some(due));
        sped.handle_timeout(due - Duration::from_nanos(1), carried_at);
        assert!(sped.is_held());
        sped.handle_timeout(due, carried_at);
        assert!(!sped.is_held() && !sped.is_over(), "checks go on carrying it");
        assert_eq!(sped.poll_timeout(carried_at), None);
        assert_eq!(sped.poll_bare(due, never), None);
    }

    #[test]
    fn an_acknowledgement_gives_the_answer_the_time_that_it_takes() {
        let (mut sped, hello) = client();
        sped.select(at(100), Some(RTT));
        sped.heard(at(105), Some(&tags(&hello)), Some(&[]));
        let due = at(105) + (RTT * 5 / 4 + SLACK) * 2;
        assert_eq!(sped.poll_timeout(|_| Some(at(5))), Some(due));
        sped.handle_timeout(due, |_| Some(at(5)));
        assert!(!sped.is_held(), "the answer was lost, which only DTLS can tell the peer");
    }

    #[test]
    fn waits_have_bounds() {
        for (rtt, wait) in [(0, 50), (10, 50), (10_000, 1_000)] {
            let (mut sped, _) = client();
            sped.select(at(0), Some(Duration::from_millis(rtt)));
            assert_eq!(sped.poll_timeout(never), Some(at(wait)));
        }
        let (mut sped, _) = client();
        sped.select(at(0), None);
        assert_eq!(sped.poll_timeout(never), Some(at(200)));
    }

    #[test]
    fn a_flight_that_begins_with_a_pair_at_hand_leaves_bare_and_in_checks() {
        let (mut sped, hello) = client();
        sped.heard(at(105), Some(&tags(&hello)), Some(&packet(10)));
        sped.select(at(100), Some(RTT));
        let finished = [packet(3)];
        set(&mut sped, at(115), &finished, true);
        assert!(!sped.is_held());
        let attachments = carried(&mut sped);
        assert_eq!(attachments.packets[0].tag, crc32(&finished[0]));
        assert!(!attachments.unfinished);
    }

    #[test]
    fn a_flight_that_begins_without_a_pair_goes_into_checks_alone() {
        let mut sped = Sped::new();
        assert!(sped.heard(at(50), Some(&[]), Some(&packet(1))).is_some());
        sped.arrived(&packet(1));
        set(&mut sped, at(50), &[packet(5), packet(6)], false);
        assert!(sped.is_held());
        let attachments = carried(&mut sped);
        assert_eq!((attachments.packets.len(), &attachments.acks[..]), (2, &tags(&[packet(1)])[..]));
        assert_eq!(sped.poll_timeout(never), None, "without a pair there is no other way");
    }

    #[test]
    fn a_server_without_a_first_flight_is_not_held_once_there_is_a_pair() {
        let mut sped = Sped::new();
        sped.heard(at(50), Some(&[]), None);
        sped.select(at(100), Some(RTT));
        assert!(!sped.is_held());
    }

    #[test]
    fn packets_too_long_for_a_check_leave_bare() {
        let (mut sped, long) = (Sped::new(), vec![22; MAX_PACKET + 1]);
        set(&mut sped, at(0), &[long.clone(), packet(2)], false);
        assert_eq!(carried_tags(&mut sped), [crc32(&packet(2))]);
        sped.select(at(100), Some(RTT));
        assert_eq!(sped.poll_bare(at(100), |tag| (tag == crc32(&packet(2))).then(|| at(1))), Some(&long[..]));
    }

    /// A client that has sent its last flight on a pair.
    fn finishing() -> (Sped, Vec<u8>) {
        let (mut sped, hello) = client();
        sped.heard(at(100), Some(&tags(&hello)), Some(&packet(10)));
        sped.select(at(100), Some(RTT));
        let last = packet(3);
        set(&mut sped, at(115), core::slice::from_ref(&last), true);
        (sped, last)
    }

    #[test]
    fn it_ends_when_nothing_is_left_on_either_side() {
        let last = crc32(&packet(3));
        let empty: &[u8] = &[];
        // (acknowledgements, packet) of the peer, and whether that is the end.
        for (acks, packet, ends) in [
            (Some(&[][..]), None, false),
            (None, None, false),
            (Some(&[last][..]), Some(&packet(10)[..]), false),
            (Some(&[last]), None, true),
            (Some(&[last]), Some(empty), true),
        ] {
            let (mut sped, _) = finishing();
            sped.heard(at(215), acks, packet);
            assert_eq!(sped.is_over(), ends, "{acks:?} {:?}", packet.map(<[u8]>::len));
        }
        // A peer that is done leaves both away; DTLS knows by its own means that the last flight arrived.
        let (mut sped, _) = finishing();
        set(&mut sped, at(220), &[], true);
        sped.heard(at(221), None, None);
        assert!(sped.is_over() && sped.poll_attachments() == Some(None));
        let (mut sped, _) = finishing();
        sped.heard_data();
        assert!(!sped.is_over(), "data may have overtaken what is not acknowledged");
        set(&mut sped, at(220), &[], true);
        sped.heard_data();
        assert!(sped.is_over());
    }

    #[test]
    fn a_peer_that_never_says_that_it_is_done_is_not_waited_for() {
        let (mut sped, _) = finishing();
        assert_eq!(sped.poll_timeout(never), Some(at(115) + LINGER));
        sped.handle_timeout(at(115) + LINGER - Duration::from_nanos(1), never);
        assert!(!sped.is_over());
        sped.handle_timeout(at(115) + LINGER, never);
        assert!(sped.is_over());
        assert_eq!(sped.poll_timeout(never), None);
    }

    #[test]
    fn without_a_pair_the_last_flight_is_acknowledged_until_the_peer_has_heard_it() {
        // A server whose own checks were not answered yet: its word has no other way than its checks and answers.
        let mut sped = Sped::new();
        for number in 1..3 {
            assert!(sped.heard(at(50), Some(&[]), Some(&packet(number))).is_some());
            sped.arrived(&packet(number));
        }
        set(&mut sped, at(50), &[], true);
        sped.heard(at(60), Some(&[]), None);
        let attachments = carried(&mut sped);
        assert_eq!(attachments.acks[..], tags(&[packet(1), packet(2)]));
        assert!(!sped.is_over() && !attachments.unfinished);
        sped.select(at(100), Some(RTT));
        sped.heard(at(101), Some(&[]), None);
        assert!(sped.is_over());
    }

    type Flight = Vec<Vec<u8>>;

    /// One side of a handshake as DTLS 1.3 has it: a flight goes when all of the one before has come.
    struct End {
        sped: Sped,
        /// Flights to be received whole, and the one that each brings about.
        script: Vec<(Flight, Flight)>,
        heard: Vec<Vec<u8>>,
        carried: Attachments,
        next: usize,
    }

    impl End {
        fn new(first: &[Vec<u8>], script: Vec<(Flight, Flight)>) -> Self {
            let mut sped = Sped::new();
            set(&mut sped, at(0), first, false);
            Self { sped, script, heard: Vec::new(), carried: Attachments::default(), next: 0 }
        }

        fn is_complete(&self) -> bool {
            self.script.is_empty()
        }

        /// What the next message carries.
        fn message(&mut self) -> (Vec<u32>, Option<Vec<u8>>) {
            match self.sped.poll_attachments() {
                Some(Some(attachments)) => self.carried = attachments,
                Some(None) => panic!("it ended without a pair"),
                None => {}
            }
            self.next += 1;
            let packets = &self.carried.packets;
            let empty = self.carried.unfinished.then(Vec::new);
            let packet = packets.get(self.next % packets.len().max(1)).map(|packet| packet.bytes.clone());
            (self.carried.acks.to_vec(), packet.or(empty))
        }

        fn take(&mut self, now: Instant, (acks, packet): &(Vec<u32>, Option<Vec<u8>>)) {
            let Some(new) = self.sped.heard(now, Some(acks), packet.as_deref()) else { return };
            self.sped.arrived(new);
            self.heard.push(new.to_vec());
            if let Some((awaited, reply)) = self.script.first().cloned()
                && awaited.iter().all(|bytes| self.heard.contains(bytes))
            {
                self.script.remove(0);
                set(&mut self.sped, now, &reply, self.script.is_empty());
            }
        }
    }

    #[test]
    fn a_handshake_gets_across_in_checks_alone_whatever_is_lost_or_overtaken() {
        let flight = |numbers: core::ops::Range<u8>| numbers.map(packet).collect::<Vec<_>>();
        let (hello, reply, last) = (flight(0..2), flight(10..14), flight(20..21));
        for seed in 0..400 {
            let mut rng = peerage_base::rng::Rng::from_u64(seed);
            let mut client = End::new(&hello, vec![(reply.clone(), last.clone())]);
            let mut server = End::new(&[], vec![(hello.clone(), reply.clone()), (last.clone(), Vec::new())]);
            // Messages under way: to the server or not, and what they carry.
            let mut wire = Vec::new();
            let loss = 100 * (seed % 6);
            for tick in 0.. {
                assert!(tick < 200, "seed {seed}: stuck");
                for to_server in [true, false, true, false] {
                    let message = if to_server { client.message() } else { server.message() };
                    if rng.below(1000) >= loss {
                        wire.push((to_server, message));
                    }
                }
                while wire.len() > 3 {
                    let (to_server, message) = wire.remove(rng.below(wire.len() as u64) as usize);
                    let end = if to_server { &mut server } else { &mut client };
                    end.take(at(tick * 50), &message);
                }
                if client.sped.is_done() && server.sped.is_done() {
                    break;
                }
            }
            assert!(client.is_complete() && server.is_complete());
            assert_eq!((client.heard.len(), server.heard.len()), (4, 3), "each packet is handed over once");
        }
    }
}
