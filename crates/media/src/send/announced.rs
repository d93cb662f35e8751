//! What a stream says of itself when it changes, until the peer has heard it: limits on the playout delay, and its layers.

use alloc::sync::Arc;

use peerage_base::serial::Serial as _;
use peerage_rtp::extension::playout_delay::PlayoutDelay;
use peerage_rtp::extension::video_layers_allocation::VideoLayersAllocation;
use peerage_rtp::numbers::SequenceNumber;

/// What is said in the first packets of frames.
#[derive(Debug, Default)]
pub(super) struct Announced {
    delay: Option<PlayoutDelay>,
    /// The first packet that told the delay.
    pub(super) delay_sent: Option<SequenceNumber>,
    is_delay_known: bool,
    allocation: Option<Arc<VideoLayersAllocation>>,
    is_allocation_told: bool,
}

impl Announced {
    /// The limits on the playout delay are these from now on.
    pub(super) fn set_delay(&mut self, delay: Option<PlayoutDelay>) {
        if self.delay != delay {
            (self.delay, self.delay_sent, self.is_delay_known) = (delay, None, false);
        }
    }

    /// The layers are these from now on.
    pub(super) fn set_allocation(&mut self, allocation: Option<VideoLayersAllocation>) {
        if self.allocation.as_deref() != allocation.as_ref() {
            (self.allocation, self.is_allocation_told) = (allocation.map(Arc::new), false);
        }
    }

    /// The peer has seen this packet, or one after it.
    pub(super) fn seen(&mut self, highest: SequenceNumber) {
        self.is_delay_known |= self.delay_sent.is_some_and(|sent| !highest.before(sent));
    }

    /// A frame took what it is to say.
    pub(super) fn told(&mut self) {
        self.is_allocation_told = true;
    }

    /// The delay that a frame is to tell: all until the peer has heard it, key frames always, as others may see the stream from
    /// there on.
    pub(super) fn delay_for(&self, is_key: bool) -> Option<PlayoutDelay> {
        self.delay.filter(|_| is_key || !self.is_delay_known)
    }

    /// The layers that a frame is to tell: one after they have changed, and key frames.
    pub(super) fn allocation_for(&self, is_key: bool) -> Option<Arc<VideoLayersAllocation>> {
        self.allocation.clone().filter(|_| is_key || !self.is_allocation_told)
    }
}

#[cfg(test)]
mod tests;
