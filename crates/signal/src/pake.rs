//! From the few bits of a spoken code to a long one: CPace between the two that meet at a nameplate.
//!
//! Both prove that they have the words before either uses the key, and what comes of it is an ordinary
//! [`Code`]. Layouts and derivations are in `docs/signalling.md`.

use crate::code::Code;
use crate::id::{Nameplate, PeerId, Side};
use crate::message::Data;
use crate::word_code::Words;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use peerage_base::rng::Rng;
use peerage_crypto::cpace::{Agreed, Context, CpaceError, ENTROPY_LEN, Exchange, SHARE_LEN, TAG_LEN};
use peerage_crypto::hkdf;

/// The first byte of a message: what the rest of it is.
const SHARE: u8 = 1;
const TAG: u8 = 2;

/// Why there is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PakeError {
    /// The other side has other words, or what was said was changed on its way.
    #[error("the other side has other words")]
    WrongWords,
    /// What arrived is no message of the exchange.
    #[error("what the other side said is no message of the exchange")]
    Malformed,
}

/// One side of a run, up to the other side's share.
#[derive(Debug)]
pub struct Run {
    exchange: Exchange,
    theirs: String,
}

impl Run {
    /// Begins with the other peer at a nameplate. `rng` must be seeded from the system's entropy.
    pub fn begin(words: &Words, plate: Nameplate, side: Side, me: PeerId, peer: PeerId, rng: &mut Rng) -> Self {
        Self::with_entropy(words, plate, side, me, peer, &rng.bytes())
    }

    /// As [`begin`](Self::begin), with what would have been drawn: for vectors.
    #[doc(hidden)]
    pub fn with_entropy(
        words: &Words,
        plate: Nameplate,
        side: Side,
        me: PeerId,
        peer: PeerId,
        entropy: &[u8; ENTROPY_LEN],
    ) -> Self {
        let (ours, theirs) = (name(side, me), name(side.other(), peer));
        let (host, guest) = if side == Side::Host { (&ours, &theirs) } else { (&theirs, &ours) };
        let (channel, session) = (format!("peerage-words-1|{plate}"), format!("{host},{guest}"));
        let password = words.as_text();
        let context =
            Context { password: password.as_bytes(), channel: channel.as_bytes(), session: session.as_bytes() };
        let exchange = Exchange::begin(context, ours.as_bytes(), entropy);
        Self { exchange, theirs }
    }

    /// The first message to the other side.
    pub fn share(&self) -> Data {
        message(SHARE, self.exchange.share())
    }

    /// Takes the other side's first message.
    ///
    /// # Errors
    /// [`PakeError`], after which the code is spent.
    pub fn agree(self, data: &Data) -> Result<Confirming, PakeError> {
        let share = open::<SHARE_LEN>(SHARE, data)?;
        match self.exchange.agree(&share, self.theirs.as_bytes()) {
            Ok(agreed) => Ok(Confirming(agreed)),
            Err(CpaceError::Unconfirmed) => Err(PakeError::WrongWords),
            Err(_) => Err(PakeError::Malformed),
        }
    }
}

/// Both shares are known; that the words are the same is not. Our tag lets whoever gets it check one guess, so that from
/// here on the code is spent.
#[derive(Debug)]
pub struct Confirming(Agreed);

impl Confirming {
    /// The second message to the other side.
    pub fn tag(&self) -> Data {
        message(TAG, self.0.tag())
    }

    /// Takes the other side's second message; gives the code of the room in which both go on.
    ///
    /// # Errors
    /// [`PakeError`].
    pub fn confirm(self, data: &Data) -> Result<Code, PakeError> {
        let tag = open::<TAG_LEN>(TAG, data)?;
        let key = self.0.confirm(&tag).map_err(|_| PakeError::WrongWords)?;
        let mut out = [0; Code::DERIVED_LEN];
        let mut counter = 0u8;
        loop {
            hkdf::sha256(b"peerage-words-1", key.as_ref(), &[b"code", &[counter][..]].concat(), &mut out);
            // One key in 10^15 gives a secret that the rule for chosen ones refuses.
            if let Some(code) = Code::derived(&out) {
                return Ok(code);
            }
            counter = counter.checked_add(1).ok_or(PakeError::Malformed)?;
        }
    }
}

fn name(side: Side, peer: PeerId) -> String {
    format!("{}|{peer}", side.as_str())
}

fn message(kind: u8, body: &[u8]) -> Data {
    Data::new(URL_SAFE_NO_PAD.encode([&[kind], body].concat())).expect("base64url of a hundred bytes is data")
}

