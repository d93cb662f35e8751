//! An empty page on this machine, so that scripts run in a secure context, and the script that the tests put there.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::bidi::Result;

/// Helpers for the page: one peer connection `pc`, its candidates in `candidates`, its channels in `channels`.
pub const SCRIPT: &str = r#"
window.start = (config) => {
  window.pc = new RTCPeerConnection(config ?? {});
  window.candidates = []; window.channels = {}; window.log = [];
  pc.onicecandidate = e => candidates.push(e.candidate ? e.candidate.toJSON() : null);
  pc.onconnectionstatechange = () => log.push(pc.connectionState);
  pc.ondatachannel = e => keep(e.channel);
  return true;
};
window.keep = (dc) => {
  dc.binaryType = 'arraybuffer';
  dc.inbox = []; dc.bytes = 0; dc.chunks = [];
  dc.onmessage = e => {
    if (dc.mode === 'sink') { dc.chunks.push(new Uint8Array(e.data)); dc.bytes += e.data.byteLength; return; }
    if (dc.mode === 'echo') { dc.send(e.data); return; }
    dc.inbox.push(typeof e.data === 'string' ? e.data : Array.from(new Uint8Array(e.data)));
  };
  channels[dc.label] = dc;
  return dc;
};
window.open = (label, init) => { keep(pc.createDataChannel(label, init)); return true; };
window.opened = (label) => channels[label]?.readyState === 'open';
window.hex = (buffer) => Array.from(new Uint8Array(buffer), b => b.toString(16).padStart(2, '0')).join('');
window.sinkHash = async (label, size) => {
  const dc = channels[label];
  if (dc.bytes < size) return null;
  const all = new Uint8Array(size); let at = 0;
  for (const c of dc.chunks) { all.set(c, at); at += c.length; }
  return hex(await crypto.subtle.digest('SHA-256', all));
};
window.pump = async (label, size, piece) => {
  const dc = channels[label];
  const all = new Uint8Array(size);
  for (let i = 0; i < size; i += 65536) crypto.getRandomValues(all.subarray(i, Math.min(size, i + 65536)));
  dc.bufferedAmountLowThreshold = 1 << 20;
  for (let i = 0; i < size; i += piece) {
    if (dc.bufferedAmount > (4 << 20)) await new Promise(r => { dc.onbufferedamountlow = r; });
    dc.send(all.subarray(i, Math.min(size, i + piece)));
  }
  return hex(await crypto.subtle.digest('SHA-256', all));
};
"#;

/// Serves an empty page and returns its URL. Ends with the runtime.
pub async fn blank() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|e| e.to_string())?;
    let port = listener.local_addr().map_err(|e| e.to_string())?.port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let body = "<!doctype html><title>blank</title>";
                let reply = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(reply.as_bytes()).await;
            });
        }
    });
    Ok(format!("http://127.0.0.1:{port}/"))
}
