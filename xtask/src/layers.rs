//! `cargo xtask check-layers`: the rules of ARCHITECTURE.md that a machine can hold.

use std::fs;
use std::path::Path;

use crate::{Failure, tree};

mod manifest;
mod rings;
mod rules;
mod source;

/// Reads every crate and reports each breach with its place.
pub fn run() -> Result<(), Failure> {
    let (mut breaches, exceptions) = all(&tree::root().join("crates"))?;
    breaches.extend(exceptions.unused());
    for breach in &breaches {
        eprintln!("{breach}");
    }
    match breaches.len() {
        0 => println!("layers: no breach"),
        n => return Err(Failure::Failed(format!("{n} breaches of the layers"))),
    }
    Ok(())
}

fn all(crates: &Path) -> Result<(Vec<String>, rules::Exceptions), String> {
    let read = |path: &Path| fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()));
    let mut breaches = Vec::new();
    let mut used = rules::Exceptions::default();
    let mut folders: Vec<_> = fs::read_dir(crates).map_err(|e| e.to_string())?.flatten().map(|e| e.path()).collect();
    folders.sort();
    for folder in folders.iter().filter(|f| f.join("Cargo.toml").is_file()) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let manifest = manifest::read(&read(&folder.join("Cargo.toml"))?);
        breaches.extend(rules::manifest(&name, &manifest, &mut used));
        let mut sources = Vec::new();
        for path in tree::files(&folder.join("src"), "rs") {
            let place = path.strip_prefix(crates).unwrap_or(&path).to_string_lossy().into_owned();
            // Tests in files of their own answer to no layer.
            if place.ends_with("/tests.rs") || place.contains("/tests/") {
                continue;
            }
            let source = source::Source::new(place, &read(&path)?);
            breaches.extend(rules::source(&name, &source, &mut used));
            sources.push(source);
        }
        breaches.extend(rules::root(&name, sources.iter().find(|s| s.place.ends_with("/src/lib.rs"))));
        breaches.extend(rings::find(&name, &sources, &mut used));
    }
    Ok((breaches, used))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_with_every_kind_of_breach_is_reported_in_full() {
        let folder = std::env::temp_dir().join(format!("xtask-layers-{}", std::process::id()));
        let write = |path: &str, text: &str| {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            "stun/Cargo.toml",
            "[package]\nname = \"peerage-stun\"\n[dependencies]\npeerage-ice.workspace = true\nsha2 = \"1\"\n",
        );
        write("stun/src/lib.rs", "mod a;\nmod b;\npub use a::A;\n");
        write("stun/src/a.rs", "use crate::b::B;\nuse crate::A;\nfn f() { unsafe { g() } }\n");
        write("stun/src/b.rs", "use crate::a::A;\nfn t() { std::time::Instant::now(); peerage_ice::x(); }\n");
        write("unknown/Cargo.toml", "[dependencies]\n");
        let found = all(&folder).unwrap().0.join("\n");
        fs::remove_dir_all(&folder).unwrap();
        for expected in [
            "stun/Cargo.toml: stun may not depend on ice",
            "stun/Cargo.toml: stun may not depend on the crypto library sha2",
            "stun/Cargo.toml: [lints] does not say workspace = true",
            "stun/src/lib.rs: #![no_std] is missing",
            "stun/src/a.rs:2: crate::A",
            "stun/src/a.rs:3: unsafe",
            "stun/src/b.rs:2: the clock is read",
            "stun/src/b.rs:2: stun may not import ice",
            "stun: modules in a ring: a, b",
            "unknown/Cargo.toml: the crate has no place in the layers",
        ] {
            assert!(found.contains(expected), "{expected} is missing in:\n{found}");
        }
    }
}
