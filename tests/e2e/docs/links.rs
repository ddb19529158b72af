//! Every link leads somewhere, and every page can be reached.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::page::{Page, root};

/// Pages outside of `docs/` whose links are looked at, too.
const OTHERS: [&str; 4] =
    ["CHANGELOG.md", "CONTRIBUTING.md", "BENCHMARKS.md", "lobby-client/README.md"];

/// The file and the anchor that a link of a page leads to; none if it leaves the repository.
fn target(page: &Page, link: &str) -> Option<(PathBuf, String)> {
    if link.starts_with("https://") {
        return None;
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let here = page.path.parent().unwrap_or(Path::new(""));
    let path = if path.is_empty() { page.path.clone() } else { normal(&here.join(path)) };
    Some((path, anchor.to_owned()))
}

/// The path without `..`, each of which must have something to take away: nothing outside of the
/// repository is linked.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        if component == Component::ParentDir {
            assert!(normal.pop(), "{} leaves the repository", path.display());
        } else {
            normal.push(component);
        }
    }
    normal
}

fn leads_somewhere(path: &Path, anchor: &str) -> bool {
    root().join(path).exists()
        && (anchor.is_empty() || Page::read(path).anchors().iter().any(|name| name == anchor))
}

#[test]
fn every_link_leads_somewhere() {
    for page in Page::all().into_iter().chain(OTHERS.map(Page::read)) {
        for link in page.links() {
            let Some((path, anchor)) = target(&page, &link) else { continue };
            assert!(leads_somewhere(&path, &anchor), "{}: nothing at {link}", page.path.display());
        }
    }
}

#[test]
fn every_page_is_linked_from_the_readme() {
    let readme = Page::read("README.md");
    let linked: BTreeSet<_> =
        readme.links().iter().filter_map(|link| target(&readme, link)).map(|it| it.0).collect();
    for page in Page::all() {
        assert!(
            page.path == readme.path || linked.contains(&page.path),
            "{} is not linked",
            page.path.display()
        );
    }
}
