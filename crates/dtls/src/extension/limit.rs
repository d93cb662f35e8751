//! How long a record may be.

use crate::alert::ParseError;
use crate::extension::vector;

/// Reads a record_size_limit: two bytes, at least 64 (RFC 8449 §4). In DTLS 1.3 it counts the content type and padding
/// too.
pub(crate) fn parse(body: &[u8]) -> Result<u16, ParseError> {
    let limit = vector::exact(body, "record_size_limit is two bytes", |r| r.u16())?;
    if limit < 64 {
        return Err(ParseError::illegal("record_size_limit is below 64"));
    }
    Ok(limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::AlertDescription;

    #[test]
    fn a_limit_is_at_least_64() {
        assert_eq!(parse(&[0, 64]), Ok(64));
        assert_eq!(parse(&[0xFF, 0xFF]), Ok(0xFFFF));
        assert_eq!(parse(&[0, 63]).unwrap_err().alert, AlertDescription::ILLEGAL_PARAMETER);
        assert_eq!(parse(&[64]).unwrap_err().alert, AlertDescription::DECODE_ERROR);
    }
}
