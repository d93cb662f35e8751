//! Names of the keys of one sender (RFC 9605 §5.1): a generation, and steps of a ratchet within it.

use crate::error::Misuse;
use crate::key_id::KeyId;

/// How the names of a sender's keys are made up: a few low bits count ratchet steps, the others generations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Naming {
    generation: u64,
    bits: u32,
}

/// Most bits of a ratchet step: what a forged name can make a receiver derive stays bounded.
pub const MAX_STEP_BITS: u32 = 8;

impl Naming {
    /// Keys of a generation, whose steps are told by so many bits, at most 8.
    ///
    /// # Errors
    /// `OutOfRange` for more bits, or a generation that does not fit the others.
    pub const fn new(generation: u64, bits: u32) -> Result<Self, Misuse> {
        if bits > MAX_STEP_BITS || (generation << bits) >> bits != generation {
            return Err(Misuse::OutOfRange);
        }
        Ok(Self { generation, bits })
    }

    /// The name of a step.
    pub const fn key_id(self, step: u64) -> KeyId {
        KeyId(self.generation << self.bits | step & self.mask())
    }

    /// How many steps after `step` the one of this name is, fewer than all that have names; `None` if it is of another
    /// generation.
    pub(crate) const fn ahead(self, step: u64, key_id: KeyId) -> Option<u64> {
        if key_id.0 >> self.bits != self.generation {
            return None;
        }
        Some((key_id.0 & self.mask()).wrapping_sub(step) & self.mask())
    }

    const fn mask(self) -> u64 {
        (1 << self.bits) - 1
    }
}
