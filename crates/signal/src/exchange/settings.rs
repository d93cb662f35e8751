//! Limits of the exchange.

use crate::access::AccessList;
use peerage_base::limit::Rate;
use peerage_base::time::Duration;

/// Limits of [`Exchange`](super::Exchange).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// How long an offer waits for its answer, and an answer for whoever made the offer. Default 30 minutes. Where only
    /// holders of an access token begin under a name, others may use the name for as long after them.
    pub life: Duration,
    /// How long whoever was given an offer has to answer before it is given to others, too. Default one minute.
    pub lease: Duration,
    /// How long an answer is kept once it was fetched, for those whose connection broke meanwhile. Default one minute.
    pub afterwards: Duration,
    /// How long those who come late are told that an offer was withdrawn or has expired. Default 10 minutes.
    pub memory: Duration,
    /// The longest time for which a request may wait. Default 2 minutes.
    pub longest_wait: Duration,
    /// How often one source address (IPv6: one /64) may ask. Default 60 at once, then 1 a second.
    pub request_rate: Rate,
    /// Names at a time. Default 10,000.
    pub names: usize,
    /// Offers under one name. Default 32.
    pub offers_per_name: usize,
    /// Offers of one source address (IPv6: one /64). Default 64.
    pub offers_per_source: usize,
    /// Offers in all. Default 10,000. Of as many it is remembered that they are over.
    pub offers: usize,
    /// Bytes of all offers and answers. Default 64 MiB.
    pub bytes: usize,
    /// Requests that wait under one name. Default 32.
    pub waits_per_name: usize,
    /// Requests that wait in all. Default 2,000.
    pub waits: usize,
    /// Who may begin under a name. Default: everybody. Going on under one that is in use needs no token in any case.
    pub access: AccessList,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            life: Duration::from_secs(30 * 60),
            lease: Duration::from_secs(60),
            afterwards: Duration::from_secs(60),
            memory: Duration::from_secs(10 * 60),
            longest_wait: Duration::from_secs(120),
            request_rate: Rate::new(60, 1),
            names: 10_000,
            offers_per_name: 32,
            offers_per_source: 64,
            offers: 10_000,
            bytes: 64 << 20,
            waits_per_name: 32,
            waits: 2_000,
            access: AccessList::default(),
        }
    }
}
