//! KeyUpdate.

use alloc::vec::Vec;

use crate::alert::ParseError;

/// Says that the sender goes on with its next keys: one byte, 0 or 1 (RFC 8446 §4.6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyUpdate {
    /// Whether the receiver shall do so too.
    pub requested: bool,
}

impl KeyUpdate {
    pub(crate) const fn parse(body: &[u8]) -> Result<Self, ParseError> {
        match body {
            [0] => Ok(Self { requested: false }),
            [1] => Ok(Self { requested: true }),
            [_] => Err(ParseError::illegal("the KeyUpdate asks for nothing known")),
            _ => Err(ParseError::decode("the KeyUpdate is one byte")),
        }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.requested));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::AlertDescription;

    #[test]
    fn an_update_is_asked_for_or_not() {
        let alert = |body: &[u8]| KeyUpdate::parse(body).map(|m| m.requested).map_err(|error| error.alert);
        assert_eq!((alert(&[0]), alert(&[1])), (Ok(false), Ok(true)));
        assert_eq!(alert(&[2]), Err(AlertDescription::ILLEGAL_PARAMETER));
        assert_eq!(alert(&[]), Err(AlertDescription::DECODE_ERROR));
        assert_eq!(alert(&[0, 0]), Err(AlertDescription::DECODE_ERROR));
    }
}