fn open<const N: usize>(kind: u8, data: &Data) -> Result<[u8; N], PakeError> {
    // Twice what the longest message has: nothing long is decoded.
    if data.as_str().len() > 2 * (TAG_LEN + 1) {
        return Err(PakeError::Malformed);
    }
    let bytes = URL_SAFE_NO_PAD.decode(data.as_str()).map_err(|_| PakeError::Malformed)?;
    match bytes.split_first() {
        Some((first, body)) if *first == kind => body.try_into().map_err(|_| PakeError::Malformed),
        _ => Err(PakeError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::word_code::WordCode;

    const HOST: PeerId = PeerId::from_bytes([1; 16]);
    const GUEST: PeerId = PeerId::from_bytes([2; 16]);

    fn begin(code: &str, side: Side, me: PeerId, peer: PeerId) -> Run {
        let WordCode { nameplate, words } = WordCode::parse(code).unwrap();
        Run::begin(&words, nameplate, side, me, peer, &mut Rng::from_u64(if side == Side::Host { 1 } else { 2 }))
    }

    fn pair(host: &str, guest: &str) -> (Confirming, Confirming) {
        let (host, guest) = (begin(host, Side::Host, HOST, GUEST), begin(guest, Side::Guest, GUEST, HOST));
        let (from_host, from_guest) = (host.share(), guest.share());
        (host.agree(&from_guest).unwrap(), guest.agree(&from_host).unwrap())
    }

    #[test]
    fn the_same_words_lead_to_the_same_long_code() {
        let (host, guest) = pair("7-guitar-sunset", "7 GUIT sunset");
        let (from_host, from_guest) = (host.tag(), guest.tag());
        let code = host.confirm(&from_guest).unwrap();
        assert_eq!(guest.confirm(&from_host).unwrap(), code);
        let text = code.to_string();
        assert_eq!((text.len(), text.find('-')), (Code::DERIVED_LEN + 1, Some(16)));
        assert_eq!(Code::parse(&text), Ok(code));
    }

    #[test]
    fn other_words_another_number_or_another_peer_lead_nowhere_on_both_sides() {
        for (ours, theirs) in [("7-guitar-sunset", "7-guitar-sunny"), ("7-guitar-sunset", "8-guitar-sunset")] {
            let (host, guest) = pair(ours, theirs);
            let (from_host, from_guest) = (host.tag(), guest.tag());
            assert_eq!(host.confirm(&from_guest), Err(PakeError::WrongWords));
            assert_eq!(guest.confirm(&from_host), Err(PakeError::WrongWords));
        }
        let stranger = PeerId::from_bytes([3; 16]);
        let host = begin("7-act-act", Side::Host, HOST, GUEST);
        let guest = begin("7-act-act", Side::Guest, GUEST, stranger);
        let (from_host, from_guest) = (host.share(), guest.share());
        let (host, guest) = (host.agree(&from_guest).unwrap(), guest.agree(&from_host).unwrap());
        assert_eq!(host.confirm(&guest.tag()), Err(PakeError::WrongWords));
    }

    #[test]
    fn two_hosts_do_not_agree() {
        let one = begin("7-act-act", Side::Host, HOST, GUEST);
        let other = begin("7-act-act", Side::Host, GUEST, HOST);
        let (from_one, from_other) = (one.share(), other.share());
        let (one, other) = (one.agree(&from_other).unwrap(), other.agree(&from_one).unwrap());
        let (from_one, from_other) = (one.tag(), other.tag());
        assert_eq!(one.confirm(&from_other), Err(PakeError::WrongWords));
        assert_eq!(other.confirm(&from_one), Err(PakeError::WrongWords));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let (host, guest) = (begin("7-act-act", Side::Host, HOST, GUEST), begin("7-act-act", Side::Guest, GUEST, HOST));
        let good = guest.share();
        for bad in ["", "AQ", "AAAA", &good.as_str()[..40], &format!("{}AAAA", good.as_str()), &"A".repeat(500)] {
            let data = Data::new(bad.into()).unwrap();
            let refused = begin("7-act-act", Side::Host, HOST, GUEST).agree(&data);
            assert_eq!(refused.err(), Some(PakeError::Malformed), "{bad}");
        }
        let shares = (host.share(), guest.share());
        let agreed = host.agree(&shares.1).unwrap();
        assert_eq!(agreed.confirm(&shares.1), Err(PakeError::Malformed), "a share is no tag");
        let agreed = guest.agree(&shares.0).unwrap();
        let own = agreed.tag();
        assert_eq!(agreed.confirm(&own), Err(PakeError::WrongWords), "our own tag came back");
    }
}
