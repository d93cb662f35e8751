//! How a NAT maps one socket towards several destinations, as far as it shows (RFC 4787 §4.1).

use core::net::SocketAddr;

/// The farthest apart that two successive ports of a NAT may lie that counts.
const MAX_STEP: i32 = 32;

/// How a NAT maps a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mapping {
    /// Fewer than two destinations told.
    #[default]
    Unknown,
    /// To the same address for every destination, or there is no NAT.
    Independent,
    /// To another port for each, so far from the last one.
    Sequential(i16),
    /// To the socket's own port for the first destination, to others for all further ones.
    Preserving,
    /// To another port for each, without a visible order.
    Random,
}

impl Mapping {
    /// Judges what successive destinations saw of one socket, the first one first.
    pub fn of(seen: &[SocketAddr]) -> Self {
        let ([first, rest @ ..], true) = (seen, seen.len() >= 2) else { return Self::Unknown };
        if rest.iter().all(|other| other == first) {
            return Self::Independent;
        }
        if rest.iter().any(|other| other.ip() != first.ip()) {
            return Self::Random;
        }
        // Others behind the same NAT take ports in between, so that the least distance is the closest to the step.
        let steps = seen.windows(2).map(|two| i32::from(two[1].port()) - i32::from(two[0].port()));
        match steps.filter(|step| *step != 0).min_by_key(|step| step.abs()) {
            Some(step) if step.abs() <= MAX_STEP => Self::Sequential(step as i16),
            _ => Self::Random,
        }
    }

    /// The same with the socket's own address.
    pub fn of_socket(base: SocketAddr, seen: &[SocketAddr]) -> Self {
        let kept = seen.first().is_some_and(|first| first.port() == base.port());
        match Self::of(seen) {
            Self::Random if kept => Self::Preserving,
            mapping => mapping,
        }
    }
}

/// The port that a counting NAT gives to the `nth` new mapping after `last`; `None` where it would leave the range
/// that NATs use.
pub(crate) fn predicted(last: SocketAddr, step: i16, nth: u32) -> Option<SocketAddr> {
    let port = i64::from(last.port()) + i64::from(step) * i64::from(nth);
    let port = u16::try_from(port).ok().filter(|port| *port >= 1024)?;
    Some(SocketAddr::new(last.ip(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(ports: &[u16]) -> alloc::vec::Vec<SocketAddr> {
        ports.iter().map(|port| SocketAddr::from(([192, 0, 2, 1], *port))).collect()
    }

    #[test]
    fn two_answers_tell_the_mapping() {
        let cases: [(&[u16], Mapping); 9] = [
            (&[], Mapping::Unknown),
            (&[5000], Mapping::Unknown),
            (&[5000, 5000], Mapping::Independent),
            (&[5000, 5001], Mapping::Sequential(1)),
            (&[5000, 4998], Mapping::Sequential(-2)),
            (&[5000, 5003, 5004], Mapping::Sequential(1)),
            (&[5000, 5000, 5002], Mapping::Sequential(2)),
            (&[5000, 5033], Mapping::Random),
            (&[1024, 65535], Mapping::Random),
        ];
        for (ports, mapping) in cases {
            assert_eq!(Mapping::of(&seen(ports)), mapping, "{ports:?}");
        }
        let elsewhere = [seen(&[5000])[0], SocketAddr::from(([192, 0, 2, 2], 5000))];
        assert_eq!(Mapping::of(&elsewhere), Mapping::Random, "an address out of a pool");
    }

    #[test]
    fn a_port_that_is_kept_once_tells_a_nat_that_keeps_ports() {
        let base = SocketAddr::from(([10, 0, 0, 1], 5000));
        assert_eq!(Mapping::of_socket(base, &seen(&[5000, 40_000])), Mapping::Preserving);
        assert_eq!(Mapping::of_socket(base, &seen(&[5000, 5000])), Mapping::Independent);
        assert_eq!(Mapping::of_socket(base, &seen(&[5000, 5001])), Mapping::Sequential(1));
        assert_eq!(Mapping::of_socket(base, &seen(&[40_000, 5000])), Mapping::Random);
    }

    #[test]
    fn predictions_stay_within_the_range_of_ports() {
        let last = |port| SocketAddr::from(([192, 0, 2, 1], port));
        assert_eq!(predicted(last(5000), 2, 3), Some(last(5006)));
        assert_eq!(predicted(last(65_535), 1, 1), None);
        assert_eq!(predicted(last(1030), -4, 2), None);
        assert_eq!(predicted(last(1030), i16::MIN, u32::MAX), None);
    }
}
