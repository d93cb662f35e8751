//! What every stack is asked to do, over memory, with ECDSA P-256 certificates on both sides and AES-128-GCM.

use bench::meter::cpu;

pub mod boring;
pub mod dimpl;
pub mod limit;
pub mod peerage;

/// Application data in each record, in bytes.
pub const RECORD: usize = 1200;
/// Records that are sealed before they are opened: few enough to stay in the cache, enough to be timed together.
pub const BATCH: usize = 64;
/// Room for one record.
pub const ROOM: usize = 1400;

/// The protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// DTLS 1.2.
    Dtls12,
    /// DTLS 1.3.
    Dtls13,
}

/// The group of the key exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// The hybrid of ML-KEM-768 and X25519.
    X25519MlKem768,
    /// X25519.
    X25519,
}

/// Sealed records, each in room of its own.
pub struct Batch(Vec<(usize, [u8; ROOM])>);

/// A client and a server with an established connection between them.
pub trait Pair {
    /// Seals [`RECORD`] bytes at the client into `room`; the record's length.
    fn seal(&mut self, room: &mut [u8; ROOM]) -> usize;
    /// Opens a record at the server; the length of what was in it.
    fn open(&mut self, record: &mut [u8]) -> usize;
}

/// Makes connections; keys, certificates and settings are made once.
pub trait Stack {
    /// Its name in the tables.
    fn name(&self) -> &'static str;
    /// Whether what it allocates can be counted: BoringSSL allocates in C.
    fn is_counted(&self) -> bool {
        true
    }
    /// A handshake from nothing to the last acknowledgement. `None` if the stack does not have what is asked for.
    fn connect(&mut self, version: Version, group: Group) -> Option<Box<dyn Pair>>;
}

/// Costs of records.
#[derive(Clone, Copy, Debug, Default)]
pub struct Records {
    /// Nanoseconds of processor time to seal one.
    pub seal: f64,
    /// Nanoseconds of processor time to open one.
    pub open: f64,
    /// Allocations to seal one.
    pub seal_allocations: f64,
    /// Allocations to open one.
    pub open_allocations: f64,
}

impl Batch {
    /// Room for [`BATCH`] records.
    pub fn new() -> Self {
        Self(vec![(0, [0; ROOM]); BATCH])
    }

    /// What sealing and opening this many batches costs.
    pub fn measure(&mut self, pair: &mut dyn Pair, batches: u32) -> Records {
        let (mut seal, mut open) = (0, 0);
        // Whatever happens once only, such as the release of what the handshake held, is no cost of records.
        self.seal(pair);
        self.open(pair);
        for _ in 0..batches {
            let begin = cpu();
            self.seal(pair);
            let middle = cpu();
            self.open(pair);
            seal += (middle - begin).as_nanos();
            open += (cpu() - middle).as_nanos();
        }
        let records = f64::from(batches) * BATCH as f64;
        let count = |allocations: u64| allocations as f64 / BATCH as f64;
        let sealing = allocation_counter::measure(|| self.seal(pair)).count_total;
        let opening = allocation_counter::measure(|| self.open(pair)).count_total;
        Records {
            seal: seal as f64 / records,
            open: open as f64 / records,
            seal_allocations: count(sealing),
            open_allocations: count(opening),
        }
    }

    fn seal(&mut self, pair: &mut dyn Pair) {
        for (len, room) in &mut self.0 {
            *len = pair.seal(room);
        }
    }

    fn open(&mut self, pair: &mut dyn Pair) {
        for (len, room) in &mut self.0 {
            assert_eq!(pair.open(&mut room[..*len]), RECORD, "what was sealed is opened");
        }
    }
}
