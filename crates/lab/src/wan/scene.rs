//! The line that flows share, and what happens to it.

use peerage_base::time::Duration;
use peerage_sim::link::{Link, Loss};

/// A line and its story.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Towards the right, where flows go unless they are put the other way round.
    pub right: Link,
    /// Back.
    pub left: Link,
    /// What happens, and how long after the flows have begun; in order.
    pub changes: Vec<(Duration, Change)>,
}

/// Something that happens to the line, in both directions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// Its rate is multiplied.
    Rate(f64),
    /// It takes packets of at most so many bytes, headers included.
    Mtu {
        /// Bytes.
        bytes: usize,
        /// Whether senders of longer ones are told (RFC 1191, RFC 8201), or those vanish.
        told: bool,
    },
    /// Nothing passes.
    Cut,
    /// What a cut has stopped passes again.
    Restore,
}

impl Scene {
    /// A line of `rate` bits per second each way and this round-trip time without queueing, with queues of one
    /// bandwidth-delay product.
    pub fn new(rate: u64, round_trip: Duration) -> Self {
        let link = Link { rate: Some(rate), ..Link::with_delay(round_trip / 2) };
        Self { right: link, left: link, changes: Vec::new() }.with_queue(1.0)
    }

    /// With queues of so many bandwidth-delay products.
    #[must_use]
    pub fn with_queue(mut self, products: f64) -> Self {
        let bytes = (self.product() as f64 * products) as usize;
        (self.right.queue, self.left.queue) = (bytes, bytes);
        self
    }

    /// With this share of packets lost at random, each way.
    #[must_use]
    pub fn with_loss(self, share: f64) -> Self {
        self.with(|link| link.loss = Loss::Random(share))
    }

    /// With both directions changed.
    #[must_use]
    pub fn with(mut self, change: impl Fn(&mut Link)) -> Self {
        change(&mut self.right);
        change(&mut self.left);
        self
    }

    /// With something that happens at a time.
    #[must_use]
    pub fn at(mut self, after: Duration, change: Change) -> Self {
        self.changes.push((after, change));
        self
    }

    /// Bits per second towards the right.
    pub fn rate(&self) -> u64 {
        self.right.rate.unwrap_or(u64::MAX)
    }

    /// Time there and back without queueing.
    pub fn round_trip(&self) -> Duration {
        self.right.delay + self.left.delay
    }

    /// The bandwidth-delay product towards the right, in bytes.
    pub fn product(&self) -> usize {
        (u128::from(self.rate()) * self.round_trip().as_nanos() / 8_000_000_000) as usize
    }
}

impl Change {
    /// What becomes of a link.
    pub(crate) fn apply(self, link: &mut Link, before: &Link) {
        match self {
            Self::Rate(factor) => link.rate = link.rate.map(|rate| (rate as f64 * factor) as u64),
            Self::Mtu { bytes, .. } => link.mtu = Some(bytes),
            Self::Cut => link.loss = Loss::Random(1.0),
            Self::Restore => link.loss = before.loss,
        }
    }
}
