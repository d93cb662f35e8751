//! A key from a password that two sides share, of which nobody learns anything by listening, and by taking part no more
//! than whether one guess was right: CPace (draft-irtf-cfrg-cpace-21) over ristretto255 (RFC 9496) with SHA-512, between
//! equals, with the confirmation of §10.4.
//!
//! The order is that of the type: [`Exchange::begin`], send [`Exchange::share`], [`Exchange::agree`] with the other side's
//! share, send [`Agreed::tag`], and [`Agreed::confirm`] with the other side's tag, which alone gives the key away.

use core::fmt;

use alloc::vec::Vec;

use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity as _;
use zeroize::{Zeroize as _, Zeroizing};

use crate::constant_time;
use crate::hash::Hash;
use crate::hmac;
use crate::secret::Secret;

/// Length of a share, in bytes.
pub const SHARE_LEN: usize = 32;
/// Length of a tag, in bytes.
pub const TAG_LEN: usize = 64;
/// Bytes of entropy that an exchange takes: twice the length of a scalar, so that reducing them shows no bias.
pub const ENTROPY_LEN: usize = 64;

/// `G.DSI` of the draft §8.3.
const DSI: &[u8] = b"CPaceRistretto255";
const DSI_ISK: &[u8] = b"CPaceRistretto255_ISK";
const DSI_MAC: &[u8] = b"CPaceMac";
/// `H.s_in_bytes` of SHA-512: the password stands alone in the first block.
const BLOCK: usize = 128;

/// Why an exchange ends without a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CpaceError {
    /// The other side's share is no element of the group, or the neutral one.
    #[error("the share is no element of the group")]
    InvalidShare,
    /// The other side sent our own share or name back.
    #[error("our own message came back")]
    Reflected,
    /// The other side has another password, or what was said was changed on the way.
    #[error("the other side has another password")]
    Unconfirmed,
}

/// What both sides must have in common, in any order of their own.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The password.
    pub password: &'a [u8],
    /// What the password is for: `CI` of the draft.
    pub channel: &'a [u8],
    /// What no other run has: `sid` of the draft.
    pub session: &'a [u8],
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("channel", &self.channel)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

/// One side's half, for one run.
pub struct Exchange {
    scalar: Scalar,
    share: [u8; SHARE_LEN],
    session: Vec<u8>,
    name: Vec<u8>,
}

impl Exchange {
    /// Begins a run. `name` is what this side is called, in public (`AD` of the draft); the other side must be called
    /// otherwise. `entropy` is used once.
    #[must_use]
    pub fn begin(context: Context<'_>, name: &[u8], entropy: &[u8; ENTROPY_LEN]) -> Self {
        Self::with_scalar(context, name, Scalar::from_bytes_mod_order_wide(entropy))
    }

    fn with_scalar(context: Context<'_>, name: &[u8], scalar: Scalar) -> Self {
        let mut generator = generator(context);
        let share = (generator * scalar).compress().to_bytes();
        generator.zeroize();
        Self { scalar, share, session: context.session.to_vec(), name: name.to_vec() }
    }

    /// What the other side is told.
    #[must_use]
    pub fn share(&self) -> &[u8; SHARE_LEN] {
        &self.share
    }

