//! Encrypted contributing sources and header extensions (RFC 9335).

use peerage_base::slot::Slot;
use peerage_srtp::error::{OpenError, SealError};
use peerage_srtp::master::Master;
use peerage_srtp::profile::Profile;
use peerage_srtp::receiver::{self, Cryptex, Receiver};
use peerage_srtp::sender::{self, Sender};

/// RFC 9335 §A.1 and §A.2: plain, with `AES128_CM_SHA1_80`, with `AEAD_AES_128_GCM`.
const VECTORS: [[&str; 3]; 6] = [
    [
        "900f1235decafbadcafebabebede000151000200abababababababababababababababab",
        "900f1235decafbadcafebabec0de0001eb92365251c3e036f8de27e9c27ee3e0b4651d9fbc4218a70244522f34a5",
        "900f1235decafbadcafebabec0de000139972dc9572c4d99e8fc355de743fb2e94f9d8ff54e72f4193bbc5c74ffab0fa9fa0fbeb",
    ],
    [
        "900f1236decafbadcafebabe1000000105020002abababababababababababababababab",
        "900f1236decafbadcafebabec2de00014ed9cc4e6a712b3096c5ca77339d4204ce0d77396cab69585fbce38194a5",
        "900f1236decafbadcafebabec2de0001bb75a4c545cd1f413bdb7daa2b1e3263de313667c963249081b35a65f5cb6c88b394235f",
    ],
    [
        "920f1238decafbadcafebabe0001e2400000b26ebede000151000200abababababababababababababababab",
        "920f1238decafbadcafebabe8bb6e12b5cff16ddc0de000192838c8c09e58393e1de3a9a74734d6745671338c3acf11da2df8423bee0",
        concat!(
            "920f1238decafbadcafebabe63bbccc4a7f695c4c0de00018ad7c71fac70a80c92866b4c6ba98546ef913586e95ffaaffe956885",
            "bb0647a8bc094ac8"
        ),
    ],
    [
        "920f1239decafbadcafebabe0001e2400000b26e1000000105020002abababababababababababababababab",
        "920f1239decafbadcafebabef70e513eb90b9b25c2de0001bbed4848faa644665f3d7f34125914e9f4d0ae923c6f479b95a0f7b53133",
        concat!(
            "920f1239decafbadcafebabe3680524f8d312b00c2de0001c78d120038422bc111a7187a18246f980c059cc6bc9df8b626394eca",
            "344e4b05d80fea83"
        ),
    ],
    [
        "920f123adecafbadcafebabe0001e2400000b26ebede0000abababababababababababababababab",
        "920f123adecafbadcafebabe7130b6abfe2ab0e3c0de0000e3d9f64b25c9e74cb4cf8e43fb92e3781c2c0ceab6b3a499a14c",
        concat!(
            "920f123adecafbadcafebabe15b6bb4337906fffc0de0000b7b964537a2b03ab7ba5389ce93317126b5d974df30c6884dcb651c5",
            "e120c1da"
        ),
    ],
    [
        "920f123bdecafbadcafebabe0001e2400000b26e10000000abababababababababababababababab",
        "920f123bdecafbadcafebabecbf24c124330e1c8c2de0000599dd45bc9d687b603e8b59d771fd38e88b170e0cd31e125eabe",
        concat!(
            "920f123bdecafbadcafebabedcb38c9e48bf95f4c2de000061ee432cf920317076613258d3ce4236c06ac429681ad08413512dc9",
            "8b5207d8"
        ),
    ],
];

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

/// The master keys of the vectors.
fn masters() -> [Master; 2] {
    [
        (Profile::Aes128CmSha1_80, "e1f97a0d3e018be0d64fa32c06de4139", "0ec675ad498afeebb6960b3aabe6"),
        (Profile::AeadAes128Gcm, "000102030405060708090a0b0c0d0e0f", "a0a1a2a3a4a5a6a7a8a9aaab"),
    ]
    .map(|(profile, key, salt)| Master::new(profile, &hex(key), &hex(salt)).unwrap())
}

fn master(profile: Profile) -> Master {
    Master::new(profile, &[0x11; 32][..profile.key_len()], &[0x22; 14][..profile.salt_len()]).unwrap()
}

fn sender(master: &Master, cryptex: bool) -> Sender {
    let mut config = sender::Config::default();
    config.cryptex = cryptex;
    config.encrypted_extensions = [5].into_iter().collect();
    Sender::new(master, &config)
}

fn receiver(master: &Master, cryptex: Cryptex) -> Receiver {
    let mut config = receiver::Config::default();
    config.cryptex = cryptex;
    config.encrypted_extensions = [5].into_iter().collect();
    Receiver::new(master, &config)
}

fn protect(sender: &mut Sender, plain: &[u8]) -> Result<Vec<u8>, SealError> {
    let room = sender.rtp_overhead();
    let mut buf = vec![0xEE; plain.len() + room];
    let mut slot = Slot::new(&mut buf, 0, room, plain.len());
    slot.room().copy_from_slice(plain);
    slot.fill(plain.len());
    sender.protect_rtp(&mut slot)?;
    Ok(slot.packet().to_vec())
}

fn unprotect(receiver: &mut Receiver, packet: &[u8]) -> Result<Vec<u8>, OpenError> {
    let mut packet = packet.to_vec();
    receiver.unprotect_rtp(&mut packet).map(|len| packet[..len].to_vec())
}

