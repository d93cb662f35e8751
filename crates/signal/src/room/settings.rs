//! Limits of the rooms.

use crate::access::AccessList;
use peerage_base::limit::Rate;
use peerage_base::time::Duration;

/// Limits of [`Rooms`](super::Rooms).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Peers in one room, those away included. Default 8; more are told `unavailable`.
    pub peers_per_room: usize,
    /// Rooms at a time. Default 10,000; beyond, the room that has been empty for longest makes way, or else the new one
    /// is `unavailable`.
    pub rooms: usize,
    /// How long a client without a connection keeps its seat. Default 30 s.
    pub grace: Duration,
    /// How long a room stays after the last peer was lost from it. Default one hour, so that a peer that slept finds
    /// whoever came meanwhile. A room whose last peer said `leave` is gone at once.
    pub empty_room: Duration,
    /// How long a connection may stay silent before `open`, `join` or `resume`. Default 10 s.
    pub first_frame: Duration,
    /// How often one source address (IPv6: one /64) may open, join or resume. Default 60 at once, then 1 a second.
    pub entry_rate: Rate,
    /// Nameplates that somebody waits at. Default 10,000; beyond, no more are given out. Guests without a host may take
    /// half of them. Of as many it is remembered that they were used.
    pub nameplates: usize,
    /// How long somebody may wait at a nameplate. Default one day; whoever waits longer is told `expired`.
    pub nameplate_life: Duration,
    /// How long a nameplate is kept for somebody whose connection was lost while waiting. Default one hour.
    pub nameplate_away: Duration,
    /// How long those who come late are told that a nameplate was used or has expired. Default one hour, in which it is
    /// not given out again.
    pub nameplate_memory: Duration,
    /// How often one source address (IPv6: one /64) may come to a nameplate that it was not given: each time is a guess.
    /// Default 20 at once, then one every 6 s.
    pub claim_rate: Rate,
    /// Signals of one client. Default 256 at once, then 20 a second; faster clients are dropped.
    pub signal_rate: Rate,
    /// Bytes of signals of one client. Default 1 MiB at once, then 64 KiB a second; faster clients are dropped.
    pub byte_rate: Rate,
    /// Messages that a client has not acknowledged. Default 256.
    pub queue_messages: usize,
    /// Bytes that a client has not acknowledged. Default 1 MiB.
    pub queue_bytes: usize,
    /// Bytes that all clients together have not acknowledged. Default 256 MiB.
    pub total_queue_bytes: usize,
    /// How long a connected client may withhold an acknowledgement that is due before it is dropped. Default 45 s, the
    /// time after which a silent connection counts as lost.
    pub ack_timeout: Duration,
    /// Who may open rooms. Default: everybody. Entering a room that is there needs no token in any case.
    pub access: AccessList,
    /// How often a room in which two peers are present is granted new credentials for the relay. Default: never, for
    /// a server that has no relay. Half of the time that they are good for leaves every connection the other half.
    pub grant_interval: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            peers_per_room: 8,
            rooms: 10_000,
            grace: Duration::from_secs(30),
            empty_room: Duration::from_secs(3600),
            first_frame: Duration::from_secs(10),
            entry_rate: Rate::new(60, 1),
            nameplates: 10_000,
            nameplate_life: Duration::from_secs(24 * 3600),
            nameplate_away: Duration::from_secs(3600),
            nameplate_memory: Duration::from_secs(3600),
            claim_rate: Rate { burst: 20, interval: Duration::from_secs(6) },
            signal_rate: Rate::new(256, 20),
            byte_rate: Rate::new(1 << 20, 1 << 16),
            queue_messages: 256,
            queue_bytes: 1 << 20,
            total_queue_bytes: 256 << 20,
            ack_timeout: Duration::from_secs(45),
            access: AccessList::default(),
            grant_interval: None,
        }
    }
}
