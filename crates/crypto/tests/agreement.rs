//! The two implementations of key agreement against each other, and against hostile shares.

use peerage_base::rng::Rng;
use peerage_crypto::agreement::{Group, InvalidShare};
use peerage_crypto::keys::Keys;
use peerage_crypto::keys::seeded::SEEDED;
use peerage_crypto::keys::system::SYSTEM;

const BOTH: [&dyn Keys; 2] = [SYSTEM, SEEDED];
const ENCAPSULATION_KEY_LEN: usize = 1184;
const CIPHERTEXT_LEN: usize = 1088;

/// The points of Curve25519 and its twist whose order divides the cofactor, in every encoding that fits into 255 bits.
const LOW_ORDER: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

/// That `offer` is refused by the side that responds.
fn assert_no_offer(group: Group, offer: &[u8], why: &str) {
    for keys in BOTH {
        let answer = keys.respond(group, offer, &mut Rng::from_u64(1));
        assert_eq!(answer.err(), Some(InvalidShare), "{keys:?}, {group:?}: {why}");
    }
}

/// That `answer` is refused by the side that began.
fn assert_no_answer(group: Group, answer: &[u8], why: &str) {
    for keys in BOTH {
        let half = keys.generate(group, &mut Rng::from_u64(2));
        assert_eq!(half.agree(answer).err(), Some(InvalidShare), "{keys:?}, {group:?}: {why}");
    }
}

/// In the groups whose two sides are alike.
fn assert_no_share(group: Group, share: &[u8], why: &str) {
    assert_no_offer(group, share, why);
    assert_no_answer(group, share, why);
}

#[test]
fn every_pairing_agrees_in_every_group() {
    let rng = &mut Rng::from_u64(0);
    for group in Group::ALL {
        for client in BOTH {
            for server in BOTH {
                let mut seen = Vec::new();
                for _ in 0..8 {
                    let half = client.generate(group, rng);
                    assert_eq!(half.share().len(), group.offer_len());
                    let (answer, theirs) = server.respond(group, half.share(), rng).unwrap();
                    assert_eq!(answer.len(), group.answer_len());
                    let ours = half.agree(&answer).unwrap();
                    assert_eq!(ours.as_ref(), theirs.as_ref(), "{client:?} with {server:?} in {group:?}");
                    assert_eq!(ours.as_ref().len(), group.secret_len());
                    assert!(!seen.contains(&answer) && !seen.contains(&ours.as_ref().to_vec()));
                    seen.extend([answer, ours.as_ref().to_vec()]);
                }
            }
        }
    }
}

#[test]
fn a_seed_repeats_an_agreement_and_the_system_does_not() {
    let run = |keys: &dyn Keys, group, seed| {
        let rng = &mut Rng::from_u64(seed);
        let half = keys.generate(group, rng);
        let share = half.share().to_vec();
        let (answer, secret) = keys.respond(group, &share, rng).unwrap();
        (share, answer, secret.as_ref().to_vec())
    };
    for group in Group::ALL {
        let first = run(SEEDED, group, 7);
        assert_eq!(run(SEEDED, group, 7), first);
        for other in [run(SEEDED, group, 8), run(SYSTEM, group, 7)] {
            assert!(other.0 != first.0 && other.1 != first.1 && other.2 != first.2);
        }
        assert_ne!(run(SYSTEM, group, 7), run(SYSTEM, group, 7));
    }
}

#[test]
fn a_share_has_one_length() {
    let rng = &mut Rng::from_u64(9);
    for group in Group::ALL {
        let half = SEEDED.generate(group, rng);
        let offer = half.share().to_vec();
        let (answer, _) = SEEDED.respond(group, &offer, rng).unwrap();
        for len in (0..offer.len()).filter(|len| len % 97 == 0 || len.abs_diff(offer.len()) < 34) {
            assert_no_offer(group, &offer[..len], "cut");
        }
        for len in (0..answer.len()).filter(|len| len % 97 == 0 || len.abs_diff(answer.len()) < 34) {
            assert_no_answer(group, &answer[..len], "cut");
        }
        assert_no_offer(group, &[&offer[..], &[0]].concat(), "a byte more");
        assert_no_answer(group, &[&answer[..], &[0]].concat(), "a byte more");
        assert_no_offer(group, &[&offer[..], &offer[..]].concat(), "twice");
    }
}

#[test]
fn low_order_points_are_refused() {
    let rng = &mut Rng::from_u64(10);
    let half = SEEDED.generate(Group::X25519MlKem768, rng);
    let offer = half.share().to_vec();
    let (answer, _) = SEEDED.respond(Group::X25519MlKem768, &offer, rng).unwrap();
    for point in LOW_ORDER {
        for top_bit in [0, 0x80] {
            let mut point = hex(point);
            point[31] |= top_bit;
            assert_no_share(Group::X25519, &point, "low order");
            let offer = [&offer[..ENCAPSULATION_KEY_LEN], &point].concat();
            assert_no_offer(Group::X25519MlKem768, &offer, "low order");
            let answer = [&answer[..CIPHERTEXT_LEN], &point].concat();
            assert_no_answer(Group::X25519MlKem768, &answer, "low order");
        }
    }
}

