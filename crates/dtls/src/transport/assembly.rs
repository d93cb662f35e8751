//! Handshake messages from fragments, in order (RFC 9147 §5.5, RFC 6347 §4.2.3).

use alloc::vec::Vec;
use core::ops::Range;

use super::Message;
use super::coverage::Coverage;
use crate::message::handshake_header::Fragment;
use crate::message::kind::HandshakeType;
use crate::suite::Epoch;

/// Longest message, in bytes.
const MAX_MESSAGE: u32 = 1 << 16;
/// Most bytes held for messages that are not complete or not next.
const MAX_BYTES: usize = 1 << 16;
/// How many messages may come before the one that is next.
const MAX_AHEAD: u32 = 8;
/// Most versions of one message in the clear. Anyone can forge a fragment, and the true ones must find each other.
const MAX_CANDIDATES: usize = 3;

/// What became of a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is held; `in_order` says whether it was the next piece.
    Held { in_order: bool },
    /// Its message was delivered before: the peer sends it again.
    Old,
    /// It breaks a bound, or itself, or says something else than what is known. Forgotten.
    Dropped,
    /// The peer changed a message, and it was the peer, because it came under keys (RFC 9147 §5.5).
    Changed,
}

#[derive(Debug, Default)]
pub(super) struct Assembly {
    /// The message_seq of the next message; more than 16 bits so that there is one behind the last.
    next: u32,
    /// The message before the next one may come anew, as if it had not come.
    is_open: bool,
    /// The message delivered last was that one.
    came_anew: bool,
    partials: Vec<Partial>,
}

/// A message of which some came.
#[derive(Debug)]
struct Partial {
    kind: HandshakeType,
    seq: u16,
    epoch: Epoch,
    length: u32,
    /// As long as what came last reaches.
    body: Vec<u8>,
    there: Coverage,
}

impl Assembly {
    /// Takes a fragment in. Fragments may overlap. In the clear, one that contradicts what is there founds another
    /// version of its message; the version that is complete first counts.
    pub(super) fn take(&mut self, epoch: Epoch, fragment: &Fragment<'_>) -> Taken {
        let seq = u32::from(fragment.message_seq);
        if seq < self.first() {
            return Taken::Old;
        }
        let end = u64::from(fragment.offset) + fragment.body.len() as u64;
        let crumb = fragment.body.is_empty() && fragment.length > 0;
        if seq >= self.next + MAX_AHEAD || fragment.length > MAX_MESSAGE || end > fragment.length.into() || crumb {
            return Taken::Dropped;
        }
        let range = fragment.offset..end as u32;
        let same = |partial: &Partial| partial.seq == fragment.message_seq && partial.epoch == epoch;
        let (agreeing, others): (Vec<_>, Vec<_>) =
            self.partials.extract_if(.., |partial| same(partial)).partition(|partial| partial.agrees(fragment, &range));
        let is_new = agreeing.is_empty();
        if is_new && !others.is_empty() && epoch != Epoch::PLAIN {
            self.partials.extend(others);
            return Taken::Changed;
        }
        let oldest = usize::from(is_new && others.len() == MAX_CANDIDATES);
        self.partials.extend(others.into_iter().skip(oldest));
        if is_new {
            let Fragment { kind, message_seq: seq, length, body, .. } = *fragment;
            let partial = Partial { kind, seq, epoch, length, body: Vec::new(), there: Coverage::default() };
            return self.keep(partial, body, range);
        }
        // A part that contradicts nobody may belong to any of them.
        let taken = agreeing.into_iter().map(|partial| self.keep(partial, fragment.body, range.clone()));
        taken.fold(Taken::Dropped, |all, taken| if matches!(all, Taken::Held { in_order: true }) { all } else { taken })
    }

