//! What the application allows an encoding.

/// Most encodings of one transceiver that are told apart; descriptions have no more.
pub(crate) const MAX_ENCODINGS: usize = 8;

/// What the application allows one encoding of what it sends (the part of W3C `RTCRtpEncodingParameters` that the network has to
/// do with).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EncodingLimits {
    /// Whether it is sent. Default: it is. One that is not is given nothing of the rate, and its frames are refused.
    pub active: bool,
    /// The most that it is given, in bits per second. Default: `None`, what there is.
    pub max_bitrate: Option<u64>,
}

impl Default for EncodingLimits {
    fn default() -> Self {
        Self { active: true, max_bitrate: None }
    }
}

/// What each of several gets of a rate that they share alike, where some can use no more than `mosts` says: what these leave is for
/// the others.
pub(super) fn level(rate: u64, mosts: impl Iterator<Item = u64> + Clone) -> u64 {
    let mut level = 0;
    loop {
        let (mut spent, mut content, mut others) = (0u64, 0u64, 0u64);
        for most in mosts.clone() {
            if most <= level && level > 0 {
                (spent, content) = (spent.saturating_add(most), content + 1);
            } else {
                others += 1;
            }
        }
        let next = rate.saturating_sub(spent) / others.max(1);
        if others == 0 || next <= level {
            return level.max(next);
        }
        level = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::{any, prop, prop_assert, proptest};

    #[test]
    fn what_one_cannot_use_is_for_the_others() {
        assert_eq!(level(900, [1000, 1000, 1000].into_iter()), 300);
        assert_eq!(level(900, [100, 1000, 1000].into_iter()), 400);
        assert_eq!(level(900, [100, 350, 1000].into_iter()), 450);
        assert_eq!(level(900, [900].into_iter()), 900);
        assert_eq!(level(0, [5, 5].into_iter()), 0);
        assert_eq!(level(900, core::iter::empty()), 900);
    }

    proptest! {
        #[test]
        fn no_more_is_shared_than_there_is_and_nothing_is_left_that_is_wanted(
            rate in 0u64..10_000_000, mosts in prop::collection::vec(any::<u32>(), 1..9)
        ) {
            let level = level(rate, mosts.iter().map(|most| u64::from(*most)));
            let shares: Vec<u64> = mosts.iter().map(|most| level.min((*most).into())).collect();
            let sum: u64 = shares.iter().sum();
            prop_assert!(sum <= rate);
            let is_content = shares.iter().zip(&mosts).all(|(share, most)| *share == u64::from(*most));
            prop_assert!(is_content || rate - sum < mosts.len() as u64, "{sum} of {rate}");
        }
    }
}
