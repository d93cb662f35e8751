//! Bodies of fuzz targets.

mod feedback;

use alloc::vec;
use alloc::vec::Vec;

use peerage_base::slot::Slot;

use crate::extension::abs_capture_time::AbsCaptureTime;
use crate::extension::abs_send_time::AbsSendTime;
use crate::extension::audio_level::AudioLevel;
use crate::extension::block::Forms;
use crate::extension::color_space::ColorSpace;
use crate::extension::csrc_audio_levels::CsrcAudioLevels;
use crate::extension::element::Element;
use crate::extension::mid::Mid;
use crate::extension::playout_delay::PlayoutDelay;
use crate::extension::repaired_rid::RepairedRid;
use crate::extension::rid::Rid;
use crate::extension::transmission_offset::TransmissionOffset;
use crate::extension::transport_sequence_number::{TransportSequenceNumber, TransportSequenceNumberV2};
use crate::extension::video_content_type::VideoContentType;
use crate::extension::video_layers_allocation::VideoLayersAllocation;
use crate::extension::video_orientation::VideoOrientation;
use crate::extension::video_timing::VideoTiming;
use crate::numbers::{SequenceNumber, Ssrc};
use crate::packet::rewrite::PacketMut;
use crate::packet::write::PacketWriter;
use crate::packet::{Packet, raw};
use crate::rtcp::compound::Compound;

/// An RTP packet: what was read is written, and reads the same; changed in place, it changes there and nowhere else.
pub fn rtp(data: &[u8]) {
    let len = raw::header_len(data);
    let _ = (raw::ssrc(data), raw::extension(data));
    let Ok(packet) = Packet::parse(data) else { return };
    assert_eq!(len, Some(data.len() - packet.payload.len() - usize::from(packet.padding)));
    for (_, value) in packet.extension.elements() {
        extension(value);
    }
    written(&packet);
    rewritten(data, &packet);
}

fn written(packet: &Packet<'_>) {
    // Elements that repeat an id count, and padding between them does not.
    let elements: Vec<_> = packet.extension.elements().collect();
    let csrcs: Vec<_> = packet.csrcs().collect();
    let room = packet.payload.len() + 2 * packet.extension.body.len() + 400;
    let mut buf = vec![0xEE; room];
    let mut slot = Slot::new(&mut buf, 0, 0, room);
    let mut writer = PacketWriter::new(&mut slot, &packet.header, &csrcs).expect("there is room");
    writer.extensions(Forms::Mixed, |block| {
        for (id, value) in &elements {
            assert!(block.value(*id, value));
        }
    });
    writer.room()[..packet.payload.len()].copy_from_slice(packet.payload);
    writer.finish(packet.payload.len(), packet.padding).expect("there is room");
    let again = Packet::parse(slot.packet()).expect("what was written can be read");
    assert_eq!((again.header, again.payload, again.padding), (packet.header, packet.payload, packet.padding));
    assert!(again.csrcs().eq(csrcs) && again.extension.elements().eq(elements));
}

fn rewritten(data: &[u8], before: &Packet<'_>) {
    let mut bytes = data.to_vec();
    let mut packet = PacketMut::new(&mut bytes).expect("it was read");
    packet.set_ssrc(Ssrc(1));
    packet.set_sequence_number(SequenceNumber(2));
    packet.map_elements(|id| (id != 3).then_some(id));
    if let Some(value) = packet.element(4) {
        value.fill(0xAB);
    }
    let after = Packet::parse(&bytes).expect("it was read before");
    assert_eq!((after.header.ssrc, after.header.sequence_number), (Ssrc(1), SequenceNumber(2)));
    assert_eq!((after.payload, after.padding), (before.payload, before.padding));
    let kept = before.extension.elements().filter(|(id, _)| *id != 3).map(|(id, value)| (id, value.len()));
    assert!(after.extension.elements().map(|(id, value)| (id, value.len())).eq(kept));
}

/// The value of a header extension element of any kind: what was read is written, and reads the same.
pub fn extension(data: &[u8]) {
    macro_rules! each {
        ($($element:ident),*) => {$(
            if let Some(read) = $element::parse(data) {
                let mut written = vec![0xEE; read.size()];
                read.write(&mut written);
                assert_eq!($element::parse(&written).as_ref(), Some(&read));
            }
        )*};
    }
    each!(AbsCaptureTime, AbsSendTime, AudioLevel, ColorSpace, CsrcAudioLevels, Mid, PlayoutDelay, RepairedRid, Rid);
    each!(TransmissionOffset, TransportSequenceNumber, TransportSequenceNumberV2, VideoContentType);
    each!(VideoLayersAllocation, VideoOrientation, VideoTiming);
}

/// RTCP: every packet that is read is written, and reads the same.
pub fn rtcp(data: &[u8]) {
    let Ok(compound) = Compound::parse(data) else { return };
    let _ = compound.begins_with_report();
    for packet in compound.packets().flatten() {
        feedback::written(&packet, 2 * data.len() + 256);
    }
}

/// Feedback on arrivals: all that is told to the builders is told by them.
pub fn arrivals(data: &[u8]) {
    feedback::arrivals(data);
}

#[cfg(test)]
mod tests {
    use peerage_testkit::replay::replay;

    macro_rules! corpus {
        ($name:literal) => {
            concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/", $name)
        };
    }

    #[test]
    fn rtp_packets() {
        replay(corpus!("rtp"), super::rtp);
    }

    #[test]
    fn rtcp_packets() {
        replay(corpus!("rtcp"), super::rtcp);
    }

    #[test]
    fn header_extensions() {
        replay(corpus!("extension"), super::extension);
    }

    #[test]
    fn feedback_on_arrivals() {
        replay(corpus!("rtcp"), super::arrivals);
    }
}
