//! Batched UDP sockets, interfaces, mDNS, the system clock.
