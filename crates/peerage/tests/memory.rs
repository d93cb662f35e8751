//! What an idle connection costs: all of it, as the application holds it.

mod common;

use std::time::Duration;

use common::{Pair, connect, endpoint};
use peerage::Message;

/// Connections whose cost is told apart from that of their endpoints.
const COUNT: usize = 8;
/// Until each has given back what connecting took, a quarter of a second after it, and what came of its last timers.
const SETTLE: Duration = Duration::from_secs(3);

/// Bytes that each end of an idle connection may hold, on the heap of this language: the session (`session::quiet` has its
/// rows), its cell and handles, its socket, its places in the tables of the endpoint, which few connections share here, its
/// deadline, and the task of this test that trickles. It is what there is today and a tenth, to be lowered with it: the aim is 12 KiB.
const BUDGET: i64 = 20_480;

/// One thread, so that the counts have everything.
#[test]
fn an_idle_connection_has_little_memory_with_all_that_belongs_to_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (client, server) = runtime.block_on(async { (endpoint(), endpoint()) });
    let mut first = Vec::with_capacity(1);
    let mut pairs = Vec::with_capacity(COUNT);
    // What an endpoint allocates only once belongs to nobody.
    runtime.block_on(connect_and_rest(&client, &server, 1, &mut first));
    let used = allocation_counter::measure(|| {
        runtime.block_on(connect_and_rest(&client, &server, COUNT, &mut pairs));
    });
    let each = used.bytes_current / (2 * COUNT) as i64;
    println!("{each} bytes in {} blocks for each end", used.count_current / (2 * COUNT) as i64);
    assert!(each <= BUDGET, "{each} bytes");
    runtime.block_on(async {
        for pair in first.iter().chain(&pairs) {
            talk(pair).await;
        }
    });
}

async fn connect_and_rest(client: &peerage::Endpoint, server: &peerage::Endpoint, count: usize, pairs: &mut Vec<Pair>) {
    for _ in 0..count {
        let pair = connect(client, server).await;
        talk(&pair).await;
        pairs.push(pair);
    }
    tokio::time::sleep(SETTLE).await;
}

/// A message there and one back.
async fn talk(pair: &Pair) {
    for (from, to) in [(&pair.at_a, &pair.at_b), (&pair.at_b, &pair.at_a)] {
        from.send_text("a word").await.unwrap();
        assert_eq!(common::within(to.recv()).await, Some(Message::Text("a word".into())));
    }
}
