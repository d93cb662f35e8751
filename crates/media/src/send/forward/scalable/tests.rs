//! What viewers of streams with spatial layers get, and whether they can decode it.

use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::Instant;
use peerage_rtp::extension::dependency_descriptor::descriptor::{Descriptor, Outgoing};
use peerage_rtp::extension::dependency_descriptor::structure::{
    ChainDiffs, Dependencies, FrameDiffs, Indication, Indications, Structure,
};
use peerage_rtp::extension::kind::Kind;
use peerage_rtp::extension::map::Map;
use peerage_rtp::numbers::{PayloadType, SequenceNumber, Ssrc, Timestamp};
use peerage_rtp::packet::write::PacketWriter;
use peerage_rtp::packet::{Header, Packet};
use peerage_rtp::payload::codec::Codec;
use peerage_rtp::payload::info::{Dimensions, Start};
use proptest::prelude::*;

use crate::send::forward::forwarder::{Config, Forwarder, Incoming, Rewrite};
use crate::send::forward::intake::{Intake, Refusal};
use crate::send::forward::store::{Shared, Store};

const SOURCE: Ssrc = Ssrc(1);

fn map() -> Map {
    let mut map = Map::new(true);
    map.insert(Kind::DependencyDescriptor, 12).unwrap();
    map
}

fn template(spatial: u8, indications: &str, diffs: &[u16]) -> Dependencies {
    let indication = |letter| match letter {
        'D' => Indication::Discardable,
        'S' => Indication::Switch,
        'R' => Indication::Required,
        _ => Indication::NotPresent,
    };
    Dependencies {
        spatial,
        temporal: 0,
        indications: Indications::new(indications.chars().map(indication)),
        frame_diffs: FrameDiffs::new(diffs).unwrap(),
        chain_diffs: ChainDiffs::new(&[0; 3]),
    }
}

/// Three spatial layers that depend on each other in every picture (L3T1), or in key pictures only (L3T1_KEY): templates of
/// key and delta frames by turns.
fn structure(is_full: bool) -> Structure {
    let templates = if is_full {
        vec![
            template(0, "SSS", &[]),
            template(0, "SRR", &[3]),
            template(1, "-SS", &[1]),
            template(1, "-SR", &[3, 1]),
            template(2, "--S", &[1]),
            template(2, "--S", &[3, 1]),
        ]
    } else {
        vec![
            template(0, "SSS", &[]),
            template(0, "S--", &[3]),
            template(1, "-SS", &[1]),
            template(1, "-S-", &[3]),
            template(2, "--S", &[1]),
            template(2, "--S", &[3]),
        ]
    };
    let size = |n: u32| Dimensions { width: 320 << n, height: 180 << n };
    Structure {
        targets: 3,
        chains: 3,
        protected_by: core::array::from_fn(|n| n as u8),
        templates,
        resolutions: (0..3).map(size).collect(),
        ..Structure::default()
    }
}

/// A publisher of two packets to a frame, whose payloads nobody can read.
struct Publisher {
    structure: Structure,
    intake: Intake,
    store: Store,
    number: u16,
    frame: u16,
    active: u32,
}

impl Publisher {
    fn new(is_full: bool) -> Self {
        let intake = Intake::new(Codec::Av1, map());
        Self {
            structure: structure(is_full),
            intake,
            store: Store::new(1 << 20),
            number: 65_530,
            frame: 65_500,
            active: 7,
        }
    }

    fn picture(&mut self, n: u32, is_key: bool) -> Vec<Shared> {
        (0..6).filter_map(|part| self.packet(n, part, is_key)).collect()
    }

