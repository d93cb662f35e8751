//! The loop around the sans-IO stacks. They get the best one that we have: the sockets of Peerage, what arrives together is
//! read together, and what leaves together leaves in runs.

pub mod machine;
pub mod peer;

mod run;
