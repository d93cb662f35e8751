//! Bodies of fuzz targets.

use crate::mdns::message::Message;

/// A message of multicast DNS: what was read is written, and what was written reads the same.
pub fn mdns(data: &[u8]) {
    let Some(message) = Message::parse(data) else { return };
    let written = message.to_bytes();
    assert_eq!(Message::parse(&written).as_ref(), Some(&message));
}

#[cfg(test)]
mod tests {
    #[test]
    fn messages() {
        peerage_testkit::replay::replay(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/mdns"), super::mdns);
    }
}
