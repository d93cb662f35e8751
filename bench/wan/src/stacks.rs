//! The stacks by their names.

use peerage_lab::wan::flow::Stack;
use peerage_lab::wan::ours::Ours;
use peerage_lab::wan::tcp::Tcp;

#[cfg(feature = "rivals")]
use crate::rivals::{Rival, rtc, str0m};

/// Those that run by themselves.
#[cfg(feature = "rivals")]
pub const NAMES: &[&str] = &["peerage", "peerage-cubic", "str0m", "rtc", "tcp-cubic"];
#[cfg(not(feature = "rivals"))]
pub const NAMES: &[&str] = &["peerage", "peerage-cubic", "tcp-cubic"];
/// Ours: with the default controller, and with CUBIC.
pub const OURS: [&str; 2] = ["peerage", "peerage-cubic"];

/// A stack; `None` if there is none of that name.
pub fn by_name(name: &str) -> Option<Box<dyn Stack>> {
    Some(match name {
        "peerage" => Box::new(Ours::default()),
        "peerage-cubic" => Box::new(Ours::cubic()),
        #[cfg(feature = "rivals")]
        "str0m" => Box::new(Rival::<str0m::Peer>::new()),
        #[cfg(feature = "rivals")]
        "rtc" => Box::new(Rival::<rtc::Peer>::new()),
        "tcp-cubic" => Box::new(Tcp),
        _ => return None,
    })
}
