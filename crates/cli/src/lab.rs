//! `peerage lab`: what connects behind which NATs, measured in simulated networks.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgGroup, Args, ValueHint};
use peerage_lab::measure::{Measured, Sample};
use peerage_lab::outcome::Way;
use peerage_lab::picture;
use peerage_lab::place::{Place, Ports, cells};
use peerage_lab::scenario::Scenario;
use peerage_lab::table::{Options, Table, lines};
use peerage_lab::topologies::{self, Topology, measure_all};
use peerage_lab::trace::{Style, Trace};
use peerage_lab::types::measure_types;
use serde::Serialize;

use crate::ending::{Ending, Kind, Outcome};

/// Packets that are drawn or printed where no number is asked for.
const LIMIT: usize = 250;
/// Messages of a run that is followed: what comes after the path is found is not its subject.
const MESSAGES: usize = 3;

#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("what").args(["types", "full", "topologies", "a", "topology"]),
    after_help = "\
Examples:
  peerage lab                                                  the four classic types against each other
  peerage lab --types                                          what each of them does and lets through
  peerage lab --full --plain-ice                               every mapping with every filtering, RFC 8445 alone
  peerage lab --a port-restricted --b symmetric --trace        one run, packet by packet
  peerage lab --a full-cone --b symmetric --html run.html      the same as a picture
  peerage lab --a port-restricted --b symmetric --runs 200     how often

Types: public, full-cone, address-restricted, port-restricted, symmetric, symmetric-sequential, symmetric-block, linux,
linux-random, double, double-symmetric, firewall, udp-blocked, closed; or mapping/filtering such as eim/apdf, adm/eif
(eim, adm, apdm: endpoint-independent, address-dependent, address and port-dependent mapping; eif, adf, apdf: filtering).

Time is virtual, and one seed is one run, but for the keys."
)]
pub struct LabArgs {
    /// The classic types: what each does; what it reaches without servers, with STUN, with TURN
    #[arg(long)]
    types: bool,
    /// Every mapping against every filtering, 9 by 9
    #[arg(long)]
    full: bool,
    /// Other networks: double NAT, both behind one NAT or carrier, UDP blocked, IPv6
    #[arg(long)]
    topologies: bool,
    /// What stands before the peer that offers
    #[arg(long, value_name = "TYPE", value_parser = place, requires = "b")]
    a: Option<Place>,
    /// What stands before the peer that answers
    #[arg(long, value_name = "TYPE", value_parser = place, requires = "a")]
    b: Option<Place>,
    /// One of the networks of --topologies instead of --a and --b
    #[arg(long, value_name = "NAME", value_parser = topology)]
    topology: Option<&'static Topology>,
    /// Follow one run packet by packet, with the steps of translation
    #[arg(long, conflicts_with_all = ["types", "full", "topologies", "json", "runs"])]
    trace: bool,
    /// Write a picture of one run: networks, packets, tables; one file, nothing else needed to look at it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath,
        conflicts_with_all = ["types", "full", "topologies", "json", "runs"])]
    html: Option<PathBuf>,
    /// All steps in the trace, also of packets that are like one before
    #[arg(long, requires = "trace")]
    every: bool,
    /// Most packets in the trace or the picture [default: 250]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=20_000))]
    limit: Option<u32>,
    /// The symmetric type with random ports alone
    #[arg(long, conflicts_with_all = ["sequential", "what"])]
    random: bool,
    /// The symmetric type with one port after another alone
    #[arg(long, conflicts_with = "what")]
    sequential: bool,
    /// Only what RFC 8445 has: no port prediction, no probing
    #[arg(long)]
    plain_ice: bool,
    /// No relay
    #[arg(long, conflicts_with_all = ["types"])]
    no_turn: bool,
    /// The first seed; each further run takes the next one
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Runs of each case; more than one prints shares and medians
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    runs: u64,
    /// Print one JSON object a line instead of text
    #[arg(long)]
    json: bool,
}

/// A case and what was found, in JSON.
#[derive(Serialize)]
struct Case<'a> {
    table: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    offers: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answers: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topology: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    servers: Option<String>,
    way: &'static str,
    runs: usize,
    direct: usize,
    relayed: usize,
    failed: usize,
    /// Median over the runs that ended as most did.
    settled_ms: Option<u64>,
    /// Median.
    data_ms: Option<u64>,
    /// Median.
    checks: u64,
    whole: bool,
}

