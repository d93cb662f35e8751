//! A thread for work that blocks, such as a disk's.

use std::thread::{self, JoinHandle};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Does jobs in order and gives back their results in the same order. Who hands in jobs bounds them.
pub struct Worker<J, R> {
    jobs: UnboundedSender<J>,
    results: UnboundedReceiver<R>,
    thread: JoinHandle<()>,
}

impl<J: Send + 'static, R: Send + 'static> Worker<J, R> {
    /// Starts the thread.
    pub fn start(mut work: impl FnMut(J) -> R + Send + 'static) -> Self {
        let (jobs, mut todo) = unbounded_channel();
        let (done, results) = unbounded_channel();
        let thread = thread::spawn(move || {
            while let Some(job) = todo.blocking_recv() {
                // What is written is written, also when nobody asks for the result any more.
                let _ = done.send(work(job));
            }
        });
        Self { jobs, results, thread }
    }

    /// Hands in a job.
    pub fn give(&self, job: J) {
        let _ = self.jobs.send(job);
    }

    /// The next result. Nothing is lost if the future is dropped.
    pub async fn result(&mut self) -> R {
        match self.results.recv().await {
            Some(result) => result,
            None => std::future::pending().await,
        }
    }

    /// Waits until everything handed in is done.
    pub async fn finish(self) {
        drop(self.jobs);
        let thread = self.thread;
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }
}
