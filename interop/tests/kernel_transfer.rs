//! Files between homes behind kernel NATs, with real packets: which path is found, and that nothing is lost on it.

use std::net::Ipv4Addr;
use std::time::Duration;

use peerage_interop::LIMIT;
use peerage_interop::bidi::Result;
use peerage_interop::browser::{Kind as BrowserKind, Options};
use peerage_interop::netns::kind::Kind;
use peerage_interop::netns::{Lab, Space};
use peerage_interop::program::{Run, Server, binary};
use peerage_interop::sample;
use peerage_interop::visit::{self, Offers};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

const SIZE: usize = 6 << 20;
/// The public network of the lab has documentation addresses, which a relay does not serve otherwise.
const LAB: &[&str] = &["--turn-allow-peer", "198.51.100.0/24"];

async fn joined<T>(task: tokio::task::JoinHandle<Result<T>>) -> Result<T> {
    task.await.map_err(|e| e.to_string())?
}

/// A server in a public namespace. It ends when the handle is dropped.
struct PublicServer {
    url: String,
    _stop: oneshot::Sender<()>,
}

async fn server(lab: &mut Lab) -> Result<PublicServer> {
    let space = lab.public()?;
    // A second address makes it tell clients how their NAT behaves.
    let second = Ipv4Addr::from(u32::from(space.address) + 100);
    space.shell(&format!("ip addr add {second}/24 dev eth"))?;
    let addresses = [space.address, second];
    let (stop, stopped) = oneshot::channel();
    let (ready, is_ready) = oneshot::channel();
    space.spawn(async move || {
        let server = Server::start_at(&addresses, LAB).await?;
        let _ = ready.send(server.url.clone());
        let _ = stopped.await;
        Ok(())
    });
    let url = is_ready.await.map_err(|_| "the server did not start".to_owned())?;
    Ok(PublicServer { url, _stop: stop })
}

/// The route of a connection as its events tell it, and how long it took.
#[derive(Debug)]
struct Found {
    /// `direct` or `relayed`, the last that was told.
    route: &'static str,
    connect_ms: u64,
}

fn found(event: &Value, so_far: Option<Found>) -> Found {
    let relayed = event["local"] == "relay" || event["remote"] == "relay";
    let connect_ms = so_far.map_or(event["connect_ms"].as_u64().unwrap_or_default(), |found| found.connect_ms);
    Found { route: if relayed { "relayed" } else { "direct" }, connect_ms }
}

/// Sends a file from one space to another; what the receiver says of the path.
async fn transfer(server: &PublicServer, from: &Space, to: &Space, size: usize) -> Result<Found> {
    let (sender_home, receiver_home) = (sample::folder()?, sample::folder()?);
    let (path, hash) = sample::file(sender_home.path(), "file.bin", size)?;
    let (code_found, code) = oneshot::channel();
    let (url, home) = (server.url.clone(), sender_home.path().to_owned());
    let sending = from.spawn(async move || {
        let mut send = Run::start(&["send", &path.to_string_lossy(), "--server", &url], &home).await?;
        let event = send.event("code", LIMIT).await?;
        let _ = code_found.send(event["code"].as_str().unwrap_or_default().to_owned());
        send.event("done", LIMIT).await?;
        send.end(LIMIT).await
    });
    let code = code.await.map_err(|_| "no code".to_owned())?;
    let (url, home) = (server.url.clone(), receiver_home.path().to_owned());
    let receiving = to.spawn(async move || {
        let mut receive = Run::start(&["receive", &code, "--server", &url, "--out", "got", "--yes"], &home).await?;
        let first = receive.event("connected", LIMIT).await?;
        let mut seen = found(&first, None);
        let done = receive.event_seeing("done", "connected", LIMIT, |event| {
            seen = found(event, Some(Found { connect_ms: seen.connect_ms, ..seen }));
        });
        let done = done.await?;
        if done["sha256"] != hash.as_str() {
            return Err(format!("the receiver says {done}"));
        }
        match receive.end(LIMIT).await? {
            0 => Ok(seen),
            code => Err(format!("exit code {code}")),
        }
    });
    let found = joined(receiving).await?;
    match joined(sending).await? {
        0 => Ok(found),
        code => Err(format!("the sender's exit code is {code}")),
    }
}

