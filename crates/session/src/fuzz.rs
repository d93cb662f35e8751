//! Bodies of fuzz targets.

mod given;
mod hostile;
mod media;
mod network;
mod owner;
mod world;

use crate::demux::{Kind, Route, classify, route};
use crate::fuzz::world::run;

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

/// Two sessions, their owners, the NATs and servers between them: a sequence of calls, losses and forged packets.
pub fn connections(data: &[u8]) {
    run(data);
}

/// Two ends of audio and video: frames, losses, forged packets, lies, other agreements.
pub fn media(data: &[u8]) {
    media::run(data);
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use crate::fuzz::owner::Reached;
    use crate::fuzz::world::run;

    #[test]
    fn datagrams() {
        for corpus in ["stun", "sctp"] {
            let folder = format!("{}/../{corpus}/corpus", env!("CARGO_MANIFEST_DIR"));
            peerage_testkit::replay::replay(&folder, super::demux);
        }
    }

    #[test]
    fn sequences() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/connections");
        peerage_testkit::replay::replay(folder, super::connections);
    }

    #[test]
    fn random_sequences_break_no_promise() {
        let mut rng = peerage_base::rng::Rng::from_u64(5);
        for _ in 0..40 {
            let mut input = [0; 300];
            rng.fill(&mut input);
            super::connections(&input);
        }
    }

    #[test]
    fn random_sequences_of_audio_and_video_break_no_promise() {
        let mut rng = peerage_base::rng::Rng::from_u64(6);
        let mut reached = crate::fuzz::media::Reached::default();
        for _ in 0..120 {
            let mut input = [0; 600];
            rng.fill(&mut input);
            let run = crate::fuzz::media::run(&input);
            reached.frames += run.frames;
            reached.sounds += run.sounds;
            reached.controls += run.controls;
        }
        assert!(reached.frames > 300 && reached.sounds > 10 && reached.controls > 1000, "{reached:?}");
    }

    #[test]
    fn seeds_reach_data_over_every_kind_of_path() {
        let direct = run(include_bytes!("../corpus/connections/direct"));
        assert!(direct.messages > 1 && direct.relayed == 0, "{direct:?}");
        for seed in
            [&include_bytes!("../corpus/connections/relay-udp")[..], include_bytes!("../corpus/connections/relay-tcp")]
        {
            let reached = run(seed);
            assert!(reached.relayed > 1, "{reached:?}");
        }
        let tcp = run(include_bytes!("../corpus/connections/ice-tcp"));
        assert!(tcp.messages > 1 && tcp.streams > 0, "{tcp:?}");
        let Reached { probes, .. } = run(include_bytes!("../corpus/connections/probes"));
        assert!(probes > 1, "{probes} probes");
    }
}
