//! `peerage nat` behind kernel NATs: it says what they are, not more.
#![cfg(target_os = "linux")]

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use peerage_interop::bidi::Result;
use peerage_interop::netns::kind::Kind;
use peerage_interop::netns::{Lab, Space};
use peerage_interop::program::binary;
use serde_json::Value;
use tokio::time::Instant;

/// The public network of the lab has documentation addresses, which a relay does not serve otherwise.
const LAB: [&str; 2] = ["--turn-allow-peer", "198.51.100.0/24"];

/// A running server. Ends with its handle.
struct Server {
    process: Child,
    address: Ipv4Addr,
}

impl Server {
    /// With one address, or with a second one.
    fn start(lab: &mut Lab, binary: &Path, two: bool) -> Result<Self> {
        let space = lab.public()?;
        let second = Ipv4Addr::from(u32::from(space.address) + 100);
        space.shell(&format!("ip addr add {second}/24 dev eth"))?;
        let (listen, first, second) =
            (format!("{}:8080", space.address), format!("{}:3478", space.address), format!("{second}:3479"));
        let mut command = space.command(binary);
        command.args(["serve", "--listen", &listen, "--stun", &first]).args(LAB);
        if two {
            command.args(["--stun", &second]);
        }
        let process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| e.to_string())?;
        let server = Self { process, address: space.address };
        let begin = Instant::now();
        let is_up = || space.enter(|| std::net::TcpStream::connect(&listen).is_ok());
        while !is_up()? {
            if begin.elapsed() > Duration::from_secs(20) {
                return Err("the server did not start".into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }

    fn stun(&self) -> String {
        format!("stun:{}:3478", self.address)
    }

    fn url(&self) -> String {
        format!("http://{}:8080", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// What the doctor says in a namespace, and its exit code. No namespace has a router that maps ports.
fn examine(space: &Space, binary: &Path, server: &str) -> Result<(Value, i32)> {
    let output = space
        .command(binary)
        .args(["nat", "--json", "--server", server])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let told = serde_json::from_str(text.lines().next().unwrap_or_default()).map_err(|e| format!("{e}: {text}"))?;
    Ok((told, output.status.code().unwrap_or(-1)))
}

/// Compares some of what was said, by paths of names.
fn expect(told: &Value, what: &str, expected: &[(&str, Value)]) {
    for (path, value) in expected {
        let found = path.split('.').fold(told, |at, name| at.get(name).unwrap_or(&Value::Null));
        assert_eq!(found, value, "{what}: {path} in {told:#}");
    }
}

#[tokio::test]
async fn the_doctor_knows_every_kind_of_kernel_nat() -> Result<()> {
    let Some(mut lab) = Lab::or_skip("the doctor behind kernel NATs") else { return Ok(()) };
    let binary = binary().await?;
    let server = Server::start(&mut lab, &binary, true)?;
    let (eim, apdm) = (Value::from("endpoint_independent"), Value::from("address_and_port_dependent"));
    let adf = Value::from("address_dependent");
    for (kind, classic, mapping, filtering, reach) in [
        (Kind::Masquerade, "port_restricted", &eim, &apdm, "all_but_symmetric"),
        (Kind::MasqueradeFullyRandom, "symmetric", &apdm, &apdm, "lenient_only"),
        (Kind::FullCone, "full_cone", &eim, &eim, "everybody"),
        (Kind::AddressRestricted, "address_restricted", &eim, &adf, "everybody"),
    ] {
        let home = lab.home(&kind)?;
        let (told, code) = examine(&home.host, &binary, &server.stun())?;
        let expected = [
            ("ipv4.translated", Value::from(true)),
            ("ipv4.classic", Value::from(classic)),
            ("ipv4.mapping", mapping.clone()),
            ("ipv4.filtering", filtering.clone()),
            ("reach", Value::from(reach)),
            ("public_addresses", Value::from(vec![home.router.address.to_string()])),
            ("gateway", Value::from(Ipv4Addr::from(u32::from(home.host.address) & !0xFF | 1).to_string())),
            ("packet_size.passed", Value::from(1500)),
            ("port_mapping", Value::Array(Vec::new())),
        ];
        expect(&told, &format!("{kind:?}"), &expected);
        assert_eq!(code, 0, "{kind:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_doctor_tells_blocked_udp_and_a_relay_that_is_left() -> Result<()> {
    let Some(mut lab) = Lab::or_skip("the doctor where UDP is blocked") else { return Ok(()) };
    let binary = binary().await?;
    let server = Server::start(&mut lab, &binary, true)?;
    let home = lab.home(&Kind::UdpBlocked)?;
    let (told, code) = examine(&home.host, &binary, &server.url())?;
    let none = Value::from("no server answered");
    expect(
        &told,
        "blocked",
        &[
            ("reach", Value::from("nobody")),
            ("ipv4.translated", Value::Null),
            ("ipv4.mapping_unknown", none.clone()),
            ("ipv4.filtering_unknown", none),
            ("packet_size.passed", Value::Null),
        ],
    );
    let tcp = told["servers"].as_array().and_then(|all| all.iter().find(|server| server["transport"] == "tcp"));
    assert_eq!(tcp.map(|server| &server["result"]), Some(&Value::from("allocated")), "{told:#}");
    assert_eq!(code, 5);
    Ok(())
}

#[tokio::test]
async fn the_doctor_does_not_guess_with_a_server_of_one_address() -> Result<()> {
    let Some(mut lab) = Lab::or_skip("the doctor with a plain server") else { return Ok(()) };
    let binary = binary().await?;
    let server = Server::start(&mut lab, &binary, false)?;
    for kind in [Kind::Masquerade, Kind::MasqueradeFullyRandom, Kind::FullCone] {
        let home = lab.home(&kind)?;
        let (told, code) = examine(&home.host, &binary, &server.stun())?;
        expect(
            &told,
            &format!("{kind:?}"),
            &[
                ("ipv4.translated", Value::from(true)),
                ("ipv4.classic", Value::Null),
                ("ipv4.mapping", Value::Null),
                ("ipv4.filtering", Value::Null),
                ("reach", Value::from("at_least_lenient")),
            ],
        );
        assert_eq!(code, 0, "{kind:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_doctor_finds_the_size_that_a_narrow_path_takes() -> Result<()> {
    let Some(mut lab) = Lab::or_skip("the doctor on a narrow path") else { return Ok(()) };
    let binary = binary().await?;
    let server = Server::start(&mut lab, &binary, true)?;
    let home = lab.home(&Kind::Masquerade)?;
    // Behind the router, so that the host learns it from that alone.
    home.router.shell("ip link set out mtu 1400")?;
    let (told, _) = examine(&home.host, &binary, &server.stun())?;
    expect(
        &told,
        "narrow",
        &[
            ("packet_size.interface", Value::from(1400)),
            ("packet_size.passed", Value::from(1400)),
            ("ipv4.classic", Value::from("port_restricted")),
        ],
    );
    Ok(())
}
