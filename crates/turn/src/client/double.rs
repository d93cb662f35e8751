//! A small TURN server for tests: it says what it is told to say, and signs it.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use peerage_stun::attribute::Attribute;
use peerage_stun::attribute::address::AddressFamily;
use peerage_stun::attribute::error_code::ErrorCode;
use peerage_stun::attribute::lists::PasswordAlgorithms;
use peerage_stun::credentials::{Algorithm, Key, userhash};
use peerage_stun::header::{Class, Method};
use peerage_stun::message::Message;
use peerage_stun::nonce::Features;
use peerage_stun::write::Writer;

pub(crate) const USER: &str = "user";
pub(crate) const PASSWORD: &str = "secret";
pub(crate) const REALM: &str = "example.org";

/// What the server knows of RFC 8489.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    /// RFC 5389.
    Old,
    /// PASSWORD-ALGORITHMS, SHA-256 first; USERHASH if true.
    New { userhash: bool },
}

/// The server. Fields are what a test sets and reads.
pub(crate) struct Double {
    pub(crate) age: Age,
    /// Whether it wants credentials at all.
    pub(crate) open: bool,
    /// Part of the nonce: another number makes the old nonce stale.
    pub(crate) nonce: u32,
    pub(crate) v4: Option<SocketAddr>,
    pub(crate) v6: Option<SocketAddr>,
    pub(crate) lifetime: u32,
    pub(crate) allocated: bool,
    pub(crate) permissions: BTreeSet<IpAddr>,
    pub(crate) forbidden: BTreeSet<IpAddr>,
    pub(crate) channels: BTreeMap<u16, SocketAddr>,
    /// Errors to answer authentic requests of a method with.
    pub(crate) errors: BTreeMap<u16, u16>,
    /// Whether errors are signed.
    pub(crate) sign_errors: bool,
    /// What an error 300 names.
    pub(crate) alternates: Vec<SocketAddr>,
    /// Requests that were taken for authentic, by method and number of peers.
    pub(crate) seen: Vec<(Method, usize)>,
    /// Data that came for peers.
    pub(crate) data: Vec<(SocketAddr, Vec<u8>)>,
}

pub(crate) const MAPPED: &str = "198.51.100.7:4000";
pub(crate) const RELAYED: &str = "203.0.113.1:50000";
pub(crate) const RELAYED_V6: &str = "[2001:db8::1]:50001";

impl Double {
    pub(crate) fn new(age: Age) -> Self {
        Self {
            age,
            open: false,
            nonce: 1,
            v4: Some(RELAYED.parse().expect("it is an address")),
            v6: Some(RELAYED_V6.parse().expect("it is an address")),
            lifetime: 600,
            allocated: false,
            permissions: BTreeSet::new(),
            forbidden: BTreeSet::new(),
            channels: BTreeMap::new(),
            errors: BTreeMap::new(),
            sign_errors: true,
            alternates: Vec::new(),
            seen: Vec::new(),
            data: Vec::new(),
        }
    }

    pub(crate) fn key(&self) -> Key {
        let algorithm = if self.age == Age::Old { Algorithm::Md5 } else { Algorithm::Sha256 };
        Key::long_term(USER, REALM, PASSWORD, algorithm)
    }

    pub(crate) fn nonce_text(&self) -> String {
        match self.age {
            Age::Old => format!("nonce-{}", self.nonce),
            Age::New { userhash } => {
                let features = Features { password_algorithms: true, username_anonymity: userhash };
                format!("{}{}", core::str::from_utf8(&features.cookie()).unwrap_or_default(), self.nonce)
            }
        }
    }

    /// Takes one packet of the client; the answer, if it gets one.
    pub(crate) fn handle(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        if let Some((number, range)) = crate::channel::parse(packet) {
            let peer = *self.channels.get(&number.to_wire())?;
            self.data.push((peer, packet.get(range)?.to_vec()));
            return None;
        }
        let message = Message::parse(packet).ok()?;
        if message.class() == Class::Indication && message.method() == Method::SEND {
            let peer = message.xor_peer_address()?;
            if self.permissions.contains(&peer.ip()) {
                self.data.push((peer, message.data()?.to_vec()));
            }
        }
        if message.class() != Class::Request {
            return None;
        }
        if self.open {
            return Some(self.serve(&message));
        }
        let known = match self.age {
            Age::New { userhash: true } => message.userhash() == Some(&userhash(USER, REALM)),
            _ => message.username() == Some(USER),
        };
        let algorithms = self.age == Age::Old || message.password_algorithms() == Some(PasswordAlgorithms::SHA256_MD5);
        let authentic = known && algorithms && message.check_integrity(&self.key()).is_some();
        if !authentic {
            return Some(self.challenge(&message, 401));
        }
        if message.nonce() != Some(&self.nonce_text()) {
            return Some(self.challenge(&message, 438));
        }
        Some(self.serve(&message))
    }

