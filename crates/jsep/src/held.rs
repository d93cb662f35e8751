//! A description that is in force or pending, with the candidates that came after it.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use peerage_sdp::attribute::candidate::Candidate;
use peerage_sdp::attribute::flag;
use peerage_sdp::attribute::mid::Mid;
use peerage_sdp::description::Description;
use peerage_sdp::line::Line;

use crate::description::{SdpType, SessionDescription};
use crate::error::Error;
use crate::facts::{Facts, MAX_CANDIDATES, Refused};
use crate::folded::{fold, unfold};
use crate::write::default_destination;

#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) kind: SdpType,
    text: Text,
    /// What the text says, unless it rests.
    facts: Option<Box<Facts>>,
    /// What the other side's description refused.
    refused: Refused,
    /// Candidates since, by section, in order of arrival.
    trickled: Vec<(usize, Candidate)>,
    /// Sections whose candidates are complete.
    ended: Vec<usize>,
}

#[derive(Clone)]
enum Text {
    Whole(Arc<str>),
    /// At rest.
    Folded(Box<[u8]>),
}

/// The two descriptions of one side (W3C `current...Description`, `pending...Description`).
#[derive(Clone, Default)]
pub(crate) struct Descriptions {
    pub(crate) current: Option<Box<Held>>,
    pub(crate) pending: Option<Box<Held>>,
}

impl Descriptions {
    /// The one in force: the pending one if there is one.
    pub(crate) fn latest(&self) -> Option<&Held> {
        self.pending.as_deref().or(self.current.as_deref())
    }

    /// Both, the newer first.
    pub(crate) fn both_mut(&mut self) -> impl Iterator<Item = &mut Held> {
        self.pending.iter_mut().chain(self.current.iter_mut()).map(|held| &mut **held)
    }
}

impl Held {
    pub(crate) fn new(kind: SdpType, text: String, facts: Facts) -> Self {
        let facts = Some(Box::new(facts));
        Self {
            kind,
            text: Text::Whole(text.into()),
            facts,
            refused: Refused::Nothing,
            trickled: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// The text that was applied.
    pub(crate) fn text(&self) -> Arc<str> {
        match &self.text {
            Text::Whole(text) => text.clone(),
            Text::Folded(folded) => unfold(folded).into(),
        }
    }

    /// Whether this is the text itself, and not one that reads the same.
    pub(crate) fn holds(&self, other: &Arc<str>) -> bool {
        matches!(&self.text, Text::Whole(text) if Arc::ptr_eq(text, other))
    }

    /// What the text says.
    pub(crate) fn facts(&self) -> &Facts {
        self.facts.as_deref().expect("whoever asks has woken it")
    }

    /// The other side's description refuses this.
    pub(crate) fn refuse(&mut self, what: Refused) {
        self.refused = what;
        if let Some(facts) = &mut self.facts {
            facts.refuse(what);
        }
    }

    /// Forgets what the text says, which can be read again.
    pub(crate) fn rest(&mut self) {
        self.facts = None;
        if let Text::Whole(text) = &self.text {
            self.text = Text::Folded(fold(text));
        }
        self.trickled.shrink_to_fit();
        self.trickled.iter_mut().for_each(|(_, candidate)| candidate.shrink_to_fit());
        self.ended.shrink_to_fit();
    }

    /// Reads the text again if it must.
    pub(crate) fn wake(&mut self, media: bool) {
        let text = self.text();
        if self.facts.is_none() {
            let read = Description::parse(&text).map_err(Error::from).and_then(|text| Facts::read(&text, media));
            let mut facts = read.expect("the text was good when it was applied");
            if self.kind == SdpType::Offer {
                facts.drop_ambiguous();
            }
            facts.refuse(self.refused);
            self.facts = Some(Box::new(facts));
        }
        self.text = Text::Whole(text);
    }

    /// The section of this name.
    pub(crate) fn section_of(&self, mid: &str) -> Option<usize> {
        self.facts().sections.iter().position(|s| s.mid.as_ref().map(Mid::as_str) == Some(mid))
    }

    /// The generation that candidates of a section belong to.
    pub(crate) fn ufrag(&self, section: usize) -> Option<&str> {
        let own = self.facts().sections.get(section)?.ufrag.as_deref();
        own.or_else(|| self.facts().link.as_ref().map(|l| l.ufrag.as_str()))
    }

    /// Whether candidates of a section are candidates of the transport.
    pub(crate) fn carries(&self, section: usize) -> bool {
        self.facts().link.as_ref().is_some_and(|l| l.index == section)
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
        let text = self.text();
        let unchanged = || SessionDescription::new(self.kind, &*text);
        if self.trickled.is_empty() && self.ended.is_empty() {
            return unchanged();
        }
        let Ok(mut description) = Description::parse(&text) else { return unchanged() };
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
