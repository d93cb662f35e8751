//! Typed attributes, one file each.
//!
//! A type knows the grammar of its value and nothing else. Attributes without a value are names in [`flag`].

use alloc::string::String;

pub mod candidate;
pub mod direction;
pub mod extmap;
pub mod fingerprint;
pub mod flag;
pub mod fmtp;
pub mod group;
pub mod ice_options;
pub mod ice_pwd;
pub mod ice_ufrag;
pub mod identity;
pub mod max_message_size;
pub mod maxptime;
pub mod mid;
pub mod msid;
pub mod payload_type;
pub mod ptime;
pub mod rid;
pub mod rtcp_fb;
pub mod rtpmap;
pub mod sctp_init;
pub mod sctp_port;
pub mod sctpmap;
pub mod setup;
pub mod simulcast;
pub mod ssrc;
pub mod ssrc_group;
pub mod tls_id;

/// One `a=<name>:<value>` line.
pub trait Attribute: Sized {
    /// What stands between `a=` and the colon.
    const NAME: &'static str;

    /// Reads a value; `None` if it breaks the grammar.
    fn parse(value: &str) -> Option<Self>;

    /// Appends `:` and the value, or nothing at all where the value may be absent. Never writes NUL, CR or LF.
    fn write(&self, out: &mut String);
}

/// Test helper: reads a value and writes it again.
#[cfg(test)]
pub(crate) fn rewritten<A: Attribute>(value: &str) -> Option<String> {
    let mut out = String::new();
    A::parse(value)?.write(&mut out);
    Some(out.strip_prefix(':').map(Into::into).unwrap_or(out))
}
