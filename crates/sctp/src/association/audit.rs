//! What must hold of any association, whatever the peer says.

use super::{Association, State};
use crate::channel::Channel;
use crate::outgoing::queue::Load;
use peerage_base::serial::Serial;
use peerage_base::time::Instant;

impl Association {
    /// Panics if the books are wrong, or if something is held beyond its budget.
    pub(crate) fn audit(&self) {
        let channels = || self.channels.iter().map(|(_, channel)| channel);
        let of_queues = |sum: Load, channel: &Channel| {
            let load = channel.queue.load();
            Load { bytes: sum.bytes + load.bytes, messages: sum.messages + load.messages }
        };
        let dcep = self.channels.iter().count() * 512;
        self.sender.audit(channels().fold(Load::default(), of_queues), self.config.send_buffer + dcep);
        let over = channels().filter(|channel| channel.inbox.is_over).count();
        let unread = channels().map(|channel| channel.inbox.audit()).sum();
        self.receiver.audit(unread, over, self.config.max_message_size);
        let (limits, tracker) = (&self.config.limits, &self.receiver.tracker);
        assert!(tracker.blocks().len() <= limits.gaps.into());
        assert!(
            tracker.blocks().iter().all(|(first, last)| !last.before(*first) && tracker.cumulative().before(*first))
        );
        let (packets, chunks) = self.replies.waiting();
        assert!(packets.max(chunks) <= limits.replies.into());
        assert_eq!(self.channels.by_peer(), channels().filter(|channel| channel.by_peer).count());
        assert!(self.channels.by_peer() <= self.config.max_peer_channels);
        assert!(self.resets.waiting() <= channels().count() + usize::from(limits.refusals));
    }

    /// Panics if something is due that was not done at `now`.
    pub(crate) fn audit_deadline(&self, now: Instant) {
        assert!(self.poll_timeout().is_none_or(|deadline| deadline > now), "a deadline stayed");
    }

    /// Chunks on their way that were looked at so far, and how many there are.
    pub(crate) fn work(&self) -> (u64, usize) {
        (self.sender.flight.looks(), self.sender.flight.chunks())
    }

    /// What a liar would give much to know: the TSN that is acknowledged, the next one, and the last one that was taken.
    pub(crate) fn numbers(&self) -> [u32; 3] {
        let flight = &self.sender.flight;
        [flight.cumulative().0, flight.next_tsn().0, self.receiver.tracker.cumulative().0]
    }

    /// The request that the peer makes next.
    pub(crate) fn expected_request(&self) -> u32 {
        self.resets.expected().0
    }

    /// The tag that it wants to see.
    pub(crate) fn tag(&self) -> u32 {
        self.local_tag.0
    }

    /// Whether both ends know of it.
    pub(crate) fn is_up(&self) -> bool {
        self.state.is_up()
    }

    /// Whether it is over.
    pub(crate) fn is_down(&self) -> bool {
        matches!(self.state, State::Down)
    }
}
