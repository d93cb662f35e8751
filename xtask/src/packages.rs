//! What the tests need from the system.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Failure;

/// A program, and the Debian package that has it.
#[derive(Debug, PartialEq, Eq)]
pub struct Tool {
    /// Any one of these will do: programs, or `pkg-config:` and a library, `gstreamer:` and an element, `python:` and what the
    /// system's Python is to run.
    pub programs: &'static [&'static str],
    pub package: &'static str,
}

/// What the library is built and tested with: the C parts of the cryptography, a foreign DTLS stack, namespaces.
pub const BUILD: &[Tool] = &[
    Tool { programs: &["cc", "gcc", "clang"], package: "gcc" },
    Tool { programs: &["openssl"], package: "openssl" },
    // Multicast is tested in a network namespace, where it disturbs nobody; NATs are the kernel's own.
    Tool { programs: &["ip"], package: "iproute2" },
    Tool { programs: &["nft"], package: "nftables" },
    // What the documentation shows of signalling over plain HTTP.
    Tool { programs: &["curl"], package: "curl" },
    // The foreign TURN server and client.
    Tool { programs: &["turnserver"], package: "coturn" },
    // Counts copies.
    Tool { programs: &["valgrind"], package: "valgrind" },
    // The codecs: Opus is built from source, libvpx is the system's, and its declarations are made with libclang.
    Tool { programs: &["pkg-config"], package: "pkg-config" },
    Tool { programs: &["cmake"], package: "cmake" },
    Tool { programs: &["make"], package: "make" },
    Tool { programs: &["g++", "c++"], package: "g++" },
    Tool { programs: &["clang"], package: "clang" },
    Tool { programs: &["pkg-config:vpx"], package: "libvpx-dev" },
    // Microphones and speakers.
    Tool { programs: &["pkg-config:alsa"], package: "libasound2-dev" },
    // Others that read the files of sound and video written here, and write such.
    Tool { programs: &["vpxdec"], package: "vpx-tools" },
    Tool { programs: &["opusinfo"], package: "opus-tools" },
    Tool { programs: &["gst-launch-1.0"], package: "gstreamer1.0-tools" },
    Tool { programs: &["gstreamer:opusdec"], package: "gstreamer1.0-plugins-base" },
    Tool { programs: &["gstreamer:vp8dec"], package: "gstreamer1.0-plugins-good" },
];

/// What the other stacks of DTLS are built with, and those that are programs.
pub const DTLS: &[Tool] = &[
    Tool { programs: &["cmake"], package: "cmake" },
    Tool { programs: &["make"], package: "make" },
    Tool { programs: &["g++", "c++"], package: "g++" },
    // Reads BoringSSL's headers, through the library that comes with it.
    Tool { programs: &["clang"], package: "clang" },
    Tool { programs: &["gnutls-serv"], package: "gnutls-bin" },
];

/// What the browser tests drive.
pub const BROWSERS: &[Tool] = &[
    Tool { programs: &["chromium", "chromium-browser", "google-chrome"], package: "chromium" },
    Tool { programs: &["chromedriver"], package: "chromium-driver" },
    Tool { programs: &["firefox-esr", "firefox"], package: "firefox-esr" },
    // Has Firefox believe the certificate of a relay.
    Tool { programs: &["certutil"], package: "libnss3-tools" },
    // A publisher and a viewer of another make.
    Tool { programs: &["gstreamer:webrtcbin"], package: "gstreamer1.0-plugins-bad" },
    Tool { programs: &["gstreamer:nicesrc"], package: "gstreamer1.0-nice" },
    Tool {
        programs: &[
            "python:import importlib.util, sys; sys.exit(importlib.util.find_spec('gi.overrides.Gst') is None)",
        ],
        package: "python3-gst-1.0",
    },
    Tool {
        programs: &["python:import gi; gi.require_version('GstWebRTC', '1.0')"],
        package: "gir1.2-gst-plugins-bad-1.0",
    },
];

/// Node runs the page's tests that need no browser.
pub const NODE: &[Tool] = &[Tool { programs: &["node"], package: "nodejs" }];

/// Installs what is built with, where that is possible without asking.
pub fn setup() -> Result<(), Failure> {
    let missing = provide(BUILD);
    if missing.is_empty() { Ok(()) } else { Err(advice(&missing).into()) }
}

/// Installs what is missing, where that is possible without asking. The answer lists what is still missing.
pub fn provide(tools: &'static [Tool]) -> Vec<&'static Tool> {
    let missing = absent(tools);
    if missing.is_empty() || !is_root() || !on_path("apt-get") {
        return missing;
    }
    let packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    println!("== installing {}", packages.join(" "));
    // The C compiler is of no use without the C library's headers.
    let headers = if packages.contains(&"gcc") { &["libc6-dev"][..] } else { &[] };
    apt(&["update", "-qq"]);
    apt(&[&["install", "-y", "-qq", "--no-install-recommends"], packages.as_slice(), headers].concat());
    absent(tools)
}

/// How a person would install them.
pub fn advice(missing: &[&Tool]) -> String {
    let packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    let packages = packages.join(" ");
    format!("missing: {packages}; on Debian or Ubuntu: sudo apt-get install {packages}")
}

fn apt(args: &[&str]) {
    let mut command = Command::new("apt-get");
    command.args(args).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    // What it did not achieve shows when the programs are looked for again.
    if let Err(error) = command.status() {
        eprintln!("apt-get does not start: {error}");
    }
}

fn absent(tools: &'static [Tool]) -> Vec<&'static Tool> {
    tools.iter().filter(|tool| !tool.programs.iter().any(|program| is_there(program))).collect()
}

fn is_there(program: &str) -> bool {
    let (asked, args) = match program.split_once(':') {
        None => return on_path(program),
        Some(("pkg-config", library)) => ("pkg-config", ["--exists", library]),
        Some(("python", code)) => ("/usr/bin/python3", ["-c", code]),
        // With `--exists` it would ask for GStreamer's own version of plugins that have another.
        Some((_, element)) => ("gst-inspect-1.0", ["--no-colors", element]),
    };
    let status = Command::new(asked).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

fn on_path(program: &str) -> bool {
    // Tools for root are often outside the path of others.
    let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).chain(system).any(|dir| dir.join(program).is_file())
}

/// Whether apt-get would be allowed to install: the effective user of this process is root.
fn is_root() -> bool {
    let status = fs::read_to_string(Path::new("/proc/self/status")).unwrap_or_default();
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    uids.and_then(|uids| uids.split_whitespace().nth(1)) == Some("0")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: &[Tool] = &[Tool { programs: &["no-such-program-anywhere"], package: "nothing" }];

    #[test]
    fn missing_programs_are_named_with_the_way_to_get_them() {
        let missing = absent(NONE);
        assert_eq!(missing.len(), 1);
        assert!(advice(&missing).ends_with("sudo apt-get install nothing"));
        assert!(is_there("sh"));
        assert!(!is_there("pkg-config:no-such-library-anywhere"));
    }
}