/// Runs the command.
pub fn run(args: &LabArgs) -> Outcome<()> {
    let mut text = if let Some(scenario) = args.scenario() {
        if args.trace || args.html.is_some() { args.follow(scenario)? } else { args.single(scenario) }
    } else if args.trace || args.html.is_some() {
        return Err(Ending::new(Kind::Usage, "--trace and --html need --a and --b, or --topology"));
    } else if args.types {
        args.types()
    } else if args.topologies {
        args.topologies()
    } else if args.full {
        args.full()
    } else {
        args.classic()
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    match io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever reads has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(Ending::from(Kind::Disk)),
    }
}

impl LabArgs {
    /// Whether output is JSON.
    pub fn json(&self) -> bool {
        self.json
    }

    fn options(&self) -> Options {
        Options { plain_ice: self.plain_ice, turn: !self.no_turn, seed: self.seed, runs: self.runs }
    }

    /// The one network asked for, if it is one.
    fn scenario(&self) -> Option<Scenario> {
        match (&self.a, &self.b, self.topology) {
            (_, _, Some(topology)) => Some(topology.scenario(self.options())),
            (Some(a), Some(b), None) => Some(self.options().between(a, b)),
            _ => None,
        }
    }

    fn title(&self) -> String {
        match (&self.a, &self.b, self.topology) {
            (_, _, Some(topology)) => format!("{}: {}", topology.name, topology.says),
            (Some(a), Some(b), None) => format!("{} against {}", a.name, b.name),
            _ => String::new(),
        }
    }

    fn classic(&self) -> String {
        let mut text = String::new();
        let wanted = [
            (Ports::Random, self.sequential, "random ports"),
            (Ports::Sequential, self.random, "one port after another"),
        ];
        for (ports, unwanted, says) in wanted {
            if unwanted {
                continue;
            }
            let table = Table::measure(Place::classic(ports).into(), self.options());
            let name = if ports == Ports::Random { "random" } else { "sequential" };
            if self.json {
                text.push_str(&self.cells(name, &table));
            } else {
                let _ = writeln!(text, "{}, the symmetric type with {says}:\n\n{table}", self.heading());
            }
        }
        if !self.json {
            text.push_str(READ);
        }
        text
    }

    fn full(&self) -> String {
        let table = Table::measure(cells(), self.options());
        if self.json {
            return self.cells("full", &table);
        }
        let unit = if self.runs > 1 { "share of direct paths" } else { "the path found" };
        format!("{}, mapping/filtering: {unit}\n\n{}\n{CELLS}", self.heading(), table.brief())
    }

    fn heading(&self) -> String {
        let what = if self.plain_ice { "RFC 8445 alone" } else { "All techniques" };
        let runs =
            if self.runs > 1 { format!(", {} runs each from seed {}", self.runs, self.seed) } else { String::new() };
        format!("{what}{runs}, the row offers")
    }

    fn cells(&self, name: &str, table: &Table) -> String {
        let cell = |(a, b, measured)| json(Case { offers: Some(a), answers: Some(b), ..case(name, measured) });
        table.named().map(cell).collect()
    }

    fn types(&self) -> String {
        let types = measure_types(self.options());
        if !self.json {
            return types.iter().map(|kind| format!("{kind}\n")).collect();
        }
        let cases = types.iter().flat_map(|kind| {
            kind.verdicts.iter().map(move |(other, help, measured)| {
                let (answers, servers) = (other.to_string(), help.to_string());
                let base = case("types", measured);
                json(Case { offers: Some(&kind.place.name), answers: Some(&answers), servers: Some(servers), ..base })
            })
        });
        cases.collect()
    }

    fn topologies(&self) -> String {
        let measured = measure_all(self.options());
        let width = topologies::ALL.iter().map(|topology| topology.name.len()).max().unwrap_or(0);
        let line = |(topology, measured): &(&Topology, Measured)| match self.json {
            true => json(Case { topology: Some(topology.name), ..case("topologies", measured) }),
            false => format!("{:width$}  {:46}  {}\n", topology.name, lines(measured).join(", "), topology.says),
        };
        measured.iter().map(line).collect()
    }

    /// One network, run once or often.
    fn single(&self, scenario: Scenario) -> String {
        if self.runs > 1 || self.json {
            let measured = peerage_lab::measure::measure(&[scenario], self.runs);
            let Some(measured) = measured.first() else { return String::new() };
            if !self.json {
                return format!("{}, {} runs: {}\n", self.title(), self.runs, lines(measured).join(", "));
            }
            let (a, b) = (self.a.as_ref().map(|a| a.name.as_str()), self.b.as_ref().map(|b| b.name.as_str()));
            let base = case("single", measured);
            return json(Case { offers: a, answers: b, topology: self.topology.map(|t| t.name), ..base });
        }
        let outcome = scenario.run();
        let sample = Sample::from(outcome.clone());
        let mut text = format!("{}: {}\n", self.title(), lines(&Measured::from(vec![sample])).join(", "));
        for (name, explanation) in ["a", "b"].into_iter().zip(&outcome.explanations) {
            let _ = writeln!(text, "\n{name}: {}", explanation.to_string().trim_end().replace('\n', "\n   "));
        }
        text
    }

