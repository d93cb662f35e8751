//! `peerage nat`.

mod json;
mod text;

use std::io::{Write as _, stdout};

use peerage::doctor::{Options, Reach, Report as Examination, examine};

use crate::args::NatArgs;
use crate::connect::visit::servers;
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
