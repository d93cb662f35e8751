//! A forwarded packet, written anew: its headers are those of the outgoing connection, its payload is copied once.

use peerage_base::slot::Slot;
use peerage_rtp::extension::abs_send_time::AbsSendTime;
use peerage_rtp::extension::block::Writer;
use peerage_rtp::extension::kind::Kind;
use peerage_rtp::extension::map::Map;
use peerage_rtp::extension::mid::Mid;
use peerage_rtp::extension::transport_sequence_number::TransportSequenceNumber;
use peerage_rtp::ntp::Ntp;
use peerage_rtp::numbers::{SequenceNumber, Ssrc};
use peerage_rtp::packet::write::PacketWriter;
use peerage_rtp::packet::{Header, MAX_CSRCS, Packet};
use peerage_rtp::payload::rtx;

use super::forwarder::{Forwarder, Rewrite};
use crate::send::config::Companion;

/// What is passed on of header extensions: what tells of the media. What tells of the path is made anew, and what tells of the
/// sender's other encodings is left out.
pub(super) const PASSED_ON: [Kind; 8] = [
    Kind::AudioLevel,
    Kind::CsrcAudioLevels,
    Kind::AbsCaptureTime,
    Kind::DependencyDescriptor,
    Kind::VideoOrientation,
    Kind::PlayoutDelay,
    Kind::VideoContentType,
    Kind::ColorSpace,
];

/// What is known of the two connections when a packet leaves.
#[derive(Clone, Copy, Debug)]
pub struct Departing<'a> {
    /// Header extensions of the connection that it came by.
    pub incoming: &'a Map,
    /// Those of the one that it leaves by.
    pub outgoing: &'a Map,
    /// The media section, as long as the peer does not know it.
    pub mid: Option<&'a str>,
    /// The wall clock.
    pub now: Ntp,
    /// Its number across all streams of the connection.
    pub transport_number: SequenceNumber,
}

impl Forwarder {
    /// Writes a packet that is passed on: its length; `None`, and the slot is as it was, if it has no room.
    pub fn write(
        &self,
        slot: &mut Slot<'_>,
        packet: &Packet<'_>,
        rewrite: &Rewrite,
        departing: &Departing<'_>,
    ) -> Option<usize> {
        let source = Companion { ssrc: self.config.ssrc, payload_type: self.config.payload_type };
        self.write_as(slot, packet, rewrite, departing, (source, rewrite.sequence_number, &[]))
    }

    /// Writes a packet that was passed on as a retransmission, with `number` in its stream.
    pub fn write_again(
        &self,
        slot: &mut Slot<'_>,
        packet: &Packet<'_>,
        rewrite: &Rewrite,
        departing: &Departing<'_>,
        (rtx, number): (Companion, SequenceNumber),
    ) -> Option<usize> {
        let original = rewrite.sequence_number.0.to_be_bytes();
        self.write_as(slot, packet, rewrite, departing, (rtx, number, &original))
    }

    fn write_as(
        &self,
        slot: &mut Slot<'_>,
        packet: &Packet<'_>,
        rewrite: &Rewrite,
        departing: &Departing<'_>,
        (source, sequence_number, before): (Companion, SequenceNumber, &[u8]),
    ) -> Option<usize> {
        debug_assert!(before.is_empty() || before.len() == rtx::HEADER_LEN);
        let header = Header {
            marker: rewrite.marker,
            payload_type: source.payload_type,
            sequence_number,
            timestamp: rewrite.timestamp,
            ssrc: source.ssrc,
        };
        let mut csrcs = [Ssrc(0); MAX_CSRCS];
        let count = packet.csrcs().len().min(MAX_CSRCS);
        csrcs.iter_mut().zip(packet.csrcs()).for_each(|(to, from)| *to = from);
        let mut writer = PacketWriter::new(slot, &header, &csrcs[..count])?;
        writer.extensions(departing.outgoing.forms(), |block| extend(block, packet, rewrite, departing));
        let (head, rest) = writer.room().split_at_mut_checked(before.len())?;
        let payload = rest.get_mut(..packet.payload.len())?;
        head.copy_from_slice(before);
        payload.copy_from_slice(packet.payload);
        rewrite.payload(self.config.codec, payload);
        writer.finish(before.len() + packet.payload.len(), 0)
    }
}

fn extend(block: &mut Writer<'_>, packet: &Packet<'_>, rewrite: &Rewrite, departing: &Departing<'_>) {
    let map = departing.outgoing;
    // What is not agreed on is not written, and what does not fit is left out: the packet is worth more.
    map.write(block, &TransportSequenceNumber(departing.transport_number));
    map.write(block, &AbsSendTime::from_ntp(departing.now));
    if let Some(mid) = departing.mid {
        map.write(block, &Mid(mid));
    }
    for (kind, value) in departing.incoming.values(packet.extension) {
        let Some(id) = map.id(kind).filter(|_| PASSED_ON.contains(&kind)) else { continue };
        let Some(room) = block.reserve(id, value.len()) else { continue };
        room.copy_from_slice(value);
        if let (Kind::DependencyDescriptor, Some(number)) = (kind, rewrite.frame_number)
            && let Some(place) = room.get_mut(1..3)
        {
            place.copy_from_slice(&number.to_be_bytes());
        }
    }
}
