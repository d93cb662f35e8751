//! Instructions per packet of bulk data, without sockets: two sessions in one thread and in virtual time, so that the figures
//! are the same on a busy machine. Counted by valgrind, whose processor lacks the widest vectors: what the cipher costs is
//! told apart, as it means nothing for other processors.

mod pair;

use std::process::{Command, ExitCode, Stdio};

use crate::pair::Pair;

const USAGE: &str = "usage: packet [--message BYTES]... [--mib N]";
/// What is told apart, by the name of the function within [`pair`].
const PARTS: [&str; 7] = ["queue", "send", "receive", "read", "answer", "hear", "wake"];
/// The cipher's functions.
const CIPHER: [&str; 2] = ["EVP_AEAD_CTX_seal_scatter ", "EVP_AEAD_CTX_open_gather "];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}\n{USAGE}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<(), String> {
    let (mut sizes, mut mib, mut is_child) = (Vec::new(), 8, false);
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let mut number = || rest.next().and_then(|n| n.parse().ok()).ok_or(format!("{arg} needs a number"));
        match arg.as_str() {
            "--child" => is_child = true,
            "--message" => sizes.push(number()?),
            "--mib" => mib = number()?,
            _ => return Err(format!("unknown option {arg}")),
        }
    }
    if sizes.is_empty() {
        sizes = vec![16_384, 65_536, 1200];
    }
    match is_child {
        true => sizes.iter().try_for_each(|size| carry(*size, mib as u64)),
        false => sizes.iter().try_for_each(|size| tell(*size, mib)),
    }
}

/// Moves `mib` and says in how many datagrams; half as much goes before, so that buffers have their sizes.
fn carry(size: usize, mib: u64) -> Result<(), String> {
    let mut pair = Pair::connected(size)?;
    pair.transfer(mib << 19);
    steady(&mut pair, mib << 20);
    println!("{} {}", pair.packets, pair.answers);
    Ok(())
}

/// What is counted.
#[inline(never)]
fn steady(pair: &mut Pair, bytes: u64) {
    pair.transfer(bytes);
}

/// A row per part: instructions per packet with data.
fn tell(size: usize, mib: usize) -> Result<(), String> {
    let (packets, answers, costs) = count(size, mib)?;
    let (per_packet, per_answer) = (|cost: f64| cost / packets, packets / answers);
    println!("messages of {size} bytes: {per_answer:.1} packets per answer; instructions per packet");
    let cost = |name: &str| costs.iter().filter(|(of, _)| of.contains(name)).map(|(_, cost)| cost).sum::<f64>();
    let mut sum = 0.0;
    for part in PARTS {
        let own = per_packet(cost(&format!("bench_packet::pair::{part} ")));
        sum += own;
        println!("  {part:8} {own:6.0}");
    }
    let cipher = per_packet(CIPHER.iter().map(|name| cost(name)).sum());
    println!("  {:8} {sum:6.0}, {cipher:.0} of it in the cipher: {:.0} beyond", "all", sum - cipher);
    Ok(())
}

/// Datagrams with data and in answer, and the instructions of each function and of what it calls.
fn count(size: usize, mib: usize) -> Result<(f64, f64, Vec<(String, f64)>), String> {
    let failed = |error: std::io::Error| format!("valgrind: {error}");
    let own = std::env::current_exe().map_err(failed)?;
    let file = own.with_extension(format!("{size}.callgrind"));
    let out = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=bench_packet::steady"])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(own)
        .args(["--child", "--message", &size.to_string(), "--mib", &mib.to_string()])
        .stdin(Stdio::null())
        .output()
        .map_err(failed)?;
    let said = String::from_utf8_lossy(&out.stdout);
    let mut datagrams = said.split_whitespace().map(str::parse);
    let (Some(Ok(packets)), Some(Ok(answers))) = (datagrams.next(), datagrams.next()) else {
        return Err(format!("valgrind failed: {}", String::from_utf8_lossy(&out.stderr)));
    };
    let table = Command::new("callgrind_annotate")
        .args(["--inclusive=yes", "--threshold=100", "--auto=no"])
        .arg(&file)
        .output()
        .map_err(failed)?;
    let costs = String::from_utf8_lossy(&table.stdout).lines().filter_map(row).collect();
    Ok((packets, answers, costs))
}

/// A line that tells of a function.
fn row(line: &str) -> Option<(String, f64)> {
    let (count, rest) = line.trim_start().split_once(' ')?;
    let (_, name) = rest.split_once(':')?;
    Some((format!("{name} "), count.replace(',', "").parse().ok()?))
}
