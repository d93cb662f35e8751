//! RTX.

use super::Parameters;
use crate::attribute::payload_type::PayloadType;

/// What a retransmission format repeats (RFC 4588 §8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Apt {
    /// The payload type of the original packets.
    pub payload_type: PayloadType,
    /// How long the sender keeps packets for it, in milliseconds, where it says so.
    pub rtx_time: Option<u32>,
}

impl Apt {
    /// Reads the parameters; `None` without a usable `apt`.
    pub fn of(parameters: &Parameters) -> Option<Self> {
        let payload_type = PayloadType::parse(parameters.value("apt")?)?;
        Some(Self { payload_type, rtx_time: parameters.number("rtx-time") })
    }
}

#[cfg(test)]
mod tests {
    use super::super::parameters;
    use super::*;

    #[test]
    fn a_retransmission_names_its_original() {
        let read = Apt::of(&parameters("apt=96;rtx-time=3000")).unwrap();
        assert_eq!((read.payload_type.get(), read.rtx_time), (96, Some(3000)));
        assert_eq!(Apt::of(&parameters("apt=200")), None);
        assert_eq!(Apt::of(&parameters("rtx-time=1")), None);
    }
}
