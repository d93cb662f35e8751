//! Virtual time, links and networks for deterministic tests.
