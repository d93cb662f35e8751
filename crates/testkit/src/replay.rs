//! Bodies of fuzz targets in the ordinary tests: over the corpus, over mutations of it, and over noise.

use std::fs;
use std::path::Path;

use peerage_base::rng::Rng;

/// Mutated inputs for each body.
const MUTATIONS: usize = 400;
/// Longest input made here, in bytes.
const MAX: usize = 4096;

/// Runs `body` over every file below `folder`, over a few hundred seeded mutations of them, and over noise, which is
/// all there is if there is no such folder. An input that makes it panic is written to the standard error.
///
/// # Panics
/// When `body` does, or when a file cannot be read.
pub fn replay(folder: &str, body: impl Fn(&[u8])) {
    let mut inputs = vec![Vec::new()];
    collect(Path::new(folder), &mut inputs);
    let mut rng = Rng::from_u64(1);
    for n in 0..16 {
        let mut noise = vec![0; 8 << (n % 7)];
        rng.fill(&mut noise);
        inputs.push(noise);
    }
    for input in &inputs {
        run(input, &body);
    }
    for _ in 0..MUTATIONS {
        let mut input = pick(&inputs, &mut rng).to_vec();
        for _ in 0..=rng.below(4) {
            mutate(&mut input, pick(&inputs, &mut rng), &mut rng);
        }
        run(&input, &body);
    }
}

fn collect(folder: &Path, inputs: &mut Vec<Vec<u8>>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a folder can be read").path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, inputs);
        } else {
            inputs.push(fs::read(&path).expect("a file can be read"));
        }
    }
}

fn run(input: &[u8], body: &impl Fn(&[u8])) {
    /// Tells the input while a panic passes.
    struct Witness<'a>(&'a [u8]);

    impl Drop for Witness<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("the input was b\"{}\"", self.0.escape_ascii());
            }
        }
    }

    let _witness = Witness(input);
    body(input);
}

fn pick<'a>(inputs: &'a [Vec<u8>], rng: &mut Rng) -> &'a [u8] {
    &inputs[place(inputs.len() - 1, rng)]
}

/// A place from 0 to `len`.
fn place(len: usize, rng: &mut Rng) -> usize {
    rng.below(len as u64 + 1) as usize
}

/// Changes the input in one way, some of which need another one to take from.
fn mutate(input: &mut Vec<u8>, other: &[u8], rng: &mut Rng) {
    let at = place(input.len(), rng);
    match rng.below(7) {
        0 => input.truncate(at),
        1 => input.insert(at, rng.u32() as u8),
        2 => drop(input.drain(at..(at + place(16, rng)).min(input.len()))),
        3 => {
            let (from, to) = (place(other.len(), rng), place(other.len(), rng));
            input.splice(at..at, other[from.min(to)..from.max(to)].iter().copied());
        }
        4 => {
            let again = input[at..(at + place(32, rng)).min(input.len())].to_vec();
            input.extend(again);
        }
        kind => {
            if let Some(byte) = input.get_mut(at) {
                *byte = if kind == 5 { *byte ^ (1 << rng.below(8)) } else { [0, 1, 0x7F, 0x80, 0xFF][place(4, rng)] };
            }
        }
    }
    input.truncate(MAX);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    #[test]
    fn files_and_many_variants_of_them_are_run_the_same_each_time() {
        let run = || {
            let seen = RefCell::new(Vec::new());
            replay(concat!(env!("CARGO_MANIFEST_DIR"), "/src"), |input| seen.borrow_mut().push(input.to_vec()));
            seen.into_inner()
        };
        let inputs = run();
        assert!(inputs.iter().any(|input| input == include_bytes!("replay.rs")));
        let different: BTreeSet<_> = inputs.iter().collect();
        assert!(different.len() > MUTATIONS / 2, "{}", different.len());
        assert_eq!(inputs, run());
    }

    #[test]
    #[should_panic(expected = "found")]
    fn what_a_body_finds_fails_the_test() {
        replay("no such folder", |input| assert!(input.len() < 64, "found"));
    }
}
