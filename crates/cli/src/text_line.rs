//! A connection whose descriptions people carry as texts.

use std::io::{IsTerminal as _, stdin};
use std::time::{Duration, SystemTime};

use peerage::configuration::IceTransportPolicy;
use peerage::data_channel::DataChannelState;
use peerage::event::ConnectionState;
use peerage::{Configuration, DataChannel, Endpoint, Event as PcEvent, PeerConnection, Settings};
use peerage_signal::compact::condense::{Condensed, Half, Options, condense};
use peerage_signal::compact::derive::derive_credentials;
use peerage_signal::compact::error::TextError;
use peerage_signal::compact::find::{Found, find};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::args::text::TextArgs;
use crate::clock::wall;
use crate::connect::Event;
use crate::connect::link::connected;
use crate::ending::{Ending, Kind, Outcome};
use crate::interrupt::Interrupt;
use crate::nat::{Visit, servers};
use crate::pipe::{Input, finish, stream};
use crate::report::Report;
use crate::text::count;

/// How long gathering may take: a server that does not answer must not keep the text back.
const GATHER: Duration = Duration::from_secs(10);
/// How long a message may go on after a part of it looked damaged: a paste comes in lines.
const PASTE: Duration = Duration::from_millis(400);
/// Bytes of standard input in which a text is looked for, again with every line.
const MESSAGE_MAX: usize = 1 << 13;
/// How long a connection may be interrupted: nobody can tell the other side of another path.
const SILENCE: Duration = Duration::from_secs(20);
/// How long closing a connection may take.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

/// A connection by text.
pub struct TextLine {
    /// The connection.
    pub pc: PeerConnection,
    visits: Vec<Visit>,
    /// From when on the two sides could have been connected.
    met: Instant,
    /// Since when the other side has not answered.
    silent: Option<Instant>,
    options: Options,
}

impl TextLine {
    /// A connection with a certificate of its own. `wait`: how long people may take to carry the texts.
    pub async fn new(args: &TextArgs, wait: Duration) -> Outcome<Self> {
        let (ice_servers, visits) = servers(&args.servers).await?;
        if args.relay_only && ice_servers.iter().all(|server| server.credential.is_empty()) {
            return Err(Ending::new(Kind::Usage, "--relay-only needs a server with a relay: name one with --server"));
        }
        let mut settings = Settings::default();
        // Both would make the text longer than what they save.
        (settings.snap, settings.sped) = (false, false);
        // What a browser offers of audio and video is refused, which is shorter too.
        settings.media = None;
        let endpoint = Endpoint::new(settings).map_err(Ending::from(Kind::Path))?;
        let mut configuration = Configuration::default();
        configuration.ice_servers = ice_servers;
        configuration.ice_credentials = Some(derive_credentials);
        configuration.patience = Some(wait);
        if args.relay_only {
            configuration.ice_transport_policy = IceTransportPolicy::Relay;
        }
        let pc = endpoint.peer_connection(configuration).map_err(Ending::from(Kind::Usage))?;
        let mut options = Options::default();
        options.characters = args.characters.map(usize::from);
        Ok(Self { pc, visits, met: Instant::now(), silent: None, options })
    }

    /// The text of the local description, once all candidates are there.
    pub async fn text(&self, half: Half) -> Outcome<Condensed> {
        let _ = timeout(GATHER, self.pc.gathering_complete()).await;
        let description = self.pc.local_description();
        let sdp =
            description.ok_or_else(|| Ending::new(Kind::Path, "the connection closed before its text was made"))?;
        let condensed = condense(half, &sdp.sdp, now(), self.options).map_err(Ending::from(Kind::Usage))?;
        if condensed.description.candidates.is_empty() {
            let why = "this machine has no address to tell: it has no network, or --relay-only found no relay";
            return Err(Ending::new(Kind::Path, why));
        }
        Ok(condensed)
    }

    /// The other side has our description, and we have its: from now on it can only be a matter of seconds.
    pub fn begin(&mut self) {
        self.met = Instant::now();
    }

    /// Waits until `channel`, or the first one that the other side opens, can be used.
    pub async fn channel(
        &mut self,
        channel: Option<DataChannel>,
        deadline: Instant,
        report: &mut Report,
        interrupt: &mut Interrupt,
    ) -> Outcome<DataChannel> {
        let mut channel = channel;
        let mut stands = false;
        loop {
            if let Some(channel) = channel.take_if(|channel| stands && channel.ready_state() == DataChannelState::Open)
            {
                return Ok(channel);
            }
            tokio::select! {
                event = self.pc.next_event() => match event {
                    Some(PcEvent::ConnectionStateChange(ConnectionState::Connected)) => {
                        stands = true;
                        self.tell(report);
                    }
                    Some(PcEvent::ConnectionStateChange(ConnectionState::Failed)) | None if stands => return Err(gone()),
                    Some(PcEvent::ConnectionStateChange(ConnectionState::Failed)) | None => return Err(self.failed()),
                    Some(PcEvent::SelectedCandidatePairChange(_)) if stands => self.tell(report),
                    Some(PcEvent::DataChannel(opened)) if channel.is_none() => channel = Some(opened),
                    Some(PcEvent::Closed(reason)) => return Err(Ending::new(Kind::Gone, reason.to_string())),
                    Some(_) => {}
                },
                // The channel opens a moment after the connection stands, without an event of its own.
                () = sleep(Duration::from_millis(20)), if stands => {}
                () = sleep_until(deadline) => return Err(self.failed()),
                () = interrupt.heard() => return Err(Ending::interrupted(false)),
            }
        }
    }

