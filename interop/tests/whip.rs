//! What browsers and GStreamer publish by WHIP, and view by WHEP, over `peerage serve`.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use peerage_interop::LIMIT;
use peerage_interop::bidi::Result;
use peerage_interop::browser::{Browser, Kind, Options};
use peerage_interop::program::Server;
use peerage_interop::{expect, page};
use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

const TOKEN: &str = "correct-horse-battery";
/// What a viewer has to decode, and how much sound has to arrive.
const PICTURES: u32 = 60;
const SOUNDS: u32 = 100;

const SCRIPT: &str = r#"
window.post = async (url, token, pc) => {
  await pc.setLocalDescription();
  const headers = {"Content-Type": "application/sdp"};
  if (token) headers.Authorization = "Bearer " + token;
  const response = await fetch(url, {method: "POST", headers, body: pc.localDescription.sdp});
  const sdp = await response.text();
  if (response.status !== 201) throw new Error(response.status + " " + sdp);
  for (const name of ["Location", "ETag", "Link"]) {
    if (!response.headers.get(name)) throw new Error(name + " is hidden from pages");
  }
  await pc.setRemoteDescription({type: "answer", sdp});
  return new URL(response.headers.get("Location"), url).href;
};
window.publish = async (url, token, sendEncodings) => {
  const media = await navigator.mediaDevices.getUserMedia({audio: true, video: {width: 1280, height: 720}});
  window.publisher = new RTCPeerConnection();
  const [audio] = media.getAudioTracks(), [video] = media.getVideoTracks();
  publisher.addTransceiver(audio, {direction: "sendonly", streams: [media]});
  publisher.addTransceiver(video, {direction: "sendonly", streams: [media], sendEncodings});
  return post(url, token, publisher);
};
window.view = async url => {
  window.viewer = new RTCPeerConnection();
  for (const kind of ["audio", "video"]) viewer.addTransceiver(kind, {direction: "recvonly"});
  viewer.ontrack = ({streams}) => {
    if (window.screen_) return;
    window.screen_ = document.createElement("video");
    Object.assign(screen_, {srcObject: streams[0], autoplay: true, muted: true});
    document.body.append(screen_);
  };
  return post(url, null, viewer);
};
window.seen = async () => {
  const seen = {pictures: 0, width: 0, sounds: 0, ice: viewer.iceConnectionState, state: viewer.connectionState};
  for (const report of (await viewer.getStats()).values()) {
    if (report.type !== "inbound-rtp") continue;
    if (report.kind === "video") [seen.pictures, seen.width] = [report.framesDecoded || 0, report.frameWidth || 0];
    else seen.sounds = report.packetsReceived || 0;
  }
  return seen;
};
"#;

/// A server that takes what has [`TOKEN`].
async fn server() -> Result<(Server, NamedTempFile)> {
    let mut tokens = NamedTempFile::new().map_err(|e| e.to_string())?;
    writeln!(tokens, "{TOKEN}").map_err(|e| e.to_string())?;
    let path = tokens.path().to_str().ok_or("no path")?.to_owned();
    Ok((Server::start_with(&["--whip-token-file", &path]).await?, tokens))
}

/// A browser on a page of another origin than the server's.
async fn browser(kind: Kind) -> Result<Browser> {
    let mut browser = Browser::start_with(kind, Options { fake_media: true, ..Options::default() }).await?;
    browser.open(&page::blank().await?).await?;
    browser.run(&format!("(() => {{ {SCRIPT} }})()")).await?;
    Ok(browser)
}

async fn view(browser: &mut Browser, url: &str, width: u32) -> Result<()> {
    browser.run(&format!("view('{url}')")).await?;
    let enough =
        format!("seen().then(s => s.pictures >= {PICTURES} && s.sounds >= {SOUNDS} && s.width >= {width} ? s : null)");
    match browser.until(&enough, LIMIT).await {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("{error}: seen {}", browser.run("seen()").await?)),
    }
}

