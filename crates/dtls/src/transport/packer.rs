//! Messages into records, records into as few datagrams as hold them (RFC 9147 §4.3, §5.5).

use alloc::vec::Vec;
use core::mem;
use core::ops::Range;

use tracing::debug;

use super::epochs::Epochs;
use super::flight::{Content, Flight, Item, Packet, Piece};
use crate::message::handshake_header::Fragment;
use crate::suite::Epoch;
use crate::wire::number::RecordNumber;
use crate::wire::{ContentType, MAX_CONTENT};

/// Header of a fragment, in bytes.
const HEADER: usize = 12;
/// A shorter beginning of a message than this many bytes is not worth a fragment at the end of a datagram.
const MIN_PIECE: usize = 32;

/// What datagrams and records must keep to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Most bytes of a datagram.
    pub datagram: usize,
    /// Most bytes of content of a protected record.
    pub content: usize,
    /// Whether a record may hold several messages. Both versions allow it; stacks of DTLS 1.2 never do it.
    pub shares_records: bool,
}

/// Seals `pieces` of the flight into packets and remembers what lies where.
pub(super) fn pack(flight: &mut Flight, pieces: &[Piece], epochs: &mut Epochs, shape: Shape) -> Vec<Packet> {
    let mut packer = Packer { epochs, shape, packets: Vec::new(), packet: empty(), record: None, sent: Vec::new() };
    for piece in pieces {
        match flight.item(piece.item) {
            Some(Item { epoch, content: Content::Message { kind, seq, body, .. } }) => {
                packer.add(*epoch, piece, &Fragment::whole(*kind, *seq, body));
            }
            Some(Item { epoch, content: Content::ChangeCipherSpec }) => packer.add_change_cipher_spec(*epoch, piece),
            None => {}
        }
    }
    let (packets, sent) = packer.finish();
    for (number, piece) in sent {
        flight.remember(number, piece);
    }
    packets
}

struct Packer<'a> {
    epochs: &'a mut Epochs,
    shape: Shape,
    packets: Vec<Packet>,
    /// The one that is being filled.
    packet: Packet,
    record: Option<Record>,
    sent: Vec<(RecordNumber, Piece)>,
}

/// A record that is being filled.
struct Record {
    epoch: Epoch,
    content_type: ContentType,
    content: Vec<u8>,
    pieces: Vec<Piece>,
}

impl Packer<'_> {
    /// Adds a piece of a message, in as many fragments as it takes.
    fn add(&mut self, epoch: Epoch, piece: &Piece, message: &Fragment<'_>) {
        let Range { mut start, end } = piece.range;
        loop {
            let rest = (end - start) as usize;
            let Some(room) = self.make_room(epoch, rest.min(MIN_PIECE) + HEADER) else {
                debug!(?epoch, "a message finds no keys or no room");
                return;
            };
            let to = start + rest.min(room - HEADER) as u32;
            let Some(body) = message.body.get(start as usize..to as usize) else { return };
            let record = self.record(epoch, ContentType::HANDSHAKE);
            Fragment { offset: start, body, ..*message }.write(&mut record.content);
            record.pieces.push(Piece { item: piece.item, range: start..to });
            if !self.shape.shares_records {
                self.close_record();
            }
            start = to;
            if start == end {
                return;
            }
        }
    }

    fn add_change_cipher_spec(&mut self, epoch: Epoch, piece: &Piece) {
        self.close_record();
        if self.make_room(epoch, 1).is_some() {
            let record = self.record(epoch, ContentType::CHANGE_CIPHER_SPEC);
            record.content.push(1);
            record.pieces.push(piece.clone());
            self.close_record();
        }
    }

    /// Sees to it that a record of `epoch` is or can be begun that has room for `least` more bytes. Answers how many
    /// there are; `None` if there never are as many.
    fn make_room(&mut self, epoch: Epoch, least: usize) -> Option<usize> {
        let overhead = self.epochs.overhead(epoch)?;
        let (overhead, content) = (overhead.head + overhead.tail, self.content(epoch));
        if self.record.as_ref().is_some_and(|record| record.epoch != epoch) || self.room(overhead, content) < least {
            self.close_record();
        }
        if self.room(overhead, content) < least {
            self.close_packet();
        }
        Some(self.room(overhead, content)).filter(|room| *room >= least)
    }

    /// What is left of the record that is open, or of one that is opened now.
    fn room(&self, overhead: usize, content: usize) -> usize {
        let used = self.record.as_ref().map_or(0, |record| record.content.len());
        let left = self.shape.datagram.saturating_sub(self.packet.bytes.len() + overhead + used);
        left.min(content.saturating_sub(used))
    }

    /// Most content of a record.
    fn content(&self, epoch: Epoch) -> usize {
        if epoch == Epoch::PLAIN { MAX_CONTENT } else { self.shape.content }
    }

    fn record(&mut self, epoch: Epoch, content_type: ContentType) -> &mut Record {
        self.record.get_or_insert_with(|| Record { epoch, content_type, content: Vec::new(), pieces: Vec::new() })
    }

    fn close_record(&mut self) {
        let Some(Record { epoch, content_type, content, pieces }) = self.record.take() else { return };
        match self.epochs.write(epoch, content_type, &content, &mut self.packet.bytes) {
            Ok(number) => {
                self.sent.extend(pieces.iter().map(|piece| (number, piece.clone())));
                self.packet.pieces.extend(pieces);
            }
            Err(error) => debug!(%error, ?epoch, "a flight could not be sealed"),
        }
    }

    fn close_packet(&mut self) {
        self.close_record();
        if !self.packet.bytes.is_empty() {
            self.packets.push(mem::replace(&mut self.packet, empty()));
        }
    }

    fn finish(mut self) -> (Vec<Packet>, Vec<(RecordNumber, Piece)>) {
        self.close_packet();
        (self.packets, self.sent)
    }
}

fn empty() -> Packet {
    Packet { bytes: Vec::new(), pieces: Vec::new(), waits: true }
}
