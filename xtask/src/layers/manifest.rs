//! As much of a `Cargo.toml` as the layers need.

/// The dependencies of one crate.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Of the product, those of build scripts included.
    pub dependencies: Vec<String>,
    /// Whether `[lints] workspace = true`.
    pub workspace_lints: bool,
    /// Whether it sets lints of its own.
    pub own_lints: bool,
}

/// Reads the keys of the dependency tables; their values do not matter here. A renamed dependency counts under its new name.
pub fn read(text: &str) -> Manifest {
    let mut manifest = Manifest::default();
    let mut table = String::new();
    for line in text.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            table = header.trim_end_matches(']').to_owned();
            if let Some(name) = dependency_table(&table) {
                manifest.dependencies.extend(name);
            }
            manifest.own_lints |= table.starts_with("lints.");
            continue;
        }
        let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else { continue };
        if table == "lints" && key.trim() == "workspace" {
            manifest.workspace_lints = value.trim() == "true";
        }
        if dependency_table(&table) == Some(None) {
            let name = key.trim().split('.').next().unwrap_or_default().trim_matches('"');
            manifest.dependencies.push(name.to_owned());
        }
    }
    manifest
}

/// `Some(None)` for a table of dependencies, `Some(Some(name))` for the table of one of them.
fn dependency_table(table: &str) -> Option<Option<String>> {
    let table = match table.strip_prefix("target.") {
        Some(rest) => rest.rsplit_once("'.").map_or(rest, |(_, table)| table),
        None => table,
    };
    for kind in ["dependencies", "build-dependencies"] {
        match table.strip_prefix(kind) {
            Some("") => return Some(None),
            Some(name) if name.starts_with('.') => return Some(Some(name[1..].to_owned())),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_dependency_is_read_and_dev_dependencies_are_not() {
        let text = "[package]\nname = \"x\"\n[lints]\nworkspace = true\n[dependencies]\na.workspace = true\n# b = \"1\"\n\
                    c = { version = \"1\", features = [\"f\"] }\n[dependencies.d]\nversion = \"1\"\n\
                    [target.'cfg(unix)'.dependencies]\ne = \"1\"\n[build-dependencies]\nf = \"1\"\n[dev-dependencies]\ng = \"1\"\n";
        let manifest = read(text);
        assert_eq!(manifest.dependencies, ["a", "c", "d", "e", "f"]);
        assert!(manifest.workspace_lints && !manifest.own_lints);
    }
}
