//! Refresh, CreatePermission and ChannelBind requests (RFC 8656 §8.2, §10.2, §12.2).

use crate::channel::ChannelNumber;
use crate::server::Server;
use crate::server::allocation::Taken;
use crate::server::policy::canonical;
use crate::server::request::{Call, Outcome, Reply};
use core::net::IpAddr;
use peerage_base::time::Duration;
use peerage_stun::attribute::Attribute;
use peerage_stun::attribute::address::AddressFamily;
use peerage_stun::attribute::error_code::ErrorCode;
use smallvec::SmallVec;

/// Where a relay does not go. The reason tells an operator where to look.
const FORBIDDEN: ErrorCode<'static> = ErrorCode { reason: "Forbidden Peer Address", ..ErrorCode::FORBIDDEN };

impl Server {
    pub(super) fn refresh(&mut self, call: &Call<'_>) -> Outcome {
        let index = self.allocation_of(call)?;
        let families = match requested_family(call) {
            None => [true, true],
            Some(AddressFamily::V4) => [true, false],
            Some(AddressFamily::V6) => [false, true],
            Some(_) => [false, false],
        };
        let Some(allocation) = self.allocations.at(index) else { return Err(ErrorCode::ALLOCATION_MISMATCH) };
        let affected = |v4: bool| families[usize::from(!v4)] && allocation.half(v4).is_some();
        let affected = [true, false].into_iter().filter(|v4| affected(*v4)).collect::<SmallVec<[bool; 2]>>();
        if affected.is_empty() {
            return Err(ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH);
        }
        self.counters.refreshed += 1;
        if call.message.lifetime() == Some(0) {
            for v4 in affected {
                self.counters.released += u64::from(self.end_half(call.now, index, v4));
            }
            self.schedule(index);
            return Ok(Reply::Lifetime(Duration::ZERO));
        }
        let lifetime = self.lifetime(call, call.message.lifetime());
        if let Some(allocation) = self.allocations.at_mut(index) {
            for v4 in affected {
                if let Some(half) = &mut allocation.halves[usize::from(!v4)] {
                    half.expires = call.now + lifetime;
                }
            }
        }
        self.schedule(index);
        Ok(Reply::Lifetime(lifetime))
    }

    pub(super) fn create_permission(&mut self, call: &Call<'_>) -> Outcome {
        let index = self.allocation_of(call)?;
        let limit = self.config.quota.permissions;
        let mut ips: SmallVec<[IpAddr; 16]> = SmallVec::new();
        for peer in call.message.xor_peer_addresses() {
            ips.push(self.admit(call, index, canonical(peer).ip())?);
            // So many in one message can only be meant to be a burden.
            if ips.len() > limit.saturating_mul(2) {
                return Err(ErrorCode::INSUFFICIENT_CAPACITY);
            }
        }
        if ips.is_empty() {
            return Err(ErrorCode::BAD_REQUEST);
        }
        ips.sort_unstable();
        ips.dedup();
        let Some(allocation) = self.allocations.at_mut(index) else { return Err(ErrorCode::ALLOCATION_MISMATCH) };
        if !allocation.permissions.has_room(call.now, &ips, limit) {
            return Err(ErrorCode::INSUFFICIENT_CAPACITY);
        }
        ips.into_iter().for_each(|ip| allocation.permissions.install(call.now, ip));
        self.counters.permitted += 1;
        Ok(Reply::Done)
    }

    pub(super) fn channel_bind(&mut self, call: &Call<'_>) -> Outcome {
        let index = self.allocation_of(call)?;
        let number = call.message.channel_number().and_then(ChannelNumber::new);
        let peer = call.message.xor_peer_address().map(canonical).filter(|peer| peer.port() != 0);
        let (Some(number), Some(peer)) = (number, peer) else { return Err(ErrorCode::BAD_REQUEST) };
        let ip = self.admit(call, index, peer.ip())?;
        if self.reach(peer).is_none() {
            return Err(FORBIDDEN);
        }
        let (channels, permissions) = (self.config.quota.channels, self.config.quota.permissions);
        let Some(allocation) = self.allocations.at_mut(index) else { return Err(ErrorCode::ALLOCATION_MISMATCH) };
        match allocation.channels.check(call.now, number, peer, channels) {
            Err(Taken::Other) => return Err(ErrorCode { reason: "Channel or Peer in Use", ..ErrorCode::BAD_REQUEST }),
            Err(Taken::Full) => return Err(ErrorCode::INSUFFICIENT_CAPACITY),
            Ok(()) if !allocation.permissions.has_room(call.now, &[ip], permissions) => {
                return Err(ErrorCode::INSUFFICIENT_CAPACITY);
            }
            Ok(()) => {}
        }
        allocation.channels.bind(call.now, number, peer);
        allocation.permissions.install(call.now, ip);
        self.counters.bound += 1;
        Ok(Reply::Done)
    }

    /// The allocation of the request's 5-tuple, if it is of the same user (RFC 8656 §5).
    fn allocation_of(&self, call: &Call<'_>) -> Result<u32, ErrorCode<'static>> {
        let index = self.by_path.get(&call.path).copied();
        let found = index.and_then(|index| Some((index, self.allocations.at(index).filter(|found| found.is_live())?)));
        match found {
            None => Err(ErrorCode::ALLOCATION_MISMATCH),
            Some((_, allocation)) if allocation.user != call.proven.user => Err(ErrorCode::WRONG_CREDENTIALS),
            Some((index, _)) => Ok(index),
        }
    }

    /// Whether a permission for that address is possible.
    fn admit(&self, call: &Call<'_>, index: u32, ip: IpAddr) -> Result<IpAddr, ErrorCode<'static>> {
        if !self.may_talk_to(ip) {
            return Err(FORBIDDEN);
        }
        let relay = self.allocations.at(index).and_then(|allocation| allocation.relay_for(call.now, ip));
        relay.map(|_| ip).ok_or(ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH)
    }
}

fn requested_family(call: &Call<'_>) -> Option<AddressFamily> {
    call.message.attributes().find_map(|attribute| match attribute {
        Attribute::RequestedAddressFamily(family) => Some(family),
        _ => None,
    })
}
