//! Messages as fast as they go over one reliable and ordered channel, between the library and a browser or between two
//! browsers: what arrives in which time, and what it costs.

use std::time::Duration;

use bytes::Bytes;
use peerage::Message;
use serde_json::Value;
use tokio::time::Instant;

use crate::LIMIT;
use crate::bidi::Result;
use crate::browser::{Browser, Kind};
use crate::pair::{Offerer, Pair, description, set_remote, words};
use crate::{page, processor};

/// The text that says that nothing more comes.
const END: &str = "end";

/// Sends and counts in a page that has [`page::SCRIPT`].
const SCRIPT: &str = r#"
window.flood = async (label, size, milliseconds) => {
  const dc = channels[label];
  const message = crypto.getRandomValues(new Uint8Array(size));
  dc.bufferedAmountLowThreshold = 1 << 20;
  const end = performance.now() + milliseconds;
  while (performance.now() < end) {
    if (dc.bufferedAmount > (4 << 20)) await new Promise(r => { dc.onbufferedamountlow = r; });
    dc.send(message);
  }
  dc.send('end');
  return true;
};
window.count = (label) => {
  const dc = channels[label];
  let bytes = 0, first = 0, last = 0;
  dc.onmessage = e => {
    if (typeof e.data === 'string') { dc.counted = {bytes, seconds: (last - first) / 1e3}; return; }
    last = performance.now();
    if (bytes === 0) first = last;
    bytes += e.data.byteLength;
  };
  return true;
};
"#;

/// Who sends to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The library to the browser.
    ToBrowser,
    /// The browser to the library.
    FromBrowser,
    /// One browser to another of its kind, each with processes of its own.
    BetweenBrowsers,
}

/// How much is sent.
#[derive(Clone, Copy, Debug)]
pub struct Flood {
    /// Bytes in each message, at most 65,536.
    pub message: usize,
    /// How long messages are sent.
    pub time: Duration,
}

/// What it came to.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// Bytes of messages that arrived: all that were sent.
    pub bytes: f64,
    /// Seconds from the first message to the last, at the receiver.
    pub seconds: f64,
    /// Processor seconds of this process, which is the library's side.
    pub own: f64,
    /// Processor seconds of all processes of the browser, or of both.
    pub browsers: f64,
}

impl Way {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::ToBrowser, Self::FromBrowser, Self::BetweenBrowsers];

    /// Connects two new ends and floods the channel.
    pub async fn measure(self, kind: Kind, flood: Flood) -> Result<Flow> {
        if self == Self::BetweenBrowsers {
            return between_browsers(kind, flood).await;
        }
        let mut pair = Pair::connect(kind, Offerer::Native).await?;
        pair.browser.run(&in_page()).await?;
        let meter = Meter::start(&[&pair.browser]);
        let (bytes, seconds) = match self {
            Self::ToBrowser => to_browser(&mut pair, flood).await?,
            Self::FromBrowser | Self::BetweenBrowsers => from_browser(&mut pair, flood).await?,
        };
        let (own, browsers) = meter.stop(&[&pair.browser]);
        pair.pc.close().await;
        Ok(Flow { bytes, seconds, own, browsers })
    }
}

/// Processor time so far.
struct Meter {
    own: f64,
    browsers: f64,
}

impl Meter {
    fn start(browsers: &[&Browser]) -> Self {
        Self { own: processor::own(), browsers: of(browsers) }
    }

    fn stop(self, browsers: &[&Browser]) -> (f64, f64) {
        (processor::own() - self.own, of(browsers) - self.browsers)
    }
}

fn of(browsers: &[&Browser]) -> f64 {
    browsers.iter().filter_map(|browser| browser.process_group()).map(processor::of_group).sum()
}

async fn to_browser(pair: &mut Pair, flood: Flood) -> Result<(f64, f64)> {
    pair.browser.run("count('data')").await?;
    let message = Bytes::from(vec![0xA5; flood.message]);
    let end = Instant::now() + flood.time;
    while Instant::now() < end {
        let sent = tokio::time::timeout(LIMIT, pair.data.send(message.clone())).await;
        sent.map_err(|_| "nothing leaves any more")?.map_err(words)?;
    }
    pair.data.send_text(END).await.map_err(words)?;
    counted(&mut pair.browser).await
}

async fn from_browser(pair: &mut Pair, flood: Flood) -> Result<(f64, f64)> {
    let Pair { browser, data, .. } = pair;
    let expression = flooding(flood);
    let receive = async {
        let (mut bytes, mut first, mut last) = (0, None, Instant::now());
        loop {
            let message = tokio::time::timeout(LIMIT, data.recv()).await;
            match message.map_err(|_| format!("nothing more comes after {bytes} bytes"))? {
                Some(Message::Binary(message)) => {
                    last = Instant::now();
                    first.get_or_insert(last);
                    bytes += message.len();
                }
                Some(Message::Text(_)) => break,
                None => return Err("the channel ended".to_owned()),
            }
        }
        let seconds = first.map_or(0.0, |first| last.duration_since(first).as_secs_f64());
        Ok((bytes as f64, seconds))
    };
    let (_, received) = tokio::try_join!(browser.run(&expression), receive)?;
    Ok(received)
}

async fn between_browsers(kind: Kind, flood: Flood) -> Result<Flow> {
    let (mut a, mut b) = tokio::try_join!(with_page(kind), with_page(kind))?;
    connect(&mut a, &mut b).await?;
    b.run("count('data')").await?;
    let meter = Meter::start(&[&a, &b]);
    a.run(&flooding(flood)).await?;
    let (bytes, seconds) = counted(&mut b).await?;
    let (own, browsers) = meter.stop(&[&a, &b]);
    Ok(Flow { bytes, seconds, own, browsers })
}

async fn with_page(kind: Kind) -> Result<Browser> {
    let mut browser = Browser::start(kind).await?;
    browser.open(&page::blank().await?).await?;
    browser.run(&format!("(() => {{ {} }})()", page::SCRIPT)).await?;
    browser.run(&in_page()).await?;
    browser.run("start({})").await?;
    Ok(browser)
}

/// Connects two pages with a channel `data`; candidates go with the descriptions.
async fn connect(a: &mut Browser, b: &mut Browser) -> Result<()> {
    a.run("open('data')").await?;
    let offer = described(a).await?;
    set_remote(b, &description(&offer)?).await?;
    let answer = described(b).await?;
    set_remote(a, &description(&answer)?).await?;
    for browser in [a, b] {
        browser.until("opened('data')", LIMIT).await?;
    }
    Ok(())
}

async fn described(browser: &mut Browser) -> Result<Value> {
    browser.run("pc.setLocalDescription().then(() => true)").await?;
    browser.until("pc.iceGatheringState === 'complete' && pc.localDescription.toJSON()", LIMIT).await
}

fn in_page() -> String {
    format!("(() => {{ {SCRIPT} }})()")
}

fn flooding(flood: Flood) -> String {
    format!("flood('data', {}, {})", flood.message, flood.time.as_millis())
}

async fn counted(browser: &mut Browser) -> Result<(f64, f64)> {
    let counted = browser.until("channels.data.counted", LIMIT).await?;
    let figure = |name: &str| counted[name].as_f64().ok_or_else(|| format!("no {name}: {counted}"));
    Ok((figure("bytes")?, figure("seconds")?))
}
