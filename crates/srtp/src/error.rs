//! Why a packet was not protected or not unprotected.

/// Why a packet was not protected. It and the sender are as they were before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The slot does not hold an RTP or RTCP packet.
    #[error("not a packet")]
    Malformed,
    /// Cryptex cannot carry a header extension that is not of RFC 8285, nor a two-byte one with application bits; and one
    /// of its own kinds would be taken for encrypted (RFC 9335 §5).
    #[error("a header extension of this kind cannot be sent")]
    ForeignExtension,
    /// The slot has not as many bytes of tail room as protection needs.
    #[error("no tail room")]
    NoRoom,
    /// A packet with this sequence number was protected before. A second one would reveal both (RFC 3711 §9.1):
    /// retransmissions go by a source of their own (RFC 4588), or as the protected packet they were.
    #[error("the sequence number was used before")]
    IndexReused,
    /// The sequence number is so far behind that it cannot be told whether it was used before.
    #[error("the sequence number is too far behind")]
    IndexTooOld,
    /// There are as many sources as the configuration allows, or as one master key may ever have.
    #[error("too many sources")]
    TooManySources,
    /// The keys have protected 2^48 packets of RTP or 2^31 of RTCP, or the packet would be the one after (RFC 3711 §9.2).
    #[error("the keys are used up")]
    KeyExhausted,
}

/// Why a packet was not unprotected. Its bytes are unspecified afterwards; the receiver is as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The bytes are fewer than the shortest protected packet has.
    #[error("too short")]
    TooShort,
    /// The headers are of another version or longer than the packet.
    #[error("not a packet")]
    Malformed,
    /// The packet was not protected with this key, or changed on its way.
    #[error("not authentic")]
    NotAuthentic,
    /// The packet was unprotected before.
    #[error("replayed")]
    Replayed,
    /// The packet is behind the replay window: it cannot be told whether it was unprotected before.
    #[error("behind the replay window")]
    TooOld,
    /// The packet is authentic, but of a new source, and there are as many as the configuration allows, or as one master
    /// key may ever have.
    #[error("too many sources")]
    TooManySources,
    /// The control packet is not encrypted, which no profile of DTLS-SRTP is agreed on to allow.
    #[error("not encrypted")]
    NotEncrypted,
    /// Cryptex is in use though it was not agreed on, or not in use though it is required.
    #[error("cryptex is not as agreed")]
    Cryptex,
    /// The packet's index is past the last that one key may have: 2^48 - 1.
    #[error("the keys are used up")]
    KeyExhausted,
}
