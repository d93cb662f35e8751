//! Bodies of fuzz targets.

mod connections;
mod insider;
mod keys;
mod messages;
mod records;
mod transport;

/// One datagram at a connection that has just begun, of either role.
pub fn datagram(data: &[u8]) {
    connections::datagram(data);
}

/// Two sides: a sequence of deliveries, losses and changes, before and after they are connected.
pub fn connections(data: &[u8]) {
    connections::run(data);
}

/// A handshake, and what follows it, with a peer that has the keys and does not keep to the protocol.
pub fn insider(data: &[u8]) {
    insider::run(data);
}

/// A message, an extension, a fragment or a certificate.
pub fn messages(data: &[u8]) {
    messages::run(data);
}

/// Records of either version, as sealed, changed and forged.
pub fn records(data: &[u8]) {
    records::run(data);
}

/// The transport of two sides that follow a script, with records between them that nobody pushed.
pub fn transport(data: &[u8]) {
    transport::run(data);
}
