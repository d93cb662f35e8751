//! Files: containers for coded frames (Ogg, IVF, WebM and Matroska) and for plain samples and pictures (WAV, Y4M).
//!
//! Readers take any [`std::io::Read`], most of them with `Seek`, and believe nothing: each says what is wrong with a file,
//! and none asks for more memory than a frame may have.

pub mod ivf;
pub mod matroska;
pub mod ogg;
pub mod wav;
pub mod y4m;

/// No coded frame is longer, whatever its container says.
pub(crate) const LONGEST_FRAME: usize = 16 << 20;
