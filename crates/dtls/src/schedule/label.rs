//! HKDF-Expand-Label with the prefix of DTLS 1.3 (RFC 8446 §7.1, RFC 9147 §5.9).

use peerage_crypto::hash::Hash;
use peerage_crypto::hkdf;
use peerage_crypto::secret::Secret;

const PREFIX: &[u8] = b"dtls13";

/// Fills `out` with what `secret` gives under `label` and `context`.
pub(super) fn expand(hash: Hash, secret: &Secret, label: &[u8], context: &[u8], out: &mut [u8]) {
    let length = u16::try_from(out.len()).expect("nothing that long is derived").to_be_bytes();
    let label_len = [u8::try_from(PREFIX.len() + label.len()).expect("labels are short")];
    let context_len = [u8::try_from(context.len()).expect("a context is at most a digest")];
    hkdf::expand(hash, secret, &[&length, &label_len, PREFIX, label, &context_len, context], out);
}

/// A secret as long as a digest.
pub(super) fn derive(hash: Hash, secret: &Secret, label: &[u8], context: &[u8]) -> Secret {
    let mut out = Secret::zero(hash.len());
    expand(hash, secret, label, context, out.as_mut());
    out
}
