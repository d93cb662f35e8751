//! What one run came to, and the median of several.

use serde_json::{Value, json};

/// What one run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Bytes of application data that arrived and were checked.
    pub bytes: u64,
    /// Seconds from the first message to the last.
    pub wall: f64,
    /// Processor seconds of both ends in that time, user and system.
    pub cpu: f64,
    /// Seconds from nothing until the channel was open at both ends.
    pub connect: f64,
    /// Peak resident memory of the process, in bytes; 0 where it is not known.
    pub rss: u64,
}

impl Figures {
    /// MiB per second.
    pub fn rate(&self) -> f64 {
        self.bytes as f64 / f64::from(1 << 20) / self.wall
    }

    /// Processor seconds per GiB.
    pub fn cpu_per_gib(&self) -> f64 {
        self.cpu * f64::from(1 << 30) / self.bytes as f64
    }

    /// As one line of JSON.
    pub fn to_json(&self) -> Value {
        json!({ "bytes": self.bytes, "wall_s": self.wall, "cpu_s": self.cpu, "connect_s": self.connect, "rss": self.rss })
    }

    /// From [`to_json`](Self::to_json); `None` if it is something else.
    pub fn from_json(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        let number = |name: &str| value.get(name)?.as_f64();
        let whole = |name: &str| value.get(name)?.as_u64();
        Some(Self {
            bytes: whole("bytes")?,
            wall: number("wall_s")?,
            cpu: number("cpu_s")?,
            connect: number("connect_s")?,
            rss: whole("rss")?,
        })
    }
}

/// The median of each figure by itself; `None` of no runs.
pub fn median(runs: &[Figures]) -> Option<Figures> {
    let first = runs.first()?;
    let middle = |figure: fn(&Figures) -> f64| middle(runs.iter().map(figure)).unwrap_or_default();
    Some(Figures {
        bytes: first.bytes,
        wall: middle(|f| f.wall),
        cpu: middle(|f| f.cpu),
        connect: middle(|f| f.connect),
        rss: middle(|f| f.rss as f64) as u64,
    })
}

/// The median of values; `None` of no values.
pub fn middle(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some(f64::midpoint(*low, *high))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(wall: f64, cpu: f64) -> Figures {
        Figures { bytes: 512 << 20, wall, cpu, connect: 0.01, rss: 9 << 20 }
    }

    #[test]
    fn figures_survive_their_line() {
        let figures = run(1.5, 2.25);
        assert_eq!(Figures::from_json(&figures.to_json().to_string()), Some(figures));
        assert_eq!(Figures::from_json("{\"bytes\":1}"), None);
        assert_eq!(Figures::from_json("thread main panicked"), None);
    }

    #[test]
    fn each_figure_has_its_own_median() {
        let middle = median(&[run(3.0, 1.0), run(1.0, 9.0), run(2.0, 2.0)]).unwrap();
        assert_eq!((middle.wall, middle.cpu), (2.0, 2.0));
        assert_eq!(median(&[run(1.0, 1.0), run(2.0, 1.0)]).unwrap().wall, 1.5);
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn rates_are_per_mebibyte_and_gibibyte() {
        assert_eq!(run(2.0, 1.0).rate(), 256.0);
        assert_eq!(run(2.0, 1.0).cpu_per_gib(), 2.0);
    }
}
