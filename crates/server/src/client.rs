//! Who is at the other end of a TCP connection.

use crate::admission::Permit;
use core::net::IpAddr;
use std::sync::Arc;

/// Who is at the other end of a TCP connection.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub address: IpAddr,
    pub is_proxy: bool,
    _permit: Arc<Permit>,
}

impl Client {
    pub fn new(address: IpAddr, is_proxy: bool, permit: Permit) -> Self {
        Self { address, is_proxy, _permit: Arc::new(permit) }
    }
}
