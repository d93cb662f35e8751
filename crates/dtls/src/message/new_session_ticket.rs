//! NewSessionTicket of DTLS 1.3.

use crate::alert::ParseError;
use crate::extension::block::Block;
use crate::extension::vector::{self, exact};

/// A server's offer to resume the session later (RFC 8446 §4.6.1). Nothing is resumed here, so that it is checked and
/// forgotten.
///
/// ```text
/// lifetime 32 | age_add 32 | nonce 8+n | ticket 16+n | extensions 16+n
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NewSessionTicket;

impl NewSessionTicket {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ParseError> {
        let extensions = exact(body, "the NewSessionTicket is malformed", |r| {
            r.bytes(8)?;
            vector::read8(r)?;
            vector::read16(r).filter(|ticket| !ticket.is_empty())?;
            vector::read16(r)
        })?;
        let mut block = Block::new(extensions);
        while block.next()?.is_some() {}
        Ok(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_checked_and_forgotten() {
        let whole = [&[0, 0, 0, 30, 1, 2, 3, 4, 2, 0, 0, 0, 1, 9, 0, 8][..], &[0, 42, 0, 4, 0, 0, 4, 0]].concat();
        assert_eq!(NewSessionTicket::parse(&whole), Ok(NewSessionTicket));
        for len in 0..whole.len() {
            assert!(NewSessionTicket::parse(&whole[..len]).is_err(), "at {len}");
        }
        assert!(NewSessionTicket::parse(&[&whole[..], &[0]].concat()).is_err());
        let empty_ticket = [0, 0, 0, 30, 1, 2, 3, 4, 0, 0, 0, 0, 0];
        assert!(NewSessionTicket::parse(&empty_ticket).is_err());
    }
}
