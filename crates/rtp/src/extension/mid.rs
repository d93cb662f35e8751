//! The media section that a packet belongs to (RFC 9143 §15.1).

super::token::element! {
    /// Identification tag of a media section (`a=mid`).
    Mid
}
