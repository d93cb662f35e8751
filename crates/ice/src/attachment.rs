//! What checks and their answers carry for the owner: DTLS packets, and word of those that arrived
//! (draft-hancke-webrtc-sped). To ICE they are opaque.
//!
//! A check goes to an address that has agreed to nothing yet, and the peer chose it. What is attached makes such packets up
//! to ten times as long, so that all of it is bounded:
//! - A pair is proven once a check on it was answered. Before that a pair carries at most [`MAX_LOADS`] packets, and all
//!   unproven pairs of a generation together [`MAX_UNPROVEN`]: 43 kB, whatever the peer says its addresses are and
//!   however many requests it sends in the name of others. Beyond them checks and answers are what they are without.
//! - Checks ahead of their turn, which have something new to carry, go to the [`LIKELY`] likeliest pairs only,
//!   [`MAX_EARLY`] on each, and never less than 5 ms after any other check: no faster than RFC 8445 §14.2 lets checks be.
//! - What is sent again, check or answer, goes without a packet, and so does all that follows on a pair where the first
//!   check had to be repeated; on a proven pair, a check while it owes an answer, and every other answer. Where a path carries short packets only, checks get through nonetheless.

use alloc::vec::Vec;

use peerage_base::path::Path;
use smallvec::SmallVec;

/// Most acknowledgements in one message.
pub const MAX_ACKS: usize = 4;
/// Most packets that wait to be carried; what is more is not carried.
pub const MAX_PACKETS: usize = 16;
/// Longest packet that is carried, in bytes: what Chromium limits its own to, so that a check with all that may belong to
/// it stays below the 1232 bytes that every IPv6 path carries.
pub const MAX_PACKET: usize = 900;
/// Longest packet that is taken, in bytes.
pub const MAX_RECEIVED: usize = 1500;
/// Most messages with a packet to an unproven pair.
pub const MAX_LOADS: u32 = 8;
/// Most messages with a packet to unproven pairs, in one generation.
pub const MAX_UNPROVEN: u32 = 48;
/// Most checks ahead of their turn on one pair.
pub const MAX_EARLY: u32 = 6;
/// How many of them ask a lite peer for its packets: it can only answer, and only a check at a time.
pub const MAX_ASKING: u32 = 4;
/// How many pairs have such checks.
pub const LIKELY: usize = 3;
/// Most received attachments that wait for the owner.
pub(crate) const MAX_WAITING: u16 = 16;

/// What the owner wants carried, until it says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attachments {
    /// CRC-32s of packets that arrived; more than [`MAX_ACKS`] are left out.
    pub acks: SmallVec<[u32; MAX_ACKS]>,
    /// Packets to be carried, each by the next message whose pair did not carry it, then the one longest ago.
    pub packets: Vec<Packet>,
    /// Whether a message that carries no packet says so by an empty attribute: more is to come. Without it the attribute
    /// is missing, which ends the exchange where both sides have what they need.
    pub unfinished: bool,
}

/// A packet to be carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Names it; no two have the same.
    pub tag: u32,
    /// Its bytes, up to [`MAX_PACKET`] of them.
    pub bytes: Vec<u8>,
}

/// What an authenticated check, or the answer to one, carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The path that it came over.
    pub path: Path,
    /// The packets that arrived, as the peer says; `None` if it says nothing of them.
    pub acks: Option<SmallVec<[u32; MAX_ACKS]>>,
    /// A packet; empty if there was none to carry, `None` if the attribute was missing.
    pub packet: Option<Vec<u8>>,
}

/// What one message carries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load<'a> {
    pub acks: &'a [u32],
    /// Empty: there is none now.
    pub packet: Option<&'a [u8]>,
}

/// What was written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    pub len: usize,
    /// Whether there was room for the packet.
    pub carried: bool,
}
