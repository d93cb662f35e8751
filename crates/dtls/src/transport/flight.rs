//! The messages that this side sent and the peer may not have (RFC 9147 §5.7, §7.2; RFC 6347 §4.2.4).

use alloc::vec::Vec;
use core::ops::Range;

use peerage_base::time::Instant;

use super::Expects;
use super::coverage::Coverage;
use crate::message::kind::HandshakeType;
use crate::suite::Epoch;
use crate::wire::number::RecordNumber;

/// Most fragments whose records are remembered for ACKs, over all retransmissions. With more, the oldest records can
/// no longer be acknowledged.
const MAX_SENT: usize = 512;

#[derive(Debug)]
pub(super) struct Flight {
    items: Vec<Item>,
    /// How many of them are in packets.
    packed: usize,
    /// As they were or will be sent; made anew when the flight is sent again.
    packets: Vec<Packet>,
    /// What was sent in which record, by number.
    sent: Vec<(RecordNumber, Piece)>,
    pub(super) expects: Expects,
    /// It is complete and may leave.
    pub(super) flushed: bool,
    /// The peer's answer began to arrive, which acknowledges all of it.
    pub(super) answered: bool,
    /// When a packet left first, unless the flight was sent again since.
    pub(super) first_left_at: Option<Instant>,
    /// When a packet left last.
    pub(super) left_at: Option<Instant>,
    /// How often it was sent again, for other reasons than the timer's, since that expired.
    pub(super) repeats: u32,
    /// How many packets left in one go.
    pub(super) burst: usize,
    /// Something in the clear, which anyone can forge, says that a part of it arrived.
    pub(super) hearsay: bool,
}

/// A message, or what takes the place of one.
#[derive(Debug)]
pub(super) struct Item {
    pub epoch: Epoch,
    pub content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    Message {
        kind: HandshakeType,
        seq: u16,
        body: Vec<u8>,
        arrived: Coverage,
    },
    /// Never acknowledged: DTLS 1.2 has no ACKs.
    ChangeCipherSpec,
}

/// A part of an item, by its index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub item: usize,
    pub range: Range<u32>,
}

/// One datagram, sealed.
#[derive(Debug)]
pub(super) struct Packet {
    pub bytes: Vec<u8>,
    pub pieces: Vec<Piece>,
    /// It is still to be sent.
    pub waits: bool,
}

impl Default for Flight {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            packed: 0,
            packets: Vec::new(),
            sent: Vec::new(),
            expects: Expects::Nothing,
            flushed: false,
            answered: false,
            first_left_at: None,
            left_at: None,
            repeats: 0,
            burst: 0,
            hearsay: false,
        }
    }
}

impl Flight {
    pub(super) fn push(&mut self, item: Item) {
        self.items.push(item);
    }

    /// Replaces the packets that wait by others with the same content.
    pub(super) fn replace_waiting(&mut self, packets: Vec<Packet>) {
        self.packets.retain(|packet| !packet.waits);
        self.packets.extend(packets);
    }

    /// Replaces all packets.
    pub(super) fn replace(&mut self, packets: Vec<Packet>) {
        self.packets = packets;
    }

    /// Adds packets with what was pushed since the last were added.
    pub(super) fn add(&mut self, packets: Vec<Packet>) {
        self.packets.extend(packets);
        self.packed = self.items.len();
    }

    /// Remembers which record carries a piece.
    pub(super) fn remember(&mut self, number: RecordNumber, piece: Piece) {
        if self.sent.len() == MAX_SENT {
            self.sent.remove(0);
        }
        let at = self.sent.partition_point(|(other, _)| *other <= number);
        self.sent.insert(at, (number, piece));
    }

