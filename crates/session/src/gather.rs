//! Local addresses, servers, and the needs that the owner meets.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use peerage_base::framing::Framing;
use peerage_base::path::LocalId;
use peerage_base::time::Instant;
use peerage_ice::candidate::{Address, Candidate, CandidateKind, TcpType};
use peerage_ice::event::{GatheringState, Need as IceNeed, NeedId as IceNeedId};
use peerage_ice::local::LocalKind;
use peerage_ice::punch::is_passing;
use peerage_jsep::candidate::CandidateInit;

use crate::config::{AddressKind, LocalAddress, Server};
use crate::event::{Connect, Event, IceCandidate, IceGatheringState, Need, NeedId, Protocol};
use crate::ice_server::{Host, Scheme};
use crate::memory::Waiting;
use crate::session::Session;

impl Session {
    /// Adds a local address, and names the local end that packets to and from it carry.
    pub fn add_local(&mut self, now: Instant, local: LocalAddress) -> LocalId {
        let id = self.gather.mint_local();
        self.gather.hidden |= local.mdns_name.is_some();
        let (address, preference, kind) = (local.address, local.preference, local_kind(local.kind));
        // Known before ICE tells of the candidate, whose text depends on it.
        self.gather.locals.push((id, local));
        self.ice.add_local(now, id, address, kind, preference);
        self.after_ice(now);
        id
    }

    /// Adds an address at which the world reaches a local end, as a port mapping or a 1:1 NAT gives it.
    pub fn add_mapped(&mut self, now: Instant, local: LocalId, mapped: SocketAddr) {
        self.gather.mapped.push((local, mapped));
        self.ice.add_mapped(now, local, mapped);
        self.after_ice(now);
    }

    /// Takes such an address away.
    pub fn remove_mapped(&mut self, now: Instant, local: LocalId, mapped: SocketAddr) {
        self.gather.mapped.retain(|known| *known != (local, mapped));
        self.ice.remove_mapped(now, local, mapped);
        self.after_ice(now);
    }

    /// Takes a local address away; another pair takes over where there is one.
    pub fn remove_local(&mut self, now: Instant, id: LocalId) {
        self.gather.locals.retain(|(local, _)| *local != id);
        self.gather.mapped.retain(|(local, _)| *local != id);
        self.ice.remove_local(now, id);
        self.after_ice(now);
    }

    /// Says that there are no more local addresses for now.
    pub fn local_addresses_done(&mut self, now: Instant) {
        self.gather.waiting.retain(|(_, waiting)| !matches!(waiting, Waiting::Addresses));
        self.servers_done(now);
        self.after_ice(now);
    }

    /// Answers a need for an address; `None` if there is none.
    pub fn supply(&mut self, now: Instant, id: NeedId, address: Option<IpAddr>) {
        let Some(index) = self.gather.waiting.iter().position(|(need, _)| *need == id) else { return };
        match self.gather.waiting.swap_remove(index).1 {
            Waiting::Ice(need) => {
                self.gather.names_failed += usize::from(address.is_none());
                self.ice.supply(now, need, address);
            }
            Waiting::Server(server) => {
                match address {
                    Some(ip) => {
                        let address = (ip, server.url.port).into();
                        self.add_server(now, server, address);
                    }
                    None => self.gather.unresolved.push(server),
                }
                self.servers_done(now);
            }
            Waiting::Addresses => {}
        }
        self.after_ice(now);
    }

    /// Begins to gather, once: a description of ours names a transport now.
    pub(crate) fn start_gathering(&mut self, now: Instant) {
        if !self.gather.asked {
            self.gather.asked = true;
            self.seek_servers(now);
            let id = self.gather.need(Waiting::Addresses);
            self.events.push_back(Event::Need(id, Need::LocalAddresses));
        }
        if self.has_fresh_credentials() {
            return;
        }
        let state = self.ice.gathering_state();
        if state == GatheringState::Complete && !self.gather.ended {
            // A generation that was complete before a description named it has gathered nonetheless.
            self.set_gathering(IceGatheringState::Gathering);
        }
        for text in core::mem::take(&mut self.gather.held) {
            self.tell_candidate(text);
        }
        self.gathering_state(state);
    }

    /// Takes over other servers or credentials: they count from the next restart on. Relays in use stay.
    pub fn set_servers(&mut self, servers: Vec<Server>) {
        self.config.servers = servers;
    }

