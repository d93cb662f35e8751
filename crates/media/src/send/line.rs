//! What every stream has, whatever its packets are made of: numbers, names, counts, and the streams beside it.

use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::Instant;
use peerage_rtp::numbers::{PayloadType, SequenceNumber, Ssrc, Timestamp};
use peerage_rtp::packet::Header;
use peerage_rtp::packet::write::PacketWriter;
use peerage_rtp::payload::fec::header::Scheme;

use super::config::{Companion, Config, Protection, StreamConfig};
use super::extensions::{Departure, Elements, Names};
use super::fec::Protector;
use super::resend::Resends;
use super::statistics::Statistics;

/// Most bytes of padding in a packet.
const MAX_PADDING: usize = 255;

/// A packet that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) ssrc: Ssrc,
    pub(super) number: SequenceNumber,
    /// Length in bytes.
    pub(super) size: usize,
    /// The packet of media that arrives with it.
    pub(super) original: Option<SequenceNumber>,
    /// It ends its frame.
    pub(super) ends_frame: bool,
}

/// Numbers and state of one SSRC of media, and of those that belong to it.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) config: StreamConfig,
    pub(super) next: SequenceNumber,
    pub(super) next_rtx: SequenceNumber,
    next_repair: SequenceNumber,
    pub(super) resends: Resends,
    pub(super) protector: Option<Protector>,
    /// The peer has reported on the stream, and so knows which it is.
    pub(super) is_known: bool,
    /// The same of its retransmissions.
    pub(super) is_rtx_known: bool,
    pub(super) key_requested: Option<Instant>,
    pub(super) statistics: Statistics,
    /// Counts of sender reports: what media packets hold.
    pub(super) reported: (u32, u32),
    /// In which lists of the sender it stands.
    pub(super) listed: [bool; 4],
}

impl Line {
    pub(super) fn new(config: StreamConfig, limits: &Config, rng: &mut Rng) -> Self {
        // Below half, so that the first wrap comes late enough for both ends to agree on the rollover counter (RFC 3711 §3.3.1).
        let mut number = || SequenceNumber(rng.below(0x8000) as u16);
        let (next, next_rtx, next_repair) = (number(), number(), number());
        Self {
            next,
            next_rtx,
            next_repair,
            resends: Resends::new(limits),
            protector: config.protection.as_ref().map(Protector::new),
            is_known: false,
            is_rtx_known: false,
            key_requested: None,
            statistics: Statistics::default(),
            reported: (0, 0),
            listed: [false; 4],
            config,
        }
    }

    /// Goes on as something else: what it was.
    pub(super) fn reconfigure(&mut self, config: StreamConfig) -> StreamConfig {
        let old = core::mem::replace(&mut self.config, config);
        if self.config.protection != old.protection {
            self.protector = self.config.protection.as_ref().map(Protector::new);
        }
        if (&self.config.mid, &self.config.rid) != (&old.mid, &old.rid) {
            (self.is_known, self.is_rtx_known) = (false, false);
        }
        old
    }

    /// Counts a packet of media: what its headers and the rest of it take.
    pub(super) fn count_media(&mut self, header_len: usize, payload: usize) {
        self.reported = (self.reported.0.wrapping_add(1), self.reported.1.wrapping_add(payload as u32));
        self.count(header_len, payload);
    }

    /// Counts a packet that was sent again.
    pub(super) fn count_again(&mut self, header_len: usize, payload: usize) {
        self.count(header_len, payload);
        self.statistics.resent_packets += 1;
        self.statistics.resent_bytes += payload as u64;
    }

