//! Captured packets of foreign stacks (usrsctp, dcSCTP).

/// Name and bytes of each packet in `corpus/`.
pub(crate) fn corpus() -> [(&'static str, &'static [u8]); 13] {
    macro_rules! packet {
        ($name:literal) => {
            ($name, include_bytes!(concat!("../../corpus/", $name, ".bin")) as &[u8])
        };
    }
    [
        packet!("cookie-ack-sack"),
        packet!("cookie-echo-data-data-data"),
        packet!("cookie-echo-data-data"),
        packet!("cookie-echo-data"),
        packet!("data-fragment1"),
        packet!("forward-tsn"),
        packet!("heartbeat-ack"),
        packet!("heartbeat"),
        packet!("init-ack"),
        packet!("init"),
        packet!("re-config"),
        packet!("sack-data"),
        packet!("sack-gap-ack-1"),
    ]
}

/// The first chunk of type `kind` in the packet `name`: flags and body.
pub(crate) fn chunk(name: &str, kind: u8) -> (u8, &'static [u8]) {
    let (_, bytes) = corpus().into_iter().find(|(n, _)| *n == name).expect("a packet of the corpus");
    let packet = crate::packet::Packet::parse(bytes).unwrap();
    let raw = packet.chunks().map(Result::unwrap).find(|c| c.kind == kind).expect("a chunk of that type");
    (raw.flags, raw.body)
}
