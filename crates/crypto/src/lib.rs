//! Every cryptographic primitive the project uses, over aws-lc-rs.
