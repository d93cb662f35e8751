//! Those who wait for room in a connection's send buffer: first come, first served.

use std::collections::VecDeque;
use std::task::Waker;

/// A place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

/// The queue. Whoever is called tries again and leaves by [`leave`](Self::leave), done or cancelled, which calls the next.
#[derive(Debug, Default)]
pub(crate) struct Senders {
    waiting: VecDeque<Waiting>,
    next: u64,
}

#[derive(Debug)]
struct Waiting {
    ticket: Ticket,
    /// Length of the message, in bytes.
    len: usize,
    /// `None`: called, and about to try again.
    waker: Option<Waker>,
}

impl Senders {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Queues behind the others.
    pub(crate) fn join(&mut self, len: usize, waker: Waker) -> Ticket {
        let ticket = Ticket(self.next);
        self.next += 1;
        self.waiting.push_back(Waiting { ticket, len, waker: Some(waker) });
        ticket
    }

    /// Whether it is this one's turn to try again. If not, `waker` is the one to wake.
    pub(crate) fn is_called(&mut self, ticket: Ticket, waker: &Waker) -> bool {
        let Some(waiting) = self.get(ticket) else { return true };
        match &mut waiting.waker {
            None => true,
            Some(known) => {
                known.clone_from(waker);
                false
            }
        }
    }

    /// There was no room after all: waits in the same place.
    pub(crate) fn wait_again(&mut self, ticket: Ticket, waker: Waker) {
        if let Some(waiting) = self.get(ticket) {
            waiting.waker = Some(waker);
        }
    }

    /// Takes a place away. `room`: what the buffer takes now, for those behind.
    pub(crate) fn leave(&mut self, ticket: Ticket, room: usize) {
        let place = self.waiting.iter().position(|waiting| waiting.ticket == ticket);
        let left = place.and_then(|place| self.waiting.remove(place));
        if left.is_some_and(|waiting| waiting.waker.is_none()) {
            self.call(room);
        }
        if self.waiting.is_empty() {
            self.waiting = VecDeque::new();
        }
    }

    /// Calls the first, whose trying tells the association what to wait for, and as many behind as find room too.
    pub(crate) fn call(&mut self, room: usize) {
        let mut wanted = 0_usize;
        for waiting in &mut self.waiting {
            let first = wanted == 0;
            wanted = wanted.saturating_add(waiting.len.max(1));
            if !first && wanted > room {
                return;
            }
            if let Some(waker) = waiting.waker.take() {
                waker.wake();
            }
        }
    }

    /// Calls all: there will be no room any more, or none is needed.
    pub(crate) fn call_all(&mut self) {
        self.call(usize::MAX);
    }

    fn get(&mut self, ticket: Ticket) -> Option<&mut Waiting> {
        self.waiting.iter_mut().find(|waiting| waiting.ticket == ticket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Senders of 100 bytes each, and the count of wake-ups of each.
    fn waiting(count: usize) -> (Senders, Vec<(Ticket, Arc<Count>)>) {
        let mut senders = Senders::default();
        let joined = (0..count)
            .map(|_| {
                let woken = Arc::new(Count::default());
                (senders.join(100, woken.clone().into()), woken)
            })
            .collect();
        (senders, joined)
    }

    fn woken(joined: &[(Ticket, Arc<Count>)]) -> Vec<usize> {
        joined.iter().map(|(_, count)| count.0.load(Ordering::Relaxed)).collect()
    }

    #[test]
    fn as_many_are_woken_as_find_room_and_each_once() {
        let (mut senders, joined) = waiting(5);
        senders.call(250);
        assert_eq!(woken(&joined), [1, 1, 0, 0, 0]);
        senders.call(250);
        assert_eq!(woken(&joined), [1, 1, 0, 0, 0], "those who were called need no second call");
        senders.leave(joined[0].0, 150);
        assert_eq!(woken(&joined), [1, 1, 0, 0, 0], "what is left is for the second");
        senders.leave(joined[1].0, 50);
        assert_eq!(woken(&joined), [1, 1, 1, 0, 0], "the first in the queue tries, so that room is told of");
    }

    #[test]
    fn whoever_is_called_and_gives_up_passes_the_call_on() {
        let (mut senders, joined) = waiting(3);
        senders.leave(joined[1].0, 1000);
        assert_eq!(woken(&joined), [0, 0, 0], "it had not been called");
        senders.call(100);
        senders.leave(joined[0].0, 100);
        assert_eq!(woken(&joined), [1, 0, 1]);
        senders.leave(joined[2].0, 100);
        assert!(senders.is_empty());
    }

    #[test]
    fn who_finds_no_room_keeps_the_place() {
        let (mut senders, joined) = waiting(2);
        senders.call(100);
        let (ticket, count) = &joined[0];
        let waker: Waker = count.clone().into();
        assert!(senders.is_called(*ticket, &waker));
        senders.wait_again(*ticket, waker.clone());
        assert!(!senders.is_called(*ticket, &waker));
        senders.call(100);
        assert_eq!(woken(&joined), [2, 0]);
        senders.call_all();
        assert_eq!(woken(&joined), [2, 1]);
    }
}
