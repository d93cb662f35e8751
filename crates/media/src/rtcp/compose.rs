//! What is to be said, into compounds (RFC 3550 §6.1, RFC 4585 §3.1, RFC 5506).

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use peerage_base::slot::Slot;
use peerage_rtp::ntp::Ntp;
use peerage_rtp::numbers::{SequenceNumber, Ssrc};
use peerage_rtp::rtcp::header::HEADER_LEN;
use peerage_rtp::rtcp::report_block::{BLOCK_LEN, MAX_BLOCKS, ReportBlock};
use peerage_rtp::rtcp::sdes::ItemType;
use peerage_rtp::rtcp::sender_report::SenderInfo;
use peerage_rtp::rtcp::tmmb::Limit;
use peerage_rtp::rtcp::write::Writer;
use peerage_rtp::rtcp::xr::Dlrr;
use peerage_rtp::rtcp::{bye, fir, nack, pli, receiver_report, remb, sdes, sender_report, tmmb, xr};

use super::cname::{self, Cname};

/// Most items of each kind that wait; more are dropped, the oldest staying.
const MAX_WAITING: usize = 1024;
/// Most sources of one goodbye.
const MAX_BYES: usize = 31;
/// Length of a sender report without blocks, in bytes.
const SENDER_LEN: usize = 28;
/// Length of a receiver report without blocks.
const RECEIVER_LEN: usize = 8;
/// Length of the description of one source: header, source, the item and the zeros after it.
const NAME_LEN: usize = (HEADER_LEN + 4 + 2 + cname::LEN + 1).next_multiple_of(4);

/// Collects what is to be said and writes it, a compound of at most the slot's size at a time. Nothing is allocated once the
/// lists have grown to what is usual.
///
/// A report is begun by [`report`](Self::report), which takes its sender reports and blocks; feedback may be added at any time and
/// goes with it, or by itself if the peer takes reduced-size RTCP. [`poll`](Self::poll) writes until nothing is left.
#[derive(Debug)]
pub struct Composer {
    local: Ssrc,
    cname: Cname,
    reduced_size: bool,
    senders: VecDeque<SenderInfo>,
    blocks: VecDeque<ReportBlock>,
    /// A report is to be sent even if it is empty.
    owes_report: bool,
    reference: Option<Ntp>,
    dlrr: Vec<Dlrr>,
    missing: VecDeque<(Ssrc, SequenceNumber)>,
    /// Room for the numbers of one stream.
    numbers: Vec<SequenceNumber>,
    losses: VecDeque<Ssrc>,
    intra: Vec<fir::Request>,
    rate: Option<u64>,
    rated: Vec<Ssrc>,
    owes_limits: bool,
    limits: Vec<Limit>,
    /// Who reports in the compound that is being written.
    named: Vec<Ssrc>,
    gone: VecDeque<Ssrc>,
}

impl Composer {
    /// For a peer that speaks of itself as `local` wherever it is not one of its streams. `reduced_size` is what was agreed on
    /// (`a=rtcp-rsize`).
    pub fn new(local: Ssrc, cname: Cname, reduced_size: bool) -> Self {
        Self {
            local,
            cname,
            reduced_size,
            senders: VecDeque::new(),
            blocks: VecDeque::new(),
            owes_report: false,
            reference: None,
            dlrr: Vec::new(),
            missing: VecDeque::new(),
            numbers: Vec::new(),
            losses: VecDeque::new(),
            intra: Vec::new(),
            rate: None,
            rated: Vec::new(),
            owes_limits: false,
            limits: Vec::new(),
            named: Vec::new(),
            gone: VecDeque::new(),
        }
    }

    /// A report is due: what our streams have sent, and what has arrived. What is left of an earlier one is given up.
    pub fn report(
        &mut self,
        senders: impl IntoIterator<Item = SenderInfo>,
        blocks: impl IntoIterator<Item = ReportBlock>,
    ) {
        self.senders.clear();
        self.senders.extend(senders.into_iter().take(MAX_WAITING));
        self.blocks.clear();
        self.blocks.extend(blocks.into_iter().take(MAX_WAITING));
        self.owes_report = true;
    }

    /// The time by which the peer lets us measure the round trip though we send no media (RRTR, RFC 3611 §4.4).
    pub fn reference_time(&mut self, now: Ntp) {
        self.reference = Some(now);
    }

    /// Answers to such times of the peer's.
    pub fn answer_references(&mut self, items: impl IntoIterator<Item = Dlrr>) {
        self.dlrr.clear();
        self.dlrr.extend(items.into_iter().take(MAX_WAITING));
    }

    /// Packets of a stream are missing; in ascending order they take least room.
    pub fn nack(&mut self, media: Ssrc, packets: impl IntoIterator<Item = SequenceNumber>) {
        let room = MAX_WAITING.saturating_sub(self.missing.len());
        self.missing.extend(packets.into_iter().take(room).map(|number| (media, number)));
    }

    /// Pictures of a stream cannot be decoded.
    pub fn picture_loss(&mut self, media: Ssrc) {
        if self.losses.len() < MAX_WAITING && !self.losses.contains(&media) {
            self.losses.push_back(media);
        }
    }

    /// A picture that needs no other is wanted of a stream; a repetition bears the same number.
    pub fn full_intra(&mut self, request: fir::Request) {
        if self.intra.len() < MAX_WAITING && !self.intra.contains(&request) {
            self.intra.push(request);
        }
    }

    /// The rate in bits per second that the path bears for some streams together.
    pub fn bit_rate(&mut self, rate: u64, sources: &[Ssrc]) {
        self.rate = Some(rate);
        self.rated.clear();
        self.rated.extend(sources.iter().take(255));
    }

