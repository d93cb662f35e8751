//! `peerage serve`.

use std::fs;
use std::io::{Write as _, stderr, stdout};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use peerage_server::bind::BindError;
use peerage_server::turn::config::{Secret, TurnConfig};
use peerage_server::whip::config::WhipConfig;
use peerage_server::{Server, ServerConfig, Stun, Tls};
use peerage_signal::access::{AccessList, AccessToken};

use crate::args::serve::{ServeArgs, TurnArgs, WhipArgs};
use crate::ending::{Ending, Kind, Outcome};
use crate::interrupt::Interrupt;

/// Files with tokens and secrets are a few lines.
const FILE_MAX: u64 = 1 << 20;

/// Serves until it is stopped.
pub async fn run(args: ServeArgs) -> Outcome<()> {
    let is_loopback = args.listen.iter().all(|address| address.ip().is_loopback());
    let port = args.listen.first().map_or(8080, SocketAddr::port);
    let is_open = args.access_token_file.is_none();
    allow_many_files();
    let server = Server::bind(config(args)?).await.map_err(|error| Ending::new(Kind::Path, advise(&error)))?;
    let mut interrupt = Interrupt::listen().map_err(Ending::from(Kind::Path))?;
    if is_open && !is_loopback {
        let _ = writeln!(stderr(), "{OPEN}");
    }
    let _ = writeln!(stdout(), "{}", describe(&server, is_loopback, port));
    let handle = server.handle();
    let serving = server.run();
    tokio::pin!(serving);
    tokio::select! {
        () = &mut serving => return Ok(()),
        () = interrupt.heard() => handle.shutdown(),
    }
    serving.await;
    Err(Ending::interrupted(false))
}

const OPEN: &str = "\
warning: everyone who reaches this server may open rooms on it and use its relay.
         To let only some: --access-token-file FILE, with a token a line (16 to 256 characters).";

/// Every connection and every relayed address is an open file; systems let a program have 1,024 until it asks for more.
fn allow_many_files() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
            tracing::warn!(?current, %error, "cannot ask for more open files");
        }
    }
}

fn config(args: ServeArgs) -> Outcome<ServerConfig> {
    let mut config = ServerConfig::default();
    config.listen = args.listen;
    if !args.stun.is_empty() {
        config.stun = Stun::At(args.stun);
    }
    config.tls = match (args.tls_cert, args.tls_key) {
        (Some(cert), Some(key)) => Tls::Files { cert, key },
        _ if args.tls_self_signed => Tls::SelfSigned,
        _ => Tls::Off,
    };
    config.public_url = args.public_url;
    config.allow_origin = args.allow_origin;
    config.trusted_proxies = args.trusted_proxy;
    config.metrics = args.metrics;
    if let Some(path) = &args.access_token_file {
        let tokens = read_lines(path, "--access-token-file", AccessToken::parse)?;
        config.rooms.access = AccessList::new(&tokens);
    }
    let public_ips = args.turn.public_ip.clone();
    config.whip = if args.whip.no_whip { None } else { Some(whip(args.whip, public_ips)?) };
    config.turn = if args.turn.no_turn { None } else { Some(turn(args.turn)?) };
    Ok(config)
}

fn turn(args: TurnArgs) -> Outcome<TurnConfig> {
    let mut config = TurnConfig::default();
    config.tls = args.turn_tls;
    config.public_ips = args.public_ip;
    config.secrets = args.turn_secret.into_iter().collect();
    if let Some(path) = &args.turn_secret_file {
        config.secrets.extend(read_lines(path, "--turn-secret-file", Secret::parse)?);
    }
    config.allow_peers = args.turn_allow_peer;
    config.deny_peers = args.turn_deny_peer;
    config.drain = args.turn_drain;
    set(&mut config.relay_ports, args.relay_ports);
    set(&mut config.limits.allocations, args.turn_max_allocations);
    set(&mut config.limits.allocations_per_room, args.turn_max_per_room);
    set(&mut config.limits.allocations_per_source, args.turn_max_per_source);
    set(&mut config.limits.bytes_per_second, args.turn_rate);
    set(&mut config.limits.bytes_per_hour, args.turn_volume);
    Ok(config)
}

