//! The `o=` line.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;

use crate::text::number;

/// Who made a description, and which edition of it this is (RFC 8866 §5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// `-` where the maker has no user name.
    pub username: String,
    /// Constant for the life of the session.
    pub session_id: u64,
    /// Grows with every change of the description.
    pub session_version: u64,
    /// Network type, address type and address, as one text: `IN IP4 0.0.0.0`.
    pub address: String,
}

impl Origin {
    /// Reads the value of an `o=` line.
    pub fn parse(value: &str) -> Option<Self> {
        let mut fields = value.splitn(4, ' ');
        let username = fields.next().filter(|u| !u.is_empty())?;
        let session_id = number(fields.next()?)?;
        let session_version = number(fields.next()?)?;
        let address = fields.next()?;
        let whole = address.split(' ').count() == 3 && address.split(' ').all(|f| !f.is_empty());
        whole.then(|| Self { username: username.to_owned(), session_id, session_version, address: address.to_owned() })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.username, self.session_id, self.session_version, self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn origins_round_trip() {
        for text in ["- 4 2 IN IP4 127.0.0.1", "mozilla...THIS_IS_SDPARTA-99.0 18446744069414584320 0 IN IP6 ::1"] {
            assert_eq!(Origin::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn identifiers_are_numbers_and_no_field_is_absent() {
        for text in ["- x 2 IN IP4 h", "- 4 2 IN IP4", "- 4 2 IN IP4 ", "- 4 -2 IN IP4 h", " 4 2 IN IP4 h", ""] {
            assert_eq!(Origin::parse(text), None, "{text:?}");
        }
    }
}
