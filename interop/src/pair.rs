//! The library and a browser, without any signalling server: descriptions and candidates go by hand.

use std::time::Duration;

use peerage::event::{CloseReason, ConnectionState, IceCandidate};
use peerage::peer_connection::SdpType;
use peerage::{
    Configuration, DataChannel, DataChannelInit, Endpoint, Event, PeerConnection, SessionDescription, Settings,
};
use serde_json::{Value, json};

use crate::LIMIT;
use crate::bidi::Result;
use crate::browser::{Browser, Kind, Options};
use crate::delay::Delay;
use crate::{natives, page};

/// Who makes the offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offerer {
    /// The library.
    Native,
    /// The browser.
    Browser,
}

/// What somebody between the two makes of a description.
pub type Tamper = fn(&str) -> String;

/// Whose candidates get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carry {
    /// All.
    Both,
    /// Those of the browser.
    ToNative,
    /// Those of the library.
    ToBrowser,
}

/// Who is connected, and how.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Which browser.
    pub kind: Kind,
    /// Who makes the offer.
    pub offerer: Offerer,
    /// How the browser is started.
    pub options: Options,
    /// The expression that makes the browser's connection.
    pub start: &'static str,
    /// How the library is set.
    pub settings: Settings,
    /// How the library's connection is configured.
    pub configuration: Configuration,
    /// Whose candidates get through.
    pub carry: Carry,
    /// Which of those get through.
    pub takes: fn(&str) -> bool,
    /// What becomes of descriptions on the way to the library.
    pub to_native: Tamper,
    /// What becomes of descriptions on the way to the browser.
    pub to_browser: Tamper,
}

impl Setup {
    /// Everything as usual, nobody in between.
    pub fn new(kind: Kind, offerer: Offerer) -> Self {
        let (options, settings) = (Options::default(), Settings::default());
        Self {
            kind,
            offerer,
            options,
            start: "start({})",
            settings,
            configuration: Configuration::default(),
            carry: Carry::Both,
            takes: |_| true,
            to_native: str::to_owned,
            to_browser: str::to_owned,
        }
    }
}

/// A native connection and a browser's, with a channel `data`.
pub struct Pair {
    /// The browser, whose page has [`page::SCRIPT`].
    pub browser: Browser,
    /// The library's side.
    pub pc: PeerConnection,
    /// The channel; the browser's is `channels.data`.
    pub data: DataChannel,
}

/// Descriptions are exchanged; nothing need ever come of it.
pub struct Attempt {
    /// The browser, whose page has [`page::SCRIPT`].
    pub browser: Browser,
    /// The library's side.
    pub pc: PeerConnection,
    /// All candidates that the library offered.
    pub offered: Vec<String>,
    carry: Carry,
    takes: fn(&str) -> bool,
    data: Option<DataChannel>,
    seen: usize,
}

impl Pair {
    /// Connects; the channel is open on both sides.
    pub async fn connect(kind: Kind, offerer: Offerer) -> Result<Self> {
        Self::connect_with(Setup::new(kind, offerer)).await
    }

    /// Connects with a setup of its own.
    pub async fn connect_with(setup: Setup) -> Result<Self> {
        let mut attempt = Attempt::begin(setup).await?;
        attempt.trickle().await?;
        attempt.pair().await
    }
}

impl Pair {
    /// Connects by a way between the two: the library is its side 0. The setup says nothing of candidates.
    pub async fn connect_by(setup: Setup, way: &Delay) -> Result<Self> {
        let mut attempt = Attempt::begin(Setup { takes: |_| false, ..setup }).await?;
        let there = |side| IceCandidate {
            candidate: format!(
                "candidate:1 1 udp 2130706431 {} {} typ host",
                way.address(side).ip(),
                way.address(side).port()
            ),
            sdp_mid: Some("0".to_owned()),
            sdp_mline_index: None,
            username_fragment: None,
        };
        attempt.pc.add_ice_candidate(there(0)).await.map_err(words)?;
        give_candidate(&mut attempt.browser, Some(there(1))).await?;
        attempt.trickle().await?;
        attempt.pair().await
    }

    /// So many bytes each way, one after the other, compared by hash.
    pub async fn exchange(&mut self, size: usize) -> Result<()> {
        self.send(size).await?;
        self.receive(size).await
    }

