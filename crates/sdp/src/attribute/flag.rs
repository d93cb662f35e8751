//! Attributes that have no value, by name.

/// The sender runs ICE without checks of its own (RFC 8839 §5.3). Session level only.
pub const ICE_LITE: &str = "ice-lite";
/// No candidate of this generation will follow (RFC 8840 §8.2).
pub const END_OF_CANDIDATES: &str = "end-of-candidates";
/// RTP and RTCP share one port (RFC 5761 §5.1.1).
pub const RTCP_MUX: &str = "rtcp-mux";
/// The section lives only inside its BUNDLE group (RFC 9143 §6).
pub const BUNDLE_ONLY: &str = "bundle-only";
/// One- and two-byte RTP header extensions may alternate (RFC 8285 §6).
pub const EXTMAP_ALLOW_MIXED: &str = "extmap-allow-mixed";
/// RTP and RTCP share one port or there is no media (RFC 8858 §4).
pub const RTCP_MUX_ONLY: &str = "rtcp-mux-only";
/// RTCP packets may be shorter than compound ones (RFC 5506 §5).
pub const RTCP_RSIZE: &str = "rtcp-rsize";
