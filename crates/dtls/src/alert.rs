//! Alerts, and what makes received bytes worth one.

use core::fmt;

use peerage_base::reader::Reader;
use thiserror::Error;

/// Why a connection ends, by its number in the TLS registry (RFC 8446 §6, RFC 5246 §7.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AlertDescription(pub u8);

/// An alert: one byte for the level (1 is a warning, 2 is fatal), one for the description (RFC 8446 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Alert {
    pub fatal: bool,
    pub description: AlertDescription,
}

/// Bytes of a handshake that cannot be taken, and the alert that says so to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{reason} ({alert})")]
pub(crate) struct ParseError {
    pub alert: AlertDescription,
    pub reason: &'static str,
}

impl AlertDescription {
    /// The sender will send no more; no fault.
    pub const CLOSE_NOTIFY: Self = Self(0);
    /// A message that has no place here.
    pub const UNEXPECTED_MESSAGE: Self = Self(10);
    /// A record that does not open.
    pub const BAD_RECORD_MAC: Self = Self(20);
    /// A record that is too long.
    pub const RECORD_OVERFLOW: Self = Self(22);
    /// No acceptable set of parameters.
    pub const HANDSHAKE_FAILURE: Self = Self(40);
    /// The certificate is corrupt, or its fingerprint is not the expected one.
    pub const BAD_CERTIFICATE: Self = Self(42);
    /// A certificate of a type that cannot be used.
    pub const UNSUPPORTED_CERTIFICATE: Self = Self(43);
    /// The signer took the certificate back.
    pub const CERTIFICATE_REVOKED: Self = Self(44);
    /// The certificate is no longer valid.
    pub const CERTIFICATE_EXPIRED: Self = Self(45);
    /// Something else about the certificate.
    pub const CERTIFICATE_UNKNOWN: Self = Self(46);
    /// A field out of range, or not consistent with others.
    pub const ILLEGAL_PARAMETER: Self = Self(47);
    /// No known authority signed the certificate.
    pub const UNKNOWN_CA: Self = Self(48);
    /// The certificate is good, its owner not welcome.
    pub const ACCESS_DENIED: Self = Self(49);
    /// A message that cannot be decoded.
    pub const DECODE_ERROR: Self = Self(50);
    /// A signature or a Finished that does not verify.
    pub const DECRYPT_ERROR: Self = Self(51);
    /// The peer asked for more connection ids than the sender keeps (RFC 9147 §9).
    pub const TOO_MANY_CIDS_REQUESTED: Self = Self(52);
    /// No version in common.
    pub const PROTOCOL_VERSION: Self = Self(70);
    /// The parameters in common are too weak for the sender.
    pub const INSUFFICIENT_SECURITY: Self = Self(71);
    /// A fault of the sender's own.
    pub const INTERNAL_ERROR: Self = Self(80);
    /// A retry in answer to a downgraded client (RFC 7507).
    pub const INAPPROPRIATE_FALLBACK: Self = Self(86);
    /// The application gave up.
    pub const USER_CANCELED: Self = Self(90);
    /// A renegotiation is refused; a warning (RFC 5246 §7.2.2).
    pub const NO_RENEGOTIATION: Self = Self(100);
    /// An extension that must be there is not.
    pub const MISSING_EXTENSION: Self = Self(109);
    /// An extension that was not asked for.
    pub const UNSUPPORTED_EXTENSION: Self = Self(110);
    /// No server of this name.
    pub const UNRECOGNIZED_NAME: Self = Self(112);
    /// No known pre-shared key.
    pub const UNKNOWN_PSK_IDENTITY: Self = Self(115);
    /// The client showed no certificate.
    pub const CERTIFICATE_REQUIRED: Self = Self(116);
    /// No application protocol in common (RFC 7301 §3.2).
    pub const NO_APPLICATION_PROTOCOL: Self = Self(120);

