//! Stacks that are programs: over loopback and in real time.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant as StdInstant};

use peerage_base::time::Instant;
use peerage_dtls::Config;
use tempfile::TempDir;

use crate::boring::identity::Kind;
use crate::ours::Ours;

/// A conversation that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the socket is listened to before timers and the program's output are looked at again.
const TICK: Duration = Duration::from_millis(5);

/// Whether a program is installed. Without it says that `what` was skipped, or fails if CI is set.
///
/// # Panics
/// With CI set and the program missing.
pub fn installed(what: &str, program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|folder| folder.join(program).is_file()) {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "{what}: {program} is not installed");
    eprintln!("skipped: {what}: {program} is not installed");
    false
}

/// A port of loopback that nobody listened on a moment ago.
///
/// # Errors
/// There is none.
pub fn free_port() -> Result<u16, String> {
    let socket = UdpSocket::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    socket.local_addr().map(|address| address.port()).map_err(|e| e.to_string())
}

/// A running program whose output is read line by line; ended when dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    seen: Vec<String>,
    /// Its working folder, with `cert.pem` and `key.pem`.
    _folder: TempDir,
}

impl Program {
    /// Starts it in a folder of its own, with a certificate of this kind as `cert.pem` and `key.pem`.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(name: &str, args: &[String], kind: Kind) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        let identity = kind.identity();
        let certificate = identity.certificate.to_pem().map_err(|e| e.to_string())?;
        let key = identity.key.private_key_to_pem_pkcs8().map_err(|e| e.to_string())?;
        std::fs::write(folder.path().join("cert.pem"), certificate).map_err(|e| e.to_string())?;
        std::fs::write(folder.path().join("key.pem"), key).map_err(|e| e.to_string())?;
        let mut command = Command::new(name);
        command.args(args).current_dir(folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| format!("{name} does not start: {e}"))?;
        let stdin = child.stdin.take();
        let (sender, lines) = channel();
        let outputs: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|out| Box::new(out) as Box<dyn Read + Send>),
            child.stderr.take().map(|out| Box::new(out) as Box<dyn Read + Send>),
        ];
        for output in outputs.into_iter().flatten() {
            let sender = sender.clone();
            let lines = BufReader::new(output).lines();
            std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        }
        Ok(Self { child, stdin, lines, seen: Vec::new(), _folder: folder })
    }

    /// Whether it has written a line with these words.
    pub fn has_written(&mut self, words: &str) -> bool {
        self.after(words).is_some()
    }

    /// What it has written behind these words, in the same line.
    pub fn after(&mut self, words: &str) -> Option<String> {
        self.seen.extend(self.lines.try_iter());
        let line = self.seen.iter().find_map(|line| line.split_once(words));
        line.map(|(_, rest)| rest.trim().to_owned())
    }

    /// The bytes that it has written in hexadecimal behind these words.
    pub fn bytes_after(&mut self, words: &str) -> Option<Vec<u8>> {
        let hex = self.after(words)?;
        (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(hex.get(i..i + 2)?, 16).ok()).collect()
    }

    /// Types into it.
    ///
    /// # Errors
    /// It has ended.
    pub fn type_in(&mut self, text: &str) -> Result<(), String> {
        let stdin = self.stdin.as_mut().ok_or("its input is closed")?;
        stdin.write_all(text.as_bytes()).and_then(|()| stdin.flush()).map_err(|e| e.to_string())
    }

    /// Ends its input.
    pub fn hang_up(&mut self) {
        self.stdin = None;
    }

    /// Waits for a line with these words.
    ///
    /// # Errors
    /// None comes.
    pub fn until_written(&mut self, words: &str) -> Result<(), String> {
        let begin = StdInstant::now();
        while !self.has_written(words) {
            if begin.elapsed() > PATIENCE {
                return Err(format!("waited in vain for {words:?}; {}", self.last_words()));
            }
            std::thread::sleep(TICK);
        }
        Ok(())
    }

    fn last_words(&mut self) -> String {
        self.seen.extend(self.lines.try_iter());
        let last = &self.seen[self.seen.len().saturating_sub(8)..];
        format!("it wrote last: {}", last.join(" | "))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// This side, over a socket.
#[derive(Debug)]
pub struct Live {
    /// The connection.
    pub ours: Ours,
    socket: UdpSocket,
    peer: Option<SocketAddr>,
    start: StdInstant,
}

impl Live {
    /// A client knows whom it talks to; a server hears it.
    ///
    /// # Errors
    /// There is no socket.
    pub fn new(config: Config, peer: Option<u16>) -> Result<Self, String> {
        let socket = UdpSocket::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
        socket.set_read_timeout(Some(TICK)).map_err(|e| e.to_string())?;
        let peer = peer.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        Ok(Self { ours: Ours::new(config, 1, Instant::ORIGIN), socket, peer, start: StdInstant::now() })
    }

    /// The port of this side.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn port(&self) -> Result<u16, String> {
        self.socket.local_addr().map(|address| address.port()).map_err(|e| e.to_string())
    }

    /// Time since the beginning.
    pub fn now(&self) -> Instant {
        Instant::ORIGIN + self.start.elapsed()
    }

    /// Lets time pass until `done`.
    ///
    /// # Errors
    /// It takes 20 seconds; says what was waited for, and what the program wrote last.
    pub fn until(
        &mut self,
        what: &str,
        program: &mut Program,
        mut done: impl FnMut(&Ours, &mut Program) -> bool,
    ) -> Result<(), String> {
        let begin = StdInstant::now();
        loop {
            let now = self.now();
            if self.ours.dtls.poll_timeout().is_some_and(|at| at <= now) {
                self.ours.wake(now);
            }
            if let Some(peer) = self.peer {
                while let Some(datagram) = self.ours.transmit(now) {
                    // A server that is not up yet answers by ICMP; the handshake retransmits.
                    let _ = self.socket.send_to(&datagram, peer);
                }
            }
            if done(&self.ours, program) {
                return Ok(());
            }
            if begin.elapsed() > PATIENCE {
                let closed = &self.ours.closed;
                return Err(format!("waited in vain for {what}; this side: {closed:?}; {}", program.last_words()));
            }
            let mut buf = [0; 1 << 15];
            if let Ok((len, from)) = self.socket.recv_from(&mut buf) {
                self.peer.get_or_insert(from);
                self.ours.receive(self.now(), &buf[..len]);
            }
        }
    }

    /// Sends a line of application data.
    ///
    /// # Errors
    /// The connection is not open.
    pub fn send(&mut self, line: &str) -> Result<(), String> {
        let datagram = self.ours.seal(line.as_bytes()).map_err(|e| e.to_string())?;
        let peer = self.peer.ok_or("nobody to send to")?;
        self.socket.send_to(&datagram, peer).map(drop).map_err(|e| e.to_string())
    }

    /// Whether this line has arrived.
    pub fn has_received(ours: &Ours, line: &str) -> bool {
        ours.received.iter().any(|data| data == line.as_bytes())
    }
}
