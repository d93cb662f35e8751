//! What every stack in the benches shares: how a scenario is asked for, what is sent, how it is measured, how it is told.
//!
//! A stack is a program of its own, so that its processor time and its memory are its own. It is started with
//! [`options::Stack`] on its command line and answers with one line of [`figures::Figures`].

pub mod figures;
pub mod meter;
pub mod options;
pub mod package;
pub mod pattern;
pub mod table;
