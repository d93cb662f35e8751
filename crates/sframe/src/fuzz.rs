//! Bodies of fuzz targets.

use alloc::vec::Vec;

use crate::decryptor::Decryptor;
use crate::encryptor::Encryptor;
use crate::error::DecryptError;
use crate::header::Header;
use crate::key_id::KeyId;
use crate::sender_key::Naming;
use crate::suite::Suite;

const KEY: [u8; 32] = [0x5A; 32];
/// The name of the key that stays, and the bits of the ratchet beside it.
const FIXED: KeyId = KeyId(0x99);
const STEP_BITS: u32 = 3;

/// Headers, frames that nobody sealed, and two senders, whose frames are lost, repeated and changed. The first byte chooses the
/// suite and how much stays in the clear, the others what happens.
pub fn frames(data: &[u8]) {
    let Some((&first, rest)) = data.split_first() else { return };
    header(rest);
    let suite = Suite::ALL[usize::from(first) % Suite::ALL.len()];
    let clear = usize::from(first >> 4);
    stranger(suite, clear, rest);
    senders(suite, clear, rest);
}

/// A header that is read is the one that would be written.
fn header(bytes: &[u8]) {
    let Ok((header, len)) = Header::parse(bytes) else { return };
    assert_eq!(header.write().as_ref(), &bytes[..len]);
}

/// What nobody sealed does not open, and leaves nothing behind. A tag of four bytes can be guessed.
fn stranger(suite: Suite, clear: usize, bytes: &[u8]) {
    if suite.tag_len() < 8 {
        return;
    }
    let (_, _, mut decryptor) = sides(suite);
    for _ in 0..2 {
        decryptor.decrypt(&mut bytes.to_vec(), clear, b"").expect_err("nobody sealed it");
    }
    let (mut fixed, mut moving, _) = sides(suite);
    for encryptor in [&mut fixed, &mut moving] {
        let mut frame = bytes.to_vec();
        if encryptor.encrypt(&mut frame, clear, b"").is_ok() {
            decryptor.decrypt(&mut frame, clear, b"").expect("a forgery stopped a sender");
            assert_eq!(frame, bytes);
        }
    }
}

fn senders(suite: Suite, clear: usize, script: &[u8]) {
    let (mut fixed, mut moving, mut decryptor) = sides(suite);
    let mut way: Vec<(Vec<u8>, Vec<u8>, bool)> = Vec::new();
    for (n, step) in script.chunks_exact(3).enumerate() {
        let [kind, at, more] = [step[0], step[1], step[2]];
        match kind % 8 {
            0 => {
                moving.ratchet();
            }
            1 => decryptor.remove_key(KeyId(more.into())),
            2..=4 => {
                let plain: Vec<u8> =
                    (n as u64).to_be_bytes().into_iter().chain(core::iter::repeat_n(more, clear + 9)).collect();
                let mut frame = plain.clone();
                let sender = if kind & 1 == 0 { &mut fixed } else { &mut moving };
                sender.encrypt(&mut frame, clear, b"meta").expect("it is long enough, and the first under its number");
                assert!(frame.len() <= plain.len() + crate::header::MAX_LEN + suite.tag_len());
                assert_eq!(frame[..clear], plain[..clear]);
                way.push((plain, frame, false));
            }
            5 if !way.is_empty() && suite.tag_len() >= 8 => {
                let (_, frame, _) = &way[usize::from(at) % way.len()];
                let mut forged = frame.clone();
                let place = usize::from(more) % forged.len();
                forged[place] ^= kind | 1;
                decryptor.decrypt(&mut forged, clear, b"meta").expect_err("it was changed");
            }
            6 | 7 if !way.is_empty() => {
                let place = usize::from(at) % way.len();
                let (plain, frame, arrived) = &mut way[place];
                let mut opened = frame.clone();
                match decryptor.decrypt(&mut opened, clear, b"meta") {
                    Ok(_) => {
                        assert_eq!(opened, *plain);
                        assert!(!core::mem::replace(arrived, true), "a frame arrived twice");
                    }
                    // A ratchet that moved on further than names tell has other keys under old names.
                    Err(DecryptError::Replayed | DecryptError::UnknownKey(_) | DecryptError::NotAuthentic) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            _ => {}
        }
    }
}

/// Two senders, one of whose keys moves on, and who hears both.
fn sides(suite: Suite) -> (Encryptor, Encryptor, Decryptor) {
    let naming = Naming::new(1, STEP_BITS).expect("a few bits");
    let mut decryptor = Decryptor::new(suite);
    decryptor.add_key(FIXED, &KEY);
    decryptor.add_sender_key(naming, 0, &KEY).expect("a short key");
    let moving = Encryptor::with_sender_key(suite, naming, &KEY).expect("a short key");
    (Encryptor::new(suite, FIXED, &KEY), moving, decryptor)
}

#[cfg(test)]
mod tests {
    use peerage_testkit::replay::replay;

    #[test]
    fn frames() {
        replay(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/frames"), super::frames);
    }
}
