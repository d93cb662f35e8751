//! Structure of a stream: templates of frames, decode targets and chains.

use alloc::vec::Vec;

use crate::payload::info::Dimensions;

/// Most templates of a structure.
pub const MAX_TEMPLATES: usize = 64;
/// Most decode targets, and most chains.
pub const MAX_TARGETS: usize = 32;
/// Most frames that one names as those it depends on.
pub const MAX_DIFFS: usize = 16;
/// Highest spatial layer.
pub const MAX_SPATIAL: u8 = 3;
/// Highest temporal layer.
pub const MAX_TEMPORAL: u8 = 7;

/// What a frame is to a decode target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Indication {
    /// Not part of it.
    #[default]
    NotPresent,
    /// No later frame of it depends on this one.
    Discardable,
    /// A receiver may switch to it here.
    Switch,
    /// Later frames of it may depend on this one.
    Required,
}

impl Indication {
    pub(super) const fn from_bits(bits: u32) -> Self {
        match bits & 3 {
            0 => Self::NotPresent,
            1 => Self::Discardable,
            2 => Self::Switch,
            _ => Self::Required,
        }
    }
}

/// Indications for decode targets, the first one first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Indications(u64);

impl Indications {
    /// These; those beyond [`MAX_TARGETS`] are dropped.
    pub fn new(indications: impl IntoIterator<Item = Indication>) -> Self {
        let mut all = Self::default();
        indications.into_iter().take(MAX_TARGETS).enumerate().for_each(|(target, one)| all.set(target, one));
        all
    }

    /// For one decode target.
    pub fn get(&self, target: usize) -> Indication {
        Indication::from_bits(self.0.checked_shr(2 * target as u32).unwrap_or(0) as u32)
    }

    pub(super) fn set(&mut self, target: usize, indication: Indication) {
        self.0 |= (indication as u64) << (2 * target);
    }
}

/// Distances back in frame numbers to the frames that one depends on, each at least 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameDiffs {
    diffs: [u16; MAX_DIFFS],
    len: u8,
}

impl FrameDiffs {
    /// `None` if there are more than [`MAX_DIFFS`], or one is not in 1 to 4096.
    pub fn new(diffs: &[u16]) -> Option<Self> {
        let mut all = Self::default();
        diffs.iter().try_for_each(|diff| (1..=4096).contains(diff).then(|| all.push(*diff))?)?;
        Some(all)
    }

    /// The distances, as sent.
    pub fn as_slice(&self) -> &[u16] {
        &self.diffs[..self.len.into()]
    }

    pub(super) fn push(&mut self, diff: u16) -> Option<()> {
        *self.diffs.get_mut(usize::from(self.len))? = diff;
        self.len += 1;
        Some(())
    }
}

/// For each chain, the distance back in frame numbers to its last frame; 0 where a chain begins with this frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChainDiffs([u8; MAX_TARGETS]);

impl ChainDiffs {
    /// These; those beyond [`MAX_TARGETS`] are dropped.
    pub fn new(diffs: &[u8]) -> Self {
        let mut all = Self::default();
        all.0.iter_mut().zip(diffs).for_each(|(to, from)| *to = *from);
        all
    }

    /// Of one chain; 0 beyond the last.
    pub fn get(&self, chain: usize) -> u8 {
        self.0.get(chain).copied().unwrap_or_default()
    }

    pub(super) fn set(&mut self, chain: usize, diff: u8) {
        if let Some(to) = self.0.get_mut(chain) {
            *to = diff;
        }
    }
}

/// Layers and dependencies of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dependencies {
    /// Spatial layer, at most [`MAX_SPATIAL`].
    pub spatial: u8,
    /// Temporal layer, at most [`MAX_TEMPORAL`].
    pub temporal: u8,
    /// What it is to each decode target.
    pub indications: Indications,
    /// The frames it depends on.
    pub frame_diffs: FrameDiffs,
    /// Where it stands to each chain.
    pub chain_diffs: ChainDiffs,
}

impl Dependencies {
    pub(super) const fn layers(&self) -> (u8, u8) {
        (self.spatial, self.temporal)
    }
}

/// Structure of a stream, valid from the key frame that carries it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Structure {
    /// What frames name the first template by, 0 to 63; chosen so that ids of the structure before are not used again.
    pub id_offset: u8,
    /// How many decode targets there are, 1 to 32.
    pub targets: u8,
    /// How many chains there are, 0 to 32, at most as many as decode targets.
    pub chains: u8,
    /// The chain that protects each decode target, if there are chains.
    pub protected_by: [u8; MAX_TARGETS],
    /// The templates, by ascending spatial, then temporal layer: each follows the one before in the same layers, in the next
    /// temporal layer, or in temporal layer 0 of the next spatial layer.
    pub templates: Vec<Dependencies>,
    /// Size of the pictures of each spatial layer, or nothing.
    pub resolutions: Vec<Dimensions>,
}

impl Structure {
    /// Highest spatial and temporal layer of a decode target.
    pub fn target_layers(&self, target: usize) -> (u8, u8) {
        let serves = |template: &&Dependencies| template.indications.get(target) != Indication::NotPresent;
        let layers = self.templates.iter().filter(serves).map(Dependencies::layers);
        layers.fold((0, 0), |(spatial, temporal), (s, t)| (spatial.max(s), temporal.max(t)))
    }

    /// All decode targets, one bit each, the first one lowest.
    pub const fn all_targets(&self) -> u32 {
        if self.targets >= 32 { u32::MAX } else { (1 << self.targets) - 1 }
    }

    pub(super) fn spatial_layers(&self) -> usize {
        self.templates.last().map_or(0, |template| usize::from(template.spatial) + 1)
    }
}
