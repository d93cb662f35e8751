//! Offers and answers in the fewest characters: for a QR code, a chat message, a post, or to be read out.
//!
//! [`condense::condense`] takes from a description what the other side cannot write itself (certificate, credentials,
//! candidates, and what differs from the usual lines of its author); `to_text`, `to_qr` and `to_words` of
//! [`description::Description`] spell it, [`find::find`] finds it in whatever somebody pasted, and
//! `to_sdp` gives the description back. `docs/compact.md` is the specification of the bytes.
//!
//! The text tells the addresses of its author to whoever sees it, and nobody can change it unnoticed who cannot also
//! replace it: its checksum is against accidents. Who is on the other side is only as certain as the way that it came.

mod bits;
mod candidate_text;
pub mod choose;
pub mod condense;
mod delta;
pub mod derive;
pub mod description;
pub mod error;
mod expand;
pub mod find;
mod normal;
mod pattern;
mod spelling;
mod template;
pub(crate) mod wire;
mod wire_candidate;
mod wire_section;
mod wire_text;