    /// The limits on our rate that we know of (TMMBN): to be told after each request.
    pub fn notify_limits(&mut self, limits: &[Limit]) {
        self.owes_limits = true;
        self.limits.clear();
        self.limits.extend(limits.iter().take(MAX_WAITING));
    }

    /// A source of ours is gone.
    pub fn goodbye(&mut self, source: Ssrc) {
        if self.gone.len() < MAX_WAITING {
            self.gone.push_back(source);
        }
    }

    /// Writes a compound and answers its length in bytes; `None` if there is nothing to say, or the slot has no room for a
    /// report and a name. What `more` appends goes in behind the reports: feedback of those who build it themselves. It says
    /// whether it had something; that alone makes a compound.
    pub fn poll(&mut self, slot: &mut Slot<'_>, more: impl FnOnce(&mut Writer<'_, '_>) -> bool) -> Option<usize> {
        let mut writer = Writer::new(slot);
        let is_bare = self.reduced_size && !self.has_report() && self.gone.is_empty();
        if !is_bare {
            self.write_reports(&mut writer)?;
        }
        let start = writer.len();
        let has_more = more(&mut writer);
        self.write_feedback(&mut writer);
        self.write_goodbye(&mut writer);
        let says_something = self.owes_report || has_more || writer.len() > start;
        if !says_something || writer.is_empty() {
            return None;
        }
        self.owes_report = !self.senders.is_empty() || !self.blocks.is_empty();
        Some(writer.finish())
    }

    /// Whether anything waits, what others build aside.
    pub fn is_empty(&self) -> bool {
        !self.has_report() && !self.has_feedback()
    }

    fn has_report(&self) -> bool {
        self.owes_report || !self.senders.is_empty() || !self.blocks.is_empty()
    }

    fn has_feedback(&self) -> bool {
        let lists = self.missing.len() + self.losses.len() + self.intra.len() + self.gone.len() + self.dlrr.len();
        lists > 0 || self.rate.is_some() || self.owes_limits || self.reference.is_some()
    }

    /// Reports and the names of those who report: as many as fit.
    fn write_reports(&mut self, writer: &mut Writer<'_, '_>) -> Option<()> {
        self.named.clear();
        while let Some(info) = self.senders.front().copied() {
            let names = NAME_LEN * (self.named.len() + 1);
            let Some(room) = room(writer).checked_sub(SENDER_LEN + names) else { break };
            let blocks = next_blocks(&mut self.blocks, room / BLOCK_LEN);
            let written = sender_report::write(writer, &info, blocks.iter().copied())?;
            self.blocks.drain(..written);
            self.senders.pop_front();
            self.named.push(info.ssrc);
        }
        while self.named.is_empty() || !self.blocks.is_empty() {
            let names = NAME_LEN * self.named.len().max(1);
            let room = room(writer).saturating_sub(RECEIVER_LEN + names);
            let blocks = next_blocks(&mut self.blocks, room / BLOCK_LEN);
            if blocks.is_empty() && !self.named.is_empty() {
                break;
            }
            let written = receiver_report::write(writer, self.local, blocks.iter().copied())?;
            self.blocks.drain(..written);
            if self.named.is_empty() {
                self.named.push(self.local);
            }
        }
        let items = [(ItemType::CNAME, &self.cname.as_bytes()[..])];
        self.named.iter().all(|ssrc| sdes::write(writer, *ssrc, &items)).then_some(())
    }

    /// As much feedback as fits, the most urgent first.
    fn write_feedback(&mut self, writer: &mut Writer<'_, '_>) {
        while let Some(media) = self.losses.front().copied() {
            if !pli::write(writer, self.local, media) {
                break;
            }
            self.losses.pop_front();
        }
        if let Some(written) = fir::write(writer, self.local, &self.intra) {
            self.intra.drain(..written);
        }
        self.write_missing(writer);
        if self.owes_limits && tmmb::write_notification(writer, self.local, &self.limits).is_some() {
            self.owes_limits = false;
        }
        if let Some(rate) = self.rate
            && remb::write(writer, self.local, rate, &self.rated)
        {
            self.rate = None;
        }
        if let Some(now) = self.reference
            && xr::write_reference_time(writer, self.local, now)
        {
            self.reference = None;
        }
        if let Some(written) = xr::write_dlrr(writer, self.local, self.dlrr.iter().copied()) {
            self.dlrr.drain(..written);
        }
    }

    fn write_missing(&mut self, writer: &mut Writer<'_, '_>) {
        while let Some((media, _)) = self.missing.front().copied() {
            self.numbers.clear();
            self.numbers.extend(self.missing.iter().take_while(|(of, _)| *of == media).map(|(_, number)| *number));
            let Some(written) = nack::write(writer, self.local, media, &self.numbers) else { break };
            self.missing.drain(..written);
        }
    }

    /// Goodbyes, when nothing else is left to say: they come last.
    fn write_goodbye(&mut self, writer: &mut Writer<'_, '_>) {
        let is_last = self.senders.is_empty() && self.blocks.is_empty();
        if !is_last || self.gone.is_empty() {
            return;
        }
        let count = self.gone.len().min(MAX_BYES);
        if bye::write(writer, &self.gone.make_contiguous()[..count], &[]) {
            self.gone.drain(..count);
        }
    }
}

/// Bytes that are left for a packet, its header included.
fn room(writer: &Writer<'_, '_>) -> usize {
    match writer.room_for_body() {
        0 => 0,
        body => body + HEADER_LEN,
    }
}

/// The next blocks, at most `most` and no more than a report holds.
fn next_blocks(blocks: &mut VecDeque<ReportBlock>, most: usize) -> &[ReportBlock] {
    let count = blocks.len().min(most).min(MAX_BLOCKS);
    &blocks.make_contiguous()[..count]
}
