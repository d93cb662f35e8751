//! Servers without a name, on a network of their own: multicast DNS reaches everybody on a link.
#![cfg(target_os = "linux")]

mod common;

use common::{PATIENCE, rng, start};
use core::time::Duration;
use peerage_base::rng::Rng;
use peerage_server::Stun;
use peerage_server::local::{LocalError, LocalSettings, announce, find};
use peerage_signal::client::exchange::{ExchangeOptions, offer, take};
use peerage_signal::code::Code;
use peerage_signal::link::AnyCode;
use peerage_testkit::namespace::in_a_namespace;
use tokio::time::timeout;

/// A link that leads nowhere, with both families; and then this program again.
const INSIDE: &str = "set -e
    ip link set lo up
    ip link add left type veth peer name right
    ip link set left addrgenmode none
    ip addr add 192.0.2.1/24 dev left
    ip addr add 2001:db8::1/64 dev left nodad
    ip link set right up
    ip link set left up
    exec \"$0\" --ignored --exact --nocapture inside_the_namespace";

#[test]
fn a_server_is_found_by_the_code_alone() {
    in_a_namespace(INSIDE);
}

#[tokio::test]
#[ignore = "run by the test above, in a namespace"]
async fn inside_the_namespace() {
    let server = start(|config| {
        config.listen = vec!["[::]:0".parse().unwrap()];
        (config.stun, config.turn, config.whip) = (Stun::Off, None, None);
    })
    .await;
    let port = server.http.port();
    let code = Code::generate(&mut rng());
    for any in [AnyCode::parse("7-guitar-sunset").unwrap(), AnyCode::Room(code.clone())] {
        // Whoever looks first finds it as soon as it is there.
        let looking = tokio::spawn({
            let (any, settings) = (any.clone(), settings(15));
            async move { find(&any, &Rng::from_u64(1), &settings).await }
        });
        let announced = announce(&any, port, &Rng::from_u64(2), &settings(15)).await.unwrap();
        let found = timeout(PATIENCE, looking).await.unwrap().unwrap().unwrap();
        assert!(
            ["http://192.0.2.1", "http://[2001:db8::1]"]
                .iter()
                .any(|host| found.to_string() == format!("{host}:{port}"))
        );

        // It leads to the server, for whoever has the rest of the code.
        let options = || ExchangeOptions::new(found.clone(), code.clone(), rng());
        let (answer, taken) = tokio::join!(offer(options(), "o"), async { take(options()).await?.answer("a").await });
        assert_eq!((answer.unwrap(), taken.is_ok()), ("a".to_owned(), true));

        let again = announce(&any, port, &Rng::from_u64(3), &settings(15)).await;
        assert!(matches!(&again, Err(LocalError::Taken(_))), "{again:?}");
        drop(announced);
    }
    let other = AnyCode::parse("8-guitar-sunset").unwrap();
    let error = find(&other, &Rng::from_u64(4), &settings(1)).await.unwrap_err().to_string();
    assert!(error.starts_with("nobody on this network offers 8-\u{2026}: is the other side running"), "{error}");
    assert!(!error.contains("guitar"), "{error}");

    // A server that has ended while its name is still told.
    server.handle.shutdown();
    server.task.await.unwrap();
    let announced = announce(&other, port, &Rng::from_u64(5), &settings(15)).await.unwrap();
    let error = find(&other, &Rng::from_u64(6), &settings(15)).await.unwrap_err();
    assert!(
        matches!(&error, LocalError::Unreachable { at, .. } if at.contains("192.0.2.1:") && at.contains("[2001:db8::1]:")),
        "{error}"
    );
    drop(announced);
}

fn settings(seconds: u64) -> LocalSettings {
    let mut settings = LocalSettings::default();
    settings.patience = Duration::from_secs(seconds);
    settings
}
