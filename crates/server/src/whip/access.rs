//! Who may publish and who may view: bearer tokens (RFC 6750).

use crate::bearer::bearer;
use crate::refusal::Refusal;
use crate::whip::config::WhipConfig;
use axum::http::HeaderMap;
use peerage_signal::access::{AccessList, AccessToken};

/// Which of the two protocols a request is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// WHIP.
    Publish,
    /// WHEP.
    View,
}

impl Role {
    /// The first part of its paths.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Publish => "whip",
            Self::View => "whep",
        }
    }
}

/// The tokens of both.
#[derive(Debug)]
pub(crate) struct Access {
    publish: AccessList,
    view: AccessList,
}

impl Access {
    /// `made` is a token that was made here, where the settings have none for those who publish.
    pub fn new(config: &WhipConfig, made: Option<&AccessToken>) -> Self {
        Self { publish: AccessList::new(config.publish.iter().chain(made)), view: AccessList::new(&config.view) }
    }

    /// Whether whoever sent these headers may do that. A token that is shown where none is needed does not matter.
    pub fn check(&self, role: Role, headers: &HeaderMap) -> Result<(), Refusal> {
        let list = match role {
            Role::Publish => &self.publish,
            Role::View => &self.view,
        };
        // Without a token nobody publishes, whatever the settings are.
        if list.is_empty() && role == Role::View {
            return Ok(());
        }
        let Some(token) = bearer(headers) else {
            let words = "this needs a token: send it as Authorization: Bearer TOKEN";
            return Err(Refusal::unauthorized("Bearer realm=\"peerage\"", words));
        };
        let token = AccessToken::parse(token).ok();
        if !list.is_empty() && token.is_some_and(|token| list.admits(Some(&token))) {
            return Ok(());
        }
        let words = "this is not a token of this server, or not one for this";
        Err(Refusal::unauthorized("Bearer realm=\"peerage\", error=\"invalid_token\"", words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use axum::http::header::AUTHORIZATION;

    const TOKEN: &str = "correct-horse-battery";

    fn access(view: &[&str]) -> Access {
        let tokens = |list: &[&str]| list.iter().map(|text| AccessToken::parse(text).unwrap()).collect();
        let config = WhipConfig { publish: tokens(&[TOKEN]), view: tokens(view), ..WhipConfig::default() };
        Access::new(&config, None)
    }

    fn status(access: &Access, role: Role, shown: &[&str]) -> (u16, String) {
        let mut headers = HeaderMap::new();
        for value in shown {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        match access.check(role, &headers) {
            Ok(()) => (200, String::new()),
            Err(refusal) => (refusal.status.as_u16(), format!("{refusal:?}")),
        }
    }

    #[test]
    fn who_publishes_shows_a_token_and_learns_what_is_wrong_with_it() {
        let access = access(&[]);
        for good in ["Bearer correct-horse-battery", "bearer  correct-horse-battery "] {
            assert_eq!(status(&access, Role::Publish, &[good]).0, 200, "{good}");
        }
        let (code, told) = status(&access, Role::Publish, &[]);
        assert!(code == 401 && !told.contains("invalid_token"), "{told}");
        for bad in ["Bearer correct-horse-batterx", "Bearer short", "Bearer "] {
            let (code, told) = status(&access, Role::Publish, &[bad]);
            assert!(code == 401 && told.contains("invalid_token"), "{bad}: {told}");
        }
        for none in [&["Basic dTpw"][..], &["correct-horse-battery"], &["Bearer correct-horse-battery"; 2]] {
            let (code, told) = status(&access, Role::Publish, none);
            assert!(code == 401 && !told.contains("invalid_token"), "{none:?}: {told}");
        }
    }

    #[test]
    fn everybody_views_unless_there_are_tokens_for_it() {
        assert_eq!(status(&access(&[]), Role::View, &[]).0, 200);
        assert_eq!(status(&access(&[]), Role::View, &["Bearer anything-at-all-here"]).0, 200);
        let private = access(&["another-token-of-ours"]);
        assert_eq!(status(&private, Role::View, &[]).0, 401);
        assert_eq!(status(&private, Role::View, &["Bearer another-token-of-ours"]).0, 200);
        assert_eq!(status(&private, Role::View, &["Bearer correct-horse-battery"]).0, 401, "that is for publishing");
        assert_eq!(status(&private, Role::Publish, &["Bearer another-token-of-ours"]).0, 401);
    }

    #[test]
    fn without_any_token_nobody_publishes() {
        let access = Access::new(&WhipConfig::default(), None);
        assert_eq!(status(&access, Role::Publish, &["Bearer correct-horse-battery"]).0, 401);
        let made = AccessToken::parse(TOKEN).unwrap();
        let access = Access::new(&WhipConfig::default(), Some(&made));
        assert_eq!(status(&access, Role::Publish, &["Bearer correct-horse-battery"]).0, 200);
    }
}
