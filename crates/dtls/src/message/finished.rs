//! Finished.

use alloc::vec::Vec;

use crate::alert::ParseError;

/// Proof that one saw the same handshake: a MAC that fills the body (RFC 8446 §4.4.4, RFC 5246 §7.4.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Finished<'a> {
    pub verify_data: &'a [u8],
}

impl<'a> Finished<'a> {
    /// `len`: 12 in DTLS 1.2, the length of the suite's hash in DTLS 1.3.
    pub(crate) fn parse(body: &'a [u8], len: usize) -> Result<Self, ParseError> {
        if body.len() != len {
            return Err(ParseError::decode("the Finished is not as long as its MAC"));
        }
        Ok(Self { verify_data: body })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.verify_data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finished_is_as_long_as_its_mac() {
        assert!(Finished::parse(&[0; 12], 12).is_ok());
        for len in [0, 11, 13, 32] {
            assert!(Finished::parse(&alloc::vec![0; len], 12).is_err());
        }
    }
}
