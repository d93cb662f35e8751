//! New connections, on their way to the driver.

use std::sync::{Arc, Mutex, PoisonError};

use super::ready::{Key, Ready};
use crate::cell::Cell;

/// What endpoints leave for the driver.
#[derive(Debug)]
pub(crate) struct Arrivals {
    ready: Arc<Ready>,
    new: Mutex<Vec<(Key, Arc<Cell>)>>,
}

impl Arrivals {
    pub(crate) fn new(ready: Arc<Ready>) -> Self {
        Self { ready, new: Mutex::new(Vec::new()) }
    }

    /// Hands a connection over.
    pub(crate) fn push(&self, key: Key, cell: Arc<Cell>) {
        self.new.lock().unwrap_or_else(PoisonError::into_inner).push((key, cell));
        self.ready.wake();
    }

    /// Takes all that have arrived.
    pub(crate) fn take(&self) -> Vec<(Key, Arc<Cell>)> {
        std::mem::take(&mut self.new.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
