//! WebM and Matroska (RFC 9559): video and sound together. Elements are coded by `mkv-element`, the files walked here, so
//! that a file is never held in memory and live ones, whose lengths are not known, are read as well.

pub mod reader;
pub mod tracks;
pub mod writer;
