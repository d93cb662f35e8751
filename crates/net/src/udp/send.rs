//! Sending a datagram, or a run of them.

use crate::udp::Socket;
use crate::udp::receive::is_icmp;
use peerage_base::ecn::Ecn;
use quinn_udp::{EcnCodepoint, Transmit, UdpSockRef};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use tokio::io::Interest;
use tracing::debug;

/// Most payload that one call to the system takes, over IPv4.
const MAX_CALL: usize = 65_507;

/// What to send, and where.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Who gets it.
    pub destination: SocketAddr,
    /// Which of this host's addresses it leaves from, where the socket is bound to all. `None` leaves it to the system.
    pub source: Option<IpAddr>,
    /// The congestion mark to set.
    pub ecn: Ecn,
    /// Size of each datagram but the last of a run; `None` for a single datagram.
    pub segment: Option<usize>,
    /// The payload, or those of the run one after another.
    pub contents: &'a [u8],
}

/// Why nothing, or nothing more, was sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The socket has no room: wait for [`Socket::writable`].
    #[error("the socket has no room")]
    WouldBlock,
    /// A datagram is larger than the interface or the known path takes. It is lost.
    #[error("the datagram is too large for the path")]
    TooBig,
    /// This destination cannot be reached from this socket now. The datagram is lost; others are not concerned.
    #[error("the destination cannot be reached")]
    Unreachable,
    /// The socket is lost.
    #[error("the socket failed")]
    Failed(#[source] io::Error),
}

impl Socket {
    /// Sends a datagram, or as much of a run as the socket takes, and says how many bytes went. Where that is less than
    /// all, the next call is to go on from there.
    ///
    /// # Errors
    /// See [`SendError`]; nothing was sent then.
    pub fn try_send(&self, outgoing: &Outgoing<'_>) -> Result<usize, SendError> {
        if !self.may_send_to(outgoing) {
            return Err(SendError::Unreachable);
        }
        let segment = outgoing.segment.map_or(usize::MAX, |size| size.max(1)).min(outgoing.contents.len().max(1));
        let mut sent = 0;
        loop {
            let rest = outgoing.contents.get(sent..).unwrap_or_default();
            let run = segment.saturating_mul(self.max_segments().min(MAX_CALL / segment).max(1));
            let (call, _) = rest.split_at(run.min(rest.len()));
            match self.send_call(outgoing, segment, call) {
                Ok(len) => sent += len,
                Err(_) if sent > 0 => return Ok(sent),
                Err(error) => return Err(classify(error)),
            }
            if sent >= outgoing.contents.len() {
                return Ok(sent);
            }
        }
    }

    /// One call to the system, and what it takes to recover from a refusal. Says how much went.
    ///
    /// The layer below takes "invalid" for an inability of the kernel, and gives up runs and congestion marks for good.
    /// Mostly it is this destination, or a source address that is gone: a socket on loopback cannot reach others, say.
    /// Which it is shows when the first datagram is sent alone.
    fn send_call(&self, outgoing: &Outgoing<'_>, segment: usize, contents: &[u8]) -> io::Result<usize> {
        let (error, gave_up) = match self.send_and_restore(outgoing, segment, contents) {
            Ok(()) => return Ok(contents.len()),
            Err(failure) => failure,
        };
        let Some(first) = contents.get(..segment).filter(|first| gave_up && first.len() < contents.len()) else {
            return Err(error);
        };
        self.send_and_restore(outgoing, segment, first).map_err(|(error, _)| error)?;
        debug!("the kernel takes no runs on this socket");
        self.whole_only.store(true, Ordering::Relaxed);
        Ok(first.len())
    }

