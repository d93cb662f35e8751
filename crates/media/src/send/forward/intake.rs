//! Packets of one source as they come in to be passed on: each is opened once, whoever is to get it.

use peerage_base::time::Instant;
use peerage_rtp::extension::dependency_descriptor::descriptor::Descriptor;
use peerage_rtp::extension::dependency_descriptor::structure::Structure;
use peerage_rtp::extension::kind::Kind;
use peerage_rtp::extension::map::Map;
use peerage_rtp::packet::{HEADER_LEN, Packet};
use peerage_rtp::payload::codec::Codec;
use peerage_rtp::payload::depacketizer::{Depacketizer, Limits};
use peerage_rtp::payload::info::{Dimensions, Info, Layers, Start};
use thiserror::Error;

use super::forwarder::Incoming;
use super::meter::Meter;
use super::store::{Shared, Store};
use super::targets::{Limit, Plan};

/// A packet that is not passed on to anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Neither its payload nor a dependency descriptor says what it is.
    #[error("the payload is malformed")]
    Malformed,
    /// Viewers keep more than the store may hold.
    #[error("the store is full")]
    Full,
}

/// Reads the packets of one source.
#[derive(Debug)]
pub struct Intake {
    depacketizer: Depacketizer,
    /// Identifiers of the connection that they come by.
    map: Map,
    structure: Option<Structure>,
    active: u32,
    plan: Option<Plan>,
    meter: Meter,
    dimensions: Option<Dimensions>,
}

impl Intake {
    /// A source of this format, on a connection with these identifiers.
    pub fn new(codec: Codec, map: Map) -> Self {
        Self {
            depacketizer: Depacketizer::new(codec, Limits::default()),
            map,
            structure: None,
            active: u32::MAX,
            plan: None,
            meter: Meter::default(),
            dimensions: None,
        }
    }

    /// Takes a packet in: padding only, too, which the numbers of viewers have to leave out.
    ///
    /// # Errors
    /// If it is of use to nobody, or there is no memory for it: it is as if it was lost.
    pub fn take(&mut self, now: Instant, packet: &Packet<'_>, store: &mut Store) -> Result<Shared, Refusal> {
        let mut incoming = Incoming {
            header: packet.header,
            payload_len: packet.payload.len() as u32,
            is_padding: packet.payload.is_empty(),
            ..Incoming::default()
        };
        if !incoming.is_padding {
            self.read(packet, &mut incoming)?;
            let layers = incoming.info.layers;
            let (spatial, temporal) = (layers.spatial.unwrap_or(0), layers.temporal.unwrap_or(0));
            let needed = incoming.targets.map_or_else(|| Limit::admitting(spatial, temporal), |t| t.needed());
            let bytes = incoming.payload_len + HEADER_LEN as u32;
            self.meter.count(now, bytes, Limit { spatial, temporal }, needed);
        }
        store.keep(packet, &self.map, incoming).ok_or(Refusal::Full)
    }

    /// Rates of the source.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Size of its largest picture, as far as it was told.
    pub fn dimensions(&self) -> Option<Dimensions> {
        self.dimensions
    }

    fn read(&mut self, packet: &Packet<'_>, incoming: &mut Incoming) -> Result<(), Refusal> {
        let marker = packet.header.marker;
        let info = self.depacketizer.inspect(packet.payload, marker);
        match self.describe(packet) {
            // Payloads may be encrypted from end to end: then the descriptor alone tells.
            Some(descriptor) => {
                let mut known = info.unwrap_or_default();
                overrule(&mut known, &descriptor, marker);
                incoming.info = known;
                incoming.frame_number = Some(descriptor.frame_number);
                incoming.targets = self.plan.map(|plan| plan.targets(&descriptor.dependencies));
            }
            None => incoming.info = info.map_err(|_| Refusal::Malformed)?,
        }
        let area = |size: Dimensions| u64::from(size.width) * u64::from(size.height);
        if let Some(size) = incoming.info.dimensions {
            // Within a key frame sizes of all layers are told; the next one may be smaller.
            let is_larger = self.dimensions.is_none_or(|known| area(size) >= area(known));
            if is_larger || incoming.info.is_key {
                self.dimensions = Some(size);
            }
        }
        Ok(())
    }

    /// What the dependency descriptor says, if there is one that makes sense; a structure is kept for the packets after it.
    fn describe(&mut self, packet: &Packet<'_>) -> Option<Descriptor> {
        let value = packet.extension.get(self.map.id(Kind::DependencyDescriptor)?)?;
        let mut descriptor = Descriptor::parse(value, self.structure.as_ref()).ok()?;
        let is_structured = descriptor.structure.is_some();
        let active = descriptor.active_targets.unwrap_or(self.active);
        if let Some(structure) = &descriptor.structure {
            self.plan = Some(Plan::new(structure, active));
            self.structure = descriptor.structure.take();
        } else if active != self.active {
            self.plan = self.structure.as_ref().map(|structure| Plan::new(structure, active));
        }
        self.active = active;
        descriptor.structure = is_structured.then(Structure::default);
        Some(descriptor)
    }
}

fn overrule(info: &mut Info, descriptor: &Descriptor, marker: bool) {
    let dependencies = &descriptor.dependencies;
    info.start = if descriptor.is_first { Start::Yes } else { Start::No };
    info.end = descriptor.is_last;
    info.end_of_picture = marker;
    let is_independent = dependencies.frame_diffs.as_slice().is_empty();
    info.is_key = descriptor.is_first && descriptor.structure.is_some() && is_independent;
    info.layers = Layers {
        temporal: Some(dependencies.temporal),
        spatial: Some(dependencies.spatial),
        is_switching_point: info.layers.is_switching_point,
    };
    info.dimensions = descriptor.resolution.or(info.dimensions);
}
