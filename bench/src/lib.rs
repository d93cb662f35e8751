//! What every stack in the benches shares: the scenarios, how they are asked for, what is sent, how it is measured, how it
//! is told.
//!
//! A stack is a program of its own, so that its processor time and its memory are its own: its `main` is
//! [`program::run`]. It is started with an [`options::Run`] on its command line and answers with one line of
//! [`figures::Figures`]. The programs in `src/bin` build the stacks and run them in turn ([`driver`]).

pub mod child;
pub mod driver;
pub mod figures;
pub mod machine;
pub mod markdown;
pub mod meter;
pub mod options;
pub mod package;
pub mod pattern;
pub mod program;
pub mod report;
pub mod scenario;
pub mod stack;
pub mod svg;
pub mod table;
