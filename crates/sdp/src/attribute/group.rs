//! `a=group`.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use super::Attribute;
use super::mid::Mid;
use crate::text::is_token;

/// Sections that belong together (RFC 5888 §5). A group may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// `BUNDLE`, `LS` ...
    pub semantics: String,
    /// The members; for BUNDLE the first one is tagged (RFC 9143 §7.2.1).
    pub mids: Vec<Mid>,
}

impl Group {
    /// A BUNDLE group (RFC 9143 §5).
    pub fn bundle(mids: Vec<Mid>) -> Self {
        Self { semantics: "BUNDLE".to_owned(), mids }
    }

    /// Whether the members share one transport.
    pub fn is_bundle(&self) -> bool {
        self.semantics == "BUNDLE"
    }
}

impl Attribute for Group {
    const NAME: &'static str = "group";

    fn parse(value: &str) -> Option<Self> {
        let mut words = value.split(' ');
        let semantics = words.next().filter(|s| is_token(s))?.to_owned();
        // Some stacks leave a space behind the last member.
        let mids = words.filter(|w| !w.is_empty()).map(Mid::new).collect::<Option<_>>()?;
        Some(Self { semantics, mids })
    }

    fn write(&self, out: &mut String) {
        out.push(':');
        out.push_str(&self.semantics);
        for mid in &self.mids {
            out.push(' ');
            out.push_str(mid.as_str());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rewritten;
    use super::*;

    #[test]
    fn groups_list_their_members_in_order() {
        assert_eq!(rewritten::<Group>("BUNDLE 0 audio 2").as_deref(), Some("BUNDLE 0 audio 2"));
        assert_eq!(rewritten::<Group>("BUNDLE").as_deref(), Some("BUNDLE"));
        assert_eq!(rewritten::<Group>(""), None);
        assert_eq!(rewritten::<Group>("BUNDLE a\u{e9}"), None);
        assert!(Group::parse("BUNDLE 0 ").is_some_and(|g| g.is_bundle() && g.mids.len() == 1));
        assert!(!Group::parse("LS 0").unwrap().is_bundle());
    }
}
