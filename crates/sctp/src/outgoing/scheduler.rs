//! Whose turn it is: weighted fair queueing among channels (RFC 8260 §3.6, RFC 8831 §6.4), of fragments where messages are
//! interleaved. Where they are not, fragments of a message have consecutive TSNs, so a message that was begun is finished first.

use crate::channel::ChannelId;
use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;

#[derive(Debug, Default)]
pub(crate) struct Scheduler {
    /// Channels with something to send, by virtual time and then by arrival.
    waiting: BinaryHeap<Reverse<(u64, u64, ChannelId)>>,
    current: Option<ChannelId>,
    /// Channels passed over for now.
    aside: Vec<ChannelId>,
    /// Virtual time of the channel served last.
    time: u64,
    arrivals: u64,
}

impl Scheduler {
    /// A channel that had nothing to send has something now. `finish` is its own virtual time, kept by the caller.
    pub(crate) fn activate(&mut self, channel: ChannelId, finish: &mut u64) {
        *finish = (*finish).max(self.time);
        self.arrivals += 1;
        self.waiting.push(Reverse((*finish, self.arrivals, channel)));
    }

    /// The channel to serve; it stays the one until [`served`](Self::served).
    pub(crate) fn current(&mut self) -> Option<ChannelId> {
        if self.current.is_none() {
            if self.waiting.is_empty() {
                self.readmit();
            }
            let Reverse((time, _, channel)) = self.waiting.pop()?;
            self.time = time;
            self.current = Some(channel);
        }
        self.current
    }

    /// The current channel has sent `len` bytes, or has nothing to send any more.
    pub(crate) fn served(&mut self, len: usize, priority: u16, finish: &mut u64, has_more: bool) {
        let Some(channel) = self.current else { return };
        // An overhead per turn keeps channels with tiny messages from crowding out the others.
        let cost = (len as u64 + 32) * 1024 / u64::from(priority.max(1));
        *finish = finish.saturating_add(cost);
        if has_more && self.waiting.is_empty() {
            self.time = *finish;
            return;
        }
        self.current = None;
        if has_more {
            self.arrivals += 1;
            self.waiting.push(Reverse((*finish, self.arrivals, channel)));
        }
    }

    /// Passes over the current channel until [`readmit`](Self::readmit); not if that would leave none. Answers whether it did.
    pub(crate) fn set_aside(&mut self) -> bool {
        let does = !self.waiting.is_empty();
        if does {
            self.aside.extend(self.current.take());
        }
        does
    }

    /// Those passed over wait for their turn again.
    pub(crate) fn readmit(&mut self) {
        for channel in self.aside.drain(..) {
            self.arrivals += 1;
            self.waiting.push(Reverse((self.time, self.arrivals, channel)));
        }
    }

    /// The current channel has nothing to send any more.
    pub(crate) fn skip(&mut self) {
        self.current = None;
    }

    /// Whether it is the turn of this channel.
    pub(crate) fn serves(&self, channel: ChannelId) -> bool {
        self.current == Some(channel)
    }

    /// Lets go of room that is not in use.
    pub(crate) fn shrink(&mut self) {
        self.waiting.shrink_to_fit();
        self.aside.shrink_to_fit();
    }

    /// Whether no channel but the current one has something to send.
    pub(crate) fn has_no_other(&self) -> bool {
        self.waiting.is_empty() && self.aside.is_empty()
    }

    /// Whether no channel has anything to send.
    pub(crate) fn is_idle(&self) -> bool {
        self.current.is_none() && self.has_no_other()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_priorities_and_equals_take_turns() {
        let mut scheduler = Scheduler::default();
        let priorities = [128u16, 256, 256, 1024];
        let mut finish = [0u64; 4];
        for (n, f) in finish.iter_mut().enumerate() {
            scheduler.activate(ChannelId::of_test(n as u32), f);
        }
        let mut turns = [0u32; 4];
        for _ in 0..1300 {
            let n = (0..4).find(|n| scheduler.current() == Some(ChannelId::of_test(*n))).unwrap() as usize;
            turns[n] += 1;
            scheduler.served(1000, priorities[n], &mut finish[n], true);
        }
        assert!(turns[0].abs_diff(100) <= 1 && turns[1].abs_diff(200) <= 1, "{turns:?}");
        assert!(turns[1].abs_diff(turns[2]) <= 1 && turns[3].abs_diff(800) <= 1, "{turns:?}");
    }

    #[test]
    fn who_is_passed_over_waits_for_the_others_and_is_never_forgotten() {
        let mut scheduler = Scheduler::default();
        let ids = [0, 1, 2].map(ChannelId::of_test);
        let mut finish = [0; 3];
        ids.iter().zip(&mut finish).for_each(|(id, finish)| scheduler.activate(*id, finish));
        assert!(scheduler.current() == Some(ids[0]) && scheduler.set_aside());
        assert!(scheduler.current() == Some(ids[1]) && scheduler.set_aside());
        assert!(scheduler.current() == Some(ids[2]) && !scheduler.set_aside(), "the last one goes");
        assert!(!scheduler.has_no_other() && !scheduler.is_idle());
        scheduler.readmit();
        scheduler.served(1000, 256, &mut finish[2], true);
        assert_eq!(scheduler.current(), Some(ids[0]));
        assert!(scheduler.set_aside());
        scheduler.current();
        scheduler.skip();
        scheduler.current();
        scheduler.skip();
        assert_eq!(scheduler.current(), Some(ids[0]), "nobody else is left");
    }

    #[test]
    fn a_channel_gains_no_credit_by_being_idle() {
        let mut scheduler = Scheduler::default();
        let (a, b) = (ChannelId::of_test(0), ChannelId::of_test(1));
        let (mut fa, mut fb) = (0, 0);
        scheduler.activate(a, &mut fa);
        for _ in 0..100 {
            assert_eq!(scheduler.current(), Some(a));
            scheduler.served(1000, 256, &mut fa, true);
        }
        scheduler.activate(b, &mut fb);
        let mut turns = 0;
        for _ in 0..20 {
            if scheduler.current() == Some(b) {
                turns += 1;
                scheduler.served(1000, 256, &mut fb, true);
            } else {
                scheduler.served(1000, 256, &mut fa, true);
            }
        }
        assert!((10..=11).contains(&turns), "{turns}");
    }
}
