//! Reading (appendix A.8 of the format).

use alloc::vec::Vec;

use super::descriptor::Descriptor;
use super::structure::{
    ChainDiffs, Dependencies, FrameDiffs, Indication, Indications, MAX_SPATIAL, MAX_TARGETS, MAX_TEMPLATES,
    MAX_TEMPORAL, Structure,
};
use crate::payload::bits::BitReader;
use crate::payload::info::Dimensions;

/// What every descriptor has.
pub(super) const MANDATORY_LEN: usize = 3;

pub(super) fn descriptor(value: &[u8], known: Option<&Structure>) -> Option<Descriptor> {
    let mut r = BitReader::new(value);
    let (is_first, is_last) = (r.bit()?, r.bit()?);
    let (template, frame_number) = (r.bits(6)?, r.bits(16)? as u16);
    let (mut active_targets, mut attached) = (None, None);
    let (mut has_indications, mut has_frame_diffs, mut has_chain_diffs) = (false, false, false);
    if value.len() > MANDATORY_LEN {
        let (has_structure, has_active) = (r.bit()?, r.bit()?);
        (has_indications, has_frame_diffs, has_chain_diffs) = (r.bit()?, r.bit()?, r.bit()?);
        if has_structure {
            let read = structure(&mut r)?;
            active_targets = Some(read.all_targets());
            attached = Some(read);
        }
        if has_active {
            active_targets = Some(r.bits(attached.as_ref().or(known)?.targets.into())?);
        }
    }
    let structure = attached.as_ref().or(known)?;
    let index = (template + 64 - u32::from(structure.id_offset)) % 64;
    let mut dependencies = *structure.templates.get(index as usize)?;
    if has_indications {
        dependencies.indications = indications(&mut r, structure.targets)?;
    }
    if has_frame_diffs {
        dependencies.frame_diffs = frame_diffs(&mut r)?;
    }
    if has_chain_diffs {
        dependencies.chain_diffs = chain_diffs(&mut r, structure.chains, 8)?;
    }
    let resolution = structure.resolutions.get(usize::from(dependencies.spatial)).copied();
    Some(Descriptor { frame_number, is_first, is_last, dependencies, resolution, active_targets, structure: attached })
}

fn structure(r: &mut BitReader<'_>) -> Option<Structure> {
    let mut structure =
        Structure { id_offset: r.bits(6)? as u8, targets: r.bits(5)? as u8 + 1, ..Structure::default() };
    structure.templates = templates(r)?;
    for template in &mut structure.templates {
        template.indications = indications(r, structure.targets)?;
    }
    for template in &mut structure.templates {
        while r.bit()? {
            template.frame_diffs.push(r.bits(4)? as u16 + 1)?;
        }
    }
    structure.chains = r.ns(u32::from(structure.targets) + 1)? as u8;
    if structure.chains > 0 {
        for chain in structure.protected_by.iter_mut().take(structure.targets.into()) {
            *chain = r.ns(structure.chains.into())? as u8;
        }
        for template in &mut structure.templates {
            template.chain_diffs = chain_diffs(r, structure.chains, 4)?;
        }
    }
    if r.bit()? {
        for _ in 0..structure.spatial_layers() {
            structure.resolutions.push(Dimensions { width: r.bits(16)? + 1, height: r.bits(16)? + 1 });
        }
    }
    Some(structure)
}

/// The layers of each template.
fn templates(r: &mut BitReader<'_>) -> Option<Vec<Dependencies>> {
    let mut templates = Vec::new();
    let mut next = Dependencies::default();
    loop {
        if templates.len() == MAX_TEMPLATES {
            return None;
        }
        templates.push(next);
        match r.bits(2)? {
            0 => {}
            1 if next.temporal < MAX_TEMPORAL => next.temporal += 1,
            2 if next.spatial < MAX_SPATIAL => (next.spatial, next.temporal) = (next.spatial + 1, 0),
            3 => return Some(templates),
            _ => return None,
        }
    }
}

fn indications(r: &mut BitReader<'_>, targets: u8) -> Option<Indications> {
    let mut all = Indications::default();
    for target in 0..usize::from(targets).min(MAX_TARGETS) {
        all.set(target, Indication::from_bits(r.bits(2)?));
    }
    Some(all)
}

fn frame_diffs(r: &mut BitReader<'_>) -> Option<FrameDiffs> {
    let mut all = FrameDiffs::default();
    loop {
        match r.bits(2)? {
            0 => return Some(all),
            size => all.push(r.bits(4 * size)? as u16 + 1)?,
        }
    }
}

fn chain_diffs(r: &mut BitReader<'_>, chains: u8, bits: u32) -> Option<ChainDiffs> {
    let mut all = ChainDiffs::default();
    for chain in 0..usize::from(chains) {
        all.set(chain, r.bits(bits)? as u8);
    }
    Some(all)
}
