//! Multicast DNS (RFC 6762), as far as WebRTC needs it.
