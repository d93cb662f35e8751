//! The `peerage` command line.
fn main() {}
