//! Bodies of fuzz targets.

use crate::demux::{Kind, Route, classify, route};

/// A datagram before anybody knows whose it is.
pub fn demux(data: &[u8]) {
    let kind = classify(data);
    match route(data) {
        Route::Request { local_ufrag, .. } => {
            assert_eq!(kind, Kind::Stun);
            assert!(!local_ufrag.contains(':') && local_ufrag.len() <= data.len());
        }
        Route::Response { .. } => assert_eq!(kind, Kind::Stun),
        Route::Other => {}
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn datagrams() {
        for corpus in ["stun", "sctp"] {
            let folder = alloc::format!("{}/../{corpus}/corpus", env!("CARGO_MANIFEST_DIR"));
            peerage_testkit::replay::replay(&folder, super::demux);
        }
    }
}
