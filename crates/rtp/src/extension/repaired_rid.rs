//! The stream that a packet repairs (RFC 8852 §3.2).

super::token::element! {
    /// Identifier of the stream that this one repairs, by retransmission or redundancy.
    RepairedRid
}
