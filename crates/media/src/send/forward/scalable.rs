//! Which frames of a stream with a dependency descriptor are passed on.

use super::targets::{Limit, Targets};

/// Frames before the newest of which it is known what became of them.
const WINDOW: u16 = 64;

/// What was passed on, and up to which layers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scalable {
    limit: Limit,
    /// Number of the newest frame.
    newest: Option<u16>,
    /// Frames, the newest lowest, that were decided on.
    seen: u64,
    /// Those of them that were left out.
    left_out: u64,
    /// Frames of other layers, which are wanted, pass by and cannot be decoded.
    is_stuck: bool,
    /// Frames that are needed cannot be decoded.
    is_broken: bool,
}

impl Scalable {
    pub(super) const fn new(limit: Limit) -> Self {
        Self { limit, newest: None, seen: 0, left_out: 0, is_stuck: false, is_broken: false }
    }

    /// Whether a packet of frame `number` is left out. `wanted` are the layers up to which the receiver is to get the stream: it
    /// does from the first frame on that allows it, for only frames are passed on that can be decoded with what was.
    pub(super) fn leaves_out(&mut self, number: u16, targets: &Targets, wanted: Limit, is_key: bool) -> bool {
        let ahead = self.newest.map_or(1, |newest| number.wrapping_sub(newest));
        let age = ahead.wrapping_neg();
        if (1..0x8000).contains(&ahead) {
            self.newest = Some(number);
            self.seen = self.seen.checked_shl(ahead.into()).unwrap_or(0) | 1;
            self.left_out = self.left_out.checked_shl(ahead.into()).unwrap_or(0);
            if is_key {
                (self.left_out, self.is_broken) = (0, false);
            }
            self.switch(targets, wanted);
            let leaves_out = !self.passes(targets);
            self.left_out |= u64::from(leaves_out);
            return leaves_out;
        }
        if age >= WINDOW {
            return !targets.is_needed(self.limit);
        }
        let bit = 1 << age;
        if self.seen & bit == 0 {
            self.seen |= bit;
            self.left_out |= if targets.is_needed(self.limit) { 0 } else { bit };
        }
        self.left_out & bit != 0
    }

    /// The layers up to which it is passed on now.
    pub(super) const fn limit(&self) -> Limit {
        self.limit
    }

    /// Whether a key frame has to come before the receiver can get what is wanted for it.
    pub(super) const fn needs_key(&self) -> bool {
        self.is_stuck || self.is_broken
    }

    fn switch(&mut self, targets: &Targets, wanted: Limit) {
        let is_lost = self.depends_on_left_out(targets);
        if wanted == self.limit || targets.may_switch(wanted) && !is_lost {
            (self.limit, self.is_stuck) = (wanted, false);
        } else {
            self.is_stuck |= targets.is_needed(wanted) && is_lost;
        }
    }

    fn passes(&mut self, targets: &Targets) -> bool {
        let is_needed = targets.is_needed(self.limit);
        let is_lost = self.depends_on_left_out(targets);
        self.is_broken |= is_needed && is_lost;
        is_needed && !is_lost
    }

    /// The newest frame is bit 0, the one before it bit 1: what it depends on begins there.
    const fn depends_on_left_out(&self, targets: &Targets) -> bool {
        self.left_out & targets.depends() << 1 != 0
    }
}

#[cfg(test)]
mod tests;
