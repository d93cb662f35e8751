//! SDP text codec (RFC 8866).
