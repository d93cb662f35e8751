//! End-to-end encryption of frames (SFrame, RFC 9605), for calls through servers that are not to see or hear them: keys of a suite
//! are the [transforms](crate::media::transform) of a sender and of a receiver.
//!
//! ```no_run
//! # use peerage::{RtpReceiver, RtpSender};
//! use peerage::sframe::{Decryptor, Encryptor, KeyId, Suite};
//!
//! # fn join(sender: RtpSender, receiver: RtpReceiver, our_key: [u8; 32], their_key: [u8; 32]) {
//! sender.set_transform(Encryptor::new(Suite::default(), KeyId(1), &our_key));
//! receiver.set_transform(Decryptor::with_key(Suite::default(), KeyId(2), &their_key));
//! # }
//! ```
//!
//! How keys are agreed on is up to the application. No two senders have one key, nor two transceivers of one: give each a
//! [`KeyId`] and a key of its own. Frames that a receiver has no key for, or a wrong one, are dropped and counted
//! ([`RtpReceiver::transform_counts`](crate::RtpReceiver::transform_counts)) and nobody is asked for others; once the right key is
//! there, a key frame is asked for and the picture goes on.
//!
//! VP8, Opus, G.711 and G.722 are encrypted; [`clear`] says what of them stays in the clear, and why others cannot be.

pub use peerage_sframe::decryptor::Decryptor;
pub use peerage_sframe::encryptor::Encryptor;
pub use peerage_sframe::error::{DecryptError, Misuse};
pub use peerage_sframe::key_id::KeyId;
pub use peerage_sframe::sender_key::Naming;
pub use peerage_sframe::suite::Suite;

use crate::media::frame::Codec;
use crate::media::transform::{FrameTransform, Rejected, TransitFrame};

/// Bytes at the start of a frame that receivers and forwarders read and so are left in the clear: of VP8 the frame header (RFC
/// 7741 §4.3), which tells key frames, of Opus the one that tells how long it is (RFC 6716 §3.1). `None` for formats whose frames
/// are taken apart throughout (H.264, H.265, AV1), and for those that tell key frames nowhere else (VP9): they cannot be encrypted
/// as a whole.
pub fn clear(codec: Codec, is_key: bool) -> Option<usize> {
    match codec {
        Codec::Vp8 => Some(if is_key { 10 } else { 3 }),
        Codec::Opus => Some(1),
        Codec::Pcmu | Codec::Pcma | Codec::G722 => Some(0),
        _ => None,
    }
}

/// Encrypts what is sent.
impl FrameTransform for Encryptor {
    fn transform(&mut self, frame: &mut TransitFrame<'_>) -> Result<(), Rejected> {
        let clear = visible(frame)?;
        self.encrypt(frame.payload, clear, &[]).map_err(|error| Rejected::new(error.to_string()))
    }
}

/// Decrypts what is received.
impl FrameTransform for Decryptor {
    fn transform(&mut self, frame: &mut TransitFrame<'_>) -> Result<(), Rejected> {
        let clear = visible(frame)?;
        self.decrypt(frame.payload, clear, &[]).map(drop).map_err(|error| Rejected::new(error.to_string()))
    }
}

fn visible(frame: &TransitFrame<'_>) -> Result<usize, Rejected> {
    clear(frame.codec, frame.is_key).ok_or_else(|| {
        let name = frame.codec.name();
        Rejected::new(format!("frames of {name} cannot be encrypted as a whole: agree on VP8 or Opus"))
    })
}
