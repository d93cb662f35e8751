//! Bodies of fuzz targets.

use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::attribute::Attribute;
use crate::credentials::Key;
use crate::header::HEADER;
use crate::message::Message;
use crate::server::behaviour::{Origin, respond_behaviour};
use crate::server::respond_binding;
use crate::write::Writer;

/// A message as it arrives: read, answered, and written again attribute by attribute.
pub fn message(data: &[u8]) {
    let mut out = [0; 2048];
    let source = SocketAddr::from(([192, 0, 2, 1], 5000));
    if let Some(len) = respond_binding(data, source, Some("fuzz"), &mut out) {
        let answer = Message::parse(&out[..len]).expect("answers can be read");
        let request = Message::parse(data).expect("what was answered was read");
        assert_eq!(answer.transaction_id(), request.transaction_id());
    }
    behaviour(data);
    let Ok(message) = Message::parse(data) else { return };
    assert!(message.as_bytes().len() >= HEADER && message.as_bytes().len() <= data.len());
    assert!(!message.check_fingerprint() || message.has_fingerprint());
    let signed = message.has_integrity() || message.has_integrity_sha256();
    assert!(message.check_integrity(&Key::short_term("password")).is_none() || signed);
    assert!(message.unknown_required().all(|kind| kind < 0x8000));
    rewrite(&message);
}

/// A request that asks for an answer from elsewhere, to elsewhere, or padded: it goes to the asker, and is little longer.
fn behaviour(data: &[u8]) {
    let (near, far) = ([0x2001, 0xDB8, 0, 0, 0, 0, 0, 1], [0x2001, 0xDB8, 0, 0, 0, 0, 0, 2]);
    let v4 = Origin { local: ([198, 51, 100, 1], 1).into(), other: ([198, 51, 100, 2], 2).into() };
    let v6 = Origin { local: (near, 1).into(), other: (far, 2).into() };
    // Bytes that an answer adds: the address of the asker, and those of the server where it is told them.
    for (origin, source, mapped, names) in
        [(v4, SocketAddr::from(([192, 0, 2, 1], 5000)), 12, 24), (v6, (far, 5000).into(), 24, 48)]
    {
        let mut out = [0; 4096];
        let Some(answer) = respond_behaviour(data, source, origin, &mut out) else { continue };
        let read = Message::parse(&out[..answer.len]).expect("answers can be read");
        let asked = Message::parse(data).expect("what was answered was read");
        assert_eq!(read.transaction_id(), asked.transaction_id());
        assert_eq!(answer.to.ip(), source.ip());
        assert_eq!(answer.is_redirected, answer.to != source);
        assert!([origin.local.ip(), origin.other.ip()].contains(&answer.from.ip()));
        assert!([origin.local.port(), origin.other.port()].contains(&answer.from.port()));
        let more = if answer.is_redirected { mapped } else { mapped + names };
        assert!(answer.len <= data.len() + more, "an amplifier");
        let short = answer.len - 1;
        assert_eq!(respond_behaviour(data, source, origin, &mut out[..short]), None, "an answer that does not fit");
    }
}

/// Every attribute that can be written comes back as it was.
fn rewrite(message: &Message<'_>) {
    let mut buf = [0; 8192];
    let mut writer = Writer::new(&mut buf, message.class(), message.method(), message.transaction_id());
    let written: Vec<Attribute<'_>> =
        message.attributes().filter(|attribute| writer.attribute(attribute).is_ok()).collect();
    let len = writer.finish();
    let again = Message::parse(&buf[..len]).expect("what was written can be read");
    assert_eq!(again.transaction_id(), message.transaction_id());
    assert!(again.attributes().eq(written));
}

#[cfg(test)]
mod tests {
    #[test]
    fn messages() {
        peerage_testkit::replay::replay(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus"), super::message);
    }
}
