//! STUN messages, credentials and transactions (RFC 8489).