    /// Joins the channel with the standard streams until both sides have said everything.
    pub async fn converse(
        &mut self,
        channel: &DataChannel,
        input: Input,
        report: &mut Report,
        interrupt: &mut Interrupt,
    ) -> Outcome<()> {
        let began = Instant::now();
        let passed = stream(channel, input, async || self.next().await, report, interrupt).await?;
        finish(channel, passed, began, report).await;
        Ok(())
    }

    /// Closes the connection, and gives back what it had of servers.
    pub async fn end(self) {
        let _ = timeout(CLOSE_TIMEOUT, self.pc.close()).await;
        for visit in self.visits {
            visit.end().await;
        }
    }

    async fn next(&mut self) -> Event {
        let pc = self.pc.clone();
        let lost = |reason: String| {
            // The channel says that nothing more comes once the connection is closed, which may take a moment.
            tokio::spawn(async move { timeout(CLOSE_TIMEOUT, pc.close()).await });
            Event::Lost { reason, never_stood: false }
        };
        loop {
            let patience = self.silent.map(|since| since + SILENCE);
            let event = tokio::select! {
                event = self.pc.next_event() => event,
                () = async { sleep_until(patience.expect("guarded")).await }, if patience.is_some() => {
                    return lost("the other side does not answer any more".into());
                }
            };
            match event {
                Some(PcEvent::ConnectionStateChange(ConnectionState::Disconnected)) => {
                    self.silent.get_or_insert_with(Instant::now);
                }
                Some(PcEvent::ConnectionStateChange(ConnectionState::Connected)) => self.silent = None,
                Some(PcEvent::SelectedCandidatePairChange(_)) => {
                    if let Some(connected) = connected(&self.pc, self.met) {
                        return Event::Connected(connected);
                    }
                }
                Some(PcEvent::ConnectionStateChange(ConnectionState::Failed)) => {
                    return lost("the other side does not answer any more".into());
                }
                Some(PcEvent::DataChannel(channel)) => return Event::Channel(channel),
                Some(PcEvent::Closed(reason)) => return lost(reason.to_string()),
                None => return lost("the connection closed".into()),
                Some(_) => {}
            }
        }
    }

    fn tell(&self, report: &mut Report) {
        if let Some(connected) = connected(&self.pc, self.met) {
            report.connected(&connected);
        }
    }

    fn failed(&self) -> Ending {
        Ending::new(Kind::Path, self.pc.explain().to_string())
    }
}

fn gone() -> Ending {
    Ending::new(Kind::Gone, "the other side does not answer any more")
}

/// Seconds since 1970.
pub fn now() -> u64 {
    wall().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Tells what was left out of a text.
pub fn note_dropped(condensed: &Condensed, report: &Report) {
    use peerage_signal::compact::choose::DropReason;
    let lost = condensed.dropped.iter().filter(|(_, why)| *why == DropReason::Room).count();
    if lost > 0 {
        report.note(&format!("{} did not fit into the text; --characters allows more", count(lost, "further address")));
    }
}

/// Reads standard input until there is a text in it that `wanted` takes; what follows its line is data, but at a terminal
/// what was pasted along with it is not. `until`: `None` waits for ever.
pub async fn read_text<T>(
    input: &mut Input,
    until: Option<Instant>,
    wanted: impl Fn(&Found) -> Result<T, TextError>,
    report: &Report,
) -> Outcome<T> {
    let mut message = Message::default();
    loop {
        let content = tokio::select! {
            content = input.next() => content,
            // What was pasted is over.
            () = sleep(PASTE), if !message.text.is_empty() => {
                if let Some(value) = message.search(&wanted) {
                    return Ok(value);
                }
                if !message.text.trim_ascii().is_empty() {
                    report.unusable(&message.fault.unwrap_or(TextError::Nothing).to_string());
                }
                message = Message::default();
                continue;
            }
            () = async { sleep_until(until.expect("guarded")).await }, if until.is_some() => {
                let nobody = "nobody answered in time; run the same command again for a new text";
                return Err(Ending::new(Kind::Code, nobody));
            }
        };
        let Some(content) = content else {
            let found = message.search(&wanted);
            let why = message.fault.unwrap_or(TextError::Nothing);
            return found.ok_or_else(|| Ending::new(Kind::Code, why.to_string()));
        };
        let mut rest = content.map_err(|error| Ending::new(Kind::Disk, format!("standard input: {error}")))?;
        while !rest.is_empty() {
            let end = rest.iter().position(|byte| *byte == b'\n');
            message.add(&rest.split_to(end.map_or(rest.len(), |end| end + 1)));
            let found = end.and_then(|_| message.search(&wanted));
            if let Some(value) = found {
                if stdin().is_terminal() {
                    while timeout(PASTE, input.next()).await.is_ok_and(|content| content.is_some()) {}
                } else {
                    input.put_back(rest);
                }
                return Ok(value);
            }
        }
    }
}

/// What was pasted so far.
#[derive(Default)]
struct Message {
    text: Vec<u8>,
    /// Why it is not what is wanted, if it looks like it.
    fault: Option<TextError>,
}

impl Message {
    fn add(&mut self, content: &[u8]) {
        self.text.extend_from_slice(content);
        let excess = self.text.len().saturating_sub(MESSAGE_MAX);
        self.text.drain(..excess);
    }

    fn search<T>(&mut self, wanted: impl Fn(&Found) -> Result<T, TextError>) -> Option<T> {
        match find(&String::from_utf8_lossy(&self.text)).and_then(|found| wanted(&found)) {
            Ok(value) => Some(value),
            Err(TextError::Nothing) => None,
            Err(fault) => {
                self.fault = Some(fault);
                None
            }
        }
    }
}
