//! SRTP (RFC 3711, 7714): protects and unprotects RTP and RTCP in place.
#![no_std]
