//! Keeps addresses and credentials out of logs.

use core::fmt;

/// Wraps a value whose plain form does not belong in a log.
///
/// `{}` and `{:?}` print a placeholder; `{:#}` and `{:#?}` print the value, for a developer who asked for it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Redacted<T>(pub T);

impl<T: fmt::Display> fmt::Display for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() { self.0.fmt(f) } else { f.write_str("[redacted]") }
    }
}

impl<T: fmt::Debug> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() { self.0.fmt(f) } else { f.write_str("[redacted]") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn plain_formatting_hides_the_value() {
        assert_eq!(format!("{} {:?}", Redacted("secret"), Redacted(7)), "[redacted] [redacted]");
        assert_eq!(format!("{:#}", Redacted("shown")), "shown");
    }
}
