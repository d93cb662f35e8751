//! SCTP association and the data-channel protocol on it (RFC 9260, 8831, 8832).
