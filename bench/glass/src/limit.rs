//! The limit of this machine: the same frames in bare datagrams, all at once, between two blocking sockets. No cipher, no pace,
//! no order, nothing that could be repaired.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use bytes::Bytes;
use peerage_codecs::encoded::EncodedVideo;

use crate::film::{Inlet, Outlet};

/// Bytes of a datagram, as of ours.
const DATAGRAM: usize = 1150;
/// Each begins with how many bytes of its frame are still to come, itself included.
const HEADER: usize = 4;

/// Where frames leave from.
pub struct Source(UdpSocket);

/// Where they arrive.
pub struct Sink {
    socket: UdpSocket,
    frame: Vec<u8>,
}

/// Both ends.
///
/// # Errors
/// The system has no sockets.
pub fn begin() -> Result<(Source, Sink), String> {
    let open = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| format!("a socket: {error}"));
    let (near, far) = (open()?, open()?);
    let address = far.local_addr().map_err(|error| error.to_string())?;
    near.connect(address).map_err(|error| error.to_string())?;
    Ok((Source(near), Sink { socket: far, frame: Vec::new() }))
}

impl Outlet for Source {
    fn send(&mut self, frame: EncodedVideo) -> Result<(), String> {
        let mut left = frame.data.len();
        let mut datagram = Vec::with_capacity(DATAGRAM);
        for part in frame.data.chunks(DATAGRAM - HEADER) {
            datagram.clear();
            datagram.extend_from_slice(&(left as u32).to_be_bytes());
            datagram.extend_from_slice(part);
            self.0.send(&datagram).map_err(|error| error.to_string())?;
            left -= part.len();
        }
        Ok(())
    }

    fn wishes(&mut self) -> (bool, Option<u64>) {
        (false, None)
    }
}

impl Inlet for Sink {
    fn recv(&mut self, patience: Duration) -> Option<(Bytes, Instant)> {
        self.socket.set_read_timeout(Some(patience)).ok()?;
        let mut datagram = [0; DATAGRAM];
        loop {
            let len = self.socket.recv(&mut datagram).ok()?;
            let (left, part) = datagram.get(..len)?.split_first_chunk::<HEADER>()?;
            self.frame.extend_from_slice(part);
            if u32::from_be_bytes(*left) as usize == part.len() {
                return Some((std::mem::take(&mut self.frame).into(), Instant::now()));
            }
        }
    }
}
