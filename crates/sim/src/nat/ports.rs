//! Which external address and port a new row gets.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use peerage_base::rng::Rng;

use super::config::{Allocation, Config, Pooling};

/// Random ports that are tried before the free one that follows is taken.
const TRIES: usize = 16;

/// The external addresses, and what of them is reserved.
#[derive(Debug)]
pub(super) struct Ports {
    addresses: Vec<IpAddr>,
    /// The address of each subscriber, if pooling is paired.
    paired: BTreeMap<IpAddr, IpAddr>,
    /// The port that comes next, if they are sequential.
    next: Option<u16>,
    /// Blocks of each subscriber at each address, by their first port.
    blocks: BTreeMap<(IpAddr, IpAddr), Vec<u16>>,
    rng: Rng,
}

impl Ports {
    pub(super) fn new(addresses: &[IpAddr], rng: Rng) -> Self {
        let (paired, blocks) = (BTreeMap::new(), BTreeMap::new());
        Self { addresses: addresses.to_vec(), paired, next: None, blocks, rng }
    }

    /// Gives out other addresses from now on.
    pub(super) fn set_addresses(&mut self, addresses: &[IpAddr]) {
        self.addresses = addresses.to_vec();
        self.release();
    }

    /// Forgets who had which address and block.
    pub(super) fn release(&mut self) {
        self.paired.clear();
        self.blocks.clear();
    }

    pub(super) fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// A place for a row of `internal`, of those that are `free`.
    pub(super) fn allocate(
        &mut self,
        config: &Config,
        internal: SocketAddr,
        free: impl Fn(SocketAddr) -> bool,
    ) -> Option<SocketAddr> {
        let address = self.address(config.pooling, internal.ip())?;
        let free = |port: u16| free(SocketAddr::new(address, port));
        let (low, high) = (*config.ports.start(), *config.ports.end());
        let port = match config.allocation {
            Allocation::Preserving if config.ports.contains(&internal.port()) && free(internal.port()) => {
                Some(internal.port())
            }
            Allocation::Preserving | Allocation::Random => self.random(low, high, free),
            Allocation::Sequential(step) => self.sequential(low, high, step, free),
            Allocation::Block(size) => self.in_block(config, (internal.ip(), address), size.max(1), free),
        };
        port.map(|port| SocketAddr::new(address, port))
    }

    /// A random place, whatever the kind of allocation.
    pub(super) fn anywhere(
        &mut self,
        config: &Config,
        internal: IpAddr,
        free: impl Fn(SocketAddr) -> bool,
    ) -> Option<SocketAddr> {
        let address = self.address(config.pooling, internal)?;
        let (low, high) = (*config.ports.start(), *config.ports.end());
        let port = self.random(low, high, |port| free(SocketAddr::new(address, port)))?;
        Some(SocketAddr::new(address, port))
    }

    fn address(&mut self, pooling: Pooling, subscriber: IpAddr) -> Option<IpAddr> {
        let count = self.addresses.len();
        match pooling {
            Pooling::Arbitrary => self.addresses.get(self.rng.below(count as u64) as usize).copied(),
            Pooling::Paired => {
                let turn = self.addresses.get(self.paired.len() % count.max(1)).copied()?;
                Some(*self.paired.entry(subscriber).or_insert(turn))
            }
        }
    }

    fn random(&mut self, low: u16, high: u16, free: impl Fn(u16) -> bool) -> Option<u16> {
        if low > high {
            return None;
        }
        let span = u64::from(high - low) + 1;
        let mut dice = || low + self.rng.below(span) as u16;
        if let Some(port) = (0..TRIES).map(|_| dice()).find(|port| free(*port)) {
            return Some(port);
        }
        let start = dice();
        (start..=high).chain(low..start).find(|port| free(*port))
    }

    fn sequential(&mut self, low: u16, high: u16, step: u16, free: impl Fn(u16) -> bool) -> Option<u16> {
        if low > high {
            return None;
        }
        let span = u32::from(high - low) + 1;
        let start = self.next.unwrap_or_else(|| low + self.rng.below(u64::from(span)) as u16);
        let port = (start..=high).chain(low..start).find(|port| free(*port))?;
        self.next = Some(low + ((u32::from(port - low) + u32::from(step.max(1))) % span) as u16);
        Some(port)
    }

    fn in_block(
        &mut self,
        config: &Config,
        owner: (IpAddr, IpAddr),
        size: u16,
        free: impl Fn(u16) -> bool,
    ) -> Option<u16> {
        let own = self.blocks.get(&owner).cloned().unwrap_or_default();
        for first in own {
            if let Some(port) = self.random(first, first + (size - 1), &free) {
                return Some(port);
            }
        }
        let first = self.new_block(config, owner, size)?;
        self.random(first, first + (size - 1), free)
    }

    fn new_block(&mut self, config: &Config, owner: (IpAddr, IpAddr), size: u16) -> Option<u16> {
        let (low, high) = (u32::from(*config.ports.start()), u32::from(*config.ports.end()));
        let count = u16::try_from((high + 1).saturating_sub(low) / u32::from(size)).unwrap_or(u16::MAX);
        let first = |number: u16| low as u16 + number * size;
        let taken: Vec<u16> =
            self.blocks.iter().filter(|((_, at), _)| *at == owner.1).flat_map(|(_, blocks)| blocks.clone()).collect();
        let number = self.random(0, count.checked_sub(1)?, |number| !taken.contains(&first(number)))?;
        self.blocks.entry(owner).or_default().push(first(number));
        Some(first(number))
    }
}
