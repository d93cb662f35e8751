//! DTLS handshake machine, sealer and opener (RFC 6347, 9147).
