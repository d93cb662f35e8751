//! Tail-loss probes (RFC 8985 §7): when an acknowledgement is overdue, one packet asks for it.

use crate::numbers::Tsn;
use peerage_base::time::Instant;

/// A probe that is not acknowledged yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    pub(super) tsn: Tsn,
    /// What it repeats, in bytes on the wire; zero if it was new data.
    pub(super) repeated: u32,
}

#[derive(Debug)]
pub(super) struct Tlp {
    /// When the next probe falls due.
    pub(super) deadline: Option<Instant>,
    /// A probe leaves next.
    pub(super) due: bool,
    outstanding: Option<Probe>,
    /// Whether a round trip was measured since the last probe, without which there is no further one (RFC 8985 §7.3).
    measured: bool,
    /// The last packet asked for a SACK at once.
    pub(super) asked: bool,
    /// A loss was concluded from a probe that repeated this; a report that it arrived twice refutes that.
    pub(super) suspected: Option<Tsn>,
}

impl Tlp {
    pub(super) fn new() -> Self {
        Self { deadline: None, due: false, outstanding: None, measured: true, asked: false, suspected: None }
    }

    /// A probe left.
    pub(super) fn sent(&mut self, probe: Probe) {
        self.due = false;
        self.deadline = None;
        self.measured = false;
        self.outstanding = Some(probe);
    }

    /// A round trip was measured.
    pub(super) fn measured(&mut self) {
        self.measured = true;
    }

    /// The peer got what was probed twice: round trips are longer than thought, and probes hide that.
    pub(super) fn in_vain(&mut self) {
        self.measured = false;
        self.deadline = None;
    }

    /// There is no probe any more: it was taken for lost, or repair is under way.
    pub(super) fn reset(&mut self) {
        self.due = false;
        self.deadline = None;
        self.outstanding = None;
    }

    /// The probe that this TSN was; it is over.
    pub(super) fn take(&mut self, tsn: Tsn) -> Option<Probe> {
        self.outstanding.take_if(|probe| probe.tsn == tsn)
    }

    /// Whether a probe may be planned.
    pub(super) fn is_allowed(&self) -> bool {
        self.outstanding.is_none() && self.measured
    }
}
