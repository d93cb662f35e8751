//! The one place where this program reads the wall clock.

use std::time::SystemTime;

/// Now, for ages of what is remembered.
#[expect(clippy::disallowed_methods, reason = "the age of remembered transfers is wall time; machines never see it")]
pub fn wall() -> SystemTime {
    SystemTime::now()
}
