//! Which names may travel: rules that hold on every system, so that what one accepts no other has to refuse.

use std::collections::HashMap;

/// Bytes of the longest path.
pub const MAX_PATH: usize = 4_096;
/// Bytes of the longest name in a path; what common file systems hold.
pub const MAX_NAME: usize = 255;
/// Most names in one path.
pub const MAX_DEPTH: usize = 64;

/// Why a path is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    /// Nothing, or nothing between two slashes.
    #[error("an empty name")]
    Empty,
    /// `/x`, `\x` or `C:x`.
    #[error("an absolute path")]
    Absolute,
    /// `.` or `..`.
    #[error("a name that leads elsewhere (. or ..)")]
    Dots,
    /// NUL, a line end, another control character or a backslash.
    #[error("a control character or backslash in a name")]
    Character,
    /// Windows would open a device.
    #[error("the name of a device")]
    Device,
    /// Windows would drop the end and meet another name.
    #[error("a name that ends in a dot or a space")]
    Trailing,
    /// Beyond [`MAX_PATH`], [`MAX_NAME`] or [`MAX_DEPTH`].
    #[error("a name or path that is too long")]
    TooLong,
    /// The same path as an earlier one, or one that differs in case alone.
    #[error("a name that collides with another one")]
    Collision,
}

/// Checks one path by itself.
pub fn check(path: &str) -> Result<(), NameFault> {
    if path.len() > MAX_PATH || path.split('/').count() > MAX_DEPTH {
        return Err(NameFault::TooLong);
    }
    let bytes = path.as_bytes();
    let drive = bytes.first().is_some_and(u8::is_ascii_alphabetic) && bytes.get(1) == Some(&b':');
    if drive || matches!(bytes.first(), Some(b'/' | b'\\')) {
        return Err(NameFault::Absolute);
    }
    path.split('/').try_for_each(check_name)
}

/// Checks one name of a path.
pub fn check_name(name: &str) -> Result<(), NameFault> {
    if name.is_empty() {
        return Err(NameFault::Empty);
    }
    if name == "." || name == ".." {
        return Err(NameFault::Dots);
    }
    if name.len() > MAX_NAME {
        return Err(NameFault::TooLong);
    }
    let forbidden = |c: char| c.is_control() || c == '\\' || c == '/' || (cfg!(windows) && "<>:\"|?*".contains(c));
    if name.contains(forbidden) {
        return Err(NameFault::Character);
    }
    if name.ends_with(['.', ' ']) {
        return Err(NameFault::Trailing);
    }
    if is_device(name) {
        return Err(NameFault::Device);
    }
    Ok(())
}

/// Windows takes these for devices in every folder, whatever follows the first dot.
fn is_device(name: &str) -> bool {
    let stem = name.split(['.', ':']).next().unwrap_or(name).trim_end_matches(' ').to_ascii_uppercase();
    match stem.as_str() {
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" | "CLOCK$" => true,
        other => ["COM", "LPT"].iter().any(|port| {
            other.strip_prefix(port).is_some_and(|n| {
                let mut digits = n.chars();
                matches!(digits.next(), Some('0'..='9' | '¹' | '²' | '³')) && digits.next().is_none()
            })
        }),
    }
}

/// The names of a manifest as a tree, to find those that would meet on a disk that ignores case.
#[derive(Debug, Default)]
pub struct Names {
    nodes: HashMap<(u32, Box<str>), Node>,
}

#[derive(Debug)]
struct Node {
    id: u32,
    spelling: Box<str>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A folder that only the paths below it name.
    Implied,
    /// A folder with an entry of its own.
    Folder,
    File,
}

impl Names {
    /// Adds a path that [`check`] has passed.
    pub fn add(&mut self, path: &str, is_dir: bool) -> Result<(), NameFault> {
        let mut parent = 0;
        let mut rest = path.split('/').peekable();
        while let Some(name) = rest.next() {
            let kind = match (rest.peek().is_some(), is_dir) {
                (true, _) => Kind::Implied,
                (false, true) => Kind::Folder,
                (false, false) => Kind::File,
            };
            parent = self.node(parent, name, kind)?;
        }
        Ok(())
    }

    /// How many names the tree holds, so that its owner can bound it.
    pub fn count(&self) -> usize {
        self.nodes.len()
    }

