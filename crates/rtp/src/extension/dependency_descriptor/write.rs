//! Writing (appendix A.8 of the format).

use super::descriptor::Outgoing;
use super::structure::{Dependencies, MAX_SPATIAL, MAX_TARGETS, MAX_TEMPLATES, MAX_TEMPORAL, Structure};
use crate::payload::bits::BitWriter;

/// What a frame says beside its template.
#[derive(Clone, Copy, Default)]
struct Custom {
    indications: bool,
    frame_diffs: bool,
    chain_diffs: bool,
}

pub(super) fn descriptor(outgoing: &Outgoing<'_>, out: &mut [u8]) -> Option<usize> {
    let (structure, frame) = (outgoing.structure, outgoing.dependencies);
    check(structure)?;
    let (index, custom) = template(structure, frame)?;
    let mut w = BitWriter::new(out);
    w.bit(outgoing.is_first)?;
    w.bit(outgoing.is_last)?;
    w.bits((u32::from(structure.id_offset) + index as u32) % 64, 6)?;
    w.bits(outgoing.frame_number.into(), 16)?;
    // A structure says that all targets are active.
    let active =
        outgoing.active_targets.filter(|active| !outgoing.with_structure || *active != structure.all_targets());
    let flags = [outgoing.with_structure, active.is_some(), custom.indications, custom.frame_diffs, custom.chain_diffs];
    if flags.contains(&true) {
        flags.into_iter().try_for_each(|flag| w.bit(flag))?;
    }
    if outgoing.with_structure {
        write_structure(structure, &mut w)?;
    }
    if let Some(active) = active {
        w.bits(active, structure.targets.into())?;
    }
    if custom.indications {
        write_indications(structure, frame, &mut w)?;
    }
    if custom.frame_diffs {
        write_frame_diffs(frame, &mut w)?;
    }
    if custom.chain_diffs {
        write_chain_diffs(structure, frame, 8, &mut w)?;
    }
    Some(w.finish())
}

/// The template that leaves least to be said.
fn template(structure: &Structure, frame: &Dependencies) -> Option<(usize, Custom)> {
    let targets = 0..usize::from(structure.targets);
    let chains = 0..usize::from(structure.chains);
    let custom = |template: &Dependencies| Custom {
        indications: targets.clone().any(|n| template.indications.get(n) != frame.indications.get(n)),
        frame_diffs: template.frame_diffs != frame.frame_diffs,
        chain_diffs: chains.clone().any(|n| template.chain_diffs.get(n) != frame.chain_diffs.get(n)),
    };
    let cost = |custom: &Custom| {
        let diffs = frame.frame_diffs.as_slice().iter().map(|diff| 2 + 4 * diff_size(*diff)).sum::<u32>() + 2;
        u32::from(custom.indications) * 2 * u32::from(structure.targets)
            + u32::from(custom.frame_diffs) * diffs
            + u32::from(custom.chain_diffs) * 8 * u32::from(structure.chains)
    };
    let fitting = structure.templates.iter().enumerate().filter(|(_, template)| template.layers() == frame.layers());
    fitting.map(|(index, template)| (index, custom(template))).min_by_key(|(_, custom)| cost(custom))
}

fn check(structure: &Structure) -> Option<()> {
    let targets = usize::from(structure.targets);
    let is_sound = (1..=MAX_TARGETS).contains(&targets)
        && structure.chains <= structure.targets
        && structure.id_offset < 64
        && (1..=MAX_TEMPLATES).contains(&structure.templates.len());
    is_sound.then_some(())
}

fn write_structure(structure: &Structure, w: &mut BitWriter<'_>) -> Option<()> {
    w.bits(structure.id_offset.into(), 6)?;
    w.bits(u32::from(structure.targets) - 1, 5)?;
    write_layers(&structure.templates, w)?;
    structure.templates.iter().try_for_each(|template| write_indications(structure, template, w))?;
    for template in &structure.templates {
        for diff in template.frame_diffs.as_slice() {
            // Five bits: one that there is another, four of the distance.
            w.bits(0x10 | u32::from(*diff).checked_sub(1).filter(|diff| *diff < 16)?, 5)?;
        }
        w.bit(false)?;
    }
    w.ns(structure.chains.into(), u32::from(structure.targets) + 1)?;
    if structure.chains > 0 {
        for chain in &structure.protected_by[..structure.targets.into()] {
            w.ns(Some(*chain).filter(|chain| *chain < structure.chains)?.into(), structure.chains.into())?;
        }
        structure.templates.iter().try_for_each(|template| write_chain_diffs(structure, template, 4, w))?;
    }
    write_resolutions(structure, w)
}

fn write_layers(templates: &[Dependencies], w: &mut BitWriter<'_>) -> Option<()> {
    let mut layers = (0, 0);
    for (n, template) in templates.iter().enumerate() {
        let next = template.layers();
        let code = match next {
            (spatial, temporal) if spatial > MAX_SPATIAL || temporal > MAX_TEMPORAL => return None,
            _ if next == layers => 0,
            _ if next == (layers.0, layers.1 + 1) => 1,
            _ if next == (layers.0 + 1, 0) => 2,
            _ => return None,
        };
        match n {
            0 if code != 0 => return None,
            0 => {}
            _ => w.bits(code, 2)?,
        }
        layers = next;
    }
    w.bits(3, 2)
}

fn write_indications(structure: &Structure, frame: &Dependencies, w: &mut BitWriter<'_>) -> Option<()> {
    (0..usize::from(structure.targets)).try_for_each(|target| w.bits(frame.indications.get(target) as u32, 2))
}

fn write_frame_diffs(frame: &Dependencies, w: &mut BitWriter<'_>) -> Option<()> {
    for diff in frame.frame_diffs.as_slice() {
        w.bits(diff_size(*diff), 2)?;
        w.bits(u32::from(*diff) - 1, 4 * diff_size(*diff))?;
    }
    w.bits(0, 2)
}

/// Groups of four bits that a distance takes.
const fn diff_size(diff: u16) -> u32 {
    match diff {
        ..=0x10 => 1,
        0x11..=0x100 => 2,
        _ => 3,
    }
}

fn write_chain_diffs(structure: &Structure, frame: &Dependencies, bits: u32, w: &mut BitWriter<'_>) -> Option<()> {
    (0..usize::from(structure.chains)).try_for_each(|chain| {
        let diff = u32::from(frame.chain_diffs.get(chain));
        (diff < 1 << bits).then(|| w.bits(diff, bits))?
    })
}

fn write_resolutions(structure: &Structure, w: &mut BitWriter<'_>) -> Option<()> {
    let resolutions = &structure.resolutions;
    w.bit(!resolutions.is_empty())?;
    if !resolutions.is_empty() && resolutions.len() != structure.spatial_layers() {
        return None;
    }
    for size in resolutions.iter().flat_map(|size| [size.width, size.height]) {
        w.bits(size.checked_sub(1).filter(|size| *size <= 0xFFFF)?, 16)?;
    }
    Some(())
}
