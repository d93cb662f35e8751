//! Bodies of fuzz targets.

use crate::mdns::message::Message;
use crate::route::default_gateway;
#[cfg(any(target_os = "linux", target_os = "android"))]
use crate::watch::netlink::tells_change;

/// A message of multicast DNS: what was read is written, and what was written reads the same.
pub fn mdns(data: &[u8]) {
    let Some(message) = Message::parse(data) else { return };
    let written = message.to_bytes();
    assert_eq!(Message::parse(&written).as_ref(), Some(&message));
}

/// What the kernel says: changes by netlink, and its table of routes.
pub fn kernel(data: &[u8]) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        // A message of another kind before them hides none.
        let mut other = [0; 24];
        other[..4].copy_from_slice(&24u32.to_ne_bytes());
        other[4..6].copy_from_slice(&28u16.to_ne_bytes());
        assert_eq!(tells_change(&[&other, data].concat()), tells_change(data));
    }
    let table = String::from_utf8_lossy(data);
    let gateway = default_gateway(&table);
    // Another route that is no default one, or a worse one, changes nothing.
    let more = "eth9\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0";
    let worst = "eth9\t00000000\t01020304\t0003\t0\t0\t4294967295\t00000000\t0\t0\t0";
    assert_eq!(default_gateway(&format!("{table}\n{more}")), gateway);
    assert_eq!(default_gateway(&format!("{more}\n{table}")), gateway);
    let last = default_gateway(&format!("{table}\n{worst}"));
    assert!(last.is_some() && gateway.is_none_or(|gateway| last == Some(gateway)));
}

#[cfg(test)]
mod tests {
    #[test]
    fn messages() {
        peerage_testkit::replay::replay(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/mdns"), super::mdns);
    }

    #[test]
    fn news_and_routes() {
        peerage_testkit::replay::replay(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/kernel"), super::kernel);
    }
}
