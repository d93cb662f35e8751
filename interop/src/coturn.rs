//! Debian's `coturn` on this machine: a TURN server that is not ours.

use std::net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use peerage::IceServer;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::bidi::Result;

/// How long it may take to start.
const START: Duration = Duration::from_secs(20);
/// The user whom it knows, and the password.
const USER: (&str, &str) = ("somebody", "something secret");

/// What it is reached over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
}

impl Transport {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Udp, Self::Tcp, Self::Tls];
}

/// A running server. Ends when dropped.
pub struct Coturn {
    port: u16,
    tls_port: u16,
    authority: Vec<u8>,
    process: Child,
    _folder: TempDir,
}

impl Coturn {
    /// One that knows [`a user`](Self::servers) by a password.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// The same with further arguments.
    pub async fn start_with(args: &[&str]) -> Result<Self> {
        let user = format!("--user={}:{}", USER.0, USER.1);
        Self::run(&[&["--lt-cred-mech", &user], args].concat()).await
    }

    /// One that takes all credentials made with a secret.
    pub async fn start_with_secret(secret: &str) -> Result<Self> {
        let secret = format!("--static-auth-secret={secret}");
        Self::run(&["--use-auth-secret", &secret]).await
    }

    async fn run(args: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let authority = certificates(folder.path()).await?;
        let (port, tls_port) = (free_port()?, free_port()?);
        let (listen, listen_tls) = (port.to_string(), tls_port.to_string());
        let process = Command::new("turnserver")
            .args(["-n", "--no-cli", "--fingerprint", "--realm=test", "--allow-loopback-peers", "--no-multicast-peers"])
            .args(["--listening-ip=127.0.0.1", "--log-file=stdout", "--no-dtls"])
            .arg(format!("--relay-ip={}", host()))
            .args(["--listening-port", &listen, "--tls-listening-port", &listen_tls])
            .args(["--cert", &path("cert.pem"), "--pkey", &path("key.pem")])
            .args(["--pidfile", &path("pid"), "--userdb", &path("users")])
            .args(args)
            .current_dir(folder.path())
            .kill_on_drop(true)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| format!("turnserver: {e}"))?;
        let mut server = Self { port, tls_port, authority, process, _folder: folder };
        server.ready().await?;
        Ok(server)
    }

    /// The address that it serves UDP and TCP at.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The authority that signed its certificate, in DER.
    pub fn authority(&self) -> &[u8] {
        &self.authority
    }

    /// How to use it over a transport, as the user whom it knows.
    pub fn ice_server(&self, transport: Transport) -> IceServer {
        self.ice_server_as(transport, (USER.0.into(), USER.1.into()))
    }

    /// How to use it over a transport, with these credentials.
    pub fn ice_server_as(&self, transport: Transport, (username, credential): (String, String)) -> IceServer {
        let url = match transport {
            Transport::Udp => format!("turn:127.0.0.1:{}", self.port),
            Transport::Tcp => format!("turn:127.0.0.1:{}?transport=tcp", self.port),
            Transport::Tls => format!("turns:127.0.0.1:{}?transport=tcp", self.tls_port),
        };
        IceServer { urls: vec![url], username, credential }
    }

    /// Ends it without a goodbye to its clients.
    pub async fn kill(&mut self) -> Result<()> {
        self.process.kill().await.map_err(|e| e.to_string())
    }

    /// Waits until it answers on both ports.
    async fn ready(&mut self) -> Result<()> {
        let (port, tls_port) = (self.port, self.tls_port);
        let connect = async {
            for port in [port, tls_port] {
                while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        };
        tokio::select! {
            ended = self.process.wait() => Err(format!("turnserver ended: {ended:?}")),
            result = tokio::time::timeout(START, connect) => result.map_err(|_| "turnserver did not start".to_owned()),
        }
    }
}

/// The address of this machine that others would see, loopback if it has no other: some browsers send nothing to
/// loopback from elsewhere.
pub fn host() -> IpAddr {
    let route = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        // Sends nothing: it finds the route.
        socket.connect("192.0.2.1:9").and_then(|()| socket.local_addr())
    });
    route.map_or(Ipv4Addr::LOCALHOST.into(), |address| address.ip())
}

/// Makes an authority and a certificate for this machine, signed by it, in a folder; the authority's own, in DER.
async fn certificates(folder: &Path) -> Result<Vec<u8>> {
    let make = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
    let authority = "-subj /CN=authority -addext basicConstraints=critical,CA:TRUE -keyout ca.key -out ca.pem";
    let leaf = "-subj /CN=relay -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE \
                -CA ca.pem -CAkey ca.key -keyout key.pem -out cert.pem";
    let to_der = "x509 -in ca.pem -outform DER -out ca.der".to_owned();
    for line in [format!("{make} {authority}"), format!("{make} {leaf}"), to_der] {
        let made = Command::new("openssl").args(line.split_whitespace()).current_dir(folder).output().await;
        let made = made.map_err(|e| format!("openssl: {e}"))?;
        if !made.status.success() {
            return Err(format!("openssl: {}", String::from_utf8_lossy(&made.stderr)));
        }
    }
    std::fs::read(folder.join("ca.der")).map_err(|e| e.to_string())
}

/// A port that is free at this moment, for UDP and for TCP.
fn free_port() -> Result<u16> {
    for _ in 0..100 {
        let tcp = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
        let address = tcp.local_addr().map_err(|e| e.to_string())?;
        if UdpSocket::bind(address).is_ok() {
            return Ok(address.port());
        }
    }
    Err("no free port".into())
}
