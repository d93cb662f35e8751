//! A small internet of real packets: network namespaces with kernel NATs between them. Needs root, iproute2 and nft.
//!
//! ```no_run
//! use peerage_interop::netns::Lab;
//! use peerage_interop::netns::kind::Kind;
//!
//! # fn main() -> Result<(), String> {
//! let Some(mut lab) = Lab::or_skip("what is tested") else { return Ok(()) };
//! let server = lab.public()?;
//! let home = lab.home(&Kind::Masquerade)?;
//! server.command("peerage").args(["serve"]).spawn().map_err(|e| e.to_string())?;
//! home.host.command("peerage").args(["receive"]).spawn().map_err(|e| e.to_string())?;
//! # Ok(())
//! # }
//! ```
//!
//! All addresses are IPv4; the namespaces have no IPv6. They go when the lab is dropped; programs in them are to be
//! ended before.

pub mod kind;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, id};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::geteuid;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::task::JoinHandle;

use crate::bidi::Result;
use kind::Kind;

/// Where iproute2 keeps the names of namespaces.
const NAMES: &str = "/var/run/netns";
/// What the names of ours begin with; the process follows.
const PREFIX: &str = "peerage-";

/// The public network, and what was attached to it.
#[derive(Debug)]
pub struct Lab {
    public: Realm,
    spaces: Vec<String>,
    homes: u8,
}

/// A network namespace with one address.
#[derive(Clone, Debug)]
pub struct Space {
    /// Its name, as `ip netns` knows it.
    pub name: String,
    /// Its address, outside if it is a router's.
    pub address: Ipv4Addr,
}

/// A network behind a router, with a host in it.
#[derive(Debug)]
pub struct Home {
    /// The first host: the one that a static rule of the router is for.
    pub host: Space,
    /// The router, with its address outside.
    pub router: Space,
    realm: Realm,
}

/// A bridge that hosts and routers are plugged into.
#[derive(Debug)]
struct Realm {
    /// The namespace that the bridge is in.
    space: String,
    /// The first three bytes of all addresses.
    prefix: [u8; 3],
    /// Whether the namespace forwards, by its address 1.
    gateway: bool,
    used: u8,
}

impl Lab {
    /// An empty public network.
    pub fn new() -> Result<Self> {
        remove_stale();
        let space = fresh_name();
        let public = Realm { space: space.clone(), prefix: [198, 51, 100], gateway: false, used: 0 };
        let mut lab = Self { public, spaces: Vec::new(), homes: 0 };
        lab.add_space(&space)?;
        run_in(&space, "ip link add lan type bridge; ip link set lan up")?;
        Ok(lab)
    }

    /// As [`new`](Self::new) where namespaces can be made. Elsewhere says that `what` was skipped, or fails if CI is
    /// set.
    ///
    /// # Panics
    /// With CI set and no namespaces.
    pub fn or_skip(what: &str) -> Option<Self> {
        let lab = if geteuid().is_root() { check_tools().and_then(|()| Self::new()) } else { Err("not root".into()) };
        match lab {
            Ok(lab) => Some(lab),
            Err(why) => {
                assert!(std::env::var_os("CI").is_none(), "{what}: no network namespaces here: {why}");
                eprintln!("skipped: {what}: no network namespaces here: {why}");
                None
            }
        }
    }

    /// A host with a public address.
    pub fn public(&mut self) -> Result<Space> {
        let name = fresh_name();
        self.add_space(&name)?;
        let address = plug(&mut self.public, &name, "eth")?;
        Ok(Space { name, address })
    }

    /// A home with one host, behind a router of this kind.
    pub fn home(&mut self, kind: &Kind) -> Result<Home> {
        let router = fresh_name();
        self.add_space(&router)?;
        let address = plug(&mut self.public, &router, "out")?;
        self.inside(Space { name: router, address }, [192, 168], kind)
    }

    /// A home that is itself inside another network: that one's router is the carrier's.
    pub fn home_behind(&mut self, carrier: &mut Home, kind: &Kind) -> Result<Home> {
        let router = fresh_name();
        self.add_space(&router)?;
        let address = plug(&mut carrier.realm, &router, "out")?;
        self.inside(Space { name: router, address }, [10, 0], kind)
    }

    /// One more host in a home.
    pub fn host(&mut self, home: &mut Home) -> Result<Space> {
        let name = fresh_name();
        self.add_space(&name)?;
        let address = plug(&mut home.realm, &name, "eth")?;
        Ok(Space { name, address })
    }

    /// Makes the network inside a router, and its first host.
    fn inside(&mut self, router: Space, [a, b]: [u8; 2], kind: &Kind) -> Result<Home> {
        self.homes += 1;
        let prefix = [a, b, self.homes];
        let mut realm = Realm { space: router.name.clone(), prefix, gateway: true, used: 1 };
        let gateway = at(prefix, 1);
        run_in(
            &router.name,
            &format!(
                "ip link add lan type bridge; ip addr add {gateway}/24 dev lan; ip link set lan up
                 echo 1 > /proc/sys/net/ipv4/ip_forward"
            ),
        )?;
        let host = fresh_name();
        self.add_space(&host)?;
        let address = plug(&mut realm, &host, "eth")?;
        router.rules(&kind.rules(address))?;
        Ok(Home { host: Space { name: host, address }, router, realm })
    }