    /// Asks for what is not known of the configured servers, and begins with the others.
    pub(crate) fn seek_servers(&mut self, now: Instant) {
        for server in core::mem::take(&mut self.config.servers) {
            let url = &server.url;
            match &url.host {
                _ if url.scheme == Scheme::Stuns => {
                    tracing::warn!("not used: STUN over TLS tells nothing of the address that UDP has");
                }
                Host::Ip(ip) => {
                    let address = (*ip, url.port).into();
                    self.add_server(now, server, address);
                }
                Host::Name(name) => {
                    let name = name.clone();
                    let id = self.gather.need(Waiting::Server(server));
                    self.events.push_back(Event::Need(id, Need::ResolveHost(name)));
                }
            }
        }
    }

    /// Tells a new agent what the one before it knew.
    pub(crate) fn gather_again(&mut self, now: Instant) {
        self.forget_candidates();
        for (id, local) in &self.gather.locals {
            self.ice.add_local(now, *id, local.address, local_kind(local.kind), local.preference);
        }
        for (local, mapped) in &self.gather.mapped {
            self.ice.add_mapped(now, *local, *mapped);
        }
        for server in &self.gather.servers {
            self.ice.add_stun_server(now, *server);
        }
        self.relays_again(now);
        if self.gather.asked {
            self.servers_done(now);
        }
        self.after_ice(now);
    }

    fn add_server(&mut self, now: Instant, server: Server, address: SocketAddr) {
        if server.url.scheme != Scheme::Stun {
            self.add_relay(now, server, address);
        } else if !self.gather.servers.contains(&address) {
            self.gather.servers.push(address);
            self.ice.add_stun_server(now, address);
        }
    }

    /// Starts the list of candidates anew, for a new generation.
    pub(crate) fn forget_candidates(&mut self) {
        self.gather.candidates.clear();
        self.gather.held.clear();
        self.gather.ended = false;
        self.gather.names_failed = 0;
        // ICE ignores answers that concern an earlier generation.
        self.gather.waiting.retain(|(_, waiting)| !matches!(waiting, Waiting::Ice(_)));
    }

    /// Tells of a candidate, unless no applied description names its generation yet.
    pub(crate) fn local_candidate(&mut self, candidate: &Candidate) {
        let ufrag = self.local_ufrag();
        if candidate.ufrag().is_some_and(|of| of != ufrag) {
            return;
        }
        let hidden = |address: &Address| matches!(address, Address::Ip(address) if is_local(address.ip()));
        if candidate.kind == CandidateKind::Host && !self.config.tell_private && hidden(&candidate.address) {
            return;
        }
        let text = self.signalled(candidate).to_string();
        if is_passing(candidate) {
            let ufrag = ufrag.to_string();
            let init = self.negotiation.passing_local_candidate(&ufrag, &text);
            self.events.extend(init.map(|init| Event::IceCandidate(Some(init.into()))));
        } else if self.pending.applied_ufrag.as_deref() == Some(ufrag) {
            self.tell_candidate(text);
        } else if !self.gather.held.contains(&text) {
            self.gather.held.push(text);
        }
    }

