//! Dependency descriptor (RTP Payload Format For AV1 v1.0, appendix A): which frames a frame depends on and which qualities
//! of the stream it serves, told without a look at the payload. Chromium sends it with VP8, VP9 and H.264 too.
//!
//! A [`structure::Structure`] travels with key frames and lists templates; a [`descriptor::Descriptor`] names one of them and
//! what differs. To read a descriptor takes the last structure of its stream.

pub mod descriptor;
pub mod structure;

mod read;
mod write;
