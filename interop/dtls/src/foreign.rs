//! What every stack in this process can be asked to do.

use peerage_base::time::Instant;
use peerage_dtls::suite::{CipherSuite, Group, SrtpKeys, Version};

/// Label and context of the export that is compared, beside the one for SRTP.
pub const LABEL: &str = "EXPORTER-interoperability";
/// See [`LABEL`].
pub const CONTEXT: &[u8] = b"context";

/// What a stack says of its established connection. `None` is what it does not say.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The protocol version.
    pub version: Option<Version>,
    /// The cipher suite.
    pub suite: Option<CipherSuite>,
    /// The group of the key exchange.
    pub group: Option<Group>,
    /// Keys for SRTP; the inner `None` says that no profile was negotiated.
    pub srtp: Option<Option<SrtpKeys>>,
    /// The application protocol; the inner `None` says that there is none.
    pub alpn: Option<Option<Vec<u8>>>,
    /// The certificate that this side showed, in DER form.
    pub certificate: Option<Vec<u8>>,
    /// 32 bytes exported for [`LABEL`] and [`CONTEXT`].
    pub exported: Option<[u8; 32]>,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The other side said goodbye.
    CloseNotify,
    /// Anything else, in the stack's words.
    Failed(String),
}

/// A stack, driven in virtual time.
pub trait Foreign {
    /// The certificate that it shows, in DER form.
    fn certificate(&self) -> Vec<u8>;
    /// Takes in a datagram.
    fn receive(&mut self, now: Instant, datagram: &[u8]);
    /// Acts on time.
    fn wake(&mut self, now: Instant);
    /// When it wants to be woken.
    fn deadline(&mut self, now: Instant) -> Option<Instant>;
    /// The next datagram to send.
    fn transmit(&mut self) -> Option<Vec<u8>>;
    /// What was negotiated; `None` until it is.
    fn facts(&mut self) -> Option<Facts>;
    /// Sends application data.
    ///
    /// # Errors
    /// The stack refuses; in its words.
    fn send(&mut self, now: Instant, data: &[u8]) -> Result<(), String>;
    /// Application data so far, one record each.
    fn received(&self) -> &[Vec<u8>];
    /// Says goodbye.
    ///
    /// # Errors
    /// The stack refuses; in its words.
    fn close(&mut self, now: Instant) -> Result<(), String>;
    /// Whether and how the connection ended.
    fn end(&self) -> Option<End>;
    /// Generations of the keys that it receives and sends with, if it tells.
    fn epochs(&self) -> Option<[u16; 2]> {
        None
    }
    /// Changes its sending keys, and asks for the other side's to be changed if `both`.
    ///
    /// # Errors
    /// The stack cannot, or refuses; in its words.
    fn update_keys(&mut self, now: Instant, both: bool) -> Result<(), String> {
        let _ = (now, both);
        Err("this stack changes keys when it likes".into())
    }
    /// Longest application data that it sends in a record.
    fn max_record(&self) -> usize {
        1 << 14
    }
}
