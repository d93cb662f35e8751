//! What can be wrong with bytes, and with calls.

use thiserror::Error;

/// Why a candidate line or a pair of credentials was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Longer than anything legitimate.
    #[error("the text is too long")]
    TooLong,
    /// The foundation is missing or is not 1 to 32 ice-chars.
    #[error("bad foundation")]
    Foundation,
    /// The component is missing or is not in 1..=256.
    #[error("bad component")]
    Component,
    /// Neither UDP nor TCP with a known `tcptype`.
    #[error("unknown transport")]
    Transport,
    /// The priority is missing or does not fit 32 bits.
    #[error("bad priority")]
    Priority,
    /// Neither an address nor a host name.
    #[error("bad address")]
    Address,
    /// The port is missing or does not fit 16 bits.
    #[error("bad port")]
    Port,
    /// `typ` or a known candidate type is missing.
    #[error("bad candidate type")]
    Kind,
    /// A name without a value, or too many pairs.
    #[error("bad extension")]
    Extension,
    /// The username fragment is not 4 to 256 ice-chars.
    #[error("bad username fragment")]
    UsernameFragment,
    /// The password is not 22 to 256 ice-chars.
    #[error("bad password")]
    Password,
}

/// A call that the agent refuses; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Misuse {
    /// The credentials do not follow RFC 8839 §5.4.
    #[error("the remote credentials are malformed")]
    BadCredentials,
    /// The candidate belongs to another generation than the current one.
    #[error("the candidate belongs to another generation")]
    OtherGeneration,
    /// The address is unspecified, multicast or broadcast, or the port is zero.
    #[error("nothing can be sent to the candidate's address")]
    UnusableAddress,
    /// Only component 1 exists where RTP and RTCP share a transport.
    #[error("the candidate is of a component that is not in use")]
    OtherComponent,
    /// As many remote candidates as the configuration allows are known already.
    #[error("too many remote candidates")]
    TooManyCandidates,
    /// The agent was closed.
    #[error("the agent is closed")]
    Closed,
}
