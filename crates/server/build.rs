//! Lists the files of `web/` so that they can be compiled in.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// What browsers are served, and as what. Anything else in the folder stays out.
const TYPES: &[(&str, &str)] = &[
    ("css", "text/css; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("ico", "image/x-icon"),
    ("js", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("png", "image/png"),
    ("svg", "image/svg+xml"),
    ("txt", "text/plain; charset=utf-8"),
    ("wasm", "application/wasm"),
    ("webmanifest", "application/manifest+json"),
    ("woff2", "font/woff2"),
];
/// Folders and files of development.
const SKIPPED: &[&str] = &["test", "tests", "node_modules", "package.json", "package-lock.json", "tsconfig.json"];

fn main() -> io::Result<()> {
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web").canonicalize()?;
    println!("cargo::rerun-if-changed={}", web.display());
    let mut files = Vec::new();
    walk(&web, &mut files)?;
    let name = |file: &Path| file.strip_prefix(&web).expect("found below it").to_string_lossy().replace('\\', "/");
    // As they are asked for: a file `a.js` comes before those of a folder `a`, which is not the order of paths.
    files.sort_by_key(|file| name(file));
    let mut out = String::from("pub(super) static FILES: &[File] = &[\n");
    for file in files {
        let name = name(&file);
        let Some(content_type) = content_type(&name) else { continue };
        let etag = fnv1a(&fs::read(&file)?);
        let path = file.to_str().ok_or_else(|| io::Error::other("a path that is not UTF-8"))?;
        writeln!(
            out,
            "    File {{ path: {name:?}, content_type: {content_type:?}, etag: \"\\\"{etag:032x}\\\"\", \
             body: include_bytes!({path:?}) }},"
        )
        .expect("writing to a string cannot fail");
    }
    out.push_str("];\n");
    fs::write(Path::new(&env::var_os("OUT_DIR").expect("set by cargo")).join("files.rs"), out)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') || name.contains(".test.") || SKIPPED.contains(&&*name) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}

fn content_type(name: &str) -> Option<&'static str> {
    let extension = name.rsplit_once('.')?.1;
    TYPES.iter().find(|(e, _)| *e == extension).map(|(_, content_type)| *content_type)
}

fn fnv1a(bytes: &[u8]) -> u128 {
    let mix = |h: u128, b: &u8| (h ^ u128::from(*b)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013B);
    bytes.iter().fold(0x6C62_272E_07BB_0142_62B8_2175_6295_C58D, mix)
}
