//! What is asked of the exchange, and what it says to that.

use crate::access::AccessToken;
use crate::id::{OfferId, RoomName};
use peerage_base::time::Duration;
use std::sync::Arc;

/// The longest offer or answer, in bytes.
pub const TEXT_MAX: usize = 64 << 10;

/// How a text is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Media {
    /// `text/plain`.
    Plain,
    /// `application/sdp`.
    Sdp,
    /// `application/json`.
    Json,
}

/// An offer or an answer, as it was handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// What it was said to be.
    pub media: Media,
    /// At most [`TEXT_MAX`] bytes.
    pub text: Arc<str>,
}

/// What somebody wants.
#[derive(Clone, Debug)]
pub enum Request {
    /// Leave an offer under a name, and have its answer. The same offer again is the same offer.
    Offer {
        /// The name.
        name: RoomName,
        /// The offer.
        offer: Text,
        /// How long to wait for the answer.
        wait: Duration,
        /// What lets somebody begin under a name, where not everybody may.
        token: Option<AccessToken>,
    },
    /// Have the next offer under a name.
    Take {
        /// The name.
        name: RoomName,
        /// How long to wait for it.
        wait: Duration,
        /// As for an offer.
        token: Option<AccessToken>,
    },
    /// Answer an offer.
    Answer {
        /// Its name.
        name: RoomName,
        /// Which one.
        offer: OfferId,
        /// The answer.
        answer: Text,
    },
    /// Have the answer to an offer that was left before.
    Await {
        /// Its name.
        name: RoomName,
        /// Which one.
        offer: OfferId,
        /// How long to wait for it.
        wait: Duration,
    },
    /// Take an offer back, or turn it down.
    Withdraw {
        /// Its name.
        name: RoomName,
        /// Which one.
        offer: OfferId,
    },
}

/// What somebody gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The offer is kept; nobody has answered yet.
    Kept(OfferId),
    /// The answer to this offer.
    Answer(OfferId, Text),
    /// An offer, to be answered.
    Offer(OfferId, Text),
    /// There was no offer in time.
    Nobody,
    /// The answer was taken.
    Answered,
    /// The offer is gone.
    Withdrawn,
    /// Nothing of it.
    Refused(Refusal),
}

/// Why a request is refused, worded for the person who made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Nothing was handed in.
    #[error("there is no text in the body: send the offer or the answer in it")]
    Empty,
    /// Too much was handed in.
    #[error("the text is longer than {TEXT_MAX} bytes")]
    TooLong,
    /// No access token was shown, or a wrong one, and nobody has begun under this name.
    #[error(
        "nobody has begun under this name, and only holders of an access token may: send one as Authorization: Bearer \
         TOKEN, or let the other side begin"
    )]
    Forbidden,
    /// There never was such an offer, or it was forgotten.
    #[error("there is no such offer, or not any more: offer again")]
    Unknown,
    /// The offer was taken back, or turned down.
    #[error("the offer was withdrawn: offer again")]
    Withdrawn,
    /// Nobody answered in time, or nobody fetched the answer.
    #[error("the offer has expired: offer again")]
    Expired,
    /// Somebody else answered.
    #[error("somebody has answered this offer already: each takes one answer")]
    Answered,
    /// One source asks too often, or has too many offers.
    #[error("too many requests or offers from this address: wait a little, and use ?wait=30 rather than asking often")]
    TooMany,
    /// A name, or the server, has as much as it takes.
    #[error("there are as many offers, or as many who wait, as this server takes: try again later")]
    Full,
}
