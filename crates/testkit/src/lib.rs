//! Pairs, fixtures and contract tests (dev only).