    /// Takes note that a record arrived. Answers whether that was news.
    pub(super) fn acknowledge(&mut self, number: RecordNumber) -> bool {
        let from = self.sent.partition_point(|(other, _)| *other < number);
        let to = self.sent.partition_point(|(other, _)| *other <= number);
        let mut news = false;
        for (_, piece) in self.sent.drain(from..to) {
            if let Some(Item { content: Content::Message { arrived, .. }, .. }) = self.items.get_mut(piece.item) {
                news |= arrived.insert(piece.range) == Some(true);
            }
        }
        news
    }

    /// Believes nothing any more of what came in the clear: what was sent in the clear may not have arrived.
    pub(super) fn doubt(&mut self) {
        if !core::mem::take(&mut self.hearsay) {
            return;
        }
        for item in self.items.iter_mut().filter(|item| item.epoch == Epoch::PLAIN) {
            if let Content::Message { arrived, .. } = &mut item.content {
                *arrived = Coverage::default();
            }
        }
    }

    /// Has every packet that may not have arrived leave (again), as it is.
    pub(super) fn send_again(&mut self) {
        for i in 0..self.packets.len() {
            self.packets[i].waits = !self.has_arrived(&self.packets[i]);
        }
    }

    /// The next packet to send.
    pub(super) fn next_packet(&mut self) -> Option<&mut Packet> {
        let i = self.packets.iter().position(|packet| packet.waits && !self.has_arrived(packet))?;
        self.packets.get_mut(i)
    }

    /// What the peer may lack, in order.
    pub(super) fn missing(&self) -> impl Iterator<Item = Piece> {
        self.items.iter().enumerate().flat_map(|(item, Item { content, .. })| {
            let (message, other) = match content {
                Content::Message { body, arrived, .. } => (Some(arrived.gaps(body.len() as u32)), None),
                Content::ChangeCipherSpec => (None, Some(0..0)),
            };
            message.into_iter().flatten().chain(other).map(move |range| Piece { item, range })
        })
    }

    /// What the packets that still wait carry, in order.
    pub(super) fn waiting(&self) -> Vec<Piece> {
        let mut out: Vec<Piece> = Vec::new();
        for piece in self.packets.iter().filter(|packet| packet.waits).flat_map(|packet| &packet.pieces) {
            match out.last_mut().filter(|last| last.item == piece.item && last.range.end == piece.range.start) {
                Some(last) => last.range.end = piece.range.end,
                None => out.push(piece.clone()),
            }
        }
        out
    }

    /// The packets that may not have arrived.
    pub(super) fn packets(&self) -> impl Iterator<Item = &Packet> {
        self.packets.iter().filter(|packet| !self.has_arrived(packet))
    }

    pub(super) fn item(&self, i: usize) -> Option<&Item> {
        self.items.get(i)
    }

    /// Of what the peer may lack, that which is in no packet yet.
    pub(super) fn unpacked(&self) -> impl Iterator<Item = Piece> {
        self.missing().filter(|piece| piece.item >= self.packed)
    }

    /// Whether the peer still has to show that it arrived.
    pub(super) fn is_outstanding(&self) -> bool {
        self.flushed && self.expects != Expects::Nothing && !self.is_acknowledged()
    }

    /// Whether packets wait to be sent.
    pub(super) fn has_waiting(&self) -> bool {
        self.packets().any(|packet| packet.waits)
    }

    /// Whether nothing of it was acknowledged.
    pub(super) fn is_untouched(&self) -> bool {
        !self.items.iter().any(|item| matches!(&item.content, Content::Message { arrived, .. } if !arrived.is_empty()))
    }

    /// Whether all of it was acknowledged.
    pub(super) fn is_acknowledged(&self) -> bool {
        self.missing().next().is_none()
    }

    fn has_arrived(&self, packet: &Packet) -> bool {
        packet.pieces.iter().all(|piece| match self.items.get(piece.item).map(|item| &item.content) {
            Some(Content::Message { arrived, .. }) => arrived.contains(&piece.range),
            Some(Content::ChangeCipherSpec) => false,
            None => true,
        })
    }
}
