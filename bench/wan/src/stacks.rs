//! The stacks by their names.

use peerage_lab::wan::flow::Stack;
use peerage_lab::wan::ours::Ours;
use peerage_lab::wan::tcp::Tcp;

/// Those that run by themselves.
pub const NAMES: &[&str] = &["peerage", "tcp-cubic"];

/// Ours: with the default controller, and with CUBIC.
pub const OURS: [&str; 2] = ["peerage", "peerage-cubic"];

/// A stack; `None` if there is none of that name.
pub fn by_name(name: &str) -> Option<Box<dyn Stack>> {
    Some(match name {
        "peerage" => Box::new(Ours::default()),
        "peerage-cubic" => Box::new(Ours { name: name.into(), ..Ours::default() }),
        "tcp-cubic" => Box::new(Tcp),
        _ => return None,
    })
}
