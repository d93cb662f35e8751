//! A description that is in force or pending, with the candidates that came after it.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use peerage_sdp::attribute::candidate::Candidate;
use peerage_sdp::attribute::flag;
use peerage_sdp::attribute::mid::Mid;
use peerage_sdp::description::Description;
use peerage_sdp::line::Line;

use crate::description::{SdpType, SessionDescription};
use crate::error::Error;
use crate::facts::{Facts, MAX_CANDIDATES};
use crate::write::default_destination;

#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) kind: SdpType,
    pub(crate) text: String,
    pub(crate) facts: Facts,
    /// Candidates since, by section, in order of arrival.
    trickled: Vec<(usize, Candidate)>,
    /// Sections whose candidates are complete.
    ended: Vec<usize>,
}

/// The two descriptions of one side (W3C `current...Description`, `pending...Description`).
#[derive(Clone, Default)]
pub(crate) struct Descriptions {
    pub(crate) current: Option<Held>,
    pub(crate) pending: Option<Held>,
}

impl Descriptions {
    /// The one in force: the pending one if there is one.
    pub(crate) fn latest(&self) -> Option<&Held> {
        self.pending.as_ref().or(self.current.as_ref())
    }

    /// Both, the newer first.
    pub(crate) fn both_mut(&mut self) -> impl Iterator<Item = &mut Held> {
        self.pending.iter_mut().chain(self.current.iter_mut())
    }
}

impl Held {
    pub(crate) fn new(kind: SdpType, text: String, facts: Facts) -> Self {
        Self { kind, text, facts, trickled: Vec::new(), ended: Vec::new() }
    }

    /// The section of this name.
    pub(crate) fn section_of(&self, mid: &str) -> Option<usize> {
        self.facts.sections.iter().position(|s| s.mid.as_ref().map(Mid::as_str) == Some(mid))
    }

    /// The generation that candidates of a section belong to.
    pub(crate) fn ufrag(&self, section: usize) -> Option<&str> {
        let own = self.facts.sections.get(section)?.ufrag.as_deref();
        own.or_else(|| self.facts.link.as_ref().map(|l| l.ufrag.as_str()))
    }

    /// Whether candidates of a section are candidates of the transport.
    pub(crate) fn carries(&self, section: usize) -> bool {
        self.facts.link.as_ref().is_some_and(|l| l.index == section)
    }

    /// Notes a candidate that came after the description.
    pub(crate) fn add(&mut self, section: usize, candidate: Candidate) -> Result<(), Error> {
        if self.trickled.iter().any(|(s, c)| *s == section && *c == candidate) {
            return Ok(());
        }
        if self.trickled.len() >= MAX_CANDIDATES {
            return Err(Error::operation("the description has as many candidates as it can hold"));
        }
        self.trickled.push((section, candidate));
        Ok(())
    }

    /// Notes that a section's candidates are complete.
    pub(crate) fn end(&mut self, section: usize) {
        if !self.ended.contains(&section) {
            self.ended.push(section);
        }
    }

    /// The description as W3C shows it: with every candidate so far.
    pub(crate) fn with_candidates(&self) -> SessionDescription {
        let unchanged = || SessionDescription::new(self.kind, self.text.clone());
        if self.trickled.is_empty() && self.ended.is_empty() {
            return unchanged();
        }
        let Ok(mut description) = Description::parse(&self.text) else { return unchanged() };
        for (index, media) in description.media.iter_mut().enumerate() {
            let ended = self.ended.contains(&index) || media.section.has(flag::END_OF_CANDIDATES);
            media.section.retain(|line| line.as_attribute() != Some((flag::END_OF_CANDIDATES, "")));
            let mut all: Vec<Candidate> = media.section.all().filter_map(Result::ok).collect();
            for (_, candidate) in
                self.trickled.iter().filter(|(s, c)| *s == index && !all.contains(c)).collect::<Vec<_>>()
            {
                media.section.push_attribute(candidate);
                all.push(candidate.clone());
            }
            if media.line.port == 9
                && let Some((port, connection)) = default_destination(&all)
            {
                media.line.port = port;
                media.section.replace(connection);
            }
            if ended {
                media.section.push(Line::flag(flag::END_OF_CANDIDATES));
            }
        }
        SessionDescription::new(self.kind, description.to_string())
    }
}
