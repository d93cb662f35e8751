//! What an agent gives back when nothing happens.

use crate::agent::Agent;
use crate::generation::Generation;

impl Agent {
    /// Gives back the room that only busy times need. For quiet ones: nothing is forgotten.
    pub fn shrink(&mut self) {
        self.locals.shrink_to_fit();
        self.candidates.shrink_to_fit();
        self.candidates.iter_mut().for_each(|local| local.candidate.shrink());
        self.foundations.shrink();
        self.gatherer.shrink();
        self.generations_mut().for_each(Generation::shrink);
        self.responses.shrink_to_fit();
        self.events.shrink_to_fit();
        self.accepted.shrink_to_fit();
        self.punch.winners.shrink_to_fit();
        self.rng.rest();
    }
}
