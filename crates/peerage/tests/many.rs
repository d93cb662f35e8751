//! Many connections on one port.

mod common;

use std::time::Duration;

use common::{connect, endpoint};
use peerage::Message;
use tokio::time::Instant;

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_connections_share_one_port() {
    share_one_port(10, 30).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes unoptimised"]
async fn ten_thousand_connections_share_one_port() {
    share_one_port(50, 200).await;
}

/// Every connection works while all the others stand, and the server needs no second port for them.
async fn share_one_port(clients: usize, each: usize) {
    // A client's later connections have sockets of their own.
    let files = allow_files();
    let (wanted, begun, before) = (clients * (each + 8) + 100, Instant::now(), resident());
    assert!(files >= wanted as u64, "the system allows {files} open files, and {wanted} are needed");
    let server = endpoint();
    let mut connecting = Vec::new();
    for _ in 0..clients {
        let server = server.clone();
        connecting.push(tokio::spawn(async move {
            let client = endpoint();
            let mut pairs = Vec::new();
            for _ in 0..each {
                let pair = connect(&client, &server);
                pairs.push(tokio::time::timeout(Duration::from_secs(60), pair).await.expect("connects in time"));
            }
            pairs
        }));
    }
    let mut pairs = Vec::new();
    for client in connecting {
        pairs.extend(client.await.unwrap());
    }
    assert_eq!(pairs.len(), clients * each);
    println!("{} connections in {:?}", pairs.len(), begun.elapsed());
    let port = server.local_addrs()[0].port();
    let moved =
        pairs.iter().filter(|pair| pair.b.transport_stats().selected.expect("connected").local_address.port() != port);
    // On a machine that is very busy a client may be so late that the server moves in its stead.
    assert!(moved.count() * 20 < pairs.len());
    for (n, pair) in pairs.iter().enumerate() {
        pair.at_a.send_text(format!("{n}")).await.unwrap();
    }
    for (n, pair) in pairs.iter().enumerate() {
        let message = tokio::time::timeout(Duration::from_secs(20), pair.at_b.recv()).await.expect("arrives in time");
        assert_eq!(message, Some(Message::Text(format!("{n}"))));
    }
    let grown = resident().saturating_sub(before) as f64 / (2 * pairs.len()) as f64;
    println!("a message on each, {:?} since the start; {grown:.1} KiB for each end and the endpoints", begun.elapsed());
}

/// Lets this process have as many open files as it may. How many that are.
fn allow_files() -> u64 {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let maximum = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
        maximum.unwrap_or(u64::MAX)
    }
    #[cfg(not(unix))]
    u64::MAX
}

/// Resident memory of this process in KiB; 0 where the system does not say.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
