//! The stream of a media section that a packet belongs to (RFC 8852 §3.1).

super::token::element! {
    /// Identifier of a stream among those of its media section (`a=rid`).
    Rid
}