    /// Sends; on an error says whether the layer below gave abilities up for it, and gives them back.
    fn send_and_restore(
        &self,
        outgoing: &Outgoing<'_>,
        segment: usize,
        contents: &[u8],
    ) -> Result<(), (io::Error, bool)> {
        let before = self.state().max_gso_segments();
        self.send_once(outgoing, segment, contents).map_err(|error| {
            // Its second attempt may have failed with another error than the one it judged by.
            let gave_up = is_inability(&error) || self.state().max_gso_segments() < before;
            if gave_up {
                self.renew();
            }
            (error, gave_up)
        })
    }

    fn send_once(&self, outgoing: &Outgoing<'_>, segment: usize, contents: &[u8]) -> io::Result<()> {
        let transmit = Transmit {
            destination: outgoing.destination,
            ecn: EcnCodepoint::from_bits(outgoing.ecn.to_bits()),
            contents,
            segment_size: Some(segment),
            src_ip: outgoing.source,
        };
        let send = || self.state().try_send(UdpSockRef::from(&self.io), &transmit);
        let result = self.if_ready(send);
        // With ICMP errors on, the kernel reports that of an earlier datagram, to anyone, by refusing this one once.
        if self.path_errors && result.as_ref().is_err_and(is_icmp) { self.if_ready(send) } else { result }
    }

    /// Through tokio's bookkeeping where it believes the socket to be writable, so that a refusal clears the belief; and
    /// directly where it does not, as for a socket that was never polled.
    fn if_ready(&self, send: impl Fn() -> io::Result<()>) -> io::Result<()> {
        let mut tried = false;
        let result = self.io.try_io(Interest::WRITABLE, || {
            tried = true;
            send()
        });
        if tried { result } else { send() }
    }

    /// Whether the system could take the destination at all.
    ///
    /// Destinations come from remote peers; the impossible ones are not worth the cost of being refused by the system.
    fn may_send_to(&self, outgoing: &Outgoing<'_>) -> bool {
        let destination = outgoing.destination;
        let same_family = |ip: IpAddr| ip.is_ipv4() == self.local.is_ipv4();
        let usable = match destination {
            SocketAddr::V4(v4) => !v4.ip().is_broadcast() && v4.ip().octets()[0] != 0,
            SocketAddr::V6(v6) => {
                let scoped = v6.scope_id() != 0 || !v6.ip().is_unicast_link_local();
                scoped && v6.ip().to_ipv4_mapped().is_none()
            }
        };
        let ip = destination.ip();
        usable
            && destination.port() != 0
            && !ip.is_unspecified()
            && !ip.is_multicast()
            && same_family(ip)
            && outgoing.source.is_none_or(same_family)
    }
}

/// Whether the layer below takes the error for an inability of the kernel: EINVAL and EIO.
fn is_inability(error: &io::Error) -> bool {
    const EIO: i32 = 5;
    error.kind() == io::ErrorKind::InvalidInput || (cfg!(unix) && error.raw_os_error() == Some(EIO))
}

fn classify(error: io::Error) -> SendError {
    use io::ErrorKind::{AddrNotAvailable, InvalidInput, NetworkDown, PermissionDenied, WouldBlock};
    match error.kind() {
        WouldBlock => SendError::WouldBlock,
        _ if quinn_udp::is_msg_size_err(&error) => SendError::TooBig,
        // Firewalls answer with "not permitted", a source address that went away with "invalid".
        AddrNotAvailable | InvalidInput | NetworkDown | PermissionDenied => SendError::Unreachable,
        _ if is_icmp(&error) => SendError::Unreachable,
        // A full queue of the interface shows as this on BSD systems, and is over in a moment.
        _ if is_no_buffers(&error) => SendError::WouldBlock,
        _ => SendError::Failed(error),
    }
}

#[cfg(unix)]
fn is_no_buffers(error: &io::Error) -> bool {
    const ENOBUFS: i32 = if cfg!(any(target_os = "linux", target_os = "android")) { 105 } else { 55 };
    error.raw_os_error() == Some(ENOBUFS)
}

#[cfg(not(unix))]
fn is_no_buffers(_error: &io::Error) -> bool {
    false
}
