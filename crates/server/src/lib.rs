//! STUN, signalling and the web page in one process.
