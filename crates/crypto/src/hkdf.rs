//! HKDF (RFC 5869).

use aws_lc_rs::hkdf;

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// Extract-and-expand with SHA-256: fills `out`, which may have at most 8,160 bytes.
pub fn sha256(salt: &[u8], ikm: &[u8], info: &[u8], out: &mut [u8]) {
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(ikm)
        .expand(&[info], Length(out.len()))
        .and_then(|okm| okm.fill(out))
        .expect("no caller asks for more than 255 blocks");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5869 §A.1.
    #[test]
    fn published_vector() {
        let salt: [u8; 13] = core::array::from_fn(|i| i as u8);
        let info: [u8; 10] = core::array::from_fn(|i| 0xF0 + i as u8);
        let mut okm = [0; 42];
        sha256(&salt, &[0x0B; 22], &info, &mut okm);
        assert_eq!(okm[..8], [0x3c, 0xb2, 0x5f, 0x25, 0xfa, 0xac, 0xd5, 0x7a]);
        assert_eq!(okm[34..], [0x34, 0x00, 0x72, 0x08, 0xd5, 0xb8, 0x87, 0x18, 0x58, 0x65][2..]);
    }
}
