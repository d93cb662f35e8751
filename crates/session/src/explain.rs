//! Why a connection is as it is: what was tried, what came of it, and the likeliest cause first.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;

use peerage_ice::candidate::CandidateKind;
use peerage_ice::stats::{CandidateCounts, Report};

use crate::config::IceTransportPolicy;
use crate::event::{CloseReason, ConnectionState, SelectedPair};
use crate::relay::RelayFailure;
use crate::session::Session;

/// Queries to a server without an answer that say something: the third leaves after a second and a half.
const TELLING: u64 = 3;

/// What stands between here and a direct connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explanation {
    /// The state explained.
    pub state: ConnectionState,
    /// The pair in use, if there is one.
    pub selected: Option<SelectedPair>,
    /// What ICE tried: candidates of both sides, checks, queries.
    pub ice: Report,
    /// What went wrong, the likeliest to matter first. Empty: nothing that is known.
    pub causes: Vec<Cause>,
}

/// One reason why there is no connection, or no direct one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The connection ended.
    Ended(CloseReason),
    /// No description of the peer has arrived.
    NoDescription,
    /// There is no address to offer.
    NoLocalCandidates,
    /// The peer told no address.
    NoRemoteCandidates,
    /// The peer told nothing but `.local` names, and nobody here answers to them.
    NamesOnly,
    /// One side has IPv4 only, the other IPv6 only.
    NoCommonFamily,
    /// A pair works, and the secure channel is being set up on it.
    Securing,
    /// It worked once; then the peer stopped answering.
    ConsentLost,
    /// A relay is of no use.
    Relay {
        /// Its URL.
        url: String,
        /// Why.
        failure: RelayFailure,
    },
    /// A relay works, but does not serve an address of the peer.
    RelayRefusesPeer {
        /// Its URL.
        url: String,
        /// The code that it gave; 403 is policy.
        code: u16,
    },
    /// A server's name has no address.
    UnknownServer {
        /// The URL.
        url: String,
    },
    /// No STUN server answered over UDP.
    NoUdp,
    /// A STUN server did not answer, or with an error.
    Stun {
        /// The server.
        server: SocketAddr,
        /// The error code; 701 for none.
        code: u16,
    },
    /// Checks with a wrong password or name arrived: descriptions were mixed up, or somebody guesses.
    WrongCredentials,
    /// Checks of the peer arrive, and the answers to ours do not.
    OneWay,
    /// No check was answered.
    ChecksUnanswered,
    /// There was no relay to fall back on.
    NoRelay,
}

impl Cause {
    /// What to do about it, where there is something.
    pub fn advice(&self) -> Option<&'static str> {
        Some(match self {
            Self::NoLocalCandidates => "check that this machine has a network",
            Self::NamesOnly => "give both sides a STUN server, or let the other side tell its addresses",
            Self::NoCommonFamily | Self::ChecksUnanswered | Self::OneWay | Self::NoRelay => {
                "give both sides a TURN server: `peerage serve` is one"
            }
            Self::NoUdp => "this network lets no UDP out; a TURN server over TCP or TLS gets through",
            Self::Relay { failure: RelayFailure::Refused(failure), .. } if failure.code() == Some(401) => {
                "check the user name and the password, and that the clocks of both machines are right"
            }
            Self::Relay { failure: RelayFailure::Unreachable, .. } => {
                "check the address and the firewall of the server"
            }
            Self::RelayRefusesPeer { .. } => "allow the peer's network on the server (--turn-allow-peer)",
            Self::UnknownServer { .. } => "check the name of the server",
            Self::ConsentLost => "restart ICE",
            _ => return None,
        })
    }
}

impl Session {
    /// What was tried, what came of it, and why there is no connection, or no direct one.
    pub fn explain(&self) -> Explanation {
        let mut explanation = Explanation {
            state: self.connection_state(),
            selected: self.selected_pair(),
            ice: self.ice.report(),
            causes: Vec::new(),
        };
        // Names that nobody answered to are no candidates any more, but they were told.
        explanation.ice.remote.unresolved += self.gather.names_failed;
        self.find_causes(&mut explanation);
        explanation
    }

    fn find_causes(&self, out: &mut Explanation) {
        if let Some(reason) = &self.close_reason {
            return out.causes.push(Cause::Ended(reason.clone()));
        }
        let direct = out
            .selected
            .is_some_and(|pair| pair.local != CandidateKind::Relayed && pair.remote != CandidateKind::Relayed);
        let connected = out.state == ConnectionState::Connected;
        if connected && direct {
            return;
        }
        // Without its relay a side that uses nothing else has no address, and hears nobody: that follows from it.
        let dead = self.relays.iter().all(|relay| relay.failure().is_some());
        let stranded = self.config.ice_transport_policy == IceTransportPolicy::Relay && dead;
        if stranded {
            self.server_causes(out);
        }
        let was_connected = self.secure.is_some();
        if was_connected && !connected {
            out.causes.push(Cause::ConsentLost);
        } else if out.selected.is_some() && !was_connected {
            out.causes.push(Cause::Securing);
        }
        self.addressing_causes(out);
        if !stranded {
            self.server_causes(out);
        }
        self.checking_causes(out, connected);
    }

