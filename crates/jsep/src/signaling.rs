//! The signalling state machine.

use core::fmt;

use crate::description::SdpType;

/// Where the exchange stands (W3C `RTCSignalingState`, RFC 9429 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignalingState {
    /// Nothing is pending.
    Stable,
    /// Our offer waits for an answer.
    HaveLocalOffer,
    /// The peer's offer waits for an answer.
    HaveRemoteOffer,
    /// The peer's offer has a provisional answer of ours.
    HaveLocalPrAnswer,
    /// Our offer has a provisional answer of the peer's.
    HaveRemotePrAnswer,
    /// The connection is closed, for good.
    Closed,
}

/// Whose description is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Local,
    Remote,
}

impl SignalingState {
    /// The W3C word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::HaveLocalOffer => "have-local-offer",
            Self::HaveRemoteOffer => "have-remote-offer",
            Self::HaveLocalPrAnswer => "have-local-pranswer",
            Self::HaveRemotePrAnswer => "have-remote-pranswer",
            Self::Closed => "closed",
        }
    }

    /// The state after a description; `None` where it may not be applied. A remote offer in `have-local-offer` is not in
    /// this table: there the caller rolls back first.
    pub(crate) fn after(self, side: Side, kind: SdpType) -> Option<Self> {
        use SdpType::{Answer, Offer, PrAnswer, Rollback};
        use Side::{Local, Remote};
        Some(match (self, side, kind) {
            (Self::Stable | Self::HaveLocalOffer, Local, Offer) => Self::HaveLocalOffer,
            (Self::Stable | Self::HaveRemoteOffer, Remote, Offer) => Self::HaveRemoteOffer,
            (Self::HaveRemoteOffer | Self::HaveLocalPrAnswer, Local, PrAnswer) => Self::HaveLocalPrAnswer,
            (Self::HaveLocalOffer | Self::HaveRemotePrAnswer, Remote, PrAnswer) => Self::HaveRemotePrAnswer,
            (Self::HaveRemoteOffer | Self::HaveLocalPrAnswer, Local, Answer)
            | (Self::HaveLocalOffer | Self::HaveRemotePrAnswer, Remote, Answer)
            | (Self::HaveLocalOffer, Local, Rollback)
            | (Self::HaveRemoteOffer, Remote, Rollback) => Self::Stable,
            _ => return None,
        })
    }
}

impl fmt::Display for SignalingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_and_type_has_the_transition_of_the_standard() {
        use SdpType::{Answer, Offer, PrAnswer, Rollback};
        use SignalingState::{
            Closed, HaveLocalOffer as Hlo, HaveLocalPrAnswer as Hlp, HaveRemoteOffer as Hro, HaveRemotePrAnswer as Hrp,
            Stable,
        };
        // Columns: local offer, pranswer, answer, rollback; remote offer, pranswer, answer, rollback.
        let table = [
            (Stable, [Some(Hlo), None, None, None, Some(Hro), None, None, None]),
            (Hlo, [Some(Hlo), None, None, Some(Stable), None, Some(Hrp), Some(Stable), None]),
            (Hro, [None, Some(Hlp), Some(Stable), None, Some(Hro), None, None, Some(Stable)]),
            (Hlp, [None, Some(Hlp), Some(Stable), None, None, None, None, None]),
            (Hrp, [None, None, None, None, None, Some(Hrp), Some(Stable), None]),
            (Closed, [None; 8]),
        ];
        for (state, row) in table {
            for (column, expected) in row.into_iter().enumerate() {
                let side = if column < 4 { Side::Local } else { Side::Remote };
                let kind = [Offer, PrAnswer, Answer, Rollback][column % 4];
                assert_eq!(state.after(side, kind), expected, "{state} {side:?} {kind}");
            }
        }
    }
}
