//! The web page, compiled in.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

mod files {
    use super::File;

    include!(concat!(env!("OUT_DIR"), "/files.rs"));
}

/// One file of `web/`.
#[derive(Debug)]
struct File {
    path: &'static str,
    content_type: &'static str,
    etag: &'static str,
    body: &'static [u8],
}

/// Serves the file that `uri` names; a folder stands for its `index.html`.
pub(crate) async fn serve(uri: Uri, headers: HeaderMap) -> Response {
    let Some(file) = find(uri.path()) else {
        return (StatusCode::NOT_FOUND, "there is nothing here\n").into_response();
    };
    // Revalidated each time: a page and its modules must be of one version.
    let caching = [(ETAG, HeaderValue::from_static(file.etag)), (CACHE_CONTROL, HeaderValue::from_static("no-cache"))];
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|v| v.to_str().ok()).any(|v| names(v, file.etag));
    if known {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    (caching, [(CONTENT_TYPE, HeaderValue::from_static(file.content_type))], file.body).into_response()
}

fn find(path: &str) -> Option<&'static File> {
    let path = path.strip_prefix('/')?;
    let index = path.is_empty() || path.ends_with('/');
    let file =
        |path: &str| files::FILES.binary_search_by(|f| f.path.cmp(path)).ok().and_then(|at| files::FILES.get(at));
    if index { file(&format!("{path}index.html")) } else { file(path) }
}

/// Whether the list of an `If-None-Match` names `etag`; the comparison is the weak one (RFC 9110 §13.1.2).
fn names(list: &str, etag: &str) -> bool {
    list.split(',').map(str::trim).any(|e| e == "*" || e.strip_prefix("W/").unwrap_or(e) == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_has_no_files_of_development() {
        assert!(files::FILES.is_sorted_by(|a, b| a.path < b.path));
        for file in files::FILES {
            assert!(!file.path.contains("test/") && !file.path.ends_with("package.json"), "{}", file.path);
            assert_eq!(file.etag.len(), 34);
        }
    }

    #[test]
    fn every_file_is_found_by_its_path_and_nothing_outside_is() {
        for file in files::FILES {
            assert_eq!(find(&format!("/{}", file.path)).map(|f| f.etag), Some(file.etag));
        }
        for path in ["", "//", "/../Cargo.toml", "/%2e%2e/Cargo.toml", "/nothing", "*"] {
            assert!(find(path).is_none(), "{path}");
        }
    }

    #[test]
    fn a_tag_is_found_in_a_list() {
        for list in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*"] {
            assert!(names(list, "\"a\""), "{list}");
        }
        assert!(!names("\"ab\", a", "\"a\""));
    }
}
