//! Which names are live, and which were revoked.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use peerage_base::time::{Duration, Instant};

/// Names that are remembered; beyond, the one that would be forgotten first is.
const MAX_NAMES: usize = 65_536;
/// How long a revoked name is remembered: longer than signalling lets credentials live.
const REVOKED: Duration = Duration::from_secs(24 * 3600);

/// What is known of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Live until then.
    Live(Instant),
    /// Revoked.
    Revoked,
    /// Nothing: its credentials say how long.
    Unknown,
}

/// The names that the owner spoke of, each until its time has come.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: BTreeMap<Arc<str>, (Instant, Standing)>,
    expiry: BTreeSet<(Instant, Arc<str>)>,
}

impl Names {
    pub(super) fn set_live(&mut self, now: Instant, name: &str, until: Instant) {
        if until > now {
            self.insert(name, until, Standing::Live(until));
        } else {
            self.forget(name);
        }
    }

    pub(super) fn revoke(&mut self, now: Instant, name: &str) {
        self.insert(name, now + REVOKED, Standing::Revoked);
    }

    pub(super) fn standing(&self, now: Instant, name: &str) -> Standing {
        self.known.get(name).filter(|(until, _)| *until > now).map_or(Standing::Unknown, |(_, standing)| *standing)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.expiry.first().map(|(at, _)| *at)
    }

    pub(super) fn expire(&mut self, now: Instant) {
        while let Some((at, name)) = self.expiry.pop_first() {
            if at > now {
                self.expiry.insert((at, name));
                break;
            }
            self.known.remove(&name);
        }
    }

    fn insert(&mut self, name: &str, until: Instant, standing: Standing) {
        self.forget(name);
        if self.known.len() >= MAX_NAMES
            && let Some((_, first)) = self.expiry.pop_first()
        {
            self.known.remove(&first);
        }
        let name: Arc<str> = name.into();
        self.known.insert(name.clone(), (until, standing));
        self.expiry.insert((until, name));
    }

    fn forget(&mut self, name: &str) {
        if let Some((name, (until, _))) = self.known.remove_entry(name) {
            self.expiry.remove(&(until, name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_NAMES, Names, REVOKED, Standing};
    use alloc::format;
    use peerage_base::time::{Duration, Instant};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_name_is_live_until_its_time_and_revoked_for_a_day() {
        let mut names = Names::default();
        let now = Instant::from_millis(1000);
        names.set_live(now, "a", now + SECOND);
        assert_eq!(names.standing(now, "a"), Standing::Live(now + SECOND));
        assert_eq!(names.standing(now + SECOND, "a"), Standing::Unknown);
        names.revoke(now, "a");
        assert_eq!(names.standing(now + SECOND, "a"), Standing::Revoked);
        assert_eq!(names.deadline(), Some(now + REVOKED));
        names.expire(now + REVOKED);
        assert_eq!((names.standing(now, "a"), names.deadline()), (Standing::Unknown, None));
    }

    #[test]
    fn a_revoked_name_can_come_to_life_again() {
        let mut names = Names::default();
        names.revoke(Instant::ORIGIN, "a");
        names.set_live(Instant::ORIGIN, "a", Instant::from_millis(5));
        assert_eq!(names.standing(Instant::ORIGIN, "a"), Standing::Live(Instant::from_millis(5)));
        names.set_live(Instant::from_millis(2), "a", Instant::from_millis(1));
        assert_eq!((names.standing(Instant::ORIGIN, "a"), names.deadline()), (Standing::Unknown, None));
    }

    #[test]
    fn the_table_of_names_is_bounded() {
        let mut names = Names::default();
        for n in 0..MAX_NAMES + 10 {
            names.set_live(Instant::ORIGIN, &format!("{n}"), Instant::from_millis(1 + n as u64));
        }
        assert_eq!((names.known.len(), names.expiry.len()), (MAX_NAMES, MAX_NAMES));
        assert_eq!(names.standing(Instant::ORIGIN, "9"), Standing::Unknown);
        assert_ne!(names.standing(Instant::ORIGIN, "10"), Standing::Unknown);
    }
}