    fn packet(&mut self, n: u32, part: u8, is_key: bool) -> Option<Shared> {
        let (spatial, is_last) = (part / 2, part % 2 == 1);
        let is_sent = self.active >> spatial & 1 == 1;
        if is_sent {
            self.number = self.number.wrapping_add(1);
        }
        let dependencies = self.structure.templates[usize::from(2 * spatial) + usize::from(!is_key)];
        let outgoing = Outgoing {
            frame_number: self.frame,
            is_first: !is_last,
            is_last,
            dependencies: &dependencies,
            structure: &self.structure,
            with_structure: is_key && part == 0,
            active_targets: (part == 0).then_some(self.active),
        };
        self.frame = self.frame.wrapping_add(u16::from(is_last));
        if !is_sent {
            return None;
        }
        let header = Header {
            marker: is_last && self.active >> (spatial + 1) == 0,
            payload_type: PayloadType::from_byte(45),
            sequence_number: SequenceNumber(self.number),
            timestamp: Timestamp(n * 3000),
            ssrc: SOURCE,
        };
        let mut buf = [0; 400];
        let mut slot = Slot::new(&mut buf, 0, 0, 400);
        let mut writer = PacketWriter::new(&mut slot, &header, &[]).unwrap();
        writer.extensions(map().forms(), |block| {
            let room = block.reserve(12, outgoing.size().unwrap()).unwrap();
            outgoing.write(room).unwrap();
        });
        writer.room()[..100].fill(0xFF);
        writer.finish(100, 0).unwrap();
        let at = Instant::from_millis(u64::from(n) * 33);
        Some(self.intake.take(at, &Packet::parse(slot.packet()).unwrap(), &mut self.store).unwrap())
    }
}

/// What one viewer gets, as spatial layers; every frame must be one that it can decode.
struct Viewer {
    forwarder: Forwarder,
    decoded: BTreeSet<u16>,
    last: Option<SequenceNumber>,
}

impl Viewer {
    fn new(spatial: u8) -> Self {
        let mut forwarder =
            Forwarder::new(Config::new(Ssrc(99), PayloadType::from_byte(96), Codec::Av1), &mut Rng::from_u64(1));
        forwarder.select(Some(SOURCE));
        forwarder.limit_spatial(spatial);
        Self { forwarder, decoded: BTreeSet::new(), last: None }
    }

    /// The layers of a picture that pass, with the last one's marker.
    fn picture(&mut self, packets: &[Shared]) -> (Vec<u8>, bool) {
        let mut layers = Vec::new();
        let mut marker = false;
        for packet in packets {
            let Some(rewrite) = self.pass(packet.incoming()) else { continue };
            let spatial = packet.incoming().info.layers.spatial.unwrap();
            assert!(!marker, "nothing follows the end of a picture");
            marker = rewrite.marker;
            if packet.incoming().info.end {
                layers.push(spatial);
            }
        }
        (layers, marker)
    }

    fn pass(&mut self, incoming: &Incoming) -> Option<Rewrite> {
        let rewrite = self.forwarder.forward(Instant::ORIGIN, incoming)?;
        assert!(self.last.is_none_or(|last| rewrite.sequence_number == last.next()), "no gap");
        self.last = Some(rewrite.sequence_number);
        let number = incoming.frame_number.unwrap();
        let depends = incoming.targets.unwrap().depends();
        let needed = (0..64u16).filter(|n| depends >> n & 1 == 1).map(|n| number.wrapping_sub(n + 1));
        assert!(incoming.info.is_key || needed.clone().all(|n| self.decoded.contains(&n)), "it can be decoded");
        self.decoded.insert(number);
        Some(rewrite)
    }
}

