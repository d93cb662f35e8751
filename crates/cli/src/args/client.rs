//! What all clients take: where to meet, and how.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use clap_complete::engine::ArgValueCompleter;
use peerage_signal::access::AccessToken;
use peerage_signal::link::{AnyCode, ServerAddress};

use super::value::{any_code, fingerprint};
use crate::words::candidates;

/// What all clients take.
#[derive(Debug, Default, Args)]
pub struct ClientArgs {
    /// The server to meet at, such as https://example.org
    #[arg(long, value_name = "URL", env = "PEERAGE_SERVER", value_hint = ValueHint::Url)]
    pub(super) server: Option<String>,
    /// The SHA-256 of the server's certificate, for a server with a self-signed one
    #[arg(long, value_name = "SHA256", value_parser = fingerprint)]
    pub server_fingerprint: Option<[u8; 32]>,
    /// Connect through the server's relay alone, so that the other side does not learn the addresses of this machine
    #[arg(long)]
    pub relay_only: bool,
    /// Print one JSON object a line instead of text
    #[arg(long)]
    pub json: bool,
}

impl ClientArgs {
    /// The server that was named, if any; an empty variable names none.
    pub fn server(&self) -> Result<Option<ServerAddress>, String> {
        let named = self.server.as_deref().filter(|url| !url.trim().is_empty());
        let parse = |url: &str| ServerAddress::parse(url).map_err(|error| format!("--server {url}: {error}"));
        named.map(parse).transpose()
    }
}

/// What those take who open rooms. Who only joins has no use for it, and the server of a link must not learn it.
#[derive(Clone, Debug, Default, Args)]
pub struct AccessArgs {
    /// A file with the access token of a server that asks for one; or the token itself in PEERAGE_ACCESS_TOKEN
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    access_token_file: Option<PathBuf>,
}

impl AccessArgs {
    /// The token that was given, if any; an empty variable gives none.
    pub fn token(&self) -> Result<Option<AccessToken>, String> {
        self.token_or(std::env::var("PEERAGE_ACCESS_TOKEN").ok())
    }

    fn token_or(&self, variable: Option<String>) -> Result<Option<AccessToken>, String> {
        let (origin, text) = match (&self.access_token_file, variable) {
            (Some(path), _) => {
                let origin = format!("--access-token-file {}", path.display());
                let text = std::fs::read_to_string(path).map_err(|error| format!("{origin}: {error}"))?;
                (origin, text)
            }
            (None, Some(text)) if !text.trim().is_empty() => ("PEERAGE_ACCESS_TOKEN".to_owned(), text),
            (None, _) => return Ok(None),
        };
        AccessToken::parse(&text).map(Some).map_err(|error| format!("{origin}: {error}"))
    }
}

/// What those take who make codes for two.
#[derive(Debug, Args)]
pub struct CodeArgs {
    /// A code of your own instead of a random one: 7-guitar-sunset, or ROOM-SECRET
    #[arg(long, value_name = "CODE", value_parser = any_code, add = ArgValueCompleter::new(candidates))]
    pub code: Option<AnyCode>,
    /// How many words a random code has, from 2 to 8; whoever guesses has one try in 4 million at two
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(2..=8), conflicts_with = "code")]
    pub code_words: u8,
    /// A random code of the form ROOM-SECRET, which can be used more than once
    #[arg(long, conflicts_with_all = ["code", "code_words"])]
    pub long_code: bool,
}

impl CodeArgs {
    /// Whether anything was said of the code.
    pub fn is_given(&self) -> bool {
        self.code.is_some() || self.long_code
    }
}

#[cfg(test)]
mod tests {
    use peerage_signal::access::AccessList;

    use super::*;

    #[test]
    fn an_access_token_comes_from_its_file_or_else_from_the_environment() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let given = |file: Option<&PathBuf>, variable: Option<&str>| {
            AccessArgs { access_token_file: file.cloned() }.token_or(variable.map(str::to_owned))
        };
        let admits = |token: &str, given: Option<AccessToken>| {
            AccessList::new([&AccessToken::parse(token).unwrap()]).admits(given.as_ref())
        };
        std::fs::write(&path, "token-of-the-file-1\n").unwrap();
        assert!(given(None, None).unwrap().is_none() && given(None, Some(" ")).unwrap().is_none());
        assert!(admits("token-of-variable", given(None, Some("token-of-variable")).unwrap()));
        assert!(admits("token-of-the-file-1", given(Some(&path), Some("token-of-variable")).unwrap()));
        let error = given(None, Some("s3cret")).unwrap_err();
        assert!(error.starts_with("PEERAGE_ACCESS_TOKEN: ") && !error.contains("s3cret"), "{error}");
        std::fs::write(&path, "two-tokens-in-one\nfile-are-no-token\n").unwrap();
        assert!(given(Some(&path), None).unwrap_err().contains("no spaces"));
        assert!(given(Some(&folder.path().join("missing")), None).unwrap_err().contains("missing"));
    }
}