    /// The next message, if all of it came.
    pub(super) fn pop(&mut self) -> Option<Message> {
        let (first, next) = (self.first(), self.next);
        let is_due = |partial: &Partial| (first..=next).contains(&partial.seq.into());
        let i = self.partials.iter().position(|p| is_due(p) && p.there.is_complete(p.length))?;
        let Partial { kind, seq, epoch, body, .. } = self.partials.swap_remove(i);
        // Other versions of it stay until it proves to be the true one.
        self.partials.retain(|partial| u32::from(partial.seq) >= first);
        if self.partials.is_empty() {
            self.partials.shrink_to_fit();
        }
        self.came_anew = u32::from(seq) < next;
        self.next += u32::from(!self.came_anew);
        Some(Message { kind, seq, epoch, body })
    }

    /// The message delivered last counts as never received; another version of it may be next.
    pub(super) fn decline(&mut self) {
        self.next = self.next.saturating_sub(u32::from(!self.came_anew));
    }

    /// Lets the message delivered last come anew: it is answered, and nothing is kept of it.
    pub(super) fn reopen(&mut self) {
        self.is_open = true;
    }

    /// From now on no message is delivered twice.
    pub(super) fn close(&mut self) {
        self.is_open = false;
    }

    /// Forgets what came under lower epochs.
    pub(super) fn forget_below(&mut self, epoch: Epoch) {
        self.partials.retain(|partial| partial.epoch >= epoch);
        self.partials.shrink_to_fit();
    }

    /// Forgets what is not complete and gives the memory back.
    pub(super) fn release(&mut self) {
        self.partials = Vec::new();
    }

    /// The lowest message_seq that is not old.
    pub(super) fn first(&self) -> u32 {
        self.next - u32::from(self.is_open)
    }

    /// The message_seq of the next message.
    pub(super) fn next(&self) -> u32 {
        self.next
    }

    /// How many bytes are held.
    pub(super) fn held(&self) -> usize {
        self.partials.iter().map(|partial| partial.body.len()).sum()
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.partials.capacity()
    }

    /// Adds to a message and puts it behind those that were added to before.
    fn keep(&mut self, mut partial: Partial, body: &[u8], range: Range<u32>) -> Taken {
        let grown = partial.body.len().max(range.end as usize);
        let fits = self.make_room(u32::from(partial.seq), grown);
        let in_order = u32::from(partial.seq) == self.next && range.start <= partial.there.prefix();
        let taken = fits && partial.there.insert(range.clone()).is_some();
        if taken {
            partial.write(body, range);
        }
        if !partial.there.is_empty() {
            self.partials.push(partial);
        }
        if taken { Taken::Held { in_order } } else { Taken::Dropped }
    }

    /// Makes room for `len` bytes of message `seq`, at the expense of later messages and then of longer versions of it,
    /// which are likelier to be forged. Answers whether there is room.
    fn make_room(&mut self, seq: u32, len: usize) -> bool {
        if self.held() + len > MAX_BYTES {
            self.partials.retain(|partial| u32::from(partial.seq) >= self.next);
        }
        while self.held() + len > MAX_BYTES {
            let ranks = self.partials.iter().map(|partial| (u32::from(partial.seq), partial.body.len()));
            match ranks.enumerate().max_by_key(|(_, rank)| *rank).filter(|(_, rank)| *rank > (seq, len)) {
                Some((i, _)) => drop(self.partials.remove(i)),
                None => return false,
            }
        }
        true
    }
}

impl Partial {
    /// Whether a fragment may belong to it: same message, and the same bytes where both have some.
    fn agrees(&self, fragment: &Fragment<'_>, range: &Range<u32>) -> bool {
        let there = |r: &Range<u32>| self.body.get(r.start as usize..r.end as usize);
        let new = |r: &Range<u32>| fragment.body.get((r.start - range.start) as usize..(r.end - range.start) as usize);
        self.kind == fragment.kind
            && self.length == fragment.length
            && self.there.within(range.clone()).all(|r| there(&r) == new(&r))
    }

