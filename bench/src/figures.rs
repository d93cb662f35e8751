//! What one run came to, and the median of several.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// What one run came to: numbers by name. The names are those of the JSON that is told; each ends in its unit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures(BTreeMap<String, f64>);

impl Figures {
    /// With one more figure.
    #[must_use]
    pub fn with(mut self, name: &str, value: f64) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }

    /// The figure of this name.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    /// All in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }

    /// As one line of JSON.
    pub fn to_json(&self) -> Value {
        let members = self.iter().map(|(name, value)| (name.to_owned(), number(value)));
        Value::Object(members.collect::<Map<_, _>>())
    }

    /// From [`to_json`](Self::to_json); `None` if it is something else.
    pub fn from_json(line: &str) -> Option<Self> {
        let members: Map<String, Value> = serde_json::from_str(line).ok()?;
        let figures: Option<BTreeMap<_, _>> =
            members.into_iter().map(|(name, value)| Some((name, value.as_f64()?))).collect();
        figures.filter(|figures| !figures.is_empty()).map(Self)
    }
}

/// Six digits that count; whole numbers without a point.
pub fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 9e15 {
        return Value::from(value as i64);
    }
    let digits = 10_f64.powi(5 - value.abs().log10().floor() as i32);
    let rounded = (value * digits).round() / digits;
    serde_json::Number::from_f64(rounded).map_or(Value::Null, Value::Number)
}

/// The median of each figure by itself; `None` of no runs.
pub fn median(runs: &[Figures]) -> Option<Figures> {
    let names: BTreeMap<&str, ()> = runs.iter().flat_map(Figures::iter).map(|(name, _)| (name, ())).collect();
    let medians = names
        .into_keys()
        .filter_map(|name| Some((name.to_owned(), middle(runs.iter().filter_map(|run| run.value(name)))?)));
    Some(Figures(medians.collect())).filter(|_| !runs.is_empty())
}

/// The median of values; `None` of no values.
pub fn middle(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let values = sorted(values);
    let (low, high) = (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some(f64::midpoint(*low, *high))
}

/// What all but one in twenty of the values do not exceed; `None` of no values.
pub fn high(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let values = sorted(values);
    values.get((values.len() * 19).div_ceil(20).checked_sub(1)?).copied()
}

fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(wall: f64, cpu: f64) -> Figures {
        Figures::default().with("wall_s", wall).with("cpu_s", cpu)
    }

    #[test]
    fn figures_survive_their_line() {
        let figures = run(1.5, 2.0);
        assert_eq!(figures.to_json().to_string(), r#"{"cpu_s":2,"wall_s":1.5}"#);
        assert_eq!(Figures::from_json(&figures.to_json().to_string()), Some(figures));
        for line in ["{}", "{\"bytes\":\"1\"}", "[1]", "thread main panicked"] {
            assert_eq!(Figures::from_json(line), None, "{line}");
        }
    }

    #[test]
    fn six_digits_are_enough() {
        assert_eq!(number(1_234.567_89).to_string(), "1234.57");
        assert_eq!(number(0.000_123_456_78).to_string(), "0.000123457");
        assert_eq!(number(-0.333_333_33).to_string(), "-0.333333");
        assert_eq!(number(f64::NAN), Value::Null);
    }

    #[test]
    fn each_figure_has_its_own_median() {
        let middle = median(&[run(3.0, 1.0), run(1.0, 9.0), run(2.0, 2.0)]).unwrap();
        assert_eq!(middle, run(2.0, 2.0));
        assert_eq!(median(&[run(1.0, 1.0), run(2.0, 1.0)]).unwrap().value("wall_s"), Some(1.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn one_in_twenty_may_be_higher() {
        assert_eq!(high((1..=100).map(f64::from)), Some(95.0));
        assert_eq!(high([7.0]), Some(7.0));
        assert_eq!(high([]), None);
    }
}
