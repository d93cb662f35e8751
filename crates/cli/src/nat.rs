//! `peerage nat`.

mod ask;
mod json;
mod text;

use std::io::{Write as _, stdout};

use peerage::IceServer;
use peerage::doctor::{Options, Reach, Report as Examination, examine};
use peerage_signal::link::ServerAddress;

pub use self::ask::Visit;
use crate::args::NatArgs;
use crate::args::servers::ServersArgs;
use crate::ending::{Ending, Kind, Outcome};
use crate::interrupt::Interrupt;

/// Examines, and tells.
pub async fn run(args: NatArgs) -> Outcome<()> {
    let mut interrupt = Interrupt::listen().map_err(Ending::from(Kind::Path))?;
    let examined = async {
        let mut options = Options::default();
        let (servers, visits) = servers(&args.servers).await?;
        options.servers = servers;
        options.port_mapping = !args.no_port_mapping;
        let report = examine(&options).await;
        for visit in visits {
            visit.end().await;
        }
        Ok(report)
    };
    let report = tokio::select! {
        report = examined => report?,
        () = interrupt.heard() => return Err(Ending::interrupted(false)),
    };
    let told = if args.json { json::line(&report) } else { text::page(&report) };
    // A reader that went away has seen enough.
    let _ = writeln!(stdout(), "{told}");
    judge(&report)
}

/// What was named: ICE servers as they are, and those that Peerage servers name.
pub async fn servers(args: &ServersArgs) -> Outcome<(Vec<IceServer>, Vec<Visit>)> {
    let (mut servers, mut visits) = (Vec::new(), Vec::new());
    for url in args.server.iter().map(|url| url.trim()).filter(|url| !url.is_empty()) {
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
        match scheme.to_ascii_lowercase().as_str() {
            "stun" | "stuns" => servers.push(IceServer::new(url)),
            "turn" | "turns" => servers.push(IceServer {
                urls: vec![url.to_owned()],
                username: args.turn_user.clone().unwrap_or_default(),
                credential: args.turn_password.clone().unwrap_or_default(),
            }),
            _ => {
                let address = ServerAddress::parse(url).map_err(|error| {
                    let what = "name a server as stun:HOST, turn:HOST, turns:HOST or https://HOST";
                    Ending::new(Kind::Usage, format!("--server {url}: {error}; {what}"))
                })?;
                let visit = Visit::pay(address, args).await?;
                servers.extend_from_slice(&visit.ice_servers);
                visits.push(visit);
            }
        }
    }
    Ok((servers, visits))
}

/// What the exit code says.
fn judge(report: &Examination) -> Outcome<()> {
    match report.verdict.reach {
        Reach::Nobody => Err(Ending::new(Kind::Path, "UDP does not get through: there are no direct connections")),
        Reach::Unknown if report.servers.is_empty() => {
            Err(Ending::new(Kind::Path, "no server to ask: name one with --server URL or in PEERAGE_SERVER"))
        }
        Reach::Unknown => Err(Ending::new(Kind::Path, "no server answered over UDP")),
        _ => Ok(()),
    }
}
