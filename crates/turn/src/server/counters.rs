//! What happened so far, for an exporter.

/// The RFC codes that this server refuses with, in order.
pub const CODES: [u16; 12] = [400, 401, 403, 420, 437, 438, 440, 441, 442, 443, 486, 508];

macro_rules! drops {
    ($($(#[$doc:meta])* $name:ident = $label:literal;)*) => {
        /// Why a packet was dropped without an answer.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Drop {
            $($(#[$doc])* $name,)*
        }

        impl Drop {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// A name for a metric's label.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }
        }
    };
}

drops! {
    /// Neither STUN nor ChannelData, or cut short.
    Malformed = "malformed";
    /// A wrong FINGERPRINT.
    Fingerprint = "fingerprint";
    /// A STUN class or method that a server does not act on.
    Unexpected = "unexpected";
    /// From a port that reflects what it gets (0, 19, 53), or to port 0.
    Port = "port";
    /// The answer to an unauthenticated request would have been larger than it, too often from that source.
    Amplification = "amplification";
    /// The queue of answers is full.
    Backlog = "backlog";
    /// A retransmission while the relay is being bound.
    Pending = "pending";
    /// Data without an allocation.
    NoAllocation = "no_allocation";
    /// Data on a channel that is not bound.
    NoChannel = "no_channel";
    /// Data to or from a peer without a permission.
    NoPermission = "no_permission";
    /// Data to or from an address that is never relayed to.
    Forbidden = "forbidden";
    /// Data to an address of a family that the allocation has no relay for.
    Family = "family";
    /// More bytes per second than the quota.
    Rate = "rate";
    /// More bytes per hour than the quota.
    Volume = "volume";
    /// The packet has no room for its wrapping, or is larger than any datagram.
    Size = "size";
    /// From the peer's side, for a relay that is not (or no longer) in use.
    NoRelay = "no_relay";
}

/// Counts since the server began, and what there is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Binding requests that were answered.
    pub bindings: u64,
    /// Allocate requests that succeeded, without retransmissions.
    pub allocated: u64,
    /// Refresh requests that succeeded.
    pub refreshed: u64,
    /// CreatePermission requests that succeeded.
    pub permitted: u64,
    /// ChannelBind requests that succeeded.
    pub bound: u64,
    /// Allocations that ran out.
    pub expired: u64,
    /// Allocations that their client gave up, or whose connection ended.
    pub released: u64,
    /// Allocations that were ended by [`revoke`](crate::server::Server::revoke).
    pub revoked: u64,
    /// Reserved ports that nobody claimed in time.
    pub unclaimed: u64,
    /// Allocations that there are now.
    pub allocations: u64,
    /// Relayed addresses that there are now, reserved ones included.
    pub relays: u64,
    /// Packets to peers.
    pub packets_to_peers: u64,
    /// Payload bytes to peers.
    pub bytes_to_peers: u64,
    /// Packets from peers.
    pub packets_from_peers: u64,
    /// Payload bytes from peers.
    pub bytes_from_peers: u64,
    refused: [u64; CODES.len()],
    dropped: [u64; Drop::ALL.len()],
}

impl Counters {
    pub(super) fn refuse(&mut self, code: u16) {
        if let Some(at) = CODES.iter().position(|known| *known == code) {
            self.refused[at] += 1;
        }
    }

    pub(super) fn drop(&mut self, why: Drop) {
        self.dropped[why as usize] += 1;
    }

    /// Error responses of that code.
    pub fn refused(&self, code: u16) -> u64 {
        self.refusals().find(|(known, _)| *known == code).map_or(0, |(_, count)| count)
    }

    /// Every code and how many error responses had it.
    pub fn refusals(&self) -> impl Iterator<Item = (u16, u64)> {
        CODES.into_iter().zip(self.refused)
    }

    /// Packets that were dropped for that reason.
    pub fn dropped(&self, why: Drop) -> u64 {
        self.dropped[why as usize]
    }

    /// Every reason and how many packets were dropped for it.
    pub fn drops(&self) -> impl Iterator<Item = (Drop, u64)> {
        Drop::ALL.iter().copied().zip(self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::{CODES, Counters, Drop};
    use alloc::collections::BTreeSet;

    #[test]
    fn every_reason_has_a_place_and_a_label_of_its_own() {
        let mut counters = Counters::default();
        for (n, why) in Drop::ALL.iter().enumerate() {
            (0..=n).for_each(|_| counters.drop(*why));
        }
        for (n, why) in Drop::ALL.iter().enumerate() {
            assert_eq!(counters.dropped(*why), n as u64 + 1);
        }
        let labels: BTreeSet<_> = Drop::ALL.iter().map(|why| why.label()).collect();
        assert_eq!(labels.len(), Drop::ALL.len());
    }

    #[test]
    fn refusals_count_by_code() {
        let mut counters = Counters::default();
        CODES.iter().for_each(|code| counters.refuse(*code));
        counters.refuse(486);
        counters.refuse(999);
        assert_eq!((counters.refused(486), counters.refused(400), counters.refused(999)), (2, 1, 0));
        assert_eq!(counters.refusals().map(|(_, count)| count).sum::<u64>(), CODES.len() as u64 + 1);
    }
}
