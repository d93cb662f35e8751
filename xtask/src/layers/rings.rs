//! Modules that import each other in a ring.

use std::collections::{BTreeMap, BTreeSet};

use super::rules::Exceptions;
use super::source::Source;

type Graph = BTreeMap<String, BTreeSet<String>>;

/// Every ring of a crate, by the names of its modules. An edge is a path that begins with `crate::`.
pub fn find(krate: &str, sources: &[Source], exceptions: &mut Exceptions) -> Vec<String> {
    let mut graph = Graph::new();
    for source in sources {
        if let Some(module) = module(&source.place) {
            graph.insert(module, BTreeSet::new());
        }
    }
    for source in sources {
        let Some(from) = module(&source.place) else { continue };
        for path in paths(&source.code) {
            if let Some(to) = target(&graph, &path).filter(|to| *to != from) {
                graph.entry(from.clone()).or_default().insert(to);
            }
        }
    }
    rings(&graph)
        .into_iter()
        .filter(|ring| !exceptions.allows_ring(krate, ring))
        .map(|ring| format!("{krate}: modules in a ring: {}", ring.join(", ")))
        .collect()
}

/// `ice/src/checks/pair.rs` is module `checks::pair`; the root is none, since it declares and re-exports only.
fn module(place: &str) -> Option<String> {
    let path = place.split_once("/src/")?.1.strip_suffix(".rs")?;
    let path = path.strip_suffix("/mod").unwrap_or(path);
    (path != "lib" && path != "main").then(|| path.replace('/', "::"))
}

/// The paths after every `crate::`, groups resolved one level deep: `crate::a::{b::C, D}` is `a::b::C` and `a::D`.
fn paths(code: &str) -> Vec<String> {
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        let stem: String = rest.chars().take_while(|c| is_path(*c)).collect();
        match rest[stem.len()..].strip_prefix('{').and_then(|group| group.split_once('}')) {
            Some((group, _)) => {
                found.extend(
                    group.split(',').map(|item| format!("{stem}{}", item.trim().split(' ').next().unwrap_or_default())),
                );
            }
            None => found.push(stem),
        }
    }
    found
}

/// The longest module that a path begins with.
fn target(graph: &Graph, path: &str) -> Option<String> {
    let mut path = path.trim_end_matches(':');
    loop {
        if graph.contains_key(path) {
            return Some(path.to_owned());
        }
        path = path.rsplit_once("::")?.0;
    }
}

/// The strongly connected components of more than one module.
fn rings(graph: &Graph) -> Vec<Vec<String>> {
    let reach: BTreeMap<&String, BTreeSet<&String>> = graph.keys().map(|from| (from, reachable(graph, from))).collect();
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for (from, to) in &reach {
        if seen.contains(from) || !to.contains(from) {
            continue;
        }
        let ring: Vec<String> = to.iter().filter(|other| reach[**other].contains(from)).map(|m| (*m).clone()).collect();
        seen.extend(to.iter().filter(|other| reach[**other].contains(from)).copied());
        found.push(ring);
    }
    found
}

fn reachable<'a>(graph: &'a Graph, from: &String) -> BTreeSet<&'a String> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&String> = graph[from].iter().collect();
    while let Some(next) = open.pop() {
        if seen.insert(next) {
            open.extend(&graph[next]);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<Source> = files.iter().map(|(p, t)| Source::new(format!("x/src/{p}"), t)).collect();
        find("x", &sources, &mut Exceptions::default())
    }

    #[test]
    fn rings_are_found_through_groups_and_longer_ways() {
        let files = [
            ("lib.rs", "use crate::a::A;"),
            ("a.rs", "use crate::{b::B, d};"),
            ("b.rs", "fn f() { crate::c::x::y() }"),
            ("c/x.rs", "use crate::a::{A, Z};"),
            ("d.rs", ""),
        ];
        assert_eq!(found(&files), ["x: modules in a ring: a, b, c::x"]);
    }

    #[test]
    fn a_tree_has_no_ring_and_tests_do_not_count() {
        let files = [("a.rs", "use crate::b::B;"), ("b.rs", "#[cfg(test)]\nmod tests { use crate::a::A; }\n")];
        assert!(found(&files).is_empty());
    }
}
