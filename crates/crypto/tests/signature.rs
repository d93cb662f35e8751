//! Signatures of published vectors and of other stacks, and what is none.

use peerage_base::rng::Rng;
use peerage_crypto::aead::Unauthentic;
use peerage_crypto::keys::seeded::SEEDED;
use peerage_crypto::keys::system::SYSTEM;
use peerage_crypto::signature::{InvalidKey, PublicKey, Scheme, SigningKey, verify};

const RSA_MESSAGE: &[u8] = b"signed by another stack";
const RSA_2048: &[u8] = include_bytes!("fixtures/rsa_2048.der");

/// RFC 6979 §A.2.5 and §A.2.6.
const P256: &str = concat!(
    "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6",
    "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
);
const P384: &str = concat!(
    "04ec3a4e415b4e19a4568618029f427fa5da9a8bc4ae92e02e06aae5286b300c64def8f0ea9055866064a254515480bc13",
    "8015d9b72d7d57244ea8ef9ac0c621896708a59367f9dfb9f54ca84b3f1c9db1288b231c3ae0d4fe7344fd2533264720"
);
const P256_SHA256: &str = concat!(
    "3046022100efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
    "022100f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
);
/// The order of P-256.
const N: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

#[test]
fn ecdsa_of_published_vectors() {
    let vectors = [
        (Scheme::EcdsaSha256, P256, P256_SHA256),
        (
            Scheme::EcdsaSha384,
            P256,
            concat!(
                "304402200eafea039b20e9b42309fb1d89e213057cbf973dc0cfc8f129edddc800ef7719",
                "02204861f0491e6998b9455193e34e7b0d284ddd7149a74b95b9261f13abde940954"
            ),
        ),
        (
            Scheme::EcdsaSha512,
            P256,
            concat!(
                "30450221008496a60b5e9b47c825488827e0495b0e3fa109ec4568fd3f8d1097678eb97f00",
                "02202362ab1adbe2b8adf9cb9edab740ea6049c028114f2460f96554f61fae3302fe"
            ),
        ),
        (
            Scheme::EcdsaSha256,
            P384,
            concat!(
                "3065023021b13d1e013c7fa1392d03c5f99af8b30c570c6f98d4ea8e354b63a21d3daa33bde1e888e63355d92fa2b3c36d8fb2cd",
                "023100f3aa443fb107745bf4bd77cb3891674632068a10ca67e3d45db2266fa7d1feebefdc63eccd1ac42ec0cb8668a4fa0ab0"
            ),
        ),
        (
            Scheme::EcdsaSha384,
            P384,
            concat!(
                "306602310094edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c81a648152e44acf96e36dd1e80fabe46",
                "02310099ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94fa329c145786e679e7b82c71a38628ac8"
            ),
        ),
        (
            Scheme::EcdsaSha512,
            P384,
            concat!(
                "3065023100ed0959d5880ab2d869ae7f6c2915c6d60f96507f9cb3e047c0046861da4a799cfe30f35cc900056d7c99cd7882433709",
                "0230512c8cceee3890a84058ce1e22dbc2198f42323ce8aca9135329f03c068e5112dc7cc3ef3446defceb01a45c2667fdd5"
            ),
        ),
    ];
    for (scheme, key, signature) in vectors {
        let (bytes, signature) = (hex(key), hex(signature));
        let key = if key == P256 { PublicKey::EcdsaP256(&bytes) } else { PublicKey::EcdsaP384(&bytes) };
        assert_eq!(verify(scheme, key, b"sample", &signature), Ok(()));
        assert_eq!(verify(scheme, key, b"samplf", &signature), Err(Unauthentic));
        for other in [Scheme::EcdsaSha256, Scheme::EcdsaSha384, Scheme::EcdsaSha512] {
            assert_eq!(verify(other, key, b"sample", &signature).is_ok(), other == scheme);
        }
    }
}

/// RFC 8032 §7.1, tests 1 to 3.
#[test]
fn ed25519_of_published_vectors() {
    let vectors = [
        (
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            concat!(
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155",
                "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
            ),
        ),
        (
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            concat!(
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da",
                "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
            ),
        ),
        (
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            concat!(
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac",
                "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
            ),
        ),
    ];
    for (key, message, signature) in vectors {
        let key: [u8; 32] = hex(key).try_into().unwrap();
        let (message, signature) = (hex(message), hex(signature));
        let taken = |signature: &[u8]| verify(Scheme::Ed25519, PublicKey::Ed25519(&key), &message, signature).is_ok();
        assert!(taken(&signature));
        assert_no_change_is_taken(&signature, taken);
    }
}