    /// What is wrong before a single check is sent.
    fn addressing_causes(&self, out: &mut Explanation) {
        let (local, remote) = (out.ice.local, out.ice.remote);
        let known = |side: CandidateCounts| side.ipv4 + side.ipv6;
        if self.ice.remote_credentials().is_none() {
            out.causes.push(Cause::NoDescription);
        }
        if known(local) == 0 {
            out.causes.push(Cause::NoLocalCandidates);
        }
        if known(remote) == 0 && self.ice.remote_credentials().is_some() {
            out.causes.push(if remote.unresolved > 0 { Cause::NamesOnly } else { Cause::NoRemoteCandidates });
        }
        let apart = (local.ipv4 == 0 || remote.ipv4 == 0) && (local.ipv6 == 0 || remote.ipv6 == 0);
        if known(local) > 0 && known(remote) > 0 && apart {
            out.causes.push(Cause::NoCommonFamily);
        }
    }

    /// What servers have refused.
    fn server_causes(&self, out: &mut Explanation) {
        let ice = &out.ice;
        let asked = self.gather.servers.len() as u64;
        if asked > 0 && ice.queries_answered == 0 && ice.queries_sent >= asked * TELLING {
            out.causes.push(Cause::NoUdp);
        } else {
            let causes =
                self.gather.stun_errors.iter().map(|(server, code)| Cause::Stun { server: *server, code: *code });
            out.causes.extend(causes);
        }
        for relay in &self.relays {
            let url = relay.server.url.to_string();
            if let Some(failure) = relay.failure() {
                out.causes.push(Cause::Relay { url, failure: failure.clone() });
            } else if let Some(code) = relay.refused.filter(|_| out.state != ConnectionState::Connected) {
                // Of a peer with several addresses the relay may refuse the private ones, and the connection stands.
                out.causes.push(Cause::RelayRefusesPeer { url, code });
            }
        }
        let unknown = |server: &crate::config::Server| Cause::UnknownServer { url: server.url.to_string() };
        out.causes.extend(self.gather.unresolved.iter().map(unknown));
    }

    /// What checks have shown.
    fn checking_causes(&self, out: &mut Explanation, connected: bool) {
        let (drops, ice) = (self.ice.stats(), &out.ice);
        if drops.integrity + drops.username > 0 && ice.checks_answered == 0 {
            out.causes.push(Cause::WrongCredentials);
        }
        if connected || ice.checks_sent == 0 || ice.checks_answered > 0 {
            return;
        }
        let alone = self.relays.is_empty() && ice.remote.relayed == 0;
        out.causes.push(if ice.checks_received > 0 { Cause::OneWay } else { Cause::ChecksUnanswered });
        if alone {
            out.causes.push(Cause::NoRelay);
        }
    }
}

impl fmt::Display for Explanation {
    /// One plain sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let relayed = |kind| kind == CandidateKind::Relayed;
        match (&self.selected, self.state) {
            (Some(pair), ConnectionState::Connected) if relayed(pair.local) || relayed(pair.remote) => {
                f.write_str("connected through a relay")?;
            }
            (Some(_), ConnectionState::Connected) => return f.write_str("connected directly"),
            _ => f.write_str("not connected")?,
        }
        let Some(cause) = self.causes.first() else { return Ok(()) };
        write!(f, ": {cause}")?;
        match cause.advice() {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(reason) => write!(f, "{reason}"),
            Self::NoDescription => f.write_str("the other side has not answered yet"),
            Self::NoLocalCandidates => f.write_str("there is no address to offer"),
            Self::NoRemoteCandidates => f.write_str("the other side has told no address"),
            Self::NamesOnly => {
                f.write_str("the other side tells only names of its local network, and nobody here answers to them")
            }
            Self::NoCommonFamily => f.write_str("one side has only IPv4 and the other only IPv6"),
            Self::Securing => f.write_str("a path works, and the secure channel is being set up"),
            Self::ConsentLost => f.write_str("the other side has stopped answering"),
            Self::Relay { url, failure } => write!(f, "{url}: {failure}"),
            Self::RelayRefusesPeer { url, code } => write!(f, "{url} does not serve the other side's address ({code})"),
            Self::UnknownServer { url } => write!(f, "{url}: the name has no address"),
            Self::NoUdp => f.write_str("no STUN server answers over UDP"),
            Self::Stun { server, code: 701 } => write!(f, "the STUN server {server} does not answer"),
            Self::Stun { server, code } => write!(f, "the STUN server {server} answers with error {code}"),
            Self::WrongCredentials => f.write_str("checks with wrong credentials arrive: descriptions were mixed up"),
            Self::OneWay => f.write_str("checks of the other side arrive, but its answers to ours do not"),
            Self::ChecksUnanswered => f.write_str("no check was answered: the NATs in between let none through"),
            Self::NoRelay => f.write_str("there is no relay to fall back on"),
        }
    }
}
