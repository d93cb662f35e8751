//! Offer/answer as a pure function: state and description to plan (RFC 9429, 9143).