#[test]
fn rsa_of_another_stack() {
    let signatures: [(Scheme, &[u8]); 6] = [
        (Scheme::RsaPkcs1Sha256, include_bytes!("fixtures/rsa_2048_pkcs1_sha256.sig")),
        (Scheme::RsaPkcs1Sha384, include_bytes!("fixtures/rsa_2048_pkcs1_sha384.sig")),
        (Scheme::RsaPkcs1Sha512, include_bytes!("fixtures/rsa_2048_pkcs1_sha512.sig")),
        (Scheme::RsaPssSha256, include_bytes!("fixtures/rsa_2048_pss_sha256.sig")),
        (Scheme::RsaPssSha384, include_bytes!("fixtures/rsa_2048_pss_sha384.sig")),
        (Scheme::RsaPssSha512, include_bytes!("fixtures/rsa_2048_pss_sha512.sig")),
    ];
    for (scheme, signature) in signatures {
        for (other, _) in signatures {
            let result = verify(other, PublicKey::Rsa(RSA_2048), RSA_MESSAGE, signature);
            assert_eq!(result.is_ok(), other == scheme, "{scheme:?} taken as {other:?}");
        }
        assert_no_change_is_taken(signature, |changed| {
            verify(scheme, PublicKey::Rsa(RSA_2048), RSA_MESSAGE, changed).is_ok()
        });
        assert_eq!(verify(scheme, PublicKey::Rsa(RSA_2048), b"", signature), Err(Unauthentic));
    }
}

#[test]
fn rsa_keys_have_2048_to_8192_bits_and_salts_the_length_of_the_hash() {
    let taken = |scheme, key, signature| verify(scheme, PublicKey::Rsa(key), RSA_MESSAGE, signature).is_ok();
    let longest = include_bytes!("fixtures/rsa_8192.der");
    assert!(taken(Scheme::RsaPssSha512, longest, include_bytes!("fixtures/rsa_8192_pss_sha512.sig")));
    let short = include_bytes!("fixtures/rsa_1024.der");
    assert!(!taken(Scheme::RsaPkcs1Sha256, short, include_bytes!("fixtures/rsa_1024_pkcs1_sha256.sig")));
    let long = include_bytes!("fixtures/rsa_9216.der");
    assert!(!taken(Scheme::RsaPkcs1Sha256, long, include_bytes!("fixtures/rsa_9216_pkcs1_sha256.sig")));
    let salt20 = include_bytes!("fixtures/rsa_2048_pss_sha256_salt20.sig");
    assert!(!taken(Scheme::RsaPssSha256, RSA_2048, salt20));
    for len in 0..RSA_2048.len() {
        let signature = include_bytes!("fixtures/rsa_2048_pkcs1_sha256.sig");
        assert!(!taken(Scheme::RsaPkcs1Sha256, &RSA_2048[..len], signature));
    }
}

#[test]
fn a_scheme_takes_no_key_of_another_kind() {
    let (p256, p384) = (hex(P256), hex(P384));
    let keys = [
        PublicKey::EcdsaP256(&p256),
        PublicKey::EcdsaP384(&p384),
        PublicKey::Rsa(RSA_2048),
        PublicKey::Ed25519(&[0x58; 32]),
        // Of one kind and presented as another.
        PublicKey::EcdsaP256(&p384),
        PublicKey::EcdsaP384(&p256),
        PublicKey::EcdsaP256(RSA_2048),
        PublicKey::Rsa(&p256),
    ];
    for key in keys.into_iter().filter(|key| *key != PublicKey::EcdsaP256(&p256)) {
        assert_eq!(verify(Scheme::EcdsaSha256, key, b"sample", &hex(P256_SHA256)), Err(Unauthentic), "{key:?}");
    }
    for scheme in [Scheme::Ed25519, Scheme::RsaPkcs1Sha256, Scheme::RsaPssSha256] {
        let key = PublicKey::EcdsaP256(&p256);
        assert_eq!(verify(scheme, key, b"sample", &hex(P256_SHA256)), Err(Unauthentic));
    }
}

#[test]
fn a_point_has_one_form() {
    let taken = |key: &[u8]| verify(Scheme::EcdsaSha256, PublicKey::EcdsaP256(key), b"sample", &hex(P256_SHA256));
    let point = hex(P256);
    assert_eq!(taken(&point), Ok(()));
    let parity = 2 + point[64] % 2;
    let compressed = [&[parity], &point[1..33]].concat();
    let hybrid = [&[parity + 4], &point[1..]].concat();
    let spki = [&hex("3059301306072a8648ce3d020106082a8648ce3d030107034200")[..], &point].concat();
    let mut off_curve = point.clone();
    off_curve[64] ^= 1;
    let longer = [&point[..], &[0]].concat();
    for key in [&[][..], &[0], &[0; 65], &compressed, &hybrid, &spki, &off_curve, &longer, &point[..64]] {
        assert_eq!(taken(key), Err(Unauthentic), "{key:02x?}");
    }
}