    fn node(&mut self, parent: u32, name: &str, kind: Kind) -> Result<u32, NameFault> {
        let id = u32::try_from(self.nodes.len() + 1).map_err(|_| NameFault::TooLong)?;
        // Upper case first folds what lower case alone keeps apart, such as the two small sigmas.
        let folded = name.to_uppercase().to_lowercase().into_boxed_str();
        let node = self.nodes.entry((parent, folded)).or_insert_with(|| Node {
            id,
            spelling: name.into(),
            kind: Kind::Implied,
        });
        let is_new = node.id == id;
        if &*node.spelling != name {
            return Err(NameFault::Collision);
        }
        node.kind = match (is_new, node.kind, kind) {
            (true, _, kind) => kind,
            (false, Kind::Implied, Kind::Folder) => Kind::Folder,
            (false, Kind::Implied | Kind::Folder, Kind::Implied) => node.kind,
            _ => return Err(NameFault::Collision),
        };
        Ok(node.id)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_names_of_all_scripts_pass() {
        for path in ["a", "a/b/c.txt", "über/日本語/🎉.tar.gz", "What?.mp3", "con-sole", "com10", ".hidden", "a b"]
        {
            assert_eq!(check(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn names_that_could_harm_are_refused_each_with_its_reason() {
        let long = "x".repeat(MAX_NAME + 1);
        let deep = "d/".repeat(MAX_DEPTH) + "f";
        for (path, fault) in [
            ("", NameFault::Empty),
            ("a//b", NameFault::Empty),
            ("a/", NameFault::Empty),
            ("/etc/passwd", NameFault::Absolute),
            ("\\\\host\\share", NameFault::Absolute),
            ("C:\\x", NameFault::Absolute),
            ("c:x", NameFault::Absolute),
            ("..", NameFault::Dots),
            ("a/../b", NameFault::Dots),
            ("a/./b", NameFault::Dots),
            ("a\\..\\b", NameFault::Character),
            ("a\0b", NameFault::Character),
            ("a\nb", NameFault::Character),
            ("a\u{7f}b", NameFault::Character),
            ("a\u{9b}b", NameFault::Character),
            ("CON", NameFault::Device),
            ("a/nul.txt", NameFault::Device),
            ("Aux .tar.gz", NameFault::Device),
            ("com1", NameFault::Device),
            ("lpt².x", NameFault::Device),
            ("COM1:x", NameFault::Device),
            ("a.", NameFault::Trailing),
            ("a /b", NameFault::Trailing),
            (&long, NameFault::TooLong),
            (&deep, NameFault::TooLong),
        ] {
            assert_eq!(check(path), Err(fault), "{path:?}");
        }
    }

    #[test]
    fn names_that_meet_on_some_disk_collide() {
        for (first, second) in [
            (("a", false), ("a", false)),
            (("Makefile", false), ("makefile", false)),
            (("A/x", false), ("a/y", false)),
            (("a", false), ("a/b", false)),
            (("a/b", false), ("a", false)),
            (("a", true), ("a", true)),
            (("a", true), ("A", false)),
            (("ΟΔΟΣ", false), ("οδος", false)),
            (("straße", false), ("STRASSE", false)),
        ] {
            let mut names = Names::default();
            names.add(first.0, first.1).unwrap();
            assert_eq!(names.add(second.0, second.1), Err(NameFault::Collision), "{first:?} {second:?}");
        }
    }

    #[test]
    fn a_folder_and_what_is_in_it_do_not_collide() {
        let mut names = Names::default();
        for (path, is_dir) in [("a/b", false), ("a", true), ("a/c", false), ("d", true), ("d/e/f", false)] {
            assert_eq!(names.add(path, is_dir), Ok(()), "{path}");
        }
        assert_eq!(names.count(), 6);
    }

    proptest! {
        #[test]
        fn what_passes_stays_below_where_it_is_put(path in "[a./\\\\ :\\x00-\\x1fC]{0,12}") {
            if check(&path).is_ok() {
                let only_names = std::path::Path::new(&path)
                    .components()
                    .all(|c| matches!(c, std::path::Component::Normal(_)));
                prop_assert!(only_names && !path.contains(['\\', '\0', '\n']));
            }
        }
    }
}