    /// The registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CLOSE_NOTIFY => "close_notify",
            Self::UNEXPECTED_MESSAGE => "unexpected_message",
            Self::BAD_RECORD_MAC => "bad_record_mac",
            Self::RECORD_OVERFLOW => "record_overflow",
            Self::HANDSHAKE_FAILURE => "handshake_failure",
            Self::BAD_CERTIFICATE => "bad_certificate",
            Self::UNSUPPORTED_CERTIFICATE => "unsupported_certificate",
            Self::CERTIFICATE_REVOKED => "certificate_revoked",
            Self::CERTIFICATE_EXPIRED => "certificate_expired",
            Self::CERTIFICATE_UNKNOWN => "certificate_unknown",
            Self::ILLEGAL_PARAMETER => "illegal_parameter",
            Self::UNKNOWN_CA => "unknown_ca",
            Self::ACCESS_DENIED => "access_denied",
            Self::DECODE_ERROR => "decode_error",
            Self::DECRYPT_ERROR => "decrypt_error",
            Self::TOO_MANY_CIDS_REQUESTED => "too_many_cids_requested",
            Self::PROTOCOL_VERSION => "protocol_version",
            Self::INSUFFICIENT_SECURITY => "insufficient_security",
            Self::INTERNAL_ERROR => "internal_error",
            Self::INAPPROPRIATE_FALLBACK => "inappropriate_fallback",
            Self::USER_CANCELED => "user_canceled",
            Self::NO_RENEGOTIATION => "no_renegotiation",
            Self::MISSING_EXTENSION => "missing_extension",
            Self::UNSUPPORTED_EXTENSION => "unsupported_extension",
            Self::UNRECOGNIZED_NAME => "unrecognized_name",
            Self::UNKNOWN_PSK_IDENTITY => "unknown_psk_identity",
            Self::CERTIFICATE_REQUIRED => "certificate_required",
            Self::NO_APPLICATION_PROTOCOL => "no_application_protocol",
            _ => "unknown",
        }
    }
}

impl Alert {
    /// Length on the wire, in bytes.
    pub(crate) const LEN: usize = 2;
    /// What ends a connection without a fault.
    #[cfg(test)]
    pub(crate) const CLOSE: Self = Self { fatal: false, description: AlertDescription::CLOSE_NOTIFY };

    /// What ends a connection over a fault.
    #[cfg(test)]
    pub(crate) const fn fatal(description: AlertDescription) -> Self {
        Self { fatal: true, description }
    }

    /// Reads the content of an alert record. An alert has a record of its own (RFC 8446 §5.1). Any level but a warning
    /// is taken as fatal, for the description decides in DTLS 1.3 (RFC 8446 §6).
    pub(crate) fn parse(content: &[u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(content);
        match (r.array(), r.is_empty()) {
            (Some([level, description]), true) => {
                Ok(Self { fatal: level != 1, description: AlertDescription(description) })
            }
            _ => Err(ParseError::decode("an alert is two bytes")),
        }
    }

    pub(crate) const fn to_bytes(self) -> [u8; Self::LEN] {
        [if self.fatal { 2 } else { 1 }, self.description.0]
    }
}

impl ParseError {
    pub(crate) const fn decode(reason: &'static str) -> Self {
        Self { alert: AlertDescription::DECODE_ERROR, reason }
    }

    pub(crate) const fn illegal(reason: &'static str) -> Self {
        Self { alert: AlertDescription::ILLEGAL_PARAMETER, reason }
    }

    pub(crate) const fn unsupported(reason: &'static str) -> Self {
        Self { alert: AlertDescription::UNSUPPORTED_EXTENSION, reason }
    }

    pub(crate) const fn missing(reason: &'static str) -> Self {
        Self { alert: AlertDescription::MISSING_EXTENSION, reason }
    }
}

impl fmt::Display for AlertDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            "unknown" => write!(f, "alert {}", self.0),
            name => f.write_str(name),
        }
    }
}

impl fmt::Debug for AlertDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn an_alert_survives_the_wire() {
        for description in 0..=u8::MAX {
            for fatal in [false, true] {
                let alert = Alert { fatal, description: AlertDescription(description) };
                assert_eq!(Alert::parse(&alert.to_bytes()), Ok(alert));
            }
        }
    }

    #[test]
    fn an_alert_is_two_bytes_alone_in_its_record() {
        for bad in [&[][..], &[2], &[2, 40, 0], &[1, 0, 1, 0]] {
            assert_eq!(Alert::parse(bad).unwrap_err().alert, AlertDescription::DECODE_ERROR);
        }
    }

    #[test]
    fn an_alert_of_no_known_level_is_fatal() {
        assert_eq!(Alert::parse(&[9, 40]), Ok(Alert::fatal(AlertDescription::HANDSHAKE_FAILURE)));
        assert_eq!(Alert::parse(&[1, 0]), Ok(Alert::CLOSE));
    }

    #[test]
    fn an_alert_is_shown_by_name_or_number() {
        assert_eq!(format!("{}", AlertDescription::DECODE_ERROR), "decode_error");
        assert_eq!(format!("{:?}", AlertDescription(199)), "alert 199");
        assert_eq!(format!("{}", ParseError::illegal("a field")), "a field (illegal_parameter)");
    }
}
