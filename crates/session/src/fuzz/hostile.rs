//! What nobody who means well does: changed, forged and foreign packets, descriptions and candidates.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use peerage_base::path::{LocalId, Path};
use peerage_base::reader::Reader;
use peerage_stun::attribute::Attribute;
use peerage_stun::attribute::error_code::ErrorCode;
use peerage_stun::header::Class;
use peerage_stun::message::Message;
use peerage_stun::write::Writer;

use crate::event::IceCandidate;
use crate::face::{SdpType, SessionDescription};
use crate::fuzz::network::{Packet, SERVERS};
use crate::fuzz::world::{World, outside};

impl World {
    /// A description of `side` reaches the other one, changed, whether it is time for it or not.
    pub(super) fn wander(&mut self, side: usize, input: &mut Reader<'_>) -> Option<()> {
        let (at, byte) = (usize::from(input.u16()?), input.u8()?);
        let Some(SessionDescription { kind, sdp, .. }) = self.owners[side].session.local_description() else {
            return Some(());
        };
        let kind = [kind, SdpType::Offer, SdpType::Answer, SdpType::Rollback][usize::from(byte & 3)];
        let mut bytes = sdp.into_bytes();
        let place = at % bytes.len().max(1);
        if byte & 4 != 0 {
            bytes.get_mut(place).into_iter().for_each(|old| *old = byte >> 1);
        }
        let sdp = String::from_utf8_lossy(&bytes).into_owned();
        let _ = self.owners[1 - side].session.set_remote_description(self.now, SessionDescription::new(kind, sdp));
        Some(())
    }

    /// A candidate that nobody has.
    pub(super) fn candidate(&mut self, side: usize, input: &mut Reader<'_>) -> Option<()> {
        let (kind, number) = (input.u8()?, input.u8()?);
        let ip: IpAddr = [self.network.nats[1 - side].outside, SERVERS[0], [9, 9, 9, number].into(), [0; 16].into()]
            [usize::from(kind & 3)];
        let kinds =
            ["host", "srflx raddr 0.0.0.0 rport 9", "prflx raddr 0.0.0.0 rport 9", "relay raddr 0.0.0.0 rport 9"];
        let transports = ["udp", "tcp", "udp", "tcp"];
        let kind_of = kinds[usize::from(kind >> 2 & 3)];
        let tcp = ["", " tcptype passive", "", " tcptype active"][usize::from(kind >> 4 & 3)];
        let transport = transports[usize::from(kind >> 4 & 3)];
        let port = 5000 + u16::from(number);
        let candidate =
            format!("candidate:{number} 1 {transport} {} {ip} {port} typ {kind_of}{tcp}", u32::from(kind) << 23);
        let candidate = IceCandidate { candidate, sdp_mline_index: Some(0), ..IceCandidate::default() };
        let _ = self.owners[side].session.add_ice_candidate(self.now, &candidate);
        Some(())
    }

    /// A packet under way is changed.
    pub(super) fn change(&mut self, input: &mut Reader<'_>) -> Option<()> {
        let (at, value) = (usize::from(input.u16()?), input.u8()?);
        let Some(packet) = self.network.wire.front_mut() else { return Some(()) };
        let place = at % packet.bytes.len().max(1);
        match value {
            0 => packet.bytes.truncate(place),
            1 => packet.bytes.extend([0; 64]),
            _ => packet.bytes.get_mut(place).into_iter().for_each(|byte| *byte ^= value),
        }
        Some(())
    }

    /// A packet from the input, over a path that the session knows, or may know.
    pub(super) fn strange(&mut self, side: usize, input: &mut Reader<'_>) -> Option<()> {
        let (choice, len) = (usize::from(input.u8()?), usize::from(input.u8()?));
        let mut bytes = input.bytes(len.min(input.len()))?.to_vec();
        let owner = &self.owners[side];
        let mut paths: Vec<Path> = owner.transports.iter().map(|transport| transport.path).collect();
        let locals = owner.sockets.keys().copied().chain([LocalId(choice as u32)]);
        paths.extend(locals.map(|local| Path { local, remote: (self.network.nats[1 - side].outside, 5000).into() }));
        let path = paths[choice % paths.len()];
        self.owners[side].hand(self.now, path, &mut bytes);
        Some(())
    }

    /// An answer to the request that is under way, by anyone who saw it: an error, another server, a strange address.
    pub(super) fn forge(&mut self, input: &mut Reader<'_>) -> Option<()> {
        let (code, number) = (300 + u16::from(input.u8()?), input.u8()?);
        let Some(request) = self.network.wire.front().cloned() else { return Some(()) };
        let Ok(message) = Message::parse(&request.bytes) else { return Some(()) };
        let server: SocketAddr =
            [(SERVERS[1], 3478), ([127, 0, 0, 1].into(), 1), ([0; 16].into(), 3478)][usize::from(number) % 3].into();
        let mut buf = [0; 512];
        let class = if code % 4 == 3 { Class::Success } else { Class::Error };
        let mut writer = Writer::new(&mut buf, class, message.method(), message.transaction_id());
        let mapped = Attribute::XorMappedAddress((outside(0, &self.network), 5000 + u16::from(number)).into());
        let error = ErrorCode { code, reason: "" };
        let attributes = [
            Attribute::ErrorCode(error),
            Attribute::Nonce("forged"),
            Attribute::Realm("peerage"),
            Attribute::AlternateServer(server),
            Attribute::XorRelayedAddress(server),
            mapped,
        ];
        for attribute in &attributes {
            let _ = writer.attribute(attribute);
        }
        let len = writer.finish();
        let bytes = buf.get(..len).unwrap_or_default().to_vec();
        let Packet { from, to, is_stream, .. } = request;
        self.deliver(Packet { from: to, to: from, is_stream, bytes });
        Some(())
    }
}
