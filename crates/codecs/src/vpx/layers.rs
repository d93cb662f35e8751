//! Which frame belongs to which temporal layer, and what it may refer to.

use vpx_rs::EncoderFrameFlags as Flags;

/// Where in the pattern the next frame is.
///
/// Layer 0 refers to and replaces the last frame. With two layers, layer 1 refers to that and is never referred to. With
/// three, layer 1 is kept in the golden frame, to which the second of the two frames of layer 2 refers.
#[derive(Clone, Copy, Debug)]
pub struct Layers {
    count: u8,
    position: u8,
}

/// What one frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub layer: u8,
    pub sync: bool,
    pub flags: Flags,
}

impl Layers {
    pub fn new(count: u8) -> Self {
        Self { count, position: 0 }
    }

    /// Begins the pattern, as a key frame does.
    pub fn restart(&mut self) {
        self.position = 0;
    }

    /// The frame has been encoded: on to the next.
    pub fn advance(&mut self) {
        let period = 1u8 << (self.count - 1);
        self.position = (self.position + 1) % period;
    }

    pub fn place(&self) -> Place {
        let none_kept = Flags::NO_UDP_LAST | Flags::NO_UDP_GF | Flags::NO_UDP_ARF | Flags::NO_UDP_ENTROPY;
        let only_last = Flags::NO_REF_GF | Flags::NO_REF_ARF;
        let (layer, sync, flags) = match (self.count, self.position) {
            (1, _) => (0, false, Flags::empty()),
            (_, 0) => (0, false, only_last | Flags::NO_UDP_GF | Flags::NO_UDP_ARF),
            (2, _) => (1, true, only_last | none_kept),
            (_, 1) => (2, true, only_last | none_kept),
            (_, 2) => (1, true, only_last | Flags::NO_UDP_LAST | Flags::NO_UDP_ARF | Flags::NO_UDP_ENTROPY),
            _ => (2, false, Flags::NO_REF_ARF | none_kept),
        };
        Place { layer, sync, flags }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_layer_doubles_the_pictures() {
        for (count, expected) in [(1, [0; 8]), (2, [0, 1, 0, 1, 0, 1, 0, 1]), (3, [0, 2, 1, 2, 0, 2, 1, 2])] {
            let mut layers = Layers::new(count);
            for layer in expected {
                assert_eq!(layers.place().layer, layer);
                layers.advance();
            }
        }
    }
}