    fn add_space(&mut self, name: &str) -> Result<()> {
        done(Command::new("ip").args(["netns", "add", name]).output())?;
        self.spaces.push(name.into());
        // Link-local addresses of IPv6 take seconds until they may be used, and nothing here needs them.
        // Loopback keeps it: drivers of browsers listen there.
        run_in(
            name,
            "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 2> /dev/null || true
             echo 0 > /proc/sys/net/ipv6/conf/lo/disable_ipv6 2> /dev/null || true
             ip link set lo up",
        )
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for name in &self.spaces {
            // What cannot be removed now is found by a later lab.
            drop(Command::new("ip").args(["netns", "delete", name]).output());
        }
    }
}

impl Space {
    /// A program that will run in this namespace.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// Does something in this namespace, on a thread of its own; sockets that are opened there stay in it.
    ///
    /// # Panics
    /// If it panics.
    pub fn enter<T: Send>(&self, what: impl FnOnce() -> T + Send) -> Result<T> {
        let place = fs::File::open(Path::new(NAMES).join(&self.name)).map_err(|e| e.to_string())?;
        let inside = || {
            move_into_link_name_space(place.as_fd(), Some(LinkNameSpaceType::Network)).map_err(|e| e.to_string())?;
            Ok(what())
        };
        let outcome = std::thread::scope(|scope| scope.spawn(inside).join());
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Does something in this namespace, on a thread and a runtime of its own: programs started there stay in it.
    pub fn spawn<T, F>(&self, what: F) -> JoinHandle<Result<T>>
    where
        T: Send + 'static,
        F: AsyncFnOnce() -> Result<T> + Send + 'static,
    {
        let space = self.clone();
        tokio::task::spawn_blocking(move || {
            space.enter(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.map_err(|e| e.to_string())?.block_on(what())
            })?
        })
    }

    /// A UDP socket of this namespace, at its address.
    pub fn udp(&self, port: u16) -> Result<UdpSocket> {
        let address = SocketAddr::V4(SocketAddrV4::new(self.address, port));
        self.enter(|| UdpSocket::bind(address))?.map_err(|e| format!("{address}: {e}"))
    }

    /// Runs a line of shell in this namespace.
    pub fn shell(&self, script: &str) -> Result<()> {
        run_in(&self.name, script)
    }

    /// Loads a set of nftables rules in place of those that are there.
    pub fn rules(&self, rules: &str) -> Result<()> {
        self.shell(&format!("nft -f - <<'END'\nflush ruleset\n{rules}\nEND"))
    }

    /// Sets a number under /proc/sys/net, of this namespace.
    pub fn set(&self, path: &str, value: u32) -> Result<()> {
        self.shell(&format!("echo {value} > /proc/sys/net/{path}"))
    }
}

/// Connects a namespace to a realm by an interface of this name.
fn plug(realm: &mut Realm, space: &str, interface: &str) -> Result<Ipv4Addr> {
    realm.used = realm.used.checked_add(1).ok_or("the network is full")?;
    let Realm { space: hub, prefix, gateway, used } = realm;
    let address = at(*prefix, *used);
    // Without a router the default route leads into the network itself: programs look where it leads.
    let default = if *gateway { format!("via {}", at(*prefix, 1)) } else { format!("dev {interface}") };
    let script = format!(
        "ip link add {interface} type veth peer name p{used} netns {hub}
         ip addr add {address}/24 dev {interface}
         ip link set {interface} up
         ip netns exec {hub} ip link set p{used} master lan up
         ip route add default {default}"
    );
    run_in(space, &script)?;
    Ok(address)
}

fn at([a, b, c]: [u8; 3], host: u8) -> Ipv4Addr {
    Ipv4Addr::new(a, b, c, host)
}

fn run_in(space: &str, script: &str) -> Result<()> {
    let script = format!("set -e\n{script}");
    done(Command::new("ip").args(["netns", "exec", space, "sh", "-c", &script]).output())
}

fn done(output: std::io::Result<Output>) -> Result<()> {
    let output = output.map_err(|e| e.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).trim().into()) }
}

fn check_tools() -> Result<()> {
    let version = |tool: &str, arg| Command::new(tool).arg(arg).output().map_err(|e| format!("{tool}: {e}"));
    version("ip", "-V")?;
    version("nft", "-v")?;
    Ok(())
}

fn fresh_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{PREFIX}{}-{}", id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Removes what was left by processes that were killed.
fn remove_stale() {
    let names = fs::read_dir(NAMES).into_iter().flatten().flatten().map(|entry| entry.file_name());
    for name in names.filter_map(|name| name.into_string().ok()) {
        let process = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('-')).map(|(process, _)| process);
        let ended = |process: &str| !PathBuf::from("/proc").join(process).exists();
        if process.is_some_and(|process| process.parse::<u32>().is_ok() && ended(process)) {
            // Another test may have been quicker.
            drop(Command::new("ip").args(["netns", "delete", &name]).output());
        }
    }
}
