use proptest::prelude::*;

use super::*;

#[test]
fn numbers_stand_before_the_extension_and_fit_the_longest_name() {
    for (name, number, is_file, expected) in [
        ("a.txt", 0, true, "a.txt"),
        ("a.txt", 1, true, "a (1).txt"),
        ("a", 12, true, "a (12)"),
        (".profile", 1, true, ".profile (1)"),
        ("v1.2", 1, false, "v1.2 (1)"),
    ] {
        assert_eq!(numbered(name, number, is_file), expected);
    }
    let long = "é".repeat(125) + ".txt";
    let fitted = numbered(&long, 7, true);
    assert!(fitted.len() <= MAX_NAME && fitted.ends_with("é (7).txt"));
}

proptest! {
    #[test]
    fn a_numbered_name_is_as_safe_as_the_name_was(name in "\\PC{1,90}", number in 0..=MAX_NUMBER, is_file in any::<bool>()) {
        prop_assume!(crate::path::check_name(&name).is_ok());
        prop_assert_eq!(crate::path::check_name(&numbered(&name, number, is_file)), Ok(()));
    }
}

#[test]
fn where_replacing_cannot_be_refused_the_name_is_taken_first() {
    let root = tempfile::tempdir().unwrap();
    let dir = Dir::open(root.path()).unwrap();
    dir.create("a").unwrap().write_all(b"new").unwrap();
    dir.create("b").unwrap().write_all(b"old").unwrap();
    assert_eq!(dir.place_by_claim("a", &dir, "b").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read(root.path().join("b")).unwrap(), b"old");
    dir.place_by_claim("a", &dir, "c").unwrap();
    assert_eq!(std::fs::read(root.path().join("c")).unwrap(), b"new");
    assert!(!root.path().join("a").exists());
}
