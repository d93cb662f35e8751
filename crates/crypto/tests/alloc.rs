//! Nothing is allocated where packets are sealed and opened.

use peerage_crypto::aead::{Aead, Algorithm, TAG_LEN};
use peerage_crypto::header::{HeaderKey, SAMPLE_LEN};

const LEN: usize = 1200;

#[test]
fn packets_are_sealed_masked_and_opened_without_allocating() {
    for algorithm in [Algorithm::Aes128Gcm, Algorithm::Aes256Gcm, Algorithm::ChaCha20Poly1305] {
        let key = vec![7; algorithm.key_len()];
        let (aead, header) = (Aead::new(algorithm, &key), HeaderKey::new(algorithm, &key));
        let mut record = [0; LEN + TAG_LEN];
        let counted = allocation_counter::measure(|| {
            for index in 0..100 {
                let nonce = [index; 12];
                let tag = aead.seal_in_place(&nonce, b"header", &mut record[..LEN]);
                record[LEN..].copy_from_slice(&tag);
                let sample = record.first_chunk::<SAMPLE_LEN>().unwrap();
                assert_ne!(header.mask(sample), [0; 5]);
                let mut forged = record;
                forged[0] ^= 1;
                assert!(aead.open_in_place(&nonce, b"header", &mut forged).is_err());
                assert!(aead.open_in_place(&nonce, b"header", &mut record).is_ok());
            }
        });
        assert_eq!(counted.count_total, 0, "{algorithm:?}");
        assert_eq!(record[..LEN], [0; LEN]);
    }
}