    /// A 401 or 438, which nobody can sign.
    pub(crate) fn challenge(&self, request: &Message<'_>, code: u16) -> Vec<u8> {
        let mut attributes = alloc::vec![Attribute::ErrorCode(ErrorCode { code, reason: "" })];
        let nonce = self.nonce_text();
        attributes.extend([Attribute::Realm(REALM), Attribute::Nonce(&nonce)]);
        if self.age != Age::Old {
            attributes.push(Attribute::PasswordAlgorithms(PasswordAlgorithms::SHA256_MD5));
        }
        respond(request, Class::Error, &attributes, None, self.age)
    }

    /// An error response to an authentic request.
    pub(crate) fn error(&self, request: &Message<'_>, code: u16) -> Vec<u8> {
        let mut attributes = alloc::vec![Attribute::ErrorCode(ErrorCode { code, reason: "no" })];
        attributes.extend(self.alternates.iter().map(|server| Attribute::AlternateServer(*server)));
        let key = (self.sign_errors && !self.open).then(|| self.key());
        respond(request, Class::Error, &attributes, key.as_ref(), self.age)
    }

    fn serve(&mut self, request: &Message<'_>) -> Vec<u8> {
        let method = request.method();
        self.seen.push((method, request.xor_peer_addresses().count()));
        if let Some(code) = self.errors.get(&method.0) {
            return self.error(request, *code);
        }
        let mut attributes = Vec::new();
        match method {
            Method::ALLOCATE => self.allocate(request, &mut attributes),
            Method::REFRESH => {
                if !core::mem::replace(&mut self.allocated, request.lifetime() != Some(0)) {
                    self.allocated = false;
                    return self.error(request, 437);
                }
                attributes.push(Attribute::Lifetime(if self.allocated { self.lifetime } else { 0 }));
            }
            _ => {
                let peers: Vec<_> = request.xor_peer_addresses().collect();
                if peers.iter().any(|peer| self.forbidden.contains(&peer.ip())) {
                    return self.error(request, 403);
                }
                self.permissions.extend(peers.iter().map(SocketAddr::ip));
                if let (Some(number), [peer]) = (request.channel_number(), &*peers) {
                    let other = self.channels.iter().any(|(n, p)| (p == peer) != (*n == number));
                    if other {
                        return self.error(request, 400);
                    }
                    self.channels.insert(number, *peer);
                }
            }
        }
        let key = (!self.open).then(|| self.key());
        respond(request, Class::Success, &attributes, key.as_ref(), self.age)
    }

    fn allocate(&mut self, request: &Message<'_>, attributes: &mut Vec<Attribute<'_>>) {
        self.allocated = true;
        let asks = |wanted: Attribute<'_>| request.attributes().any(|attribute| attribute == wanted);
        let both = asks(Attribute::AdditionalAddressFamily(AddressFamily::V6));
        let v6 = asks(Attribute::RequestedAddressFamily(AddressFamily::V6));
        let wanted = [(self.v4, !v6, AddressFamily::V4), (self.v6, v6 || both, AddressFamily::V6)];
        for (relayed, wanted, family) in wanted {
            match relayed.filter(|_| wanted) {
                Some(relayed) => attributes.push(Attribute::XorRelayedAddress(relayed)),
                None if wanted => attributes
                    .push(Attribute::AddressErrorCode(family, ErrorCode { code: 440, reason: "no such family" })),
                None => {}
            }
        }
        let mapped = MAPPED.parse().expect("it is an address");
        attributes.extend([Attribute::XorMappedAddress(mapped), Attribute::Lifetime(self.lifetime)]);
    }
}

/// A response, signed if there is a key.
pub(crate) fn respond(
    request: &Message<'_>,
    class: Class,
    attributes: &[Attribute<'_>],
    key: Option<&Key>,
    age: Age,
) -> Vec<u8> {
    let mut buf = [0; 2048];
    let mut writer = Writer::new(&mut buf, class, request.method(), request.transaction_id());
    for attribute in attributes {
        writer.attribute(attribute).expect("it fits");
    }
    match key {
        Some(key) if age == Age::Old => drop(writer.integrity(key).expect("it fits")),
        Some(key) => drop(writer.integrity_sha256(key).expect("it fits")),
        None => {}
    }
    let len = writer.finish();
    buf.get(..len).unwrap_or_default().to_vec()
}
