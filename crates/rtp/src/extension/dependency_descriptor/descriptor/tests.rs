//! Descriptors that Chromium sent, and those of our own.

use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::extension::dependency_descriptor::structure::{
    ChainDiffs, FrameDiffs, Indication, Indications, MAX_TEMPLATES,
};
use proptest::prelude::*;

/// Sent by Chromium: three spatial and three temporal layers (L3T3), first packet of a key frame.
const L3T3: &str = "c1017280081485214eafffaaaa863cf0430c10c302afc0aaa0063c00430010c002a000a80006000040001d954926e082b04a0941b820ac128250\
                    3157f974000ca864330e222222eca8655304224230eca877530077004200ef008601df010d";
/// Packets after it: with the mask of active targets, as fast as that may have changed, and without.
const LATER: [&str; 12] = [
    "86017340fc",
    "46017340fc",
    "c3017540fc",
    "88017640fc",
    "48017640fc",
    "c2017840fc",
    "860173",
    "460173",
    "8b0174",
    "0b0174",
    "0b0174",
    "c30175",
];

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|n| u8::from_str_radix(&hex[n..n + 2], 16).unwrap()).collect()
}

fn write(descriptor: &Descriptor, structure: &Structure) -> Option<Vec<u8>> {
    let outgoing = Outgoing {
        frame_number: descriptor.frame_number,
        is_first: descriptor.is_first,
        is_last: descriptor.is_last,
        dependencies: &descriptor.dependencies,
        structure,
        with_structure: descriptor.structure.is_some(),
        active_targets: descriptor.active_targets,
    };
    let mut out = vec![0; MAX_LEN];
    let len = outgoing.write(&mut out)?;
    assert_eq!(outgoing.size(), Some(len));
    assert_eq!(outgoing.write(&mut vec![0; len - 1]), None);
    out.truncate(len);
    Some(out)
}

#[test]
fn what_chromium_sends_is_read_and_written_alike() {
    let first = bytes(L3T3);
    let key = Descriptor::parse(&first, None).unwrap();
    let structure = key.structure.clone().unwrap();
    assert_eq!((structure.targets, structure.chains, structure.resolutions.len()), (9, 3, 3));
    assert_eq!((key.is_first, key.is_last, key.frame_number, key.active_targets), (true, true, 0x0172, Some(0x1FF)));
    assert_eq!(key.resolution, Some(structure.resolutions[0]));
    assert_eq!((structure.target_layers(0), structure.target_layers(8)), ((0, 0), (2, 2)));
    assert!(key.dependencies.frame_diffs.as_slice().is_empty());
    assert_eq!(write(&key, &structure).unwrap(), first);
    for hex in LATER {
        let value = bytes(hex);
        let later = Descriptor::parse(&value, Some(&structure)).unwrap();
        assert!(later.structure.is_none());
        assert_eq!(write(&later, &structure).unwrap(), value, "{hex}");
        assert!(Descriptor::parse(&value, None).is_err());
    }
}

#[test]
fn a_descriptor_cut_anywhere_is_refused() {
    let first = bytes(L3T3);
    for len in 0..first.len() {
        assert!(Descriptor::parse(&first[..len], None).is_err(), "{len}");
    }
}

/// Two temporal layers, one chain.
fn structure() -> Structure {
    use Indication::{Discardable, NotPresent, Required, Switch};
    let template = |temporal, indications: [Indication; 2], diffs: &[u16], chain| Dependencies {
        spatial: 0,
        temporal,
        indications: Indications::new(indications),
        frame_diffs: FrameDiffs::new(diffs).unwrap(),
        chain_diffs: ChainDiffs::new(&[chain]),
    };
    Structure {
        id_offset: 62,
        targets: 2,
        chains: 1,
        templates: vec![
            template(0, [Switch, Switch], &[], 0),
            template(0, [Required, Switch], &[2], 2),
            template(1, [NotPresent, Discardable], &[1], 1),
        ],
        ..Structure::default()
    }
}

fn descriptor(dependencies: Dependencies) -> Descriptor {
    Descriptor {
        frame_number: 65_535,
        is_first: true,
        is_last: false,
        dependencies,
        resolution: None,
        active_targets: None,
        structure: None,
    }
}

#[test]
fn a_frame_like_its_template_takes_three_bytes_and_others_more() {
    let structure = structure();
    let frame = descriptor(structure.templates[2]);
    // Template ids go round at 64.
    assert_eq!(write(&frame, &structure).unwrap(), [0x80, 0xFF, 0xFF]);
    let odd = Dependencies {
        frame_diffs: FrameDiffs::new(&[1, 17, 4096]).unwrap(),
        chain_diffs: ChainDiffs::new(&[255]),
        ..structure.templates[2]
    };
    let value = write(&descriptor(odd), &structure).unwrap();
    assert_eq!(Descriptor::parse(&value, Some(&structure)).unwrap(), descriptor(odd));
}

