//! Which protocol a datagram belongs to, by its first byte (RFC 7983 §7, RFC 9443 §3), and which session.

pub use peerage_stun::header::TransactionId;
use peerage_stun::header::{Class, is_stun};
use peerage_stun::message::Message;

/// The protocols that share one 5-tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// STUN: connectivity checks, consent, server answers.
    Stun,
    /// DTLS records, handshake and application data alike.
    Dtls,
    /// RTP or RTCP.
    Rtp,
    /// Anything else: dropped.
    Unknown,
}

/// Classifies a datagram. Empty ones are [`Kind::Unknown`].
pub fn classify(payload: &[u8]) -> Kind {
    match payload.first() {
        Some(0..=3) => Kind::Stun,
        Some(20..=63) => Kind::Dtls,
        Some(128..=191) => Kind::Rtp,
        _ => Kind::Unknown,
    }
}

/// What a datagram says of the session that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// A check: belongs to whoever has this user-name fragment. Empty where a request has no user name.
    Request {
        /// The receiver's user-name fragment (RFC 8445 §7.2.2).
        local_ufrag: &'a str,
        /// The transaction.
        transaction: TransactionId,
    },
    /// An answer: belongs to whoever sent the request.
    Response {
        /// The transaction.
        transaction: TransactionId,
    },
    /// Anything else: belongs to whoever has claimed the 4-tuple.
    Other,
}

/// Looks for the session that a datagram names.
pub fn route(payload: &[u8]) -> Route<'_> {
    if !is_stun(payload) {
        return Route::Other;
    }
    let Ok(message) = Message::parse(payload) else { return Route::Other };
    let transaction = message.transaction_id();
    match message.class() {
        Class::Request => {
            let local_ufrag = message.username().and_then(|name| name.split(':').next()).unwrap_or_default();
            Route::Request { local_ufrag, transaction }
        }
        Class::Success | Class::Error => Route::Response { transaction },
        Class::Indication => Route::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_the_first_byte() {
        assert_eq!(classify(&[]), Kind::Unknown);
        for byte in 0..=255u8 {
            let expected = match byte {
                0..=3 => Kind::Stun,
                20..=63 => Kind::Dtls,
                128..=191 => Kind::Rtp,
                _ => Kind::Unknown,
            };
            assert_eq!(classify(&[byte, 0xFF]), expected, "{byte}");
        }
    }
}
