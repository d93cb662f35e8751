//! A frame of any format into payloads.

use super::budget::{Budget, Mark, Piece, Position};
use super::format::Format;
use super::misuse::Misuse;
use super::{av1, h264, h265, vp8, vp9, whole};

/// Longest frame in bytes that is taken.
pub const MAX_FRAME: usize = 1 << 28;

/// One frame on its way into packets. The bytes stay where they are (`F` is `&[u8]`, `Bytes`, `Vec<u8>`, ...) and are copied
/// once, into the room of each packet. Nothing is allocated for a packet; H.264, H.265 and AV1 keep a list of the frame's
/// parts.
#[derive(Clone, Debug)]
pub struct Packetizer<F> {
    frame: F,
    plan: Plan,
}

#[derive(Clone, Debug)]
enum Plan {
    Whole(whole::Packetizer),
    Vp8(vp8::packetizer::Packetizer),
    Vp9(vp9::packetizer::Packetizer),
    H264(h264::packetizer::Packetizer),
    H265(h265::packetizer::Packetizer),
    Av1(av1::packetizer::Packetizer),
}

impl<F: AsRef<[u8]>> Packetizer<F> {
    /// For one frame. All packets but the last will be equally long, header extensions that the budget makes room for
    /// included, as far as the format lets them.
    ///
    /// # Errors
    /// If the frame is empty, malformed, longer than [`MAX_FRAME`] or the budget leaves no room for it.
    pub fn new(frame: F, format: &Format<'_>, budget: &Budget) -> Result<Self, Misuse> {
        let bytes = frame.as_ref();
        if bytes.len() > MAX_FRAME {
            return Err(Misuse::TooLarge);
        }
        let plan = match format {
            Format::Audio { is_onset } => Plan::Whole(whole::Packetizer::new(bytes.len(), *is_onset, budget)?),
            Format::Vp8(descriptor) => Plan::Vp8(vp8::packetizer::Packetizer::new(bytes.len(), *descriptor, budget)?),
            Format::Vp9 { descriptor, is_end_of_picture } => {
                Plan::Vp9(vp9::packetizer::Packetizer::new(bytes.len(), descriptor, *is_end_of_picture, budget)?)
            }
            Format::H264 { framing, mode } => {
                Plan::H264(h264::packetizer::Packetizer::new(bytes, *framing, *mode, budget)?)
            }
            Format::H265 { framing } => Plan::H265(h265::packetizer::Packetizer::new(bytes, *framing, budget)?),
            Format::Av1 { is_end_of_picture } => {
                Plan::Av1(av1::packetizer::Packetizer::new(bytes, *is_end_of_picture, budget)?)
            }
        };
        Ok(Self { frame, plan })
    }

    /// Writes the next payload to the start of `room`. `None` if none is left, or `room` has less than the budget that was
    /// stated; nothing is lost then.
    pub fn write(&mut self, room: &mut [u8]) -> Option<Piece> {
        let frame = self.frame.as_ref();
        match &mut self.plan {
            Plan::Whole(plan) => plan.write(frame, room),
            Plan::Vp8(plan) => plan.write(frame, room),
            Plan::Vp9(plan) => plan.write(frame, room),
            Plan::H264(plan) => plan.write(frame, room),
            Plan::H265(plan) => plan.write(frame, room),
            Plan::Av1(plan) => plan.write(frame, room),
        }
    }

    /// Goes to a place that [`mark`](Self::mark) answered, to write packets again, or to go on. The same payloads come out.
    ///
    /// # Panics
    /// It may, now or at the next packet, if the mark is of another frame.
    pub fn rewind(&mut self, mark: Mark) {
        match &mut self.plan {
            Plan::Whole(plan) => plan.rewind(mark),
            Plan::Vp8(plan) => plan.rewind(mark),
            Plan::Vp9(plan) => plan.rewind(mark),
            Plan::H264(plan) => plan.rewind(mark),
            Plan::H265(plan) => plan.rewind(mark),
            Plan::Av1(plan) => plan.rewind(mark),
        }
    }

    /// The place of the next packet, to go back to: a few numbers, while a clone may copy lists.
    pub fn mark(&self) -> Mark {
        match &self.plan {
            Plan::Whole(plan) => plan.mark(),
            Plan::Vp8(plan) => plan.mark(),
            Plan::Vp9(plan) => plan.mark(),
            Plan::H264(plan) => plan.mark(),
            Plan::H265(plan) => plan.mark(),
            Plan::Av1(plan) => plan.mark(),
        }
    }

    /// How many packets are left.
    pub fn remaining(&self) -> usize {
        match &self.plan {
            Plan::Whole(plan) => plan.remaining(),
            Plan::Vp8(plan) => plan.remaining(),
            Plan::Vp9(plan) => plan.remaining(),
            Plan::H264(plan) => plan.remaining(),
            Plan::H265(plan) => plan.remaining(),
            Plan::Av1(plan) => plan.remaining(),
        }
    }

    /// The place of the next packet in the frame, which decides what header extensions it has; `None` if none is left.
    pub fn position(&self) -> Option<Position> {
        Some(match (self.mark().index > 0, self.remaining()) {
            (_, 0) => return None,
            (false, 1) => Position::Only,
            (false, _) => Position::First,
            (true, 1) => Position::Last,
            (true, _) => Position::Middle,
        })
    }

    /// The frame.
    pub fn frame(&self) -> &F {
        &self.frame
    }
}
