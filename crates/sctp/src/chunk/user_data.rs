//! The chunk that carries user data: DATA, or I-DATA where messages are interleaved.

use super::data::{DATA_HEADER_LEN, Data, DataHeader};
use super::i_data::{self, I_DATA_HEADER_LEN};
use super::{DATA, I_DATA};
use crate::error::ParseError;
use crate::packet::{CHUNK_HEADER_LEN, PacketWriter};

/// Reads the body of an I-DATA chunk if messages are `interleaved`, of a DATA chunk if not.
///
/// # Errors
/// As those of the two chunks.
pub fn parse(interleaved: bool, flags: u8, body: &[u8]) -> Result<Data<'_>, ParseError> {
    if interleaved { i_data::parse(flags, body) } else { Data::parse(flags, body) }
}

/// Bytes before the user data, chunk header included.
#[must_use]
pub const fn header_len(interleaved: bool) -> usize {
    if interleaved { I_DATA_HEADER_LEN } else { DATA_HEADER_LEN }
}

impl DataHeader {
    /// Appends the chunk; `false` if it does not fit.
    pub fn write(&self, payload: &[u8], packet: &mut PacketWriter<'_>) -> bool {
        let kind = if self.interleaved { I_DATA } else { DATA };
        let fixed = self.chunk_header_len() - CHUNK_HEADER_LEN;
        let Some(body) = packet.chunk(kind, self.flags(), fixed + payload.len()) else {
            return false;
        };
        let (fields, room) = body.split_at_mut(fixed);
        fields[0..4].copy_from_slice(&self.tsn.0.to_be_bytes());
        fields[4..6].copy_from_slice(&self.stream.0.to_be_bytes());
        if self.interleaved {
            i_data::write_fields(self, fields);
        } else {
            self.write_fields(fields);
        }
        room.copy_from_slice(payload);
        true
    }

    /// Bytes of the chunk before the user data, chunk header included.
    #[must_use]
    pub fn chunk_header_len(&self) -> usize {
        header_len(self.interleaved)
    }
}
