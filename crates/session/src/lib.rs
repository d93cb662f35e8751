//! The sans-IO composition of a peer connection: demultiplexing, wrapping, pacing, wiring.
