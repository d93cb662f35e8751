//! This side.

use std::sync::{Arc, LazyLock};

use peerage_base::rng::Rng;
use peerage_base::slot::Slot;
use peerage_base::time::Instant;
use peerage_dtls::event::SealError;
use peerage_dtls::{Certificate, CloseReason, Config, Dtls, Event, Fingerprint, HashAlgorithm, Info, Role};

/// Room for a datagram of any size that UDP carries here.
const ROOM: usize = 2048;
/// When the certificates of the tests are made, in seconds since 1970.
pub const TODAY: u64 = 1_790_000_000;

static CERTIFICATE: LazyLock<Arc<Certificate>> =
    LazyLock::new(|| Arc::new(Certificate::generate(&mut Rng::from_u64(1), TODAY).expect("a certificate can be made")));

/// The defaults, trusting a certificate in DER form.
pub fn config(role: Role, peer: &[u8]) -> Config {
    let mut config = Config::new(CERTIFICATE.clone(), role);
    config.expected = vec![Fingerprint::of(peer, HashAlgorithm::Sha256)];
    config
}

/// The certificate of this side, in DER form.
pub fn certificate() -> &'static [u8] {
    CERTIFICATE.der()
}

/// One connection and what it said.
#[derive(Debug)]
pub struct Ours {
    /// The machine itself.
    pub dtls: Dtls,
    /// What was negotiated.
    pub info: Option<Info>,
    /// Why it ended.
    pub closed: Option<CloseReason>,
    /// Application data, one record each.
    pub received: Vec<Vec<u8>>,
}

impl Ours {
    /// Neither sent nor received yet.
    pub fn new(config: Config, seed: u64, now: Instant) -> Self {
        let dtls = Dtls::new(config, Rng::from_u64(seed), now);
        Self { dtls, info: None, closed: None, received: Vec::new() }
    }

    /// Takes in a datagram.
    pub fn receive(&mut self, now: Instant, datagram: &[u8]) {
        let mut payload = datagram.to_vec();
        self.dtls.handle_datagram(now, &mut payload);
        self.read(&mut payload);
    }

    /// Acts on time.
    pub fn wake(&mut self, now: Instant) {
        self.dtls.handle_timeout(now);
        self.read(&mut []);
    }

    /// The next datagram to send.
    pub fn transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        let mut buf = [0; ROOM];
        let mut slot = Slot::new(&mut buf, 0, 0, ROOM);
        let some = self.dtls.poll_transmit(now, &mut slot).then(|| slot.packet().to_vec());
        self.read(&mut []);
        some
    }

    /// Application data as a datagram.
    ///
    /// # Errors
    /// As of [`Dtls::seal`].
    pub fn seal(&mut self, data: &[u8]) -> Result<Vec<u8>, SealError> {
        let overhead = self.dtls.overhead();
        let mut buf = vec![0; overhead.head + data.len() + overhead.tail];
        let mut slot = Slot::new(&mut buf, overhead.head, overhead.tail, data.len());
        slot.room().copy_from_slice(data);
        slot.fill(data.len());
        self.dtls.seal(&mut slot)?;
        Ok(slot.packet().to_vec())
    }

    fn read(&mut self, payload: &mut [u8]) {
        while let Some(event) = self.dtls.poll_event() {
            match event {
                Event::Connected(info) => self.info = Some(info),
                Event::KeyLog(_) => {}
                Event::Closed(reason) => self.closed = Some(reason),
            }
        }
        while let Some(data) = self.dtls.poll_data(payload) {
            assert!(self.info.is_some(), "data of an unverified peer");
            self.received.push(data.to_vec());
        }
    }
}
