//! What a payload tells of the frame it belongs to.

/// Whether a frame starts with a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// It does.
    Yes,
    /// It does not.
    #[default]
    No,
    /// It does if the packet before it belongs to another frame, by marker or timestamp: the format does not say.
    Possible,
}

/// Where a frame stands in a scalable stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layers {
    /// Temporal layer, 0 being the base.
    pub temporal: Option<u8>,
    /// Spatial layer, 0 being the base.
    pub spatial: Option<u8>,
    /// One may go up to this temporal layer here: it depends on lower ones only.
    pub is_switching_point: bool,
}

/// Number of a picture, of 7 or 15 bits; wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureId {
    value: u16,
    is_wide: bool,
}

impl PictureId {
    /// One of 15 bits; higher bits are dropped.
    pub const fn wide(value: u16) -> Self {
        Self { value: value & 0x7FFF, is_wide: true }
    }

    /// One of 7 bits; higher bits are dropped.
    pub const fn narrow(value: u8) -> Self {
        Self { value: value as u16 & 0x7F, is_wide: false }
    }

    /// The number.
    pub const fn value(self) -> u16 {
        self.value
    }

    /// How many bits it has: 7 or 15.
    pub const fn bits(self) -> u32 {
        if self.is_wide { 15 } else { 7 }
    }

    /// The one after it.
    #[must_use]
    pub const fn next(self) -> Self {
        if self.is_wide { Self::wide(self.value + 1) } else { Self::narrow(self.value as u8 + 1) }
    }
}

/// Size of a picture in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dimensions {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// What one packet tells, whatever the format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// Whether a frame (of one spatial layer, where the format tells them apart) starts with this packet.
    pub start: Start,
    /// Whether a frame (of one spatial layer, where the format tells them apart) ends with it.
    pub end: bool,
    /// Whether the whole picture, all spatial layers, ends with it.
    pub end_of_picture: bool,
    /// Whether it begins a key frame, or shows that its frame is one: decoding may start there. Packets within a key frame
    /// do not all say so.
    pub is_key: bool,
    /// Nothing depends on the frame: a forwarder may drop it.
    pub is_discardable: bool,
    /// Layers of the frame.
    pub layers: Layers,
    /// Number of the picture.
    pub picture_id: Option<PictureId>,
    /// Number of the last picture of temporal layer 0, this one included; wraps at 256.
    pub tl0_index: Option<u8>,
    /// Size of the picture, where a packet tells it.
    pub dimensions: Option<Dimensions>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picture_ids_wrap_at_their_width() {
        assert_eq!(PictureId::narrow(127).next(), PictureId::narrow(0));
        assert_eq!(PictureId::wide(0x7FFF).next(), PictureId::wide(0));
        assert_eq!((PictureId::wide(3).bits(), PictureId::narrow(3).bits()), (15, 7));
    }
}