#[test]
fn the_descriptor_tells_of_payloads_that_nobody_can_read() {
    let mut publisher = Publisher::new(false);
    let packets = publisher.picture(0, true);
    let told: Vec<_> = packets
        .iter()
        .map(|packet| {
            let info = packet.incoming().info;
            (info.start == Start::Yes, info.end, info.is_key, info.layers.spatial, info.end_of_picture)
        })
        .collect();
    let wanted = |n: u8| (n.is_multiple_of(2), n % 2 == 1, n == 0, Some(n / 2), n == 5);
    assert!(told.iter().copied().eq((0..6).map(wanted)), "{told:?}");
    assert_eq!(publisher.intake.dimensions(), Some(Dimensions { width: 1280, height: 720 }));
    // Before the first structure nothing is known.
    let mut buf = [0; 100];
    let mut slot = Slot::new(&mut buf, 0, 0, 100);
    let mut writer = PacketWriter::new(&mut slot, &Header::default(), &[]).unwrap();
    assert!(writer.extensions(map().forms(), |block| block.value(12, &[0x81, 0, 1])));
    writer.room()[0] = 0xFF;
    writer.finish(1, 0).unwrap();
    let packet = Packet::parse(slot.packet()).unwrap();
    let refused = Intake::new(Codec::Av1, map()).take(Instant::ORIGIN, &packet, &mut publisher.store);
    assert_eq!(refused.map(|_| ()), Err(Refusal::Malformed));
}

#[test]
fn each_viewer_gets_its_layer_and_what_that_needs() {
    for is_full in [true, false] {
        let mut publisher = Publisher::new(is_full);
        let mut viewers = [0, 1, 2, 7].map(Viewer::new);
        for n in 0..10 {
            let is_key = n % 5 == 0;
            let packets = publisher.picture(n, is_key);
            for (spatial, viewer) in viewers.iter_mut().enumerate() {
                let top = spatial.min(2) as u8;
                // Between key pictures a layer by itself is enough, if it has a chain of its own.
                let layers: Vec<_> = if is_full || is_key { (0..=top).collect() } else { vec![top] };
                assert_eq!(viewer.picture(&packets), (layers, true), "{is_full} {n} {top}");
            }
        }
        let rates: Vec<_> = publisher.intake.meter().rates(Instant::from_millis(330)).collect();
        assert_eq!(rates, [], "the first second is not over");
        (10..40).for_each(|n| drop(publisher.picture(n, false)));
        let rates: Vec<_> =
            publisher.intake.meter().rates(Instant::from_millis(1330)).map(|layer| layer.rate).collect();
        assert_eq!(rates.len(), 3);
        let ratio = rates[2] as f64 / rates[0] as f64;
        assert!((if is_full { 2.8..3.2 } else { 0.9..1.3 }).contains(&ratio), "{rates:?}");
    }
}

#[test]
fn dependent_layers_go_down_at_once_and_up_at_a_key_picture() {
    let mut publisher = Publisher::new(true);
    let mut viewer = Viewer::new(2);
    let mut got = Vec::new();
    for n in 0..12 {
        match n {
            3 => viewer.forwarder.limit_spatial(0),
            6 => viewer.forwarder.limit_spatial(1),
            _ => {}
        }
        let (layers, marker) = viewer.picture(&publisher.picture(n, n == 0 || n == 9));
        assert!(marker);
        got.push(layers.len());
        assert_eq!(viewer.forwarder.wants_key_frame().is_some(), (6..9).contains(&n), "{n}");
    }
    assert_eq!(got, [3, 3, 3, 1, 1, 1, 1, 1, 1, 2, 2, 2]);
}

#[test]
fn layers_with_chains_of_their_own_change_at_key_pictures_only_and_one_is_asked_for() {
    let mut publisher = Publisher::new(false);
    let mut viewer = Viewer::new(2);
    let mut got = Vec::new();
    for n in 0..12 {
        if n == 3 {
            viewer.forwarder.limit_spatial(0);
        }
        let (layers, marker) = viewer.picture(&publisher.picture(n, n == 0 || n == 8));
        assert!(marker);
        got.push(layers);
        assert_eq!(viewer.forwarder.wants_key_frame().is_some(), (3..8).contains(&n), "{n}");
    }
    let (all, top, low) = (vec![0, 1, 2], vec![2], vec![0]);
    assert_eq!(got[..2], [all, top.clone()]);
    assert!(got[2..8].iter().all(|layers| *layers == top), "it goes on until then");
    assert!(got[8..].iter().all(|layers| *layers == low));
}

