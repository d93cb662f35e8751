//! The pseudorandom function of TLS 1.2 (RFC 5246 §5).

use core::iter;

use crate::hash::Hash;
use crate::hmac;

/// Fills `out` from `secret`, `label` and the concatenation of `seed`.
pub fn tls12(hash: Hash, secret: &[u8], label: &[u8], seed: &[&[u8]], out: &mut [u8]) {
    let key = hmac::Key::new(hash, secret);
    // A(1) = HMAC(secret, label + seed); A(i) = HMAC(secret, A(i-1)).
    let mut a = key.digest_of(iter::once(label).chain(seed.iter().copied()));
    for chunk in out.chunks_mut(hash.len()) {
        let block = key.digest_of([a.as_ref(), label].into_iter().chain(seed.iter().copied()));
        chunk.copy_from_slice(&block.as_ref()[..chunk.len()]);
        a = key.digest(&[a.as_ref()]);
    }
}
