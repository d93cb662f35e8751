//! What BoringSSL can do and the crate `boring` has no safe name for: a clock, timers, key updates.
#![allow(unsafe_code, reason = "see the file's first line")]

use std::cell::Cell;

use boring::ssl::{SslContextBuilder, SslRef};
use boring_sys::{SSL, timeval};
use foreign_types::ForeignTypeRef as _;
use peerage_base::time::{Duration, Instant};

use crate::ours::TODAY;

thread_local! {
    /// Virtual time, in microseconds since 1970.
    static CLOCK: Cell<u64> = const { Cell::new(0) };
}

/// Has every connection of the context live in the time of [`set_clock`].
pub fn use_clock(context: &mut SslContextBuilder) {
    // SAFETY: the context is alive, and the callback is a function that lives as long as the program.
    unsafe { boring_sys::SSL_CTX_set_current_time_cb(context.as_ptr(), Some(tell)) };
}

/// Sets the time of this thread's connections.
pub fn set_clock(now: Instant) {
    CLOCK.set(TODAY * 1_000_000 + now.as_nanos() / 1000);
}

unsafe extern "C" fn tell(_: *const SSL, out: *mut timeval) {
    let clock = CLOCK.get();
    let time = timeval { tv_sec: (clock / 1_000_000).cast_signed(), tv_usec: (clock % 1_000_000).cast_signed() };
    // SAFETY: BoringSSL passes a place for one `timeval`.
    unsafe { out.write(time) };
}

/// How long until [`handle_timeout`] wants to be called.
pub fn timeout(ssl: &SslRef) -> Option<Duration> {
    let mut left = timeval { tv_sec: 0, tv_usec: 0 };
    // SAFETY: the connection is alive and `left` is a place for one `timeval`.
    let some = unsafe { boring_sys::DTLSv1_get_timeout(ssl.as_ptr(), &raw mut left) } == 1;
    let micros = left.tv_sec.cast_unsigned() * 1_000_000 + left.tv_usec.cast_unsigned();
    some.then(|| Duration::from_micros(micros))
}

/// Retransmits or acknowledges what is due.
pub fn handle_timeout(ssl: &mut SslRef) {
    // SAFETY: the connection is alive. A failure shows at the next read.
    unsafe { boring_sys::DTLSv1_handle_timeout(ssl.as_ptr()) };
}

/// Queues a KeyUpdate, which leaves with the next write; whether BoringSSL agreed.
pub fn update_keys(ssl: &mut SslRef, both: bool) -> bool {
    let request = if both { boring_sys::SSL_KEY_UPDATE_REQUESTED } else { boring_sys::SSL_KEY_UPDATE_NOT_REQUESTED };
    // SAFETY: the connection is alive.
    unsafe { boring_sys::SSL_key_update(ssl.as_ptr(), request) == 1 }
}

/// The generation of the keys that it sends with.
pub fn write_epoch(ssl: &SslRef) -> u16 {
    // SAFETY: the connection is alive.
    unsafe { boring_sys::SSL_get_dtls_write_epoch(ssl.as_ptr()) }
}

/// The generation of the keys that it receives with.
pub fn read_epoch(ssl: &SslRef) -> u16 {
    // SAFETY: the connection is alive.
    unsafe { boring_sys::SSL_get_dtls_read_epoch(ssl.as_ptr()) }
}
