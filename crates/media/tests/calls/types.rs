//! Names of streams and formats.

use peerage_rtp::numbers::{PayloadType, Ssrc};

pub const VIDEO: Ssrc = Ssrc(1);
pub const VIDEO_RTX: Ssrc = Ssrc(2);
pub const FLEX: Ssrc = Ssrc(3);
pub const AUDIO: Ssrc = Ssrc(4);
pub const AUDIO_RTX: Ssrc = Ssrc(5);
pub const VP8: PayloadType = PayloadType::from_byte(96);
pub const VP8_RTX: PayloadType = PayloadType::from_byte(97);
pub const FLEXFEC: PayloadType = PayloadType::from_byte(98);
pub const OPUS: PayloadType = PayloadType::from_byte(111);
pub const OPUS_RTX: PayloadType = PayloadType::from_byte(112);
pub const RED: PayloadType = PayloadType::from_byte(63);
