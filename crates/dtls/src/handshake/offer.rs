//! What a client offers.

use alloc::boxed::Box;
use alloc::vec::Vec;

use peerage_crypto::agreement::PrivateHalf;
use peerage_crypto::secret::Secret;

use crate::handshake::context::Context;
use crate::handshake::failure::Failure;
use crate::handshake::negotiate;
use crate::message::client_hello::ClientHello;
use crate::suite::{Group, Version};

/// Shares are sent for this many groups. With the default order that is the hybrid group and X25519, as browsers do, so
/// that a server has to know neither post-quantum cryptography nor NIST curves to answer at once.
const SHARES: usize = 2;

/// The ClientHello, before and after it was asked to be sent again.
pub(crate) struct Offer {
    random: [u8; 32],
    shares: Vec<Share>,
    /// What a HelloRetryRequest asked to have returned.
    cookie: Vec<u8>,
    /// What a HelloVerifyRequest asked to have returned.
    legacy_cookie: Vec<u8>,
}

/// A key share whose other half is awaited.
struct Share {
    group: Group,
    half: Box<dyn PrivateHalf>,
}

impl Offer {
    /// A fresh random, and shares if DTLS 1.3 is offered.
    pub(crate) fn new(cx: &mut Context<'_>) -> Self {
        let random = cx.rng.bytes();
        let mut offer = Self { random, shares: Vec::new(), cookie: Vec::new(), legacy_cookie: Vec::new() };
        if negotiate::speaks(cx.config, Version::Dtls13) {
            for group in negotiate::groups(cx.config, Version::Dtls13).take(SHARES) {
                offer.add_share(group, cx);
            }
        }
        offer
    }
}
