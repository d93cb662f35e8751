//! The transceivers of a negotiation and what they draw their numbers from.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use peerage_base::rng::Rng;
use peerage_sdp::attribute::direction::Direction;
use peerage_sdp::attribute::mid::Mid;
use peerage_sdp::attribute::rid::RidId;

use crate::transceiver::{Encoding, MediaKind, Receiver, Sender, Transceiver, TransceiverId};

/// More sections than any offer may have, so that a list without end is never written.
pub(crate) const MAX_TRANSCEIVERS: usize = 256;
/// Encodings of one track side by side.
pub(crate) const MAX_ENCODINGS: usize = 8;

pub(crate) struct Media {
    pub(crate) transceivers: Vec<Transceiver>,
    /// Which section of the newest created offer is whose.
    pub(crate) offered: Vec<Place>,
    /// The canonical name of everything we send (RFC 7022 §4.2).
    pub(crate) cname: String,
    next_id: u32,
    rng: Rng,
}

/// A section of an offer of ours.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) index: usize,
    pub(crate) mid: Option<Mid>,
    pub(crate) transceiver: TransceiverId,
}

impl Media {
    /// Stream numbers, track identifiers and the canonical name stand in descriptions and packets for all to read, as does
    /// the identifier that they follow from.
    pub(crate) fn new(session_id: u64) -> Self {
        let mut rng = Rng::from_u64(session_id).split("media");
        let cname = hexadecimal(&rng.bytes::<8>());
        Self { transceivers: Vec::new(), offered: Vec::new(), cname, next_id: 0, rng }
    }

    /// Adds a transceiver without a section.
    pub(crate) fn add(&mut self, kind: MediaKind, direction: Direction) -> &mut Transceiver {
        let id = TransceiverId(self.next_id);
        self.next_id += 1;
        let track = hexadecimal(&self.rng.bytes::<16>());
        let encoding = self.encoding(None, &[]);
        self.transceivers.push(Transceiver {
            id,
            kind,
            place: None,
            mid: None,
            direction,
            current: None,
            fired: Direction::Inactive,
            stopping: false,
            stopped: false,
            for_track: false,
            by_peer: false,
            sender: Sender { attached: false, used: false, track, streams: Vec::new(), encodings: vec![encoding] },
            receiver: Receiver::default(),
            preferences: Vec::new(),
            written: None,
            saved: None,
        });
        self.transceivers.last_mut().expect("one was added")
    }

    /// Encodings of these names, with streams of their own.
    pub(crate) fn encodings(&mut self, rids: &[RidId]) -> Vec<Encoding> {
        let mut made: Vec<Encoding> = Vec::new();
        for rid in rids.iter().take(MAX_ENCODINGS) {
            let next = self.encoding(Some(rid.clone()), &made);
            made.push(next);
        }
        made
    }

    pub(crate) fn get(&self, id: TransceiverId) -> Option<&Transceiver> {
        self.transceivers.iter().find(|t| t.id == id)
    }

    pub(crate) fn get_mut(&mut self, id: TransceiverId) -> Option<&mut Transceiver> {
        self.transceivers.iter_mut().find(|t| t.id == id)
    }

    /// The transceiver of a section.
    pub(crate) fn at(&self, index: usize) -> Option<&Transceiver> {
        self.transceivers.iter().find(|t| t.place == Some(index))
    }

    pub(crate) fn at_mut(&mut self, index: usize) -> Option<&mut Transceiver> {
        self.transceivers.iter_mut().find(|t| t.place == Some(index))
    }

    pub(crate) fn needs_negotiation(&self) -> bool {
        self.transceivers.iter().any(Transceiver::needs_negotiation)
    }

    fn encoding(&mut self, rid: Option<RidId>, beside: &[Encoding]) -> Encoding {
        let ssrc = self.ssrc(beside, &[]);
        let repair_ssrc = self.ssrc(beside, &[ssrc]);
        let fec_ssrc = self.ssrc(beside, &[ssrc, repair_ssrc]);
        Encoding { rid, ssrc, repair_ssrc, fec_ssrc }
    }

    /// A number that no stream of ours has (RFC 3550 §8.1). 0 stands for none in many tools.
    fn ssrc(&mut self, beside: &[Encoding], others: &[u32]) -> u32 {
        loop {
            let ssrc = self.rng.u32();
            let all = self.transceivers.iter().flat_map(|t| &t.sender.encodings).chain(beside);
            let mut taken = all.flat_map(|e| [e.ssrc, e.repair_ssrc, e.fec_ssrc]);
            if ssrc != 0 && !others.contains(&ssrc) && !taken.any(|other| other == ssrc) {
                return ssrc;
            }
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
