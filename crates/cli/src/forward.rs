//! `peerage forward` and `peerage connect`: TCP connections made here that end in another machine's network.

mod carry;
mod listen;
mod serve;

use serde::Serialize;
use tokio::task::JoinSet;

pub use self::listen::connect;
pub use self::serve::forward;
use crate::forward::carry::Carried;
use crate::report::Report;
use crate::text::{plain, size};

/// What programs that read us learn.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event<'a> {
    /// Connections here lead to the other side.
    Listening { address: String },
    /// Where the other side lets them lead.
    Target { target: &'a str },
    /// One began.
    Opened { stream: u64 },
    /// One is over. `error`: before both sides had said everything.
    Closed { stream: u64, sent: u64, received: u64, error: Option<&'a str> },
}

/// The streams under way.
#[derive(Default)]
struct Streams {
    tasks: JoinSet<(u64, Carried)>,
    last: u64,
}

impl Streams {
    /// Begins one.
    fn begin(&mut self, report: &Report, carried: impl Future<Output = Carried> + Send + 'static) {
        self.last += 1;
        let stream = self.last;
        report.event(&Event::Opened { stream });
        self.tasks.spawn(async move { (stream, carried.await) });
    }

    /// Waits for the end of one; for ever if there is none.
    async fn ended(&mut self) -> (u64, Carried) {
        loop {
            match self.tasks.join_next().await {
                Some(Ok(ended)) => return ended,
                // Aborted, or a panic that has told of itself.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }

    fn len(&self) -> usize {
        self.tasks.len()
    }
}

fn tell(report: &Report, (stream, carried): (u64, Carried)) {
    let Carried { sent, received, failure } = carried;
    let error = failure.as_deref().map(plain);
    report.event(&Event::Closed { stream, sent, received, error: error.as_deref() });
    let how = error.map(|error| format!(": {error}")).unwrap_or_default();
    report.note(&format!("Connection {stream}: {} sent, {} received{how}", size(sent), size(received)));
}
