//! Two transports over a link that loses, reorders and repeats.