    fn write(&mut self, bytes: &[u8], range: Range<u32>) {
        let range = range.start as usize..range.end as usize;
        if self.body.len() < range.end {
            self.body.resize(range.end, 0);
        }
        if let Some(room) = self.body.get_mut(range) {
            room.copy_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use peerage_base::rng::Rng;

    const HELLO: HandshakeType = HandshakeType::CLIENT_HELLO;
    const HELD: Taken = Taken::Held { in_order: true };
    const AHEAD: Taken = Taken::Held { in_order: false };

    fn fragment(seq: u16, length: u32, offset: u32, body: &[u8]) -> Fragment<'_> {
        Fragment { kind: HELLO, length, message_seq: seq, offset, body }
    }

    fn plain(assembly: &mut Assembly, seq: u16, length: u32, offset: u32, body: &[u8]) -> Taken {
        assembly.take(Epoch::PLAIN, &fragment(seq, length, offset, body))
    }

    #[test]
    fn fragments_come_in_any_order_and_are_cut_anew() {
        let message: Vec<u8> = (0..2000_u32).map(|i| i as u8).collect();
        let mut rng = Rng::from_u64(5);
        for _ in 0..200 {
            let mut assembly = Assembly::default();
            let mut out = None;
            for _ in 0..10_000 {
                let from = rng.below(2100).saturating_sub(100) as usize;
                let to = (from + 1 + rng.below(700) as usize).min(2000);
                plain(&mut assembly, 0, 2000, from as u32, &message[from..to]);
                out = assembly.pop();
                if out.is_some() {
                    break;
                }
            }
            assert_eq!(out.unwrap().body, message);
        }
    }

    #[test]
    fn messages_are_delivered_in_order_and_once() {
        let mut assembly = Assembly::default();
        assert_eq!(plain(&mut assembly, 1, 3, 0, b"two"), AHEAD);
        assert_eq!(plain(&mut assembly, 2, 0, 0, b""), AHEAD);
        assert!(assembly.pop().is_none());
        assert_eq!(plain(&mut assembly, 0, 6, 3, b"ond"), AHEAD);
        assert_eq!(plain(&mut assembly, 0, 6, 0, b"sec"), HELD);
        let bodies: Vec<_> = core::iter::from_fn(|| assembly.pop()).map(|message| message.body).collect();
        assert_eq!(bodies, [&b"second"[..], b"two", b""]);
        assert_eq!(plain(&mut assembly, 1, 3, 0, b"two"), Taken::Old);
        assert!(assembly.partials.is_empty());
    }

    #[test]
    fn a_forged_fragment_does_not_stay_in_the_way() {
        let mut assembly = Assembly::default();
        plain(&mut assembly, 0, 500, 0, b"other length");
        plain(&mut assembly, 0, 9, 0, b"THE ");
        plain(&mut assembly, 0, 9, 0, b"the ");
        assert_eq!(plain(&mut assembly, 0, 9, 3, b" he"), HELD);
        plain(&mut assembly, 0, 9, 6, b"llo");
        assert_eq!(assembly.pop().unwrap().body, b"THE hello", "nobody can tell yet");
        assert_eq!(plain(&mut assembly, 0, 9, 0, b"the "), Taken::Old);
        assembly.decline();
        assert_eq!(assembly.pop().unwrap().body, b"the hello");
        assembly.take(Epoch::HANDSHAKE, &fragment(1, 4, 0, b"next"));
        assert!(assembly.pop().is_some());
        assert!(assembly.partials.is_empty(), "the forged ones are gone");
    }

    #[test]
    fn a_flood_of_versions_displaces_the_oldest() {
        let mut assembly = Assembly::default();
        for i in 0..1000_u32 {
            assert_eq!(plain(&mut assembly, 0, 100, 0, &i.to_be_bytes()), HELD);
        }
        assert_eq!(assembly.partials.len(), MAX_CANDIDATES);
        plain(&mut assembly, 0, 8, 0, b"true");
        plain(&mut assembly, 0, 8, 4, b"true");
        assert_eq!(assembly.pop().unwrap().body, b"truetrue");
    }

    #[test]
    fn under_keys_a_changed_byte_is_the_peers_fault() {
        let mut assembly = Assembly::default();
        assert_eq!(assembly.take(Epoch::HANDSHAKE, &fragment(0, 8, 0, b"abcd")), HELD);
        assert_eq!(assembly.take(Epoch::HANDSHAKE, &fragment(0, 8, 2, b"cdef")), HELD);
        assert_eq!(assembly.take(Epoch::HANDSHAKE, &fragment(0, 8, 4, b"Xf")), Taken::Changed);
        assert_eq!(assembly.take(Epoch::HANDSHAKE, &fragment(0, 9, 6, b"gh")), Taken::Changed);
        assert_eq!(assembly.take(Epoch::HANDSHAKE, &fragment(0, 8, 6, b"gh")), HELD);
        assert_eq!(assembly.pop().unwrap().body, b"abcdefgh");
    }

    #[test]
    fn impossible_fragments_are_dropped() {
        let mut assembly = Assembly::default();
        for (seq, length, offset, body) in [
            (0, 3, 0, &b"four"[..]),
            (0, 8, 6, b"abc"),
            (0, 8, u32::MAX, b"abc"),
            (0, MAX_MESSAGE + 1, 0, b"abc"),
            (0, 8, 4, b""),
            (MAX_AHEAD as u16, 3, 0, b"abc"),
            (u16::MAX, 3, 0, b"abc"),
        ] {
            assert_eq!(plain(&mut assembly, seq, length, offset, body), Taken::Dropped);
        }
        assert!(assembly.partials.is_empty());
    }

    #[test]
    fn a_flood_of_first_fragments_is_bounded_and_gives_way_to_the_next_message() {
        let mut assembly = Assembly::default();
        let big = vec![7; 1000];
        for round in 0..20_u32 {
            for seq in 1..20 {
                plain(&mut assembly, seq, MAX_MESSAGE, 20_000 + 1000 * round, &big);
            }
            plain(&mut assembly, 0, MAX_MESSAGE, 64_000, &big);
        }
        assert!(assembly.partials.iter().map(|p| p.body.len()).sum::<usize>() <= MAX_BYTES);
        assert!(assembly.partials.len() <= MAX_CANDIDATES * MAX_AHEAD as usize);
        for part in 0..60 {
            assert_ne!(plain(&mut assembly, 0, 60_000, 1000 * part, &big), Taken::Dropped);
        }
        assert_eq!(assembly.pop().unwrap().body.len(), 60_000);
    }

    #[test]
    fn a_declined_message_may_come_again() {
        let mut assembly = Assembly::default();
        plain(&mut assembly, 0, 6, 0, b"forged");
        assert_eq!(assembly.pop().unwrap().body, b"forged");
        assembly.decline();
        plain(&mut assembly, 0, 4, 0, b"true");
        assert_eq!(assembly.pop().unwrap().body, b"true");
        assert_eq!(assembly.next(), 1);
    }

    #[test]
    fn the_last_number_there_is_has_no_successor() {
        let mut assembly = Assembly { next: u16::MAX.into(), ..Assembly::default() };
        assert_eq!(plain(&mut assembly, u16::MAX, 4, 0, b"last"), HELD);
        assert!(assembly.pop().is_some());
        assert_eq!(plain(&mut assembly, 0, 4, 0, b"over"), Taken::Old);
    }

    #[test]
    fn what_came_in_the_clear_is_forgotten_once_there_are_keys() {
        let mut assembly = Assembly::default();
        plain(&mut assembly, 1, 6, 0, b"forged");
        assembly.take(Epoch::HANDSHAKE, &fragment(1, 4, 0, b"true"));
        plain(&mut assembly, 0, 4, 0, b"head");
        assembly.pop();
        assembly.forget_below(Epoch::HANDSHAKE);
        assert_eq!(assembly.pop().unwrap().body, b"true");
    }
}