#[test]
fn published_vectors() {
    for (n, master) in masters().iter().enumerate() {
        let (mut sender, mut receiver) = (sender(master, true), receiver(master, Cryptex::Required));
        for vector in VECTORS {
            let (plain, hidden) = (hex(vector[0]), hex(vector[1 + n]));
            assert_eq!(protect(&mut sender, &plain), Ok(hidden.clone()));
            assert_eq!(unprotect(&mut receiver, &hidden), Ok(plain));
        }
    }
}

/// RFC 9335 §5.1: the packet is then that of the fifth vector.
#[test]
fn csrcs_without_an_extension_get_an_empty_one() {
    for (n, master) in masters().iter().enumerate() {
        let mut plain = hex(VECTORS[4][0]);
        plain.drain(20..24);
        plain[0] &= !0x10;
        let hidden = protect(&mut sender(master, true), &plain).unwrap();
        assert_eq!(hidden, hex(VECTORS[4][1 + n]));
        assert_eq!(unprotect(&mut receiver(master, Cryptex::Accepted), &hidden), Ok(hex(VECTORS[4][0])));
    }
}

#[test]
fn packets_with_nothing_to_hide_are_as_ever() {
    for profile in Profile::ALL {
        let plain = b"\x80\x60\0\x01time\0\0\0\x01payload";
        let packet = protect(&mut sender(&master(profile), true), plain).unwrap();
        assert_eq!(packet.len(), plain.len() + profile.rtp_overhead());
        assert_eq!(Ok(packet.clone()), protect(&mut sender(&master(profile), false), plain));
        for cryptex in [Cryptex::Refused, Cryptex::Accepted, Cryptex::Required] {
            assert_eq!(unprotect(&mut receiver(&master(profile), cryptex), &packet), Ok(plain.to_vec()));
        }
    }
}

#[test]
fn what_was_agreed_on_is_held_to() {
    let mut csrcs = hex(VECTORS[4][0]);
    csrcs.drain(20..24);
    csrcs[0] &= !0x10;
    for profile in Profile::ALL {
        let master = master(profile);
        for plain in [hex(VECTORS[0][0]), hex(VECTORS[3][0]), csrcs.clone()] {
            let hidden = protect(&mut sender(&master, true), &plain).unwrap();
            let readable = protect(&mut sender(&master, false), &plain).unwrap();
            assert_eq!(unprotect(&mut receiver(&master, Cryptex::Refused), &hidden), Err(OpenError::Cryptex));
            assert!(unprotect(&mut receiver(&master, Cryptex::Accepted), &hidden).is_ok());
            assert!(unprotect(&mut receiver(&master, Cryptex::Required), &hidden).is_ok());
            assert_eq!(unprotect(&mut receiver(&master, Cryptex::Refused), &readable), Ok(plain.clone()));
            assert_eq!(unprotect(&mut receiver(&master, Cryptex::Accepted), &readable), Ok(plain));
            assert_eq!(unprotect(&mut receiver(&master, Cryptex::Required), &readable), Err(OpenError::Cryptex));
        }
    }
}

/// Element 5 is one that RFC 6904 would hide: in a packet that cryptex covers it is not hidden twice (RFC 9335 §4).
#[test]
fn a_packet_is_hidden_in_one_way_only() {
    let master = master(Profile::Aes128CmSha1_80);
    let plain = hex(VECTORS[0][0]);
    let hidden = protect(&mut sender(&master, true), &plain).unwrap();
    let mut config = receiver::Config::default();
    config.cryptex = Cryptex::Accepted;
    assert_eq!(unprotect(&mut Receiver::new(&master, &config), &hidden), Ok(plain));
}

#[test]
fn extensions_of_other_kinds_are_not_sent() {
    for kind in [0x1234u16, 0x1001, 0x100F, 0xC0DE, 0xC2DE, 0] {
        for profile in Profile::ALL {
            let mut plain = hex(VECTORS[0][0]);
            plain[12..14].copy_from_slice(&kind.to_be_bytes());
            let mut sender = sender(&master(profile), true);
            assert_eq!(protect(&mut sender, &plain), Err(SealError::ForeignExtension));
            // Its index is still free.
            assert!(protect(&mut sender, &hex(VECTORS[0][0])).is_ok());
            let readable = protect(&mut self::sender(&master(profile), false), &plain);
            assert_eq!(readable.is_ok(), kind != 0xC0DE && kind != 0xC2DE, "its receiver would take it for hidden");
        }
    }
}

#[test]
fn no_bit_of_a_hidden_packet_may_change() {
    for profile in Profile::ALL {
        let master = master(profile);
        let hidden = protect(&mut sender(&master, true), &hex(VECTORS[2][0])).unwrap();
        let mut receiver = receiver(&master, Cryptex::Accepted);
        for bit in 0..hidden.len() * 8 {
            let mut packet = hidden.clone();
            packet[bit / 8] ^= 1 << (bit % 8);
            assert!(unprotect(&mut receiver, &packet).is_err(), "{profile:?} {bit}");
        }
        for len in 0..hidden.len() {
            assert!(unprotect(&mut receiver, &hidden[..len]).is_err(), "{profile:?} {len}");
        }
        assert_eq!(receiver.sources(), 0);
        assert_eq!(unprotect(&mut receiver, &hidden), Ok(hex(VECTORS[2][0])));
    }
}