    /// Writes a repair packet, and whether it is numbered among the media; `None` if none is ready. `timestamp` is the clock of
    /// the stream.
    pub(super) fn write_repair(
        &mut self,
        timestamp: Timestamp,
        at: &Departure,
        slot: &mut Slot<'_>,
    ) -> Option<(Written, bool)> {
        let protector = self.protector.as_mut()?;
        let (source, csrcs, prefix): (_, &[Ssrc], _) = match self.config.protection.as_ref()? {
            Protection::Ulp { red, ulpfec } => {
                (Companion { ssrc: self.config.ssrc, payload_type: *red }, &[], Some(*ulpfec))
            }
            Protection::Flex { companion, scheme: Scheme::Flex } => {
                (*companion, core::slice::from_ref(&self.config.ssrc), None)
            }
            Protection::Flex { companion, .. } => (*companion, &[], None),
        };
        let number = if prefix.is_some() { self.next } else { self.next_repair };
        let Companion { ssrc, payload_type } = source;
        let header = Header { marker: false, payload_type, sequence_number: number, timestamp, ssrc };
        let mut packet = PacketWriter::new(slot, &header, csrcs)?;
        // They are few, often the first of their source long after that of the media is known, and nobody reports on them.
        let names = repair_names(&self.config, self.is_known && prefix.is_some());
        Elements { names, ..Elements::new(&self.config.extensions) }.write(&mut packet, at);
        let header_len = packet.header_len();
        // One of packets that were cut before they were protected may be too long: it is passed over.
        let room = packet.room();
        let most = self.config.max_packet.saturating_sub(header_len).min(room.len());
        let len = behind(prefix, &mut room[..most], |room| protector.write(room))?;
        let size = packet.finish(len, 0)?;
        let is_media = prefix.is_some();
        let counter = if is_media { &mut self.next } else { &mut self.next_repair };
        *counter = number.next();
        self.count(header_len, len);
        self.statistics.repair_packets += 1;
        Some((Written { ssrc, number, size, original: None, ends_frame: true }, is_media))
    }

    /// Writes a packet of at most `max` bytes that holds nothing but padding, to the stream of retransmissions if there is one,
    /// else among the media.
    pub(super) fn write_padding(
        &mut self,
        (timestamp, max): (Timestamp, usize),
        at: &Departure,
        slot: &mut Slot<'_>,
    ) -> Option<Written> {
        let (source, names, number) = match self.config.rtx {
            Some(rtx) => (rtx, repair_names(&self.config, self.is_rtx_known), self.next_rtx),
            None => {
                let own = Companion { ssrc: self.config.ssrc, payload_type: wire_type(&self.config) };
                (own, media_names(&self.config, self.is_known), self.next)
            }
        };
        let Companion { ssrc, payload_type } = source;
        let header = Header { marker: false, payload_type, sequence_number: number, timestamp, ssrc };
        let mut packet = PacketWriter::new(slot, &header, &[])?;
        Elements { names, ..Elements::new(&self.config.extensions) }.write(&mut packet, at);
        let header_len = packet.header_len();
        let padding = max.saturating_sub(header_len).clamp(1, MAX_PADDING).min(packet.room().len());
        let size = packet.finish(0, padding as u8)?;
        let counter = if self.config.rtx.is_some() { &mut self.next_rtx } else { &mut self.next };
        *counter = number.next();
        self.count(header_len, padding);
        self.statistics.padding_bytes += padding as u64;
        Some(Written { ssrc, number, size, original: None, ends_frame: true })
    }

    /// Whether a repair packet is ready.
    pub(super) fn repairs_wait(&self) -> bool {
        self.protector.as_ref().is_some_and(Protector::is_ready)
    }

    fn count(&mut self, header_len: usize, payload: usize) {
        self.statistics.packets += 1;
        self.statistics.header_bytes += header_len as u64;
        self.statistics.bytes += payload as u64;
    }
}

/// The format that packets of media are headed with.
pub(super) fn wire_type(config: &StreamConfig) -> PayloadType {
    match (&config.protection, &config.redundancy) {
        (Some(Protection::Ulp { red, .. }), _) | (_, Some((red, _))) => *red,
        _ => config.payload_type,
    }
}

/// How packets of media tell which stream it is, until the peer knows.
pub(super) fn media_names(config: &StreamConfig, is_known: bool) -> Names<'_> {
    if is_known {
        return Names::default();
    }
    Names { mid: config.mid.as_deref(), rid: config.rid.as_deref(), repaired_rid: None }
}

/// How retransmissions and repair packets do.
pub(super) fn repair_names(config: &StreamConfig, is_known: bool) -> Names<'_> {
    if is_known {
        return Names::default();
    }
    Names { mid: config.mid.as_deref(), rid: None, repaired_rid: config.rid.as_deref() }
}

/// Writes a payload behind the header of a block of RED, if there is one: the length of both.
pub(super) fn behind(
    prefix: Option<PayloadType>,
    room: &mut [u8],
    write: impl FnOnce(&mut [u8]) -> Option<usize>,
) -> Option<usize> {
    let Some(payload_type) = prefix else { return write(room) };
    let (head, rest) = room.split_first_mut()?;
    *head = payload_type.value();
    write(rest).map(|len| len + 1)
}