/// RFC 7748 §5: the top bit is masked, and numbers beyond the field are reduced. With the base point the secret is the
/// share.
#[test]
fn unusual_encodings_of_x25519_are_taken() {
    let rng = &mut Rng::from_u64(14);
    let mut base = [0; 32];
    base[0] = 9;
    let mut with_top_bit = base;
    with_top_bit[31] = 0x80;
    let mut beyond = [0xFF; 32];
    beyond[0] = 0xED + 9;
    beyond[31] = 0x7F;
    for keys in BOTH {
        for point in [base, with_top_bit, beyond] {
            let (share, secret) = keys.respond(Group::X25519, &point, rng).unwrap();
            assert_eq!(secret.as_ref(), share);
            let half = keys.generate(Group::X25519, rng);
            let share = half.share().to_vec();
            assert_eq!(half.agree(&point).unwrap().as_ref(), share);
        }
    }
}

#[test]
fn points_that_are_none_are_refused() {
    for (group, spki) in [
        (Group::P256, "3059301306072a8648ce3d020106082a8648ce3d030107034200"),
        (Group::P384, "3076301006072a8648ce3d020106052b81040022036200"),
    ] {
        let half = SYSTEM.generate(group, &mut Rng::from_u64(11));
        let point = half.share();
        let (x, y) = point[1..].split_at(point.len() / 2);
        let parity = 2 + y[y.len() - 1] % 2;
        assert_no_share(group, &[&[parity], x].concat(), "compressed");
        assert_no_share(group, &[&[parity + 4], x, y].concat(), "hybrid");
        assert_no_share(group, &[&hex(spki)[..], point].concat(), "a whole SubjectPublicKeyInfo");
        assert_no_share(group, &[0], "infinity");
        assert_no_share(group, &vec![0; point.len()], "infinity, as long as a point");
        assert_no_share(group, &[&[4][..], &vec![0; 2 * x.len()]].concat(), "zero");
        assert_no_share(group, &[&[4][..], &vec![0xFF; 2 * x.len()]].concat(), "beyond the field");
        for index in [1, x.len(), x.len() + 1, 2 * x.len()] {
            let mut off_curve = point.to_vec();
            off_curve[index] ^= 1;
            assert_no_share(group, &off_curve, "off the curve");
        }
        assert_no_share(group, &[&[4], y, x].concat(), "coordinates swapped");
        let other = if group == Group::P256 { Group::P384 } else { Group::P256 };
        assert_no_share(other, point, "of another curve");
    }
}

/// FIPS 203 §7.2: coefficients are below 3329.
#[test]
fn the_x25519_part_of_the_hybrid_half_is_a_half_of_its_own_beside_it() {
    let rng = &mut Rng::from_u64(5);
    for (client, server) in [(SYSTEM, SEEDED), (SEEDED, SYSTEM)] {
        let whole = client.generate(Group::X25519MlKem768, rng);
        let part = whole.x25519().unwrap();
        assert_eq!(part.share(), &whole.share()[ENCAPSULATION_KEY_LEN..]);
        assert!(part.x25519().is_none());
        let (answer, theirs) = server.respond(Group::X25519, part.share(), rng).unwrap();
        assert_eq!(part.agree(&answer).unwrap().as_ref(), theirs.as_ref());
        let (answer, theirs) = server.respond(Group::X25519MlKem768, whole.share(), rng).unwrap();
        assert_eq!(whole.agree(&answer).unwrap().as_ref(), theirs.as_ref());
        for group in [Group::X25519, Group::P256, Group::P384] {
            assert!(client.generate(group, rng).x25519().is_none());
        }
    }
}

#[test]
fn keys_that_fail_the_modulus_check_are_refused() {
    let rng = &mut Rng::from_u64(12);
    let half = SEEDED.generate(Group::X25519MlKem768, rng);
    let offer = half.share();
    // Two coefficients of 12 bits in three bytes; the last 32 bytes of the key are a seed.
    let with_coefficient = |index: usize, value: u16| {
        let mut offer = offer.to_vec();
        let at = index / 2 * 3;
        if index.is_multiple_of(2) {
            offer[at] = value as u8;
            offer[at + 1] = offer[at + 1] & 0xF0 | (value >> 8) as u8;
        } else {
            offer[at + 1] = offer[at + 1] & 0x0F | (value << 4) as u8;
            offer[at + 2] = (value >> 4) as u8;
        }
        offer
    };
    for index in [0, 1, 255, 256, 511, 766, 767] {
        for value in [3329, 3330, 4095] {
            assert_no_offer(Group::X25519MlKem768, &with_coefficient(index, value), "beyond the modulus");
        }
        for keys in BOTH {
            assert!(keys.respond(Group::X25519MlKem768, &with_coefficient(index, 3328), rng).is_ok());
        }
    }
}

/// FIPS 203 §6.3: a changed ciphertext is not noticed, but leads to another secret.
#[test]
fn a_changed_ciphertext_leads_elsewhere() {
    for keys in BOTH {
        for index in [0, 500, CIPHERTEXT_LEN - 1] {
            let rng = &mut Rng::from_u64(13);
            let half = keys.generate(Group::X25519MlKem768, rng);
            let (mut answer, secret) = keys.respond(Group::X25519MlKem768, half.share(), rng).unwrap();
            answer[index] ^= 1;
            let ours = half.agree(&answer).unwrap();
            assert_ne!(ours.as_ref()[..32], secret.as_ref()[..32]);
            assert_eq!(ours.as_ref()[32..], secret.as_ref()[32..]);
        }
    }
}
