//! `peerage nat` against `peerage serve`, over loopback.

use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, UdpSocket};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

/// Generous, as the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

fn peerage(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_peerage"));
    command.args(args).stdin(Stdio::null()).env_remove("PEERAGE_SERVER").env_remove("PEERAGE_TURN_PASSWORD");
    command
}

/// Examines without asking a router: nothing leaves this machine.
fn nat(servers: &[&str], more: &[&str]) -> Output {
    let named: Vec<&str> = servers.iter().flat_map(|server| ["--server", server]).collect();
    peerage(&[&["nat", "--no-port-mapping"][..], &named, more].concat()).output().unwrap()
}

fn json(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.lines().next().unwrap_or_default()).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A running `peerage serve`, and what it says.
struct Server {
    child: Child,
    lines: Receiver<String>,
}

impl Server {
    fn start(args: &[&str]) -> Self {
        let mut command = peerage(&[&["serve", "--listen", "127.0.0.1:0"][..], args].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = channel();
        thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        Self { child, lines }
    }

    /// What stands between these words in the first line that has them.
    fn says(&self, before: &str, after: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).expect("the server says where it is");
            if let Some((_, rest)) = line.split_once(before) {
                return rest.split(after).next().unwrap_or_default().trim().to_owned();
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that is free on both addresses, UDP and TCP.
fn free_port() -> u16 {
    for _ in 0..100 {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = udp.local_addr().unwrap().port();
        let second = UdpSocket::bind(("127.0.0.2", port));
        if second.is_ok() && ["127.0.0.1", "127.0.0.2"].iter().all(|ip| TcpListener::bind((*ip, port)).is_ok()) {
            return port;
        }
    }
    panic!("no free port");
}

#[test]
#[cfg(target_os = "linux")]
fn a_server_with_two_addresses_tells_everything() {
    let (a, b) = (free_port(), free_port());
    let [first, second] = [format!("127.0.0.1:{a}"), format!("127.0.0.2:{b}")];
    let server = Server::start(&["--no-turn", "--stun", &first, "--stun", &second]);
    server.says("STUN on ", "(");
    let begin = Instant::now();
    let output = nat(&[&format!("stun:{first}")], &["--json"]);
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let told = json(&output);
    assert_eq!(told["event"], "nat");
    // A server on loopback sees nothing of the Internet.
    assert_eq!(told["reach"], "local_network", "{told}");
    let ipv4 = &told["ipv4"];
    assert_eq!((&ipv4["translated"], &ipv4["classic"]), (&Value::from(false), &Value::from("open")), "{told}");
    assert_eq!(ipv4["mapping"], "endpoint_independent");
    assert_eq!(ipv4["filtering"], "endpoint_independent");
    assert_eq!(ipv4["hairpin"], Value::Null);
    assert_eq!(ipv4["hairpin_unknown"], "there is no NAT");
    assert_eq!(ipv4["seen"].as_array().unwrap().len(), 4, "all addresses and ports of the server");
    assert_eq!(ipv4["seen"][0]["mapped"], ipv4["local"]);
    assert_eq!(told["ipv6"], Value::Null);
    assert_eq!(told["public_addresses"], serde_json::json!(["127.0.0.1"]));
    let udp = told["servers"].as_array().unwrap().iter().find(|server| server["transport"] == "udp").unwrap();
    assert_eq!((&udp["result"], &udp["address"]), (&Value::from("answered"), &Value::from(first.as_str())));
    assert!(udp["time_ms"].as_f64().is_some());
    assert_eq!(told["packet_size"]["passed"], 1500, "{told}");
    assert_eq!(told["port_mapping"], Value::Null, "the router was not asked");
}

#[test]
fn a_peerage_server_is_asked_for_its_stun_and_its_relay() {
    let port = free_port();
    let stun = format!("127.0.0.1:{port}");
    let server = Server::start(&["--stun", &stun, "--turn-allow-peer", "127.0.0.0/8"]);
    let url = server.says("Peerage serves ", " ");
    let output = nat(&[&url], &["--json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let told = json(&output);
    // One address: what the NAT is like is not known, that there is none is.
    assert_eq!(told["ipv4"]["translated"], false, "{told}");
    assert_eq!(told["ipv4"]["mapping"], "endpoint_independent");
    assert_eq!(told["ipv4"]["filtering"], Value::Null);
    assert_eq!(told["ipv4"]["filtering_unknown"], "no server has a second address to answer from");
    assert_eq!(told["reach"], "local_network");
    let results: Vec<_> = told["servers"].as_array().unwrap().iter().map(|s| (&s["transport"], &s["result"])).collect();
    let allocated = Value::from("allocated");
    assert!(results.contains(&(&Value::from("udp"), &allocated)), "{told}");
    assert!(results.contains(&(&Value::from("tcp"), &allocated)), "{told}");
    let relayed = told["servers"][0]["relayed"].as_str().unwrap();
    assert!(relayed.starts_with("127.0.0.1:"), "{relayed}");
}

#[test]
fn the_text_begins_with_the_sentence_and_is_aligned() {
    let stun = format!("127.0.0.1:{}", free_port());
    let server = Server::start(&["--no-turn", "--stun", &stun]);
    server.says("STUN on ", "(");
    let page = text(&nat(&[&format!("stun:{stun}")], &[]));
    let mut lines = page.lines();
    let sentence = lines.next().unwrap();
    assert!(sentence.starts_with("Peers in the local network can be reached") && sentence.ends_with('.'), "{page}");
    assert_eq!(lines.next(), Some(""));
    for row in
        ["IPv4        no NAT", "  public    127.0.0.1", "  mapping   endpoint-independent", "  filtering unknown: "]
    {
        assert!(page.lines().any(|line| line.starts_with(row)), "{row:?} is not in\n{page}");
    }
    assert!(page.contains(&format!("stun:{stun}  {stun}  UDP  answers, ")), "{page}");
    assert!(page.lines().any(|line| line.starts_with("Advice      Name a server on the Internet.")), "{page}");
    assert!(!page.contains('\x1b'), "no colours without a terminal");
}

#[test]
fn a_server_that_does_not_answer_ends_with_5_and_the_sentence() {
    // Bound, and never read from.
    let (udp, tcp) = loop {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
            break (udp, tcp);
        }
    };
    let url = format!("stun:{}", udp.local_addr().unwrap());
    let begin = Instant::now();
    let output = nat(&[&url], &["--json"]);
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    drop(tcp);
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    let told = json(&output);
    assert_eq!(told["reach"], "unknown");
    assert!(told["sentence"].as_str().unwrap().contains("no server answered"), "{told}");
    assert_eq!(told["ipv4"]["mapping_unknown"], "no server answered");
    assert_eq!((&told["ipv4"]["translated"], &told["ipv4"]["classic"]), (&Value::Null, &Value::Null));
    let results: Vec<_> = told["servers"].as_array().unwrap().iter().map(|s| s["result"].as_str().unwrap()).collect();
    assert_eq!(results, ["silent", "silent"]);
    let error: Value = serde_json::from_str(text(&output).lines().nth(1).unwrap()).unwrap();
    assert_eq!((&error["event"], &error["kind"]), (&Value::from("error"), &Value::from("path")));
}

#[test]
fn without_a_server_it_says_how_to_name_one() {
    for variable in [None, Some("")] {
        let mut command = peerage(&["nat", "--no-port-mapping"]);
        command.envs(variable.map(|value| ("PEERAGE_SERVER", value)));
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(5), "{output:?}");
        assert!(text(&output).starts_with("Which peers can be reached directly from here is unknown"), "{output:?}");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains("--server URL") && told.contains("PEERAGE_SERVER"), "{told}");
    }
}

#[test]
fn what_is_not_a_server_is_refused_with_what_would_be_one() {
    for url in ["ftp://x", "x y"] {
        let output = nat(&[url], &[]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains(url) && told.contains("stun:HOST"), "{told}");
    }
    let output = nat(&["turn:127.0.0.1:9"], &["--turn-password", "x"]);
    assert_eq!(output.status.code(), Some(2), "a password of nobody: {output:?}");
    // A Peerage server that is not there.
    let output = nat(&["http://127.0.0.1:9"], &[]);
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot reach"), "{output:?}");
}

#[test]
fn wrong_credentials_at_a_relay_are_told() {
    let stun = format!("127.0.0.1:{}", free_port());
    let server = Server::start(&["--stun", &stun]);
    server.says("STUN and TURN on ", "(");
    let output = nat(&[&format!("turn:{stun}")], &["--json", "--turn-user", "nobody", "--turn-password", "wrong"]);
    assert_eq!(output.status.code(), Some(0), "UDP gets through: {output:?}");
    let told = json(&output);
    let udp = told["servers"].as_array().unwrap().iter().find(|server| server["transport"] == "udp").unwrap();
    assert_eq!((&udp["result"], &udp["code"]), (&Value::from("refused"), &Value::from(401)), "{told}");
    assert!(told["advice"].as_array().unwrap().iter().any(|a| a.as_str().unwrap().contains("password")), "{told}");
}
