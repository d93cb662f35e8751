//! A second run for tests that failed.

use crate::process::Counts;

/// Most tests that are run a second time.
const MOST: usize = 6;

/// Gives tests that failed a second run. Other programs with clocks of their own take part in them, and a machine that stalls
/// for seconds upsets those; what passes then is named.
pub fn again(mut first: Counts, run: impl FnOnce(&[&str]) -> Result<Counts, String>) -> Result<Counts, String> {
    let names: Vec<&str> = first.names.iter().map(String::as_str).collect();
    // A binary that died, or did not build, has told no names, and where many fail it is not the machine.
    if names.is_empty() || names.len() as u64 != first.failed || names.len() > MOST {
        return Ok(first);
    }
    let second = run(&names)?;
    if second.passed + second.failed < first.failed {
        return Ok(first);
    }
    let (passed, failed): (Vec<_>, Vec<_>) = first.names.into_iter().partition(|name| !second.names.contains(name));
    if !passed.is_empty() {
        println!("passed only when run again: {}", passed.join(", "));
    }
    first.passed += passed.len() as u64;
    (first.failed, first.names) = (failed.len() as u64, failed);
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(passed: u64, names: &[&str]) -> Counts {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Counts { passed, failed: names.len() as u64, skipped: 0, names }
    }

    #[test]
    fn what_fails_twice_has_failed_and_what_passes_then_has_passed() {
        let second = again(counts(7, &["a", "b"]), |names| {
            assert_eq!(names, ["a", "b"]);
            Ok(counts(1, &["b"]))
        });
        assert_eq!(second, Ok(counts(8, &["b"])));
    }

    #[test]
    fn what_has_no_second_run_has_failed() {
        let never = |_: &[&str]| -> Result<Counts, String> { panic!("run again") };
        assert_eq!(again(counts(7, &[]), never), Ok(counts(7, &[])));
        assert_eq!(again(counts(0, &["x"; MOST + 1]), never), Ok(counts(0, &["x"; MOST + 1])));
        let died = Counts { failed: 2, ..counts(7, &["a"]) };
        assert_eq!(again(died.clone(), never), Ok(died));
        // The second run did not come to them.
        assert_eq!(again(counts(7, &["a"]), |_| Ok(Counts::default())), Ok(counts(7, &["a"])));
    }
}