    /// Takes the other side's share and name.
    ///
    /// # Errors
    /// [`CpaceError::InvalidShare`], [`CpaceError::Reflected`].
    pub fn agree(self, share: &[u8], name: &[u8]) -> Result<Agreed, CpaceError> {
        if share == self.share || name == self.name {
            return Err(CpaceError::Reflected);
        }
        let point = CompressedRistretto::from_slice(share).ok().and_then(|bytes| bytes.decompress());
        let mut point = point.ok_or(CpaceError::InvalidShare)? * self.scalar;
        if point.is_identity() {
            return Err(CpaceError::InvalidShare);
        }
        let shared = Zeroizing::new(point.compress().to_bytes());
        point.zeroize();
        let (ours, theirs) = (lv_cat(&[&self.share, &self.name]), lv_cat(&[share, name]));
        let mut input = lv_cat(&[DSI_ISK, &self.session, &*shared]);
        // `transcript_oc`: the larger one first, so that both sides write the same without being first or second.
        input.extend_from_slice(b"oc");
        let (larger, smaller) = if *ours > *theirs { (&ours, &theirs) } else { (&theirs, &ours) };
        input.extend_from_slice(larger);
        input.extend_from_slice(smaller);
        let key = Secret::from_slice(Hash::Sha512.digest(&input).as_ref());
        let mac_key = Zeroizing::new([DSI_MAC, &self.session, key.as_ref()].concat());
        let mac = hmac::Key::new(Hash::Sha512, Hash::Sha512.digest(&mac_key).as_ref());
        let tag = |of: &[u8]| mac.digest(&[of]).as_ref().try_into().expect("SHA-512 has 64 bytes");
        Ok(Agreed { tag: tag(&ours), expected: tag(&theirs), key })
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.scalar.zeroize();
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exchange")
    }
}

/// Both shares are known; whether both passwords are the same is not.
pub struct Agreed {
    tag: [u8; TAG_LEN],
    expected: [u8; TAG_LEN],
    key: Secret,
}

impl Agreed {
    /// What proves to the other side that our password is its own. Whoever has it can check one guess.
    #[must_use]
    pub fn tag(&self) -> &[u8; TAG_LEN] {
        &self.tag
    }

    /// The key of 64 bytes, if the other side proves that it has it; to be put through a derivation before use.
    ///
    /// # Errors
    /// [`CpaceError::Unconfirmed`].
    pub fn confirm(self, tag: &[u8]) -> Result<Secret, CpaceError> {
        if constant_time::equal(&self.expected, tag) { Ok(self.key) } else { Err(CpaceError::Unconfirmed) }
    }
}

impl fmt::Debug for Agreed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Agreed")
    }
}

/// `calculate_generator` of the draft §8.3.
fn generator(context: Context<'_>) -> RistrettoPoint {
    let string = generator_string(context);
    let mut wide = [0; 64];
    wide.copy_from_slice(Hash::Sha512.digest(&string).as_ref());
    let point = RistrettoPoint::from_uniform_bytes(&wide);
    wide.zeroize();
    point
}

/// The password is filled up to the end of the hash's first block, so that how long that takes says nothing of the rest.
fn generator_string(context: Context<'_>) -> Zeroizing<Vec<u8>> {
    let Context { password, channel, session } = context;
    let before = lv_len(DSI) + lv_len(password);
    let padding = [0; BLOCK];
    lv_cat(&[DSI, password, &padding[..BLOCK.saturating_sub(1 + before)], channel, session])
}

/// Each part behind its length as LEB128.
fn lv_cat(parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    // One allocation: a vector that grows leaves copies behind.
    let mut out = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| lv_len(part)).sum::<usize>() + 2 * BLOCK));
    for part in parts {
        let mut len = part.len();
        while len >= 0x80 {
            out.push(len as u8 | 0x80);
            len >>= 7;
        }
        out.push(len as u8);
        out.extend_from_slice(part);
    }
    out
}