#[test]
fn what_the_format_has_no_bits_for_is_not_written() {
    let sound = structure();
    let key = |structure: &Structure| {
        let structure = structure.clone();
        write(&Descriptor { structure: Some(structure.clone()), ..descriptor(sound.templates[0]) }, &structure)
    };
    let with = |change: &dyn Fn(&mut Structure)| {
        let mut structure = sound.clone();
        change(&mut structure);
        structure
    };
    assert!(key(&sound).is_some());
    assert!(key(&with(&|s| s.targets = 0)).is_none());
    assert!(key(&with(&|s| s.targets = 33)).is_none());
    assert!(key(&with(&|s| s.chains = 3)).is_none());
    assert!(key(&with(&|s| s.protected_by[1] = 1)).is_none());
    assert!(key(&with(&|s| s.id_offset = 64)).is_none());
    assert!(key(&with(&|s| s.templates.swap(0, 2))).is_none());
    assert!(key(&with(&|s| s.templates = vec![s.templates[0]; MAX_TEMPLATES + 1])).is_none());
    assert!(key(&with(&|s| s.templates[1].chain_diffs = ChainDiffs::new(&[16]))).is_none());
    assert!(key(&with(&|s| s.templates[1].frame_diffs = FrameDiffs::new(&[17]).unwrap())).is_none());
    assert!(key(&with(&|s| s.resolutions = vec![Dimensions { width: 9, height: 9 }; 2])).is_none());
    assert!(key(&with(&|s| s.resolutions = vec![Dimensions { width: 0, height: 9 }])).is_none());
    assert!(
        FrameDiffs::new(&[0]).is_none() && FrameDiffs::new(&[4097]).is_none() && FrameDiffs::new(&[1; 17]).is_none()
    );
}

#[test]
fn active_targets_are_those_of_the_structure_unless_told() {
    let structure = structure();
    let with = |active| Descriptor { active_targets: Some(active), ..descriptor(structure.templates[0]) };
    let value = write(&with(1), &structure).unwrap();
    assert_eq!(Descriptor::parse(&value, Some(&structure)).unwrap().active_targets, Some(1));
    let key = Descriptor { structure: Some(structure.clone()), ..with(1) };
    let value = write(&key, &structure).unwrap();
    assert_eq!(Descriptor::parse(&value, None).unwrap().active_targets, Some(1));
}

proptest! {
    #[test]
    fn structures_of_any_shape_round_trip(
        targets in 1u8..=6, chains in 0u8..=6, offset in 0u8..64, seed in any::<u64>(), steps in proptest::collection::vec(0u8..3, 0..12),
    ) {
        let mut rng = peerage_base::rng::Rng::from_u64(seed);
        let mut next = Dependencies::default();
        let mut templates = Vec::new();
        for step in [0].into_iter().chain(steps) {
            match step {
                1 if next.temporal < 7 => next.temporal += 1,
                2 if next.spatial < 3 => (next.spatial, next.temporal) = (next.spatial + 1, 0),
                _ => {}
            }
            next.indications = Indications::new((0..targets).map(|_| Indication::from_bits(rng.u32())));
            let diffs: Vec<u16> = (0..rng.below(4)).map(|_| 1 + rng.below(16) as u16).collect();
            next.frame_diffs = FrameDiffs::new(&diffs).unwrap();
            let diffs: Vec<u8> = (0..chains.min(targets)).map(|_| rng.below(16) as u8).collect();
            next.chain_diffs = ChainDiffs::new(&diffs);
            templates.push(next);
        }
        let chains = chains.min(targets);
        let mut structure = Structure { id_offset: offset, targets, chains, templates, ..Structure::default() };
        if chains > 0 {
            structure.protected_by.iter_mut().take(targets.into()).for_each(|chain| *chain = rng.below(chains.into()) as u8);
        }
        if seed % 2 == 0 {
            structure.resolutions = (0..structure.spatial_layers())
                .map(|_| Dimensions { width: 1 + rng.below(65_536) as u32, height: 1 + rng.below(65_536) as u32 })
                .collect();
        }
        let dependencies = structure.templates[rng.below(structure.templates.len() as u64) as usize];
        let all = structure.all_targets();
        let key = Descriptor {
            structure: Some(structure.clone()),
            active_targets: Some(all),
            resolution: structure.resolutions.get(usize::from(dependencies.spatial)).copied(),
            ..descriptor(dependencies)
        };
        let value = write(&key, &structure).unwrap();
        prop_assert_eq!(Descriptor::parse(&value, None).unwrap(), key);
    }
}
