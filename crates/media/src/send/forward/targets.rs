//! What a frame is to those who get only some layers of a stream, by its dependency descriptor.

use peerage_rtp::extension::dependency_descriptor::structure::{Dependencies, Indication, MAX_TARGETS, Structure};

/// Spatial layers that limits tell apart.
const SPATIAL: u8 = 4;
/// Temporal layers that they do.
const TEMPORAL: u8 = 8;
/// As many as there are limits.
pub(super) const LIMITS: usize = SPATIAL as usize * TEMPORAL as usize;

/// The layers up to which somebody gets a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Limit {
    /// Highest spatial layer; 3 and above are all.
    pub spatial: u8,
    /// Highest temporal layer; 7 and above are all.
    pub temporal: u8,
}

impl Limit {
    /// All layers.
    pub const NONE: Self = Self { spatial: u8::MAX, temporal: u8::MAX };

    pub(super) fn index(self) -> usize {
        usize::from(self.spatial.min(SPATIAL - 1)) * usize::from(TEMPORAL)
            + usize::from(self.temporal.min(TEMPORAL - 1))
    }

    pub(super) const fn of_index(index: usize) -> Self {
        Self { spatial: index as u8 / TEMPORAL, temporal: index as u8 % TEMPORAL }
    }

    /// The limits, one bit each, under which a frame of these layers is passed on, if nothing but its layers is known.
    pub(super) fn admitting(spatial: u8, temporal: u8) -> u32 {
        let spatial = spatial.min(SPATIAL - 1);
        let row = (0xFFu32 << temporal.min(TEMPORAL - 1)) & 0xFF;
        (spatial..SPATIAL).fold(0, |limits, spatial| limits | row << (spatial * TEMPORAL))
    }

    const fn admits(self, (spatial, temporal): (u8, u8)) -> bool {
        spatial <= self.spatial && temporal <= self.temporal
    }
}

/// What one frame is under each limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    /// Limits, one bit each, under which it is needed.
    needed: u32,
    /// Limits that may be switched to with it.
    switch: u32,
    /// Frames that it depends on: one bit each, the one before it lowest.
    depends: u64,
    /// It depends on frames before those.
    is_far: bool,
}

impl Targets {
    /// Limits, one bit each by [`Limit::index`], under which the frame is needed.
    pub(super) const fn needed(&self) -> u32 {
        self.needed
    }

    pub(super) fn is_needed(&self, limit: Limit) -> bool {
        self.needed & 1 << limit.index() != 0
    }

    /// Whether a receiver who has what the frame depends on may get the layers up to `limit` from here on.
    pub(super) fn may_switch(&self, limit: Limit) -> bool {
        self.switch & 1 << limit.index() != 0 && !self.is_far
    }

    pub(super) const fn depends(&self) -> u64 {
        self.depends
    }
}

/// Which decode target serves each limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan([u8; LIMITS]);

impl Plan {
    /// `active` are the decode targets that are being sent, one bit each: the best of them that keeps the limit, or the least of
    /// all if none does.
    pub(super) fn new(structure: &Structure, active: u32) -> Self {
        let active = if active & structure.all_targets() == 0 { structure.all_targets() } else { active };
        let mut layers = [None; MAX_TARGETS];
        for (target, layers) in layers.iter_mut().enumerate().take(structure.targets.into()) {
            *layers = Some(structure.target_layers(target)).filter(|_| active & 1 << target != 0);
        }
        let targets = || layers.iter().zip(0u8..).filter_map(|(layers, target)| layers.map(|layers| (layers, target)));
        let least = targets().min().map_or(0, |(_, target)| target);
        let best = |limit: Limit| targets().filter(|(layers, _)| limit.admits(*layers)).max();
        Self(core::array::from_fn(|index| best(Limit::of_index(index)).map_or(least, |(_, target)| target)))
    }

    /// What a frame with these dependencies is.
    pub(super) fn targets(&self, dependencies: &Dependencies) -> Targets {
        let mut targets = Targets::default();
        for (index, target) in self.0.iter().enumerate() {
            let indication = dependencies.indications.get(usize::from(*target));
            targets.needed |= u32::from(indication != Indication::NotPresent) << index;
            targets.switch |= u32::from(indication == Indication::Switch) << index;
        }
        for diff in dependencies.frame_diffs.as_slice() {
            match diff {
                1..=64 => targets.depends |= 1 << (diff - 1),
                _ => targets.is_far = true,
            }
        }
        targets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_alone_tell_what_a_limit_admits() {
        for spatial in 0..5u8 {
            for temporal in 0..9u8 {
                let admitting = Limit::admitting(spatial, temporal);
                for index in 0..LIMITS {
                    let limit = Limit::of_index(index);
                    let admits = spatial.min(3) <= limit.spatial && temporal.min(7) <= limit.temporal;
                    assert_eq!(admitting & 1 << index != 0, admits, "{spatial} {temporal} {limit:?}");
                }
            }
        }
        assert_eq!((Limit::NONE.index(), Limit::of_index(13).index()), (31, 13));
    }
}
