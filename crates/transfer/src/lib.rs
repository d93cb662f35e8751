//! What two peers do over a channel: manifests, chunks, hashes, resume.