#[test]
fn a_layer_that_the_publisher_ends_is_replaced_by_the_one_below() {
    for is_full in [true, false] {
        let mut publisher = Publisher::new(is_full);
        let mut viewer = Viewer::new(7);
        viewer.picture(&publisher.picture(0, true));
        viewer.picture(&publisher.picture(1, false));
        publisher.active = 3;
        let (layers, marker) = viewer.picture(&publisher.picture(2, false));
        // Of a chain of its own the viewer has nothing: a key picture has to come.
        assert_eq!((layers, marker), if is_full { (vec![0, 1], true) } else { (vec![], false) });
        assert_eq!(viewer.forwarder.wants_key_frame().is_some(), !is_full);
        let wanted = if is_full { vec![0, 1] } else { vec![1] };
        viewer.picture(&publisher.picture(3, true));
        assert_eq!(viewer.picture(&publisher.picture(4, false)), (wanted, true));
        assert_eq!(viewer.forwarder.wants_key_frame(), None);
    }
}

#[test]
fn frame_numbers_that_leave_go_on_over_the_wrap() {
    let mut publisher = Publisher::new(true);
    let mut viewer = Viewer::new(0);
    let mut numbers = Vec::new();
    for n in 0..30 {
        for packet in publisher.picture(n, n == 0) {
            numbers.extend(viewer.pass(packet.incoming()).map(|rewrite| rewrite.frame_number.unwrap()));
        }
    }
    assert!(numbers.windows(2).all(|pair| [0, 3].contains(&pair[1].wrapping_sub(pair[0]))), "distances are kept");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_is_wanted_lost_or_late_only_frames_that_can_be_decoded_pass(
        is_full: bool,
        steps in prop::collection::vec((any::<bool>(), 0u8..4, 1u8..8, any::<u8>()), 1..60),
    ) {
        let mut publisher = Publisher::new(is_full);
        let mut viewer = Viewer::new(2);
        for (n, (is_key, spatial, active, lost)) in steps.into_iter().enumerate() {
            // Layers end from the top, and come back with a key picture.
            let before = core::mem::replace(&mut publisher.active, [1, 3, 7][usize::from(active) % 3]);
            let must_be_key = n == 0 || publisher.active > before;
            let mut packets = publisher.picture(n as u32, is_key && active > 5 || must_be_key);
            if usize::from(lost) % 16 < packets.len() {
                packets.swap(usize::from(lost) % 16, 1);
            }
            let mut needed = BTreeSet::new();
            for packet in &packets {
                let incoming = packet.incoming();
                if viewer.forwarder.forward(Instant::ORIGIN, incoming).is_some() {
                    let (number, depends) = (incoming.frame_number.unwrap(), incoming.targets.unwrap().depends());
                    needed.extend((0..64u16).filter(|n| depends >> n & 1 == 1).map(|n| number.wrapping_sub(n + 1)));
                    viewer.decoded.insert(number);
                }
            }
            prop_assert!(needed.is_subset(&viewer.decoded), "{:?} of {:?}", needed, viewer.decoded);
            viewer.forwarder.limit_spatial(spatial);
        }
    }

    #[test]
    fn no_descriptor_breaks_an_intake(values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..20)) {
        let mut intake = Intake::new(Codec::Vp9, map());
        let mut store = Store::new(1 << 20);
        for (n, value) in values.into_iter().enumerate() {
            let mut buf = [0; 200];
            let mut slot = Slot::new(&mut buf, 0, 0, 200);
            let mut writer = PacketWriter::new(&mut slot, &Header::default(), &[]).unwrap();
            assert!(writer.extensions(map().forms(), |block| block.value(12, &value)));
            writer.finish(10, 0).unwrap();
            let packet = Packet::parse(slot.packet()).unwrap();
            let is_known = Descriptor::parse(&value, None).is_ok();
            let taken = intake.take(Instant::from_millis(n as u64), &packet, &mut store);
            prop_assert!(taken.is_ok() || !is_known);
        }
    }
}
