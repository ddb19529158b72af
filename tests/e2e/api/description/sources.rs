//! What the source of the API reads of a request.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const ROUTES: &str = "lobbyd/src/http/routes.rs";
const API: &str = "lobbyd/src/http";
const PARAMETERS: &str = "lobbyd/core/src/select/params.rs";

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The paths that the routes name.
pub(super) fn routes() -> BTreeSet<String> {
    let source = fs::read_to_string(file(ROUTES)).unwrap();
    let texts = source.split('"').skip(1).step_by(2);
    texts.filter(|text| text.starts_with('/')).map(str::to_owned).collect()
}

/// The query parameters that are read by name.
pub(super) fn query_parameters() -> BTreeSet<String> {
    let source = source();
    let readers = ["first(\"", "parameter(\"", "is_on(\"", "name == \""];
    readers.into_iter().flat_map(|reader| behind(&source, reader, '"')).collect()
}

/// The headers that are read, as [`plain`] writes them.
pub(super) fn headers() -> BTreeSet<String> {
    let source = source();
    let readers = ["get(", "get_all(", "contains_key("].map(|how| format!("headers().{how}"));
    let short = ["headers.get(".to_owned(), "headers.get_all(".to_owned()];
    let named = readers.iter().chain(&short).flat_map(|reader| behind(&source, reader, ')'));
    let parsed = source.match_indices("::parse(request)").map(|(at, _)| {
        let from = source[..at].rfind(|c: char| !c.is_ascii_alphanumeric()).map_or(0, |at| at + 1);
        source[from..at].to_owned()
    });
    named.chain(parsed).map(|name| plain(&name)).collect()
}

/// The name of a header, a constant or a type, without what they differ by.
pub(super) fn plain(name: &str) -> String {
    name.replace(['-', '_'], "").to_lowercase()
}

/// What stands between this text and the next such sign, wherever the text is.
fn behind(source: &str, text: &str, until: char) -> BTreeSet<String> {
    let rests = source.match_indices(text).map(|(at, found)| &source[at + found.len()..]);
    rests.map(|rest| rest.split(until).next().unwrap_or_default().to_owned()).collect()
}

/// The source of the API without its tests, in one line.
fn source() -> String {
    let mut files = vec![file(PARAMETERS)];
    let mut directories = vec![file(API)];
    while let Some(directory) = directories.pop() {
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let (folders, others): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
        directories.extend(folders);
        files.extend(others.into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs")));
    }
    let text = |path: PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        code.split_whitespace().collect::<Vec<_>>().join(" ").replace(" .", ".")
    };
    files.into_iter().map(text).collect()
}
