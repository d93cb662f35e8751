//! The order in which the ports of one address are tried.

use peerage_base::rng::Rng;

/// The first port that is tried: NATs leave those of servers alone.
const FIRST: u16 = 1024;
const PORTS: u32 = 65_536 - FIRST as u32;
/// Ports that a NAT may set aside for one subscriber (RFC 7422); tried first, since among random ones they are as good
/// as any.
const BLOCK: u32 = 512;

/// All ports from 1024 on, each once: the block around a known one first, then the rest in large strides.
#[derive(Clone, Debug)]
pub(crate) struct Walk {
    block: u16,
    start: u32,
    stride: u32,
    at: u32,
}

impl Walk {
    pub fn new(known: u16, rng: &mut Rng) -> Self {
        // About the golden section of the range, which spreads evenly. Without a common factor with 64,512 =
        // 2^10 · 3^2 · 7 it meets every port; odd, every one of the block.
        let stride = loop {
            let stride = (37_000 + rng.below(6000) as u32) | 1;
            if !stride.is_multiple_of(3) && !stride.is_multiple_of(7) {
                break stride;
            }
        };
        Self { block: known & !(BLOCK as u16 - 1), start: rng.below(u64::from(PORTS)) as u32, stride, at: 0 }
    }

    /// Whether all ports were tried.
    pub fn is_done(&self) -> bool {
        self.at >= BLOCK + PORTS
    }

    fn in_block(&self, port: u16) -> bool {
        u32::from(port.wrapping_sub(self.block)) < BLOCK
    }

    fn place(&self, at: u32, of: u32) -> u16 {
        ((u64::from(self.start) + u64::from(at) * u64::from(self.stride)) % u64::from(of)) as u16
    }
}

impl Iterator for Walk {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        while !self.is_done() {
            let at = self.at;
            self.at += 1;
            let port = match at.checked_sub(BLOCK) {
                None => Some(self.block + self.place(at, BLOCK)).filter(|port| *port >= FIRST),
                Some(at) => Some(FIRST + self.place(at, PORTS)).filter(|port| !self.in_block(*port)),
            };
            if port.is_some() {
                return port;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;

    #[test]
    fn every_port_comes_once_and_the_block_first() {
        for (seed, known) in [(1, 40_000), (2, 1100), (3, 65_535), (4, 80)] {
            let ports: Vec<u16> = Walk::new(known, &mut Rng::from_u64(seed)).collect();
            let distinct: BTreeSet<u16> = ports.iter().copied().collect();
            assert_eq!((ports.len(), distinct.len()), (64_512, 64_512));
            assert!(distinct.iter().all(|port| *port >= FIRST));
            if known >= FIRST {
                assert!(ports[..512].contains(&known) && ports[..512].iter().all(|p| p / 512 == known / 512));
            }
        }
    }

    #[test]
    fn strides_spread_over_the_whole_range() {
        let ports: Vec<u16> = Walk::new(40_000, &mut Rng::from_u64(5)).skip(512).take(640).collect();
        let eighth = |n: u16| ports.iter().filter(|port| (**port - FIRST) / 8064 == n).count();
        assert!((0..8).all(|n| (40..=120).contains(&eighth(n))), "{:?}", (0..8).map(eighth).collect::<Vec<_>>());
    }
}