#[test]
fn der_is_read_strictly() {
    let key = hex(P256);
    let taken =
        |signature: &[u8]| verify(Scheme::EcdsaSha256, PublicKey::EcdsaP256(&key), b"sample", signature).is_ok();
    let good = hex(P256_SHA256);
    assert!(taken(&good));
    assert_no_change_is_taken(&good, taken);
    let (r, s) = (&good[4..37], &good[39..72]);
    let integer = |value: &[u8]| [&[2, value.len() as u8], value].concat();
    let sequence = |r: &[u8], s: &[u8]| {
        let body = [integer(r), integer(s)].concat();
        [&[0x30, body.len() as u8][..], &body].concat()
    };
    assert!(taken(&sequence(r, s)));
    let n = [&[0][..], &hex(N)].concat();
    let padded = |value: &[u8]| [&[0], value].concat();
    for bad in [
        sequence(&[0], s),
        sequence(r, &[0]),
        sequence(&[0], &[0]),
        sequence(&[], s),
        sequence(&n, s),
        sequence(r, &n),
        // Negative, and with a superfluous zero.
        sequence(&r[1..], s),
        sequence(r, &s[1..]),
        sequence(&padded(r), s),
        sequence(r, &padded(s)),
        // A length in its long form; a byte more; the two numbers without a sequence; the form of IEEE P1363.
        [&[0x30, 0x81, 0x46], &good[2..]].concat(),
        [&good[..], &[0]].concat(),
        good[2..].to_vec(),
        [&r[1..], &s[1..]].concat(),
        vec![0x30, 0],
        vec![0x30, 0x80, 0, 0],
    ] {
        assert!(!taken(&bad), "{bad:02x?}");
    }
}

#[test]
fn either_implementation_signs_for_the_other_s_key() {
    let rng = &mut Rng::from_u64(3);
    for maker in [SYSTEM, SEEDED] {
        for signer in [SYSTEM, SEEDED] {
            for _ in 0..16 {
                let key = maker.signing_key(rng);
                let message: [u8; 100] = rng.bytes();
                let signature = signer.sign(&key, &message, rng);
                let public = PublicKey::EcdsaP256(key.public_key());
                assert_eq!(verify(Scheme::EcdsaSha256, public, &message, signature.as_ref()), Ok(()));
                assert_eq!(verify(Scheme::EcdsaSha256, public, &message[1..], signature.as_ref()), Err(Unauthentic));
                let other = maker.signing_key(rng);
                let other = PublicKey::EcdsaP256(other.public_key());
                assert_eq!(verify(Scheme::EcdsaSha256, other, &message, signature.as_ref()), Err(Unauthentic));
            }
        }
    }
}

#[test]
fn a_key_survives_storage() {
    let rng = &mut Rng::from_u64(4);
    for keys in [SYSTEM, SEEDED] {
        let key = keys.signing_key(rng);
        let der = key.pkcs8();
        let loaded = SigningKey::from_pkcs8(&der).unwrap();
        assert_eq!(loaded.public_key(), key.public_key());
        assert_eq!(loaded.pkcs8(), der);
        for len in 0..der.len() {
            assert_eq!(SigningKey::from_pkcs8(&der[..len]).err(), Some(InvalidKey));
        }
    }
}

#[test]
fn keys_of_another_stack_are_taken_if_they_are_on_p256() {
    let rng = &mut Rng::from_u64(5);
    let key = SigningKey::from_pkcs8(include_bytes!("fixtures/p256.pkcs8")).unwrap();
    for keys in [SYSTEM, SEEDED] {
        let signature = keys.sign(&key, b"message", rng);
        let public = PublicKey::EcdsaP256(key.public_key());
        assert_eq!(verify(Scheme::EcdsaSha256, public, b"message", signature.as_ref()), Ok(()));
    }
    let others: [&[u8]; 5] = [
        include_bytes!("fixtures/p384.pkcs8"),
        include_bytes!("fixtures/ed25519.pkcs8"),
        include_bytes!("fixtures/p256.sec1"),
        RSA_2048,
        &[],
    ];
    for other in others {
        assert_eq!(SigningKey::from_pkcs8(other).err(), Some(InvalidKey));
    }
}

#[test]
fn a_seed_repeats_keys_and_signatures() {
    let run = |seed| {
        let rng = &mut Rng::from_u64(seed);
        let key = SEEDED.signing_key(rng);
        (key.pkcs8(), SEEDED.sign(&key, b"message", rng).as_ref().to_vec())
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}

/// Every byte changed, and every length but the right one.
fn assert_no_change_is_taken(signature: &[u8], taken: impl Fn(&[u8]) -> bool) {
    for index in 0..signature.len() {
        let mut changed = signature.to_vec();
        changed[index] ^= 1 << (index % 8);
        assert!(!taken(&changed), "byte {index} changed");
        assert!(!taken(&signature[..index]), "cut to {index} bytes");
    }
    assert!(!taken(&[signature, &[0]].concat()), "a byte more");
}
