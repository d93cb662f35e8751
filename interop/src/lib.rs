//! Drives real browsers for the interoperability tests, by WebDriver BiDi.
//!
//! [`browser::Browser`] starts a headless Chromium or Firefox with a profile of its own and ends it when dropped.

use std::time::Duration;

/// How long a step may take, on a machine that does other things too: it ends what hangs and judges nothing.
pub const LIMIT: Duration = Duration::from_secs(300);

pub mod bidi;
pub mod browser;
pub mod call;
pub mod coturn;
pub mod delay;
pub mod expect;
pub mod flood;
pub mod foreign;
pub mod intruder;
pub mod memory;
pub mod natives;
#[cfg(target_os = "linux")]
pub mod netns;
pub mod page;
pub mod pair;
pub mod processor;
pub mod program;
pub mod sample;
pub mod visit;
