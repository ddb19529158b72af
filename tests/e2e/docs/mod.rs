//! The README and the pages of `docs/` keep their word: their commands print what they show, their
//! tables and examples are those of the program, their links lead somewhere.
//!
//! Parts that are made from the program stand between `<!-- begin: … -->` and `<!-- end: … -->`.
//! With `LOBBY_WRITE_DOCS=1` they are written instead of compared: `LOBBY_WRITE_DOCS=1 cargo test
//! -p lobby-tests docs`.

mod code;
mod console;
mod demo;
mod examples;
mod generated;
mod links;
mod man_page;
mod page;
mod permissions;
mod recipes;
mod selectors;
mod stage;
mod wire;

use page::Page;

/// Most lines of the README: what a newcomer reads before trying it.
const README_LINES: usize = 200;

#[test]
fn the_readme_is_short() {
    let lines = Page::read("README.md").text.lines().count();
    assert!(
        lines <= README_LINES,
        "{lines} lines instead of {README_LINES} at most: docs/ has room"
    );
}

#[test]
fn the_papers_name_the_version() {
    let version = env!("CARGO_PKG_VERSION");
    let changes = Page::read("CHANGELOG.md").text;
    let newest = changes.lines().find_map(|line| line.strip_prefix("## ")).expect("a version");
    assert!(newest.starts_with(&format!("{version} – ")), "CHANGELOG.md: {newest}");
    let is_released = newest != format!("{version} – unreleased");
    let readme = Page::read("README.md").text;
    let unreleased = format!("This is version {version}, not released yet.");
    assert_ne!(readme.contains(&unreleased), is_released, "README.md: {unreleased}");
    for page in ["README.md", "docs/install.md"] {
        let package = format!("lobby_{version}-1_amd64.deb");
        assert!(Page::read(page).text.contains(&package), "{page}: {package} is missing");
    }
}

#[test]
fn the_readme_names_the_oldest_rust() {
    let manifest = Page::read("Cargo.toml").text;
    let (_, rest) = manifest.split_once("rust-version = \"").expect("the workspace names it");
    let wanted = format!("Rust {}", rest.split('"').next().unwrap_or_default());
    for page in ["README.md", "docs/install.md"] {
        assert!(Page::read(page).text.contains(&wanted), "{page}: {wanted} is missing");
    }
}