    /// So many bytes to the browser, compared by hash.
    pub async fn send(&mut self, size: usize) -> Result<()> {
        self.send_with(size, async || Ok(())).await
    }

    /// The same; does something when half has been handed to the channel.
    pub async fn send_with(&mut self, size: usize, midway: impl AsyncFnOnce() -> Result<()>) -> Result<()> {
        self.browser.run("(Object.assign(channels.data, {mode: 'sink', bytes: 0, chunks: []}), true)").await?;
        let ours = hex(&natives::send_with(&self.data, size, midway).await?);
        let theirs = self.browser.until(&format!("sinkHash('data', {size})"), LIMIT).await?;
        if theirs == ours.as_str() { Ok(()) } else { Err(format!("the browser received {theirs}, sent was {ours}")) }
    }

    /// So many bytes from the browser, compared by hash.
    pub async fn receive(&mut self, size: usize) -> Result<()> {
        self.browser.run(&format!("(window.sent = pump('data', {size}, 65536), true)")).await?;
        let ours = hex(&natives::receive(&self.data, size).await?);
        let theirs = self.browser.run("sent").await?;
        if theirs == ours.as_str() { Ok(()) } else { Err(format!("received {ours}, the browser sent {theirs}")) }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

impl Attempt {
    /// Starts both sides and exchanges descriptions.
    pub async fn begin(setup: Setup) -> Result<Self> {
        let mut browser = Browser::start_with(setup.kind, setup.options).await?;
        browser.open(&page::blank().await?).await?;
        browser.run(&format!("(() => {{ {} }})()", page::SCRIPT)).await?;
        browser.run(setup.start).await?;
        let endpoint = Endpoint::new(setup.settings).map_err(words)?;
        let pc = endpoint.peer_connection(setup.configuration).map_err(words)?;
        let local = "pc.setLocalDescription().then(() => pc.localDescription.toJSON())";
        let altered = |found: SessionDescription, tamper: Tamper| {
            SessionDescription::new(found.kind, tamper(&without_candidates(&found.sdp, setup.takes)))
        };
        let data = match setup.offerer {
            Offerer::Native => {
                let data = pc.create_data_channel("data", DataChannelInit::default()).map_err(words)?;
                let offer = pc.create_offer().await.map_err(words)?;
                pc.set_local_description(offer.clone()).await.map_err(words)?;
                set_remote(&mut browser, &altered(offer, setup.to_browser)).await?;
                let answer = description(&browser.run(local).await?)?;
                pc.set_remote_description(altered(answer, setup.to_native)).await.map_err(words)?;
                Some(data)
            }
            Offerer::Browser => {
                browser.run("open('data')").await?;
                let offer = description(&browser.run(local).await?)?;
                pc.set_remote_description(altered(offer, setup.to_native)).await.map_err(words)?;
                let answer = pc.create_answer().await.map_err(words)?;
                pc.set_local_description(answer.clone()).await.map_err(words)?;
                set_remote(&mut browser, &altered(answer, setup.to_browser)).await?;
                None
            }
        };
        Ok(Self { browser, pc, offered: Vec::new(), carry: setup.carry, takes: setup.takes, data, seen: 0 })
    }

    /// Carries candidates both ways until the library has its channel and is connected.
    pub async fn trickle(&mut self) -> Result<()> {
        let run = async {
            loop {
                if let Some(reason) = self.step().await? {
                    return Err(format!("closed: {reason}"));
                }
                if self.pc.connection_state() == ConnectionState::Connected && self.data.is_some() {
                    return Ok(());
                }
            }
        };
        let late = |_| ();
        let outcome = tokio::time::timeout(LIMIT, run).await.map_err(late);
        outcome.unwrap_or_else(|()| Err(format!("not connected in time: {}", self.pc.explain())))
    }

    /// Carries candidates both ways until the library gives up; says why it did.
    pub async fn until_closed(&mut self) -> Result<CloseReason> {
        let run = async {
            loop {
                if let Some(reason) = self.step().await? {
                    return Ok(reason);
                }
            }
        };
        tokio::time::timeout(LIMIT, run).await.map_err(|_| "not closed in time".to_owned())?
    }

    /// Waits until the channel is open on both sides.
    pub async fn pair(mut self) -> Result<Pair> {
        let data = self.data.ok_or("there is no channel")?;
        self.browser.until("opened('data')", LIMIT).await?;
        data.opened().await.map_err(words)?;
        Ok(Pair { browser: self.browser, pc: self.pc, data })
    }

    async fn step(&mut self) -> Result<Option<CloseReason>> {
        if self.carry != Carry::ToBrowser {
            take_some(&mut self.browser, &self.pc, &mut self.seen, self.takes).await?;
        }
        match tokio::time::timeout(Duration::from_millis(50), self.pc.next_event()).await {
            Ok(Some(Event::IceCandidate(candidate))) => {
                self.offered.extend(candidate.as_ref().map(|c| c.candidate.clone()));
                let takes = candidate.as_ref().is_none_or(|candidate| (self.takes)(&candidate.candidate));
                if self.carry != Carry::ToNative && takes {
                    give_candidate(&mut self.browser, candidate).await?;
                }
            }
            Ok(Some(Event::DataChannel(channel))) => self.data = Some(channel),
            Ok(Some(Event::Closed(reason))) => return Ok(Some(reason)),
            Ok(None) => return Err("closed without a reason".to_owned()),
            _ => {}
        }
        Ok(None)
    }
}

/// An error in words.
pub fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// A description as the browser's `toJSON` gives it.
pub fn description(value: &Value) -> Result<SessionDescription> {
    let kind: SdpType = value["type"].as_str().unwrap_or_default().parse().map_err(words)?;
    Ok(SessionDescription::new(kind, value["sdp"].as_str().unwrap_or_default()))
}

/// A description without the candidates that nobody wants.
fn without_candidates(sdp: &str, takes: fn(&str) -> bool) -> String {
    let stays =
        |line: &&str| line.strip_prefix("a=").is_none_or(|a| !a.starts_with("candidate:") || takes(a.trim_end()));
    sdp.split_inclusive('\n').filter(stays).collect()
}

/// Hands a description to the browser.
pub async fn set_remote(browser: &mut Browser, description: &SessionDescription) -> Result<()> {
    let init = json!({"type": description.kind.as_str(), "sdp": description.sdp});
    browser.run(&format!("pc.setRemoteDescription({init}).then(() => true)")).await.map(drop)
}

/// Takes the browser's candidates from `seen` on to the library.
pub async fn take_candidates(browser: &mut Browser, pc: &PeerConnection, seen: &mut usize) -> Result<()> {
    take_some(browser, pc, seen, |_| true).await
}

async fn take_some(
    browser: &mut Browser,
    pc: &PeerConnection,
    seen: &mut usize,
    takes: fn(&str) -> bool,
) -> Result<()> {
    let all = browser.run(&format!("candidates.slice({seen})")).await?;
    for candidate in all.as_array().into_iter().flatten() {
        *seen += 1;
        if !candidate["candidate"].as_str().is_some_and(takes) {
            continue;
        }
        let init = IceCandidate {
            candidate: candidate["candidate"].as_str().unwrap_or_default().to_owned(),
            sdp_mid: candidate["sdpMid"].as_str().map(str::to_owned),
            sdp_mline_index: None,
            username_fragment: candidate["usernameFragment"].as_str().map(str::to_owned),
        };
        // A connection that has ended takes none; why it ended is told by its event.
        if let Err(error) = pc.add_ice_candidate(init).await
            && !matches!(pc.connection_state(), ConnectionState::Closed | ConnectionState::Failed)
        {
            return Err(words(error));
        }
    }
    Ok(())
}

/// Hands a candidate of the library to the browser.
pub async fn give_candidate(browser: &mut Browser, candidate: Option<IceCandidate>) -> Result<()> {
    let init = match candidate {
        Some(c) => json!({
            "candidate": c.candidate, "sdpMid": c.sdp_mid, "sdpMLineIndex": c.sdp_mline_index,
            "usernameFragment": c.username_fragment,
        }),
        None => return Ok(()),
    };
    browser.run(&format!("pc.addIceCandidate({init}).then(() => true)")).await.map(drop)
}
