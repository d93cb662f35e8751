//! Two transports with real keys and made-up messages.

mod after;
mod flights;
mod hostile;
mod lossy;
mod musts;
mod world;
