//! Picture loss indication (RFC 4585 §6.3.1): both sources say it all.

use super::feedback::{self, Feedback, payload};
use super::header::PacketType;
use super::write::Writer;
use crate::numbers::Ssrc;

/// A picture cannot be decoded, and so can none after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureLoss {
    /// Who cannot.
    pub sender: Ssrc,
    /// Whose pictures.
    pub media: Ssrc,
}

impl PictureLoss {
    /// Control information is not defined, and passed over.
    pub(super) fn parse(feedback: &Feedback<'_>) -> Self {
        Self { sender: feedback.sender, media: feedback.media }
    }
}

/// Appends a picture loss indication; `false`, and nothing changes, if it does not fit.
#[must_use]
pub fn write(writer: &mut Writer<'_, '_>, sender: Ssrc, media: Ssrc) -> bool {
    feedback::write(writer, PacketType::PAYLOAD_FEEDBACK, payload::PLI, (sender, media), 0).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::packet::Packet;
    use crate::rtcp::tests_support::{assert_refuses_shorter, parse, written};

    #[test]
    fn it_is_read_as_written() {
        let bytes = written(|writer| assert!(write(writer, Ssrc(1), Ssrc(0x0203_0405))));
        assert_eq!(bytes, [0x81, 206, 0, 2, 0, 0, 0, 1, 2, 3, 4, 5]);
        assert_eq!(parse(&bytes), Packet::PictureLoss(PictureLoss { sender: Ssrc(1), media: Ssrc(0x0203_0405) }));
        assert_refuses_shorter(&bytes);
    }
}
