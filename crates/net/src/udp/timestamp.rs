//! Kernel timestamps off.
//!
//! quinn-udp turns them on and gives the kernel 96 bytes for what it tells about a datagram. With timestamp, size of the
//! joined run and destination address, that leaves no room for the congestion mark, which comes last and is cut off.

use std::io;
use tokio::net::UdpSocket;

/// Stops the kernel from telling when it received.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[allow(unsafe_code, reason = "no library in the tree sets this option")]
pub(super) fn disable(socket: &UdpSocket) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let off: libc::c_int = 0;
    let len = size_of_val(&off) as libc::socklen_t;
    // SAFETY: the descriptor is open while `socket` is borrowed; the kernel reads `len` bytes at `off`, which outlives the
    // call, and keeps no pointer.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPNS,
            std::ptr::from_ref(&off).cast::<libc::c_void>(),
            len,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Elsewhere there are none.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn disable(_socket: &UdpSocket) -> io::Result<()> {
    Ok(())
}
