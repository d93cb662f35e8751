//! What one source makes, handed to everybody who sends it.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A source's end. Whoever is too slow misses items; nobody holds up the others.
#[derive(Debug)]
pub struct Feed<T> {
    outlets: Mutex<Option<Vec<SyncSender<Arc<T>>>>>,
    /// Somebody has come.
    joined: Condvar,
}

impl<T> Default for Feed<T> {
    fn default() -> Self {
        Self { outlets: Mutex::new(Some(Vec::new())), joined: Condvar::new() }
    }
}

impl<T> Feed<T> {
    /// What comes from now on; up to `waiting` items are kept. Once the source has ended, nothing comes.
    pub fn subscribe(&self, waiting: usize) -> Receiver<Arc<T>> {
        let (outlet, items) = sync_channel(waiting);
        if let Some(outlets) = self.lock().as_mut() {
            outlets.push(outlet);
        }
        self.joined.notify_all();
        items
    }

    /// Waits for somebody to hand items to, so long at most; whether there is one.
    pub fn wait(&self, limit: Duration) -> bool {
        let is_alone = |outlets: &mut Option<Vec<_>>| outlets.as_ref().is_some_and(Vec::is_empty);
        let (outlets, _) =
            self.joined.wait_timeout_while(self.lock(), limit, is_alone).unwrap_or_else(PoisonError::into_inner);
        outlets.as_ref().is_some_and(|outlets| !outlets.is_empty())
    }

    /// Hands an item to everybody.
    pub fn publish(&self, item: &Arc<T>) {
        if let Some(outlets) = self.lock().as_mut() {
            outlets.retain(|outlet| !matches!(outlet.try_send(item.clone()), Err(TrySendError::Disconnected(_))));
        }
    }

    /// There will be no more.
    pub fn end(&self) {
        self.lock().take();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Vec<SyncSender<Arc<T>>>>> {
        self.outlets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Items that are made again and again: one that nobody holds any more is reused, so that a picture costs no memory anew.
#[derive(Debug)]
pub struct Pool<T>(Vec<Arc<T>>);

/// More are held only by those who are behind.
const KEPT: usize = 8;

impl<T: Default> Pool<T> {
    /// An empty one.
    pub fn new() -> Self {
        Self(Vec::new())
    }

    /// An item to be filled, with whatever was in it, and then shared.
    pub fn fill<E>(&mut self, fill: impl FnOnce(&mut T) -> Result<(), E>) -> Result<Arc<T>, E> {
        let mut item = match self.0.iter().position(|item| Arc::strong_count(item) == 1) {
            Some(free) => self.0.swap_remove(free),
            None => Arc::default(),
        };
        if let Some(content) = Arc::get_mut(&mut item) {
            fill(content)?;
        }
        if self.0.len() < KEPT {
            self.0.push(item.clone());
        }
        Ok(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_can_wait_for_the_first_who_listens() {
        let feed = Arc::new(Feed::<u32>::default());
        assert!(!feed.wait(Duration::from_millis(10)));
        let waits = std::thread::spawn({
            let feed = feed.clone();
            move || feed.wait(Duration::from_secs(20))
        });
        let items = feed.subscribe(1);
        assert!(waits.join().unwrap() && feed.wait(Duration::ZERO));
        drop(items);
        feed.end();
        assert!(!feed.wait(Duration::from_secs(20)), "nothing is handed out any more");
    }

    #[test]
    fn everybody_gets_what_is_made_and_who_is_slow_misses_some() {
        let feed = Feed::default();
        let (quick, slow) = (feed.subscribe(8), feed.subscribe(1));
        for number in 0..4 {
            feed.publish(&Arc::new(number));
        }
        feed.end();
        assert_eq!(quick.iter().map(|item| *item).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(slow.iter().map(|item| *item).collect::<Vec<_>>(), [0]);
        assert!(feed.subscribe(1).recv().is_err());
    }

    #[test]
    fn what_nobody_holds_is_made_again() {
        let mut pool = Pool::<u32>::new();
        let fill = |pool: &mut Pool<u32>, with: u32| {
            let add = |item: &mut u32| {
                *item += with;
                Ok::<_, std::convert::Infallible>(())
            };
            pool.fill(add).unwrap()
        };
        let held = fill(&mut pool, 1);
        drop(fill(&mut pool, 2));
        assert_eq!((*held, *fill(&mut pool, 4)), (1, 6));
    }
}