/// One browser publishes, and both view.
async fn publishes(kind: Kind, other: Kind, encodings: &str, width: u32) -> Result<()> {
    let (server, _tokens) = server().await?;
    let (whip, whep) = (format!("{}/whip/stage", server.url), format!("{}/whep/stage", server.url));
    let mut publisher = browser(kind).await?;
    let session = publisher.run(&format!("publish('{whip}', '{TOKEN}', {encodings})")).await?;
    view(&mut publisher, &whep, width).await?;
    let mut viewer = browser(other).await?;
    view(&mut viewer, &whep, width).await?;
    // What the publisher ends, ends for whoever views.
    let session = session.as_str().ok_or("no session")?;
    let delete = format!(
        "fetch('{session}', {{method: 'DELETE', headers: {{Authorization: 'Bearer {TOKEN}'}}}}).then(r => r.status)"
    );
    let status = publisher.run(&delete).await?;
    if status != 200 {
        return Err(format!("DELETE: {status}"));
    }
    let over = "['closed', 'failed', 'disconnected'].includes(viewer.connectionState)";
    viewer.until(over, LIMIT).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chromium_publishes_encodings_side_by_side_and_both_view() {
    if expect::installed("whip/Chromium", &["chromium", "firefox-esr"]) {
        // The smallest is 320 wide: more shows that the path was found to carry it.
        let encodings = "[{rid: 'q', scaleResolutionDownBy: 4}, {rid: 'h', scaleResolutionDownBy: 2}, {rid: 'f'}]";
        expect::judge("whip/Chromium", publishes(Kind::Chromium, Kind::Firefox, encodings, 640).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn firefox_publishes_and_both_view() {
    if expect::installed("whip/Firefox", &["chromium", "firefox-esr"]) {
        expect::judge("whip/Firefox", publishes(Kind::Firefox, Kind::Chromium, "[{}]", 320).await);
    }
}

/// GStreamer's `webrtcbin` with HTTP around it. Ends when dropped.
fn gstreamer(role: &str, url: &str) -> Result<Child> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign/gst_whip.py");
    let mut command = Command::new("/usr/bin/python3");
    command.arg(script).args([role, url]).env("WHIP_TOKEN", TOKEN);
    command.kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    command.spawn().map_err(|e| e.to_string())
}

/// Waits for a line of a script that begins so.
async fn told(process: &mut Child, wanted: &str) -> Result<()> {
    let mut lines = BufReader::new(process.stdout.take().ok_or("no output")?).lines();
    let find = async {
        while let Some(line) = lines.next_line().await.map_err(|e| e.to_string())? {
            if line.starts_with(wanted) {
                // It has more to say, and would fail if nobody listened.
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                return Ok(());
            }
            eprintln!("gstreamer: {line}");
        }
        Err(format!("it ended without {wanted:?}"))
    };
    tokio::time::timeout(LIMIT, find).await.map_err(|_| format!("no {wanted:?} within {LIMIT:?}"))?
}

async fn with_gstreamer() -> Result<()> {
    let (server, _tokens) = server().await?;
    let (whip, whep) = (format!("{}/whip/stage", server.url), format!("{}/whep/stage", server.url));
    let mut publisher = gstreamer("publish", &whip)?;
    told(&mut publisher, "connected").await?;
    let mut viewer = gstreamer("view", &whep)?;
    told(&mut viewer, "decoded 60").await?;
    let mut watcher = browser(Kind::Chromium).await?;
    view(&mut watcher, &whep, 320).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gstreamer_publishes_and_views() {
    let has_elements = Command::new("gst-inspect-1.0").arg("webrtcbin").stdout(Stdio::null()).status().await;
    if !expect::installed("whip/GStreamer", &["gst-inspect-1.0", "python3", "chromium"]) {
        return;
    }
    assert!(has_elements.is_ok_and(|status| status.success()), "gst-inspect-1.0 webrtcbin: gstreamer1.0-plugins-bad");
    expect::judge("whip/GStreamer", with_gstreamer().await);
}