    fn tell_candidate(&mut self, text: String) {
        if self.gather.candidates.contains(&text) {
            return;
        }
        self.gather.candidates.push(text.clone());
        let ufrag = self.local_ufrag().to_string();
        match self.negotiation.add_local_candidate(&ufrag, &text) {
            Ok(Some(init)) => self.events.push_back(Event::IceCandidate(Some(init.into()))),
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, "a local candidate has no description"),
        }
    }

    pub(crate) fn gathering_state(&mut self, state: GatheringState) {
        if self.pending.applied_ufrag.as_deref() != Some(self.local_ufrag()) {
            return;
        }
        match state {
            GatheringState::New => {}
            GatheringState::Gathering => {
                self.gather.ended = false;
                self.set_gathering(IceGatheringState::Gathering);
            }
            GatheringState::Complete if !self.gather.ended => {
                self.gather.ended = true;
                // W3C WebRTC §4.8.1.3: an empty candidate ends the generation, a null one the gathering.
                let ufrag = self.local_ufrag().to_string();
                if let Some(end) = self.negotiation.end_local_candidates(&ufrag) {
                    self.events.push_back(Event::IceCandidate(Some(end.into())));
                }
                self.set_gathering(IceGatheringState::Complete);
                self.events.push_back(Event::IceCandidate(None));
            }
            GatheringState::Complete => {}
        }
    }

    pub(crate) fn ice_need(&mut self, id: IceNeedId, need: IceNeed) {
        match need {
            IceNeed::Resolve(name) => {
                let id = self.gather.need(Waiting::Ice(id));
                self.events.push_back(Event::Need(id, Need::ResolveMdns(name)));
            }
            IceNeed::Connect(path) => {
                let from = self.gather.locals.iter().find(|(id, _)| *id == path.local).map(|(_, l)| l.address.ip());
                let (protocol, framing) = (Protocol::Tcp, Some(Framing::Length));
                self.events.push_back(Event::Connect(Connect { path, protocol, framing, from }));
            }
            IceNeed::Probes { base, count } => {
                let id = self.gather.need(Waiting::Ice(id));
                self.events.push_back(Event::Need(id, Need::Probes { base, count }));
            }
            _ => {}
        }
    }

    /// Adds a socket that [`Need::Probes`] asked for.
    pub fn add_probe(&mut self, now: Instant, id: NeedId, address: SocketAddr) -> LocalId {
        let local = self.gather.mint_local();
        match self.gather.waiting.iter().find(|(need, _)| *need == id) {
            Some((_, Waiting::Ice(need))) => self.ice.add_probe(now, *need, local, address),
            _ => self.events.push_back(Event::ReleaseLocal(local)),
        }
        self.after_ice(now);
        local
    }

    /// Says that no more sockets come for [`Need::Probes`].
    pub fn probes_done(&mut self, now: Instant, id: NeedId) {
        let Some(index) = self.gather.waiting.iter().position(|(need, _)| *need == id) else { return };
        if let Waiting::Ice(need) = self.gather.waiting.swap_remove(index).1 {
            self.ice.probes_done(now, need);
        }
        self.after_ice(now);
    }

    /// ICE may call gathering complete only when every server's name is resolved or known not to be.
    pub(crate) fn servers_done(&mut self, now: Instant) {
        let waits = |waiting: &Waiting| matches!(waiting, Waiting::Server(_) | Waiting::Addresses);
        if !self.relays_pending() && !self.gather.waiting.iter().any(|(_, waiting)| waits(waiting)) {
            self.ice.local_addresses_done(now);
        }
    }

    /// The candidate as the peer is told of it: with the address hidden where that is wanted.
    fn signalled(&self, candidate: &Candidate) -> Candidate {
        let mut out = candidate.clone();
        if !self.gather.hidden && self.config.tell_private {
            return out;
        }
        if let (CandidateKind::Host, Address::Ip(address)) = (candidate.kind, &candidate.address)
            && let Some(name) =
                self.gather.locals.iter().find(|(_, l)| l.address == *address).and_then(|(_, l)| l.mdns_name.clone())
        {
            out.address = Address::Name(name, address.port());
        }
        if let Some(related) = &mut out.related {
            // RFC 8839 §5.1: an address that must not be told is written as unspecified with port 9.
            let unspecified: IpAddr = if related.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
            *related = (unspecified, 9).into();
        }
        out
    }
}

/// Whether an address is of a network that the Internet does not know.
fn is_local(ip: IpAddr) -> bool {
    match ip {
        // RFC 6598: shared by a carrier's customers.
        IpAddr::V4(v4) => v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.to_bits() >> 22 == 0x191,
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

fn local_kind(kind: AddressKind) -> LocalKind {
    match kind {
        AddressKind::Udp => LocalKind::Host,
        AddressKind::TcpActive => LocalKind::Tcp(TcpType::Active),
        AddressKind::TcpPassive => LocalKind::Tcp(TcpType::Passive),
        AddressKind::TcpSimultaneousOpen => LocalKind::Tcp(TcpType::SimultaneousOpen),
    }
}

impl From<CandidateInit> for IceCandidate {
    fn from(init: CandidateInit) -> Self {
        Self {
            candidate: init.candidate,
            sdp_mid: init.mid,
            sdp_mline_index: init.mline_index.and_then(|index| u16::try_from(index).ok()),
            username_fragment: init.ufrag,
        }
    }
}
