//! Repair packets, made while the media leaves: as many as the controller wants, spread over what they protect.

use alloc::vec::Vec;
use core::ops::Range;

use peerage_base::slot::Slot;
use peerage_rtp::packet::raw;
use peerage_rtp::payload::fec::builder::Builder;
use peerage_rtp::payload::fec::header::Scheme;

use super::config::{Protection, StreamConfig};
use super::extensions::{Elements, Names};

/// Most repair packets of one group.
const MAX_REPAIRS: usize = 12;
/// Most packets of one group.
const MAX_GROUP: usize = 48;
/// Most frames of one group: a packet that is recovered later than that is of little use.
const MAX_FRAMES: u32 = 3;
/// Length of the mask and of what surrounds it in the longest header of a repair packet.
const LONGEST_HEADER: usize = 32;

/// How much is protected: repair packets per 256 packets of media.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Of key frames.
    pub key: u8,
    /// Of other frames.
    pub delta: u8,
}

/// Makes the repair packets of one stream. Of a group of packets each repair packet protects every n-th, so that a burst
/// shorter than n costs each no more than one.
#[derive(Debug)]
pub(super) struct Protector {
    share: Share,
    builders: Vec<Builder>,
    scheme: Scheme,
    /// Whether media travels behind a byte of RED, which is not protected.
    is_red: bool,
    /// Repair packets of the group that is being made.
    wanted: usize,
    packets: usize,
    frames: u32,
    /// Repair packets that are ready: from which on, of how many.
    ready: Range<usize>,
}

impl Protector {
    pub(super) fn new(protection: &Protection) -> Self {
        let (scheme, is_red) = match protection {
            Protection::Ulp { .. } => (Scheme::Ulp, true),
            Protection::Flex { scheme, .. } => (*scheme, false),
        };
        let share = Share::default();
        Self { share, builders: Vec::new(), scheme, is_red, wanted: 0, packets: 0, frames: 0, ready: 0..0 }
    }

    /// From the next group on.
    pub(super) fn protect(&mut self, share: Share) {
        self.share = share;
    }

    /// Bytes by which media packets must be shorter than others for repair packets to fit.
    pub(super) fn beside(&self, config: &StreamConfig) -> usize {
        if self.share == Share::default() {
            // The byte of RED is there whether anything is protected or not.
            return usize::from(self.is_red);
        }
        let names = Names { mid: config.mid.as_deref(), rid: config.rid.as_deref(), repaired_rid: None };
        let headers = Elements { names, ..Elements::new(&config.extensions) }.header_len();
        // Beyond its own headers a repair packet holds all that its media packets have after the fixed header.
        LONGEST_HEADER + headers - peerage_rtp::packet::HEADER_LEN + usize::from(self.is_red)
    }

    /// A packet of media has been written to `slot`; of its frame `remaining` follow.
    pub(super) fn absorb(&mut self, slot: &mut Slot<'_>, config: &StreamConfig, is_key: bool, remaining: usize) {
        let share = usize::from(if is_key { self.share.key } else { self.share.delta });
        // What has not left by now is overtaken by the next group.
        if self.packets == 0 {
            if share == 0 {
                return;
            }
            self.begin(share, remaining + 1);
        }
        let builder = &mut self.builders[self.packets % self.wanted];
        if !absorb(builder, slot, config, self.is_red) {
            return self.end();
        }
        self.packets += 1;
        self.frames += u32::from(remaining == 0);
        // Small frames share a repair packet, large ones have theirs at once.
        let earned = self.wanted > 1 || self.packets * share >= 256;
        if self.packets == MAX_GROUP || remaining == 0 && (earned || self.frames == MAX_FRAMES) {
            self.end();
        }
    }

    /// Writes the next repair payload that is ready; `None` if there is none.
    pub(super) fn write(&mut self, room: &mut [u8]) -> Option<usize> {
        // One that does not fit is passed over.
        self.ready.by_ref().find_map(|n| self.builders.get(n)?.write(room))
    }

    /// Whether a repair packet waits.
    pub(super) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    fn begin(&mut self, share: usize, packets: usize) {
        self.wanted = ((packets.min(MAX_GROUP) * share + 128) / 256).clamp(1, MAX_REPAIRS).min(packets);
        self.ready = 0..0;
        while self.builders.len() < self.wanted {
            self.builders.push(Builder::new(self.scheme));
        }
        self.builders.iter_mut().for_each(Builder::clear);
    }

    fn end(&mut self) {
        self.ready = 0..self.wanted.min(self.packets);
        (self.packets, self.frames) = (0, 0);
    }
}

/// Adds a packet as it would be without RED.
fn absorb(builder: &mut Builder, slot: &mut Slot<'_>, config: &StreamConfig, is_red: bool) -> bool {
    if !is_red {
        return builder.absorb(slot.packet());
    }
    let Some(header_len) = raw::header_len(slot.packet()) else { return false };
    let second = slot.packet()[1];
    slot.packet_mut()[1] = second & 0x80 | config.payload_type.value();
    let (head, rest) = slot.packet().split_at(header_len);
    let is_in = builder.absorb_parts(head, rest.get(1..).unwrap_or_default());
    slot.packet_mut()[1] = second;
    is_in
}
