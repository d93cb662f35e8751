//! Nothing is allocated where packets are hidden and tagged.

use peerage_crypto::counter::Counter;
use peerage_crypto::hmac_sha1::Key;

#[test]
fn packets_are_hidden_and_tagged_without_allocating() {
    for len in [16, 32] {
        let (cipher, mac) = (Counter::new(&vec![7; len]), Key::new(&[9; 20]));
        let mut packet = [0; 1200];
        let counted = allocation_counter::measure(|| {
            for index in 0..100 {
                cipher.apply(&[index; 16], &mut packet);
                let tag = mac.tag(&[&packet, &[0; 4]]);
                assert!(mac.verify(&[&packet, &[0; 4]], &tag[..10]));
                assert!(!mac.verify(&[&packet, &[1; 4]], &tag[..10]));
                cipher.apply(&[index; 16], &mut packet);
            }
        });
        assert_eq!(counted.count_total, 0);
        assert_eq!(packet, [0; 1200]);
    }
}
