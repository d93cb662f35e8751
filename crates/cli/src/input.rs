//! Standard input, for whoever reads it in turn: texts, answers to questions, data.

use std::io::Read as _;
use std::time::Duration;

use bytes::Bytes;
use peerage_transfer::protocol::MAX_MESSAGE;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Pieces that are read ahead.
const QUEUE: usize = 16;
/// Bytes of a line that a person types.
const LINE_MAX: usize = 1 << 12;

/// Standard input.
pub struct Input {
    /// What was read, and is to be read again.
    first: Option<Bytes>,
    rest: mpsc::Receiver<std::io::Result<Bytes>>,
}

impl Input {
    /// Reads on a thread of its own, which may outlive the run: nothing can interrupt a read.
    pub fn read() -> Self {
        Self { first: None, rest: read_stdin() }
    }

    /// The next bytes, `None` at the end. Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<std::io::Result<Bytes>> {
        match self.first.take() {
            Some(content) => Some(Ok(content)),
            None => self.rest.recv().await,
        }
    }

    /// The next line, without its end; `None` at the end of input, and for one that nobody types.
    pub async fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        while let Some(Ok(mut content)) = self.next().await {
            let end = content.iter().position(|byte| *byte == b'\n');
            line.extend_from_slice(&content.split_to(end.map_or(content.len(), |end| end + 1)));
            if line.len() > LINE_MAX {
                return None;
            }
            if end.is_some() {
                self.put_back(content);
                break;
            }
        }
        (!line.is_empty()).then(|| String::from_utf8_lossy(&line).trim().to_owned())
    }

    /// Passes over what a person pasted along with what was taken, which comes at once.
    pub async fn skip(&mut self, within: Duration) {
        while timeout(within, self.next()).await.is_ok_and(|content| content.is_some()) {}
    }

    /// Gives back what is not wanted now.
    pub fn put_back(&mut self, content: Bytes) {
        self.first = Some(content).filter(|content| !content.is_empty());
    }
}

fn read_stdin() -> mpsc::Receiver<std::io::Result<Bytes>> {
    let (to_owner, input) = mpsc::channel(QUEUE);
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        let mut buffer = vec![0; MAX_MESSAGE];
        loop {
            let content = match stdin.read(&mut buffer) {
                Ok(0) => return,
                Ok(length) => Ok(Bytes::copy_from_slice(&buffer[..length])),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            let failed = content.is_err();
            if to_owner.blocking_send(content).is_err() || failed {
                return;
            }
        }
    });
    input
}
