//! A packet by its kind.

use super::app::App;
use super::bye::Bye;
use super::ccfb::CongestionFeedback;
use super::feedback::{Feedback, payload, transport};
use super::fir::FullIntra;
use super::header::{PacketType, Raw};
use super::lrr::LayerRefresh;
use super::nack::Nack;
use super::pli::PictureLoss;
use super::receiver_report::ReceiverReport;
use super::remb::Remb;
use super::rpsi::ReferencePicture;
use super::sdes::Sdes;
use super::sender_report::SenderReport;
use super::sli::SliceLoss;
use super::tmmb::MaxBitRate;
use super::twcc::TransportFeedback;
use super::xr::ExtendedReport;
use crate::error::ParseError;

/// A received packet, checked as a whole; borrows from its bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Packet<'a> {
    /// What a sender has sent, and what it has received.
    SenderReport(SenderReport<'a>),
    /// What a receiver has received.
    ReceiverReport(ReceiverReport<'a>),
    /// Names of sources.
    Sdes(Sdes<'a>),
    /// Sources are gone.
    Bye(Bye<'a>),
    /// Whatever an application says.
    App(App<'a>),
    /// More about reception.
    ExtendedReport(ExtendedReport<'a>),
    /// Packets are missing.
    Nack(Nack<'a>),
    /// A receiver asks senders not to exceed a rate.
    MaxBitRateRequest(MaxBitRate<'a>),
    /// A sender tells the limits it knows of.
    MaxBitRateNotification(MaxBitRate<'a>),
    /// When the packets of a connection arrived.
    TransportFeedback(TransportFeedback<'a>),
    /// When the packets of each stream arrived, and how they were marked.
    CongestionFeedback(CongestionFeedback<'a>),
    /// A picture cannot be decoded.
    PictureLoss(PictureLoss),
    /// A picture is wanted that needs no other.
    FullIntra(FullIntra<'a>),
    /// Parts of a picture cannot be decoded.
    SliceLoss(SliceLoss<'a>),
    /// A picture that can be referred to.
    ReferencePicture(ReferencePicture<'a>),
    /// A layer is to be decodable without its past.
    LayerRefresh(LayerRefresh<'a>),
    /// A receiver's estimate of the rate that the path bears.
    Remb(Remb<'a>),
    /// Feedback of a format that is not known.
    UnknownFeedback(Feedback<'a>),
    /// A packet of a type that is not known.
    Unknown(Raw<'a>),
}

impl<'a> Packet<'a> {
    /// Reads a packet.
    ///
    /// # Errors
    /// If it is of a known kind and its contents do not fit its length or make no sense.
    pub fn parse(raw: &Raw<'a>) -> Result<Self, ParseError> {
        Ok(match raw.packet_type {
            PacketType::SENDER_REPORT => Self::SenderReport(SenderReport::parse(raw)?),
            PacketType::RECEIVER_REPORT => Self::ReceiverReport(ReceiverReport::parse(raw)?),
            PacketType::SDES => Self::Sdes(Sdes::parse(raw)?),
            PacketType::BYE => Self::Bye(Bye::parse(raw)?),
            PacketType::APP => Self::App(App::parse(raw)?),
            PacketType::EXTENDED_REPORT => Self::ExtendedReport(ExtendedReport::parse(raw)?),
            PacketType::TRANSPORT_FEEDBACK => Self::transport(raw)?,
            PacketType::PAYLOAD_FEEDBACK => Self::payload(&Feedback::parse(raw)?)?,
            _ => Self::Unknown(*raw),
        })
    }

    fn transport(raw: &Raw<'a>) -> Result<Self, ParseError> {
        // The one whose second word is not the source of media.
        if raw.count == transport::CCFB {
            return Ok(Self::CongestionFeedback(CongestionFeedback::parse(raw)?));
        }
        let feedback = Feedback::parse(raw)?;
        Ok(match feedback.format {
            transport::NACK => Self::Nack(Nack::parse(&feedback)?),
            transport::TMMBR => Self::MaxBitRateRequest(MaxBitRate::parse(&feedback)?),
            transport::TMMBN => Self::MaxBitRateNotification(MaxBitRate::parse(&feedback)?),
            transport::TWCC => Self::TransportFeedback(TransportFeedback::parse(&feedback)?),
            _ => Self::UnknownFeedback(feedback),
        })
    }

    fn payload(feedback: &Feedback<'a>) -> Result<Self, ParseError> {
        Ok(match feedback.format {
            payload::PLI => Self::PictureLoss(PictureLoss::parse(feedback)),
            payload::SLI => Self::SliceLoss(SliceLoss::parse(feedback)?),
            payload::RPSI => Self::ReferencePicture(ReferencePicture::parse(feedback)?),
            payload::FIR => Self::FullIntra(FullIntra::parse(feedback)?),
            payload::LRR => Self::LayerRefresh(LayerRefresh::parse(feedback)?),
            payload::APPLICATION if Remb::is(feedback) => Self::Remb(Remb::parse(feedback)?),
            _ => Self::UnknownFeedback(*feedback),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_types_and_formats_pass() {
        let parse = |packet_type, count, body| Packet::parse(&Raw { packet_type, count, body, padding: 0 });
        assert!(matches!(parse(PacketType(199), 3, &[1, 2, 3, 4]), Ok(Packet::Unknown(_))));
        for packet_type in [PacketType::TRANSPORT_FEEDBACK, PacketType::PAYLOAD_FEEDBACK] {
            assert!(matches!(parse(packet_type, 30, &[0; 8]), Ok(Packet::UnknownFeedback(_))));
            assert!(parse(packet_type, 30, &[0; 4]).is_err());
        }
        assert!(matches!(parse(PacketType::PAYLOAD_FEEDBACK, 15, &[0; 12]), Ok(Packet::UnknownFeedback(_))));
    }
}