/// Sends a small file between homes of these kinds; the route that was found first or later must be as expected.
async fn between(lab: &mut Lab, server: &PublicServer, a: Kind, b: Kind, expected: &str) -> Result<()> {
    let (a_home, b_home) = (lab.home(&a)?, lab.home(&b)?);
    // A relay may be found first; what is direct takes over while the file is on its way.
    slow(&a_home.host, "20mbit")?;
    let found = transfer(server, &a_home.host, &b_home.host, SIZE).await.map_err(|e| format!("{a:?} to {b:?}: {e}"))?;
    eprintln!("{a:?} to {b:?}: {} after {} ms", found.route, found.connect_ms);
    if found.route == expected { Ok(()) } else { Err(format!("{a:?} to {b:?}: {} instead of {expected}", found.route)) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_cross_every_kind_of_kernel_nat() -> Result<()> {
    let Some(mut lab) = Lab::or_skip("transfers across kernel NATs") else { return Ok(()) };
    binary().await?;
    let server = server(&mut lab).await?;
    for (a, b, expected) in [
        (Kind::Masquerade, Kind::Masquerade, "direct"),
        (Kind::FullCone, Kind::MasqueradeFullyRandom, "direct"),
        (Kind::MasqueradeFullyRandom, Kind::AddressRestricted, "direct"),
        (Kind::MasqueradeFullyRandom, Kind::MasqueradeFullyRandom, "relayed"),
        (Kind::UdpBlocked, Kind::Masquerade, "relayed"),
    ] {
        between(&mut lab, &server, a, b, expected).await?;
    }
    Ok(())
}

/// Lets a host send no more than this: a transfer then takes a while.
fn slow(space: &Space, rate: &str) -> Result<()> {
    space.shell(&format!("tc qdisc replace dev eth root tbf rate {rate} burst 64kb latency 100ms"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_random_symmetric_nat_is_crossed_while_the_relay_carries_the_data() -> Result<()> {
    let Some(mut lab) = Lab::or_skip("probing through a kernel NAT") else { return Ok(()) };
    binary().await?;
    let server = server(&mut lab).await?;
    let (a, b) = (lab.home(&Kind::MasqueradeFullyRandom)?, lab.home(&Kind::Masquerade)?);
    slow(&a.host, "20mbit")?;
    // Half a minute's worth: what is found within twenty seconds is used.
    let found = transfer(&server, &a.host, &b.host, 64 << 20).await?;
    if found.route == "direct" { Ok(()) } else { Err("it stayed relayed".into()) }
}

/// Sends a file that takes some seconds, does something in the middle of it, and checks that all arrives.
async fn disturbed(
    server: &PublicServer,
    from: &Space,
    to: &Space,
    disturb: impl AsyncFnOnce() -> Result<()>,
) -> Result<Found> {
    slow(from, "30mbit")?;
    let transfer = transfer(server, from, to, 32 << 20);
    tokio::pin!(transfer);
    let early = tokio::select! {
        found = &mut transfer => Some(found),
        () = tokio::time::sleep(Duration::from_secs(4)) => None,
    };
    if let Some(found) = early {
        return Err(format!("it was over before it was disturbed: {found:?}"));
    }
    disturb().await?;
    transfer.await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nat_that_forgets_and_renumbers_in_mid_transfer_loses_nothing() -> Result<()> {
    let Some(mut lab) = Lab::or_skip("rebinding") else { return Ok(()) };
    binary().await?;
    let server = server(&mut lab).await?;
    let (a, b) = (lab.home(&Kind::Masquerade)?, lab.home(&Kind::Masquerade)?);
    let router = a.router.clone();
    let fresh = Ipv4Addr::from(u32::from(router.address) + 50);
    disturbed(&server, &a.host, &b.host, async || {
        // Masquerading drops the flows of an address that goes away.
        router.shell(&format!(
            "ip addr del {}/24 dev out; ip addr add {fresh}/24 dev out; ip route replace default dev out",
            router.address
        ))
    })
    .await
    .map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_changes_networks_in_mid_transfer_loses_nothing() -> Result<()> {
    let Some(mut lab) = Lab::or_skip("roaming") else { return Ok(()) };
    binary().await?;
    let server = server(&mut lab).await?;
    let (a, b) = (lab.home(&Kind::Masquerade)?, lab.home(&Kind::Masquerade)?);
    let host = a.host.clone();
    let [p, q, r, last] = host.address.octets();
    disturbed(&server, &a.host, &b.host, async || {
        host.shell(&format!(
            "ip addr del {}/24 dev eth; ip addr add {p}.{q}.{r}.{}/24 dev eth; ip route replace default via {p}.{q}.{r}.1",
            host.address,
            last + 40
        ))
    })
    .await
    .map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_behind_a_kernel_nat_receives_from_the_command_line_behind_another() -> Result<()> {
    let Some(mut lab) = Lab::or_skip("a browser behind a kernel NAT") else { return Ok(()) };
    binary().await?;
    let server = server(&mut lab).await?;
    for (browser_nat, own_nat) in [
        (Kind::Masquerade, Kind::Masquerade),
        (Kind::AddressRestricted, Kind::MasqueradeFullyRandom),
        (Kind::MasqueradeFullyRandom, Kind::MasqueradeFullyRandom),
    ] {
        let (theirs, ours) = (lab.home(&browser_nat)?, lab.home(&own_nat)?);
        let source = sample::folder()?;
        let (path, hash) = sample::file(source.path(), "file.bin", SIZE)?;
        let (code_found, mut code) = mpsc::channel::<String>(1);
        let (url, home) = (server.url.clone(), source.path().to_owned());
        let sending = ours.host.spawn(async move || {
            let mut send = Run::start(&["send", &path.to_string_lossy(), "--server", &url], &home).await?;
            let event = send.event("code", LIMIT).await?;
            let _ = code_found.send(event["code"].as_str().unwrap_or_default().to_owned()).await;
            let connected = send.event("connected", LIMIT).await?;
            send.event("done", LIMIT).await?;
            send.end(LIMIT).await.map(|status| (status, connected))
        });
        let code = code.recv().await.ok_or("no code")?;
        let url = server.url.clone();
        let receiving = theirs.host.spawn(async move || {
            let options = Options { hide_addresses: true, ..Options::default() };
            let mut browser = visit::open_with(BrowserKind::Chromium, options, &url).await?;
            visit::join(&mut browser, &code, Offers::Accept).await?;
            visit::received(&mut browser, SIZE as u64, &hash).await
        });
        joined(receiving).await.map_err(|e| format!("{browser_nat:?} from {own_nat:?}: {e}"))?;
        let (status, connected) = joined(sending).await?;
        eprintln!("browser {browser_nat:?}, ours {own_nat:?}: {connected}");
        if status != 0 {
            return Err(format!("the sender's exit code is {status}"));
        }
    }
    Ok(())
}
