//! The client's side of allocations (RFC 8656 §6 to §12).