    /// One run, followed.
    fn follow(&self, mut scenario: Scenario) -> Outcome<String> {
        scenario.messages = MESSAGES;
        let limit = self.limit.map_or(LIMIT, |limit| limit as usize);
        let trace = Trace::follow(&scenario, limit);
        let mut text = String::new();
        if let Some(path) = &self.html {
            write_file(path, &picture::html(&trace, &self.title()))?;
            let _ = writeln!(text, "{}: {} packets drawn", path.display(), trace.journeys.len());
        }
        if self.trace {
            let _ = write!(text, "{}", trace.text(Style { every: self.every, limit }));
        }
        Ok(text)
    }
}

const READ: &str = "\
In each cell: the path found and when both sides had taken it; when data could flow (at first through the relay, if the
direct path took its time); connectivity checks sent by both sides. See also --types, --topologies, --full, --trace.
";

const CELLS: &str = "\
eim, adm, apdm: endpoint-independent, address-dependent, address and port-dependent mapping; eif, adf, apdf: filtering.
";

fn case<'a>(table: &'a str, measured: &Measured) -> Case<'a> {
    let millis = |time: Option<Duration>| time.and_then(|time| u64::try_from(time.as_millis()).ok());
    let way = measured.way();
    Case {
        table,
        offers: None,
        answers: None,
        topology: None,
        servers: None,
        way: match way {
            Way::Direct => "direct",
            Way::Relayed => "relayed",
            Way::None => "failed",
        },
        runs: measured.samples().len(),
        direct: measured.count(Way::Direct),
        relayed: measured.count(Way::Relayed),
        failed: measured.count(Way::None),
        settled_ms: millis(measured.settled(way)),
        data_ms: millis(measured.connected()),
        checks: measured.checks(),
        whole: measured.is_whole(),
    }
}

fn json(case: Case<'_>) -> String {
    serde_json::to_string(&case).expect("numbers and text can be written") + "\n"
}

fn write_file(path: &Path, text: &str) -> Outcome<()> {
    let told = |error: io::Error| Ending::new(Kind::Disk, format!("{}: {error}", path.display()));
    std::fs::write(path, text).map_err(told)
}

fn place(name: &str) -> Result<Place, String> {
    Place::parse(name).map_err(|error| error.to_string())
}

fn topology(name: &str) -> Result<&'static Topology, String> {
    let names = || topologies::ALL.iter().map(|topology| topology.name).collect::<Vec<_>>().join(", ");
    Topology::named(name).ok_or_else(|| format!("not one of {}", names()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Lab {
        #[command(flatten)]
        args: LabArgs,
    }

    fn parse(line: &str) -> Result<LabArgs, String> {
        let words = std::iter::once("lab").chain(line.split_whitespace());
        Lab::try_parse_from(words).map(|lab| lab.args).map_err(|error| error.to_string())
    }

    #[test]
    fn what_makes_no_sense_together_is_refused() {
        for line in [
            "--a symmetric",
            "--types --full",
            "--a nonsense --b public",
            "--topology nowhere",
            "--topology double --a public --b public",
            "--random --sequential",
            "--runs 0",
            "--a public --b public --trace --json",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
        assert_eq!(run(&parse("--trace").unwrap()).unwrap_err().kind, Kind::Usage);
    }

    #[test]
    fn every_case_is_an_object_of_its_own() {
        let text = parse("--sequential --json --plain-ice").unwrap().classic();
        assert_eq!(text.lines().count(), 16);
        for line in text.lines() {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(
                (&case["runs"], &case["failed"], &case["whole"]),
                (&1.into(), &0.into(), &true.into()),
                "{case}"
            );
        }
    }

    #[test]
    fn a_run_is_followed_into_text_and_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("run.html");
        let line = format!("--a full-cone --b port-restricted --trace --limit 20 --html {}", file.display());
        let args = parse(&line).unwrap();
        let text = args.follow(args.scenario().unwrap()).unwrap();
        assert!(text.contains("#1 ") && text.contains("source rewritten") && !text.contains("#21 "), "{text}");
        assert!(std::fs::read_to_string(&file).unwrap().ends_with("</html>\n"));
        let args = parse(&format!("--topology double --html {}", folder.path().display())).unwrap();
        assert_eq!(run(&args).unwrap_err().kind, Kind::Disk);
    }
}
