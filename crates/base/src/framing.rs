//! Packets on byte streams: how TCP and TLS carry what UDP carries as datagrams.
