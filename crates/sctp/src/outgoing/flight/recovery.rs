//! Episodes of loss: when they end, and whether they were mistaken.

use crate::numbers::Tsn;
use peerage_base::serial::Serial;

/// The latest episode of loss.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    /// The episode goes on until this is acknowledged.
    end: Option<Tsn>,
    by_timeout: bool,
    /// Chunks taken for lost in it.
    marked: u32,
    /// Those of them that had arrived all the same.
    refuted: u32,
    /// Those known to have arrived although they were sent again: the peer will report them as duplicates.
    echoes: u32,
    /// Chunks sent again of which a duplicate may be reported.
    resent: u32,
}

impl Recovery {
    /// Chunks are taken for lost, or a probe tells that some were; `next` is the next new TSN. Answers whether an episode
    /// begins.
    pub(super) fn lost(&mut self, chunks: u32, next: Tsn) -> bool {
        let begins = self.end.is_none();
        if begins {
            *self = Self { end: Some(next.previous()), ..Self::default() };
        }
        self.marked += chunks;
        begins
    }

    /// The retransmission timer expired.
    pub(super) fn timed_out(&mut self, chunks: u32, next: Tsn) {
        *self = Self { end: Some(next.previous()), by_timeout: true, marked: chunks, ..Self::default() };
    }

    /// A chunk left again.
    pub(super) fn resent(&mut self) {
        self.resent += u32::from(!self.by_timeout);
    }

    /// A chunk that was taken for lost has arrived by itself; `echo` if it was sent again.
    pub(super) fn refute(&mut self, echo: bool) {
        self.refuted += 1;
        self.echoes += u32::from(echo);
    }

    /// The peer reports a duplicate. Answers whether it tells of a retransmission that was not needed.
    pub(super) fn duplicate(&mut self) -> bool {
        if self.resent == 0 {
            return false;
        }
        self.resent -= 1;
        match self.echoes.checked_sub(1) {
            Some(rest) => self.echoes = rest,
            None => self.refuted += 1,
        }
        true
    }

    /// Whether the episode has turned out to be none. Answers so once. After a timeout, one chunk that arrived by itself
    /// tells that the path was slow, not broken (as F-RTO concludes, RFC 5682 §3); what is missing nevertheless will be found
    /// by time.
    pub(super) fn take_mistaken(&mut self) -> bool {
        let mistaken = if self.by_timeout { self.refuted > 0 } else { self.marked > 0 && self.refuted >= self.marked };
        if mistaken {
            *self = Self { resent: self.resent, echoes: self.echoes, ..Self::default() };
        }
        mistaken
    }

    /// Everything before `cumulative` and itself has arrived. Answers whether that ends an episode.
    pub(super) fn passed(&mut self, cumulative: Tsn) -> bool {
        self.end.take_if(|end| !cumulative.before(*end)).is_some()
    }

    /// Whether losses of one flight are being repaired.
    pub(super) fn is_on(&self) -> bool {
        self.end.is_some()
    }

    pub(super) fn is_by_timeout(&self) -> bool {
        self.by_timeout
    }
}
