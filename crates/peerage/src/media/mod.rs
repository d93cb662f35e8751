//! Audio and video: transceivers, encoded frames out, encoded frames in.
//!
//! A [`Transceiver`](transceiver::RtpTransceiver) is a section of the descriptions. Its [`RtpSender`](sender::RtpSender) takes
//! encoded frames and tells the encoder what the path and the peer want of it; its [`RtpReceiver`](receiver::RtpReceiver) hands
//! out frames, packets for those who pass them on, or sound for a sound card ([`Playout`](playout::Playout)). Encoders and decoders
//! are the application's.

pub mod forward;
pub mod frame;
pub mod playout;
pub mod receiver;
pub mod sender;
pub mod transceiver;
pub mod transform;

pub(crate) mod line;