fn whip(args: WhipArgs, public_ips: Vec<IpAddr>) -> Outcome<WhipConfig> {
    let mut config = WhipConfig::default();
    if let Some(path) = &args.whip_token_file {
        config.publish = read_lines(path, "--whip-token-file", AccessToken::parse)?;
    }
    if let Some(path) = &args.whep_token_file {
        config.view = read_lines(path, "--whep-token-file", AccessToken::parse)?;
    }
    config.public_ips = public_ips;
    config.ice_lite = args.whip_ice_lite;
    config.replace = args.whip_replace;
    set(&mut config.port, args.whip_port);
    set(&mut config.limits.publishers, args.whip_max_publishers);
    set(&mut config.limits.viewers, args.whep_max_viewers);
    set(&mut config.limits.viewers_per_name, args.whep_max_per_name);
    Ok(config)
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

/// The entries of a file, one a line; empty lines and those that begin with `#` do not count. What a line holds is never
/// shown.
fn read_lines<T, E: ToString>(path: &Path, option: &str, parse: impl Fn(&str) -> Result<T, E>) -> Outcome<Vec<T>> {
    let fail = |what: String| Ending::new(Kind::Usage, format!("{option} {}: {what}", path.display()));
    let size = fs::metadata(path).map_err(|error| fail(error.to_string()))?.len();
    if size > FILE_MAX {
        return Err(fail("it is too large for a list of secrets".into()));
    }
    let text = fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    let parsed: Outcome<Vec<T>> = lines
        .map(|(at, line)| parse(line).map_err(|error| fail(format!("line {}: {}", at + 1, error.to_string()))))
        .collect();
    let parsed = parsed?;
    if parsed.is_empty() { Err(fail("there is nothing in it".into())) } else { Ok(parsed) }
}

/// What happened, and which option helps.
fn advise(error: &BindError) -> String {
    let option = match error {
        BindError::NoCertificate => "--tls-cert and --tls-key, or --tls-self-signed, or leave --turn-tls out",
        BindError::RelayPorts { .. } => "--relay-ports A-B",
        BindError::PublicAddresses(_) => "--public-ip once per family",
        BindError::Address { protocol: "TCP", .. } => {
            "another port with --listen or --stun; --no-turn leaves TCP to others there"
        }
        BindError::Address { .. } => "another port with --stun",
        BindError::Media(_) => "another port with --whip-port, or --no-whip",
        _ => return error.to_string(),
    };
    format!("{error}; try {option}")
}

/// What it listens on, and how others get there.
fn describe(server: &Server, is_loopback: bool, port: u16) -> String {
    let urls = server.urls();
    let addresses = |list: &[SocketAddr]| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut lines = vec![
        format!("Peerage serves {}", urls.local),
        format!("  HTTP and WebSocket on {} (TCP)", addresses(server.local_addrs())),
    ];
    match (server.stun_addrs(), server.turn()) {
        ([], _) => {}
        (stun, None) => lines.push(format!("  STUN on {} (UDP)", addresses(stun))),
        (stun, Some(_)) => lines.push(format!("  STUN and TURN on {} (UDP and TCP)", addresses(stun))),
    }
    if !server.turn_tls_addrs().is_empty() {
        lines.push(format!("  TURN over TLS on {}", addresses(server.turn_tls_addrs())));
    }
    if !server.metrics_addrs().is_empty() {
        let url = |address: &SocketAddr| format!("http://{address}/metrics");
        lines.push(format!("  metrics on {}", server.metrics_addrs().iter().map(url).collect::<Vec<_>>().join(", ")));
    }
    if server.takes_publishers() {
        lines.push(format!("  publish (WHIP) to {0}/whip/NAME, view (WHEP) at {0}/whep/NAME", urls.best()));
    }
    if let Some(token) = server.whip_token() {
        lines.push(format!("  token for publishing, shown this once: {token}"));
    }
    lines.extend(urls.others.iter().map(|url| format!("  for others: {url}")));
    if let Some(fingerprint) = server.fingerprint() {
        lines.push(format!("  certificate SHA-256: {fingerprint}"));
    }
    if is_loopback {
        lines.push("Only this machine can reach it. To open it to others:".into());
        lines.push(format!("  peerage serve --listen 0.0.0.0:{port}"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Result<Vec<Secret>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets");
        fs::write(&path, text).unwrap();
        read_lines(&path, "--turn-secret-file", Secret::parse).map_err(|ending| ending.message)
    }

    #[test]
    fn a_file_of_secrets_has_one_a_line_and_errors_show_none() {
        let two = lines("# of the relay\nnorth wind\n\n  south wind  \r\n").unwrap();
        assert_eq!(two, ["north wind", "south wind"].map(|text| Secret::parse(text).unwrap()));
        let error = lines("north wind\nshort").unwrap_err();
        assert!(error.contains("line 2: a shared secret has") && !error.contains("short"), "{error}");
        assert!(lines("\n# nothing\n").unwrap_err().ends_with("there is nothing in it"));
        assert!(lines(&"x".repeat(2 << 20)).unwrap_err().contains("too large"));
        let missing = read_lines(Path::new("/nowhere"), "--turn-secret-file", Secret::parse).unwrap_err();
        assert_eq!(missing.kind, Kind::Usage);
    }
}
