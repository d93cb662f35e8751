//! Reliable, ordered handshake messages over records (RFC 9147 §4-§5, §7; RFC 6347 §4): epochs, reassembly, flights,
//! acknowledgements and timers. What messages mean is the handshake's matter.

pub(crate) mod inbox;

use alloc::vec::Vec;

use peerage_base::slot::Slot;
use peerage_base::time::{Duration, Instant};

use crate::alert::{Alert, ParseError};
use crate::config::Role;
use crate::message::HandshakeType;
use crate::protect::{Opener, Overhead, SealError, Sealer};
use crate::suite::{Epoch, Version};
use crate::transport::inbox::Inbox;

/// What bounds a transport.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub role: Role,
    /// Largest datagram, in bytes; never less than [`MIN_MTU`].
    pub mtu: usize,
    /// Round-trip time of the path, where known.
    pub rtt: Option<Duration>,
    /// Time from the first message, sent or received, to [`Transport::release`].
    pub handshake_timeout: Duration,
}

/// A received handshake message: complete, and next in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub kind: HandshakeType,
    pub seq: u16,
    /// What it came under; 0 is in the clear. A Finished never comes under 0, no other message of DTLS 1.2 under 1, and
    /// in DTLS 1.3 only hellos under 0 and only post-handshake messages under 3 and later.
    pub epoch: Epoch,
    pub body: Vec<u8>,
}

/// What the handshake or the owner has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Message(Message),
    /// `authenticated` if it came under keys. Anyone can forge the other kind.
    Alert { alert: Alert, authenticated: bool },
    /// All of the flight has arrived: comes once per flight that was flushed with [`Expects::Ack`].
    Acknowledged,
    /// The peer, known by its keys, broke the protocol below messages.
    Violation(ParseError),
    /// As many forged records came as keys allow (RFC 9147 §4.5.3): close.
    Spent,
    /// The handshake took too long. Comes once; nothing is sent again.
    TimedOut,
}

/// How the peer shows that a flight arrived, and so what its timer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expects {
    /// By its own next flight.
    Reply,
    /// By an ACK (DTLS 1.3: the client's last flight and whatever follows the handshake).
    Ack,
    /// Not at all (DTLS 1.2: the server's last flight, HelloVerifyRequest). Kept to answer a retransmission.
    Nothing,
}

impl Transport {
    pub(crate) fn new(limits: Limits) -> Self;
    // For the handshake. The order within one answer:
    //   set_version (once known: 1.3 also on HelloRetryRequest) .. begin_flight .. push* / install_* in any order ..
    //   flush. Messages are sealed at flush, so the sealer of each epoch pushed has to be there by then.
    pub(crate) fn set_version(&mut self, version: Version);
    pub(crate) fn version(&self) -> Option<Version>;
    /// Begins a flight. The one before counts as received, unless it still waits for an ACK.
    pub(crate) fn begin_flight(&mut self);
    /// Adds a message, answers its message_seq (for the transcript of DTLS 1.2).
    pub(crate) fn push(&mut self, epoch: Epoch, kind: HandshakeType, body: Vec<u8>) -> u16;
    pub(crate) fn push_change_cipher_spec(&mut self);
    pub(crate) fn flush(&mut self, now: Instant, expects: Expects);
    /// The highest sealer is the one for application data and ACKs.
    pub(crate) fn install_sealer(&mut self, epoch: Epoch, sealer: Sealer);
    /// Records of this epoch that came early are opened by the next `next_input`.
    pub(crate) fn install_opener(&mut self, epoch: Epoch, opener: Opener);
    /// The last message delivered counts as never received: a ClientHello or ServerHello in the clear that cannot be answered
    /// must not stand in the way of the real one.
    pub(crate) fn decline(&mut self);
    /// DTLS 1.3: the peer's flight is complete and no flight of ours answers it (the client's Finished). Messages of
    /// epoch 3 and later are acknowledged without this.
    pub(crate) fn acknowledge(&mut self);
    /// Largest plaintext of a protected record the peer takes (RFC 8449), inner content type not counted.
    pub(crate) fn set_record_limit(&mut self, limit: usize);
    pub(crate) fn send_alert(&mut self, alert: Alert);   // under the highest keys there are
    /// The handshake is over: call after the last flush / acknowledge. A last flight that waits for its ACK stays until it has it.
    pub(crate) fn release(&mut self, now: Instant);

    // For the face.
    pub(crate) fn handle_datagram(&mut self, now: Instant, payload: &mut [u8], inbox: &mut Inbox);
    pub(crate) fn next_input(&mut self, now: Instant, inbox: &mut Inbox) -> Option<Input>;
    pub(crate) fn poll_transmit(&mut self, now: Instant, slot: &mut Slot<'_>) -> bool;
    pub(crate) fn flight(&self) -> impl Iterator<Item = &[u8]>;
    pub(crate) fn hold(&mut self, now: Instant, held: bool);
    pub(crate) fn set_mtu(&mut self, now: Instant, mtu: usize);
    pub(crate) fn set_rtt(&mut self, rtt: Option<Duration>);
    pub(crate) fn handle_timeout(&mut self, now: Instant);
    pub(crate) fn poll_timeout(&self) -> Option<Instant>;
    pub(crate) fn seal(&mut self, slot: &mut Slot<'_>) -> Result<(), SealError>;
    pub(crate) fn overhead(&self) -> Overhead;
    /// Whether keys are worn: time for a KeyUpdate.
    pub(crate) fn is_worn(&self) -> bool;
    /// Highest epochs in use.
    pub(crate) fn sending_epoch(&self) -> Epoch;
    pub(crate) fn receiving_epoch(&self) -> Epoch;
    pub(crate) fn is_flight_outstanding(&self) -> bool;   // e.g. no KeyUpdate may be sent while one is
}
