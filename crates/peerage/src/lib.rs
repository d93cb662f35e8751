//! WebRTC peer connections on tokio: audio, video and data.
//!
//! The names are those of the W3C interface in snake case: [`PeerConnection`], [`DataChannel`], [`RtpTransceiver`],
//! [`Configuration`]. There are no callbacks: events come from [`PeerConnection::next_event`], messages from
//! [`DataChannel::recv`], encoded frames from [`RtpReceiver::recv_frame`].
//!
//! ```no_run
//! # use peerage::{Configuration, EncodedFrame, Error, MediaKind, PeerConnection, RtpTransceiverInit, SessionDescription};
//! # async fn signal(offer: SessionDescription) -> SessionDescription { offer }
//! # async fn encode(_rate: Option<u64>) -> (Vec<u8>, u32) { unimplemented!("an encoder of Opus") }
//! # async fn call() -> Result<(), Error> {
//! let pc = PeerConnection::new(Configuration::default())?;
//! let voice = pc.add_transceiver(MediaKind::Audio, RtpTransceiverInit::default())?;
//! pc.set_local_description(pc.create_offer().await?).await?;
//! pc.gathering_complete().await;
//! pc.set_remote_description(signal(pc.local_description().expect("it was set")).await).await?;
//! voice.sender().ready().await?;
//! tokio::spawn(async move { while let Some(frame) = voice.receiver().recv_frame().await { println!("{frame:?}") } });
//! loop {
//!     let (payload, timestamp) = encode(Some(32_000)).await;
//!     pc.transceivers()[0].sender().send_frame(EncodedFrame::new(payload, timestamp)).await?;
//! }
//! # }
//! ```
//!
//! Encoders, decoders and devices are the application's, or those of `peerage-codecs`; [`media`] tells how they are joined on.
//!
//! Frames may go through a transform of the application's on their way, and with the one of [`sframe`] servers between the peers
//! neither hear nor see: `sender.set_transform(Encryptor::new(Suite::default(), KeyId(1), &key))`.
//!
//! Every connection belongs to an [`Endpoint`], which owns the sockets and runs the driver, a task for each worker of the
//! runtime; connections have no task, timer or socket of their own, so thousands of them share one port. [`PeerConnection::new`] uses an endpoint
//! that the process shares; make your own with [`Endpoint::new`] to choose addresses, ports and limits.
//!
//! How descriptions and candidates reach the other side is up to the application; the crate `peerage-signal` has ways.

pub mod configuration;
pub mod data_channel;
pub mod doctor;
pub mod endpoint;
pub mod error;
pub mod event;
mod events;
pub mod media;
pub mod peer_connection;
pub mod sframe;
pub mod stats;

mod cell;
mod connection;
mod key_log;
mod resolve;
mod senders;
mod shard;
mod shared;

pub use configuration::{Configuration, IceServer, Settings};
pub use data_channel::{DataChannel, DataChannelInit, DataChannelState, Message, Priority};
pub use endpoint::Endpoint;
pub use error::{Error, ErrorKind};
pub use event::Event;
pub use media::frame::{Codec, EncodedFrame, ReceivedFrame};
pub use media::receiver::RtpReceiver;
pub use media::sender::{EncoderEvent, RtpSender};
pub use media::transceiver::{Direction, MediaKind, RtpTransceiver, RtpTransceiverInit};
pub use peer_connection::{OfferOptions, PeerConnection, SessionDescription};
pub use stats::StatsReport;
