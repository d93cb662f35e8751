//! Pictures and sound for calls.
//!
//! What a call needs beside WebRTC itself, each part over a library that others keep: codecs (`opus`, `video` with
//! VP8, VP9 and H.264; feature `codecs`), microphones, speakers and cameras (`device`; feature `devices`), and always:
//! pictures ([`picture`], [`convert`], [`scale`], [`quality`]), sound ([`audio`], [`resample`], [`mixer`]), test signals
//! that say which frame arrived and how late ([`pattern`], [`tone`]), and files ([`mod@file`], [`recorder`], [`source`]).
//!
//! Pictures are I420 of eight bits, sound is 48 kHz of 16 bits. Time is passed in or comes with the data; only devices
//! have a clock of their own. Everything that is read, from files as from peers, is taken for hostile: sizes are bounded
//! before memory is asked for. Out of scope: RTP and its payload formats, jitter buffers, and how a call is made.

pub mod audio;
pub mod bitstream;
pub mod convert;
#[cfg(feature = "devices")]
pub mod device;
pub mod encoded;
pub mod error;
pub mod file;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
#[cfg(feature = "codecs")]
pub mod h264;
pub mod mixer;
#[cfg(feature = "codecs")]
pub mod opus;
pub mod pattern;
pub mod picture;
pub mod quality;
#[cfg(feature = "codecs")]
mod rate;
pub mod recorder;
pub mod resample;
pub mod scale;
pub mod source;
pub mod tone;
#[cfg(feature = "codecs")]
pub mod video;
#[cfg(feature = "codecs")]
pub mod vpx;