fn lv_len(part: &[u8]) -> usize {
    let bits = usize::BITS - part.len().leading_zeros();
    part.len() + bits.div_ceil(7).max(1) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::hex;

    /// Appendix B.3 of the draft.
    const YA: &str = "da3d23700a9e5699258aef94dc060dfda5ebb61f02a5ea77fad53f4ff0976d08";
    const YB: &str = "d2316b454718c35362d83d69df6320f38578ed5984651435e2949762d900b80d";
    const SHARE_A: &str = "d6bac480f2c386c394efc7c47adb9925dcd2630b64f240c50f8d0eec482b9157";
    const SHARE_B: &str = "3ea7e0b19560d7c0b0f5734f63b955286dfa8232b5ebe63324e2d9e7433f7258";
    const SESSION: &str = "7e4b4791d6a8ef019b936c79fb7f2c57";
    const CHANNEL: &[u8] = b"\x0bA_initiator\x0bB_responder";

    fn scalar(text: &str) -> Scalar {
        Option::from(Scalar::from_canonical_bytes(hex(text).try_into().unwrap())).unwrap()
    }

    fn published(name: &[u8], secret: &str) -> Exchange {
        let session = hex(SESSION);
        let context = Context { password: b"Password", channel: CHANNEL, session: &session };
        Exchange::with_scalar(context, name, scalar(secret))
    }

    fn run(ours: &[u8], theirs: &[u8]) -> (Agreed, Agreed) {
        let context = |password| Context { password, channel: b"c", session: b"s" };
        let one = Exchange::begin(context(ours), b"one", &[1; ENTROPY_LEN]);
        let two = Exchange::begin(context(theirs), b"two", &[2; ENTROPY_LEN]);
        let (a, b) = (*one.share(), *two.share());
        (one.agree(&b, b"two").unwrap(), two.agree(&a, b"one").unwrap())
    }

    #[test]
    fn the_generator_is_that_of_the_draft() {
        let session = hex(SESSION);
        let context = Context { password: b"Password", channel: CHANNEL, session: &session };
        let string = generator_string(context);
        assert_eq!(string.len(), 170);
        assert_eq!(
            Hash::Sha512.digest(&string).as_ref(),
            hex(concat!(
                "da6d3ddc8802fca9058755ffd3ebde08a9c2c74945901a258482a288b6663af0",
                "6bf645c93cd1c51512307199c80e84908916d983b34af77205f90851a657ee27"
            ))
        );
        assert_eq!(
            generator(context).compress().as_bytes()[..],
            hex("222b6b195fe84b1652badb6f6a3ae3d24341e7306967f0b8115b40d5698c7e56")
        );
    }

    #[test]
    fn shares_and_key_are_those_of_the_draft() {
        let (a, b) = (published(b"ADa", YA), published(b"ADb", YB));
        assert_eq!((a.share()[..].to_vec(), b.share()[..].to_vec()), (hex(SHARE_A), hex(SHARE_B)));
        let (a, b) = (a.agree(&hex(SHARE_B), b"ADb").unwrap(), b.agree(&hex(SHARE_A), b"ADa").unwrap());
        for (one, other) in [(&a, &b), (&b, &a)] {
            assert_eq!(
                one.key.as_ref(),
                hex(concat!(
                    "544199d71f62f8d9a1fee55727e24fe4a45844593c2b6013c4fa3969d0e5debb",
                    "2244675c0b43397cbb68d342b01fc0f98fc961469a25134de9f0f813c1a57476"
                ))
            );
            assert_eq!(one.tag, other.expected);
        }
    }

    /// B.3.10 and B.3.11.
    #[test]
    fn what_is_no_element_of_the_group_is_refused() {
        let secret = "7cd0e075fa7955ba52c02759a6c90dbbfc10e6d40aea8d283e407d88cf538a05";
        let valid = hex("2c3c6b8c4f3800e7aef6864025b4ed79bd599117e427c41bd47d93d654b4a51c");
        let product = CompressedRistretto::from_slice(&valid).unwrap().decompress().unwrap() * scalar(secret);
        assert_eq!(
            product.compress().as_bytes()[..],
            hex("7c13645fe790a468f62c39beb7388e541d8405d1ade69d1778c5fe3e7f6b600e")
        );
        assert!(published(b"ADa", secret).agree(&valid, b"ADb").is_ok());
        let order = hex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");
        for bad in [
            hex("2b3c6b8c4f3800e7aef6864025b4ed79bd599117e427c41bd47d93d654b4a51c"),
            [0; 32].to_vec(),
            [0xFF; 32].to_vec(),
            // The order of the field, which is zero once more.
            order,
            Vec::new(),
            valid[..31].to_vec(),
            [&valid[..], &[0]].concat(),
        ] {
            let refused = published(b"ADa", secret).agree(&bad, b"ADb");
            assert_eq!(refused.err(), Some(CpaceError::InvalidShare), "{bad:02x?}");
        }
    }

    #[test]
    fn the_same_password_gives_both_the_same_key_and_another_one_gives_neither() {
        let (a, b) = run(b"guitar-sunset", b"guitar-sunset");
        let (tag_a, tag_b) = (*a.tag(), *b.tag());
        assert_ne!(tag_a, tag_b);
        assert_eq!(a.confirm(&tag_b).unwrap().as_ref(), b.confirm(&tag_a).unwrap().as_ref());
        let (a, b) = run(b"guitar-sunset", b"guitar-sunrise");
        let (tag_a, tag_b) = (*a.tag(), *b.tag());
        assert_eq!(a.confirm(&tag_b).err(), Some(CpaceError::Unconfirmed));
        assert_eq!(b.confirm(&tag_a).err(), Some(CpaceError::Unconfirmed));
    }

    #[test]
    fn a_tag_sent_back_or_cut_off_confirms_nothing() {
        for forge in [|own: &[u8]| own.to_vec(), |own: &[u8]| own[..32].to_vec(), |_: &[u8]| Vec::new()] {
            let (a, _) = run(b"same", b"same");
            let forged = forge(a.tag());
            assert_eq!(a.confirm(&forged).err(), Some(CpaceError::Unconfirmed));
        }
    }

    #[test]
    fn a_reflection_is_refused_before_anything_is_said() {
        let begin = || Exchange::begin(Context { password: b"p", channel: b"", session: b"" }, b"me", &[7; 64]);
        let own = *begin().share();
        assert_eq!(begin().agree(&own, b"you").err(), Some(CpaceError::Reflected));
        let other = *Exchange::begin(Context { password: b"p", channel: b"", session: b"" }, b"me", &[8; 64]).share();
        assert_eq!(begin().agree(&other, b"me").err(), Some(CpaceError::Reflected));
    }

    #[test]
    fn channel_session_and_names_count() {
        let key = |channel: &'static [u8], session: &'static [u8], name: &'static [u8]| {
            let context = |channel, session| Context { password: b"p", channel, session };
            let one = Exchange::begin(context(b"c", b"s"), b"one", &[1; ENTROPY_LEN]);
            let two = Exchange::begin(context(channel, session), b"two", &[2; ENTROPY_LEN]);
            let share = *two.share();
            let agreed = two.agree(one.share(), b"one").unwrap();
            one.agree(&share, name).unwrap().confirm(agreed.tag()).is_ok()
        };
        assert!(key(b"c", b"s", b"two"));
        assert!(!key(b"d", b"s", b"two") && !key(b"c", b"t", b"two") && !key(b"c", b"s", b"three"));
    }

    #[test]
    fn lengths_are_leb128() {
        for (len, head) in [(0, &[0][..]), (127, &[127]), (128, &[0x80, 1]), (300, &[0xAC, 2])] {
            let part = [0xEE; 300];
            let out = lv_cat(&[&part[..len]]);
            assert_eq!((&out[..head.len()], out.len()), (head, lv_len(&part[..len])), "{len}");
        }
    }

    #[test]
    fn nothing_secret_is_printed() {
        extern crate std;
        let context = Context { password: b"guitar", channel: b"c", session: b"s" };
        let exchange = Exchange::begin(context, b"me", &[1; 64]);
        assert_eq!(std::format!("{exchange:?}"), "Exchange");
        assert!(!std::format!("{context:?}").contains("103"));
    }
}
