//! Time-limited credentials: a user name that says until when, and a password that only a holder of the secret can make.
//!
//! `expiry:name`, where `expiry` is the Unix time in seconds, with the password base64(HMAC-SHA1(secret, user name)):
//! the scheme of draft-uberti-behave-turn-rest, which every TURN server of the field takes.

use alloc::format;
use alloc::string::String;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use peerage_crypto::hmac;

/// Names that begin so are told by [`set_live`](crate::server::Server::set_live) how long they live.
pub const ROOM: &str = "room/";

/// User name and password for `name`, valid until `expiry` (Unix time in seconds).
pub fn issue(secret: &[u8], name: &str, expiry: u64) -> (String, String) {
    let user = format!("{expiry}:{name}");
    let password = password(secret, &user);
    (user, password)
}

pub(super) fn password(secret: &[u8], user: &str) -> String {
    STANDARD.encode(hmac::sha1(secret, &[user.as_bytes()]))
}
