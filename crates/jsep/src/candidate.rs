//! Candidates that come after their description (RFC 8838, RFC 9429 §4.1.19).

use alloc::format;
use alloc::string::{String, ToString};

use peerage_sdp::attribute::candidate::Candidate;

use crate::error::{Error, ErrorKind};
use crate::held::Held;
use crate::negotiation::Negotiation;
use crate::signaling::SignalingState;

/// A candidate as signalling carries it (W3C `RTCIceCandidateInit`).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CandidateInit {
    /// `candidate:...`, or empty for "no more".
    pub candidate: String,
    /// The section's name.
    pub mid: Option<String>,
    /// The section's place, counted from 0; used where there is no name.
    pub mline_index: Option<usize>,
    /// The generation. If absent, the one that the candidate's own text names, else the newest.
    pub ufrag: Option<String>,
}

/// A candidate for the ICE agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteCandidate {
    /// The peer's generation that it belongs to.
    pub ufrag: String,
    /// `candidate:...`; `None` says that no more will come.
    pub candidate: Option<String>,
}

impl core::fmt::Debug for CandidateInit {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("CandidateInit")
            .field("mid", &self.mid)
            .field("mline_index", &self.mline_index)
            .finish_non_exhaustive()
    }
}

impl Negotiation {
    /// Takes a candidate of the peer's. `None` if the transport has no use for it: it belongs to a section that we refuse or
    /// that shares another's transport, or to the RTCP component. Peers gather for those until they have our answer.
    pub fn add_remote_candidate(&mut self, init: &CandidateInit) -> Result<Option<RemoteCandidate>, Error> {
        if self.state == SignalingState::Closed {
            return Err(Error::state("the connection is closed"));
        }
        self.wake();
        let text = init.candidate.trim();
        let ends = matches!(text, "" | "candidate:" | "end-of-candidates" | "a=end-of-candidates");
        if !ends && init.mid.is_none() && init.mline_index.is_none() {
            return Err(Error::new(ErrorKind::Type, "a candidate needs a mid or an m-line index"));
        }
        if self.remote.latest().is_none() {
            return Err(Error::state("there is no remote description for the candidate"));
        }
        let candidate = match ends {
            true => None,
            false => Some(Candidate::from_text(text).ok_or_else(|| Error::operation("the candidate cannot be read"))?),
        };
        let named = candidate.as_ref().and_then(Candidate::ufrag).map(ToString::to_string);
        let ufrag = init.ufrag.clone().filter(|u| !u.is_empty()).or(named);
        let mut known = false;
        for held in self.remote.both_mut() {
            let Some(section) = place(held, init)? else { continue };
            known = true;
            let Some(own) = held.ufrag(section).map(ToString::to_string) else { continue };
            if ufrag.as_deref().is_some_and(|u| u != own) {
                continue;
            }
            match &candidate {
                Some(candidate) => held.add(section, candidate.clone())?,
                None => held.end(section),
            }
            // Firefox gathers RTCP's component too, which `rtcp-mux` leaves without use.
            let usable = held.carries(section) && candidate.as_ref().is_none_or(|c| c.component() == "1");
            let candidate = candidate.map(|c| c.to_text());
            return Ok(usable.then_some(RemoteCandidate { ufrag: own, candidate }));
        }
        Err(match (known, ufrag) {
            (true, Some(_)) => Error::operation("the candidate belongs to no ICE generation of the remote description"),
            (true, None) => Error::operation("the section of the candidate has no ICE credentials"),
            (false, _) => Error::operation(match &init.mid {
                Some(mid) => format!("no section of the remote description has the mid '{mid}'"),
                None => "no section of the remote description has that index".to_string(),
            }),
        })
    }

    /// Notes a candidate that our agent has gathered under `ufrag`, so that local descriptions show it. Answers how to
    /// signal it; `None` if no local description names that generation.
    pub fn add_local_candidate(&mut self, ufrag: &str, candidate: &str) -> Result<Option<CandidateInit>, Error> {
        let parsed = Candidate::from_text(candidate).ok_or_else(|| Error::operation("the candidate cannot be read"))?;
        let Some((held, section)) = self.local_generation(ufrag) else { return Ok(None) };
        held.add(section, parsed.clone())?;
        Ok(Some(signalled(held, section, ufrag, parsed.to_text())))
    }

    /// How to signal a candidate that is of use now or never, and so shows in no description; `None` as above.
    pub fn passing_local_candidate(&mut self, ufrag: &str, candidate: &str) -> Option<CandidateInit> {
        let (held, section) = self.local_generation(ufrag)?;
        Some(signalled(held, section, ufrag, candidate.to_string()))
    }

    /// Notes that our agent has gathered all candidates of `ufrag`. Answers how to signal it, as
    /// [`add_local_candidate`](Self::add_local_candidate).
    pub fn end_local_candidates(&mut self, ufrag: &str) -> Option<CandidateInit> {
        let (held, section) = self.local_generation(ufrag)?;
        held.end(section);
        Some(signalled(held, section, ufrag, String::new()))
    }

    fn local_generation(&mut self, ufrag: &str) -> Option<(&mut Held, usize)> {
        self.wake();
        self.local.both_mut().find_map(|held| {
            let link = held.facts().link.as_ref().filter(|l| l.ufrag.as_str() == ufrag)?;
            let section = link.index;
            Some((held, section))
        })
    }
}

fn signalled(held: &Held, section: usize, ufrag: &str, candidate: String) -> CandidateInit {
    CandidateInit {
        candidate,
        mid: held.facts().sections[section].mid.as_ref().map(ToString::to_string),
        mline_index: Some(section),
        ufrag: Some(ufrag.to_string()),
    }
}

/// The section that a candidate names. The end of candidates without a name is that of the transport.
fn place(held: &Held, init: &CandidateInit) -> Result<Option<usize>, Error> {
    Ok(match (&init.mid, init.mline_index) {
        (Some(mid), _) => held.section_of(mid),
        (None, Some(index)) => (index < held.facts().sections.len()).then_some(index),
        (None, None) => match &held.facts().link {
            Some(link) => Some(link.index),
            None => return Err(Error::operation("the remote description has no transport")),
        },
    })
}
